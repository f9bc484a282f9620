"""Relative coordinates of particles: the centre of mass taken out, distances and volume kept."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from sympy import Add, Expr, ImmutableMatrix, Matrix, S, SparseMatrix, diag, eye, sqrt

from ehf_sym.catalogue.generators import angular_momenta, labelled_algebra
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted
from ehf_sym.formulas.validation import listed, whole_number
from ehf_sym.symmetry.finite_symmetry import BUILD_SECONDS, FiniteSymmetry
from ehf_sym.symmetry.lie_algebra import LieAlgebra
from ehf_sym.symmetry.symmetry import Symmetry


@dataclass(frozen=True)
class RelativeFrame:
    """N − 1 relative vectors of N particles, orthonormal: q = (B ⊗ 1) (x − centre of mass).

    B is Helmert's matrix, (N − 1) × N, with orthonormal rows, which are normal to the masses. So
    Σ_a |x_a − R|² = |q|², and a density of q is one with respect to the volume of the space of
    configurations whose centre of mass R is 0. Made by `Particles.relative`.

    Parameters
    ----------
    count : int
        N, at least 2.
    dimension : int
        D.
    masses : tuple of sympy.Expr
        One positive number for each particle. They say where the centre of mass is, and do not
        weigh coordinates.

    Raises
    ------
    ArgumentError
        If there is one particle alone, or a mass is a symbol.

    Examples
    --------
    >>> from ehf_sym.catalogue.particles import Particles
    >>> frame = Particles(3, 2).relative()
    >>> frame.space.dim
    4
    >>> frame.basis
    Matrix([
    [sqrt(2)/2, -sqrt(2)/2,          0],
    [sqrt(6)/6,  sqrt(6)/6, -sqrt(6)/3]])
    """

    count: int
    dimension: int
    masses: tuple[Expr, ...]

    def __post_init__(self) -> None:
        if self.count < 2:
            raise ArgumentError("count is 1; relative coordinates need at least 2 particles")
        for a, mass in enumerate(self.masses):
            if mass.free_symbols:
                raise ArgumentError(
                    f"masses[{a}] is {quoted(mass)}; it should be a number for relative coordinates"
                )

    @cached_property
    def space(self) -> PhaseSpace:
        """Phase space of (N − 1)D positions: the vectors q_1, ..., q_{N−1}, one after the other."""
        return PhaseSpace((self.count - 1) * self.dimension)

    @cached_property
    def basis(self) -> ImmutableMatrix:
        """B: B Bᵀ = 1, B m = 0, exact."""
        m, squares = self.masses, S.Zero
        rows = []
        for k in range(1, self.count):
            squares = Add(squares, m[k - 1] ** 2)
            length = sqrt(squares * (squares + m[k] ** 2))
            row = [m[a] * m[k] / length for a in range(k)] + [-squares / length]
            rows.append(row + [S.Zero] * (self.count - k - 1))
        return ImmutableMatrix(rows)

    def position(self, a: int) -> ImmutableMatrix:
        """W with W q = x_a − R, where particle a (from 0) is as seen from the centre of mass.

        Raises
        ------
        ArgumentError
            If there is no such particle.
        """
        return self._vectors(self.basis.col(self._particle(a, "a")).T)

    def separation(self, a: int, b: int) -> ImmutableMatrix:
        """W with W q = x_b − x_a, of shape (D, (N − 1)D): of p, W p is that of momenta.

        Raises
        ------
        ArgumentError
            If there is no such particle, or it is twice the same.

        Examples
        --------
        >>> from ehf_sym.catalogue.particles import Particles
        >>> Particles(2, 2).relative().separation(0, 1)
        Matrix([
        [-sqrt(2),        0],
        [       0, -sqrt(2)]])
        """
        a, b = self._particle(a, "a"), self._particle(b, "b")
        if a == b:
            raise ArgumentError(f"b is {b}; it should be another particle than a")
        return self._vectors((self.basis.col(b) - self.basis.col(a)).T)

    def distance(self, a: int, b: int) -> Expr:
        """Write |x_b − x_a| in q: the root of a sum of squares of `separation`'s linear forms.

        The squares are not multiplied out: that would make formulas many times as long.

        Raises
        ------
        ArgumentError
            If there is no such particle, or it is twice the same.

        Examples
        --------
        >>> from ehf_sym.catalogue.particles import Particles
        >>> frame = Particles(3, 2).relative()
        >>> frame.distance(0, 1)
        sqrt(2*q1**2 + 2*q2**2)
        >>> frame.distance(1, 2) ** 2
        (sqrt(2)*q1/2 - sqrt(6)*q3/2)**2 + (sqrt(2)*q2/2 - sqrt(6)*q4/2)**2
        """
        return sqrt(Add(*(x**2 for x in self.separation(a, b) * Matrix(self.space.q))))

    def rotations(self) -> LieAlgebra:
        """Total angular momentum Σ_k q_k ∧ p_k, so(D) on all relative vectors at once.

        Raises
        ------
        ArgumentError
            If D is 1.

        Examples
        --------
        >>> from ehf_sym.catalogue.particles import Particles
        >>> Particles(3, 2).relative().rotations().generators
        (-p1*q2 + p2*q1 - p3*q4 + p4*q3,)
        """
        if self.dimension < 2:
            raise ArgumentError("dimension is 1; it should be at least 2 for rotations")
        size, space = self.dimension, self.space
        starts = range(0, space.dim, size)
        each = [angular_momenta(space.q[i : i + size], space.p[i : i + size]) for i in starts]
        summed = [
            (of_one[0][0], Add(*(formula for _, formula in of_one)))
            for of_one in zip(*each, strict=True)
        ]
        return labelled_algebra(space, summed)

    def permutations(
        self, kinds: Any = None, *, time_limit: float = BUILD_SECONDS
    ) -> FiniteSymmetry:
        """Exchanges of identical particles, of neighbours of a kind: they generate all.

        Parameters
        ----------
        kinds : str or sequence, optional
            What kind each particle is of, as in ``"AABB"``; by default what has the same mass is
            identical.
        time_limit : float
            Seconds, as for `FiniteSymmetry`.

        Raises
        ------
        ArgumentError
            If there are not as many kinds as particles, no two particles are of a kind, or two of
            a kind have different masses.

        Examples
        --------
        >>> from ehf_sym.catalogue.particles import Particles
        >>> frame = Particles(4, 2).relative()
        >>> frame.permutations().order, frame.permutations("AABB").order
        (24, 4)
        """
        matrices, labels = [], []
        for group in self.kinds(kinds):
            for a, b in pairwise(group):
                between = self.basis.col(a) - self.basis.col(b)
                exchange = eye(self.count - 1) - between * between.T
                matrices.append(self._vectors(exchange))
                labels.append(f"P_{a + 1},{b + 1}")
        if not matrices:
            raise ArgumentError(
                f"kinds is {quoted(kinds)}; at least two particles should be of a kind"
            )
        return FiniteSymmetry(self.space, matrices, labels, time_limit)

    def kinds(self, kinds: Any = None) -> tuple[tuple[int, ...], ...]:
        """Sort the particles, counted from 0, by their kinds: `permutations` says how.

        Examples
        --------
        >>> from ehf_sym.catalogue.particles import Particles
        >>> Particles(4, 2).relative().kinds("ABAB")
        ((0, 2), (1, 3))
        """
        if kinds is None:
            given: tuple[Any, ...] = self.masses
        elif isinstance(kinds, str):
            given = tuple(kinds)
        else:
            given = tuple(listed(kinds, "kinds"))
        if len(given) != self.count or not all(isinstance(kind, Hashable) for kind in given):
            raise ArgumentError(
                f"kinds is {quoted(kinds)}; it should hold {self.count} names, one a particle"
            )
        groups: dict[Any, list[int]] = {}
        for a, kind in enumerate(given):
            groups.setdefault(kind, []).append(a)
        for kind, group in groups.items():
            if len({self.masses[a] for a in group}) > 1:
                raise ArgumentError(
                    f"kinds is {quoted(kinds)}; particles of the kind {kind!r} have different "
                    "masses, and are not identical"
                )
        return tuple(map(tuple, groups.values()))

    def symmetry(
        self, kinds: Any = None, *, reflections: bool = True, time_limit: float = BUILD_SECONDS
    ) -> Symmetry:
        """Join rotations, permutations and, if wanted, mirrors; seconds for each question of these.

        Raises
        ------
        ArgumentError
            If there is nothing of all these.

        Examples
        --------
        >>> from ehf_sym.catalogue.particles import Particles
        >>> symmetry = Particles(3, 2).relative().symmetry()
        >>> symmetry.lie.labels, symmetry.finite.order
        (('L_12',), 12)
        """
        alike = any(len(group) > 1 for group in self.kinds(kinds))
        parts = [self.permutations(kinds, time_limit=time_limit)] if alike else []
        parts += [self.reflections()] if reflections else []
        matrices = [matrix for part in parts for matrix in part.generators]
        labels = [label for part in parts for label in part.labels]
        return Symmetry(
            self.rotations() if self.dimension > 1 else None,
            FiniteSymmetry(self.space, matrices, labels, time_limit) if parts else None,
            time_limit,
        )

    def reflections(self) -> FiniteSymmetry:
        """Return the mirror x_1 ↦ −x_1 of all particles at once: with `rotations` it makes O(D).

        Examples
        --------
        >>> from ehf_sym.catalogue.particles import Particles
        >>> Particles(4, 3).relative().reflections().order
        2
        """
        signs = [-1, *[1] * (self.dimension - 1)]
        return FiniteSymmetry(self.space, [diag(*signs * (self.count - 1))], ["mirror"])

    def to_relative(self, x: Any) -> np.ndarray:
        """Take the centre of mass out: x (n, N·D) or (n, N, D) to q (n, (N − 1)D).

        Raises
        ------
        ArgumentError
            If x is of another shape, or holds what is no real number.

        Examples
        --------
        >>> from ehf_sym.catalogue.particles import Particles
        >>> frame = Particles(2, 1).relative()
        >>> frame.to_relative([[1.0, 3.0]]).round(6)
        array([[-1.414214]])
        """
        shape = (self.count, self.dimension)
        x = _real_array(x, "x", (shape, (self.count * self.dimension,)))
        vectors = x.reshape(len(x), *shape)
        masses, basis = self._numbers
        centred = vectors - np.einsum("a,nad->nd", masses, vectors)[:, np.newaxis]
        q: np.ndarray = np.einsum("ka,nad->nkd", basis, centred).reshape(len(x), -1)
        return q.astype(x.dtype, copy=False)

    def from_relative(self, q: Any) -> np.ndarray:
        """Put particles around a centre of mass at 0: q (n, (N − 1)D) to x (n, N, D).

        Raises
        ------
        ArgumentError
            If q is of another shape, or holds what is no real number.

        Examples
        --------
        >>> from ehf_sym.catalogue.particles import Particles
        >>> frame = Particles(2, 1).relative()
        >>> frame.from_relative(frame.to_relative([[1.0, 3.0]])).ravel().round(6)
        array([-1.,  1.])
        """
        q = _real_array(q, "q", ((self.space.dim,),))
        vectors = q.reshape(len(q), self.count - 1, self.dimension)
        x: np.ndarray = np.einsum("ka,nkd->nad", self._numbers[1], vectors)
        return x.astype(q.dtype, copy=False)

    @cached_property
    def _numbers(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares of the total mass, and B."""
        total = Add(*self.masses)
        shares = np.array([float(mass / total) for mass in self.masses])
        return shares, np.array(self.basis.evalf(20).tolist(), dtype=float)

    def _vectors(self, matrix: Any) -> ImmutableMatrix:
        """Let a matrix act on vectors, all D components alike: its Kronecker product with 1."""
        size = self.dimension
        entries = {
            (size * i + c, size * j + c): x
            for (i, j), x in matrix.todok().items()
            for c in range(size)
        }
        return ImmutableMatrix(SparseMatrix(size * matrix.rows, size * matrix.cols, entries))

    def _particle(self, index: Any, name: str) -> int:
        found: int = whole_number(index, name, 0)
        if found >= self.count:
            raise ArgumentError(f"{name} is {found}; it should be less than {self.count}")
        return found


def _real_array(value: Any, name: str, shapes: Iterable[tuple[int, ...]]) -> np.ndarray:
    """Read rows of real numbers, of one of some shapes; float32 stays."""
    rows = np.asarray(value)
    if rows.dtype.kind not in "iuf" or rows.shape[1:] not in tuple(shapes) or rows.ndim < 2:
        wanted = " or ".join(f"(n, {', '.join(map(str, shape))})" for shape in shapes)
        raise ArgumentError(
            f"{name} was of shape {rows.shape}, dtype {rows.dtype}; it should hold real numbers of "
            f"shape {wanted}"
        )
    return rows if rows.dtype == np.float32 else rows.astype(float, copy=False)
