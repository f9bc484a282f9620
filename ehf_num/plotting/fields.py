"""Functions of the plane: densities, scalar and vector fields, and samples.

Fields wear perceptually uniform color maps.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap
from scipy.stats import gaussian_kde

from ehf_num.engine import arguments
from ehf_num.plotting.arguments import (
    Extent,
    Floats,
    Function,
    Labels,
    axes_or_new,
    checked_extent,
    evaluate,
    extent_for,
    grid,
    labels_for,
    square_around,
)
from ehf_num.plotting.curves import OKABE_ITO
from ehf_sym.errors import ArgumentError

_EXTENT = (-3.0, 3.0, -3.0, 3.0)
_KDE_CENTERS = 5_000
# Viridis without its yellow end, which does not show on white.
_ARROW_COLORS = ListedColormap(plt.get_cmap("viridis")(np.linspace(0, 0.85, 256)))


def plot_density(
    source: npt.ArrayLike | Function,
    ax: Axes | None = None,
    *,
    extent: Extent | None = None,
    labels: Labels | None = None,
    title: str = "Density",
    bandwidth: float | None = None,
    resolution: int = 150,
    colorbar: bool = False,
    colorbar_label: str = "density [per unit area]",
) -> Axes:
    """Draw a density in the plane as an image, brighter where it is higher.

    Parameters
    ----------
    source : array_like or data frame of shape (n, 2), or callable (m, 2) -> (m,)
        Samples, of which a kernel density estimate is drawn (of 5,000 evenly picked ones, if there
        are more); or a log density in nats, whose exponential is drawn.
    ax : matplotlib Axes, optional
    extent : (left, right, bottom, top), optional
        By default a square around the samples, and -3 to 3 for a log density, of angles of the
        model whose method it is −π to π.
    labels, title : pair of str, str
        Names of the axes and of the picture; axes are named by the columns of a data frame, and of
        a model that learned one, or else q1 and q2.
    bandwidth : float, optional
        Width of the kernel in units of the samples' standard deviation, as ``bw_method`` of
        `scipy.stats.gaussian_kde`. By default half of Scott's rule, which is meant for one bump
        and blurs rings and modes.
    resolution : int
        Pixels along each axis.
    colorbar, colorbar_label : bool, str
        Whether a color bar says how high the density is, and its name.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError
        If a shape is wrong, or the samples lie on a line.

    Examples
    --------
    >>> ax = plot_density(lambda q: -(q**2).sum(axis=1) / 2, resolution=20)
    >>> ax.get_images()[0].get_array().shape
    (20, 20)
    >>> plt.close(ax.figure)
    """
    if callable(source):
        box = checked_extent(extent_for(source, _EXTENT) if extent is None else extent)
        points = grid(box, resolution)
        with np.errstate(over="ignore"):
            density = np.exp(evaluate(source, points, "source", (len(points),)))
    else:
        x = arguments.points(source, "source", 2, np.float64)
        box = checked_extent(square_around(x) if extent is None else extent)
        density = _kernel_estimate(x, bandwidth)(grid(box, resolution).T)
    ax = axes_or_new(ax)
    image = ax.imshow(
        density.reshape(resolution, resolution),
        extent=box, origin="lower", cmap="viridis", vmin=0, interpolation="bilinear",
    )  # fmt: skip
    if colorbar:
        _colorbar(ax, image, colorbar_label)
    return _finish(ax, box, labels_for(source, labels), title)


def plot_field(
    function: Function,
    ax: Axes | None = None,
    *,
    extent: Extent = _EXTENT,
    labels: Labels | None = None,
    title: str = "Field",
    colorbar_label: str = "[dimensionless]",
    resolution: int = 100,
) -> Axes:
    """Draw a scalar field, such as U(q) or K(p), as filled contours with a color bar.

    Parameters
    ----------
    function : callable (m, 2) -> (m,)
    ax : matplotlib Axes, optional
    extent : (left, right, bottom, top)
    labels, title, colorbar_label : pair of str, str, str
        Names of the axes (``("$p_1$", "$p_2$")`` for K), of the picture and of the color bar.
    resolution : int
        Grid points along each axis.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError
        If the function gives another shape, or nothing finite.

    Examples
    --------
    >>> ax = plot_field(lambda q: q[:, 0] * q[:, 1], title="U(q)", resolution=20)
    >>> ax.get_title()
    'U(q)'
    >>> plt.close(ax.figure)
    """
    box = checked_extent(extent)
    points = grid(box, resolution)
    values = np.ma.masked_invalid(evaluate(function, points, "function", (len(points),)))
    if values.mask.all():
        raise ArgumentError("function gave no finite value; it should be finite on the extent")
    ax = axes_or_new(ax)
    shape = (resolution, resolution)
    x, y, z = points[:, 0].reshape(shape), points[:, 1].reshape(shape), values.reshape(shape)
    filled = ax.contourf(x, y, z, levels=24, cmap="cividis")
    ax.contour(
        x, y, z, levels=np.asarray(filled.levels)[::3], colors="white", linewidths=0.5, alpha=0.6
    )
    _colorbar(ax, filled, colorbar_label)
    return _finish(ax, box, labels_for(function, labels), title)


def plot_vector_field(
    function: Function,
    ax: Axes | None = None,
    *,
    extent: Extent = _EXTENT,
    labels: Labels | None = None,
    title: str = "Vector field",
    colorbar_label: str = "length [dimensionless]",
    resolution: int = 21,
) -> Axes:
    """Draw a vector field, such as the step of a flow, as unit arrows colored by length.

    Arrows of length zero, and those that are not finite, are left out. The colors end at the 99th
    percentile of the lengths, lest one singular point hides the rest.

    Parameters
    ----------
    function : callable (m, 2) -> (m, 2)
    ax : matplotlib Axes, optional
    extent : (left, right, bottom, top)
    labels, title, colorbar_label : pair of str, str, str
        Names of the axes, of the picture and of the color bar.
    resolution : int
        Arrows along each axis.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError
        If the function gives another shape.

    Examples
    --------
    >>> ax = plot_vector_field(lambda q: -q, title="contraction")
    >>> ax.get_xlabel()
    '$q_1$'
    >>> plt.close(ax.figure)
    """
    box = checked_extent(extent)
    points = grid(box, resolution)
    vectors = evaluate(function, points, "function", points.shape)
    length = np.linalg.norm(vectors, axis=1)
    drawn = np.isfinite(length) & (length > 0)
    directions = vectors[drawn] / length[drawn, None]
    ax = axes_or_new(ax)
    arrows = ax.quiver(
        *points[drawn].T,
        *directions.T,
        length[drawn],
        cmap=_ARROW_COLORS,
        clim=(0.0, float(np.quantile(length[drawn], 0.99)) if drawn.any() else 1.0),
        angles="xy",
        scale_units="xy",
        scale=1.2 * resolution / (box[1] - box[0]),
        width=0.004,
        pivot="mid",
    )
    _colorbar(ax, arrows, colorbar_label, extend="max")
    return _finish(ax, box, labels_for(function, labels), title)


def plot_samples(
    x: npt.ArrayLike,
    ax: Axes | None = None,
    *,
    extent: Extent | None = None,
    labels: Labels | None = None,
    title: str = "Samples",
    label: str | None = None,
    color: str = OKABE_ITO[0],
) -> Axes:
    """Scatter points of the plane.

    Parameters
    ----------
    x : array_like or data frame, shape (n, 2)
    ax : matplotlib Axes, optional
    extent : (left, right, bottom, top), optional
        By default a square around the points.
    labels, title : pair of str, str
        Names of the axes and of the picture; axes are named by the columns of a data frame, and of
        a model that learned one, or else q1 and q2.
    label : str, optional
        Entry of the legend, which is drawn only if given.
    color : str

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError
        If `x` is not a finite real array of that shape.

    Examples
    --------
    >>> ax = plot_samples([[0.0, 1.0], [1.0, 0.0]])
    >>> len(ax.collections[0].get_offsets())
    2
    >>> plt.close(ax.figure)
    """
    points = arguments.points(x, "x", 2, np.float64)
    box = checked_extent(square_around(points) if extent is None else extent)
    ax = axes_or_new(ax)
    alpha = float(np.clip(100 / np.sqrt(len(points)), 0.15, 0.9))
    x1, x2 = points.T
    ax.scatter(x1, x2, s=6, color=color, alpha=alpha, linewidths=0, label=label, rasterized=True)
    if label is not None:
        ax.legend(frameon=False, markerscale=3)
    return _finish(ax, box, labels_for(x, labels), title)


def _kernel_estimate(x: Floats, bandwidth: float | None) -> gaussian_kde:
    """Estimate the density that samples come from."""
    if bandwidth is not None:
        bandwidth = arguments.positive_number(bandwidth, "bandwidth")
    if np.linalg.matrix_rank(x - x.mean(axis=0)) < 2:
        raise ArgumentError("source had samples on one line; they should spread over the plane")
    centers = x[:: -(-len(x) // _KDE_CENTERS)]
    estimate = gaussian_kde(centers.T)
    estimate.set_bandwidth(bandwidth or 0.5 * estimate.scotts_factor())
    return estimate


def _colorbar(ax: Axes, drawn: ScalarMappable, label: str, extend: str = "neither") -> None:
    """Add a color bar as high as the axes."""
    ax.figure.colorbar(drawn, ax=ax, label=label, extend=extend, fraction=0.046, pad=0.03)


def _finish(ax: Axes, extent: Extent, labels: Labels, title: str) -> Axes:
    """Label a plot of the plane."""
    left, right, bottom, top = extent
    ax.set(xlim=(left, right), ylim=(bottom, top), xlabel=labels[0], ylabel=labels[1], title=title)
    ax.set_aspect("equal")
    return ax
