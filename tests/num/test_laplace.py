"""Draws around modes: the closed form, the other methods, posteriors that the encoder misses."""

import numpy as np
import pytest
from linear_model import linear
from scipy import stats

import ehf_num as en
import ehf_sym as es
from ehf_num.inference import laplace


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_it_agrees_with_the_closed_form_within_its_errors(dim):
    flow, law = linear(dim)
    x = law.rvs(100, random_state=1).reshape(100, -1)
    estimate = flow.likelihood(x, method="laplace", n_samples=1000)
    deviations = (estimate.values - law.logpdf(x)) / estimate.standard_errors
    assert np.mean(deviations**2) < 1.6  # half of the draws being of each law, errors are high
    assert np.abs(deviations).max() < 4.5


def test_three_methods_agree_within_their_errors():
    base = es.StandardNormal(es.PhaseSpace(2))
    flow = en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(16,), step_size=0.3, rng=0)
    x = flow.sample(20, rng=1)
    exact = flow.likelihood(x, method="quadrature")
    for method in ("importance", "laplace"):
        found = flow.likelihood(x, method=method, n_samples=4096)
        assert found.method == method
        bound = 5 * found.standard_errors + exact.standard_errors
        assert (np.abs(found.values - exact.values) <= bound).all()


def test_it_does_not_need_an_encoder_that_learned_anything():
    symmetry = es.groups.so(2)
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(symmetry.space), symmetry, hidden=(16,), steps=4, rng=0
    )
    for array in flow.bound.flow.hamiltonians[0].kinetic_weights:
        array *= 3
    x = 2 * np.random.default_rng(0).standard_normal((10, 2))
    with pytest.warns(en.LikelihoodWarning, match="100 % of the points"):
        flow.likelihood(x, n_samples=2000)
    around = flow.likelihood(x, method="laplace", n_samples=2000)
    exact = flow.likelihood(x, method="quadrature")
    assert (np.abs(around.values - exact.values) <= 5 * around.standard_errors + 1e-3).all()


def test_stretched_normals_follow_students_law():
    noise = np.random.default_rng(0).standard_normal((1, 20_000, 2))
    stretched = laplace._student(noise)[0]
    assert stats.kstest(np.sum(stretched**2, axis=1) / 2, stats.f(2, 6).cdf).pvalue > 1e-3
    law = stats.multivariate_t([0, 0], df=6)
    found = laplace._log_student(np.sum(stretched[:9] ** 2, axis=1), 2)
    assert np.allclose(found, law.logpdf(stretched[:9]))


def test_the_summary_says_how():
    flow, law = linear(2)
    estimate = flow.likelihood(law.rvs(5, random_state=0), method="laplace", n_samples=64)
    assert "around modes, 64 draws" in str(estimate)
    assert estimate.error_of_mean < 0.5
