"""Sines and cosines as rational functions of tangents of half angles.

Angles are kept linearly independent over Q and of pi; the functions of a combination
sum n_j u_j/N_j + c pi follow from the addition formulas in tan(u_j/(2 N_j)).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import sympy as sp

from ehf_sym.elementary import Tower
from ehf_sym.kernels import Element, Kernel
from ehf_sym.relations import combination

# cos(c pi) is a short radical for rationals c with these denominators.
_RADICAL_DENOMINATORS = frozenset({1, 2, 3, 4, 5, 6, 8, 10, 12})

CosineSine = tuple[Element, Element]


class Angles:
    """The angles of one conversion.

    Parameters
    ----------
    tower : Tower
        Where the kernels go.
    convert : callable
        The conversion itself, for the radicals that are cosines of fractions of pi.
    """

    def __init__(self, tower: Tower, convert: Callable[[sp.Expr], Element]) -> None:
        self._tower = tower
        self._field = tower.field
        self._convert = convert
        self._known: list[Kernel] = []

    def cosine_sine(self, u: Element) -> CosineSine:
        """Cosine and sine of an angle."""
        turn, coefficients = self._combination(u)
        if coefficients is None:
            kernel = self._tower.adjoin_divided("tan", u, lambda v, n: sp.tan(v / (2 * n)))
            self._known.append(kernel)
            return self._multiple(kernel, kernel.order)
        angle = sp.pi * sp.Rational(turn.numerator, turn.denominator)
        result = self._convert(sp.cos(angle)), self._convert(sp.sin(angle))
        for kernel, c in zip(self._known, coefficients, strict=True):
            if c:
                n = self._tower.multiple_of(kernel, c)
                result = self._rotated(result, self._multiple(kernel, n))
        return result

    def _combination(self, u: Element) -> tuple[Fraction, list[Fraction] | None]:
        """Write u as a multiple of pi and a combination of the known angles."""
        known = [kernel.argument for kernel in self._known if kernel.argument is not None]
        for kernel in self._field.kernels:
            if kernel.meaning is sp.pi:
                basis = [*known, self._field.generator(kernel)]
                coefficients = combination(self._field, u, basis)
                if coefficients and coefficients[-1].denominator in _RADICAL_DENOMINATORS:
                    return coefficients[-1], coefficients[:-1]
        return Fraction(0), combination(self._field, u, known)

    def _multiple(self, kernel: Kernel, n: int) -> CosineSine:
        """Cosine and sine of n u/N from t = tan(u/(2N)): ((1 + it)^2 / (1 + t^2))^n."""
        ring, times = self._field.ring, self._field.times
        t = ring.gens[kernel.index]
        unit_cosine, unit_sine = 1 - t**2, 2 * t if n > 0 else -2 * t
        cosine, sine = ring.one, ring.zero
        for _ in range(abs(n)):
            cosine, sine = (
                times(cosine, unit_cosine) - times(sine, unit_sine),
                times(cosine, unit_sine) + times(sine, unit_cosine),
            )
        key = frozenset({(t**2 + 1, abs(n))})
        return {key: cosine}, {key: sine}

    def _rotated(self, a: CosineSine, b: CosineSine) -> CosineSine:
        """Addition formulas."""
        add, multiply = self._field.add, self._field.multiply
        minus = self._field.scale(multiply(a[1], b[1]), -1)
        return (
            add([multiply(a[0], b[0]), minus]),
            add([multiply(a[0], b[1]), multiply(a[1], b[0])]),
        )
