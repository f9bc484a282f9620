"""Rational points at which a formula is provably not zero."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from random import Random

import sympy as sp
from sympy import QQ

from ehf_sym.zero.enclosure import (
    UndefinedError,
    UnknownFunctionError,
    UnresolvedError,
    Value,
    enclose,
    excludes_zero,
)
from ehf_sym.zero.normal_form import NormalForm
from ehf_sym.zero.polynomials import Poly, evaluated

QUICK = (53, 200)
THOROUGH = (53, 200, 1000)
# A constant has one point only: it gets more digits instead.
EXHAUSTIVE = (53, 200, 1000, 5000)

_SIMPLE = tuple(
    sp.Rational(*pair)
    for pair in (
        *((1, 1), (2, 1), (1, 2), (3, 1), (1, 3), (3, 2)),
        *((2, 3), (4, 1), (1, 4), (5, 1), (1, 5)),
    )
)
_SCALES = tuple(
    sp.Rational(*pair) for pair in ((1, 1), (1, 8), (8, 1), (1, 64), (100, 1), (10_000, 1))
)
_MAX_DRAWS = 40

Point = Mapping[sp.Symbol, sp.Rational]


@dataclass(frozen=True, slots=True)
class Probe:
    """A point at which the formula is real and defined, with its enclosed value."""

    point: Point
    value: Value
    precision: int

    @property
    def refutes(self) -> bool:
        """Whether the value is provably not zero."""
        return excludes_zero(self.value)


def probe(formula: sp.Expr, point: Point, precisions: Sequence[int]) -> Probe | None:
    """Evaluate at growing precision; None where the formula is not seen to be defined."""
    found = None
    for precision in precisions:
        try:
            found = Probe(point, enclose(formula, point, precision), precision)
        except UnresolvedError:
            continue
        except (UndefinedError, UnknownFunctionError):
            return None
        if found.refutes or isinstance(found.value, Fraction):
            break
    return found


def probes(formula: sp.Expr, points: Iterable[Point], precisions: Sequence[int]) -> Iterator[Probe]:
    """Evaluate at many points, leaving out those where the formula is not defined."""
    found = (probe(formula, point, precisions) for point in points)
    return (one for one in found if one is not None)


def points(symbols: Sequence[sp.Symbol]) -> Iterator[Point]:
    """Rational points that respect the symbols' assumptions: simple ones, then scattered ones.

    The sequence is always the same. Without symbols it is the one empty point.

    Examples
    --------
    >>> import sympy as sp
    >>> x, n = sp.Symbol("x", real=True), sp.Symbol("n", integer=True, negative=True)
    >>> next(points([x, n]))
    {x: 1, n: -2}
    """
    if not symbols:
        yield {}
        return
    coordinates = [_Coordinate(frozenset(symbol.assumptions0.items())) for symbol in symbols]
    if not all(coordinate.simple for coordinate in coordinates):
        return
    for turn in range(2 * len(_SIMPLE)):
        yield dict(
            zip(symbols, (c.nearest(turn, i) for i, c in enumerate(coordinates)), strict=True)
        )
    yield {s: c.admitted(sp.S.Zero) for s, c in zip(symbols, coordinates, strict=True)}
    random = Random(0)
    while True:
        scales = random.sample(_SCALES, random.choice((1, 1, len(_SCALES))))
        low = random.choice((-60, 1))
        yield {
            symbol: coordinate.drawn(random, scales, low)
            for symbol, coordinate in zip(symbols, coordinates, strict=True)
        }


def admitted(point: Point) -> bool:
    """Tell whether all coordinates have the properties assumed of their symbols."""
    return all(
        _Coordinate(frozenset(symbol.assumptions0.items())).admits(number)
        for symbol, number in point.items()
    )


def root_free_point(form: NormalForm) -> Point | None:
    """Find a point where a rational function is defined and not zero.

    A polynomial that is not zero has fewer roots in one variable than its degree plus one, so
    that going through the variables one by one ends.
    """
    poly: Poly = form.numerator
    for factor, _ in form.denominator:
        poly = poly * factor
    point = {}
    for kernel in form.field.kernels:
        coordinate = _Coordinate(frozenset(kernel.meaning.assumptions0.items()))
        for number in coordinate.integers(form.field.degree(poly, kernel.index) + 1):
            rest = evaluated(poly, {kernel.index: QQ(int(number))})
            if rest:
                poly, point[kernel.meaning] = rest, number
                break
        else:
            return None
    return point


@dataclass(frozen=True, slots=True)
class _Coordinate:
    """Where one coordinate may be: numbers with the properties assumed of its symbol."""

    assumptions: frozenset[tuple[str, bool]]

    @property
    def simple(self) -> tuple[sp.Rational, ...]:
        """Simple numbers, positive ones first."""
        return _simple(self)

    def admits(self, number: sp.Rational) -> bool:
        """Tell whether a number has all the assumed properties."""
        return all(
            getattr(number, f"is_{name}", truth) in {truth, None}
            for name, truth in self.assumptions
        )

    def admitted(self, number: sp.Rational, turn: int = 0) -> sp.Rational:
        """Return the number, or a simple one in its place."""
        return number if self.admits(number) else self.simple[turn % len(self.simple)]

    def nearest(self, turn: int, place: int) -> sp.Rational:
        """Return a simple number: positive in even turns, of both signs in odd ones."""
        shift, mixed = divmod(turn, 2)
        number = _SIMPLE[(shift + (shift + 1) * place) % len(_SIMPLE)]
        return self.admitted(-number if mixed and place % 2 == 0 else number, turn + place)

    def drawn(self, random: Random, scales: Sequence[sp.Rational], low: int) -> sp.Rational:
        """Draw a rational number, or take a simple one if none of the drawn is admitted."""
        for _ in range(_MAX_DRAWS):
            ratio = sp.Rational(random.randint(low, 60), random.randint(1, 12))
            number = random.choice(scales) * ratio
            if self.admits(number):
                return number
        return random.choice(self.simple)

    def integers(self, count: int) -> Iterator[sp.Integer]:
        """So many integers, the small ones first."""
        candidates = (sp.Integer(sign * n) for n in range(1, 20 * count + 20) for sign in (1, -1))
        return islice((n for n in candidates if self.admits(n)), count)


@lru_cache(maxsize=256)
def _simple(coordinate: _Coordinate) -> tuple[sp.Rational, ...]:
    """Collect the simple numbers for a coordinate, once."""
    numbers = (*_SIMPLE, *(-number for number in _SIMPLE), sp.S.Zero)
    return tuple(number for number in numbers if coordinate.admits(number))
