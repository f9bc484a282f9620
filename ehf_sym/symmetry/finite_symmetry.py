"""Finite symmetries: exact matrices that act on positions, and on momenta with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

from sympy import Expr, ImmutableMatrix, MatrixBase, eye, latex

from ehf_sym.clock import DEFAULT_SECONDS, answered_within, interrupted, positive_seconds
from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.exact.matrix_groups import VectorAction, inverse_transpose, orbit_of, vector_action
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted, record_text
from ehf_sym.formulas.validation import exact_scalar, listed, whole_number
from ehf_sym.lie.labels import checked_labels
from ehf_sym.symmetry.conditions import Conditions, find_conditions
from ehf_sym.symmetry.invariance.maps import check_maps
from ehf_sym.symmetry.invariance.report import InvarianceReport
from ehf_sym.symmetry.invariants import Invariants, find_invariants
from ehf_sym.zero.periodicity import function_on

BUILD_SECONDS = 60.0


@dataclass(frozen=True)
class FiniteSymmetry:
    """A finite group of matrices A that act by q ↦ A q, p ↦ A⁻ᵀ p.

    Permutations of identical particles, reflections, sign changes, a lattice's translations.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates, d positions.
    generators : sequence of sympy.Matrix
        At least one d×d matrix with rational or real algebraic entries; integers between angles of
        the space, zeros between angles and other positions. Kept as a tuple of
        `sympy.ImmutableMatrix`.
    labels : sequence of str, optional
        What reports call each; ``A1``, ``A2``, ... by default. They do not count for equality.
    time_limit : float
        Seconds after which it is undecided whether the group is finite.

    Attributes
    ----------
    order : int
        Number of elements. They are not enumerated: the group is followed as it permutes a few
        vectors.
    momentum_generators : tuple of sympy.ImmutableMatrix
        A⁻ᵀ for each generator A.

    Raises
    ------
    ArgumentError
        If ``space`` is not a `PhaseSpace`, ``generators`` is not a non-empty sequence of d×d
        matrices, they generate an infinite group, or one does not map the circle to itself where
        the space has angles.
    FormulaError
        If an entry is not exact, or no real algebraic number.
    UndecidedError
        If it is not known whether the group is finite.

    Examples
    --------
    >>> from sympy import Matrix
    >>> swap = Matrix([[0, 1], [1, 0]])
    >>> group = FiniteSymmetry(PhaseSpace(2), [swap, -swap])
    >>> group.order
    4
    >>> group.orbit(Matrix([[1, 0]]))
    (Matrix([[1, 0]]), Matrix([[0, 1]]), Matrix([[0, -1]]), Matrix([[-1, 0]]))
    """

    space: PhaseSpace
    generators: Sequence[ImmutableMatrix]
    labels: Sequence[str] = field(default=(), compare=False)
    time_limit: InitVar[float] = BUILD_SECONDS

    def __post_init__(self, time_limit: float) -> None:
        if not isinstance(self.space, PhaseSpace):
            raise ArgumentError(f"space is {quoted(self.space)}; it should be a PhaseSpace")
        if isinstance(self.generators, MatrixBase | str):
            one = isinstance(self.generators, MatrixBase)
            was = "one matrix" if one else repr(self.generators)
            raise ArgumentError(
                f"generators is {was}; it should be a sequence of matrices (named_symmetry reads "
                "names of the catalogue)"
            )
        given = listed(self.generators, "generators")
        if not given:
            raise ArgumentError("generators is empty; it should hold at least one matrix")
        d = self.space.dim
        matrices = tuple(_exact_matrix(a, f"generators[{k}]") for k, a in enumerate(given))
        for k, matrix in enumerate(matrices):
            if matrix.shape != (d, d):
                raise ArgumentError(
                    f"generators[{k}] is of shape {matrix.shape}; it should be {(d, d)}, for the "
                    f"{d} positions: momenta move with them, by the inverse transpose"
                )
            self._refuse_off_circle(matrix, f"generators[{k}]")
        labels = tuple(self.labels) if not isinstance(self.labels, str) else self.labels
        labels = labels or tuple(f"A{k + 1}" for k in range(len(matrices)))
        object.__setattr__(self, "generators", matrices)
        object.__setattr__(self, "labels", checked_labels(labels, len(matrices)))
        try:
            with answered_within(time_limit, "whether the matrices generate a finite group"):
                self.__dict__["action"] = vector_action(matrices)
        except FormulaError as error:
            raise FormulaError(
                f"generators should have entries such as 1/2, sqrt(2)/2 or cos(2*pi/7): {error}"
            ) from error

    def _refuse_off_circle(self, matrix: ImmutableMatrix, name: str) -> None:
        """Refuse what a turn of an angle by 2π does not commute with, or mixes angles with rest."""
        angles = self.space.angles
        if not angles:
            return
        for i, j in product(range(self.space.dim), repeat=2):
            entry, inside = matrix[i, j], (i in angles, j in angles)
            if (inside == (True, True) and not entry.is_Integer) or (
                inside[0] != inside[1] and entry != 0
            ):
                wanted = (
                    "an integer between angles"
                    if all(inside)
                    else ("0 between an angle and a position that is none")
                )
                raise ArgumentError(
                    f"{name} has the entry {quoted(entry)} at ({i}, {j}); it should be {wanted}, "
                    "for angles to be mapped to angles modulo 2π"
                )

    @cached_property
    def action(self) -> VectorAction:
        """The group as permutations of vectors that span the space."""
        return vector_action(self.generators)

    @cached_property
    def order(self) -> int:
        """Number of elements."""
        return int(self.action.group.order())

    @cached_property
    def momentum_generators(self) -> tuple[ImmutableMatrix, ...]:
        """What acts on p where each generator acts on q: its inverse transpose."""
        pairs = zip(self.generators, self.action.moves, strict=True)
        return tuple(inverse_transpose(a, move.order()) for a, move in pairs)

    def orbit(self, window: Any, of: str = "q", *, most: int = 100_000) -> tuple[Any, ...]:
        """All different W·A, A in the group, of a window W: m linear forms W q.

        Parameters
        ----------
        window : sympy.Matrix
            W, m×d, entries rational or real algebraic.
        of : {"q", "p"}
            For "p" the window is one of momenta, W p, and its images are W·A⁻ᵀ.
        most : int
            The longest orbit that is admitted.

        Returns
        -------
        tuple of sympy.ImmutableMatrix
            The window first. The group is not enumerated beyond them.

        Raises
        ------
        ArgumentError
            If the window has not d columns, or ``of`` is neither.
        FormulaError
            If an entry is not exact, or no real algebraic number.
        UndecidedError
            If there are more than ``most``.

        Examples
        --------
        >>> from sympy import Matrix
        >>> group = FiniteSymmetry(PhaseSpace(3), [[[0, 1, 0], [0, 0, 1], [1, 0, 0]]])
        >>> len(group.orbit(Matrix([[1, -1, 0]])))
        3
        """
        matrix = _exact_matrix(window, "window")
        if matrix.cols != self.space.dim or not matrix.rows:
            raise ArgumentError(
                f"window is of shape {matrix.shape}; it should have {self.space.dim} columns, one "
                "for each position, and at least one row"
            )
        if of not in ("q", "p"):
            raise ArgumentError(f"of is {quoted(of)}; it should be 'q' or 'p'")
        matrices = self.generators if of == "q" else self.momentum_generators
        return orbit_of(matrix, matrices, whole_number(most, "most"))

    def elements(self, *, most: int = 10_000) -> tuple[ImmutableMatrix, ...]:
        """All elements, the identity first.

        Parameters
        ----------
        most : int
            The largest group that is written out.

        Raises
        ------
        ArgumentError
            If there are more.

        Examples
        --------
        >>> FiniteSymmetry(PhaseSpace(1), [[[-1]]]).elements()
        (Matrix([[1]]), Matrix([[-1]]))
        """
        if self.order > whole_number(most, "most"):
            raise ArgumentError(
                f"most is {most}, and the group has {self.order} elements; orbits of windows "
                "(orbit) are found without them"
            )
        return orbit_of(ImmutableMatrix(eye(self.space.dim)), self.generators, most)

    def check(
        self, base: BaseDensity | Expr, *, time_limit: float = DEFAULT_SECONDS
    ) -> InvarianceReport:
        """Decide whether π∘σ = π for every generator σ, and so for the whole group.

        Parameters
        ----------
        base : BaseDensity or sympy.Expr
            The density π(q, p) on a space with as many coordinates, or the formula of ln π, such
            as that of an energy U(q).
        time_limit : float
            Seconds for all generators together, after which what is left is undecided.

        Returns
        -------
        InvarianceReport
            A verdict for each generator, and what it promises.

        Raises
        ------
        ArgumentError
            If ``base`` is on a space of another dimension, or ``time_limit`` is not positive.
        FormulaError
            If a formula is not one of this space.

        Examples
        --------
        >>> space = PhaseSpace(2)
        >>> (q1, q2), _ = space.q, space.p
        >>> swap = FiniteSymmetry(space, [[[0, 1], [1, 0]]])
        >>> swap.check(q1 * q2).proved
        True
        >>> print(swap.check(q1 - q2))
        π∘σ = π for π = exp(formula): refuted
          A1: q1 ↦ q2, q2 ↦ q1; p alike
            ln π(A1 s) - ln π(s) = -2*q1 + 2*q2
            at q1 = 1, q2 = 2 its value is 2, not 0: refuted
        """
        density = as_density(base, self.space)
        seconds = positive_seconds(time_limit)
        verdicts = check_maps(self.generators, self.momentum_generators, density, seconds)
        return InvarianceReport(self, density, verdicts)

    def invariants(
        self, degree: int, of: str = "s", *, time_limit: float = DEFAULT_SECONDS
    ) -> Invariants:
        """Find all polynomials f to a degree with f∘σ = f for every element σ.

        Exact linear algebra with the generators: the group is not averaged over.

        Parameters
        ----------
        degree : int
            The highest total degree. By Noether's theorem those to the degree `order` generate
            all.
        of : {"q", "p", "s"}
            What f is a function of: positions, momenta or both.
        time_limit : float
            Seconds after which it is undecided.

        Returns
        -------
        Invariants
            A minimal set that generates them, what is independent and what is related.

        Raises
        ------
        ArgumentError
            If ``degree`` is not a positive integer or ``of`` is none of these.

        Examples
        --------
        >>> swap = FiniteSymmetry(PhaseSpace(2), [[[0, 1], [1, 0]]])
        >>> swap.invariants(2, of="q").generators
        (q1 + q2, q1**2 + q2**2)
        """
        maps = tuple(zip(self.generators, self.momentum_generators, strict=True))
        with answered_within(time_limit, "which polynomials are invariant"):
            return interrupted(lambda: find_invariants(self, degree, of, (), maps))

    def conditions(self, base: BaseDensity, *, time_limit: float = DEFAULT_SECONDS) -> Conditions:
        """Find the parameters of a density for which the group leaves it alone.

        Parameters
        ----------
        base : BaseDensity
            π, on this space or on one with further parameters.
        time_limit : float
            Seconds after which it is undecided.

        Returns
        -------
        Conditions
            Exact equations between the parameters, and case by case the densities that satisfy
            them, each proved invariant.

        Raises
        ------
        ArgumentError
            If ``base`` is not a `BaseDensity` on such a space.

        Examples
        --------
        >>> from ehf_sym import GaussianFamily
        >>> swap = FiniteSymmetry(PhaseSpace(2), [[[0, 1], [1, 0]]])
        >>> swap.conditions(GaussianFamily(swap.space)).equations
        (P1_1 - P2_2, P1_3 - P2_4, P1_4 - P2_3, P3_3 - P4_4)
        """
        if not isinstance(base, BaseDensity):
            raise ArgumentError(f"base is {quoted(base)}; it should be a BaseDensity")
        density = as_density(base, self.space)
        maps = tuple(zip(self.generators, self.momentum_generators, strict=True))

        def check(_: Any, density: BaseDensity) -> InvarianceReport:
            return replace(self, space=density.space).check(density)

        with answered_within(time_limit, "for which parameters the density is invariant"):
            found = interrupted(lambda: find_conditions(None, density, maps, check))
        return replace(found, symmetry=replace(self, space=base.space))

    def _repr_latex_(self) -> str:
        """LaTeX for notebooks."""
        shown = ",\\; ".join(latex(a) for a in self.generators[:3])
        more = ",\\; \\ldots" if len(self.generators) > 3 else ""
        return rf"$\left\langle {shown}{more} \right\rangle$"

    __repr__ = record_text


def as_density(base: Any, space: PhaseSpace) -> BaseDensity:
    """Read a density, or the formula of its logarithm, on a space with these coordinates."""
    if not isinstance(base, BaseDensity):
        return BaseDensity(space, log_density=function_on(space, base, "base"), name="exp(formula)")
    if (base.space.dim, base.space.angles) != (space.dim, space.angles):
        raise ArgumentError(f"base lives on {base.space}; it should live on {space}")
    return base


def _exact_matrix(value: Any, name: str) -> ImmutableMatrix:
    """Admit a matrix with exact, real entries."""
    try:
        matrix = ImmutableMatrix(value)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name} is {quoted(value)}; it should be a matrix") from error
    return matrix.applyfunc(
        lambda x: x if x.is_Rational else exact_scalar(x, f"an entry of {name}")
    )
