"""The targets: energies of particles, points from them by a recipe, and what leaves them alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import scipy

import ehf_sym as es
from ehf_num import (
    DoubleWell,
    LennardJones,
    Normalizer,
    TemperedDraws,
    annealed_importance,
    parallel_tempering,
)
from ehf_num.reproduce.common import Floats
from ehf_num.reproduce.efficiency.contender import Budget, Learned, Split


@dataclass(frozen=True)
class ParticleProblem:
    """An energy of identical particles, on the coordinates of the zero-centre-of-mass space.

    Attributes
    ----------
    energy : DoubleWell or LennardJones
    width : float
        Standard deviation of the normal that draws are annealed from.
    widths : tuple of float
        Of the Gaussians of distance that a base density of pairs is made of, in units of the
        points' standard deviation.
    """

    energy: DoubleWell | LennardJones
    width: float
    widths: tuple[float, ...]

    @property
    def dim(self) -> int:
        """Number of relative coordinates."""
        return self.energy.dim

    @property
    def frame(self) -> es.RelativeFrame:
        """The relative coordinates."""
        return es.Particles(self.energy.count, self.energy.dimension).relative()

    def points(self, n: int, seed: int) -> Floats:
        """Draw by parallel tempering: the seed is the recipe."""
        return _draws(self, n, seed).x

    def checks(self, n: int, seed: int) -> str:
        """Say what has to hold of these draws, and how well it does."""
        return str(_draws(self, n, seed))

    def floor(self, n: int, seed: int) -> Normalizer:
        """Estimate ln Z and the entropy, which no model's NLL can pass."""
        return annealed_importance(self.energy, n, seed, width=self.width)

    def mover(self) -> Callable[[Floats, np.random.Generator], Floats]:
        """Make what rotates, reflects and permutes every point by an element of its own."""
        frame = self.frame

        def move(q: Floats, rng: np.random.Generator) -> Floats:
            turns = scipy.stats.ortho_group.rvs(frame.dimension, size=len(q), random_state=rng)
            orders = rng.permuted(np.tile(np.arange(frame.count), (len(q), 1)), axis=1)
            x = np.take_along_axis(frame.from_relative(q), orders[:, :, None], axis=1)
            return np.asarray(frame.to_relative(x @ turns.reshape(-1, *turns.shape[-2:])))

        return move


PROBLEMS: dict[str, ParticleProblem] = {
    "dw4": ParticleProblem(DoubleWell(), 2.0, (0.5, 1.0, 2.0)),
    "lj13": ParticleProblem(LennardJones(), 1.0, (0.3, 0.6)),
    "lj13-2": ParticleProblem(LennardJones(epsilon=2.0), 1.0, (0.3, 0.6)),
}
"""DW4, and LJ13 with ε = 1 and with ε = 2: published files have either."""


class ParticleContender(Protocol):
    """A way to learn such a density: a frozen dataclass of plain settings."""

    def learn(self, problem: ParticleProblem, split: Split, budget: Budget, seed: int) -> Learned:
        """Train on the split's points and nothing else, with one thread."""


@lru_cache(maxsize=8)
def _draws(problem: ParticleProblem, n: int, seed: int) -> TemperedDraws:
    draws = parallel_tempering(problem.energy, n, seed, width=problem.width)
    if not draws.passed:
        raise es.ArgumentError(f"seed was {seed}; its draws should pass their checks: {draws}")
    draws.x.setflags(write=False)
    return draws
