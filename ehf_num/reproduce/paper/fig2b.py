"""Figure 2B: modes on a circle from two bases, and whether U digs one well a mode.

Every run is recorded as it ends, in the folder ``records``.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from ehf_num.reproduce.chapter import Chapter, Picture, Table, save
from ehf_num.reproduce.common import seed_range
from ehf_num.reproduce.paper.circle_figures import Row, animate, figure
from ehf_num.reproduce.paper.circle_runs import Budget, CircleRun
from ehf_num.reproduce.paper.wells import NEAR
from ehf_num.reproduce.recorded import (
    check_positive,
    check_sizes,
    ended_early,
    failures,
    rows_of,
    run_all,
)
from ehf_num.reproduce.sweep import Outcome
from ehf_sym import ArgumentError

_BASES = ("soft-uniform", "normal")


@dataclass(frozen=True)
class Settings:
    """Size of the experiment.

    Attributes
    ----------
    name : str
        What files of results are called.
    modes : tuple of int
        Targets, by their number of modes.
    bases : tuple of str
        "soft-uniform", "normal".
    widths : tuple of float
        σ of the soft-uniform base.
    step_sizes : tuple of float
        dt of the two leapfrog steps.
    seeds : int
        Repetitions: weights, data and noise all change with the seed.
    iterations : int
        Updates of each model.
    epsilon : float
        Adam's ε. With its usual 1e-8 units of h(p|q) die on some seeds (`Budget`).
    progress : bool or None
        Progress bar over runs; None: only on a terminal.

    Raises
    ------
    ehf_sym.ArgumentError
        If one of them cannot be used.

    Examples
    --------
    >>> len(Settings().runs())
    10
    """

    name: str = "fig2b"
    modes: tuple[int, ...] = (2, 3, 5, 8, 9)
    bases: tuple[str, ...] = _BASES
    widths: tuple[float, ...] = (5.0,)
    step_sizes: tuple[float, ...] = (1.0,)
    seeds: int = 1
    iterations: int = 12_000
    epsilon: float = Budget.epsilon
    progress: bool | None = None

    def __post_init__(self) -> None:
        check_sizes(self, "modes", "bases", "widths", "step_sizes")
        check_positive(self, "modes", "epsilon", "widths", "step_sizes")
        for base in self.bases:
            if base not in _BASES:
                raise ArgumentError(f"bases had {base!r}; each should be one of {_BASES}")

    def runs(self) -> list[CircleRun]:
        """List every run: all settings of a seed before the next seed."""
        widths: list[float | None] = [*self.widths] if "soft-uniform" in self.bases else []
        if "normal" in self.bases:
            widths.append(None)
        budget = replace(Budget(), iterations=self.iterations, epsilon=self.epsilon)
        found = (
            CircleRun(modes, width, step_size, seed, budget=budget)
            for seed, width, step_size, modes in product(
                range(self.seeds), widths, self.step_sizes, self.modes
            )
        )
        return list(dict.fromkeys(found))


FULL = Settings(widths=(4.0, 5.0, 6.0), step_sizes=(0.5, 1.0, 1.5), seeds=3)


def run(
    settings: Settings,
    folder: Path,
    executor: Executor | None = None,
    *,
    command: str = "ehf reproduce fig2b",
) -> str:
    """Run what `run_all` has to; write tables, pictures and animations; return the tables."""
    return chapter(settings, run_all(settings, folder, executor), folder, command).write(folder)


def chapter(settings: Settings, outcomes: Sequence[Outcome], folder: Path, command: str) -> Chapter:
    """Draw the pictures and lay everything out; outcomes are those of `CircleRun`."""
    rows = rows_of(Row, outcomes)
    failed = [f"failed: {line}" for line in failures(outcomes, _name)]
    return Chapter(
        name=settings.name,
        title="Figure 2B: modes on a circle, and whether U has one minimum a mode",
        command=command,
        seeds=f"{seed_range(settings.seeds)}: weights, data and noise",
        tables=(_verdicts(rows), _results(rows)) if rows else (),
        pictures=tuple(_pictures(rows, folder, settings.name)),
        remarks=(*failed, *(_remarks(settings, rows) if rows else ())),
    )


def _base_of(width: float | None) -> str:
    return "normal" if width is None else "soft-uniform"


def _setting(spec: CircleRun) -> str:
    width = "" if spec.width is None else f"width {spec.width:g}, "
    return f"{width}dt {spec.step_size:g}"


def _name(spec: CircleRun) -> str:
    return f"{spec.modes} modes, {_base_of(spec.width)}, {_setting(spec)}, seed {spec.seed}"


def _verdicts(rows: Sequence[Row]) -> Table:
    """Say for each base and target which settings did it, on how many seeds."""
    body = []
    cells = dict.fromkeys((_base_of(row.spec.width), row.spec.modes) for row in rows)
    for base, modes in sorted(cells, key=lambda cell: (_BASES.index(cell[0]), cell[1])):
        group = [r for r in rows if (_base_of(r.spec.width), r.spec.modes) == (base, modes)]
        settings = {
            setting: [r.values["one_to_one"] for r in group if _setting(r.spec) == setting]
            for setting in dict.fromkeys(_setting(row.spec) for row in group)
        }
        did = [
            f"{name} ({sum(hits)} of {len(hits)})" for name, hits in settings.items() if any(hits)
        ]
        tried = f"none of {len(settings)} tried" if not did else "; ".join(did)
        best = min(group, key=lambda row: row.values["kl"])
        body.append((base, str(modes), tried, f"{best.values['kl']:.3f}", _setting(best.spec)))
    head = ("base", "modes", "settings with one minimum a mode (seeds)", "least KL", "by")
    return Table(
        f"one minimum of U a mode, each within {NEAR:g} of its own, none left over", (head, *body)
    )


def _results(rows: Sequence[Row]) -> Table:
    head = ("base", "width", "dt", "modes", "seed", "minima", "near", "farthest", "KL", "s")
    body = []
    for row in rows:
        spec, values = row.spec, row.values
        pairs = values["distances"]
        body.append(
            (
                _base_of(spec.width),
                "-" if spec.width is None else f"{spec.width:g}",
                f"{spec.step_size:g}",
                str(spec.modes),
                str(spec.seed),
                str(len(values["minima"])),
                f"{values['near']} of {spec.modes}",
                f"{pairs.max():.2f}" if len(pairs) else "-",
                f"{values['kl']:.3f} ± {values['kl_error']:.3f}",
                f"{values['seconds']:.0f}",
            )
        )
    return Table(
        "minima of U; modes with a minimum of their own nearby; the largest distance of a pair; "
        "held-out KL(truth ‖ model) in nats ± standard error over test points; seconds of training",
        (head, *body),
    )


def _pictures(rows: Sequence[Row], folder: Path, name: str) -> list[Picture]:
    """Draw for each base the best run of each target, and its samples on their way."""
    drawn = []
    for base in _BASES:
        group = [row for row in rows if _base_of(row.spec.width) == base]
        targets = sorted({row.spec.modes for row in group})
        best = [
            min((row for row in group if row.spec.modes == modes), key=lambda row: row.rank)
            for modes in targets
        ]
        if not best:
            continue
        stem = f"{name}_{base.replace('-', '_')}"
        words = f"{base} base, for each target the run with one minimum a mode and the least KL"
        drawn.append(
            save(
                figure(best),
                folder,
                f"{stem}.png",
                f"{words}: densities, K, U with modes and minima, and how far one leapfrog step "
                "and the whole flow move points at rest. Where no run has one minimum a mode, the "
                "one with the least KL.",
            )
        )
        animate(best, folder / f"{stem}.gif")
        drawn.append(
            Picture(
                f"{stem}.gif",
                f"{base} base: samples of the same runs on their way through the flow. Rings: "
                f"{NEAR:g} around each mode.",
            )
        )
    return drawn


def _remarks(settings: Settings, rows: Sequence[Row]) -> tuple[str, ...]:
    spec = rows[0].spec
    kls = np.array([row.values["kl"] for row in rows])
    return (
        f"{sum(row.values['one_to_one'] for row in rows)} of {len(rows)} runs have one minimum of "
        f"U a mode; their KL and the others' are {kls.min():.3f} to {kls.max():.3f} nats",
        "minima: optimized from a grid of 15 × 15 starts on the square drawn, in float64, to the "
        "end by L-BFGS-B; those on its edge are left out; matched to modes with the least total "
        "distance",
        f"modes on a circle of radius 2, standard deviation 0.25; {spec.steps} leapfrog steps, one "
        f"Hamiltonian; soft-uniform base of sharpness {spec.sharpness:g}",
        f"KL: {spec.budget.test_points:,} test points, {spec.budget.draws} importance draws, too "
        f"high in expectation; {settings.iterations:,} iterations of endless data, learning rate "
        f"{spec.budget.learning_rate:g}, Adam's ε {spec.budget.epsilon:g}, batch 128, float32, one "
        "thread a run",
        *ended_early(rows, _name),
    )
