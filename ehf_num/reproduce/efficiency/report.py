"""What the study of data efficiency found: a file of rows, tables, a figure."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ehf_num import atomic_write, versions
from ehf_num.reproduce.chapter import Chapter, Picture, Table
from ehf_num.reproduce.common import mean_and_spread
from ehf_num.reproduce.efficiency.zuko_flows import zuko_versions
from ehf_sym import ResultTable

# Label, colour, line style and marker of each contender; a pair shares its
# colour, and the one with rotated data has hollow markers.
_STYLES = {
    "front-door": ("SymmetricDensity", "black", "-", "*"),
    "front-penalty": ("SymmetricDensity, penalty", "tab:green", "--", "s"),
    "front-none": ("SymmetricDensity, no symmetry", "tab:gray", "--", "D"),
    "exact": ("ours, exact", "tab:blue", "-", "o"),
    "penalty": ("ours, penalty", "tab:green", "-", "s"),
    "none": ("ours, no symmetry", "tab:gray", "-", "D"),
    "spline": ("spline flow", "tab:red", "-", "^"),
    "spline-rotated": ("spline flow, rotated data", "tab:red", "--", "^"),
    "masked": ("masked flow", "tab:orange", "-", "v"),
    "masked-rotated": ("masked flow, rotated data", "tab:orange", "--", "v"),
    "mixture": ("Gaussian mixture", "tab:purple", "-", "P"),
    "kernels": ("kernels on orbits", "tab:brown", "-", "X"),
    "oracle": ("oracle on orbits", "tab:brown", "--", "X"),
}


@dataclass(frozen=True)
class Row:
    """One finished run; log-likelihoods in nats.

    Attributes
    ----------
    target, contender : str
        Names.
    size, seed : int
        N, and what data, weights and noise were drawn with.
    kl, kl_error : float
        KL(truth ‖ model), and its standard error over test points.
    iterations, best : int
        Updates done, and done when validation was best.
    stop_reason : str
        Why training ended.
    seconds : float
        Of processor time, for training.
    parameters : int
        Number of weights.
    quadrature_gap : float or None
        Mean of ln p by quadrature over p minus the importance-weighted estimate, on some of the
        test points, where the estimate can be confirmed so.
    """

    target: str
    contender: str
    size: int
    seed: int
    kl: float
    kl_error: float
    iterations: int
    best: int
    stop_reason: str
    seconds: float
    parameters: int
    quadrature_gap: float | None = None


@dataclass(frozen=True)
class Findings:
    """All that is known of a study when it ends, or before it has begun.

    Attributes
    ----------
    rows : tuple of Row
        Finished runs.
    failures : tuple of str
        Failed ones, a line each.
    notes : tuple of str
        Budgets and settings, a sentence each.
    truths : dict
        E[ln p] of each target under itself, nats.
    """

    rows: tuple[Row, ...]
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    truths: dict[str, float]

    def write(self, path: Path) -> None:
        """Write everything to one JSON file."""
        with atomic_write(path) as handle:
            handle.write((json.dumps(asdict(self), indent=1) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> Findings:
        """Read what `write` wrote."""
        data = json.loads(path.read_text("utf-8"))
        rows = tuple(Row(**row) for row in data["rows"])
        return cls(rows, tuple(data["failures"]), tuple(data["notes"]), data["truths"])

    @property
    def contenders(self) -> list[str]:
        """Those that have finished a run, in the order of the rows."""
        return list(dict.fromkeys(row.contender for row in self.rows))

    @property
    def targets(self) -> list[str]:
        """Those that have a finished run, in the order of the rows."""
        return list(dict.fromkeys(row.target for row in self.rows))

    def seeds_of(self, target: str, size: int, contender: str) -> list[Row]:
        """Return the runs of one cell."""
        return [
            row
            for row in self.rows
            if (row.target, row.size, row.contender) == (target, size, contender)
        ]

    def sizes_of(self, target: str) -> list[int]:
        """Return the N of a target's runs, in increasing order."""
        return sorted({row.size for row in self.rows if row.target == target})


def table(findings: Findings, cell: Callable[[list[Row]], str]) -> list[list[str]]:
    """Lay cells out, a row for each target and N and a column for each contender."""
    head = ["target", "N", *findings.contenders]
    return [head] + [
        [
            target,
            f"{size:,}",
            *(cell(findings.seeds_of(target, size, c)) for c in findings.contenders),
        ]
        for target in findings.targets
        for size in findings.sizes_of(target)
    ]


def divergence(runs: list[Row]) -> str:
    """Write the mean KL over seeds, ± standard deviation."""
    return mean_and_spread([run.kl for run in runs]) if runs else "-"


def training_seconds(runs: list[Row]) -> str:
    """Write the mean training time."""
    return f"{np.mean([run.seconds for run in runs]):.0f}" if runs else "-"


