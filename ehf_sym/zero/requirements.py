"""What logarithms and roots require to be real, and the signs that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ehf_sym.zero.kernels import Field
from ehf_sym.zero.nested_roots import conjugate_parts
from ehf_sym.zero.polynomials import Poly, factor
from ehf_sym.zero.proved_signs import ProvedSigns
from ehf_sym.zero.refinements import RefineError, Refinements
from ehf_sym.zero.sign_kernels import SignKernels
from ehf_sym.zero.signs import Sign


@dataclass(frozen=True, slots=True)
class Requirement:
    """A number that must be positive (logarithm) or not negative (root) to be real.

    Attributes
    ----------
    strict : bool
        Whether it must not be 0 either.
    sign : int
        Product of the signs that are proved.
    odd : tuple of Poly
        Factors of unknown sign with odd multiplicity.
    zeros : tuple of Poly
        Factors that may make it 0.
    """

    strict: bool
    sign: int
    odd: tuple[Poly, ...]
    zeros: tuple[Poly, ...]


class Requirements:
    """Requirements of one formula: imposed where they fix a sign, else kept.

    Attributes
    ----------
    kept : list of Requirement
        Those that leave signs open.
    open : bool
        Whether the formula is real on an open set: no root needs a sign that is not proved.
    """

    def __init__(
        self, field: Field, proved: ProvedSigns, unknown: SignKernels, refinements: Refinements
    ) -> None:
        self.kept: list[Requirement] = []
        self.open = not any(kind == "sign" for kind, _ in refinements)
        self._field = field
        self._proved = proved
        self._unknown = unknown

    def add(self, content: Any, factors: Mapping[Poly, int], *, strict: bool) -> None:
        """Record what makes a logarithm or a root real."""
        sign = 1 if content > 0 else -1
        odd, zeros = [], []
        for f, m in factors.items():
            proved = self._proved.of(f)
            if m % 2 and proved is None:
                special = self._field.kernel(f)
                odd.append(special.base if special is not None and special.kind == "sign" else f)
            elif m % 2 and proved is not None:
                sign *= proved.value
            if m > 0 and not (proved is not None and proved.strict):
                zeros.append(f)
        if sign > 0 and not odd:
            return
        self.open = self.open and strict
        if strict or set(zeros) <= set(odd):
            imposed = [(odd[0], sign)] if len(odd) == 1 else self._separated(sign, odd)
            for f, value in imposed:
                self._impose(f, Sign(value, strict))
            if imposed:
                return
        entry = Requirement(strict, sign, tuple(odd), tuple(zeros))
        if entry not in self.kept:
            self.kept.append(entry)

    def _impose(self, f: Poly, sign: Sign) -> None:
        """Keep a sign without which the expression would not be real, and what follows."""
        if f in self._unknown.signs:
            raise RefineError(("sign", self._field.expression(f)), sign.value)
        self._proved.impose(f, sign)
        parts = conjugate_parts(self._field, f) if sign.strict else None
        if parts is not None:
            self._impose_on_leading(parts[0], parts[2], sign)

    def _impose_on_leading(self, a: Poly, norm: Poly, sign: Sign) -> None:
        """Where a**2 > b**2 r**2, a + b r has the sign of a."""
        comparison = self._proved.of_poly(norm)
        if a and comparison is not None and comparison.value > 0 and comparison.strict:
            content, factors = factor(a)
            self.add(sign.value * content, dict(factors), strict=True)

    def _separated(self, sign: int, odd: Sequence[Poly]) -> list[tuple[Poly, int]]:
        """Find the only signs of two factors with a product of the given sign.

        If f + g > 0 then f and g are not both negative; if f - g > 0, not g > 0 > f.
        """
        if len(odd) != 2:
            return []
        f, g = odd
        total = self._proved.of_poly(f + g if sign > 0 else f - g)
        if total is None or not total.strict:
            return []
        return [(f, total.value), (g, total.value * sign)]
