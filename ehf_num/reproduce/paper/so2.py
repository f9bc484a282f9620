"""Figure 2A: two rings, SO(2), few points, and whether {g, H} = 0 guards against overfitting.

Four models learn `rings`: from a finite set of points and from endless data, with the bracket
free and with E{g, H}² ≤ κ. Test log-likelihoods are importance weighted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import ehf_sym as es
from ehf_num import EquivariantHamiltonianFlow, rings
from ehf_num.plotting import plot_density, plot_field, plot_learning_curves, plot_trace
from ehf_num.reproduce.chapter import Chapter, Picture, Table, save
from ehf_num.reproduce.common import centered, mean_and_spread, seed_range

_DATA_SEED, _TEST_SEED = 1_000, 20_190_913
_DRAWS = 128


@dataclass(frozen=True)
class Settings:
    """Size of the study.

    Attributes
    ----------
    iterations : int
        Updates for each model.
    seeds : int
        Repetitions: data, weights and noise all change with the seed.
    points : int
        Size of the finite training set.
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

    data: str
    enforce: str
    seed: int
    flow: EquivariantHamiltonianFlow
    train: float
    test: float
    squared_bracket: float
    seconds: float


def declare() -> tuple[es.BaseDensity, es.LieAlgebra]:
    """Return the standard normal on d = 2 and SO(2)."""
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    return es.StandardNormal(space), es.LieAlgebra(space, [q1 * p2 - q2 * p1])


def train_one(data: str, enforce: str, seed: int, settings: Settings) -> Outcome:
    """Train one model and score it on points that it has not seen.

    Parameters
    ----------
    data : {"finite", "endless"}
        What it learns from.
    enforce : {"none", "penalty"}
        Whether the bracket is penalized.
    seed : int
        Of data, weights and noise.
    settings : Settings
        Size of the study.
    """
    target = rings()
    points = target.sample(settings.points, rng=_DATA_SEED + seed)
    test = target.sample(settings.test_points, rng=_TEST_SEED)
    flow = EquivariantHamiltonianFlow(
        *declare(), enforce=enforce, kappa=settings.kappa, dtype="float32", rng=seed
    )
    flow.fit(
        points if data == "finite" else target.sample,
        iterations=settings.iterations,
        learning_rate=1e-3,
        validation=test[:500],
        progress=settings.progress,
    )
    q, p = np.split(flow.bound.base.sample(4096, np.random.default_rng(seed)), 2, axis=1)
    return Outcome(
        data=f"{settings.points} points" if data == "finite" else "endless",
        enforce=enforce,
        seed=seed,
        flow=flow,
        train=float(np.mean(flow.log_prob(points, n_samples=_DRAWS))),
        test=float(np.mean(flow.log_prob(test, n_samples=_DRAWS))),
        squared_bracket=float(np.mean(np.square(flow.brackets(q, p), dtype=np.float64))),
        seconds=flow.result_.seconds,
    )


def chapter(
    outcomes: Sequence[Outcome],
    settings: Settings,
    *,
    pictures: Sequence[Picture] = (),
    command: str = "ehf reproduce so2",
) -> Chapter:
    """Lay the outcomes out, one row a kind of model, mean ± standard deviation over seeds."""
    rows = [("data", "κ", "train", "test", "gap", "E{g,H}²", "seconds")]
    for data, enforce in dict.fromkeys((o.data, o.enforce) for o in outcomes):
        group = [o for o in outcomes if (o.data, o.enforce) == (data, enforce)]
        rows.append(
            (
                data,
                f"{settings.kappa:g}" if enforce == "penalty" else "none",
                mean_and_spread([o.train for o in group]),
                mean_and_spread([o.test for o in group]),
                mean_and_spread([o.train - o.test for o in group]),
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
            f"log-likelihoods in nats, importance weighted with {_DRAWS} draws (low in "
            f"expectation); {settings.iterations} iterations, seeds {seeds}",
            "endless data: train is the score on the finite set, which the model has not seen",
            f"E ln p of the target, by quadrature: {rings().expected_log_prob():.3f}; of its "
            f"{settings.test_points} test points: {_truth_on_test(settings):.3f}",
        ),
    )


