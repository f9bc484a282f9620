"""Formulas as vectors over the constants: coefficients of independent functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sympy import QQ, Expr, Pow, Symbol
from sympy.polys.polyerrors import BasePolynomialError
from sympy.polys.polytools import parallel_poly_from_expr

from ehf_sym.errors import FormulaError
from ehf_sym.exact.constants import Constants, split, with_constants_apart
from ehf_sym.normal_forms.normal_form import common_field

Exponents = tuple[int, ...]
Vector = Mapping[Exponents, Any]


@dataclass(frozen=True, eq=False)
class Separation:
    """Formulas over one denominator, as combinations of monomials in functions.

    f_k = (1/h) Σ_m c_km φ^m, where the functions φ are the variables, then kernels such as
    exp(q1) and sqrt(q1**2 + q2**2). Their monomials are linearly independent over the constants,
    as far as the kernels of `ehf_sym.normal_forms.normal_form` are independent.

    Attributes
    ----------
    domain : sympy.polys.domains.Field
        The constants: numbers, parameters, and functions of parameters alone.
    functions : tuple of sympy.Expr
        φ: what the places of an exponent tuple stand for, the variables first.
    vectors : tuple of dict
        For each formula: exponents m to the coefficient c_km in `domain`, never 0.
    is_polynomial : bool
        Whether every formula is a polynomial in the variables: h = 1 and no kernels.
    constants : tuple of sympy.Expr
        Functions of parameters that were met, in h too.
    """

    domain: Any
    functions: tuple[Expr, ...]
    vectors: tuple[Vector, ...]
    is_polynomial: bool
    constants: tuple[Expr, ...] = ()


def separate(formulas: Sequence[Expr], variables: Sequence[Symbol]) -> Separation:
    """Write formulas over one denominator as combinations of independent monomials.

    Parameters
    ----------
    formulas : sequence of sympy.Expr
        Real formulas without floats.
    variables : sequence of sympy.Symbol
        What is no constant; every other symbol is one.

    Returns
    -------
    Separation
        A linear relation with constant coefficients holds between the formulas exactly if it
        holds between their vectors.

    Raises
    ------
    FormulaError
        If the formulas have no normal form within bounds, or hold roots of sums of parameters.

    Examples
    --------
    >>> from sympy import exp, sqrt, symbols
    >>> x, y, a = symbols("x y a", real=True)
    >>> parts = separate([a * x + sqrt(2) * exp(y), x / a], [x, y])
    >>> parts.functions, parts.domain
    ((x, y, exp(y)), QQ<sqrt(2)>(a))
    >>> {exponents: parts.domain.to_sympy(c) for exponents, c in parts.vectors[0].items()}
    {(1, 0, 0): a**2, (0, 0, 1): sqrt(2)*a}
    """
    polynomial = _by_polynomials(formulas, variables)
    return polynomial or _by_normal_form(formulas, variables)


def _by_polynomials(formulas: Sequence[Expr], variables: Sequence[Symbol]) -> Separation | None:
    """Polynomials with rational coefficients, or rational functions of parameters: no kernels."""
    if any(power.exp.free_symbols for f in formulas for power in f.atoms(Pow)):
        return None
    if not formulas:
        return Separation(QQ, tuple(variables), (), is_polynomial=True)
    try:
        polys, options = parallel_poly_from_expr(list(formulas), *variables, field=True)
    except BasePolynomialError:
        return None
    domain = options.domain
    if domain.is_FractionField:
        if not all(isinstance(symbol, Symbol) for symbol in domain.symbols):
            return None
        domain = QQ.frac_field(*domain.symbols)
    elif not domain.is_QQ:
        return None
    vectors = tuple(
        {m: domain.convert_from(c, options.domain) for m, c in p.rep.to_dict().items()}
        for p in polys
    )
    return Separation(domain, tuple(variables), vectors, is_polynomial=True)


def _by_normal_form(formulas: Sequence[Expr], variables: Sequence[Symbol]) -> Separation:
    """Bring all formulas over the kernels of one field and one denominator."""
    common = common_field([with_constants_apart(f, variables) for f in formulas])
    if common is None:
        raise FormulaError(
            f"formulas {', '.join(map(str, formulas))[:200]} have no normal form within the bounds"
        )
    field = common.field
    index = {kernel.meaning: kernel.index for kernel in field.kernels}
    varying = [
        k
        for k in field.kernels
        if k.meaning not in variables and k.meaning.free_symbols.intersection(variables)
    ]
    # A variable that no formula holds has no kernel.
    places = [*(index.get(x) for x in variables), *(k.index for k in varying)]
    constants = [k for k in field.kernels if k.index not in places]
    own = Constants()
    images = own.adopt(constants, common)
    domain = own.field
    divided = any(field.degree(f, i) for f in common.denominator for i in places if i is not None)
    return Separation(
        domain,
        (*variables, *(k.meaning for k in varying)),
        tuple(split(numerator, places, images, domain) for numerator in common.numerators),
        is_polynomial=not varying and not divided,
        constants=tuple(k.meaning for k in constants if not k.meaning.is_Symbol),
    )
