"""What was typed decides the domain, against plain evaluation of the text at many points."""

import math
import operator

import pytest
import sympy as sp
from hypothesis import assume, given
from hypothesis import strategies as st

import ehf_sym as es
from ehf_sym.enclosures.enclosure import EvaluationError, enclose

SPACE = es.PhaseSpace(1)
(q1,), (p1,) = SPACE.q, SPACE.p

# The text, and where it has a value.
DOMAINS = {
    "exp(log(q1))": q1 > 0,
    "exp(3*log(q1))": q1 > 0,
    "log(q1) - log(q1)": q1 > 0,
    "0*log(q1 - 2)": q1 > 2,
    "log(q1)/log(q1)": (q1 > 0) & sp.Ne(sp.log(q1), 0),
    "sqrt(q1)^2": q1 >= 0,
    "sqrt(q1)*sqrt(q1)": q1 >= 0,
    "(1/sqrt(q1))^2": q1 >= 0,
    "(q1 - 1)^(3/2)*(q1 - 1)^(1/2)": q1 >= 1,
    "sin(asin(q1))": (q1 >= -1) & (q1 <= 1),
    "cos(acos(q1))": (q1 >= -1) & (q1 <= 1),
    "cosh(acosh(q1))": q1 >= 1,
    "tanh(atanh(q1))": (q1 > -1) & (q1 < 1),
    "exp(p1*log(q1))/exp(p1*log(q1))": q1 > 0,
    "exp(-log(q1))": q1 > 0,
    "q1^p1/q1^p1": q1 > 0,
}
# Nothing is forgotten here, or boundaries alone of what is continuous.
KEPT = [
    "log(q1)", "2*log(q1)", "log(q1)^2", "1/log(q1)", "sqrt(2*q1)", "sqrt(q1/3)", "1/sqrt(q1)",
    "sqrt(2*q1 + 2)", "q1/sqrt(q1)", "1/sqrt(q1^2 + p1^2)", "sqrt(q1^2*p1)", "sqrt(q1^3)",
    "log(exp(q1))", "sqrt(exp(q1))", "q1*p1/q1", "q1/(2*q1)", "1/(1/q1)", "p1^q1", "2^q1",
    "asin(q1)", "acosh(2*q1)", "atanh(q1)", "tan(q1)", "1/cos(q1)", "1/(1 + exp(q1))",
    "sigmoid(q1)", "softplus(q1)", "log(1 + exp(q1))", "sqrt(q1^2 + p1^2)^2", "abs(q1)/q1",
    "Piecewise((log(q1), q1 > 0), (0, True))", "Piecewise((1, log(q1) > 1), (0, True))",
    "sign(q1)/q1", "log(q1*p1)", "(q1*p1)^(-1/2)", "log(q1/2)", "log(2*q1)", "q1^-3", "q1^(-3/2)",
]  # fmt: skip


@pytest.mark.parametrize("text", DOMAINS)
def test_the_domain_that_was_typed_is_kept(text):
    formula = es.parse(text, SPACE)
    assert isinstance(formula, sp.Piecewise)
    ((_, condition),) = formula.args
    assert condition == DOMAINS[text]
    # It is read back, and goes on holding after a derivative.
    assert es.parse(es.format_formula(formula), SPACE) == formula
    assert formula.diff(q1).args[0][1] == condition


@pytest.mark.parametrize("text", KEPT)
def test_nothing_is_added_where_nothing_is_forgotten(text):
    formula = es.parse(text, SPACE)
    assert formula.func is not sp.Piecewise or len(formula.args) == 2
    assert es.parse(es.format_formula(formula), SPACE) == formula


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("exp(log(q1)) - abs(q1)", "proved"),
        ("sqrt(q1)^2 - abs(q1)", "proved"),
        ("sqrt(q1)^2 - q1", "proved"),
        ("exp(log(q1)) + q1", "refuted"),
        ("sin(asin(q1)) - Min(1, Max(-1, q1))", "proved"),
        ("log(q1) - log(q1) + Max(0, -q1)", "proved"),
        ("Piecewise((q1/q1, q1 == 0), (0, True))", "proved"),
        ("Piecewise((exp(log(q1)) - abs(q1), p1 > 0), (0, True))", "proved"),
        ("Piecewise((0, exp(log(q1)) > -1), (1, True))", "proved"),
        ("Piecewise((1, exp(log(q1)) > -1), (0, True))", "refuted"),
        ("sign(q1)*q1/q1 - sign(q1)", "proved"),
        ("(sign(q1)^2 - 1)*q1/q1", "proved"),
        ("sign(q1)^2 - 1", "refuted"),
    ],
)
def test_the_zero_test_decides_on_that_domain(text, status):
    assert es.is_zero(es.parse(text, SPACE)).status == status


