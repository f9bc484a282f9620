"""Inverse trigonometric and hyperbolic functions, and the rotations that they stand for.

The hyperbolic ones are logarithms. The others are arcs: angles between -pi/2 and pi/2, known by
their cosine and sine, which are algebraic in the argument. A relation among arcs,
n a = sum m_j a_j + c, shows in the derivatives, where linear algebra finds it; the rotation
by n a - sum m_j a_j, multiplied out, shows what c is up to multiples of 2 pi, and the ranges
of the arcs, with continuity, which multiple it is. Often they admit one only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, lcm

import mpmath
import sympy as sp

from ehf_sym.enclosures.root_bounds import algebraic_sign
from ehf_sym.normal_forms.elementary import Tower
from ehf_sym.normal_forms.kernels import Element, Kernel
from ehf_sym.normal_forms.relations import combination, digits, integer_relation, is_constant
from ehf_sym.normal_forms.signs import Sign

Rotation = tuple[Element, Element]
_HALF = Fraction(1, 2)
_MAX_COEFFICIENT = 40
_MAX_CONSTANT_COEFFICIENT = 200
_ABOVE_HALF_PI = sp.Rational(11, 7)


class Rotations:
    """Arithmetic of rotations (cosine, sine) over the field of a tower."""

    def __init__(self, tower: Tower) -> None:
        self._tower = tower
        self._field = tower.field

    def after(self, a: Rotation, b: Rotation) -> Rotation:
        """Addition formulas."""
        add, multiply = self._field.add, self._field.multiply
        minus = self._field.scale(multiply(a[1], b[1]), -1)
        return (
            add([multiply(a[0], b[0]), minus]),
            add([multiply(a[0], b[1]), multiply(a[1], b[0])]),
        )

    def back(self, a: Rotation) -> Rotation:
        """Rotation by the opposite angle."""
        return a[0], self._field.scale(a[1], -1)

    def power(self, a: Rotation, n: int) -> Rotation:
        """Rotation by n times the angle."""
        result: Rotation = (self._field.constant(1), {})
        square = a if n > 0 else self.back(a)
        n = abs(n)
        while n:
            if n % 2:
                result = self.after(result, square)
            n //= 2
            if n:
                square = self.after(square, square)
        return result

    def product(self, turns: Iterable[tuple[Rotation, int]]) -> Rotation:
        """Rotation by a sum of multiples of angles."""
        result: Rotation = (self._field.constant(1), {})
        for rotation, n in turns:
            result = self.after(result, self.power(rotation, n))
        return result

    def half(self, a: Rotation) -> Rotation:
        """Rotation by half of an angle between -pi/2 and pi/2: the cosine is not negative."""
        half = Fraction(1, 2)
        raised = self._field.add([self._field.constant(half), self._field.scale(a[0], half)])
        cosine = self._tower.root([(raised, 1)], half)
        ratio = self._field.multiply(a[1], self._field.power(cosine, -1))
        return cosine, self._field.scale(ratio, half)

    def equal(self, a: Rotation, b: Rotation) -> bool:
        """Compare normal forms."""
        field = self._field
        gaps = (field.add([x, field.scale(y, -1)]) for x, y in zip(a, b, strict=True))
        return not any(field.single(gap)[0] for gap in gaps)


@dataclass(frozen=True, slots=True)
class Range:
    """An interval of angles in units of pi, and whether its ends are taken."""

    low: Fraction
    high: Fraction
    closed_low: bool = True
    closed_high: bool = True

    def times(self, n: int) -> Range:
        """Range of n times the angle."""
        ends = Range(n * self.low, n * self.high, self.closed_low, self.closed_high)
        return ends if n >= 0 else Range(ends.high, ends.low, ends.closed_high, ends.closed_low)

    def plus(self, other: Range) -> Range:
        """Range of a sum of angles."""
        return Range(
            self.low + other.low,
            self.high + other.high,
            self.closed_low and other.closed_low,
            self.closed_high and other.closed_high,
        )

    def turns(self) -> list[int]:
        """Integers k with 2 k in the range."""
        low, high = ceil(self.low / 2), floor(self.high / 2)
        return [
            k
            for k in range(low, high + 1)
            if (2 * k != self.low or self.closed_low) and (2 * k != self.high or self.closed_high)
        ]


def multiple_of_two_pi(
    tower: Tower, turns: Sequence[tuple[Rotation, int]], rest: Rotation, offset: Range
) -> int | None:
    """Return k in sum n_j a_j = c + 2 pi k, if it is the same everywhere.

    Parameters
    ----------
    tower : Tower
        For signs.
    turns : sequence of (rotation, n)
        The arcs, each between -pi/2 and pi/2.
    rest : rotation
        The rotation by their sum.
    offset : Range
        Where c may be.
    """
    total = offset.times(-1)
    for rotation, n in turns:
        total = total.plus(range_of_arc(tower, rotation).times(n))
    possible = total.turns()
    return possible[0] if len(possible) == 1 else None


def range_of_arc(tower: Tower, rotation: Rotation) -> Range:
    """Narrow [-pi/2, pi/2] by the sign of the sine."""
    cosine, sine = rotation
    upright = _sign(tower, cosine)
    closed = not (upright is not None and upright.strict)
    side = _sign(tower, sine)
    if side is None:
        return Range(-_HALF, _HALF, closed, closed)
    half = Range(Fraction(0), _HALF, not side.strict, closed)
    return half.times(side.value)


def _sign(tower: Tower, element: Element) -> Sign | None:
    """Prove the sign of an element."""
    if not element:
        return None
    return tower.proved.of_element(element)


class Arcs:
    """The inverse functions of one conversion.

    Parameters
    ----------
    tower : Tower
        Where the kernels go.
    convert : callable
        The conversion itself, for pi.
    """

    def __init__(self, tower: Tower, convert: Callable[[sp.Expr], Element]) -> None:
        self._tower = tower
        self._field = tower.field
        self._convert = convert
        self._rotations = Rotations(tower)
        self._arcs: list[Kernel] = []

    def asin(self, u: Element) -> Element:
        """Inverse sine."""
        cosine = self._field.multiply(*self._roots(u))
        return self._arc((cosine, u), sp.asin, u)

    def acos(self, u: Element) -> Element:
        """Inverse cosine."""
        return self._field.add([self._pi(_HALF), self._field.scale(self.asin(u), -1)])

    def atan(self, u: Element) -> Element:
        """Inverse tangent."""
        field = self._field
        square = field.add([field.constant(1), field.power(u, 2)])
        cosine = self._tower.root([(square, 1)], -_HALF)
        return self._arc((cosine, field.multiply(u, cosine)), sp.atan, u)

    def asinh(self, u: Element) -> Element:
        """Inverse hyperbolic sine: log(u + sqrt(u**2 + 1))."""
        field = self._field
        square = field.add([field.constant(1), field.power(u, 2)])
        return self._tower.log([(field.add([u, self._tower.root([(square, 1)], _HALF)]), 1)])

    def acosh(self, u: Element) -> Element:
        """Inverse hyperbolic cosine: log(u + sqrt(u - 1) sqrt(u + 1))."""
        field = self._field
        up, down = (self._shifted(u, n) for n in (1, -1))
        roots = [self._tower.root([(part, 1)], _HALF) for part in (down, up)]
        return self._tower.log([(field.add([u, field.multiply(*roots)]), 1)])

    def atanh(self, u: Element) -> Element:
        """Inverse hyperbolic tangent: (log(1 + u) - log(1 - u))/2."""
        field = self._field
        up = self._tower.log([(self._shifted(u, 1), 1)])
        down = self._tower.log([(self._shifted(field.scale(u, -1), 1), 1)])
        return field.scale(field.add([up, field.scale(down, -1)]), _HALF)

    def _roots(self, u: Element) -> list[Element]:
        """Square roots of 1 - u and 1 + u, both real where the inverse sine is."""
        parts = (self._shifted(self._field.scale(u, -1), 1), self._shifted(u, 1))
        return [self._tower.root([(part, 1)], _HALF) for part in parts]

    def _shifted(self, u: Element, n: int) -> Element:
        return self._field.add([u, self._field.constant(n)])

    def _pi(self, number: Fraction) -> Element:
        """Return a rational multiple of pi."""
        return self._field.scale(self._convert(sp.pi), number)

    def _arc(self, rotation: Rotation, function: Callable[..., sp.Expr], u: Element) -> Element:
        """Return the angle in [-pi/2, pi/2] with this cosine and sine."""
        if not self._field.single(rotation[1])[0]:
            return {}
        for kernel in self._arcs:
            for sign in (1, -1):
                turned = kernel.rotation if sign > 0 else self._rotations.back(kernel.rotation)
                if self._rotations.equal(rotation, turned):
                    return self._field.scale(self._field.generator(kernel), sign)
        meaning = function(self._field.meaning(u), evaluate=False)
        related = self._related(rotation, meaning)
        if related is not None:
            return related
        kernel = self._field.adjoin("arc", meaning, argument=u, rotation=rotation)
        self._arcs.append(kernel)
        self._tower.proved.kernel_signs.bounds[kernel.index] = (-_ABOVE_HALF_PI, _ABOVE_HALF_PI)
        return self._field.generator(kernel)

    def _related(self, rotation: Rotation, meaning: sp.Expr) -> Element | None:
        """Write an arc by pi and other arcs, where that is possible."""
        constant = self._is_constant(rotation)
        known = [k for k in self._arcs if self._is_constant(k.rotation) == constant]
        if constant:
            return self._related_constant(rotation, meaning, known)
        if not known:
            return None
        slope = self._tower.derivation.of_rotation
        slopes = [slope(*kernel.rotation) for kernel in known]
        coefficients = combination(self._field, slope(*rotation), slopes)
        if coefficients is None:
            return None
        return self._verified(rotation, known, coefficients)

    def _verified(
        self, rotation: Rotation, known: Sequence[Kernel], coefficients: Sequence[Fraction]
    ) -> Element | None:
        """Multiply out what the derivatives suggest, and find the constant."""
        order = lcm(*(c.denominator for c in coefficients))
        powers = [(k, int(c * order)) for k, c in zip(known, coefficients, strict=True) if c]
        if order + sum(abs(m) for _, m in powers) > _MAX_COEFFICIENT:
            return None
        turns = [(rotation, order), *((kernel.rotation, -m) for kernel, m in powers)]
        rest = self._rotations.product(turns)
        offset = self._offset(rest)
        if offset is None:
            return None
        element, span = offset
        turn = multiple_of_two_pi(self._tower, turns, rest, span)
        if turn is None:
            return None
        parts = [self._field.scale(self._field.generator(kernel), m) for kernel, m in powers]
        total = self._field.add([*parts, element, self._pi(Fraction(2 * turn))])
        return self._field.scale(total, Fraction(1, order))

    def _offset(self, rotation: Rotation) -> tuple[Element, Range] | None:
        """Return an angle with this cosine and sine, and its range in units of pi."""
        cosine, sine = rotation
        field = self._field
        if not field.single(sine)[0] and self._is_unit(cosine):
            opposite = field.add([field.constant(1), field.scale(cosine, -1)])
            return field.multiply(self._pi(_HALF), opposite), self._span(cosine, {1: 0, -1: 1})
        if not field.single(cosine)[0] and self._is_unit(sine):
            span = self._span(sine, {1: _HALF, -1: -_HALF})
            return field.multiply(self._pi(_HALF), sine), span
        if not self._is_constant(rotation):
            return None
        forward = algebraic_sign(field.meaning(cosine))
        if forward is None:
            return None
        turned = rotation if forward > 0 else (field.scale(cosine, -1), field.scale(sine, -1))
        u = field.multiply(turned[1], field.power(turned[0], -1))
        arc = self._arc(turned, sp.atan, u)
        if forward > 0:
            return arc, Range(-_HALF, _HALF)
        return field.add([arc, self._pi(Fraction(1))]), Range(_HALF, 3 * _HALF)

    def _span(self, unit: Element, angles: Mapping[int, Fraction | int]) -> Range:
        """Range of the angles for the values 1 and -1 of an element."""
        field = self._field
        gaps = {value: field.add([unit, field.constant(-value)]) for value in (1, -1)}
        values = [value for value, gap in gaps.items() if not field.single(gap)[0]] or [1, -1]
        possible = [Fraction(angles[value]) for value in values]
        return Range(min(possible), max(possible))

    def _is_unit(self, element: Element) -> bool:
        """Tell whether an element is 1 or -1, here or there."""
        square = self._field.add([self._field.power(element, 2), self._field.constant(-1)])
        return not self._field.single(square)[0]

    def _is_constant(self, rotation: Rotation) -> bool:
        polys = [
            poly
            for element in rotation
            for key, numerator in element.items()
            for poly in (numerator, *(f for f, _ in key))
        ]
        return all(is_constant(self._field, poly) for poly in polys)

    def _related_constant(
        self, rotation: Rotation, meaning: sp.Expr, known: Sequence[Kernel]
    ) -> Element | None:
        """Look for a relation of numbers in digits, and prove it by its rotation and range."""
        formulas = [meaning, sp.pi, *(kernel.meaning for kernel in known)]
        numbers = digits(formulas)
        relation = None if numbers is None else integer_relation(numbers)
        if relation is None or sum(map(abs, relation)) > _MAX_CONSTANT_COEFFICIENT:
            return None
        rest = [Fraction(-n, relation[0]) for n in relation[1:]]
        turns = [(rotation, relation[0])] + [
            (kernel.rotation, n) for kernel, n in zip(known, relation[2:], strict=True) if n
        ]
        half_turns = relation[1]
        cosine, sine = self._rotations.product(turns)
        expected = 1 if half_turns % 2 == 0 else -1
        if not self._rotations.equal((cosine, sine), (self._field.constant(expected), {})):
            return None
        with mpmath.workprec(200):
            total = sum(n * x for n, x in zip(relation, numbers or (), strict=True))
            if abs(total) > 1:
                return None
        parts = [
            self._field.scale(self._field.generator(k), c)
            for k, c in zip(known, rest[1:], strict=True)
        ]
        return self._field.add([self._pi(rest[0]), *parts])
