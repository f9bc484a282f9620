"""Rigorous values of a formula at a rational point.

The reading is real throughout: ``log`` and powers with an exponent that is not rational
take positive arguments, fractional powers non-negative ones; anything else is undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import reduce
from typing import Any

import sympy as sp
from mpmath import libmp
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from ehf_sym.clock import check_time
from ehf_sym.enclosures import intervals
from ehf_sym.enclosures.intervals import EvaluationError, UndefinedError, UnresolvedError, Value

__all__ = [
    "ANGULAR",
    "EvaluationError",
    "UndefinedError",
    "UnknownFunctionError",
    "UnresolvedError",
    "Value",
    "bounds",
    "enclose",
    "enclose_over",
    "excludes_zero",
    "is_integer_valued",
]


class UnknownFunctionError(EvaluationError):
    """The formula has a function that this module does not evaluate."""


def enclose(formula: sp.Expr, point: Mapping[sp.Symbol, sp.Rational], precision: int) -> Value:
    """Enclose the value of a formula at a rational point.

    Parameters
    ----------
    formula : sympy.Expr
        A formula whose free symbols are all in `point`.
    point : Mapping
        Exact rational coordinates.
    precision : int
        Working precision in bits.

    Returns
    -------
    Fraction or pair of raw mpmath numbers
        The exact value, or two ends with the value between them.

    Raises
    ------
    UndefinedError
        A subexpression is not real or not defined at the point.
    UnresolvedError
        The precision does not suffice to tell, or a number is too large.
    UnknownFunctionError
        There is no enclosure for a function in the formula.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> enclose(sp.sqrt(x**2 + 9) - 1, {x: sp.Integer(4)}, 53)
    Fraction(4, 1)
    >>> excludes_zero(enclose(sp.exp(x) - 1, {x: sp.Rational(1, 10**12)}, 53))
    True
    """
    known: dict[sp.Basic, Value] = {
        symbol: Fraction(int(number.p), int(number.q)) for symbol, number in point.items()
    }
    return _Evaluation(known, precision).value(formula)


def enclose_over(formula: sp.Expr, box: Mapping[sp.Symbol, Value], precision: int) -> Value:
    """Enclose all values of a formula on a box.

    Parameters
    ----------
    formula : sympy.Expr
        A formula whose free symbols are all in `box`.
    box : Mapping
        A number or an interval for each symbol.
    precision : int
        Working precision in bits.

    Raises
    ------
    EvaluationError
        As for `enclose`, at some point of the box, or the box is too wide to tell.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> unit = (libmp.fzero, libmp.fone)
    >>> [libmp.to_float(end) for end in enclose_over(2 * x + 1, {x: unit}, 53)]
    [1.0, 3.0]
    """
    return _Evaluation(dict(box), precision).value(formula)


def excludes_zero(value: Value) -> bool:
    """Tell whether an enclosure proves that the value is not zero."""
    try:
        return intervals.sign(value) != 0
    except UnresolvedError:
        return False


def bounds(value: Value) -> tuple[sp.Float, sp.Float]:
    """Two SymPy floats with the value between them; they keep a sign that is known."""
    low, high = libmp.mpi_pos(intervals.interval(value, 53), 53)
    return sp.Float._new(low, 53), sp.Float._new(high, 53)


def is_integer_valued(exponent: sp.Expr) -> bool:
    """Tell whether a formula is a polynomial with integer coefficients in integer symbols."""
    if isinstance(exponent, sp.Add | sp.Mul):
        return all(map(is_integer_valued, exponent.args))
    if isinstance(exponent, sp.Pow):
        whole = isinstance(exponent.exp, sp.Integer) and exponent.exp >= 0
        return bool(whole) and is_integer_valued(exponent.base)
    if isinstance(exponent, sp.Symbol):
        return bool(exponent.is_integer)
    return isinstance(exponent, sp.Integer)


def _cos(x: Value, precision: int) -> Value:
    return intervals.cosine_sine(x, precision)[0]


def _sin(x: Value, precision: int) -> Value:
    return intervals.cosine_sine(x, precision)[1]


def _tan(x: Value, precision: int) -> Value:
    cosine, sine = intervals.cosine_sine(x, precision)
    return intervals.divide(sine, cosine, precision)


def _sign(x: Value, precision: int) -> Value:
    return Fraction(intervals.sign(x))


def _reciprocal(function: Callable[[Value, int], Value]) -> Callable[[Value, int], Value]:
    """Return 1/f."""

    def inverted(x: Value, precision: int) -> Value:
        return intervals.divide(Fraction(1), function(x, precision), precision)

    return inverted


def _of_reciprocal(function: Callable[[Value, int], Value]) -> Callable[[Value, int], Value]:
    """Return f(1/x)."""

    def inverted(x: Value, precision: int) -> Value:
        return function(intervals.divide(Fraction(1), x, precision), precision)

    return inverted


_sinh = intervals.odd_increasing(libmp.mpf_sinh)
_tanh = intervals.odd_increasing(libmp.mpf_tanh)
_atan = intervals.odd_increasing(libmp.mpf_atan)
_asinh = intervals.odd_increasing(libmp.mpf_asinh)
_erf = intervals.odd_increasing(libmp.mpf_erf)


def _erfc(x: Value, precision: int) -> Value:
    minus = intervals.multiply(Fraction(-1), _erf(x, precision), precision)
    return intervals.add(Fraction(1), minus, precision)


_FUNCTIONS: dict[Any, Callable[[Value, int], Value]] = {
    sp.exp: intervals.exp,
    sp.log: intervals.log,
    sp.sin: _sin,
    sp.cos: _cos,
    sp.tan: _tan,
    sp.csc: _reciprocal(_sin),
    sp.sec: _reciprocal(_cos),
    sp.cot: _reciprocal(_tan),
    sp.sinh: _sinh,
    sp.cosh: intervals.cosh,
    sp.tanh: _tanh,
    sp.csch: _reciprocal(_sinh),
    sp.sech: _reciprocal(intervals.cosh),
    sp.coth: _reciprocal(_tanh),
    sp.atan: _atan,
    sp.acot: _of_reciprocal(_atan),
    sp.asin: intervals.arcsine,
    sp.acsc: _of_reciprocal(intervals.arcsine),
    sp.acos: intervals.arccosine,
    sp.asec: _of_reciprocal(intervals.arccosine),
    sp.asinh: _asinh,
    sp.acsch: _of_reciprocal(_asinh),
    sp.acosh: intervals.arcosh,
    sp.asech: _of_reciprocal(intervals.arcosh),
    sp.atanh: intervals.artanh,
    sp.acoth: _of_reciprocal(intervals.artanh),
    sp.erf: _erf,
    sp.erfc: _erfc,
    sp.Abs: intervals.absolute,
    sp.sign: _sign,
}

SIGNS_ACCEPTED: dict[Any, set[int]] = {
    sp.Gt: {1},
    sp.Ge: {0, 1},
    sp.Lt: {-1},
    sp.Le: {-1, 0},
    sp.Eq: {0},
    sp.Ne: {-1, 1},
}
"""Signs of left minus right for which a comparison holds."""


ANGULAR = frozenset({sp.sin, sp.cos, sp.tan, sp.cot, sp.sec, sp.csc})
# By Niven's theorem others than these have no rational sines, cosines and tangents.
_RATIONAL_COSINES = frozenset({1, 2, 3, 4, 6})


class _Evaluation:
    """One evaluation: a precision and the subexpressions whose values are known."""

    def __init__(self, known: dict[sp.Basic, Value], precision: int) -> None:
        self.known = known
        self.precision = precision

    def value(self, formula: sp.Basic) -> Value:
        value = self.known.get(formula)
        if value is None:
            value = self.known[formula] = self._apply(formula)
        return value

    def _apply(self, formula: sp.Basic) -> Value:
        check_time()
        precision = self.precision
        if isinstance(formula, sp.Rational):
            return Fraction(int(formula.p), int(formula.q))
        if formula is sp.pi:
            return intervals.pi(precision)
        if formula is sp.E:
            return intervals.exp(Fraction(1), precision)
        if isinstance(formula, sp.Piecewise):
            return self._piecewise(formula)
        if formula.func in ANGULAR and (turned := self._at_fraction_of_pi(formula)) is not None:
            return turned
        arguments = [self.value(argument) for argument in formula.args]
        if isinstance(formula, sp.Add):
            return reduce(lambda a, b: intervals.add(a, b, precision), arguments)
        if isinstance(formula, sp.Mul):
            return reduce(lambda a, b: intervals.multiply(a, b, precision), arguments)
        if isinstance(formula, sp.Pow):
            return self._power(formula.exp, *arguments)
        if isinstance(formula, sp.Max):
            return reduce(lambda a, b: intervals.larger(a, b, precision), arguments)
        if isinstance(formula, sp.Min):
            opposite = [self._negative(argument) for argument in arguments]
            return self._negative(reduce(lambda a, b: intervals.larger(a, b, precision), opposite))
        if isinstance(formula, sp.Heaviside):
            return self._step(*arguments)
        function = _FUNCTIONS.get(formula.func)
        if function is None:
            raise UnknownFunctionError(formula.func)
        return function(arguments[0], precision)

    def _at_fraction_of_pi(self, formula: sp.Basic) -> Fraction | None:
        """Exact value of a function of a rational multiple of pi, where it is rational."""
        angle = formula.args[0]
        if not angle.has(sp.pi):
            return None
        numbers = {}
        for symbol in angle.free_symbols:
            number = self.known.get(symbol)
            if not isinstance(number, Fraction):
                return None
            numbers[symbol] = sp.Rational(number.numerator, number.denominator)
        turn = angle.xreplace(numbers) / sp.pi
        if not turn.is_Rational or turn.q not in _RATIONAL_COSINES:
            return None
        value = formula.func(turn * sp.pi)
        if value is sp.zoo:
            raise UndefinedError
        return Fraction(int(value.p), int(value.q)) if value.is_Rational else None

    def _power(self, written: sp.Expr, base: Value, exponent: Value) -> Value:
        """Raise to a power; how the exponent is written says which bases are allowed."""
        if not isinstance(written, sp.Rational):
            sign = intervals.sign(base)
            if sign == 0 or (sign < 0 and not is_integer_valued(written)):
                raise UndefinedError
        return intervals.power(base, exponent, self.precision)

    def _negative(self, value: Value) -> Value:
        return intervals.multiply(Fraction(-1), value, self.precision)

    def _step(self, x: Value, middle: Value) -> Value:
        """Heaviside's step function."""
        sign = intervals.sign(x)
        return Fraction((sign + 1) // 2) if sign else middle

    def _piecewise(self, formula: sp.Piecewise) -> Value:
        """Take the first branch whose condition holds."""
        for branch, condition in formula.args:
            if self._holds(condition):
                return self.value(branch)
        raise UndefinedError

    def _holds(self, condition: sp.Basic) -> bool:
        """Decide a condition; one that is too close to call is refused."""
        if isinstance(condition, BooleanTrue | BooleanFalse):
            return isinstance(condition, BooleanTrue)
        if isinstance(condition, sp.And):
            return all(self._holds(part) for part in condition.args)
        if isinstance(condition, sp.Or):
            return any(self._holds(part) for part in condition.args)
        if isinstance(condition, sp.Not):
            return not self._holds(condition.args[0])
        accepted = SIGNS_ACCEPTED.get(condition.func)
        if accepted is None:
            raise UnknownFunctionError(condition.func)
        left, right = (self.value(side) for side in condition.args)
        difference = intervals.add(left, self._negative(right), self.precision)
        return intervals.sign(difference) in accepted