def test_a_text_without_any_domain_is_refused():
    with pytest.raises(es.FormulaError, match="no real value"):
        es.parse("exp(log(-q1^2 - 1))", SPACE)


def test_a_density_is_one_on_the_domain_that_was_typed():
    base = es.BaseDensity.from_density(SPACE, es.parse("exp(2*log(q1) - q1^2 - p1^2)", SPACE))
    at = {q1: sp.Rational(3, 2), p1: sp.Rational(1, 3)}
    expected = 2 * math.log(1.5) - 1.5**2 - 1 / 9
    assert float(base.log_density.xreplace(at)) == pytest.approx(expected, rel=1e-14)
    assert base.log_density.xreplace({q1: -q1}).xreplace(at) is sp.nan


@pytest.mark.parametrize(
    ("generator", "text", "status"),
    [
        (p1, "exp(log(q1) - log(q1) - p1^2)", "refuted"),  # leaves q1 > 0
        (p1, "exp(log(q1) - log(q1) - p1^2) + Piecewise((1, q1 > 2), (0, True))", "refuted"),
        (q1 * p1, "exp(-q1^2*p1^2 - exp(log(q1*p1)))", "proved"),  # stays in q1 p1 > 0
    ],
)
def test_a_flow_that_leaves_the_domain_keeps_no_density(generator, text, status):
    base = es.BaseDensity.from_density(SPACE, es.parse(text, SPACE))
    assert es.LieAlgebra(SPACE, [generator]).check(base).status == status
    inside = es.BaseDensity(SPACE, log_density=sp.log(es.parse(text, SPACE)))
    assert es.LieAlgebra(SPACE, [generator]).check(inside).status == status


# Trees of operations, written as text and evaluated by hand.
LEAVES = {"q1": lambda x: x, "2": lambda x: 2.0, "(q1 - 1)": lambda x: x - 1}
ONE = {
    "log": lambda u: math.log(u),
    "exp": lambda u: math.exp(u),
    "sqrt": lambda u: math.sqrt(u),
    "abs": abs,
    "sign": lambda u: math.copysign(1.0, u) if u else 0.0,
    "asin": math.asin,
    "sin": math.sin,
}
TWO = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def leaf():
    return st.sampled_from(list(LEAVES.items()))


def grown(parts):
    def call(name, part):
        return f"{name}({part[0]})", lambda x: ONE[name](part[1](x))

    def join(name, left, right):
        return f"({left[0]}){name}({right[0]})", lambda x: TWO[name](left[1](x), right[1](x))

    def square(part):
        return f"({part[0]})^2", lambda x: part[1](x) ** 2

    return st.one_of(
        st.builds(call, st.sampled_from(list(ONE)), parts),
        st.builds(join, st.sampled_from(list(TWO)), parts, parts),
        st.builds(square, parts),
    )


@given(st.recursive(leaf(), grown, max_leaves=5))
def test_the_formula_has_a_value_where_the_text_has_one(tree):
    text, truth = tree
    try:
        formula = es.parse(text, SPACE)
    except es.FormulaError:
        assume(False)
    for number in (sp.Rational(i, 7) for i in (-19, -6, -1, 1, 3, 6, 8, 11, 23)):
        try:
            expected = truth(float(number))
        except (ValueError, ZeroDivisionError):
            expected = None
        except OverflowError:
            continue
        try:
            value = enclose(formula, {q1: number, p1: sp.S.One}, 200)
        except EvaluationError:
            value = None
        if value is None or expected is None:
            # Interval arithmetic cannot tell 0 from 1e-60, nor can floats 0 from 1e-17.
            assert value is expected or _is_close_to_an_edge(truth, float(number)), (text, number)
        else:
            low = float(value) if not isinstance(value, tuple) else _middle(value)
            assert low == pytest.approx(expected, rel=1e-9, abs=1e-9), (text, number)


def _middle(value):
    return float(sum(float(sp.Float._new(end, 53)) for end in value) / 2)


def _is_close_to_an_edge(truth, number):
    """Whether the text has a value at some neighbours and none at others."""
    found = set()
    for step in (-1e-9, 1e-9, -1e-12, 1e-12):
        try:
            truth(number + step)
            found.add(True)
        except (ValueError, ZeroDivisionError, OverflowError):
            found.add(False)
    return len(found) == 2
