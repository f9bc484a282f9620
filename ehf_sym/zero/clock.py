"""A limit on time that long computations ask about themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic
from types import FrameType
from typing import Any

_deadline: ContextVar[float] = ContextVar("deadline", default=inf)


class OutOfTimeError(ArithmeticError):
    """The time that was given is spent."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Let `check_time` raise once so many seconds have passed; an outer limit stays in force.

    Parameters
    ----------
    seconds : float
        From now on.

    Examples
    --------
    >>> with time_limit(60):
    ...     check_time()
    """
    token = _deadline.set(min(_deadline.get(), monotonic() + seconds))
    try:
        yield
    finally:
        _deadline.reset(token)


def check_time() -> None:
    """Go on, or not.

    Raises
    ------
    OutOfTimeError
        The innermost `time_limit` has passed.
    """
    if monotonic() > _deadline.get():
        raise OutOfTimeError("the time limit has passed")


@contextmanager
def interruptible() -> Iterator[None]:
    """Ask about the time at every call within, also in code that does not ask itself.

    It slows Python code down to a third: for calls that may last long. Where somebody else
    profiles the thread, nothing is asked.

    Raises
    ------
    OutOfTimeError
        The innermost `time_limit` has passed.

    Examples
    --------
    >>> with time_limit(0.05), interruptible():
    ...     while True:
    ...         size = abs(-1)
    Traceback (most recent call last):
        ...
    ehf_sym.zero.clock.OutOfTimeError: the time limit has passed
    """
    if _deadline.get() == inf or sys.getprofile() is not None:
        yield
        return

    def ask(frame: FrameType, event: str, argument: Any) -> None:
        if monotonic() > deadline:
            sys.setprofile(None)
            raise OutOfTimeError("the time limit has passed")

    deadline = _deadline.get()
    sys.setprofile(ask)
    try:
        yield
    finally:
        sys.setprofile(None)
