"""Rows of a batch in shares, one a thread, and a BLAS of one thread.

A BLAS that spreads a product of this size over threads gains little and, where another process
wants the cores too, loses a factor of ten to waiting. The kernels in C share rows among threads of
their own (`kernels/team.h`), call by call; the reference takes one thread. Where a batch is too
small to gain from a second thread there is one share. How rows are shared depends on their number
and on the work alone, and sums over shares are taken in their order: results repeat bit for bit,
whatever the number of threads.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import Any

from threadpoolctl import ThreadpoolController

from ehf_num.engine.arguments import positive_integer

# Multiply-adds in matrix products below which a share is not worth another thread. Those in float32
# count half. `python -m tests.benchmarks.threads` times both ways.
LEAST_KERNEL_WORK = 250_000.0

LEAST_ROWS = 32  # of a share where there are two; n shares have 2 n² times so many

MOST_SHARES = 16


class _State:
    """How many threads there are to be, and how deep in `one_blas_thread` we are."""

    threads: int | None = None
    depth = 0
    limits: Any = None
    lock = threading.Lock()
    own = threading.local()  # how deep each thread is by itself


def set_threads(count: int | None) -> None:
    """Set how many threads a batch is shared among; None: as many as there are cores to run on.

    Results do not depend on it, to the last bit. Threads that lose their cores to other processes
    again and again are left asleep for a while. For many runs side by side, a process each, 1 is
    best.

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


def cores() -> int:
    """Return how many cores this process may run on.

    Examples
    --------
    >>> cores() >= 1
    True
    """
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
    _State.own.depth = getattr(_State.own, "depth", 0) + 1
    try:
        yield
    finally:
        _State.own.depth -= 1
        with _State.lock:
            _State.depth -= 1
            if not _State.depth:
                _State.limits.restore_original_limits()


def _in_child() -> None:
    """After a fork there is one thread, and no other holds the lock or is inside a block."""
    _State.lock = threading.Lock()
    _State.depth = getattr(_State.own, "depth", 0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def share_count(rows: int, multiply_adds: float, itemsize: int) -> int:
    """Return among how many shares a kernel in C cuts rows, whatever the number of threads.

    Each share adds up the weights' cotangents once more, so n shares have to be worth n times what
    one has to be for another, in work and in rows.

    Parameters
    ----------
    rows : int
        Of the batch.
    multiply_adds : float
        What the matrix products of one row take.
    itemsize : int
        4 or 8 bytes a number.
    """
    work = rows * multiply_adds * itemsize / 8
    worth = math.isqrt(int(2 * work / LEAST_KERNEL_WORK))
    filled = max(min(2, rows // LEAST_ROWS), math.isqrt(rows // (2 * LEAST_ROWS)))
    return max(1, min(worth, filled, MOST_SHARES))


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
