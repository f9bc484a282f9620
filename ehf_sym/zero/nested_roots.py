"""Squares among expressions that contain square roots: what denests a root of a root.

By Kummer theory a new square root sqrt(f) is independent of the square roots in a field
exactly if f is no square in it. With the latest root r, r**2 = s, an element a + b r is a
square (u + v r)**2 exactly if its norm a**2 - b**2 s is a square n**2 one root below, and
(a + n)/2 or (a - n)/2 is a square u**2 there too.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isqrt
from typing import Any

from ehf_sym.zero.kernels import UNIT, Element, Field, Kernel
from ehf_sym.zero.polynomials import Poly, evaluated, factor

_MAX_ROOTS = 6
_MAX_TERMS = 60
_MAX_STEPS = 100


def square_roots_in(field: Field) -> list[Kernel]:
    """Return the kernels r with a relation r**2 = s, latest first."""
    return [k for k in reversed(field.kernels) if k.kind == "root" and k.order == 2]


def is_nested(field: Field) -> bool:
    """Tell whether some root is taken of an expression with roots."""
    roots = [kernel for kernel in field.kernels if kernel.kind == "root"]
    return any(field.degree(k.base, other.index) for k in roots for other in roots)


def has_roots(field: Field, poly: Poly) -> bool:
    """Tell whether a polynomial contains a root."""
    return any(k.kind == "root" and field.degree(poly, k.index) for k in field.kernels)


def square_root(field: Field, poly: Poly) -> Element | None:
    """Find g with g**2 = poly in the field; None if there is none or it is not found."""
    roots = square_roots_in(field)
    if len(roots) > _MAX_ROOTS or len(poly) > _MAX_TERMS:
        return None
    element: Element = {UNIT: poly}
    found = _Search(field).root(element, roots)
    if found is None:
        return None
    gap = field.add([field.power(found, 2), field.scale(element, -1)])
    return None if field.single(gap)[0] else found


def norm(field: Field, poly: Poly) -> Poly:
    """Multiply by the conjugates until no square root is left."""
    for kernel in square_roots_in(field):
        a, b = _split(poly, kernel.index)
        if b:
            s = field.relation(kernel)
            poly = field.times(a, a) - field.times(field.times(b, b), s)
    return poly


def conjugate_parts(field: Field, poly: Poly) -> tuple[Poly, Poly, Poly, Kernel] | None:
    """Write a polynomial as a + b r with its latest square root r; return a, b, the norm and r."""
    for kernel in square_roots_in(field):
        a, b = _split(poly, kernel.index)
        if b:
            s = field.relation(kernel)
            return a, b, field.times(a, a) - field.times(field.times(b, b), s), kernel
    return None


class _Search:
    """The recursion, with a bound on its steps."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._steps = 0

    def root(self, element: Element, roots: Sequence[Kernel]) -> Element | None:
        """Square root of an element in the field of the given roots."""
        self._steps += 1
        if self._steps > _MAX_STEPS:
            return None
        field = self._field
        if not element:
            return element
        poly, key = field.single(element)
        if not poly:
            return {}
        # P/Q = P Q/Q**2
        denominator = field.expand(key)
        whole = field.times(poly, denominator)
        if len(whole) > _MAX_TERMS:
            return None
        found = self._of_polynomial(whole, roots)
        if found is None or not key:
            return found
        return field.multiply(found, {key: field.ring.one})

    def _of_polynomial(self, poly: Poly, roots: Sequence[Kernel]) -> Element | None:
        if not roots:
            return self._perfect(poly)
        field, (top, *rest) = self._field, roots
        s: Element = {UNIT: field.relation(top)}
        r = field.generator(top)
        a, b = ({UNIT: part} if part else {} for part in _split(poly, top.index))
        if not b:
            plain = self.root(a, rest)
            if plain is not None:
                return plain
            multiple = self.root(field.multiply(a, s), rest)
            if multiple is None:
                return None
            return field.multiply(field.multiply(multiple, field.power(s, -1)), r)
        square = field.scale(field.multiply(field.multiply(b, b), s), -1)
        n = self.root(field.add([field.multiply(a, a), square]), rest)
        if n is None:
            return None
        for sign in (1, -1):
            half = field.scale(field.add([a, field.scale(n, sign)]), Fraction(1, 2))
            u = self.root(half, rest)
            if u and field.single(u)[0]:
                v = field.multiply(field.scale(b, Fraction(1, 2)), field.power(u, -1))
                return field.add([u, field.multiply(v, r)])
        return None

    def _perfect(self, poly: Poly) -> Element | None:
        """Root of a polynomial without square roots, if all its factors come in pairs."""
        content, factors = factor(poly)
        top, bottom = _exact_root(content.numerator), _exact_root(content.denominator)
        if top is None or bottom is None or any(m % 2 for _, m in factors):
            return None
        ring = self._field.ring
        result = ring.ground_new(ring.domain(top, bottom))
        for f, m in factors:
            result = self._field.times(result, f ** (m // 2))
        return {UNIT: result}


def _split(poly: Poly, index: int) -> tuple[Poly, Poly]:
    """Return a and b of a + b r."""
    a = evaluated(poly, {index: 0})
    b = poly.ring.zero
    for monomial, coefficient in poly.items():
        if monomial[index]:
            b[(*monomial[:index], 0, *monomial[index + 1 :])] = coefficient
    return a, b


def _exact_root(number: Any) -> int | None:
    """Return the square root of an integer where it is one."""
    n = int(number)
    return isqrt(n) if n >= 0 and isqrt(n) ** 2 == n else None
