"""Bound variables: sums, integrals, derivatives and the like are evaluated, or left alone.

The rest of the package substitutes for the symbols of a formula and goes through its cases. Both
would be wrong inside a scope: the x of Integral(x**2, (x, 0, 1)) is not the x outside, and
Derivative(x*y, x) at x = y is not the derivative of y*y. So no scope is let in: each is evaluated
where that is exact, and what remains is one part about which nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.clock import attempted
from ehf_sym.formulas.domains import Requirement, forgotten, requirements, restricted
from ehf_sym.formulas.guarded import RefusedError
from ehf_sym.normal_forms.normal_form import normal_form

_MAX_WORK = 25_000
_MAX_ORDER = 12
_MAX_DEGREE = 40
_MAX_CUTS = 12
_MAX_SIZE = 60
_SECONDS = 5.0  # for the value of one part; a limit on time outside counts too

# Parts that depend on their arguments alone.
_PLAIN = (
    sp.Add, sp.Mul, sp.Pow, sp.Number, sp.NumberSymbol, sp.Symbol, sp.Function, sp.Tuple,
    sp.Max, sp.Min, Relational, sp.And, sp.Or, sp.Not, BooleanAtom,
    type(sp.I), type(sp.zoo),
)  # fmt: skip
_SMOOTH = (
    sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.sec, sp.csc, sp.cot, sp.asin, sp.acos, sp.atan,
    sp.sinh, sp.cosh, sp.tanh, sp.sech, sp.csch, sp.coth, sp.asinh, sp.acosh, sp.atanh,
    sp.erf, sp.erfc,
)  # fmt: skip
# Real and analytic on the whole line.
_ENTIRE = (
    sp.exp, sp.sin, sp.cos, sp.sinh, sp.cosh, sp.tanh, sp.sech, sp.atan, sp.asinh, sp.erf, sp.erfc,
)  # fmt: skip
_JUMPING = (sp.Abs, sp.sign, sp.Max, sp.Min, sp.Heaviside)
_RANGES = (sp.Sum, sp.Product, sp.Integral)
_VARIABLE = sp.Dummy("x")
# What SymPy raises where a part does not fit its place any more, and we where it has no value.
_REFUSALS = (
    RefusedError, BasePolynomialError, NotImplementedError, TypeError, ValueError,
    ZeroDivisionError, RecursionError,
)  # fmt: skip


def scopes(formula: sp.Basic) -> Iterator[sp.Expr]:
    """Outermost parts that hold variables of their own, or are no formulas at all.

    Examples
    --------
    >>> x, y = sp.symbols("x y", real=True)
    >>> list(scopes(y + sp.Integral(x**2, (x, 0, y)) * sp.Piecewise((x, x > 1), (0, True))))
    [Integral(x**2, (x, 0, y))]
    """
    if isinstance(formula, sp.CRootOf):
        return
    if not isinstance(formula, _PLAIN):
        yield formula
        return
    for part in formula.args:
        for scope in scopes(part):
            # What has no value of its own takes what it stands in along.
            yield scope if isinstance(scope, sp.Expr) else formula


def settled(formula: sp.Expr) -> sp.Expr:
    """Evaluate, from the inside out, what has variables of its own and an exact value.

    * Derivatives of smooth formulas.
    * Sums and products over ranges of explicit integers, and sums of polynomials over ranges that
      are not empty.
    * Integrals over finite intervals, by an antiderivative that is proved to be one on the whole
      interval; cases in the variable of integration cut the interval.
    * Substitutions, and limits of polynomials.

    Parameters
    ----------
    formula : sympy.Expr
        A formula in real symbols.

    Returns
    -------
    sympy.Expr
        An equal formula. What could not be evaluated stands in it as it was (see `scopes`).

    Examples
    --------
    >>> x, y, k = *sp.symbols("x y", real=True), sp.Symbol("k", integer=True)
    >>> settled(sp.Derivative(x * y**2, x) + sp.Sum(k * x, (k, 0, 3)))
    6*x + y**2
    >>> settled(sp.Integral(x**2, (x, 0, y)))
    y**3/3
    >>> settled(sp.Integral(x**x, (x, 0, y)))
    Integral(x**x, (x, 0, y))
    """
    if all(isinstance(part, _PLAIN) for part in sp.preorder_traversal(formula)):
        return formula
    if isinstance(formula, sp.CRootOf):
        # The variable of its polynomial, which is nobody else's.
        return sp.CRootOf(formula.expr.xreplace({formula.poly.gen: _VARIABLE}), formula.index)
    arguments = tuple(map(settled, formula.args))
    try:
        rebuilt = formula if arguments == formula.args else formula.func(*arguments)
        rule = next((rule for kind, rule in _RULES.items() if isinstance(rebuilt, kind)), None)
        value = None if rule is None else attempted(lambda: rule(rebuilt), _SECONDS)
    except _REFUSALS:
        return formula
    return rebuilt if value is None else value


def _is_closed(formula: sp.Basic) -> bool:
    return next(scopes(formula), None) is None


def _on_domain(value: sp.Expr, inside: Iterable[Requirement]) -> sp.Expr:
    """Restrict a value to where the parts that it was made of are defined."""
    return restricted(value, forgotten(inside, [value], in_cases=True))


def _derivative(derivative: sp.Derivative) -> sp.Expr | None:
    """Differentiate what is smooth wherever it is defined."""
    inner, counts = derivative.expr, derivative.variable_count
    smooth = (sp.Add, sp.Mul, sp.Pow, sp.Number, sp.NumberSymbol, sp.Symbol, *_SMOOTH)
    if not all(isinstance(part, smooth) for part in sp.preorder_traversal(inner)):
        return None
    if not all(isinstance(x, sp.Symbol) and isinstance(n, sp.Integer) for x, n in counts):
        return None
    if sum(n for _, n in counts) > _MAX_ORDER:
        return None
    return _on_domain(inner.diff(*counts), requirements(inner))


def _substituted(substitution: sp.Subs) -> sp.Expr | None:
    inner, names = substitution.expr, substitution.variables
    if not _is_closed(inner) or not all(isinstance(x, sp.Symbol) for x in names):
        return None
    point = dict(zip(names, substitution.point, strict=True))
    inside = ((kind, part.xreplace(point)) for kind, part in requirements(inner))
    return _on_domain(inner.xreplace(point), inside)


def _limit(limit: sp.Limit) -> sp.Expr | None:
    """Take the value of a polynomial for its limit."""
    inner, x, end, _ = limit.args
    if not _is_closed(inner) or not inner.is_polynomial(x) or end.is_finite is False:
        return None
    return _on_domain(inner.xreplace({x: end}), requirements(inner))


def _over_limits(scope: sp.Sum | sp.Product | sp.Integral) -> sp.Expr | None:
    """Evaluate sums, products or integrals, the outermost first: inner ranges may depend on it."""
    *inner, (variable, *ends) = scope.limits
    if len(ends) != 2 or any(end.is_finite is False for end in ends):
        return None
    low, high = ends
    f = scope.func(scope.function, *inner) if inner else scope.function
    if isinstance(scope, sp.Integral):
        f = settled(f)
        return _integral(f, variable, low, high) if _is_closed(f) else None
    return _range(f, variable, low, high, sp.Add if isinstance(scope, sp.Sum) else sp.Mul)


def _range(
    term: sp.Expr, k: sp.Symbol, low: sp.Expr, high: sp.Expr, join: type[sp.Add | sp.Mul]
) -> sp.Expr | None:
    """Sum or product from low to high; what is turned around counts inversely, as in SymPy."""
    if not (low.is_Integer and high.is_Integer):
        term = settled(term)
        return _power_sums(term, k, low, high) if join is sp.Add and _is_closed(term) else None
    forward = high >= low - 1
    start, stop = (low, high + 1) if forward else (high + 1, low)
    inside = [part for part in sp.preorder_traversal(term) if not isinstance(part, _PLAIN)]
    if any(not isinstance(part, _RANGES) or k in part.variables for part in inside):
        return None  # what is put for k could be out of place there
    if (stop - start) * (1 + sp.count_ops(term)) > _MAX_WORK ** (1 / (1 + len(inside))):
        return None
    terms = [settled(term.xreplace({k: sp.Integer(i)})) for i in range(start, stop)]
    if not all(map(_is_closed, terms)):
        return None
    value = join(*terms)
    if not forward:
        value = -value if join is sp.Add else 1 / value
    return _on_domain(value, (r for one in terms for r in requirements(one)))


def _power_sums(term: sp.Expr, k: sp.Symbol, low: sp.Expr, high: sp.Expr) -> sp.Expr | None:
    """Sum of a polynomial in k, by B(k + 1) - B(k) = (n + 1) k**n for Bernoulli's polynomials."""
    whole = low.is_integer and high.is_integer and (high - low + 1).is_nonnegative
    if not whole or not term.is_polynomial(k) or not _is_entire(term):
        return None
    poly = sp.Poly(term, k)
    if poly.degree() > _MAX_DEGREE:
        return None
    return sp.Add(
        *(
            c * (sp.bernoulli(n + 1, high + 1) - sp.bernoulli(n + 1, low)) / (n + 1)
            for (n,), c in poly.terms()
        )
    )


