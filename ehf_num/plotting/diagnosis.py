"""A diagnosis as a picture: how far each check is from its threshold."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from ehf_num.model.diagnosis import Diagnosis
from ehf_num.plotting.arguments import axes_or_new
from ehf_num.plotting.curves import OKABE_ITO

_ROW_INCHES = 0.27
_SMALLEST = 1e-12  # a value of zero is drawn here
_BEYOND = 10.0  # times the largest: where values that are not finite are drawn


def plot_diagnosis(
    diagnosis: Diagnosis, ax: Axes | None = None, *, title: str = "Diagnosis"
) -> Axes:
    """Draw each check's value in units of its threshold, and write it: left of 1 passes.

    Checks that did not pass have another color and another marker.

    Parameters
    ----------
    diagnosis : Diagnosis
        What `ehf_num.diagnose` returned.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from ehf_num import Check
    >>> ax = plot_diagnosis(Diagnosis((Check("reversibility", 1e-12, 1e-8),)))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['reversibility']
    >>> plt.close(ax.figure)
    """
    checks = diagnosis.checks[::-1]
    if ax is None:
        size = (7.2, 1.2 + _ROW_INCHES * len(checks))
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    ax = axes_or_new(ax)
    ratios = np.maximum([check.value / check.threshold for check in checks], _SMALLEST)
    finite = ratios[np.isfinite(ratios)]
    largest = float(max(finite.max(initial=1.0), 1.0)) * _BEYOND
    ratios = np.where(np.isfinite(ratios), ratios, largest)
    passed = np.array([check.passed for check in checks], dtype=bool)
    for chosen, color, marker in ((passed, OKABE_ITO[0], "o"), (~passed, OKABE_ITO[1], "D")):
        rows = np.flatnonzero(chosen)
        ax.scatter(ratios[rows], rows, color=color, marker=marker, zorder=3)
        ax.hlines(rows, 1.0, ratios[rows], colors=color, alpha=0.4)
    ax.axvline(1.0, color="#222222", linestyle=":")
    ax.set_xscale("log")
    ax.set_xlim(right=largest * _BEYOND)
    ax.set_yticks(range(len(checks)), [check.name for check in checks])
    for row, check in enumerate(checks):
        unit = check.unit.split(";")[0]
        text = f"{check.value:.2g}" + ("" if unit == "dimensionless" else f" {unit}")
        ax.annotate(
            text, (1.02, row), xycoords=("axes fraction", "data"), va="center", fontsize="small"
        )
    ax.grid(axis="y", alpha=0.3)
    ax.set(xlabel="value / threshold [dimensionless]; dotted: the threshold", ylabel="check")
    ax.set_title(f"{title}: {diagnosis.verdict}")
    return ax
