"""Exponentials, logarithms, roots, signs and absolute values as kernels of a field.

Each method of `Tower` takes and returns elements of the field. A new kernel is adjoined only where
the result cannot be written with the kernels at hand:

* exponents are kept linearly independent over Q, also of the logarithms:
  exp(sum n_j u_j/N_j) = prod exp(u_j/N_j)**n_j;
* arguments of logarithms and bases of roots are split into primes and irreducible factors:
  log(prod f_i**m_i) = sum m_i log|f_i| where it is real, and the same with powers;
* factors that contain roots are tried for squares (`roots`) and for products of powers of known
  factors (`relations`);
* signs that cannot be proved are kernels too, and what logarithms and roots require to be real
  fixes some of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy as sp

from ehf_sym.normal_forms.kernels import (
    UNIT,
    Element,
    Field,
    Kernel,
    NowhereDefinedError,
    Poly,
    common_denominator,
    factor,
)
from ehf_sym.normal_forms.relations import combination, log_relation
from ehf_sym.normal_forms.roots import (
    Derivation,
    conjugate_parts,
    has_roots,
    is_nested,
    square_root,
)
from ehf_sym.normal_forms.signs import (
    Facts,
    ProvedSigns,
    RefineError,
    Refinements,
    Sign,
    adjoin_divided,
    multiple_of,
)

_TRIAL_DIVISION = 10_000

Product = Sequence[tuple[Element, int]]  # bases with their exponents


def factored(field: Field, b: Product) -> tuple[Any, dict[Poly, int]]:
    """Content and irreducible factors of a product, with multiplicities in Z."""
    content: Any = field.ring.domain.one
    factors: dict[Poly, int] = {}
    for element, n in b:
        poly, key = field.single(element)
        if not poly:
            raise NowhereDefinedError("division by zero, or logarithm of zero")
        number, numerator = factor(poly)
        content *= number**n
        for f, m in numerator:
            factors[f] = factors.get(f, 0) + m * n
        for f, m in key:
            factors[f] = factors.get(f, 0) - m * n
    return content, {f: m for f, m in factors.items() if m}


def primes(field: Field, content: Any) -> dict[Poly, int]:
    """Split a rational, up to its sign, into prime numbers."""
    top = sp.factorint(abs(int(content.numerator)), limit=_TRIAL_DIVISION)
    bottom = sp.factorint(int(content.denominator), limit=_TRIAL_DIVISION)
    powers = top | {prime: -m for prime, m in bottom.items()}
    return {
        field.ring.ground_new(field.ring.domain(int(prime))): int(m)
        for prime, m in powers.items()
        if prime != 1
    }


class SignKernels:
    """Signs as elements of the field: 1 or -1 where they are proved, else kernels.

    Attributes
    ----------
    signs : dict
        For f the kernel s of its sign off its zeros, s**2 = 1.
    jumps : dict
        For f the kernel s of its sign everywhere, s**3 = s.
    """

    def __init__(self, field: Field, proved: ProvedSigns) -> None:
        self.signs: dict[Poly, Kernel] = {}
        self.jumps: dict[Poly, Kernel] = {}
        self._field = field
        self._proved = proved

    def off_zero(self, b: Product) -> Element:
        """Sign of a product where it is not 0; 1 or -1 elsewhere."""
        content, factors = factored(self._field, b)
        sign = self._field.ring.ground_new(1 if content > 0 else -1)
        for f, m in factors.items():
            if m % 2:
                sign = self._field.times(sign, self.of_factor(f))
        return {UNIT: sign}

    def everywhere(self, b: Element) -> Element:
        """Sign function, which is 0 where b is."""
        poly, key = self._field.single(b)
        if not poly:
            return {}
        content, factors = factored(self._field, [({key: poly}, 1)])
        sign = self._field.ring.ground_new(1 if content > 0 else -1)
        for f, m in factors.items():
            jump = self._jump(f)
            sign = self._field.times(sign, jump if m % 2 else self._field.times(jump, jump))
        return {UNIT: sign}

    def of_factor(self, f: Poly) -> Poly:
        """Sign of f off its zeros: 1, -1 or a kernel s with s**2 = 1."""
        proved = self._proved.of(f)
        if proved is not None:
            return self._field.ring.ground_new(proved.value)
        special = self._field.kernel(f)
        if special is not None and special.kind == "sign":
            return f
        if (u := self._proved.part_of_same_sign(f)) is not None:
            return self.off_zero([(u, 1)])[UNIT]
        if f not in self.signs:
            meaning = sp.sign(self._field.expression(f), evaluate=False)
            kernel = self._field.adjoin("sign", meaning, base=f)
            self._field.relate(kernel, 2, self._field.ring.one)
            self.signs[f] = kernel
        return self._field.ring.gens[self.signs[f].index]

    def _jump(self, f: Poly) -> Poly:
        """Sign of f everywhere: 1, -1 or a kernel s with s**3 = s, 0 at the zeros of f."""
        proved = self._proved.of(f)
        if proved is not None and proved.strict:
            return self._field.ring.ground_new(proved.value)
        if (u := self._proved.part_of_same_sign(f)) is not None:
            return self.everywhere(u)[UNIT]
        if f not in self.jumps:
            meaning = sp.sign(self._field.expression(f), evaluate=False)
            kernel = self._field.adjoin("jump", meaning, base=f)
            self._field.relate(kernel, 3, self._field.ring.gens[kernel.index])
            self.jumps[f] = kernel
        return self._field.ring.gens[self.jumps[f].index]


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
    """

    strict: bool
    sign: int
    odd: tuple[Poly, ...]
    zeros: tuple[Poly, ...]


