"""Rows 23 and 24: forks while other threads are at work, and models that come and go.

python -m tests.battery.lifetimes forks 2000
python -m tests.battery.lifetimes models 2000
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

import ehf_num as en
import ehf_sym as es
from tests.battery.frame import ROOT, Case, Row, require
from tests.battery.long_run import _megabytes
from tests.num.models import make

_PATIENCE = 60  # seconds, after which a child hangs


def forks(count: int) -> str:
    """Fork while two other threads sample and evaluate; every child has to answer with our bits."""
    flow = make("so2", hidden=(64, 64))
    x = en.rings().sample(500, rng=0)
    wanted, ended = flow.sample(200, rng=1), threading.Event()

    def work(call: Callable[[], object]) -> None:
        while not ended.is_set():
            call()

    calls = (partial(flow.sample, 1000), partial(flow.elbo, x, n_samples=2))
    threads = [threading.Thread(target=work, args=(call,), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    bad = []
    for number in range(count):
        child = os.fork()
        if not child:
            same = np.array_equal(flow.sample(200, rng=1), wanted)
            os._exit(0 if same else 1)
        status = _awaited(child)
        if status:
            bad.append((number, status))
    ended.set()
    for thread in threads:
        thread.join()
    require(not bad, f"{len(bad)} of {count:,} children, such as {bad[:3]}")
    return f"{count:,} children"


def _awaited(child: int) -> int | str:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return "hangs"


def models(count: int) -> str:
    """Build, load, train and ask models of several kinds, with ever other numbers of rows."""
    rng = np.random.default_rng(0)
    options = (
        {"encoder": "gaussian"},
        {"encoder": "coupling"},
        {"enforce": "exact", "encoder": "coupling"},
        {"enforce": "exact", "hamiltonians": 2},
    )
    x, memory = rng.standard_normal((400, 2)), []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.npz")
        for number in range(count):
            space = es.PhaseSpace(2)
            symmetry = es.LieAlgebra(space, [space.q[0] * space.p[1] - space.q[1] * space.p[0]])
            flow = en.EquivariantHamiltonianFlow(
                es.StandardNormal(space), symmetry, hidden=(16, 16), rng=0, **options[number % 4]
            )
            if number % 2:
                flow.save(file)
                flow = en.load(file)
            flow.fit(x, iterations=2, batch_size=int(rng.integers(1, 400)), progress=False)
            flow.sample(int(rng.integers(1, 2000)), rng=0)
            flow.elbo(x[: int(rng.integers(1, 400))], n_samples=4)
            if number % (count // 20) == 0:
                gc.collect()
                memory.append(_megabytes())
    growth = max(memory[4:]) - memory[3]  # SymPy's own cache fills at first
    require(growth < 5, f"memory grew by {growth:.1f} MB after the first fifth")
    return f"{growth:.1f} MB more after the first fifth of {count:,} models"


def _check(what: str, count: int) -> str:
    """In a process of its own: neither its threads nor its memory are other rows'."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.battery.lifetimes", what, str(count)], cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    require(done.returncode == 0, done.stderr[-500:])
    return done.stdout.strip()


def fork_cases(quick: bool) -> Iterator[Case]:
    count = 40 if quick else 2000
    if hasattr(os, "fork"):
        yield Case(f"{count:,} forks", partial(_check, "forks", count))


def model_cases(quick: bool) -> Iterator[Case]:
    count = 40 if quick else 2000
    yield Case(f"{count:,} models", partial(_check, "models", count))


ROWS = [
    Row(
        23, "2,000 forks while other threads are at work: none hangs, equal bits", fork_cases, 1800
    ),
    Row(24, "2,000 models built, loaded, trained: memory flat to 5 MB", model_cases, 3600),
]


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "This process.*multi-threaded", DeprecationWarning)
    print({"forks": forks, "models": models}[sys.argv[1]](int(sys.argv[2])))
