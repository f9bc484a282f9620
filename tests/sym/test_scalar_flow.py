"""Flows of one unknown: against mpmath's integration, and refusals where no rule applies."""

import gc
import sys
import weakref

import mpmath
import pytest
import sympy as sp

import ehf_sym as es
from ehf_sym.actions.scalar_flows import integral, scalar_flow
from ehf_sym.clock import within_budget

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


def count_down(n):
    return count_down(n - 1) if n else "done"


def test_budgets_nest():
    """The inner one ends the inner work, the outer one everything."""
    assert within_budget(lambda: count_down(5), 100) == "done"

    def work(calls):
        return within_budget(lambda: count_down(500), calls), count_down(5)

    assert within_budget(lambda: work(50), 500) == (None, "done")
    assert within_budget(lambda: work(2000), 100) is None
    assert within_budget(lambda: work(2000), 5000) == ("done", "done")


def test_work_that_ends_with_its_budget():
    """Nothing is raised after the work, whatever number of calls it needs."""
    results = [within_budget(lambda: count_down(5), calls) for calls in range(20)]
    enough = results.index("done")
    assert results == [None] * enough + ["done"] * (20 - enough)


def test_somebody_elses_profiler_goes_on():
    """A budget would take its place: the work is done without one."""
    seen = []
    before = sys.getprofile()
    sys.setprofile(lambda *event: seen.append(event))
    try:
        assert within_budget(lambda: count_down(200), 10) == "done"
    finally:
        sys.setprofile(before)
    assert sum(frame.f_code is count_down.__code__ for frame, *_ in seen) >= 200


def leave_a_generator():
    numbers = (n for n in range(3))
    return next(numbers)


def test_nothing_is_lost_in_generators_that_are_left(monkeypatch):
    """What is raised while one is closed goes nowhere but to the screen."""
    lost = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    for calls in range(1, 60):
        assert within_budget(lambda: [leave_a_generator() for _ in range(100)], calls) is None
    assert not lost


class Finalized:
    def __del__(self):
        count_down(3)


class Left:
    """Something that a weak reference can point to."""


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda: gc.collect(0), id="callback of the collector"),
        pytest.param(lambda: bool(Finalized()), id="finalizer"),
        pytest.param(lambda: weakref.finalize(Left(), count_down, 3), id="of a weak reference"),
    ],
)
def test_nothing_is_lost_in_callbacks(monkeypatch, work):
    """What is raised in them goes to the screen, and the work would go on without a budget."""
    lost = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)

    def callback(phase, info):
        count_down(3)

    gc.callbacks.append(callback)
    try:
        for calls in range(1, 60):
            assert within_budget(lambda: [work() for _ in range(100)], calls) is None
    finally:
        gc.callbacks.remove(callback)
    assert not lost


def test_a_loop_in_a_generator_ends_too():
    assert within_budget(lambda: sum(n for n in range(10**9)), 100) is None
