"""Fields of constants, and formulas with their constants apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy as sp
from sympy import QQ
from sympy.functions.elementary.trigonometric import TrigonometricFunction

from ehf_sym.zero.polynomials import Poly


def constant_field(algebraic: Sequence[sp.Expr], symbols: Sequence[sp.Symbol]) -> Any:
    """Field of rational functions of the symbols over Q, extended by algebraic numbers."""
    field = QQ.algebraic_field(*algebraic) if algebraic else QQ
    return field.frac_field(*symbols) if symbols else field


def with_constants_apart(formula: sp.Expr, variables: Sequence[sp.Symbol]) -> sp.Expr:
    """Write exp(u + c) as exp(u) exp(c), and sines likewise: c is constant, u is not.

    Examples
    --------
    >>> x, a = sp.symbols("x a", real=True)
    >>> with_constants_apart(sp.exp(x + a), [x])
    exp(a)*exp(x)
    """

    def shifted(part: sp.Expr) -> bool:
        if not isinstance(part, sp.exp | TrigonometricFunction):
            return False
        argument = part.args[0]
        constant = argument.as_independent(*variables, as_Add=True)[0]
        return bool(constant) and constant != argument

    return formula.replace(shifted, lambda part: part.expand(trig=True, deep=False))


def narrowed(field: Any, numbers: Sequence[Any]) -> Any:
    """Choose the smallest of field, field without parameters, and Q that holds the numbers.

    Examples
    --------
    >>> field = constant_field([sp.sqrt(3)], [sp.Symbol("m")])
    >>> narrowed(field, [field.from_sympy(sp.sqrt(3))]), narrowed(field, [field.one])
    (QQ<sqrt(3)>, QQ)
    """
    if field.is_FractionField:
        if not all(x.numer.is_ground and x.denom.is_ground for x in numbers):
            return field
        return narrowed(field.domain, [field.domain.quo(x.numer.LC, x.denom.LC) for x in numbers])
    return QQ if field.is_Algebraic and all(x.is_ground for x in numbers) else field


def split(
    poly: Poly, places: Sequence[int | None], images: Mapping[int, Any], field: Any
) -> dict[tuple[int, ...], Any]:
    """Gather the terms of a polynomial by their monomial in the kernels that are no constants.

    Parameters
    ----------
    poly : Poly
        A polynomial in kernels.
    places : sequence of int or None
        Indices of the kernels that are no constants; None for what does not occur.
    images : Mapping
        What each constant kernel is in the field.
    field : sympy.polys.domains.Domain
        The constants.

    Returns
    -------
    dict
        Exponents at the places to the coefficient, never 0.
    """
    vector: dict[tuple[int, ...], Any] = {}
    for monomial, coefficient in poly.items():
        number = field.convert_from(coefficient, QQ)
        for index, image in images.items():
            if monomial[index]:
                number = number * image ** monomial[index]
        exponents = tuple(0 if i is None else monomial[i] for i in places)
        vector[exponents] = vector.get(exponents, field.zero) + number
    return {exponents: entry for exponents, entry in vector.items() if entry}
