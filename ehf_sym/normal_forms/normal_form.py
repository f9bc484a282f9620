"""A formula over independent kernels, whatever the signs that are not known.

Decide whether a normal form vanishes wherever it is real, whatever the unknown signs are.

Normal forms over a field whose kernels are independent.

An expression is rewritten, bottom up, as a rational function of kernels: its symbols,
exponentials exp(u/N), half tangents tan(u/2N), logarithms log|f|, roots |f|**(1/N), arcs
(`inverse_functions`), signs of f and powers of -1. By the structure theorem for elementary
functions (Risch, "Algebraic properties of the elementary functions of analysis", Amer. J. Math.
101, 1979; Rosenlicht, "On Liouville's theory of elementary functions", Pacific J. Math. 65, 1976;
Ax's theorem) such kernels are algebraically independent as soon as the exponents and angles are
linearly independent over Q modulo the logarithms, the arguments of the logarithms are distinct
irreducible polynomials, and the relations of the roots are imposed. Then the expression is zero
exactly if the numerator is the zero polynomial.

* Soundness needs none of this: each rewriting step is an identity wherever the
  subexpressions are real, so a zero numerator means a zero expression; off the poles of half
  tangents and the zeros of new denominators, that is (`exceptional_sets`).
* Completeness: rational functions of exp, log, real powers, trigonometric and hyperbolic
  functions and their inverses, Abs, sign, Max and Min, nested at will, as long as
  - roots of expressions with roots are square roots (`roots`: Kummer theory),
  - the signs that logarithms, roots and absolute values ask for can be proved or are few,
  - arcs whose derivatives are related differ by one constant on the whole domain
    (`inverse_functions`),
  - angles take only fractions k/n of pi with n in {1, 2, 3, 4, 5, 6, 8, 10, 12},
  - the work bound is kept.
  It assumes that constants have no relations but the obvious ones: proved for e, for pi,
  for radicals of primes and for logarithms of primes over Q, a case of Schanuel's conjecture for
  all of them together. Functions beyond this list count as kernels of their own: nothing is
  known of them but that equal arguments give equal values, and that erf is odd.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import sympy as sp
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.normal_forms.conversion import Conversion
from ehf_sym.normal_forms.elementary import Requirement, Tower
from ehf_sym.normal_forms.exceptional_sets import (
    Part,
    SignFactors,
    factors_of_same_sign,
    parts_left,
)
from ehf_sym.normal_forms.kernels import (
    UNIT,
    Field,
    GiveUpError,
    Key,
    NowhereDefinedError,
    Poly,
    RingFullError,
    common_denominator,
    evaluated,
)
from ehf_sym.normal_forms.signs import Facts, RefineError, Refinements

# Beyond so many unknown signs the 2**n patterns are not looked at.
_MAX_SIGNS = 6

Pattern = Mapping[Poly, int]
Zeros = tuple[Poly, ...]
T = TypeVar("T")
_NO_FACTS = Facts()
_MAX_CONVERSIONS = 24
_MAX_RESIDUAL_TERMS = 200


def open_zeros(tower: Tower, numerator: Poly) -> list[Zeros] | None:
    """Check every pattern of signs; None unless the normal form vanishes in all of them.

    A kernel for an unknown sign of f is replaced by 1 and by -1; one for the value of the
    sign function also by 0, where the numerator should lie in the ideal of f. A pattern in
    which a logarithm is not real does not count; one in which a root is not real counts
    where the root is 0.

    Returns
    -------
    list of tuples of Poly, or None
        What is 0 where it remains to be seen whether the formula vanishes.
    """
    if not numerator:
        return []
    cases = _Cases(tower, numerator)
    return list(cases.open_zeros) if cases.all_vanish() else None


class _Cases:
    """The case distinction for one normal form."""

    def __init__(self, tower: Tower, numerator: Poly) -> None:
        self.open_zeros: dict[Zeros, None] = {}
        self._tower = tower
        self._field = tower.field
        self._numerator = numerator
        self._jumping = [
            f for f, kernel in tower.unknown.jumps.items() if self._occurs(kernel.index)
        ]
        proved = {f: tower.proved.of(f) for f in self._jumping}
        self._fixed = {f: sign.value for f, sign in proved.items() if sign is not None}
        unknown = {f for f, kernel in tower.unknown.signs.items() if self._occurs(kernel.index)}
        self._unknown = unknown | (proved.keys() - self._fixed.keys())
        self._relevant = self._requirements()

    def all_vanish(self) -> bool:
        """Go through all patterns."""
        if len(self._unknown) > _MAX_SIGNS or len(self._jumping) > _MAX_SIGNS:
            return False
        for pattern in self._patterns():
            if not self._vanishes(pattern):
                return False
            self._look_at_jumps(pattern)
        return True

    def _occurs(self, index: int) -> bool:
        return self._field.degree(self._numerator, index) > 0

    def _requirements(self) -> list[Requirement]:
        """Collect requirements on the unknown signs; each may bring in others, up to the bound."""
        relevant = [r for r in self._tower.requirements.kept if not r.odd]
        grown = True
        while grown:
            grown = False
            for requirement in self._tower.requirements.kept:
                joined = self._unknown.union(requirement.odd)
                related = not self._unknown.isdisjoint(requirement.odd)
                if related and requirement not in relevant and len(joined) <= _MAX_SIGNS:
                    self._unknown = joined
                    relevant.append(requirement)
                    grown = True
        return relevant

    def _patterns(self) -> Iterator[Pattern]:
        """All patterns that agree with the signs that are proved."""
        for values in product((1, -1), repeat=len(self._unknown)):
            yield self._fixed | dict(zip(self._unknown, values, strict=True))

    def _vanishes(self, pattern: Pattern) -> bool:
        """Check one pattern of signs, off the zeros of sign functions."""
        numerator = self._substituted(self._numerator, pattern)
        return not numerator or any(
            self._vanishes_where_zero(numerator, requirement, pattern)
            for requirement in self._relevant
            if self._violates(pattern, requirement)
        )

    def _violates(self, pattern: Pattern, requirement: Requirement) -> bool:
        """Tell whether the required number is negative off its zeros."""
        sign = requirement.sign
        for f in requirement.odd:
            sign *= pattern[f]
        return sign < 0

    def _vanishes_where_zero(
        self, numerator: Poly, requirement: Requirement, pattern: Pattern
    ) -> bool:
        """Where a required number is negative off its zeros, only these zeros count."""
        if requirement.strict:
            return True
        for f in requirement.zeros:
            if not self._in_ideal(numerator, [f], pattern):
                self.open_zeros[f,] = None
        return True

    def _look_at_jumps(self, pattern: Pattern) -> None:
        """Check the zeros of the arguments of sign functions, every subset of them."""
        for chosen in product((False, True), repeat=len(self._jumping)):
            zeros = [f for f, is_zero in zip(self._jumping, chosen, strict=True) if is_zero]
            if not zeros or self._undefined_at(zeros):
                continue
            rest = self._substituted(self._numerator, pattern, zeros)
            if not self._in_ideal(rest, zeros, pattern):
                self.open_zeros[tuple(zeros)] = None

    def _undefined_at(self, zeros: Collection[Poly]) -> bool:
        """Tell whether some logarithm or quotient is undefined at these zeros."""
        if not self._tower.nonzero.isdisjoint(zeros):
            return True
        signs = map(self._tower.proved.of, zeros)
        return any(sign is not None and sign.strict for sign in signs) or any(
            r.strict and f in r.zeros for r in self._tower.requirements.kept for f in zeros
        )

    def _in_ideal(self, poly: Poly, zeros: Collection[Poly], pattern: Pattern) -> bool:
        """Divide by the polynomials that are zero, and by their roots."""
        roots = {k.index: 0 for k in self._field.kernels if k.kind == "root" and k.base in zeros}
        rest = evaluated(poly, roots)
        divisors = [self._substituted(f, pattern, zeros) for f in zeros]
        return not rest or (all(divisors) and not rest.rem(divisors))

    def _substituted(self, poly: Poly, pattern: Pattern, zeros: Collection[Poly] = ()) -> Poly:
        """Put numbers for the sign kernels."""
        values = {k.index: pattern[f] for f, k in self._tower.unknown.signs.items() if f in pattern}
        for f, kernel in self._tower.unknown.jumps.items():
            if f in pattern:
                values[kernel.index] = 0 if f in zeros else pattern[f]
        return evaluated(poly, values)


@dataclass(frozen=True, slots=True)
class NormalForm:
    """A quotient of polynomials in kernels.

    Attributes
    ----------
    field : Field
        The kernels.
    numerator : Poly
        Numerator.
    denominator : Key
        Factors of the denominator.
    uncovered : tuple of (sympy.Expr, Facts), optional
        If the numerator vanishes: what the expression is on the parts of its domain for which
        the numerator does not speak.
    unknown_signs : tuple of sympy.Expr
        Parts whose signs could not be proved.
    """

    field: Field
    numerator: Poly
    denominator: Key
    uncovered: tuple[Part, ...] | None
    unknown_signs: tuple[sp.Expr, ...] = ()

    @property
    def vanishes(self) -> bool:
        """Whether the expression is seen to be zero wherever it is real and defined."""
        return self.uncovered == ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What kinds of kernels there are, besides symbols."""
        return tuple(sorted({kernel.kind for kernel in self.field.kernels} - {"variable"}))

    def expression(self) -> sp.Expr | None:
        """Return the normal form as an expression, unless it is too long to be read."""
        if len(self.numerator) > _MAX_RESIDUAL_TERMS:
            return None
        return self.field.meaning({self.denominator: self.numerator})


