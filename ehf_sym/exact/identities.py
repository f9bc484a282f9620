"""Parameter values at which formulas vanish for all values of the variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from sympy import Dummy, Expr, Integer, Poly, Symbol, cancel, exp

from ehf_sym.assignment import contradicted
from ehf_sym.errors import FormulaError, UndecidedError
from ehf_sym.exact.parameter_equations import Case, reduced, solve_parameters, without_contained
from ehf_sym.exact.separation import Separation, separate
from ehf_sym.zero_test import is_zero

# Where functions such as |q1|**n depend on parameters, these values of the latter are tried.
_TRIED = tuple(map(Integer, (1, 2, 3, 4)))
_MAX_GIVEN = 2


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

    def run(
        self,
        formulas: Sequence[Expr],
        parameters: tuple[Symbol, ...],
        given: Mapping[Symbol, Expr] = MappingProxyType({}),
    ) -> Identities:
        """Compare coefficients, then try special values where that is not everything."""
        open_ones = [f for f in formulas if not is_zero(f).proved]
        try:
            parts = separate(open_ones, self._variables)
            equations, solved = _solved(parts, parameters)
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
        return Identities(equations, tuple(without_contained(cases)), complete=not special)


def _solved(parts: Separation, parameters: Sequence[Symbol]) -> tuple[tuple[Expr, ...], list[Case]]:
    """Let the coefficients vanish; functions of parameters, such as exp(a), count as unknowns."""
    domain = parts.domain
    gens = domain.symbols if domain.is_FractionField else ()
    names = [f if f in parameters else Dummy(str(f), **_sign(f)) for f in gens]
    meaning = {name: f for f, name in zip(gens, names, strict=True) if name != f}
    unknowns = [name for name, f in meaning.items() if f.free_symbols]
    coefficients = dict.fromkeys(
        c.numer.as_expr(*names) if gens else domain.to_sympy(c)
        for vector in parts.vectors
        for c in vector.values()
    )
    own = [*unknowns, *parameters]
    equations = reduced(coefficients, own)
    cases = []
    for case in solve_parameters(equations, own):
        values = {x: v.xreplace(meaning) for x, v in case.values.items()}
        left = [meaning[x] - values.pop(x) for x in unknowns if x in values]
        others = [f.xreplace(meaning) for f in case.equations]
        cases.append(Case(values, (*others, *left), case.positive))
    return tuple(f.xreplace(meaning) for f in equations), cases


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
