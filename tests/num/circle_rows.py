"""Runs of Figure 2B that were never run: what tests of its tables and pictures read."""

import numpy as np

import ehf_num as en
from ehf_num.reproduce.paper.circle_figures import Row
from ehf_num.reproduce.paper.circle_runs import Budget, CircleRun

TINY = Budget(iterations=4, test_points=20, draws=2, samples=30, moving=5)


def row(modes, width=5.0, dt=1.0, seed=0, one_to_one=True, kl=0.1):
    centers = en.modes_on_circle(modes).centers
    found = centers if one_to_one else centers[:1]
    values = {
        "kl": kl, "kl_error": 0.01, "minima": found, "near": len(found),
        "distances": np.zeros(len(found)), "one_to_one": one_to_one, "seconds": 1.0,
        "stop_reason": "iterations", "kinetic": np.arange(81.0**2),
        "potential": np.arange(81.0**2), "one_step": np.ones((441, 2)),
        "whole_flow": np.ones((441, 2)), "samples": np.random.default_rng(0).random((30, 2)),
        "moving": np.zeros((3, 4, 2)),
    }  # fmt: skip
    return Row(CircleRun(modes, width, dt, seed, budget=TINY), values)
