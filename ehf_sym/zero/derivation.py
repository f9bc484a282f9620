"""Derivatives inside a field of kernels.

One derivation is used: the derivative along a direction in which no variable stands still.
What is constant in it is a candidate for a constant; the relations that it suggests are
verified by multiplying out.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import count

import sympy as sp

from ehf_sym.zero.kernels import UNIT, Element, Field, Kernel, Key
from ehf_sym.zero.polynomials import Poly, used_generators


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