def as_chapter(
    findings: Findings, command: str, seeds: str = "", pictures: Sequence[Picture] = ()
) -> Chapter:
    """Lay tables and notes out, failed runs before all notes."""
    tables: tuple[Table, ...] = ()
    if findings.rows:
        tables = tuple(
            Table(caption, tuple(map(tuple, table(findings, cell))))
            for caption, cell in (
                ("KL(truth ‖ model) in nats, mean ± standard deviation over seeds", divergence),
                ("training, seconds of processor time, mean over seeds", training_seconds),
            )
        )
    failed = [f"failed: {line}" for line in findings.failures]
    return Chapter(
        name="data_efficiency",
        title="How many points a density takes",
        command=command,
        seeds=seeds,
        tables=tables,
        pictures=tuple(pictures),
        remarks=(*failed, *(_remarks(findings) if findings.rows else ())),
        versions=versions() | zuko_versions(),
    )


def as_markdown(findings: Findings | None) -> str:
    """Write the section of the documentation that holds figures; None: there has been no run."""
    if findings is None or not findings.rows:
        return "To be run: there are no figures of this version yet."
    parts = [
        "![KL to the truth against the number of points](_static/data_efficiency.png)",
        "KL(truth ‖ model) in nats, mean ± standard deviation over seeds:",
        ResultTable("", table(findings, divergence)).to_markdown(),
        "Training, seconds of processor time, mean over seeds:",
        ResultTable("", table(findings, training_seconds)).to_markdown(),
        "\n".join(f"- {remark}" for remark in _remarks(findings)),
    ]
    if findings.failures:
        parts.append("\n".join(["Failed runs:", "", *(f"- {line}" for line in findings.failures)]))
    return "\n\n".join(parts)


def _remarks(findings: Findings) -> list[str]:
    """Say what the figures rest on."""
    truths = ", ".join(f"{name} {findings.truths[name]:.4f}" for name in findings.targets)
    middle = float(np.median([row.kl_error for row in findings.rows]))
    worst = max(findings.rows, key=lambda row: row.kl_error)
    stopped = sum(row.stop_reason == "early_stopping" for row in findings.rows)
    odd = [row for row in findings.rows if row.stop_reason == "non_finite"]
    remarks = [
        f"E ln p of the truth, by quadrature: {truths}; a model's expected log-likelihood is that "
        "minus its KL",
        f"standard error of a run's KL over its test points: median {middle:.3f}, largest "
        f"{worst.kl_error:.3g} ({worst.contender} on {worst.target}, N = {worst.size:,}, seed "
        f"{worst.seed})",
        f"{stopped} of {len(findings.rows)} runs stopped early",
        *findings.notes,
    ]
    gaps = [row.quadrature_gap for row in findings.rows if row.quadrature_gap is not None]
    if gaps:
        remarks.append(
            "quadrature over p confirms ours for d = 2: minus the importance-weighted mean on some "
            f"test points it is {min(gaps):+.3f} to {max(gaps):+.3f} nats, run by run"
        )
    if odd:
        names = ", ".join(f"{r.contender} on {r.target}, N = {r.size}, seed {r.seed}" for r in odd)
        remarks.append(f"training turned non-finite, best weights before that: {names}")
    return remarks


def figure(findings: Findings) -> Figure:
    """Draw KL against N, a panel a target: means over seeds, bands from least to largest."""
    count = len(findings.targets)
    canvas = Figure(figsize=(4.6 * count + 1.6, 4.4), layout="constrained")
    axes = canvas.subplots(1, count, squeeze=False)[0]
    for ax, target in zip(axes, findings.targets, strict=True):
        _panel(ax, findings, target)
    axes[0].set_ylabel("KL(truth ‖ model) [nats]")
    handles, labels = axes[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside right center", frameon=False)
    return canvas


def _panel(ax: Axes, findings: Findings, target: str) -> None:
    for contender in findings.contenders:
        cells = {n: findings.seeds_of(target, n, contender) for n in findings.sizes_of(target)}
        sizes = [n for n, runs in cells.items() if runs]
        values: list[Any] = [[run.kl for run in cells[n]] for n in sizes]
        label, color, line, marker = _STYLES[contender]
        ax.plot(
            sizes,
            [np.mean(v) for v in values],
            color=color,
            linestyle=line,
            marker=marker,
            markerfacecolor=color if line == "-" else "white",
            label=label,
        )
        ax.fill_between(
            sizes, [min(v) for v in values], [max(v) for v in values], color=color, alpha=0.15
        )
    ax.set(xscale="log", yscale="log", xlabel="N, points to learn from", title=target)
    ax.set_xticks(findings.sizes_of(target))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    plain, (low, high) = FuncFormatter(lambda kl, _: f"{kl:g}"), ax.get_ylim()
    ax.yaxis.set_major_formatter(plain)
    # Powers of ten are enough where the axis has a few.
    ax.yaxis.set_minor_formatter(plain if high < 10 * low else NullFormatter())
    ax.grid(alpha=0.3, which="both", linewidth=0.5)
