"""Encoders with networks in C: against the reference, and finite differences."""

import pickle
from dataclasses import dataclass

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from autograd.test_util import check_grads
from test_encoders import ENCODERS, away_from_start

import ehf_num as en
import ehf_sym as es
from ehf_num.densities.coupling import CouplingEncoder
from ehf_num.densities.encoder import GaussianEncoder, encoder_score
from ehf_num.densities.momentum_frames import MovingFrame
from ehf_num.densities.monotone import MonotoneEncoder
from ehf_num.engine import native
from ehf_num.engine.tape import make_vjp


def phase(fields: int) -> tuple[int, CouplingEncoder]:
    """U(1) on ℂ²: z, iz and (z_2, 0), of which so many are taken."""
    x1, x2, y1, y2 = q = es.PhaseSpace(4).q
    rows = [[x1, x2, y1, y2], [-y1, -y2, x1, x2], [x2, 0, y2, 0]]
    invariants = [x1**2 + y1**2, x2**2 + y2**2, x1 * x2 + y1 * y2, x1 * y2 - x2 * y1]
    frame = MovingFrame(es.to_numpy(invariants, q), es.to_numpy(rows[:fields], q))
    return 4, CouplingEncoder(4, (7, 5), frame)


CASES = ENCODERS | {
    "coupling, U(1), two directions": phase(2),
    "coupling, U(1), three directions": phase(3),
}
LOOSE = {"float32": 2e-4, "float64": 1e-11}


@dataclass(frozen=True)
class Plain:
    """The same draw by the reference, without a score of its own."""

    encoder: GaussianEncoder | CouplingEncoder | MonotoneEncoder

    def draw(self, weights, q, noise):
        before = native._State.enabled
        native.set_native(False)
        try:
            return self.encoder.draw(weights, q, noise)
        finally:
            native.set_native(before)


def start(name, dtype="float64", rows=30):
    dim, encoder = CASES[name]
    q, noise = np.random.default_rng(6).standard_normal((2, rows, dim)).astype(dtype)
    return encoder, away_from_start(encoder, dtype), q, noise


def pullback(encoder, weights, q, noise):
    """Trace a draw: what turns cotangents into those of noise and weights, and the value."""
    return make_vjp(lambda roots: joined(encoder, roots[1:], q, roots[0]), [noise, *weights])


def joined(encoder, weights, q, noise):
    p, log_h = encoder.draw(weights, q, noise)
    return anp.concatenate([p, anp.reshape(log_h, (-1, 1))], axis=1)


def assert_close(actual, expected, dtype="float64"):
    assert actual.dtype == dtype
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=LOOSE[dtype] * scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_value_and_every_bar_are_those_of_the_plain_form(name, dtype, each_engine):
    encoder, weights, q, noise = start(name, dtype)
    bars, values = [], []
    cotangent = np.random.default_rng(7).standard_normal((30, q.shape[1] + 1)).astype(dtype)
    for form in (encoder, Plain(encoder)):
        vjp, value = pullback(form, weights, q, noise)
        bars.append(vjp(cotangent))
        values.append(value)
    assert_close(*values, dtype)
    assert_close(joined(encoder, weights, q, noise), values[1], dtype)
    for ours, plain in zip(*bars, strict=True):
        assert_close(ours, plain, dtype)


@pytest.mark.parametrize("name", CASES)
def test_directional_derivatives_against_central_differences(name):
    encoder, weights, q, noise = start(name)
    cotangent = np.random.default_rng(7).standard_normal((30, q.shape[1] + 1))
    arrays, bars = [noise, *weights], pullback(encoder, weights, q, noise)[0](cotangent)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        ways = [rng.standard_normal(array.shape) for array in arrays]

        def value(step, ways=ways):
            moved, *others = (a + step * way for a, way in zip(arrays, ways, strict=True))
            return np.sum(cotangent * joined(encoder, others, q, moved))

        expected = (value(1e-6) - value(-1e-6)) / 2e-6
        slope = sum(np.sum(bar * way) for bar, way in zip(bars, ways, strict=True))
        assert abs(slope - expected) < 1e-6 * max(1, abs(expected))


