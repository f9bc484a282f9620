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
from functools import cached_property
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.tracer import isbox

from ehf_num.engine.engine import relu_network
from ehf_num.engine.log_space import HALF_LOG_2PI
from ehf_num.engine.networks import Circular, Weights, init_relu, softplus
from ehf_num.engine.tape import constant
from ehf_num.engine.workspace import Array

_LARGEST_LOG_SCALE = 6.0
_BISECTIONS = 80  # more than a float64 has bits
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
    angles : tuple of int
        ``(0,)`` if the position is an angle, which the network sees by cosine and sine.

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
    angles: tuple[int, ...] = ()

    @cached_property
    def _inputs(self) -> Circular:
        return Circular(1, self.angles)

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the network, its last layer zero but for biases that spread the steps."""
        weights = init_relu((self._inputs.width, *self.hidden, 2 + 3 * self.bumps), rng, dtype)
        weights[-2][:] = 0
        scale_and_shift, heights = np.zeros(2), np.full(self.bumps, _SMALL)
        slopes, places = np.full(self.bumps, _UNIT), np.linspace(-2, 2, self.bumps)
        weights[-1][:] = np.concatenate([scale_and_shift, heights, slopes, places])
        return weights

    def draw(self, weights: Weights, q: Any, noise: Any) -> tuple[Any, Any]:
        """Turn standard normal noise (n, 1) into p ~ h(p|q) (n, 1) and ln h(p|q) (n,) in nats."""
        bumps = _Bumps(relu_network(self._inputs(q), *weights), noise)
        return bumps.value, self._log_density(bumps, noise)

    def score(self, weights: Weights, q: Array, noise: Array) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p = −(z + f″/f′)/f′ at p = f(z), z the noise: (n, 1)."""
        bumps = _Bumps(relu_network(self._inputs(q), *weights), noise)
        score: Array = -(noise + bumps.bend / bumps.slope) / bumps.slope
        return score

    def log_prob(self, weights: Weights, q: Any, p: Any) -> Any:
        """Evaluate ln h(p|q) at momenta from anywhere: (n, 1) twice to (n,), nats.

        The noise is found by bisection: steps add up to what bounds it on either side. On the tape
        it has the slopes of f(z) = p, which a step of Newton's from the solution gives it.
        """
        outputs = relu_network(self._inputs(q), *weights)
        z = _solved(constant(outputs), constant(p))
        if isbox(outputs) or isbox(p):
            bumps = _Bumps(outputs, z)
            z = z - (bumps.value - p) / constant(bumps.slope)
        return self._log_density(_Bumps(outputs, z), z)

    @staticmethod
    def _log_density(bumps: _Bumps, noise: Any) -> Any:
        return (-0.5 * noise**2 - HALF_LOG_2PI - anp.log(bumps.slope))[:, 0]


def _solved(outputs: Array, p: Array) -> Array:
    """Find z with f(z) = p by bisection."""
    at_zero = _Bumps(outputs, np.zeros_like(p))
    low, high = ((p - outputs[:, 1:2] + sign * at_zero.reach) / at_zero.growth for sign in (-1, 1))
    for _ in range(_BISECTIONS):
        middle: Array = (low + high) / 2
        above = _Bumps(outputs, middle).value > p
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return middle


class _Bumps:
    """f(z), f′(z) and f″(z), (n, 1) each, for the network's outputs (n, 2 + 3 k)."""

    def __init__(self, outputs: Any, z: Any) -> None:
        k = (outputs.shape[1] - 2) // 3
        self.growth = growth = anp.exp(
            _LARGEST_LOG_SCALE * anp.tanh(outputs[:, :1] * (1 / _LARGEST_LOG_SCALE))
        )
        heights = softplus(outputs[:, 2 : 2 + k])
        slopes = softplus(outputs[:, 2 + k : 2 + 2 * k])
        steps = anp.tanh(slopes * z + outputs[:, 2 + 2 * k :])
        rises = heights * slopes * (1 - steps**2)
        self.value = growth * z + outputs[:, 1:2] + anp.sum(heights * steps, axis=1, keepdims=True)
        self.slope = growth + anp.sum(rises, axis=1, keepdims=True)
        self.reach = anp.sum(heights, axis=1, keepdims=True)
        self._terms = rises * slopes * steps

    @property
    def bend(self) -> Any:
        """f″."""
        return -2 * anp.sum(self._terms, axis=1, keepdims=True)
