"""Multilayer perceptrons on the tape: the reference, differentiable to any order.

A network is a sequence of weights and a function of them. `energy` is the scalar soft-plus
network of K and U, with weights ``W1, b1, ..., WL, bL, W``; the relu network serves the encoder,
with ``W1, b1, ..., W, b``. What a tape costs is in its nodes, so a layer is two of them: a product
with its bias, and what the units do. The kernels in C (`engine`) are held to these functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, primitive
from autograd.tracer import isbox

from ehf_num.engine.tape import constant
from ehf_num.engine.workspace import Array

Weights = Sequence[Any]

_BENDS = 3.0  # see tests/benchmarks/learning.py


@dataclass(frozen=True)
class Circular:
    """Points some of whose coordinates are angles, as networks see them: cosines, sines, the rest.

    Parameters
    ----------
    dim : int
        d, the number of coordinates.
    angles : tuple of int
        Which are angles.

    Examples
    --------
    >>> circular = Circular(2, (1,))
    >>> circular(np.array([[5.0, np.pi]])).round(12) + 0.0
    array([[-1.,  0.,  5.]])
    """

    dim: int
    angles: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Number of functions."""
        return self.dim + len(self.angles)

    @cached_property
    def _chosen(self) -> tuple[Array, Array]:
        """Matrices that pick out the angles, and the rest."""
        unit, rest = np.eye(self.dim), [k for k in range(self.dim) if k not in self.angles]
        return unit[:, list(self.angles)], unit[:, rest]

    def __call__(self, x: Any) -> Any:
        """Evaluate at points, on the tape too: (n, d) to (n, d + number of angles)."""
        if not self.angles:
            return x
        angles, rest = (anp.dot(x, each.astype(x.dtype)) for each in self._chosen)
        return anp.concatenate([anp.cos(angles), anp.sin(angles), rest], axis=1)

    def slopes(self, seen: Any, slopes: Any) -> Any:
        """Turn slopes by what is seen into slopes by the coordinates: to (n, d)."""
        if not self.angles:
            return slopes
        k = len(self.angles)
        angles, rest = (each.T.astype(seen.dtype) for each in self._chosen)
        turning = seen[:, :k] * slopes[:, k : 2 * k] - seen[:, k : 2 * k] * slopes[:, :k]
        return anp.dot(turning, angles) + anp.dot(slopes[:, 2 * k :], rest)


def wrapped(x: Any, angles: Sequence[int]) -> Any:
    """Put angles into (−π, π] by full turns, which have no slope; on the tape too.

    Parameters
    ----------
    x : ndarray, shape (n, k)
        Points, or states with the positions first.
    angles : sequence of int
        Which columns are angles.

    Examples
    --------
    >>> wrapped(np.array([[5 * np.pi, 7.0], [-np.pi, 7.0]]), [0]) / np.pi
    array([[1.        , 2.2281692],
           [1.        , 2.2281692]])
    """
    if not angles:
        return x
    columns = list(angles)
    whole = constant(x)
    own = whole[:, columns]
    moved: Array = own - 2 * np.pi * np.ceil((own - np.pi) / (2 * np.pi))
    moved = np.clip(moved, -np.pi, np.pi).astype(own.dtype)
    moved[moved == own.dtype.type(-np.pi)] = np.pi
    if (moved == own).all():
        return x
    turns = np.zeros_like(whole)
    turns[:, columns] = own - moved
    if isbox(x):
        return x - turns
    result = whole.copy()
    result[:, columns] = moved
    return result


def init_relu(sizes: Sequence[int], rng: np.random.Generator, dtype: Any) -> list[Array]:
    """Draw weights for layer sizes [d, h1, ..., m]: W ~ N(0, 1/fan_in), biases zero."""
    weights: list[Array] = []
    for fan_in, fan_out in pairwise(sizes):
        weights.append((rng.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)).astype(dtype))
        weights.append(np.zeros(fan_out, dtype))
    return weights


def init_energy(
    sizes: Sequence[int], rng: np.random.Generator, dtype: Any, start: str = "random"
) -> list[Array]:
    """Draw weights for [d, h1, ..., 1], without the last bias: H is defined up to a constant.

    With start="identity" the last layer is zero, and the units of the first bend away from the
    origin: their weights are three times as wide, and so are their biases.
    """
    weights = init_relu(sizes, rng, dtype)[:-1]
    if start == "identity":
        weights[0] *= _BENDS
        weights[1] += (_BENDS * rng.standard_normal(len(weights[1]))).astype(dtype)
        weights[-1][:] = 0
    return weights


def hidden_layers(weights: Weights) -> list[tuple[Any, Any]]:
    """Pair each hidden matrix of an energy network with its bias."""
    return list(zip(weights[:-1:2], weights[1::2], strict=True))


