"""A user's own encoder: in a model, in a file, and what the checker says of planted faults."""

import math
from dataclasses import dataclass

import autograd.numpy as anp
import numpy as np
import pytest
from models import check_gradient_of_the_elbo, so2
from test_encoders import ENCODERS

import ehf_num as en
import ehf_sym as es

_CONSTANT = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Linear:
    """h(p|q) = N(A q + b, diag exp(s)²)."""

    dim: int

    def init(self, rng, dtype):
        return [np.zeros((self.dim, self.dim), dtype), *np.zeros((2, self.dim), dtype)]

    def draw(self, weights, q, noise):
        A, b, s = weights
        p = anp.dot(q, A) + b + anp.exp(s) * noise
        return p, -anp.sum(s + 0.5 * noise**2, axis=1) - self.dim * _CONSTANT


def model(encoder, **options):
    base, symmetry = so2()
    options = {"hidden": (8,), "rng": 0} | options
    return en.EquivariantHamiltonianFlow(base, symmetry, encoder=encoder, **options)


X = en.rings().sample(60, rng=0)


# --- in a model ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("enforce", ["penalty", "exact", "none"])
def test_it_trains_and_its_weights_move(enforce, dtype):
    flow = model(Linear(2), enforce=enforce, dtype=dtype)
    flow.fit(X, iterations=5, progress=False)
    assert flow.log_prob(X).dtype == dtype
    assert all(array.any() for array in flow.bound.encoder_weights)
    assert not flow.encoder_is_equivariant


def test_gradient_of_the_elbo():
    check_gradient_of_the_elbo(model(Linear(2)))


def test_it_is_the_same_as_the_built_in_of_the_same_family():
    """A coupling built by hand and one built in draw alike."""
    _, coupling = ENCODERS["coupling, d = 2"]
    ours, built_in = (model(e, hidden=(7, 5)) for e in (coupling, "coupling"))
    np.testing.assert_array_equal(ours.elbo(X), built_in.elbo(X))


def test_its_elbo_reaches_the_truth_where_the_family_holds_it():
    """With an identity flow and π normal, h = N(0, 1) makes the ELBO ln N(x; 0, 1)."""
    flow = model(Linear(2), step_size=1e-9)
    expected = -0.5 * np.sum(X**2, axis=1) - 2 * _CONSTANT
    np.testing.assert_allclose(flow.elbo(X), expected, atol=1e-6)


def test_importance_weights_of_it_agree_with_quadrature():
    flow = model(Linear(2)).fit(X, iterations=20, progress=False)
    drawn = flow.likelihood(X[:5], n_samples=2000)
    exact = flow.likelihood(X[:5], method="quadrature")
    errors = np.hypot(drawn.standard_errors, 1e-3)
    assert (np.abs(drawn.values - exact.values) < 5 * errors).all()


def test_the_word_own_is_no_encoder():
    with pytest.raises(es.ArgumentError, match="should be the encoder itself"):
        model("own")


# --- in a file ----------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    flow = model(Linear(2)).fit(X, iterations=5, progress=False)
    flow.save(tmp_path / "m.npz")
    return flow, tmp_path / "m.npz"


def test_it_comes_back(saved):
    flow, path = saved
    again = en.load(path, encoder=Linear(2))
    np.testing.assert_array_equal(again.elbo(X), flow.elbo(X))
    again.fit(X, iterations=3, progress=False)
    flow.fit(X, iterations=3, progress=False)
    np.testing.assert_array_equal(again.elbo(X), flow.elbo(X))
    assert again.settings == flow.settings


def test_a_missing_encoder_is_asked_for(saved):
    with pytest.raises(es.ArgumentError, match=r"encoder was None.*Linear"):
        en.load(saved[1])


class Transposed(Linear):
    """As many weights in other shapes."""

    def init(self, rng, dtype):
        return [np.zeros((1, 4), dtype), *np.zeros((2, self.dim), dtype)]

    def draw(self, weights, q, noise):
        return Linear.draw(self, [weights[0].reshape(2, 2), *weights[1:]], q, noise)


@pytest.mark.parametrize("other", [Transposed(2), en.GaussianEncoder(2, (4,))])
def test_another_encoder_is_refused(saved, other):
    with pytest.raises(es.ArgumentError, match=r"with weights of shapes .* the Linear in .* has"):
        en.load(saved[1], encoder=other)


def test_what_is_no_encoder_is_refused(saved):
    with pytest.raises(es.ArgumentError, match="has no method init"):
        en.load(saved[1], encoder=3)


def test_an_encoder_that_was_not_own_is_refused(tmp_path):
    model("gaussian").save(tmp_path / "m.npz")
    with pytest.raises(es.ArgumentError, match="built in"):
        en.load(tmp_path / "m.npz", encoder=Linear(2))


