"""Derivatives and square roots inside a field of kernels.

One derivation is used: the derivative along a direction in which no variable stands still.
What is constant in it is a candidate for a constant; the relations that it suggests are
verified by multiplying out.

Squares among expressions that contain square roots denest a root of a root. By Kummer theory a new
square root sqrt(f) is independent of the square roots in a field exactly if f is no square in it.
With the latest root r, r**2 = s, an element a + b r is a square (u + v r)**2 exactly if its norm
a**2 - b**2 s is a square n**2 one root below, and (a + n)/2 or (a - n)/2 is a square u**2 there
too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import count
from math import isqrt
from typing import Any

import sympy as sp

from ehf_sym.normal_forms.kernels import (
    UNIT,
    Element,
    Field,
    Kernel,
    Key,
    Poly,
    evaluated,
    factor,
    used_generators,
)

_MAX_ROOTS = 6
_MAX_TERMS = 60
_MAX_STEPS = 100


class Derivation:
    """The derivation of one field."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._known: dict[int, Element] = {}
        self._speeds = _primes()

    def of(self, element: Element) -> Element:
        """Differentiate an element: of P/prod f**m by the quotient rule."""
        field = self._field
        parts = []
        for key, poly in element.items():
            parts.append(field.multiply(self.of_polynomial(poly), {key: field.ring.one}))
            parts.extend(
                field.multiply(field.scale(self.of_polynomial(f), -m), {_once_more(key, f): poly})
                for f, m in key
            )
        return field.add(parts)

    def of_polynomial(self, poly: Poly) -> Element:
        """Differentiate a polynomial, by the chain rule."""
        field = self._field
        parts = []
        for index in used_generators(poly):
            speed = self._of_kernel(index)
            if speed:
                slope: Poly = poly.diff(field.ring.gens[index])
                parts.append(field.multiply({UNIT: slope}, speed))
        return field.add(parts)

    def logarithmic(self, poly: Poly) -> Element:
        """Return Df/f."""
        key: Key = frozenset({(poly, 1)})
        return self._field.multiply(self.of_polynomial(poly), {key: self._field.ring.one})

    def of_rotation(self, cosine: Element, sine: Element) -> Element:
        """Return the derivative of the angle with this cosine and sine."""
        multiply = self._field.multiply
        forth = multiply(cosine, self.of(sine))
        back = self._field.scale(multiply(sine, self.of(cosine)), -1)
        return self._field.add([forth, back])

    def _of_kernel(self, index: int) -> Element:
        if index not in self._known:
            self._known[index] = self._derived(self._field.kernels[index])
        return self._known[index]

    def _derived(self, kernel: Kernel) -> Element:
        field = self._field
        if kernel.kind in {"variable", "opaque"}:
            return field.constant(next(self._speeds))
        if kernel.kind == "arc":
            return self.of_rotation(*kernel.rotation)
        if kernel.kind == "log":
            return self.logarithmic(kernel.base)
        if kernel.kind == "root":
            rate = field.scale(self.logarithmic(kernel.base), Fraction(1, kernel.order))
            return field.multiply(rate, field.generator(kernel))
        if kernel.argument is None:
            return {}
        rate = field.scale(self.of(kernel.argument), Fraction(1, kernel.order))
        if kernel.kind == "exp":
            return field.multiply(rate, field.generator(kernel))
        t = field.ring.gens[kernel.index]
        return field.multiply(field.scale(rate, Fraction(1, 2)), {UNIT: t**2 + 1})


def _once_more(key: Key, f: Poly) -> Key:
    """Raise the multiplicity of a factor of a denominator by one."""
    exponents = dict(key)
    return frozenset((exponents | {f: exponents[f] + 1}).items())


def _primes() -> Iterator[int]:
    """Speeds that no variable shares with another."""
    return (int(sp.prime(n)) for n in count(5))


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
