"""Exponentials, logarithms, roots, absolute values and signs as kernels of a field.

Each method takes and returns elements of the field. A new kernel is adjoined only where
the result cannot be written with the kernels at hand:

* exponents are kept linearly independent over Q, also of the logarithms:
  exp(sum n_j u_j/N_j) = prod exp(u_j/N_j)**n_j;
* arguments of logarithms and bases of roots are split into irreducible factors:
  log(prod f_i**m_i) = sum m_i log|f_i| where it is real, and the same with powers;
* factors that contain roots are tried for squares (`nested_roots`) and for products of powers
  of known factors (`log_relations`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import lcm
from typing import Any

import sympy as sp

from ehf_sym.zero.derivation import Derivation
from ehf_sym.zero.kernels import UNIT, Element, Field, GiveUpError, Kernel
from ehf_sym.zero.log_relations import is_constant, log_relation
from ehf_sym.zero.nested_roots import conjugate_parts, has_roots, is_nested, square_root
from ehf_sym.zero.polynomials import Poly, factor, is_generator
from ehf_sym.zero.relations import combination, solved
from ehf_sym.zero.root_bounds import algebraic_sign
from ehf_sym.zero.signs import Facts, KernelSigns, Sign

_TRIAL_DIVISION = 10_000
# exp(u) and exp(u/N) share a kernel only up to this N.
_MAX_ORDER = 10_000

Product = Sequence[tuple[Element, int]]  # bases with their exponents
Refinements = dict[tuple[str, sp.Expr], int]


class RefineError(ArithmeticError):
    """Something was learned too late, an order N or a sign: note it and convert again."""

    def __init__(self, key: tuple[str, sp.Expr], value: int) -> None:
        super().__init__(key, value)
        self.key = key
        self.value = value


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
    poles : tuple of int
        Tangent kernels at whose poles it is 0.
    """

    strict: bool
    sign: int
    odd: tuple[Poly, ...]
    zeros: tuple[Poly, ...]
    poles: tuple[int, ...]


