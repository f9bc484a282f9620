"""Cells on which every ``Piecewise`` is one of its branches, and proofs that go through them.

Conditions compare polynomials. Each irreducible factor f of such a polynomial splits the domain
into f > 0, f < 0 and f = 0; what earlier choices exclude is left out.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from math import lcm, prod

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.clock import check_time
from ehf_sym.enclosures.enclosure import ANGULAR, SIGNS_ACCEPTED, is_integer_valued
from ehf_sym.normal_forms.exceptional_sets import (
    NotParametrizedError,
    Place,
    real,
    restricted,
    zero_set,
)
from ehf_sym.normal_forms.inequalities import Inequality, contradict
from ehf_sym.normal_forms.normal_form import NormalForm, normal_form, sign_factors
from ehf_sym.normal_forms.signs import Bounds, Facts, Sign, sign_between

_MAX_TERMS = 40
_MAX_DEGREE = 12

Cell = tuple[sp.Expr, Facts]
_MAX_DEPTH = 4
_MAX_CONVERSIONS = 60
_MAX_CELLS = 80
_MAX_CLASSES = 48


def has_cases(formula: sp.Expr) -> bool:
    """Tell whether a formula has a ``Piecewise``."""
    return bool(formula.has(sp.Piecewise))


def cells(formula: sp.Expr, limit: int) -> list[Cell] | None:
    """Split the domain of a formula, and choose the branches.

    Parameters
    ----------
    formula : sympy.Expr
        A formula in real symbols.
    limit : int
        The largest number of cells.

    Returns
    -------
    list of (sympy.Expr, Facts) or None
        What the formula is on each cell where it may be defined. None if there are too many
        cells, or a condition is not polynomial.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> [cell for cell, _ in cells(sp.Piecewise((x, x > 1), (x**2, True)), 10)]
    [x, x**2, 1]
    """
    found: list[Cell] = []
    try:
        for cell in _split(formula, _Choices()):
            found.append(cell)
            if len(found) > limit:
                return None
    except (_NotPolynomialError, NotParametrizedError, BasePolynomialError):
        return None
    return found


class _NotPolynomialError(ArithmeticError):
    """A condition is not a comparison of polynomials."""


@dataclass(frozen=True)
class _Choices:
    """Signs chosen so far: intervals and numbers for symbols, and signs of other polynomials."""

    bounds: Mapping[sp.Symbol, Bounds] = field(default_factory=dict)
    values: Mapping[sp.Symbol, sp.Rational] = field(default_factory=dict)
    signs: Mapping[sp.Expr, int] = field(default_factory=dict)

    def sign(self, f: sp.Poly) -> int | None:
        """Sign of a polynomial, if the choices determine it."""
        if f.as_expr() in self.signs:
            return self.signs[f.as_expr()]
        if len(f.gens) != 1:
            return None
        (x,) = f.gens
        if x in self.values:
            value = f.eval(self.values[x])
            return int(sp.sign(value))
        sign = sign_between(f, self.bounds.get(x, _assumed(x)))
        return None if sign is None else sign.value

    def having(self, f: sp.Poly, sign: int) -> _Choices:
        """Choose the sign of a polynomial that is not determined."""
        if len(f.gens) != 1 or f.degree() != 1:
            return _Choices(self.bounds, self.values, {**self.signs, f.as_expr(): sign})
        (x,) = f.gens
        root = -f.eval(0) / f.LC()
        low, high = self.bounds.get(x, _assumed(x))
        if sign == 0:
            return _Choices(self.bounds, {**self.values, x: root}, self.signs)
        above = sign * f.LC() > 0
        interval = (root, high) if above else (low, root)
        return _Choices({**self.bounds, x: interval}, self.values, self.signs)

    def allows(self, f: sp.Poly, sign: int) -> bool:
        """Tell whether a sign is not seen to contradict the choices."""
        return not contradict([*self._inequalities(), *_rows(f.as_expr(), sign)], sp.S.One)

    def _inequalities(self) -> Iterator[Inequality]:
        """All that is chosen, and what symbols are assumed to be."""
        for f, sign in self.signs.items():
            yield from _rows(f, sign)
        for x, value in self.values.items():
            yield from _rows(x - value, 0)
        for x, (low, high) in self.bounds.items():
            for end, sign in ((low, 1), (high, -1)):
                if end is not None and x not in self.values:
                    yield from _rows(x - end, sign)

    def facts(self) -> Facts:
        """Return what the choices say off zeros."""
        signs = {f: Sign(sign, strict=True) for f, sign in self.signs.items() if sign}
        bounds = {x: interval for x, interval in self.bounds.items() if x not in self.values}
        return Facts(signs, bounds)

    def applied(self, formula: sp.Expr) -> Iterator[sp.Expr]:
        """Put numbers for symbols, and formulas where equations are solved by them."""
        equations = [f.xreplace(dict(self.values)) for f, sign in self.signs.items() if not sign]
        try:
            places = zero_set(equations)
        except NotParametrizedError:
            places = [{}]
        for place in places:
            part = real(formula.xreplace(dict(self.values)).xreplace(dict(place)))
            if part is not None:
                yield part


def _split(formula: sp.Expr, choices: _Choices) -> Iterator[Cell]:
    """Resolve the outermost cases, or split by a polynomial that they need."""
    check_time()
    while True:
        outermost = list(_outermost(formula))
        resolved = {}
        for cases in outermost:
            branch, missing = _branch(cases, choices)
            if missing is not None:
                for sign in (1, -1, 0):
                    if choices.allows(missing, sign):
                        yield from _split(formula, choices.having(missing, sign))
                return
            if branch is None:
                return
            resolved[cases] = branch
        if not resolved:
            break
        formula = formula.xreplace(resolved)
    for part in choices.applied(formula):
        yield part, choices.facts()


def _outermost(formula: sp.Basic) -> Iterator[sp.Piecewise]:
    """Cases that are in no other cases."""
    if isinstance(formula, sp.Piecewise):
        yield formula
        return
    for part in formula.args:
        yield from _outermost(part)


def _branch(cases: sp.Piecewise, choices: _Choices) -> tuple[sp.Expr | None, sp.Poly | None]:
    """Return the branch that holds, None for no branch, or a polynomial whose sign is missing."""
    for branch, condition in cases.args:
        holds, missing = _holds(condition, choices)
        if missing is not None:
            return None, missing
        if holds:
            return branch, None
    return None, None


def _holds(condition: sp.Basic, choices: _Choices) -> tuple[bool, sp.Poly | None]:
    """Decide a condition, or name a polynomial whose sign is missing."""
    if isinstance(condition, BooleanAtom):
        return bool(condition), None
    if isinstance(condition, sp.And | sp.Or | sp.Not):
        truths = []
        for part in condition.args:
            holds, missing = _holds(part, choices)
            if missing is not None:
                return False, missing
            truths.append(holds)
        if isinstance(condition, sp.Not):
            return not truths[0], None
        return (all if isinstance(condition, sp.And) else any)(truths), None
    if not isinstance(condition, Relational):
        raise _NotPolynomialError
    difference = condition.lhs - condition.rhs
    for size in difference.atoms(sp.Abs):
        sign, missing = _sign(size.args[0], choices)
        if missing is not None:
            return False, missing
        difference = difference.xreplace({size: sign * size.args[0]})
    sign, missing = _sign(difference, choices)
    return sign in SIGNS_ACCEPTED[condition.func], missing


def _sign(difference: sp.Expr, choices: _Choices) -> tuple[int, sp.Poly | None]:
    """Sign of a polynomial, or a factor whose sign is missing."""
    sign, factors = _factors(difference)
    for f, m in factors:
        known = choices.sign(f)
        if known is None:
            return 0, f
        sign *= known**m
    return sign, None


def _factors(difference: sp.Expr) -> tuple[int, list[tuple[sp.Poly, int]]]:
    """Sign of the content, and irreducible factors in the symbols that they have."""
    symbols = sorted(difference.free_symbols, key=sp.default_sort_key)
    if difference.is_Rational:
        return int(sp.sign(difference)), []
    if not difference.is_polynomial(*symbols):
        return _factors_of_same_sign(difference)
    poly = sp.Poly(difference, *symbols)
    if not poly.domain.is_QQ and not poly.domain.is_ZZ:
        return _factors_of_same_sign(difference)
    if poly.total_degree() > _MAX_DEGREE or len(poly.terms()) > _MAX_TERMS:
        raise _NotPolynomialError
    content, factors = poly.factor_list()
    return int(sp.sign(content)), [(_in_own_symbols(f.as_expr()), m) for f, m in factors]


def _factors_of_same_sign(difference: sp.Expr) -> tuple[int, list[tuple[sp.Poly, int]]]:
    """Polynomials whose product has the sign of what is none: of a for 2**a - 1."""
    found = sign_factors(difference)
    if found is None:
        raise _NotPolynomialError
    return found[0], [(_in_own_symbols(f), m) for f, m in found[1]]


def _rows(f: sp.Expr, sign: int) -> Iterator[Inequality]:
    """Say that a polynomial has a sign, and what is known of its monomials."""
    terms = sp.expand(f).as_coefficients_dict()
    form = {monomial: Fraction(int(c.p), int(c.q)) for monomial, c in terms.items()}
    minus = {monomial: -c for monomial, c in form.items()}
    if sign >= 0:
        yield form, sign > 0
    if sign <= 0:
        yield minus, sign < 0
    for monomial in form:
        if monomial.is_nonnegative:
            yield {monomial: 1}, bool(monomial.is_positive)
        elif monomial.is_nonpositive:
            yield {monomial: -1}, bool(monomial.is_negative)


def _in_own_symbols(f: sp.Expr) -> sp.Poly:
    """Write a polynomial in the symbols that it has."""
    return sp.Poly(f, *sorted(f.free_symbols, key=sp.default_sort_key))


def _assumed(x: sp.Symbol) -> Bounds:
    """Interval that a symbol's assumptions give, off its end."""
    if x.is_positive:
        return sp.S.Zero, None
    return (None, sp.S.Zero) if x.is_negative else (None, None)