def normal_form(formula: sp.Expr, facts: Facts = _NO_FACTS) -> NormalForm | None:
    """Bring a real formula into normal form; None if it is too large for that.

    Parameters
    ----------
    formula : sympy.Expr
        A formula in real symbols, without floats.
    facts : Facts, optional
        What is taken for granted.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> normal_form(sp.sqrt(sp.exp(x)) - sp.exp(x / 2)).vanishes
    True
    >>> normal_form(sp.exp(x) - 1).expression()
    exp(x) - 1
    """

    def convert(target: Field, refinements: Refinements) -> NormalForm:
        return _converted(formula, target, refinements, facts)

    return _refined(convert, formula.free_symbols)


@dataclass(frozen=True, slots=True)
class CommonField:
    """Formulas over the kernels of one field and one denominator.

    Attributes
    ----------
    field : Field
        The kernels.
    numerators : tuple of Poly
        One for each formula.
    denominator : Mapping
        Factors of the denominator with their multiplicities.
    """

    field: Field
    numerators: tuple[Poly, ...]
    denominator: Mapping[Poly, int]


def common_field(formulas: Sequence[sp.Expr]) -> CommonField | None:
    """Bring real formulas over one denominator; None if they are too large for that.

    Parameters
    ----------
    formulas : sequence of sympy.Expr
        Formulas in real symbols, without floats.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> common = common_field([sp.sqrt(x**2 + 1), x / sp.sqrt(x**2 + 1)])
    >>> [kernel.meaning for kernel in common.field.kernels]
    [x, sqrt(x**2 + 1)]
    >>> [common.field.expression(numerator) for numerator in common.numerators]
    [x**2*sqrt(x**2 + 1) + sqrt(x**2 + 1), x*sqrt(x**2 + 1)]
    """

    def convert(target: Field, refinements: Refinements) -> CommonField:
        conversion = _prepared(symbols, target, refinements)
        elements = []
        for formula in formulas:
            target.renew()
            elements.append(conversion.element(formula))
        denominator = common_denominator(elements)
        numerators = []
        for element in elements:
            target.renew()
            numerators.append(target.over(element, denominator))
        return CommonField(target, tuple(numerators), denominator)

    symbols = {symbol for formula in formulas for symbol in formula.free_symbols}
    return _refined(convert, symbols)


