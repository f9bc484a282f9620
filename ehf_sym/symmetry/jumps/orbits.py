"""Two points of one orbit at which a formula has different values, on either side of a wall."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice, product
from typing import Any, TypeAlias

import sympy as sp

from ehf_sym import clock
from ehf_sym.actions.closed_flow import Chart, ClosedFlow
from ehf_sym.actions.linear_flows import affine_flow
from ehf_sym.actions.matrix_exponential import NoClosedFormError, UnknownSignError
from ehf_sym.actions.validated_flow import enclose_flow
from ehf_sym.clock import OutOfTimeError
from ehf_sym.enclosures import intervals
from ehf_sym.enclosures.enclosure import bounds, enclose_over, excludes_zero
from ehf_sym.enclosures.intervals import EvaluationError, Value
from ehf_sym.errors import ActionError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import record_text
from ehf_sym.symmetry.jumps.walls import UNDEFINED, Walls, differentiable
from ehf_sym.zero.witness import Point, admitted, points, thin_points

_SECONDS = 5.0
_PRECISION = 120
_DIGITS = 25
_STARTS = 60
_TIMES = tuple(sp.Rational(n, d) for d in (1, 2, 8) for m in (1, 2, 3, 5) for n in (m, -m))
_TURNS = (sp.pi, sp.pi / 2)

Number: TypeAlias = "sp.Rational | tuple[sp.Float, sp.Float]"
"""Exact, or two numbers with the number between them."""


@dataclass(frozen=True)
class Crossing:
    """Two points of one orbit, and the different values that a function f has there.

    Attributes
    ----------
    surfaces : tuple of sympy.Expr
        Each b whose sign differs: b = 0 lies between the points.
    start : mapping of sympy.Symbol to sympy.Rational
        s, and values of parameters; a symbol that is missing does not matter.
    eps : sympy.Expr
        The time ε.
    end : mapping of sympy.Symbol to number
        exp(ε{·, g}) s, exact or enclosed.
    values : pair of number or None
        f at both points; None where f is not defined.
    """

    surfaces: tuple[sp.Expr, ...]
    start: Mapping[sp.Symbol, sp.Rational]
    eps: sp.Expr
    end: Mapping[sp.Symbol, Number]
    values: tuple[Number | None, Number | None]

    __repr__ = record_text

    @property
    def difference(self) -> Number | None:
        """Value at the end minus that at the start, if there are both."""
        before, after = self.values
        if before is None or after is None:
            return None
        (low, high), (lowest, highest) = _ends(before), _ends(after)
        if low == high and lowest == highest:
            return lowest - low
        return lowest - high, highest - low


def find_crossing(
    walls: Walls, g: sp.Expr, space: PhaseSpace, near: Iterable[Point] = ()
) -> Crossing | None:
    """Search for two points of one orbit of a generator at which a function differs.

    Both points lie off all walls, so that the values differ in neighbourhoods of them as well.

    Parameters
    ----------
    walls : Walls
        Of the function.
    g : sympy.Expr
        The generator.
    space : PhaseSpace
        The coordinates.
    near : iterable of points
        Where to begin; symbols that are missing get simple values.

    Examples
    --------
    >>> from ehf_sym.symmetry.jumps.walls import walls_of
    >>> space = PhaseSpace(1)
    >>> (q1,), (p1,) = space.q, space.p
    >>> crossing = find_crossing(walls_of(sp.sign(q1)), p1, space)
    >>> crossing.start, crossing.eps, crossing.end, crossing.values
    ({q1: 1, p1: 2}, -2, {q1: -1, p1: 2}, (1, -1))
    """
    try:
        with clock.time_limit(_SECONDS):
            return _Search(walls, g, space).run(near)
    except OutOfTimeError:
        return None


class _Search:
    """One function, one generator: points that are tried one after the other."""

    def __init__(self, walls: Walls, g: sp.Expr, space: PhaseSpace) -> None:
        self._walls = walls
        self._inside: sp.Expr = sp.S.One
        self._formula = walls.formula
        if walls.formula.has(UNDEFINED):
            (self._formula, defined), _ = walls.formula.args
            self._inside = sp.Piecewise((1, defined), (0, True))
        occurring = walls.formula.free_symbols | g.free_symbols
        self._coordinates = [x for x in space.coordinates if x in occurring]
        self._symbols = [*self._coordinates, *(x for x in space.parameters if x in occurring)]
        velocity = dict(zip(space.coordinates, space.vector_field(differentiable(g)), strict=True))
        self._field = {x: velocity[x] for x in self._coordinates}
        self._g, self._space = g, space
        self._flows: dict[sp.Expr, ClosedFlow | None] = {}

    def run(self, near: Iterable[Point]) -> Crossing | None:
        """Move points across walls, as far as their velocities say, and then by fixed times."""
        starts = [*self._completed(near), *islice(self._starts(), _STARTS)]
        for times in (self._times_to_walls, lambda start: iter(_TIMES)):
            for start in starts:
                if (before := self._value(start)) is None:
                    continue
                for eps in times(start):
                    crossing = self._tried(start, before, eps)
                    if crossing is not None:
                        return crossing
        return None

    def _completed(self, near: Iterable[Point]) -> Iterator[Point]:
        """Points with simple values for what is missing."""
        for simple, known in product(islice(points(self._symbols), 2), list(near)):
            point = {x: known.get(x, u) for x, u in simple.items()}
            if admitted(point):
                yield point

    def _starts(self) -> Iterator[Point]:
        """Take simple points, and some in every cell that conditions cut."""
        first = list(islice(points(self._symbols), 8))
        between = filter(admitted, thin_points(self._walls.formula, self._symbols, first))
        return chain(
            first[:2], islice(between, _STARTS // 2), islice(points(self._symbols), 2, None)
        )

    def _times_to_walls(self, start: Point) -> Iterator[sp.Expr]:
        """Half turns, and times after which walls are about as far away on the other side."""
        yield from _TURNS
        for b in self._walls.surfaces:
            rate = sp.Add(*(b.diff(x) * v for x, v in self._field.items()))
            place, speed = (sp.N(u.xreplace(dict(start))) for u in (b, rate))
            if place.is_Float and speed.is_Float and speed != 0:
                time = -2 * place / speed
                if 0 < abs(time) < 1000:
                    eps = Fraction(float(time))
                    near = next(a for k in (1, 2, 8, 10**3, 10**9, 10**18)
                                if (a := eps.limit_denominator(k)) or k == 10**18)  # fmt: skip
                    yield sp.Rational(near.numerator, near.denominator)

    def _tried(self, start: Point, before: tuple[Value | None], eps: sp.Expr) -> Crossing | None:
        """Compare the values at both ends of a piece of an orbit."""
        end = self._moved(start, eps)
        after = None if end is None else self._value(end)
        if end is None or after is None or not _differ(before[0], after[0]):
            return None
        signs = [(b, self._sign(b, start), self._sign(b, end)) for b in self._walls.surfaces]
        crossed = tuple(b for b, one, other in signs if one != other)
        return Crossing(
            surfaces=crossed or self._walls.surfaces[:1],
            start=dict(start),
            eps=eps,
            end={x: _shown(end[x]) for x in self._coordinates},
            values=(_shown(before[0]), _shown(after[0])),
        )

    def _value(self, place: Mapping[sp.Symbol, Any]) -> tuple[Value | None] | None:
        """Value of the function off all walls, None in a tuple if undefined; None if not seen."""
        at = {x: _exact(u) for x, u in place.items()}
        try:
            if not all(
                excludes_zero(enclose_over(b, at, _PRECISION)) for b in self._walls.surfaces
            ):
                return None
            if enclose_over(self._inside, at, _PRECISION) == 0:
                return (None,)
            return (enclose_over(self._formula, at, _PRECISION),)
        except EvaluationError:
            return None

    def _sign(self, b: sp.Expr, place: Mapping[sp.Symbol, Any]) -> int:
        at = {x: _exact(u) for x, u in place.items()}
        return intervals.sign(enclose_over(b, at, _PRECISION))

    def _moved(self, start: Point, eps: sp.Expr) -> dict[sp.Symbol, Any] | None:
        """Image of a point: rational numbers if it has such, else intervals."""
        fixed = {x: u for x, u in start.items() if x not in self._field}
        flow = self._affine(self._g.xreplace(fixed))
        if flow is not None:
            values = {**dict(start), self._chart.eps: eps}
            image = {x: flow.of(x).subs(values) for x in self._coordinates}
            if all(isinstance(u, sp.Rational) for u in image.values()):
                return {**fixed, **image}
        if not isinstance(eps, sp.Rational):
            return None
        if flow is not None:
            return {**fixed, **self._enclosed(flow, start, eps)}
        field = {x: v.xreplace(fixed) for x, v in self._field.items()}
        at = {x: _fraction(start[x]) for x in self._coordinates}
        try:
            box = enclose_flow(field, at, _fraction(eps), _DIGITS)
        except (ActionError, EvaluationError):
            return None
        return {**fixed, **box}

    def _enclosed(self, flow: ClosedFlow, start: Point, eps: sp.Rational) -> dict[sp.Symbol, Any]:
        at = {x: _exact(u) for x, u in {**start, self._chart.eps: eps}.items()}
        return {x: enclose_over(flow.of(x), at, _PRECISION) for x in self._coordinates}

    @property
    def _chart(self) -> Chart:
        return Chart(self._space.q, self._space.p, sp.Symbol("_eps", real=True))

    def _affine(self, g: sp.Expr) -> ClosedFlow | None:
        """Flow of a quadratic generator in closed form."""
        if g not in self._flows:
            try:
                self._flows[g] = affine_flow(g, self._chart)
            except (NoClosedFormError, UnknownSignError):
                self._flows[g] = None
        return self._flows[g]


def _fraction(u: sp.Rational) -> Fraction:
    return Fraction(int(u.p), int(u.q))


def _exact(u: Any) -> Value:
    return _fraction(u) if isinstance(u, sp.Rational) else u


def _differ(before: Value | None, after: Value | None) -> bool:
    """Whether two values are shown to be different; None is that of no value."""
    if before is None or after is None:
        return (before is None) is not (after is None)
    minus = intervals.multiply(Fraction(-1), before, _PRECISION)
    return excludes_zero(intervals.add(after, minus, _PRECISION))


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, sp.Rational):
        return value
    if isinstance(value, Fraction):
        return sp.Rational(value.numerator, value.denominator)
    return bounds(value)


def _ends(number: Number) -> Sequence[sp.Number]:
    return number if isinstance(number, tuple) else (number, number)
