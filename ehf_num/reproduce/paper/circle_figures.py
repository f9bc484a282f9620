"""Pictures of Figure 2B: densities, energies with their wells, vector fields, samples that move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ehf_num import atomic_write, modes_on_circle
from ehf_num.plotting import OKABE_ITO, plot_density, plot_field, plot_vector_field
from ehf_num.reproduce import recorded
from ehf_num.reproduce.common import Array, Drawn
from ehf_num.reproduce.paper.circle_runs import ARROWS, EXTENT, PIXELS, CircleRun
from ehf_num.reproduce.paper.wells import NEAR

_FRAMES = 12  # for each leapfrog step
_REST = 8  # frames that the end is held for
_PER_SECOND = 10


@dataclass(frozen=True, eq=False)
class Row(recorded.FinishedRun[CircleRun]):
    """One finished run."""

    @property
    def rank(self) -> tuple[bool, float]:
        """Sorts what has a well a mode before the rest, then by KL."""
        return not self.values["one_to_one"], float(self.values["kl"])


def figure(rows: Sequence[Row]) -> Figure:
    """Draw one row a run: densities, K, U with its wells, one step, the whole flow."""
    canvas = Figure(figsize=(19, 3.0 * len(rows)), layout="constrained")
    for axes, row in zip(canvas.subplots(len(rows), 6, squeeze=False), rows, strict=True):
        spec, values, target = row.spec, row.values, modes_on_circle(row.spec.modes)
        data = target.sample(len(values["samples"]), rng=0)
        plot_density(data, axes[0], extent=EXTENT, title=f"{target.name}: data")
        samples_title = f"samples, dt = {spec.step_size:g}"
        if spec.width is not None:
            samples_title += f", width {spec.width:g}"
        plot_density(values["samples"], axes[1], extent=EXTENT, title=samples_title)
        for ax, part, letter in ((axes[2], "kinetic", "p"), (axes[3], "potential", "q")):
            name = "K(p)" if part == "kinetic" else "U(q)"
            plot_field(
                Drawn(values[part] - values[part].min()),
                ax,
                extent=EXTENT,
                labels=(f"${letter}_1$", f"${letter}_2$"),
                title=name,
                colorbar_label=f"{name} [dimensionless]",
                resolution=PIXELS,
            )
        _mark_wells(axes[3], row, target.centers)
        for ax, name, title in (
            (axes[4], "one_step", "One leapfrog step"),
            (axes[5], "whole_flow", f"Whole flow, {spec.steps} steps"),
        ):
            plot_vector_field(
                Drawn(values[name]),
                ax,
                extent=EXTENT,
                title=f"{title}: Δq from p = 0",
                colorbar_label="|Δq| [dimensionless]",
                resolution=ARROWS,
            )
    return canvas


def _mark_wells(ax: Axes, row: Row, centers: Array) -> None:
    """Mark the modes and the minima of U."""
    wells = row.values["minima"]
    ax.plot(*centers.T, "o", markersize=13, markerfacecolor="none", color="white", label="mode")
    ax.plot(*wells.T, "+", markersize=10, markeredgewidth=2, color="#D55E00", label="minimum")
    count = f"{len(wells)} {'minimum' if len(wells) == 1 else 'minima'}"
    ax.set_title(f"U(q): ○ modes, + {count}")


def animate(rows: Sequence[Row], path: Path) -> None:
    """Write an animation of samples on their way from the base, a panel a run.

    Time runs evenly through the steps; between two positions q moves on a straight line.
    """
    canvas = Figure(figsize=(2.4 * len(rows), 2.7), layout="constrained")
    axes = canvas.subplots(1, len(rows), squeeze=False)[0]
    clouds = []
    for ax, row in zip(axes, rows, strict=True):
        reach = max(EXTENT[1], 1.1 * float(np.abs(row.values["moving"][0]).max()))
        for center in modes_on_circle(row.spec.modes).centers:
            angles = np.linspace(0, 2 * np.pi, 40)
            ring = center + NEAR * np.stack([np.cos(angles), np.sin(angles)], axis=1)
            ax.plot(*ring.T, color="#888888", linewidth=1)
        clouds.append(ax.plot([], [], ".", color=OKABE_ITO[0], markersize=2, alpha=0.7)[0])
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="$q_1$")
        ax.set_aspect("equal")
    axes[0].set_ylabel("$q_2$")
    frames = _FRAMES * max(row.spec.steps for row in rows) + 1 + _REST

    def show(frame: int) -> list[Any]:
        for ax, row, cloud in zip(axes, rows, clouds, strict=True):
            stations = row.values["moving"]
            time = min(frame / _FRAMES, len(stations) - 1)
            cloud.set_data(*between(stations, time).T)
            ax.set_title(f"{row.spec.modes} modes, t = {time * row.spec.step_size:.1f}")
        return clouds

    show(0)
    canvas.draw_without_rendering()
    canvas.set_layout_engine("none")  # laid out once: panels do not jump from frame to frame
    animation = FuncAnimation(canvas, show, frames=frames)
    with TemporaryDirectory() as scratch, atomic_write(path) as handle:
        drawn = Path(scratch) / path.name
        animation.save(drawn, PillowWriter(fps=_PER_SECOND), dpi=80)
        handle.write(drawn.read_bytes())


def between(stations: Array, time: float) -> Array:
    """Interpolate positions (steps + 1, n, 2) at a time in steps.

    Examples
    --------
    >>> between(np.array([[[0.0, 0.0]], [[1.0, 2.0]], [[3.0, 2.0]]]), 1.5)
    array([[2., 2.]])
    """
    last = min(int(time), len(stations) - 2)
    part = time - last
    there: Array = (1 - part) * stations[last] + part * stations[last + 1]
    return there
