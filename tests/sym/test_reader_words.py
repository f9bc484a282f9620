"""ln, min, max, atan2, Heaviside, erfc: read, printed, decided, evaluated and differentiated."""

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

import ehf_sym as es

SPACE = es.PhaseSpace(2)
(q1, q2), (p1, p2) = SPACE.q, SPACE.p

WORDS = {
    "ln(q1)": sp.log(q1),
    "ln(1 + exp(q1))": sp.log(1 + sp.exp(q1)),
    "min(q1, q2, p1)": sp.Min(q1, q2, p1),
    "max(q1, -p1)": sp.Max(q1, -p1),
    "atan2(q2, q1)": sp.atan2(q2, q1),
    "Heaviside(q1 - 1)": sp.Heaviside(q1 - 1),
    "Heaviside(q1, 0)": sp.Heaviside(q1, 0),
    "erfc(2*q1)": sp.erfc(2 * q1),
    "ln(erfc(q1))": sp.log(sp.erfc(q1)),
}


@pytest.mark.parametrize("text", WORDS)
def test_words_are_read_and_read_back(text):
    formula = es.parse(text, SPACE)
    assert formula == WORDS[text]
    assert es.parse(es.format_formula(formula), SPACE) == formula


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("atan2(q1)", "atan2 takes 2 arguments, not 1"),
        ("Heaviside(q1, 0, 1)", "Heaviside takes 1 to 2 arguments, not 3"),
        ("erfc(q1, q2)", "erfc takes 1 argument, not 2"),
        ("max(" + ", ".join(["q1"] * 21) + ")", "max takes 1 to 20 arguments, not 21"),
        ("ln", "the function ln without arguments"),
        ("ln(-1)", "not real"),
    ],
)
def test_what_is_wrong_with_a_call_is_said(text, problem):
    with pytest.raises(es.FormulaError, match=problem):
        es.parse(text, SPACE)


def test_names_of_functions_are_no_parameters():
    with pytest.raises(es.ArgumentError, match="erfc"):
        es.PhaseSpace(1, parameters=[sp.Symbol("erfc", real=True)])


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("ln(q1^2*exp(q2)) - 2*ln(abs(q1)) - q2", "proved"),
        ("max(q1, q2) + min(q1, q2) - q1 - q2", "proved"),
        ("erfc(q1) + erf(q1) - 1", "proved"),
        ("erfc(q1) + erfc(-q1) - 2", "proved"),
        ("q1*Heaviside(q1) - max(q1, 0)", "proved"),
        ("Heaviside(q1) + Heaviside(-q1) - 1", "proved"),
        ("Heaviside(q1, 0) + Heaviside(-q1, 0) - 1", "refuted"),
        ("atan2(2*q2, 2*q1) - atan2(q2, q1)", "proved"),
        ("sqrt(q1^2 + q2^2)*cos(atan2(q2, q1)) - q1", "proved"),
        ("atan2(q2, 1 + q1^2) - atan(q2/(1 + q1^2))", "proved"),
        ("atan2(q2, q1) - atan(q2/q1)", "refuted"),
        ("atan2(q2, q1) + atan2(q1, q2) - pi/2", "refuted"),
        ("atan2(0, q1) - pi*Heaviside(-q1)", "proved"),
    ],
)
def test_the_zero_test_knows_the_words(text, status):
    assert es.is_zero(es.parse(text, SPACE)).status == status


@given(st.integers(-30, 30), st.integers(-30, 30))
def test_half_the_angle_is_atan2(i, j):
    from ehf_sym.zero.zero_test import _polar_angle

    value = _polar_angle(sp.Rational(i, 7), sp.Rational(j, 7))
    expected = mpmath.atan2(mpmath.mpf(i) / 7, mpmath.mpf(j) / 7)
    assert value is sp.nan if i == j == 0 else abs(value - expected) < 1e-12


EVALUATED = {
    "atan2(q2, q1)": lambda a, b: mpmath.atan2(b, a),
    "erfc(q1*q2)": lambda a, b: mpmath.erfc(a * b),
    "ln(erfc(q1)) + q2": lambda a, b: mpmath.log(mpmath.erfc(a)) + b,
    "ln(3*erfc(-q1)^2)": lambda a, b: mpmath.log(3 * mpmath.erfc(-a) ** 2),
    "ln((1 + erf(q1/sqrt(2)))/2)": lambda a, b: mpmath.log(mpmath.erfc(-a / mpmath.sqrt(2)) / 2),
    "ln(erfc(q1)*erfc(-q2)/q2^2)": lambda a, b: mpmath.log(mpmath.erfc(a) * mpmath.erfc(-b) / b**2),
    "ln(erfc(q1) + exp(-q2))": lambda a, b: mpmath.log(mpmath.erfc(a) + mpmath.exp(-b)),
    "ln(1 + erf(q1))": lambda a, b: mpmath.log(mpmath.erfc(-a)),
    "ln(1 - erf(2*q1))": lambda a, b: mpmath.log(mpmath.erfc(2 * a)),
    "q2*Heaviside(q1)": lambda a, b: b * (a > 0),
    "max(q1, q2)*min(q1, 2*q2)": lambda a, b: max(a, b) * min(a, 2 * b),
}
POINTS = [
    *((0.3, -1.7), (-2.5, 0.4), (4.1, 3.9), (-7.25, -0.6)),
    *((12.0, 0.25), (33.0, 1.0), (-40.0, 2.0)),
]


@pytest.mark.parametrize("text", EVALUATED)
def test_values_and_gradients_against_thirty_digits(text):
    f = es.to_numpy(es.parse(text, SPACE), (q1, q2))
    truth = EVALUATED[text]
    for point in POINTS:
        with mpmath.workdps(400):  # ln erf's neighbourhood of -1 lies below 1e-300
            a, b = map(mpmath.mpf, point)
            value = float(truth(a, b))
            step = mpmath.mpf(10) ** -60
            slopes = [
                float((truth(a + step, b) - truth(a - step, b)) / (2 * step)),
                float((truth(a, b + step) - truth(a, b - step)) / (2 * step)),
            ]
        if not np.isfinite([value, *slopes]).all():
            continue
        np.testing.assert_allclose(f(np.array(point)), value, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(f.gradient(np.array(point)), slopes, rtol=1e-12, atol=1e-300)
        single = np.array(point, dtype=np.float32)
        assert f(single).dtype == f.gradient(single).dtype == np.float32


def test_second_derivatives_of_the_logarithm_of_a_tail():
    f = es.to_numpy(sp.log(sp.erfc(q1)), (q1,)).gradient.gradient
    for number in (-35.0, -3.0, 0.0, 1.5, 8.0, 40.0):
        with mpmath.workdps(60):
            expected = mpmath.diff(lambda a: mpmath.log(mpmath.erfc(a)), mpmath.mpf(number), 2)
        np.testing.assert_allclose(
            f(np.array([number])).item(), float(expected), rtol=1e-10, atol=1e-300
        )


def test_a_step_has_its_value_at_the_jump():
    for middle in (sp.S.Half, sp.S.Zero, sp.S.One, sp.Rational(1, 3)):
        f = es.to_numpy(sp.Heaviside(q1, middle), (q1,))
        values = f(np.array([[-1.5], [0.0], [2.0]]))
        np.testing.assert_allclose(values, [0, float(middle), 1], rtol=0, atol=1e-15)
        np.testing.assert_array_equal(f.gradient(np.array([[-1.5], [0.0], [2.0]])), 0)
