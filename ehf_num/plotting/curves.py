"""Lines over the iterations of a training run.

They wear the colors of Okabe and Ito, which people with any kind of color vision can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, product
from typing import Any

import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ehf_num.files.result import TrainingResult
from ehf_num.plotting.arguments import Floats, axes_or_new, real_array
from ehf_sym.errors import ArgumentError

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_LEVEL_COLOR = "#222222"
_DASHES = ("-", "--", "-.")


def plot_learning_curves(
    curves: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    ax: Axes | None = None,
    *,
    truth: float | None = None,
    ylabel: str = "log-likelihood [nats]",
    title: str = "Learning curves",
) -> Axes:
    """Draw one line for each curve.

    Parameters
    ----------
    curves : mapping of label to (iterations, values)
        Two one-dimensional arrays of equal length each; NaN breaks the line.
    ax : matplotlib Axes, optional
    truth : float, optional
        Level of a dotted horizontal line: what a perfect model reaches.
    ylabel, title : str

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError
        If ``curves`` is empty or one of its arrays has another shape.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> ax = plot_learning_curves({"train": ([0, 1, 2], [-4.0, -3.0, -2.8])}, truth=-2.6)
    >>> [line.get_label() for line in ax.get_lines()]
    ['train', 'truth']
    >>> plt.close(ax.figure)
    """
    if not isinstance(curves, Mapping) or not curves:
        raise ArgumentError(f"curves was {curves!r}; it should map labels to (iterations, values)")
    lines = [(label, *_series(pair, f"curves[{label!r}]")) for label, pair in curves.items()]
    ax = _draw(axes_or_new(ax), lines, truth, "truth")
    return _finish(ax, ylabel, title)


def plot_trace(
    iterations: npt.ArrayLike,
    values: npt.ArrayLike,
    ax: Axes | None = None,
    *,
    labels: Sequence[str] | None = None,
    threshold: float | None = None,
    threshold_label: str = "κ",
    log: bool = True,
    ylabel: str = r"$\langle\{g, H\}^2\rangle$ [dimensionless]",
    title: str = "Brackets during training",
) -> Axes:
    """Draw the course of one or several quantities, such as {g_k, H}² against κ, or λ_k.

    Parameters
    ----------
    iterations : array_like, shape (n,)
    values : array_like, shape (n,) or (n, k)
        One line for each column; NaN breaks the line.
    ax : matplotlib Axes, optional
    labels : sequence of str, optional
        One for each line.
    threshold : float, optional
        Level of a dotted horizontal line, named `threshold_label`.
    log : bool
        Logarithmic axis, which leaves out values ≤ 0. A plot without positive values stays linear.
    ylabel, title : str

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError
        If a shape or the number of labels is wrong.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> ax = plot_trace([0, 1, 2], [1.0, 0.1, 0.01], threshold=1e-3)
    >>> ax.get_yscale()
    'log'
    >>> plt.close(ax.figure)
    """
    table = real_array(values, "values")
    columns = table[:, None] if table.ndim == 1 else table
    names = ["_nolegend_"] * columns.shape[-1] if labels is None else list(labels)
    if columns.ndim != 2 or len(names) != columns.shape[1]:
        raise ArgumentError(
            f"values had shape {table.shape} and labels was {labels!r}; values should have shape "
            "(n,) or (n, k), labels one entry for each column"
        )
    lines = [
        (name, *_series((iterations, column), "(iterations, values)"))
        for name, column in zip(names, columns.T, strict=True)
    ]
    ax = _draw(axes_or_new(ax), lines, threshold, threshold_label)
    if log and (columns > 0).any():
        ax.set_yscale("log", nonpositive="mask")
    return _finish(ax, ylabel, title)


def plot_constraint(result: TrainingResult, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw the mean squared brackets that training bounded, with κ.

    Parameters
    ----------
    result : TrainingResult
        Of a run with ``enforce="penalty"``.
    ax : matplotlib Axes, optional
    **options
        Of `plot_trace`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError
        If nothing was penalized.

    Examples
    --------
    >>> import ehf_sym as es, ehf_num as en, matplotlib.pyplot as plt
    >>> symmetry = es.groups.so(2)
    >>> base = es.StandardNormal(symmetry.space)
    >>> flow = en.EquivariantHamiltonianFlow(base, symmetry, hidden=(4,), rng=0)
    >>> flow = flow.fit(en.rings().sample(9, rng=0), iterations=3, progress=False)
    >>> [line.get_label() for line in plot_constraint(flow.result_).lines]
    ['{g1,H}² base', 'κ']
    >>> plt.close("all")
    """
    values = _penalized(result, "squared_brackets")
    labels, kappa = result.constraints or None, result.kappa
    options = {"title": "Constraint", "threshold": kappa, "labels": labels} | options
    return plot_trace(result.history.iteration, values, ax, **options)


def plot_multipliers(result: TrainingResult, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw the multipliers λ; the parameters are those of `plot_constraint`."""
    values = _penalized(result, "multipliers")
    words = {"ylabel": "λ [dimensionless]", "title": "Multipliers"}
    options = words | {"labels": result.constraints or None} | options
    return plot_trace(result.history.iteration, values, ax, **options)


def _penalized(result: TrainingResult, name: str) -> Floats:
    """Return columns of the history, if there are any."""
    if not isinstance(result, TrainingResult):
        raise ArgumentError(f"result was {type(result).__name__}; it should be a TrainingResult")
    values: Floats = getattr(result.history, name)
    if not values.shape[1]:
        raise ArgumentError("result is of a run that penalized nothing; it has no such curves")
    return values


def _series(pair: Any, name: str) -> tuple[Floats, Floats]:
    """Return iterations and values as arrays of one axis and of equal length."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ArgumentError(f"{name} was {pair!r}; it should be a pair (iterations, values)")
    iterations, values = (real_array(part, name) for part in pair)
    if iterations.ndim != 1 or iterations.shape != values.shape:
        raise ArgumentError(
            f"{name} had shapes {iterations.shape} and {values.shape}; they should be (n,) and (n,)"
        )
    return iterations, values


def _draw(
    ax: Axes, lines: Sequence[tuple[str, Floats, Floats]], level: float | None, level_label: str
) -> Axes:
    """Draw labeled lines and one dotted level; color and dash tell them apart."""
    styles = cycle(product(_DASHES, OKABE_ITO))
    for (label, iterations, values), (dash, color) in zip(lines, styles, strict=False):
        ax.plot(iterations, values, linestyle=dash, color=color, label=label, linewidth=1.4)
    if level is not None:
        ax.axhline(level, color=_LEVEL_COLOR, linestyle=":", label=level_label)
    return ax


def _finish(ax: Axes, ylabel: str, title: str) -> Axes:
    """Label a plot of lines over iterations."""
    ax.set(xlabel="iteration", ylabel=ylabel, title=title)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False)
    return ax
