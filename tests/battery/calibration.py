"""Row 19: simulation-based calibration (arXiv:1804.06788) of p given q.

States come from the model; momenta are then drawn anew given the position alone, by resampling the
importance weights that `likelihood` is made of. The rank of the true momentum is uniform if map,
joint density and weights belong together.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from scipy import stats

from tests.battery.frame import SEED, Case, Row, require
from tests.num.linear_model import linear
from tests.num.models import make

DRAWS, KEPT, BINS = 4000, 39, 10
BUDGET = 1e-4  # probability that a right model fails


def _ranks(model: str, replicates: int, weighted: bool = True) -> np.ndarray:
    flow = linear(2, width=1.6)[0] if model == "linear" else make(model, hamiltonians=2)
    rng, ranks = np.random.default_rng(SEED), []
    base = flow.bound.base.sample(replicates, rng)
    q, p = flow.forward(*np.split(base, 2, axis=1))
    arrays = flow.weights
    own = flow.objective.layout.encoder_weights(arrays)
    for position, momentum in zip(q, p, strict=True):
        noise = rng.standard_normal((DRAWS, flow.dim))
        x = np.tile(position, (DRAWS, 1))
        log_weights = np.asarray(flow.objective.at(arrays).log_weights(x, noise))
        proposed, _ = flow.objective.encoder.draw(own, x, noise)
        weights = np.exp(log_weights - log_weights.max()) if weighted else np.ones(DRAWS)
        chosen = rng.choice(DRAWS, KEPT, p=weights / weights.sum())
        ranks.append((np.asarray(proposed)[chosen] < momentum).sum(axis=0))
    return np.array(ranks)


def _p_values(ranks: np.ndarray) -> list[float]:
    size = (KEPT + 1) // BINS
    counts = [np.bincount(column // size, minlength=BINS) for column in ranks.T]
    return [float(stats.chisquare(count).pvalue) for count in counts]


def _uniform(model: str, replicates: int) -> str:
    values = _p_values(_ranks(model, replicates))
    require(min(values) > BUDGET, f"p = {min(values):.1e}")
    return f"p = {', '.join(f'{value:.2f}' for value in values)}"


def _caught(replicates: int) -> None:
    """Without its weights the proposal, which is too wide, has ranks that pile up in the middle."""
    values = _p_values(_ranks("linear", replicates, weighted=False))
    require(min(values) < BUDGET, f"p = {min(values):.1e} for a wrong posterior")


def cases(quick: bool) -> Iterator[Case]:
    replicates = 100 if quick else 500
    yield Case("linear-Gaussian", partial(_uniform, "linear", replicates))
    if not quick:
        yield Case("so2", partial(_uniform, "so2", replicates))
        yield Case("oscillator", partial(_uniform, "oscillator", replicates))
    yield Case("a wrong posterior is caught", partial(_caught, 100 if quick else 200))


ROWS = [Row(19, "simulation-based calibration, 500 replicates: uniform ranks", cases, 300)]
