"""One run of the study of data efficiency: a contender, N points, and how close it came.

    KL(truth ‖ model) = E_truth[ln p(x) − ln p_model(x)],

the mean of exactly known minus learned log density on fresh points, in nats. Ours is importance
weighted, low in expectation, so its KL is an upper bound in expectation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ehf_num.reproduce.efficiency.classical import (
    KernelContender,
    MixtureContender,
    OracleContender,
)
from ehf_num.reproduce.efficiency.contender import Budget, Contender, Split
from ehf_num.reproduce.efficiency.hamiltonian_flows import FrontDoor, HamiltonianContender
from ehf_num.reproduce.efficiency.problems import PROBLEMS
from ehf_num.reproduce.efficiency.zuko_flows import ZukoContender

_DATA_SEED, _TEST_SEED = 1_000, 20_190_913
_CONFIRMED_POINTS = 200

BUDGETS = {
    "quick": Budget(iterations=300, patience=300, test_points=500, draws=32),
    "default": Budget(iterations=5_000, patience=960, test_points=4_000, draws=256),
    "full": Budget(iterations=15_000, patience=3_000, test_points=10_000, draws=512),
}
"""How long runs are; only "default" and "full" are meant to be judged by."""

CONTENDERS: dict[str, Contender] = {
    "front-door": FrontDoor(),
    "front-penalty": FrontDoor("penalty"),
    "front-none": FrontDoor("none"),
    "exact": HamiltonianContender("exact"),
    "penalty": HamiltonianContender("penalty"),
    "none": HamiltonianContender("none"),
    "spline": ZukoContender("NSF", transforms=3),
    "spline-rotated": ZukoContender("NSF", transforms=3, rotated=True),
    "masked": ZukoContender("MAF", transforms=5),
    "masked-rotated": ZukoContender("MAF", transforms=5, rotated=True),
    "mixture": MixtureContender(),
    "kernels": KernelContender(),
    "oracle": OracleContender(),
}
"""By the names under which they are asked for."""


@dataclass(frozen=True)
class Run:
    """One contender on one target with N points and one seed; what `sweep` runs and records.

    Attributes
    ----------
    target : str
        A name in `PROBLEMS`.
    size : int
        N, of which a fifth is for validation.
    contender : Contender
        With all its settings, so that a record belongs to these.
    seed : int
        Of data, weights and noise. Contenders with one seed see the same points.
    budget : Budget
    """

    target: str
    size: int
    contender: Contender
    seed: int
    budget: Budget

    def run(self) -> Mapping[str, Any]:
        """Train, and measure KL(truth ‖ model) with its standard error over test points."""
        problem = PROBLEMS[self.target]()
        points = problem.target.sample(self.size, rng=_DATA_SEED + self.seed)
        learned = self.contender.learn(problem, Split.of(points), self.budget, self.seed)
        test = problem.target.sample(self.budget.test_points, rng=_TEST_SEED)
        scores = learned.log_prob(test, self.budget.draws)
        excess = problem.target.log_prob(test) - scores
        gap = None
        if learned.by_quadrature is not None:
            some = test[:_CONFIRMED_POINTS]
            gap = float(np.mean(learned.by_quadrature(some) - scores[: len(some)]))
        return {
            "kl": float(excess.mean()),
            "kl_error": float(excess.std(ddof=1) / np.sqrt(len(excess))),
            "iterations": learned.iterations,
            "best": learned.best,
            "stop_reason": learned.stop_reason,
            "seconds": learned.seconds,
            "parameters": learned.parameters,
            "quadrature_gap": gap,
        }
