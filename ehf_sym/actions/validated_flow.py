"""Rigorous integration of ṡ = X(s): intervals that contain the true solution.

Each step has two parts. By Picard–Lindelöf, if box + [0, h] X(B) lies in B, the solution from every
point of the box exists up to h and stays in B. Then the Taylor polynomial at the box, coefficient
by coefficient from the formula, plus h^{N+1} times the coefficient of order N + 1 over B, contains
s(h). All of it is interval arithmetic rounded outwards. Starting from a point, boxes are so narrow
that their wrapping is outweighed by a few more digits: the precision is raised until the answer is
as narrow as was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import sympy as sp
from mpmath import libmp

from ehf_sym.enclosures import intervals
from ehf_sym.enclosures.enclosure import UnknownFunctionError, enclose_over
from ehf_sym.enclosures.intervals import EvaluationError, Interval, UnresolvedError, Value
from ehf_sym.errors import ActionError

_ZERO = Fraction(0)
Box = dict[sp.Symbol, Interval]
"""An interval for each coordinate."""
_MAX_STEPS = 2000
_SMALLEST_STEP = Fraction(1, 2**24)  # of the whole time
_MAX_RAISES = 6
_INFLATIONS = 4


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
    >>> from ehf_sym.enclosures.intervals import interval
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


def enclose_flow(
    field: Mapping[sp.Symbol, sp.Expr],
    start: Mapping[sp.Symbol, Fraction],
    time: Fraction,
    digits: int,
) -> Box:
    """Enclose the solution of ṡ = X(s) at a time.

    Parameters
    ----------
    field : mapping of sympy.Symbol to sympy.Expr
        X, without other symbols.
    start : mapping of sympy.Symbol to Fraction
        s(0).
    time : Fraction
        When; may be negative.
    digits : int
        The widths of the intervals are at most 10^−digits times max(1, |s|).

    Returns
    -------
    mapping of sympy.Symbol to interval
        The true s(time) lies in it.

    Raises
    ------
    ActionError
        If the solution is not shown to exist up to that time, or not to that many digits.

    Examples
    --------
    >>> q, p = sp.symbols("q p", real=True)
    >>> box = enclose_flow({q: p, p: -q}, {q: Fraction(1), p: Fraction(0)}, Fraction(1), 10)
    >>> [libmp.to_str(end, 8) for end in box[q]]
    ['0.54030231', '0.54030231']
    """
    if time < 0:
        field, time = {x: -component for x, component in field.items()}, -time
    precision = max(53, int(3.33 * digits) + 24)
    for _ in range(_MAX_RAISES):
        box = _Integration(field, precision).run(start, time)
        if all(is_narrow(ends, digits) for ends in box.values()):
            return box
        precision += precision // 2
    raise ActionError(f"the flow is not enclosed to {digits} digits: the intervals widen too fast")


def is_narrow(ends: Interval, digits: int) -> bool:
    """Whether an interval is at most 10^−digits times max(1, |s|) wide."""
    low, high = ends
    width = Fraction(*libmp.to_rational(libmp.mpf_sub(high, low, 53, libmp.round_ceiling)))
    size = max(abs(Fraction(*libmp.to_rational(end))) for end in ends)
    return bool(width * 10**digits <= max(Fraction(1), size))


class _Integration:
    """One pass at a fixed precision."""

    def __init__(self, field: Mapping[sp.Symbol, sp.Expr], precision: int) -> None:
        self.field = field
        self.precision = precision
        self.order = max(12, precision // 4)

    def run(self, start: Mapping[sp.Symbol, Fraction], time: Fraction) -> Box:
        """Step until the time is reached."""
        box = {x: self._interval(value) for x, value in start.items()}
        passed = Fraction(0)
        for _ in range(_MAX_STEPS):
            if passed == time:
                return box
            try:
                box, step = self._step(box, time - passed, time * _SMALLEST_STEP)
            except EvaluationError as error:
                raise ActionError(
                    f"the flow is not shown to exist beyond |ε| = {float(passed):.6g}: it blows "
                    "up, or its generator is not smooth there"
                ) from error
            passed += step
        raise ActionError(f"the flow needs more than {_MAX_STEPS} steps")

    def _step(self, box: Box, left: Fraction, smallest: Fraction) -> tuple[Box, Fraction]:
        """Go as far as the series allows, at most what is left."""
        series = TaylorSeries(self.field, box, self.precision)
        step = min(left, self._suggested(series, left))
        while step >= min(smallest, left):
            try:
                outer = self._a_priori(box, step)
                if outer is not None:
                    return self._advanced(series, outer, step), step
            except EvaluationError:
                pass  # the outer box reaches too far
            step /= 2
        raise UnresolvedError

    def _suggested(self, series: TaylorSeries, longest: Fraction) -> Fraction:
        """Step, a power of 2, at which the last terms are as small as the rounding."""
        exponents = []
        for x in self.field:
            scale = max(0, _exponent(series.coefficient(x, 0)))
            for k in (self.order - 1, self.order):
                coefficient = series.coefficient(x, k)
                if intervals.interval(coefficient, 53) != (libmp.fzero, libmp.fzero):
                    exponents.append((scale - self.precision - _exponent(coefficient)) // k)
        return Fraction(2) ** min(exponents) if exponents else longest

    def _a_priori(self, box: Box, step: Fraction) -> Box | None:
        """Box B with box + [0, h] X(B) inside B, if a few inflations find one."""
        span = (libmp.fzero, self._interval(step)[1])
        guess = self._moved(box, box, span)
        for _ in range(_INFLATIONS):
            guess = {x: self._inflated(guess[x], box[x]) for x in box}
            image = self._moved(box, guess, span)
            if all(_inside(image[x], guess[x]) for x in box):
                return guess
            guess = {x: _hull(guess[x], image[x]) for x in box}
        return None

    def _moved(self, box: Box, where: Box, span: Interval) -> Box:
        """Enclose s + [0, h] X(where)."""
        series = TaylorSeries(self.field, where, self.precision)
        moved: Box = {}
        for x in box:
            slope = series.coefficient(self.field[x], 0)
            change = intervals.multiply(slope, span, self.precision)
            moved[x] = self._interval(intervals.add(box[x], change, self.precision))
        return moved

    def _inflated(self, ends: Interval, core: Interval) -> Interval:
        """Widen by a quarter of the way from the core, and a little."""
        low, high = ends
        precision = self.precision
        reach = libmp.mpf_sub(high, low, precision, libmp.round_ceiling)
        low_size, high_size = libmp.mpf_abs(core[0]), libmp.mpf_abs(core[1])
        size = high_size if libmp.mpf_gt(high_size, low_size) else low_size
        margin = libmp.mpf_add(
            libmp.mpf_shift(reach, -2), libmp.mpf_shift(size, 8 - precision), precision
        )
        margin = libmp.mpf_add(margin, libmp.mpf_shift(libmp.fone, 8 - 2 * precision), precision)
        return (
            libmp.mpf_sub(low, margin, precision, libmp.round_floor),
            libmp.mpf_add(high, margin, precision, libmp.round_ceiling),
        )

    def _advanced(self, series: TaylorSeries, outer: Box, step: Fraction) -> Box:
        """Taylor polynomial at the box, and the remainder over the outer box."""
        remainder = TaylorSeries(self.field, outer, self.precision)
        end: Box = {}
        for x in self.field:
            value = remainder.coefficient(x, self.order + 1)
            for k in range(self.order, -1, -1):
                scaled = intervals.multiply(value, step, self.precision)
                value = intervals.add(series.coefficient(x, k), scaled, self.precision)
            end[x] = self._interval(value)
        return end

    def _interval(self, value: Value) -> Interval:
        return intervals.interval(value, self.precision)


def _exponent(value: Value) -> int:
    """Exponent e with |value| < 2^e; very low for 0."""
    ends = intervals.interval(value, 53)
    return max((end[2] + end[3] for end in ends if end[1]), default=-(2**20))


def _inside(inner: Interval, outer: Interval) -> bool:
    return bool(libmp.mpf_le(outer[0], inner[0]) and libmp.mpf_le(inner[1], outer[1]))


def _hull(a: Interval, b: Interval) -> Interval:
    low = a[0] if libmp.mpf_le(a[0], b[0]) else b[0]
    high = a[1] if libmp.mpf_ge(a[1], b[1]) else b[1]
    return low, high
