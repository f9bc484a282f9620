"""What the options of training change: brackets by constraint, likelihood by objective.

    python -m tests.benchmarks.training_options

Two tables on stdout: mean squared brackets in units of κ, on base states and at both ends of the
trajectories of fresh points, of data off the symmetry's center; and importance-weighted estimates
for `rings`, of exact models with the paper's encoder.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

import ehf_num as en
import ehf_sym as es
from ehf_num.engine.workspace import Array

KAPPA = 0.01
SIZE: dict[str, Any] = {"hidden": (32, 32), "rng": 0}
FIT: dict[str, Any] = {"learning_rate": 3e-3, "schedule": "cosine", "progress": False}
TARGET = en.rings()
FRESH = TARGET.sample(2000, rng=1)
CONSTRAINTS: tuple[dict[str, Any], ...] = (
    {"constraint_on": "base"},
    {"constraint_on": "data"},
    {"constraint_on": "both"},
    {"constraint_on": "both", "split_bracket": True},
)
OBJECTIVES: tuple[dict[str, Any], ...] = (
    {"objective": "elbo", "augment": False},
    {"objective": "elbo", "augment": True},
    {"objective": "elbo", "augment": True, "draws": 8},
    {"objective": "importance", "augment": True, "draws": 1},
    {"objective": "importance", "augment": True, "draws": 8},
)


def off_center(n: int, rng: np.random.Generator) -> Array:
    """Draw points around (3, 0), which no rotation leaves alone."""
    return 0.5 * rng.standard_normal((n, 2)) + np.array([3.0, 0.0])


def brackets(options: dict[str, Any], iterations: int = 3000) -> str:
    """Train under one constraint, and look at the brackets of fresh states."""
    symmetry = es.groups.so(2)
    base = es.StandardNormal(symmetry.space)
    flow = en.EquivariantHamiltonianFlow(base, symmetry, kappa=KAPPA, **SIZE, **options)
    flow.fit(off_center, iterations=iterations, **FIT)
    rng = np.random.default_rng(1)
    x, noise = off_center(4000, rng), rng.standard_normal((4000, 2))
    objective = flow.objective
    p, _ = objective.encoder.draw(objective.layout.encoder_weights(flow.weights), x, noise)
    data = map(np.concatenate, zip((x, p), flow.inverse(x, p), strict=True))
    places = rng.standard_normal((2, 4000, 2)), data
    squares = [np.mean(flow.brackets(*place) ** 2) / KAPPA for place in places]
    words = ", ".join(f"{name}={value}" for name, value in options.items())
    return f"{words:44} {squares[0]:6.2f} {squares[1]:6.2f}"


def likelihood(options: dict[str, Any], iterations: int = 4000) -> str:
    """Train on one objective with 100 points of `rings`, and estimate ln p of fresh ones."""
    symmetry = es.groups.so(2)
    base = es.StandardNormal(symmetry.space)
    flow = en.EquivariantHamiltonianFlow(base, symmetry, enforce="exact", **SIZE)
    start = perf_counter()
    flow.fit(TARGET.sample(100, rng=0), iterations=iterations, **FIT, **options)
    seconds = perf_counter() - start
    bound, estimate = flow.elbo(FRESH).mean(), flow.log_prob(FRESH, n_samples=256).mean()
    words = ", ".join(f"{name}={value}" for name, value in options.items())
    return f"{words:44} {bound:7.3f} {estimate:7.3f} {1e3 * seconds / iterations:6.1f}"


if __name__ == "__main__":
    print(f"{'constraint':44} {'base':>6} {'data':>6}   mean {{g,H}}² / κ, κ = {KAPPA}")
    for constraint in CONSTRAINTS:
        print(brackets(constraint), flush=True)
    print(f"\n{'objective':44} {'ELBO':>7} {'ln p':>7} {'ms':>6}   nats; per iteration")
    for objective in OBJECTIVES:
        print(likelihood(objective), flush=True)
    print(f"{'the truth':44} {'':7} {TARGET.log_prob(FRESH).mean():7.3f}")