def vanishes_by_parts(formula: sp.Expr, form: NormalForm | None) -> bool:
    """Prove an expression to be zero on every part of its domain.

    Conditions of ``Piecewise`` split the domain. Then it is split where f >= 0 and where
    f <= 0, for parts f of the expression as needed: where more signs are known, more roots
    denest, and arcs have smaller ranges.

    Parameters
    ----------
    formula : sympy.Expr
        The expression.
    form : NormalForm, optional
        Its normal form, which is not zero.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> formula = sp.acosh(2 * x**2 - 1) - 2 * sp.acosh(sp.Abs(x))
    >>> form = normal_form(formula)
    >>> form.vanishes, vanishes_by_parts(formula, form)
    (False, True)
    """
    splitting = _Splitting()
    if not has_cases(formula):
        if form is not None and splitting.vanishes(formula, form, Facts()):
            return True
        formula = _signs_by_cases(formula)
        if not has_cases(formula):
            return False
    parts = cells(formula, _MAX_CELLS)
    return parts is not None and all(splitting.vanishes_with(*part) for part in parts)


def _signs_by_cases(formula: sp.Expr) -> sp.Expr:
    """Write signs within other functions, which take three values there, as cases."""
    inner = {s for f in formula.atoms(sp.Function) for u in f.args for s in u.atoms(sp.sign)}
    return formula.xreplace(
        {s: sp.Piecewise((1, s.args[0] > 0), (-1, s.args[0] < 0), (0, True)) for s in inner}
    )


