"""A bounded amount of work for calls that may not end, counted in function calls, not seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import CO_GENERATOR
from typing import Any, TypeVar

Result = TypeVar("Result")
_GRACE = 10_000  # calls that a generator may make beyond the budget


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
        # In a generator that is left behind, what is raised is lost, and printed: wait for its end.
        if left < (-_GRACE if frame.f_code.co_flags & CO_GENERATOR else 0):
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
