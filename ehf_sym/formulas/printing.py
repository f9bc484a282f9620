"""Formulas as text and LaTeX, whatever the length of their numbers: printing never raises.

Python's own conversion of integers to text stops at 4,300 digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from itertools import islice
from typing import Any

from sympy import Add, Basic, Expr, Integer, MatrixBase, Rational, preorder_traversal
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

# A formula longer than this is cut in text and HTML: nobody checks it by hand.
_LONGEST = 400
_MOST_PARTS = 3000  # of a formula that is written out before it is cut
_SHOWN_TERMS = 8


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
    if len(whole) <= _LONGEST or _is_long(value):
        return whole
    return f"{whole[:_LONGEST]}... ({len(whole)} characters)"


def shortest(formula: Any, *forms: Callable[[Any], Any]) -> Any:
    """Return the form of a formula that a reader finds shortest; a very long one as it is.

    Examples
    --------
    >>> from sympy import factor_terms
    >>> from sympy.abc import x, y, z
    >>> shortest(3 * x * y + 3 * x * z, factor_terms)
    3*x*(y + z)
    """
    if _is_long(formula):
        return formula
    written = (formula, *(form(formula) for form in forms))
    return min(written, key=lambda found: len(formula_text(found)))


def record_text(record: Any) -> str:
    """Representation of a dataclass, as its own, but that long numbers and formulas are no harm."""
    shown = (f"{f.name}={_represented(getattr(record, f.name))}" for f in fields(record) if f.repr)
    return f"{type(record).__name__}({', '.join(shown)})"


def _is_long(value: Any) -> bool:
    """Whether it takes long to write a formula out."""
    parts = preorder_traversal(value) if isinstance(value, Expr) else ()
    return next(islice(parts, _MOST_PARTS, None), None) is not None


def _represented(value: Any) -> str:
    """Represent a value, its parts one by one if the length of a number prevents it."""
    if _is_long(value):
        begun = _Beginning().doprint(value)
        return f"{begun[:_LONGEST]}... (more than {_MOST_PARTS} parts)"
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


class _Beginning(_Text):
    """The first terms of each sum."""

    def _print_Add(self, expr: Add, order: Any = None) -> str:  # noqa: N802 - SymPy's name
        return str(super()._print_Add(Add(*expr.args[:_SHOWN_TERMS], evaluate=False), order))


class _Latex(LatexPrinter):  # type: ignore[misc]
    """SymPy's printer, but for long numbers."""

    def _print_Integer(self, expr: Integer) -> str:  # noqa: N802 - SymPy's name
        return _digits(expr.p)

    def _print_Rational(self, expr: Rational) -> str:  # noqa: N802 - SymPy's name
        if expr.q == 1:
            return _digits(expr.p)
        sign = "- " if expr.p < 0 else ""
        return rf"{sign}\frac{{{_digits(abs(expr.p))}}}{{{_digits(expr.q)}}}"
