"""Whether a condition in ε stays positive on the whole way from 0 to ε, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from ehf_sym.enclosures import intervals
from ehf_sym.enclosures.enclosure import enclose_over
from ehf_sym.enclosures.interval_arrays import Array, Range, ranges
from ehf_sym.enclosures.intervals import EvaluationError, Value
from ehf_sym.errors import ActionError
from ehf_sym.formulas.printing import quoted

_MAX_PIECES = 2000
_BITS = 100
_NARROW = 2.0**-36  # of the way: where a zero is known so well, it is named
_STATES = 1024  # at a time
_MAX_BOXES = 1 << 18


@dataclass(frozen=True, eq=False)
class Ends:
    """How far conditions are shown to stay positive.

    Attributes
    ----------
    eps : array of shape (n,)
        ε beyond which they are not; not a number where they stay positive all the way.
    condition : array of shape (n,)
        Which one ends there.
    crossed : array of shape (n,)
        Whether it is shown to vanish at the latest there; else that is left open.
    """

    eps: Array
    condition: NDArray[np.intp]
    crossed: NDArray[np.bool_]


def ends_of_positivity(
    conditions: Sequence[sp.Expr], symbols: Sequence[sp.Symbol], points: Array, times: Array
) -> Ends:
    """Find where conditions that are positive at ε = 0 cease to be so, for many states at once.

    Intervals of ε are halved until interval arithmetic decides each, so nothing between is
    overlooked.

    Parameters
    ----------
    conditions : sequence of sympy.Expr
        Formulas in the symbols.
    symbols : sequence of sympy.Symbol
        The coordinates, and ε as the last.
    points : array of shape (n, len(symbols) - 1)
        The states.
    times : array of shape (n,)
        Up to which ε, of any sign.

    Examples
    --------
    >>> x, eps = sp.symbols("x epsilon", real=True)
    >>> points, times = np.array([[0.1], [0.5]]), np.array([3.0, 3.0])
    >>> ends_of_positivity([1 - eps * x], (x, eps), points, times).eps.round(9)
    array([nan,  2.])
    """
    eps = np.full(len(times), np.nan)
    which = np.zeros(len(times), np.intp)
    crossed = np.zeros(len(times), np.bool_)
    for first in range(0, len(times), _STATES):
        part = slice(first, first + _STATES)
        reach = np.abs(times[part])
        for k, condition in enumerate(conditions):
            search = _Search(condition, symbols, points[part], np.sign(times[part]), reach)
            sooner = search.end < reach
            sooner |= (search.end == reach) & np.isnan(eps[part])
            reach = np.minimum(reach, search.end)
            eps[part][sooner] = np.copysign(search.end, times[part])[sooner]
            which[part][sooner] = k
            crossed[part][sooner] = search.crossed[sooner]
    return Ends(eps, which, crossed)


class _Search:
    """One condition, for some states: pieces of the way that are not decided yet."""

    def __init__(
        self,
        condition: sp.Expr,
        symbols: Sequence[sp.Symbol],
        points: Array,
        direction: Array,
        reach: Array,
    ) -> None:
        self.formula, self.slope = condition, condition.diff(symbols[-1])
        self.symbols, self.points, self.direction = symbols, points, direction
        self.end = np.full(len(points), np.inf)
        self._zero = np.full(len(points), np.inf)
        who, near, far = np.arange(len(points)), np.zeros(len(points)), reach
        while len(who):
            open_ = ~self._positive(who, near, far)
            who, near, far = who[open_], near[open_], far[open_]
            vanished = self._at_most_zero(who, far)
            np.minimum.at(self.end, who[vanished], far[vanished])
            np.minimum.at(self._zero, who[vanished], far[vanished])
            narrow = far - near <= _NARROW * reach[who]
            if len(who) > _MAX_BOXES:
                narrow[:] = True
            stop = narrow & (far < self.end[who])
            np.minimum.at(self.end, who[stop], far[stop])
            middle = near + (far - near) / 2
            who, near, far = (
                np.concatenate([who, who]),
                np.concatenate([near, middle]),
                np.concatenate([middle, far]),
            )
            again = np.concatenate([~narrow, ~narrow]) & (near < self.end[who])
            who, near, far = who[again], near[again], far[again]
        self.crossed = self._zero <= self.end + 4 * _NARROW * reach

    def _box(self, who: Any, near: Array, far: Array) -> dict[sp.Symbol, Range]:
        columns = [(column, column) for column in self.points[who].T]
        ends = self.direction[who] * near, self.direction[who] * far
        columns.append((np.minimum(*ends), np.maximum(*ends)))
        return dict(zip(self.symbols, columns, strict=True))

    def _positive(self, who: Any, near: Array, far: Array) -> Any:
        """Whether the condition is positive on pieces, from its range there or from its slope's."""
        if not len(who):
            return np.zeros(0, np.bool_)
        box = self._box(who, near, far)
        low, _ = ranges(self.formula, box)
        middle = near + (far - near) / 2
        at_middle, _ = ranges(self.formula, self._box(who, middle, middle))
        least, most = ranges(self.slope, box)
        with np.errstate(all="ignore"):
            steepest = np.maximum(np.abs(least), np.abs(most))
            from_middle = at_middle - steepest * (far - near) * (0.5 + 2.0**-40)
        return (low > 0) | (from_middle > 0)

    def _at_most_zero(self, who: Any, far: Array) -> Any:
        if not len(who):
            return np.zeros(0, np.bool_)
        _, high = ranges(self.formula, self._box(who, far, far))
        return high <= 0


def refuse_zeros(
    condition: sp.Expr, start: Mapping[sp.Symbol, Fraction], eps: sp.Symbol, time: Fraction
) -> None:
    """Show that a condition, positive at ε = 0, stays so up to a time: for one rational state.

    Raises
    ------
    ActionError
        If it fails on the way, or that is not decided.

    Examples
    --------
    >>> x, eps = sp.symbols("x epsilon", real=True)
    >>> refuse_zeros(1 - eps * x, {x: Fraction(1, 2)}, eps, Fraction(3))
    Traceback (most recent call last):
    ...
    ehf_sym.errors.ActionError: the flow does not exist up to ε = 3: at 2 the condition ...
    """
    at = dict(start)
    pieces = [(Fraction(0), time)]
    end: Fraction | None = None
    for _ in range(_MAX_PIECES):
        if not pieces:
            return
        near, far = pieces.pop()
        low, high = sorted((near, far))
        span = (intervals.interval(low, _BITS)[0], intervals.interval(high, _BITS)[1])
        if _sign(condition, {**at, eps: span}) == 1:
            continue
        if _sign(condition, {**at, eps: far}) in (0, -1):
            end, pieces = far, []
            if high - low <= _NARROW * abs(time):
                break
        middle = (near + far) / 2
        pieces += [(middle, far), (near, middle)]
    if end is None:
        raise ActionError(f"{quoted(condition)} > 0 is not decided up to ε = {float(time):.6g}")
    raise ActionError(
        f"the flow does not exist up to ε = {float(time):.6g}: at {float(end):.6g} the condition "
        f"{quoted(condition)} > 0 fails"
    )


def _sign(condition: sp.Expr, box: Mapping[sp.Symbol, Value]) -> int | None:
    """Sign on a box; None if it is not decided."""
    try:
        return intervals.sign(enclose_over(condition, box, _BITS))
    except EvaluationError:
        return None
