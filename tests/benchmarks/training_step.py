"""Time of one training step: ours, JAX, PyTorch and plain autograd on the same loss in one run.

    python -m tests.benchmarks.training_step                          # d = 2, batch 256, float64
    python -m tests.benchmarks.training_step --dim 6 --batch 64 1024 --dtype float32
    python -m tests.benchmarks.training_step --all --write            # the table of the docs
    python -m tests.benchmarks.training_step --all --company --write  # with one core taken

A step is loss, gradient and Adam: ELBO with the Gaussian encoder, hidden (128, 128), two leapfrog
steps, SO(2) penalty. Loss, gradient and three steps of Adam are compared before anything is timed.
A contender that can be arranged in several ways is timed in the way that is fastest in a trial.
Samples are interleaved. Peers that are not installed are left out, and the output says so.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import itertools
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.benchmarks import common, floor, ours
from tests.benchmarks.contender import Entry
from tests.benchmarks.problem import Problem

OURS, FLOOR = "ehf_num", "matrix products alone"
DIMS, BATCHES, DTYPES = (2, 6, 32), (64, 256, 1024), ("float32", "float64")

# Largest difference that is let pass: of terms and gradient, relative to the largest entry; and of
# what three steps of Adam change, relative to that, in the mean. Adam divides by the size of an
# entry, so one that is all rounding, as many are in float32, moves as far as any.
TOLERANCES = {"float64": (1e-10, 1e-6), "float32": (2e-5, 2e-2)}


@dataclass(frozen=True)
class Row:
    """What came out for one contender in one cell; no timing: why there is none."""

    arrangement: str
    first: float
    timing: common.Quartiles | None
    failure: str = ""


Cell = dict[str, Row]


def peers(names: Sequence[str], modes: Sequence[str]) -> list[Entry]:
    """Collect the contenders of the peers that are installed."""
    found: list[Entry] = []
    for name in names:
        module = importlib.import_module(f"tests.benchmarks.peers_{name}")
        found += module.entries(modes)
    return found


def run_cell(problem: Problem, entries: Sequence[Entry], rounds: int, samples: int) -> Cell:
    """Check all contenders of a cell, then time them."""
    reference = _Reference(problem)
    cell: Cell = {}
    runs: dict[str, Any] = {}
    for entry in entries:
        try:
            arrangement, made, first = _arranged(entry, problem, reference)
        except Exception as error:
            if entry.name == OURS:
                raise
            traceback.print_exc()
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            cell[entry.name] = Row("", 0.0, None, reason)
        else:
            cell[entry.name] = Row(arrangement, first, None)
            runs[entry.name] = made
    gc.collect()
    timings = common.interleaved(
        {name: made.advance for name, made in runs.items()}, rounds, samples
    )
    for name, timing in timings.items():
        cell[name] = Row(cell[name].arrangement, cell[name].first, timing)
    return {entry.name: cell[entry.name] for entry in entries}


class _Reference:
    """Loss, gradient and three steps of the plainest contender."""

    def __init__(self, problem: Problem) -> None:
        self._tolerances = TOLERANCES[problem.dtype]
        plain = ours.PlainAutograd(problem, ours.NESTED)
        self._start, self._values = plain.weights(), plain.evaluate()
        plain.advance(3)
        self._change = plain.weights() - self._start

    def check(self, other: Any) -> None:
        """Raise ValueError where a contender, three steps in, has come to other numbers."""
        difference = np.abs(other.evaluate() - self._values).max() / np.abs(self._values).max()
        other.advance(3)
        change = other.weights() - self._start
        moved = np.abs(change - self._change).mean() / np.abs(self._change).mean()
        if not (difference <= self._tolerances[0] and moved <= self._tolerances[1]):
            raise ValueError(
                f"other numbers: loss and gradient by {difference:.1e}, Adam by {moved:.1e}"
            )


def _arranged(entry: Entry, problem: Problem, reference: _Reference) -> tuple[str, Any, float]:
    """Make every arrangement of a contender, check it, and keep the fastest."""
    made, firsts = {}, {}
    for name, make in entry.arrangements.items():
        start = time.perf_counter()
        made[name] = make(problem)
        if entry.name != FLOOR:
            reference.check(made[name])
        firsts[name] = time.perf_counter() - start
    best = (
        next(iter(made))
        if len(made) == 1
        else common.fastest({name: each.advance for name, each in made.items()})
    )
    return best, made[best], firsts[best]


def report(cells: dict[Problem, Cell], about: str, command: str) -> str:
    """Write the tables."""
    names = [name for name in next(iter(cells.values())) if name != OURS]
    order = [OURS, *names]
    ratios, times = [], []
    for problem, cell in cells.items():
        place = [str(problem.dim), str(problem.batch), problem.dtype]
        ratios.append([*place, *(_ratio(cell, name) for name in names)])
        times.append([*place, *(_time(cell[name]) for name in order)])
    if len(cells) > 1:
        means = [_mean_ratio(cells, name) for name in names]
        ratios.append(["geometric mean", "", "", *means])
    header = ["d", "batch", "dtype"]
    parts = [
        f"`{command}`",
        about + ".",
        "Time of each over ours; of the matrix products, ours over theirs:",
        common.table(header + names, ratios),
        "Milliseconds a step, median (quartiles):",
        common.table(header + order, times),
        _arrangements(cells),
    ]
    return "\n\n".join(part for part in parts if part)


def _value(cell: Cell, name: str) -> float | None:
    mine, other = cell[OURS].timing, cell[name].timing
    if mine is None or other is None:
        return None
    ratio = other.median / mine.median
    return 1 / ratio if name == FLOOR else ratio


def _ratio(cell: Cell, name: str) -> str:
    value = _value(cell, name)
    return "failed" if value is None else f"{value:.2f}"


def _mean_ratio(cells: dict[Problem, Cell], name: str) -> str:
    values = [value for cell in cells.values() if (value := _value(cell, name)) is not None]
    return f"{np.exp(np.mean(np.log(values))):.2f}" if values else "failed"


def _time(row: Row) -> str:
    return "failed" if row.timing is None else str(row.timing)


def _arrangements(cells: dict[Problem, Cell]) -> str:
    """Say how each contender was arranged, how long it took to be ready, and what failed."""
    lines = []
    for name in next(iter(cells.values())):
        rows = [cell[name] for cell in cells.values()]
        chosen = [row.arrangement for row in rows if row.timing is not None and row.arrangement]
        counts = [f"{word} in {chosen.count(word)}" for word in dict.fromkeys(chosen)]
        firsts = [row.first for row in rows if row.timing is not None]
        failures = [row.failure for row in rows if row.failure]
        parts = []
        if counts:
            parts.append(f"cells by arrangement: {'; '.join(counts)}")
        if firsts and name != FLOOR:
            parts.append(f"{min(firsts):.1f} to {max(firsts):.1f} s to be ready and checked")
        parts += [f"failed: {failure}" for failure in dict.fromkeys(failures)]
        if parts:
            lines.append(f"- {name}: {'; '.join(parts)}.")
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = common.parser(__doc__ or "")
    parser.add_argument("--dim", type=int, nargs="+", default=[2], help="d, even (default: 2)")
    parser.add_argument("--batch", type=int, nargs="+", default=[256], help="default: 256")
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=["float64"])
    parser.add_argument("--all", action="store_true", help="d, batch and dtype of the docs' table")
    parser.add_argument(
        "--company", action="store_true", help="while another process keeps one core busy; d = 2, 6"
    )
    parser.add_argument("--rounds", type=int, default=8, help="default: 8")
    parser.add_argument("--samples", type=int, default=6, help="a round (default: 6)")
    parser.add_argument(
        "--compile",
        nargs="*",
        choices=("default", "max-autotune-no-cudagraphs"),
        default=["default"],
        help="modes of torch.compile; without any it is left out (default: default)",
    )
    parser.add_argument("--no-peers", action="store_true", help="ours, autograd and the floor only")
    options = parser.parse_args()
    if options.all:
        options.dim, options.batch, options.dtype = DIMS, BATCHES, DTYPES
        if options.company:
            options.dim = (2, 6)
    if any(dim < 2 or dim % 2 for dim in options.dim):
        parser.error("--dim has to be even: SO(2) turns planes")
    return options


@contextmanager
def _busy() -> Iterator[None]:
    """Keep one core busy in a process of its own, which the others have to share with it."""
    code = "import os\nif hasattr(os, 'sched_setaffinity'):\n"
    code += "    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def main() -> None:
    options = _options()
    names, notes = ([], []) if options.no_peers else common.peers()
    entries = [
        Entry(OURS, {"": ours.Ours}),
        *peers(names, options.compile),
        *ours.autograd_entries(),
        *floor.entries(),
    ]
    cells: dict[Problem, Cell] = {}
    with _busy() if options.company else nullcontext():
        for dim, batch, dtype in itertools.product(options.dim, options.batch, options.dtype):
            problem = Problem(dim, batch, dtype, options.seed)
            cells[problem] = run_cell(problem, entries, options.rounds, options.samples)
            medians = ", ".join(f"{name} {_time(row)}" for name, row in cells[problem].items())
            print(f"d = {dim}, batch {batch}, {dtype}: {medians}", file=sys.stderr, flush=True)
    about = f"{common.machine(*notes)}; {options.rounds} rounds of {options.samples} samples"
    command = "python -m tests.benchmarks.training_step"
    if options.all:
        command += " --all"
    section = "training_step"
    if options.company:
        command, section = f"{command} --company", "training_step in company"
        about += "; one other process busy on one core"
    common.show(section, report(cells, about, command), write=options.write)


if __name__ == "__main__":
    main()
