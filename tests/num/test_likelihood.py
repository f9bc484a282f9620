"""Three estimates of ln p(x), held against closed forms, other rules and each other."""

import dataclasses
import tracemalloc
import warnings

import numpy as np
import pytest
from linear_model import ScaledPosterior, linear
from models import make

import ehf_num as en
import ehf_sym as es
from ehf_num.inference import inference, quadrature
from ehf_num.inference.estimate import pareto_threshold
from ehf_num.inference.importance import log_mean, pareto_shape


def points(law, n=40, seed=1):
    return law.rvs(n, random_state=seed).reshape(n, -1)


def within(estimate, exact, errors):
    return np.abs(estimate.values - exact) <= errors * estimate.standard_errors


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_importance_agrees_with_the_closed_form_within_its_errors(dim):
    flow, law = linear(dim)
    x = points(law, 200)
    estimate = flow.likelihood(x, n_samples=2000)
    deviations = (estimate.values - law.logpdf(x)) / estimate.standard_errors
    # 200 standard normals: their mean square is 1 ± 0.1, and the largest below 4 in 99 %.
    assert 0.7 < np.mean(deviations**2) < 1.4
    assert np.abs(deviations).max() < 4.5
    np.testing.assert_allclose(estimate.values, flow.log_prob(x, n_samples=2000), rtol=1e-12)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("error", [1e-3, 1e-10])
def test_quadrature_agrees_with_the_closed_form_within_its_errors(dim, error):
    flow, law = linear(dim)
    x = points(law)
    estimate = flow.likelihood(x, method="quadrature", standard_error=error)
    assert (np.abs(estimate.values - law.logpdf(x)) <= estimate.standard_errors).all()
    assert estimate.standard_errors.max() <= error
    assert np.isnan(estimate.pareto_k).all()


@pytest.mark.parametrize("width", [1e-3, 0.2, 30.0])
def test_quadrature_finds_the_integrand_wherever_the_encoder_looks(width):
    flow, law = linear(2, width)
    flow._objective = dataclasses.replace(
        flow.objective, encoder=dataclasses.replace(flow.objective.encoder, offset=np.ones(2) * 9)
    )
    x = points(law, 10)
    values = flow.likelihood(x, method="quadrature").values
    np.testing.assert_allclose(values, law.logpdf(x), atol=1e-6)


@pytest.mark.parametrize("case", ["so2", "oscillator", "soft-uniform"])
def test_quadrature_agrees_with_gauss_legendre_in_a_large_box(case):
    flow = make(case, hamiltonians=2, step_size=0.8)
    x = 2 * np.random.default_rng(0).standard_normal((2, flow.dim))
    nodes, weights = (15 * part for part in np.polynomial.legendre.leggauss(320))
    momenta = np.stack(np.meshgrid(*[nodes] * flow.dim, indexing="ij"), -1).reshape(-1, flow.dim)
    mass = np.prod(np.meshgrid(*[weights] * flow.dim, indexing="ij"), axis=0).ravel()
    density = [np.exp(flow.joint_log_prob(np.tile(q, (len(momenta), 1)), momenta)) for q in x]
    estimate = flow.likelihood(x, method="quadrature", standard_error=1e-5)
    errors = np.abs(estimate.values - np.log(density @ mass))
    assert (errors <= estimate.standard_errors + 1e-6).all()
    assert estimate.standard_errors.max() < 2e-5


def test_all_methods_agree_on_an_exact_model():
    space = es.PhaseSpace(2)
    symmetry = es.groups.so(2, space=space)
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(space), symmetry, enforce="exact", encoder="coupling", hidden=(12,), rng=0
    )
    for weights in flow.flow.hamiltonians[0].kinetic_weights:
        weights *= 1.5  # h(p|q) is N(0, 1) still: the posterior is another
    x = flow.sample(60, rng=0)
    exact = flow.likelihood(x, method="quadrature")
    with warnings.catch_warnings():  # a few heavy tails are to be expected
        warnings.simplefilter("ignore", en.LikelihoodWarning)
        drawn = flow.likelihood(x)
        adaptive = flow.likelihood(x, standard_error=0.02, max_samples=8192, rng=1)
    for estimate in (drawn, adaptive):
        reliable = ~estimate.unreliable
        assert reliable.mean() > 0.25
        errors = np.hypot(estimate.standard_errors, exact.standard_errors)
        deviations = ((estimate.values - exact.values) / errors)[reliable]
        assert np.mean(deviations**2) < 1.6
        assert np.abs(estimate.mean - exact.mean) < 4 * estimate.error_of_mean


