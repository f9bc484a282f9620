"""What experiments share whose runs are recorded as they end: sizes, runs, rows, failures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from ehf_num.reproduce.sweep import Outcome, Spec, sweep
from ehf_sym import ArgumentError

SpecT = TypeVar("SpecT", bound=Spec)


class Swept(Protocol):
    """Settings of an experiment that is a sweep."""

    @property
    def progress(self) -> bool | None:
        """Progress bar over runs; None: only on a terminal."""

    def runs(self) -> Iterable[Spec]:
        """List every run."""


@dataclass(frozen=True, eq=False)
class FinishedRun(Generic[SpecT]):
    """One finished run: its spec and what it returned."""

    spec: SpecT
    values: dict[str, Any]


RunT = TypeVar("RunT", bound=FinishedRun[Any])


def check_positive(settings: Any, *names: str) -> None:
    """Refuse fields of a dataclass, numbers or tuples of them, that are not positive and finite.

    Raises
    ------
    ehf_sym.ArgumentError
        If there are such.
    """
    types = {field.name: str(field.type) for field in fields(settings)}
    for name in names:
        value, whole = getattr(settings, name), "int" in types[name]
        numbers: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
        for number in numbers:
            kind = Integral if whole else Real
            is_number = isinstance(number, kind) and not isinstance(number, bool)
            if is_number and 0 < number < math.inf:
                continue
            wanted = "a positive integer" if whole else "a positive finite number"
            raise ArgumentError(f"{name} was {number!r}; it should be {wanted}")


def check_sizes(settings: Any, *lists: str) -> None:
    """Refuse seeds and iterations that are not positive, and lists that are empty.

    Raises
    ------
    ehf_sym.ArgumentError
        If there are such.
    """
    check_positive(settings, "seeds", "iterations")
    for name in lists:
        if not getattr(settings, name):
            raise ArgumentError(f"{name} was empty; it should have at least one entry")


def run_all(settings: Swept, folder: Path, executor: Executor | None) -> tuple[Outcome, ...]:
    """Do what has no record yet in the folder ``records``; return everything.

    Raises
    ------
    RecordError
        If a record is damaged.
    """
    records = folder / "records"
    return sweep(settings.runs(), executor, folder=records, progress=settings.progress)


def rows_of(kind: Callable[[Any, dict[str, Any]], RunT], outcomes: Iterable[Outcome]) -> list[RunT]:
    """Return the runs that ended well as rows of a kind."""
    return [
        kind(outcome.spec, dict(outcome.values))
        for outcome in outcomes
        if outcome.values is not None
    ]


def failures(outcomes: Iterable[Outcome], name: Callable[[Any], str]) -> list[str]:
    """Say of each run that failed what its spec is called, and its traceback's last line."""
    return [
        f"{name(outcome.spec)}: {(outcome.error or '').strip().splitlines()[-1]}"
        for outcome in outcomes
        if outcome.values is None
    ]


def ended_early(rows: Sequence[FinishedRun[Any]], name: Callable[[Any], str]) -> list[str]:
    """Say which runs stopped before their last iteration, in one remark if there are any."""
    odd = [name(row.spec) for row in rows if row.values["stop_reason"] != "iterations"]
    return [f"training ended early, last good weights: {'; '.join(odd)}"] if odd else []
