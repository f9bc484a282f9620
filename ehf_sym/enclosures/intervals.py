"""Arithmetic on exact rationals and on intervals that are rounded outwards.

A value is either exact (a ``Fraction``) or a pair of binary floating-point numbers
that encloses it. Sums, products and square roots use mpmath's interval primitives,
which round outwards. Its elementary functions are accurate but not correctly rounded,
so their results are widened by a margin far above their error.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from mpmath import libmp
from sympy import integer_nthroot

# Raw mpmath numbers are (sign, mantissa, exponent, bit count) tuples.
Raw = tuple[int, int, int, int]
Interval = tuple[Raw, Raw]
Value = Fraction | Interval

_GUARD = 24
_MARGIN = 12
# Larger exact numbers are rounded: towers of powers must not eat the memory.
_MAX_EXACT_BITS = 8192
_MAX_EXPONENT_BITS = 64
_MAX_ANGLE_BITS = 4096


class EvaluationError(ArithmeticError):
    """The formula has no enclosure at this point and precision."""


class UndefinedError(EvaluationError):
    """The formula is not real, or not defined, at the point."""


class UnresolvedError(EvaluationError):
    """The enclosure is too wide, or a number too large, to go on."""


def interval(value: Value, precision: int) -> Interval:
    """Round an exact number outwards; leave an interval alone."""
    if isinstance(value, Fraction):
        p, q = value.numerator, value.denominator
        return (
            libmp.from_rational(p, q, precision, libmp.round_floor),
            libmp.from_rational(p, q, precision, libmp.round_ceiling),
        )
    return value


def sign(value: Value) -> int:
    """Return the sign of a value: -1, 0 or 1.

    Raises
    ------
    UnresolvedError
        The interval contains 0.
    """
    if isinstance(value, Fraction):
        return (value > 0) - (value < 0)
    low, high = value
    if libmp.mpf_sign(low) > 0:
        return 1
    if libmp.mpf_sign(high) < 0:
        return -1
    raise UnresolvedError


def add(a: Value, b: Value, precision: int) -> Value:
    """Sum."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return _settled(a + b, precision)
    total: Interval = libmp.mpi_add(interval(a, precision), interval(b, precision), precision)
    return total


def multiply(a: Value, b: Value, precision: int) -> Value:
    """Product."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return _settled(a * b, precision)
    if a == 0 or b == 0:
        return Fraction(0)
    product: Interval = libmp.mpi_mul(interval(a, precision), interval(b, precision), precision)
    return product


def divide(a: Value, b: Value, precision: int) -> Value:
    """Quotient; a divisor that may be 0 is refused."""
    if sign(b) == 0:
        raise UndefinedError
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return _settled(a / b, precision)
    ratio: Interval = libmp.mpi_div(interval(a, precision), interval(b, precision), precision)
    return ratio


def absolute(value: Value, precision: int) -> Value:
    """Absolute value."""
    if isinstance(value, Fraction):
        return abs(value)
    size: Interval = libmp.mpi_abs(value, precision)
    return size


def larger(a: Value, b: Value, precision: int) -> Value:
    """Maximum."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return max(a, b)
    (a_low, a_high), (b_low, b_high) = interval(a, precision), interval(b, precision)
    return (
        a_low if libmp.mpf_gt(a_low, b_low) else b_low,
        a_high if libmp.mpf_gt(a_high, b_high) else b_high,
    )


def power(base: Value, exponent: Value, precision: int) -> Value:
    """Real power: of positive numbers, unless the exponent is a known rational."""
    if not isinstance(exponent, Fraction):
        return _exponential_power(base, exponent, precision)
    if exponent < 0:
        return divide(Fraction(1), power(base, -exponent, precision), precision)
    if exponent.denominator == 1:
        return _integer_power(base, exponent.numerator, precision)
    return _fractional_power(base, exponent, precision)


def pi(precision: int) -> Value:
    """Enclose the constant pi."""
    approximation = libmp.mpf_pi(precision + _GUARD)
    return _widened(approximation, approximation, precision)


def exp(x: Value, precision: int) -> Value:
    """Exponential."""
    return Fraction(1) if x == 0 else _increasing(libmp.mpf_exp, x, precision)


def log(x: Value, precision: int) -> Value:
    """Logarithm of a positive number."""
    if sign(x) <= 0:
        raise UndefinedError
    if x == 1:
        return Fraction(0)
    work = precision + _GUARD
    low, high = interval(x, work)
    return _widened(libmp.mpf_log(low, work), libmp.mpf_log(high, work), work - _MARGIN)


def odd_increasing(primitive: Callable[..., Raw]) -> Callable[[Value, int], Value]:
    """Lift a primitive that increases and is 0 at 0, such as ``libmp.mpf_tanh``."""

    def function(x: Value, precision: int) -> Value:
        return Fraction(0) if x == 0 else _increasing(primitive, x, precision)

    return function


def cosh(x: Value, precision: int) -> Value:
    """Hyperbolic cosine."""
    e = exp(x, precision)
    double = add(e, divide(Fraction(1), e, precision), precision)
    return multiply(Fraction(1, 2), double, precision)


def arcsine(x: Value, precision: int) -> Value:
    """Inverse sine: the arc tangent of x/sqrt((1 - x)(1 + x))."""
    root = _unit_root(x, precision)
    if sign(root) == 0:
        half_pi = divide(pi(precision), Fraction(2), precision)
        return multiply(Fraction(sign(x)), half_pi, precision)
    ratio = divide(x, root, precision)
    return Fraction(0) if ratio == 0 else _increasing(libmp.mpf_atan, ratio, precision)


def arccosine(x: Value, precision: int) -> Value:
    """Inverse cosine: pi/2 less the inverse sine."""
    if x == 1:
        return Fraction(0)
    opposite = multiply(Fraction(-1), arcsine(x, precision), precision)
    return add(divide(pi(precision), Fraction(2), precision), opposite, precision)


