"""Estimates of ln p(q), an integral over p that the model has no closed form for.

`elbo` is a lower bound; importance weighting with K draws from the encoder is a tighter one, and
exact as K → ∞ (Burda, Grosse & Salakhutdinov, arXiv:1509.00519). Both work in blocks, so memory
does not grow with the number of points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ehf_num import inference
from ehf_num.objective import Objective
from ehf_num.parallel import one_blas_thread
from ehf_num.workspace import Array


def elbo(
    objective: Objective,
    arrays: Sequence[Array],
    x: Array,
    n_samples: int,
    rng: np.random.Generator,
) -> Array:
    """Average ln p(x, p) − ln h(p|x) over n_samples draws: x (n, d) to (n,), nats."""
    return _over_draws(
        objective, arrays, x, n_samples, rng, lambda log_weights: log_weights.mean(axis=1)
    )


def importance_log_prob(
    objective: Objective,
    arrays: Sequence[Array],
    x: Array,
    n_samples: int,
    rng: np.random.Generator,
) -> Array:
    """Estimate ln p(x) by n_samples weighted draws: x (n, d) to (n,), nats, low in expectation."""
    from scipy.special import logsumexp  # here: nothing else in training needs SciPy

    def log_mean(log_weights: Array) -> Array:
        result: Array = logsumexp(log_weights, axis=1) - np.log(n_samples)
        return result

    return _over_draws(objective, arrays, x, n_samples, rng, log_mean)


def _over_draws(
    objective: Objective,
    arrays: Sequence[Array],
    x: Array,
    n_samples: int,
    rng: np.random.Generator,
    reduce: Callable[[Array], Array],
) -> Array:
    """Reduce the (n, n_samples) log weights over draws, a block of points at a time.

    Noise is drawn point by point: which points share a block does not matter.
    """
    result = np.empty(len(x), x.dtype)
    rows = max(1, inference.ROWS_PER_BLOCK // n_samples)
    for start in range(0, len(x), rows):
        block = x[start : start + rows]
        repeated = np.repeat(block, n_samples, axis=0)
        noise = rng.standard_normal(repeated.shape).astype(x.dtype, copy=False)
        with one_blas_thread():
            log_weights = objective.log_weights(arrays, repeated, noise)
        result[start : start + rows] = reduce(log_weights.reshape(len(block), n_samples))
    return result
