"""Specs for the tests of sweeps, importable by worker processes."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import ehf_num as en
import ehf_sym as es


@dataclass(frozen=True)
class Walk:
    """A random walk, and a mark in a folder each time that it is run."""

    seed: int
    steps: int = 10
    marks: str | None = None
    pause: float = 0.0

    def run(self):
        if self.marks is not None:
            Path(self.marks, f"{self.seed}-{os.getpid()}-{time.time_ns()}").touch()
        time.sleep(self.pause)
        path = np.random.default_rng(self.seed).standard_normal(self.steps).cumsum()
        return {"end": float(path[-1]), "path": path, "seed": self.seed}


@dataclass(frozen=True)
class Training:
    """A model of few weights, trained for a moment."""

    enforce: str
    seed: int

    def run(self):
        symmetry = es.groups.so(2)
        base = es.StandardNormal(symmetry.space)
        flow = en.EquivariantHamiltonianFlow(
            base, symmetry, enforce=self.enforce, hidden=(8, 8), rng=self.seed
        )
        flow.fit(en.rings().sample(60, rng=self.seed), iterations=60, progress=False)
        return {"elbo": flow.result_.history.elbo, "x": flow.sample(20, rng=1)}


@dataclass(frozen=True)
class Failing:
    reason: str

    def run(self):
        raise ValueError(self.reason)


@dataclass(frozen=True)
class Dying:
    """Kills its process, the first `times` times."""

    times: int
    marks: str

    def run(self):
        if len(list(Path(self.marks).iterdir())) < self.times:
            Path(self.marks, f"{time.time_ns()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"survived": True}


@dataclass(frozen=True)
class Mute:
    """No run method."""

    seed: int = 0


@dataclass
class Changing:
    """Not hashable."""

    seed: int = 0

    def run(self):
        return {}


@dataclass(frozen=True)
class Returning:
    """Returns what a record cannot hold."""

    def run(self):
        return {"thing": np.array([object()])}
