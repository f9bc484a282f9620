"""h(p|q): proposes the momenta of data points, which carry none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import autograd.numpy as anp
import numpy as np

from ehf_num.networks import Weights, init_relu, softplus
from ehf_num.relu_network import relu_network
from ehf_num.workspace import Array

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_SOFTPLUS_SHIFT = math.log(math.e - 1)  # softplus(shift) = 1: σ starts near one


class Encoder(Protocol):
    """A family h(p|q) that can be drawn from, with its density, differentiably in its weights."""

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the initial weights."""

    def draw(self, weights: Weights, q: Any, noise: Any) -> tuple[Any, Any]:
        """Turn standard normal noise (n, d) into p ~ h(p|q) (n, d) and ln h(p|q) (n,) in nats."""


@dataclass(frozen=True)
class GaussianEncoder:
    """h(p|q) = N(μ(q), diag σ(q)²), μ and σ relu networks; σ through a soft-plus.

    Parameters
    ----------
    dim : int
        d, the number of positions and of momenta.
    hidden : sequence of int
        Widths of the hidden layers of both networks.

    Examples
    --------
    >>> import numpy as np
    >>> encoder = GaussianEncoder(dim=2, hidden=(16, 16))
    >>> rng = np.random.default_rng(0)
    >>> weights = encoder.init(rng, "float64")
    >>> p, log_h = encoder.draw(weights, np.zeros((5, 2)), rng.standard_normal((5, 2)))
    >>> p.shape, log_h.shape
    ((5, 2), (5,))
    """

    dim: int
    hidden: tuple[int, ...]

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the weights of μ, then of σ, with last layers zero: h starts as N(0, 1).

        A random μ(q) would pull a flow that is not held to its symmetry into asymmetric solutions
        from the first step on, out of which it finds slowly or not at all.
        """
        sizes: Sequence[int] = (self.dim, *self.hidden, self.dim)
        mean, scale = init_relu(sizes, rng, dtype), init_relu(sizes, rng, dtype)
        mean[-2][:], scale[-2][:] = 0, 0
        return mean + scale

    def draw(self, weights: Weights, q: Any, noise: Any) -> tuple[Any, Any]:
        """Turn standard normal noise (n, d) into p ~ h(p|q) (n, d) and ln h(p|q) (n,) in nats."""
        half = len(weights) // 2
        mean = relu_network(q, *weights[:half])
        scale = softplus(relu_network(q, *weights[half:]) + _SOFTPLUS_SHIFT)
        log_h = -anp.sum(anp.log(scale) + 0.5 * noise**2, axis=1) - self.dim * _HALF_LOG_2PI
        return mean + scale * noise, log_h
