"""A limit on time that long computations ask about themselves; SymPy is ended where it does not.

One clock for all questions: limits nest, and the nearest counts. What asks nobody, such as SymPy's
integration, runs under `interrupted`: a thread watches the clock, and raises in the thread that
works. Profilers, debuggers and coverage are at liberty to watch as well.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from math import inf
from numbers import Real
from time import monotonic, sleep
from typing import Any, TypeVar

import mpmath

from ehf_sym.errors import ArgumentError, UndecidedError

Result = TypeVar("Result")
_TICK = 0.02  # seconds
_AGAIN = 5  # ticks, until what a finalizer swallowed is raised once more
_TURNS = 10_000
_IDLE = 50  # ticks, until a watchman with nothing to watch goes home

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


def interrupted(work: Callable[[], Result]) -> Result:
    """Do work that does not ask about the time, and end it when the time has passed.

    Single calls that take long inside C code are not interrupted. Without a `time_limit`, nor where
    Python has no way to raise in another thread, the work goes on to its end.

    Parameters
    ----------
    work : callable
        Without arguments; what it leaves behind must stand being interrupted anywhere.

    Raises
    ------
    OutOfTimeError
        The innermost `time_limit` has passed.

    Examples
    --------
    >>> with time_limit(0.05):
    ...     interrupted(lambda: [abs(-n) for n in range(10**10)])
    Traceback (most recent call last):
        ...
    ehf_sym.clock.OutOfTimeError: the time limit has passed
    """
    deadline = _deadline.get()
    if deadline == inf:
        return work()
    check_time()
    task, precision = _Task(deadline), mpmath.mp.prec
    profiler, debugger = sys.getprofile(), sys.gettrace()
    # Between two raises there is time to get from anywhere in here to the end of `release`.
    try:
        try:
            _watchman.watch(task)
            return work()
        finally:
            _watchman.release(task)
    except _InterruptError:
        _watchman.release(task)
        mpmath.mp.prec = precision  # its contexts may not have come to restore it
        # Python drops those that it was in when this was raised.
        if profiler is not None and sys.getprofile() is None:
            sys.setprofile(profiler)
        if debugger is not None and sys.gettrace() is None:
            sys.settrace(debugger)
        raise OutOfTimeError("the time limit has passed") from None


def attempted(work: Callable[[], Result], seconds: float) -> Result | None:
    """Return what ``work()`` returns, or None once so many seconds have passed.

    Parameters
    ----------
    work : callable
        As for `interrupted`.
    seconds : float
        From now on.

    Raises
    ------
    OutOfTimeError
        An outer `time_limit` has passed as well.

    Examples
    --------
    >>> attempted(lambda: sum(range(10)), seconds=60)
    45
    >>> attempted(lambda: [abs(-n) for n in range(10**10)], seconds=0.05) is None
    True
    """
    try:
        with time_limit(seconds):
            return interrupted(work)
    except OutOfTimeError:
        check_time()
        return None


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
        if limit == inf:  # it is a limit outside that has passed
            raise
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


class _InterruptError(BaseException):
    """The time has passed; no handler of ordinary errors on the way may catch this."""


class _Task:
    """Work of one thread, and when it has to end."""

    def __init__(self, deadline: float) -> None:
        self.deadline, self.thread = deadline, threading.get_ident()
        self.wait, self.warned = 0, False  # ticks until the next time; whether there was a first


class _Watchman:
    """A thread, while there is something to watch, that raises in threads whose time has passed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tasks: set[_Task] = set()
        self.on_duty = False
        self._look_away(False)

    def watch(self, task: _Task) -> None:
        with self.lock:
            self.tasks.add(task)
            self._look_away()
            if self.on_duty:
                return
            self.on_duty = True
        threading.Thread(target=self._rounds, name="ehf_sym clock", daemon=True).start()

    def _look_away(self, now: bool = True) -> None:
        """Remember who is told of what is swallowed, and be told in its place."""
        if sys.unraisablehook != self._swallowed:  # a child begins with the hook of its parent
            self.hook: Callable[..., Any] = sys.unraisablehook
        if now:
            sys.unraisablehook = self._swallowed

    def _swallowed(self, told: Any) -> None:
        """Leave out what fell into a finalizer or a collector's callback: it is raised again."""
        if told.exc_type is not _InterruptError:
            self.hook(told)

    def release(self, task: _Task) -> None:
        """Forget a task; nothing is raised for it afterwards."""
        with self.lock:
            self.tasks.discard(task)
        if task.warned:
            # What is on its way comes at the next turns of a loop, here. To withdraw it instead
            # leaves CPython 3.11 looking for it for ever.
            with suppress(_InterruptError):
                for _ in range(_TURNS):
                    pass

    def _rounds(self) -> None:
        idle = 0
        while True:
            sleep(_TICK)
            with self.lock:
                idle = 0 if self.tasks else idle + 1
                if idle > _IDLE:
                    self.on_duty = False
                    if sys.unraisablehook == self._swallowed:
                        sys.unraisablehook = self.hook
                    return
                now = monotonic()
                for task in self.tasks:
                    task.wait -= 1
                    if now > task.deadline and task.wait <= 0:
                        task.wait, task.warned = _AGAIN, True
                        _raise_in(task.thread, _InterruptError)


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise in a thread at its next step."""
    if hasattr(ctypes, "pythonapi"):
        identity = ctypes.c_ulong(thread)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(error))


_watchman = _Watchman()
if hasattr(os, "register_at_fork"):  # a child has no watchman; its lock may be another thread's
    os.register_at_fork(after_in_child=_watchman.__init__)  # type: ignore[misc]
