"""Importance weights p(x, p)/h(p|x) of momenta drawn from the encoder, and what they estimate.

ln p(x) is the log of their mean (Burda, Grosse & Salakhutdinov, arXiv:1509.00519). Its standard
error follows by the delta method; whether that can be believed, from the shape k̂ of the weights'
upper tail (Vehtari et al., arXiv:1507.02646).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from ehf_num.engine.parallel import one_blas_thread
from ehf_num.engine.workspace import Array
from ehf_num.inference import inference
from ehf_num.inference.estimate import LikelihoodEstimate
from ehf_num.training.progress import watched

_TAIL = 0.2  # the library fits the tail of a fifth of the draws, or of fewer,
FEWEST_FOR_K = 25  # and of five at least
_EQUAL = 1e4  # times the precision: log weights no farther apart are equal to rounding
_DEEPEST = -700.0  # nats below the largest weight: e**-700 is the least that a double holds


class Weighed(Protocol):
    """What can say what draws of a point weigh."""

    def log_weights(self, x: Array, noise: Array) -> Any:
        """Evaluate ln p(x, p) − ln of the proposal: x (m, d), noise (m, S, d) to (m, S), nats."""


class PointNoise:
    """Noise for points, from a stream of its own for each, keyed by its coordinates.

    What is estimated at a point depends on neither its row nor the other rows, errors of different
    points are independent, and equal points get equal noise. Streams that all points share would
    do the first as well, but then their errors would not average out.

    Parameters
    ----------
    rng : numpy.random.Generator
        Gives the secret of the keys: another call, other noise.

    Examples
    --------
    >>> noise = PointNoise(np.random.default_rng(0))
    >>> x = np.array([[0.0, 1.0], [2.0, 3.0]])
    >>> first, second = noise.draw(x, 5)
    >>> bool((noise.draw(x[1:], 5) == second).all()), bool((first == second).any())
    (True, False)
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._secret = rng.bytes(32)

    def stream(self, point: Array) -> np.random.Generator:
        """Return a generator that begins anew for the same point (d,)."""
        text = (point.astype(np.float64) + 0.0).tobytes()  # -0.0 is 0.0
        key = hashlib.blake2b(text, key=self._secret, digest_size=16).digest()
        return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))

    def draw(self, x: Array, n_samples: int) -> Array:
        """Draw the first standard normals of each point's stream: (n, d) to (n, n_samples, d)."""
        noise = np.empty((len(x), n_samples, x.shape[1]), x.dtype)
        for point, rows in zip(x, noise, strict=True):
            rows[:] = self.stream(point).standard_normal(rows.shape)
        return noise


def weights_in_blocks(
    model: Weighed, x: Array, n_samples: int, noise: PointNoise
) -> Iterator[tuple[slice, Array]]:
    """Yield which points come next, and their log weights (m, n_samples), nats."""
    rows = max(1, inference.ROWS_PER_BLOCK // n_samples)
    starts = range(0, len(x), rows)
    for start in watched(starts, len(starts), "block"):
        block = slice(start, min(start + rows, len(x)))
        drawn = noise.draw(x[block], n_samples)
        yield block, log_weights(model, x[block], drawn)


def log_weights(model: Weighed, x: Array, noise: Array) -> Array:
    """Evaluate ln p(x, p) − ln h(p|x): x (m, d) and noise (m, S, d) to (m, S), nats."""
    with one_blas_thread():
        return np.asarray(model.log_weights(x, noise))


def importance_estimate(
    model: Weighed,
    x: Array,
    n_samples: int,
    rng: np.random.Generator,
    *,
    wanted: float | None,
    max_samples: int,
) -> LikelihoodEstimate:
    """Estimate ln p(x) with errors: x (n, d).

    With a wanted standard error, the draws of points that are above it are doubled until they are
    not, or until the next doubling would exceed max_samples.
    """
    n = len(x)
    values, errors, pareto_k = np.empty(n), np.empty(n), np.empty(n)
    draws = np.full(n, n_samples)
    limit = np.inf if wanted is None else wanted
    noise = PointNoise(rng)
    for block, first in weights_in_blocks(model, x, n_samples, noise):
        for k, row in enumerate(first, start=block.start):
            weights = row
            if log_mean(row)[1] > limit:
                own = noise.stream(x[k])
                own.standard_normal((n_samples, x.shape[1]))  # those of the first weights
                weights = _doubled(model, x[k], row, own, limit, max_samples)
            values[k], errors[k] = log_mean(weights)
            pareto_k[k], draws[k] = pareto_shape(weights), len(weights)
    return LikelihoodEstimate(values, errors, pareto_k, draws, "importance")


def _doubled(
    model: Weighed,
    point: Array,
    weights: Array,
    rng: np.random.Generator,
    limit: float,
    max_samples: int,
) -> Array:
    """Add draws to one point's log weights (S,) until its standard error is within a limit."""
    while log_mean(weights)[1] > limit and 2 * len(weights) <= max_samples:
        left = len(weights)
        parts = [weights]
        while left:
            count = min(left, inference.ROWS_PER_BLOCK)
            noise = rng.standard_normal((1, count, len(point))).astype(point.dtype, copy=False)
            parts.append(log_weights(model, point[np.newaxis], noise)[0])
            left -= count
        weights = np.concatenate(parts)
    return weights


def log_mean(weights: Array) -> tuple[float, float]:
    """Return the log of the mean of exp(weights) (S,), and its standard error, nats.

    The standard error is sd(w)/(√S mean(w)), infinite for a single draw.
    """
    weights = weights.astype(np.float64)
    largest = weights.max()
    if not np.isfinite(largest):
        return float(largest), float("inf")
    scaled = np.exp(weights - largest)
    mean, count = scaled.mean(), len(scaled)
    error = np.std(scaled, ddof=1) / (mean * np.sqrt(count)) if count > 1 else np.inf
    return float(np.log(mean) + largest), float(error)


def pareto_shape(weights: Array) -> float:
    """Return k̂ of exp(weights) (S,).

    −∞ if they are equal to rounding, ∞ if next to the largest there is no tail to fit, NaN for
    fewer than 25.

    Examples
    --------
    >>> uniform = np.random.default_rng(0).random(4000)
    >>> bool(abs(pareto_shape(-0.5 * np.log(uniform)) - 0.5) < 0.1)  # P(w > t) = t**-2
    True
    """
    from arviz_stats.base import array_stats  # here: it brings scipy.stats

    if len(weights) < FEWEST_FOR_K:
        return float("nan")
    largest = weights.max()
    if not np.isfinite(largest):
        return float("inf")
    precision = float(np.finfo(weights.dtype).eps) * max(1.0, abs(float(largest)))
    relative = np.maximum(weights.astype(np.float64) - largest, _DEEPEST)
    if np.ptp(relative) < _EQUAL * precision:
        return float("-inf")
    if np.mean(relative > _DEEPEST) < _TAIL:
        return float("inf")
    with np.errstate(all="ignore"):
        _, shape = array_stats.psislw(-relative)
    return float("inf") if np.isnan(shape) else float(shape)
