"""Figure 2A, small: two rings, few points, and whether {g, H} = 0 guards against overfitting.

Three models learn `rings` from the same points: with the bracket free, with E{g, H}² ≤ κ, and with
{g, H} = 0 by construction, by the settings of `SymmetricDensity`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tqdm.auto import tqdm

import ehf_sym as es
from ehf_num import EquivariantHamiltonianFlow, SymmetricDensity, rings
from ehf_num.plotting import (
    plot_density,
    plot_field,
    plot_learning_curves,
    plot_samples,
    plot_trace,
)
from ehf_num.reproduce.chapter import Chapter, Picture, Table, save
from ehf_num.reproduce.common import Floats, centered, mean_and_spread, seed_range

_DATA_SEED, _TEST_SEED = 1_000, 20_190_913
_DRAWS = 128  # the default of scores
_SAMPLES = 5_000  # that densities are drawn from
_WINDOW = (-4.0, 4.0, -4.0, 4.0)
_KINDS = ("none", "penalty", "exact")


@dataclass(frozen=True)
class Settings:
    """Size of the study.

    Attributes
    ----------
    iterations : int
        Updates for each model, at the most for the exact one.
    seeds : int
        Repetitions: data, weights and noise all change with the seed.
    points : int
        Size of the training set.
    kappa : float
        κ where the bracket is penalized.
    test_points : int
        Points that every model is scored on; the first 500 are watched in training.
    progress : bool or None
        Progress bars; None: only on a terminal.
    """

    iterations: int = 7_000
    seeds: int = 1
    points: int = 100
    kappa: float = 1e-3
    test_points: int = 2_000
    progress: bool | None = None


FULL = Settings(iterations=15_000, seeds=3)


@dataclass(frozen=True)
class Outcome:
    """One trained model and its figures, nats where they are log-likelihoods."""

    enforce: str
    seed: int
    model: EquivariantHamiltonianFlow | SymmetricDensity
    train: float
    test: float
    divergence: float
    squared_bracket: float
    seconds: float

    @property
    def flow(self) -> EquivariantHamiltonianFlow:
        """The flow of the model."""
        return _flow(self.model)


def declare() -> tuple[es.BaseDensity, es.LieAlgebra]:
    """Return the standard normal on d = 2 and SO(2)."""
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    return es.StandardNormal(space), es.LieAlgebra(space, [q1 * p2 - q2 * p1])


def train_one(enforce: str, seed: int, settings: Settings) -> Outcome:
    """Train one model and score it on points that it has not seen.

    Parameters
    ----------
    enforce : {"none", "penalty", "exact"}
        How the bracket is kept at 0, if at all.
    seed : int
        Of data, weights and noise.
    settings : Settings
        Size of the study.
    """
    target, start = rings(), time.perf_counter()
    points = target.sample(settings.points, rng=_DATA_SEED + seed)
    test = target.sample(settings.test_points, rng=_TEST_SEED)
    model = _learned(enforce, points, test[:500], seed, settings)
    seconds = time.perf_counter() - start
    flow = _flow(model)
    q, p = np.split(flow.bound.base.sample(4096, np.random.default_rng(seed)), 2, axis=1)
    score = model.score(test)
    return Outcome(
        enforce,
        seed,
        model,
        train=model.score(points),
        test=score,
        divergence=float(np.mean(target.log_prob(test))) - score,
        squared_bracket=float(np.mean(np.square(flow.brackets(q, p), dtype=np.float64))),
        seconds=seconds,
    )


def _flow(model: EquivariantHamiltonianFlow | SymmetricDensity) -> EquivariantHamiltonianFlow:
    return model.flow_ if isinstance(model, SymmetricDensity) else model


def _learned(
    enforce: str, points: Floats, watched: Floats, seed: int, settings: Settings
) -> EquivariantHamiltonianFlow | SymmetricDensity:
    """Learn from points; of those that are watched, the paper's models show learning curves."""
    base, symmetry = declare()
    if enforce == "exact":
        most, bars = settings.iterations, settings.progress
        # From the same base as the others: by itself it may start from one that needs no flow.
        model = SymmetricDensity(symmetry, base=base, max_iter=most, progress=bars, rng=seed)
        return model.fit(points)
    flow = EquivariantHamiltonianFlow(
        base, symmetry, enforce=enforce, kappa=settings.kappa, dtype="float32", rng=seed
    )
    return flow.fit(
        points,
        iterations=settings.iterations,
        learning_rate=1e-3,
        validation=watched,
        progress=settings.progress,
    )


