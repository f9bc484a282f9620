"""What a formula tends to on either side of a wall."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import sympy as sp
from sympy.core.relational import Relational
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.symmetry.jumps.walls import Walls, difference, factors_of, is_pole
from ehf_sym.zero.zero_test import is_zero

_SMALL = sp.Dummy("small", positive=True)
_LOGARITHM = sp.Dummy("logarithm", real=True)
_NOT_FINITE = (sp.zoo, sp.nan, sp.oo, -sp.oo, sp.I)
_MAX_TOUCHING = 4
# F(±∞) = ±F(∞).
_SATURATING = {sp.tanh: sp.S.One, sp.erf: sp.S.One, sp.atan: sp.pi / 2}

Solution = dict[sp.Symbol, sp.Expr]


def sheets(b: sp.Expr, unknowns: Sequence[sp.Symbol]) -> list[Solution] | None:
    """Solve b = 0 for one of some symbols.

    Parameters
    ----------
    b : sympy.Expr
        A wall.
    unknowns : sequence of sympy.Symbol
        For what it may be solved.

    Returns
    -------
    list of dict, or None
        A symbol and its value, for each sheet of the surface; an integer symbol numbers the
        sheets of a periodic one. None if no way is known.

    Examples
    --------
    >>> x, y = sp.symbols("x y", real=True)
    >>> sheets(x * y - 1, [x, y])
    [{x: 1/y}]
    >>> sheets(x**2 + y**2 - 1, [x, y])
    [{x: sqrt(1 - y**2)}, {x: -sqrt(1 - y**2)}]
    """
    inside = [x for x in unknowns if x in b.free_symbols]
    if b.is_polynomial(*inside):
        polys = [sp.Poly(b, x) for x in inside]
        for poly in sorted(polys, key=lambda poly: (poly.degree(), not poly.LC().is_number)):
            (x,) = poly.gens
            if poly.degree() == 1:
                return [{x: -poly.nth(0) / poly.nth(1)}]
            if poly.degree() == 2:
                c, half, a = poly.nth(0), poly.nth(1) / 2, poly.nth(2)
                root = sp.sqrt(sp.expand(half**2 - a * c))
                if root.has(sp.I):
                    return None
                return [{x: (sign * root - half) / a} for sign in (1, -1)]
    for x in inside:
        if b.count(x) == 1 and (values := _peeled(b, x)) is not None:
            return [{x: value} for value in values]
    return None


def jump_formulas(
    walls: Walls, b: sp.Expr, unknowns: Sequence[sp.Symbol]
) -> list[tuple[sp.Expr, Solution]] | None:
    """Difference of the limits on both sides of a wall, on each sheet of it.

    A function is continuous across b = 0, up to a null set in it, if each formula vanishes.

    Parameters
    ----------
    walls : Walls
        Of the function.
    b : sympy.Expr
        One of its walls.
    unknowns : sequence of sympy.Symbol
        For what the wall may be solved.

    Returns
    -------
    list of (sympy.Expr, dict), or None
        Each difference, and the sheet that it is restricted to; an empty sheet stands for a whole
        wall that is not solved, on which the difference is a number. None if a limit is not found.

    Examples
    --------
    >>> from ehf_sym.symmetry.jumps.walls import walls_of
    >>> x, y = sp.symbols("x y", real=True)
    >>> jump_formulas(walls_of(sp.Abs(x) / x * y), x, [x])
    [(2*y, {x: 0})]
    >>> jump_formulas(walls_of(sp.tanh(1 / x)), x, [x])
    [(2, {x: 0})]
    """
    found: list[tuple[sp.Expr, Solution]] = []
    solutions = sheets(b, unknowns)
    for sheet in [Solution()] if solutions is None else solutions:
        others = (other for other in walls.surfaces if other != b)
        touching = [other for other in others if not _differs(other, b, sheet)]
        if len(touching) > _MAX_TOUCHING or _is_wild(walls.formula, (b, *touching)):
            return None
        for signs in product((1, -1), repeat=len(touching)):
            limits = []
            for sign in (1, -1):
                known = {b: sign, **dict(zip(touching, signs, strict=True))}
                limits.append(_limit(_on_side(walls.formula, known), known, sheet))
            if limits[0] is None or limits[1] is None:
                return None
            jump = limits[0] - limits[1]
            if not sheet and not jump.is_number:
                return None
            found.append((jump, sheet))
    return found


def restricted(f: sp.Expr, sheet: Solution) -> sp.Expr | None:
    """Restrict a formula to a sheet of a wall; None if it is infinite there.

    Examples
    --------
    >>> x, y = sp.symbols("x y", real=True)
    >>> restricted((x**2 - x * y) / x, {x: sp.S.Zero})
    -y
    """
    value = f.xreplace(sheet)
    if not value.has(*_NOT_FINITE):
        return value
    if f.has(sp.Piecewise):
        return None
    try:
        value = sp.cancel(sp.together(f)).xreplace(sheet)
    except BasePolynomialError:
        return None
    return None if value.has(*_NOT_FINITE) else value


def _peeled(b: sp.Expr, x: sp.Symbol) -> list[sp.Expr] | None:
    """Solve b = 0 for a symbol that occurs once, by undoing one operation after the other."""
    left, values = b, [sp.S.Zero]
    while left != x:
        if isinstance(left, sp.Add | sp.Mul):
            rest, inner = left.as_independent(x, as_Add=isinstance(left, sp.Add))
            added = isinstance(left, sp.Add)
            values = [v - rest if added else v / rest for v in values]
        elif isinstance(left, sp.Pow) and left.exp == -1:
            inner, values = left.base, [1 / v for v in values]
        elif isinstance(left, sp.Pow) and left.exp.is_Integer and left.exp > 0:
            inner, n = left.base, left.exp
            if n % 2:
                values = [sp.sign(v) * sp.Abs(v) ** (1 / n) for v in values]
            else:
                values = [s * v ** (1 / n) for v in values for s in (1, -1)]
        elif isinstance(left, sp.sin | sp.cos) and values == [0]:
            shift = sp.S.Zero if isinstance(left, sp.sin) else sp.pi / 2
            inner, values = left.args[0], [sp.pi * sp.Dummy("n", integer=True) + shift]
        elif isinstance(left, sp.exp | sp.log | sp.sinh | sp.asinh | sp.tanh | sp.atanh | sp.atan):
            inverse = left.inverse()
            inner, values = left.args[0], [inverse(v) for v in values]
        else:
            return None
        left = inner
    return None if any(v.has(*_NOT_FINITE) for v in values) else values


def _differs(other: sp.Expr, b: sp.Expr, sheet: Solution) -> bool:
    """Whether another wall meets a sheet of this one in a null set only."""
    if other.is_polynomial() and b.is_polynomial():
        return True  # both are irreducible
    value = restricted(other, sheet) if sheet else None
    if value is None:
        return False
    periodic = any(s.is_integer and isinstance(s, sp.Dummy) for s in value.free_symbols)
    return not periodic and is_zero(value).refuted


def _sign(u: sp.Expr, known: dict[sp.Expr, int]) -> sp.Expr:
    """Sign of a formula next to walls of known signs."""
    sign, factors = factors_of(u)
    rest = []
    for b, m in factors:
        if b in known:
            sign *= known[b] ** abs(m)
        elif m % 2:
            rest.append(b)
    if not rest or sign == 0:
        return sp.Integer(sign)
    return sp.Piecewise((sign, sp.Mul(*rest) > 0), (-sign, True))


def _on_side(f: Any, known: dict[sp.Expr, int]) -> Any:
    """Write a formula as it is on one side of a wall, defined on the wall too where possible."""
    if not f.args:
        return f
    if isinstance(f, Relational):
        sign, factors = factors_of(difference(f))
        if not any(b in known for b, _ in factors):
            return f
        rest = sp.Integer(sign)
        for b, m in factors:
            rest *= known[b] ** abs(m) if b in known else b ** (m % 2)
        return sp.Gt(rest, 0) if isinstance(f, sp.Gt | sp.Lt) else sp.Ge(rest, 0)
    f = f.func(*(_on_side(argument, known) for argument in f.args))
    if isinstance(f, sp.Abs) and _order(f.args[0], known):
        return f.args[0] * _sign(f.args[0], known)
    if isinstance(f, sp.log) and (order := _order(f.args[0], known)):
        if len(known) > 1:
            return f
        (b,) = known
        rest = sp.Mul(f.args[0], b**-order)
        if rest.is_rational_function():
            rest = sp.cancel(rest)
        return order * _LOGARITHM + sp.log(sp.Abs(rest))
    if f.func in _SATURATING and _order(f.args[0], known) < 0:
        limit = _SATURATING[f.func] * _sign(f.args[0], known)
        return limit - sp.atan(1 / f.args[0]) if isinstance(f, sp.atan) else limit
    if isinstance(f, sp.exp) and _order(f.args[0], known) < 0:
        sign = _sign(f.args[0], known)
        if sign.is_number:
            return sp.S.Zero if sign < 0 else 1 / _SMALL
    return f


def _order(u: sp.Expr, known: dict[sp.Expr, int]) -> int:
    """Exponent of the wall in a formula: positive for a zero, negative for a pole."""
    if u.has(sp.Piecewise):
        return 0
    return sum(m for b, m in factors_of(u)[1] if b in known)


def _is_wild(f: sp.Expr, walls: Sequence[sp.Expr]) -> bool:
    """Whether exponentials of different poles could grow at different rates."""
    poles: set[sp.Expr] = set()
    for part in f.atoms(sp.exp, sp.tanh, sp.erf):
        (w,) = part.args
        if _order(w, dict.fromkeys(walls, 1)) < 0:
            poles.add(-w if w.could_extract_minus_sign() else w)
    return len(poles) > 1


def _limit(f: sp.Expr, known: dict[sp.Expr, int], sheet: Solution) -> sp.Expr | None:
    """Take a formula on one side to a sheet of the wall."""
    if _is_singular(f, known):
        try:
            f = sp.cancel(sp.together(f))
        except BasePolynomialError:
            return None
        if _is_singular(f, known):
            return None
    if f.has(_SMALL):
        f = sp.cancel(sp.together(f)) if not f.has(sp.Piecewise) else f
        f = f.xreplace({_SMALL: sp.S.Zero})
    if f.has(*_NOT_FINITE) or not f.is_polynomial(_LOGARITHM):
        return None
    value = f.xreplace(sheet)
    return None if value.has(*_NOT_FINITE) else value


def _is_singular(f: sp.Expr, known: dict[sp.Expr, int]) -> bool:
    """Whether a part may be infinite on walls: it must not meet a zero there unseen."""
    return any(is_pole(part) and _order(part.args[0], known) for part in sp.preorder_traversal(f))
