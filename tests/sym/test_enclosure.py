"""Enclosures against exact fractions and against mpmath at high precision."""

from fractions import Fraction

import mpmath
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from mpmath import libmp

from ehf_sym.enclosures import intervals
from ehf_sym.enclosures.enclosure import (
    UndefinedError,
    UnknownFunctionError,
    UnresolvedError,
    bounds,
    enclose,
    excludes_zero,
)

x, y = sp.symbols("x y", real=True)

fractions = st.fractions(min_value=-50, max_value=50, max_denominator=60)
precisions = st.sampled_from([24, 53, 200])


def ends(value):
    """Exact ends of a value."""
    if isinstance(value, Fraction):
        return value, value
    return tuple(Fraction(*map(int, libmp.to_rational(end))) for end in value)


def contains(value, number):
    low, high = ends(value)
    return low <= number <= high


def as_fraction(number):
    """An mpmath number, exactly."""
    return Fraction(*map(int, libmp.to_rational(number._mpf_)))


@given(fractions, fractions, precisions)
def test_arithmetic_encloses_exact_results(a, b, precision):
    # A third is no binary fraction: this forces intervals of positive width.
    third = intervals.interval(Fraction(1, 3), precision)
    wide_a = intervals.add(a, third, precision)
    wide_b = intervals.add(b, third, precision)
    exact_a, exact_b = a + Fraction(1, 3), b + Fraction(1, 3)
    assert contains(wide_a, exact_a)
    assert contains(intervals.multiply(wide_a, wide_b, precision), exact_a * exact_b)
    assert contains(intervals.larger(wide_a, wide_b, precision), max(exact_a, exact_b))
    assert contains(intervals.absolute(wide_a, precision), abs(exact_a))
    if exact_b:
        quotient = intervals.divide(wide_a, wide_b, precision)
        assert contains(quotient, exact_a / exact_b)


@given(fractions, st.integers(min_value=-40, max_value=40), precisions)
def test_integer_powers_enclose_exact_results(a, n, precision):
    base = intervals.add(a, intervals.interval(Fraction(1, 3), precision), precision)
    exact = a + Fraction(1, 3)
    if exact:
        assert contains(intervals.power(base, Fraction(n), precision), exact**n)


ELEMENTARY = {
    sp.exp: mpmath.exp,
    sp.log: mpmath.log,
    sp.sin: mpmath.sin,
    sp.cos: mpmath.cos,
    sp.tan: mpmath.tan,
    sp.cot: mpmath.cot,
    sp.sec: mpmath.sec,
    sp.csc: mpmath.csc,
    sp.sinh: mpmath.sinh,
    sp.cosh: mpmath.cosh,
    sp.tanh: mpmath.tanh,
    sp.coth: mpmath.coth,
    sp.sech: mpmath.sech,
    sp.csch: mpmath.csch,
    sp.atan: mpmath.atan,
    sp.asinh: mpmath.asinh,
    sp.erf: mpmath.erf,
}

# From tiny to large, so that series, range reduction and asymptotics are all used.
arguments = st.one_of(
    fractions,
    st.fractions(min_value=Fraction(-1, 10**9), max_value=Fraction(1, 10**9)),
    st.integers(min_value=-3000, max_value=3000).map(Fraction),
)


@pytest.mark.parametrize("function", ELEMENTARY, ids=str)
@given(argument=arguments, precision=precisions)
def test_elementary_functions_enclose_the_value(function, argument, precision):
    if argument == 0 or (function is sp.log and argument < 0):
        return
    point = {x: sp.Rational(argument.numerator, argument.denominator)}
    value = enclose(function(x), point, precision)
    with mpmath.workprec(1000):
        exact = ELEMENTARY[function](mpmath.mpf(argument.numerator) / argument.denominator)
        assert contains(value, as_fraction(exact))


def test_enclosures_shrink_with_precision():
    formula, point = sp.exp(sp.sin(x)) / (1 + sp.sqrt(x)), {x: sp.Integer(2)}
    widths = []
    for precision in (53, 106, 212):
        low, high = ends(enclose(formula, point, precision))
        widths.append(high - low)
    assert widths[1] < widths[0] / 2**40
    assert widths[2] < widths[1] / 2**90


leaves = st.one_of(st.sampled_from([x, y]), fractions.map(sp.Rational))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(sp.Add, inner, inner),
        st.builds(sp.Mul, inner, inner),
        st.builds(lambda u: sp.exp(-(u**2)), inner),
        st.builds(lambda u: sp.sqrt(1 + u**2), inner),
        st.builds(lambda u: sp.log(2 + u**2), inner),
        st.builds(sp.tanh, inner),
        st.builds(sp.sin, inner),
        st.builds(sp.Abs, inner),
        st.builds(lambda u: (1 + u**2) ** sp.Rational(-2, 3), inner),
        st.builds(sp.Max, inner, inner),
        st.builds(sp.Min, inner, inner),
    ),
    max_leaves=8,
)