@pytest.mark.parametrize("name", CASES)
def test_a_second_pullback_starts_from_what_forward_kept(name, each_engine):
    encoder, weights, q, noise = start(name)
    pulled, _ = pullback(encoder, weights, q, noise)
    one, two = np.random.default_rng(8).standard_normal((2, 30, q.shape[1] + 1))
    first, second = ([bar.copy() for bar in pulled(c)] for c in (one, two))
    for again, before in zip(pulled(one), first, strict=True):
        np.testing.assert_array_equal(again, before)
    for both, a, b in zip(pulled(one + two), first, second, strict=True):
        assert_close(both, a + b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_score_is_that_of_the_general_way(name, dtype, each_engine):
    encoder, weights, q, noise = start(name, dtype)
    expected = encoder_score(Plain(encoder), *start(name)[1:])
    # The general way inverts a Jacobian: in float64 for both.
    np.testing.assert_allclose(
        encoder_score(encoder, weights, q, noise), expected, rtol=0, atol=LOOSE[dtype] * 50
    )
    assert encoder.score(weights, q, noise).dtype == dtype


@pytest.mark.parametrize("name", CASES)
def test_score_against_central_differences(name):
    """Along any way in the noise, ln h changes by the score times the change of p."""
    encoder, weights, q, noise = start(name)
    score = encoder.score(weights, q, noise)
    for seed in range(4):
        step = 1e-6 * np.random.default_rng(seed).standard_normal(noise.shape)
        ahead, behind = (joined(encoder, weights, q, noise + s) for s in (step, -step))
        change = (ahead - behind) / 2e-6
        np.testing.assert_allclose(
            np.sum(score * change[:, :-1], axis=1), change[:, -1], rtol=1e-5, atol=1e-5
        )


def test_score_where_nothing_is_left_beside_the_directions():
    encoder, weights, _, _ = start("coupling, SO(3)")
    x_axis = np.array([[3.0, 0, 0]])
    (score,) = encoder.score(weights, x_axis, 0.5 * x_axis)
    assert np.isfinite(score).all()
    assert abs(score[0]) > 0.1
    assert not score[1:].any()


@pytest.mark.parametrize("name", CASES)
def test_derivative_in_q(name):
    encoder, weights, q, noise = start(name, rows=3)
    check_grads(lambda q: joined(encoder, weights, q, noise), modes=["rev"], order=1)(q)
    ours, plain = (
        grad(lambda q, form=form: anp.sum(joined(form, weights, q, noise)))(q)
        for form in (encoder, Plain(encoder))
    )
    assert_close(ours, plain)


@pytest.mark.parametrize(
    "name", ["gaussian, d = 3", "monotone", "coupling, d = 2", "coupling, U(1), three directions"]
)
def test_second_derivatives_go_through_the_plain_form(name):
    encoder, weights, q, noise = start(name, rows=2)
    check_grads(
        lambda noise, bias: joined(encoder, [*weights[:-1], bias], q, noise),
        modes=["rev"],
        order=2,
    )(noise, weights[-1])


@pytest.mark.parametrize("name", ["coupling, d = 5", "coupling, U(1), two directions"])
def test_threads_change_rounding_alone(name):
    encoder, weights, q, noise = start(name, rows=40_000)
    draws, scores = [], []
    try:
        for count in (1, 2, 2):
            en.set_threads(count)
            draws.append(joined(encoder, weights, q, noise))
            scores.append(encoder.score(weights, q, noise))
    finally:
        en.set_threads(None)
    for once, twice, again in (draws, scores):
        assert_close(twice, once)
        np.testing.assert_array_equal(again, twice)


@pytest.mark.skipif(
    native.why_not() is not None, reason="products in NumPy depend on the number of rows"
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_a_row_does_not_depend_on_its_neighbours(name, dtype):
    encoder, weights, q, noise = start(name, dtype, rows=60)
    together = joined(encoder, weights, q, noise)
    alone = [joined(encoder, weights, q[k : k + 1], noise[k : k + 1]) for k in range(60)]
    if name.startswith(("convolution", "windows")):  # products in NumPy with kernels too
        rounding = 100 * np.finfo(dtype).eps
        np.testing.assert_allclose(np.concatenate(alone), together, rtol=rounding, atol=rounding)
    else:
        np.testing.assert_array_equal(np.concatenate(alone), together)


def test_an_encoder_that_has_drawn_can_be_copied():
    encoder, weights, q, noise = start("coupling, SO(3)")
    drawn = joined(encoder, weights, q, noise)
    copy = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(joined(copy, weights, q, noise), drawn)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_directions_are_those_of_a_triangular_factorization(dtype):
    """Orthonormal, and each field is a sum of its own and earlier directions, its own positive."""
    _, encoder = CASES["coupling, U(1), three directions"]
    q = np.random.default_rng(9).standard_normal((500, 4))
    q[:50, 1::2] = 0  # z_2 = 0: the third field vanishes
    q[50:100, :2] = q[50:100, 2:] * 1e-5  # the third almost depends on the others
    q = q.astype(dtype)
    _, directions = encoder.frame.at(q)
    assert directions.dtype == dtype
    unit = np.swapaxes(directions, 1, 2) @ directions
    loose = {"float32": 1e-5, "float64": 1e-13}[dtype]
    np.testing.assert_allclose(unit, np.broadcast_to(np.eye(3), unit.shape), atol=loose)
    triangles = encoder.frame.fields(q) @ directions
    np.testing.assert_allclose(np.triu(triangles, 1), 0, atol=10 * loose)
    assert (np.diagonal(triangles, axis1=1, axis2=2)[:, :2] > 0).all()
    assert (np.diagonal(triangles, axis1=1, axis2=2)[100:] > 0).all()
