"""The bounds that training raises: their values, and gradients without bias and with less noise."""

import autograd.numpy as anp
import numpy as np
import pytest
import sympy as sp
from models import make, step
from scipy import stats
from scipy.special import logsumexp

import ehf_num as en
import ehf_sym as es
from ehf_num.densities.encoder import encoder_score
from ehf_num.densities.monotone import MonotoneEncoder
from ehf_num.hamiltonian.parameters import ParameterVector
from ehf_num.training.bounds import Bound

pytestmark = pytest.mark.usefixtures("each_engine")

X = np.array([[0.7, -1.1]])


def inputs(flow, bound, n, rng):
    x = bound.repeat(np.repeat(X[:, : flow.dim], n, axis=0))
    return x, rng.standard_normal(x.shape)


@pytest.mark.parametrize("objective", ["elbo", "importance"])
@pytest.mark.parametrize("draws", [1, 3])
def test_values_are_those_of_the_definition(objective, draws):
    flow, bound = make("so2", enforce="none"), Bound(objective, draws)
    x, noise = inputs(flow, bound, 5, np.random.default_rng(0))
    terms, _ = step(flow, bound, x, noise)
    table = flow.bound.log_weights(x, noise).reshape(5, draws)
    expected = table if objective == "elbo" else logsumexp(table, axis=1, b=1 / draws)
    assert terms == pytest.approx(np.mean(expected), rel=1e-12)
    assert bound.mean(flow.bound, x, noise) == pytest.approx(np.mean(expected))


def test_more_draws_make_a_tighter_bound():
    flow, values = make("so2", enforce="none"), []
    for draws in (1, 4, 16):
        bound = Bound("importance", draws)
        noise = inputs(flow, bound, 2000, np.random.default_rng(1))
        values.append(bound.mean(flow.bound, *noise))
    assert values[0] < values[1] < values[2]


def flat_gradient(flow, bound, x, noise):
    return step(flow, bound, x, noise)[1]


CASES = [
    ("so2", "gaussian", {}, 1),
    ("so2", "gaussian", {}, 3),
    ("so2", "coupling", {"enforce": "exact"}, 3),
    ("oscillator", "coupling", {}, 2),
]


@pytest.mark.parametrize(("case", "encoder", "options", "draws"), CASES)
def test_the_gradient_has_the_expectation_of_the_bounds(case, encoder, options, draws):
    """Against central differences of the bound under common noise, by a t test along directions.

    Eight t values with 23 degrees of freedom: |t| < 5 for all of them fails a right gradient once
    in 2,600 runs, and the seed is fixed.
    """
    options = {"enforce": "none", "hidden": (6,)} | options
    flow, bound = make(case, encoder=encoder, **options), Bound("importance", draws)
    flat, rng = flow.flat_weights, np.random.default_rng(4)
    of_encoder = sum(w.size for w in flow.bound.encoder_weights)
    for part in (slice(0, -of_encoder), slice(-of_encoder, None)):  # θ, φ
        direction = np.zeros(flat.size)
        direction[part] = rng.standard_normal(direction[part].size)
        start, differences = flat.copy(), []
        for _ in range(24):
            x, noise = inputs(flow, bound, 500, rng)
            values = []
            for sign in (1, -1):
                flat[:] = start + sign * 1e-4 * direction
                values.append(bound.mean(flow.bound, x, noise))
            flat[:] = start
            slope = (values[0] - values[1]) / 2e-4
            differences.append(-flat_gradient(flow, bound, x, noise) @ direction - slope)
        t = np.mean(differences) / (np.std(differences, ddof=1) / np.sqrt(len(differences)))
        assert abs(t) < 5 or np.max(np.abs(differences)) < 1e-5


def test_theta_has_the_plain_gradient_exactly():
    """Only the encoder's is reparametrized twice: θ against central differences, no statistics."""
    flow, bound = make("so2", enforce="none"), Bound("importance", 4)
    x, noise = inputs(flow, bound, 5, np.random.default_rng(0))
    of_encoder = sum(w.size for w in flow.bound.encoder_weights)
    start = ParameterVector(flow.weights).flat
    direction = np.random.default_rng(1).standard_normal(start.size)
    direction[-of_encoder:] = 0

    def value(step):
        vector = ParameterVector(flow.weights)
        vector.flat[:] = start + step * direction
        return bound.mean(flow.objective.at(vector.arrays), x, noise)

    slope = (value(1e-6) - value(-1e-6)) / 2e-6
    assert -flat_gradient(flow, bound, x, noise) @ direction == pytest.approx(slope, rel=1e-6)


