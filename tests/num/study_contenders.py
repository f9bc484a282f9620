"""Contenders whose divergence from the truth is known, importable by worker processes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ehf_num.reproduce.efficiency.contender import Learned
from ehf_num.targets.datasets import rings


def learned(log_prob):
    return Learned(log_prob, 7, 5, "iterations", 0.25, 3)


@dataclass(frozen=True)
class Shifted:
    """The truth, lower by a constant."""

    by: float

    def learn(self, problem, split, budget, seed):
        return learned(lambda x, draws: problem.target.log_prob(x) - self.by)


@dataclass(frozen=True)
class WiderRings:
    """Rings with more noise than the truth's."""

    noise: float

    def learn(self, problem, split, budget, seed):
        return learned(lambda x, draws: rings(noise=self.noise).log_prob(x))


@dataclass(frozen=True)
class Failing:
    """Ends every run with an error."""

    message: str

    def learn(self, problem, split, budget, seed):
        raise RuntimeError(self.message)


@dataclass(frozen=True)
class Remembering:
    """Says what it was given."""

    def learn(self, problem, split, budget, seed):
        total = float(np.sum(split.training) + np.sum(split.validation))
        return learned(lambda x, draws: np.full(len(x), total))
