"""Weights against closed forms and quadrature; what is made of them; memory; calibrated errors."""

import math

import numpy as np
import pytest
import sympy as sp
from scipy import integrate, stats

import ehf_num as en
import ehf_sym as es
from ehf_num.inference import inference, weighing
from tests.num.linear_model import linear
from tests.num.models import make


def plain(dim=1, **options):
    base = es.StandardNormal(es.PhaseSpace(dim))
    options = {"enforce": "none", "hidden": (8,), "rng": 0} | options
    return en.EquivariantHamiltonianFlow(base, **options)


def quadrature(flow, S, f):
    """ln Z and the mean of f under e^−S, d = 1, by SciPy."""
    (q,) = flow.base.space.q
    energy, function = (sp.lambdify(q, x, "math") for x in (S, f))
    z, _ = integrate.quad(lambda x: math.exp(-energy(x)), -12, 12, limit=200)
    top, _ = integrate.quad(lambda x: function(x) * math.exp(-energy(x)), -12, 12, limit=200)
    return math.log(z), top / z


@pytest.mark.parametrize("options", [{}, {"encoder": "coupling"}, {"hamiltonians": 3}])
@pytest.mark.parametrize(
    "S", ["q**2/2", "q**4/4 - q**2", "cosh(q) + q/2"], ids=["normal", "wells", "skew"]
)
def test_weights_agree_with_quadrature(S, options):
    """Of a model that never learned, and so has weights worth the name."""
    flow = plain(**options)
    (q,) = flow.base.space.q
    S = sp.sympify(S, {"q": q})
    weights = flow.weigh(S, 20_000, rng=1)
    log_z, second = quadrature(flow, S, q**2)
    assert abs(weights.log_z - log_z) < 4 * weights.log_z_error < 0.2
    for f in (q**2, lambda x: x[:, 0] ** 2):
        found = weights.mean(f)
        assert abs(found.value - second) < 4 * found.error
    value, error = weights.mean(q**2)
    assert (value, error) == (found.value, found.error)


@pytest.mark.parametrize(
    ("momenta", "options"), [(2, {"hamiltonians": 3}), (7, {"dtype": "float32"})]
)
def test_weights_of_several_momenta_are_exact_too(momenta, options):
    """Against quadrature, by an encoder that never learned."""
    flow = plain(**options)
    q = flow.base.space.q[0]
    S = q**4 / 4 - q**2
    weights = flow.weigh(S, 20_000, momenta=momenta, rng=1)
    log_z, second = quadrature(flow, S, q**2)
    assert abs(weights.log_z - log_z) < 4 * weights.log_z_error < 0.2
    found = weights.mean(q**2)
    assert abs(found.value - second) < 4 * found.error
    assert weights.ess > flow.weigh(S, 20_000, rng=1).ess


def test_many_momenta_leave_the_misfit_of_the_marginal():
    """An affine map, its own marginal as target, and an h(p|q) wider than the posterior."""
    flow, marginal = linear(2, width=1.6)
    q = sp.Matrix(flow.base.space.q)
    away = q - sp.Matrix(marginal.mean).applyfunc(sp.Rational)
    precision = sp.Matrix(np.linalg.inv(marginal.cov)).applyfunc(sp.Rational)
    S = sp.expand((away.T * precision * away)[0] / 2)
    shares = [flow.weigh(S, 2000, momenta=k).ess for k in (1, 4, 64)]
    assert shares[0] < shares[1] - 0.02 < shares[2] - 0.04
    assert shares[2] > 0.97
    log_z = np.linalg.slogdet(2 * np.pi * marginal.cov)[1] / 2
    weights = flow.weigh(S, 2000, momenta=64)
    assert abs(weights.log_z - log_z) < 4 * weights.log_z_error < 0.03


def test_weights_of_a_gaussian_have_its_closed_form():
    """ln Z = −½ ln det(A/2π), means and covariances; several observables at once."""
    flow, _ = linear(3, width=1.2)
    A = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 1.5]])
    q = sp.Matrix(flow.base.space.q)
    S = sp.expand((q.T * sp.Matrix(A).applyfunc(sp.nsimplify) * q)[0] / 2) - q[0]
    weights = flow.weigh(S, 50_000)
    covariance, mean = np.linalg.inv(A), np.linalg.solve(A, [1, 0, 0])
    log_z = -np.linalg.slogdet(A / (2 * np.pi))[1] / 2 + mean[0] / 2
    assert abs(weights.log_z - log_z) < 4 * weights.log_z_error
    found = weights.mean(lambda x: np.concatenate([x, (x - mean) ** 2], axis=1))
    expected = np.concatenate([mean, np.diag(covariance)])
    assert (np.abs(found.value - expected) < 4 * found.error).all()
    assert found.value.shape == found.error.shape == (6,)


