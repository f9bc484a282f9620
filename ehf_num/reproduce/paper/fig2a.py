"""Figure 2A: two rings from 100, 500 and endless points, without the constraint and with four κ.

Every run is recorded as it ends, in the folder ``records``: what was killed continues, and what is
repeated only writes its tables and pictures anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ehf_num import rings
from ehf_num.reproduce.chapter import Chapter, Picture, Table, save
from ehf_num.reproduce.claims import RULE, as_table
from ehf_num.reproduce.common import mean_and_spread, seed_range
from ehf_num.reproduce.paper import rings_figures
from ehf_num.reproduce.paper.rings_claims import Rows, effects, judgements, words_of
from ehf_num.reproduce.paper.rings_runs import Budget, RingsRun
from ehf_num.reproduce.recorded import check_sizes, ended_early, failures, run_all
from ehf_num.reproduce.sweep import Outcome
from ehf_sym import ArgumentError

_NONE, _ENDLESS = "none", "endless"


def _number(word: str, name: str, none: str) -> float | None:
    """Read κ or a number of points; None for the word that says there is no bound."""
    if word == none:
        return None
    try:
        value = float(word)
    except ValueError:
        value = np.nan
    if not 0 < value < np.inf or (name == "points" and value != int(value)):
        kind = "a positive number" if name == "kappas" else "a positive integer"
        raise ArgumentError(f'{name} had {word!r}; it should be "{none}" or {kind}')
    return value


@dataclass(frozen=True)
class Settings:
    """Size of the experiment.

    Attributes
    ----------
    kappas : tuple of str
        "none", or a positive number.
    points : tuple of str
        "endless", or how many.
    seeds : int
        Repetitions: data, weights and noise all change with the seed.
    iterations : int
        Updates of each model.
    progress : bool or None
        Progress bar over runs; None: only on a terminal.

    Raises
    ------
    ehf_sym.ArgumentError
        If one of them cannot be used.

    Examples
    --------
    >>> len(FULL.runs())
    75
    """

    kappas: tuple[str, ...] = (_NONE, "1e-3")
    points: tuple[str, ...] = ("100", _ENDLESS)
    seeds: int = 3
    iterations: int = 5_000
    progress: bool | None = None

    def __post_init__(self) -> None:
        check_sizes(self, "kappas", "points")
        self.runs()

    def runs(self) -> list[RingsRun]:
        """List every run: all cells of a seed before the next seed."""
        budget = replace(Budget(), iterations=self.iterations)
        kappas = dict.fromkeys(_number(word, "kappas", _NONE) for word in self.kappas)
        sizes = dict.fromkeys(_number(word, "points", _ENDLESS) for word in self.points)
        return [
            RingsRun(kappa, None if size is None else int(size), seed, budget)
            for seed in range(self.seeds)
            for size in sizes
            for kappa in kappas
        ]


FULL = Settings(
    kappas=(_NONE, "1e-1", "1e-2", "1e-3", "1e-4"),
    points=("100", "500", _ENDLESS),
    seeds=5,
    iterations=15_000,
)


def run(
    settings: Settings,
    folder: Path,
    executor: Executor | None = None,
    *,
    command: str = "ehf reproduce fig2a",
) -> str:
    """Run what `run_all` has to; write tables and pictures; return the tables as text."""
    return chapter(settings, run_all(settings, folder, executor), folder, command).write(folder)


def chapter(settings: Settings, outcomes: Sequence[Outcome], folder: Path, command: str) -> Chapter:
    """Draw the pictures and lay everything out; outcomes are those of `RingsRun`."""
    failed = [f"failed: {line}" for line in failures(outcomes, _name)]
    rows = Rows.of(outcomes)
    whole = Chapter(
        name="fig2a",
        title="Figure 2A: two rings, with and without the constraint",
        command=command,
        seeds=f"{seed_range(settings.seeds)}: data, weights and noise; runs with one seed see the "
        "same points",
        remarks=(*failed,),
    )
    if not rows.rows:
        return whole
    judged = judgements(rows)
    tables = [as_table(judged)] if judged else []
    compared = [effects(rows)] if judged and None in rows.kappas else []
    return replace(
        whole,
        tables=(*tables, _results(rows), *compared),
        pictures=_pictures(rows, folder),
        remarks=(*failed, *_remarks(settings, rows)),
    )


def _name(run: RingsRun) -> str:
    data = words_of(run.points, _ENDLESS)
    return f"data {data}, κ {words_of(run.kappa, _NONE)}, seed {run.seed}"


def _results(rows: Rows) -> Table:
    head = ("data", "κ", "train", "test", "train − test", "|change|", "E{g,H}²", "on data", "s")
    body = []
    for points in rows.sizes:
        for kappa in rows.kappas:
            cell = list(rows.cell(kappa, points).values())
            if cell:
                body.append(
                    (
                        words_of(points, _ENDLESS),
                        words_of(kappa, _NONE),
                        mean_and_spread([row.values["train"] for row in cell]),
                        mean_and_spread([row.values["test"] for row in cell]),
                        mean_and_spread([row.gap for row in cell]),
                        mean_and_spread([row.values["turned_change"] for row in cell]),
                        f"{np.mean([row.values['bracket_base'] for row in cell]):.2g}",
                        f"{np.mean([row.values['bracket_data'] for row in cell]):.2g}",
                        f"{np.mean([row.values['seconds'] for row in cell]):.0f}",
                    )
                )
    return Table(
        "ln p in nats and |change of ln p under rotation|, mean ± standard deviation over seeds; "
        "mean {g,H}² on base states and on those that test points are pulled back to; seconds of "
        "training",
        (head, *body),
    )


def _pictures(rows: Rows, folder: Path) -> tuple[Picture, ...]:
    drawn = [
        (
            rings_figures.curves(rows),
            "fig2a_curves.png",
            "Training and test log-likelihood during training: means over seeds, bands from least "
            "to largest.",
        ),
        (
            rings_figures.scores(rows),
            "fig2a_scores.png",
            "Final test log-likelihood: each seed a point, lines through the means.",
        ),
        (
            rings_figures.densities(rows),
            "fig2a_densities.png",
            "Kernel density estimates of the data and of samples of the first seed's models.",
        ),
        (
            rings_figures.energies(rows, "kinetic"),
            "fig2a_kinetic.png",
            "K(p) of the first seed's models, least value 0.",
        ),
        (
            rings_figures.energies(rows, "potential"),
            "fig2a_potential.png",
            "U(q) of the first seed's models, least value 0.",
        ),
    ]
    if rows.shown_kappa is not None:
        drawn.append(
            (
                rings_figures.constraint(rows),
                "fig2a_constraint.png",
                "The bracket and its multiplier during training: geometric means over seeds, bands "
                "from least to largest.",
            )
        )
    return tuple(save(canvas, folder, file, caption) for canvas, file, caption in drawn)


def _remarks(settings: Settings, rows: Rows) -> tuple[str, ...]:
    budget = rows.rows[0].spec.budget
    return (
        RULE,
        f"claims are judged by κ = {rows.shown_kappa:g}" if rows.shown_kappa else "no κ was run",
        f"final ln p: importance weighted with {budget.draws} draws, low in expectation, on "
        f"{budget.test_points:,} test points whose mean true ln p is "
        f"{rows.rows[0].values['truth']:.3f} (the target's expectation is "
        f"{rings().expected_log_prob():.3f}); during training {budget.look_draws} draws on "
        f"{budget.look_points} points",
        f"{_ENDLESS} data: train is the score on points that the model has not seen",
        f"|change|: mean |ln p(x) − ln p(R x)| over {budget.turned} test points, each with a "
        f"random rotation R, {budget.turned_draws} draws; the draws' noise is part of it",
        f"{settings.iterations:,} iterations, batch {budget.batch_size}, learning rate "
        f"{budget.learning_rate:g}, float32, one thread a run",
        *ended_early(rows.rows, _name),
    )
