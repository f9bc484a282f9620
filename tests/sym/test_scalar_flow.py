"""Flows of one unknown: against mpmath's integration, and refusals where no rule applies."""

import mpmath
import pytest
import sympy as sp

import ehf_sym as es
from ehf_sym.actions.scalar_flows import integral, scalar_flow

x, eps = sp.symbols("x eps", real=True)
y = sp.Symbol("y", positive=True)

SOLVED = {
    "logarithm": (y, y * sp.log(y)),
    "square of a logarithm": (y, y * (sp.log(y) ** 2 + 1)),
    "logarithm and constant": (y, 3 * y - y * sp.log(y)),
    "exponential": (x, sp.exp(-x)),
    "two exponentials": (x, 1 + sp.exp(-x)),
    "linear, of ε": (x, eps * x + 2 * eps),
    "Bernoulli": (x, x - x**3),
    "Riccati": (x, x**2 + x + 1),
}

UNSOLVED = {
    "a logarithm whose equation has no rule": (y, y * sp.sin(sp.log(y))),
    "a logarithm beside another power": (y, y * sp.log(y) + y**2 * sp.log(y)),
    "exponentials without a common rate": (x, sp.exp(x) + sp.exp(sp.sqrt(2) * x)),
    "an exponential beside the unknown": (x, x * sp.exp(x)),
    "an exponential whose equation has no rule": (x, sp.exp(x) + sp.exp(2 * x) + sp.exp(3 * x)),
    "a growth without a primitive": (x, x * sp.sin(sp.sin(eps))),
    "a source without a primitive": (x, x + sp.sin(sp.sin(eps))),
    "Bernoulli with a growth without a primitive": (x, x**2 + x * sp.sin(sp.sin(eps))),
    "Bernoulli with a power without a primitive": (x, x + x**2 * sp.sin(sp.sin(eps))),
}


@pytest.mark.parametrize("name", SOLVED)
def test_closed_forms_solve_the_equation(name):
    unknown, f = SOLVED[name]
    flow = scalar_flow(f, unknown, eps)
    start, end = mpmath.mpf("0.7"), mpmath.mpf("0.3")
    rate = sp.lambdify((eps, unknown), f, "mpmath")
    expected = mpmath.odefun(rate, 0, start, tol=1e-18)(end)
    (image,) = flow.image.values()
    assert abs(sp.lambdify((eps, unknown), image, "mpmath")(end, start) - expected) < 1e-12
    at = {eps: 0, unknown: sp.Rational(7, 10)}
    assert all(condition.subs(at) > 0 for condition in flow.positive)


@pytest.mark.parametrize("name", UNSOLVED)
def test_what_no_rule_solves_is_left(name):
    unknown, f = UNSOLVED[name]
    assert scalar_flow(f, unknown, eps) is None


@pytest.mark.parametrize(
    "f",
    [
        1 / eps,  # the primitive is infinite at ε = 0
        sp.sin(sp.sin(eps)),
        sum(sp.sin(k * eps) for k in range(1, 40)),  # long
    ],
)
def test_integrals_that_are_not_found(f):
    assert integral(f, eps) is None


def test_integrals_vanish_at_their_start_and_have_the_right_derivative():
    for f in (sp.exp(2 * eps), 1 / (1 + eps + x**2), eps**2 * x):
        found = integral(f, eps)
        assert found.value.subs(eps, 0) == 0
        assert es.is_zero(found.value.diff(eps) - f).proved
