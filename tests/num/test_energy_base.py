"""Base densities of energies against closed forms, quadrature and moments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import ehf_num as en
import ehf_sym as es
from ehf_num.reproduce.efficiency.contender import Split
from ehf_num.reproduce.molecules.priors import PriorContender, pair_prior
from ehf_num.reproduce.molecules.problems import ParticleProblem
from ehf_num.reproduce.molecules.runs import BUDGETS
from ehf_num.reproduce.molecules.window_flows import WindowContender

A, T = sp.symbols("A t", real=True)
LINE, PLANE = es.PhaseSpace(1), es.PhaseSpace(2)
(Q,) = LINE.q
R2 = sum(q**2 for q in PLANE.q)


def test_a_normal_is_fitted_by_its_closed_form():
    x = 0.7 * np.random.default_rng(0).standard_normal((500, 2))
    prior = en.energy_base(T / 2 * R2, PLANE, x, start={T: 1}, rng=0)
    exact = x.size / (x**2).sum()
    assert prior.values[T] == pytest.approx(exact, rel=3 * (2 * 2_000) ** -0.5)
    assert prior.errors[T] == pytest.approx(exact * (2 / x.size) ** 0.5, rel=0.2)
    log_z = np.log(2 * np.pi / prior.values[T])
    assert abs(prior.normalizer.log_z - log_z) < 4 * prior.normalizer.log_z_error + 1e-9


@pytest.fixture(scope="module")
def well():
    """Points of a double well on the line, and what was fitted to them."""
    grid = np.linspace(-4, 4, 4_001)
    weights = np.exp(-(2 * grid**4 - 3 * grid**2))
    x = np.random.default_rng(1).choice(grid, (800, 1), p=weights / weights.sum())
    return x, en.energy_base(A * Q**4 + T / 2 * Q**2, LINE, x, start={A: 1}, rng=0)


def test_a_double_well_has_the_greatest_likelihood_that_quadrature_finds(well):
    x, prior = well

    def loss(theta):
        a, t = theta
        mass = scipy.integrate.quad(lambda q: np.exp(-a * q**4 - t / 2 * q**2), -6, 6)[0]
        return float((a * x**4 + t / 2 * x**2).mean() + np.log(mass))

    best = scipy.optimize.minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-6})
    found = loss([prior.values[A], prior.values[T]])
    assert found - best.fun < 8 / 2_000  # 2 parameters by 2,000 draws: 1/2,000 in the mean
    assert loss([prior.values[A] * 1.2, prior.values[T]]) - best.fun > 8 / 2_000
    curvature = np.cov(np.stack([x[:, 0] ** 4, x[:, 0] ** 2 / 2]))
    expected = np.sqrt(np.diag(np.linalg.inv(curvature)) / len(x))
    np.testing.assert_allclose([prior.errors[A], prior.errors[T]], expected, rtol=0.25)


def test_its_density_integrates_to_one_and_its_draws_are_of_it(well):
    prior = well[1]
    grid = np.linspace(-4, 4, 801)[:, None]
    mass = np.exp(prior.log_prob(grid)).sum() * (grid[1, 0] - grid[0, 0])
    assert abs(np.log(mass)) < 4 * prior.normalizer.log_z_error
    states = prior.sample(1_000, np.random.default_rng(2))
    assert states.shape == (1_000, 2)
    cumulative = np.cumsum(np.exp(prior.log_prob(grid)))
    cdf = scipy.interpolate.interp1d(grid[:, 0], cumulative / cumulative[-1])
    assert scipy.stats.kstest(states[:, 0], cdf).pvalue > 1e-4
    assert scipy.stats.kstest(states[:, 1], "norm").pvalue > 1e-4
    assert scipy.stats.kstest(states[:, 0] * 1.3, cdf).pvalue < 1e-4


def test_a_flow_that_moves_nothing_has_its_density_and_weights_without_spread():
    S = R2**2 / 4 + R2 / 2
    prior = en.energy_base(S, PLANE, n=500, rng=0)
    assert not prior.values
    so2 = es.groups.so(2)
    options = {"base_sampler": prior.sample, "hidden": (4,), "enforce": "exact", "rng": 0}
    flow = en.EquivariantHamiltonianFlow(prior.density, so2, **options, start="identity")
    assert flow.report.proved
    weighed = flow.weigh(S, 300, rng=0)
    assert weighed.ess == pytest.approx(1, abs=1e-6)
    assert weighed.log_z == pytest.approx(prior.normalizer.log_z, abs=1e-6)
    assert flow.weigh(sp.Rational(11, 10) * S, 300, rng=0).ess < 0.999
    one_sided = en.energy_base(S + PLANE.q[0] ** 4, PLANE, n=100, rng=0)
    with pytest.raises(es.InvarianceError):
        en.EquivariantHamiltonianFlow(one_sided.density, so2, **options)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_draws_are_a_function_of_their_generator(seed):
    prior = en.energy_base(Q**2 / 2, LINE, n=10, rng=0)
    first, again = (prior.sample(10, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    ("S", "options", "named"),
    [
        (sp.exp(A * Q) + Q**2, {"x": [[1.0]]}, "not linear in A"),
        (A * T * Q**2, {"x": [[1.0]]}, "not linear in"),
        (A * Q**2, {}, "x was None"),
        (Q**2, {"x": [[1.0]]}, "leave it out"),
        (A * Q**2, {"x": [[1.0, 2.0]], "start": {A: 1}}, "x had"),
        (A * Q**2, {"x": [[1.0]], "start": {T: 1}}, "start had t"),
        (A * Q**2, {"x": [[1.0]], "start": {A: float("inf")}}, r"start\[A\] was inf"),
        (sp.Symbol("c", positive=True) * Q**2, {"x": [[1.0]]}, "c has a sign"),
        (Q**2, {"n": 0}, "n was 0"),
        (Q**2, {"width": -1.0}, "width was -1.0"),
    ],
)
def test_what_is_refused_is_named(S, options, named):
    with pytest.raises(es.ArgumentError, match=named):
        en.energy_base(S, LINE, **options, rng=0)


def test_angles_and_momenta_are_refused():
    circle = es.PhaseSpace(1, angles=True)
    with pytest.raises(es.ArgumentError, match="no angles"):
        en.energy_base(sp.cos(circle.q[0]), circle)
    with pytest.raises(es.FormulaError, match="depends on p1"):
        en.energy_base(LINE.p[0] ** 2, LINE)


def test_an_energy_without_an_integral_ends_in_a_typed_error():
    x = np.random.default_rng(0).standard_normal((50, 1))
    with pytest.raises(es.ArgumentError, match=r"S has come to A = -1.*Take fewer terms"):
        en.energy_base(A * Q**4, LINE, x, start={A: -1}, rng=0)


def test_the_prior_of_pairs_is_the_formula_with_what_was_fitted():
    problem = ParticleProblem(en.DoubleWell(2, 2), 2.0, (0.5, 1.0))
    points = problem.points(300, 0)
    split = Split.of(points)
    learned = PriorContender().learn(problem, split, BUDGETS["quick"], 0)
    x, log_density = learned.sample(50, 1)
    np.testing.assert_allclose(learned.log_prob(x, 1), log_density)
    turned = x @ scipy.stats.special_ortho_group.rvs(2, random_state=0)
    np.testing.assert_allclose(learned.log_prob(turned, 1), log_density, rtol=1e-9)
    prior = pair_prior(problem.frame, points / points.std(), problem.widths, 0)
    r2 = 2 * (x**2).sum(axis=1) / points.std() ** 2
    heights = [prior.values[s] for s in sorted(prior.values, key=str)]
    energy = heights[2] * r2 / 4 + heights[0] * np.exp(-2 * r2) + heights[1] * np.exp(-r2 / 2)
    np.testing.assert_allclose(np.ptp(energy + log_density), 0, atol=1e-6)


def test_the_flow_on_a_prior_of_pairs_starts_as_the_prior_is():
    problem = ParticleProblem(en.DoubleWell(2, 2), 2.0, (0.5, 1.0))
    points = problem.points(300, 0)
    split = Split(points, points)
    budget = replace(BUDGETS["quick"], iterations=1)
    small = WindowContender(
        hamiltonians=1, hidden=(4,), site_hidden=(4,), gaussians=2, learning_rate=1e-6, prior=True
    )
    ours = small.learn(problem, split, budget, 0).log_prob(points, 64)
    theirs = PriorContender().learn(problem, split, budget, 0).log_prob(points, 1)
    np.testing.assert_allclose(ours, theirs, atol=0.1)
    normal = replace(small, prior=False).learn(problem, split, budget, 0).log_prob(points, 64)
    assert np.abs(normal - theirs).mean() > 0.3