def test_a_perfect_model_has_equal_weights():
    """S = |q|²/2 under the standard normal, held still, with h as it starts."""
    flow = plain(2, integrator=en.Leapfrog(1, 1e-300))
    q1, q2 = flow.base.space.q
    weights = flow.weigh((q1**2 + q2**2) / 2, 500)
    assert weights.ess == pytest.approx(1, abs=1e-12)
    assert weights.log_z == pytest.approx(math.log(2 * math.pi), abs=1e-12)
    assert weights.log_z_error < 1e-6
    assert weights.reliable
    chain = weights.metropolis(200)
    assert chain.acceptance == 1


def test_the_exact_posterior_leaves_nothing_to_the_weights():
    """An affine map, its own h(p|q) and its own marginal: every weight is Z."""
    flow, marginal = linear(2, width=1.0)
    q = sp.Matrix(flow.base.space.q)
    away = q - sp.Matrix(marginal.mean).applyfunc(sp.Rational)
    precision = sp.Matrix(np.linalg.inv(marginal.cov)).applyfunc(sp.Rational)
    weights = flow.weigh(sp.expand((away.T * precision * away)[0] / 2), 100)
    assert weights.ess == pytest.approx(1, abs=1e-12)
    log_z = np.linalg.slogdet(2 * np.pi * marginal.cov)[1] / 2
    assert weights.log_z == pytest.approx(log_z, abs=1e-10)


def effective(log_weights):
    w = np.exp(log_weights - log_weights.max())
    return w.sum() ** 2 / (len(w) * (w**2).sum())


def test_figures_are_those_of_the_weights_written_out():
    flow = make("so2", hamiltonians=2)
    q1, q2 = flow.base.space.q
    S = (q1**2 + q2**2) ** 2 / 4
    weights = flow.weigh(S, 300, rng=3)
    q, log_w = (np.concatenate(part) for part in zip(*weights.kept, strict=True))
    w = np.exp(log_w)
    assert weights.ess == pytest.approx(effective(log_w), rel=1e-12)
    assert weights.log_z == pytest.approx(math.log(w.mean()), rel=1e-12)
    error = w.std(ddof=1) / math.sqrt(300) / w.mean()
    assert weights.log_z_error == pytest.approx(error, rel=1e-10)
    f = q[:, 0] + 1e6  # an offset that does not cancel away
    found = weights.mean(lambda x: x[:, 0] + 1e6)
    mean = (w * f).sum() / w.sum()
    assert found.value == pytest.approx(mean, rel=1e-14)
    assert found.error == pytest.approx(
        math.sqrt((w**2 * (f - mean) ** 2).sum()) / w.sum(), rel=1e-8
    )


def test_what_does_not_fit_is_drawn_again_to_the_same_bits(monkeypatch):
    monkeypatch.setattr(inference, "ROWS_PER_BLOCK", 64)
    flow = make("so2")
    S = sum(x**2 for x in flow.base.space.q)
    kept = flow.weigh(S, 1000, rng=2)
    monkeypatch.setattr(weighing, "MOST_KEPT", 1000)
    streamed = flow.weigh(S, 1000, rng=2)
    assert kept.kept is not None
    assert streamed.kept is None
    flow.flat_weights[:] += 1  # what was weighed is the model as it was
    assert repr(kept) == repr(streamed)
    for ask in (
        lambda w: w.mean(S),
        lambda w: w.resample(50, rng=1),
        lambda w: w.metropolis(50, rng=1).points,
        lambda w: w.polish(50, rng=1).points,
    ):
        np.testing.assert_array_equal(ask(kept), ask(streamed))


def test_resampled_points_are_there_as_often_as_their_weights_say():
    """Systematic: each comes m w/Σw times, rounded up or down."""
    weights = plain().weigh(es.PhaseSpace(1).q[0] ** 2 * 2, 500)
    q, log_w = (np.concatenate(part) for part in zip(*weights.kept, strict=True))
    expected = 2000 * np.exp(log_w) / np.exp(log_w).sum()
    points = weights.resample(2000, rng=5)
    counts = (points == q.T).sum(axis=0)
    assert counts.sum() == len(points) == 2000
    assert (np.abs(counts - expected) < 1).all()
    assert not np.array_equal(points, weights.resample(2000, rng=6))


