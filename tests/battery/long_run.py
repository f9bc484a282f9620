"""Row 20: a long run at small size: memory stays, and so does the speed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import ehf_num as en
from tests.battery.frame import ROOT, Case, Row, require
from tests.num.models import make

_PARTS = 20


def _megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def train(iterations: int) -> tuple[list[float], list[float]]:
    """Train once; note resident memory and processor time after each twentieth of the run."""
    flow, memory, clock = make("so2", hidden=(4, 4)), [], []
    x = en.rings().sample(1000, rng=0)
    every, count = iterations // _PARTS, 0

    def batches() -> Any:
        nonlocal count
        rng = np.random.default_rng(1)
        while True:
            if count % every == 0:
                memory.append(_megabytes())
                clock.append(time.process_time())
            count += 1
            yield x[rng.integers(0, len(x), 8)]

    flow.fit(batches(), iterations=iterations, batch_size=8, progress=False)
    memory.append(_megabytes())
    clock.append(time.process_time())
    require(flow.result_.stop_reason == "iterations", str(flow.result_))
    return memory, list(np.diff(clock))


def _check(iterations: int) -> str:
    """In a process of its own: what other rows left in memory does not count."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.battery.long_run", str(iterations)], cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    require(done.returncode == 0, done.stderr[-500:])
    memory, seconds = (np.array(line.split(), float) for line in done.stdout.splitlines())
    growth = memory[-1] - memory[2]
    require(growth < 5, f"memory grew by {growth:.1f} MB after the first tenth")
    # Processor time wavers with the machine's load: a drift is a rise of half and more.
    drift = np.median(seconds[-5:]) / np.median(seconds[1:6])
    require(drift < 1.5, f"the last quarter takes {drift:.2f} of the first")
    return f"{growth:.1f} MB more, the last quarter takes {drift:.2f} of the first"


def cases(quick: bool) -> Iterator[Case]:
    iterations = 2000 if quick else 200_000
    yield Case(f"{iterations:,} iterations", partial(_check, iterations))


ROWS = [Row(20, "200,000 iterations at small size: memory flat, no drift in speed", cases, 1800)]


if __name__ == "__main__":
    for numbers in train(int(sys.argv[1])):
        print(" ".join(f"{number:.6f}" for number in numbers))
