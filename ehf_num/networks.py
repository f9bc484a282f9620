"""Multilayer perceptrons in plain autograd operations: differentiable to any order.

A network is a sequence of weights and a function of them. `energy` is the scalar soft-plus
network of K and U, with weights ``W1, b1, ..., WL, bL, W``; the relu network serves the encoder,
with ``W1, b1, ..., W, b``. What training calls are the fused kernels `energy_gradient` and
`relu_network`; the functions here named ``_reference`` are what those are tested against and what
derivatives of higher order go through.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, primitive

from ehf_num.workspace import Array

Weights = Sequence[Any]


def init_relu(sizes: Sequence[int], rng: np.random.Generator, dtype: Any) -> list[Array]:
    """Draw weights for layer sizes [d, h1, ..., m]: W ~ N(0, 1/fan_in), biases zero."""
    weights: list[Array] = []
    for fan_in, fan_out in pairwise(sizes):
        weights.append((rng.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)).astype(dtype))
        weights.append(np.zeros(fan_out, dtype))
    return weights


def init_energy(sizes: Sequence[int], rng: np.random.Generator, dtype: Any) -> list[Array]:
    """Draw weights for [d, h1, ..., 1], without the last bias: H is defined up to a constant."""
    return init_relu(sizes, rng, dtype)[:-1]


def hidden_layers(weights: Weights) -> list[tuple[Any, Any]]:
    """Pair each hidden matrix of an energy network with its bias."""
    return list(zip(weights[:-1:2], weights[1::2], strict=True))


@primitive  # type: ignore[untyped-decorator]
def softplus(z: Array) -> Array:
    """Evaluate log(1 + exp z) without overflow."""
    smooth = np.abs(z)
    np.negative(smooth, out=smooth)
    np.exp(smooth, out=smooth)
    np.log1p(smooth, out=smooth)
    smooth += np.maximum(z, 0)
    return smooth


defvjp(softplus, lambda _, z: lambda cotangent: cotangent * sigmoid(z))


def sigmoid(z: Any) -> Any:
    """Evaluate 1/(1 + exp(-z)), the derivative of `softplus`, without overflow."""
    return 0.5 + 0.5 * anp.tanh(0.5 * z)


def relu_network_reference(x: Any, *weights: Any) -> Any:
    """Evaluate the relu network: x (n, d) to (n, m), linear in its last layer."""
    activation = x
    for matrix, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        z = anp.dot(activation, matrix) + bias
        activation = z * (z > 0)
    return anp.dot(activation, weights[-2]) + weights[-1]


def energy(x: Any, *weights: Any) -> Any:
    """Evaluate the soft-plus network: x (n, d) to (n,), dimensionless."""
    activation = x
    for matrix, bias in hidden_layers(weights):
        activation = softplus(anp.dot(activation, matrix) + bias)
    return anp.dot(activation, weights[-1])[:, 0]


def energy_gradient_reference(x: Any, *weights: Any) -> Any:
    """Evaluate ∂energy/∂x: x (n, d) to (n, d), the chain rule written out."""
    layers = hidden_layers(weights)
    activation, slopes = x, []
    for matrix, bias in layers:
        z = anp.dot(activation, matrix) + bias
        slopes.append(sigmoid(z))
        activation = softplus(z)
    back = slopes[-1] * weights[-1][:, 0]
    for (matrix, _), slope in zip(layers[:0:-1], slopes[-2::-1], strict=True):
        back = anp.dot(back, matrix.T) * slope
    return anp.dot(back, layers[0][0].T)


def dead_units(x: Array, *weights: Array) -> float:
    """Return the share of units that are zero on all x, of a relu network's worst hidden layer."""
    shares = []
    for matrix, bias in hidden_layers(weights[:-1]):
        x = np.maximum(x @ matrix + bias, 0)
        shares.append(float(np.mean(~x.any(axis=0))))
    return max(shares)
