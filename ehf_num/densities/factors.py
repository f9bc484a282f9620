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
_FALLEN = -30.0  # where a heavy tail may be cut off by overflow
_CELLS = 4096
_MOST_CELLS = 65_536
_TOLERANCE = 1e-13  # of a cell, relative to the whole mass
_FLAT = 1e-90  # mass of a cell below which the inverse overflows
_RESOLVED = 256  # nodes on which a density is not negligible: enough to see its shape
# Lobatto's rule: with nodes at both ends of a cell, no step inside goes unseen.
_POLYNOMIAL = np.polynomial.Legendre.basis(6)
_NODES = np.array([-1.0, *_POLYNOMIAL.deriv().roots(), 1.0])
_WEIGHTS = 2 / (42 * _POLYNOMIAL(_NODES) ** 2)


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
    is_stretched : bool
        Whether the table is in t with x = sinh t: there a tail like a power of x falls
        exponentially.
    """

    log_mass: float
    cdf: scipy.interpolate.CubicHermiteSpline
    inverse: scipy.interpolate.PchipInterpolator
    is_stretched: bool

    def draw(self, uniform: Array) -> Array:
        """Turn uniform numbers in [0, 1) into draws of the same shape."""
        draws: Array = self.inverse(uniform)
        slope = self.cdf(draws, 1)
        # One Newton step, where the density is not all but zero, makes the guess exact.
        step = np.divide(
            self.cdf(draws) - uniform, slope, out=np.zeros_like(draws), where=slope > 1e-6
        )
        refined: Array = draws - step
        return np.asarray(np.sinh(refined)) if self.is_stretched else refined


def tabulate(log_density: Callable[[Array], Array], text: str, *, angle: bool = False) -> Factor:
    """Normalize one factor and tabulate its distribution function.

    Parameters
    ----------
    log_density : callable
        ln of the factor, up to a constant: points (..., 1) to (...). Features narrower than
        0.3 % of their distance from 0 may be missed, where there is more than one.
    text : str
        The formula as the user would know it, for messages.
    angle : bool
        Whether it is one of an angle: over one turn, from −π to π.

    Raises
    ------
    ehf_sym.ArgumentError
        If the factor does not fall off, or not fast enough, or is too rough for the table.
    """

    def log_pdf(x: npt.ArrayLike) -> Array:
        with np.errstate(all="ignore"):
            values = log_density(np.asarray(x, float)[..., np.newaxis])
        return np.where(np.isnan(values), -np.inf, values)

    def stretched(t: npt.ArrayLike) -> Array:
        with np.errstate(over="ignore"):
            values: Array = log_pdf(np.sinh(t)) + np.logaddexp(t, np.negative(t)) - np.log(2)
        return values

    density: Callable[[npt.ArrayLike], Array] = log_pdf
    support = _turn(density) if angle else _support(density, _SEARCH_GRID)
    if support is None:
        density, support = stretched, _support(stretched, _STRETCHED_GRID, _FALLEN)
    if support is None:
        raise ArgumentError(
            f"base has the factor exp({text}), which cannot be normalized: it does not fall off, "
            "or too slowly, or too far from 0; for a density that can be integrated all the same "
            "give base_sampler= and log_normalizer="
        )
    low, high, peak = support
    edges, masses = _integrated(lambda x: np.exp(density(x) - peak), low, high)
    mass = masses.sum()
    if not (np.isfinite(mass) and mass > 0):
        raise ArgumentError(
            f"base has the factor exp({text}), which is too rough to be integrated; give "
            "base_sampler= and log_normalizer="
        )
    cdf = np.concatenate([[0.0], np.cumsum(masses / mass)])
    rising = np.concatenate([[True], np.diff(cdf) > _FLAT])
    slopes = np.exp(density(edges) - peak) / mass
    return Factor(
        log_mass=float(np.log(mass) + peak),
        cdf=scipy.interpolate.CubicHermiteSpline(edges, cdf, slopes),
        inverse=scipy.interpolate.PchipInterpolator(cdf[rising], edges[rising]),
        is_stretched=density is stretched,
    )


def _turn(log_pdf: Callable[[npt.ArrayLike], Array]) -> tuple[float, float, float]:
    """Return the ends of one turn, and the peak of a log density on it."""
    peak = float(log_pdf(np.linspace(-np.pi, np.pi, len(_SEARCH_GRID))).max())
    return -np.pi, np.pi, peak if np.isfinite(peak) else 0.0


def _integrated(density: Callable[[Array], Array], low: float, high: float) -> tuple[Array, Array]:
    """Halve cells until that changes nothing: edges and masses; NaN where there are too many.

    Steps and kinks end up in cells so narrow that they hold nothing.
    """

    def gauss(start: Array, end: Array) -> Array:
        half = (end - start) / 2
        return half * (
            density((start + half)[:, np.newaxis] + half[:, np.newaxis] * _NODES) @ _WEIGHTS
        )

    edges = np.linspace(low, high, _CELLS + 1)
    start, end = edges[:-1], edges[1:]
    masses = gauss(start, end)
    settled: list[Array] = []
    total = masses.sum()
    while len(start) and sum(map(len, settled)) + len(start) < _MOST_CELLS:
        middle = (start + end) / 2
        starts, ends = np.stack([start, middle], axis=1), np.stack([middle, end], axis=1)
        halves = gauss(starts.ravel(), ends.ravel()).reshape(-1, 2)
        total += halves.sum() - masses.sum()
        off = ~(np.abs(halves.sum(axis=1) - masses) <= _TOLERANCE * total)
        settled.append(np.stack([starts[~off].ravel(), halves[~off].ravel()], axis=1))
        start, end, masses = starts[off].ravel(), ends[off].ravel(), halves[off].ravel()
    cells = np.concatenate(settled)
    cells = cells[np.argsort(cells[:, 0])]
    return np.append(cells[:, 0], high), cells[:, 1] if not len(start) else np.full(
        len(cells), np.nan
    )


_SEARCH_GRID = np.sinh(np.linspace(-12.0, 12.0, 8193))  # fine at 0, out to ±8e4
_STRETCHED_GRID = np.linspace(-700.0, 700.0, 16_385)  # out to ±5e303


def _support(
    log_pdf: Callable[[npt.ArrayLike], Array], grid: Array, fallen: float = 0.0
) -> tuple[float, float, float] | None:
    """Find where a density is not negligible, and the peak of its log; zoom in on a narrow one.

    None where it does not fall off on the grid, or breaks off before it has fallen so far.
    """
    on_grid = log_pdf(grid)
    peak = float(on_grid.max())
    relevant = np.flatnonzero(on_grid > peak + _NEGLIGIBLE)
    if not relevant.size or relevant[0] == 0 or relevant[-1] == len(on_grid) - 1:
        return None
    if (on_grid[relevant[[0, -1]]] > peak + fallen).any():
        return None
    low, high = float(grid[relevant[0] - 1]), float(grid[relevant[-1] + 1])
    while relevant.size < _RESOLVED:
        grid = np.linspace(low, high, len(grid))
        on_grid = log_pdf(grid)
        peak = max(peak, float(on_grid.max()))
        relevant = np.flatnonzero(on_grid > peak + _NEGLIGIBLE)
        first, last = relevant.min(initial=len(grid)), relevant.max(initial=-1)
        narrower = float(grid[max(first - 1, 0)]), float(grid[min(last + 1, len(grid) - 1)])
        if last < 0 or narrower[1] - narrower[0] > (high - low) / 2:
            break  # several narrow peaks, or one that doubles do not resolve: masses will tell
        low, high = narrower
    return low, high, peak
