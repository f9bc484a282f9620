"""Files that earlier code wrote, and the runs that they are of.

    python -m tests.num.released_files

writes them anew, with whatever code is installed: those in `released` are of commit e162085.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

import ehf_num as en
import ehf_sym as es
from ehf_num.inference.importance import log_weights

FOLDER = Path(__file__).with_name("released")
ITERATIONS, EVERY = 20, 8


def points(dim: int) -> Any:
    """Draw what is learned."""
    return np.random.default_rng(7).standard_normal((24, dim))


def _rotations() -> tuple[es.BaseDensity, es.LieAlgebra]:
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    return es.StandardNormal(space), es.LieAlgebra(space, [q1 * p2 - q2 * p1])


def _three_vectors() -> tuple[es.BaseDensity, es.LieAlgebra]:
    space = es.PhaseSpace(9)
    return es.StandardNormal(space), es.LieAlgebra(space, es.Particles(3, 3).rotations().generators)


def _learned() -> es.BaseDensity:
    width = sp.Symbol("w", positive=True)
    space = es.PhaseSpace(2, parameters=[width])
    (q1, q2), (p1, p2) = space.q, space.p
    return es.BaseDensity(space, log_density=-(width * (q1**2 + q2**2) + p1**2 + p2**2) / 2)


MODELS: dict[str, Any] = {
    "penalty": lambda: (*_rotations(), {"constraint_on": "both", "split_bracket": True}),
    "exact": lambda: (*_rotations(), {"enforce": "exact", "encoder": "coupling"}),
    "three_vectors": lambda: (*_three_vectors(), {"enforce": "exact", "encoder": "coupling"}),
    "float32": lambda: (*_rotations(), {"dtype": "float32", "hamiltonians": 2}),
    "soft_uniform": lambda: (es.SoftUniform(es.PhaseSpace(2)), None, {"enforce": "none"}),
    "learned_base": lambda: (_learned(), None, {"enforce": "none"}),
}
RUNS: dict[str, dict[str, Any]] = {
    "penalty": {"validation": 0.25, "patience": 15, "schedule": "cosine"},
    "float32": {"x": en.rings().sample, "objective": "importance", "draws": 2},
    "exact": {"batch_size": 8, "augment": True, "schedule": en.LearningRateSchedule(warmup=3)},
}


def model(name: str) -> en.EquivariantHamiltonianFlow:
    """Build one, untrained."""
    base, symmetry, options = MODELS[name]()
    return en.EquivariantHamiltonianFlow(base, symmetry, hidden=(4,), rng=3, **options)


def fit(name: str, flow: en.EquivariantHamiltonianFlow, **more: Any) -> None:
    """Train it as it was when its checkpoint was written."""
    options = (
        {"x": points(flow.dim), "batch_size": 6, "learning_rate": 1e-2} | RUNS.get(name, {}) | more
    )
    flow.fit(options.pop("x"), iterations=ITERATIONS, progress=False, **options)


def elbo(flow: en.EquivariantHamiltonianFlow) -> Any:
    """Estimate the ELBO with noise that no later code draws in another way."""
    x = points(flow.dim).astype(flow.weights[0].dtype)
    noise = np.random.default_rng(0).standard_normal((len(x), 16, flow.dim)).astype(x.dtype)
    return log_weights(flow.bound, x, noise).mean(axis=1)


def interrupted(step: Any) -> Any:
    """Break off in the second iteration after the first checkpoint."""

    def breaking(run: Any) -> bool:
        if run.iteration == EVERY + 2:
            raise KeyboardInterrupt
        return bool(step(run))

    return breaking


def main() -> None:
    """Write models with what they answer, and checkpoints with where their runs end."""
    from ehf_num.training.training import Run

    FOLDER.mkdir(exist_ok=True)
    for name in MODELS:
        flow = model(name)
        fit(name, flow)
        flow.save(FOLDER / f"{name}.npz")
        answers = {"elbo": elbo(flow), "sample": flow.sample(5, rng=1)}
        if name in RUNS:
            answers["weights"] = np.concatenate([array.ravel() for array in flow.weights])
            step, checkpoint = Run.step, FOLDER / f"{name}_run.npz"
            checkpoint.unlink(missing_ok=True)
            Run.step = interrupted(step)  # type: ignore[method-assign]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", en.TrainingWarning)
                fit(name, model(name), checkpoint=checkpoint, checkpoint_every=EVERY)
            Run.step = step  # type: ignore[method-assign]
        np.savez(FOLDER / f"{name}_answers.npz", **answers)


if __name__ == "__main__":
    main()
