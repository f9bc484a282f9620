"""Intervals that contain exp(ε{·, g}) of a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import isfinite
from numbers import Rational as AnyRational
from numbers import Real
from typing import Any

import sympy as sp
from mpmath import libmp

from ehf_sym.errors import ActionError, ArgumentError
from ehf_sym.flows.closed_flow import Chart, ClosedFlow
from ehf_sym.flows.validated_flow import enclose_flow, is_narrow
from ehf_sym.zero import intervals
from ehf_sym.zero.enclosure import enclose_over
from ehf_sym.zero.intervals import EvaluationError, Interval

_MAX_PIECES = 2000
_MAX_RAISES = 4


def enclosed_action(
    generator: sp.Expr,
    chart: Chart,
    closed: ClosedFlow | None,
    point: Sequence[Any],
    eps: Any,
    parameters: Mapping[sp.Symbol, Any],
    digits: int,
) -> tuple[tuple[sp.Float, sp.Float], ...]:
    """Enclose Φ_ε(s), by a proved closed form if one is given; the work of `FiniteAction.enclose`.

    Examples
    --------
    >>> q, p, eps = sp.symbols("q p epsilon", real=True)
    >>> low, high = enclosed_action(p, Chart((q,), (p,), eps), None, [1, 0], 2, {}, 15)[0]
    >>> low <= 3 <= high
    True
    """
    coordinates = chart.coordinates
    if len(point) != len(coordinates):
        raise ArgumentError(f"point has {len(point)} numbers; it should have {len(coordinates)}")
    if not isinstance(digits, int) or isinstance(digits, bool) or not 1 <= digits <= 1000:
        raise ArgumentError(f"digits is {digits!r}; it should be an integer from 1 to 1000")
    start = {x: _exact(u, "point") for x, u in zip(coordinates, point, strict=True)}
    time = _exact(eps, "eps")
    values = {symbol: _rational(_exact(u, str(symbol))) for symbol, u in parameters.items()}
    box = None
    if closed is not None:
        formula = {x: closed.of(x).subs(values) for x in coordinates}
        for condition in closed.positive:
            _stays_positive(condition.subs(values), start, chart.eps, time)
        box = _evaluated(formula, {**start, chart.eps: time}, digits)
    if box is None:
        field = (component.subs(values) for component in chart.vector_field(generator))
        box = enclose_flow(dict(zip(coordinates, field, strict=True)), start, time, digits)
    precision = int(3.33 * digits) + 24
    return tuple(_floats(box[x], precision) for x in coordinates)


def _evaluated(
    formula: Mapping[sp.Symbol, sp.Expr], at: Mapping[sp.Symbol, Fraction], digits: int
) -> dict[sp.Symbol, Interval] | None:
    """Values of a closed form; None if they are not enclosed to that many digits."""
    precision = int(3.33 * digits) + 24
    for _ in range(_MAX_RAISES):
        try:
            box = {
                x: intervals.interval(enclose_over(u, at, precision), precision)
                for x, u in formula.items()
            }
        except EvaluationError:
            return None
        if all(is_narrow(ends, digits) for ends in box.values()):
            return box
        precision *= 2
    return None


def _stays_positive(
    condition: sp.Expr, start: Mapping[sp.Symbol, Fraction], eps: sp.Symbol, time: Fraction
) -> None:
    """Show that a condition, positive at ε = 0, stays so up to a time."""
    pieces = [(Fraction(0), time)]
    for _ in range(_MAX_PIECES):
        if not pieces:
            return
        near, far = pieces.pop()
        low, high = sorted((near, far))
        span = (intervals.interval(low, 100)[0], intervals.interval(high, 100)[1])
        for place in (span, far):
            try:
                known = intervals.sign(enclose_over(condition, {**start, eps: place}, 100))
            except EvaluationError:
                continue
            if known > 0 and place is span:
                break
            if known <= 0:
                raise ActionError(
                    f"the flow does not exist up to ε = {float(time):.6g}: before {float(far):.6g} "
                    f"the condition {condition} > 0 fails"
                )
        else:
            middle = (near + far) / 2
            pieces += [(middle, far), (near, middle)]
    raise ActionError(f"{condition} > 0 is not decided up to ε = {float(time):.6g}")


def _exact(value: Any, name: str) -> Fraction:
    """Read a number as a fraction, floats as the binary fractions that they are."""
    if isinstance(value, sp.Rational):
        return Fraction(int(value.p), int(value.q))
    if isinstance(value, sp.Float):
        return Fraction(*libmp.to_rational(value._mpf_))
    if isinstance(value, bool) or not isinstance(value, Real | AnyRational):
        raise ArgumentError(f"{name} holds {value!r}; it should be an int, a Fraction or a float")
    if isinstance(value, AnyRational):
        return Fraction(int(value.numerator), int(value.denominator))
    if not isfinite(value):
        raise ArgumentError(f"{name} holds {value!r}; it should be finite")
    return Fraction(float(value))


def _rational(value: Fraction) -> sp.Rational:
    return sp.Rational(value.numerator, value.denominator)


def _floats(ends: Interval, precision: int) -> tuple[sp.Float, sp.Float]:
    """Round both ends outwards, to SymPy floats."""
    low, high = libmp.mpi_pos(ends, precision)
    return sp.Float._new(low, precision), sp.Float._new(high, precision)
