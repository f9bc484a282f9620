"""Limits of work, lowered one by one: an answer is said to be open, or a typed error says so."""

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
