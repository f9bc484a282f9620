"""Mixtures of tubes around orbits in numbers: their formula, their draws, fits, files."""

import pickle

import numpy as np
import pytest
import scipy
import sympy as sp

import ehf_num as en
import ehf_sym as es
from ehf_num.densities.base import numeric_base
from ehf_num.densities.orbit_mixture import fit_orbit_mixture
from ehf_num.reproduce.efficiency.problems import PROBLEMS
from ehf_sym.densities.orbit_mixture import OrbitMixture, orbit_blocks
from ehf_sym.symmetry.frames import rotation_matrices

R = sp.Rational


def about_z():
    space = es.PhaseSpace(3)
    q, p = space.q, space.p
    return es.LieAlgebra(space, [q[0] * p[1] - q[1] * p[0]])


def fitted(name, n=100):
    problem = PROBLEMS[name]()
    x = problem.target.sample(n, rng=0)
    return problem, fit_orbit_mixture(problem.symmetry, x, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["shells", "phase-orbits"])
def test_values_and_slopes_are_the_formulas(name):
    _, base = fitted(name)
    numeric = numeric_base(base)
    states = numeric.sample(20, np.random.default_rng(1)) + 0.1
    formula = es.to_numpy(base.log_density, base.space.coordinates)
    np.testing.assert_allclose(numeric.formula(states), formula(states), rtol=1e-9, atol=1e-9)
    slopes = numeric.value_and_gradient(states)[:, 1:]
    np.testing.assert_allclose(slopes, formula.gradient(states), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("radius", [0.0, 1.5])
def test_draws_about_a_sphere_have_their_law(radius):
    """r² exp(−(r − ρ)²/2s²), by quadrature, against the draws: Kolmogorov and Smirnov."""
    symmetry = es.groups.so(3)
    blocks = orbit_blocks(rotation_matrices(symmetry))
    center, width = R(str(radius)), R(4, 5)
    base = OrbitMixture(symmetry.space, blocks, [R(1)], [[[center]]], [[width]])
    drawn = np.linalg.norm(numeric_base(base).sample(4000, np.random.default_rng(0))[:, :3], axis=1)
    r = np.linspace(0, 8, 4001)
    mass = scipy.integrate.cumulative_trapezoid(
        r**2 * np.exp(-((r - radius) ** 2) / (2 * 0.8**2)), r, initial=0
    )
    law = scipy.stats.kstest(drawn, lambda x: np.interp(x, r, mass / mass[-1]))
    assert law.pvalue > 1e-3


def test_draws_about_a_phase_have_the_density():
    """E[ln π] over draws of what was fitted is that over draws of itself by weights."""
    problem, base = fitted("phase-orbits", 300)
    numeric, dim = numeric_base(base), 4
    drawn = numeric.sample(4000, np.random.default_rng(1))
    truth = problem.target.sample(20_000, rng=2)
    at_truth = np.concatenate([truth, np.zeros_like(truth)], axis=1)
    log_p = numeric.log_prob(at_truth) + dim / 2 * np.log(2 * np.pi)
    weights = np.exp(log_p - problem.target.log_prob(truth))
    assert weights.mean() == pytest.approx(1, abs=0.03)
    for f in (lambda x: (x**2).sum(axis=1), lambda x: (x[:, 0] * x[:, 3] - x[:, 1] * x[:, 2]) ** 2):
        assert f(drawn[:, :dim]).mean() == pytest.approx((weights * f(truth)).mean(), rel=0.08)


def test_what_is_fitted_is_proved_and_close():
    """From 1,000 points, two rings of one width: five numbers cost 5/2000 nats."""
    problem, base = fitted("rings", 1000)
    assert problem.symmetry.check(base).proved
    assert len(base.weights) == 2
    x = problem.target.sample(5000, rng=5)
    found = numeric_base(base).log_prob(np.concatenate([x, 0 * x], axis=1)) + np.log(2 * np.pi)
    assert (problem.target.log_prob(x) - found).mean() < 0.01


def test_a_normal_density_is_one_tube():
    x = np.random.default_rng(0).normal((0, 0, 1), (2, 2, 0.5), (400, 3))
    base = fit_orbit_mixture(about_z(), x, np.random.default_rng(0))
    assert len(base.weights) == 1
    numeric = numeric_base(base)
    states = np.concatenate([x, np.zeros_like(x)], axis=1)
    true = scipy.stats.multivariate_normal((0, 0, 1), np.diag([4, 4, 0.25])).logpdf(x)
    found = numeric.log_prob(states) + 1.5 * np.log(2 * np.pi)
    assert abs((true - found).mean()) < 0.02


def test_orbits_that_are_not_known_are_left_to_the_flow():
    two = es.Particles(2, 3).rotations()
    x = np.random.default_rng(0).normal(size=(50, 6))
    assert fit_orbit_mixture(two, x, np.random.default_rng(0)) is None


def test_a_model_starts_there_goes_back_there_and_is_saved(tmp_path):
    """Six iterations at a high rate make it worse, which points held out tell."""
    x = en.rings().sample(150, rng=0)
    options = {"hamiltonians": 2, "hidden": (8,), "max_iter": 6, "learning_rate": 0.3, "rng": 0}
    model = en.SymmetricDensity("so(2)", **options).fit(x)
    assert isinstance(model.flow_.base, OrbitMixture)
    assert model.stop_reason_ == "max_iter"
    fit = numeric_base(model.flow_.base)
    z = model.units_.standardized(x)
    alone = fit.log_prob(np.concatenate([z, 0 * z], axis=1)) + np.log(2 * np.pi)
    np.testing.assert_allclose(
        model.score_samples(x) + model.units_.log_jacobian, alone, rtol=1e-3, atol=1e-3
    )
    model.save(tmp_path / "model.npz")
    for again in (en.load(tmp_path / "model.npz"), pickle.loads(pickle.dumps(model))):
        assert again.base is None
        np.testing.assert_array_equal(again.score_samples(x), model.score_samples(x))
        np.testing.assert_array_equal(again.sample(5, rng=1), model.sample(5, rng=1))


def test_tubes_of_any_height_are_written_and_read():
    """Those of 150 coordinates have heights of 1e-60 beside a mass of 1."""
    symmetry = es.groups.so(2)
    blocks = orbit_blocks(rotation_matrices(symmetry))
    weights = [R("1e-70"), R("1e70")]
    base = OrbitMixture(symmetry.space, blocks, weights, [[[R(1)]], [[R(2)]]], [[R(1, 2)]] * 2)
    text = base.as_text()
    assert OrbitMixture.from_text(symmetry.space, blocks, text).weights == base.weights
    for damaged in ("1/0", "2**9", "0", "-1", "zoo"):
        with pytest.raises(ValueError, match=r"weights|fraction"):
            OrbitMixture.from_text(symmetry.space, blocks, text | {"weights": [damaged, "1"]})


def test_the_highest_tube_has_the_weight_one():
    for name in ("rings", "phase-orbits"):
        _, base = fitted(name)
        assert max(base.weights) == 1
