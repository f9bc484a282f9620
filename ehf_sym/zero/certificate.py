"""What a verdict rests on, in a form that can be printed, stored and checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp

_SHOWN_KERNELS = 12


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

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON: formulas and numbers are text.

        Examples
        --------
        >>> from ehf_sym.zero_test import is_zero
        >>> from sympy import symbols
        >>> x, y = symbols("x y", real=True)
        >>> data = is_zero(x - y).certificate.as_dict()
        >>> data["method"], data["witness"], data["enclosure"]
        ('exact arithmetic', {'x': '1', 'y': '2'}, ['-1', '-1'])
        """
        return {
            "method": self.method,
            "kernels": [str(kernel) for kernel in self.kernels],
            "rests_on": list(self.rests_on),
            "witness": {str(symbol): str(number) for symbol, number in self.witness},
            "enclosure": None if self.enclosure is None else [str(end) for end in self.enclosure],
            "precision": self.precision,
        }

    def __str__(self) -> str:
        lines = [f"method: {self.method}"]
        if self.kernels:
            shown = [str(kernel) for kernel in self.kernels[:_SHOWN_KERNELS]]
            rest = len(self.kernels) - len(shown)
            lines.append("kernels: " + ", ".join(shown) + (f" and {rest} more" if rest else ""))
        lines += [f"rests on: {fact}" for fact in self.rests_on]
        if self.witness:
            lines.append("witness: " + ", ".join(f"{s} = {number}" for s, number in self.witness))
        if self.enclosure is not None:
            low, high = self.enclosure
            lines.append(f"value: {low}" if low == high else f"value: between {low} and {high}")
        return "\n".join(lines)
