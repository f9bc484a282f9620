"""Targets with their symmetries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import ehf_sym as es
from ehf_num import OrbitSampler, Target, orbit_sampler, phase_orbits, rings, shells


@dataclass(frozen=True, eq=False)
class Problem:
    """A target and the symmetry that is known of it.

    Attributes
    ----------
    target : Target
        With its exact log density.
    symmetry : ehf_sym.LieAlgebra
        The generators.
    """

    target: Target
    symmetry: es.LieAlgebra

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.target.dim

    def mover(self) -> OrbitSampler:
        """Make what moves every point by an element of the group of its own."""
        return orbit_sampler(self.symmetry)


def _phase() -> es.LieAlgebra:
    """Turn the overall phase of ℂ² alone: the first generator of u(2)."""
    unitary = es.groups.u(2)
    return es.LieAlgebra(unitary.space, unitary.generators[:1])


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "rings": lambda: Problem(rings(), es.groups.so(2)),
    "shells": lambda: Problem(shells(), es.groups.so(3)),
    "phase-orbits": lambda: Problem(phase_orbits(), _phase()),
}
"""By the names under which they are asked for; made when asked for."""