@pytest.mark.parametrize("method", ["importance", "quadrature"])
def test_a_wrong_proposal_density_shows_in_importance_weighting_alone(method):
    """An ln h that is off by 0.1 nats, planted."""

    class Wrong(ScaledPosterior):
        def draw(self, weights, q, noise):
            p, log_h = super().draw(weights, q, noise)
            return p, log_h - 0.1

    flow, law = linear(2)
    encoder = Wrong(**vars(flow.objective.encoder))
    flow._objective = dataclasses.replace(flow.objective, encoder=encoder)
    x = points(law)
    options = {"n_samples": 5000} if method == "importance" else {}
    estimate = flow.likelihood(x, method=method, **options)
    agrees = np.abs(estimate.values - law.logpdf(x)) <= 4 * estimate.standard_errors
    assert agrees.all() == (method == "quadrature")
    assert agrees.any() == (method == "quadrature")


@pytest.mark.filterwarnings("ignore:.*k̂ above")  # of a hundred draws
def test_draws_are_doubled_only_where_they_are_needed():
    flow, law = linear(2)
    flow._objective = dataclasses.replace(
        flow.objective, encoder=Widening(**vars(flow.objective.encoder))
    )
    x = points(law, 60)
    estimate = flow.likelihood(x, n_samples=100, standard_error=0.08)
    assert estimate.standard_errors.max() <= 0.08
    assert set(np.log2(estimate.draws / 100)) <= set(range(11))
    first = flow.likelihood(x, n_samples=100)
    enough = first.standard_errors <= 0.08
    assert 0 < enough.sum() < len(x)
    np.testing.assert_array_equal(estimate.draws == 100, enough)
    np.testing.assert_array_equal(estimate.values[enough], first.values[enough])
    deviations = (estimate.values - law.logpdf(x)) / estimate.standard_errors
    assert np.mean(deviations**2) < 2


@dataclasses.dataclass(frozen=True)
class Widening(ScaledPosterior):
    """Standard deviations that grow with q1."""

    def draw(self, weights, q, noise):
        factor = 1 + np.maximum(q[:, :1], 0)
        p = self.offset + q @ self.slope.T + factor * (noise @ self.factor.T)
        log_h = -0.5 * np.sum(noise**2 + np.log(2 * np.pi), axis=1)
        return p, log_h - np.log(np.abs(np.linalg.det(self.factor)) * factor[:, 0] ** 2)


def test_adaptive_draws_do_not_depend_on_blocks_or_on_later_points(monkeypatch):
    flow, law = linear(2, width=3.0)
    x = points(law, 12)
    options = {"n_samples": 50, "standard_error": 0.08}
    whole = flow.likelihood(x, **options)
    assert whole.draws.max() > 50
    np.testing.assert_array_equal(flow.likelihood(x[:5], **options).values, whole.values[:5])
    monkeypatch.setattr(inference, "ROWS_PER_BLOCK", 64)
    np.testing.assert_allclose(flow.likelihood(x, **options).values, whole.values, rtol=1e-12)
    exact = flow.likelihood(x, method="quadrature").values
    monkeypatch.undo()
    np.testing.assert_allclose(exact, flow.likelihood(x, method="quadrature").values, rtol=1e-12)


@pytest.mark.parametrize("method", ["importance", "quadrature"])
def test_reaching_the_cap_is_said_out_loud(method):
    flow, law = linear(2, width=4.0)
    x = points(law, 20)
    options = {"max_samples": 600} | ({"n_samples": 64} if method == "importance" else {})
    with pytest.warns(
        en.LikelihoodWarning, match=r"^100 % of the points .* max_samples = 600 allows"
    ):
        estimate = flow.likelihood(x, method=method, standard_error=1e-12, **options)
    assert (estimate.standard_errors > 1e-12).all()


@pytest.mark.filterwarnings("ignore::ehf_num.LikelihoodWarning")
def test_all_draws_that_are_allowed_are_made():
    """64 are doubled three times to 512: a cap of 512 allows that, one of 511 does not."""
    flow, law = linear(2, width=4.0)
    options = {"n_samples": 64, "standard_error": 1e-12}
    for cap, made in ((511, 256), (512, 512), (513, 512)):
        estimate = flow.likelihood(points(law, 5), max_samples=cap, **options)
        np.testing.assert_array_equal(estimate.draws, made)


@pytest.mark.filterwarnings("ignore::ehf_num.LikelihoodWarning")
@pytest.mark.parametrize("dim", [1, 2])
def test_all_nodes_that_are_allowed_are_used(dim):
    """The first lattice is refined where so many nodes are allowed, and not with one less."""
    flow, law = linear(dim, width=4.0)
    options = {"method": "quadrature", "standard_error": 1e-15}
    nodes = quadrature._NODES
    fewer, exact = (
        flow.likelihood(points(law, 5), max_samples=cap, **options).draws
        for cap in ((2 * nodes) ** dim - 1, (2 * nodes) ** dim)
    )
    np.testing.assert_array_equal(exact - fewer, (2 * nodes) ** dim - nodes**dim)


