"""How exactly flows were rebuilt from their ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

import numpy as np

from ehf_num.engine.workspace import Array


class ReversalWatch:
    """How far rebuilt starts were from the true ones, while `watch_reversals` was open.

    Attributes
    ----------
    largest : float or None
        Largest absolute difference in any coordinate; None: no flow was rebuilt.
    """

    def __init__(self) -> None:
        self.largest: float | None = None
        self._lock = Lock()

    def add(self, error: float) -> None:
        """Take in what one thread found for its rows."""
        with self._lock:
            # NaN, which a state that overflowed leaves, is kept: max would drop or keep it by order
            self.largest = error if self.largest is None else float(np.maximum(self.largest, error))


_watch: ContextVar[ReversalWatch | None] = ContextVar("reversal watch", default=None)


@contextmanager
def watch_reversals() -> Iterator[ReversalWatch]:
    """Collect the errors of flows that are rebuilt in backward passes inside the block."""
    watch = ReversalWatch()
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


def report_reversal(rebuilt: Array, start: tuple[Array, Array]) -> None:
    """Compare a start that was rebuilt (r, 2d) with the true q and p, where a watch is open."""
    watch = _watch.get()
    if watch is not None and len(rebuilt):
        watch.add(float(np.max(np.abs(rebuilt - np.concatenate(start, axis=1)))))
