"""Peers: the neural spline flow and the masked autoregressive flow of zuko, on PyTorch.

Durkan et al., *Neural Spline Flows* (arXiv:1906.04032), and Papamakarios et al., *Masked
Autoregressive Flow* (arXiv:1705.07057). Both need the extra `bench`, which is imported only when
one of them is to learn.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ehf_num import LearningRateSchedule
from ehf_num.reproduce.common import Floats, versions_of
from ehf_num.reproduce.efficiency.contender import Budget, Learned, Split

_VALIDATION_ROWS = 1_000  # where they are turned copies


def zuko_versions() -> dict[str, str]:
    """Return the versions of zuko and of PyTorch; nothing where one is missing."""
    return versions_of("zuko", "torch")


class Moving(Protocol):
    """What is asked of a problem here."""

    @property
    def dim(self) -> int:
        """Number of coordinates."""

    def mover(self) -> Callable[[Floats, np.random.Generator], Floats]:
        """Make what moves every point by an element of the group of its own."""


@dataclass(frozen=True)
class ZukoContender:
    """A flow of zuko, its coordinates standardized by the training points.

    Attributes
    ----------
    family : {"NSF", "MAF"}
        zuko's class.
    transforms : int
        Length of the chain.
    hidden : tuple of int
        Widths of the hidden layers of each transform's network.
    rotated : bool
        Whether every minibatch is turned by fresh uniform group elements, a point by its own, which
        is as good as endlessly many rotated copies of the data. The validation points come in
        copies turned once.
    learning_rate : float
        Adam's α. This and the widths came closest on rings in a few runs before the study.
    """

    family: str
    transforms: int
    hidden: tuple[int, ...] = (128, 128)
    rotated: bool = False
    learning_rate: float = 3e-3

    def learn(self, problem: Moving, split: Split, budget: Budget, seed: int) -> Learned:
        """Train on the split's points and nothing else, with one thread."""
        import torch
        import zuko

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        network = getattr(zuko.flows, self.family)(
            problem.dim, transforms=self.transforms, hidden_features=self.hidden
        )
        move = problem.mover() if self.rotated else None
        validation = split.validation
        if move is not None:
            validation = move(split.validation_copies(_VALIDATION_ROWS), rng)
        scale = _Standardized(split.training)
        run = _Training(network, scale, validation)
        rate = LearningRateSchedule(budget.schedule).factors(budget.iterations)
        batches = minibatches(split.training, budget.batch_size, rng)
        start = time.process_time()
        stop_reason = "iterations"
        for iteration in range(1, budget.iterations + 1):
            x = next(batches)
            x = x if move is None else move(x, rng)
            if not run.step(x, self.learning_rate * rate(iteration - 1)):
                stop_reason = "non_finite"
                break
            if iteration % budget.check_every == 0 or iteration == budget.iterations:
                run.check(iteration)
                if iteration - run.best[1] >= budget.patience:
                    stop_reason = "early_stopping"
                    break
        network.load_state_dict(run.best[2])
        return Learned(
            log_prob=lambda x, _draws: run.log_prob(x),
            iterations=iteration,
            best=run.best[1],
            stop_reason=stop_reason,
            seconds=time.process_time() - start,
            parameters=sum(p.numel() for p in network.parameters()),
            sample=run.sample,
        )


def minibatches(points: Floats, size: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Yield so many points at a time, all of them in random order before any comes again."""
    queue = np.empty(0, dtype=np.intp)
    while len(points) <= size:
        yield points
    while True:
        while len(queue) < size:
            queue = np.concatenate([queue, rng.permutation(len(points))])
        chosen, queue = queue[:size], queue[size:]
        yield points[chosen]


class _Standardized:
    """Coordinates with mean 0 and standard deviation 1 over the training points."""

    def __init__(self, training: Floats) -> None:
        self.mean, self.deviation = training.mean(axis=0), training.std(axis=0)
        self.log_volume = float(np.log(self.deviation).sum())

    def __call__(self, x: Floats) -> Floats:
        return np.asarray((x - self.mean) / self.deviation)


class _Training:
    """One network and Adam, in nats per point of the original coordinates."""

    def __init__(self, network: Any, scale: _Standardized, validation: Floats) -> None:
        import torch

        self._torch, self._network, self._scale = torch, network, scale
        self._adam = torch.optim.Adam(network.parameters())
        self._validation = validation
        self.best = (-math.inf, 0, deepcopy(network.state_dict()))

    def _scores(self, x: Floats) -> Any:
        points = self._torch.as_tensor(self._scale(x), dtype=self._torch.float32)
        return self._network().log_prob(points)

    def step(self, x: Floats, learning_rate: float) -> bool:
        """Do one update; False where the loss is not finite."""
        loss = -self._scores(x).mean()
        if not self._torch.isfinite(loss):
            return False
        self._adam.param_groups[0]["lr"] = learning_rate
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        return True

    def check(self, iteration: int) -> None:
        """Keep the weights if the validation points have never scored better."""
        score = float(self.log_prob(self._validation).mean())
        if score > self.best[0]:
            self.best = (score, iteration, deepcopy(self._network.state_dict()))

    def log_prob(self, x: Floats) -> Floats:
        """Evaluate ln p, nats."""
        with self._torch.no_grad():
            return np.asarray(self._scores(x).double().numpy() - self._scale.log_volume)

    def sample(self, n: int, seed: int) -> tuple[Floats, Floats]:
        """Draw points, with ln p of each."""
        self._torch.manual_seed(seed)
        with self._torch.no_grad():
            z, log_prob = self._network().rsample_and_log_prob((n,))
        x = z.double().numpy() * self._scale.deviation + self._scale.mean
        return x, np.asarray(log_prob.double().numpy() - self._scale.log_volume)
