"""Powers of -1 whose exponents are integers that symbols stand for."""

from __future__ import annotations

import sympy as sp

from ehf_sym.zero.elementary import Tower
from ehf_sym.zero.kernels import UNIT, Element, Kernel
from ehf_sym.zero.polynomials import Poly, used_generators


class Parities:
    """The kernels (-1)**m of one conversion, for products m of integer symbols.

    An integer and its powers have the same parity, so that m is free of squares.
    """

    def __init__(self, tower: Tower) -> None:
        self._field = tower.field
        self._known: dict[frozenset[int], Kernel] = {}

    def is_integer(self, exponent: Poly) -> bool:
        """Tell whether a polynomial has integer coefficients and integer variables."""
        kernels = self._field.kernels
        return all(c.denominator == 1 for c in exponent.values()) and all(
            kernels[i].kind == "variable" and kernels[i].meaning.is_integer
            for i in used_generators(exponent)
        )

    def power_of_minus_one(self, exponent: Poly) -> Element:
        """Return (-1)**exponent for a polynomial with integer values."""
        result = self._field.ring.one
        for monomial, coefficient in exponent.items():
            if int(coefficient) % 2:
                result = self._field.times(result, self._of(monomial))
        return {UNIT: result}

    def _of(self, monomial: tuple[int, ...]) -> Poly:
        """Parity of a product of symbols."""
        ring = self._field.ring
        symbols = {i: self._field.kernels[i].meaning for i, e in enumerate(monomial) if e}
        if any(symbol.is_even for symbol in symbols.values()):
            return ring.one
        open_ones = frozenset(i for i, symbol in symbols.items() if not symbol.is_odd)
        if not open_ones:
            return -ring.one
        if open_ones not in self._known:
            exponent = sp.Mul(*(symbols[i] for i in sorted(open_ones)))
            meaning = sp.Pow(-1, exponent, evaluate=False)
            kernel = self._field.adjoin("parity", meaning)
            self._field.relate(kernel, 2, ring.one)
            self._known[open_ones] = kernel
        return ring.gens[self._known[open_ones].index]
