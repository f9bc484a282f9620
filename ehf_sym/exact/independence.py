"""Proof that functions are linearly independent: a matrix of values that is invertible."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from typing import Any

import sympy as sp
from sympy.polys.matrices import DomainMatrix

from ehf_sym.errors import UndecidedError
from ehf_sym.zero import intervals
from ehf_sym.zero.enclosure import EvaluationError, Value, enclose, excludes_zero
from ehf_sym.zero.witness import points

_PRECISION = 400
_PRECISIONS = (100, 1000, 5000)
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


def certified_rref(matrix: DomainMatrix) -> tuple[DomainMatrix, tuple[int, ...]]:
    """Reduced echelon form and pivots, whatever relations there are among the constants.

    Over rational functions of numbers such as π and e the elimination takes them to be unrelated.
    It is right for the numbers that they are if one minor on the pivots, of full rank, is not zero.

    Raises
    ------
    UndecidedError
        If that could not be proved.

    Examples
    --------
    >>> field = sp.QQ.frac_field(sp.pi, sp.E)
    >>> matrix = DomainMatrix([[field.gens[0], field.gens[1]]], (1, 2), field)
    >>> certified_rref(matrix)[1]
    (0,)
    """
    echelon, pivots = matrix.rref()
    if pivots and _has_numbers(matrix.domain):
        minor = matrix.extract(range(matrix.shape[0]), pivots)
        rows = minor.transpose().rref()[1]
        certify_nonzero(matrix.domain, minor.extract(rows, range(len(pivots))).det())
    return echelon, tuple(pivots)


def certify_nonzero(field: Any, number: Any) -> None:
    """Prove by its value that an element of a field of constants, not 0 there, is not zero.

    With parameters it is a function of them, and is proved not to vanish identically.

    Parameters
    ----------
    field : sympy.polys.domains.Domain
        Where the number is.
    number : element of the field
        Not 0 for independent generators of the field.

    Raises
    ------
    UndecidedError
        If that could not be proved.
    """
    if not _has_numbers(field) or field.is_one(number):
        return
    formula = field.to_sympy(number)
    symbols = sorted(formula.free_symbols, key=sp.default_sort_key)
    for point in islice(points(symbols), _MAX_POINTS if symbols else 1):
        for precision in _PRECISIONS:
            try:
                if excludes_zero(enclose(formula, point, precision)):
                    return
            except EvaluationError:
                continue
    raise UndecidedError(
        f"it is undecided whether {str(formula)[:200]} is zero; declare parameters for its numbers"
    )


def _has_numbers(field: Any) -> bool:
    """Whether there are generators other than parameters."""
    return field.is_FractionField and not all(symbol.is_Symbol for symbol in field.symbols)


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
