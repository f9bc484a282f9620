"""The three answers to whether an expression is zero, for readers and for programs.

An answer comes with what it rests on, in a form that can be printed, stored and checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import sympy as sp

from ehf_sym.formulas.printing import formula_text, quoted, record_text
from ehf_sym.formulas.report import Document, Line, Reported, formula_data

_SHOWN_KERNELS = 12
_SHOWN_CHARACTERS = 30
_HEADS = {
    "proved": "proved: 0 wherever it is real and defined",
    "refuted": "refuted: not identically 0",
    "undecided": "undecided whether it is identically 0",
}
Status = Literal["proved", "refuted", "undecided"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why a verdict holds.

    Attributes
    ----------
    method : str
        "normal form", "normal form, part by part", "separation bound", "exact arithmetic",
        "interval arithmetic" or "none".
    kernels : tuple of sympy.Expr
        The kernels of the normal form, if one was found.
    rests_on : tuple of str
        The facts that the verdict needs besides arithmetic.
    witness : tuple of (sympy.Symbol, sympy.Rational)
        If refuted: the point.
    enclosure : tuple of two numbers, optional
        If refuted: two numbers of one sign with the value between them.
    precision : int, optional
        If refuted by intervals: the working precision in bits.
    """

    method: str
    kernels: tuple[sp.Expr, ...] = ()
    rests_on: tuple[str, ...] = ()
    witness: tuple[tuple[sp.Symbol, sp.Rational], ...] = ()
    enclosure: tuple[sp.Number, sp.Number] | None = None
    precision: int | None = None

    __repr__ = record_text

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON: formulas and numbers are text.

        Examples
        --------
        >>> from ehf_sym.zero.zero_test import is_zero
        >>> from sympy import symbols
        >>> x, y = symbols("x y", real=True)
        >>> data = is_zero(x - y).certificate.as_dict()
        >>> data["method"], data["witness"], data["enclosure"]
        ('exact arithmetic', {'x': '1', 'y': '2'}, ['-1', '-1'])
        """
        return {
            "method": self.method,
            "kernels": [formula_text(kernel) for kernel in self.kernels],
            "rests_on": list(self.rests_on),
            "witness": {str(symbol): formula_text(number) for symbol, number in self.witness},
            "enclosure": None
            if self.enclosure is None
            else [formula_text(end) for end in self.enclosure],
            "precision": self.precision,
        }

    def __str__(self) -> str:
        lines = [f"method: {self.method}"]
        if self.kernels:
            shown = [quoted(kernel) for kernel in self.kernels[:_SHOWN_KERNELS]]
            rest = len(self.kernels) - len(shown)
            lines.append("kernels: " + ", ".join(shown) + (f" and {rest} more" if rest else ""))
        lines += [f"rests on: {fact}" for fact in self.rests_on]
        if self.witness:
            lines.append(
                "witness: " + ", ".join(f"{s} = {quoted(number)}" for s, number in self.witness)
            )
        if self.enclosure is not None:
            low, high = self.enclosure
            ends = f"{quoted(low)}" if low == high else f"between {quoted(low)} and {quoted(high)}"
            lines.append(f"value: {ends}")
        return "\n".join(lines)


class Witness(Mapping[sp.Symbol, sp.Rational]):
    """An immutable point: symbol -> exact rational coordinate."""

    def __init__(self, point: Mapping[sp.Symbol, sp.Rational]) -> None:
        self._items = tuple(sorted(point.items(), key=lambda item: sp.default_sort_key(item[0])))

    def __getitem__(self, symbol: sp.Symbol) -> sp.Rational:
        return dict(self._items)[symbol]

    def __iter__(self) -> Iterator[sp.Symbol]:
        return (symbol for symbol, _ in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return (
            "{" + ", ".join(f"{symbol}: {quoted(number)}" for symbol, number in self._items) + "}"
        )


@dataclass(frozen=True, slots=True, repr=False)
class ZeroVerdict(Reported):
    """The answer of `is_zero`: as text, LaTeX, HTML (in notebooks) and JSON.

    Attributes
    ----------
    status : {"proved", "refuted", "undecided"}
        The answer.
    method : str
        What decided it: the normal form's kernels, or the arithmetic at the witness.
    witness : Mapping or None
        If refuted: rational coordinates at which the expression is not zero.
    value : Rational or (Float, Float) or None
        If refuted: the value at the witness, exact, or two numbers of one sign that
        enclose it.
    residual : sympy.Expr or None
        If undecided: what could not be decided.
    certificate : Certificate
        What the answer rests on; ``print(verdict.certificate)`` or ``.as_dict()``.

    Examples
    --------
    >>> from ehf_sym.zero.zero_test import is_zero
    >>> x, y = sp.symbols("x y", real=True)
    >>> print(is_zero(x - y).to_text())
    refuted: not identically 0
      at x = 1, y = 2 its value is -1
      by exact arithmetic
    """

    status: Status
    method: str
    witness: Mapping[sp.Symbol, sp.Rational] | None = None
    value: sp.Rational | tuple[sp.Float, sp.Float] | None = None
    residual: sp.Expr | None = None
    certificate: Certificate | None = None

    @property
    def proved(self) -> bool:
        """Whether the expression is zero wherever it is real and defined."""
        return self.status == "proved"

    @property
    def refuted(self) -> bool:
        """Whether the expression is not zero at the witness."""
        return self.status == "refuted"

    @property
    def undecided(self) -> bool:
        """Whether neither was shown."""
        return self.status == "undecided"

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has three values: use .proved, .refuted or .status")

    def __str__(self) -> str:
        if self.refuted:
            at = f" at {self._point}" if self.witness else ""
            return f"refuted: the value{at} is {_short(self.value)} ({self.method})"
        rest = "" if self.residual is None else f"; what remains is {quoted(self.residual)}"
        return f"{self.status}: {self.method}{rest}"

    @property
    def _point(self) -> str:
        return ", ".join(f"{symbol} = {quoted(x)}" for symbol, x in (self.witness or {}).items())

    def document(self) -> Document:
        """Return the answer, the point that refutes or what remains, and what it rests on."""
        lines = [Line(0, _HEADS[self.status])]
        if self.refuted:
            where = f"at {self._point}" if self.witness else "everywhere"
            lines.append(Line(1, f"{where} its value is {_short(self.value)}"))
        lines.append(Line(1, f"by {self.method}" if not self.undecided else self.method))
        if self.residual is not None:
            lines.append(Line(1, "what remains is ", self.residual))
        if self.certificate is not None:
            lines += [Line(1, f"rests on {fact}") for fact in self.certificate.rests_on]
        return Document(tuple(lines), self._data)

    def _data(self) -> dict[str, Any]:
        data = {"report": "zero test", **verdict_data(self)}
        certificate = self.certificate
        return data if certificate is None else data | {"certificate": certificate.as_dict()}


def verdict_data(verdict: ZeroVerdict) -> dict[str, Any]:
    """Verdict for a program.

    Examples
    --------
    >>> from ehf_sym.zero.zero_test import is_zero
    >>> verdict_data(is_zero(sp.Symbol("x", real=True) / 2))
    {'status': 'refuted', 'method': 'exact arithmetic', 'witness': {'x': '1'}, 'value': '1/2'}
    """
    data: dict[str, Any] = {"status": verdict.status, "method": verdict.method}
    if verdict.witness is not None:
        data["witness"] = {symbol.name: formula_text(x) for symbol, x in verdict.witness.items()}
    if verdict.value is not None:
        enclosed = isinstance(verdict.value, tuple)
        data["value"] = (
            [formula_text(x) for x in verdict.value] if enclosed else formula_text(verdict.value)
        )
    if verdict.residual is not None:
        data["residual"] = formula_data(verdict.residual)
    return data


def _short(value: Any) -> str:
    """Write a value with few digits: exactly where that is short."""
    if isinstance(value, sp.Rational) and len(formula_text(value)) <= _SHOWN_CHARACTERS:
        return formula_text(value)
    return f"about {sp.N(value[0] if isinstance(value, tuple) else value, 6)}"
