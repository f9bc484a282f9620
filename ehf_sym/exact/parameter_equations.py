"""Polynomial equations between parameters, solved case by case under their assumptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sympy import (
    Add,
    CRootOf,
    Expr,
    Integer,
    Mul,
    Poly,
    Pow,
    Symbol,
    cancel,
    factor_list,
    fraction,
    groebner,
    real_roots,
    together,
)

from ehf_sym.errors import UndecidedError
from ehf_sym.formulas.phase_space import contradicted
from ehf_sym.formulas.printing import formula_text, quoted
from ehf_sym.zero.zero_test import is_zero

# Cases beyond these are not told apart.
_MAX_CASES = 200
_MAX_ROOT_DEGREE = 20


@dataclass(frozen=True)
class Case:
    """One solution set.

    Attributes
    ----------
    values : mapping
        Parameters that are determined, as formulas in the others.
    equations : tuple of sympy.Expr
        Polynomials in the other parameters that vanish besides, not solved for any of them.
    positive : tuple of sympy.Expr
        What must be positive, because a determined parameter is assumed to be.
    forms : tuple of (sympy.Expr, sympy.Expr)
        What functions such as |a| are there, to be put in one after the other.
    """

    values: Mapping[Symbol, Expr]
    equations: tuple[Expr, ...] = ()
    positive: tuple[Expr, ...] = ()
    forms: tuple[tuple[Expr, Expr], ...] = ()


def solve_parameters(
    equations: Sequence[Expr],
    parameters: Sequence[Symbol],
    numbers: Mapping[Symbol, Expr] = MappingProxyType({}),
) -> list[Case]:
    """Find all real values of parameters at which polynomials vanish.

    Products are split into cases; equations linear in a parameter are solved for it, the last one
    first; sums of terms of one sign vanish term by term; polynomials in one parameter vanish at
    their real roots. What none of these solves stays an equation of its case.

    Parameters
    ----------
    equations : sequence of sympy.Expr
        Polynomials in the parameters.
    parameters : sequence of sympy.Symbol
        Real symbols; their assumptions exclude values.
    numbers : Mapping
        What other symbols stand for: numbers, of which relations need not be known.

    Returns
    -------
    list of Case
        Their union is the solution set; none is contained in another. Empty if there is no
        solution.

    Raises
    ------
    UndecidedError
        If there are too many cases, or it is undecided whether a number is zero.

    Examples
    --------
    >>> from sympy import symbols
    >>> a, b, c = symbols("a b c", real=True)
    >>> [case.values for case in solve_parameters([a * (b - c)], [a, b, c])]
    [{c: b}, {a: 0}]
    >>> solve_parameters([a**2 + 1], [a])
    []
    """
    search = _Search(parameters, numbers)
    search.solve([fraction(together(f))[0] for f in equations], Case({}))
    return without_contained(search.found)


def reduced(equations: Iterable[Expr], parameters: Sequence[Symbol]) -> tuple[Expr, ...]:
    """Equivalent equations in fewer words: distinct, primitive; linear ones in echelon form.

    Parameters
    ----------
    equations : iterable of sympy.Expr
        Polynomials in the parameters.
    parameters : sequence of sympy.Symbol
        Their order is that of the variables.

    Examples
    --------
    >>> from sympy import symbols
    >>> a, b, c = symbols("a b c", real=True)
    >>> reduced([2 * a - 2 * b, b - a, a - c], [a, b, c])
    (a - c, b - c)
    """
    if not parameters:
        return (Integer(1),) if any(f != 0 for f in equations) else ()
    polys = [Poly(f, *parameters, extension=True) for f in equations]
    polys = [
        p.primitive()[1] if p.domain.is_ZZ or p.domain.is_QQ else p.monic() for p in polys if p
    ]
    distinct = list(dict.fromkeys(p if p.LC() > 0 else -p for p in polys))
    if distinct and all(p.is_linear for p in distinct):
        return tuple(groebner(distinct, *parameters, order="lex").exprs)
    return tuple(sorted((p.as_expr() for p in distinct), key=_simplicity))


class _Search:
    """A walk through the cases."""

    def __init__(self, parameters: Sequence[Symbol], numbers: Mapping[Symbol, Expr]) -> None:
        self._parameters, self._numbers = parameters, numbers
        self._visited = 0
        self.found: list[Case] = []

    def solve(self, equations: Sequence[Expr], case: Case) -> None:
        """Solve one equation, put the solution into the others, go on."""
        self._visited += 1
        if self._visited > _MAX_CASES:
            raise UndecidedError(f"the equations have more than {_MAX_CASES} cases")
        rest = [self._factors(f) for f in equations]
        if any(factors == [] for factors in rest):
            return
        open_ones = sorted({Mul(*f) for f in rest if f is not None}, key=_simplicity)
        for k, f in enumerate(open_ones):
            branches = self._branches(f)
            if branches is not None:
                others = [*open_ones[:k], *open_ones[k + 1 :]]
                for added, values in branches:
                    self._enter([*others, *added], values, case)
                return
        ordered = {x: case.values[x] for x in self._parameters if x in case.values}
        self.found.append(Case(ordered, tuple(open_ones), case.positive))

    def _factors(self, equation: Expr) -> list[Expr] | None:
        """Factors that can vanish; None for 0, nothing for what never vanishes."""
        f = equation.expand()
        if f == 0:
            return None
        numbers = [power for power in f.atoms(Pow) if power.is_algebraic and power.is_number]
        content, factors = factor_list(f, *self._parameters, extension=numbers or None)
        value = content.xreplace(self._numbers)
        if value != content and not is_zero(value).refuted:
            raise UndecidedError(f"it is undecided whether {quoted(value)} is zero")
        return [g for g, _ in factors if g.is_zero is not False and not g.is_number]

    def _branches(self, f: Expr) -> list[tuple[list[Expr], dict[Symbol, Expr]]] | None:
        """Alternatives that together are f = 0: equations to add, and values of a parameter."""
        factors = self._factors(f) or []
        if len(factors) > 1:
            return [([g], {}) for g in factors]
        poly = Poly(f, *(x for x in self._parameters if x in f.free_symbols), extension=True)
        terms = _terms_of_one_sign(poly)
        if len(terms) > 1:
            return [(terms, {})]
        linear = [(x, f.coeff(x, 1), f.coeff(x, 0)) for x in reversed(poly.gens)
                  if poly.degree(x) == 1]  # fmt: skip
        for x, a, b in linear:
            if a.is_zero is False:
                return [([], {x: cancel(-b / a)})]
        if len(poly.gens) == 1 and (poly.domain.is_QQ or poly.domain.is_ZZ):
            roots = real_roots(poly) if poly.degree() <= _MAX_ROOT_DEGREE else []
            if len(set(roots)) == poly.count_roots() and not any(r.has(CRootOf) for r in roots):
                return [([], {poly.gen: root}) for root in dict.fromkeys(roots)]
        for x, a, b in linear:
            # Where a vanishes, so does b.
            return [([], {x: cancel(-b / a)}), ([a, b], {})]
        return None

    def _enter(self, equations: Sequence[Expr], values: Mapping[Symbol, Expr], case: Case) -> None:
        """Go on with values put in, unless they contradict what is assumed."""
        known = {x: cancel(value.xreplace(values)) for x, value in case.values.items()}
        known |= values
        positive = []
        for x, value in known.items():
            if contradicted(x, value):
                return
            if x.is_positive and not value.is_positive:
                positive.append(value)
        rest = [fraction(together(f.xreplace(values)))[0] for f in equations]
        self.solve(rest, Case(known, (), tuple(positive)))


def _terms_of_one_sign(poly: Poly) -> list[Expr]:
    """Terms of a sum that vanishes only if each of them does, without their coefficients."""
    signs, terms = set(), []
    for monomial, c in poly.terms():
        factors = [x**e for x, e in zip(poly.gens, monomial, strict=True) if e]
        if not all(x.is_nonnegative for x in factors):
            return []
        signs.add(c.is_positive)
        terms.append(Mul(*factors))
    return terms if len(signs) == 1 else []


def _simplicity(f: Expr) -> tuple[int, int, str]:
    """Order in which equations are solved: few terms first."""
    return (len(Add.make_args(f)), f.count_ops(), formula_text(f))


def without_contained(cases: Sequence[Case]) -> list[Case]:
    """Leave out cases that are contained in others."""
    kept: list[Case] = []
    for case in sorted(cases, key=lambda case: len(case.values) + len(case.equations)):
        if not any(_contains(other, case) for other in kept):
            kept.append(case)
    return kept


def _contains(larger: Case, smaller: Case) -> bool:
    """Whether the values of one case satisfy those of the other identically."""
    inside = (f.xreplace(dict(smaller.values)) for f in larger.positive)
    if not all(f.is_positive or f in smaller.positive for f in inside):
        return False
    conditions = [x - value for x, value in larger.values.items()] + list(larger.equations)
    numerators = []
    for f in conditions:
        above, below = fraction(together(f.xreplace(dict(smaller.values))))
        if below.expand() == 0:
            return False
        numerators.append(above.expand())
    return all(n == 0 or n in smaller.equations for n in numerators)
