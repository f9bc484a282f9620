"""A limit on time that long computations ask about themselves, one for all questions.

A bounded amount of work for calls that may not end, counted in function calls, not seconds.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import CO_GENERATOR
from math import inf
from numbers import Real
from time import monotonic
from types import FrameType
from typing import Any, TypeVar

from ehf_sym.errors import ArgumentError, UndecidedError

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
    ehf_sym.clock.OutOfTimeError: the time limit has passed
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


DEFAULT_SECONDS = 15.0


@contextmanager
def answered_within(seconds: Any, question: str) -> Iterator[None]:
    """Bound the time of a question: what takes longer is undecided.

    Parameters
    ----------
    seconds : float
        What was given as ``time_limit``.
    question : str
        What messages say.

    Raises
    ------
    ArgumentError
        If ``time_limit`` is no positive number.
    UndecidedError
        The time has passed, or expressions are nested too deeply.

    Examples
    --------
    >>> with answered_within(0.01, "whether it ends"):
    ...     while True:
    ...         check_time()
    Traceback (most recent call last):
        ...
    ehf_sym.errors.UndecidedError: it is undecided whether it ends: the time limit of 0.01 s ...
    """
    limit = positive_seconds(seconds)
    try:
        with time_limit(limit):
            yield
    except OutOfTimeError as error:
        raise UndecidedError(
            f"it is undecided {question}: the time limit of {limit:g} s has passed; give a larger "
            "time_limit"
        ) from error
    except RecursionError as error:
        raise UndecidedError(f"it is undecided {question}: it is nested too deeply") from error


def positive_seconds(time_limit: Any) -> float:
    """Admit a limit on time, or raise ArgumentError.

    Examples
    --------
    >>> positive_seconds(3)
    3.0
    """
    number = isinstance(time_limit, Real) and not isinstance(time_limit, bool)
    try:
        seconds = float(time_limit) if number else 0.0
    except OverflowError:
        seconds = 0.0
    if not seconds > 0:
        raise ArgumentError(f"time_limit is {time_limit!r}; it should be a positive number")
    return seconds


Result = TypeVar("Result")
_GRACE = 10_000  # calls beyond the budget, made where what is raised would be lost


class _SpentError(BaseException):
    """The budget is spent; no handler of ordinary errors on the way may catch this."""


def within_budget(work: Callable[[], Result], calls: int) -> Result | None:
    """Return what ``work()`` returns, or None once it has made too many function calls.

    Counting calls gives the same answer on every machine, in every thread. Single calls that take
    long inside C code are not interrupted.

    Parameters
    ----------
    work : callable
        Without arguments; what it leaves behind must stand being interrupted anywhere.
    calls : int
        How many calls and returns of functions it may make.

    Examples
    --------
    >>> within_budget(lambda: sum(range(10)), calls=100)
    45
    >>> within_budget(lambda: [abs(-n) for n in range(10**9)], calls=100) is None
    True
    """
    left = calls
    outer = sys.getprofile()
    if outer is not None and not getattr(outer, "counts_calls", False):
        return work()  # somebody's profiler is at work: it is not ours to replace

    def count(frame: Any, event: Any, argument: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0 and not _must_wait(frame, left):
            raise _SpentError(count)
        if outer is not None:
            outer(frame, event, argument)

    count.counts_calls = True  # type: ignore[attr-defined]
    sys.setprofile(count)
    try:
        return work()
    except _SpentError as spent:
        if spent.args[0] is not count:  # an enclosing budget's
            raise
        return None
    finally:
        sys.setprofile(outer)


def _must_wait(frame: FrameType, left: int) -> bool:
    """Whether what is raised here would come after the work, or be lost and the work go on.

    Lost is what is raised in a generator that is left behind, in finalizers, and in callbacks of
    weak references and of the garbage collector, which other libraries hang there.
    """
    if frame.f_code is within_budget.__code__:
        return True
    if left < -_GRACE:
        return False
    if frame.f_code.co_flags & CO_GENERATOR:
        return True
    callbacks = [getattr(callback, "__code__", None) for callback in gc.callbacks]
    each: FrameType | None = frame
    while each is not None and each.f_code is not within_budget.__code__:
        if (
            each.f_code.co_name == "__del__"
            or each.f_globals.get("__name__") in ("weakref", "_weakrefset")
            or each.f_code in callbacks
        ):
            return True
        each = each.f_back
    return False