def test_chains_end_in_the_target():
    """Independence Metropolis and the polish, by Kolmogorov and Smirnov, against e^−S."""
    flow = plain()
    (q,) = flow.base.space.q
    S = (q - sp.Rational(1, 2)) ** 2 * 2  # N(1/2, 1/4)
    weights = flow.weigh(S, 4000)
    law = stats.norm(0.5, 0.5)
    chain = weights.metropolis(20_000, rng=1)
    tau = chain.autocorrelation_time()
    assert 0 < chain.acceptance < 1 < tau
    thinned = chain.points[:: math.ceil(3 * tau), 0]
    assert stats.kstest(thinned, law.cdf).pvalue > 1e-4
    assert abs(chain.points.mean() - 0.5) < 4 * 0.5 * math.sqrt(
        chain.autocorrelation_time(lambda x: x[:, 0]) / 20_000
    )
    np.testing.assert_allclose(chain.energies, 2 * (chain.points[:, 0] - 0.5) ** 2)
    polished = weights.polish(2000, transitions=40, rng=2)
    assert stats.kstest(polished.points[:, 0], law.cdf).pvalue > 1e-4
    assert len(np.unique(polished.points)) > 1990  # what was repeated has parted
    assert 0.5 < polished.acceptance <= 1


def test_the_acceptance_is_that_of_the_weights():
    """E min(1, w′/w) with w from the target and w′ from the model, by brute force."""
    flow = plain()
    S = flow.base.space.q[0] ** 2 * 3
    weights = flow.weigh(S, 4000)
    log_w = np.concatenate([w for _, w in weights.kept])
    w = np.exp(log_w)
    expected = np.minimum(w[:, None], w).sum() / (len(w) * w.sum())
    assert weights.metropolis(20_000).acceptance == pytest.approx(expected, abs=0.03)


def test_errors_of_log_z_are_calibrated():
    """(ln Z − true)/error over 40 replicates has variance 1: χ² within 1e-4 on either side."""
    flow = plain(2)
    S = sum(x**2 for x in flow.base.space.q)
    found = [flow.weigh(S, 1000, rng=seed) for seed in range(40)]
    z = np.array([(w.log_z - math.log(math.pi)) / w.log_z_error for w in found])
    assert 1e-4 < stats.chi2(40).cdf((z**2).sum()) < 1 - 1e-4


def test_weights_with_a_heavy_tail_say_so():
    """A target far wider than the model: k̂ is above its threshold, and the text says so."""
    weights = plain(3).weigh(sum(x**2 for x in es.PhaseSpace(3).q) / 32, 4000)
    assert not weights.reliable
    assert weights.pareto_k > 0.7
    assert "cannot be believed" in str(weights)
    assert "cannot be believed" in weights._repr_html_()


class Half:
    """A hard wall: half of the line has no density."""

    def value(self, x):
        return np.where(x[:, 0] > 0, x[:, 0] ** 2 / 2, np.inf)

    def gradient(self, x):
        return np.where(x > 0, x, 0.0)


class Nowhere(Half):
    def value(self, x):
        return np.full(len(x), np.inf)


def test_where_an_energy_is_infinite_there_is_no_weight():
    weights = plain().weigh(Half(), 20_000)
    assert abs(weights.log_z - math.log(math.sqrt(2 * math.pi) / 2)) < 4 * weights.log_z_error
    assert weights.mean(lambda x: x[:, 0] > 0) == (1, 0)
    assert (weights.resample(100) > 0).all()
    assert (weights.metropolis(100).points > 0).all()
    assert (weights.polish(100).points > 0).all()


def test_no_weight_at_all_is_told():
    weights = plain().weigh(Nowhere(), 100)
    assert (weights.ess, weights.log_z) == (0, -math.inf)
    for ask in (weights.mean, weights.resample, weights.metropolis, weights.polish):
        with pytest.raises(es.ArgumentError, match="infinite at all of them"):
            ask(10 if ask != weights.mean else np.sum)


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda flow, S: flow.weigh(S, 0), "n was 0"),
        (lambda flow, S: flow.weigh(S, 10, rng="x"), "rng was 'x'"),
        (lambda flow, S: flow.weigh(S, 10, momenta=0), "momenta was 0"),
        (lambda flow, S: flow.weigh(S, 10).mean(3), "f was 3"),
        (lambda flow, S: flow.weigh(S, 10).mean(np.sum), r"f returned shape \(\)"),
        (lambda flow, S: flow.weigh(S, 10).resample(0), "m was 0"),
        (lambda flow, S: flow.weigh(S, 10).metropolis(1.5), "m was 1.5"),
        (lambda flow, S: flow.weigh(S, 10).polish(5, step_size=-1), "step_size was -1"),
        (lambda flow, S: flow.weigh(S, 10).polish(5, transitions=0), "transitions was 0"),
    ],
)
def test_bad_arguments_are_named(ask, text):
    flow = plain()
    with pytest.raises(es.ArgumentError, match=text):
        ask(flow, flow.base.space.q[0] ** 2)


