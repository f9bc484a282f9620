"""The encoder's kernel against its plain form."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from autograd.test_util import check_grads

from ehf_num.engine.engine import relu_network
from ehf_num.engine.networks import init_relu, relu_network_reference

pytestmark = pytest.mark.usefixtures("each_engine")
SIZES = [(2, 7, 3), (3, 6, 5, 2), (1, 4, 4, 4, 1)]


def make(sizes, dtype="float64", n=150):
    rng = np.random.default_rng(2)
    weights = [
        (array + 0.2 * rng.standard_normal(array.shape)).astype(dtype)
        for array in init_relu(sizes, rng, dtype)
    ]
    return rng.standard_normal((n, sizes[0])).astype(dtype), weights


@pytest.mark.parametrize("sizes", SIZES)
def test_value_and_pullback_are_those_of_the_plain_form(sizes):
    x, weights = make(sizes)
    np.testing.assert_allclose(relu_network(x, *weights), relu_network_reference(x, *weights))

    def through(function):
        return grad(lambda args: anp.sum(anp.sin(function(*args))))([x, *weights])

    for ours, plain in zip(through(relu_network), through(relu_network_reference), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-12, atol=1e-13)


def test_value_is_layer_by_layer_what_it_should_be():
    x, (w1, b1, w2, b2) = make((2, 7, 3), n=4)
    expected = np.maximum(x @ w1 + b1, 0) @ w2 + b2
    np.testing.assert_allclose(relu_network(x, w1, b1, w2, b2), expected, rtol=1e-13)


def test_second_derivatives_go_through_the_plain_form():
    x, weights = make((2, 5, 4, 2), n=3)
    check_grads(lambda x: relu_network(x, *weights) ** 2, modes=["rev"], order=2)(x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept(dtype):
    x, weights = make((2, 5, 4, 2), dtype)
    gradients = grad(lambda args: anp.sum(relu_network(*args)))([x, *weights])
    assert {array.dtype for array in gradients} == {np.dtype(dtype)}