def test_learned_base_parameters_have_the_plain_gradient_too():
    space = es.PhaseSpace(2, parameters=sp.symbols("a b", positive=True))
    (a, b), (q1, q2), (p1, p2) = space.parameters, space.q, space.p
    base = es.BaseDensity(space, log_density=-(a * (q1**2 + q2**2) + b * (p1**2 + p2**2)) / 2)
    flow = en.EquivariantHamiltonianFlow(base, es.groups.so(2), hidden=(6,), rng=0)
    bound, arrays = Bound("importance", 4), flow.weights
    x, noise = inputs(flow, bound, 5, np.random.default_rng(0))
    _, gradient = step(flow, bound, x, noise)
    *others, learned = arrays
    assert learned.size == 2
    for k in range(2):
        values = []
        for change in (1e-6, -1e-6):
            moved = learned.copy()
            moved[k] += change
            values.append(bound.mean(flow.objective.at([*others, moved]), x, noise))
        assert -gradient[-2 + k] == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-6)


class Shifted:
    """A user's own encoder without a score: N(w q, 1)."""

    def init(self, rng, dtype):
        return [np.full(1, 0.2, dtype)]

    def draw(self, weights, q, noise):
        log_h = -anp.sum(0.5 * noise**2, axis=1) - np.log(2 * np.pi)
        return weights[0] * q + noise, log_h


def test_a_users_own_encoder_trains_by_the_importance_weighted_bound():
    symmetry = es.groups.so(2)
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(symmetry.space), symmetry, encoder=Shifted(), hidden=(6,), rng=0
    )
    start = float(flow.weights[-1][0])
    x = en.rings().sample(30, rng=0)
    flow.fit(x, iterations=30, objective="importance", draws=3, learning_rate=1e-2, progress=False)
    assert flow.result_.stop_reason == "iterations"
    assert abs(float(flow.weights[-1][0]) - start) > 1e-3
    noise = np.random.default_rng(0).standard_normal((5, 2))
    score = encoder_score(Shifted(), [np.array([0.2])], np.ones((5, 2)), noise)
    np.testing.assert_allclose(score, -noise, rtol=1e-12)


def test_the_encoders_gradient_has_less_noise_than_the_plain_one():
    """Relative standard deviation of the gradient along its mean, K = 16, against differences."""
    flow, bound = make("so2", enforce="none", hidden=(6,)), Bound("importance", 16)
    rng = np.random.default_rng(7)
    flat = flow.flat_weights
    of_encoder = sum(w.size for w in flow.bound.encoder_weights)
    direction = np.zeros(flat.size)
    direction[-of_encoder:] = rng.standard_normal(of_encoder)
    ours, plain = [], []
    for _ in range(300):
        x, noise = inputs(flow, bound, 1, rng)
        ours.append(-flat_gradient(flow, bound, x, noise) @ direction)
        start, values = flat.copy(), []
        for sign in (1, -1):
            flat[:] = start + sign * 1e-5 * direction
            values.append(bound.mean(flow.bound, x, noise))
        flat[:] = start
        plain.append((values[0] - values[1]) / 2e-5)
    assert np.std(ours) < 0.7 * np.std(plain)


def test_no_noise_is_left_where_the_encoder_is_exact():
    """H = 0: the posterior of p is N(0, 1), which h starts as; then every log weight is ln p(x)."""
    space = es.PhaseSpace(2)
    flow = en.EquivariantHamiltonianFlow(es.StandardNormal(space), enforce="none", hidden=(6,))
    encoder = flow.bound.encoder_weights
    for array in flow.weights[: -len(encoder)]:
        array[:] = 0
    bound = Bound("importance", 1)
    x, noise = inputs(flow, bound, 1, np.random.default_rng(0))
    sizes = sum(w.size for w in encoder)
    np.testing.assert_allclose(flat_gradient(flow, bound, x, noise)[-sizes:], 0, atol=1e-13)
    plain = flat_gradient(flow, Bound("elbo"), x, noise)[-sizes:]
    assert np.abs(plain).max() > 0.1
    value = bound.mean(flow.bound, x, noise)
    assert value == pytest.approx(stats.norm.logpdf(X).sum(), rel=1e-12)


