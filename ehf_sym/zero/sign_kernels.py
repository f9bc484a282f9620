"""Signs that cannot be proved, as kernels."""

from __future__ import annotations

import sympy as sp

from ehf_sym.zero.kernels import UNIT, Element, Field, Kernel
from ehf_sym.zero.polynomials import Poly
from ehf_sym.zero.products import Product, factored
from ehf_sym.zero.proved_signs import ProvedSigns


class SignKernels:
    """Signs as elements of the field: 1 or -1 where they are proved, else kernels.

    Attributes
    ----------
    signs : dict
        For f the kernel s of its sign off its zeros, s**2 = 1.
    jumps : dict
        For f the kernel s of its sign everywhere, s**3 = s.
    """

    def __init__(self, field: Field, proved: ProvedSigns) -> None:
        self.signs: dict[Poly, Kernel] = {}
        self.jumps: dict[Poly, Kernel] = {}
        self._field = field
        self._proved = proved

    def off_zero(self, b: Product) -> Element:
        """Sign of a product where it is not 0; 1 or -1 elsewhere."""
        content, factors = factored(self._field, b)
        sign = self._field.ring.ground_new(1 if content > 0 else -1)
        for f, m in factors.items():
            if m % 2:
                sign = self._field.times(sign, self.of_factor(f))
        return {UNIT: sign}

    def everywhere(self, b: Element) -> Element:
        """Sign function, which is 0 where b is."""
        poly, key = self._field.single(b)
        if not poly:
            return {}
        content, factors = factored(self._field, [({key: poly}, 1)])
        sign = self._field.ring.ground_new(1 if content > 0 else -1)
        for f, m in factors.items():
            jump = self._jump(f)
            sign = self._field.times(sign, jump if m % 2 else self._field.times(jump, jump))
        return {UNIT: sign}

    def of_factor(self, f: Poly) -> Poly:
        """Sign of f off its zeros: 1, -1 or a kernel s with s**2 = 1."""
        proved = self._proved.of(f)
        if proved is not None:
            return self._field.ring.ground_new(proved.value)
        special = self._field.kernel(f)
        if special is not None and special.kind == "sign":
            return f
        if (u := self._proved.part_of_same_sign(f)) is not None:
            return self.off_zero([(u, 1)])[UNIT]
        if f not in self.signs:
            meaning = sp.sign(self._field.expression(f), evaluate=False)
            kernel = self._field.adjoin("sign", meaning, base=f)
            self._field.relate(kernel, 2, self._field.ring.one)
            self.signs[f] = kernel
        return self._field.ring.gens[self.signs[f].index]

    def _jump(self, f: Poly) -> Poly:
        """Sign of f everywhere: 1, -1 or a kernel s with s**3 = s, 0 at the zeros of f."""
        proved = self._proved.of(f)
        if proved is not None and proved.strict:
            return self._field.ring.ground_new(proved.value)
        if (u := self._proved.part_of_same_sign(f)) is not None:
            return self.everywhere(u)[UNIT]
        if f not in self.jumps:
            meaning = sp.sign(self._field.expression(f), evaluate=False)
            kernel = self._field.adjoin("jump", meaning, base=f)
            self._field.relate(kernel, 3, self._field.ring.gens[kernel.index])
            self.jumps[f] = kernel
        return self._field.ring.gens[self.jumps[f].index]
