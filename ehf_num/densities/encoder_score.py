"""∂ ln h(p|q)/∂p at momenta that were drawn: what gradients along the draws' path need.

An encoder turns noise z into p = f(z) and ln h(p|q) = ℓ(z). By the chain rule

    ∂ℓ/∂z = (∂f/∂z)ᵀ ∂ ln h/∂p

so the slope in p follows from d + 1 backward passes for the noise, whatever the encoder. One that
has a closed form gives it as a method ``score(weights, q, noise)``.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import autograd.numpy as anp
import numpy as np

from ehf_num.densities.encoder import Encoder
from ehf_num.engine.networks import Weights
from ehf_num.engine.tape import make_vjp
from ehf_num.engine.workspace import Array


@runtime_checkable
class ScoredEncoder(Protocol):
    """An encoder that knows ∂ ln h(p|q)/∂p in closed form."""

    def score(self, weights: Weights, q: Array, noise: Array) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p at the p that `draw` makes of the noise: (n, d)."""


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
    if isinstance(encoder, ScoredEncoder):
        return encoder.score(weights, q, noise)

    def drawn(roots: list[Any]) -> Any:
        p, log_h = encoder.draw(weights, q, roots[0])
        return anp.concatenate([p, anp.reshape(log_h, (-1, 1))], axis=1)

    vjp, values = make_vjp(drawn, [noise])
    rows = np.eye(values.shape[1], dtype=values.dtype)
    slopes = [vjp(np.broadcast_to(row, values.shape).copy())[0] for row in rows]
    # ∂p_i/∂z_j at [:, j, i], the transposed Jacobian
    transposed = np.stack(slopes[:-1], axis=2)
    score: Array = np.linalg.solve(transposed, slopes[-1][:, :, np.newaxis])[:, :, 0]
    return score
