"""A Lie algebra and a finite symmetry together: what both generate, and what that keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, replace
from functools import cached_property
from typing import Any

from sympy import Expr, ImmutableMatrix, Symbol

from ehf_sym.clock import DEFAULT_SECONDS, answered_within, interrupted, positive_seconds
from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.errors import ArgumentError, ClosureError, FormulaError
from ehf_sym.exact.functions import coordinates
from ehf_sym.formulas.formula import format_formula, parse
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted, record_text
from ehf_sym.lie.labels import fresh_label
from ehf_sym.symmetry.conditions import Conditions, find_conditions
from ehf_sym.symmetry.finite_symmetry import FiniteSymmetry, as_density
from ehf_sym.symmetry.invariance.brackets import check_invariance
from ehf_sym.symmetry.invariance.maps import change_of, moved_coordinates
from ehf_sym.symmetry.invariance.report import InvarianceReport
from ehf_sym.symmetry.invariants import Invariants, find_invariants
from ehf_sym.symmetry.lie_algebra import LieAlgebra

_MOST_FUNCTIONS = 100


@dataclass(frozen=True)
class Symmetry:
    """The group that a Lie algebra and a finite group of matrices generate together.

    With g and σ every g∘σ generates a symmetry too. Where one of these is no combination of what
    the algebra closes to, the algebra is closed with them, and reports say that it grew.

    Parameters
    ----------
    lie : LieAlgebra, optional
        The functions g(q, p).
    finite : FiniteSymmetry, optional
        The matrices, on as many positions. At least one of both is given.
    time_limit : float
        Seconds after which it is undecided what both generate together, once that is asked.

    Attributes
    ----------
    space : PhaseSpace
        The coordinates.
    algebra : LieAlgebra or None
        ``lie`` with what was added; ``lie`` itself if nothing was.
    added : tuple of sympy.Expr
        By what the algebra grew.
    labels : tuple of str
        Of the functions, then of the matrices.

    Raises
    ------
    ArgumentError
        If neither is given, one is of another kind, or they are not on one space.

    Examples
    --------
    A cyclic permutation of the axes turns one rotation into all three:

    >>> from ehf_sym import LieAlgebra, PhaseSpace
    >>> space = PhaseSpace(3)
    >>> (q1, q2, q3), (p1, p2, p3) = space.q, space.p
    >>> about_z = LieAlgebra(space, [q1 * p2 - q2 * p1])
    >>> turn = FiniteSymmetry(space, [[[0, 1, 0], [0, 0, 1], [1, 0, 0]]])
    >>> Symmetry(about_z, turn).added
    (-p2*q3 + p3*q2, p1*q3 - p3*q1)
    """

    lie: LieAlgebra | None = None
    finite: FiniteSymmetry | None = None
    time_limit: InitVar[float] = DEFAULT_SECONDS

    def __post_init__(self, time_limit: float) -> None:
        if self.lie is None and self.finite is None:
            raise ArgumentError("lie and finite are None; at least one of them should be given")
        if not isinstance(self.lie, LieAlgebra | None):
            raise ArgumentError(f"lie is {quoted(self.lie)}; it should be a LieAlgebra")
        if not isinstance(self.finite, FiniteSymmetry | None):
            raise ArgumentError(f"finite is {quoted(self.finite)}; it should be a FiniteSymmetry")
        spaces = [part.space for part in (self.lie, self.finite) if part is not None]
        if len({(space.dim, space.angles) for space in spaces}) > 1:
            raise ArgumentError(f"finite lives on {spaces[1]}; it should live on {spaces[0]}")
        self.__dict__["_seconds"] = positive_seconds(time_limit)

    @property
    def space(self) -> PhaseSpace:
        """The coordinates."""
        return (self.lie or self.finite).space  # type: ignore[union-attr]  # one is given

    @property
    def maps(self) -> tuple[tuple[ImmutableMatrix, ImmutableMatrix], ...]:
        """A and A⁻ᵀ for each generator of the finite part."""
        if self.finite is None:
            return ()
        return tuple(zip(self.finite.generators, self.finite.momentum_generators, strict=True))

    @property
    def added(self) -> tuple[Expr, ...]:
        """By what the algebra grew so that every σ maps it to itself."""
        return self._grown(self.__dict__["_seconds"])

    def _grown(self, seconds: float) -> tuple[Expr, ...]:
        """Find what was added within a time, once."""
        if "_added" not in self.__dict__:
            lie, found = self.lie, []
            if lie is not None:
                images = [moved_coordinates(self.space, *pair) for pair in self.maps]
                with answered_within(seconds, "what the symmetries generate together"):
                    found = interrupted(lambda: _moved_out(lie, images))
            self.__dict__["_added"] = tuple(found)
        added: tuple[Expr, ...] = self.__dict__["_added"]
        return added

    @cached_property
    def algebra(self) -> LieAlgebra | None:
        """The Lie algebra with what was added."""
        if self.lie is None or not self.added:
            return self.lie
        labels = list(self.lie.labels)
        for _ in self.added:
            labels.append(fresh_label(labels))
        return LieAlgebra(self.space, (*self.lie.generators, *self.added), labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """What reports call the functions, then the matrices."""
        parts = (self.algebra, self.finite)
        return tuple(label for part in parts if part is not None for label in part.labels)

    def check(
        self, base: BaseDensity | Expr, *, time_limit: float = DEFAULT_SECONDS
    ) -> InvarianceReport:
        """Decide {g, π} = 0 for every function g, and π∘σ = π for every matrix.

        Parameters
        ----------
        base : BaseDensity or sympy.Expr
            The density π(q, p), or the formula of ln π.
        time_limit : float
            Seconds for each kind together, after which what is left is undecided; and for what both
            generate together, where that was not found before.

        Returns
        -------
        InvarianceReport
            A verdict for each, functions first.

        Raises
        ------
        ArgumentError
            If ``base`` is on another space, or ``time_limit`` is not positive.

        Examples
        --------
        >>> from ehf_sym import StandardNormal, groups
        >>> print(groups.o(2).check(StandardNormal(groups.o(2).space)))
        {g, π} = 0 and π∘σ = π for π = standard normal: proved
          L_12 = -p1*q2 + p2*q1
          mirror: q1 ↦ -q1; p alike
          ...
        """
        density = as_density(base, self.space)
        verdicts: list[Any] = []
        self._grown(time_limit)
        if self.algebra is not None:
            verdicts += check_invariance(self.algebra, density, time_limit).verdicts
        if self.finite is not None:
            verdicts += self.finite.check(density, time_limit=time_limit).verdicts
        return InvarianceReport(self, density, tuple(verdicts), self.remarks)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What reports say of how the algebra grew."""
        if not self.added:
            return ()
        names = self.algebra.labels[-len(self.added) :]  # type: ignore[union-attr]  # it grew
        return (f"The matrices take the given functions to others: {', '.join(names)} were added",)

    def invariants(
        self, degree: int, of: str = "s", *, time_limit: float = DEFAULT_SECONDS
    ) -> Invariants:
        """Find all polynomials f to a degree that functions g and matrices σ leave alone.

        Parameters
        ----------
        degree : int
            The highest total degree.
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
        FormulaError
            If the functions have no normal form within bounds.

        Examples
        --------
        >>> from ehf_sym import groups
        >>> groups.o(2).invariants(2, of="s").generators
        (q1**2 + q2**2, p1*q1 + p2*q2, p1**2 + p2**2)
        """
        with answered_within(time_limit, "which polynomials are invariant"):
            functions = () if self.algebra is None else self.algebra.generators
            return interrupted(lambda: find_invariants(self, degree, of, functions, self.maps))

    def conditions(self, base: BaseDensity, *, time_limit: float = DEFAULT_SECONDS) -> Conditions:
        """Find the parameters of a density for which the whole symmetry leaves it alone.

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
        >>> from ehf_sym import GaussianFamily, groups
        >>> base = GaussianFamily(groups.symmetric(2).space)
        >>> Symmetry(finite=groups.symmetric(2)).conditions(base).equations
        (P1_1 - P2_2, P1_3 - P2_4, P1_4 - P2_3, P3_3 - P4_4)
        """
        with answered_within(time_limit, "for which parameters the density is invariant"):
            return interrupted(lambda: self.conditions_on(base))

    def conditions_on(self, base: BaseDensity) -> Conditions:
        """Find them without a limit on the time."""
        if not isinstance(base, BaseDensity):
            raise ArgumentError(f"base is {quoted(base)}; it should be a BaseDensity")

        def check(algebra: Any, density: BaseDensity) -> InvarianceReport:
            finite = None if self.finite is None else replace(self.finite, space=density.space)
            return Symmetry(algebra, finite).check(density)

        density = as_density(base, self.space)
        found = find_conditions(self.algebra, density, self.maps, check)
        return replace(found, symmetry=self.on_space(base.space))

    def on_space(self, space: PhaseSpace) -> Symmetry:
        """Take it to a space with the same coordinates and other parameters."""
        lie, finite = self.lie, self.finite
        return Symmetry(
            None if lie is None else LieAlgebra(space, lie.generators, lie.labels),
            None if finite is None else replace(finite, space=space),
        )

    def with_values(self, values: Mapping[Symbol, Any]) -> Symmetry:
        """Give parameters of the functions values, as `ehf_sym.lie.algebra.Algebra.with_values`."""
        if self.lie is None:
            raise ArgumentError("a finite symmetry has no parameters to give values")
        lie = self.lie.with_values(values)
        finite = None if self.finite is None else replace(self.finite, space=lie.space)
        return Symmetry(lie, finite)

    def _repr_latex_(self) -> str:
        """LaTeX for notebooks."""
        parts = [part._repr_latex_() for part in (self.lie, self.finite) if part is not None]
        return r" $\quad\text{and}\quad$ ".join(parts)

    __repr__ = record_text


