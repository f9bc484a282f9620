"""Row 18: one seed, one result: again, in other processes, with other hashes and threads."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np

import ehf_num as en
import ehf_sym as es
from ehf_num.engine import parallel
from tests.battery.frame import ROOT, Case, Row, require
from tests.num.models import make

X = en.rings().sample(300, rng=0)


def _fitted(**options: Any) -> en.EquivariantHamiltonianFlow:
    training = {"iterations": 12, "progress": False} | options.pop("training", {})
    return make(options.pop("case", "so2"), **options).fit(X, **training)


RUNS: dict[str, Callable[[], list[Any]]] = {
    "training, penalty": lambda: _fitted().weights,
    "training, float32": lambda: _fitted(dtype="float32", hamiltonians=2).weights,
    "training, exact, coupling": lambda: _fitted(enforce="exact", encoder="coupling").weights,
    "training, importance-weighted": lambda: (
        _fitted(training={"objective": "importance", "draws": 3}).weights
    ),
    "training, rebuilt": lambda: _fitted(reversible=True, steps=4).weights,
    "training, held out": lambda: _fitted(training={"validation": 0.2, "patience": 2}).weights,
    "samples": lambda: [make("so3").sample(500, rng=3), make("soft-uniform").sample(500, rng=3)],
    "likelihood": lambda: [make("so2").likelihood(X[:40]).values],
    "quadrature": lambda: [make("so2").likelihood(X[:20], method="quadrature").values],
    "targets": lambda: [t.sample(500, rng=1) for t in (en.shells(), en.modes_on_circle(3))],
    "rotations": lambda: [en.orbit_sampler(es.groups.so(3))(np.ones((99, 3)), 5)],
    "diagnosis": lambda: [np.array([c.value for c in make("so2").diagnose(X[:40]).checks])],
}


def digest(name: str) -> str:
    """Hash the bits of a run's arrays."""
    found = hashlib.sha256()
    with warnings.catch_warnings():  # heavy tails of weights are no matter here
        warnings.simplefilter("ignore", en.LikelihoodWarning)
        arrays = RUNS[name]()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


@cache
def _elsewhere(hash_seed: str, threads: int) -> dict[str, str]:
    """All digests from a process of its own."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-m", "tests.battery.determinism", str(threads), *RUNS], cwd=ROOT,
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    require(done.returncode == 0, done.stderr[-500:])
    return dict(zip(RUNS, done.stdout.split(), strict=True))


def _check(name: str, threads: int) -> None:
    first, second = _elsewhere("1", 1)[name], _elsewhere("2", threads)[name]
    require(first == second, "two processes differ")


def _here(name: str) -> None:
    require(digest(name) == digest(name), "a second run differs")


def _threads() -> None:
    """What was learned has the bits of one thread; small batches are not cut elsewhere."""
    ends, least = [], parallel.LEAST_KERNEL_WORK
    parallel.LEAST_KERNEL_WORK = 1.0
    for threads in (1, 2):
        en.set_threads(threads)
        try:
            ends.append(_fitted(hidden=(64, 64)).weights)
        finally:
            en.set_threads(None)
    parallel.LEAST_KERNEL_WORK = least
    require(all(map(np.array_equal, *ends)), "threads change what is learned")


def cases(quick: bool) -> Iterator[Case]:
    for name in list(RUNS)[:: 5 if quick else 1]:
        yield Case(f"{name}, again", partial(_here, name))
        if not quick:
            for threads in (1, 2):
                yield Case(f"{name}, {threads} threads", partial(_check, name, threads))
    yield Case("1 and 2 threads", _threads)


ROWS = [Row(18, "determinism: same seed, bit-equal, across processes, hashes, threads", cases, 300)]


if __name__ == "__main__":
    en.set_threads(int(sys.argv[1]))
    print("\n".join(digest(name) for name in sys.argv[2:]))
