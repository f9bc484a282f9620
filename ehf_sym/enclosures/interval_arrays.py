"""Intervals of doubles in arrays: what a formula can be over many boxes at once.

Each operation is rounded outwards by eight units in the last place: twice the largest error that
NumPy's tests allow its elementary functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import scipy
import sympy as sp
from numpy.typing import NDArray

Array = NDArray[np.float64]
Range = tuple[Array, Array]
"""Lower and upper ends; infinite where nothing is known."""

_MARGIN = 2.0**-49
_TINY = 1e-300
_TURN = 2 * np.pi

# Increasing functions, each with the range where it is defined.
_INCREASING: Mapping[Any, tuple[Callable[[Any], Any], float, float]] = {
    sp.exp: (np.exp, -np.inf, np.inf),
    sp.log: (np.log, 0, np.inf),
    sp.sinh: (np.sinh, -np.inf, np.inf),
    sp.tanh: (np.tanh, -np.inf, np.inf),
    sp.asinh: (np.arcsinh, -np.inf, np.inf),
    sp.acosh: (np.arccosh, 1, np.inf),
    sp.atanh: (np.arctanh, -1, 1),
    sp.asin: (np.arcsin, -1, 1),
    sp.atan: (np.arctan, -np.inf, np.inf),
    sp.erf: (lambda x: scipy.special.erf(x), -np.inf, np.inf),
    sp.sign: (np.sign, -np.inf, np.inf),
}
_RECIPROCAL = {sp.sec: sp.cos, sp.csc: sp.sin, sp.cot: sp.tan, sp.sech: sp.cosh, sp.csch: sp.sinh,
               sp.coth: sp.tanh}  # fmt: skip


def ranges(formula: sp.Expr, box: Mapping[sp.Symbol, Range]) -> Range:
    """Enclose the values of a formula over boxes.

    Parameters
    ----------
    formula : sympy.Expr
        Its free symbols are those of the box.
    box : mapping from sympy.Symbol to (array, array)
        Lower and upper ends of each symbol, arrays of one shape (n,).

    Returns
    -------
    (array, array)
        Shape (n,). Infinite ends where the formula may be undefined, or contains a function of
        which no range is known here.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> low, high = ranges(1 + x**2, {x: (np.array([-1.0, 2.0]), np.array([1.0, 3.0]))})
    >>> low.round(9), high.round(9)
    (array([1., 5.]), array([ 2., 10.]))
    """
    shape = np.shape(next(iter(box.values()))[0])
    known: dict[sp.Expr, Range] = {**box}
    with np.errstate(all="ignore"):
        low, high = _range(formula, known)
    return np.broadcast_to(low, shape), np.broadcast_to(high, shape)


def _range(formula: sp.Expr, known: dict[sp.Expr, Range]) -> Range:
    """Range of a part; equal parts are looked at once."""
    if formula not in known:
        known[formula] = _outwards(*_unrounded(formula, known))
    return known[formula]


def _outwards(low: Any, high: Any) -> Range:
    """Make room for rounding, and everything of what is not a number."""
    low = low - np.abs(low) * _MARGIN - _TINY
    high = high + np.abs(high) * _MARGIN + _TINY
    return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)


def _unrounded(formula: sp.Expr, known: dict[sp.Expr, Range]) -> tuple[Any, Any]:
    """Range of a part, but for the rounding of its own operation."""
    if formula.is_number:
        number = formula.evalf(20)
        value = np.float64(number) if number.is_Number else np.float64(np.nan)
        return value, value
    if formula.func in _RECIPROCAL:
        return _inverted(_range(_RECIPROCAL[formula.func](*formula.args), known))
    if formula.is_Pow:
        return _power(formula, known)
    if isinstance(formula, sp.Add | sp.Mul | sp.Max | sp.Min):
        arguments = [_range(part, known) for part in formula.args]
        if formula.is_Add or formula.is_Mul:
            return reduce(_sum if formula.is_Add else _product, arguments)
        pick = np.maximum if isinstance(formula, sp.Max) else np.minimum
        return reduce(lambda a, b: (pick(a[0], b[0]), pick(a[1], b[1])), arguments)
    if isinstance(formula, sp.Function) and len(formula.args) == 1:
        return _function(formula.func, _range(formula.args[0], known))
    return np.float64(-np.inf), np.float64(np.inf)


def _function(name: Any, argument: Range) -> tuple[Any, Any]:
    """Range of a function of one argument."""
    low, high = argument
    if name in _INCREASING:
        function, lowest, highest = _INCREASING[name]
        outside = (low < lowest) | (high > highest)
        return np.where(outside, -np.inf, function(low)), np.where(outside, np.inf, function(high))
    if name in (sp.Abs, sp.cosh):
        low, high = _magnitude(argument)
        return (np.cosh(low), np.cosh(high)) if name is sp.cosh else (low, high)
    if name in (sp.sin, sp.cos):
        return _wave(np.sin if name is sp.sin else np.cos, name is sp.sin, argument)
    if name is sp.tan:
        pole = _meets(low, high, _TURN / 4, _TURN / 2)
        return np.where(pole, -np.inf, np.tan(low)), np.where(pole, np.inf, np.tan(high))
    return np.float64(-np.inf), np.float64(np.inf)


def _sum(a: Range, b: Range) -> Range:
    return _outwards(a[0] + b[0], a[1] + b[1])


def _product(a: Range, b: Range) -> Range:
    """Extremes are at corners; 0 times an end that is infinite is 0."""
    corners = [x * y for x in a for y in b]
    corners = [np.where(np.isnan(corner), 0.0, corner) for corner in corners]
    return _outwards(reduce(np.minimum, corners), reduce(np.maximum, corners))


def _inverted(a: Range) -> Range:
    low, high = a
    crosses = (low <= 0) & (high >= 0)
    return np.where(crosses, -np.inf, 1 / high), np.where(crosses, np.inf, 1 / low)


def _magnitude(a: Range) -> Range:
    """Range of the absolute value."""
    low, high = a
    nearest = np.maximum(np.maximum(low, -high), 0.0)
    return nearest, np.maximum(np.abs(low), np.abs(high))


def _power(formula: sp.Expr, known: dict[sp.Expr, Range]) -> Range:
    """Range of a power: of non-negative bases unless the exponent is an integer."""
    base, exponent = formula.args
    if not exponent.is_Rational:
        return _range(sp.exp(exponent * sp.log(base)), known)
    inner = _range(base, known)
    size = float(abs(exponent))
    if exponent.is_even:
        inner = _magnitude(inner)
    low, high = inner[0] ** size, inner[1] ** size  # not a number for roots of negative numbers
    return _inverted(_outwards(low, high)) if exponent.is_negative else (low, high)


def _wave(function: Callable[[Any], Any], is_sine: bool, a: Range) -> Range:
    """Range of sine or cosine: values at the ends, and ±1 where the crest is on the way."""
    low, high = a
    crest = _TURN / 4 if is_sine else 0.0
    ends = function(low), function(high)
    top = _meets(low, high, crest, _TURN)
    bottom = _meets(low, high, crest + _TURN / 2, _TURN)
    least = np.where(bottom, -1.0, np.minimum(*ends) - _MARGIN)
    most = np.where(top, 1.0, np.maximum(*ends) + _MARGIN)
    return np.fmax(least, -1.0), np.fmin(most, 1.0)


def _meets(low: Array, high: Array, first: float, period: float) -> NDArray[np.bool_]:
    """Whether first + k period may lie between two ends, for an integer k."""
    near, far = (low - first) / period, (high - first) / period
    slack = _MARGIN * (1 + np.abs(near) + np.abs(far))
    return ~(np.ceil(near - slack) > np.floor(far + slack))
