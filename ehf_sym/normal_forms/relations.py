"""Linear relations with rational coefficients, and what they say about logarithms.

log(x + sqrt(x**2 + 1)) and log(sqrt(x**2 + 1) - x) are not independent: there is a relation
f**n = c g_1**m_1 ... g_k**m_k among expressions that contain roots. By the structure theorem it
shows in the logarithms' derivatives, Df/f = sum m_j/n Dg_j/g_j, where linear algebra finds it;
multiplying out proves it. Logarithms of constants have no derivatives: there the relation is looked
for in digits, and proved in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import mpmath
import sympy as sp

from ehf_sym.clock import interrupted
from ehf_sym.enclosures.enclosure import enclose
from ehf_sym.enclosures.intervals import EvaluationError, interval
from ehf_sym.normal_forms.kernels import Element, Field, Poly, factor, used_generators
from ehf_sym.normal_forms.roots import Derivation, has_roots, norm

Vector = dict[Any, Any]
_MAX_COEFFICIENT = 12
_MAX_TERMS = 100
_DIGITS_BITS = 240
_PSLQ_STEPS = 3000


def combination(field: Field, target: Element, basis: Sequence[Element]) -> list[Fraction] | None:
    """Rational c with target = sum c_j basis_j; None if there are none."""
    common: dict[Poly, int] = {}
    for element in (target, *basis):
        for key in element:
            for f, m in key:
                common[f] = max(m, common.get(f, 0))
    columns = [field.over(element, common) for element in basis]
    return solved(columns, field.over(target, common))


def solved(
    columns: Sequence[Mapping[Any, Any]], target: Mapping[Any, Any]
) -> list[Fraction] | None:
    """Rational c with target = sum c_j columns_j, by elimination; None if there are none."""
    pivots: list[tuple[Any, Vector, Vector]] = []
    for j, column in enumerate(columns):
        vector, origin = _eliminated(dict(column), {j: 1}, pivots)
        if vector:
            pivots.append((next(iter(vector)), vector, origin))
    rest, origin = _eliminated(dict(target), {}, pivots)
    if rest:
        return None
    coefficients = [-origin.get(j, 0) for j in range(len(columns))]
    return [Fraction(int(c.numerator), int(c.denominator)) for c in coefficients]


def _eliminated(
    vector: Vector, origin: Vector, pivots: Sequence[tuple[Any, Vector, Vector]]
) -> tuple[Vector, Vector]:
    """Subtract multiples of the pivots; `origin` says of which columns."""
    for place, pivot, pivot_origin in pivots:
        if place in vector:
            ratio = vector[place] / pivot[place]
            vector = _minus(vector, ratio, pivot)
            origin = _minus(origin, ratio, pivot_origin)
    return vector, origin


def _minus(a: Vector, ratio: Any, b: Vector) -> Vector:
    """Return a - ratio * b without its zeros."""
    result = dict(a)
    for place, entry in b.items():
        result[place] = result.get(place, 0) - ratio * entry
    return {place: entry for place, entry in result.items() if entry}


@dataclass(frozen=True, slots=True)
class LogRelation:
    """|f| = (|constant| prod |g|**m)**(1/n)."""

    order: int
    powers: Mapping[Poly, int]
    constant: Any


def log_relation(
    field: Field, derivation: Derivation, f: Poly, known: Iterable[Poly]
) -> LogRelation | None:
    """Relate f, which contains roots, to known polynomials and to the factors of norms."""
    algebraic = [g for g in known if has_roots(field, g)]
    candidates = list(algebraic)
    for g in (f, *algebraic):
        whole = norm(field, g)
        if len(whole) > _MAX_TERMS or not whole:
            return None
        candidates += [p for p, _ in factor(whole)[1] if p not in candidates and p != f]
    constant = is_constant(field, f)
    candidates = [g for g in candidates if is_constant(field, g) == constant]
    if constant:
        coefficients = _relation_of_constants(field, f, candidates)
    else:
        slopes = [derivation.logarithmic(g) for g in candidates]
        coefficients = combination(field, derivation.logarithmic(f), slopes)
    if coefficients is None:
        return None
    order = lcm(*(c.denominator for c in coefficients))
    powers = {g: int(c * order) for g, c in zip(candidates, coefficients, strict=True) if c}
    return _verified(field, f, order, powers)


def is_constant(field: Field, poly: Poly) -> bool:
    """Tell whether a polynomial is a number."""
    return all(field.kernels[index].meaning.is_number for index in used_generators(poly))


def digits(formulas: Iterable[sp.Expr]) -> list[mpmath.mpf] | None:
    """Evaluate numbers, for what is verified elsewhere."""
    try:
        ends = [interval(enclose(formula, {}, _DIGITS_BITS), _DIGITS_BITS) for formula in formulas]
    except EvaluationError:
        return None
    return [mpmath.mp.make_mpf(low) for low, _ in ends]


def integer_relation(numbers: Sequence[mpmath.mpf]) -> list[int] | None:
    """Find small integers with sum n_j x_j = 0 to the digits at hand."""
    with mpmath.workprec(_DIGITS_BITS - 40):
        if len(numbers) < 2 or any(abs(x) < mpmath.mpf(2) ** -100 for x in numbers):
            return None
        found = interrupted(lambda: mpmath.pslq(list(numbers), maxcoeff=1000, maxsteps=_PSLQ_STEPS))
    return found if found and found[0] else None


def _relation_of_constants(
    field: Field, f: Poly, candidates: Sequence[Poly]
) -> list[Fraction] | None:
    """Look for a relation in digits, also with the primes that norms bring in."""
    polys = [f, *candidates]
    primes: set[int] = set()
    for g in polys:
        content, _ = factor(norm(field, g))
        for part in (content.numerator, content.denominator):
            primes |= set(sp.factorint(abs(int(part)), limit=1000))
    values = digits(sp.Abs(field.expression(g), evaluate=False) for g in polys)
    if values is None:
        return None
    with mpmath.workprec(_DIGITS_BITS):
        logs = [mpmath.log(v) for v in values] + [mpmath.log(p) for p in sorted(primes - {1})]
    found = integer_relation(logs)
    if found is None:
        return None
    return [Fraction(-n, found[0]) for n in found[1 : len(polys)]]


def _verified(field: Field, f: Poly, order: int, powers: Mapping[Poly, int]) -> LogRelation | None:
    """Multiply out: both sides must be proportional."""
    if order + sum(map(abs, powers.values())) > _MAX_COEFFICIENT:
        return None
    left = field.expand(frozenset({(f, order), *((g, -m) for g, m in powers.items() if m < 0)}))
    right = field.expand(frozenset((g, m) for g, m in powers.items() if m > 0))
    if not left or not right or len(left) != len(right):
        return None
    ratio = left.LC / right.LC
    return LogRelation(order, powers, ratio) if left == right * ratio else None
