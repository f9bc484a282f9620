"""One-dimensional factors of a base density: their mass by quadrature, their draws by inversion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from ehf_num.engine.workspace import Array
from ehf_sym.errors import ArgumentError

_NEGLIGIBLE = -80.0  # e**-80 of the peak: below what a double resolves of the mass
_CELLS = 8192
_TOLERANCE = 1e-9
_FLAT = 1e-90  # mass of a cell below which the inverse overflows
_RESOLVED = 256  # nodes on which a density is not negligible: enough to see its shape
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)


@dataclass(frozen=True, eq=False)
class Factor:
    """An unnormalized density of one coordinate, tabulated.

    Attributes
    ----------
    log_mass : float
        ln ∫ exp(formula) dx, nats.
    cdf : scipy.interpolate.CubicHermiteSpline
        Its distribution function, which has the density for its slope at every node.
    inverse : scipy.interpolate.PchipInterpolator
        A monotone first guess at the inverse of `cdf`.
    """

    log_mass: float
    cdf: scipy.interpolate.CubicHermiteSpline
    inverse: scipy.interpolate.PchipInterpolator

    def draw(self, uniform: Array) -> Array:
        """Turn uniform numbers in [0, 1) into draws of the same shape."""
        draws: Array = self.inverse(uniform)
        slope = self.cdf(draws, 1)
        # One Newton step, where the density is not all but zero, makes the guess exact.
        step = np.divide(
            self.cdf(draws) - uniform, slope, out=np.zeros_like(draws), where=slope > 1e-6
        )
        refined: Array = draws - step
        return refined


def tabulate(log_density: Callable[[Array], Array], text: str) -> Factor:
    """Normalize one factor and tabulate its distribution function.

    Parameters
    ----------
    log_density : callable
        ln of the factor, up to a constant: points (..., 1) to (...). Features narrower than
        0.3 % of their distance from 0 may be missed, where there is more than one.
    text : str
        The formula as the user would know it, for messages.

    Raises
    ------
    ehf_sym.ArgumentError
        If the factor does not fall off, or not fast enough, or is too rough for the table.
    """

    def log_pdf(x: npt.ArrayLike) -> Array:
        with np.errstate(all="ignore"):
            values = log_density(np.asarray(x, float)[..., np.newaxis])
        return np.where(np.isnan(values), -np.inf, values)

    low, high, peak = _support(log_pdf, text)

    def cell_masses(cells: int) -> tuple[Array, Array]:
        edges = np.linspace(low, high, cells + 1)
        half = (high - low) / cells / 2
        inside = (edges[:-1] + half)[:, np.newaxis] + half * _NODES
        return edges, half * np.exp(log_pdf(inside) - peak) @ _WEIGHTS

    _, coarse = cell_masses(_CELLS // 2)
    edges, masses = cell_masses(_CELLS)
    mass = masses.sum()
    if not abs(coarse.sum() / mass - 1) < _TOLERANCE:
        raise ArgumentError(
            f"base has the factor exp({text}), which is too rough to be integrated; give "
            "base_sampler= and log_normalizer="
        )
    cdf = np.concatenate([[0.0], np.cumsum(masses / mass)])
    rising = np.concatenate([[True], np.diff(cdf) > _FLAT])
    return Factor(
        log_mass=float(np.log(mass) + peak),
        cdf=scipy.interpolate.CubicHermiteSpline(edges, cdf, np.exp(log_pdf(edges) - peak) / mass),
        inverse=scipy.interpolate.PchipInterpolator(cdf[rising], edges[rising]),
    )


_SEARCH_GRID = np.sinh(np.linspace(-12.0, 12.0, 8193))  # fine at 0, out to ±8e4


def _support(log_pdf: Callable[[npt.ArrayLike], Array], text: str) -> tuple[float, float, float]:
    """Find where a density is not negligible, and the peak of its log; zoom in on a narrow one."""
    grid, on_grid = _SEARCH_GRID, log_pdf(_SEARCH_GRID)
    peak = float(on_grid.max())
    relevant = np.flatnonzero(on_grid > peak + _NEGLIGIBLE)
    if not relevant.size or relevant[0] == 0 or relevant[-1] == len(on_grid) - 1:
        raise ArgumentError(
            f"base has the factor exp({text}), which cannot be normalized: it does not fall off, "
            "or too slowly, or too far from 0; for a density that can be integrated all the same "
            "give base_sampler= and log_normalizer="
        )
    low, high = float(grid[relevant[0] - 1]), float(grid[relevant[-1] + 1])
    while relevant.size < _RESOLVED:
        grid = np.linspace(low, high, len(_SEARCH_GRID))
        on_grid = log_pdf(grid)
        peak = max(peak, float(on_grid.max()))
        relevant = np.flatnonzero(on_grid > peak + _NEGLIGIBLE)
        first, last = relevant.min(initial=len(grid)), relevant.max(initial=-1)
        narrower = float(grid[max(first - 1, 0)]), float(grid[min(last + 1, len(grid) - 1)])
        if last < 0 or narrower[1] - narrower[0] > (high - low) / 2:
            break  # several narrow peaks, or one that doubles do not resolve: masses will tell
        low, high = narrower
    return low, high, peak
