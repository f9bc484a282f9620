"""Exponentials, logarithms, roots and absolute values as kernels of a field.

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

from collections.abc import Mapping
from fractions import Fraction

import sympy as sp

from ehf_sym.zero.derivation import Derivation
from ehf_sym.zero.kernels import UNIT, Element, Field, Kernel, common_denominator
from ehf_sym.zero.log_relations import log_relation
from ehf_sym.zero.nested_roots import has_roots, is_nested, square_root
from ehf_sym.zero.polynomials import Poly
from ehf_sym.zero.products import Product, factored, primes
from ehf_sym.zero.proved_signs import ProvedSigns
from ehf_sym.zero.refinements import Refinements, adjoin_divided, multiple_of
from ehf_sym.zero.relations import combination
from ehf_sym.zero.requirements import Requirements
from ehf_sym.zero.sign_kernels import SignKernels
from ehf_sym.zero.signs import Facts, Sign


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
