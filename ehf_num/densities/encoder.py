"""h(p|q): proposes the momenta of data points, which carry none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import autograd.numpy as anp
import numpy as np

from ehf_num.engine import arguments
from ehf_num.engine.engine import InC, relu_network
from ehf_num.engine.log_space import HALF_LOG_2PI
from ehf_num.engine.native import NativeDraw, takes
from ehf_num.engine.networks import Weights, init_relu, relu_network_reference, softplus
from ehf_num.engine.tape import part
from ehf_num.engine.workspace import Array

_SOFTPLUS_SHIFT = math.log(math.e - 1)  # softplus(shift) = 1: σ starts near one


class Encoder(Protocol):
    """A family h(p|q) that can be drawn from, with its density, differentiably in its weights.

    Any object with these two methods is one, such as a class of the user's own. What it does with
    weights and noise should be made of `autograd.numpy`'s functions, change no array in place,
    keep the dtype and treat every row by itself; `check_encoder` looks whether it does.
    """

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the initial weights: arrays of the dtype, no chance but that of rng."""

    def draw(self, weights: Weights, q: Any, noise: Any) -> tuple[Any, Any]:
        """Turn standard normal noise (n, d) into p ~ h(p|q) (n, d) and ln h(p|q) (n,) in nats.

        With p = f(noise) one to one, ln h = ln N(noise; 0, 1) − ln |det ∂f/∂noise|.
        """


@dataclass(frozen=True)
class GaussianEncoder:
    """h(p|q) = N(μ(q), diag σ(q)²), μ and σ relu networks; σ through a soft-plus.

    Parameters
    ----------
    dim : int
        d, the number of positions and of momenta.
    hidden : sequence of int
        Widths of the hidden layers of both networks, at least one.

    Raises
    ------
    ehf_sym.ArgumentError
        If one of them is out of range; the message names it.

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", arguments.positive_integer(self.dim, "dim"))
        object.__setattr__(self, "hidden", arguments.layer_widths(self.hidden, "hidden"))

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
        drawn = _draw(q, noise, *weights)
        return part(drawn, np.s_[:, :-1]), part(drawn, np.s_[:, -1])

    def kernel(self, weights: tuple[Array, ...]) -> NativeDraw | None:
        """Make weights ready for rows in C; None where the reference serves."""
        return _kernel(weights)

    def score(self, weights: Weights, q: Array, noise: Array) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p = −noise/σ at the p drawn from the noise: (n, d)."""
        before = relu_network(q, *weights[len(weights) // 2 :])
        score: Array = -noise / softplus(before + _SOFTPLUS_SHIFT)
        return score


def _log_density(log_scale: Any, noise: Any) -> Any:
    """Evaluate ln N(μ + σ noise; μ, σ²)."""
    return -(log_scale + 0.5 * noise * noise).sum(axis=1) - noise.shape[1] * HALF_LOG_2PI


def _reference(q: Any, noise: Any, *weights: Any) -> Any:
    """Draw in plain autograd operations."""
    half = len(weights) // 2
    mean = relu_network_reference(q, *weights[:half])
    scale = softplus(relu_network_reference(q, *weights[half:]) + _SOFTPLUS_SHIFT)
    log_h = _log_density(anp.log(scale), noise)
    return anp.concatenate([mean + scale * noise, log_h[:, np.newaxis]], axis=1)


def _kernel(weights: tuple[Array, ...]) -> NativeDraw | None:
    return NativeDraw(weights) if takes(weights) else None


_draw = InC(_kernel, _reference, row_arguments=2)
