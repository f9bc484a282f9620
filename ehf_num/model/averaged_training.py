"""Training to the average of the weights, as long as points held out gain from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ehf_num.engine.arguments import number_from_zero, positive_integer, positive_number
from ehf_num.engine.workspace import Array
from ehf_num.files.result import TrainingRecord
from ehf_num.model.model import EquivariantHamiltonianFlow
from ehf_num.training.training import StopTraining

_EVERY = 10  # iterations between two weights that are averaged
_WARMUP = 50
_DECAY = 1 / 2  # iterations of the falling rate, as a share of those before
_SHORTEST, _SHARE = 25, 1 / 20  # of the averages: iterations, and of those done
_LOOK = 1 / 20  # iterations between two looks, as a share of those done
_SCORED = 5_000  # draws at a look
_SURE = 2.0  # standard errors by which what was learned has to be better than what was there


@dataclass(frozen=True)
class Course:
    """How fast and how long to train, described at `SymmetricDensity`."""

    learning_rate: float
    batch_size: int
    max_iter: int
    patience: int
    tol: float
    progress: bool | None

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_iter", "patience"):
            positive_integer(getattr(self, name), name)
        positive_number(self.learning_rate, "learning_rate")
        number_from_zero(self.tol, "tol")


class _Average:
    """The mean of the latest weights, looked at on points held out; an observer."""

    def __init__(
        self, course: Course, held_out: Array, fitted: EquivariantHamiltonianFlow | None = None
    ) -> None:
        self._course, self._held_out = course, held_out
        self._draws = max(4, min(64, _SCORED // len(held_out)))
        self._mean: Array | None = None
        self._due = _EVERY
        self.best: Array | None = None
        self._scores: list[tuple[int, Array]] = []  # of ever better averages
        self.settled = 0
        self._latest = int(course.max_iter / (1 + _DECAY))
        self._patience = course.patience
        self._start: Array | None = None
        if fitted is not None:
            self.best = fitted.flat_weights.copy()
            self._start = self._scored(fitted)
            self._scores.append((0, self._start))
            self._patience = course.patience // 2  # what fits already does not stand still first

    def factor(self, done: int) -> float:
        """Scale the learning rate: by 1, and down to 0 from where training has settled."""
        start = self.settled or self._latest
        share = max(0, done - start) / max(1, _DECAY * start)
        falling = (1 + math.cos(math.pi * min(1, share))) / 2
        return min(1, (done + 1) / _WARMUP) * falling

    def __call__(self, record: TrainingRecord) -> None:
        """Take the weights in; settle where the latest half of the run gained too little."""
        done, flow = record.iteration, record.model
        weights = flow.flat_weights
        if self._mean is None:
            self._mean = weights.copy()
        else:
            horizon = max(_SHORTEST, _SHARE * done)
            self._mean += min(1, _EVERY / horizon) * (weights - self._mean)
        over = 0 < self.settled * (1 + _DECAY) <= done
        if done < min(self._due, self._course.max_iter) and not over:
            return
        self._due = done + max(_EVERY, int(_LOOK * done))
        self._look(flow, done)
        undecided = not self.settled and self._patience <= done <= self._latest
        if undecided and self._gained_little(done):
            self.settled = done
            over = self.no_better_than_start
        if over:
            raise StopTraining

    @property
    def no_better_than_start(self) -> bool:
        """Whether the points held out do not tell what was learned from the fit at the start."""
        if self._start is None:
            return False
        gains = self._scores[-1][1] - self._start
        return bool(gains.mean() <= _SURE * gains.std() / np.sqrt(len(gains)))

    def _scored(self, flow: EquivariantHamiltonianFlow) -> Array:
        return flow.log_prob(self._held_out, n_samples=self._draws).astype(np.float64)

    def _look(self, flow: EquivariantHamiltonianFlow, done: int) -> None:
        present = flow.flat_weights.copy()
        flow.flat_weights[:] = self._mean
        scores = self._scored(flow)
        flow.flat_weights[:] = present
        if not np.isfinite(scores).all() or self._mean is None:
            return
        if not self._scores or scores.mean() > self._scores[-1][1].mean():
            self._scores.append((done, scores))
            self.best = self._mean.copy()

    def _gained_little(self, done: int) -> bool:
        """Whether the points held out gained no more than noise and `tol` since half of the run."""
        before = [scores for at, scores in self._scores if at <= done / 2]
        if not before:
            return not self._scores
        gains = self._scores[-1][1] - before[-1]
        return bool(gains.mean() <= max(self._course.tol, gains.std() / np.sqrt(len(gains))))


def learn_average(
    flow: EquivariantHamiltonianFlow,
    x: Array,
    held_out: Array,
    course: Course,
    *,
    fitted: bool = False,
) -> tuple[int, str]:
    """Train, and leave the average of the latest weights that the points held out liked best.

    The average is exponential, over a twentieth of the iterations done. What it gains does not need
    a schedule, and so says when to let the learning rate fall: over half as many iterations again.
    A flow that is fitted before it is trained goes back to its start unless the points held out are
    sure that training made it better.

    Returns
    -------
    int, str
        Iterations done, and why no more: "no gain", "max_iter", or what ended training early.
    """
    average = _Average(course, held_out, flow if fitted else None)
    start = flow.flat_weights.copy()
    flow.fit(
        x,
        iterations=course.max_iter,
        batch_size=course.batch_size,
        learning_rate=course.learning_rate,
        schedule=average.factor,
        objective="importance",
        record_every=_EVERY,
        on_record=average,
        progress=course.progress,
    )
    if average.no_better_than_start:
        average.best = start
    if average.best is not None:
        flow.flat_weights[:] = average.best
    done, reason = flow.result_.iterations, flow.result_.stop_reason
    if not flow.result_.ended_early:
        reason = "no gain" if average.settled else "max_iter"
    return done, reason
