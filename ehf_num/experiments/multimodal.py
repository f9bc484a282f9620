"""Figure 2B: modes on a circle, learned from a soft-uniform base, and the flow that makes them.

No symmetry is declared: the square base has none of the circle's. What is looked at is how the
potential U digs one well a mode, and how one leapfrog step and the whole flow move points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import ehf_sym as es
from ehf_num.datasets import modes_on_circle
from ehf_num.experiments.common import aligned, centered, save_figure, save_text
from ehf_num.integrators import Leapfrog
from ehf_num.model import EquivariantHamiltonianFlow
from ehf_num.plotting import plot_density, plot_field, plot_vector_field
from ehf_num.workspace import Array

_EXTENT = (-4.0, 4.0, -4.0, 4.0)
_TEST_SEED = 20_190_913


@dataclass(frozen=True)
class Settings:
    """Size of the study.

    Attributes
    ----------
    modes : tuple of int
        Targets, by their number of modes.
    iterations : int
        Updates for each model.
    seed : int
        Of weights and noise.
    width, sharpness : float
        σ and β of the soft-uniform base.
    step_size : float
        dt of the two leapfrog steps.
    test_points : int
        Points that every model is scored on.
    progress : bool or None
        Progress bars; None: only on a terminal.
    """

    modes: tuple[int, ...] = (5, 8)
    iterations: int = 12_000
    seed: int = 0
    width: float = 5.0
    sharpness: float = 10.0
    step_size: float = 1.0
    test_points: int = 2_000
    progress: bool | None = None


FULL = Settings(modes=(2, 3, 5, 8, 9))


@dataclass(frozen=True)
class Outcome:
    """One trained model; log-likelihoods in nats."""

    modes: int
    flow: EquivariantHamiltonianFlow
    test: float
    truth: float
    seconds: float


def train_one(modes: int, settings: Settings) -> Outcome:
    """Learn one target from endless data and score the model on test points."""
    target = modes_on_circle(modes)
    base = es.SoftUniform(es.PhaseSpace(2), width=settings.width, sharpness=settings.sharpness)
    flow = EquivariantHamiltonianFlow(
        base,
        enforce="none",
        steps=2,
        step_size=settings.step_size,
        dtype="float32",
        rng=settings.seed,
    )
    flow.fit(
        target.sample,
        iterations=settings.iterations,
        learning_rate=1e-3,
        progress=settings.progress,
    )
    test = target.sample(settings.test_points, rng=_TEST_SEED)
    return Outcome(
        modes=modes,
        flow=flow,
        test=flow.score(test),
        truth=float(np.mean(target.log_prob(test))),
        seconds=flow.result_.seconds,
    )


def table(outcomes: Sequence[Outcome], settings: Settings) -> str:
    """Lay the outcomes out, one row a target."""
    rows = [("modes", "test", "truth", "truth - test", "seconds")]
    rows += [
        (
            str(o.modes),
            f"{o.test:.3f}",
            f"{o.truth:.3f}",
            f"{o.truth - o.test:.3f}",
            f"{o.seconds:.0f}",
        )
        for o in outcomes
    ]
    notes = (
        f"mean ln p of {settings.test_points} test points in nats; test: importance weighted "
        "with 128 draws (low in expectation)",
        f"soft-uniform base, width {settings.width:g}, sharpness {settings.sharpness:g}; 2 "
        f"leapfrog steps of {settings.step_size:g}; {settings.iterations} iterations; "
        f"seed {settings.seed}",
    )
    return "\n".join([aligned(rows), "", *notes])


def figure(outcomes: Sequence[Outcome]) -> Figure:
    """Draw one row a target: densities, K, U, one step and the whole flow as vector fields."""
    canvas = Figure(figsize=(24, 4 * len(outcomes)), layout="constrained")
    for axes, outcome in zip(
        canvas.subplots(len(outcomes), 6, squeeze=False), outcomes, strict=True
    ):
        target, flow = modes_on_circle(outcome.modes), outcome.flow
        hamiltonian = flow.flow.hamiltonians[0]
        plot_density(
            target.sample(4_000, rng=0), axes[0], extent=_EXTENT, title=f"{target.name}: target KDE"
        )
        plot_density(flow.sample(4_000, rng=0), axes[1], extent=_EXTENT, title="KDE of samples")
        plot_field(
            centered(hamiltonian.kinetic),
            axes[2],
            extent=_EXTENT,
            labels=("$p_1$", "$p_2$"),
            title="K(p)",
        )
        plot_field(centered(hamiltonian.potential), axes[3], extent=_EXTENT, title="U(q)")
        for ax, steps, title in ((axes[4], 1, "One step"), (axes[5], 2, "Whole flow")):
            plot_vector_field(
                _Displacement(flow, steps), ax, extent=_EXTENT, title=f"{title}: Δq from p = 0"
            )
    return canvas


@dataclass(frozen=True)
class _Displacement:
    """How far so many leapfrog steps move q from rest."""

    flow: EquivariantHamiltonianFlow
    steps: int

    def __call__(self, q: Array) -> Array:
        q = q.astype(self.flow.settings.dtype)
        integrator = Leapfrog(self.steps, self.flow.settings.step_size)
        end, _ = integrator.forward(self.flow.flow.hamiltonians[0], q, np.zeros_like(q))
        moved: Array = end - q
        return moved


def run(settings: Settings, folder: Path) -> str:
    """Train every model, write `multimodal.png`, return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = [train_one(modes, settings) for modes in settings.modes]
    save_figure(figure(outcomes), folder / "multimodal.png")
    text = table(outcomes, settings)
    save_text(text + "\n", folder / "multimodal.txt")
    return text