class Requirements:
    """Requirements of one formula: imposed where they fix a sign, else kept.

    Attributes
    ----------
    kept : list of Requirement
        Those that leave signs open.
    open : bool
        Whether the formula is real on an open set: no root needs a sign that is not proved.
    """

    def __init__(
        self, field: Field, proved: ProvedSigns, unknown: SignKernels, refinements: Refinements
    ) -> None:
        self.kept: list[Requirement] = []
        self.open = not any(kind == "sign" for kind, _ in refinements)
        self._field = field
        self._proved = proved
        self._unknown = unknown

    def add(self, content: Any, factors: Mapping[Poly, int], *, strict: bool) -> None:
        """Record what makes a logarithm or a root real."""
        sign = 1 if content > 0 else -1
        odd, zeros = [], []
        for f, m in factors.items():
            proved = self._proved.of(f)
            if m % 2 and proved is None:
                special = self._field.kernel(f)
                odd.append(special.base if special is not None and special.kind == "sign" else f)
            elif m % 2 and proved is not None:
                sign *= proved.value
            if m > 0 and not (proved is not None and proved.strict):
                zeros.append(f)
        if sign > 0 and not odd:
            return
        self.open = self.open and strict
        if strict or set(zeros) <= set(odd):
            imposed = [(odd[0], sign)] if len(odd) == 1 else self._separated(sign, odd)
            for f, value in imposed:
                self._impose(f, Sign(value, strict))
            if imposed:
                return
        entry = Requirement(strict, sign, tuple(odd), tuple(zeros))
        if entry not in self.kept:
            self.kept.append(entry)

    def _impose(self, f: Poly, sign: Sign) -> None:
        """Keep a sign without which the expression would not be real, and what follows."""
        if f in self._unknown.signs:
            raise RefineError(("sign", self._field.expression(f)), sign.value)
        self._proved.impose(f, sign)
        parts = conjugate_parts(self._field, f) if sign.strict else None
        if parts is not None:
            self._impose_on_leading(parts[0], parts[2], sign)

    def _impose_on_leading(self, a: Poly, norm: Poly, sign: Sign) -> None:
        """Where a**2 > b**2 r**2, a + b r has the sign of a."""
        comparison = self._proved.of_poly(norm)
        if a and comparison is not None and comparison.value > 0 and comparison.strict:
            content, factors = factor(a)
            self.add(sign.value * content, dict(factors), strict=True)

    def _separated(self, sign: int, odd: Sequence[Poly]) -> list[tuple[Poly, int]]:
        """Find the only signs of two factors with a product of the given sign.

        If f + g > 0 then f and g are not both negative; if f - g > 0, not g > 0 > f.
        """
        if len(odd) != 2:
            return []
        f, g = odd
        total = self._proved.of_poly(f + g if sign > 0 else f - g)
        if total is None or not total.strict:
            return []
        return [(f, total.value), (g, total.value * sign)]


