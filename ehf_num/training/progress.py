"""Progress bars: on terminals and in notebooks, of what takes longer than two seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm.auto import tqdm

_PATIENCE = 2.0  # seconds until a bar appears
_Step = TypeVar("_Step")


def is_shown(progress: bool | None = None) -> bool:
    """Whether a bar is wanted; None: only on a terminal, and in a notebook."""
    if progress is not None:
        return progress
    in_notebook = any(base.__module__ == "tqdm.notebook" for base in tqdm.__mro__)
    return in_notebook or sys.stderr.isatty()


def bar(total: int, unit: str, progress: bool | None = None, **options: Any) -> Any:
    """Make a bar that its `update` moves."""
    return tqdm(total=total, unit=unit, disable=not is_shown(progress), **options)


def watched(steps: Iterable[_Step], total: int | None, unit: str) -> Iterable[_Step]:
    """Return the same steps; where bars are shown, one appears if they take long.

    Examples
    --------
    >>> list(watched("abc", total=3, unit="letter"))
    ['a', 'b', 'c']
    """
    if not is_shown():
        return steps  # and no thread, which tqdm starts even for a bar that is not shown
    return tqdm(steps, total=total, unit=unit, leave=False, delay=_PATIENCE)
