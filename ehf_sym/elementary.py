"""Exponentials, logarithms, roots, absolute values and signs as kernels of a field.

Each method takes and returns elements of the field. A new kernel is adjoined only where
the result cannot be written with the kernels at hand:

* exponents are kept linearly independent over Q, also of the logarithms:
  exp(sum n_j u_j/N_j) = prod exp(u_j/N_j)**n_j;
* arguments of logarithms and bases of roots are split into irreducible factors:
  log(prod f_i**m_i) = sum m_i log|f_i| where it is real, and the same with powers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import sympy as sp

from ehf_sym.kernels import UNIT, Element, Field, GiveUpError, Kernel
from ehf_sym.polynomials import Poly, factor, is_generator
from ehf_sym.relations import combination
from ehf_sym.signs import KernelSigns, Sign

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

    def __init__(self, field: Field, refinements: Refinements) -> None:
        self.field = field
        self.known_signs = KernelSigns()
        self.requirements: list[Requirement] = []
        self.signs: dict[Poly, Kernel] = {}
        self.jumps: dict[Poly, Kernel] = {}
        self._refinements = refinements
        self._exponents: list[Kernel] = []
        self._logs: dict[Poly, Kernel] = {}
        self._roots: dict[Poly, Kernel] = {}
        self._proved: dict[Poly, Sign | None] = {}

    def exp(self, u: Element) -> Element:
        """Exponential of an element."""
        known = [*self._exponents, *self._logs.values()]
        coefficients = combination(self.field, u, [self._exponent(k) for k in known])
        if coefficients is None:
            kernel = self.adjoin_divided("exp", u, lambda v, order: sp.exp(v / order))
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

    def absolute(self, b: Element) -> Element:
        """Absolute value."""
        if not b:
            return b
        content, factors = self._factored([(b, 1)])
        sign = self.field.ring.ground_new(1 if content > 0 else -1)
        for f, m in factors.items():
            if m % 2:
                sign = self.field.times(sign, self._sign(f))
        return self.field.multiply({UNIT: sign}, b)

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
            meaning = self.field.expression(f)
            self._logs[f] = self.field.adjoin("log", sp.log(sp.Abs(meaning)), base=f)
            if f.is_ground:
                self.known_signs.positive.add(self._logs[f].index)
        return self.field.generator(self._logs[f])

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
            root = sp.Abs(meaning) ** sp.Rational(1, order)
            kernel = self.field.adjoin("root", root, order=order, base=f)
            self.field.relate(kernel, order, size)
            proved = self.sign_of(f)
            signs = self.known_signs
            strict = proved is not None and proved.strict
            (signs.positive if strict else signs.nonnegative).add(kernel.index)
            self._roots[f] = kernel
        return self._roots[f]

    def _special(self, f: Poly) -> Kernel | None:
        """Return the kernel that f is, if it is one."""
        index = is_generator(f)
        return None if index is None else self.field.kernels[index]

    def sign_of(self, f: Poly) -> Sign | None:
        """Prove the sign of a polynomial, once."""
        if f not in self._proved:
            proved = self.known_signs.of(f)
            if proved is None and self._refinements:
                value = self._refinements.get(("sign", self.field.expression(f)))
                proved = None if value is None else Sign(value, strict=False)
            self._proved[f] = proved
        return self._proved[f]

    def _sign(self, f: Poly) -> Poly:
        """Sign of f off its zeros: 1, -1 or a kernel s with s**2 = 1."""
        proved = self.sign_of(f)
        if proved is not None:
            return self.field.ring.ground_new(proved.value)
        special = self._special(f)
        if special is not None and special.kind == "sign":
            return f
        if f not in self.signs:
            kernel = self.field.adjoin("sign", sp.sign(self.field.expression(f)), base=f)
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

    def _jump(self, f: Poly) -> Poly:
        """Sign of f everywhere: 1, -1 or a kernel s with s**3 = s, 0 at the zeros of f."""
        proved = self.sign_of(f)
        if proved is not None and proved.strict:
            return self.field.ring.ground_new(proved.value)
        if f not in self.jumps:
            kernel = self.field.adjoin("jump", sp.sign(self.field.expression(f)), base=f)
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
        if len(odd) == 1 and (strict or (not poles and set(zeros) <= set(odd))):
            self._impose_sign(odd[0], Sign(sign, strict))
            return
        entry = Requirement(strict, sign, tuple(odd), tuple(zeros), tuple(poles))
        if entry not in self.requirements:
            self.requirements.append(entry)
