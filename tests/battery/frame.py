"""Rows of cases: how they run, each by itself, and where their table goes."""

from __future__ import annotations

import re
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "trust.md"
SEED = 20_260_101
_WAITING = 10  # times its patience, a case may take by the clock
_HEADER = ("#", "what", "cases", "passed", "seconds")
_LINE = re.compile(r"^\| (\d+) \|.*\|$", re.MULTILINE)


class Skipped(Exception):  # noqa: N818 - no error: the machine cannot run the case
    """The machine cannot run a case; the reason is the message."""


@dataclass(frozen=True)
class Case:
    """One question with a known answer.

    `check` passes by returning. A failure is what it raises, and what it returns, if anything, is
    told beside the table.
    """

    name: str
    check: Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """One row of the table: `cases(quick)` makes its cases, in the ordinary size or a small one."""

    number: int
    name: str
    cases: Callable[[bool], Iterable[Case]]
    patience: float = 600.0  # seconds of work for one case, after which it has failed


@dataclass(frozen=True)
class Outcome:
    """What became of a row."""

    row: Row
    cases: int
    passed: int
    seconds: float
    failures: tuple[str, ...]
    skipped: tuple[str, ...]
    notes: tuple[str, ...]

    def line(self) -> str:
        cells = (
            self.row.number,
            self.row.name,
            f"{self.cases:,}",
            f"{self.passed:,}",
            f"{self.seconds:.0f}",
        )
        return f"| {' | '.join(map(str, cells))} |"


def run(row: Row, *, quick: bool) -> Outcome:
    """Ask every case of a row; one that fails, hangs or cannot be made does not stop the rest."""
    start, passed, failures, skipped, notes = time.perf_counter(), 0, [], [], []
    for case in _made(row, quick):
        try:
            with warnings.catch_warnings(), _limited(row.patience):
                warnings.simplefilter("error")
                note = case.check()
        except Skipped as reason:
            skipped.append(f"{case.name}: {reason}")
        except Exception as error:
            failures.append(f"{case.name}: {type(error).__name__}: {str(error)[:500]}")
        else:
            passed += 1
            if note is not None:
                notes.append(f"{case.name}: {note}")
    cases, seconds = passed + len(failures), time.perf_counter() - start
    return Outcome(row, cases, passed, seconds, tuple(failures), tuple(skipped), tuple(notes))


def _made(row: Row, quick: bool) -> Iterator[Case]:
    try:
        yield from row.cases(quick)
    except Exception as error:
        message = f"cases could not be made: {type(error).__name__}: {error}"

        def check() -> None:
            raise AssertionError(message)

        yield Case("making cases", check)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in a case that works longer, or waits far longer.

    A machine that has other work to do, or is stopped for a while, makes no case fail.
    """

    def late(*_: Any) -> None:
        raise TimeoutError(f"no answer within {seconds:g} s of work, or {_WAITING} times that")

    timers = {signal.SIGPROF: signal.ITIMER_PROF, signal.SIGALRM: signal.ITIMER_REAL}
    before = {number: signal.signal(number, late) for number in timers}
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, _WAITING * seconds)
    try:
        yield
    finally:
        for number, timer in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


def table(lines: Sequence[str]) -> str:
    """Join a header and lines."""
    head = f"| {' | '.join(_HEADER)} |\n| {' | '.join(['---'] * len(_HEADER))} |"
    return "\n".join([head, *lines])


def merged(page: str, outcomes: Sequence[Outcome]) -> list[str]:
    """Return the page's lines with those of these rows replaced."""
    kept = {int(found[1]): found[0] for found in _LINE.finditer(page)}
    kept |= {outcome.row.number: outcome.line() for outcome in outcomes}
    return [kept[number] for number in sorted(kept)]


def require(condition: Any, message: str) -> None:
    """Fail with the message unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def require_close(found: Any, wanted: Any, tolerance: float, what: str = "") -> None:
    """Fail where two arrays differ by more than the tolerance, or are not finite."""
    import numpy as np

    error = float(np.max(np.abs(np.asarray(found) - np.asarray(wanted)), initial=0.0))
    require(error <= tolerance, f"{what or 'difference'} {error:.3g}, allowed {tolerance:.3g}")
