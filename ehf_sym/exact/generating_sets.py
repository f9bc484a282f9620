"""Algebras of polynomials, degree by degree: minimal generators and the relations among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import gcd, lcm
from typing import Any

from sympy import QQ, ZZ
from sympy.polys.matrices import DomainMatrix

from ehf_sym.exact.linear import Echelon
from ehf_sym.exact.separation import Exponents
from ehf_sym.exact.vector_fields import Poly, VectorFields
from ehf_sym.formulas.printing import formula_text

# A product of generators: their numbers, the largest first.
Product = tuple[int, ...]
# LLL on longer lists of vectors costs more than short formulas are worth.
_MAX_REDUCED = 30


@dataclass(frozen=True, eq=False)
class GeneratingSet:
    """Minimal homogeneous-by-class generators of an algebra of polynomials to a degree.

    Attributes
    ----------
    generators : list of PolyElement
        In the order of their degrees.
    degrees : list of int
        Their total degrees.
    standard : dict
        For each degree k, products of generators that are, with those of lower degrees, a basis
        of all members of degree at most k without constant term.
    relations : list of (Product, dict)
        Each product that is a combination of standard ones, unless a factor of it is already: a
        Gröbner basis of the ideal of relations, to the degree.
    """

    generators: list[Poly] = field(default_factory=list)
    degrees: list[int] = field(default_factory=list)
    standard: dict[int, list[Product]] = field(default_factory=dict)
    relations: list[tuple[Product, dict[Product, Any]]] = field(default_factory=list)


def generating_set(fields: VectorFields, degree: int) -> GeneratingSet:
    """Generate all polynomials to a degree that the fields annihilate.

    In each degree, what products of lower generators do not span is taken in as a generator.

    Parameters
    ----------
    fields : VectorFields
        Their common kernel is the algebra.
    degree : int
        The highest total degree.

    Returns
    -------
    GeneratingSet
    """
    return _Search(fields, degree).run()


class _Search:
    """One walk through the degrees."""

    def __init__(self, fields: VectorFields, degree: int) -> None:
        self._fields = fields
        self._degree = degree
        self._domain = fields.ring.domain
        self._members = fields.annihilated(degree)
        self._spans: dict[Exponents, Echelon] = {}
        self._names: dict[Exponents, list[Product]] = {}
        self._values: dict[Product, Poly] = {(): fields.ring.one}
        self._found = GeneratingSet()

    def run(self) -> GeneratingSet:
        """Go through the degrees."""
        self._found.standard[0] = [()]
        for k in range(1, self._degree + 1):
            self._found.standard[k] = []
            for product in sorted(self._products(k)):
                self._take(product, k)
            for poly in self._candidates(k):
                self._add_generator(poly, k)
        del self._found.standard[0]
        return self._found

    def _products(self, k: int) -> set[Product]:
        """Products of degree k all of whose parts are standard."""
        products = set()
        for i, own in enumerate(self._found.degrees):
            for rest in self._found.standard.get(k - own, ()):
                product = tuple(sorted((*rest, i), reverse=True))
                if all(part in self._values for part in _parts(product)):
                    products.add(product)
        return products

    def _take(self, product: Product, k: int) -> None:
        """Sort a product in: a standard one, or one side of a relation."""
        poly = self._values[product[1:]] * self._found.generators[product[0]]
        name = self._class(poly)
        combination = self._span(name).add(poly)
        if combination is None:
            self._names[name].append(product)
            self._values[product] = poly
            self._found.standard[k].append(product)
        else:
            parts = {self._names[name][i]: c for i, c in combination.items()}
            self._found.relations.append((product, parts))

    def _candidates(self, k: int) -> list[Poly]:
        """Members of degree k, presentable ones first, from classes that products do not span."""
        candidates = []
        for name, members in self._members.items():
            own = [poly for poly in members if _degree(poly) <= k]
            if len(own) > len(self._span(name)):
                new = [poly for poly in own if _degree(poly) == k]
                candidates += presentable(new, reduce=self._fields.grading.by_degree)
        return sorted(candidates, key=lambda poly: poly.LM, reverse=True)

    def _add_generator(self, poly: Poly, k: int) -> None:
        """Take a polynomial in as a generator unless it is spanned."""
        name = self._class(poly)
        if self._span(name).add(poly) is not None:
            return
        product = (len(self._found.generators),)
        self._found.generators.append(poly)
        self._found.degrees.append(k)
        self._names[name].append(product)
        self._values[product] = poly
        self._found.standard[k].append(product)

    def _class(self, poly: Poly) -> Exponents:
        return self._fields.grading.class_of(next(iter(poly)))

    def _span(self, name: Exponents) -> Echelon:
        self._names.setdefault(name, [])
        return self._spans.setdefault(name, Echelon(self._domain))


def presentable(polys: Sequence[Poly], *, reduce: bool = True) -> list[Poly]:
    """Basis of the same space with small whole coefficients, few terms first.

    Parameters
    ----------
    polys : sequence of PolyElement
        Linearly independent.
    reduce : bool
        Whether combinations with shorter coefficients are looked for (LLL), over Q.
    """
    whole = [primitive(poly) for poly in polys]
    if reduce and 1 < len(whole) <= _MAX_REDUCED and whole[0].ring.domain.is_QQ:
        shorter = [primitive(poly) for poly in _lll(whole)]
        whole = min(whole, shorter, key=lambda basis: sum(c for b in basis for c in _length(b)))
    return sorted(whole, key=_length)


def primitive(poly: Poly) -> Poly:
    """Multiply by a constant so that coefficients are coprime and whole, the first positive."""
    ring, domain = poly.ring, poly.ring.domain
    if domain.is_QQ:
        common = lcm(*(int(c.denominator) for c in poly.values()))
        shared = gcd(*(int(c.numerator * common // c.denominator) for c in poly.values()))
        factor = domain(common, shared)
    elif domain.is_FractionField:
        numbers = domain.field.ring
        common, shared = numbers.one, numbers.zero
        for c in poly.values():
            common = numbers(common.lcm(c.denom))
        for c in poly.values():
            shared = shared.gcd((c * domain.field(common)).numer)
        factor = domain.field(common) / domain.field(shared)
    else:
        factor = domain.one / poly.LC
    result = poly * ring.ground_new(factor)
    return -result if domain.is_negative(result.LC) else result


def _parts(product: Product) -> Iterator[Product]:
    """Products with one factor left out."""
    return (product[:j] + product[j + 1 :] for j in range(len(product)))


def _degree(poly: Poly) -> int:
    """Total degree."""
    return max(map(sum, poly))


def _length(poly: Poly) -> tuple[int, int]:
    """How long a formula is to a reader: its terms, then its coefficients' digits."""
    shown = (formula_text(poly.ring.domain.to_sympy(c)) for c in poly.values())
    return len(poly), sum(map(len, shown))


def _lll(polys: Sequence[Poly]) -> list[Poly]:
    """Shorter integer combinations of polynomials with integer coefficients."""
    monomials = sorted({m for poly in polys for m in poly}, reverse=True)
    rows = [[ZZ(int(poly.get(m, 0))) for m in monomials] for poly in polys]
    reduced = DomainMatrix(rows, (len(polys), len(monomials)), ZZ).lll().to_list()
    ring = polys[0].ring
    return [
        ring.from_dict({m: QQ(c) for m, c in zip(monomials, row, strict=True) if c})
        for row in reduced
    ]
