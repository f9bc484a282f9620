"""A target on ℂ² that knows no overall phase: noisy orbits of U(1), with the exact density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from ehf_num.engine import arguments
from ehf_num.targets.datasets import Floats, Target
from ehf_sym.errors import ArgumentError

Pair = tuple[complex, complex]

_HERMITE_NODES = 24  # in each of four directions


@dataclass(frozen=True)
class PhaseOrbits(Target):
    """Noisy orbits of the overall phase in ℂ² = ℝ⁴, made by `ehf_num.phase_orbits`.

    z = e^{iθ} c_k + σξ with θ uniform and ξ standard normal on ℝ⁴. The integral over θ is a Bessel
    function:
    p(z) = Σ_k w_k (2πσ²)⁻² exp(−(|z|² + |c_k|²)/2σ²) I₀(|c̄_k·z|/σ²).
    A point is (Re z_1, Im z_1, Re z_2, Im z_2), the order of ``ehf_sym.groups.u``. The relative
    phase of z_1 and z_2 matters: only the overall one is a symmetry.

    Parameters
    ----------
    centers : sequence of pairs of complex
        One c_k of each orbit; kept as tuples.
    weights : sequence of float
        w_k > 0 that sum to 1; kept as a tuple.
    noise : float
        σ > 0.

    Raises
    ------
    ArgumentError
        If a parameter is out of its range, or `centers` and `weights` differ in length.
    """

    centers: tuple[Pair, ...]
    weights: Sequence[float]
    noise: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "centers", _pairs(self.centers))
        weights = arguments.mixture_weights(self.weights, len(self.centers), "centers")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "noise", arguments.positive_number(self.noise, "noise"))
        object.__setattr__(self, "dim", 4)

    @property
    def name(self) -> str:
        """Short name, for tables and titles."""
        return "phase orbits (ℂ²)"

    def expected_log_prob(self) -> float:
        """Return E[ln p(x)] under p in nats, by Gauss–Hermite quadrature around each c_k."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(_HERMITE_NODES)
        grid = np.stack(np.meshgrid(*[nodes] * 4), axis=-1).reshape(-1, 4)
        measure = np.stack(np.meshgrid(*[weights / weights.sum()] * 4)).prod(axis=0).ravel()
        # p is invariant, so the phase of every orbit may be zero.
        values = [self._log_density(c + self.noise * grid) for c in self._real_centers()]
        return float(np.dot(self.weights, np.stack(values) @ measure))

    def _real_centers(self) -> Floats:
        """Write the c_k in real coordinates, shape (orbits, 4)."""
        return np.ascontiguousarray(self.centers, dtype=np.complex128).view(np.float64)

    def _draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Draw an orbit, its phase, and a normal around that."""
        chosen = np.asarray(self.centers)[rng.choice(len(self.weights), size=n, p=self.weights)]
        turned = chosen * np.exp(2j * np.pi * rng.random((n, 1)))
        return np.asarray(turned.view(np.float64) + self.noise * rng.standard_normal((n, 4)))

    def _log_density(self, points: Floats) -> Floats:
        """Evaluate the mixture's ln p."""
        centers = np.asarray(self.centers, dtype=np.complex128)
        z = np.ascontiguousarray(points).view(np.complex128)
        variance = self.noise**2
        overlap = np.abs(z @ centers.conj().T)
        squares = (points**2).sum(axis=1, keepdims=True) + (np.abs(centers) ** 2).sum(axis=1)
        # I₀(a) = exp(a) i0e(a), and i0e does not overflow.
        exponent = (overlap - squares / 2) / variance + np.log(
            scipy.special.i0e(overlap / variance)
        )
        log_norm = 2 * math.log(2 * math.pi * variance)
        return np.asarray(
            scipy.special.logsumexp(exponent + np.log(self.weights), axis=1) - log_norm
        )


def phase_orbits(
    centers: Sequence[Pair] = ((1.5, 1.5), (2.0, -1.0j), (0.5, -2.0)),
    weights: Sequence[float] = (0.3, 0.4, 0.3),
    noise: float = 0.25,
) -> PhaseOrbits:
    """Make `PhaseOrbits`; the defaults are the target of the U(1) experiment.

    Examples
    --------
    >>> phase_orbits().sample(3, rng=0).shape
    (3, 4)
    >>> round(phase_orbits().expected_log_prob(), 4)
    -3.7848
    """
    return PhaseOrbits(centers, weights, noise)  # type: ignore[arg-type]  # made tuples there


def _pairs(values: object) -> tuple[Pair, ...]:
    """Return centers as tuples of two finite complex numbers, at least one."""
    try:
        array: npt.NDArray[np.complex128] = np.asarray(values, dtype=np.complex128)
    except (TypeError, ValueError):
        array = np.empty(0, np.complex128)
    if array.ndim != 2 or array.shape[1] != 2 or not len(array) or not np.isfinite(array).all():
        raise ArgumentError(f"centers was {values!r}; it should be pairs of complex numbers")
    return tuple((complex(first), complex(second)) for first, second in array)