def residue_classes(formula: sp.Expr) -> list[tuple[sp.Expr, Place]]:
    """Put n = q k + r for integers n in angles n pi p/q, for every r; none if that is not needed.

    Examples
    --------
    >>> import sympy as sp
    >>> n = sp.Symbol("n", integer=True)
    >>> [part for part, _ in residue_classes(sp.cos(sp.pi * n / 2) ** 2)]
    [1, 0, 1, 0]
    """
    periods = _periods(formula)
    if not periods or prod(periods.values()) > _MAX_CLASSES:
        return []
    classes: list[tuple[sp.Expr, Place]] = []
    try:
        for rests in product(*map(range, periods.values())):
            place = {}
            for (n, period), rest in zip(periods.items(), rests, strict=True):
                if (n.is_even and rest % 2) or (n.is_odd and rest % 2 == 0):
                    break
                place[n] = period * sp.Dummy(n.name, integer=True) + rest
            else:
                part = restricted(formula.xreplace(_expanded_angles(formula, place)), place)
                if part is not None:
                    classes.append((part, place))
    except NotParametrizedError:
        return []
    return classes


def _periods(formula: sp.Expr) -> dict[sp.Symbol, int]:
    """Periods of integer symbols in fractions of pi."""
    periods: dict[sp.Symbol, int] = {}
    for function in formula.atoms(*ANGULAR):
        for term in sp.Add.make_args(sp.expand(function.args[0] / sp.pi)):
            number, rest = term.as_coeff_Mul()
            if number.is_Rational and number.q > 1 and is_integer_valued(rest):
                for n in rest.free_symbols:
                    periods[n] = lcm(periods.get(n, 1), 2 * int(number.q))
    return dict(sorted(periods.items(), key=lambda item: sp.default_sort_key(item[0])))


def _expanded_angles(formula: sp.Expr, place: Place) -> dict[sp.Basic, sp.Expr]:
    """Write angles out, so that SymPy sees multiples of pi."""
    return {
        function: function.func(sp.expand(function.args[0].xreplace(dict(place))))
        for function in formula.atoms(*ANGULAR)
    }


class _Splitting:
    """One proof, with a bound on the number of conversions."""

    def __init__(self) -> None:
        self._left = _MAX_CONVERSIONS
        self._shown: set[tuple[sp.Expr, Hashable]] = set()

    def vanishes(self, formula: sp.Expr, form: NormalForm, facts: Facts, depth: int = 0) -> bool:
        """Look at the parts left, or split by the first sign that is unknown, as long as needed."""
        if form.uncovered is not None:
            return all(self.vanishes_with(*part, depth) for part in form.uncovered)
        classes = residue_classes(formula)
        if len(classes) > 1:
            return all(
                self.vanishes_with(part, facts.restricted(place), depth) for part, place in classes
            )
        if not form.unknown_signs or depth >= _MAX_DEPTH:
            return False
        part = form.unknown_signs[0]
        return all(
            self.vanishes_with(formula, facts.with_sign(part, Sign(value, False)), depth + 1)
            for value in (1, -1)
        )

    def vanishes_with(self, formula: sp.Expr, facts: Facts, depth: int = 0) -> bool:
        """Prove an expression to be zero where the facts hold, once."""
        question = formula, facts.key
        if question not in self._shown:
            self._left -= 1
            form = normal_form(formula, facts) if self._left >= 0 else None
            if form is None or not self.vanishes(formula, form, facts, depth):
                return False
            self._shown.add(question)
        return True
