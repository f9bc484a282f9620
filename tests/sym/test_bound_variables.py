"""Scopes: what they stand for, worked out by hand, by plain loops, and by quadrature."""

from fractions import Fraction
from itertools import product

import mpmath
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from sympy import (
    Derivative,
    Eq,
    Function,
    Integral,
    Lambda,
    Limit,
    Max,
    Order,
    Piecewise,
    Product,
    Rational,
    RootSum,
    Subs,
    Sum,
    Symbol,
    cos,
    cosh,
    erf,
    exp,
    log,
    oo,
    pi,
    sin,
    sqrt,
    tan,
)

import ehf_sym as es
from ehf_sym.formulas.scopes import scopes, settled

x, y, t, a = sp.symbols("x y t a", real=True)
k = Symbol("k", integer=True)
n = Symbol("n", integer=True, positive=True)
m = Symbol("m", integer=True)
SPACE = es.PhaseSpace(2)
(Q1, Q2), (P1, P2) = SPACE.q, SPACE.p
STEP = Piecewise((1, t > 2), (0, True))
HARD = Integral(t**t, (t, 1, 2))


def on(condition, formula):
    return Piecewise((formula, condition), (0, True))


# What stands for the formula on the right was worked out by hand.
SCOPES = {
    "derivative on the diagonal": (
        on(Eq(x, y), Derivative(x * y**2, x) - Derivative(x * y**2, y)),
        on(Eq(x, y), y**2 - 2 * x * y),
    ),
    "integration variable in the condition": (
        on(Eq(t, x), Integral(t * x, (t, 0, 1)) - Integral(x**2, (t, 0, 1))),
        on(Eq(t, x), x / 2 - x**2),
    ),
    "summation index in the condition": (
        on(Eq(k, x), Sum(k * x, (k, 0, 3)) - Sum(x**2, (k, 0, 3))),
        on(Eq(k, x), 6 * x - 4 * x**2),
    ),
    "product index in the condition": (
        on(Eq(k, 2), Product(k + x, (k, 1, 3))),
        on(Eq(k, 2), (1 + x) * (2 + x) * (3 + x)),
    ),
    "derivative at a number": (on(Eq(x, 0), Derivative(sin(x), x) - 1), sp.S.Zero),
    "second derivative at a number": (
        on(Eq(x, 1), Derivative(x**3 * y, x, 2)),
        on(Eq(x, 1), 6 * y),
    ),
    "cases inside a sum": (Sum(Piecewise((k, k > 2), (0, True)), (k, 1, 3)), sp.Integer(3)),
    "cases inside an integral": (Integral(STEP, (t, 0, 4)), sp.Integer(2)),
    "cases inside an integral, backwards": (Integral(STEP * t, (t, 4, 0)), sp.Integer(-6)),
    "two steps": (
        Integral(Piecewise((t, t < 1), (x, t <= Rational(5, 2)), (t**2, True)), (t, 0, 3)),
        Rational(1, 2) + 3 * x / 2 + (27 - Rational(125, 8)) / 3,
    ),
    "a quadratic condition": (Integral(on(t**2 < 4, 1), (t, -3, 3)), sp.Integer(4)),
    "absolute value": (Integral(sp.Abs(t - 1), (t, 0, 3)), Rational(5, 2)),
    "sign and maximum": (Integral(sp.sign(t) + Max(t, 1), (t, -1, 2)), Rational(9, 2)),
    "shadowed by its own bound": (Integral(x, (x, 0, x)), x**2 / 2),
    "shadowed outside": (x * Sum(x, (x, 1, 3)), 6 * x),
    "double integral": (Integral(t * a, (t, 0, a), (a, 0, 2)), sp.Integer(2)),
    "double sum": (Sum(k * m, (m, 1, k), (k, 1, 3)), sp.Integer(25)),
    "integral within a sum": (Sum(Integral(t**k, (t, 0, k)), (k, 1, 2)), Rational(19, 6)),
    "sum within an integral": (Integral(Sum(k * t**k, (k, 1, 2)), (t, 0, 1)), Rational(7, 6)),
    "derivative of an integral": (Derivative(Integral(t**2, (t, 0, x)), x), x**2),
    "substitution": (Subs(x**2 + x * y, (x, y), (y, x)), y**2 + x * y),
    "substitution into a derivative": (Subs(Derivative(sin(x) * y, x), x, 0), y),
    "limit of a polynomial": (Limit(x**2 * y, x, 3), 9 * y),
    "empty sum": (Sum(k**2, (k, 1, 0)), sp.S.Zero),
    "empty product": (Product(k, (k, 5, 4)), sp.S.One),
    "sum turned around": (Sum(k, (k, 4, 1)), sp.Integer(-5)),
    "power sums": (Sum(k**3, (k, 1, n)), n**2 * (n + 1) ** 2 / 4),
    "odd numbers": (Sum(2 * k + 1, (k, 0, n)), (n + 1) ** 2),
    "sine": (Integral(sin(t), (t, 0, x)), 1 - cos(x)),
    "by parts": (Integral(t * exp(t), (t, 0, x)), (x - 1) * exp(x) + 1),
    "Gaussian": (Integral(exp(-(t**2)), (t, 0, x)), sqrt(pi) * erf(x) / 2),
    "rational, no real pole": (Integral(1 / (1 + t**2), (t, -1, 1)), pi / 2),
    "outer factor with a pole": (Integral(t / y, (t, 0, 1)), 1 / (2 * y)),
    "quotient": (Derivative(x / y, y), -x / y**2),
}


