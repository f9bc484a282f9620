"""Runs of Figure 2A that were never run: what tests of its tables and pictures read."""

import numpy as np

from ehf_num.reproduce.paper.rings_claims import Row
from ehf_num.reproduce.paper.rings_runs import Budget, RingsRun

TINY = Budget(
    iterations=6, looks=3, look_points=10, look_draws=2, test_points=30, draws=4, turned=8,
    turned_draws=4, samples=50,
)  # fmt: skip


def row(kappa, points, seed, train=0.0, test=0.0, change=0.0, bracket=1e-3):
    values = {
        "train": train, "test": test, "turned_change": change, "truth": -2.5,
        "squared_bracket": np.full(10, bracket), "bracket_base": bracket, "bracket_data": bracket,
        "seconds": 1.0, "stop_reason": "iterations", "look": np.arange(4.0),
        "train_curve": np.linspace(-4, train, 4), "test_curve": np.linspace(-4, test, 4),
        "iteration": np.arange(10), "multiplier": np.ones(10),
        "samples": np.random.default_rng(seed).standard_normal((50, 2)),
        "kinetic": np.arange(61.0**2), "potential": np.arange(61.0**2),
    }  # fmt: skip
    return Row(RingsRun(kappa, points, seed, TINY), values)
