"""Exponentials, logarithms, roots, absolute values and angles as kernels of a field.

Each method takes and returns elements of the field. A new kernel is adjoined only where
the result cannot be written with the kernels at hand:

* exponents and angles are kept linearly independent over Q (and of the logarithms, and
  of pi): exp(sum n_j u_j/N_j) = prod exp(u_j/N_j)**n_j, and cos, sin of such sums are
  rational in tan(u_j/(2 N_j));
* arguments of logarithms and bases of roots are split into irreducible factors:
  log(prod f_i**m_i) = sum m_i log|f_i| where it is real, and the same with powers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import sympy as sp

from ehf_sym.kernels import UNIT, Element, Field, GiveUpError, Kernel, Poly, factor, is_generator
from ehf_sym.signs import KernelSigns

# cos(pi c) is a short radical for rationals c with these denominators.
_RADICAL_DENOMINATORS = frozenset({1, 2, 3, 4, 5, 6, 8, 10, 12})
_TRIAL_DIVISION = 10_000
# exp(u) and exp(u/N) share a kernel only up to this N.
_MAX_ORDER = 10_000

Refinements = dict[tuple[str, sp.Expr], int]


class RefineError(ArithmeticError):
    """A kernel must be split into roots of itself: note the order and convert again."""

    def __init__(self, kind: str, meaning: sp.Expr, order: int) -> None:
        super().__init__(kind, meaning, order)
        self.key = (kind, meaning)
        self.order = order


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
    factors : tuple of Poly
        All factors that may vanish.
    vanishing : tuple of int
        Tangent kernels at whose poles the number vanishes.
    """

    strict: bool
    sign: int
    odd: tuple[Poly, ...]
    factors: tuple[Poly, ...]
    vanishing: tuple[int, ...]


