"""Which parameters make a density invariant: exact equations, and what satisfies them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sympy import Expr, Poly, Symbol, cancel, factor, hessian
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
from ehf_sym.symmetry.invariance import InvarianceReport, check_invariance
from ehf_sym.symmetry.jumps.crossings import jump_equations
from ehf_sym.symmetry.jumps.walls import differentiable
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
    symmetry : Algebra
        The generators g, on the density's space.
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

    symmetry: Algebra
    base: BaseDensity
    equations: tuple[Expr, ...]
    families: tuple[InvariantFamily, ...]
    improper: tuple[Mapping[Symbol, Expr], ...]
    complete: bool
    residual: tuple[Expr, ...] = ()

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
        yield Line(0, f"{{g, π}} = 0 for π = {self.base.name}: {words[self.status]}")
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
            "generators": [formula_data(g) for g in self.symmetry.generators],
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


def find_conditions(symmetry: Algebra, base: BaseDensity) -> Conditions:
    """Find the parameters for which {g, π} = 0; see `LieAlgebra.conditions`."""
    lifted = _lifted(symmetry, base)
    space = base.space
    off_jumps = differentiable(base.log_density, space.parameters)
    brackets = [space.bracket(g, off_jumps) for g in lifted.generators]
    jumps, all_jumps = jump_equations(base.log_density, lifted.generators, space)
    own = sorted(
        set().union(*(f.free_symbols for f in jumps)) - {*space.coordinates, *space.parameters},
        key=str,
    )
    found = identities([*brackets, *jumps], [*space.coordinates, *own], space.parameters)
    families = [(case, _family(lifted, base, case)) for case in found.cases]
    return Conditions(
        symmetry=lifted,
        base=base,
        equations=found.equations,
        families=tuple(family for _, family in families if family is not None),
        improper=tuple(case.values for case, family in families if family is None),
        complete=found.complete and all_jumps,
        residual=() if found.complete else tuple(b for b in brackets if not is_zero(b).proved),
    )


def _lifted(symmetry: Algebra, base: BaseDensity) -> Algebra:
    """Bring the generators to the space of the density, which may have more parameters."""
    if not isinstance(base, BaseDensity):
        raise ArgumentError(f"base is {quoted(base)}; it should be a BaseDensity")
    own, other = symmetry.space, base.space
    if own.dim != other.dim or not set(own.parameters) <= set(other.parameters):
        raise ArgumentError(
            f"base is on {other!r}; it should be on {own!r}, with more parameters or none"
        )
    return replace(symmetry, space=other)


def _family(symmetry: Algebra, base: BaseDensity, case: Case) -> InvariantFamily | None:
    """Put the values in and prove invariance anew; None for what cannot be normalized."""
    values = {x: case.values[x] for x in base.space.parameters if x in case.values}
    rest = tuple(x for x in base.space.parameters if x not in values)
    assignment = Assignment(replace(base.space, parameters=rest), values)
    formula = assignment(_formed(base.log_density, case))
    pivots = _pivots(formula, assignment.space)
    if pivots is None:
        return None
    density = BaseDensity(assignment.space, log_density=formula, name=base.name)
    moved = [
        (g, label)
        for g, label in (
            (assignment(_formed(g, case)), label)
            for g, label in zip(symmetry.generators, symmetry.labels, strict=True)
        )
        if not is_zero(g).proved
    ]
    report = None
    if moved and not case.equations:
        generators, labels = zip(*moved, strict=True)
        there = replace(symmetry, space=assignment.space, generators=generators, labels=labels)
        report = check_invariance(there, density)
    positive = dict.fromkeys((*case.positive, *(x for x in pivots if not x.is_positive)))
    some = inhabited(replace(case, positive=tuple(positive)), rest)
    return InvariantFamily(values, case.equations, tuple(positive), density, report, some)


def _formed(formula: Expr, case: Case) -> Expr:
    """Put in what functions such as |a| are in a case."""
    for part, form in case.forms:
        formula = formula.xreplace({part: form})
    return formula


def _pivots(log_density: Expr, space: PhaseSpace) -> list[Expr] | None:
    """Find what has to be positive for a finite integral: pivots of a Gaussian's precision.

    None where the integral is infinite: a pivot is not positive, or a coordinate does not occur.
    Empty for other formulas, of which nothing is said.
    """
    if any(is_zero(log_density.diff(x)).proved for x in space.coordinates):
        return None
    try:
        quadratic = Poly(log_density, *space.coordinates).total_degree() <= 2
    except BasePolynomialError:
        quadratic = False
    if not quadratic:
        return []
    rows = (-hessian(log_density, space.coordinates)).as_mutable()
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
