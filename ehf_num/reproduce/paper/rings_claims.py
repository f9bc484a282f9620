"""What the paper says of two rings and few points, each claim with the effect that is measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ehf_num.reproduce import recorded
from ehf_num.reproduce.chapter import Table
from ehf_num.reproduce.claims import Claim, Judgement, decide, interval
from ehf_num.reproduce.paper.rings_runs import RingsRun
from ehf_num.reproduce.sweep import Outcome

AGREEMENT = 0.1  # nats
_FACTOR = round(math.log10(2), 3)
_LAST = 0.2  # share of a run over which brackets are averaged


@dataclass(frozen=True, eq=False)
class Row(recorded.FinishedRun[RingsRun]):
    """One finished run."""

    @property
    def gap(self) -> float:
        """Training minus test log-likelihood, nats."""
        return float(self.values["train"] - self.values["test"])

    @property
    def settled(self) -> float:
        """Mean {g, H}² over base states in the last part of training."""
        course = self.values["squared_bracket"]
        return float(np.mean(course[-max(1, round(_LAST * len(course))) :]))


Figure = Callable[[Row], float]


@dataclass(frozen=True, eq=False)
class Rows:
    """All finished runs."""

    rows: tuple[Row, ...]

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Rows:
        """Take the runs that ended well, of specs that are all `RingsRun`."""
        return cls(tuple(recorded.rows_of(Row, outcomes)))

    def cell(self, kappa: float | None, points: int | None) -> dict[int, Row]:
        """Return the runs of one κ and one number of points, by seed."""
        return {
            row.spec.seed: row
            for row in self.rows
            if (row.spec.kappa, row.spec.points) == (kappa, points)
        }

    @property
    def kappas(self) -> list[float | None]:
        """Those of the runs, none first, then falling."""
        found = {row.spec.kappa for row in self.rows}
        return sorted(found, key=lambda kappa: -math.inf if kappa is None else -kappa)

    @property
    def sizes(self) -> list[int | None]:
        """Numbers of points, rising, endless last."""
        found = {row.spec.points for row in self.rows}
        return sorted(found, key=lambda points: math.inf if points is None else points)

    @property
    def shown_kappa(self) -> float | None:
        """The κ that claims are judged by: 1e-3, or else the middle one."""
        bounded = [kappa for kappa in self.kappas if kappa is not None]
        if not bounded:
            return None
        return 1e-3 if 1e-3 in bounded else bounded[len(bounded) // 2]

    def gains(self, kappa: float | None, points: int | None, figure: Figure) -> dict[int, float]:
        """Return a figure with κ minus the same without, by seed: both saw the same points."""
        bounded, free = self.cell(kappa, points), self.cell(None, points)
        return {
            seed: figure(bounded[seed]) - figure(free[seed])
            for seed in sorted(bounded.keys() & free)
        }


def words_of(value: float | None, none: str) -> str:
    """Write κ or a number of points, or what its absence means."""
    return none if value is None else f"{value:g}"


def score(row: Row) -> float:
    """Return the test log-likelihood, nats."""
    return float(row.values["test"])


def change(row: Row) -> float:
    """Return the mean change of ln p under rotation, nats."""
    return float(row.values["turned_change"])


def judgements(rows: Rows) -> list[Judgement]:
    """Judge every claim that the runs there are can speak to."""
    kappa, few, many = rows.shown_kappa, rows.sizes[0], rows.sizes[-1]
    if kappa is None:
        return []
    found = []
    bound = f"κ = {kappa:g}"
    if few is not None:
        better = rows.gains(kappa, few, score)
        smaller = rows.gains(kappa, few, lambda row: -row.gap)
        rounder = rows.gains(kappa, few, lambda row: -change(row))
        found += [
            decide(
                Claim(
                    f"from {few} points, the constraint generalizes better",
                    f"test ln p, {bound} minus none [nats]",
                ),
                list(better.values()),
            ),
            decide(
                Claim(
                    f"from {few} points, the constraint overfits less",
                    f"train minus test ln p, none minus {bound} [nats]",
                ),
                list(smaller.values()),
            ),
        ]
        if many != few:
            found.append(_efficiency(rows, better, many, few, kappa))
        found.append(
            decide(
                Claim(
                    f"from {few} points, the constraint keeps the density's SO(2) symmetry better",
                    f"mean |change of ln p under rotation|, none minus {bound} [nats]",
                ),
                list(rounder.values()),
            )
        )
    if many is None:
        found.append(
            decide(
                Claim(
                    "with endless data, constrained and free models agree",
                    f"test ln p, {bound} minus none [nats]",
                    -AGREEMENT,
                    AGREEMENT,
                ),
                list(rows.gains(kappa, many, score).values()),
            )
        )
    return [*found, *_settled(rows)]


def _efficiency(
    rows: Rows, better: dict[int, float], many: int | None, few: int, kappa: float
) -> Judgement:
    """Judge whether what the constraint gains is gained where points are few."""
    there = rows.gains(kappa, many, score)
    where = "endless data" if many is None else f"{many} points"
    claim = Claim(
        f"the constraint makes up for points: it gains more from {few} points than from {where}",
        f"gain in test ln p at {few} points minus that with {where} [nats]",
    )
    return decide(claim, [better[seed] - there[seed] for seed in sorted(better.keys() & there)])


def _settled(rows: Rows) -> Iterator[Judgement]:
    """Judge each κ: a seed's value is the mean over its data sets."""
    for kappa in rows.kappas:
        if kappa is None:
            continue
        cells = [rows.cell(kappa, points) for points in rows.sizes]
        seeds = sorted(set.intersection(*(set(cell) for cell in cells)))
        ratios = [
            float(np.mean([np.log10(cell[seed].settled / kappa) for cell in cells]))
            for seed in seeds
        ]
        effect = f"log₁₀ of its mean over the last {_LAST:.0%} of training, over κ"
        for verb, least in (("is held to", -math.inf), ("settles at", -_FACTOR)):
            text = f"E{{g,H}}² {verb} κ = {kappa:g}, to a factor of 2"
            yield decide(Claim(text, effect, least, _FACTOR), ratios)


def effects(rows: Rows) -> Table:
    """Lay out what each κ gains, paired by seed."""
    head = ["data", "κ", "test ln p", "train − test", "|change under rotation|"]
    body = []
    for points in rows.sizes:
        for kappa in rows.kappas:
            if kappa is not None:
                cells = (
                    _mean_and_interval(list(rows.gains(kappa, points, figure).values()))
                    for figure in (score, lambda row: row.gap, change)
                )
                body.append((words_of(points, "endless"), f"{kappa:g}", *cells))
    return Table(
        "what the constraint changes: with κ minus without, nats; mean over seeds ± standard error "
        "[Student's 95 % interval]",
        (tuple(head), *body),
    )


def _mean_and_interval(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:+.3f}" if values else "-"
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
    low, high = interval(mean, error, len(values))
    return f"{mean:+.3f} ± {error:.3f} [{low:+.3f}, {high:+.3f}]"
