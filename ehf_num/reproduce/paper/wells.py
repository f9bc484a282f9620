"""Local minima of a potential in the plane, and how they match the modes of a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy

from ehf_num.plotting import grid
from ehf_num.reproduce.common import Array, Extent

NEAR = 0.3
"""A minimum farther than this from its mode is none of it."""

_STARTS = 15  # along each axis
_DESCENT = 200  # iterations
_SAME = 0.05  # minima closer than this are one
_AROUND = 0.02  # radius of the circle on which U has to be higher
_HIGHER = 1e-9  # by so much: along a valley rounding alone decides
_EDGE = 1e-3


class Landscape(Protocol):
    """What has a potential energy U(q)."""

    def potential(self, q: Array) -> Array:
        """Evaluate U: (n, 2) to (n,)."""

    def grad_potential(self, q: Array) -> Array:
        """Evaluate ∂U/∂q: (n, 2) to (n, 2)."""


def minima(hamiltonian: Landscape, box: Extent) -> Array:
    """Find the local minima of U inside a box, by optimization from a grid of starts.

    All starts go downhill together; from where they gather, L-BFGS-B goes on. Ends on the edge of
    the box are left out, and those around which U is not higher everywhere on a small circle, such
    as saddles; equal ones count once.

    Parameters
    ----------
    hamiltonian : Landscape
        In float64.
    box : (left, right, bottom, top)

    Returns
    -------
    ndarray, shape (m, 2)
        Deepest first.

    Examples
    --------
    >>> import ehf_sym as es
    >>> from ehf_num.reproduce.paper.commuting_square import FormulaHamiltonian
    >>> space = es.PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> wells = FormulaHamiltonian(space, p1**2, (q1**2 - 1)**2 + q2**2 + q1 / 10)
    >>> minima(wells, (-3, 3, -3, 3)).round(2) + 0.0
    array([[-1.01,  0.  ],
           [ 0.99,  0.  ]])
    """

    def energy(point: Array) -> tuple[float, Array]:
        at = point[None]
        return float(hamiltonian.potential(at)[0]), hamiltonian.grad_potential(at)[0]

    left, right, bottom, top = box
    found: list[tuple[float, Array]] = []
    for start in _apart(_downhill(hamiltonian, grid(box, _STARTS), box)):
        end = scipy.optimize.minimize(
            energy,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=((left, right), (bottom, top)),
            options={"ftol": 1e-14, "gtol": 1e-7, "maxiter": 200},
        )
        x, y = end.x
        inside = min(x - left, right - x, y - bottom, top - y) > _EDGE
        if inside and all(np.linalg.norm(end.x - other) > _SAME for _, other in found):
            angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
            circle = end.x + _AROUND * np.stack([np.cos(angles), np.sin(angles)], axis=1)
            if (hamiltonian.potential(circle) > end.fun + _HIGHER).all():
                found.append((float(end.fun), end.x))
    deepest_first = sorted(found, key=lambda pair: pair[0])
    return np.array([point for _, point in deepest_first]).reshape(-1, 2)


def _downhill(hamiltonian: Landscape, points: Array, box: Extent) -> Array:
    """Descend from all points (n, 2) at once, each with a step of its own.

    One point at a time costs as much as all of them: L-BFGS-B from each start would take minutes.
    """
    low, high = np.array(box).reshape(2, 2).T
    energies, steps = hamiltonian.potential(points), np.full((len(points), 1), 0.1)
    for _ in range(_DESCENT):
        moved = np.clip(points - steps * hamiltonian.grad_potential(points), low, high)
        reached = hamiltonian.potential(moved)
        lower = reached < energies
        points = np.where(lower[:, None], moved, points)
        energies = np.where(lower, reached, energies)
        steps *= np.where(lower, 1.3, 0.5)[:, None]
    return points


def _apart(points: Array) -> list[Array]:
    """Leave out points that are close to an earlier one."""
    kept: list[Array] = []
    for point in points:
        if all(np.linalg.norm(point - other) > _SAME / 2 for other in kept):
            kept.append(point)
    return kept


@dataclass(frozen=True, eq=False)
class Matching:
    """Minima and modes, paired one to one with the least total distance.

    Attributes
    ----------
    distances : ndarray, shape (min(minima, modes),)
        Of the pairs.
    minima, modes : int
        How many there are of each.
    """

    distances: Array
    minima: int
    modes: int

    @property
    def one_to_one(self) -> bool:
        """Whether there are as many minima as modes, each near its own."""
        return self.minima == self.modes and bool((self.distances <= NEAR).all())

    @property
    def near(self) -> int:
        """How many modes have a minimum of their own nearby."""
        return int((self.distances <= NEAR).sum())


def match(found: Array, centers: Array) -> Matching:
    """Match minima (m, 2) to modes (k, 2).

    Examples
    --------
    >>> match(np.array([[0.1, 0.0], [5.0, 0.0]]), np.array([[5.2, 0.0], [0.0, 0.0]])).one_to_one
    True
    """
    distances = np.linalg.norm(found[:, None] - centers[None], axis=2)
    pairs = scipy.optimize.linear_sum_assignment(distances)
    return Matching(distances[pairs], len(found), len(centers))
