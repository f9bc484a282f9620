"""What the plots take: axes, arrays, extents and functions, checked at the door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from ehf_num.engine import arguments
from ehf_num.files.frames import column_names
from ehf_num.files.table import Table
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas import arrays

Floats = npt.NDArray[np.float64]
Extent = tuple[float, float, float, float]
Function = Callable[[Floats], npt.ArrayLike]
Labels = tuple[str, str]
COORDINATES = ("$q_1$", "$q_2$")


def axes_or_new(ax: Axes | None) -> Axes:
    """Return `ax`, or the axes of a new figure."""
    if ax is None:
        return plt.subplots(layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise ArgumentError(f"ax was {ax!r}; it should be a matplotlib Axes")
    return ax


def real_array(values: Any, name: str) -> Floats:
    """Return real numbers as float64; NaN is allowed and means: not known."""
    array = arrays.real_array(values, name, "an array of real numbers")
    if not array.ndim:
        raise ArgumentError(f"{name} had shape (); it should be an array of real numbers")
    return array.astype(np.float64)


def checked_extent(extent: Any) -> Extent:
    """Return (left, right, bottom, top), in order and finite."""
    box = real_array(extent, "extent")
    good = box.shape == (4,) and np.isfinite(box).all() and box[0] < box[1] and box[2] < box[3]
    if not good:
        raise ArgumentError(
            f"extent was {extent!r}; it should be (left, right, bottom, top), finite, left < right "
            "and bottom < top"
        )
    left, right, bottom, top = box.tolist()
    return (left, right, bottom, top)


def extent_for(function: Any, usual: Extent) -> Extent:
    """Return what is drawn of a function by default; of a model's method one turn of each angle."""
    model = getattr(function, "__self__", None)
    angles = getattr(getattr(getattr(model, "base", None), "space", None), "angles", ())
    left, right = (-np.pi, np.pi) if 0 in angles else usual[:2]
    bottom, top = (-np.pi, np.pi) if 1 in angles else usual[2:]
    return (left, right, bottom, top)


def square_around(points: Floats) -> Extent:
    """Return the extent of a square that holds all points, with a margin."""
    low, high = points.min(axis=0), points.max(axis=0)
    (x, y), half = (low + high) / 2, 0.55 * float((high - low).max() or 1.0)
    return (x - half, x + half, y - half, y + half)


def grid(extent: Extent, resolution: int) -> Floats:
    """Return the centers of the cells of a picture: where fields and densities are drawn.

    Parameters
    ----------
    extent : (left, right, bottom, top)
        Of the picture, in the units of x.
    resolution : int
        Cells along each side.

    Returns
    -------
    ndarray, shape (resolution², 2)
        Row by row from the bottom.

    Raises
    ------
    ehf_sym.ArgumentError
        If the extent is none, or the resolution is not positive.

    Examples
    --------
    >>> grid((0, 2, 0, 2), 2).tolist()
    [[0.5, 0.5], [1.5, 0.5], [0.5, 1.5], [1.5, 1.5]]
    """
    edges = np.arange(arguments.positive_integer(resolution, "resolution")) + 0.5
    left, right, bottom, top = checked_extent(extent)
    x = left + (right - left) * edges / resolution
    y = bottom + (top - bottom) * edges / resolution
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def labels_for(source: Any, labels: Labels | None) -> Labels:
    """Return names for both axes: those given, or of a data frame or a model that learned one."""
    if labels is not None:
        return labels
    names = column_names(source) or _learned_names(source)
    return COORDINATES if names is None or len(names) != 2 else (names[0], names[1])


def _learned_names(function: Any) -> list[str] | None:
    """Return the names of the columns that a model learned, whose method this is."""
    names = getattr(getattr(function, "__self__", None), "feature_names_in_", None)
    return None if names is None else list(names)


def evaluate(function: Any, points: Floats, name: str, shape: tuple[int, ...]) -> Floats:
    """Call the user's function and hold it to its shape."""
    if not callable(function):
        raise ArgumentError(f"{name} was {function!r}; it should be callable")
    names = _learned_names(function)
    given: Any = points if names is None else Table(points, tuple(names))
    values = real_array(function(given), f"the result of {name}")
    if values.shape != shape:
        raise ArgumentError(
            f"{name} gave shape {values.shape} for points {points.shape}; it should give {shape}"
        )
    return values
