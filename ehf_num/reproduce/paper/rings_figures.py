"""Pictures of Figure 2A: learning curves with bands, densities, energies, the constraint."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ehf_num import rings
from ehf_num.plotting import OKABE_ITO, plot_density, plot_field
from ehf_num.reproduce.common import Array, Drawn
from ehf_num.reproduce.paper.rings_claims import Row, Rows, words_of
from ehf_num.reproduce.paper.rings_runs import EXTENT, PIXELS

_TRUTH_COLOR = "#222222"
_KDE_POINTS = 2_000


def _panels(
    rows: Rows, wide: float = 3.2, high: float = 2.9, more: int = 0
) -> tuple[Figure, np.ndarray]:
    """Return a figure with a row for each number of points and a column for each κ, and more."""
    lines, columns = len(rows.sizes), len(rows.kappas) + more
    canvas = Figure(figsize=(wide * columns + 0.8, high * lines + 0.6), layout="constrained")
    return canvas, canvas.subplots(lines, columns, squeeze=False)


def _title(kappa: float | None, points: int | None) -> str:
    data = "endless data" if points is None else f"{points} points"
    return f"{data}, {'no constraint' if kappa is None else f'κ = {kappa:g}'}"


def _first(rows: Rows, kappa: float | None, points: int | None) -> Row | None:
    """Return the run of the lowest seed, if there is one."""
    cell = rows.cell(kappa, points)
    return cell[min(cell)] if cell else None


def curves(rows: Rows) -> Figure:
    """Draw training and test log-likelihood: means over seeds, bands from least to largest."""
    canvas, axes = _panels(rows)
    truth = rings().expected_log_prob()
    for line, points in zip(axes, rows.sizes, strict=True):
        for ax, kappa in zip(line, rows.kappas, strict=True):
            cell = list(rows.cell(kappa, points).values())
            for name, color, dash in (("train", OKABE_ITO[1], "--"), ("test", OKABE_ITO[0], "-")):
                if cell:
                    at, low, mean, high = _over_seeds(cell, "look", f"{name}_curve")
                    ax.plot(at, mean, color=color, linestyle=dash, label=name)
                    ax.fill_between(at, low, high, color=color, alpha=0.2, linewidth=0)
            ax.axhline(truth, color=_TRUTH_COLOR, linestyle=":", label="E ln p of the target")
            ax.set(title=_title(kappa, points), ylim=(truth - 2.4, truth + 1.2))
            _finish(ax)
        line[0].set_ylabel("ln p [nats]")
    for ax in axes[-1]:
        ax.set_xlabel("iteration")
    _legend(canvas, axes[0, 0], 3)
    return canvas


def _over_seeds(
    cell: list[Row], at: str, name: str, shape: Callable[[Array], Array] = np.asarray
) -> tuple[Array, Array, Array, Array]:
    """Return where, least, mean and largest over seeds, as far as all runs came."""
    length = min(len(row.values[name]) for row in cell)
    stack = shape(np.stack([row.values[name][:length] for row in cell]))
    return (
        cell[0].values[at][:length],
        stack.min(axis=0),
        stack.mean(axis=0),
        stack.max(axis=0),
    )


def densities(rows: Rows) -> Figure:
    """Draw kernel density estimates of the data and of the first seed's samples."""
    canvas, axes = _panels(rows, 2.7, more=1)
    for line, points in zip(axes, rows.sizes, strict=True):
        # With endless data, as many points as are drawn from the models.
        data = rings().sample(points or _KDE_POINTS, rng=1_000)
        title = f"data: {points} points" if points else f"data: {_KDE_POINTS:,} of endless"
        plot_density(data, line[0], extent=EXTENT, title=title)
        for ax, kappa in zip(line[1:], rows.kappas, strict=True):
            row = _first(rows, kappa, points)
            if row is None:
                ax.set_axis_off()
            else:
                title = _title(kappa, points)
                plot_density(row.values["samples"], ax, extent=EXTENT, title=title)
    return canvas


