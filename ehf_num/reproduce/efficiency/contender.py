"""What every contender of a study is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ehf_num.reproduce.common import Floats
from ehf_num.reproduce.efficiency.problems import Problem

_MOST_HELD_OUT = 500
_CHECKS = 300


@dataclass(frozen=True)
class Budget:
    """How long every contender may train, and how closely it is judged.

    Attributes
    ----------
    iterations : int
        Updates at the most.
    batch_size : int
        Of minibatches; all points where they are fewer.
    schedule : {"constant", "cosine"}
        What becomes of every contender's learning rate over so many iterations.
    patience : int
        Iterations without a better score on the validation split before training stops. The
        weights that are judged are always those of the best check.
    test_points : int
        Fresh points that every model is scored on.
    draws : int
        Importance draws for a point where a log-likelihood is an estimate.
    """

    iterations: int
    patience: int
    test_points: int
    draws: int
    batch_size: int = 128
    schedule: str = "cosine"

    @property
    def check_every(self) -> int:
        """Iterations between two checks of the validation split, for every contender."""
        return max(1, self.iterations // _CHECKS)


@dataclass(frozen=True, eq=False)
class Split:
    """A contender's own points, in two: both come from the N that it is given.

    Attributes
    ----------
    training, validation : ndarray, shape (n, d)
        One fifth is held out, and at most 500 points.
    """

    training: Floats
    validation: Floats

    @classmethod
    def of(cls, points: Floats) -> Split:
        """Cut off the last points: they are independent, so any will do."""
        held_out = max(1, min(len(points) // 5, _MOST_HELD_OUT))
        return cls(points[:-held_out], points[-held_out:])

    @property
    def points(self) -> Floats:
        """All of them, for who holds out points by itself, or needs none."""
        return np.concatenate([self.training, self.validation])

    def validation_copies(self, rows: int) -> Floats:
        """Repeat the validation points up to so many rows, for scores with noise of their own."""
        return np.repeat(self.validation, max(1, rows // len(self.validation)), axis=0)


@dataclass(frozen=True, eq=False)
class Learned:
    """A trained model.

    Attributes
    ----------
    log_prob : callable
        (points, number of draws) to ln p of each, nats; the draws matter where it is an estimate.
    iterations, best : int
        Updates done, and done when validation was best.
    stop_reason : str
        "iterations", "early_stopping" or "non_finite".
    seconds : float
        Of processor time, for training: on one thread what it takes on an idle machine.
    parameters : int
        Number of weights.
    by_quadrature : callable or None
        Points to ln p of each by a second route, where `log_prob` is an estimate and d ≤ 2.
    sample : callable or None
        (n, seed) to n draws (n, d) and the ln of a density that weights e^{−U}/density of them
        may have: ln p, or where that is an estimate ln p(q, p) − ln h(p|q) at the draw's momenta.
    pair_potentials : callable or None
        Distances (r,) to what two particles have in U at them, (Hamiltonians, r), where there is
        such a part.
    share : callable or None
        (n, momenta a draw) to the effective share of n draws weighed with so many momenta each.
    """

    log_prob: Callable[[Floats, int], Floats]
    iterations: int
    best: int
    stop_reason: str
    seconds: float
    parameters: int
    by_quadrature: Callable[[Floats], Floats] | None = None
    sample: Callable[[int, int], tuple[Floats, Floats]] | None = None
    pair_potentials: Callable[[Floats], Floats] | None = None
    share: Callable[[int, int], float] | None = None


class Contender(Protocol):
    """A way to learn a density: a frozen dataclass of plain settings."""

    def learn(self, problem: Problem, split: Split, budget: Budget, seed: int) -> Learned:
        """Train on the split's points and nothing else, with one thread."""
