"""h(p|q) for d = 1: a monotone function of the noise, with steps where the density has gaps.

One momentum has no other half to be coupled to. Instead, with positive weights that depend on q,

    p = exp(s) z + t + Σ_k w_k tanh(b_k z + c_k)
    ∂p/∂z = exp(s) + Σ_k w_k b_k sech²(b_k z + c_k)

which is increasing in z whatever the weights, and whose sum of steps can split a normal density
into several modes (in the spirit of Huang et al., arXiv:1804.00779).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from ehf_num.fused import fuse
from ehf_num.networks import Weights, init_relu, relu_network_reference, sigmoid, softplus
from ehf_num.relu_network import relu_kernel
from ehf_num.tape import part
from ehf_num.workspace import Array

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_LARGEST_LOG_SCALE = 6.0
_UNIT = math.log(math.e - 1)  # softplus(_UNIT) = 1
_SMALL = -4.0  # softplus(_SMALL) = 0.018: h starts close to N(0, 1)


@dataclass(frozen=True)
class MonotoneEncoder:
    """h(p|q) of one momentum, the pushforward of N(0, 1) under an increasing map.

    Parameters
    ----------
    hidden : sequence of int
        Widths of the hidden layers of the relu network that maps q to the map's parameters.
    bumps : int
        Number of tanh steps.

    Examples
    --------
    >>> import numpy as np
    >>> encoder = MonotoneEncoder(hidden=(16, 16))
    >>> rng = np.random.default_rng(0)
    >>> weights = encoder.init(rng, "float64")
    >>> p, log_h = encoder.draw(weights, np.zeros((5, 1)), rng.standard_normal((5, 1)))
    >>> p.shape, log_h.shape
    ((5, 1), (5,))
    """

    hidden: tuple[int, ...]
    bumps: int = 8

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the network, its last layer zero but for biases that spread the steps."""
        weights = init_relu((1, *self.hidden, 2 + 3 * self.bumps), rng, dtype)
        weights[-2][:] = 0
        scale_and_shift, heights = np.zeros(2), np.full(self.bumps, _SMALL)
        slopes, places = np.full(self.bumps, _UNIT), np.linspace(-2, 2, self.bumps)
        weights[-1][:] = np.concatenate([scale_and_shift, heights, slopes, places])
        return weights

    def draw(self, weights: Weights, q: Any, noise: Any) -> tuple[Any, Any]:
        """Turn standard normal noise (n, 1) into p ~ h(p|q) (n, 1) and ln h(p|q) (n,) in nats."""
        drawn = _draw(q, noise, *weights)
        return part(drawn, np.s_[:, :-1]), part(drawn, np.s_[:, -1])

    def score(self, weights: Weights, q: Array, noise: Array) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p = −(z + f″/f′)/f′ at p = f(z), z the noise: (n, 1)."""
        share = self.kernel(weights).share(keep=False)
        share.forward(q, noise)
        return share.score()

    def kernel(self, weights: Weights) -> MonotoneKernel:
        """Make weights ready for rows, which go through a draw and back without a tape."""
        return MonotoneKernel(tuple(weights))


class MonotoneKernel:
    """The network of h, ready for the products."""

    def __init__(self, weights: tuple[Array, ...]) -> None:
        self.network = relu_kernel(weights)
        self.multiply_adds = self.network.multiply_adds

    def share(self, *, keep: bool) -> MonotoneRows:
        """Begin with some rows."""
        return MonotoneRows(self, keep=keep)


class MonotoneRows:
    """Points and noise become momenta and ln h, in one array (r, 2)."""

    def __init__(self, kernel: MonotoneKernel, *, keep: bool) -> None:
        self._network = kernel.network.share(keep=keep)

    def forward(self, q: Array, noise: Array) -> tuple[Array]:
        """Draw p and evaluate ln h."""
        (outputs,) = self._network.forward(q)
        self._noise, self._before, bumps = noise, outputs, (outputs.shape[1] - 2) // 3
        self._tanh = np.tanh(outputs[:, :1] * (1 / _LARGEST_LOG_SCALE))
        self._growth = np.exp(_LARGEST_LOG_SCALE * self._tanh)
        rates = softplus(outputs[:, 2 : 2 + 2 * bumps])
        self._heights, self._slopes = rates[:, :bumps], rates[:, bumps:]
        self._steps = np.tanh(self._slopes * noise + outputs[:, 2 + 2 * bumps :])
        self._flat = 1 - self._steps**2
        self._slope = self._growth + _sum(self._heights * self._slopes * self._flat)
        p = self._growth * noise + outputs[:, 1:2] + _sum(self._heights * self._steps)
        log_h = -0.5 * noise**2 - _HALF_LOG_2PI - np.log(self._slope)
        return (np.concatenate([p, log_h], axis=1),)

    def pull_back(self, cotangent: Array) -> tuple[list[Array], list[Array]]:
        """Turn the cotangent (r, 2) into those of points, noise and weights."""
        p_bar, log_bar, noise = cotangent[:, :1], cotangent[:, 1:], self._noise
        slope_bar = -log_bar / self._slope
        scale_bar = (p_bar * noise + slope_bar) * self._growth * (1 - self._tanh**2)
        step_bar = self._heights * (p_bar - 2 * slope_bar * self._slopes * self._steps)
        inner_bar = step_bar * self._flat
        rate_bars = np.concatenate(
            [
                p_bar * self._steps + slope_bar * self._slopes * self._flat,
                slope_bar * self._heights * self._flat + inner_bar * noise,
            ],
            axis=1,
        )
        rate_bars *= sigmoid(self._before[:, 2 : 2 + rate_bars.shape[1]])
        (q_bar,), weight_bars = self._network.pull_back(
            np.concatenate([scale_bar, p_bar, rate_bars, inner_bar], axis=1)
        )
        noise_bar = p_bar * self._growth + _sum(inner_bar * self._slopes) - log_bar * noise
        return [q_bar, noise_bar], weight_bars

    def score(self) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p at the momenta that `forward` drew: (r, 1)."""
        bend = -2 * _sum(self._heights * self._slopes**2 * self._steps * self._flat)  # f″
        score: Array = -(self._noise + bend / self._slope) / self._slope
        return score


def _sum(terms: Array) -> Array:
    total: Array = terms.sum(axis=1, keepdims=True)
    return total


def _reference(q: Any, noise: Any, *weights: Any) -> Any:
    """Draw in plain autograd operations."""
    outputs = relu_network_reference(q, *weights)
    k = (outputs.shape[1] - 2) // 3
    s = _LARGEST_LOG_SCALE * anp.tanh(outputs[:, :1] * (1 / _LARGEST_LOG_SCALE))
    heights = softplus(outputs[:, 2 : 2 + k])
    slopes = softplus(outputs[:, 2 + k : 2 + 2 * k])
    steps = anp.tanh(slopes * noise + outputs[:, 2 + 2 * k :])
    growth = anp.exp(s)
    p = growth * noise + outputs[:, 1:2] + anp.sum(heights * steps, axis=1, keepdims=True)
    slope = growth + anp.sum(heights * slopes * (1 - steps**2), axis=1, keepdims=True)
    log_h = -0.5 * noise**2 - _HALF_LOG_2PI - anp.log(slope)
    return anp.concatenate([p, log_h], axis=1)


_draw = fuse(MonotoneKernel, _reference, row_arguments=2)
