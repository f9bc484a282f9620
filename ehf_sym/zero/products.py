"""Products of powers, split into prime numbers and irreducible factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

from ehf_sym.zero.kernels import Element, Field, NowhereDefinedError
from ehf_sym.zero.polynomials import Poly, factor

_TRIAL_DIVISION = 10_000

Product = Sequence[tuple[Element, int]]  # bases with their exponents


def factored(field: Field, b: Product) -> tuple[Any, dict[Poly, int]]:
    """Content and irreducible factors of a product, with multiplicities in Z."""
    content: Any = field.ring.domain.one
    factors: dict[Poly, int] = {}
    for element, n in b:
        poly, key = field.single(element)
        if not poly:
            raise NowhereDefinedError("division by zero, or logarithm of zero")
        number, numerator = factor(poly)
        content *= number**n
        for f, m in numerator:
            factors[f] = factors.get(f, 0) + m * n
        for f, m in key:
            factors[f] = factors.get(f, 0) - m * n
    return content, {f: m for f, m in factors.items() if m}


def primes(field: Field, content: Any) -> dict[Poly, int]:
    """Split a rational, up to its sign, into prime numbers."""
    top = sp.factorint(abs(int(content.numerator)), limit=_TRIAL_DIVISION)
    bottom = sp.factorint(int(content.denominator), limit=_TRIAL_DIVISION)
    powers = top | {prime: -m for prime, m in bottom.items()}
    return {
        field.ring.ground_new(field.ring.domain(int(prime))): int(m)
        for prime, m in powers.items()
        if prime != 1
    }
