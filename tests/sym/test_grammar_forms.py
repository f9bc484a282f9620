"""Every function of the grammar in NumPy: values and slopes against mpmath, kinks, overflow."""

import warnings

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

import ehf_sym as es
from ehf_sym.formulas.guarded import FUNCTIONS
from ehf_sym.formulas.numpy_forms import to_numpy

SPACE = es.PhaseSpace(1)
X, Y = SPACE.q + SPACE.p
VARIABLES = (X, Y)
ALL = (-1e4, -200.0, -3.5, -0.3, 0.2, 1.7, 6.0, 90.0, 3e4)
BOUNDED = (-200.0, -3.5, -0.3, 0.2, 1.7, 6.0, 80.0)
POSITIVE = (1e-4, 0.3, 2.0, 5e3)
INSIDE = (-0.99, -0.4, 0.1, 0.95)
# Call -> points q1 at which it and its slope are finite and no smaller than single precision holds.
CALLS = {
    "exp": ("exp(q1)", (-80.0, -1.0, 2.0, 80.0)),
    "log": ("log(q1)", POSITIVE),
    "ln": ("ln(q1)", POSITIVE),
    "sqrt": ("sqrt(q1)", POSITIVE),
    "sin": ("sin(q1)", BOUNDED),
    "cos": ("cos(q1)", BOUNDED),
    "tan": ("tan(q1)", BOUNDED),
    "asin": ("asin(q1)", INSIDE),
    "acos": ("acos(q1)", INSIDE),
    "atan": ("atan(q1)", ALL),
    "atan2": ("atan2(q1, p1) + atan2(p1, q1)/2", ALL),
    "sinh": ("sinh(q1)", (-80.0, -1.0, 2.0, 80.0)),
    "cosh": ("cosh(q1)", (-80.0, -1.0, 2.0, 80.0)),
    "tanh": ("tanh(q1)", ALL),
    "sec": ("sec(q1)", BOUNDED),
    "csc": ("csc(q1)", BOUNDED),
    "cot": ("cot(q1)", BOUNDED),
    "sech": ("sech(q1)", ALL),
    "csch": ("csch(q1)", ALL),
    "coth": ("coth(q1)", ALL),
    "asinh": ("asinh(q1)", ALL),
    "acosh": ("acosh(q1)", (1.001, 2.0, 5e3)),
    "atanh": ("atanh(q1)", INSIDE),
    "Abs": ("Abs(q1 - p1)", ALL),
    "abs": ("abs(q1)*p1", ALL),
    "sign": ("sign(q1)*q1", ALL),
    "Heaviside": ("Heaviside(q1)*q1 + Heaviside(q1 - 1, 2)", ALL),
    "erf": ("erf(q1)", BOUNDED),
    "erfc": ("erfc(q1)", (-9.0, -0.5, 0.3, 5.0)),
    "sigmoid": ("sigmoid(q1)", ALL),
    "softplus": ("softplus(q1)", ALL),
    "Max": ("Max(q1, p1, 1/2)", ALL),
    "Min": ("Min(q1, p1, 1/2)", ALL),
    "max": ("max(q1, q1**2)", BOUNDED),
    "min": ("min(q1, 2*q1)", ALL),
    "Piecewise": ("Piecewise((sqrt(q1), q1 > 0), (exp(q1)*p1, q1 <= -1), (q1, True))", ALL),
}


def test_every_function_of_the_grammar_is_here():
    assert set(CALLS) == {*FUNCTIONS, "Piecewise"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CALLS)