@pytest.mark.parametrize("name", SCOPES)
def test_scopes_have_the_value_that_was_worked_out(name):
    formula, value = SCOPES[name]
    assert es.is_zero(formula - value).proved
    assert es.is_zero(formula - value - Rational(1, 10**9)).refuted
    # As one summand in cases of its own, it is not seen through.
    assert not es.is_zero(on(Eq(x, y), formula - value - 1)).proved


@pytest.mark.parametrize(
    "name",
    [
        "derivative on the diagonal",
        "integration variable in the condition",
        "summation index in the condition",
        "product index in the condition",
        "second derivative at a number",
    ],
)
def test_a_condition_does_not_reach_into_a_scope(name):
    assert es.is_zero(SCOPES[name][0]).refuted


OPAQUE = {
    "integral": HARD * x,
    "integral with a pole": Integral(1 / t, (t, -1, x)),
    "pole hidden by the antiderivative": Integral(1 / cos(t) ** 2, (t, 0, 3)) - tan(3),
    "improper": Integral(exp(-(t**2)), (t, -oo, oo)) - 1,
    "infinite sum": Sum(x**k, (k, 0, oo)),
    "a range that may be empty": Sum(k, (k, 1, m)) - m * (m + 1) / 2,
    "shadowed in between": x * Sum(k * Sum(k, (k, 1, k)), (k, 1, 3)) - 25 * x,
    "indefinite": Integral(x, x) - x**2 / 2,
    "limit": Limit(sin(x) / x, x, 0) - 1,
    "kink": Derivative(sp.Abs(x), x) ** 2 - 1,
    "cases": Derivative(Piecewise((0, Eq(x, 0)), (x, True)), x) - 1,
    "undefined function": Derivative(Function("f")(x), x),
    "undefined function in a substitution": Subs(Function("f")(x).diff(x), x, 0),
    "roots": x * RootSum(t**3 + t + 1, Lambda(t, sin(t))),
    "a condition on a set": on(sp.Contains(x, sp.ConditionSet(t, sin(t) > 0)), x),
}  # fmt: skip


def test_a_range_that_is_turned_around_counts_inversely():
    """Karr's convention, so that ranges that meet add up, or multiply, to the whole one."""
    turned = settled(sp.Product(x + k, (k, 4, 1)))
    assert sp.simplify(turned * (x + 2) * (x + 3) - 1) == 0
    assert sp.expand(settled(sp.Sum(x + k, (k, 4, 1))) + 2 * x + 5) == 0
    assert settled(sp.Product(x + k, (k, 4, 3))) == 1


def test_an_antiderivative_is_not_believed(monkeypatch):
    integral = sp.Integral(sp.exp(x) * sp.cos(x), (x, 0, y))
    wanted = (sp.exp(y) * (sp.sin(y) + sp.cos(y)) - 1) / 2
    assert sp.simplify(settled(integral) - wanted) == 0
    monkeypatch.setattr("ehf_sym.formulas.scopes._integrated", lambda f, x: sp.exp(x) * sp.sin(x))
    assert settled(integral) == integral


@pytest.mark.parametrize("name", OPAQUE)
def test_what_has_no_exact_value_is_undecided(name):
    for formula in (OPAQUE[name], on(Eq(x, 1), OPAQUE[name]), on(x > 1, OPAQUE[name]) * Max(x, 0)):
        assert es.is_zero(formula).undecided


