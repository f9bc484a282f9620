"""Real zeros of polynomials, parametrized: formulas for symbols, and formulas restricted so.

f = a x + b is 0 at x = -b/a, and where a and b are; a x**2 + b x + c with a number a is 0 at two
formulas with a root. A polynomial that never changes its sign is 0 where its gradient is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import sympy as sp
from sympy.calculus.accumulationbounds import AccumulationBounds
from sympy.concrete.expr_with_limits import ExprWithLimits

from ehf_sym.zero.clock import check_time
from ehf_sym.zero.polynomials import shared_ring
from ehf_sym.zero.signs import KernelSigns, Sign

_MAX_DEGREE = 8
_MAX_TERMS = 30
_MAX_PLACES = 16
_MAX_DEPTH = 8

Place = Mapping[sp.Symbol, sp.Expr]

_SCOPES = (ExprWithLimits, sp.Derivative, sp.Subs, sp.Limit)
_UNDEFINED = (sp.zoo, sp.nan, sp.oo, -sp.oo, AccumulationBounds)


class NotParametrizedError(ArithmeticError):
    """The zeros are not of a kind that is parametrized here."""


def zero_set(parts: Sequence[sp.Expr]) -> list[Place]:
    """Formulas for symbols such that all real common zeros are among the points they describe.

    Parameters
    ----------
    parts : sequence of sympy.Expr
        Polynomials with rational coefficients.

    Raises
    ------
    NotParametrizedError
        The zeros of some polynomial are not parametrized here, or there are too many cases.

    Examples
    --------
    >>> import sympy as sp
    >>> x, y = sp.symbols("x y", real=True)
    >>> zero_set([x - y]), zero_set([x**2 + x * y + y**2]), zero_set([x * y - 1])
    ([{x: y}], [{x: 0, y: 0}], [{x: 1/y}])
    >>> zero_set([x**2 + y**2 - 1])
    [{x: -sqrt(1 - y**2)}, {x: sqrt(1 - y**2)}]
    """
    places = list(islice(_places(tuple(parts), {}, 0), _MAX_PLACES + 1))
    if len(places) > _MAX_PLACES:
        raise NotParametrizedError
    return places


def restricted(formula: sp.Expr, place: Place) -> sp.Expr | None:
    """Put formulas for symbols; None where the result is defined nowhere.

    Raises
    ------
    NotParametrizedError
        It is not seen whether the result is real, or a symbol is bound in the formula.
    """
    if formula.has(*_SCOPES):
        raise NotParametrizedError
    result = formula.xreplace(dict(place))
    if result.has(*_UNDEFINED) or (result.is_number and result.has(sp.I)):
        return None
    if result.has(sp.I):
        # The root of -x**2 is real where x is 0.
        raise NotParametrizedError
    return result


def _places(parts: Sequence[sp.Expr], place: Place, depth: int) -> Iterator[Place]:
    """Solve the first of the equations, then the others."""
    check_time()
    if not parts:
        yield place
        return
    if depth > _MAX_DEPTH:
        raise NotParametrizedError
    top, _ = sp.fraction(sp.together(parts[0].xreplace(dict(place))))
    symbols = sorted(top.free_symbols, key=sp.default_sort_key)
    if not symbols:
        if top.is_zero:
            yield from _places(parts[1:], place, depth + 1)
        elif top.is_zero is None:
            raise NotParametrizedError
        return
    if not top.is_polynomial(*symbols):
        # Where the other equations hold there is no less than where this one holds too.
        yield from _places(parts[1:], place, depth + 1)
        return
    poly = sp.Poly(top, *symbols)
    if not (poly.domain.is_ZZ or poly.domain.is_QQ):
        raise NotParametrizedError
    if poly.total_degree() > _MAX_DEGREE or len(poly.terms()) > _MAX_TERMS:
        raise NotParametrizedError
    for factor, _ in poly.factor_list()[1]:
        for more, equations in _solutions(factor.as_expr()):
            merged = {x: value.xreplace(dict(more)) for x, value in place.items()} | dict(more)
            yield from _places((*equations, *parts[1:]), merged, depth + 1)


def _solutions(f: sp.Expr) -> Iterator[tuple[Place, Sequence[sp.Expr]]]:
    """Solve f = 0 for one symbol, or name equations that hold at its zeros."""
    symbols = sorted(f.free_symbols, key=_plainness)
    polys = {x: sp.Poly(f, x) for x in symbols}
    linear = [x for x in symbols if polys[x].degree() == 1]
    linear.sort(key=lambda x: not polys[x].LC().is_number)
    if linear:
        x = linear[0]
        slope, rest = polys[x].LC(), polys[x].coeff_monomial(1)
        if _agrees(x, value := sp.cancel(-rest / slope)):
            yield {x: value}, ()
        if not slope.is_number:
            yield {}, (slope, rest)
        return
    sign = _sign(f)
    if sign is not None:
        if not sign.strict:
            yield {}, [f.diff(x) for x in symbols]
        return
    for x in symbols:
        if polys[x].degree() == 2 and polys[x].LC().is_number:
            a, b, c = polys[x].all_coeffs()
            middle = sp.expand(-b / (2 * a))
            root = sp.sqrt(sp.expand(middle**2 - c / a))
            for value in (middle - root, middle + root):
                if _agrees(x, value):
                    yield {x: value}, ()
            return
    raise NotParametrizedError


def _plainness(x: sp.Symbol) -> tuple[bool, object]:
    """Sort symbols of which nothing is assumed but that they are real before others."""
    special = x.is_integer or x.is_nonnegative or x.is_nonpositive
    return bool(special), sp.default_sort_key(x)


def _agrees(x: sp.Symbol, value: sp.Expr) -> bool:
    """Tell whether a value can have what is assumed of the symbol."""
    return all(
        getattr(value, f"is_{name}", None) in {truth, None}
        for name, truth in x.assumptions0.items()
    )


def _sign(f: sp.Expr) -> Sign | None:
    """Prove that a polynomial is nowhere positive, or nowhere negative."""
    poly = sp.Poly(f, *sorted(f.free_symbols, key=sp.default_sort_key), domain="QQ")
    ring = shared_ring(len(poly.gens))
    return KernelSigns().of(ring.from_dict(poly.rep.to_dict()))
