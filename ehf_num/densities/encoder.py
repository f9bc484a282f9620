"""Encoders h(p|q): what proposes momenta, the Gaussian one, and the slope ∂ ln h/∂p.

An encoder turns noise z into p = f(z) and ln h(p|q) = ℓ(z). By the chain rule

    ∂ℓ/∂z = (∂f/∂z)ᵀ ∂ ln h/∂p

so the slope in p, which gradients along the draws' path need, follows from d + 1 backward passes
for the noise, whatever the encoder. One that has a closed form gives it as a method
``score(weights, q, noise)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast, runtime_checkable

import autograd.numpy as anp
import numpy as np

from ehf_num.engine import arguments
from ehf_num.engine.engine import InC, goes_with, relu_network
from ehf_num.engine.log_space import HALF_LOG_2PI
from ehf_num.engine.native import NativeDraw, takes
from ehf_num.engine.networks import Circular, Weights, init_relu, relu_network_reference, softplus
from ehf_num.engine.tape import make_vjp, part
from ehf_num.engine.workspace import Array
from ehf_sym import PhaseSpace, Symmetry

_SOFTPLUS_SHIFT = math.log(math.e - 1)  # softplus(shift) = 1: σ starts near one


class Encoder(Protocol):
    """A family h(p|q) that can be drawn from, with its density, differentiably in its weights.

    Any object with these two methods is one, such as a class of the user's own. What it does with
    weights and noise should be made of `autograd.numpy`'s functions, change no array in place,
    keep the dtype and treat every row by itself; `check_encoder` looks whether it does. A `score`
    in closed form is optional (`ScoredEncoder`).
    """

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the initial weights: arrays of the dtype, no chance but that of rng."""

    def draw(self, weights: Weights, q: Any, noise: Any) -> tuple[Any, Any]:
        """Turn standard normal noise (n, d) into p ~ h(p|q) (n, d) and ln h(p|q) (n,) in nats.

        With p = f(noise) one to one, ln h = ln N(noise; 0, 1) − ln |det ∂f/∂noise|.
        """


