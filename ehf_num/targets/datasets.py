"""Targets whose log density is known exactly, to draw training data from and to judge against.

``target.sample`` has the signature that `fit` takes for endless data: ``(n, rng) -> (n, dim)``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from ehf_num.engine import arguments
from ehf_num.engine.log_space import HALF_LOG_2PI, LOG_2PI

Floats = npt.NDArray[np.float64]
Numbers = Sequence[float]

_REACH = 12.0  # in standard deviations: the normal mass beyond is 4e-33
_HERMITE_NODES = 128


class Target(ABC):
    """A density that can be drawn from and evaluated exactly.

    A new target is a frozen dataclass with `dim` and the four abstract members.
    """

    dim: int

    @property
    @abstractmethod
    def name(self) -> str:
        """Short name, for tables and titles."""

    @abstractmethod
    def expected_log_prob(self) -> float:
        """Return E[ln p(x)] under p in nats, by quadrature: what a perfect model would score.

        Examples
        --------
        >>> round(rings().expected_log_prob(), 4)
        -2.5975
        >>> round(modes_on_circle(8).expected_log_prob(), 4)
        -2.1384
        """

    @abstractmethod
    def _draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Draw `n` points, shape (n, dim)."""

    @abstractmethod
    def _log_density(self, points: Floats) -> Floats:
        """Evaluate ln p at points of shape (n, dim)."""

    def sample(self, n: int, rng: int | np.random.Generator | None = None) -> Floats:
        """Draw `n` independent points.

        Parameters
        ----------
        n : int
        rng : int or numpy.random.Generator, optional

        Returns
        -------
        ndarray, shape (n, dim)

        Raises
        ------
        ArgumentError
            If `n` is not a positive integer, or `rng` not what numpy.random.default_rng takes.

        Examples
        --------
        >>> rings().sample(3, rng=0).shape
        (3, 2)
        """
        return self._draw(arguments.positive_integer(n, "n"), arguments.generator(rng))

    def log_prob(self, x: npt.ArrayLike) -> Floats:
        """Evaluate ln p at `x`.

        Parameters
        ----------
        x : array_like, shape (n, dim)

        Returns
        -------
        ndarray, shape (n,)
            Nats.

        Raises
        ------
        ArgumentError
            If `x` is not a finite real array of that shape.

        Examples
        --------
        >>> rings().log_prob([[1.0, 0.0], [0.0, 2.5]]).round(3)
        array([-1.91 , -2.207])
        """
        points = arguments.points(x, "x", self.dim, np.float64)
        with np.errstate(over="ignore"):  # beyond |x| = 1e154, ln p is -inf in float64
            return self._log_density(points)


@dataclass(frozen=True)
class Shells(Target):
    """Concentric shells in d dimensions, made by `ehf_num.shells` and `ehf_num.rings`.

    The direction is uniform and the radius r = |x| a mixture:
    p(x) = Σ_i w_i N⁺(r; R_i, σ) / (S_{d−1} r^{d−1}), with S_{d−1} = 2 π^{d/2} / Γ(d/2) the
    area of the unit sphere, and N⁺ the normal truncated to r > 0, normalized exactly. For d ≥ 2
    ln p is +inf at the origin itself, where p has an integrable pole.

    Parameters
    ----------
    dim : int
        Number of coordinates d ≥ 1.
    radii, weights : sequence of float
        R_i > 0, and w_i > 0 that sum to 1; kept as tuples.
    noise : float
        σ > 0, the standard deviation of the radius before truncation.

    Raises
    ------
    ArgumentError
        If a parameter is out of its range, or `radii` and `weights` differ in length.
    """

    dim: int
    radii: Numbers
    weights: Numbers
    noise: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", arguments.positive_integer(self.dim, "dim"))
        radii = arguments.positive_numbers(self.radii, "radii")
        object.__setattr__(self, "radii", radii)
        object.__setattr__(
            self, "weights", arguments.mixture_weights(self.weights, len(radii), "radii")
        )
        object.__setattr__(self, "noise", arguments.positive_number(self.noise, "noise"))

    @property
    def name(self) -> str:
        """Short name, for tables and titles."""
        return "rings" if self.dim == 2 else f"shells (d = {self.dim})"

    def expected_log_prob(self) -> float:
        """Return E[ln p(x)] under p in nats, by adaptive quadrature over the radius."""

        def integrand(r: float, shell: int) -> float:
            law = np.exp(self._log_radius_laws(np.array([r]))[0, shell])
            return float(law * self._log_prob_at(np.array([r]))[0])

        total = 0.0
        for shell, (radius, weight) in enumerate(zip(self.radii, self.weights, strict=True)):
            low, high = radius - _REACH * self.noise, radius + _REACH * self.noise
            part, _ = scipy.integrate.quad(integrand, max(0, low), high, (shell,), points=[radius])
            total += weight * part
        return total

    def _draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Draw radius and direction independently."""
        radii = np.asarray(self.radii)[rng.choice(len(self.radii), size=n, p=self.weights)]
        # The inverse CDF of the upper part of the normal, so that r > 0 costs no rejection.
        upper = (1 - rng.random(n)) * scipy.special.ndtr(radii / self.noise)
        r = radii - self.noise * scipy.special.ndtri(upper)
        direction = rng.standard_normal((n, self.dim))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        return np.asarray(r[:, None] * direction)

    def _log_density(self, points: Floats) -> Floats:
        """Evaluate ln p, a function of the radius alone."""
        return self._log_prob_at(np.linalg.norm(points, axis=1))

    def _log_prob_at(self, r: Floats) -> Floats:
        """Evaluate ln p at any point of radius r."""
        half = self.dim / 2
        log_area = math.log(2) + half * math.log(math.pi) - scipy.special.gammaln(half)
        log_radius = scipy.special.logsumexp(
            self._log_radius_laws(r) + np.log(self.weights), axis=1
        )
        return np.asarray(log_radius - log_area - scipy.special.xlogy(self.dim - 1, r))

    def _log_radius_laws(self, r: Floats) -> Floats:
        """Evaluate each shell's ln N⁺(r; R_i, σ), shape (n, shells)."""
        radii = np.asarray(self.radii)
        log_norm = HALF_LOG_2PI + math.log(self.noise) + scipy.special.log_ndtr(radii / self.noise)
        return np.asarray(-0.5 * ((r[:, None] - radii) / self.noise) ** 2 - log_norm)


