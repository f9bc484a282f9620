"""A limit on time that long computations ask about themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic

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
