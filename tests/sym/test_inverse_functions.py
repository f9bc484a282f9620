"""Inverse functions: identities on their whole domains, and the branches where they fail."""

import mpmath
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from sympy import (
    Rational,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    cos,
    cosh,
    exp,
    log,
    pi,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)  # fmt: skip

from ehf_sym.normal_forms.normal_form import normal_form
from ehf_sym.zero.piecewise import vanishes_by_parts
from ehf_sym.zero.zero_test import is_zero

x, y = sp.symbols("x y", real=True)
a, b = sp.symbols("a b", positive=True)
tiny = Rational(1, 10**12)

IDENTITIES = {
    "asin and acos": asin(x) + acos(x) - pi / 2,
    "atan of the reciprocal": atan(x) + atan(1 / x) - pi / 2 * sp.sign(x),
    "atan of the reciprocal, positive": atan(a) + atan(1 / a) - pi / 2,
    "asinh": asinh(x) - log(x + sqrt(x**2 + 1)),
    "asinh is odd": asinh(x) + log(sqrt(x**2 + 1) - x),
    "acosh": acosh(x) - log(x + sqrt(x**2 - 1)),
    "atanh": atanh(x) - log((1 + x) / (1 - x)) / 2,
    "acsch": sp.acsch(x) - asinh(1 / x),
    "asech": sp.asech(x) - acosh(1 / x),
    "acoth": sp.acoth(x) - atanh(1 / x),
    "asec": sp.asec(x) - acos(1 / x),
    "tan of asin": tan(asin(x)) - x / sqrt(1 - x**2),
    "cos of twice acos": cos(2 * acos(x)) - 2 * x**2 + 1,
    "cos of thrice acos": cos(3 * acos(x)) - 4 * x**3 + 3 * x,
    "cos of half acos": cos(acos(x) / 2) - sqrt((1 + x) / 2),
    "sin of a sum": sin(x + asin(y)) - sin(x) * sqrt(1 - y**2) - cos(x) * y,
    "twice asinh": 2 * asinh(x) - asinh(2 * x * sqrt(1 + x**2)),
    "twice acosh": acosh(2 * x**2 - 1) - 2 * acosh(sp.Abs(x)),
    "twice acos, positive": acos(2 * a**2 - 1) - 2 * acos(a),
    "half acos": acos(x) - 2 * asin(sqrt((1 - x) / 2)),
    "of a hidden zero": asin(sin(x) ** 2 + cos(x) ** 2 - 1),
    "cos of a third of asin": cos(asin(x) / 3) * (sin(y) ** 2 + cos(y) ** 2) - cos(asin(x) / 3),
    "half atan": 2 * atan(x / (1 + sqrt(1 + x**2))) - atan(x),
    "asin by atan": asin(x) - atan(x / sqrt(1 - x**2)),
    "atan by asin": asin(x / sqrt(1 + x**2)) - atan(x),
    "atan of a difference": atan((a - b) / (1 + a * b)) - atan(a) + atan(b),
    "gudermannian": 2 * atan(tanh(x / 2)) - atan(sinh(x)),
    "gudermannian by asin": 2 * atan(tanh(x / 2)) - asin(tanh(x)),
    "gudermannian by exp": 2 * atan(exp(x)) - pi / 2 - atan(sinh(x)),
    "machin": 4 * atan(Rational(1, 5)) - atan(Rational(1, 239)) - pi / 4,
    "sum of atanh": tanh(atanh(x) + atanh(y)) - (x + y) / (1 + x * y),
    "sinh of acosh": sinh(acosh(x)) - sqrt(x**2 - 1),
    "cosh of twice acosh": cosh(2 * acosh(x)) - 2 * x**2 + 1,
    "inside a product": x * (asin(x) + acos(x) - pi / 2) + exp(asinh(x)) - x - sqrt(1 + x**2),
}

FALSE_BRANCHES = {
    "sum of atan": atan(x) + atan(y) - atan((x + y) / (1 - x * y)),
    "sum of atan, one of two jumps": atan(x)
    + atan(y)
    - atan((x + y) / (1 - x * y))
    + pi / 2 * (1 - sp.sign(1 - x * y)),
    "twice atan, one of two jumps": 2 * atan(x)
    - atan(2 * x / (1 - x**2))
    - pi / 2 * (1 - sp.sign(1 - x**2)),
    "twice atan, the other jump": 2 * atan(x)
    - atan(2 * x / (1 - x**2))
    + pi / 2 * (1 - sp.sign(1 - x**2)),
    "twice atan": 2 * atan(x) - atan(2 * x / (1 - x**2)),
    "twice acos": acos(2 * x**2 - 1) - 2 * acos(x),
    "atan of tan": atan(tan(x)) - x,
    "asin of sin": asin(sin(x)) - x,
    "acos of cos": acos(cos(x)) - sp.Abs(x),
    "atan of the reciprocal": atan(x) + atan(1 / x) - pi / 2,
    "acosh of the square": acosh(2 * x**2 - 1) - 2 * asinh(x),
    "machin": 4 * atan(Rational(1, 5)) - atan(Rational(1, 240)) - pi / 4,
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_of_inverse_functions(name):
    formula = IDENTITIES[name]
    assert is_zero(formula).proved
    assert is_zero(formula + tiny).refuted


@pytest.mark.parametrize("name", FALSE_BRANCHES)
def test_identities_that_fail_on_another_branch_are_refuted(name):
    assert is_zero(FALSE_BRANCHES[name]).refuted


@pytest.mark.parametrize("name", FALSE_BRANCHES)
def test_no_normal_form_crosses_a_branch(name):
    # Not by way of a witness, which would hide a wrong proof.
    formula = FALSE_BRANCHES[name]
    form = normal_form(formula)
    assert not form.vanishes
    assert not vanishes_by_parts(formula, form)


def test_the_ends_of_the_domain_count():
    # asin has a vertical tangent at 1; the step differs from 0 there only.
    step = 1 - sp.Heaviside(1 - x, 0)
    assert not is_zero((asin(x) + acos(x) - pi / 2) + step * (1 + asin(x))).proved


rationals = st.fractions(min_value=-3, max_value=3, max_denominator=6).map(
    lambda r: Rational(r.numerator, r.denominator)
)


@given(st.lists(st.tuples(st.integers(-2, 2), rationals), min_size=1, max_size=3))
def test_sums_of_atan_agree_with_the_product_of_gaussian_rationals(terms):
    """Sum n_j atan(r_j) is the argument of prod (1 + i r_j)**n_j, if that is small enough."""
    product = sp.expand(sp.Mul(*((1 + sp.I * r) ** n if n >= 0 else (1 - sp.I * r) ** -n
                                 for n, r in terms)))  # fmt: skip
    real, imaginary = product.as_real_imag()
    total = sp.Add(*(n * atan(r) for n, r in terms))
    with mpmath.workdps(30):
        principal = abs(sp.N(total, 30)) < sp.N(pi / 2, 30) - Rational(1, 1000)
    if real <= 0 or not principal:
        return
    assert is_zero(total - atan(imaginary / real)).proved
    assert is_zero(total - atan(imaginary / real + tiny)).refuted