def _integral(f: sp.Expr, t: sp.Symbol, low: sp.Expr, high: sp.Expr) -> sp.Expr | None:
    """∫ f dt from low to high, by antiderivatives between the places where f may jump."""
    x = sp.Dummy(t.name, real=True)
    constant, varying = f.xreplace({t: x}).as_independent(x, as_Add=False)
    pieces = _pieces(varying, x, low, high)
    if pieces is None:
        return None
    parts = []
    for piece, start, stop in pieces:
        primitive = _primitive(piece, x)
        if primitive is None:
            return None
        parts.append(primitive.xreplace({x: stop}) - primitive.xreplace({x: start}))
    return _on_domain(constant * sp.Add(*parts), requirements(constant))


def _pieces(
    f: sp.Expr, x: sp.Symbol, low: sp.Expr, high: sp.Expr
) -> list[tuple[sp.Expr, sp.Expr, sp.Expr]] | None:
    """Cut an interval with rational ends where conditions on x change; None if that is unclear."""
    jumps = [part for part in f.atoms(sp.Piecewise, *_JUMPING) if part.has(x)]
    if not jumps:
        return [(f, low, high)]
    if not (low.is_Rational and high.is_Rational):
        return None
    f = f.rewrite(_JUMPING, sp.Piecewise)
    comparisons = [part for part in f.atoms(Relational) if part.has(x)]
    cuts = {low, high}
    try:
        for comparison in comparisons:
            poly = sp.Poly(comparison.lhs - comparison.rhs, x, domain="QQ")
            if poly.degree() > _MAX_CUTS:
                return None
            roots = sp.real_roots(poly) if poly.degree() > 0 else []
            cuts |= {root for root in roots if min(low, high) < root < max(low, high)}
    except BasePolynomialError:
        return None
    if not all(cut.is_Rational for cut in cuts):
        return None
    ends = sorted(cuts, reverse=bool(high < low))
    found = []
    for start, stop in pairwise(ends):
        middle = {x: (start + stop) / 2}
        chosen = {comparison: comparison.xreplace(middle) for comparison in comparisons}
        found.append((f.xreplace(chosen), start, stop))
    return found