def test_values_and_slopes_agree_with_mpmath(name, dtype):
    text, places = CALLS[name]
    formula = es.parse(text, SPACE)
    function = to_numpy(formula, VARIABLES)
    points = np.array([(x, 0.7) for x in places], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values, slopes = function(points), function.gradient(points)
    assert values.dtype == slopes.dtype == dtype
    loose = 1e3 * float(np.finfo(dtype).eps)
    # An error of half a unit in the last place of a large argument moves an exponential by more.
    for point, value, slope in zip(points, values, slopes, strict=True):
        at = [sp.Rational(float(c)) for c in point]
        tolerance = loose * max(1.0, abs(float(point[0])))
        exact = _value(formula, at)
        assert float(value) == pytest.approx(exact, rel=tolerance, abs=loose)
        for k in range(2):
            assert float(slope[k]) == pytest.approx(
                _slope(formula, at, k), rel=tolerance, abs=loose
            )


def _value(formula, at):
    return float(formula.xreplace(dict(zip(VARIABLES, at, strict=True))).evalf(60))


def _slope(formula, at, k):
    """Central differences at 200 digits, none of SymPy's derivatives."""
    with mpmath.workdps(200):
        step = sp.Rational(1, 10**60)
        ends = [[c + side * step * int(i == k) for i, c in enumerate(at)] for side in (1, -1)]
        high, low = (
            formula.xreplace(dict(zip(VARIABLES, end, strict=True))).evalf(200) for end in ends
        )
        return float((high - low) / (2 * step))


KINKS = {
    "sqrt(Max(0, q1**2 - p1**2))": ((1, 2), (0, 0)),
    "sqrt(q1**2 + p1**2)": ((0, 0), (0, 0)),
    "abs(q1)": ((0, 3), (0, 0)),
    "Max(q1, 0)": ((0, 0), (0.5, 0)),
    "Max(q1, p1, 2*q1)": ((0, 0), None),
    "asin(Min(1, q1))": ((3, 0), (0, 0)),
    "acosh(Max(1, q1))": ((-2, 0), (0, 0)),
    "Max(1, sqrt(q1))": ((0, 0), (0, 0)),
    "Max(0, 1 - exp(900*q1))": ((5, 0), (0, 0)),
    "sqrt(q1)*p1": ((0, 0), (0, 0)),
    "sqrt(abs(q1*p1))": ((0, 2), (0, 0)),
    "abs(sqrt(q1) - 1)": ((4, 0), (0.25, 0)),
    "Heaviside(q1)*exp(-1/q1)": ((-1e-3, 0), (0, 0)),
    "Piecewise((log(q1), q1 > 1), (0, True))": ((-1, 0), (0, 0)),
    "Piecewise((exp(900*q1), q1 < 0), (q1, True))": ((5, 0), (1, 0)),
    "Piecewise((1/q1, (q1 > 1) & (p1 < 1/3)), (q1*p1, q1 < 2 | p1 > 5), (3, True))": (
        (0, 2),
        (2, 0),
    ),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("text", KINKS)
def test_slopes_at_kinks_and_off_the_taken_branch_are_numbers(text, dtype):
    point, expected = KINKS[text]
    function = to_numpy(es.parse(text, SPACE), VARIABLES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(function(np.array(point, dtype)))
        slope = function.gradient(np.array(point, dtype))
        second = function.gradient.gradient(np.array(point, dtype))
    assert np.isfinite(slope).all()
    assert second.shape == (2, 2)
    if expected is not None:
        np.testing.assert_allclose(slope, expected, atol=1e-6)


@given(st.lists(st.integers(-2, 2), min_size=3, max_size=3))
def test_slopes_of_an_extremum_are_those_of_its_largest_arguments_weighed(values):
    x = sp.symbols("x1:4", real=True)
    slope = to_numpy(sp.Max(*x), x).gradient(np.array(values, float))
    assert slope.sum() == 1
    assert (slope >= 0).all()
    assert not slope[np.array(values) < max(values)].any()


@pytest.mark.parametrize(
    ("text", "x", "value"),
    [
        ("log(sinh(q1))", 2000, 2000 - np.log(2)),
        ("log(abs(sinh(q1)))", -2000, 2000 - np.log(2)),
        ("log(sech(q1)**2*csch(q1))", 2000, 3 * np.log(2) - 6000),
        ("sinh(q1)/cosh(q1)", 2000, 1),
        ("cosh(q1)**2/sinh(q1)**2", -2000, 1),
        ("tanh(q1)*coth(q1)", 2000, 1),
    ],
)
def test_hyperbolic_forms_do_not_overflow(text, x, value):
    function = to_numpy(es.parse(text, SPACE), VARIABLES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert function(np.array([x, 0.0])) == pytest.approx(value, rel=1e-12)
        assert np.isfinite(function.gradient(np.array([x, 0.0]))).all()


@pytest.mark.parametrize("inverse", [sp.asec, sp.acsc, sp.acot, sp.asech, sp.acsch, sp.acoth])
def test_inverse_functions_that_only_sympy_writes(inverse):
    at = sp.Rational(1, 3) if inverse in (sp.asech, sp.acot, sp.acsch) else sp.Rational(7, 3)
    function = to_numpy(inverse(X), (X,))
    assert function(np.array([float(at)])) == pytest.approx(float(inverse(at).evalf(30)))
    slope = float(inverse(X).diff(X).subs(X, at).evalf(30))
    assert function.gradient(np.array([float(at)]))[0] == pytest.approx(slope)
