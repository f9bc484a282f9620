"""What a symmetry costs, as a picture."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from ehf_num.model.symmetry_cost import SymmetryCost
from ehf_num.plotting.arguments import axes_or_new
from ehf_num.plotting.curves import OKABE_ITO

_WIDTH = 2.576  # standard errors on each side: 99 %


def plot_symmetry_cost(
    cost: SymmetryCost, ax: Axes | None = None, *, title: str = "What the symmetry costs"
) -> Axes:
    """Draw the cost of each way to keep the symmetry, nats a point, with 99 % intervals.

    Parameters
    ----------
    cost : SymmetryCost
        What `ehf_num.symmetry_cost` returned.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from ehf_num import ModeScore
    >>> mode = ModeScore("exact", np.zeros(3), cost=0.1, error=0.01, p_value=1e-9)
    >>> ax = plot_symmetry_cost(SymmetryCost((mode,), 0.01))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['exact']
    >>> plt.close(ax.figure)
    """
    modes = [mode for mode in cost.modes if mode.enforce != "none"]
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 1.6 + 0.4 * len(modes)), layout="constrained")[1]
    ax = axes_or_new(ax)
    rows = np.arange(len(modes))
    for row, mode in zip(rows, modes, strict=True):
        color = OKABE_ITO[1] if mode.p_value < cost.level else OKABE_ITO[0]
        ax.errorbar(
            mode.cost, row, xerr=_WIDTH * mode.error, fmt="o", color=color, capsize=4, zorder=3
        )
    ax.axvline(0.0, color="#222222", linestyle=":")
    ax.set_yticks(rows, [mode.enforce for mode in modes])
    ax.set_ylim(-0.6, len(modes) - 0.4)
    ax.set_ylabel("how it is kept")
    ax.set_xlabel("cost against no symmetry, nats a point (left of 0: the symmetry gains)")
    ax.set_title(f"{title}: {cost.advice.split(':')[0]}")
    ax.grid(axis="x", alpha=0.3)
    return ax
