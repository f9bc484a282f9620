"""Work arrays that outlive one call: large temporaries are kept and reused, never mapped anew.

A kernel borrows its scratch from a `Workspace`. The memory goes back to the pool when the
workspace is collected, which is when the tape node that saved it is, so a buffer is never handed
out while some backward pass may still read it. Nothing borrowed here is ever put on the tape. What
lies idle in the pool is bounded, whatever shapes are asked for.
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

MOST_IDLE = 2**28  # bytes
_SLACK = 2  # a buffer serves arrays of no less than one over this of its size


class _Pool:
    """Idle buffers, those that came back last at the end."""

    def __init__(self) -> None:
        # Workspaces may be collected at any time, within `take` too: they only append here.
        self._returned: deque[Array] = deque()
        self._idle: list[Array] = []
        self.lock = threading.Lock()

    def take(self, size: int) -> Array:
        """Return a buffer of so many bytes or more."""
        with self.lock:
            self._sort_in()
            fitting = [
                (buffer.nbytes, place)
                for place, buffer in enumerate(self._idle)
                if size <= buffer.nbytes <= _SLACK * size
            ]
            if fitting:
                return self._idle.pop(min(fitting)[1])
        return np.empty(size, np.uint8)

    def give(self, buffers: list[Array]) -> None:
        """Take buffers back."""
        self._returned.extend(buffers)

    def clear(self) -> None:
        """Let go of what is idle."""
        with self.lock:
            self._returned.clear()
            self._idle.clear()

    @property
    def idle_bytes(self) -> int:
        """How much is kept for reuse."""
        with self.lock:
            self._sort_in()
            return sum(buffer.nbytes for buffer in self._idle)

    def _sort_in(self) -> None:
        while self._returned:
            self._idle.append(self._returned.popleft())
        excess = sum(buffer.nbytes for buffer in self._idle) - MOST_IDLE
        while excess > 0:
            excess -= self._idle.pop(0).nbytes


_pool = _Pool()


def _in_child() -> None:
    _pool.lock = threading.Lock()  # who held it did not survive the fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def release() -> None:
    """Let go of all memory that is kept for reuse and not in use."""
    _pool.clear()


class Workspace:
    """Borrows uninitialized arrays from the pool and gives them back when collected."""

    def __init__(self) -> None:
        self._pool = _pool
        self._borrowed: list[Array] = []

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return an uninitialized array of this shape and dtype."""
        size = math.prod(shape) * dtype.itemsize
        buffer = self._pool.take(size)
        self._borrowed.append(buffer)
        return buffer[:size].view(dtype).reshape(shape)

    def __del__(self) -> None:
        self._pool.give(self._borrowed)
