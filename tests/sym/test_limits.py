"""Limits of work, lowered one by one: an answer is said to be open, or a typed error says so."""

import time
from contextlib import suppress
from fractions import Fraction
from importlib import import_module

import pytest
import sympy as sp
from sympy import QQ, Rational, atan, exp, log, sqrt

import ehf_sym as es
from ehf_sym.actions.validated_flow import enclose_flow
from ehf_sym.exact.parameter_equations import solve_parameters
from ehf_sym.lie.simple import cartan_subalgebra, sign_of

x, y = sp.symbols("x y", real=True)
a, b = sp.symbols("a b", positive=True)
LINE = es.PhaseSpace(1)
(Q,), (P,) = LINE.q, LINE.p

NESTED = sqrt(a + b + 2 * sqrt(a * b)) - sqrt(a) - sqrt(b)
R = sqrt(x**2 + y**2)
LOGS = log(R + x) + log(R - x) - log(y**2)
ARCS = 2 * atan(a / (1 + sqrt(1 + a**2))) - atan(a)

# A limit, its value that is too low, and an identity that is proved with the usual one.
ZEROS = {
    "roots within roots": ("roots", "_MAX_ROOTS", 0, NESTED),
    "steps for nested roots": ("roots", "_MAX_STEPS", 0, NESTED),
    "terms for nested roots": ("roots", "_MAX_TERMS", 0, NESTED),
    "terms for logarithms": ("relations", "_MAX_TERMS", 0, LOGS),
    "exponents for logarithms": ("relations", "_MAX_COEFFICIENT", 0, LOGS),
    "multiples of angles": ("inverse_functions", "_MAX_COEFFICIENT", 0, ARCS),
    "conversions": ("normal_form", "_MAX_CONVERSIONS", 0, exp(x + y) - exp(x) * exp(y)),
}


@pytest.mark.parametrize("name", ZEROS)
def test_a_lower_limit_leaves_a_true_identity_open_and_never_refutes_it(name, monkeypatch):
    module, limit, value, identity = ZEROS[name]
    assert es.is_zero(identity).proved
    monkeypatch.setattr(import_module(f"ehf_sym.normal_forms.{module}"), limit, value)
    lowered = es.is_zero(identity)
    assert lowered.status == "undecided"
    assert lowered.residual is not None


FIELD = {Q: P, P: -sp.sin(Q)}
START = {Q: Fraction(1, 2), P: Fraction(1, 3)}
POLE = es.LieAlgebra(LINE, [P * Q**2]).action(0)


def sign():
    field = QQ.algebraic_field(sqrt(2))
    return sign_of(field, field.from_sympy(sqrt(2) - Rational(7, 5)))


def equations():
    c, d = sp.symbols("c d", real=True)
    return solve_parameters([c * (d - 1)], (c, d))


# A limit, its value that is too low, what needs it, and the error that says so.
GIVEN_UP = {
    "steps": ("actions.validated_flow", "_MAX_STEPS", 0, lambda: enclose_flow(FIELD, START, 1, 10)),
    "precisions": (
        "actions.validated_flow",
        "_MAX_RAISES",
        0,
        lambda: enclose_flow(FIELD, START, 1, 10),
    ),
    "pieces": (
        "actions.positivity",
        "_MAX_PIECES",
        0,
        lambda: POLE.enclose([1, 1], Fraction(1, 4)),
    ),
    "Cartan subalgebras": (
        "lie.simple",
        "_ATTEMPTS",
        0,
        lambda: cartan_subalgebra(es.groups.so(3).structure),
    ),
    "elements of the centroid": (
        "lie.ideals",
        "_ATTEMPTS",
        0,
        lambda: es.groups.so(4).identity,
    ),
    "signs": ("lie.simple", "_PRECISIONS", (), sign),
    "cases": ("exact.parameter_equations", "_MAX_CASES", 0, equations),
}


@pytest.mark.parametrize("name", GIVEN_UP)
def test_a_lower_limit_is_said_by_a_typed_error(name, monkeypatch):
    module, limit, value, work = GIVEN_UP[name]
    assert work() is not None
    monkeypatch.setattr(import_module(f"ehf_sym.{module}"), limit, value)
    with pytest.raises((es.UndecidedError, es.ActionError)):
        work()


def nested(f, depth):
    for _ in range(depth):
        f = sp.Abs(sp.sin(Q + f * P))
    return f


TANGENTS = sp.tan(sp.gamma(P) + Q * sp.tan(sp.gamma(P) + Q * sp.tan(sp.gamma(P * Q) + Q)))
A = sp.Symbol("a", real=True)
FAMILY = es.PhaseSpace(1, parameters=[A])
# Formulas whose derivatives take a minute, or more levels of Python than there are.
DERIVATIVES = {"long": nested(Q, 14), "deep": nested(Q, 40), "tangents": TANGENTS}


def family(f):
    return es.BaseDensity(FAMILY, log_density=A * f)


QUESTIONS = {
    "close": lambda f: algebra(f).close(time_limit=0.2),
    "describe": lambda f: algebra(f).describe(time_limit=0.2),
    "disentangle": lambda f: algebra(f).disentangle(time_limit=0.2),
    "invariants": lambda f: algebra(f).invariants(2, time_limit=0.2),
    "action": lambda f: algebra(f).action(0, time_limit=0.2),
    "enclosure": lambda f: algebra(f).action(0, time_limit=0.2).enclose([1, 1], 1, digits=3),
    "check": lambda f: algebra(P * Q).check(es.BaseDensity(LINE, log_density=f), time_limit=0.2),
    "symmetries": lambda f: es.symmetries_of(f, 2, time_limit=0.2),
    "conditions": lambda f: algebra(P * Q, space=FAMILY).conditions(family(f), time_limit=0.2),
    "integral": lambda f: es.is_zero(sp.Integral(f, (Q, 0, 1)) - 1, time_limit=0.2),
    "derivative": lambda f: es.is_zero(sp.Derivative(f, Q) - 1, time_limit=0.2),
}


def algebra(*generators, space=LINE):
    return es.LieAlgebra(space, list(generators))


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("formula", DERIVATIVES)
def test_one_clock_bounds_every_question_with_its_derivatives(question, formula):
    start = time.process_time()
    with suppress(es.errors.EHFError):
        assert str(QUESTIONS[question](DERIVATIVES[formula]))
    assert time.process_time() - start < 30


def test_a_check_beyond_its_time_is_undecided_and_says_so():
    base = es.BaseDensity(LINE, log_density=DERIVATIVES["long"])
    report = algebra(P * Q, P).check(base, time_limit=0.01)
    assert report.status == "undecided"
    assert len(report.verdicts) == 2
    assert all("time limit of 0.01 s" in v.verdict.method for v in report.verdicts)
    assert "time limit of 0.01 s" in str(report)
    assert report.to_json()
    assert algebra(P * Q).check(es.StandardNormal(LINE), time_limit=60).status == "refuted"


@pytest.mark.parametrize("seconds", [0, -1, "1", None, True])
def test_the_limit_of_a_check_is_a_positive_number(seconds):
    with pytest.raises(es.ArgumentError, match="time_limit"):
        algebra(P).check(es.StandardNormal(LINE), time_limit=seconds)


def test_what_is_nested_deeply_has_no_known_normalizer():
    assert es.BaseDensity(LINE, log_density=DERIVATIVES["deep"]).log_normalizer is None