class Tower:
    """A field together with the kernels that elementary functions have adjoined."""

    def __init__(self, field: Field, refinements: Refinements, facts: Facts) -> None:
        self.field = field
        self.facts = facts
        self.known_signs = KernelSigns()
        self.requirements: list[Requirement] = []
        self.signs: dict[Poly, Kernel] = {}
        self.jumps: dict[Poly, Kernel] = {}
        self.nonzero: set[Poly] = set()
        self.derivation = Derivation(field)
        self._refinements = refinements
        self._exponents: list[Kernel] = []
        self._logs: dict[Poly, Kernel] = {}
        self._roots: dict[Poly, Kernel] = {}
        self._proved: dict[Poly, Sign | None] = {}
        self._given: list[tuple[Poly, Sign]] = []

    def exp(self, u: Element) -> Element:
        """Exponential of an element."""
        known = [*self._exponents, *self._logs.values()]
        coefficients = combination(self.field, u, [self._exponent(k) for k in known])
        if coefficients is None:
            kernel = self.adjoin_divided("exp", u, _divided_exponential)
            self.known_signs.positive.add(kernel.index)
            self._exponents.append(kernel)
            return self.field.generator(kernel, kernel.order)
        result = self.field.constant(1)
        for kernel, c in zip(known, coefficients, strict=True):
            if c and kernel.kind == "exp":
                power = self.field.generator(kernel, self.multiple_of(kernel, c))
                result = self.field.multiply(result, power)
            elif c:
                result = self.field.multiply(result, self._absolute_power(kernel.base, c))
        return result

    def log(self, b: Product) -> Element:
        """Logarithm of a product, where it is positive."""
        content, factors = self._factored(b)
        self._require(content, factors, strict=True)
        parts = (
            self.field.scale(self._log_absolute(f), m)
            for f, m in (self._primes(content) | factors).items()
        )
        return self.field.add(parts)

    def root(self, b: Product, exponent: Fraction) -> Element:
        """Fractional power of a product, where it is not negative."""
        if exponent > 0 and not all(element for element, _ in b):
            return {}
        content, factors = self._factored(b)
        self._require(content, factors, strict=exponent < 0)
        result = self.field.constant(1)
        for f, m in (self._primes(content) | factors).items():
            result = self.field.multiply(result, self._absolute_power(f, m * exponent))
        return result

    def note_nonzero(self, b: Element) -> None:
        """Keep what the expression is divided by."""
        _, factors = self._factored([(b, 1)])
        self.nonzero.update(factors)

    def absolute(self, b: Element) -> Element:
        """Absolute value."""
        if not b:
            return b
        return self.field.multiply(self.sign_off_zero([(b, 1)]), b)

    def sign_off_zero(self, b: Product) -> Element:
        """Sign of a product where it is not 0; 1 or -1 elsewhere."""
        content, factors = self._factored(b)
        sign = self.field.ring.ground_new(1 if content > 0 else -1)
        for f, m in factors.items():
            if m % 2:
                sign = self.field.times(sign, self._sign(f))
        return {UNIT: sign}

    def sign(self, b: Element) -> Element:
        """Sign function, which is 0 where b is."""
        if not b:
            return b
        content, factors = self._factored([(b, 1)])
        sign = self.field.ring.ground_new(1 if content > 0 else -1)
        for f, m in factors.items():
            jump = self._jump(f)
            sign = self.field.times(sign, jump if m % 2 else self.field.times(jump, jump))
        return {UNIT: sign}

    def _exponent(self, kernel: Kernel) -> Element:
        """Return u of a kernel exp(u/N), or the kernel log|f| itself."""
        return self.field.generator(kernel) if kernel.argument is None else kernel.argument

    def adjoin_divided(self, kind: Any, u: Element, function: Any) -> Kernel:
        """Adjoin a kernel of u/N, with the N that earlier conversions have asked for."""
        meaning = self.field.meaning(u)
        order = self._refinements.get((kind, meaning), 1)
        return self.field.adjoin(kind, function(meaning, order), order=order, argument=u)

    def multiple_of(self, kernel: Kernel, c: Fraction) -> int:
        """Return the exponent c N of a kernel, or ask for a larger N."""
        n = c * kernel.order
        if n.denominator == 1:
            return n.numerator
        order = lcm(kernel.order, c.denominator)
        if order > _MAX_ORDER:
            raise GiveUpError("too fine a root of a kernel")
        meaning = (
            self.field.expression(kernel.base)
            if kernel.argument is None
            else self.field.meaning(kernel.argument)
        )
        raise RefineError((kernel.kind, meaning), order)

    def _primes(self, content: Any) -> dict[Poly, int]:
        """Split a rational, up to its sign, into prime numbers."""
        top = sp.factorint(abs(int(content.numerator)), limit=_TRIAL_DIVISION)
        bottom = sp.factorint(int(content.denominator), limit=_TRIAL_DIVISION)
        powers = top | {prime: -m for prime, m in bottom.items()}
        return {
            self.field.ring.ground_new(self.field.ring.domain(int(prime))): int(m)
            for prime, m in powers.items()
            if prime != 1
        }

    def _log_absolute(self, f: Poly) -> Element:
        """Return log|f| of an irreducible polynomial or a prime."""
        special = self._special(f)
        if special is not None and special.kind == "exp" and special.argument is not None:
            return self.field.scale(special.argument, Fraction(1, special.order))
        if special is not None and special.kind == "root":
            return self.field.scale(self._log_absolute(special.base), Fraction(1, special.order))
        if special is not None and special.kind in {"sign", "jump"}:
            return {}
        if f not in self._logs:
            related = self._related_log(f)
            if related is not None:
                return related
            meaning = sp.log(self._size(f), evaluate=False)
            self._logs[f] = self.field.adjoin("log", meaning, base=f)
            if f.is_ground:
                self.known_signs.positive.add(self._logs[f].index)
        return self.field.generator(self._logs[f])

    def _related_log(self, f: Poly) -> Element | None:
        """Write log|f| by other logarithms, where f contains roots and that is possible."""
        g = self._root_of_square(f)
        if g is not None:
            return self.field.scale(self.log_of_size([(g, 1)]), 2)
        if not has_roots(self.field, f):
            return None
        relation = log_relation(self.field, self.derivation, f, self._logs)
        if relation is None:
            return None
        parts = [
            self.field.scale(self._log_absolute(g), m)
            for g, m in (self._primes(relation.constant) | dict(relation.powers)).items()
        ]
        return self.field.scale(self.field.add(parts), Fraction(1, relation.order))

    def log_of_size(self, b: Product) -> Element:
        """Return log|b|."""
        content, factors = self._factored(b)
        powers = self._primes(content) | factors
        return self.field.add(self.field.scale(self._log_absolute(f), m) for f, m in powers.items())

    def _power_of_size(self, b: Element, exponent: Fraction) -> Element:
        """Return |b|**exponent."""
        content, factors = self._factored([(b, 1)])
        result = self.field.constant(1)
        for f, m in (self._primes(content) | factors).items():
            result = self.field.multiply(result, self._absolute_power(f, m * exponent))
        return result

    def _root_of_square(self, f: Poly) -> Element | None:
        """Find g with g**2 = |f|, where roots of roots make that possible."""
        if f in self._roots or f in self._logs:
            return None
        if not has_roots(self.field, f) and not is_nested(self.field):
            return None
        root = square_root(self.field, f)
        return root if root is not None else square_root(self.field, -f)

    def _absolute_power(self, f: Poly, exponent: Fraction) -> Element:
        """Return |f|**exponent of an irreducible polynomial or a prime."""
        special = self._special(f)
        if special is not None and special.kind == "exp":
            n = self.multiple_of(special, exponent / special.order)
            return self.field.generator(special, n)
        if special is not None and special.kind == "root":
            return self._absolute_power(special.base, exponent / special.order)
        if special is not None and special.kind in {"sign", "jump"}:
            return {UNIT: self.field.times(f, f)}
        if exponent.denominator > 1 and (g := self._root_of_square(f)) is not None:
            return self._power_of_size(g, 2 * exponent)
        whole = exponent.numerator // exponent.denominator
        size: Element = {UNIT: self.field.times(self._sign(f), f)}
        result = self.field.power(size, whole)
        if exponent == whole:
            return result
        kernel = self._root_kernel(f)
        n = self.multiple_of(kernel, exponent - whole)
        return self.field.multiply(result, self.field.generator(kernel, n))

    def _root_kernel(self, f: Poly) -> Kernel:
        """Return |f|**(1/N), with its relation."""
        if f not in self._roots:
            meaning = self.field.expression(f)
            order = self._refinements.get(("root", meaning), 2)
            size = self.field.times(self._sign(f), f)
            root = sp.Pow(self._size(f), sp.Rational(1, order), evaluate=False)
            kernel = self.field.adjoin("root", root, order=order, base=f)
            self.field.relate(kernel, order, size)
            proved = self.sign_of(f)
            signs = self.known_signs
            strict = proved is not None and proved.strict
            (signs.positive if strict else signs.nonnegative).add(kernel.index)
            self._roots[f] = kernel
        return self._roots[f]

    def _size(self, f: Poly) -> sp.Expr:
        """Write |f|."""
        meaning, proved = self.field.expression(f), self._proved.get(f)
        if f.is_ground or (proved is not None and proved.value > 0):
            return meaning
        return -meaning if proved is not None else sp.Abs(meaning, evaluate=False)

    def _special(self, f: Poly) -> Kernel | None:
        """Return the kernel that f is, if it is one."""
        index = is_generator(f)
        return None if index is None else self.field.kernels[index]

    def sign_of(self, f: Poly) -> Sign | None:
        """Prove the sign of a polynomial, once."""
        if f not in self._proved:
            self._proved[f] = (
                self._sign_of_constant(f)
                or self.known_signs.of(f)
                or self._assumed_sign(f)
                or self._sign_by_norm(f)
                or self._sign_of_that_part(f)
            )
        return self._proved[f]

    def _part_of_same_sign(self, f: Poly) -> Element | None:
        """Return what has the same sign and zeros: u - v for exp(u) - exp(v)."""
        special = self._special(f)
        if special is not None and special.kind == "opaque" and special.argument is not None:
            return special.argument
        if special is not None and special.kind == "arc":
            return special.rotation[1]
        if special is not None and special.kind == "log":
            sign = self.sign_of(special.base)
            if sign is None:
                return None
            return {UNIT: special.base * sign.value - 1}
        if len(f) != 2 or sum(f.values()) != 0:
            return None
        (above, c), (below, _) = f.items()
        parts = []
        for i, (e, d) in enumerate(zip(above, below, strict=True)):
            if e == d:
                continue
            kernel = self.field.kernels[i]
            if kernel.kind != "exp" or kernel.argument is None:
                return None
            parts.append(self.field.scale(kernel.argument, Fraction(e - d, kernel.order)))
        return self.field.scale(self.field.add(parts), 1 if c > 0 else -1)

    def _sign_of_that_part(self, f: Poly) -> Sign | None:
        """Prove the sign of what has the same sign."""
        u = self._part_of_same_sign(f)
        return None if u is None else self.sign_of_element(u)

    def suppose(self, part: Element, sign: Sign) -> None:
        """Take the sign of a part for granted."""
        poly, key = self.field.single(part)
        if poly and not key:
            self._proved[poly] = sign
            self._given.append((poly * sign.value, sign))
            index = is_generator(poly)
            if index is not None:
                self.known_signs.note(index, sign)

    def _assumed_sign(self, f: Poly) -> Sign | None:
        """Look a sign up, or add signs that are taken for granted."""
        if self._refinements or self.facts.signs:
            meaning = self.field.expression(f)
            value = self._refinements.get(("sign", meaning))
            if value is not None:
                return Sign(value, strict=False)
            if meaning in self.facts.signs:
                return self.facts.signs[meaning]
        for size in (1, 2):
            for given in combinations(self._given, size):
                for value in (1, -1):
                    sign = self._sum_of_signs(value * f, given)
                    if sign is not None:
                        return Sign(value, sign.strict)
        return None

    def _sum_of_signs(self, f: Poly, given: Sequence[tuple[Poly, Sign]]) -> Sign | None:
        """Write f as a sum, with positive weights, of 1 and of parts that are not negative."""
        weights = solved([self.field.ring.one, *(poly for poly, _ in given)], f)
        if weights is None or min(weights) < 0:
            return None
        strict = weights[0] > 0 or any(
            weight and sign.strict for weight, (_, sign) in zip(weights[1:], given, strict=True)
        )
        return Sign(1, strict)

    def sign_of_product(self, content: Any, factors: Mapping[Poly, int]) -> Sign | None:
        """Prove the sign of a product from its factors."""
        value, strict = (1 if content > 0 else -1), True
        for f, m in factors.items():
            sign = self.sign_of(f)
            if sign is None and m % 2:
                return None
            strict = strict and sign is not None and sign.strict
            value *= sign.value if sign is not None and m % 2 else 1
        return Sign(value, strict)

    def sign_of_element(self, b: Element) -> Sign | None:
        """Prove the sign of an element that is not 0 everywhere."""
        poly, key = self.field.single(b)
        if not poly:
            return None
        content, factors = factor(poly)
        powers = dict(factors)
        for f, m in key:
            powers[f] = powers.get(f, 0) - m
        return self.sign_of_product(content, powers)

    def _sign_of_constant(self, f: Poly) -> Sign | None:
        """Compare a number with 0, by its digits."""
        if f.is_ground or not is_constant(self.field, f):
            return None
        value = algebraic_sign(self.field.expression(f))
        return Sign(value, strict=True) if value else None

    def _sign_by_norm(self, f: Poly) -> Sign | None:
        """Compare a**2 and b**2 r**2, where f = a + b r: the larger of a and b r decides."""
        parts = conjugate_parts(self.field, f)
        if parts is None or not parts[2]:
            return None
        a, b, norm, _ = parts
        comparison = self._sign_of_poly(norm)
        if comparison is None:
            return None
        leading = self._sign_of_poly(a if comparison.value > 0 else b)
        return None if leading is None else Sign(leading.value, comparison.strict)

    def _sign_of_poly(self, poly: Poly) -> Sign | None:
        """Prove the sign of a polynomial that may have factors."""
        if not poly:
            return None
        content, factors = factor(poly)
        return self.sign_of_product(content, dict(factors))

    def _sign(self, f: Poly) -> Poly:
        """Sign of f off its zeros: 1, -1 or a kernel s with s**2 = 1."""
        proved = self.sign_of(f)
        if proved is not None:
            return self.field.ring.ground_new(proved.value)
        special = self._special(f)
        if special is not None and special.kind == "sign":
            return f
        if (u := self._part_of_same_sign(f)) is not None:
            return self.sign_off_zero([(u, 1)])[UNIT]
        if f not in self.signs:
            meaning = sp.sign(self.field.expression(f), evaluate=False)
            kernel = self.field.adjoin("sign", meaning, base=f)
            self.field.relate(kernel, 2, self.field.ring.one)
            self.signs[f] = kernel
        return self.field.ring.gens[self.signs[f].index]

    def _impose_sign(self, f: Poly, sign: Sign) -> None:
        """Keep a sign without which the expression would not be real."""
        if f in self.signs:
            raise RefineError(("sign", self.field.expression(f)), sign.value)
        self._proved[f] = sign
        index = is_generator(f)
        if index is not None and sign.value > 0:
            signs = self.known_signs
            (signs.positive if sign.strict else signs.nonnegative).add(index)
        parts = conjugate_parts(self.field, f) if sign.strict else None
        if parts is not None:
            self._impose_on_leading(parts[0], parts[2], sign)

    def _impose_on_leading(self, a: Poly, norm: Poly, sign: Sign) -> None:
        """Where a**2 > b**2 r**2, a + b r has the sign of a."""
        comparison = self._sign_of_poly(norm)
        if a and comparison is not None and comparison.value > 0 and comparison.strict:
            content, factors = factor(a)
            self._require(sign.value * content, dict(factors), strict=True)

    def _jump(self, f: Poly) -> Poly:
        """Sign of f everywhere: 1, -1 or a kernel s with s**3 = s, 0 at the zeros of f."""
        proved = self.sign_of(f)
        if proved is not None and proved.strict:
            return self.field.ring.ground_new(proved.value)
        if (u := self._part_of_same_sign(f)) is not None:
            return self.sign(u)[UNIT]
        if f not in self.jumps:
            meaning = sp.sign(self.field.expression(f), evaluate=False)
            kernel = self.field.adjoin("jump", meaning, base=f)
            self.field.relate(kernel, 3, self.field.ring.gens[kernel.index])
            self.jumps[f] = kernel
        return self.field.ring.gens[self.jumps[f].index]

    def _factored(self, b: Product) -> tuple[Any, dict[Poly, int]]:
        """Content and irreducible factors of a product, with multiplicities in Z."""
        content: Any = self.field.ring.domain.one
        factors: dict[Poly, int] = {}
        for element, n in b:
            poly, key = self.field.single(element)
            if not poly:
                raise GiveUpError("logarithm or root of zero")
            number, numerator = factor(poly)
            content *= number**n
            for f, m in numerator:
                factors[f] = factors.get(f, 0) + m * n
            for f, m in key:
                factors[f] = factors.get(f, 0) - m * n
        return content, {f: m for f, m in factors.items() if m}

    def _require(self, content: Any, factors: Mapping[Poly, int], *, strict: bool) -> None:
        """Record what makes a logarithm or a root real."""
        sign = 1 if content > 0 else -1
        odd, zeros = [], []
        for f, m in factors.items():
            proved = self.sign_of(f)
            if m % 2 and proved is None:
                special = self._special(f)
                odd.append(special.base if special is not None and special.kind == "sign" else f)
            elif m % 2 and proved is not None:
                sign *= proved.value
            if m > 0 and not (proved is not None and proved.strict):
                zeros.append(f)
        if sign > 0 and not odd:
            return
        # Points where a half tangent is infinite are none of the field's: look at them apart.
        tangents = [k.index for k in self.field.kernels if k.kind == "tan"]
        poles = [
            i for i in tangents if sum(m * self.field.degree(f, i) for f, m in factors.items()) < 0
        ]
        if strict or (not poles and set(zeros) <= set(odd)):
            imposed = [(odd[0], sign)] if len(odd) == 1 else self._separated(sign, odd)
            for f, value in imposed:
                self._impose_sign(f, Sign(value, strict))
            if imposed:
                return
        entry = Requirement(strict, sign, tuple(odd), tuple(zeros), tuple(poles))
        if entry not in self.requirements:
            self.requirements.append(entry)

    def _separated(self, sign: int, odd: Sequence[Poly]) -> list[tuple[Poly, int]]:
        """Find the only signs of two factors with a product of the given sign.

        If f + g > 0 then f and g are not both negative; if f - g > 0, not g > 0 > f.
        """
        if len(odd) != 2:
            return []
        f, g = odd
        total = self._sign_of_poly(f + g if sign > 0 else f - g)
        if total is None or not total.strict:
            return []
        return [(f, total.value), (g, total.value * sign)]


def _divided_exponential(u: sp.Expr, order: int) -> sp.Expr:
    """Write the kernel exp(u/N); evaluation could take SymPy forever."""
    return sp.exp(u / order, evaluate=False)