def sign_factors(formula: sp.Expr) -> SignFactors | None:
    """Polynomials in symbols whose product has the sign of a formula, wherever that is real.

    Parameters
    ----------
    formula : sympy.Expr
        A formula in real symbols, without floats.

    Returns
    -------
    (int, list of (sympy.Expr, int)) or None
        A sign, and irreducible polynomials with their multiplicities; None where the sign is not
        seen to be that of polynomials.

    Examples
    --------
    >>> import sympy as sp
    >>> x, y = sp.symbols("x y", real=True)
    >>> sign_factors(sp.sqrt(2) * (y - x)), sign_factors(2**x - 1)
    ((-1, [(x - y, 1)]), (1, [(x, 1)]))
    """

    def convert(target: Field, refinements: Refinements) -> SignFactors | None:
        conversion = _prepared(formula.free_symbols, target, refinements)
        element = conversion.element(formula)
        tower = conversion.tower
        if tower.exceptional or any(kernel.kind == "tan" for kernel in target.kernels):
            return None
        return factors_of_same_sign(tower, element)

    return _refined(convert, formula.free_symbols)


def _refined(
    convert: Callable[[Field, Refinements], T], symbols: Collection[sp.Symbol]
) -> T | None:
    """Convert anew until the orders of the kernels and the size of the ring suffice."""
    refinements: Refinements = {}
    size = 8 * (1 + len(symbols) // 6)
    for _ in range(_MAX_CONVERSIONS):
        try:
            return convert(Field(size), refinements)
        except RingFullError:
            size *= 2
        except RefineError as request:
            refinements[request.key] = request.value
        except (GiveUpError, BasePolynomialError, NotImplementedError, RecursionError):
            return None
    return None


def _converted(
    formula: sp.Expr, target: Field, refinements: Refinements, facts: Facts
) -> NormalForm:
    """Convert once, with the given orders of kernels."""
    conversion = _prepared(formula.free_symbols, target, refinements, facts)
    try:
        numerator, key = target.single(conversion.element(formula))
    except NowhereDefinedError:
        return NormalForm(target, target.ring.zero, UNIT, ())
    tower = conversion.tower
    unknown = [target.expression(f) for f in tower.unknown.signs if tower.proved.of(f) is None]
    zeros = open_zeros(tower, numerator)
    uncovered = None if zeros is None else parts_left(formula, facts, tower, zeros)
    return NormalForm(target, numerator, key, uncovered, tuple(unknown))


def _prepared(
    symbols: Collection[sp.Symbol],
    target: Field,
    refinements: Refinements,
    facts: Facts = _NO_FACTS,
) -> Conversion:
    """Start a conversion whose first kernels are the symbols."""
    conversion = Conversion(Tower(target, refinements, facts), facts)
    for symbol in sorted(symbols, key=sp.default_sort_key):
        conversion.element(symbol)
    conversion.suppose(facts, symbols)
    return conversion