@pytest.mark.parametrize("name", OPAQUE)
def test_what_has_no_exact_value_is_refused_in_a_phase_space(name):
    formula = OPAQUE[name].xreplace({x: Q1})
    for ask in (
        lambda f: SPACE.validate(f),
        lambda f: es.BaseDensity(SPACE, log_density=f),
        lambda f: es.LieAlgebra(SPACE, [f * P1]),
        lambda f: SPACE.bracket(f, P1),
        lambda f: es.symmetries_of(f, 1),
        lambda f: es.relations([f, Q1]),
    ):
        with pytest.raises(es.FormulaError, match=r"exact value|undefined function|foreign"):
            ask(formula)


def test_orders_are_refused():
    for formula in (Order(x), x + Order(x**2, x), Piecewise((Order(x), x > 0), (0, True))):
        with pytest.raises(es.FormulaError, match="no value"):
            es.is_zero(formula)


def test_what_does_not_fit_its_place_is_left_alone():
    twice = Subs(Subs(t, x, HARD), x, HARD)  # SymPy joins them to one with (x, x)
    assert twice.variables == (x, x)
    with pytest.raises(es.FormulaError, match="substitute once"):
        es.is_zero(twice)
    assert not es.is_zero(Subs(on(Eq(x, y), t), (x, y), (Derivative(y, y), 0)) - 1).proved


def test_an_unknown_scope_is_no_variable():
    # It cancels where it stands twice, and the other case decides.
    assert es.is_zero(on(x > 0, HARD * x - x * HARD) * Max(-x, 0)).proved
    assert es.is_zero(on(x > 0, HARD) * Max(-x, 0)).proved
    assert es.is_zero(on(x > 0, HARD) + Max(-x, 0)).refuted  # by x <= 0
    assert es.is_zero(on(Eq(x, 1), Integral(t**x, (t, 1, 2)) - Integral(t, (t, 1, 2)))).undecided
    verdict = es.is_zero(HARD + x)
    assert verdict.undecided
    assert "Integral(t**t, (t, 1, 2))" in str(verdict)


def test_the_domain_of_a_derivative_is_its_function_s():
    assert es.is_zero(Derivative(log(x), x) - 1 / sp.Abs(x)).proved
    assert es.is_zero(Sum(k * log(x), (k, -1, 1)) + x - sp.Abs(x)).proved
    assert es.is_zero(Derivative(log(x), x) - 2 / sp.Abs(x)).refuted


def test_a_density_with_an_integral_in_it():
    inner = Integral(STEP, (t, 0, 4))  # 2
    factor = (inner - 4) * inner
    formula = -(Q1**2 + Q2**2 + P1**2 + P2**2) / 2 + on(Q1 > 0, factor * Q1)
    report = es.LieAlgebra(SPACE, [Q1 * P2 - Q2 * P1]).check(
        es.BaseDensity(SPACE, log_density=formula)
    )
    assert report.status == "refuted"


def test_evaluation_ends_for_large_scopes():
    for scope in (
        Sum(x**k, (k, 1, 10**9)),
        Product(x + k, (k, 1, 10**6)),
        Derivative(sin(x * y) ** 40, (x, 500)),
        Sum(k**200, (k, 1, n)),
        Sum(k * m * x, (k, 1, 1000), (m, 1, 1000)),
        Integral(sin(t**3 + 1) ** 7 * exp(cosh(t)), (t, 0, 1)),
    ):
        assert list(scopes(settled(scope))) == [scope]


@pytest.mark.parametrize(
    "f",
    [
        exp(-t) * cos(3 * t),
        t**3 * sin(t),
        erf(t),
        exp(2 * t + 1),
        1 / (2 + t**2),
        t**2 * exp(-(t**2)),
    ],
)
def test_integrals_agree_with_quadrature(f):
    value = settled(Integral(f, (t, Rational(-1, 3), 2)))
    with mpmath.workdps(30):
        numeric = mpmath.quad(sp.lambdify(t, f, "mpmath"), [mpmath.mpf(-1) / 3, 0, 1, 2])
        assert abs(mpmath.mpmathify(sp.N(value, 30)) - numeric) < mpmath.mpf(10) ** -20


# Polynomials in x, y and a bound variable, as coefficients: the truth by plain loops.
POWERS = list(product(range(3), range(2), range(3)))
coefficients = st.dictionaries(st.sampled_from(POWERS), st.integers(-3, 3), max_size=3)