def arcosh(x: Value, precision: int) -> Value:
    """Inverse hyperbolic cosine: log(x + sqrt(x - 1) sqrt(x + 1))."""
    half = Fraction(1, 2)
    up, down = (power(add(x, Fraction(n), precision), half, precision) for n in (1, -1))
    return log(add(x, multiply(up, down, precision), precision), precision)


def artanh(x: Value, precision: int) -> Value:
    """Inverse hyperbolic tangent: log((1 + x)/(1 - x))/2, for -1 < x < 1 only."""
    up = add(Fraction(1), x, precision)
    down = add(Fraction(1), multiply(Fraction(-1), x, precision), precision)
    if sign(up) <= 0 or sign(down) <= 0:
        raise UndefinedError
    return multiply(Fraction(1, 2), log(divide(up, down, precision), precision), precision)


def _unit_root(x: Value, precision: int) -> Value:
    """Return sqrt((1 - x)(1 + x))."""
    up = add(Fraction(1), x, precision)
    down = add(Fraction(1), multiply(Fraction(-1), x, precision), precision)
    if sign(up) < 0 or sign(down) < 0:
        raise UndefinedError
    return power(multiply(up, down, precision), Fraction(1, 2), precision)


def cosine_sine(angle: Value, precision: int) -> tuple[Value, Value]:
    """Values at the midpoint, widened by the radius: both functions are 1-Lipschitz."""
    if angle == 0:
        return Fraction(1), Fraction(0)
    work = precision + _GUARD
    low, high = interval(angle, work)
    if _magnitude((low, high)) > _MAX_ANGLE_BITS:
        raise UnresolvedError
    middle = libmp.mpf_shift(libmp.mpf_add(low, high, work, libmp.round_nearest), -1)
    up = libmp.mpf_sub(high, middle, work, libmp.round_ceiling)
    down = libmp.mpf_sub(middle, low, work, libmp.round_ceiling)
    radius = up if libmp.mpf_gt(up, down) else down
    cosine, sine = libmp.mpf_cos_sin(middle, work)
    return _around(cosine, radius, work), _around(sine, radius, work)


def _around(center: Raw, radius: Raw, work: int) -> Interval:
    """Interval of the given radius and a margin, cut to [-1, 1]."""
    slack = libmp.mpf_shift(libmp.mpf_abs(center), _MARGIN - work)
    reach = libmp.mpf_add(radius, slack, work, libmp.round_ceiling)
    low = libmp.mpf_sub(center, reach, work, libmp.round_floor)
    high = libmp.mpf_add(center, reach, work, libmp.round_ceiling)
    return (
        libmp.fnone if libmp.mpf_lt(low, libmp.fnone) else low,
        libmp.fone if libmp.mpf_gt(high, libmp.fone) else high,
    )


def _increasing(primitive: Callable[..., Raw], x: Value, precision: int) -> Interval:
    """Map the ends of an interval by an increasing function."""
    work = precision + _GUARD
    low, high = interval(x, work)
    if _magnitude((low, high)) > _MAX_EXPONENT_BITS:
        raise UnresolvedError
    return _widened(primitive(low, work), primitive(high, work), work - _MARGIN)


def _widened(low: Raw, high: Raw, precision: int) -> Interval:
    """Move both ends outwards by 2**-precision of their size."""
    slack_low = libmp.mpf_shift(libmp.mpf_abs(low), -precision)
    slack_high = libmp.mpf_shift(libmp.mpf_abs(high), -precision)
    return (
        libmp.mpf_sub(low, slack_low, precision + _GUARD, libmp.round_floor),
        libmp.mpf_add(high, slack_high, precision + _GUARD, libmp.round_ceiling),
    )


def _settled(value: Fraction, precision: int) -> Value:
    """Give up exactness where it has become too expensive."""
    return interval(value, precision) if _bits(value) > _MAX_EXACT_BITS else value


def _bits(value: Fraction) -> int:
    """Size of an exact number."""
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _magnitude(ends: Interval) -> int:
    """Exponent e with |value| < 2**e."""
    return max(end[2] + end[3] for end in ends)


def _integer_power(base: Value, n: int, precision: int) -> Value:
    """Raise to a non-negative integer."""
    if isinstance(base, Fraction) and n * _bits(base) <= _MAX_EXACT_BITS:
        return base**n
    if n.bit_length() > _MAX_EXPONENT_BITS:
        raise UnresolvedError
    result: Interval = libmp.mpi_pow_int(interval(base, precision), n, precision)
    return result


def _fractional_power(base: Value, exponent: Fraction, precision: int) -> Value:
    """Raise to a positive exponent that is not an integer."""
    known_sign = sign(base)
    if known_sign < 0:
        raise UndefinedError
    if known_sign == 0:
        return Fraction(0)
    root = _exact_root(base, exponent.denominator) if isinstance(base, Fraction) else None
    if root is None and exponent.denominator == 2:
        root = libmp.mpi_sqrt(interval(base, precision), precision)
    if root is not None:
        return _integer_power(root, exponent.numerator, precision)
    return _exponential_power(base, exponent, precision)


def _exponential_power(base: Value, exponent: Value, precision: int) -> Value:
    """Raise a positive number to any real exponent."""
    return exp(multiply(exponent, log(base, precision), precision), precision)


def _exact_root(value: Fraction, order: int) -> Value | None:
    """Return the order-th root of a positive number where it is rational."""
    top, top_exact = integer_nthroot(value.numerator, order)
    bottom, bottom_exact = integer_nthroot(value.denominator, order)
    return Fraction(int(top), int(bottom)) if top_exact and bottom_exact else None
