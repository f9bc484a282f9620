"""Linear relations with rational coefficients between elements of a field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from ehf_sym.zero.kernels import Element, Field
from ehf_sym.zero.polynomials import Poly

Vector = dict[Any, Any]


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
