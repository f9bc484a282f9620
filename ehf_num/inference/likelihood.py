"""Estimates of ln p(q), an integral over p that the model has no closed form for.

`elbo` is a lower bound; importance weighting with K draws from the encoder is a tighter one, and
exact as K → ∞ (Burda, Grosse & Salakhutdinov, arXiv:1509.00519); quadrature needs no encoder and
few dimensions. All work in blocks, so memory does not grow with the number of points.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ehf_num.engine.log_space import log_mean_exp
from ehf_num.engine.workspace import Array
from ehf_num.inference.estimate import LikelihoodEstimate, LikelihoodWarning
from ehf_num.inference.importance import PointNoise, importance_estimate, weights_in_blocks
from ehf_num.inference.laplace import LaplaceModel
from ehf_num.inference.quadrature import quadrature_estimate
from ehf_num.training.objective import BoundModel
from ehf_sym.errors import ArgumentError

DRAWS = 1024
_QUADRATURE_ERROR = 1e-3  # nats


def elbo(
    model: BoundModel,
    x: Array,
    n_samples: int,
    rng: np.random.Generator,
) -> Array:
    """Average ln p(x, p) − ln h(p|x) over n_samples draws: x (n, d) to (n,), nats."""
    return _over_draws(model, x, n_samples, rng, lambda log_weights: log_weights.mean(axis=1))


def importance_log_prob(
    model: BoundModel,
    x: Array,
    n_samples: int,
    rng: np.random.Generator,
) -> Array:
    """Estimate ln p(x) by n_samples weighted draws: x (n, d) to (n,), nats, low in expectation."""
    return _over_draws(model, x, n_samples, rng, log_mean_exp)


def _over_draws(
    model: BoundModel,
    x: Array,
    n_samples: int,
    rng: np.random.Generator,
    reduce: Callable[[Array], Array],
) -> Array:
    """Reduce the (n, n_samples) log weights over draws."""
    result = np.empty(len(x), x.dtype)
    noise = PointNoise(rng)
    for block, log_weights in weights_in_blocks(model, x, n_samples, noise):
        result[block] = reduce(log_weights)
    return result


def likelihood_estimate(
    model: BoundModel,
    x: Array,
    *,
    method: str,
    n_samples: int | None,
    standard_error: float | None,
    max_samples: int,
    rng: np.random.Generator,
) -> LikelihoodEstimate:
    """Estimate ln p(x) with errors, and say aloud what is wrong with the estimates: x (n, d).

    The options are those of `EquivariantHamiltonianFlow.likelihood`, each of the right kind.

    Raises
    ------
    ehf_sym.ArgumentError
        For options that do not go together, or quadrature with d > 2.
    """
    if method == "quadrature":
        if n_samples is not None:
            raise ArgumentError(
                f'n_samples was {n_samples}; with method="quadrature" it should be left out: give '
                "standard_error="
            )
        standard_error = standard_error or _QUADRATURE_ERROR
        estimate = quadrature_estimate(model, x, error=standard_error, max_samples=max_samples)
    else:
        n_samples = n_samples or DRAWS
        if standard_error is not None and n_samples > max_samples:
            raise ArgumentError(
                f"max_samples was {max_samples}; it should be at least n_samples, {n_samples}"
            )
        proposed = LaplaceModel(model) if method == "laplace" else model
        estimate = importance_estimate(
            proposed, x, n_samples, rng, wanted=standard_error, max_samples=max_samples
        )
        estimate = replace(estimate, method=method)
    _say_aloud(estimate, standard_error, max_samples)
    return estimate


def _say_aloud(estimate: LikelihoodEstimate, wanted: float | None, max_samples: int) -> None:
    """Warn once of errors above what was wanted, and once of weights with a heavy tail."""
    problems = []
    if wanted is not None:
        share = 100 * np.mean(~(estimate.standard_errors <= wanted))
        if share:
            problems.append(
                f"{share:.3g} % of the points have an error above the {wanted:.2g} nats that was "
                f"asked for, with all that max_samples = {max_samples} allows; the largest is "
                f"{estimate.standard_errors.max():.2g}"
            )
    share = 100 * np.mean(estimate.unreliable)
    if share:
        problems.append(
            f"{share:.3g} % of the points have k̂ above its threshold (the largest is "
            f"{np.nanmax(estimate.pareto_k):.2f}): their weights' tail is too heavy for these "
            "draws, values are low and standard errors too small; draw more, train the encoder "
            'longer, or use method="quadrature" where d ≤ 2'
        )
    for problem in problems:
        warnings.warn(problem, LikelihoodWarning, stacklevel=4)
