"""Figure 1: the commuting square, its error against ε and dt, for a symmetric H and another."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import ehf_sym as es
from ehf_num.plotting import OKABE_ITO
from ehf_num.reproduce.chapter import Chapter, Table, save
from ehf_num.reproduce.common import Array
from ehf_num.reproduce.paper.commuting_square import (
    Expansion,
    FormulaHamiltonian,
    Square,
    expansion,
    squares,
)
from ehf_num.reproduce.recorded import check_positive

_ROUNDING = 1e-13
_SIZES = np.logspace(-3, -1, 13)
_FITTED = _SIZES <= 1e-2
_WAYS = ("ε", "dt", "both")
_EXPECTED = {
    ("symmetric", "first-order maps"): ("2", "1", "3"),
    ("not symmetric", "first-order maps"): ("1", "1", "2"),
    ("not symmetric", "finite action, first-order flow"): ("1", "1", "2"),
    ("not symmetric", "finite action, leapfrog"): ("1", "1", "2"),
}


@dataclass(frozen=True)
class Settings:
    """Size of the experiment.

    Attributes
    ----------
    states : int
        Standard normal states that the error is averaged over.
    fixed : float
        ε where dt varies, and dt where ε does.
    seed : int
        Of the states.
    progress : bool or None
        Not used: it takes seconds.
    """

    states: int = 1_000
    fixed: float = 0.1
    seed: int = 0
    progress: bool | None = None

    def __post_init__(self) -> None:
        check_positive(self, "states", "fixed")


FULL = Settings(states=10_000)


@dataclass(frozen=True, eq=False)
class Example:
    """A Hamiltonian, its squares, and what its first-order square is to the lowest orders."""

    name: str
    formula: str
    squares: list[Square]
    expansion: Expansion


def examples() -> list[Example]:
    """Return a function of the invariants of SO(2), and the same with a well that is squeezed."""
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    g = q1 * p2 - q2 * p1
    square_of_q, square_of_p = q1**2 + q2**2, p1**2 + p2**2
    kinetic, well = square_of_p / 2 + square_of_p**2 / 16, (square_of_q - 2) ** 2 / 8
    found = []
    for name, potential, words in (
        ("symmetric", well, "|p|²/2 + |p|⁴/16 + (|q|² − 2)²/8"),
        ("not symmetric", well + q1**2 / 2, "the same + q₁²/2"),
    ):
        hamiltonian = FormulaHamiltonian(space, kinetic, potential)
        around = squares(space, g, hamiltonian)
        found.append(Example(name, words, around, expansion(space, g, hamiltonian.formula)))
    return found


def steps(way: str, settings: Settings) -> list[tuple[float, float]]:
    """Return the pairs (ε, dt) of one way to shrink them: one of them, or both together."""
    sizes, fixed = _SIZES.tolist(), settings.fixed
    if way == "both":
        return [(size, size) for size in sizes]
    return [(size, fixed) if way == "ε" else (fixed, size) for size in sizes]


def slope(gaps: Array) -> float | None:
    """Fit the power of the size that the small gaps go with; None where they are rounding.

    Examples
    --------
    >>> round(slope(3 * _SIZES**2), 6)
    2.0
    >>> slope(1e-16 * _SIZES)
    """
    if gaps[_FITTED].max() < _ROUNDING:
        return None
    return float(np.polyfit(np.log(_SIZES[_FITTED]), np.log(gaps[_FITTED]), 1)[0])


def run(settings: Settings, folder: Path, *, command: str = "ehf reproduce fig1") -> str:
    """Measure the squares, write `fig1.png` and the table, and return it as text."""
    folder.mkdir(parents=True, exist_ok=True)
    states = np.random.default_rng(settings.seed).standard_normal((settings.states, 4))
    found = examples()
    gaps = {
        (case.name, square.name, way): np.array(
            [square.gap(states, *pair) for pair in steps(way, settings)]
        )
        for case in found
        for square in case.squares
        for way in _WAYS
    }
    expected = {
        (case.name, way): [case.expansion.gap(states, *pair) for pair in steps(way, settings)]
        for case in found
        for way in _WAYS
    }
    picture = save(
        _figure(found, gaps, expected, settings),
        folder,
        "fig1.png",
        "Above: the two ways round the square in the plane of q, from one state with ε = 0.6 and "
        "dt = 0.4. Below: the distance between their ends, root mean square over states, against "
        "the steps.",
    )
    chapter = Chapter(
        name="fig1",
        title="Figure 1: the commuting square",
        command=command,
        seeds=f"{settings.seed}, of the states",
        tables=(_table(found, gaps), _lowest_order(found, gaps, expected)),
        pictures=(picture,),
        remarks=(
            *(f"{case.name} H: {case.formula}; g = q₁p₂ − q₂p₁" for case in found),
            f"{settings.states:,} standard normal states; a step that does not vary is "
            f"{settings.fixed:g}; slopes are fitted where the step is at most 0.01",
            "rounding: at most 1e-13 in root mean square wherever the slope is fitted",
        ),
    )
    return chapter.write(folder)


def _table(found: list[Example], gaps: dict[tuple[str, str, str], Array]) -> Table:
    rows: list[tuple[str, ...]] = [("H", "square", "against ε", "against dt", "against ε = dt")]
    for case in found:
        for square in case.squares:
            slopes = [slope(gaps[case.name, square.name, way]) for way in _WAYS]
            awaited = _EXPECTED.get((case.name, square.name), ("rounding",) * len(_WAYS))
            cells = [
                f"{'rounding' if measured is None else f'{measured:.3f}'} ({derived})"
                for measured, derived in zip(slopes, awaited, strict=True)
            ]
            rows.append((case.name, square.name, *cells))
    return Table("slopes of the error of the square, measured (derived)", tuple(rows))


def _lowest_order(
    found: list[Example],
    gaps: dict[tuple[str, str, str], Array],
    expected: dict[tuple[str, str], list[float]],
) -> Table:
    rows: list[tuple[str, ...]] = [
        ("H", *(f"{way} = {_SIZES[0]:g}" for way in ("ε", "dt", "ε = dt")))
    ]
    for case in found:
        ratios = [
            gaps[case.name, "first-order maps", way][0] / expected[case.name, way][0]
            for way in _WAYS
        ]
        rows.append((case.name, *(f"{ratio:.4f}" for ratio in ratios)))
    return Table("error of the first-order maps, in units of the terms derived", tuple(rows))


def _figure(
    found: list[Example],
    gaps: dict[tuple[str, str, str], Array],
    expected: dict[tuple[str, str], list[float]],
    settings: Settings,
) -> Figure:
    canvas = Figure(figsize=(13, 9), layout="constrained")
    above, below = canvas.subplots(2, 3)
    symmetric, other = found
    for ax, case, square in (
        (above[0], symmetric, symmetric.squares[0]),
        (above[1], symmetric, symmetric.squares[2]),
        (above[2], other, other.squares[2]),
    ):
        _draw_square(ax, square, f"H {case.name},\n{square.name}")
    labels = ("ε", "dt", "ε = dt")
    for ax, way, label in zip(below, _WAYS, labels, strict=True):
        _draw_errors(ax, found, way, gaps, expected)
        held = {"ε": f", dt = {settings.fixed:g}", "dt": f", ε = {settings.fixed:g}"}.get(way, "")
        ax.set(xlabel=f"{label} [dimensionless]", title=f"Error against {label}{held}")
    below[0].set_ylabel("RMS distance [dimensionless]")
    handles, names = below[0].get_legend_handles_labels()
    canvas.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    return canvas


def _draw_square(ax: Axes, square: Square, title: str) -> None:
    """Draw both ways round from one state, with arrows between the corners."""
    epsilon, dt = 0.6, 0.4
    start = np.array([[1.6, 0.2, 0.4, 1.2]])
    turned, flowed = square.transform(start, epsilon), square.flow(start, dt)
    ends = square.ends(start, epsilon, dt)
    ways = ((flowed, ends[0], "$T_g T_H$", "-"), (turned, ends[1], "$T_H T_g$", "--"))
    for color, (corner, end, name, line) in zip(OKABE_ITO, ways, strict=False):
        points = np.concatenate([start, corner, end])[:, :2]
        ax.plot(*points.T, linestyle=line, color=color, label=f"{name}$\\,s$", linewidth=1.6)
        for tail, head in pairwise(points):
            middle = (tail + head) / 2
            ax.annotate(
                "",
                middle + 0.02 * (head - tail),
                middle,
                arrowprops={"arrowstyle": "-|>", "color": color},
            )
        ax.plot(*points[-1], marker="o" if line == "-" else "x", color=color, markersize=9)
    ax.plot(*start[0, :2], marker="o", color="#222222")
    ax.annotate("$s$", (start[0, 0], start[0, 1]), xytext=(-14, -4), textcoords="offset points")
    ax.set(xlabel="$q_1$", ylabel="$q_2$", title=title)
    ax.set(xlim=(0.4, 2.2), ylim=(0.0, 2.2))
    ax.set_aspect("equal")
    ax.legend(frameon=False, loc="lower left")


def _draw_errors(
    ax: Axes,
    found: list[Example],
    way: str,
    gaps: dict[tuple[str, str, str], Array],
    expected: dict[tuple[str, str], list[float]],
) -> None:
    """Draw the first square and the last; the one between coincides with the last."""
    for case, line, shift in zip(found, ("-", "--"), (-14, 8), strict=True):
        for square, color, marker, size in (
            (case.squares[0], OKABE_ITO[0], "o", 8),
            (case.squares[2], OKABE_ITO[1], "^", 4),
        ):
            values = gaps[case.name, square.name, way]
            ax.plot(
                _SIZES,
                values,
                linestyle=line,
                color=color,
                marker=marker,
                markerfacecolor=color if line == "-" else "white",
                markersize=size,
                label=f"H {case.name}: {square.name}",
            )
        at, found_slope = len(_SIZES) // 2, slope(gaps[case.name, case.squares[0].name, way])
        ax.annotate(
            f"slope {found_slope:.2f}",
            (_SIZES[at], gaps[case.name, case.squares[0].name, way][at]),
            xytext=(0, shift),
            textcoords="offset points",
            ha="center" if way == "dt" else ("right" if shift > 0 else "left"),
        )
        ax.plot(
            _SIZES,
            expected[case.name, way],
            color="#222222",
            linestyle=":",
            label="first-order maps, derived" if line == "--" else None,
        )
    ax.set(xscale="log", yscale="log")
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
