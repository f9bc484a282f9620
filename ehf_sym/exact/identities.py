"""Parameters at which formulas vanish for all values of the variables, case by case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from types import MappingProxyType

from sympy import (
    And,
    Dummy,
    Eq,
    Expr,
    Integer,
    Ne,
    Piecewise,
    Poly,
    Symbol,
    cancel,
    cos,
    exp,
    pi,
    sin,
    tan,
    true,
)
from sympy.functions.elementary.trigonometric import TrigonometricFunction
from sympy.logic.boolalg import Boolean

from ehf_sym.errors import FormulaError, UndecidedError
from ehf_sym.exact.parameter_equations import Case, reduced, solve_parameters, without_contained
from ehf_sym.exact.parameter_functions import settled, switch_of, switched
from ehf_sym.exact.separation import Separation, separate
from ehf_sym.formulas.phase_space import contradicted
from ehf_sym.zero.zero_test import is_zero

# Where functions such as |q1|**n depend on parameters, these values of the latter are tried.
_TRIED = tuple(map(Integer, (1, 2, 3, 4)))
_MAX_GIVEN = 2
_MAX_SWITCHES = 20


@dataclass(frozen=True)
class Identities:
    """When all of some formulas vanish identically.

    Attributes
    ----------
    equations : tuple of sympy.Expr
        Polynomials in the parameters: if all vanish, so do the formulas.
    cases : tuple of Case
        Their solutions, and those at special values of parameters that were tried.
    complete : bool
        Whether the formulas vanish in no other case.
    """

    equations: tuple[Expr, ...]
    cases: tuple[Case, ...]
    complete: bool


def identities(
    formulas: Sequence[Expr], variables: Sequence[Symbol], parameters: Sequence[Symbol]
) -> Identities:
    """Find the parameters at which all formulas vanish for all variables.

    The formulas are combinations of independent functions of the variables, so that the
    coefficients have to vanish: polynomials in the parameters. Where such functions depend on
    parameters (|x|**n), they may become dependent at special values; 1, 2, 3, 4 and the values of
    other such parameters are tried, and what is found is not called complete.

    Functions of parameters alone, such as exp(a), count as unknowns; what that leaves is solved by
    their inverses, or stays an equation. Half tangents have poles, which are looked at for
    themselves; where |a| and the like switch, the three signs are.

    Parameters
    ----------
    formulas : sequence of sympy.Expr
        Real formulas without floats.
    variables, parameters : sequence of sympy.Symbol
        All symbols that occur.

    Returns
    -------
    Identities

    Examples
    --------
    >>> from sympy import symbols
    >>> x, y, a, b = symbols("x y a b", real=True)
    >>> found = identities([(a - b) * x + (a - 1) * b * y], [x, y], [a, b])
    >>> found.equations
    (a - b, a*b - b)
    >>> [case.values for case in found.cases]
    [{a: 0, b: 0}, {a: 1, b: 1}]
    """
    return _Search(variables).run(formulas, tuple(parameters))


class _Search:
    """A walk through special values of parameters."""

    def __init__(self, variables: Sequence[Symbol]) -> None:
        self._variables = tuple(variables)
        self._seen: set[frozenset[tuple[Symbol, Expr]]] = set()
        self._switches = 0

    def run(
        self,
        formulas: Sequence[Expr],
        parameters: tuple[Symbol, ...],
        given: Mapping[Symbol, Expr] = MappingProxyType({}),
    ) -> Identities:
        """Compare coefficients, then try special values where that is not everything."""
        open_ones = [f for f in formulas if not is_zero(f).proved]
        part = switch_of(open_ones, parameters)
        if part is not None:
            return self._by_signs(open_ones, parameters, given, part)
        try:
            parts = separate(open_ones, self._variables)
            equations, solved, decided = _solved(parts, parameters)
        except (FormulaError, UndecidedError):
            return Identities((), (), complete=False)
        special = _special(parts, self._variables, parameters)
        cases = [_extended(case, given) for case in solved]
        trials = special if len(given) < _MAX_GIVEN else []
        for x, value in ((x, v) for x in trials for v in (*_TRIED, *special) if v != x):
            values = {y: v.xreplace({x: value}) for y, v in given.items()} | {x: value}
            if frozenset(values.items()) in self._seen or contradicted(x, value):
                continue
            self._seen.add(frozenset(values.items()))
            rest = tuple(y for y in parameters if y != x)
            cases += self.run([f.xreplace({x: value}) for f in open_ones], rest, values).cases
        complete = decided and not special
        for tangent in _half_tangents(parts):
            found = self._at_poles(open_ones, parameters, given, tangent)
            cases += found.cases
            complete = complete and found.complete
            inside = Ne(cos(2 * tangent.args[0]), -1)
            equations = _by_pieces([(equations, inside), (found.equations, true)])
        return Identities(equations, tuple(without_contained(cases)), complete)

    def _at_poles(
        self,
        formulas: Sequence[Expr],
        parameters: tuple[Symbol, ...],
        given: Mapping[Symbol, Expr],
        tangent: Expr,
    ) -> Identities:
        """Look at the angles 2w of a half tangent tan(w) that are odd multiples of π."""
        angle = 2 * tangent.args[0]

        def turns(part: Expr) -> bool:
            return isinstance(part, sin | cos | tan) and (part.args[0] / angle).is_Integer

        there = [
            f.replace(turns, lambda part: part.func(part.args[0] / angle * pi)) for f in formulas
        ]
        if any(f.atoms(TrigonometricFunction) & g.atoms(TrigonometricFunction)
               for f, g in zip(formulas, there, strict=True)):  # fmt: skip
            return Identities((), (), complete=False)
        found = self.run(there, parameters, given)
        cases, complete = [], found.complete
        for case in found.cases:
            equation = (cos(angle) + 1).xreplace(dict(case.values))
            settled_ones, decided = settled(
                replace(case, equations=(*case.equations, equation)), parameters
            )
            cases += settled_ones
            complete = complete and decided
        return Identities(found.equations, tuple(cases), complete)

    def _by_signs(
        self,
        formulas: Sequence[Expr],
        parameters: tuple[Symbol, ...],
        given: Mapping[Symbol, Expr],
        part: Expr,
    ) -> Identities:
        """Look at each sign of what decides a switch such as |a|."""
        self._switches += 1
        if self._switches > _MAX_SWITCHES:
            return Identities((), (), complete=False)
        decisive, forms = switched(part)
        cases: list[Case] = []
        equations: list[tuple[Sequence[Expr], Boolean]] = []
        complete = True
        for sign in (1, -1):
            found = self.run([f.xreplace({part: forms[sign]}) for f in formulas], parameters, given)
            complete = complete and found.complete
            equations.append((found.equations, sign * decisive > 0))
            for case in found.cases:
                inside = (sign * decisive).xreplace(dict(case.values))
                if not inside.is_nonpositive:
                    positive = () if inside.is_positive else (inside,)
                    form = ((part, forms[sign]), *case.forms)
                    cases.append(replace(case, positive=(*case.positive, *positive), forms=form))
        inside = [x for x in parameters if x in decisive.free_symbols]
        zeros = solve_parameters([decisive], inside) if decisive.is_polynomial(*inside) else None
        if zeros is None or any(zero.equations or zero.positive for zero in zeros):
            complete, zeros = False, []
        for zero in zeros:
            values = dict(zero.values)
            there = [f.xreplace({part: forms[0]}).xreplace(values) for f in formulas]
            known = {x: v.xreplace(values) for x, v in given.items()} | values
            rest = tuple(x for x in parameters if x not in values)
            found = self.run(there, rest, known)
            complete = complete and found.complete
            cases += found.cases
            equations.append((found.equations, And(*(Eq(x, v) for x, v in values.items()))))
        return Identities(_by_pieces(equations), tuple(without_contained(cases)), complete)


def _by_pieces(parts: Sequence[tuple[Sequence[Expr], Boolean]]) -> tuple[Expr, ...]:
    """Equations that hold on parts of the parameters, as equations on all of them."""
    rows = zip_longest(*(equations for equations, _ in parts), fillvalue=Integer(0))
    conditions = [condition for _, condition in parts]
    pieces = (Piecewise(*zip(row, conditions, strict=True), (0, True)) for row in rows)
    return tuple(dict.fromkeys(f for f in pieces if f != 0))


def _half_tangents(parts: Separation) -> list[Expr]:
    """Half tangents of parameters among the constants."""
    return [f for f in parts.constants if isinstance(f, tan) and f.free_symbols]


def _solved(
    parts: Separation, parameters: Sequence[Symbol]
) -> tuple[tuple[Expr, ...], list[Case], bool]:
    """Let the coefficients vanish; functions of parameters, such as exp(a), count as unknowns.

    Also say whether all that has no parameters left was decided.
    """
    domain = parts.domain
    gens = domain.symbols if domain.is_FractionField else ()
    names = [f if f in parameters else Dummy(str(f), **_sign(f)) for f in gens]
    meaning = {name: f for f, name in zip(gens, names, strict=True) if name != f}
    unknowns = [name for name, f in meaning.items() if f.free_symbols]
    numbers = {name: f for name, f in meaning.items() if not f.free_symbols}
    coefficients = dict.fromkeys(
        c.numer.as_expr(*names) if gens else domain.to_sympy(c)
        for vector in parts.vectors
        for c in vector.values()
    )
    own = [*unknowns, *parameters]
    equations = reduced(coefficients, own)
    cases, decided = [], True
    for case in solve_parameters(equations, own, numbers):
        found, known = settled(_without_unknowns(case, meaning), parameters)
        cases += found
        decided = decided and known
    return tuple(f.xreplace(meaning) for f in equations), cases, decided


def _without_unknowns(case: Case, meaning: Mapping[Symbol, Expr]) -> Case:
    """Put functions of parameters back: an unknown that is determined leaves an equation."""
    formulas = {x: v.xreplace(meaning) for x, v in case.values.items()}
    left = [meaning[x] - formulas.pop(x) for x in meaning if x in formulas]
    values: dict[Symbol, Expr] = {}
    for x, v in formulas.items():
        value = v.xreplace(values)
        if value.free_symbols.isdisjoint([x, *formulas]):
            values = {y: u.xreplace({x: value}) for y, u in values.items()} | {x: value}
        else:
            left.append(x - v)
    equations = (*(f.xreplace(meaning) for f in case.equations), *left)
    return Case(
        values,
        tuple(f.xreplace(values) for f in equations),
        tuple(f.xreplace(meaning).xreplace(values) for f in case.positive),
    )


def _sign(f: Expr) -> dict[str, bool]:
    """Assumptions for a symbol that stands for a function of parameters."""
    return {"positive": True} if f.is_positive else {"real": True}


def _special(
    parts: Separation, variables: Sequence[Symbol], parameters: Sequence[Symbol]
) -> list[Symbol]:
    """Parameters at special values of which the functions may become dependent.

    None, if each formula is a polynomial times one product of functions, or if these are
    exponentials of polynomials that are independent for all parameters.
    """
    n = len(variables)
    kernels = parts.functions[n:]
    if all(len({m[n:] for m in vector}) <= 1 for vector in parts.vectors):
        return []
    inside = {s for f in kernels for s in f.free_symbols}
    special = [x for x in parameters if x in inside]
    if special and all(isinstance(f, exp) for f in kernels):
        exponents = [f.args[0].as_poly(*variables) for f in kernels]
        if None not in exponents and _always_independent(exponents):
            return []
    return special


def _always_independent(polys: Sequence[Poly]) -> bool:
    """Whether no combination of polynomials is constant, whatever the parameters are."""
    rows = [{m: c for m, c in p.as_dict().items() if any(m)} for p in polys]
    for k, row in enumerate(rows):
        place = next((m for m, c in row.items() if c.is_zero is False), None)
        if place is None:
            return False
        for other in rows[k + 1 :]:
            ratio = other.get(place, 0) / row[place]
            for m, c in row.items():
                other[m] = cancel(other.get(m, 0) - ratio * c)
    return True


def _extended(case: Case, given: Mapping[Symbol, Expr]) -> Case:
    """Add values that were put in before."""
    known = {x: v.xreplace(dict(case.values)) for x, v in given.items()}
    return replace(case, values={**case.values, **known})