def value_of(polynomial, *numbers):
    u, v, w = map(Fraction, numbers)
    return sum((c * u**i * v**j * w**e for (i, j, e), c in polynomial.items()), Fraction(0))


def formula_of(polynomial, bound):
    return sp.Add(*(c * x**i * y**j * bound**e for (i, j, e), c in polynomial.items()))


def as_sum(polynomial, low, high):
    def truth(u, v):
        return sum((value_of(polynomial, u, v, i) for i in range(low, high + 1)), Fraction(0))

    return Sum(formula_of(polynomial, k), (k, low, high)), truth


def as_product(polynomial, low, high):
    def truth(u, v):
        result = Fraction(1)
        for i in range(low, high + 1):
            result *= value_of(polynomial, u, v, i)
        return result

    return Product(formula_of(polynomial, k), (k, low, high)), truth


def as_integral(polynomial, low, high):
    def truth(u, v):
        return sum(
            (c * Fraction(u) ** i * Fraction(v) ** j
             * Fraction(high ** (e + 1) - low ** (e + 1), e + 1)
             for (i, j, e), c in polynomial.items()),
            Fraction(0),
        )  # fmt: skip

    return Integral(formula_of(polynomial, t), (t, low, high)), truth


def as_integral_over_x(polynomial, low, high):
    """Bind the x of the formula itself."""

    def truth(u, v):
        return sum(
            (c * Fraction(v) ** j * Fraction(high ** (i + 1) - low ** (i + 1), i + 1)
             for (i, j, _), c in polynomial.items()),
            Fraction(0),
        )  # fmt: skip

    return Integral(formula_of(polynomial, sp.S.One), (x, low, high)), truth


def as_derivative(polynomial, low, high):
    def truth(u, v):
        return sum(
            (c * i * Fraction(u) ** (i - 1) * Fraction(v) ** j * Fraction(high) ** e
             for (i, j, e), c in polynomial.items() if i),
            Fraction(0),
        )  # fmt: skip

    return Derivative(formula_of(polynomial, sp.Integer(high)), x), truth


def as_substitution(polynomial, low, high):
    def truth(u, v):
        return value_of(polynomial, v, low, high)

    return Subs(formula_of(polynomial, sp.Integer(high)), (x, y), (y, low)), truth


makers = st.sampled_from(
    [as_sum, as_product, as_integral, as_integral_over_x, as_derivative, as_substitution]
)
CONDITIONS = {
    Eq(x, y): lambda u, v: u == v,
    Eq(x, 1): lambda u, v: u == 1,
    Eq(y, 0): lambda u, v: v == 0,
    Eq(x + y, 0): lambda u, v: u + v == 0,
    sp.Gt(x, y): lambda u, v: u > v,
    sp.Le(x**2, 1): lambda u, v: u * u <= 1,
    Eq(k, x): None,  # a bound name outside its scope: any integer
    Eq(t, y): None,
}
NUMBERS = [Fraction(i, j) for i, j in ((0, 1), (1, 1), (-1, 1), (2, 1), (1, 2), (-2, 3))]


@given(
    makers, makers, coefficients, coefficients, st.sampled_from(list(CONDITIONS)),
    st.integers(-1, 2), st.integers(0, 2), st.booleans(),
)  # fmt: skip
def test_verdicts_agree_with_plain_loops(first, second, left, right, condition, low, width, same):
    right = left if same else right
    one, one_truth = first(left, low, low + width)
    two, two_truth = second(right, low, low + width)
    verdict = es.is_zero(on(condition, one - two))
    holds = CONDITIONS[condition]

    def truth(u, v, outer):
        met = holds(u, v) if holds else outer == (u if condition.has(k) else v)
        return one_truth(u, v) - two_truth(u, v) if met else 0

    if verdict.refuted:
        at = {s: Fraction(int(c.p), int(c.q)) for s, c in verdict.witness.items()}
        outer = at.get(k if condition.has(k) else t, Fraction(0))
        assert truth(at.get(x, Fraction(0)), at.get(y, Fraction(0)), outer) != 0
        return
    values = {
        truth(u, v, outer)
        for u, v in product(NUMBERS, NUMBERS)
        for outer in (u, v, Fraction(1))
        if not (condition.has(k) and outer.denominator > 1)
    }
    assert verdict.proved == (values == {0})
