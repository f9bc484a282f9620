"""Energies of identical particles that attract and repel in pairs: a double well, Lennard-Jones.

An energy is an object with ``value(q)`` (n,) and ``gradient(q)`` (n, d), in units of k_B T. Its
coordinates are those of `ehf_sym.Particles.relative`, on the zero-centre-of-mass space and with its
volume.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp

from ehf_num.engine import arguments
from ehf_num.targets.datasets import Floats
from ehf_sym import Particles, PhaseSpace
from ehf_sym.errors import ArgumentError


class PairEnergy(ABC):
    """U(q) = Σ_{a<b} φ(|x_a − x_b|) + (t/2) |q|², made by its two kinds.

    Attributes
    ----------
    count, dimension : int
        N particles in D dimensions.
    trap : float
        t, the strength of the harmonic trap: |q|² = Σ_a |x_a − x̄|².
    """

    count: int
    dimension: int
    trap: float

    @property
    @abstractmethod
    def name(self) -> str:
        """Short name, for tables and titles."""

    @abstractmethod
    def pair(self, r: Any) -> Any:
        """Evaluate φ at distances, an array or a SymPy formula."""

    @abstractmethod
    def _slope_over_distance(self, r: Floats) -> Floats:
        """Evaluate φ'(r)/r."""

    @property
    def dim(self) -> int:
        """Number of relative coordinates d = (N − 1) D."""
        return (self.count - 1) * self.dimension

    def value(self, q: npt.ArrayLike) -> Floats:
        """Evaluate U.

        Parameters
        ----------
        q : array_like, shape (n, d)

        Returns
        -------
        ndarray, shape (n,)
            Units of k_B T; +inf or NaN where particles touch.

        Raises
        ------
        ArgumentError
            If `q` is not of that shape.

        Examples
        --------
        >>> DoubleWell().value(np.zeros((1, 6))).round(6).tolist()
        [998.4]
        """
        points, r = self._read(q)
        with np.errstate(all="ignore"):
            return np.asarray(self.pair(r).sum(axis=1) + self.trap / 2 * (points**2).sum(axis=1))

    def gradient(self, q: npt.ArrayLike) -> Floats:
        """Evaluate ∂U/∂q.

        Parameters
        ----------
        q : array_like, shape (n, d)

        Returns
        -------
        ndarray, shape (n, d)
            NaN where particles touch.

        Raises
        ------
        ArgumentError
            If `q` is not of that shape.

        Examples
        --------
        >>> LennardJones(2, 1).gradient([[2**-0.5]]).round(9).tolist()  # at the distance 1
        [[0.707106781]]
        """
        points, r = self._read(q)
        with np.errstate(all="ignore"):
            slopes = self._slope_over_distance(r)
            # Σ_pairs φ'/r D_k D_l is a weighted graph Laplacian in relative coordinates.
            stiffness = (slopes @ self._pair_products).reshape(-1, self.count - 1, self.count - 1)
            vectors = points.reshape(-1, self.count - 1, self.dimension)
            forces = (stiffness @ vectors).reshape(points.shape)
            return np.asarray(forces + self.trap * points)

    def distances(self, q: npt.ArrayLike) -> Floats:
        """Evaluate the distances of all pairs.

        Parameters
        ----------
        q : array_like, shape (n, d)

        Returns
        -------
        ndarray, shape (n, N (N − 1)/2)
            In the order (1, 2), (1, 3), ..., (N − 1, N).

        Raises
        ------
        ArgumentError
            If `q` is not of that shape.

        Examples
        --------
        >>> LennardJones(2, 1).distances([[2**-0.5]]).round(9).tolist()
        [[1.0]]
        """
        return self._read(q)[1]

    def formula(self, space: PhaseSpace | None = None) -> sp.Expr:
        """Write U as a SymPy formula, its numbers as the fractions nearest to them.

        Parameters
        ----------
        space : PhaseSpace, optional
            One with d coordinates: they have the same names in all.

        Raises
        ------
        ArgumentError
            If `space` has another number of coordinates.

        Examples
        --------
        >>> LennardJones(2, 1, epsilon=2).formula()
        q1**2/2 + (-2 + 1/(8*q1**6))/(4*q1**6)
        """
        if space is not None and space.dim != self.dim:
            raise ArgumentError(
                f"space has {space.dim} coordinates; it should have {self.dim}, (N − 1) D"
            )
        frame = Particles(self.count, self.dimension).relative()
        trap = sp.nsimplify(self.trap, rational=True) / 2 * sp.Add(*(x**2 for x in frame.space.q))
        pairs = combinations(range(self.count), 2)
        return sp.Add(trap, *(self.pair(frame.distance(*pair)) for pair in pairs))

    @cached_property
    def _separations(self) -> sp.ImmutableMatrix:
        """Rows B_b − B_a of the pairs, exact."""
        basis = Particles(self.count, self.dimension).relative().basis
        pairs = combinations(range(self.count), 2)
        rows = [(basis.col(b) - basis.col(a)).T for a, b in pairs]
        return sp.ImmutableMatrix(sp.Matrix.vstack(*rows))

    @cached_property
    def _pair_rows(self) -> Floats:
        return np.array(self._separations.evalf(30), dtype=np.float64)

    @cached_property
    def _pair_products(self) -> Floats:
        rows = self._pair_rows
        return np.asarray((rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1))

    def _read(self, q: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return points as an array, and their distances."""
        points = np.asarray(q, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != self.dim:
            raise ArgumentError(f"q had shape {points.shape}; it should be (n, {self.dim})")
        vectors = points.reshape(-1, self.count - 1, self.dimension)
        with np.errstate(all="ignore"):
            return points, np.sqrt(((self._pair_rows @ vectors) ** 2).sum(axis=2))

    def _check(self) -> None:
        object.__setattr__(self, "count", arguments.positive_integer(self.count, "count"))
        if self.count < 2:
            raise ArgumentError(f"count was {self.count}; it should be at least 2")
        dimension = arguments.positive_integer(self.dimension, "dimension")
        object.__setattr__(self, "dimension", dimension)


@dataclass(frozen=True)
class DoubleWell(PairEnergy):
    """U = Σ_{a<b} [a (r − d0) + b (r − d0)² + c (r − d0)⁴] + (t/2) |q|²; the defaults: DW4.

    Parameters
    ----------
    count, dimension : int
        N ≥ 2 particles in D dimensions.
    linear, quadratic, quartic, distance : float
        a, b, c > 0 and d0 > 0.
    trap : float
        t ≥ 0.

    Raises
    ------
    ArgumentError
        If a parameter is out of its range.

    References
    ----------
    J. Köhler, L. Klein, F. Noé, *Equivariant Flows* (arXiv:2006.02425): there the sum runs over
    ordered pairs and is halved, at temperature 1.

    Examples
    --------
    >>> DoubleWell().name, DoubleWell().dim
    ('DW4', 6)
    >>> DoubleWell(2, 1).pair(np.array([4.0, 5.0])).tolist()
    [0.0, -3.1]
    """

    count: int = 4
    dimension: int = 2
    linear: float = 0.0
    quadratic: float = -4.0
    quartic: float = 0.9
    distance: float = 4.0
    trap: float = 0.0

    def __post_init__(self) -> None:
        self._check()
        for name in ("linear", "quadratic"):
            value = getattr(self, name)
            if isinstance(value, bool) or not np.isfinite(value):
                raise ArgumentError(f"{name} was {value!r}; it should be a finite number")
        for name in ("quartic", "distance"):
            number = arguments.positive_number(getattr(self, name), name)
            object.__setattr__(self, name, number)
        object.__setattr__(self, "trap", arguments.number_from_zero(self.trap, "trap"))

    @property
    def name(self) -> str:
        """Short name, for tables and titles."""
        return f"DW{self.count}"

    def pair(self, r: Any) -> Any:
        """Evaluate φ at distances, an array or a SymPy formula."""
        a, b, c, d0 = _numbers_like(r, self.linear, self.quadratic, self.quartic, self.distance)
        away = r - d0
        return a * away + b * away**2 + c * away**4

    def _slope_over_distance(self, r: Floats) -> Floats:
        away = r - self.distance
        slope = self.linear + 2 * self.quadratic * away + 4 * self.quartic * away**3
        return np.asarray(slope / r)


@dataclass(frozen=True)
class LennardJones(PairEnergy):
    """U = Σ_{a<b} ε ((s/r)¹² − 2 (s/r)⁶) + (t/2) Σ_a |x_a − x̄|²; the defaults are LJ13.

    Parameters
    ----------
    count, dimension : int
        N ≥ 2 particles in D dimensions.
    epsilon : float
        ε > 0, the depth of the well in units of k_B T. Published files of LJ13 have 1 or 2.
    distance : float
        s > 0, where the well is deepest.
    trap : float
        t > 0. Without a trap e^{−U} has no finite integral.

    Raises
    ------
    ArgumentError
        If a parameter is out of its range.

    Examples
    --------
    >>> LennardJones().name, LennardJones().dim
    ('LJ13', 36)
    >>> LennardJones(2, 1).pair(np.array([1.0])).tolist()
    [-1.0]
    """

    count: int = 13
    dimension: int = 3
    epsilon: float = 1.0
    distance: float = 1.0
    trap: float = 1.0

    def __post_init__(self) -> None:
        self._check()
        for name in ("epsilon", "distance", "trap"):
            number = arguments.positive_number(getattr(self, name), name)
            object.__setattr__(self, name, number)

    @property
    def name(self) -> str:
        """Short name, for tables and titles."""
        return f"LJ{self.count}"

    def pair(self, r: Any) -> Any:
        """Evaluate φ at distances, an array or a SymPy formula."""
        epsilon, s = _numbers_like(r, self.epsilon, self.distance)
        sixth = (s**2 / r**2) ** 3
        return epsilon * sixth * (sixth - 2)

    def _slope_over_distance(self, r: Floats) -> Floats:
        inverse_square = (self.distance / r) ** 2
        sixth = inverse_square**3
        return np.asarray(12 * self.epsilon * sixth * (1 - sixth) / r**2)


def _numbers_like(r: Any, *numbers: float) -> tuple[Any, ...]:
    """Return numbers as they are, or as fractions for a formula."""
    if isinstance(r, sp.Basic):
        return tuple(sp.nsimplify(number, rational=True) for number in numbers)
    return numbers