class Tower:
    """A field together with the kernels that its elementary functions have adjoined."""

    def __init__(
        self, field: Field, refinements: Refinements, convert: Callable[[sp.Expr], Element]
    ) -> None:
        self.field = field
        self.signs = KernelSigns()
        self.requirements: list[Requirement] = []
        self.unknown_signs: dict[Poly, Kernel] = {}
        self.jumps: dict[Poly, Kernel] = {}
        self._refinements = refinements
        self._convert = convert
        self._exponents: list[Kernel] = []
        self._angles: list[Kernel] = []
        self._logs: dict[Poly, Kernel] = {}
        self._roots: dict[Poly, Kernel] = {}
        self._signs: dict[Poly, Poly] = {}

    def exp(self, u: Element) -> Element:
        """Exponential of an element."""
        if not u:
            return self.field.constant(1)
        logs = list(self._logs.values())
        basis = [_argument(k) for k in self._exponents] + [self.field.generator(k) for k in logs]
        coefficients = self._combination(u, basis)
        if coefficients is None:
            meaning = self.field.meaning(u)
            order = self._refinements.get(("exp", meaning), 1)
            kernel = self.field.adjoin("exp", sp.exp(meaning / order), order=order, argument=u)
            self.signs.positive.add(kernel.index)
            self._exponents.append(kernel)
            return self.field.generator(kernel, order)
        result = self.field.constant(1)
        for kernel, c in zip([*self._exponents, *logs], coefficients, strict=True):
            if c:
                power = self._exp_power if kernel.kind == "exp" else self._log_power
                result = self.field.multiply(result, power(kernel, c))
        return result

    def log(self, b: Element) -> Element:
        """Logarithm, where its argument is positive."""
        content, factors = self._factored(b)
        self._require(b, content, factors, strict=True)
        parts = [
            _scaled(self.field, self._log_absolute(self.field.ring.ground_new(prime)), m)
            for prime, m in _prime_powers(content).items()
        ]
        parts += [_scaled(self.field, self._log_absolute(f), m) for f, m in factors.items()]
        return self.field.add(parts)

    def root(self, b: Element, exponent: Fraction) -> Element:
        """Fractional power, where its base is not negative."""
        if not b and exponent > 0:
            return b
        content, factors = self._factored(b)
        self._require(b, content, factors, strict=False)
        result = self.field.constant(1)
        for prime, m in _prime_powers(content).items():
            power = self._absolute_power(self.field.ring.ground_new(prime), m * exponent)
            result = self.field.multiply(result, power)
        for f, m in factors.items():
            result = self.field.multiply(result, self._absolute_power(f, m * exponent))
        return result

    def absolute(self, b: Element) -> Element:
        """Absolute value."""
        return self.field.multiply(self._sign_product(b, self._sign), b) if b else b

    def sign(self, b: Element) -> Element:
        """Sign function; where b = 0 it is 0."""
        return self._sign_product(b, self._jump) if b else b

    def cosine_sine(self, u: Element) -> tuple[Element, Element]:
        """Cosine and sine of an angle."""
        multiple, coefficients = self._angle(u)
        if coefficients is None:
            meaning = self.field.meaning(u)
            order = self._refinements.get(("tan", meaning), 1)
            tangent = sp.tan(meaning / (2 * order))
            kernel = self.field.adjoin("tan", tangent, order=order, argument=u)
            self._angles.append(kernel)
            return self._multiple_angle(kernel, order)
        cosine = self._convert(sp.cos(sp.pi * sp.Rational(multiple)))
        sine = self._convert(sp.sin(sp.pi * sp.Rational(multiple)))
        for kernel, c in zip(self._angles, coefficients, strict=True):
            if c:
                n = self._multiple_of(kernel, c)
                next_cosine, next_sine = self._multiple_angle(kernel, n)
                cosine, sine = self._rotate((cosine, sine), (next_cosine, next_sine))
        return cosine, sine

    def _rotate(
        self, a: tuple[Element, Element], b: tuple[Element, Element]
    ) -> tuple[Element, Element]:
        """Addition formulas."""
        field = self.field
        minus = _scaled(field, field.multiply(a[1], b[1]), Fraction(-1))
        return (
            field.add([field.multiply(a[0], b[0]), minus]),
            field.add([field.multiply(a[0], b[1]), field.multiply(a[1], b[0])]),
        )

    def _angle(self, u: Element) -> tuple[Fraction, list[Fraction] | None]:
        """Write u as (multiple of pi) + combination of the known angles."""
        known = [_argument(kernel) for kernel in self._angles]
        pi = [k for k in self.field.kernels if k.kind == "constant" and k.meaning is sp.pi]
        if pi:
            extended = self._combination(u, [*known, self.field.generator(pi[0])])
            if extended is not None and extended[-1].denominator in _RADICAL_DENOMINATORS:
                return extended[-1], extended[:-1]
            # A new angle leaves out its constant multiple of pi, if that is a radical.
        return Fraction(0), self._combination(u, known)

    def _multiple_angle(self, kernel: Kernel, n: int) -> tuple[Element, Element]:
        """Cosine and sine of n times the kernel's basic angle: ((1+it)^2/(1+t^2))^n."""
        ring = self.field.ring
        t = ring.gens[kernel.index]
        unit_cosine, unit_sine = 1 - t**2, 2 * t if n >= 0 else -2 * t
        cosine, sine = ring.one, ring.zero
        for _ in range(abs(n)):
            times = self.field.times
            cosine, sine = (
                times(cosine, unit_cosine) - times(sine, unit_sine),
                times(cosine, unit_sine) + times(sine, unit_cosine),
            )
        key = frozenset({(t**2 + 1, abs(n))}) if n else UNIT
        return {key: cosine}, {key: sine} if sine else {}

    def _multiple_of(self, kernel: Kernel, c: Fraction) -> int:
        """Return the exponent c N of a kernel, or ask for a larger N."""
        n = c * kernel.order
        if n.denominator == 1:
            return n.numerator
        order = lcm(kernel.order, c.denominator)
        if order > _MAX_ORDER:
            raise GiveUpError("too fine a root of a kernel")
        if kernel.base is None:
            key = self.field.meaning(_argument(kernel))
        else:
            key = self.field.expression(kernel.base)
        raise RefineError(kernel.kind, key, order)

    def _exp_power(self, kernel: Kernel, c: Fraction) -> Element:
        """Return exp(c u) for a kernel exp(u/N)."""
        return self.field.generator(kernel, self._multiple_of(kernel, c))

    def _log_power(self, kernel: Kernel, c: Fraction) -> Element:
        """Return exp(c log|f|)."""
        return self._absolute_power(kernel.base, c)

    def _log_absolute(self, f: Poly) -> Element:
        """Return log|f| of an irreducible polynomial or a prime."""
        special = self._special(f)
        if special is not None and special.kind == "exp":
            return _scaled(self.field, _argument(special), Fraction(1, special.order))
        if special is not None and special.kind == "root":
            return _scaled(self.field, self._log_absolute(special.base), Fraction(1, special.order))
        if special is not None and special.kind == "sign":
            return {}
        if f not in self._logs:
            meaning = self.field.expression(f)
            self._logs[f] = self.field.adjoin("log", sp.log(sp.Abs(meaning)), base=f)
            if f.is_ground:
                self.signs.positive.add(self._logs[f].index)
        return self.field.generator(self._logs[f])

    def _absolute_power(self, f: Poly, exponent: Fraction) -> Element:
        """Return |f|**exponent of an irreducible polynomial or a prime."""
        special = self._special(f)
        if special is not None and special.kind == "exp":
            return self._exp_power(special, exponent / special.order)
        if special is not None and special.kind == "root":
            return self._absolute_power(special.base, exponent / special.order)
        if special is not None and special.kind == "sign":
            return self.field.constant(1)
        whole = exponent.numerator // exponent.denominator
        size: Element = {UNIT: self.field.times(self._sign(f), f)}
        result = self.field.power(size, whole)
        if exponent == whole:
            return result
        kernel = self._root_kernel(f)
        n = self._multiple_of(kernel, exponent - whole)
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
            proved = self.signs.of(f)
            strict = proved is not None and proved.strict
            (self.signs.positive if strict else self.signs.nonnegative).add(kernel.index)
            self._roots[f] = kernel
        return self._roots[f]

    def _special(self, f: Poly) -> Kernel | None:
        """Return the kernel that f is, if it is one."""
        index = is_generator(f)
        return None if index is None else self.field.kernels[index]

    def _sign(self, f: Poly) -> Poly:
        """Sign of f off its zeros: 1, -1 or a kernel s with s**2 = 1."""
        if f not in self._signs:
            proved = self.signs.of(f)
            if proved is not None:
                self._signs[f] = self.field.ring.ground_new(proved.value)
            else:
                kernel = self.field.adjoin("sign", sp.sign(self.field.expression(f)), base=f)
                self.field.relate(kernel, 2, self.field.ring.one)
                self.unknown_signs[f] = kernel
                self._signs[f] = self.field.ring.gens[kernel.index]
        return self._signs[f]

    def _jump(self, f: Poly) -> Poly:
        """Sign of f everywhere, 0 at its zeros: a kernel s with s**3 = s, if not proved."""
        proved = self.signs.of(f)
        if proved is not None and proved.strict:
            return self.field.ring.ground_new(proved.value)
        if any(e for m in f for e, k in zip(m, self.field.kernels, strict=False) if k.kind == "tan"):
            raise GiveUpError("sign of an expression in angles")
        if f not in self.jumps:
            kernel = self.field.adjoin("sign", sp.sign(self.field.expression(f)), base=f)
            s = self.field.ring.gens[kernel.index]
            self.field.relate(kernel, 3, s)
            self.jumps[f] = kernel
            self._sign(f)
        return self.field.ring.gens[self.jumps[f].index]

    def _sign_product(self, b: Element, sign: Callable[[Poly], Poly]) -> Element:
        """Multiply the signs of the factors of b."""
        content, factors = self._factored(b)
        product = self.field.ring.one if content > 0 else -self.field.ring.one
        for f, m in factors.items():
            for _ in range(2 - m % 2 if sign == self._jump else m % 2):
                product = self.field.times(product, sign(f))
        return {UNIT: product}

    def _factored(self, b: Element) -> tuple[Any, dict[Poly, int]]:
        """Content and irreducible factors of an element, with multiplicities in Z."""
        poly, key = self.field.single(b)
        if not poly:
            raise GiveUpError("log, root or quotient of zero")
        content, numerator = factor(poly)
        factors = dict(numerator)
        for f, m in key:
            factors[f] = factors.get(f, 0) - m
        return content, {f: m for f, m in factors.items() if m}

    def _require(
        self, b: Element, content: Any, factors: Mapping[Poly, int], *, strict: bool
    ) -> None:
        """Record what makes a logarithm or a root real."""
        sign = 1 if content > 0 else -1
        odd, vanishing_factors = [], []
        for f, m in factors.items():
            proved = self.signs.of(f)
            if m % 2 and proved is None:
                self._sign(f)
                odd.append(f)
            elif m % 2 and proved is not None:
                sign *= proved.value
            if proved is None or not proved.strict:
                vanishing_factors.append(f)
        if sign > 0 and not odd:
            return
        poles = tuple(k.index for k in self._angles if _degree(self.field, b, k.index) < 0)
        entry = Requirement(strict, sign, tuple(odd), tuple(vanishing_factors), poles)
        if entry not in self.requirements:
            self.requirements.append(entry)

    def _combination(self, target: Element, basis: Sequence[Element]) -> list[Fraction] | None:
        """Rational c with target = sum c_j basis_j, if there are any."""
        common: dict[Poly, int] = {}
        for element in (target, *basis):
            for key in element:
                for f, m in key:
                    common[f] = max(m, common.get(f, 0))
        return _solve(
            [dict(self.field.over(element, common)) for element in basis],
            dict(self.field.over(target, common)),
        )