class Tower:
    """A field together with the kernels that elementary functions have adjoined.

    Attributes
    ----------
    field : Field
        The field.
    refinements : Refinements
        What earlier conversions have learned too late.
    proved : ProvedSigns
        Signs that need no kernel.
    unknown : SignKernels
        Signs that do.
    requirements : Requirements
        What makes logarithms and roots real.
    nonzero : set of Poly
        What the formula is divided by.
    exceptional : dict of Poly
        What is divided by though the formula is not: nothing is said where it is 0.
    derivation : Derivation
        Derivatives in the field.
    """

    def __init__(self, field: Field, refinements: Refinements, facts: Facts) -> None:
        self.field = field
        self.refinements = refinements
        self.proved = ProvedSigns(field, refinements, facts)
        self.unknown = SignKernels(field, self.proved)
        self.requirements = Requirements(field, self.proved, self.unknown, refinements)
        self.nonzero: set[Poly] = set()
        self.exceptional: dict[Poly, None] = {}
        self.derivation = Derivation(field)
        self._exponents: list[Kernel] = []
        self._logs: dict[Poly, Kernel] = {}
        self._roots: dict[Poly, Kernel] = {}

    def exp(self, u: Element) -> Element:
        """Exponential of an element."""
        known = [*self._exponents, *self._logs.values()]
        coefficients = combination(self.field, u, [self._exponent(k) for k in known])
        if coefficients is None:
            kernel = adjoin_divided(self.field, self.refinements, "exp", u, _divided_exponential)
            self.proved.kernel_signs.note(kernel.index, Sign(1, strict=True))
            self._exponents.append(kernel)
            return self.field.generator(kernel, kernel.order)
        result = self.field.constant(1)
        for kernel, c in zip(known, coefficients, strict=True):
            if c and kernel.kind == "exp":
                power = self.field.generator(kernel, multiple_of(self.field, kernel, c))
                result = self.field.multiply(result, power)
            elif c:
                result = self.field.multiply(result, self._absolute_power(kernel.base, c))
        return result

    def log(self, b: Product) -> Element:
        """Logarithm of a product, where it is positive."""
        content, factors = factored(self.field, b)
        self.requirements.add(content, factors, strict=True)
        return self._sum_of_logs(primes(self.field, content) | factors)

    def root(self, b: Product, exponent: Fraction) -> Element:
        """Fractional power of a product, where it is not negative."""
        if exponent > 0 and any(m > 0 and not self.field.single(element)[0] for element, m in b):
            return {}
        content, factors = factored(self.field, b)
        self.requirements.add(content, factors, strict=exponent < 0)
        return self._product_of_powers(primes(self.field, content) | factors, exponent)

    def note_nonzero(self, b: Element) -> None:
        """Keep what the expression is divided by."""
        _, factors = factored(self.field, [(b, 1)])
        jumps = (self.field.kernel(f) for f in factors)
        self.nonzero.update(k.base for k in jumps if k is not None and k.kind == "jump")
        self.nonzero.update(factors)

    def absolute(self, b: Element, of_same_sign: Element | None = None) -> Element:
        """Absolute value, perhaps by something simpler with the same sign."""
        poly, key = self.field.single(b if of_same_sign is None else of_same_sign)
        if not poly:
            return {}
        return self.field.multiply(self.unknown.off_zero([({key: poly}, 1)]), b)

    def _exponent(self, kernel: Kernel) -> Element:
        """Return u of a kernel exp(u/N), or the kernel log|f| itself."""
        return self.field.generator(kernel) if kernel.argument is None else kernel.argument

    def _sum_of_logs(self, powers: Mapping[Poly, int]) -> Element:
        """Return the sum of m log|f|."""
        return self.field.add(self.field.scale(self._log_absolute(f), m) for f, m in powers.items())

    def _product_of_powers(self, powers: Mapping[Poly, int], exponent: Fraction) -> Element:
        """Return the product of |f|**(m exponent)."""
        result = self.field.constant(1)
        for f, m in powers.items():
            result = self.field.multiply(result, self._absolute_power(f, m * exponent))
        return result

    def _log_absolute(self, f: Poly) -> Element:
        """Return log|f| of an irreducible polynomial or a prime."""
        special = self.field.kernel(f)
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
                self.proved.kernel_signs.note(self._logs[f].index, Sign(1, strict=True))
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
        self.exceptional |= dict.fromkeys(relation.powers)
        logs = self._sum_of_logs(primes(self.field, relation.constant) | dict(relation.powers))
        return self.field.scale(logs, Fraction(1, relation.order))

    def log_of_size(self, b: Product) -> Element:
        """Return log|b|."""
        content, factors = factored(self.field, b)
        return self._sum_of_logs(primes(self.field, content) | factors)

    def _power_of_size(self, b: Element, exponent: Fraction) -> Element:
        """Return |b|**exponent."""
        content, factors = factored(self.field, [(b, 1)])
        return self._product_of_powers(primes(self.field, content) | factors, exponent)

    def _root_of_square(self, f: Poly) -> Element | None:
        """Find g with g**2 = |f|, where roots of roots make that possible."""
        if f in self._roots or f in self._logs:
            return None
        if not has_roots(self.field, f) and not is_nested(self.field):
            return None
        root = square_root(self.field, f)
        if root is None:
            root = square_root(self.field, -f)
        if root is not None:
            self.exceptional |= dict.fromkeys(common_denominator([root]))
        return root

    def _absolute_power(self, f: Poly, exponent: Fraction) -> Element:
        """Return |f|**exponent of an irreducible polynomial or a prime."""
        special = self.field.kernel(f)
        if special is not None and special.kind == "exp":
            n = multiple_of(self.field, special, exponent / special.order)
            return self.field.generator(special, n)
        if special is not None and special.kind == "root":
            return self._absolute_power(special.base, exponent / special.order)
        if special is not None and special.kind in {"sign", "jump"}:
            return {UNIT: self.field.times(f, f)}
        if exponent.denominator > 1 and (g := self._root_of_square(f)) is not None:
            return self._power_of_size(g, 2 * exponent)
        whole = exponent.numerator // exponent.denominator
        size: Element = {UNIT: self.field.times(self.unknown.of_factor(f), f)}
        result = self.field.power(size, whole)
        if exponent == whole:
            return result
        kernel = self._root_kernel(f)
        n = multiple_of(self.field, kernel, exponent - whole)
        return self.field.multiply(result, self.field.generator(kernel, n))

    def _root_kernel(self, f: Poly) -> Kernel:
        """Return |f|**(1/N), with its relation."""
        if f not in self._roots:
            meaning = self.field.expression(f)
            order = self.refinements.get(("root", meaning), 2)
            size = self.field.times(self.unknown.of_factor(f), f)
            root = sp.Pow(self._size(f), sp.Rational(1, order), evaluate=False)
            kernel = self.field.adjoin("root", root, order=order, base=f)
            self.field.relate(kernel, order, size)
            proved = self.proved.of(f)
            strict = proved is not None and proved.strict
            self.proved.kernel_signs.note(kernel.index, Sign(1, strict))
            self._roots[f] = kernel
        return self._roots[f]

    def _size(self, f: Poly) -> sp.Expr:
        """Write |f|."""
        meaning, proved = self.field.expression(f), self.proved.known(f)
        if f.is_ground or (proved is not None and proved.value > 0):
            return meaning
        return -meaning if proved is not None else sp.Abs(meaning, evaluate=False)


def _divided_exponential(u: sp.Expr, order: int) -> sp.Expr:
    """Write the kernel exp(u/N); evaluation could take SymPy forever."""
    return sp.exp(u / order, evaluate=False)
