"""Pictures of the studies of molecules."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ehf_num.reproduce.molecules.problems import PROBLEMS
from ehf_num.reproduce.molecules.runs import Run
from ehf_num.reproduce.recorded import FinishedRun

Named = dict[Run, str]
Finished = FinishedRun[Run]
Floors = dict[str, dict[str, Any]]

STYLES = {
    "prior": ("base of pairs alone", "tab:gray", "x"),
    "prior-windows": ("ours, from the base of pairs", "tab:purple", "P"),
    "windows": ("ours, sums over pairs", "tab:blue", "o"),
    "windows-fine": ("ours, distances seen finely", "tab:cyan", "v"),
    "lifted": ("ours, maps of q", "tab:green", "D"),
    "spline-moved": ("spline flow, moved data", "tab:red", "^"),
    "graph-flow": ("graph network's continuous flow", "tab:orange", "s"),
}
"""Label, colour and marker of each contender."""


def progress_by_points(named: Named, rows: list[Finished], floors: Floors) -> Figure:
    """Draw KL(e^{−U}/Z ‖ model) against N, a panel a target."""
    canvas, panels = _panels(len(floors), 1)
    for axes, (target, floor) in zip(panels[0], floors.items(), strict=True):
        for name, (label, color, marker) in STYLES.items():
            cells: dict[int, list[float]] = {}
            for row in rows:
                if (row.spec.target, named[row.spec]) == (target, name):
                    gap = row.values["excess"] - floor["log_z"]
                    cells.setdefault(row.spec.size, []).append(gap)
            if not cells:
                continue
            sizes = sorted(cells)
            gaps = [cells[size] for size in sizes]
            axes.plot(sizes, [*map(np.mean, gaps)], color=color, marker=marker, label=label)
            axes.fill_between(sizes, [*map(min, gaps)], [*map(max, gaps)], color=color, alpha=0.15)
        axes.set(xscale="log", yscale="log", xlabel="N, points to learn from", title=target)
        axes.set_xticks(sorted({row.spec.size for row in rows}))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3, which="both", linewidth=0.5)
    panels[0, 0].set_ylabel("KL(truth ‖ model) [nats]")
    _legend(canvas, panels[0, 0])
    return canvas


def distributions(named: Named, rows: list[Finished], floors: Floors) -> Figure:
    """Draw what distances and energies draws of each contender have, beside those of e^{−U}."""
    canvas, panels = _panels(len(floors), 2)
    largest = max(row.spec.size for row in rows)
    for column, (target, floor) in enumerate(floors.items()):
        for axes, what in zip(panels[:, column], ("distance", "energy"), strict=True):
            edges = floor[f"{what}_edges"]
            axes.stairs(floor[f"{what}_density"], edges, fill=True, color="0.85", label=r"$e^{-U}$")
            for row in rows:
                spec, values = row.spec, row.values
                if (spec.target, spec.size, spec.seed) != (target, largest, 0):
                    continue
                if values["ess"] is not None:
                    label, color, _ = STYLES[named[spec]]
                    axes.stairs(
                        values[f"{what}_density"],
                        values[f"{what}_edges"],
                        color=color,
                        label=label,
                    )
            axes.set(xlabel=f"{what} of pairs" if what == "distance" else "energy [$k_B T$]")
            axes.set(yticks=[], title=f"{target}, N = {largest:,}")
    _legend(canvas, panels[0, 0])
    return canvas


def potentials(named: Named, rows: list[Finished], floors: Floors) -> Figure:
    """Draw the pair part of each Hamiltonian's U, seed 0 and the largest N, beside the true one."""
    canvas, panels = _panels(len(floors), 1)
    largest = max(row.spec.size for row in rows)
    for axes, target in zip(panels[0], floors, strict=True):
        for row in rows:
            chosen = (row.spec.target, row.spec.size, row.spec.seed) == (target, largest, 0)
            if not chosen or "potentials" not in row.values:
                continue
            r, learned = row.values["potential_r"], row.values["potentials"]
            truth = PROBLEMS[target].energy.pair(r)
            axes.plot(r, truth - truth.min(), color="0.6", linewidth=3, label="pairs of the target")
            for j, u in enumerate(learned, start=1):
                shade = 0.3 + 0.7 * j / len(learned)
                label = f"pairs in U of Hamiltonian {j}, {named[row.spec]}"
                axes.plot(r, u - u.min(), color="tab:blue", alpha=shade, label=label)
            axes.set(ylim=(0, 8))
        axes.set(xlabel="distance", title=f"{target}, N = {largest:,}", ylabel="energy [$k_B T$]")
    _legend(canvas, panels[0, 0])
    return canvas


def _panels(columns: int, rows: int) -> tuple[Figure, Any]:
    canvas = Figure(figsize=(4.4 * columns + 2.4, 3.6 * rows), layout="constrained")
    return canvas, canvas.subplots(rows, columns, squeeze=False)


def _legend(canvas: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside right center", frameon=False)
