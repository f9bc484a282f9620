"""Two cores for one batch: rows in halves on two threads, each with a BLAS of one thread.

A BLAS that spreads a product of this size over threads gains little and, where another process
wants the cores too, loses a factor of ten to waiting. Halves lose nothing. The rows are cut the
same way however many cores there are, so results do not depend on the machine's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

_Result = TypeVar("_Result")

_LEAST_ROWS = 64  # a half below this is over before the other thread has woken up


@cache
def _helper() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="ehf")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


os.register_at_fork(after_in_child=_helper.cache_clear)  # threads do not survive a fork


def one_blas_thread() -> AbstractContextManager[object]:
    """Limit BLAS to one thread inside the block."""
    limits: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limits


def in_halves(work: Callable[[slice], _Result], rows: int) -> list[_Result]:
    """Call work on slices that cover the rows: one, or two at a time where that pays.

    Parameters
    ----------
    work : callable
        Takes a slice of rows; must not touch the tape, which belongs to one thread.
    rows : int
        How many rows there are.
    """
    if rows < 2 * _LEAST_ROWS:
        return [work(slice(0, rows))]
    middle = rows // 2
    # NumPy's error state is part of the context, which a thread does not inherit.
    second = _helper().submit(copy_context().run, work, slice(middle, rows))
    try:
        first = work(slice(0, middle))
    finally:
        last = second.result()  # never leave a thread writing to arrays that are given back
    return [first, last]