# --- checked ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENCODERS)
def test_the_built_in_ones_pass(name):
    dim, encoder = ENCODERS[name]
    report = en.check_encoder(encoder, dim)
    assert report.passed, str(report)
    names = [check.name for check in report.checks]
    assert len(names) == (9 if dim <= 2 else 8)
    assert ("draws reach every p once" in names) == (dim <= 2)  # it is not looked at beyond


@pytest.mark.parametrize("seed", range(4))
def test_a_right_one_passes(seed):
    report = en.check_encoder(Linear(3), 3, rng=seed)
    assert report.passed, str(report)


class NoConstant(Linear):
    def draw(self, weights, q, noise):
        p, log_h = Linear.draw(self, weights, q, noise)
        return p, log_h + self.dim * _CONSTANT


class WrongSign(Linear):
    def draw(self, weights, q, noise):
        p, log_h = Linear.draw(self, weights, q, noise)
        return p, log_h + 2 * anp.sum(weights[2])


class NoJacobian(Linear):
    def draw(self, weights, q, noise):
        p, log_h = Linear.draw(self, weights, q, noise)
        return p, log_h + anp.sum(weights[2])


class Negated(Linear):
    def draw(self, weights, q, noise):
        p, log_h = Linear.draw(self, weights, q, noise)
        return p, -log_h


class PerDimension(Linear):
    """Forgets to sum over components."""

    def draw(self, weights, q, noise):
        p, _ = Linear.draw(self, weights, q, noise)
        return p, -(weights[2] + 0.5 * noise**2)


class Widening(Linear):
    """A float64 scalar in float32 arrays."""

    def draw(self, weights, q, noise):
        p, log_h = Linear.draw(self, weights, q, noise)
        return p, log_h + np.log(np.float64(1))


class Wide(Linear):
    def init(self, rng, dtype):
        return Linear.init(self, rng, "float64")


class Loose(Linear):
    def init(self, rng, dtype):
        return [0.0]


class Endless(Linear):
    def init(self, rng, dtype):
        return [*Linear.init(self, rng, dtype)[:2], np.full(self.dim, np.inf, dtype)]


class Chancy(Linear):
    def init(self, rng, dtype):
        return [
            np.random.default_rng().standard_normal(w.shape).astype(dtype)
            for w in Linear.init(self, rng, dtype)
        ]


class OwnNoise(Linear):
    def draw(self, weights, q, noise):
        return Linear.draw(self, weights, q, np.random.default_rng().standard_normal(noise.shape))


class Normalized(Linear):
    """Looks at the mean of the batch."""

    def draw(self, weights, q, noise):
        return Linear.draw(self, weights, q - anp.mean(q, axis=0), noise)


class Unused(Linear):
    def init(self, rng, dtype):
        return [*Linear.init(self, rng, dtype), np.zeros((2, 5), dtype)]

    def draw(self, weights, q, noise):
        return Linear.draw(self, weights[:3], q, noise)


class NotOnTheTape(Linear):
    def draw(self, weights, q, noise):
        p, log_h = Linear.draw(self, weights, q, noise)
        return p, np.asarray(log_h, dtype=q.dtype)


class Detached(Linear):
    """Half of the gradient goes missing."""

    def draw(self, weights, q, noise):
        held = [getattr(w, "_value", w) for w in weights]
        return Linear.draw(self, weights, q, noise)[0], Linear.draw(self, held, q, noise)[1]


class NotFinite(Linear):
    def draw(self, weights, q, noise):
        p, log_h = Linear.draw(self, weights, q, noise)
        return p, log_h + math.inf


class Folded(Linear):
    """p = |noise|, with the density that the slope alone gives."""

    def draw(self, weights, q, noise):
        p, log_h = Linear.draw(self, weights, q, anp.abs(noise))
        return p, log_h


class Squared(Linear):
    """The complex square of the noise: its Jacobian has one sign, and yet two draws meet."""

    def draw(self, weights, q, noise):
        A, b, s = weights
        x, y = noise[:, :1], noise[:, 1:]
        z = anp.concatenate([x**2 - y**2, 2 * x * y], axis=1)
        log_det = anp.log(4 * anp.sum(noise**2, axis=1)) + anp.sum(s)
        normal = -0.5 * anp.sum(noise**2, axis=1) - 2 * _CONSTANT
        return anp.dot(q, A) + b + anp.exp(s) * z, normal - log_det


class Raises(Linear):
    def draw(self, weights, q, noise):
        raise ZeroDivisionError("oh")


class WrongScore(Linear):
    def score(self, weights, q, noise):
        return -noise  # without the scale


class SummedScore(Linear):
    def score(self, weights, q, noise):
        return np.sum(-noise * np.exp(-weights[2]), axis=1)


