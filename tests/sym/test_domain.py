"""Points in thin domains: all required parts are real there."""

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from sympy import Rational, acosh, asin, log, sqrt

from ehf_sym.zero.witness import thin_points
from ehf_sym.zero.zero_test import is_zero

x, y = sp.symbols("x y", real=True)
tiny = Rational(1, 10**12)


@pytest.mark.parametrize(
    "formula",
    [
        (sqrt(x - 1000) - sqrt(x - 1001)) ** 2 - 10,
        acosh(x / 1000) - 1,
        log(x - 50) * log(70 - x) * asin(x - 60) - 1,
        log(x - 50) + log(2) - log(2 * x - 100) + tiny * x,
        sqrt(10**6 - x**2 - y**2) * sqrt(x - 999) - 1,
        sqrt(1 - (x - 777) ** 2) - sqrt(778 - x) * sqrt(x - 776) + tiny * sqrt(1 - (y - 333) ** 2),
        asin(1000 * x - 500) + tiny,
    ],
    ids=str,
)
def test_thin_domains_are_found(formula):
    assert is_zero(formula).refuted


@given(st.integers(-5000, 5000), st.integers(1, 40))
def test_points_on_a_short_interval(left, width):
    formula = sqrt(x - left) * sqrt(left + Rational(width, 40) - x)
    point = next(thin_points(formula, [x], [{x: sp.Integer(0)}]))
    assert left <= point[x] <= left + Rational(width, 40)


def test_assumptions_hold_at_the_points_found():
    n = sp.Symbol("n", integer=True)
    verdict = is_zero(log(n - 1000) * sqrt(1010 - n) - 1)
    assert verdict.refuted
    assert verdict.witness[n].is_integer