@given(trees, fractions, fractions)
def test_formulas_enclose_the_value(formula, a, b):
    point = {x: sp.Rational(a), y: sp.Rational(b)}
    try:
        value = enclose(formula, point, 80)
    except UnresolvedError:
        return
    with mpmath.workdps(120):
        function = sp.lambdify([x, y], formula, "mpmath")
        at = [mpmath.mpf(v.numerator) / v.denominator for v in (a, b)]
        exact = as_fraction(mpmath.mpf(function(*at)))
    low, high = ends(value)
    # The reference is rounded too, at 120 digits.
    slack = Fraction(1, 10**90) * (1 + abs(exact))
    assert low - slack <= exact <= high + slack


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (sp.sqrt(x), 2),
        (x ** sp.Rational(-3, 2), sp.Rational(1, 8)),
        (sp.log(x / 4), 0),
        (sp.exp(x - 4), 1),
        (sp.cos(x - 4) + sp.sin(x - 4), 1),
        (sp.Max(x, 7) - sp.Min(x, 7), 3),
        (sp.sign(-x) * sp.Abs(-x), -4),
        (sp.Piecewise((x**2, x > 3), (0, True)), 16),
        (sp.Piecewise((1, (x < 0) | sp.Eq(x, 5)), (2, sp.Ne(x, 4)), (3, x >= 4)), 3),
    ],
    ids=str,
)
def test_exact_values_stay_exact(formula, expected):
    assert enclose(formula, {x: sp.Integer(4)}, 53) == Fraction(str(expected))


@pytest.mark.parametrize(
    "formula",
    [
        sp.log(-x),
        sp.log(x - 4),
        sp.sqrt(3 - x),
        (3 - x) ** sp.Rational(1, 3),
        1 / (x - 4),
        (2 - x) ** sp.pi,
        (x - 4) ** sp.sqrt(2),
        sp.tan(x - 4) ** -1,
        sp.Piecewise((x, x < 0)),
    ],
    ids=str,
)
def test_undefined(formula):
    with pytest.raises(UndefinedError):
        enclose(formula, {x: sp.Integer(4)}, 53)


@pytest.mark.parametrize(
    "formula",
    [
        1
        / (sp.sqrt(2) ** 2 - x / 2 + sp.exp(x) - sp.exp(4) * sp.exp(x - 4) + sp.log(x) - sp.log(x)),
        sp.exp(sp.exp(sp.exp(100 * x))),
        sp.exp(sp.exp(sp.exp(100 * x))) ** -1,
        sp.sin(sp.exp(10000 * x) + sp.exp(sp.exp(11 * x))),
        sp.sign(sp.log(x) - 2 * sp.log(2)),
    ],
    ids=str,
)
def test_unresolved_without_hanging(formula):
    with pytest.raises((UnresolvedError, UndefinedError)):
        enclose(formula, {x: sp.Integer(4)}, 53)


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        (sp.sign(sp.sin(sp.pi * x)), 0),
        (sp.cos(sp.pi * x / 3), Fraction(-1, 2)),
        (sp.tan(sp.pi * x**2 / 64), 1),
        (sp.csc(sp.pi / 2 - sp.pi * x), 1),
    ],
    ids=str,
)
def test_fractions_of_pi_are_exact(formula, value):
    assert enclose(formula, {x: sp.Integer(4)}, 53) == value
    with pytest.raises(UndefinedError):
        enclose(1 / formula + sp.tan(sp.pi * x / 8), {x: sp.Integer(4)}, 53)


def test_unknown_function():
    with pytest.raises(UnknownFunctionError):
        enclose(sp.gamma(x), {x: sp.Rational(1, 3)}, 53)
    unknown_condition = sp.Contains(x, sp.Interval(0, 1))
    with pytest.raises(UnknownFunctionError):
        enclose(sp.Piecewise((1, unknown_condition), (0, True)), {x: sp.Rational(1, 3)}, 53)


def test_large_exact_powers_become_intervals():
    value = enclose(x**100_000, {x: sp.Rational(3, 2)}, 53)
    assert not isinstance(value, Fraction)
    assert excludes_zero(value)


@pytest.mark.parametrize("sign", [1, -1])
def test_bounds_keep_the_sign(sign):
    tiny = sign * sp.exp(-(x**2))
    value = enclose(tiny, {x: sp.Integer(40)}, 200)
    low, high = bounds(value)
    assert excludes_zero(value)
    assert low * sign > 0
    assert high * sign > 0
    assert ends(value)[0] >= Fraction(*map(int, libmp.to_rational(low._mpf_)))
    assert ends(value)[1] <= Fraction(*map(int, libmp.to_rational(high._mpf_)))