def _primitive(f: sp.Expr, x: sp.Symbol) -> sp.Expr | None:
    """Antiderivative that is proved to be one on the whole line; None if none is found."""
    if not _is_entire(f) or sp.count_ops(f) > _MAX_SIZE * _MAX_DEGREE:
        return None
    if f.is_polynomial(x):
        poly = sp.Poly(f, x)
        return poly.integrate().as_expr() if poly.degree() <= _MAX_DEGREE else None
    if sp.count_ops(f) > _MAX_SIZE:
        return None
    primitive = _integrated(f, x)
    if primitive is None or not _is_entire(primitive):
        return None
    form = normal_form(primitive.diff(x) - f)
    return primitive if form is not None and form.vanishes else None


def _integrated(f: sp.Expr, x: sp.Symbol) -> sp.Expr | None:
    try:
        return sp.integrate(sp.expand(f), x)
    except (ArithmeticError, NotImplementedError, ValueError, TypeError, AttributeError):
        return None
    except RecursionError:
        return None


def _is_entire(f: sp.Expr) -> bool:
    """Tell whether a formula is seen to be analytic for all values of its symbols."""
    if isinstance(f, sp.Pow) and f.base is not sp.E:
        base, exponent = f.base, f.exp
        if not (exponent.is_Integer and exponent >= 0):
            nonzero = base.is_positive or (exponent.is_Integer and base.is_nonzero)
            return bool(nonzero) and _is_entire(base) and _is_entire(exponent)
    elif isinstance(f, sp.log):
        return bool(f.args[0].is_positive) and _is_entire(f.args[0])
    elif not isinstance(
        f, (sp.Add, sp.Mul, sp.Pow, sp.Rational, sp.NumberSymbol, sp.Symbol, *_ENTIRE)
    ):
        return False
    return all(map(_is_entire, f.args))


_RULES: dict[Any, Callable[[Any], sp.Expr | None]] = {
    sp.Derivative: _derivative,
    sp.Subs: _substituted,
    sp.Limit: _limit,
    sp.Sum: _over_limits,
    sp.Product: _over_limits,
    sp.Integral: _over_limits,
}