def chapter(
    outcomes: Sequence[Outcome],
    settings: Settings,
    *,
    pictures: Sequence[Picture] = (),
    command: str = "ehf reproduce so2",
) -> Chapter:
    """Lay the outcomes out, one row a kind of model, mean ± standard deviation over seeds."""
    rows = [("constraint", "train", "test", "gap", "KL", "E{g,H}²", "seconds")]
    for enforce in dict.fromkeys(o.enforce for o in outcomes):
        group = [o for o in outcomes if o.enforce == enforce]
        rows.append(
            (
                _name(enforce, settings),
                mean_and_spread([o.train for o in group]),
                mean_and_spread([o.test for o in group]),
                mean_and_spread([o.train - o.test for o in group]),
                mean_and_spread([o.divergence for o in group]),
                f"{np.mean([o.squared_bracket for o in group]):.2g}",
                f"{np.mean([o.seconds for o in group]):.0f}",
            )
        )
    seeds = seed_range(settings.seeds)
    return Chapter(
        name="so2",
        title="Two rings from few points",
        command=command,
        seeds=f"{seeds}: data, weights and noise",
        tables=(Table("", tuple(rows)),),
        pictures=tuple(pictures),
        remarks=(
            f"{settings.points} points; log-likelihoods in nats, importance weighted with "
            f"{_DRAWS} draws (low in expectation); KL(truth ‖ model) on {settings.test_points} "
            "test points",
            f"{settings.iterations} iterations of one Hamiltonian, seeds {seeds}; exact: "
            "SymmetricDensity from the same base, which ends by itself, no later",
            f"E ln p of the target, by quadrature: {rings().expected_log_prob():.3f}; of its "
            f"{settings.test_points} test points: {_truth_on_test(settings):.3f}",
        ),
    )


def _truth_on_test(settings: Settings) -> float:
    target = rings()
    test = target.sample(settings.test_points, rng=_TEST_SEED)
    return float(np.mean(target.log_prob(test)))


def figure(outcomes: Sequence[Outcome], settings: Settings) -> Figure:
    """Draw one seed: the target beside each model, U(q) and K(p), points, learning curves."""
    shown = [o for o in outcomes if o.seed == outcomes[0].seed]
    canvas = Figure(figsize=(15, 11), layout="constrained")
    axes = canvas.subplots(3, 4)
    target = rings()
    plot_density(target.sample(_SAMPLES, rng=0), axes[0, 0], extent=_WINDOW, title="the target")
    points = target.sample(settings.points, rng=_DATA_SEED + shown[0].seed)
    plot_samples(points, axes[1, 0], extent=_WINDOW, title=f"the {settings.points} points")
    _draw_curves([o for o in shown if o.enforce != "exact"], settings, axes[2, 0])
    for column, outcome in zip(axes.T[1:], shown, strict=True):
        drawn = outcome.model.sample(_SAMPLES, rng=0)
        title = f"{_name(outcome.enforce, settings)}: KL {outcome.divergence:.2f}"
        plot_density(drawn, column[0], extent=_WINDOW, title=title)
        first, *others = outcome.flow.flow.hamiltonians
        which = f", first of {1 + len(others)}" if others else ""
        for ax, part, letter in ((column[1], "potential", "q"), (column[2], "kinetic", "p")):
            plot_field(
                centered(getattr(first, part)),
                ax,
                extent=_WINDOW,
                labels=(f"${letter}_1$", f"${letter}_2$"),
                title=f"{'K' if part == 'kinetic' else 'U'}({letter}){which}",
            )
    return canvas


def _draw_curves(outcomes: Sequence[Outcome], settings: Settings, ax: Axes) -> None:
    curves = {}
    for outcome in outcomes:
        history, name = outcome.flow.result_.history, _name(outcome.enforce, settings)
        curves[f"{name}, points"] = (history.iteration, history.elbo)
        curves[f"{name}, held out"] = (history.iteration, history.validation_elbo)
    truth = rings().expected_log_prob()
    plot_learning_curves(curves, ax, truth=truth, ylabel="ELBO [nats]")
    ax.set_ylim(-5.0, -2.0)


def constraint_figure(outcomes: Sequence[Outcome], settings: Settings) -> Figure:
    """Draw the bracket and the multiplier of the penalized model."""
    canvas = Figure(figsize=(9, 4), layout="constrained")
    left, right = canvas.subplots(1, 2)
    history = next(o for o in outcomes if o.enforce == "penalty").flow.result_.history
    plot_trace(history.iteration, history.squared_brackets, left, threshold=settings.kappa)
    ylabel = "λ [dimensionless]"
    plot_trace(history.iteration, history.multipliers, right, ylabel=ylabel, title="λ")
    return canvas


def _name(enforce: str, settings: Settings) -> str:
    names = {"none": "no constraint", "penalty": f"penalty, κ = {settings.kappa:g}"}
    return names.get(enforce, enforce)


def run(settings: Settings, folder: Path, *, command: str = "ehf reproduce so2") -> str:
    """Train every model, write `so2.png` and `so2_constraint.png`, return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = []
    hidden = None if settings.progress is None else not settings.progress
    with tqdm(total=settings.seeds * len(_KINDS), unit="model", disable=hidden) as shown:
        for seed in range(settings.seeds):
            for enforce in _KINDS:
                shown.set_description(_name(enforce, settings))
                outcomes.append(train_one(enforce, seed, settings))
                shown.update()
    pictures = [
        save(
            figure(outcomes, settings),
            folder,
            "so2.png",
            "The first seed: samples beside the target's, U(q) and K(p), learning curves.",
        ),
        save(
            constraint_figure(outcomes, settings),
            folder,
            "so2_constraint.png",
            "The bracket and the multiplier of the first seed.",
        ),
    ]
    return chapter(outcomes, settings, pictures=pictures, command=command).write(folder)
