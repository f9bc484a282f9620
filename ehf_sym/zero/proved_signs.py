"""Signs of what is made of kernels: assumed, or proved from the kernels' own signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any

from ehf_sym.zero.kernels import UNIT, Element, Field, Kernel
from ehf_sym.zero.log_relations import is_constant
from ehf_sym.zero.nested_roots import conjugate_parts
from ehf_sym.zero.polynomials import Poly, factor, is_generator
from ehf_sym.zero.refinements import Refinements
from ehf_sym.zero.relations import solved
from ehf_sym.zero.root_bounds import algebraic_sign
from ehf_sym.zero.signs import Facts, KernelSigns, Sign


class ProvedSigns:
    """Signs of polynomials in the kernels of a field, each proved once.

    Attributes
    ----------
    kernel_signs : KernelSigns
        What is known of single kernels.
    """

    def __init__(self, field: Field, refinements: Refinements, facts: Facts) -> None:
        self.kernel_signs = KernelSigns()
        self._field = field
        self._refinements = refinements
        self._facts = facts
        self._proved: dict[Poly, Sign | None] = {}
        self._given: list[tuple[Poly, Sign]] = []

    def of(self, f: Poly) -> Sign | None:
        """Prove the sign of an irreducible polynomial."""
        if f not in self._proved:
            self._proved[f] = (
                self._of_constant(f)
                or self.kernel_signs.of(f)
                or self._assumed(f)
                or self._by_norm(f)
                or self._of_part(f)
            )
        return self._proved[f]

    def known(self, f: Poly) -> Sign | None:
        """Return the sign of a polynomial if it has been proved before."""
        return self._proved.get(f)

    def of_product(self, content: Any, factors: Mapping[Poly, int]) -> Sign | None:
        """Prove the sign of a product from its factors."""
        value, strict = (1 if content > 0 else -1), True
        for f, m in factors.items():
            sign = self.of(f)
            if sign is None and m % 2:
                return None
            strict = strict and sign is not None and sign.strict
            value *= sign.value if sign is not None and m % 2 else 1
        return Sign(value, strict)

    def of_element(self, b: Element) -> Sign | None:
        """Prove the sign of an element that is not 0 everywhere."""
        poly, key = self._field.single(b)
        if not poly:
            return None
        content, factors = factor(poly)
        powers = dict(factors)
        for f, m in key:
            powers[f] = powers.get(f, 0) - m
        return self.of_product(content, powers)

    def of_poly(self, poly: Poly) -> Sign | None:
        """Prove the sign of a polynomial that may have factors."""
        if not poly:
            return None
        content, factors = factor(poly)
        return self.of_product(content, dict(factors))

    def suppose(self, part: Element, sign: Sign) -> None:
        """Take the sign of a part for granted."""
        poly, key = self._field.single(part)
        if poly and not key:
            self._proved[poly] = sign
            self._given.append((poly * sign.value, sign))
            index = is_generator(poly)
            if index is not None:
                self.kernel_signs.note(index, sign)

    def impose(self, f: Poly, sign: Sign) -> None:
        """Keep a sign without which the expression would not be real."""
        self._proved[f] = sign
        index = is_generator(f)
        if index is not None and sign.value > 0:
            self.kernel_signs.note(index, sign)

    def part_of_same_sign(self, f: Poly) -> Element | None:
        """Return what has the same sign and zeros: u - v for exp(u) - exp(v)."""
        special = self._field.kernel(f)
        if special is not None and special.kind == "opaque" and special.argument is not None:
            return special.argument
        if special is not None and special.kind == "arc":
            return special.rotation[1]
        if special is not None and special.kind == "log":
            sign = self.of(special.base)
            if sign is None:
                return None
            return {UNIT: special.base * sign.value - 1}
        if len(f) != 2 or sum(f.values()) != 0:
            return None
        difference = self._of_increasing(f)
        if difference is not None:
            return difference
        (above, c), (below, _) = f.items()
        parts = []
        for i, (e, d) in enumerate(zip(above, below, strict=True)):
            if e == d:
                continue
            kernel = self._field.kernels[i]
            if kernel.kind != "exp" or kernel.argument is None:
                return None
            parts.append(self._field.scale(kernel.argument, Fraction(e - d, kernel.order)))
        return self._field.scale(self._field.add(parts), 1 if c > 0 else -1)

    def _of_increasing(self, f: Poly) -> Element | None:
        """Return u - v for f(u) - f(v), where f increases."""
        (first, c), (second, _) = f.items()
        if sum(first) != 1 or sum(second) != 1:
            return None
        kernels = [self._field.kernels[monomial.index(1)] for monomial in (first, second)]
        if kernels[0].kind != kernels[1].kind:
            return None
        if kernels[0].kind in {"log", "root"}:
            u, v = map(self._size, kernels)
        elif kernels[0].kind in {"arc", "opaque"}:
            u, v = (kernel.argument for kernel in kernels)
        else:
            return None
        alike = len({(k.order, k.meaning.func) for k in kernels}) == 1
        if u is None or v is None or not alike:
            return None
        return self._field.scale(self._field.add([u, self._field.scale(v, -1)]), 1 if c > 0 else -1)

    def _size(self, kernel: Kernel) -> Element | None:
        """Return |f| of log|f| or a root, where the sign of f is proved."""
        sign = self.of(kernel.base)
        return None if sign is None else {UNIT: kernel.base * sign.value}

    def _of_part(self, f: Poly) -> Sign | None:
        """Prove the sign of what has the same sign."""
        u = self.part_of_same_sign(f)
        return None if u is None else self.of_element(u)

    def _assumed(self, f: Poly) -> Sign | None:
        """Look a sign up, or add signs that are taken for granted."""
        if self._refinements or self._facts.signs:
            meaning = self._field.expression(f)
            value = self._refinements.get(("sign", meaning))
            if value is not None:
                return Sign(value, strict=False)
            if meaning in self._facts.signs:
                return self._facts.signs[meaning]
        for size in (1, 2):
            for given in combinations(self._given, size):
                for value in (1, -1):
                    sign = self._of_sum(value * f, given)
                    if sign is not None:
                        return Sign(value, sign.strict)
        return None

    def _of_sum(self, f: Poly, given: Sequence[tuple[Poly, Sign]]) -> Sign | None:
        """Write f as a sum, with positive weights, of 1 and of parts that are not negative."""
        weights = solved([self._field.ring.one, *(poly for poly, _ in given)], f)
        if weights is None or min(weights) < 0:
            return None
        strict = weights[0] > 0 or any(
            weight and sign.strict for weight, (_, sign) in zip(weights[1:], given, strict=True)
        )
        return Sign(1, strict)

    def _of_constant(self, f: Poly) -> Sign | None:
        """Compare a number with 0, by its digits."""
        if f.is_ground or not is_constant(self._field, f):
            return None
        value = algebraic_sign(self._field.expression(f))
        return Sign(value, strict=True) if value else None

    def _by_norm(self, f: Poly) -> Sign | None:
        """Compare a**2 and b**2 r**2, where f = a + b r: the larger of a and b r decides."""
        parts = conjugate_parts(self._field, f)
        if parts is None or not parts[2]:
            return None
        a, b, norm, _ = parts
        comparison = self.of_poly(norm)
        if comparison is None:
            return None
        leading = self.of_poly(a if comparison.value > 0 else b)
        return None if leading is None else Sign(leading.value, comparison.strict)
