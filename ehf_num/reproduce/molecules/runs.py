"""One run of the studies of molecules: a contender, N points, how close it came; and the floor.

The NLL is the mean of −ln p over test points, nats, on the zero-centre-of-mass space with its own
volume; the floor is the entropy of e^{−U}/Z. Ours is importance weighted, so that its NLL is too
high in expectation: an upper bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ehf_num.reproduce.common import Floats
from ehf_num.reproduce.efficiency.contender import Budget, Learned, Split
from ehf_num.reproduce.efficiency.zuko_flows import ZukoContender
from ehf_num.reproduce.molecules.graph_flow import GraphFlowContender
from ehf_num.reproduce.molecules.priors import PriorContender
from ehf_num.reproduce.molecules.problems import PROBLEMS, ParticleContender, ParticleProblem
from ehf_num.reproduce.molecules.window_flows import WindowContender

_DATA_SEED, _TEST_SEED, _DRAW_SEED = 1_000, 20_190_913, 7
MOMENTA = 64  # of each weighed draw of ours, in the second of its shares
_BINS = 60

BUDGETS = {
    "quick": Budget(iterations=60, patience=60, test_points=60, draws=8),
    "short": Budget(iterations=1_000, patience=300, test_points=400, draws=256, batch_size=64),
    "default": Budget(iterations=8_000, patience=2_600, test_points=1_000, draws=256),
    "full": Budget(iterations=15_000, patience=5_000, test_points=10_000, draws=1_024),
}
"""How long runs are; "quick" is not meant to be judged by."""

FLOOR_WALKERS = {"quick": 300, "short": 2_000, "default": 4_000, "full": 20_000}

CONTENDERS: dict[str, ParticleContender] = {
    "windows": WindowContender(),
    "windows-fine": WindowContender(gaussians=24, reach=4.8),
    "lifted": WindowContender(hamiltonians=1, maps=12, learning_rate=2e-2, draws=1, batch_size=128),
    "prior": PriorContender(),
    "prior-windows": WindowContender(
        hamiltonians=4, gaussians=24, reach=4.8, learning_rate=2e-3, prior=True
    ),
    "spline-moved": ZukoContender("NSF", transforms=5, rotated=True),
    "graph-flow": GraphFlowContender(),
}
"""By the names under which they are asked for."""


@dataclass(frozen=True)
class Floor:
    """ln Z, entropy and mean energy of a target, from both ends, and the checks of its draws."""

    target: str
    walkers: int

    def run(self) -> Mapping[str, Any]:
        """Anneal in both directions; draw histograms from test points."""
        problem = PROBLEMS[self.target]
        found = problem.floor(self.walkers, _TEST_SEED)
        test = problem.points(self.walkers, _TEST_SEED)
        return {
            name: getattr(found, name)
            for name in (
                *("log_z", "log_z_error", "forward", "forward_error", "backward"),
                *("backward_error", "energy", "energy_error", "entropy", "entropy_error"),
            )
        } | {"checks": problem.checks(self.walkers, _TEST_SEED), **_histograms(problem, test, test)}


@dataclass(frozen=True)
class Run:
    """One contender on one target with N points and one seed; what `sweep` runs and records.

    Attributes
    ----------
    target : str
        A name in `PROBLEMS`.
    size : int
        N, of which a fifth is for validation.
    contender : ParticleContender
        With all its settings, so that a record belongs to these.
    seed : int
        Of data, weights and noise. Contenders with one seed see the same points.
    budget : Budget
    """

    target: str
    size: int
    contender: ParticleContender
    seed: int
    budget: Budget

    def run(self) -> Mapping[str, Any]:
        """Train, score test points, and weigh draws against e^{−U}."""
        problem = PROBLEMS[self.target]
        points = problem.points(self.size, _DATA_SEED + self.seed)
        learned = self.contender.learn(problem, Split.of(points), self.budget, self.seed)
        test = problem.points(self.budget.test_points, _TEST_SEED)
        scores = -learned.log_prob(test, self.budget.draws)
        # Point by point against U: KL + ln Z, with far less noise than either mean.
        excess = scores - problem.energy.value(test)
        return {
            "nll": float(scores.mean()),
            "nll_error": _error_of_mean(scores),
            "excess": float(excess.mean()),
            "excess_error": _error_of_mean(excess),
            "iterations": learned.iterations,
            "best": learned.best,
            "stop_reason": learned.stop_reason,
            "seconds": learned.seconds,
            "parameters": learned.parameters,
            **_weighed(problem, learned, self.budget, test),
            **_pair_potentials(problem, learned, test),
        }


def _error_of_mean(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _weighed(
    problem: ParticleProblem, learned: Learned, budget: Budget, test: Floats
) -> dict[str, Any]:
    """Return the effective share of draws, ln Z by their weights, and their histograms."""
    if learned.sample is None:
        return {"ess": None, "ess_marginal": None, "log_z": None}
    x, log_density = learned.sample(budget.test_points, _DRAW_SEED)
    log_weights = -problem.energy.value(x) - log_density
    weights = np.exp(log_weights - np.nanmax(log_weights))
    weights[np.isnan(weights)] = 0
    share = float(weights.sum() ** 2 / (weights**2).sum() / len(weights))
    log_z = float(np.log(weights.mean()) + np.nanmax(log_weights))
    many = None if learned.share is None else learned.share(budget.test_points, MOMENTA)
    return {"ess": share, "ess_marginal": many, "log_z": log_z, **_histograms(problem, x, test)}


def _pair_potentials(problem: ParticleProblem, learned: Learned, test: Floats) -> dict[str, Floats]:
    if learned.pair_potentials is None:
        return {}
    low, high = np.quantile(problem.energy.distances(test), [0.001, 0.999])
    r = np.linspace(low, high, _BINS)
    return {"potential_r": r, "potentials": learned.pair_potentials(r)}


def _histograms(problem: ParticleProblem, x: Floats, test: Floats) -> dict[str, Floats]:
    """Count distances of pairs and energies of points between the edges that test points give."""
    found = {}
    for name, value in (("distance", problem.energy.distances), ("energy", problem.energy.value)):
        low, high = np.quantile(value(test), [0.0, 0.999])
        edges = np.linspace(low - 0.1 * (high - low), high + 0.2 * (high - low), _BINS + 1)
        values = np.ravel(value(x))
        counts, _ = np.histogram(values, edges)
        found[f"{name}_edges"] = edges
        found[f"{name}_density"] = counts / np.diff(edges) / len(values)
    return found