@pytest.mark.parametrize("variance", [0.1, 0.25, 0.5])
def test_heavy_tails_have_the_shape_that_theory_says(variance):
    """A normal proposed from one of a smaller variance s²: weights with tail index k = 1 − s²."""
    z = np.random.default_rng(0).standard_normal(2**17)
    log_weights = (1 - variance) / 2 * z**2  # up to a constant
    assert pareto_shape(log_weights) == pytest.approx(1 - variance, abs=0.12)


def test_a_heavy_tail_is_said_out_loud_once_with_the_share_of_the_points():
    flow, law = linear(1, width=0.3)  # k = 1 - 0.09
    x = points(law, 50)
    with pytest.warns(en.LikelihoodWarning, match=r"of the points have k̂ above") as caught:
        estimate = flow.likelihood(x)
    assert len(caught) == 1
    assert estimate.unreliable.mean() > 0.5
    assert f"{100 * estimate.unreliable.mean():.3g} % of the points" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_equal_weights_have_no_tail_and_no_error():
    flow, law = linear(2, width=1.0)  # h is the posterior: every draw gives ln p(x)
    x = points(law, 5)
    estimate = flow.likelihood(x, n_samples=64)
    np.testing.assert_allclose(estimate.values, law.logpdf(x), rtol=1e-12)
    assert estimate.standard_errors.max() < 1e-12
    assert (estimate.pareto_k == -np.inf).all()
    assert not estimate.unreliable.any()


def test_one_weight_for_all_and_too_few_draws():
    dominated = np.array([0.0] + [-np.inf] * 99)
    assert pareto_shape(dominated) == np.inf
    assert np.isnan(pareto_shape(np.zeros(24)))
    assert pareto_shape(np.full(100, -np.inf)) == np.inf
    value, error = log_mean(dominated)
    assert value == pytest.approx(-np.log(100))
    assert error == pytest.approx(1.0)
    assert log_mean(np.full(3, -np.inf)) == (-np.inf, np.inf)
    np.testing.assert_allclose(pareto_threshold(np.array([1, 100, 10**6])), [-2.32, 0.5, 0.7], 1e-2)


def test_standard_errors_are_those_of_repeated_estimates():
    flow, law = linear(2, width=2.0)
    x = points(law, 5)
    runs = [flow.likelihood(x, n_samples=200, rng=seed) for seed in range(400)]
    scatter = np.std([run.values for run in runs], axis=0, ddof=1)
    stated = np.mean([run.standard_errors for run in runs], axis=0)
    np.testing.assert_allclose(stated, scatter, rtol=0.12)  # of 400 runs: 3.5 %


def test_the_error_of_the_mean_joins_points_and_draws():
    flow, law = linear(1)
    expected = -law.entropy()
    x = points(law, 2000, seed=3)
    estimate = flow.likelihood(x, n_samples=64)
    assert estimate.standard_error == pytest.approx(np.sqrt(0.5 / 2000), rel=0.1)  # Var ln p = 1/2
    assert abs(estimate.mean - expected) < 4 * estimate.standard_error
    assert estimate.error_of_mean < estimate.standard_error
    exact = flow.likelihood(x[:300], method="quadrature")
    assert exact.error_of_mean == pytest.approx(exact.standard_errors.mean())
    assert np.isnan(flow.likelihood(x[:1]).standard_error)
    assert "quadrature" in str(exact)
    assert "k̂" in str(estimate)


@pytest.mark.parametrize("method", ["importance", "quadrature"])
def test_single_precision(method):
    flow, law = linear(1, dtype="float32")
    x = points(law, 30)
    estimate = flow.likelihood(x, method=method)
    assert (np.abs(estimate.values - law.logpdf(x)) < 4 * estimate.standard_errors + 1e-5).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "exact"}, "method"),
        ({"n_samples": 0}, "n_samples"),
        ({"standard_error": -1}, "standard_error"),
        ({"max_samples": 0}, "max_samples"),
        ({"method": "quadrature", "n_samples": 9}, "left out"),
        ({"standard_error": 0.1, "n_samples": 99, "max_samples": 98}, "at least n_samples, 99"),
        ({"rng": "seed"}, "rng"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(es.ArgumentError, match=message):
        linear(1)[0].likelihood([[0.0]], **options)


def test_quadrature_in_three_dimensions_is_refused():
    with pytest.raises(es.ArgumentError, match=r"d ≤ 2; with d = 3"):
        make("so3").likelihood(np.zeros((2, 3)), method="quadrature")


@pytest.mark.parametrize("method", ["importance", "quadrature"])
def test_memory_is_bounded(method):
    flow, law = linear(2)
    x = points(law, 600)

    def peak(count):
        options = {"n_samples": 128} if method == "importance" else {}
        flow.likelihood(x[:100], method=method, **options)
        tracemalloc.start()
        flow.likelihood(x[:count], method=method, **options)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(600) < 1.2 * peak(150) + 20 * x.nbytes
