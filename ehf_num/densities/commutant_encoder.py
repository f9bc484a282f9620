"""h(p|q) that moves with a finite group by construction: a Gaussian in the group's commutant.

Matrices that commute with every element of a group of permutations, signs allowed, are sums over
its orbits of pairs: on a lattice, convolutions with kernels of the lattice's symmetry. Where all
symmetric ones commute with each other too, they have projectors P_e in common, and

    p = Σ_e (a_e P_e q + e^{s_e} P_e z) + ∂Φ(q)

is drawn alike for q and for A q, with A z in place of z, whatever the weights a_e, s_e and those of
an invariant energy Φ: ∂Φ(A q) = A ∂Φ(q) for orthogonal A.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import autograd.numpy as anp
import numpy as np

from ehf_num.engine.log_space import standard_normal_log_prob
from ehf_num.engine.networks import Weights
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.protocols import ProvedEnergy
from ehf_sym import FiniteSymmetry, Symmetry
from ehf_sym.errors import ArgumentError

_CLOSE = 1e-8  # between eigenvalues of one projector, of a random combination of order one


@dataclass(frozen=True, eq=False)
class CommutantEncoder:
    """h(p|q) = N(M q + ∂Φ(q), B²), M and B in the commutant of a finite group, learned.

    Parameters
    ----------
    symmetry : ehf_sym.FiniteSymmetry
        Permutations of positions, with signs: translations of a lattice, its point group, φ → −φ.
    mean : Energy, optional
        Φ(q), kept by the same group, such as an `OrbitSum`; None: the mean is linear in q.

    Raises
    ------
    ehf_sym.ArgumentError
        If a generator is no signed permutation, or the symmetric matrices that commute with the
        group do not commute with each other.

    Examples
    --------
    >>> import ehf_sym as es
    >>> lattice = es.ScalarLattice([4])
    >>> encoder = CommutantEncoder(lattice.symmetry())
    >>> weights = encoder.init(np.random.default_rng(0), "float64")
    >>> [array.shape for array in weights]  # of the waves of length ∞, 4 and 2
    [(3,), (3,)]
    """

    symmetry: FiniteSymmetry
    mean: Any = None
    _basis: Array = field(init=False, repr=False)
    _spread: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.symmetry, FiniteSymmetry):
            raise ArgumentError(
                f"symmetry was {type(self.symmetry).__name__}; it should be a FiniteSymmetry"
            )
        matrices = [np.array(a, dtype=float) for a in self.symmetry.generators]
        for label, matrix in zip(self.symmetry.labels, matrices, strict=True):
            if not _permutes(matrix):
                raise ArgumentError(
                    f"symmetry has {label}, which is no permutation of positions with signs; it "
                    "should be one"
                )
        basis, spread = _common_basis(_orbits_of_pairs(matrices))
        object.__setattr__(self, "_basis", basis)
        object.__setattr__(self, "_spread", spread)

    def __repr__(self) -> str:
        of = ", ".join(self.symmetry.labels)
        mean = "" if self.mean is None else f", mean={type(self.mean).__name__}"
        return f"CommutantEncoder(dim={self.symmetry.space.dim}, {of}{mean})"

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Return a and s, zero: h starts as N(∂Φ, 1); then the weights of Φ."""
        count = len(self._spread)
        own = [np.zeros(count, dtype), np.zeros(count, dtype)]
        return own if self.mean is None else [*own, *self.mean.init(rng, dtype)]

    def draw(self, weights: Weights, q: Any, noise: Any) -> tuple[Any, Any]:
        """Turn standard normal noise (n, d) into p ~ h(p|q) (n, d) and ln h(p|q) (n,) in nats."""
        log_scale = self._each(weights[1], q)
        p = self._mean(weights, q) + self._along(noise, anp.exp(log_scale))
        return p, standard_normal_log_prob(noise) - anp.sum(log_scale)

    def log_prob(self, weights: Weights, q: Any, p: Any) -> Any:
        """Evaluate ln h(p|q): (n, d) twice to (n,), nats."""
        log_scale = self._each(weights[1], q)
        noise = self._along(p - self._mean(weights, q), anp.exp(-log_scale))
        return standard_normal_log_prob(noise) - anp.sum(log_scale)

    def score(self, weights: Weights, q: Array, noise: Array) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p = −B⁻¹ z at the p drawn from the noise z: (n, d)."""
        score: Array = -self._along(noise, np.exp(-self._each(weights[1], q)))
        return score

    def moves_with(self, symmetry: Symmetry) -> bool:
        """Whether draws move with q under all of a symmetry: proved for the group it is made for.

        Φ, where there is one, has to keep that group too.
        """
        if symmetry.lie is not None or symmetry.finite is None:
            return False
        known = self.symmetry.generators
        if not all(a in known for a in symmetry.finite.generators):
            return False
        mean = self.mean
        return mean is None or (
            isinstance(mean, ProvedEnergy) and mean.invariance(symmetry, "q").proved
        )

    def _each(self, values: Any, like: Any) -> Any:
        """Give each vector of the basis the value of its projector."""
        return anp.dot(values, self._spread.astype(like.dtype))

    def _along(self, vectors: Any, factors: Any) -> Any:
        """Multiply vectors (n, d) by Σ_e f_e P_e."""
        basis = self._basis.astype(vectors.dtype)
        return anp.dot(anp.dot(vectors, basis) * factors, basis.T)

    def _mean(self, weights: Weights, q: Any) -> Any:
        linear = self._along(q, self._each(weights[0], q))
        return linear if self.mean is None else linear + self.mean.gradient(weights[2:], q)


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
