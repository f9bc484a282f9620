"""Normal forms over a field whose kernels are independent.

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
  - roots of expressions with roots are square roots (`nested_roots`: Kummer theory),
  - the signs that logarithms, roots and absolute values ask for can be proved or are few,
  - arcs whose derivatives are related differ by one constant on the whole domain (`branches`),
  - angles take only fractions k/n of pi with n in {1, 2, 3, 4, 5, 6, 8, 10, 12},
  - the work bound is kept.
  It assumes that constants have no relations but the obvious ones: proved for e, for pi,
  for radicals of primes and for logarithms of primes over Q, a case of Schanuel's conjecture for
  all of them together. Functions beyond this list count as kernels of their own: nothing is
  known of them but that equal arguments give equal values, and that erf is odd.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import sympy as sp
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.zero.cases import open_zeros
from ehf_sym.zero.conversion import Conversion
from ehf_sym.zero.elementary import Tower
from ehf_sym.zero.exceptional_sets import Part, parts_left
from ehf_sym.zero.kernels import (
    UNIT,
    Field,
    GiveUpError,
    Key,
    NowhereDefinedError,
    RingFullError,
    common_denominator,
)
from ehf_sym.zero.polynomials import Poly
from ehf_sym.zero.refinements import RefineError, Refinements
from ehf_sym.zero.signs import Facts

T = TypeVar("T")

_NO_FACTS = Facts()
_MAX_CONVERSIONS = 24
_MAX_RESIDUAL_TERMS = 200


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
