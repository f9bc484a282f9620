"""Sparse polynomials over Q: rings shared by all conversions, and factors."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import sympy as sp
from sympy import QQ
from sympy.polys.orderings import lex
from sympy.polys.rings import PolyRing

from ehf_sym.zero.clock import interruptible

Poly = Any  # sympy.polys.rings.PolyElement

_MAX_FACTOR_TERMS = 80
_MAX_FACTOR_DEGREE = 40
# Terms times degree times bits: below, SymPy factors within some tenths of a second.
_QUICK_FACTORS = 4_000


@lru_cache(maxsize=32)
def shared_ring(size: int) -> Any:
    """Return the ring with so many generators; the kernels' names do not matter."""
    return PolyRing([sp.Symbol(f"k{i}") for i in range(size)], QQ, lex)


def used_generators(poly: Poly) -> list[int]:
    """Return the indices of the generators that occur in a polynomial."""
    return [i for i, exponents in enumerate(zip(*poly, strict=True)) if any(exponents)]


def is_generator(poly: Poly) -> int | None:
    """Return the index of the generator that the polynomial is, if it is one."""
    if len(poly) != 1:
        return None
    monomial, coefficient = next(iter(poly.items()))
    return monomial.index(1) if coefficient == 1 and sum(monomial) == 1 else None


def evaluated(poly: Poly, values: Mapping[int, Any]) -> Poly:
    """Replace kernels by numbers."""
    result = poly.ring.zero
    for monomial, coefficient in poly.items():
        exponents = list(monomial)
        number = coefficient
        for index, value in values.items():
            number = number * value ** exponents[index]
            exponents[index] = 0
        place = tuple(exponents)
        total = result.get(place, 0) + number
        if total:
            result[place] = total
        else:
            result.pop(place, None)
    return result


@lru_cache(maxsize=4096)
def factor(poly: Poly) -> tuple[Any, tuple[tuple[Poly, int], ...]]:
    """Split a polynomial into a rational and primitive irreducible factors.

    Beyond a size the part that is not a monomial stays in one piece.
    """
    ring = poly.ring
    common = tuple(map(min, zip(*poly, strict=True)))
    factors = [(ring.gens[i], m) for i, m in enumerate(common) if m]
    rest = ring.zero
    for monomial, coefficient in poly.items():
        rest[tuple(e - c for e, c in zip(monomial, common, strict=True))] = coefficient
    content, rest = rest.primitive()
    if rest.LC < 0:
        content, rest = -content, -rest
    if len(rest) == 1:
        return content, tuple(factors)
    used = used_generators(rest)
    degree = max(map(sum, rest))
    if degree == 1 or len(rest) > _MAX_FACTOR_TERMS or degree > _MAX_FACTOR_DEGREE:
        return content, (*factors, (rest, 1))
    small = shared_ring(len(used))
    compact = small.zero
    for monomial, coefficient in rest.items():
        compact[tuple(monomial[i] for i in used)] = coefficient
    bits = max(int(c.numerator).bit_length() for c in compact.values())
    with interruptible() if len(compact) * degree * bits > _QUICK_FACTORS else nullcontext():
        pieces = compact.factor_list()[1]
    for piece, multiplicity in pieces:
        whole = ring.zero
        for monomial, coefficient in piece.items():
            exponents = [0] * ring.ngens
            for i, e in zip(used, monomial, strict=True):
                exponents[i] = e
            whole[tuple(exponents)] = coefficient
        _, whole = whole.primitive()
        factors.append((whole if whole.LC > 0 else -whole, multiplicity))
    return content, tuple(factors)
