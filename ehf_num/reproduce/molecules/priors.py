"""A base density that knows of pairs: Gaussians of every distance and a trap, from the points."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import sympy as sp

import ehf_sym as es
from ehf_num import EnergyBase, energy_base
from ehf_num.reproduce.common import Floats
from ehf_num.reproduce.efficiency.contender import Budget, Learned, Split
from ehf_num.reproduce.molecules.problems import ParticleProblem

_DRAWS = 1_000
_TRAP = sp.Symbol("t", real=True)


def pair_prior(
    frame: es.RelativeFrame, points: Floats, widths: tuple[float, ...], seed: int
) -> EnergyBase:
    """Fit S = (t/2) |q|² + Σ_{a<b} Σ_k A_k exp(−r_ab²/2w_k²) to points: t and the A_k."""
    heights = sp.symbols(f"A1:{1 + len(widths)}", real=True)
    pairs = combinations(range(frame.count), 2)
    squares = [frame.distance(a, b) ** 2 for a, b in pairs]
    S = _TRAP / 2 * sp.Add(*(x**2 for x in frame.space.q))
    for A, w in zip(heights, widths, strict=True):
        narrow = 2 * sp.Rational(str(w)) ** 2
        S += A * sp.Add(*(sp.exp(-square / narrow) for square in squares))
    return energy_base(S, frame.space, points, start={_TRAP: 1}, n=_DRAWS, rng=seed)


@dataclass(frozen=True)
class PriorContender:
    """Such a base density alone, which no flow moves."""

    def learn(self, problem: ParticleProblem, split: Split, budget: Budget, seed: int) -> Learned:
        """Fit it to all of the points: there is nothing to stop early."""
        del budget
        scale = float(split.points.std())
        start = time.process_time()
        prior = pair_prior(problem.frame, split.points / scale, problem.widths, seed)
        seconds = time.process_time() - start
        log_volume = problem.dim * float(np.log(scale))

        def log_prob(x: Floats, draws: int) -> Floats:
            del draws
            return prior.log_prob(x / scale) - log_volume

        def sample(n: int, seed: int) -> tuple[Floats, Floats]:
            x = scale * prior.sample(n, np.random.default_rng(seed))[:, : problem.dim]
            return x, log_prob(x, 1)

        return Learned(
            log_prob=log_prob,
            iterations=0,
            best=0,
            stop_reason="fitted",
            seconds=seconds,
            parameters=1 + len(problem.widths),
            sample=sample,
        )
