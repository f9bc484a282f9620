"""One run of Figure 2A: two rings, some points, one κ or none, one seed.

Test and training log-likelihood are looked at while the model learns, by few points and few draws;
the final scores take more of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ehf_num import EquivariantHamiltonianFlow, TrainingRecord, rings, set_threads
from ehf_num.plotting import grid
from ehf_num.reproduce.common import Array, Extent, Floats
from ehf_num.reproduce.paper.so2 import declare

EXTENT: Extent = (-4.0, 4.0, -4.0, 4.0)
PIXELS = 61
_DATA_SEED, _TEST_SEED = 1_000, 20_190_913
_REFERENCE = 500  # points that stand for training points where these never end


@dataclass(frozen=True)
class Budget:
    """How long a run is, and how closely it is looked at.

    Attributes
    ----------
    iterations, batch_size : int
        Updates, and points of each.
    learning_rate : float
        Adam's, the same throughout.
    looks, look_points, look_draws : int
        How often log-likelihoods are estimated in training, on at most how many points of either
        kind, with how many importance draws each.
    test_points, draws : int
        The same for the final scores.
    turned, turned_draws : int
        Points that are scored where they are and turned by a random angle.
    samples : int
        Drawn from the model, for its density estimate.
    """

    iterations: int = 15_000
    batch_size: int = 128
    learning_rate: float = 1e-3
    looks: int = 40
    look_points: int = 300
    look_draws: int = 16
    test_points: int = 2_000
    draws: int = 128
    turned: int = 500
    turned_draws: int = 256
    samples: int = 2_000

    @property
    def look_every(self) -> int:
        """Iterations between two looks."""
        return max(1, self.iterations // self.looks)


@dataclass(frozen=True)
class RingsRun:
    """What `sweep` runs and records.

    Attributes
    ----------
    kappa : float or None
        κ; None: the bracket is free.
    points : int or None
        Size of the training set; None: data without end.
    seed : int
        Of data, weights and noise: runs with one seed see the same points.
    budget : Budget
    """

    kappa: float | None
    points: int | None
    seed: int
    budget: Budget = Budget()

    def run(self) -> Mapping[str, Any]:
        """Train, with one thread, and score."""
        set_threads(1)
        budget, target = self.budget, rings()
        training = target.sample(self.points or _REFERENCE, rng=_DATA_SEED + self.seed)
        test = target.sample(budget.test_points, rng=_TEST_SEED)
        flow = EquivariantHamiltonianFlow(
            *declare(),
            enforce="none" if self.kappa is None else "penalty",
            kappa=1e-3 if self.kappa is None else self.kappa,
            dtype="float32",
            rng=self.seed,
        )
        looks = Looks(budget, (training[: budget.look_points], test[: budget.look_points]))
        looks.look(flow, 0)
        flow.fit(
            target.sample if self.points is None else training,
            iterations=budget.iterations,
            batch_size=budget.batch_size,
            learning_rate=budget.learning_rate,
            progress=False,
            on_record=looks,
        )
        history = flow.result_.history
        penalized = self.kappa is not None
        return {
            **looks.curves(),
            "iteration": history.iteration,
            "squared_bracket": history.squared_brackets[:, 0] if penalized else np.empty(0),
            "multiplier": history.multipliers[:, 0] if penalized else np.empty(0),
            "train": _mean_log_prob(flow, training, budget.draws),
            "test": _mean_log_prob(flow, test, budget.draws),
            "truth": float(target.log_prob(test).mean()),
            "turned_change": self._turned_change(flow, test[: budget.turned]),
            **_mean_squared_brackets(flow, test, self.seed),
            "samples": flow.sample(budget.samples, rng=self.seed),
            "kinetic": flow.flow.hamiltonians[0].kinetic(_pixels(flow)),
            "potential": flow.flow.hamiltonians[0].potential(_pixels(flow)),
            "stop_reason": flow.result_.stop_reason,
            "seconds": flow.result_.seconds,
        }

    def _turned_change(self, flow: EquivariantHamiltonianFlow, x: Floats) -> float:
        """Average |ln p(x) − ln p(R x)| over points and random rotations R, nats."""
        angle = np.random.default_rng(self.seed).uniform(0, 2 * np.pi, len(x))
        cos, sin = np.cos(angle), np.sin(angle)
        turned = np.stack([cos * x[:, 0] - sin * x[:, 1], sin * x[:, 0] + cos * x[:, 1]], axis=1)
        draws = self.budget.turned_draws
        change = flow.log_prob(x, n_samples=draws) - flow.log_prob(turned, n_samples=draws)
        return float(np.abs(change).mean(dtype=np.float64))


class Looks:
    """An observer of training that looks at the model as often as there are looks to make.

    Looks draw numbers of their own: what is learned does not depend on them.
    """

    def __init__(self, budget: Budget, watched: tuple[Floats, Floats]) -> None:
        self._budget, self._watched, self._due = budget, watched, 0
        self._rows: list[tuple[float, ...]] = []

    def __call__(self, record: TrainingRecord) -> None:
        """Look at the first record at which a look is due, and at the last."""
        if record.iteration >= min(self._due, self._budget.iterations):
            self.look(record.model, record.iteration)

    def look(self, flow: EquivariantHamiltonianFlow, iteration: int) -> None:
        """Estimate log-likelihoods with the present weights."""
        scores = [_mean_log_prob(flow, x, self._budget.look_draws) for x in self._watched]
        self._rows.append((iteration, *scores))
        every = self._budget.look_every
        self._due = (iteration // every + 1) * every

    def curves(self) -> dict[str, Floats]:
        """Return what was seen, a value a look."""
        names = ("look", "train_curve", "test_curve")
        return dict(zip(names, np.array(self._rows, dtype=np.float64).T, strict=True))


def _mean_log_prob(flow: EquivariantHamiltonianFlow, x: Floats, draws: int) -> float:
    return float(np.mean(flow.log_prob(x, n_samples=draws), dtype=np.float64))


def _mean_squared_brackets(
    flow: EquivariantHamiltonianFlow, x: Floats, seed: int
) -> dict[str, float]:
    """Average {g, H}² over base states, and over the states that data are pulled back to."""
    rng = np.random.default_rng(seed)
    base = flow.bound.base.sample(4_096, rng)
    dtype = flow.settings.dtype
    q = x.astype(dtype)
    p, _ = flow.bound.draw(
        q,
        rng.standard_normal(q.shape).astype(dtype),
    )
    states = {"bracket_base": np.split(base, 2, axis=1), "bracket_data": flow.inverse(q, p)}
    return {
        name: float(np.mean(np.square(flow.brackets(*pair), dtype=np.float64)))
        for name, pair in states.items()
    }


def _pixels(flow: EquivariantHamiltonianFlow) -> Array:
    return grid(EXTENT, PIXELS).astype(flow.settings.dtype)
