"""Targets with their symmetries."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import ehf_sym as es
from ehf_num import OrbitSampler, Target, orbit_sampler, phase_orbits, rings, shells
from ehf_num.reproduce.common import Floats


@dataclass(frozen=True, eq=False)
class Problem:
    """A target and the symmetry that is known of it.

    Attributes
    ----------
    target : Target
        With its exact log density.
    symmetry : ehf_sym.LieAlgebra
        The generators.
    orbits : callable
        x (n, d) to coordinates u (n, m) that tell its orbits apart, and ln |dx/du| (n,), the volume
        that they have.
    """

    target: Target
    symmetry: es.LieAlgebra
    orbits: Callable[[Floats], tuple[Floats, Floats]]

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.target.dim

    def mover(self) -> OrbitSampler:
        """Make what moves every point by an element of the group of its own."""
        return orbit_sampler(self.symmetry)


def _radius(x: Floats) -> tuple[Floats, Floats]:
    """Take r = |x|: the sphere of radius r has the volume 2 π^(d/2)/Γ(d/2) r^(d−1)."""
    dim, r = x.shape[1], np.linalg.norm(x, axis=1)
    sphere = math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)
    return r[:, np.newaxis], sphere + (dim - 1) * np.log(r)


def _hopf(x: Floats) -> tuple[Floats, Floats]:
    """Take v = h/|x|, h = (2 Re z̄w, 2 Im z̄w, |z|² − |w|²) with x = (z, w): volumes are π |v|/2.

    |v|² = |z|² + |w|², and balls of v have the volume of those of x: ∫ π r/2 · 4π r² dr = π² r⁴/2.
    """
    z, w = x[:, 0] + 1j * x[:, 1], x[:, 2] + 1j * x[:, 3]
    cross, size = 2 * z.conj() * w, np.linalg.norm(x, axis=1)
    h = np.stack([cross.real, cross.imag, np.abs(z) ** 2 - np.abs(w) ** 2], axis=1)
    return h / size[:, np.newaxis], np.log(np.pi * size / 2)


def _phase() -> es.LieAlgebra:
    """Turn the overall phase of ℂ² alone: the first generator of u(2)."""
    unitary = es.groups.u(2)
    return es.LieAlgebra(unitary.space, unitary.generators[:1])


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "rings": lambda: Problem(rings(), es.groups.so(2), _radius),
    "shells": lambda: Problem(shells(), es.groups.so(3), _radius),
    "phase-orbits": lambda: Problem(phase_orbits(), _phase(), _hopf),
}
"""By the names under which they are asked for; made when asked for."""

WITH_ONE_COORDINATE = ("rings", "shells")
"""Those whose orbits one coordinate tells apart."""