def test_a_model_trained_on_data_is_weighed_too():
    """A Boltzmann generator, in float32: the points' own energy."""
    space = es.PhaseSpace(2)
    x = np.random.default_rng(0).standard_normal((500, 2)) / 2
    flow = plain(2, dtype="float32", hamiltonians=2).fit(
        x, iterations=400, learning_rate=3e-3, progress=False
    )
    weights = flow.weigh(2 * sum(q**2 for q in space.q), 4000)
    assert weights.ess > 0.6
    assert abs(weights.log_z - math.log(math.pi / 2)) < 4 * weights.log_z_error


class Tilted:
    """(x − m)ᵀ P (x − m)/2 as code."""

    def __init__(self, mean, precision):
        self.mean, self.precision = mean, precision

    def value(self, x):
        return np.einsum("ni,ij,nj->n", x - self.mean, self.precision, x - self.mean) / 2

    def gradient(self, x):
        return (x - self.mean) @ self.precision


@pytest.fixture(scope="module")
def measured():
    """A front door that learned from correlated points, columns 1e6 times apart, far from 0."""
    mean, root = np.array([5e3, -2.0]), np.array([[300.0, 0.0], [2e-4, 3e-4]])
    x = mean + np.random.default_rng(0).standard_normal((400, 2)) @ root.T
    model = en.SymmetricDensity(max_iter=120, progress=False, rng=0).fit(x)
    return model, mean, root @ root.T


@pytest.mark.parametrize("as_code", [True, False])
def test_units_of_data_are_those_of_weights(measured, as_code):
    """ln Z, means, points and energies of a Gaussian in the units of x, in closed form."""
    model, mean, covariance = measured
    S = Tilted(mean, np.linalg.inv(covariance))
    if not as_code:
        away = sp.Matrix(es.PhaseSpace(2).q) - sp.Matrix(mean).applyfunc(sp.Rational)
        S = sp.expand((away.T * sp.Matrix(S.precision).applyfunc(sp.Rational) * away)[0] / 2)
    weights = model.weigh(S, 4000, rng=1)
    log_z = np.linalg.slogdet(2 * np.pi * covariance)[1] / 2
    assert abs(weights.log_z - log_z) < 4 * weights.log_z_error < 0.2
    assert weights.ess > 0.3
    found = weights.mean(lambda x: np.concatenate([x, (x - mean) ** 2], axis=1))
    expected = np.concatenate([mean, np.diag(covariance)])
    assert (np.abs(found.value - expected) < 4 * found.error).all()
    chain, polished = weights.metropolis(500), weights.polish(500)
    assert 0.5 < polished.acceptance <= 1
    assert not weights.missing_modes().collapsed
    width = np.sqrt(np.diag(covariance))
    for x in (weights.resample(500), chain.points, polished.points):
        assert (np.abs(x.mean(axis=0) - mean) < width / 2).all()
        assert (np.abs(x.std(axis=0) / width - 1) < 0.5).all()
    energies = Tilted(mean, np.linalg.inv(covariance)).value(chain.points)
    np.testing.assert_allclose(chain.energies, energies, atol=1e-4)


def test_faults_of_an_energy_are_told_in_units_of_data(measured):
    model, mean, covariance = measured

    class Wrong(Tilted):
        def value(self, x):
            return np.where(x[:, 0] > 5300, np.nan, super().value(x))

    with pytest.raises(es.ArgumentError, match=r"S was nan .* at q = \(5[3-9]\d\d"):
        model.weigh(Wrong(mean, np.linalg.inv(covariance)), 500)
    with pytest.raises(es.ArgumentError, match="not fitted"):
        en.SymmetricDensity().weigh(Wrong(mean, covariance), 500)
    missed = Tilted(mean + np.array([3e3, 0.0]), np.linalg.inv(covariance))
    assert model.weigh(missed, 500).missing_modes().example[0] > 7e3
