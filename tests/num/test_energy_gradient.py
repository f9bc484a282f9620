"""The hot kernel against nested automatic differentiation, to third order."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad, jacobian
from autograd.test_util import check_grads

from ehf_num.engine.engine import energy_gradient
from ehf_num.engine.networks import energy, energy_gradient_reference, init_energy

pytestmark = pytest.mark.usefixtures("each_engine")
SIZES = [(2, 5, 1), (3, 7, 6, 1), (1, 4, 5, 6, 1)]


def make(sizes, dtype="float64", n=9):
    rng = np.random.default_rng(7)
    weights = [
        (array + 0.3 * rng.standard_normal(array.shape)).astype(dtype)
        for array in init_energy(sizes, rng, dtype)
    ]
    x = rng.standard_normal((n, sizes[0])).astype(dtype)
    cotangent = rng.standard_normal(x.shape).astype(dtype)
    return x, weights, cotangent


@pytest.mark.parametrize("sizes", SIZES)
def test_value_is_the_gradient_of_the_energy(sizes):
    x, weights, _ = make(sizes)
    nested = grad(lambda x: anp.sum(energy(x, *weights)))(x)
    np.testing.assert_allclose(energy_gradient(x, *weights), nested, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        energy_gradient_reference(x, *weights), nested, rtol=1e-12, atol=1e-14
    )


def test_energy_is_a_plain_soft_plus_network():
    x, weights, _ = make((2, 3, 4, 1))
    w1, b1, w2, b2, w3 = weights
    for row, value in zip(x, energy(x, *weights), strict=True):
        hidden = np.log(1 + np.exp(row @ w1 + b1))
        hidden = np.log(1 + np.exp(hidden @ w2 + b2))
        assert value == pytest.approx((hidden @ w3)[0], rel=1e-13)


@pytest.mark.parametrize("sizes", SIZES)
def test_pullback_is_that_of_nested_autograd(sizes):
    x, weights, cotangent = make(sizes)

    def through(gradient):
        return grad(lambda args: anp.sum(cotangent * gradient(*args)))([x, *weights])

    nested = through(lambda x, *w: grad(lambda x: anp.sum(energy(x, *w)))(x))
    for ours, theirs in zip(through(energy_gradient), nested, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def test_derivatives_of_the_pullback_are_right_too():
    x, weights, _ = make((2, 5, 4, 1), n=3)
    check_grads(lambda x: energy_gradient(x, *weights), modes=["rev"], order=3)(x)
    check_grads(lambda w: energy_gradient(x, weights[0], w, *weights[2:]), modes=["rev"], order=2)(
        weights[1]
    )


def test_hessian_is_symmetric():
    _, weights, _ = make((3, 7, 6, 1))
    point = np.array([0.3, -1.2, 0.7])
    hessian = jacobian(lambda v: energy_gradient(v[None], *weights)[0])(point)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-14)


def test_a_pullback_can_be_applied_twice():
    """Work arrays of a saved forward pass stay valid for as long as the pullback lives."""
    from autograd import make_vjp

    x, weights, cotangent = make((2, 5, 4, 1))
    vjp, _ = make_vjp(lambda x: energy_gradient(x, *weights))(x)
    first = vjp(cotangent)
    energy_gradient(x + 1, *weights)  # would overwrite the buffers, were they free
    np.testing.assert_array_equal(vjp(cotangent), first)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept(dtype):
    x, weights, cotangent = make((2, 5, 4, 1), dtype)
    gradients = grad(lambda args: anp.sum(cotangent * energy_gradient(*args)))([x, *weights])
    assert energy_gradient(x, *weights).dtype == dtype
    assert {gradient.dtype for gradient in gradients} == {np.dtype(dtype)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_inputs_saturate_without_a_warning(dtype):
    weights = [np.ones((1, 1), dtype), np.zeros(1, dtype)] * 2 + [np.ones((1, 1), dtype)]
    x = np.array([[-1e4], [0.0], [1e4]], dtype)
    slopes = energy_gradient(x, *weights)[:, 0]
    # E' = σ(x) σ(soft-plus(x)), which at 0 is 1/2 · 2/3.
    np.testing.assert_allclose(slopes, [0, 1 / 3, 1], rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_far_away_the_gradient_is_flat_or_linear_without_a_warning(dtype):
    weights = init_energy([2, 8, 8, 1], np.random.default_rng(0), dtype)
    x = np.array([[1e5, -1e5], [-1e5, 1e5], [1e5, 1e5]], dtype)
    far = energy_gradient(x, *weights)
    np.testing.assert_allclose(far, energy_gradient(2 * x, *weights), rtol=1e-5)


def test_no_rows_give_no_rows():
    weights = init_energy([2, 8, 8, 1], np.random.default_rng(0), "float32")
    none = energy_gradient(np.empty((0, 2), "float32"), *weights)
    assert none.shape == (0, 2)
    assert none.dtype == np.float32
