"""Rows of a batch in shares, one a thread, each with a BLAS of one thread.

A BLAS that spreads a product of this size over threads gains little and, where another process
wants the cores too, loses a factor of ten to waiting. The kernels in C share rows among threads of
their own (`kernels/team.h`), call by call; work in NumPy is shared among the interpreter's threads
(`run_all`), which meet at the start and at the end of a whole flow. Where a batch is too small to
gain from a second thread there is one share. How rows are shared depends on their number and on
`set_threads` alone, and sums over shares are taken in their order: results repeat bit for bit.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from functools import cache
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

from ehf_num.checks import positive_integer

_Result = TypeVar("_Result")

# Multiply-adds in matrix products below which a share ends before it was worth waking a thread
# for, one of the interpreter's or one of the kernels', which is awake for a while after its last
# share. Those in float32 count half. `python -m tests.benchmarks.threads` times both ways.
LEAST_WORK = 8_000_000.0
LEAST_KERNEL_WORK = 250_000.0

_MOST_KERNEL_THREADS = 64  # as kernels/module.c has it

_in_task = ContextVar("_in_task", default=False)


class _State:
    """How many threads there are to be, and how deep in `one_blas_thread` we are."""

    threads: int | None = None
    depth = 0
    limits: Any = None
    lock = threading.Lock()


def set_threads(count: int | None) -> None:
    """Set how many threads a batch is shared among; None: as many as there are cores to run on.

    Results are bit-equal for a fixed number and equal up to rounding between numbers. For many runs
    side by side, a process each, 1 is best.

    Parameters
    ----------
    count : int or None
        At least 1.

    Raises
    ------
    ehf_sym.ArgumentError
        If it is not a positive integer.

    Examples
    --------
    >>> set_threads(1)
    >>> threads()
    1
    >>> set_threads(None)
    """
    _State.threads = None if count is None else positive_integer(count, "count")


def threads() -> int:
    """Return how many threads a batch is shared among at the most."""
    return _State.threads or cores()


@cache
def cores() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread until the last of the blocks that are open is left."""
    with _State.lock:
        if not _State.depth:
            _State.limits = _controller().limit(limits=1, user_api="blas")
        _State.depth += 1
    try:
        yield
    finally:
        with _State.lock:
            _State.depth -= 1
            if not _State.depth:
                _State.limits.restore_original_limits()


def share_count(rows: int, multiply_adds: float, itemsize: int) -> int:
    """Return among how many of the interpreter's threads work on rows is shared.

    Parameters
    ----------
    rows : int
        There are at most so many shares.
    multiply_adds : float
        What the matrix products of one row take.
    itemsize : int
        4 or 8 bytes a number.
    """
    return _at_most(rows, int(rows * multiply_adds * itemsize / 8 // LEAST_WORK))


def kernel_threads(rows: int, multiply_adds: float, itemsize: int) -> int:
    """Return among how many threads a kernel in C shares rows: 1 within a task of `run_all`.

    Parameters are those of `share_count`. Each share adds up the weights' cotangents once more, so
    n shares have to be worth n times what one has to be for another.
    """
    if _in_task.get():
        return 1
    work = rows * multiply_adds * itemsize / 8
    worth = math.isqrt(int(2 * work / LEAST_KERNEL_WORK))
    return _at_most(rows, min(worth, _MOST_KERNEL_THREADS))


def _at_most(rows: int, worth: int) -> int:
    return max(1, min(threads(), rows, worth))


def lengths(rows: int, count: int) -> list[int]:
    """Count the rows of each of `shares`."""
    return [share.stop - share.start for share in shares(rows, count)]


def shares(rows: int, count: int) -> list[slice]:
    """Cut rows into so many slices of nearly equal length.

    >>> shares(5, 2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    ends = [rows * k // count for k in range(count + 1)]
    return [slice(start, end) for start, end in pairwise(ends)]


def run_all(tasks: Sequence[Callable[[], _Result]]) -> list[_Result]:
    """Run tasks at the same time, the first one here; return their results in order.

    A task must not touch the tape, which belongs to one thread. If any fails, the error of the
    first that did is raised after all have ended: none is left writing to arrays that are reused.
    """
    if len(tasks) == 1:
        return [tasks[0]()]
    helpers = [_take_helper() for _ in tasks[1:]]
    before = _in_task.set(True)
    try:
        for helper, task in zip(helpers, tasks[1:], strict=True):
            helper.start(task)
        first = tasks[0]()
    finally:
        _in_task.reset(before)
        outcomes = [helper.wait() for helper in helpers]
    for _, error in outcomes:
        if error is not None:
            raise error
    return [first, *(result for result, _ in outcomes)]


class _Helper:
    """A thread that waits for tasks. Queues of this kind wake it faster than an executor does."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[tuple[Context, Callable[[], Any]]] = SimpleQueue()
        self._outcomes: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True, name="ehf").start()

    def _work(self) -> None:
        while True:
            context, task = self._tasks.get()
            try:
                self._outcomes.put((context.run(task), None))
            except BaseException as error:
                self._outcomes.put((None, error))
            del context, task  # hold no arrays while waiting

    def start(self, task: Callable[[], Any]) -> None:
        # NumPy's error state is part of the context, which a thread does not inherit.
        self._tasks.put((copy_context(), task))

    def wait(self) -> tuple[Any, BaseException | None]:
        """Wait for the end of the task, whatever happens, and be free again."""
        try:
            outcome = self._outcomes.get()
        except KeyboardInterrupt:
            self._outcomes.get()
            raise
        finally:
            _idle.append(self)
        return outcome


_idle: list[_Helper] = []
os.register_at_fork(after_in_child=_idle.clear)  # threads do not survive a fork


def _take_helper() -> _Helper:
    try:
        return _idle.pop()
    except IndexError:
        return _Helper()