@dataclass(frozen=True)
class CircleModes(Target):
    """Equal normal modes evenly spaced on a circle in the plane, made by `ehf_num.modes_on_circle`.

    p(x) = (1/m) Σ_k N(x; c_k, σ² I) with c_k = R (cos 2πk/m, sin 2πk/m).

    Parameters
    ----------
    modes : int
        m ≥ 1.
    radius, noise : float
        R > 0 and σ > 0.

    Raises
    ------
    ArgumentError
        If a parameter is out of its range.
    """

    modes: int
    radius: float
    noise: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "modes", arguments.positive_integer(self.modes, "modes"))
        object.__setattr__(self, "radius", arguments.positive_number(self.radius, "radius"))
        object.__setattr__(self, "noise", arguments.positive_number(self.noise, "noise"))
        object.__setattr__(self, "dim", 2)

    @property
    def name(self) -> str:
        """Short name, for tables and titles."""
        return f"{self.modes} modes on a circle"

    @property
    def centers(self) -> Floats:
        """The modes c_k, shape (modes, 2)."""
        angles = 2 * np.pi * np.arange(self.modes) / self.modes
        return np.asarray(self.radius * np.stack([np.cos(angles), np.sin(angles)], axis=1))

    def expected_log_prob(self) -> float:
        """Return E[ln p(x)] under p in nats, by Gauss–Hermite quadrature; all modes are alike."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(_HERMITE_NODES)
        weights = weights / weights.sum()
        offsets = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 2)
        values = self._log_density(self.centers[0] + self.noise * offsets)
        return float(np.outer(weights, weights).ravel() @ values)

    def _draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Draw a mode, then a normal around it."""
        chosen = self.centers[rng.integers(self.modes, size=n)]
        return np.asarray(chosen + self.noise * rng.standard_normal((n, 2)))

    def _log_density(self, points: Floats) -> Floats:
        """Evaluate the mixture's ln p."""
        z = (points[:, None, :] - self.centers) / self.noise
        log_norm = LOG_2PI + 2 * math.log(self.noise) + math.log(self.modes)
        return np.asarray(scipy.special.logsumexp(-0.5 * (z**2).sum(axis=2), axis=1) - log_norm)


def rings(
    radii: Numbers = (1.0, 2.5), weights: Numbers = (0.35, 0.65), noise: float = 0.15
) -> Shells:
    """Make `Shells` in the plane; the defaults are the target of the SO(2) experiment.

    Examples
    --------
    >>> rings().name, rings().dim
    ('rings', 2)
    """
    return shells(2, radii, weights, noise)


def shells(
    dim: int = 3, radii: Numbers = (1.2, 2.6), weights: Numbers = (0.4, 0.6), noise: float = 0.15
) -> Shells:
    """Make `Shells`; the defaults are the target of the SO(3) experiment.

    Examples
    --------
    >>> round(shells().expected_log_prob(), 4)
    -4.0099
    """
    return Shells(dim, radii, weights, noise)


def modes_on_circle(modes: int, radius: float = 2.0, noise: float = 0.25) -> CircleModes:
    """Make `CircleModes`; the defaults are the target of the multimodal experiment.

    Examples
    --------
    >>> modes_on_circle(4).centers.round(1) + 0.0
    array([[ 2.,  0.], [ 0.,  2.], [-2.,  0.], [ 0., -2.]])
    """
    return CircleModes(modes, radius, noise)
