"""Roots of roots: squares found, and separation bounds against known small numbers."""

import mpmath
import pytest
import sympy as sp
from hypothesis import assume, given
from hypothesis import strategies as st
from sympy import Abs, Rational, cbrt, cos, exp, log, pi, sin, sqrt, tan

from ehf_sym.enclosures.root_bounds import algebraic_sign, separation_bits
from ehf_sym.zero.zero_test import is_zero

x, y = sp.symbols("x y", real=True)
a, b = sp.symbols("a b", positive=True)
r = sqrt(x**2 + y**2)
tiny = Rational(1, 10**12)

IDENTITIES = {
    "two and three": sqrt(5 + 2 * sqrt(6)) - sqrt(2) - sqrt(3),
    "one and two": sqrt(3 + 2 * sqrt(2)) - 1 - sqrt(2),
    "three roots": sqrt(10 + 2 * sqrt(6) + 2 * sqrt(10) + 2 * sqrt(15))
    - sqrt(2) - sqrt(3) - sqrt(5),
    "fourth root": sqrt(4 + 3 * sqrt(2)) - 2 ** Rational(1, 4) * (1 + sqrt(2)),
    "cube root": cbrt(2 + sqrt(5)) - (1 + sqrt(5)) / 2,
    "ramanujan": cbrt(cbrt(2) - 1) - (1 - cbrt(2) + cbrt(4)) / cbrt(9),
    "seventh of a circle": cos(pi / 7) - cos(2 * pi / 7) + cos(3 * pi / 7) - Rational(1, 2),
    "eleventh of a circle": tan(3 * pi / 11) + 4 * sin(2 * pi / 11) - sqrt(11),
    "times a symbol": x * sqrt(3 + 2 * sqrt(2)) - x - x * sqrt(2),
    "two halves": sqrt(x + sqrt(x**2 - 1)) - (sqrt(x + 1) + sqrt(x - 1)) / sqrt(2),
    "the constant comes last": sqrt(2) * sqrt(x + sqrt(x**2 - 1)) - sqrt(x + 1) - sqrt(x - 1),
    "root of a sum": sqrt(a + b + 2 * sqrt(a * b)) - sqrt(a) - sqrt(b),
    "root of a difference": sqrt(a + b - 2 * sqrt(a * b)) - Abs(sqrt(a) - sqrt(b)),
    "with exp": sqrt(exp(2 * x) + 2 * exp(x) * sqrt(a) + a) - exp(x) - sqrt(a),
    "with Abs": sqrt(2 * x**2 + 2 * Abs(x) * sqrt(x**2 + 1) + 1) - Abs(x) - sqrt(x**2 + 1),
    "logarithms of conjugates": log(r + x) + log(r - x) - log(y**2),
    "logarithms whose product is 3": log(sqrt(x**2 + 3) + x) + log(sqrt(x**2 + 3) - x) - log(3),
    "logarithm of a unit": log(1 + sqrt(2)) + log(sqrt(2) - 1),
    "logarithm of a square": log(3 + 2 * sqrt(2)) - 2 * log(1 + sqrt(2)),
}  # fmt: skip


@pytest.mark.parametrize("name", IDENTITIES)
def test_nested_roots(name):
    formula = IDENTITIES[name]
    assert is_zero(formula).proved
    assert is_zero(formula + tiny).refuted


@pytest.mark.parametrize(
    "formula",
    [
        sqrt(x + sqrt(x**2 - 1)) - (sqrt(x + 1) - sqrt(x - 1)) / sqrt(2),
        sqrt(a + b - 2 * sqrt(a * b)) - sqrt(a) + sqrt(b),
        sqrt(2 * x**2 + 2 * x * sqrt(x**2 + 1) + 1) - Abs(x) - sqrt(x**2 + 1),
        log(r + x) - log(r - x) - log(y**2),
    ],
    ids=str,
)
def test_the_wrong_sign_is_refuted(formula):
    assert is_zero(formula).refuted


integers = st.integers(1, 30)


@given(integers, integers, st.sampled_from([1, -1]))
def test_square_roots_of_squares_of_sums(m, n, sign):
    g = sqrt(m) + sign * sqrt(n)
    assume(g != 0)
    formula = sqrt(sp.expand(g**2)) - Abs(g)
    assert is_zero(formula).proved
    assert is_zero(formula * x).proved


@given(st.lists(st.tuples(st.integers(-9, 9), integers), min_size=1, max_size=4))
def test_signs_of_sums_of_roots_agree_with_digits(terms):
    number = sp.Add(*(c * sqrt(n) for c, n in terms))
    with mpmath.workdps(60):
        digits = sum(c * mpmath.sqrt(n) for c, n in terms)
        expected = 0 if abs(digits) < mpmath.mpf(10) ** -50 else int(mpmath.sign(digits))
    assert algebraic_sign(number) == expected
    if expected:
        assert abs(digits) >= mpmath.mpf(2) ** -separation_bits(number)


@pytest.mark.parametrize("k", [5, 20, 60])
def test_the_bound_holds_for_powers_of_a_small_unit(k):
    # (sqrt(2) - 1)**k written out is close to 0 for its size.
    small = sp.expand((sqrt(2) - 1) ** k)
    assert algebraic_sign(small) == 1
    assert sp.N(small, 60, maxn=500) >= sp.N(2 ** -sp.Integer(separation_bits(small)), 60)


def test_no_sign_where_there_is_no_bound():
    assert algebraic_sign(log(2) + log(3) - log(6)) is None
    assert algebraic_sign(sqrt(1 - sqrt(2))) is None
    assert algebraic_sign(exp(1) - 3) == -1