@runtime_checkable
class ScoredEncoder(Encoder, Protocol):
    """An encoder that knows ∂ ln h(p|q)/∂p in closed form."""

    def score(self, weights: Weights, q: Array, noise: Array) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p at the p that `draw` makes of the noise: (n, d)."""


@runtime_checkable
class EquivariantEncoder(Encoder, Protocol):
    """An encoder that says whether its draws move with q."""

    def moves_with(self, symmetry: Symmetry) -> bool:
        """Whether h(σp|σq) = h(p|q) for all of a symmetry whatever the weights; False: unknown."""


class KernelEncoder(Encoder, Protocol):
    """An encoder that a kernel in C may draw from."""

    def kernel(self, weights: tuple[Array, ...]) -> NativeDraw | None:
        """Make weights ready for rows in C; None where the reference serves."""


def draw_kernel(encoder: Encoder, weights: Sequence[Array]) -> NativeDraw | None:
    """Return the kernel in C of an encoder with weights; None where there is none."""
    if not goes_with(encoder, "kernel", "draw"):  # isinstance of a protocol is slow
        return None
    return cast(KernelEncoder, encoder).kernel(tuple(weights))


def drawn_rows(encoder: Encoder, weights: Weights, q: Any, noise: Any) -> Any:
    """Draw p and ln h(p|q) as rows (n, d + 1)."""
    p, log_h = encoder.draw(weights, q, noise)
    return anp.concatenate([p, anp.reshape(log_h, (-1, 1))], axis=1)


@dataclass(frozen=True)
class GaussianEncoder:
    """h(p|q) = N(μ(q), diag σ(q)²), μ and σ relu networks; σ through a soft-plus.

    Parameters
    ----------
    dim : int
        d, the number of positions and of momenta.
    hidden : sequence of int
        Widths of the hidden layers of both networks, at least one.
    angles : sequence of int
        Positions that are angles, which the networks see by cosine and sine.

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
    angles: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", arguments.positive_integer(self.dim, "dim"))
        object.__setattr__(self, "hidden", arguments.layer_widths(self.hidden, "hidden"))
        object.__setattr__(self, "angles", PhaseSpace(self.dim, angles=self.angles).angles)

    @cached_property
    def _inputs(self) -> Circular:
        return Circular(self.dim, self.angles)

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the weights of μ, then of σ, with last layers zero: h starts as N(0, 1).

        A random μ(q) would pull a flow that is not held to its symmetry into asymmetric solutions
        from the first step on, out of which it finds slowly or not at all.
        """
        sizes: Sequence[int] = (self._inputs.width, *self.hidden, self.dim)
        mean, scale = init_relu(sizes, rng, dtype), init_relu(sizes, rng, dtype)
        mean[-2][:], scale[-2][:] = 0, 0
        return mean + scale

    def draw(self, weights: Weights, q: Any, noise: Any) -> tuple[Any, Any]:
        """Turn standard normal noise (n, d) into p ~ h(p|q) (n, d) and ln h(p|q) (n,) in nats."""
        drawn = _draw(self._inputs(q), noise, *weights)
        return part(drawn, np.s_[:, :-1]), part(drawn, np.s_[:, -1])

    def kernel(self, weights: tuple[Array, ...]) -> NativeDraw | None:
        """Make weights ready for rows in C; None where the reference serves."""
        return _kernel(weights)

    def score(self, weights: Weights, q: Array, noise: Array) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p = −noise/σ at the p drawn from the noise: (n, d)."""
        before = relu_network(self._inputs(q), *weights[len(weights) // 2 :])
        score: Array = -noise / softplus(before + _SOFTPLUS_SHIFT)
        return score

    def log_prob(self, weights: Weights, q: Any, p: Any) -> Any:
        """Evaluate ln h(p|q) at momenta from anywhere: (n, d) twice to (n,), nats."""
        half, seen = len(weights) // 2, self._inputs(q)
        scale = softplus(relu_network(seen, *weights[half:]) + _SOFTPLUS_SHIFT)
        noise = (p - relu_network(seen, *weights[:half])) / scale
        return _log_density(anp.log(scale), noise)


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
    as_wide = weights[0].shape[0] == weights[-1].shape[0]  # not with angles
    return NativeDraw(weights) if as_wide and takes(weights) else None


_draw = InC(_kernel, _reference, row_arguments=2)


def encoder_score(encoder: Encoder, weights: Weights, q: Array, noise: Array) -> Array:
    """Evaluate ∂ ln h(p|q)/∂p at the momenta drawn from noise: q, noise (n, d) to (n, d).

    Examples
    --------
    >>> from ehf_num.densities.encoder import GaussianEncoder
    >>> encoder = GaussianEncoder(dim=1, hidden=(4,))
    >>> weights = encoder.init(np.random.default_rng(0), "float64")  # h starts as N(0, 1)
    >>> encoder_score(encoder, weights, np.zeros((1, 1)), np.array([[2.0]]))
    array([[-2.]])
    """
    if isinstance(encoder, ScoredEncoder) and goes_with(encoder, "score", "draw"):
        return encoder.score(weights, q, noise)
    vjp, values = make_vjp(lambda roots: drawn_rows(encoder, weights, q, roots[0]), [noise])
    rows = np.eye(values.shape[1], dtype=values.dtype)
    slopes = [vjp(np.broadcast_to(row, values.shape).copy())[0] for row in rows]
    # ∂p_i/∂z_j at [:, j, i], the transposed Jacobian
    transposed = np.stack(slopes[:-1], axis=2)
    score: Array = np.linalg.solve(transposed, slopes[-1][:, :, np.newaxis])[:, :, 0]
    return score


@runtime_checkable
class EvaluatedEncoder(Protocol):
    """An encoder whose density is known at momenta that it did not draw.

    What learns from an energy needs its slopes by weights, q and p: it is made of
    `autograd.numpy`'s functions then.
    """

    def log_prob(self, weights: Weights, q: Any, p: Any) -> Any:
        """Evaluate ln h(p|q): (n, d) twice to (n,), nats."""
