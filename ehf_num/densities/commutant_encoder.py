"""h(p|q) that moves with a finite group by construction: a Gaussian in the group's commutant.

Matrices that commute with every element of a group of permutations, signs allowed, are sums over
its orbits of pairs: on a lattice, convolutions with kernels of the lattice's symmetry. Where all
symmetric ones commute with each other too, they have projectors P_e in common, and

    p = Σ_e a_e P_e q + ∂Φ(q) + e^{ψ(q)} Σ_e e^{s_e} P_e z

is drawn alike for q and for A q, with A z in place of z, whatever the weights a_e, s_e and those of
an invariant energy Φ: ∂Φ(A q) = A ∂Φ(q) for orthogonal A. Widths e^ψ, a number for each position,
are exchanged with the positions. They matter: maps that preserve volume keep the law of the log
density, and −ln h has to make up for what is not Gaussian in S(q).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import autograd.numpy as anp
import numpy as np
import scipy

from ehf_num.engine.log_space import standard_normal_log_prob
from ehf_num.engine.networks import Weights
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.protocols import ProvedEnergy
from ehf_num.symmetry.orbit_sum import OrbitSum, read_symmetry, written_symmetry
from ehf_num.symmetry.windows import halves
from ehf_sym import FiniteSymmetry, LieAlgebra, PhaseSpace, Symmetry
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.frames import affine_velocities

_CLOSE = 1e-8  # between eigenvalues of one projector, of a random combination of order one


@dataclass(frozen=True, eq=False)
class CommutantEncoder:
    """h(p|q) = N(M q + ∂Φ(q), D(q) B² D(q)), M and B in the commutant of a group, learned.

    Parameters
    ----------
    symmetry : ehf_sym.FiniteSymmetry or ehf_sym.Symmetry
        Permutations of positions, with signs: translations of a lattice, its point group, φ → −φ.
        A `Symmetry` has rotations besides, such as a global phase.
    mean : Energy, optional
        Φ(q), kept by the same group, such as an `OrbitSum`; None: the mean is linear in q.
    width : OrbitSum, optional
        Of q, kept by the same group, without sites: D = diag e^ψ, ψ_i the sum of its network over
        the windows whose first form, or the vector that the connected group makes of it, reads
        position i. None: widths do not depend on q.

    Raises
    ------
    ehf_sym.ArgumentError
        If a generator is no signed permutation or no rotation, the symmetric matrices that commute
        with the group do not commute with each other, or mean or width are not kept by it.

    Examples
    --------
    >>> import ehf_sym as es
    >>> lattice = es.ScalarLattice([4])
    >>> encoder = CommutantEncoder(lattice.symmetry())
    >>> weights = encoder.init(np.random.default_rng(0), "float64")
    >>> [array.shape for array in weights]  # of the waves of length ∞, 4 and 2
    [(3,), (3,)]
    """

    symmetry: FiniteSymmetry | Symmetry
    mean: Any = None
    width: OrbitSum | None = None
    _basis: Array = field(init=False, repr=False)
    _spread: Array = field(init=False, repr=False)
    _reads: Array | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lie, finite = _halves(self.symmetry)
        matrices = [np.array(a, dtype=float) for a in finite.generators]
        for label, matrix in zip(finite.labels, matrices, strict=True):
            if not _permutes(matrix):
                raise ArgumentError(
                    f"symmetry has {label}, which is no permutation of positions with signs; it "
                    "should be one"
                )
        rotations = _rotations(lie)
        basis, spread = _common_basis(_commuting(_orbits_of_pairs(matrices), rotations))
        object.__setattr__(self, "_basis", basis)
        object.__setattr__(self, "_spread", spread)
        for name, energy in (("mean", self.mean), ("width", self.width)):
            self._admit(name, energy)
        reads = None if self.width is None else _read_first(self.width)
        if reads is not None and not _exchanged(reads, matrices, rotations):
            raise ArgumentError("width has windows whose first vectors the group does not exchange")
        object.__setattr__(self, "_reads", reads)

    def _admit(self, name: str, energy: Any) -> None:
        """Refuse an energy that is not kept by the group, where it can say so."""
        if (
            name == "width"
            and energy is not None
            and (not isinstance(energy, OrbitSum) or energy.of != "q" or energy.sites is not None)
        ):
            raise ArgumentError(
                f"width was {energy!r:.200}; it should be an ehf_num.OrbitSum of q without sites"
            )
        if not callable(getattr(energy, "invariance", None)):
            return
        proof = energy.invariance(self.symmetry, "q")
        if not proof.proved:
            raise ArgumentError(f"{name} should be kept by the symmetry. {proof}")

    def __repr__(self) -> str:
        of = ", ".join(self.symmetry.labels)
        given = (("mean", self.mean), ("width", self.width))
        parts = "".join(f", {k}={type(v).__name__}" for k, v in given if v is not None)
        return f"CommutantEncoder(dim={self.symmetry.space.dim}, {of}{parts})"

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Return a and s, zero: h starts as N(∂Φ, D²); then the weights of Φ and of ψ."""
        count = len(self._spread)
        own = [np.zeros(count, dtype), np.zeros(count, dtype)]
        given = (energy for energy in (self.mean, self.width) if energy is not None)
        return own + [array for energy in given for array in energy.init(rng, dtype)]

    def draw(self, weights: Weights, q: Any, noise: Any) -> tuple[Any, Any]:
        """Turn standard normal noise (n, d) into p ~ h(p|q) (n, d) and ln h(p|q) (n,) in nats."""
        log_scale, log_width = self._each(weights[1], q), self._log_width(weights, q)
        step = self._along(noise, anp.exp(log_scale)) * anp.exp(log_width)
        log_h = standard_normal_log_prob(noise) - anp.sum(log_scale + log_width, axis=1)
        return self._mean(weights, q) + step, log_h

    def log_prob(self, weights: Weights, q: Any, p: Any) -> Any:
        """Evaluate ln h(p|q): (n, d) twice to (n,), nats."""
        log_scale, log_width = self._each(weights[1], q), self._log_width(weights, q)
        step = (p - self._mean(weights, q)) * anp.exp(-log_width)
        noise = self._along(step, anp.exp(-log_scale))
        return standard_normal_log_prob(noise) - anp.sum(log_scale + log_width, axis=1)

    def score(self, weights: Weights, q: Array, noise: Array) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p = −D⁻¹ B⁻¹ z at the p drawn from the noise z: (n, d)."""
        step = self._along(noise, np.exp(-self._each(weights[1], q)))
        score: Array = -step * np.exp(-self._log_width(weights, q))
        return score

    def moves_with(self, symmetry: Symmetry) -> bool:
        """Whether draws move with q under all of a symmetry: proved for the group it is made for.

        Φ and the sum of the widths, where there are any, have to keep that group too.
        """
        known, asked = (
            [each for half in (lie, finite) if half is not None for each in half.generators]
            for lie, finite in (_halves(self.symmetry), halves(symmetry))
        )
        if not all(each in known for each in asked):
            return False
        return all(
            isinstance(energy, ProvedEnergy) and energy.invariance(symmetry, "q").proved
            for energy in (self.mean, self.width)
            if energy is not None
        )

    def saved(self) -> dict[str, Any] | None:
        """Return the options of `restored`, as JSON has them; None where Φ is code."""
        if not isinstance(self.mean, OrbitSum | None):
            return None
        lie, finite = _halves(self.symmetry)
        own = {"dim": finite.space.dim, **written_symmetry(lie, finite)}
        given = {"mean": self.mean, "width": self.width}
        return own | {name: energy and energy.saved() for name, energy in given.items()}

    @classmethod
    def restored(
        cls, dim: int, mean: Any, width: Any, generators: Any, finite: Any
    ) -> CommutantEncoder:
        """Make one again of what `saved` returned."""
        energies = (energy and OrbitSum.restored(**energy) for energy in (mean, width))
        symmetry: Any = read_symmetry(PhaseSpace(dim), generators, finite)
        return cls(symmetry, *energies)

    def _each(self, values: Any, like: Any) -> Any:
        """Give each vector of the basis the value of its projector."""
        return anp.dot(values, self._spread.astype(like.dtype))

    def _along(self, vectors: Any, factors: Any) -> Any:
        """Multiply vectors (n, d) by Σ_e f_e P_e."""
        basis = self._basis.astype(vectors.dtype)
        return anp.dot(anp.dot(vectors, basis) * factors, basis.T)

    def _mean(self, weights: Weights, q: Any) -> Any:
        linear = self._along(q, self._each(weights[0], q))
        return (
            linear if self.mean is None else linear + self.mean.gradient(self._cut(weights)[0], q)
        )

    def _log_width(self, weights: Weights, q: Any) -> Any:
        """Evaluate ψ, a number a position: (n, d), or (1, d) of zeros."""
        if self.width is None or self._reads is None:
            return np.zeros((1, q.shape[1]), q.dtype)
        each = self.width.of_rows(self._cut(weights)[1], q)
        return anp.dot(each, self._reads.astype(q.dtype))

    def _cut(self, weights: Weights) -> tuple[Weights, Weights]:
        """Return the weights of Φ and those of ψ."""
        of_width = 0 if self.width is None else 2 * len(self.width.hidden) + 1
        return weights[2 : len(weights) - of_width], weights[len(weights) - of_width :]


def _halves(symmetry: Any) -> tuple[LieAlgebra | None, FiniteSymmetry]:
    """Take a symmetry apart that has a finite part."""
    if isinstance(symmetry, FiniteSymmetry | Symmetry):
        lie, finite = halves(symmetry)
        if finite is not None:
            return lie, finite
    raise ArgumentError(
        f"symmetry was {type(symmetry).__name__}; it should be a FiniteSymmetry, or a Symmetry "
        "with one"
    )


def _rotations(lie: LieAlgebra | None) -> list[Array]:
    """Return the matrices A of generators pᵀA q, which turn q and p alike."""
    velocities = () if lie is None else affine_velocities(lie)
    if velocities is None or any(A + A.T != 0 * A or b != 0 * b for A, b in velocities):
        raise ArgumentError(
            f"symmetry was {lie!r:.200}; its generators should be rotations, pᵀA q with Aᵀ = −A"
        )
    return [np.array(A, dtype=float) for A, _ in velocities]


def _commuting(matrices: list[Array], rotations: list[Array]) -> list[Array]:
    """Span what of the span of matrices commutes with every rotation as well."""
    if not rotations:
        return matrices
    brackets = [np.ravel([m @ a - a @ m for a in rotations]) for m in matrices]
    kernel = scipy.linalg.null_space(np.transpose(brackets))
    return [np.einsum("k,kij->ij", c, matrices) for c in kernel.T]


def _read_first(width: OrbitSum) -> Array:
    """Tell which positions the first vector of each window reads: 0 and 1, (R, d)."""
    forms, induced = width.layout.forms, width.orbits.induced
    mixed = np.eye(forms.shape[1])
    for A, _ in () if induced is None else affine_velocities(induced) or ():
        mixed += np.abs(np.array(A, dtype=float))
    first = np.linalg.matrix_power(mixed + mixed.T, len(mixed))[0] > 0
    return np.asarray((forms[:, first] != 0).any(axis=1).astype(float))


def _exchanged(reads: Array, matrices: list[Array], rotations: list[Array]) -> bool:
    """Whether the group exchanges sets of positions that are read, and mixes none with others."""

    def ordered(rows: Array) -> Array:
        return rows[np.lexsort(rows.T)]

    return all(
        np.array_equal(ordered(reads), ordered(reads @ np.abs(a))) for a in matrices
    ) and not any((a * (each[:, np.newaxis] != each)).any() for a in rotations for each in reads)


def _permutes(matrix: Array) -> bool:
    """Whether each row and each column has one entry, 1 or −1."""
    sizes = np.abs(matrix)
    ones = np.ones(len(matrix))
    return (
        bool(np.isin(matrix, (-1, 0, 1)).all())
        and np.array_equal(sizes.sum(axis=0), ones)
        and np.array_equal(sizes.sum(axis=1), ones)
    )


def _orbits_of_pairs(matrices: list[Array]) -> list[Array]:
    """Span the symmetric matrices that commute with signed permutations, one orbit each."""
    d = len(matrices[0])
    places = [np.abs(a).argmax(axis=1) for a in matrices]
    signs = [a[np.arange(d), to] for a, to in zip(matrices, places, strict=True)]
    left, found = np.ones((d, d), dtype=bool), []
    for i, j in np.argwhere(np.triu(left)):
        if not left[i, j]:
            continue
        orbit, consistent = np.zeros((d, d)), True
        orbit[i, j], waiting = 1.0, [(i, j)]
        while waiting:
            a, b = waiting.pop()
            for c, e, sign in (
                (b, a, 1.0),
                *((to[a], to[b], s[a] * s[b]) for to, s in zip(places, signs, strict=True)),
            ):
                value = sign * orbit[a, b]
                if not orbit[c, e]:
                    orbit[c, e] = value
                    waiting.append((c, e))
                consistent &= orbit[c, e] == value
        left &= orbit == 0
        if consistent:
            found.append(orbit)
    return found


def _common_basis(matrices: list[Array]) -> tuple[Array, Array]:
    """Diagonalize matrices together: a basis (d, d), and which projector each vector is of."""
    rng = np.random.default_rng(0)
    mixed, other = (
        sum(
            x * a / np.linalg.norm(a)
            for x, a in zip(rng.standard_normal(len(matrices)), matrices, strict=True)
        )
        for _ in range(2)
    )
    values, basis = np.linalg.eigh(mixed)
    turned = basis.T @ other @ basis
    if np.abs(turned @ np.diag(values) - np.diag(values) @ turned).max() > _CLOSE:
        raise ArgumentError(
            "symmetry leaves symmetric matrices that do not commute with each other; the group "
            "should be larger, as a lattice's with its translations is"
        )
    starts = np.concatenate([[True], np.diff(values) > _CLOSE])
    spread = np.eye(int(starts.sum()))[np.cumsum(starts) - 1].T
    return basis, spread
