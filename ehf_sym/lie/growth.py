"""Proof that some polynomials generate an algebra of infinite dimension."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

_ORDERS = 40
_LARGEST_WEIGHT = 1000

Monomial = tuple[int, ...]


def infinite_pair(polynomials: Sequence[Any], dim: int) -> tuple[int, int] | None:
    """Find f, g among polynomials in (q, p) such that f, {f,g}, {{f,g},g}, ... are independent.

    For generic weights w of the coordinates each polynomial has one leading monomial. Let i be
    the pair with the smallest w(q_i) + w(p_i), and let u and v lead f and g. Then {f, g} is led by
    u v / (q_i p_i), with the factor u_q v_p − u_p v_q of the exponents at i, if this is not 0.
    After k steps the factor is (u_q v_p − u_p v_q) + k (v_q − v_p). If it vanishes for no k ≥ 0,
    all the leading monomials u (v / (q_i p_i))^k occur; they are distinct unless v = q_i p_i.

    Parameters
    ----------
    polynomials : sequence of sympy.polys.rings.PolyElement
        In q_1..q_d, p_1..p_d.
    dim : int
        d.

    Returns
    -------
    tuple of int or None
        Places of f and g; None if this argument proves nothing.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, q, p = ring("q, p", QQ)
    >>> infinite_pair([q**2, p**2, q * p], 1) is None
    True
    >>> infinite_pair([q**3, q**2 * p], 1)
    (0, 1)
    """
    random = Random(0)
    for _ in range(_ORDERS):
        weights = [random.randint(-_LARGEST_WEIGHT, _LARGEST_WEIGHT) for _ in range(2 * dim)]
        sums = [weights[i] + weights[dim + i] for i in range(dim)]
        lightest = min(sums)
        leading = [_leading(f, weights) for f in polynomials]
        if sums.count(lightest) > 1 or None in leading:
            continue
        i = sums.index(lightest)
        exponents = [(u[i], u[dim + i], sum(u)) for u in leading if u is not None]
        for m, (a, b, _) in enumerate(exponents):
            for n, (c, d, degree) in enumerate(exponents):
                if (c, d, degree) != (1, 1, 2) and _never_zero(a * d - b * c, c - d):
                    return m, n
    return None


def _never_zero(start: int, step: int) -> bool:
    """Tell whether start + k step is zero for no k = 0, 1, 2, ..."""
    if start == 0:
        return False
    return step == 0 or -start % step != 0 or -start // step < 0


def _leading(polynomial: Any, weights: Sequence[int]) -> Monomial | None:
    """Monomial of largest weight, if there is one such."""
    heights = [(sum(w * e for w, e in zip(weights, m, strict=True)), m) for m in polynomial]
    best = max(height for height, _ in heights)
    found = [monomial for height, monomial in heights if height == best]
    return found[0] if len(found) == 1 else None
