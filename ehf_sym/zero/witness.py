"""Rational points where a formula is real, however thin its domain, and provably not zero.

Roots, logarithms and inverse functions are real where certain parts are not negative. Along a
line that is parallel to an axis, polynomial parts change signs at their roots only: between two
neighbouring roots one point stands for all. Conditions of ``Piecewise`` cut the line as well; where
they are equations, the roots themselves matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, islice, pairwise, product
from random import Random
from typing import Any

import sympy as sp
from sympy import QQ
from sympy.core.relational import Relational
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.clock import check_time, interrupted
from ehf_sym.enclosures.enclosure import (
    UndefinedError,
    UnknownFunctionError,
    UnresolvedError,
    Value,
    enclose,
    excludes_zero,
)
from ehf_sym.normal_forms.kernels import Poly, evaluated
from ehf_sym.normal_forms.normal_form import NormalForm

_MAX_DEGREE = 12
_MAX_PARTS = 12
_MAX_NODES = 400
_MAX_REGIONS = 4
_WIDTH = sp.Rational(1, 10**6)

Point = Mapping[sp.Symbol, sp.Rational]

_REQUIRED: dict[Any, Callable[[sp.Expr], tuple[sp.Expr, ...]]] = {
    sp.log: lambda u: (u,),
    sp.asin: lambda u: (1 - u, 1 + u),
    sp.acos: lambda u: (1 - u, 1 + u),
    sp.atanh: lambda u: (1 - u, 1 + u),
    sp.acosh: lambda u: (u - 1,),
}
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


def thin_points(
    formula: sp.Expr, symbols: Sequence[sp.Symbol], starts: Iterable[Point]
) -> Iterator[Point]:
    """Move points along the axes to where all polynomial parts have the signs they should.

    Parameters
    ----------
    formula : sympy.Expr
        A formula in real symbols.
    symbols : sequence of sympy.Symbol
        Its symbols.
    starts : iterable of points
        Where to begin.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> next(thin_points(sp.log(x - 50) * sp.asin(x - 60), [x], [{x: sp.Integer(1)}]))
    {x: 60}
    """
    required, others = _parts(formula)
    if not required and not others:
        return
    regions = [*([*required, *inside] for inside in _beside_equations(formula)), required]
    for start, region in product(starts, regions):
        point = dict(start)
        for x in (*symbols, *symbols):
            check_time()
            yield from _on_line(region, others, point, x)


def _beside_equations(formula: sp.Expr) -> Iterator[list[sp.Expr]]:
    """Collect what must be positive together with an equation: its curve is looked at there."""
    for joint in sorted(formula.atoms(sp.And), key=sp.default_sort_key)[:_MAX_REGIONS]:
        if any(isinstance(part, sp.Eq) for part in joint.args):
            yield [part.gts - part.lts for part in joint.args if hasattr(part, "gts")]


def _parts(formula: sp.Expr) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """Collect numerators and denominators that must not be negative, and those that cut."""
    required: list[sp.Expr] = []
    others: list[sp.Expr] = []
    for count, part in enumerate(sp.preorder_traversal(formula)):
        if count > _MAX_NODES:
            break
        if isinstance(part, sp.Pow) and not part.exp.is_Integer and not part.base.is_number:
            required.append(part.base)
        elif part.func in _REQUIRED:
            required.extend(_REQUIRED[part.func](part.args[0]))
        elif isinstance(part, Relational):
            others.append(part.lhs - part.rhs)
        elif isinstance(part, sp.Max | sp.Min):
            others.extend(a - b for a, b in combinations(part.args, 2))
        elif isinstance(part, sp.Abs | sp.sign | sp.Heaviside):
            others.append(part.args[0])
    return list(dict.fromkeys(required))[:_MAX_PARTS], list(dict.fromkeys(others))[:_MAX_PARTS]


def _on_line(
    required: Sequence[sp.Expr],
    others: Sequence[sp.Expr],
    point: dict[sp.Symbol, sp.Rational],
    x: sp.Symbol,
) -> Iterator[Point]:
    """Points of one line where all is well; the start of the next line is the best of them."""
    fixed = {symbol: number for symbol, number in point.items() if symbol != x}
    conditions = [poly for part in required if (poly := _polynomial(part, fixed, x)) is not None]
    cuts = [poly for part in others if (poly := _polynomial(part, fixed, x)) is not None]
    roots = sorted({end for poly in (*conditions, *cuts) for end in _roots(poly)})
    on_curves = [root for root in roots if any(poly.eval(root) == 0 for poly in cuts)]
    signed = {s for s in fixed if s.is_extended_nonnegative or s.is_extended_nonpositive}
    mirrored = {s: number if s in signed else -number for s, number in fixed.items()}
    for root in on_curves:
        if all(poly.eval(root) >= 0 for poly in conditions):
            yield {**fixed, x: root}
            yield {**mirrored, x: root}
    most = -1
    for number in _between(roots):
        satisfied = sum(bool(poly.eval(number) >= 0) for poly in conditions)
        if satisfied > most:
            most = satisfied
            point[x] = number
        if satisfied == len(conditions):
            yield {**fixed, x: number}


def _polynomial(part: sp.Expr, fixed: Point, x: sp.Symbol) -> sp.Poly | None:
    """Restrict a rational part to a line: its numerator times its denominator."""
    if not part.is_rational_function(*part.free_symbols):
        return None
    try:
        top, bottom = sp.fraction(sp.together(part.xreplace(dict(fixed))))
        if not (top * bottom).has(x):
            return None
        poly = sp.Poly(top * bottom, x, domain="QQ")
    except (BasePolynomialError, ValueError, ZeroDivisionError):
        return None
    return poly if 0 < poly.degree() <= _MAX_DEGREE else None


def _roots(poly: sp.Poly) -> list[sp.Rational]:
    """Rational numbers next to the real roots, or equal to them."""
    if poly.degree() == 1:
        return [-poly.coeff_monomial(1) / poly.LC()]
    isolated = interrupted(lambda: poly.intervals(eps=_WIDTH))
    return [end for interval, _ in isolated for end in interval]


def _between(roots: Sequence[sp.Rational]) -> Iterator[sp.Rational]:
    """Points that the roots separate, simple ones where there are some."""
    if not roots:
        return
    for low, high in pairwise(roots):
        width = high - low
        inner = sp.floor(low) + 1
        if inner < high:
            yield sp.Rational(inner)
        yield low + width / 2
        yield low + width / 8
        yield high - width / 8
    for distance in (1, sp.Rational(1, 8), 8, 64, 1000):
        yield roots[-1] + distance
        yield roots[0] - distance


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