@primitive  # type: ignore[untyped-decorator]
def affine(x: Array, matrix: Array, bias: Array) -> Array:
    """Evaluate x W + b."""
    z: Array = np.dot(x, matrix)
    z += bias
    return z


defvjp(
    affine,
    lambda _, x, matrix, bias: lambda bar: anp.dot(bar, matrix.T),
    lambda _, x, matrix, bias: lambda bar: anp.dot(x.T, bar),
    lambda _, x, matrix, bias: lambda bar: anp.sum(bar, axis=0),
)


@primitive  # type: ignore[untyped-decorator]
def backwards(slopes: Array, matrix: Array) -> Array:
    """Evaluate P Wᵀ."""
    result: Array = np.dot(slopes, matrix.T)
    return result


defvjp(
    backwards,
    lambda _, slopes, matrix: lambda bar: anp.dot(bar, matrix),
    lambda _, slopes, matrix: lambda bar: anp.dot(bar.T, slopes),
)


@primitive  # type: ignore[untyped-decorator]
def in_columns(slopes: Array, last: Array) -> Array:
    """Multiply columns (n, h) by the last layer's weights (h, 1)."""
    result: Array = slopes * last.T
    return result


defvjp(
    in_columns,
    lambda _, slopes, last: lambda bar: bar * last.T,
    lambda _, slopes, last: lambda bar: anp.expand_dims(anp.sum(bar * slopes, axis=0), 1),
)


@primitive  # type: ignore[untyped-decorator]
def softplus(z: Array) -> Array:
    """Evaluate log(1 + exp z) without overflow."""
    smooth = np.abs(z)
    np.negative(smooth, out=smooth)
    np.exp(smooth, out=smooth)
    np.log1p(smooth, out=smooth)
    smooth += np.maximum(z, 0)
    return smooth


# 1 − exp(−softplus(z)) is the sigmoid to the last digits, where that is tiny too.
defvjp(softplus, lambda smooth, _: lambda bar: bar * -anp.expm1(-smooth))


@primitive  # type: ignore[untyped-decorator]
def sigmoid(z: Array) -> Array:
    """Evaluate 1/(1 + exp(-z)) without overflow, to the precision of 1."""
    result = np.multiply(z, 0.5)
    np.tanh(result, out=result)
    result *= 0.5
    result += 0.5
    return result


defvjp(sigmoid, lambda slope, _: lambda bar: bar * (slope * (1 - slope)))


@primitive  # type: ignore[untyped-decorator]
def _relu(z: Array) -> Array:
    result: Array = np.maximum(z, 0)
    return result


defvjp(_relu, lambda _, z: lambda bar: bar * (z > 0))


def relu_network_reference(x: Any, *weights: Any) -> Any:
    """Evaluate the relu network: x (n, d) to (n, m), linear in its last layer."""
    activation = x
    for matrix, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        activation = _relu(affine(activation, matrix, bias))
    return affine(activation, weights[-2], weights[-1])


def energy(x: Any, *weights: Any) -> Any:
    """Evaluate the soft-plus network: x (n, d) to (n,), dimensionless."""
    activation = x
    for matrix, bias in hidden_layers(weights):
        activation = softplus(affine(activation, matrix, bias))
    return anp.dot(activation, weights[-1])[:, 0]


def energy_gradient_reference(x: Any, *weights: Any) -> Any:
    """Evaluate ∂energy/∂x: x (n, d) to (n, d), the chain rule written out.

    With hidden layers l = 1..L, a_0 = x, s = sigmoid, and w the last layer's weights,

        z_l = a_{l-1} W_l + b_l,  s_l = s(z_l),  a_l = softplus(z_l)
        P_L = s_L w,  P_l = s_l (P_{l+1} W_{l+1}ᵀ),  ∂energy/∂x = P_1 W_1ᵀ
    """
    layers = hidden_layers(weights)
    z = affine(x, *layers[0])
    slopes = [sigmoid(z)]
    for layer in layers[1:]:
        z = affine(softplus(z), *layer)
        slopes.append(sigmoid(z))
    product = in_columns(slopes[-1], weights[-1])
    for (matrix, _), slope in zip(layers[:0:-1], slopes[-2::-1], strict=True):
        product = backwards(product, matrix) * slope
    return backwards(product, layers[0][0])


def kept_numbers(weights: Weights) -> int:
    """Count the numbers of a row that the tape keeps of one `energy_gradient_reference`."""
    widths = [len(bias) for _, bias in hidden_layers(weights)]
    return 5 * sum(widths) - 2 * widths[-1]


def dead_units(x: Array, *weights: Array) -> float:
    """Return the share of units that are zero on all x, of a relu network's worst hidden layer."""
    shares = []
    for matrix, bias in hidden_layers(weights[:-1]):
        x = np.maximum(x @ matrix + bias, 0)
        shares.append(float(np.mean(~x.any(axis=0))))
    return max(shares)
