"""Ctrl-C while something is being made that must not be lost.

A first signal is noted, and the work ends where it is whole; a second one raises at once; what
comes while results are put away is too late to change anything, and is dropped.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """What signals did since `interrupts` was opened.

    Attributes
    ----------
    count : int
        How many came.
    """

    def __init__(self) -> None:
        self.count = 0
        self._raised_from = 1
        self._process = os.getpid()

    @property
    def asked(self) -> bool:
        """Whether the work should end."""
        return self.count > 0

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note a first signal, raise KeyboardInterrupt at a second; drop those that come after."""
        outermost = self._raised_from != 2
        if outermost:
            self.count, self._raised_from = 0, 2
        try:
            yield
        finally:
            if outermost:
                self.hold()

    def hold(self) -> None:
        """Drop all signals from here on."""
        self._raised_from = 0

    def release(self) -> None:
        """Raise KeyboardInterrupt again at the next signal."""
        self.count, self._raised_from = 0, 1

    def handle(self, _signal: int, _frame: FrameType | None) -> None:
        """Take one signal."""
        if os.getpid() != self._process:  # a fork has nothing of ours to finish
            raise KeyboardInterrupt
        self.count += 1
        if 0 < self._raised_from <= self.count:
            self.hold()
            raise KeyboardInterrupt


_open: Interrupts | None = None


@contextmanager
def interrupts(*signals: int) -> Iterator[Interrupts]:
    """Take signals until the block ends; within another such block, that one's.

    Handlers that others have put in place stay, and threads beside the main one get no signals.

    Examples
    --------
    >>> with interrupts(signal.SIGINT) as stop, stop.noted():
    ...     signal.raise_signal(signal.SIGINT)
    ...     stop.asked
    True
    """
    global _open
    if threading.current_thread() is not threading.main_thread():
        yield Interrupts()
        return
    if _open is not None:
        yield _open
        return
    mine, before = Interrupts(), {}
    try:
        _open = mine
        for number in signals:
            if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL):
                before[number] = signal.signal(number, mine.handle)
        yield mine
    finally:
        _open = None
        for number, handler in before.items():
            signal.signal(number, handler)