class NoSlopeInNoise(Linear):
    def draw(self, weights, q, noise):
        return Linear.draw(self, weights, q, np.asarray(noise, dtype=q.dtype))


FAULTS = {
    "wrong score": (WrongScore(2), "∂ ln h/∂p is"),
    "score of another shape": (SummedScore(2), "score returned shape (64,); it should be (64, 2)"),
    "noise is not on the tape": (NoSlopeInNoise(2), "or a method score"),
    "not an encoder": (object(), "has no method init"),
    "no draw": (type("Half", (), {"init": Linear.init})(), "has no method draw"),
    "no constant": (NoConstant(2), "the constant −½ d ln 2π is missing"),
    "wrong sign": (WrongSign(2), "wrong sign"),
    "no Jacobian": (NoJacobian(2), r"∂noise| is missing"),
    "negated": (Negated(2), "its sign is wrong"),
    "not summed": (PerDimension(2), "they should be (1, 2) and (1,)"),
    "widens": (Widening(2), "draw returned float32 and float64 for float32"),
    "wide weights": (Wide(2), "float64 as weight 0 when asked for float32"),
    "loose weights": (Loose(2), "init returned float as weight 0"),
    "weights not finite": (Endless(2), "init returned a weight 2 that is not finite"),
    "chance in init": (Chancy(2), "other weights from the same rng"),
    "chance in draw": (OwnNoise(2), "other values for the same q and noise"),
    "sees the batch": (Normalized(2), "row 0 alone is treated differently"),
    "unused weight": (Unused(2), "weight 3 of shape (2, 5) is zero"),
    "not on the tape": (NotOnTheTape(2), "autograd.numpy's functions"),
    "detached": (Detached(2), "the slope in a random direction"),
    "not finite": (NotFinite(2), "not finite"),
    "folded": (Folded(2), "both signs"),
    "folded, d = 1": (Folded(1), "both signs"),
    "squared": (Squared(2), "are reached 2 times"),
    "raises": (Raises(2), "raised ZeroDivisionError: oh"),
    "another dimension": (Linear(3), "raised ValueError"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_are_named(case):
    encoder, words = FAULTS[case]
    report = en.check_encoder(
        encoder, getattr(encoder, "dim", 2) if case != "another dimension" else 2
    )
    assert not report.passed
    assert words in str(report)


@pytest.mark.parametrize(
    "case", ["not an encoder", "not summed", "wide weights", "another dimension"]
)
def test_a_model_refuses_what_has_no_form(case):
    with pytest.raises(es.ArgumentError, match="encoder was"):
        model(FAULTS[case][0])


def test_a_float32_model_refuses_what_widens():
    with pytest.raises(es.ArgumentError, match="float64 for float32"):
        model(Widening(2), dtype="float32")
    assert model(Widening(2)).sample(3, rng=0).shape == (3, 2)


class AlongQ(Linear):
    """Noise in directions that turn with q: it is equivariant without turning the noise."""

    def draw(self, weights, q, noise):
        unit = q / anp.sqrt(anp.sum(q**2, axis=1, keepdims=True))
        turned = anp.concatenate([-unit[:, 1:], unit[:, :1]], axis=1)
        scales = anp.exp(weights[2]) * noise
        p = scales[:, :1] * unit + scales[:, 1:] * turned
        return p, -anp.sum(weights[2] + 0.5 * noise**2, axis=1) - 2 * _CONSTANT


@pytest.mark.parametrize("name", ["coupling, SO(2)", "coupling, SO(3)"])
def test_equivariant_ones_move_with_the_symmetry(name):
    dim, encoder = ENCODERS[name]
    report = en.check_encoder(encoder, dim, symmetry=es.groups.so(dim))
    assert report.passed, str(report)
    assert report.checks[-1].name == "draws move with the symmetry"


def test_noise_may_stay_where_the_directions_turn():
    report = en.check_encoder(AlongQ(2), 2, symmetry=es.groups.so(2))
    assert report.checks[-1].fault is None


def test_others_do_not_move_with_the_symmetry():
    report = en.check_encoder(Linear(2), 2, symmetry=es.groups.so(2))
    assert "is not the turned p" in report.checks[-1].fault
    assert not report.passed


@pytest.mark.parametrize("symmetry", [es.groups.so(3), es.groups.translations(2), "so(2)"])
def test_symmetries_that_cannot_be_tried_are_refused(symmetry):
    with pytest.raises(es.ArgumentError, match="symmetry"):
        en.check_encoder(Linear(2), 2, symmetry=symmetry)


def test_the_checkers_own_arguments():
    with pytest.raises(es.ArgumentError, match="dim"):
        en.check_encoder(Linear(2), 0)
