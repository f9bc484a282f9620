"""Many runs on any executor: written as each ends, continued after a kill, failures set apart.

A run is described by a spec, a frozen dataclass of plain values with a method ``run()``. Only the
spec travels to a worker, which builds everything anew from it: compiled formulas and tapes do not
travel. What a run returns depends on the spec alone, so it does not matter where it ran.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for_end
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from ehf_num.engine import arguments
from ehf_num.engine.arguments import positive_number
from ehf_num.engine.parallel import cores
from ehf_num.reproduce.records import describe, read_record, write_record
from ehf_num.training.progress import bar
from ehf_sym.errors import ArgumentError

_ATTEMPTS = 3  # of a spec whose worker dies


class Spec(Protocol):
    """What can be swept: plain, picklable, hashable."""

    def run(self) -> Mapping[str, Any]:
        """Return figures by name: plain values and arrays of numbers."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one spec.

    Attributes
    ----------
    spec : Spec
        What was run.
    values : mapping or None
        What ``spec.run()`` returned; None if it failed.
    error : str or None
        The traceback of a run that failed.
    seconds : float
        Wall time of the run where it ran.
    reused : bool
        Whether it was read from an earlier sweep's record.
    """

    spec: Spec
    values: Mapping[str, Any] | None
    error: str | None
    seconds: float
    reused: bool = False

    @property
    def ended_well(self) -> bool:
        """Whether there are values."""
        return self.values is not None


def sweep(
    specs: Iterable[Spec],
    executor: Executor | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> tuple[Outcome, ...]:
    """Run specs and collect what they return.

    Parameters
    ----------
    specs : iterable of Spec
        Frozen dataclasses of plain values, from an importable module. Equal ones run once.
    executor : concurrent.futures.Executor, optional
        Where to run: threads, MPI, Dask's ``client.get_executor()`` (see `executor_at`), … It is
        not shut down. By default a pool of one process a core; there, a run whose process dies is
        tried twice more. What an executor does about a dead worker is its own affair: Dask gives
        its runs to the others, Python's process pool gives up all that is left, which is reported
        as failed.
    folder : path-like, optional
        Made if missing. Each run's values are written there as it ends, under its spec, and a spec
        with a record is not run again: a sweep that was killed continues where it was. Failures
        are not recorded. Workers do not see this folder.
    progress : bool, optional
        Progress bar; None: only on a terminal.

    Returns
    -------
    tuple of Outcome
        In the order of the specs, failed ones with their tracebacks.

    Raises
    ------
    ehf_sym.ArgumentError
        If a spec is no frozen dataclass of plain values with a ``run`` method, or another argument
        is of the wrong kind.
    RecordError
        If a record is damaged.
    OSError
        If the folder cannot be made or written to.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Square:
    ...     side: float
    ...     def run(self):
    ...         return {"area": self.side**2}
    >>> with ThreadPoolExecutor() as executor:
    ...     [outcome.values for outcome in sweep([Square(2.0), Square(3.0)], executor)]
    [{'area': 4.0}, {'area': 9.0}]
    """
    listed = _listed(specs)
    _check_places(executor, folder)
    arguments.one_of(progress, "progress", (None, True, False))
    records = None if folder is None else Path(folder)
    if records is not None:
        records.mkdir(parents=True, exist_ok=True)
    outcomes = {} if records is None else _recorded(listed, records)
    pending = [spec for spec in dict.fromkeys(listed) if spec not in outcomes]
    with bar(len(listed), "run", progress, initial=len(outcomes)) as shown:
        runs = _on_own_processes(pending) if executor is None else _on_executor(pending, executor)
        for outcome in runs:
            outcomes[outcome.spec] = outcome if records is None else _written(outcome, records)
            shown.update()
    return tuple(outcomes[spec] for spec in listed)


def _listed(specs: Any) -> list[Spec]:
    """Return the specs, each of which can be run anywhere."""
    if not isinstance(specs, Iterable):
        raise ArgumentError(f"specs was {specs!r}; it should be an iterable of specs")
    listed = list(specs)
    for spec in listed:
        describe(spec)
        if not callable(getattr(spec, "run", None)) or type(spec).__hash__ is None:
            raise ArgumentError(f"spec was {spec!r}; it should be frozen and have a method run()")
    return listed


def _check_places(executor: Any, folder: Any) -> None:
    """Look where runs and records are to go."""
    if executor is not None and not isinstance(executor, Executor):
        raise ArgumentError(
            f"executor was {executor!r}; it should be None or a concurrent.futures.Executor"
        )
    if folder is not None and not isinstance(folder, str | os.PathLike):
        raise ArgumentError(f"folder was {folder!r}; it should be None or the path of a folder")


def _recorded(specs: Iterable[Spec], folder: Path) -> dict[Spec, Outcome]:
    """Read the records that there are."""
    found = {}
    for spec in dict.fromkeys(specs):
        record = read_record(folder, spec)
        if record is not None:
            values, seconds = record
            found[spec] = Outcome(spec, values, None, seconds, reused=True)
    return found


def _written(outcome: Outcome, folder: Path) -> Outcome:
    """Record what ended well; a run whose values no record holds has failed."""
    if outcome.values is None:
        return outcome
    try:
        write_record(folder, outcome.spec, outcome.values, outcome.seconds)
    except ArgumentError:
        return replace(outcome, values=None, error=traceback.format_exc())
    return outcome


def _run(spec: Spec) -> Outcome:
    """Run one spec where it is; whatever it raises becomes part of the outcome."""
    start = time.perf_counter()
    try:
        values = dict(spec.run())
    except Exception:
        return Outcome(spec, None, traceback.format_exc(), time.perf_counter() - start)
    return Outcome(spec, values, None, time.perf_counter() - start)


def _on_executor(
    specs: list[Spec], executor: Executor, run: Callable[[Spec], Outcome] = _run
) -> Iterator[Outcome]:
    """Yield outcomes as they come; what has not begun is cancelled when the caller stops."""
    futures = {_submitted(spec, executor, run): spec for spec in specs}
    waiting = set(futures)
    try:
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield _outcome(future, futures[future])
    finally:
        for future in waiting:
            future.cancel()


def _submitted(spec: Spec, executor: Executor, run: Callable[[Spec], Outcome]) -> Future[Outcome]:
    """Submit a run; that an executor takes no more is the run's failure."""
    try:
        return executor.submit(run, spec)
    except Exception as error:
        refused: Future[Outcome] = Future()
        refused.set_exception(error)
        return refused