def _moved_out(lie: LieAlgebra, images: Sequence[Mapping[Symbol, Expr]]) -> list[Expr]:
    """Find functions g∘σ, and images of these, that the algebra does not close to."""
    space, known = lie.space, list(lie.generators)
    reach = _closed(lie)
    waiting = list(known)
    while waiting:
        g = waiting.pop(0)
        for image in images:
            change = change_of(g, image)
            if change.is_polynomial(*space.coordinates):
                change = change.expand()
            if change == 0:
                continue
            moved = g + change
            if moved in known or -moved in known:
                continue
            if coordinates(known, moved, space.parameters) is not None:
                continue
            if coordinates(reach, moved, space.parameters) is not None:
                continue
            if len(known) >= _MOST_FUNCTIONS:
                raise ArgumentError(
                    f"finite takes the functions of lie to more than {_MOST_FUNCTIONS} others"
                )
            known.append(moved)
            waiting.append(moved)
            reach = _closed(LieAlgebra(space, known))
    if len(known) == len(lie.generators):
        return []
    return [g for g in reach if g not in lie.generators]


def _closed(algebra: LieAlgebra) -> Sequence[Expr]:
    """Close an algebra, where it does."""
    try:
        return algebra.close().generators
    except (ClosureError, FormulaError):
        return algebra.generators