def _truth_on_test(settings: Settings) -> float:
    target = rings()
    test = target.sample(settings.test_points, rng=_TEST_SEED)
    return float(np.mean(target.log_prob(test)))


def figure(outcomes: Sequence[Outcome], settings: Settings) -> Figure:
    """Draw one seed: learning curves, brackets and λ, densities, K(p) and U(q)."""
    shown = [o for o in outcomes if o.seed == outcomes[0].seed]
    canvas = Figure(figsize=(15, 13), layout="constrained")
    axes = canvas.subplots(4, 4)
    for ax, outcome in zip(axes[0], shown, strict=True):
        history = outcome.flow.result_.history
        plot_learning_curves(
            {
                "minibatches": (history.iteration, history.elbo),
                "held out": (history.iteration, history.validation_elbo),
            },
            ax,
            truth=rings().expected_log_prob(),
            ylabel="ELBO [nats]",
            title=_title(outcome, settings),
        )
        ax.set_ylim(-6.0, -1.0)
    for ax, outcome in zip(axes[1], shown, strict=True):
        samples = outcome.flow.sample(4_000, rng=0)
        plot_density(samples, ax, extent=(-4, 4, -4, 4), title="KDE of samples")
    for row, part, letter in ((2, "kinetic", "p"), (3, "potential", "q")):
        for ax, outcome in zip(axes[row], shown, strict=True):
            hamiltonian = outcome.flow.flow.hamiltonians[0]
            plot_field(
                centered(getattr(hamiltonian, part)),
                ax,
                extent=(-4, 4, -4, 4),
                labels=(f"${letter}_1$", f"${letter}_2$"),
                title="K(p)" if part == "kinetic" else "U(q)",
            )
    return canvas


def constraint_figure(outcomes: Sequence[Outcome], settings: Settings) -> Figure:
    """Draw the target's KDE, and the brackets and multipliers of the penalized models."""
    canvas = Figure(figsize=(13, 4), layout="constrained")
    left, middle, right = canvas.subplots(1, 3)
    target = rings().sample(4_000, rng=0)
    plot_density(target, left, extent=(-4, 4, -4, 4), title="KDE of the target's samples")
    shown = [o for o in outcomes if o.enforce == "penalty" and o.seed == outcomes[0].seed]
    histories = [o.flow.result_.history for o in shown]
    labels = [o.data for o in shown]
    iterations = histories[0].iteration
    brackets = np.stack([h.squared_brackets[:, 0] for h in histories], axis=1)
    multipliers = np.stack([h.multipliers[:, 0] for h in histories], axis=1)
    plot_trace(iterations, brackets, middle, labels=labels, threshold=settings.kappa)
    plot_trace(iterations, multipliers, right, labels=labels, ylabel="λ [dimensionless]", title="λ")
    return canvas


def _title(outcome: Outcome, settings: Settings) -> str:
    bound = f"κ = {settings.kappa:g}" if outcome.enforce == "penalty" else "no constraint"
    return f"{outcome.data}, {bound}"


def run(settings: Settings, folder: Path, *, command: str = "ehf reproduce so2") -> str:
    """Train every model, write `so2.png` and `so2_constraint.png`, return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = [
        train_one(data, enforce, seed, settings)
        for seed in range(settings.seeds)
        for data in ("finite", "endless")
        for enforce in ("none", "penalty")
    ]
    pictures = [
        save(
            figure(outcomes, settings),
            folder,
            "so2.png",
            "The first seed: learning curves, samples, K(p) and U(q).",
        ),
        save(
            constraint_figure(outcomes, settings),
            folder,
            "so2_constraint.png",
            "The target, and the brackets and multipliers of the first seed.",
        ),
    ]
    return chapter(outcomes, settings, pictures=pictures, command=command).write(folder)
