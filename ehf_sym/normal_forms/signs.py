"""Signs of polynomials and of what is made of kernels: assumed, or proved.

Some are proved without knowing where the kernels are, others from the kernels' own signs. What a
conversion learns too late, orders N of kernels of u/N and signs, is thrown as `RefineError` and
known to the next one.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import lcm
from typing import Any

import sympy as sp

from ehf_sym.clock import interrupted
from ehf_sym.enclosures.root_bounds import algebraic_sign
from ehf_sym.normal_forms.inequalities import Inequality, contradict
from ehf_sym.normal_forms.kernels import (
    UNIT,
    Element,
    Field,
    GiveUpError,
    Kernel,
    Poly,
    factor,
    is_generator,
    used_generators,
)
from ehf_sym.normal_forms.relations import is_constant
from ehf_sym.normal_forms.roots import conjugate_parts

_MAX_ROOT_DEGREE = 30

Bounds = tuple[sp.Rational | None, sp.Rational | None]
# exp(u) and exp(u/N) share a kernel only up to this N.
_MAX_ORDER = 10_000
Refinements = dict[tuple[str, sp.Expr], int]


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign that holds everywhere: f >= 0 or f <= 0, and never 0 where `strict`."""

    value: int
    strict: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is taken for granted in a part of the domain.

    Attributes
    ----------
    signs : Mapping
        Signs of parts of the expression, as they are written in its normal form.
    bounds : Mapping
        Open intervals for symbols; ``None`` for an end at infinity.
    poles : Mapping
        Angles u with N: tan(u/(2N)) is infinite.
    """

    signs: Mapping[sp.Expr, Sign] = field(default_factory=dict)
    bounds: Mapping[sp.Symbol, Bounds] = field(default_factory=dict)
    poles: Mapping[sp.Expr, int] = field(default_factory=dict)

    @property
    def key(self) -> Hashable:
        """What equal facts have in common."""
        return tuple(frozenset(known.items()) for known in (self.signs, self.bounds, self.poles))

    def with_sign(self, part: sp.Expr, sign: Sign) -> Facts:
        """Add a sign."""
        return replace(self, signs={**self.signs, part: sign})

    def with_pole(self, angle: sp.Expr, order: int) -> Facts:
        """Add a pole of a half tangent."""
        return replace(self, poles={**self.poles, angle: order})

    def restricted(self, place: Mapping[sp.Symbol, sp.Expr]) -> Facts:
        """Keep what still holds, as it stands, where formulas replace symbols."""
        bounds = {x: interval for x, interval in self.bounds.items() if x not in place}
        return Facts({}, bounds)


class KernelSigns:
    """Which kernels are known to be positive, not to be negative, or to lie in an interval."""

    def __init__(self) -> None:
        self.positive: set[int] = set()
        self.nonnegative: set[int] = set()
        self.negative: set[int] = set()
        self.nonpositive: set[int] = set()
        self.bounds: dict[int, Bounds] = {}

    def note(self, index: int, sign: Sign) -> None:
        """Keep the sign of a kernel."""
        if sign.value > 0:
            (self.positive if sign.strict else self.nonnegative).add(index)
        else:
            (self.negative if sign.strict else self.nonpositive).add(index)

    def of(self, poly: Poly) -> Sign | None:
        """Prove the sign of a polynomial; None where no method here can."""
        return self._by_terms(poly) or self._by_roots(poly) or _by_squares(poly)

    def _by_terms(self, poly: Poly) -> Sign | None:
        """Every term has the same sign: even powers, or kernels whose signs are known."""
        below = self.negative | self.nonpositive
        known = self.positive | self.nonnegative | below
        strict_ones = self.positive | self.negative
        signs = set()
        for monomial, coefficient in poly.items():
            odd = [i for i, e in enumerate(monomial) if e % 2]
            if not known.issuperset(odd):
                return None
            signs.add((1 if coefficient > 0 else -1) * (-1) ** sum(i in below for i in odd))
        if len(signs) != 1:
            return None
        strict = any(
            all(not e or i in strict_ones for i, e in enumerate(monomial)) for monomial in poly
        )
        return Sign(signs.pop(), strict)

    def _by_roots(self, poly: Poly) -> Sign | None:
        """Count the roots of a polynomial in one kernel where the kernel may be."""
        used = used_generators(poly)
        if len(used) != 1 or max(map(sum, poly)) > _MAX_ROOT_DEGREE:
            return None
        (index,) = used
        x = sp.Symbol("x")
        univariate = sp.Poly.from_dict({(m[index],): c for m, c in poly.items()}, x, domain="QQ")
        if index in self.bounds:
            return sign_between(univariate, self.bounds[index])
        low = 0 if index in self.positive | self.nonnegative else None
        high = 0 if index in self.negative | self.nonpositive else None
        if interrupted(lambda: univariate.count_roots(low, high)):
            return None
        return Sign(1 if univariate.eval(0) > 0 else -1, strict=True)


def sign_between(poly: sp.Poly, bounds: Bounds) -> Sign | None:
    """Sign of a univariate polynomial that has no root in an open interval."""
    low, high = bounds
    at_ends = sum(end is not None and poly.eval(end) == 0 for end in bounds)
    if interrupted(lambda: poly.count_roots(low, high)) > at_ends:
        return None
    return Sign(1 if poly.eval(inner_point(bounds)) > 0 else -1, strict=True)


def inner_point(bounds: Bounds) -> sp.Rational:
    """Return a rational number in an open interval."""
    low, high = bounds
    if low is None:
        return sp.S.Zero if high is None else high - 1
    return low + 1 if high is None else (low + high) / 2


def _by_squares(poly: Poly) -> Sign | None:
    """Test the matrix of a polynomial that is quadratic in kernels or in their squares."""
    if all(e % 2 == 0 for monomial in poly for e in monomial):
        terms = {tuple(e // 2 for e in monomial): c for monomial, c in poly.items()}
    else:
        terms = dict(poly)
    if max(map(sum, terms)) > 2:
        return None
    for value in (1, -1):
        definite = _definite(_gram_matrix(terms, value))
        if definite is not None:
            return Sign(value, strict=definite)
    return None


def _gram_matrix(terms: dict[tuple[int, ...], Any], sign: int) -> list[list[Fraction]]:
    """Matrix G with (1, x) G (1, x)^T = sign * f(x)."""
    used = [i for i, exponents in enumerate(zip(*terms, strict=True)) if any(exponents)]
    matrix = [[Fraction(0)] * (len(used) + 1) for _ in range(len(used) + 1)]
    for monomial, c in terms.items():
        places = [row for row, i in enumerate(used, start=1) for _ in range(monomial[i])]
        a, b = [0, 0, *places][-2:]
        half = Fraction(int(c.numerator), int(c.denominator)) * sign / 2
        matrix[a][b] += half
        matrix[b][a] += half
    return matrix


def _definite(matrix: list[list[Fraction]]) -> bool | None:
    """Return True for a positive definite matrix, False for a semidefinite one, else None."""
    strict = True
    while matrix:
        pivot, row = matrix[0][0], matrix[0][1:]
        if pivot < 0 or (pivot == 0 and any(row)):
            return None
        strict = strict and pivot > 0
        rest = [line[1:] for line in matrix[1:]]
        if pivot:
            rest = [
                [entry - a * b / pivot for entry, b in zip(line, row, strict=True)]
                for line, a in zip(rest, row, strict=True)
            ]
        matrix = rest
    return strict


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


class ProvedSigns:
    """Signs of polynomials in the kernels of a field, each proved once.

    Attributes
    ----------
    kernel_signs : KernelSigns
        What is known of single kernels.
    """

    def __init__(self, field: Field, refinements: Refinements, facts: Facts) -> None:
        self.kernel_signs = KernelSigns()
        self._field = field
        self._refinements = refinements
        self._facts = facts
        self._proved: dict[Poly, Sign | None] = {}
        self._given: list[tuple[Poly, Sign]] = []

    def of(self, f: Poly) -> Sign | None:
        """Prove the sign of an irreducible polynomial."""
        if f not in self._proved:
            self._proved[f] = (
                self._of_constant(f)
                or self.kernel_signs.of(f)
                or self._assumed(f)
                or self._by_norm(f)
                or self._of_part(f)
            )
        return self._proved[f]

    def known(self, f: Poly) -> Sign | None:
        """Return the sign of a polynomial if it has been proved before."""
        return self._proved.get(f)

    def of_product(self, content: Any, factors: Mapping[Poly, int]) -> Sign | None:
        """Prove the sign of a product from its factors."""
        value, strict = (1 if content > 0 else -1), True
        for f, m in factors.items():
            sign = self.of(f)
            if sign is None and m % 2:
                return None
            strict = strict and sign is not None and sign.strict
            value *= sign.value if sign is not None and m % 2 else 1
        return Sign(value, strict)

    def of_element(self, b: Element) -> Sign | None:
        """Prove the sign of an element that is not 0 everywhere."""
        poly, key = self._field.single(b)
        if not poly:
            return None
        content, factors = factor(poly)
        powers = dict(factors)
        for f, m in key:
            powers[f] = powers.get(f, 0) - m
        return self.of_product(content, powers)

    def of_poly(self, poly: Poly) -> Sign | None:
        """Prove the sign of a polynomial that may have factors."""
        if not poly:
            return None
        content, factors = factor(poly)
        return self.of_product(content, dict(factors))

    def suppose(self, part: Element, sign: Sign) -> None:
        """Take the sign of a part for granted."""
        poly, key = self._field.single(part)
        if poly and not key:
            self._proved[poly] = sign
            self._given.append((poly * sign.value, sign))
            index = is_generator(poly)
            if index is not None:
                self.kernel_signs.note(index, sign)

    def impose(self, f: Poly, sign: Sign) -> None:
        """Keep a sign without which the expression would not be real."""
        self._proved[f] = sign
        index = is_generator(f)
        if index is not None and sign.value > 0:
            self.kernel_signs.note(index, sign)

    def part_of_same_sign(self, f: Poly) -> Element | None:
        """Return what has the same sign and zeros: u - v for exp(u) - exp(v)."""
        special = self._field.kernel(f)
        if special is not None and special.kind == "opaque" and special.argument is not None:
            return special.argument
        if special is not None and special.kind == "arc":
            return special.rotation[1]
        if special is not None and special.kind == "log":
            sign = self.of(special.base)
            if sign is None:
                return None
            return {UNIT: special.base * sign.value - 1}
        if len(f) != 2 or sum(f.values()) != 0:
            return None
        difference = self._of_increasing(f)
        if difference is not None:
            return difference
        (above, c), (below, _) = f.items()
        parts = []
        for i, (e, d) in enumerate(zip(above, below, strict=True)):
            if e == d:
                continue
            kernel = self._field.kernels[i]
            if kernel.kind != "exp" or kernel.argument is None:
                return None
            parts.append(self._field.scale(kernel.argument, Fraction(e - d, kernel.order)))
        return self._field.scale(self._field.add(parts), 1 if c > 0 else -1)

    def _of_increasing(self, f: Poly) -> Element | None:
        """Return u - v for f(u) - f(v), where f increases."""
        (first, c), (second, _) = f.items()
        if sum(first) != 1 or sum(second) != 1:
            return None
        kernels = [self._field.kernels[monomial.index(1)] for monomial in (first, second)]
        if kernels[0].kind != kernels[1].kind:
            return None
        if kernels[0].kind in {"log", "root"}:
            u, v = map(self._size, kernels)
        elif kernels[0].kind in {"arc", "opaque"}:
            u, v = (kernel.argument for kernel in kernels)
        else:
            return None
        alike = len({(k.order, k.meaning.func) for k in kernels}) == 1
        if u is None or v is None or not alike:
            return None
        return self._field.scale(self._field.add([u, self._field.scale(v, -1)]), 1 if c > 0 else -1)

    def _size(self, kernel: Kernel) -> Element | None:
        """Return |f| of log|f| or a root, where the sign of f is proved."""
        sign = self.of(kernel.base)
        return None if sign is None else {UNIT: kernel.base * sign.value}

    def _of_part(self, f: Poly) -> Sign | None:
        """Prove the sign of what has the same sign."""
        u = self.part_of_same_sign(f)
        return None if u is None else self.of_element(u)

    def _assumed(self, f: Poly) -> Sign | None:
        """Look a sign up, or add signs that are taken for granted."""
        if self._refinements or self._facts.signs:
            meaning = self._field.expression(f)
            value = self._refinements.get(("sign", meaning))
            if value is not None:
                return Sign(value, strict=False)
            if meaning in self._facts.signs:
                return self._facts.signs[meaning]
        return self._of_sum(f) if self._given else None

    def _of_sum(self, f: Poly) -> Sign | None:
        """Contradict the opposite sign by signs that are taken for granted."""
        one = self._field.ring.zero_monom
        given: list[Inequality] = [(part, sign.strict) for part, sign in self._given]
        for value in (1, -1):
            for strict in (True, False):
                if contradict([*given, (-value * f, not strict)], one):
                    return Sign(value, strict)
        return None

    def _of_constant(self, f: Poly) -> Sign | None:
        """Compare a number with 0, by its digits."""
        if f.is_ground or not is_constant(self._field, f):
            return None
        value = algebraic_sign(self._field.expression(f))
        return Sign(value, strict=True) if value else None

    def _by_norm(self, f: Poly) -> Sign | None:
        """Compare a**2 and b**2 r**2, where f = a + b r: the larger of a and b r decides."""
        parts = conjugate_parts(self._field, f)
        if parts is None or not parts[2]:
            return None
        a, b, norm, _ = parts
        comparison = self.of_poly(norm)
        if comparison is None:
            return None
        leading = self.of_poly(a if comparison.value > 0 else b)
        return None if leading is None else Sign(leading.value, comparison.strict)
