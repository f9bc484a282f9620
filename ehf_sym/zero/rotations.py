"""Rotations by angles of which only cosine and sine are known."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from ehf_sym.zero.elementary import Tower
from ehf_sym.zero.kernels import Element

Rotation = tuple[Element, Element]


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