def _outcome(future: Future[Outcome], spec: Spec) -> Outcome:
    """Return a future's outcome; an executor's own failure is the run's."""
    if future.cancelled():  # Dask does so when it loses its scheduler
        return Outcome(spec, None, f"{CancelledError.__name__}: by the executor\n", 0.0)
    error = future.exception()
    if error is None:
        return future.result()
    return Outcome(spec, None, "".join(traceback.format_exception(error)), 0.0)


class _OwnProcesses:
    """One process a core. A process that dies takes its own run along and no other's."""

    def __init__(self, count: int) -> None:
        self._idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(count):
            self._idle.put(_process())

    def run(self, spec: Spec) -> Outcome:
        """Run a spec in an idle process, again where that dies; called from a thread a process."""
        process = self._idle.get()
        try:
            for _ in range(_ATTEMPTS - 1):
                try:
                    return process.submit(_run, spec).result()
                except BrokenExecutor:
                    process = _process()
            return process.submit(_run, spec).result()
        finally:
            self._idle.put(process)

    def shutdown(self) -> None:
        """End the processes."""
        while not self._idle.empty():
            self._idle.get().shutdown(wait=False, cancel_futures=True)


def _process() -> ProcessPoolExecutor:
    # Spawned, not forked: threads and their locks do not survive a fork.
    return ProcessPoolExecutor(1, get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """End this process when its parent ends: a pool's processes outlive a parent that is killed."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_await_end, args=(parent.sentinel,), daemon=True).start()


def _await_end(sentinel: int) -> None:
    wait_for_end([sentinel])
    os._exit(1)


def _on_own_processes(specs: list[Spec]) -> Iterator[Outcome]:
    """Yield outcomes from a process a core."""
    count = min(cores(), len(specs))
    if not count:
        return
    processes = _OwnProcesses(count)
    with ThreadPoolExecutor(count) as threads:
        try:
            yield from _on_executor(specs, threads, processes.run)
        finally:
            threads.shutdown(cancel_futures=True)
            processes.shutdown()


@contextmanager
def executor_at(address: str | None, *, timeout: float = 30.0) -> Iterator[Executor | None]:
    """Connect to a Dask scheduler while the block runs, for `sweep`.

    Runs of a worker that dies are taken up by the others: Dask gives a run up when the fourth
    worker has died of it (``distributed.scheduler.allowed-failures``).

    Parameters
    ----------
    address : str or None
        Of the scheduler, such as ``tcp://host:8786``. Its workers need this package in the same
        version. None gives None, with which `sweep` runs on processes of its own.
    timeout : float
        For the connection, seconds.

    Yields
    ------
    concurrent.futures.Executor or None

    Raises
    ------
    ehf_sym.ArgumentError
        If `distributed` is not installed, or the address is none.
    OSError
        If nobody answers there.

    Examples
    --------
    >>> with executor_at(None) as executor:
    ...     print(executor)
    None
    """
    if address is None:
        yield None
        return
    timeout = positive_number(timeout, "timeout")
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ImportError as error:
        raise ArgumentError(
            f"address was {address!r}, which needs Dask, and it is not installed: pip install "
            "'.[distributed]'"
        ) from error
    try:
        get_address_host_port(address)
    except ValueError as error:
        raise ArgumentError(
            f"address was {address!r}; it should be that of a Dask scheduler, such as "
            f"tcp://host:8786 ({error})"
        ) from error
    with Client(address, timeout=timeout, set_as_default=False) as client:
        # Not pure: a run that failed is run again when it is asked for again.
        yield client.get_executor(pure=False)