def energies(rows: Rows, part: str) -> Figure:
    """Draw K(p) or U(q) of the first seed, each with its least value at 0."""
    canvas, axes = _panels(rows, 3.9, 3.1)
    letter, name = ("p", "K(p)") if part == "kinetic" else ("q", "U(q)")
    for line, points in zip(axes, rows.sizes, strict=True):
        for ax, kappa in zip(line, rows.kappas, strict=True):
            row = _first(rows, kappa, points)
            if row is None:
                ax.set_axis_off()
                continue
            values = row.values[part] - row.values[part].min()
            plot_field(
                Drawn(values),
                ax,
                extent=EXTENT,
                labels=(f"${letter}_1$", f"${letter}_2$"),
                title=_title(kappa, points),
                colorbar_label=f"{name} [dimensionless]",
                resolution=PIXELS,
            )
    return canvas


def constraint(rows: Rows) -> Figure:
    """Draw E{g, H}² and λ of each κ: geometric means over seeds, bands from least to largest."""
    high, wide = 2, len(rows.sizes)
    canvas = Figure(figsize=(4.2 * wide + 0.8, 7), layout="constrained")
    axes = canvas.subplots(high, wide, squeeze=False)
    bounded = [kappa for kappa in rows.kappas if kappa is not None]
    for column, points in zip(axes.T, rows.sizes, strict=True):
        for kappa, color in zip(bounded, OKABE_ITO, strict=False):
            cell = list(rows.cell(kappa, points).values())
            if not cell:
                continue
            for ax, name in zip(column, ("squared_bracket", "multiplier"), strict=True):
                at, low, mean, top = _over_seeds(cell, "iteration", name, _logs)
                ax.plot(at, np.exp(mean), color=color, label=f"κ = {kappa:g}", linewidth=1.2)
                ax.fill_between(at, np.exp(low), np.exp(top), color=color, alpha=0.2, linewidth=0)
            column[0].axhline(kappa, color=color, linestyle=":")
        column[0].set(title="endless data" if points is None else f"{points} points")
        column[1].set(xlabel="iteration")
        for ax in column:
            ax.set_yscale("log")
            _finish(ax)
    axes[0, 0].set_ylabel("mean {g,H}², dotted: κ [dimensionless]")
    axes[1, 0].set_ylabel("λ [dimensionless]")
    _legend(canvas, axes[0, 0], len(bounded))
    return canvas


def _logs(values: Array) -> Array:
    logs: Array = np.log(np.maximum(values, np.finfo(np.float64).tiny))
    return logs


def scores(rows: Rows) -> Figure:
    """Draw the final test log-likelihood against κ: every seed, and the mean."""
    canvas = Figure(figsize=(7.5, 4.2), layout="constrained")
    ax = canvas.subplots()
    places = np.arange(len(rows.kappas))
    for number, (points, color, marker) in enumerate(
        zip(rows.sizes, OKABE_ITO, "osD^v<", strict=False)
    ):
        shift = 0.12 * (number - (len(rows.sizes) - 1) / 2)
        label = "endless data" if points is None else f"{points} points"
        found = [list(rows.cell(kappa, points).values()) for kappa in rows.kappas]
        values = [[row.values["test"] for row in cell] for cell in found]
        means = [float(np.mean(v)) if v else np.nan for v in values]
        ax.plot(places + shift, means, color=color, marker=marker, markersize=8, label=label)
        for place, seeds in zip(places + shift, values, strict=True):
            ax.plot(np.full(len(seeds), place), seeds, ".", color=color, markersize=5)
    truth = rows.rows[0].values["truth"]
    ax.axhline(truth, color=_TRUTH_COLOR, linestyle=":", label="true ln p of the test points")
    ax.set_xticks(places, [words_of(kappa, "none") for kappa in rows.kappas])
    ax.set(xlabel="κ", ylabel="test ln p [nats]", title="Final test log-likelihood")
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    canvas.legend(*ax.get_legend_handles_labels(), loc="outside right center", frameon=False)
    return canvas


def _finish(ax: Axes) -> None:
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)


def _legend(canvas: Figure, ax: Axes, columns: int) -> None:
    handles, labels = ax.get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
