"""The loss written once, in operations that autograd, JAX and PyTorch share.

    L = −mean ELBO + λ E_π[{g, H}²],   g = Σ_i (q_{2i} p_{2i+1} − q_{2i+1} p_{2i})

with the Gaussian encoder, leapfrog, a standard normal base and one Hamiltonian. Every contender but
ours takes the gradient of this; ours has to come to the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.problem import STEP_SIZE, STEPS

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_SHIFT = math.log(math.e - 1)


@dataclass(frozen=True)
class Operations:
    """What each library calls its own, and how the loss is arranged for it.

    Attributes
    ----------
    softplus, sigmoid, relu, log : callable
        Elementwise.
    stack : callable
        Puts the rows of two arrays one above the other.
    nested : callable or None
        Turns a function of x (n, d) with values (n,) into its gradient (n, d); None: the chain
        rule is written out, which spares the library a derivative of a derivative.
    shared : bool
        Whether base states go through K and U together with the data's first kick and drift.
    """

    softplus: Callable[[Any], Any]
    sigmoid: Callable[[Any], Any]
    relu: Callable[[Any], Any]
    log: Callable[[Any], Any]
    stack: Callable[[tuple[Any, Any]], Any]
    nested: Callable[[Callable[[Any], Any]], Callable[[Any], Any]] | None = None
    shared: bool = False


def loss_and_terms(
    ops: Operations, weights: Sequence[Any], x: Any, noise: Any, states: Any, multiplier: Any
) -> tuple[Any, tuple[Any, Any]]:
    """Evaluate L and what it is made of: the mean ELBO and the mean squared bracket."""
    kinetic, potential, encoder = _split(weights)
    dim = x.shape[1]
    q_base, p_base = states[:, :dim], states[:, dim:]
    p, log_h = draw(ops, encoder, x, noise)
    slope, slope_base = _pair(ops, x, q_base, potential)
    p = p + STEP_SIZE / 2 * slope
    velocity, velocity_base = _pair(ops, p, p_base, kinetic)
    q = x - STEP_SIZE * velocity
    for _ in range(STEPS - 1):
        p = p + STEP_SIZE * energy_gradient(ops, q, potential)
        q = q - STEP_SIZE * energy_gradient(ops, p, kinetic)
    p = p + STEP_SIZE / 2 * energy_gradient(ops, q, potential)
    elbo = (-0.5 * (q**2 + p**2).sum(1) - log_h).mean() - 2 * dim * _HALF_LOG_2PI
    square = (_bracket(q_base, p_base, slope_base, velocity_base) ** 2).mean()
    return multiplier * square - elbo, (elbo, square)


def forward(ops: Operations, weights: Sequence[Any], states: Any) -> Any:
    """Push base states (n, 2d) to data points (n, d)."""
    kinetic, potential, _ = _split(weights)
    dim = states.shape[1] // 2
    q, p = states[:, :dim], states[:, dim:]
    for step in range(STEPS):
        kick = STEP_SIZE if step else STEP_SIZE / 2
        p = p - kick * energy_gradient(ops, q, potential)
        q = q + STEP_SIZE * energy_gradient(ops, p, kinetic)
    return q


def energy_gradient(ops: Operations, x: Any, weights: Sequence[Any]) -> Any:
    """Evaluate ∂energy/∂x: (n, d) to (n, d)."""
    if ops.nested is not None:
        return ops.nested(lambda y: _energy(ops, y, weights))(x)
    slopes = []
    for matrix, bias in _hidden(weights):
        z = x @ matrix + bias
        slopes.append(ops.sigmoid(z))
        x = ops.softplus(z)
    back = slopes[-1] * weights[-1][:, 0]
    for (matrix, _), slope in zip(_hidden(weights)[:0:-1], slopes[-2::-1], strict=True):
        back = (back @ matrix.T) * slope
    return back @ weights[0].T


def _split(weights: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """Cut the weights, with L hidden layers in every network, into those of K, U and h."""
    size = (len(weights) - 2) // 4  # 2L + 1 arrays each for K and U, 2L + 2 each for μ and σ
    return weights[:size], weights[size : 2 * size], weights[2 * size :]


def _hidden(weights: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(weights[:-1:2], weights[1::2], strict=True))


def _energy(ops: Operations, x: Any, weights: Sequence[Any]) -> Any:
    for matrix, bias in _hidden(weights):
        x = ops.softplus(x @ matrix + bias)
    return (x @ weights[-1])[:, 0]


def _pair(ops: Operations, x: Any, y: Any, weights: Sequence[Any]) -> tuple[Any, Any]:
    """Evaluate the gradient at two sets of points."""
    if not ops.shared:
        return energy_gradient(ops, x, weights), energy_gradient(ops, y, weights)
    gradient = energy_gradient(ops, ops.stack((x, y)), weights)
    return gradient[: len(x)], gradient[len(x) :]


def draw(ops: Operations, encoder: Sequence[Any], x: Any, noise: Any) -> tuple[Any, Any]:
    """Draw p ~ h(p|x) (n, d), and evaluate ln h(p|x) (n,)."""
    half = len(encoder) // 2
    scale = ops.softplus(_relu_network(ops, x, encoder[half:]) + _SHIFT)
    log_h = -(ops.log(scale) + 0.5 * noise**2).sum(1) - x.shape[1] * _HALF_LOG_2PI
    return _relu_network(ops, x, encoder[:half]) + scale * noise, log_h


def _relu_network(ops: Operations, x: Any, weights: Sequence[Any]) -> Any:
    for matrix, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = ops.relu(x @ matrix + bias)
    return x @ weights[-2] + weights[-1]


def _bracket(q: Any, p: Any, slope: Any, velocity: Any) -> Any:
    """Evaluate {g, H} = ∂g/∂q·∂K/∂p − ∂g/∂p·∂U/∂q: (n,)."""
    (q1, q2), (p1, p2) = _planes(q), _planes(p)
    (u1, u2), (k1, k2) = _planes(slope), _planes(velocity)
    return (p2 * k1 - p1 * k2 + q2 * u1 - q1 * u2).sum(1)


def _planes(x: Any) -> tuple[Any, Any]:
    return x[:, 0::2], x[:, 1::2]
