"""Rational points where the parts of a formula are real, however thin that domain is.

Roots, logarithms and inverse functions are real where certain parts are not negative. Along a
line that is parallel to an axis, polynomial parts change signs at their roots only: between two
neighbouring roots one point stands for all. Conditions of ``Piecewise`` cut the line as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

import sympy as sp
from sympy.core.relational import Relational
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.zero.clock import check_time, interruptible

_MAX_DEGREE = 12
_MAX_PARTS = 12
_MAX_NODES = 400
_WIDTH = sp.Rational(1, 10**6)

Point = Mapping[sp.Symbol, sp.Rational]

_REQUIRED: dict[Any, Callable[[sp.Expr], tuple[sp.Expr, ...]]] = {
    sp.log: lambda u: (u,),
    sp.asin: lambda u: (1 - u, 1 + u),
    sp.acos: lambda u: (1 - u, 1 + u),
    sp.atanh: lambda u: (1 - u, 1 + u),
    sp.acosh: lambda u: (u - 1,),
}


def thin_points(
    formula: sp.Expr, symbols: Sequence[sp.Symbol], starts: Iterable[Point]
) -> Iterator[Point]:
    """Move points along the axes to where all polynomial parts have the signs they should.

    Parameters
    ----------
    formula : sympy.Expr
        A formula in real symbols.
    symbols : sequence of sympy.Symbol
        Its symbols.
    starts : iterable of points
        Where to begin.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> next(thin_points(sp.log(x - 50) * sp.asin(x - 60), [x], [{x: sp.Integer(1)}]))
    {x: 60}
    """
    required, others = _parts(formula)
    if not required and not others:
        return
    for start in starts:
        point = dict(start)
        for x in (*symbols, *symbols):
            check_time()
            yield from _on_line(required, others, point, x)


def _parts(formula: sp.Expr) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """Collect numerators and denominators that must not be negative, and those that cut."""
    required: list[sp.Expr] = []
    others: list[sp.Expr] = []
    for count, part in enumerate(sp.preorder_traversal(formula)):
        if count > _MAX_NODES:
            break
        if isinstance(part, sp.Pow) and not part.exp.is_Integer and not part.base.is_number:
            required.append(part.base)
        elif part.func in _REQUIRED:
            required.extend(_REQUIRED[part.func](part.args[0]))
        elif isinstance(part, Relational):
            others.append(part.lhs - part.rhs)
        elif isinstance(part, sp.Max | sp.Min):
            others.extend(a - b for a, b in combinations(part.args, 2))
        elif isinstance(part, sp.Abs | sp.sign | sp.Heaviside):
            others.append(part.args[0])
    return list(dict.fromkeys(required))[:_MAX_PARTS], list(dict.fromkeys(others))[:_MAX_PARTS]


def _on_line(
    required: Sequence[sp.Expr],
    others: Sequence[sp.Expr],
    point: dict[sp.Symbol, sp.Rational],
    x: sp.Symbol,
) -> Iterator[Point]:
    """Points of one line where all is well; the start of the next line is the best of them."""
    fixed = {symbol: number for symbol, number in point.items() if symbol != x}
    conditions = [poly for part in required if (poly := _polynomial(part, fixed, x)) is not None]
    cuts = [poly for part in others if (poly := _polynomial(part, fixed, x)) is not None]
    roots = sorted({end for poly in (*conditions, *cuts) for end in _roots(poly)})
    most = -1
    for number in _between(roots):
        satisfied = sum(bool(poly.eval(number) >= 0) for poly in conditions)
        if satisfied > most:
            most = satisfied
            point[x] = number
        if satisfied == len(conditions):
            yield {**fixed, x: number}


def _polynomial(part: sp.Expr, fixed: Point, x: sp.Symbol) -> sp.Poly | None:
    """Restrict a rational part to a line: its numerator times its denominator."""
    if not part.is_rational_function(*part.free_symbols):
        return None
    try:
        top, bottom = sp.fraction(sp.together(part.xreplace(dict(fixed))))
        if not (top * bottom).has(x):
            return None
        poly = sp.Poly(top * bottom, x, domain="QQ")
    except (BasePolynomialError, ValueError, ZeroDivisionError):
        return None
    return poly if 0 < poly.degree() <= _MAX_DEGREE else None


def _roots(poly: sp.Poly) -> list[sp.Rational]:
    """Rational numbers next to the real roots, or equal to them."""
    if poly.degree() == 1:
        return [-poly.coeff_monomial(1) / poly.LC()]
    with interruptible():
        return [end for interval, _ in poly.intervals(eps=_WIDTH) for end in interval]


def _between(roots: Sequence[sp.Rational]) -> Iterator[sp.Rational]:
    """Points that the roots separate, simple ones where there are some."""
    if not roots:
        return
    for low, high in pairwise(roots):
        width = high - low
        inner = sp.floor(low) + 1
        if inner < high:
            yield sp.Rational(inner)
        yield low + width / 2
        yield low + width / 8
        yield high - width / 8
    for distance in (1, sp.Rational(1, 8), 8, 64, 1000):
        yield roots[-1] + distance
        yield roots[0] - distance
