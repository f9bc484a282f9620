"""Intervals that contain exp(ε{·, g}) of a point, for given values of the parameters in g."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from fractions import Fraction
from math import isfinite
from numbers import Rational, Real
from numbers import Rational as AnyRational
from typing import Any

import sympy as sp
from mpmath import libmp

from ehf_sym.actions.closed_flow import Chart, ClosedFlow
from ehf_sym.actions.positivity import refuse_zeros
from ehf_sym.actions.validated_flow import enclose_flow, is_narrow
from ehf_sym.enclosures import intervals
from ehf_sym.enclosures.enclosure import enclose_over
from ehf_sym.enclosures.intervals import EvaluationError, Interval
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted

_MAX_RAISES = 4


def parameter_values(
    space: PhaseSpace, generator: sp.Expr, parameters: Mapping[sp.Symbol, Any]
) -> dict[sp.Symbol, sp.Expr]:
    """Read values for the parameters that occur in a generator.

    Raises
    ------
    ArgumentError
        If one is missing, or is no real number.

    Examples
    --------
    >>> m = sp.Symbol("m", positive=True)
    >>> space = PhaseSpace(1, parameters=[m])
    >>> parameter_values(space, space.p[0] ** 2 / (2 * m), {m: 2})
    {m: 2}
    """
    occurring = occurring_parameters(space, generator, parameters)
    return {symbol: _number(parameters[symbol], symbol) for symbol in occurring}


def occurring_parameters(
    space: PhaseSpace, generator: sp.Expr, given: Container[sp.Symbol]
) -> list[sp.Symbol]:
    """Find the parameters in a generator, all of which must be given.

    Raises
    ------
    ArgumentError
        If one is missing.
    """
    occurring = sorted(generator.free_symbols - set(space.coordinates), key=str)
    missing = [symbol for symbol in occurring if symbol not in given]
    if missing:
        raise ArgumentError(f"parameters has no value for {', '.join(map(str, missing))}")
    return occurring


def _number(value: Any, symbol: sp.Symbol) -> sp.Expr:
    """Read one value: an exact number stays exact."""
    complaint = f"the value of {symbol} is {quoted(value)}; it should be a finite real number"
    if isinstance(value, bool):
        raise ArgumentError(complaint)
    if isinstance(value, sp.Expr) and value.is_number and value.is_real:
        return value
    if isinstance(value, Rational):
        return sp.Rational(int(value.numerator), int(value.denominator))
    if isinstance(value, Real) and isfinite(value):
        return sp.Float(float(value), 17)
    raise ArgumentError(complaint)


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
            refuse_zeros(condition.subs(values), start, chart.eps, time)
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


def _exact(value: Any, name: str) -> Fraction:
    """Read a number as a fraction, floats as the binary fractions that they are."""
    if isinstance(value, sp.Rational):
        return Fraction(int(value.p), int(value.q))
    if isinstance(value, sp.Float):
        return Fraction(*libmp.to_rational(value._mpf_))
    if isinstance(value, bool) or not isinstance(value, Real | AnyRational):
        raise ArgumentError(
            f"{name} holds {quoted(value)}; it should be an int, a Fraction or a float"
        )
    if isinstance(value, AnyRational):
        return Fraction(int(value.numerator), int(value.denominator))
    if not isfinite(value):
        raise ArgumentError(f"{name} holds {quoted(value)}; it should be finite")
    return Fraction(float(value))


def _rational(value: Fraction) -> sp.Rational:
    return sp.Rational(value.numerator, value.denominator)


def _floats(ends: Interval, precision: int) -> tuple[sp.Float, sp.Float]:
    """Round both ends outwards, to SymPy floats."""
    low, high = libmp.mpi_pos(ends, precision)
    return sp.Float._new(low, precision), sp.Float._new(high, precision)