AnySymmetry = LieAlgebra | FiniteSymmetry | Symmetry


def moved_to(symmetry: AnySymmetry, space: PhaseSpace) -> Any:
    """Take a symmetry to a space with the same coordinates and other parameters; the kind stays."""
    if isinstance(symmetry, Symmetry):
        return symmetry.on_space(space)
    return replace(symmetry, space=space)


def symmetry_as_text(whole: Symmetry | None) -> dict[str, Any]:
    """Write generators and matrices; what is not there is left out, as in files of old."""
    lie = None if whole is None else whole.lie
    finite = None if whole is None else whole.finite
    generators = () if lie is None else lie.generators
    told: dict[str, Any] = {"generators": [format_formula(g) for g in generators]}
    if finite is not None:
        told["matrices"] = [
            [[*map(format_formula, row)] for row in a.tolist()] for a in finite.generators
        ]
        told["matrix_labels"] = list(finite.labels)
    return told


def symmetry_of_text(told: Mapping[str, Any], space: PhaseSpace) -> AnySymmetry | None:
    """Read what `symmetry_as_text` wrote, of the kind that it was."""
    generators = [parse(text, space) for text in told["generators"]]
    lie = LieAlgebra(space, generators) if generators else None
    if "matrices" not in told:
        return lie
    matrices = [[[parse(x, space) for x in row] for row in rows] for rows in told["matrices"]]
    finite = FiniteSymmetry(space, matrices, told["matrix_labels"])
    return finite if lie is None else Symmetry(lie, finite)


def as_symmetry(value: Any, name: str = "symmetry") -> Symmetry | None:
    """Admit a LieAlgebra, a FiniteSymmetry, a Symmetry or None, or raise ArgumentError."""
    if isinstance(value, LieAlgebra):
        return Symmetry(lie=value)
    if isinstance(value, FiniteSymmetry):
        return Symmetry(finite=value)
    if not isinstance(value, Symmetry | None):
        raise ArgumentError(
            f"{name} is {quoted(value)}; it should be a LieAlgebra, a FiniteSymmetry or a Symmetry"
        )
    return value
