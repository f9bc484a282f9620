"""How close to 0 an algebraic number can be without being 0.

An expression in rationals, roots and cosines of rational multiples of pi is U/L with algebraic
integers U and L of a field of degree at most D. If all conjugates of U are at most u and |L| is
at most l, then |U/L| >= 1/(u**(D-1) l) unless it is 0, since the norm of U is an integer. The
rules for u and l are those of Burnikel, Funke, Mehlhorn, Schirra and Schmitt, "A separation
bound for real algebraic expressions" (ESA 2001).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import ceil, lcm, log2
from typing import Any

import sympy as sp
from mpmath import libmp

from ehf_sym.enclosures.enclosure import enclose, excludes_zero
from ehf_sym.enclosures.intervals import EvaluationError, Value, interval

_MAX_BITS = 12_000
_MAX_CONDUCTOR = 400


@dataclass(frozen=True, slots=True)
class _Size:
    """Binary logarithms of u and l."""

    u: float
    l: float  # noqa: E741 (the letter of the source)


class _NotAlgebraicError(ArithmeticError):
    """The expression has parts for which there is no bound."""


def algebraic_sign(formula: sp.Expr) -> int | None:
    """Sign of a real algebraic number, with 0 proved by a separation bound.

    Parameters
    ----------
    formula : sympy.Expr
        Rationals, roots, absolute values, and trigonometric functions of rational multiples of
        pi; without symbols.

    Returns
    -------
    int or None
        -1, 0 or 1; None where the expression is not of this kind, not real, or the bound asks
        for too many digits.

    Examples
    --------
    >>> from sympy import Rational, sqrt
    >>> algebraic_sign(sqrt(5 + 2 * sqrt(6)) - sqrt(2) - sqrt(3))
    0
    >>> algebraic_sign(sqrt(5 + 2 * sqrt(6)) - sqrt(2) - sqrt(3) + Rational(1, 10**40))
    1
    """
    try:
        bits = separation_bits(formula)
    except _NotAlgebraicError:
        bits = None
    for precision in (53, 200) if bits is None else _precisions(bits):
        try:
            value = enclose(formula, {}, precision)
        except EvaluationError:
            continue
        if excludes_zero(value):
            low, _ = interval(value, 53)
            return 1 if libmp.mpf_sign(low) > 0 else -1
        if value == 0 or (bits is not None and _is_below(value, bits)):
            return 0
    return None


def separation_bits(formula: sp.Expr) -> int:
    """Return B such that the number is 0 or at least 2**-B."""
    bounds = _Bounds()
    size = bounds.of(formula)
    degree = bounds.degree()
    bits = size.u * (degree - 1) + size.l
    # The logarithms are rounded: a thousandth of them is far more than they are off.
    bits = ceil(max(bits, 0) * 1.001) + 8
    if bits > _MAX_BITS:
        raise _NotAlgebraicError
    return bits


def _precisions(bits: int) -> list[int]:
    """Growing precisions, the last of them sufficient."""
    steps = [53]
    while steps[-1] < bits + 60:
        steps.append(min(3 * steps[-1], bits + 60))
    return [*steps, bits + 400]


def _is_below(value: Value, bits: int) -> bool:
    """Tell whether the whole enclosure is within 2**-bits of 0."""
    low, high = interval(value, 53)
    bound = libmp.mpf_shift(libmp.fone, -bits)
    return bool(
        libmp.mpf_lt(libmp.mpf_abs(low), bound) and libmp.mpf_lt(libmp.mpf_abs(high), bound)
    )


class _Bounds:
    """One walk over an expression: sizes of subexpressions, and the roots that occur."""

    def __init__(self) -> None:
        self._roots: dict[tuple[sp.Expr, int], int] = {}
        self._conductor = 1
        self._known: dict[sp.Expr, _Size] = {}

    def degree(self) -> int:
        """Bound the degree of the field in which everything lies."""
        total = int(sp.totient(self._conductor)) if self._conductor > 1 else 1
        for order in self._roots.values():
            total *= order
        return total

    def of(self, formula: sp.Expr) -> _Size:
        known = self._known.get(formula)
        if known is None:
            known = self._known[formula] = self._bound(formula)
        return known

    def _bound(self, formula: sp.Expr) -> _Size:
        if isinstance(formula, sp.Rational):
            return _Size(_log2(abs(int(formula.p))), _log2(int(formula.q)))
        if isinstance(formula, sp.Add):
            return _sum([self.of(term) for term in formula.args])
        if isinstance(formula, sp.Mul):
            sizes = [self.of(factor) for factor in formula.args]
            return reduce(lambda a, b: _Size(a.u + b.u, a.l + b.l), sizes)
        if isinstance(formula, sp.Pow) and isinstance(formula.exp, sp.Rational):
            return self._power(formula.base, int(formula.exp.p), int(formula.exp.q))
        if isinstance(formula, sp.Abs):
            return self.of(formula.args[0])
        if isinstance(formula, sp.cos | sp.sin):
            return self._cosine(formula.args[0] / sp.pi)
        if isinstance(formula, sp.sec | sp.csc):
            cosine = self._cosine(formula.args[0] / sp.pi)
            return _Size(cosine.l, cosine.u)
        if isinstance(formula, sp.tan | sp.cot):
            cosine = self._cosine(formula.args[0] / sp.pi)
            return _Size(cosine.u + cosine.l, cosine.u + cosine.l)
        raise _NotAlgebraicError

    def _power(self, base: sp.Expr, p: int, q: int) -> _Size:
        size = self.of(base)
        if q > 1:
            self._roots[base, q] = q
            size = (
                _Size((size.u + (q - 1) * size.l) / q, size.l)
                if size.u >= size.l
                else _Size(size.u, ((q - 1) * size.u + size.l) / q)
            )
        return _Size(p * size.u, p * size.l) if p >= 0 else _Size(-p * size.l, -p * size.u)

    def _cosine(self, turn: Any) -> _Size:
        """Bound cos(turn pi) = (z + 1/z)/2 for a root of unity z."""
        if not isinstance(turn, sp.Rational):
            raise _NotAlgebraicError
        # Sines are cosines of pi/2 less the angle: a fourth root of unity serves both.
        self._conductor = lcm(self._conductor, 4, 2 * int(turn.q))
        if self._conductor > _MAX_CONDUCTOR:
            raise _NotAlgebraicError
        return _Size(1, 1)


def _sum(sizes: list[_Size]) -> _Size:
    """Bring terms over the product of their denominators."""
    common = sum(size.l for size in sizes)
    return _Size(max(size.u + common - size.l for size in sizes) + log2(len(sizes)), common)


def _log2(n: int) -> float:
    """Bound the binary logarithm from above."""
    return float(n.bit_length()) if n.bit_length() > 900 else (log2(n) if n > 1 else 0.0)
