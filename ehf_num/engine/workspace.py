"""Work arrays that outlive one call: large temporaries are kept and reused, never mapped anew.

A primitive borrows its scratch from a `Workspace`. The arrays go back to the pool when the
workspace is collected, which is when the tape node that saved it is, so a buffer is never handed
out while some backward pass may still read it. Nothing borrowed here is ever put on the tape.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_MAX_KEPT_PER_SHAPE = 64


class _Pool:
    """Free arrays by shape and dtype. A plain list a key: its append and pop are atomic."""

    def __init__(self) -> None:
        self._free: defaultdict[tuple[tuple[int, ...], str], list[Array]] = defaultdict(list)

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        try:
            return self._free[shape, dtype.str].pop()
        except IndexError:
            return np.empty(shape, dtype)

    def give(self, array: Array) -> None:
        kept = self._free[array.shape, array.dtype.str]
        if len(kept) < _MAX_KEPT_PER_SHAPE:
            kept.append(array)

    def clear(self) -> None:
        self._free.clear()


_pool = _Pool()


def release() -> None:
    """Let go of all arrays that are kept for reuse and not in use."""
    _pool.clear()


class Workspace:
    """Borrows uninitialized arrays from the pool and gives them back when collected."""

    def __init__(self) -> None:
        self._pool = _pool
        self._borrowed: list[Array] = []

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return an uninitialized array of this shape and dtype."""
        array = self._pool.take(shape, dtype)
        self._borrowed.append(array)
        return array

    def empty_like(self, array: Array) -> Array:
        """Return an uninitialized array of the shape and dtype of another."""
        return self.empty(array.shape, array.dtype)

    def __del__(self) -> None:
        for array in self._borrowed:
            self._pool.give(array)
