"""Targets with their symmetries: what a contender is given, and how its points may be turned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import ehf_sym as es
from ehf_num.datasets import Floats, Target, rings, shells
from ehf_num.phase_orbits import phase_orbits


@dataclass(frozen=True, eq=False)
class Problem:
    """A target and the symmetry that is known of it.

    Attributes
    ----------
    target : Target
        With its exact log density.
    symmetry : ehf_sym.LieAlgebra
        The generators.
    turned : callable
        Moves points (n, d), each by a group element of its own, uniformly drawn with a Generator.
    group : str
        The group's name, for tables and titles.
    """

    target: Target
    symmetry: es.LieAlgebra
    turned: Callable[[Floats, np.random.Generator], Floats]
    group: str


def rotated(x: Floats, rng: np.random.Generator) -> Floats:
    """Rotate each point by an element of SO(d), uniform in Haar's measure.

    Examples
    --------
    >>> moved = rotated(np.array([[3.0, 4.0], [0.0, 2.0]]), np.random.default_rng(0))
    >>> np.linalg.norm(moved, axis=1).round(12)
    array([5., 2.])
    """
    from scipy.stats import special_ortho_group

    dim = x.shape[1]
    matrices = special_ortho_group.rvs(dim, size=len(x), random_state=rng).reshape(-1, dim, dim)
    return np.asarray(np.einsum("nij,nj->ni", matrices, x))


def turned_in_phase(x: Floats, rng: np.random.Generator) -> Floats:
    """Turn each point of ℂⁿ = ℝ²ⁿ by an overall phase, uniform on the circle.

    Examples
    --------
    >>> moved = turned_in_phase(np.array([[3.0, 4.0, 0.0, 2.0]]), np.random.default_rng(0))
    >>> np.hypot(moved[:, ::2], moved[:, 1::2]).round(12)
    array([[5., 2.]])
    """
    phases = np.exp(2j * np.pi * rng.random((len(x), 1)))
    z = np.ascontiguousarray(x, dtype=np.float64).view(np.complex128)
    return np.asarray((z * phases).view(np.float64))


def _phase() -> es.LieAlgebra:
    """Turn the overall phase of ℂ² alone: the first generator of u(2)."""
    unitary = es.groups.u(2)
    return es.LieAlgebra(unitary.space, unitary.generators[:1])


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "rings": lambda: Problem(rings(), es.groups.so(2), rotated, "SO(2)"),
    "shells": lambda: Problem(shells(), es.groups.so(3), rotated, "SO(3)"),
    "phase-orbits": lambda: Problem(phase_orbits(), _phase(), turned_in_phase, "U(1)"),
}
"""By the names under which they are asked for; made when asked for."""
