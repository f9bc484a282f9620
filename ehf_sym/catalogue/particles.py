"""N particles in D dimensions: whose coordinates are whose, what they conserve, Jacobi's frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from sympy import Add, Expr, ImmutableMatrix, Symbol, eye, kronecker_product

from ehf_sym.catalogue.generators import (
    Labelled,
    angular_momenta,
    labelled_algebra,
    numbered,
    positive_constant,
)
from ehf_sym.catalogue.point_transformation import PointTransformation
from ehf_sym.catalogue.relative_frame import RelativeFrame
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.validation import validate_parameters, whole_number
from ehf_sym.symmetry.lie_algebra import LieAlgebra

Vector = tuple[Symbol, ...]


@dataclass(frozen=True)
class Particles:
    """N particles in D-dimensional space; particle a has the positions q_{aD+1}, ..., q_{aD+D}.

    Parameters
    ----------
    count : int
        N, at least 1.
    dimension : int
        D, at least 1.
    masses : sequence of int or sympy.Expr, optional
        One positive number or symbol for each particle; 1 by default. Kept as a tuple.

    Attributes
    ----------
    space : PhaseSpace
        Of N·D positions, with the symbols of the masses as parameters.
    positions, momenta : tuple of tuple of sympy.Symbol
        ``positions[a]`` is the position vector of particle a, counted from 0.

    Raises
    ------
    ArgumentError
        If an argument is not as described.

    References
    ----------
    H. Goldstein, *Classical Mechanics*, 2nd ed., chapters 1, 3 and 9.

    Examples
    --------
    >>> pair = Particles(2, 3)
    >>> pair.positions[1]
    (q4, q5, q6)
    >>> pair.translations().generators
    (p1 + p4, p2 + p5, p3 + p6)
    """

    count: int
    dimension: int
    masses: Sequence[Any] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", whole_number(self.count, "count"))
        object.__setattr__(self, "dimension", whole_number(self.dimension, "dimension"))
        if isinstance(self.masses, str) or not isinstance(self.masses, Iterable):
            raise ArgumentError(f"masses is {self.masses!r}; it should be a sequence")
        given = tuple(self.masses) or (1,) * self.count
        if len(given) != self.count:
            raise ArgumentError(
                f"masses holds {len(given)} values; it should hold {self.count}, one a particle"
            )
        masses = tuple(positive_constant(m, f"masses[{a}]") for a, m in enumerate(given))
        object.__setattr__(self, "masses", masses)
        validate_parameters(self._mass_symbols)

    @cached_property
    def space(self) -> PhaseSpace:
        """Phase space of all particles."""
        return PhaseSpace(self.count * self.dimension, self._mass_symbols)

    @property
    def _mass_symbols(self) -> list[Symbol]:
        return sorted({s for mass in self.masses for s in mass.free_symbols}, key=str)

    @cached_property
    def positions(self) -> tuple[Vector, ...]:
        """Position vector of each particle."""
        return self._vectors(self.space.q)

    @cached_property
    def momenta(self) -> tuple[Vector, ...]:
        """Momentum vector of each particle."""
        return self._vectors(self.space.p)

    @property
    def total_mass(self) -> Expr:
        """M = Σ_a m_a."""
        return Add(*self.masses)

    @property
    def kinetic_energy(self) -> Expr:
        """Σ_a |p_a|²/2m_a."""
        pairs = zip(self.momenta, self.masses, strict=True)
        return Add(*(x**2 / (2 * m) for momentum, m in pairs for x in momentum))

    @property
    def centre_of_mass(self) -> tuple[Expr, ...]:
        """Σ_a m_a q_a/M."""
        return tuple(x / self.total_mass for x in self._mass_moments())

    def separation(self, a: int, b: int) -> tuple[Expr, ...]:
        """Vector q_b − q_a that leads from particle a to particle b, counted from 0.

        Raises
        ------
        ArgumentError
            If there is no such particle.

        Examples
        --------
        >>> Particles(2, 2).separation(0, 1)
        (-q1 + q3, -q2 + q4)
        """
        for name, index in (("a", a), ("b", b)):
            if whole_number(index, name, 0) >= self.count:
                raise ArgumentError(f"{name} is {index}; it should be less than {self.count}")
        return tuple(y - x for x, y in zip(self.positions[a], self.positions[b], strict=True))

    def translations(self) -> LieAlgebra:
        """Total momentum P = Σ_a p_a, which moves all particles alike.

        Examples
        --------
        >>> Particles(3, 1).translations().generators
        (p1 + p2 + p3,)
        """
        return labelled_algebra(self.space, self._total_momentum())

    def rotations(self) -> LieAlgebra:
        """Total angular momentum Σ_a q_a ∧ p_a, in the order and scale of `es.groups.so`.

        Raises
        ------
        ArgumentError
            If D is 1.

        Examples
        --------
        >>> Particles(2, 2).rotations().generators
        (-p1*q2 + p2*q1 - p3*q4 + p4*q3,)
        """
        return labelled_algebra(self.space, self._total_angular_momentum())

    def rotations_of_each(self) -> LieAlgebra:
        """Angular momentum of every particle by itself, a direct sum of N algebras so(D).

        Raises
        ------
        ArgumentError
            If D is 1.

        Examples
        --------
        >>> Particles(2, 2).rotations_of_each().labels
        ('1_L_12', '2_L_12')
        """
        return labelled_algebra(
            self.space,
            [
                (f"{a}_{name}", formula)
                for a, momenta in enumerate(self._angular_momenta(), start=1)
                for name, formula in momenta
            ],
        )

    def euclidean(self) -> LieAlgebra:
        """Rotations and translations of all particles together, e(D).

        Raises
        ------
        ArgumentError
            If D is 1.

        Examples
        --------
        >>> Particles(2, 3).euclidean().labels
        ('L_1', 'L_2', 'L_3', 'P_1', 'P_2', 'P_3')
        """
        return labelled_algebra(
            self.space, [*self._total_angular_momentum(), *self._total_momentum()]
        )

    def galilei(self) -> LieAlgebra:
        """Symmetries of N free particles: `euclidean`, boosts K = Σ_a m_a q_a, H and M.

        The brackets are those of `ehf_sym.catalogue.groups.galilei`, with the total mass M.

        Raises
        ------
        ArgumentError
            If D is 1.

        Examples
        --------
        >>> Particles(2, 2, masses=[1, 3]).galilei().generators[3:]
        (q1 + 3*q3, q2 + 3*q4, p1**2/2 + p2**2/2 + p3**2/6 + p4**2/6, 4)
        """
        return labelled_algebra(
            self.space,
            [
                *self._total_angular_momentum(),
                *self._total_momentum(),
                *numbered("K", self._mass_moments()),
                ("H", self.kinetic_energy),
                ("M", self.total_mass),
            ],
        )

    def relative(self) -> RelativeFrame:
        """Orthonormal coordinates of configurations about their centre of mass, with symmetries.

        No density that can be normalized is invariant under translations; one of these (N − 1)D
        coordinates has nothing left to translate.

        Raises
        ------
        ArgumentError
            If there is one particle alone, or a mass is a symbol.

        Examples
        --------
        >>> frame = Particles(4, 2).relative()
        >>> frame.space.dim, frame.rotations().labels, frame.permutations().order
        (6, ('L_12',), 24)
        """
        return RelativeFrame(self.count, self.dimension, tuple(self.masses))

    def jacobi_coordinates(self) -> PointTransformation:
        """Jacobi's coordinates r_1, ..., r_{N−1} and the centre of mass R, as a canonical change.

        r_a leads from the centre of mass of the first a particles to the next one. In them the
        kinetic energy is Σ_a |P_a|²/2μ_a + |P|²/2M with 1/μ_a = 1/m_{a+1} + 1/(m_1 + ... + m_a).

        Returns
        -------
        PointTransformation
            Its first (N − 1)D new positions are the r_a, its last D ones R.

        Examples
        --------
        >>> m1, m2 = Symbol("m1", positive=True), Symbol("m2", positive=True)
        >>> pair = Particles(2, 1, masses=[m1, m2])
        >>> jacobi = pair.jacobi_coordinates()
        >>> jacobi.positions
        (-q1 + q2, m1*q1/(m1 + m2) + m2*q2/(m1 + m2))
        >>> jacobi.rewrite(abs(pair.separation(0, 1)[0]))
        Abs(q1)
        """
        sums = list(accumulate(self.masses))
        rows = [[m / sums[a] for m in self.masses[: a + 1]] for a in range(self.count)]
        entries = ImmutableMatrix(
            self.count,
            self.count,
            lambda a, b: (
                (rows[a][b] if b <= a else 0)
                if a == self.count - 1
                else (-rows[a][b] if b <= a else int(b == a + 1))
            ),
        )
        return PointTransformation(self.space, kronecker_product(entries, eye(self.dimension)))

    def _vectors(self, coordinates: Vector) -> tuple[Vector, ...]:
        size = self.dimension
        return tuple(coordinates[a * size : (a + 1) * size] for a in range(self.count))

    def _mass_moments(self) -> list[Expr]:
        """Σ_a m_a q_a."""
        columns = zip(*self.positions, strict=True)
        return [Add(*(m * x for m, x in zip(self.masses, xs, strict=True))) for xs in columns]

    def _total_momentum(self) -> list[Labelled]:
        return numbered("P", [Add(*xs) for xs in zip(*self.momenta, strict=True)])

    def _total_angular_momentum(self) -> list[Labelled]:
        columns = zip(*self._angular_momenta(), strict=True)
        return [(column[0][0], Add(*(formula for _, formula in column))) for column in columns]

    def _angular_momenta(self) -> list[list[Labelled]]:
        if self.dimension < 2:
            raise ArgumentError("dimension is 1; it should be at least 2 for rotations")
        pairs = zip(self.positions, self.momenta, strict=True)
        return [angular_momenta(q, p) for q, p in pairs]