ENCODERS = {
    "gaussian": lambda: make("so3").objective.encoder,
    "coupling": lambda: make("so3", encoder="coupling", enforce="none").objective.encoder,
    "moving": lambda: make("so3", encoder="coupling", enforce="exact").objective.encoder,
}


@pytest.mark.parametrize("name", ENCODERS)
def test_scores_against_differences_of_the_density(name):
    """Move p by a difference; find the noise of the moved p by Newton's method; look at ln h."""
    encoder, rng = ENCODERS[name](), np.random.default_rng(3)
    weights = [w + 0.3 * rng.standard_normal(w.shape) for w in encoder.init(rng, "float64")]
    q, noise = rng.standard_normal((2, 4, 3))
    score = encoder_score(encoder, weights, q, noise)

    def jacobian(z):
        columns = []
        for row in np.eye(3) * 1e-6:
            ahead, behind = (encoder.draw(weights, q, z + s * row)[0] for s in (1, -1))
            columns.append((ahead - behind) / 2e-6)
        return np.stack(columns, axis=2)

    p = encoder.draw(weights, q, noise)[0]
    for i in range(3):
        values = []
        for sign in (1, -1):
            target, z = p.copy(), noise.copy()
            target[:, i] += sign * 1e-4
            for _ in range(8):
                gap = target - encoder.draw(weights, q, z)[0]
                z += np.linalg.solve(jacobian(z), gap[..., None])[..., 0]
            values.append(encoder.draw(weights, q, z)[1])
        np.testing.assert_allclose(
            score[:, i], (values[0] - values[1]) / 2e-4, rtol=1e-4, atol=1e-5
        )


def test_score_of_an_increasing_map_against_differences():
    encoder, rng = MonotoneEncoder((8,)), np.random.default_rng(3)
    weights = [w + 0.3 * rng.standard_normal(w.shape) for w in encoder.init(rng, "float64")]
    q, noise = rng.standard_normal((2, 6, 1))
    (ahead, log_ahead), (behind, log_behind) = (
        encoder.draw(weights, q, noise + step) for step in (1e-5, -1e-5)
    )
    expected = (log_ahead - log_behind)[:, None] / (ahead - behind)
    np.testing.assert_allclose(encoder_score(encoder, weights, q, noise), expected, rtol=1e-6)


def test_gaussian_score_is_that_of_any_encoder():
    """The closed form against d + 1 backward passes."""
    encoder = make("so3").objective.encoder

    class Anonymous:
        draw = staticmethod(encoder.draw)

    rng = np.random.default_rng(0)
    weights = [w + 0.3 * rng.standard_normal(w.shape) for w in encoder.init(rng, "float64")]
    q, noise = rng.standard_normal((2, 5, 3))
    closed = encoder_score(encoder, weights, q, noise)
    np.testing.assert_allclose(closed, encoder_score(Anonymous(), weights, q, noise), rtol=1e-11)


@pytest.mark.parametrize("objective", ["elbo", "importance"])
def test_training_by_each_bound(objective):
    flow = make("so2", enforce="penalty", dtype="float32")
    x = en.rings().sample(40, rng=0)
    before = flow.elbo(x).mean()
    flow.fit(
        x, iterations=150, learning_rate=3e-3, objective=objective, draws=4, validation=0.25,
        progress=False,
    )  # fmt: skip
    assert flow.elbo(x).mean() > before
    held_out = flow.result_.history.validation_elbo
    assert held_out.max() > held_out[0]
    assert (flow.result_.objective, flow.result_.draws) == (objective, 4)
    assert all(w.dtype == np.float32 for w in flow.weights)
    points, states = np.ones((2, 4, 2), "f4"), np.ones((3, 4), "f4")
    terms, gradient = step(flow, Bound(objective, 2), *points, states, np.ones(1))
    assert terms.dtype == gradient.dtype == np.float32


@pytest.mark.parametrize(
    "options", [{"objective": "evidence"}, {"draws": 0}, {"draws": 2.5}, {"schedule": "step"}]
)
def test_unknown_objectives_are_refused_before_any_work(options):
    flow = make("so2")
    start = flow.weights[0].copy()
    with pytest.raises(es.ArgumentError, match=next(iter(options))):
        flow.fit(X, iterations=3, **options)
    np.testing.assert_array_equal(flow.weights[0], start)
