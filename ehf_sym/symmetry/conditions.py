"""Which parameters make a density invariant: exact equations, and what satisfies them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sympy import Expr, ImmutableMatrix, Poly, Symbol, cancel, factor, hessian
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.errors import ArgumentError
from ehf_sym.exact.identities import identities
from ehf_sym.exact.parameter_equations import Case
from ehf_sym.exact.parameter_functions import inhabited
from ehf_sym.formulas.phase_space import Assignment, PhaseSpace
from ehf_sym.formulas.printing import formula_text, quoted, record_text
from ehf_sym.formulas.report import Document, Line, Reported, formula_data, space_data
from ehf_sym.lie.algebra import Algebra
from ehf_sym.symmetry.invariance.brackets import check_invariance
from ehf_sym.symmetry.invariance.maps import moved_coordinates
from ehf_sym.symmetry.invariance.report import InvarianceReport
from ehf_sym.symmetry.jumps.crossings import jump_equations
from ehf_sym.symmetry.jumps.walls import UNDEFINED, differentiable, walls_of
from ehf_sym.zero.zero_test import is_zero


@dataclass(frozen=True)
class InvariantFamily:
    """Densities of one case: some parameters determined, the others free.

    Attributes
    ----------
    values : dict
        Determined parameters, as formulas in the free ones.
    equations : tuple of sympy.Expr
        Polynomials in the free parameters that have to vanish besides, because they could not be
        solved for one of them.
    positive : tuple of sympy.Expr
        What has to be positive: for assumptions on determined parameters, and for a Gaussian so
        that it can be normalized. Empty where that is known from assumptions.
    base : BaseDensity
        The density with these values, on the space of the free parameters.
    report : InvarianceReport or None
        The proof that it is invariant. None where `equations` is not empty, or where no generator
        is left.
    inhabited : bool
        Whether it is proved that some parameters satisfy `equations` and `positive`.
    """

    values: Mapping[Symbol, Expr]
    equations: tuple[Expr, ...]
    positive: tuple[Expr, ...]
    base: BaseDensity
    report: InvarianceReport | None
    inhabited: bool = True

    __repr__ = record_text

    @property
    def proved(self) -> bool:
        """Whether invariance is proved for all free parameters, without further equations."""
        return not self.equations and (self.report is None or self.report.proved)


@dataclass(frozen=True, repr=False)
class Conditions(Reported):
    """For which parameters {g, π} = 0; prints as text, LaTeX, HTML and JSON.

    Attributes
    ----------
    symmetry : LieAlgebra or Symmetry
        What is to leave π alone, on the density's space.
    base : BaseDensity
        π with parameters.
    equations : tuple of sympy.Expr
        Polynomials in the parameters. If all vanish, π is invariant; the converse holds as well if
        `complete`.
    families : tuple of InvariantFamily
        The densities that satisfy them, case by case, where they can be normalized.
    improper : tuple of dict
        Cases left out because exp(ln π) then has no finite integral: the determined parameters.
    complete : bool
        Whether there are no further cases. Not known where functions such as |q1|**n depend on
        parameters, or where no normal form was found.
    residual : tuple of sympy.Expr
        If not complete: the brackets {g, ln π} that could not be separated.
    """

    symmetry: Any
    base: BaseDensity
    equations: tuple[Expr, ...]
    families: tuple[InvariantFamily, ...]
    improper: tuple[Mapping[Symbol, Expr], ...]
    complete: bool
    residual: tuple[Expr, ...] = ()

    @property
    def _functions(self) -> tuple[Expr, ...]:
        algebra = getattr(self.symmetry, "algebra", self.symmetry)
        return () if algebra is None else tuple(algebra.generators)

    @property
    def _maps(self) -> tuple[ImmutableMatrix, ...]:
        return tuple(matrix for matrix, _ in getattr(self.symmetry, "maps", ()))

    @property
    def status(self) -> Literal["always", "conditional", "never", "undecided"]:
        """For which parameters π is a density and invariant: all, some, none, or undecided."""
        if not self.complete:
            return "undecided"
        if not self.families:
            return "never"
        if not self.equations:
            return "always"
        return "conditional" if any(f.inhabited for f in self.families) else "undecided"

    def document(self) -> Document:
        """Lines for a reader and data for a program."""
        return Document(tuple(self._lines()), self._data())

    def _lines(self) -> Iterator[Line]:
        """Write out equations, families, and what is left open."""
        words = {
            "always": "for all values of its parameters",
            "conditional": "exactly where",
            "never": "for no values of its parameters",
            "undecided": "undecided for which values of its parameters",
        }
        claims = ["{g, π} = 0"] if self._functions else []
        claims += ["π∘σ = π"] if self._maps else []
        head = f"{' and '.join(claims)} for π = {self.base.name}: {words[self.status]}"
        yield Line(0, head)
        if self.equations and not self.complete:
            yield Line(1, "It is certain where all of these equations hold:")
        for equation in self.equations:
            yield Line(1 if self.complete else 2, "0 = ", equation)
        for k, family in enumerate(self.families, start=1):
            standing = "proved" if family.proved else "under the equations below"
            yield Line(1, f"Family {k} ({standing}): {_values(family.values)}")
            yield Line(2, "ln π = ", family.base.log_density)
            for equation in family.equations:
                yield Line(2, "where 0 = ", equation)
            for positive in family.positive:
                yield Line(2, "where 0 < ", positive)
            if not family.inhabited:
                yield Line(2, "undecided whether any parameters satisfy this")
        for values in self.improper:
            yield Line(1, f"Left out, since π then cannot be normalized: {_values(values)}")
        for residual in self.residual:
            yield Line(1, "undecided where else this is identically 0: ", residual)

    def _data(self) -> dict[str, Any]:
        return {
            "space": space_data(self.base.space),
            "generators": [formula_data(g) for g in self._functions],
            "matrices": [[[*map(formula_text, row)] for row in a.tolist()] for a in self._maps],
            "log_density": formula_data(self.base.log_density),
            "status": self.status,
            "equations": [formula_data(f) for f in self.equations],
            "families": [
                {
                    "values": {str(x): formula_data(v) for x, v in family.values.items()},
                    "equations": [formula_data(f) for f in family.equations],
                    "positive": [formula_data(f) for f in family.positive],
                    "log_density": formula_data(family.base.log_density),
                    "proved": family.proved,
                    "inhabited": family.inhabited,
                }
                for family in self.families
            ],
            "improper": [
                {str(x): formula_data(v) for x, v in values.items()} for values in self.improper
            ],
            "residual": [formula_data(f) for f in self.residual],
        }


Check = Callable[[Algebra | None, BaseDensity], InvarianceReport]


def find_conditions(
    symmetry: Algebra | None,
    base: BaseDensity,
    maps: Sequence[tuple[ImmutableMatrix, ImmutableMatrix]] = (),
    check: Check = check_invariance,  # type: ignore[assignment]  # without maps there are functions
) -> Conditions:
    """Find the parameters for which {g, π} = 0; see `LieAlgebra.conditions`.

    Parameters
    ----------
    symmetry : Algebra or None
        The functions g.
    base : BaseDensity
        π with parameters.
    maps : sequence of pairs of matrices
        A and A⁻ᵀ, for which π∘σ = π is asked as well.
    check : callable
        Proves anew for what is left of the functions and a density of the family.
    """
    lifted = None if symmetry is None else _lifted(symmetry, base)
    generators = () if lifted is None else lifted.generators
    space, f = base.space, base.log_density
    off_jumps = differentiable(f, space.parameters)
    brackets = [space.bracket(g, off_jumps) for g in generators]
    jumps, all_jumps = jump_equations(f, generators, space)
    own = sorted(
        set().union(*(f.free_symbols for f in jumps)) - {*space.coordinates, *space.parameters},
        key=str,
    )
    differences = [f.xreplace(moved_coordinates(space, *pair)) - f for pair in maps]
    everywhere = not (maps and walls_of(f).formula.has(UNDEFINED))
    asked = [*brackets, *jumps, *differences]
    found = identities(asked, [*space.coordinates, *own], space.parameters)
    families = [(case, _family(lifted, base, case, check)) for case in found.cases]
    open_ones = (x for x in (*brackets, *differences) if not is_zero(x).proved)
    return Conditions(
        symmetry=lifted,
        base=base,
        equations=found.equations,
        families=tuple(family for _, family in families if family is not None),
        improper=tuple(case.values for case, family in families if family is None),
        complete=found.complete and all_jumps and everywhere,
        residual=() if found.complete else tuple(open_ones),
    )


def _lifted(symmetry: Algebra, base: BaseDensity) -> Algebra:
    """Bring the generators to the space of the density, which may have more parameters."""
    if not isinstance(base, BaseDensity):
        raise ArgumentError(f"base is {quoted(base)}; it should be a BaseDensity")
    own, other = symmetry.space, base.space
    if (own.dim, own.angles) != (other.dim, other.angles) or not set(own.parameters) <= set(
        other.parameters
    ):
        raise ArgumentError(
            f"base is on {other!r}; it should be on {own!r}, with more parameters or none"
        )
    return replace(symmetry, space=other)


def _family(
    symmetry: Algebra | None, base: BaseDensity, case: Case, check: Check
) -> InvariantFamily | None:
    """Put the values in and prove invariance anew; None for what cannot be normalized."""
    values = {x: case.values[x] for x in base.space.parameters if x in case.values}
    rest = tuple(x for x in base.space.parameters if x not in values)
    assignment = Assignment(replace(base.space, parameters=rest), values)
    formula = assignment(_formed(base.log_density, case))
    pivots = _pivots(formula, assignment.space)
    if pivots is None:
        return None
    density = BaseDensity(assignment.space, log_density=formula, name=base.name)
    report = None
    there = None if symmetry is None else _moving(symmetry, case, assignment)
    if not case.equations and (there is not None or check is not check_invariance):
        report = check(there, density)
    positive = dict.fromkeys((*case.positive, *(x for x in pivots if not x.is_positive)))
    some = inhabited(replace(case, positive=tuple(positive)), rest)
    return InvariantFamily(values, case.equations, tuple(positive), density, report, some)


def _moving(symmetry: Algebra, case: Case, assignment: Assignment) -> Algebra | None:
    """Put the values into the generators; leave out those that vanish."""
    moved = [
        (g, label)
        for g, label in (
            (assignment(_formed(g, case)), label)
            for g, label in zip(symmetry.generators, symmetry.labels, strict=True)
        )
        if not is_zero(g).proved
    ]
    if not moved:
        return None
    generators, labels = zip(*moved, strict=True)
    return replace(symmetry, space=assignment.space, generators=generators, labels=labels)


def _formed(formula: Expr, case: Case) -> Expr:
    """Put in what functions such as |a| are in a case."""
    for part, form in case.forms:
        formula = formula.xreplace({part: form})
    return formula


def _pivots(log_density: Expr, space: PhaseSpace) -> list[Expr] | None:
    """Find what has to be positive for a finite integral: pivots of a Gaussian's precision.

    None where the integral is infinite: a pivot is not positive, or a coordinate does not occur
    that is no angle. Empty for other formulas, of which nothing is said.
    """
    if any(is_zero(log_density.diff(x)).proved for x in space.linear):
        return None
    try:
        quadratic = Poly(log_density, *space.coordinates).total_degree() <= 2
    except BasePolynomialError:
        quadratic = False
    if not quadratic:
        return []
    rows = (-hessian(log_density, space.linear)).as_mutable()
    pivots = []
    for k in range(rows.rows):
        pivot = factor(cancel(rows[k, k]))
        if pivot.is_nonpositive:
            return None
        pivots.append(pivot)
        for i in range(k + 1, rows.rows):
            if rows[i, k] != 0:
                ratio = rows[i, k] / pivot
                rows[i, :] = (rows[i, :] - ratio * rows[k, :]).applyfunc(cancel)
    return pivots


def _values(values: Mapping[Symbol, Expr]) -> str:
    """Write out determined parameters."""
    return (
        ", ".join(f"{x} = {formula_text(value)}" for x, value in values.items())
        or "all parameters are free"
    )
