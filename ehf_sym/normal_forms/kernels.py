"""Fields of rational functions that grow by kernels, over polynomials that all share.

Polynomials are sparse, over Q, in one ring that is shared by every conversion. The generators of a
field ("kernels") appear on the go. An element of the field is a sum of quotients, kept apart by
their factored denominators: sums in which everything cancels term by term never meet a common
denominator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

import sympy as sp
from sympy import QQ
from sympy.polys.orderings import lex
from sympy.polys.rings import PolyRing

from ehf_sym.clock import check_time, interrupted

Poly = Any  # sympy.polys.rings.PolyElement

_MAX_FACTOR_TERMS = 80
_MAX_FACTOR_DEGREE = 40
# Terms times degree times bits: below, SymPy factors within some tenths of a second.
_QUICK_FACTORS = 4_000
Key = frozenset[tuple[Poly, int]]  # the factors of a denominator, with their multiplicities
Element = Mapping[Key, Poly]
Kind = Literal[
    "variable",
    "constant",
    "exp",
    "tan",
    "log",
    "root",
    "sign",
    "jump",
    "parity",
    "arc",
    "opaque",
    "pole",
]
UNIT: Key = frozenset()
# Exponents added in the products of one conversion: a second or two.
_MAX_WORK = 5_000_000


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
    quick = len(compact) * degree * bits <= _QUICK_FACTORS
    pieces = (compact.factor_list() if quick else interrupted(compact.factor_list))[1]
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


class GiveUpError(ArithmeticError):
    """The expression is too large, or divides by zero: no normal form."""


class NowhereDefinedError(GiveUpError):
    """The formula itself divides by zero everywhere, or takes the logarithm of zero."""


class RingFullError(ArithmeticError):
    """The conversion needs more kernels than its ring has generators."""


@dataclass(frozen=True, eq=False, slots=True)
class Kernel:
    """One generator of the field.

    Attributes
    ----------
    kind : str
        What it is.
    index : int
        Its place among the ring's generators.
    meaning : sympy.Expr
        What it stands for.
    order : int
        N in exp(u/N), tan(u/(2N)) and |f|**(1/N).
    argument : Element, optional
        u in exp(u/N) and tan(u/(2N)), and in other functions that increase, f(0) = 0.
    base : Poly, optional
        f in log|f|, |f|**(1/N) and sign(f).
    rotation : (Element, Element)
        Cosine and sine of an arc, an angle between -pi/2 and pi/2.
    """

    kind: Kind
    index: int
    meaning: sp.Expr
    order: int = 1
    argument: Element | None = None
    base: Poly = None
    rotation: tuple[Element, Element] = ({}, {})


class Field:
    """The kernels of one conversion, the relations among them, and the arithmetic."""

    def __init__(self, size: int) -> None:
        self.ring = shared_ring(size)
        self.kernels: list[Kernel] = []
        self._relations: dict[int, tuple[int, Poly]] = {}
        self._work = 0

    def renew(self) -> None:
        """Begin a new formula: its work is counted from nothing."""
        self._work = 0

    def adjoin(self, kind: Kind, meaning: sp.Expr, **details: Any) -> Kernel:
        """Add a kernel."""
        if len(self.kernels) == self.ring.ngens:
            raise RingFullError
        kernel = Kernel(kind, len(self.kernels), meaning, **details)
        self.kernels.append(kernel)
        return kernel

    def kernel(self, poly: Poly) -> Kernel | None:
        """Return the kernel that a polynomial is, if it is one."""
        index = is_generator(poly)
        return None if index is None else self.kernels[index]

    def relate(self, kernel: Kernel, degree: int, value: Poly) -> None:
        """Impose kernel**degree = value."""
        self._relations[kernel.index] = (degree, value)

    def relation(self, kernel: Kernel) -> Poly:
        """Return the value of kernel**degree."""
        return self._relations[kernel.index][1]

    def generator(self, kernel: Kernel, exponent: int = 1) -> Element:
        """Return a power of a kernel as an element."""
        return self.power({UNIT: self.ring.gens[kernel.index]}, exponent)

    def constant(self, number: Fraction | sp.Rational | int) -> Element:
        """Return a rational number as an element."""
        value = QQ(int(number.numerator), int(number.denominator))
        return {UNIT: self.ring.ground_new(value)} if value else {}

    def scale(self, element: Element, number: Fraction | int) -> Element:
        """Multiply by a rational."""
        return self.multiply(self.constant(number), element)

    def add(self, elements: Iterable[Element]) -> Element:
        """Sum, bucket by bucket."""
        buckets: dict[Key, list[Poly]] = {}
        for element in elements:
            for key, poly in element.items():
                buckets.setdefault(key, []).append(poly)
        sums = {key: self._sum(polys) for key, polys in buckets.items()}
        return {key: poly for key, poly in sums.items() if poly}

    def multiply(self, a: Element, b: Element) -> Element:
        """Product, every bucket with every other."""
        if len(a) * len(b) == 1:
            ((key_a, poly_a),) = a.items()
            ((key_b, poly_b),) = b.items()
            product = self.times(poly_a, poly_b)
            return {_merged(key_a, key_b): product} if product else {}
        return self.add(
            {_merged(key_a, key_b): self.times(poly_a, poly_b)}
            for key_a, poly_a in a.items()
            for key_b, poly_b in b.items()
        )

    def power(self, element: Element, n: int) -> Element:
        """Integer power."""
        if n < 0:
            return self.power(self._inverse(element), -n)
        if n == 1 or (n and not element):
            return element
        poly, key = self.single(element) if n else (self.ring.one, UNIT)
        result = self._poly_power(poly, n)
        return {frozenset((f, m * n) for f, m in key): result} if result else {}

    def single(self, element: Element) -> tuple[Poly, Key]:
        """Bring an element over one denominator."""
        while len(element) > 1 and (simpler := self._cancelled(element)) != element:
            element = simpler
        if len(element) == 1:
            ((key, poly),) = element.items()
            return poly, key
        common = common_denominator([element])
        return self.over(element, common), frozenset(common.items())

    def _cancelled(self, element: Element) -> Element:
        """Divide numerators by factors of their denominators, so that fewer remain."""
        parts: list[Element] = []
        for key, poly in element.items():
            rest, kept = poly, {}
            for f, m in key:
                while m:
                    self._spend(len(rest) * len(f))
                    quotient, remainder = rest.div(f)
                    if remainder:
                        break
                    rest, m = quotient, m - 1
                kept[f] = m
            parts.append({frozenset((f, m) for f, m in kept.items() if m): rest})
        return self.add(parts)

    def over(self, element: Element, common: Mapping[Poly, int]) -> Poly:
        """Numerator over a given multiple of all denominators."""
        parts = []
        for key, poly in element.items():
            own = dict(key)
            missing = frozenset((f, m - own.get(f, 0)) for f, m in common.items())
            parts.append(self.times(poly, self.expand(missing)))
        return self._sum(parts)

    def expand(self, key: Key) -> Poly:
        """Multiply the factors of a denominator."""
        result = self.ring.one
        for f, m in key:
            if m:
                result = self.times(result, self._poly_power(f, m))
        return result

    def times(self, p: Poly, q: Poly) -> Poly:
        """Product of polynomials, modulo the relations."""
        self._spend(len(p) * len(q))
        return self.reduce(p * q)

    def _spend(self, work: int) -> None:
        """Count products of terms; beyond the bound, give up."""
        check_time()
        self._work += work * self.ring.ngens
        if self._work > _MAX_WORK:
            raise GiveUpError("too many terms")

    def reduce(self, poly: Poly) -> Poly:
        """Remove high powers of algebraic kernels, latest kernel first."""
        for index in sorted(self._relations, reverse=True):
            degree, value = self._relations[index]
            while any(monomial[index] >= degree for monomial in poly):
                parts: dict[int, dict[tuple[int, ...], Any]] = {}
                for monomial, coefficient in poly.items():
                    quotient, rest = divmod(monomial[index], degree)
                    reduced = (*monomial[:index], rest, *monomial[index + 1 :])
                    parts.setdefault(quotient, {})[reduced] = coefficient
                poly = self.ring.zero
                for quotient, terms in parts.items():
                    part = self._from_terms(terms)
                    poly += self.times(part, self._poly_power(value, quotient))
        return poly

    def degree(self, poly: Poly, index: int) -> int:
        """Degree of a polynomial in one kernel."""
        return max((monomial[index] for monomial in poly), default=0)

    def expression(self, poly: Poly) -> sp.Expr:
        """Write a polynomial in terms of what its kernels stand for."""
        meanings = [kernel.meaning for kernel in self.kernels]
        terms = []
        for monomial, coefficient in poly.items():
            number = sp.Rational(int(coefficient.numerator), int(coefficient.denominator))
            powers = (m**e for m, e in zip(meanings, monomial, strict=False) if e)
            terms.append(sp.Mul(number, *powers))
        return sp.Add(*terms)

    def meaning(self, element: Element) -> sp.Expr:
        """Write an element in terms of what its kernels stand for."""
        return sp.Add(
            *(
                self.expression(poly) / sp.Mul(*(self.expression(f) ** m for f, m in key))
                for key, poly in element.items()
            )
        )

    def _inverse(self, element: Element) -> Element:
        """Reciprocal; algebraic kernels that are factors go to the numerator."""
        poly, key = self.single(element)
        if not poly:
            raise GiveUpError("division by zero")
        content, factors = factor(poly)
        own = dict(key)
        denominator: dict[Poly, int] = {}
        conjugate: Element = self.constant(1)
        for f, m in factors:
            relation = (
                self._relations.get(index) if (index := is_generator(f)) is not None else None
            )
            if relation is None:
                shared = min(m, own.get(f, 0))
                own[f] = own.get(f, 0) - shared
                denominator[f] = m - shared
                continue
            degree, value = relation
            if value == f:  # the value of the sign function, where it is not 0
                conjugate = self.multiply(conjugate, {UNIT: self._poly_power(f, m)})
                continue
            steps = -(-m // degree)
            inverse_value = self.power({UNIT: value}, -steps)
            raised: Element = {UNIT: self._poly_power(f, steps * degree - m)}
            conjugate = self.multiply(conjugate, self.multiply(inverse_value, raised))
        numerator = self.expand(frozenset(own.items())) * (1 / content)
        quotient: Element = {frozenset((f, m) for f, m in denominator.items() if m): numerator}
        return self.multiply(quotient, conjugate)

    def _poly_power(self, poly: Poly, n: int) -> Poly:
        """Power by repeated squaring, within the work bound."""
        if n == 0:
            return self.ring.one
        if len(poly) == 1:
            return self.reduce(poly**n)
        half = self._poly_power(poly, n // 2)
        square = self.times(half, half)
        return self.times(square, poly) if n % 2 else square

    def _sum(self, polys: Sequence[Poly]) -> Poly:
        """Add polynomials."""
        if len(polys) == 1:
            return polys[0]
        terms: dict[tuple[int, ...], Any] = {}
        for poly in polys:
            for monomial, coefficient in poly.items():
                terms[monomial] = terms.get(monomial, 0) + coefficient
        return self._from_terms(terms)

    def _from_terms(self, terms: Mapping[tuple[int, ...], Any]) -> Poly:
        """Build a polynomial, dropping zero terms."""
        poly = self.ring.zero
        for monomial, coefficient in terms.items():
            if coefficient:
                poly[monomial] = coefficient
        return poly


def common_denominator(elements: Iterable[Element]) -> dict[Poly, int]:
    """Least common multiple of all denominators, by its factors."""
    common: dict[Poly, int] = {}
    for f, m in (power for element in elements for key in element for power in key):
        common[f] = max(m, common.get(f, 0))
    return common


def _merged(a: Key, b: Key) -> Key:
    """Multiply two factored denominators."""
    if not a or not b:
        return a or b
    exponents = dict(a)
    for f, m in b:
        exponents[f] = exponents.get(f, 0) + m
    return frozenset(exponents.items())
