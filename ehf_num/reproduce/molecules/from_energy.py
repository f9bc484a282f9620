"""The studies DW4 and LJ13 from the energy alone: weights, ln Z and populations against tempering.

A model is that of `WindowContender`, in units of the width that draws are annealed from, and sees
no point. Where particles that touch have energies that no step of gradients survives, it learns
from their energy up to a limit, then its ln; its draws are weighed with U itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ehf_num import EquivariantHamiltonianFlow, WeightedDraws, set_threads
from ehf_num.reproduce.chapter import Chapter, Table
from ehf_num.reproduce.common import Floats, check_counts, seed_range
from ehf_num.reproduce.molecules.problems import PROBLEMS, ParticleProblem
from ehf_num.reproduce.molecules.window_flows import WindowContender
from ehf_sym import ArgumentError

_LIMIT = {"dw4": np.inf}  # of the pairs' energy in learning, k_B T; of others 60
_HIGH = 1e9  # of U in means: there it has no weight
_BETWEEN_WELLS = 4.0  # DW4's pairs have their wells at 2.5 and 5.5
_WALKERS, _JUDGED, _SEED = 2_000, 20_000, 20_190_913
_ANNEALED = {"dw4": 8_000}  # walkers that find ln Z; of others 1,000


@dataclass(frozen=True)
class Settings:
    """Size of the study.

    Attributes
    ----------
    target : str
        A name in `PROBLEMS`.
    iterations : int
        Updates of each model; over the first quarter the target is annealed from the base.
    draws, momenta : int
        That are weighed, and momenta of each.
    seeds : int
        Repetitions.
    model : WindowContender
        Its parts, and the learning rate.
    batch_size : int
        Base states of an iteration.
    progress : bool or None
        Progress bars; None: only on a terminal.

    Raises
    ------
    ehf_sym.ArgumentError
        If a number is not a positive integer, or there is no such target.
    """

    target: str = "dw4"
    iterations: int = 6_000
    draws: int = 100_000
    momenta: int = 32
    seeds: int = 1
    model: WindowContender = field(default_factory=WindowContender)
    batch_size: int = 128
    progress: bool | None = None

    def __post_init__(self) -> None:
        check_counts(self, "iterations", "draws", "momenta", "seeds", "batch_size")
        if self.target not in PROBLEMS:
            raise ArgumentError(f"target was {self.target!r}; it should be in {list(PROBLEMS)}")

    @property
    def problem(self) -> ParticleProblem:
        """The energy, on its coordinates."""
        return PROBLEMS[self.target]


FULL = Settings(iterations=20_000, seeds=3)


@dataclass(frozen=True, eq=False)
class InUnits:
    """U of points that are scale z, with ln of what the pairs have beyond a limit in its place.

    Attributes
    ----------
    problem : ParticleProblem
        Has U, and the scale.
    limit : float
        Infinite: U as it is. The trap is never limited: it keeps the particles together.
    """

    problem: ParticleProblem
    limit: float = np.inf

    def value(self, z: Floats) -> Floats:
        """Evaluate it: (n, d) to (n,)."""
        pairs, beyond, trap = self._divided(z)
        return np.asarray(pairs + np.log1p(beyond) + trap)

    def gradient(self, z: Floats) -> Floats:
        """Evaluate its slope: (n, d) to (n, d)."""
        energy, q = self.problem.energy, self.problem.width * z
        trap = energy.trap * q
        pairs = (energy.gradient(q) - trap) / (1 + self._divided(z)[1])[:, np.newaxis]
        slope = np.nan_to_num(pairs, posinf=0.0, neginf=0.0) + trap
        return np.asarray(self.problem.width * slope)

    def _divided(self, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Evaluate the pairs' energy up to the limit, what is beyond it, and the trap's."""
        energy, q = self.problem.energy, self.problem.width * z
        trap = energy.trap / 2 * (q**2).sum(axis=1)
        pairs = np.nan_to_num(energy.value(q) - trap, nan=np.finfo(float).max)
        least = np.minimum(pairs, self.limit)
        return least, pairs - least, trap


@dataclass(frozen=True, eq=False)
class Outcome:
    """One model, its draws weighed with one momentum each and with many."""

    model: EquivariantHamiltonianFlow
    weights: dict[int, WeightedDraws]
    training: float
    weighing: float


def train_one(settings: Settings, seed: int) -> Outcome:
    """Train one model on the energy, and weigh its draws: seconds of processor time."""
    set_threads(1)
    problem, start = settings.problem, time.process_time()
    model = settings.model.build(problem.frame, seed, start="identity")
    model.fit_energy(
        InUnits(problem, _LIMIT.get(settings.target, 60.0)),
        iterations=settings.iterations,
        batch_size=settings.batch_size,
        learning_rate=settings.model.learning_rate,
        schedule="cosine",
        annealing=settings.iterations // 4,
        progress=settings.progress,
    )
    trained = time.process_time()
    weights = {
        count: model.weigh(InUnits(problem), settings.draws, momenta=count, rng=seed)
        for count in sorted({1, settings.momenta})
    }
    return Outcome(model, weights, trained - start, time.process_time() - trained)


