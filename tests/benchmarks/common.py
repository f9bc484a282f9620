"""What every benchmark here shares: options, rounds, tables, and their places in the docs."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"

_THREADS_GO_TO_SLEEP = 0.2  # seconds: a pool spins for a while after its last product
_LEAST_SAMPLE = 5e-3  # seconds: a sample of shorter steps takes several


def parser(description: str) -> argparse.ArgumentParser:
    """Begin with the options that every benchmark has."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--seed", type=int, default=0, help="of weights and points (default: 0)")
    made.add_argument("--write", action="store_true", help="put the result into docs/benchmarks.md")
    return made


@dataclass(frozen=True)
class Quartiles:
    """Of samples, in the unit of the samples."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Quartiles:
        low, median, high = np.percentile(samples, [25, 50, 75])
        return cls(float(low), float(median), float(high))

    def __str__(self) -> str:
        return f"{number(self.median)} ({number(self.low)} to {number(self.high)})"


def number(value: float) -> str:
    """Write three significant digits, without exponent."""
    decimals = max(0, 2 - int(np.floor(np.log10(abs(value))))) if value else 0
    return f"{value:.{decimals}f}"


def interleaved(
    runs: Mapping[str, Callable[[int], None]], rounds: int, samples_a_round: int
) -> dict[str, Quartiles]:
    """Time all runs in turn, so that a change of the machine's mood meets all of them.

    Parameters
    ----------
    runs : mapping of str to callable
        Each does so many steps, and returns when the last has ended.
    rounds, samples_a_round : int
        A round takes so many samples of each run, after one that is not counted and a pause in
        which the threads of the run before go to sleep.

    Returns
    -------
    dict of str to Quartiles
        Milliseconds a step.
    """
    steps = {name: _steps_a_sample(run) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            time.sleep(_THREADS_GO_TO_SLEEP)
            run(steps[name])
            times[name] += [1e3 * seconds(run, steps[name]) for _ in range(samples_a_round)]
    return {name: Quartiles.of(samples) for name, samples in times.items()}


def fastest(runs: Mapping[str, Callable[[int], None]]) -> str:
    """Return the name of the run that is fastest in a short trial."""
    timings = interleaved(runs, rounds=3, samples_a_round=4)
    return min(timings, key=lambda name: timings[name].median)


def seconds(run: Callable[[int], None], steps: int) -> float:
    """Time so many steps: seconds a step."""
    start = time.perf_counter()
    run(steps)
    return (time.perf_counter() - start) / steps


def _steps_a_sample(run: Callable[[int], None]) -> int:
    run(2)
    return max(1, int(np.ceil(_LEAST_SAMPLE / seconds(run, 1))))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine(*others: str) -> str:
    """Describe what the figures were measured on; others are versions beyond our own."""
    from ehf_num.files.result import (
        DISTRIBUTION,
        versions,  # here: a peer's process starts without us
    )

    found = versions()
    ours = [f"Python {found.pop('python')}"]
    ours += [f"{name} {number_}" for name, number_ in found.items() if name != DISTRIBUTION]
    hardware = f"{os.cpu_count()} cores ({_processor()}, {platform.machine()})"
    return ", ".join([hardware, *ours, *others])


def peers() -> tuple[list[str], list[str]]:
    """List the peers that are installed, and what to say about each."""
    found = [name for name in ("jax", "torch") if importlib.util.find_spec(name)]
    notes = [
        f"{name} {version(name)}" if name in found else f"without {name}, which is not installed"
        for name in ("jax", "torch")
    ]
    return found, notes


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "processor unknown"
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else "processor unknown"


def show(section: str, text: str, *, write: bool) -> None:
    """Print a result, and write it where the page has room for it."""
    print(text)
    if write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(replace_section(page, section, text), encoding="utf-8")


def replace_section(page: str, section: str, text: str) -> str:
    """Put text between the markers of a section."""
    start, end = f"<!-- benchmark: {section} -->", f"<!-- end: {section} -->"
    before, found, rest = page.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no section between {start} and {end}")
    return f"{before}{start}\n{text}\n{end}{after}"


def run_apart(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Any:
    """Run a module of these benchmarks in a process of its own; return what it printed as JSON.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails; what it wrote to stderr is shown.
    """
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PAGE.parents[1],
        env={**os.environ, **(environment or {})},
    )
    return json.loads(done.stdout.splitlines()[-1])


def peak_growth(call: Callable[[], object]) -> float:
    """Run a call; return by how many MB the process's resident memory rose at the most (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the peak so far
    before = _status("VmRSS")
    call()
    return (_status("VmHWM") - before) * 1024 / 1e6


def _status(field: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"^{field}:\s*(\d+) kB$", text, re.MULTILINE)
    if found is None:
        raise OSError(f"/proc/self/status has no {field}")
    return int(found[1])
