"""Taylor series of the solution of ṡ = X(s), coefficient by coefficient, in interval arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import sympy as sp

from ehf_sym.zero import intervals
from ehf_sym.zero.enclosure import UnknownFunctionError, enclose_over
from ehf_sym.zero.intervals import Value

_ZERO = Fraction(0)


class TaylorSeries:
    """Coefficients of s(t) = Σ s_k t^k and of formulas in it, for all s(0) in a box.

    Every coefficient encloses the true one for every starting point in the box, since each is a
    formula in the starting point that is evaluated in interval arithmetic.

    Parameters
    ----------
    field : mapping of sympy.Symbol to sympy.Expr
        X: coordinate -> its derivative.
    start : mapping of sympy.Symbol to interval
        The box.
    precision : int
        Working precision in bits.

    Examples
    --------
    >>> from ehf_sym.zero.intervals import interval
    >>> x = sp.Symbol("x", real=True)
    >>> series = TaylorSeries({x: x}, {x: interval(Fraction(1), 53)}, 53)
    >>> low, high = series.coefficient(x, 2)
    >>> low == high == interval(Fraction(1, 2), 53)[0]
    True
    """

    def __init__(
        self, field: Mapping[sp.Symbol, sp.Expr], start: Mapping[sp.Symbol, Value], precision: int
    ) -> None:
        self.field = field
        self.precision = precision
        self._known: dict[sp.Expr, list[Value]] = {x: [value] for x, value in start.items()}

    def coefficient(self, formula: sp.Expr, k: int) -> Value:
        """Enclose the coefficient of t^k of a formula along the solution.

        Raises
        ------
        EvaluationError
            If the formula is not smooth on the box, or the box is too wide to tell.
        """
        known = self._known.setdefault(formula, [])
        while len(known) <= k:
            known.append(self._next(formula, len(known)))
        return known[k]

    def _next(self, formula: sp.Expr, k: int) -> Value:
        if formula in self.field:
            return self._scaled(self.coefficient(self.field[formula], k - 1), Fraction(1, k))
        if formula.is_number:
            return enclose_over(formula, {}, self.precision) if k == 0 else _ZERO
        if formula.is_Add:
            return self._sum([self.coefficient(a, k) for a in formula.args])
        if formula.is_Mul:
            first, rest = formula.as_two_terms()
            if first.is_number:
                return self._times(self.coefficient(first, 0), self.coefficient(rest, k))
            return self._product(first, rest, k)
        if formula.is_Pow:
            return self._power(formula, k)
        return self._function(formula, k)

    def _power(self, formula: sp.Expr, k: int) -> Value:
        base, exponent = formula.base, formula.exp
        if exponent.is_Integer and exponent > 0:
            half = sp.Pow(base, exponent // 2)
            rest = half if exponent % 2 == 0 else half * base
            if exponent == 2:
                return self._square(base, k)
            return self._product(half, rest, k)
        if not exponent.is_Rational:
            return self._function(sp.exp(exponent * sp.log(base), evaluate=False), k)
        if k == 0:
            value = self.coefficient(base, 0)
            return intervals.power(value, Fraction(exponent.p, exponent.q), self.precision)
        # u = v^r: k v_0 u_k = Σ_{j=1}^{k} (r j − k + j) v_j u_{k−j}.
        order = Fraction(exponent.p, exponent.q)
        terms = [
            self._scaled(
                self._times(self.coefficient(base, j), self.coefficient(formula, k - j)),
                order * j - k + j,
            )
            for j in range(1, k + 1)
        ]
        divisor = self._scaled(self.coefficient(base, 0), Fraction(k))
        return intervals.divide(self._sum(terms), divisor, self.precision)

    def _function(self, formula: sp.Expr, k: int) -> Value:
        """Coefficient of u = F(v): k u_k = Σ_{j=1}^{k} j v_j w_{k−j} with w = F'(v)."""
        if len(formula.args) != 1:
            raise UnknownFunctionError(formula.func)
        argument = formula.args[0]
        if k == 0:
            inner = sp.Dummy("v", real=True)
            value = self.coefficient(argument, 0)
            return enclose_over(formula.func(inner), {inner: value}, self.precision)
        if isinstance(formula, sp.sign):
            return _ZERO  # the sign is known on the box
        slope = sp.sign(argument) if isinstance(formula, sp.Abs) else formula.fdiff()
        terms = [
            self._scaled(
                self._times(self.coefficient(argument, j), self.coefficient(slope, k - j)),
                Fraction(j, k),
            )
            for j in range(1, k + 1)
        ]
        return self._sum(terms)

    def _product(self, a: sp.Expr, b: sp.Expr, k: int) -> Value:
        return self._sum(
            [self._times(self.coefficient(a, j), self.coefficient(b, k - j)) for j in range(k + 1)]
        )

    def _square(self, a: sp.Expr, k: int) -> Value:
        """Coefficient of a²: each product once, and the middle one as a square."""
        terms = [
            self._scaled(
                self._times(self.coefficient(a, j), self.coefficient(a, k - j)), Fraction(2)
            )
            for j in range((k + 1) // 2)
        ]
        if k % 2 == 0:
            terms.append(intervals.power(self.coefficient(a, k // 2), Fraction(2), self.precision))
        return self._sum(terms)

    def _sum(self, terms: Sequence[Value]) -> Value:
        total: Value = _ZERO
        for term in terms:
            if term != 0:
                total = intervals.add(total, term, self.precision)
        return total

    def _times(self, a: Value, b: Value) -> Value:
        return intervals.multiply(a, b, self.precision)

    def _scaled(self, a: Value, factor: Fraction) -> Value:
        return intervals.multiply(a, factor, self.precision)
