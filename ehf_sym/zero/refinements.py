"""Kernels of u/N, and what a conversion learns too late: orders N and signs."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any

import sympy as sp

from ehf_sym.zero.kernels import Element, Field, GiveUpError, Kernel

# exp(u) and exp(u/N) share a kernel only up to this N.
_MAX_ORDER = 10_000

Refinements = dict[tuple[str, sp.Expr], int]


class RefineError(ArithmeticError):
    """Something was learned too late, an order N or a sign: note it and convert again."""

    def __init__(self, key: tuple[str, sp.Expr], value: int) -> None:
        super().__init__(key, value)
        self.key = key
        self.value = value


def adjoin_divided(
    field: Field, refinements: Refinements, kind: Any, u: Element, function: Any
) -> Kernel:
    """Adjoin a kernel of u/N, with the N that earlier conversions have asked for."""
    meaning = field.meaning(u)
    order = refinements.get((kind, meaning), 1)
    return field.adjoin(kind, function(meaning, order), order=order, argument=u)


def multiple_of(field: Field, kernel: Kernel, c: Fraction) -> int:
    """Return the exponent c N of a kernel, or ask for a larger N."""
    n = c * kernel.order
    if n.denominator == 1:
        return n.numerator
    order = lcm(kernel.order, c.denominator)
    if order > _MAX_ORDER:
        raise GiveUpError("too fine a root of a kernel")
    meaning = (
        field.expression(kernel.base) if kernel.argument is None else field.meaning(kernel.argument)
    )
    raise RefineError((kernel.kind, meaning), order)
