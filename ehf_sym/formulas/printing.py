"""Formulas as text and LaTeX, whatever the length of their numbers: printing never raises.

Python's own conversion of integers to text stops at 4,300 digits.
"""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any

from sympy import Basic, Integer, MatrixBase, Rational
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

# A formula longer than this is cut in text and HTML: nobody checks it by hand.
_LONGEST = 400


def formula_text(formula: Any) -> str:
    """Text of a formula, in SymPy's spelling, whatever the length of its numbers.

    Examples
    --------
    >>> len(formula_text(Integer(10) ** 5000))
    5001
    """
    return str(_Text().doprint(formula))


def formula_latex(formula: Any) -> str:
    r"""LaTeX of a formula, whatever the length of its numbers.

    Examples
    --------
    >>> formula_latex(Rational(-1, 2))
    '- \\frac{1}{2}'
    """
    return str(_Latex().doprint(formula))


def quoted(value: Any) -> str:
    """Text of a formula or any other value for a message, cut where it is too long.

    Examples
    --------
    >>> quoted("q1"), quoted(Integer(2))
    ("'q1'", '2')
    >>> quoted(-(Integer(10) ** 5000))[-23:]
    '00... (5002 characters)'
    """
    whole = _represented(value)
    return whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}... ({len(whole)} characters)"


def shortest(*formulas: Any) -> Any:
    """Return the formula that a reader finds shortest.

    Examples
    --------
    >>> shortest(Integer(100), Integer(7))
    7
    """
    return min(formulas, key=lambda formula: len(formula_text(formula)))


def record_text(record: Any) -> str:
    """Representation of a dataclass, as its own, whatever the length of the numbers in it."""
    shown = (f"{f.name}={_represented(getattr(record, f.name))}" for f in fields(record) if f.repr)
    return f"{type(record).__name__}({', '.join(shown)})"


def _represented(value: Any) -> str:
    """Represent a value, its parts one by one if the length of a number prevents it."""
    try:
        return repr(value)
    except ValueError:
        if isinstance(value, Basic | MatrixBase):
            return formula_text(value)
        if isinstance(value, int):
            return _digits(value)
        if isinstance(value, tuple | list):
            parts = ", ".join(map(_represented, value))
            return f"[{parts}]" if isinstance(value, list) else f"({parts},)"
        return f"<{type(value).__name__}>"


def _digits(number: int) -> str:
    """Decimal digits."""
    return format(Decimal(int(number)), "f")


class _Text(StrPrinter):  # type: ignore[misc]
    """SymPy's printer, but for long numbers."""

    def _print_Integer(self, expr: Integer) -> str:  # noqa: N802 - SymPy's name
        return _digits(expr.p)

    def _print_Rational(self, expr: Rational) -> str:  # noqa: N802 - SymPy's name
        return f"{_digits(expr.p)}/{_digits(expr.q)}"


class _Latex(LatexPrinter):  # type: ignore[misc]
    """SymPy's printer, but for long numbers."""

    def _print_Integer(self, expr: Integer) -> str:  # noqa: N802 - SymPy's name
        return _digits(expr.p)

    def _print_Rational(self, expr: Rational) -> str:  # noqa: N802 - SymPy's name
        if expr.q == 1:
            return _digits(expr.p)
        sign = "- " if expr.p < 0 else ""
        return rf"{sign}\frac{{{_digits(abs(expr.p))}}}{{{_digits(expr.q)}}}"
