"""Proof that functions are linearly independent: a matrix of values that is invertible."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice

import sympy as sp

from ehf_sym.errors import UndecidedError
from ehf_sym.zero import intervals
from ehf_sym.zero.enclosure import EvaluationError, Value, enclose, excludes_zero
from ehf_sym.zero.witness import points

_PRECISION = 400
_MAX_POINTS = 2000
_ZERO, _MINUS_ONE = Fraction(0), Fraction(-1)


def certify_independent(formulas: Sequence[sp.Expr]) -> None:
    """Prove that no combination of the functions with constant coefficients vanishes.

    n functions are independent if at n points their matrix of values is invertible. It is
    brought to triangular form in interval arithmetic; parameters take values like coordinates.

    Parameters
    ----------
    formulas : sequence of sympy.Expr
        Functions of real symbols.

    Raises
    ------
    UndecidedError
        If no such points are found.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> certify_independent([sp.exp(x), x, sp.S.One])
    """
    symbols = sorted({s for f in formulas for s in f.free_symbols}, key=sp.default_sort_key)
    pivots: list[tuple[int, list[Value]]] = []
    candidates = islice(points(symbols), _MAX_POINTS)
    while len(pivots) < len(formulas):
        point = next(candidates, None)
        if point is None:
            raise UndecidedError(
                "it is undecided whether these functions are independent: "
                + ", ".join(map(str, formulas))
            )
        try:
            row = _eliminated([enclose(f, point, _PRECISION) for f in formulas], pivots)
            place = _pivot(row)
        except EvaluationError:
            continue
        if place is not None:
            pivots.append((place, row))


def _eliminated(row: list[Value], pivots: Sequence[tuple[int, list[Value]]]) -> list[Value]:
    """Subtract multiples of the rows above, so that their pivots vanish."""
    for place, above in pivots:
        ratio = intervals.divide(row[place], above[place], _PRECISION)
        factor = intervals.multiply(ratio, _MINUS_ONE, _PRECISION)
        row = [
            intervals.add(x, intervals.multiply(factor, y, _PRECISION), _PRECISION)
            for x, y in zip(row, above, strict=True)
        ]
        row[place] = _ZERO
    return row


def _pivot(row: Sequence[Value]) -> int | None:
    """Place of the first entry that is provably not zero."""
    return next((j for j, value in enumerate(row) if excludes_zero(value)), None)
