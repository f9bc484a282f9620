"""One-dimensional factors of a base density: their mass by quadrature, their draws by inversion."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.integrate import IntegrationWarning, quad
from scipy.stats.sampling import NumericalInversePolynomial, UNURANError

from ehf_num.workspace import Array
from ehf_sym.bridge import NumpyFormula
from ehf_sym.errors import ArgumentError

_NEGLIGIBLE = -80.0  # e**-80 of the peak: below what a double resolves of the mass
_TOLERANCE = 1e-8


@dataclass(frozen=True, eq=False)
class Factor:
    """An unnormalized density of one coordinate.

    Attributes
    ----------
    log_mass : float
        ln ∫ exp(formula) dx, nats, by adaptive quadrature.
    inverse_cdf : NumericalInversePolynomial
        Its ``ppf`` turns uniform numbers into draws.
    """

    log_mass: float
    inverse_cdf: NumericalInversePolynomial

    def draw(self, uniform: Array) -> Array:
        """Turn uniform numbers in (0, 1) into draws of the same shape."""
        draws: Array = self.inverse_cdf.ppf(uniform)
        return draws


def tabulate(log_density: NumpyFormula, text: str) -> Factor:
    """Normalize one factor and tabulate its inverse distribution function.

    Parameters
    ----------
    log_density : NumpyFormula
        ln of the factor, up to a constant, in one variable.
    text : str
        The formula as the user would know it, for messages.

    Raises
    ------
    ehf_sym.ArgumentError
        If the factor has no finite mass, or inversion misses part of it.
    """

    def log_pdf(x: npt.ArrayLike) -> Array:
        with np.errstate(all="ignore"):
            values = log_density(np.asarray(x, float)[..., np.newaxis])
        return np.where(np.isnan(values), -np.inf, values)

    grid = np.sinh(np.linspace(-12.0, 12.0, 8193))  # fine at 0, out to ±8e4
    on_grid = log_pdf(grid)
    peak_index = int(np.argmax(on_grid))
    peak = float(on_grid[peak_index])
    relevant = np.flatnonzero(on_grid > peak + _NEGLIGIBLE)
    low, high = relevant[0] - 1, relevant[-1] + 1
    if not np.isfinite(peak) or low < 0 or high >= len(grid):
        raise ArgumentError(
            f"base has the factor exp({text}), which cannot be normalized: it does not fall off"
        )

    def pdf(x: float) -> float:
        return float(np.exp(log_pdf(x) - peak))

    def mass_to(x: float) -> float:
        breaks = grid[relevant[:: max(1, len(relevant) // 40)]]
        return float(quad(pdf, grid[low], x, points=breaks[breaks < x], limit=2000)[0])

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", IntegrationWarning)
            mass = mass_to(float(grid[high]))
        inverse = NumericalInversePolynomial(
            _Density(pdf),
            center=float(grid[peak_index]),
            domain=(float(grid[low]), float(grid[high])),
            u_resolution=1e-11,
        )
    except (IntegrationWarning, UNURANError) as error:
        raise ArgumentError(f"base has the factor exp({text}): {error}") from error
    for quantile in (0.1, 0.5, 0.9):
        if abs(mass_to(float(inverse.ppf(quantile))) / mass - quantile) > _TOLERANCE:
            raise ArgumentError(
                f"base has the factor exp({text}), whose distribution function could not be "
                "inverted; give base_sampler="
            )
    return Factor(float(np.log(mass) + peak), inverse)


@dataclass(frozen=True)
class _Density:
    """What SciPy's sampler wants: an object with a method pdf."""

    pdf: object
