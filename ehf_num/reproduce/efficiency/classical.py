"""Contenders without a network, by scikit-learn: mixtures, kernels on the orbits, and an oracle.

An orbit's place u is told by m coordinates (`Problem.orbits`), and an invariant density of x is one
of u:  ln p(x) = ln f(u(x)) − ln |dx/du|.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ehf_num.reproduce.common import Floats, versions_of
from ehf_num.reproduce.efficiency.contender import Budget, Learned, Split
from ehf_num.reproduce.efficiency.problems import Problem

_WIDTHS = np.geomspace(0.02, 1, 14)  # of kernels, in standard deviations of the widest coordinate
_FOLDS = 5
_FRESH = 20_000


def scikit_learn_versions() -> dict[str, str]:
    """Return the version of scikit-learn; nothing where it is missing."""
    return versions_of("scikit-learn")


@dataclass(frozen=True)
class MixtureContender:
    """A `GaussianMixture` of x, of the number of components that has the lowest BIC."""

    components: int = 20

    def learn(self, problem: Problem, split: Split, budget: Budget, seed: int) -> Learned:
        """Fit mixtures to all points: none have to be held out."""
        start, x = time.process_time(), split.points
        best = min(_mixtures(x, self.components, seed), key=lambda mixture: mixture.bic(x))
        sizes = (best.weights_, best.means_, best.precisions_cholesky_)
        return _learned(best.score_samples, start, sum(array.size for array in sizes))


@dataclass(frozen=True)
class KernelContender:
    """A `KernelDensity` of the orbits' coordinates, its width chosen by cross-validation."""

    kernel: str = "gaussian"

    def learn(self, problem: Problem, split: Split, budget: Budget, seed: int) -> Learned:
        """Choose the width, and take all points."""
        from sklearn.model_selection import GridSearchCV
        from sklearn.neighbors import KernelDensity

        start, (u, _) = time.process_time(), problem.orbits(split.points)
        widths = {"bandwidth": _WIDTHS * u.std(axis=0).max()}
        search = GridSearchCV(KernelDensity(kernel=self.kernel), widths, cv=_FOLDS).fit(u)
        return _learned(_of_orbits(problem, search.best_estimator_.score_samples), start, u.size)


@dataclass(frozen=True)
class OracleContender:
    """Of many densities of an orbit's one coordinate, that which the truth likes best.

    Kernels of all widths and mixtures of all sizes are learned from the points, and one is chosen
    by the mean of ln p over fresh points of the target, which no contender has.
    """

    components: int = 12

    def learn(self, problem: Problem, split: Split, budget: Budget, seed: int) -> Learned:
        """Learn them all, and cheat.

        Raises
        ------
        ValueError
            If it takes more coordinates than one to tell the orbits apart.
        """
        from sklearn.neighbors import KernelDensity

        start, (u, _) = time.process_time(), problem.orbits(split.points)
        if u.shape[1] != 1:
            raise ValueError(f"the oracle knows one coordinate of orbits; these have {u.shape[1]}")
        widths = _WIDTHS * u.std()
        found = [KernelDensity(bandwidth=width).fit(u).score_samples for width in widths]
        found += [each.score_samples for each in _mixtures(u, self.components, seed)]
        fresh, _ = problem.orbits(problem.target.sample(_FRESH, rng=10**7 + seed))
        best = max(found, key=lambda density: float(np.mean(density(fresh))))
        return _learned(_of_orbits(problem, best), start, u.size)


def _mixtures(x: Floats, components: int, seed: int) -> Iterator[Any]:
    from sklearn.mixture import GaussianMixture

    for count in range(1, min(components, len(x) // 2) + 1):
        yield GaussianMixture(count, random_state=seed).fit(x)


def _of_orbits(problem: Problem, density: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    def log_prob(x: Floats) -> Floats:
        u, log_volume = problem.orbits(x)
        return density(u) - log_volume

    return log_prob


def _learned(log_prob: Callable[[Floats], Floats], start: float, parameters: int) -> Learned:
    return Learned(
        log_prob=lambda x, _draws: log_prob(x),
        iterations=0,
        best=0,
        stop_reason="iterations",
        seconds=time.process_time() - start,
        parameters=parameters,
    )