def observables(target: str) -> dict[str, Callable[[Floats], Floats]]:
    """List functions of points (n, d) to (n,): what tells wells apart, or a cluster's size."""
    energy = PROBLEMS[target].energy
    if target != "dw4":
        return {
            "mean U": lambda q: np.nan_to_num(np.minimum(energy.value(q), _HIGH), nan=_HIGH),
            "mean distance": lambda q: energy.distances(q).mean(axis=1),
        }

    def far(q: Floats) -> Floats:
        return np.asarray((energy.distances(q) > _BETWEEN_WELLS).sum(axis=1))

    return {
        "far pairs": lambda q: far(q) / energy.distances(q).shape[1],
        "2 far": lambda q: far(q) == 2,
        "4 far": lambda q: far(q) == 4,
        "other": lambda q: (far(q) != 2) & (far(q) != 4),
    }


def judged(settings: Settings) -> dict[str, tuple[float, float]]:
    """Return ln Z by annealing from both ends, and means over tempered walkers, with errors."""
    problem = settings.problem
    floor = problem.floor(_ANNEALED.get(settings.target, 1_000), _SEED)
    x, found = problem.points(_JUDGED, _SEED), {"ln Z": (floor.log_z, floor.log_z_error)}
    for name, f in observables(settings.target).items():
        # Those of one sweep come from walkers that share nothing: so do the means of walkers.
        means = np.asarray(f(x), np.float64).reshape(-1, _WALKERS).mean(axis=0)
        found[name] = float(means.mean()), float(means.std(ddof=1)) / float(np.sqrt(_WALKERS))
    return found


def _means(settings: Settings, weights: WeightedDraws) -> dict[str, tuple[float, float]]:
    """Return ln Z of points, and means, with errors."""
    scale = settings.problem.width
    log_z = weights.log_z + settings.problem.dim * float(np.log(scale))
    found = {"ln Z": (log_z, weights.log_z_error)}
    for name, f in observables(settings.target).items():
        value, error = weights.mean(lambda z, f=f: f(scale * z))  # type: ignore[misc]
        found[name] = value, error
    return found


def chapter(outcomes: Sequence[Outcome], settings: Settings, *, command: str) -> Chapter:
    """Lay the outcomes out, a row for each seed and number of momenta, and what judges below."""
    known = judged(settings)
    head = ("seed", "momenta", "ESS", "k̂", *known, "farthest off", "seconds")
    rows: list[tuple[str, ...]] = [head]
    for seed, outcome in enumerate(outcomes):
        for momenta, weights in outcome.weights.items():
            found = _means(settings, weights)
            off = max((_off(found[name], known[name]) for name in known), key=abs)
            rows.append((
                str(seed),
                str(momenta),
                f"{100 * weights.ess:.1f} %",
                f"{weights.pareto_k:.2f}",
                *map(_shown, found.values()),
                f"{off:+.1f} σ",
                f"{outcome.training:.0f} + {outcome.weighing:.0f}",
            ))  # fmt: skip
    rows.append(("judge", "", "", "", *map(_shown, known.values()), "", ""))
    options = settings.model
    return Chapter(
        name=f"{settings.target.replace('-', '_')}_energy",
        title=f"{settings.problem.energy.name} from its energy alone",
        command=command,
        seeds=f"{seed_range(settings.seeds)}: weights and noise",
        tables=(Table("", tuple(rows)),),
        remarks=(
            f"{settings.draws:,} draws, weighed with so many momenta each; ln Z in nats"
            + ("; wells by how many of six pairs are far, beyond 4" * (settings.target == "dw4")),
            f"the judge: ln Z by annealing from both ends, {_JUDGED:,} draws of parallel tempering",
            *(_gaps(settings, outcome, known["ln Z"][0]) for outcome in outcomes),
            f"{settings.iterations:,} iterations of batch {settings.batch_size}, annealed over the "
            f"first quarter; {options.hamiltonians} Hamiltonians of windows, {options.hidden} and "
            f"{options.site_hidden} wide; seconds of processor time, of training and of weighing",
        ),
    )


def _gaps(settings: Settings, outcome: Outcome, log_z: float) -> str:
    """Say how far E[ln w] is below ln Z: the misfit that is left with so many momenta."""
    log_volume = settings.problem.dim * float(np.log(settings.problem.width))
    gaps = [
        f"{log_z - log_volume - weights.bound:.3g} nats with {momenta} momenta"
        for momenta, weights in outcome.weights.items()
    ]
    return f"ln Z is above the mean of ln w by {', '.join(gaps)}"


def _shown(pair: tuple[Any, Any]) -> str:
    return f"{pair[0]:.4f} ± {pair[1]:.4f}"


def _off(found: tuple[float, float], known: tuple[float, float]) -> float:
    """Return a difference in standard errors; 0 where neither is in doubt."""
    return float((found[0] - known[0]) / (np.hypot(found[1], known[1]) or np.inf))


def run(settings: Settings, folder: Path, *, command: str = "ehf reproduce dw4 --energy") -> str:
    """Train every model, and return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = [train_one(settings, seed) for seed in range(settings.seeds)]
    return chapter(outcomes, settings, command=command).write(folder)
