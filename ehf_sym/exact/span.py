"""Linear relations between functions, with constants as coefficients, exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

from ehf_sym.errors import ArgumentError
from ehf_sym.exact.functions import Formulas, Polynomials, functions
from ehf_sym.validation import exact_scalar, listed, rebuild, refuse_infinite


def relations(
    formulas: Sequence[Any], constants: Sequence[sp.Symbol] = ()
) -> list[tuple[sp.Expr, ...]]:
    """Find all constants c with Σ c_i f_i = 0 identically.

    Constants are rational functions, over the algebraic numbers that occur, of the parameters.
    Polynomials are compared monomial by monomial. For other formulas the relations are found
    among normal forms over independent kernels; each is proved by `is_zero`, and that there are
    no more is proved by values at points (see ``ehf_sym.exact.independence``).

    Parameters
    ----------
    formulas : sequence of sympy.Expr or int
        The functions f_i of real symbols, n of them.
    constants : sequence of sympy.Symbol
        Parameters: symbols that are no variables. All that is said holds for generic values.

    Returns
    -------
    list of tuple of sympy.Expr
        A basis of the relations, each of n coefficients: one relation for each function that
        depends on those before it, whose own coefficient is 1.

    Raises
    ------
    UndecidedError
        If a relation, or that there is none, could not be proved.
    FormulaError
        If a formula is no exact, real, scalar expression.

    Examples
    --------
    >>> x, y, a = sp.symbols("x y a", real=True)
    >>> relations([x**2 + y, y, a * x**2], constants=[a])
    [(-a, a, 1)]
    >>> relations([sp.cos(x)**2, sp.sin(x)**2, 3, x])
    [(-3, -3, 1, 0)]
    """
    checked = _checked(formulas, "formulas")
    space = _functions(checked, constants)
    reduction = space.reduce([space.of(f) for f in checked])
    found = []
    for j, row in enumerate(reduction.coordinates):
        if j not in reduction.pivots:
            relation = [sp.S.Zero] * len(checked)
            for place, number in row.items():
                relation[reduction.pivots[place]] = -space.constant(number)
            relation[j] = sp.S.One
            found.append(tuple(relation))
    return found


def coordinates(
    basis: Sequence[Any], target: Any, constants: Sequence[sp.Symbol] = ()
) -> tuple[sp.Expr, ...] | None:
    """Write a function as a combination of others with constant coefficients.

    Parameters
    ----------
    basis : sequence of sympy.Expr or int
        Functions f_i. Where they are dependent, later ones are not used.
    target : sympy.Expr or int
        The function f.
    constants : sequence of sympy.Symbol
        Parameters, as in `relations`.

    Returns
    -------
    tuple of sympy.Expr or None
        c with f = Σ c_i f_i; None if it is proved that there is none.

    Raises
    ------
    UndecidedError
        If neither could be proved.
    FormulaError
        If a formula is no exact, real, scalar expression.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> coordinates([sp.exp(x), sp.exp(-x)], sp.cosh(x))
    (1/2, 1/2)
    >>> coordinates([x, x**2], x**3) is None
    True
    """
    checked = [*_checked(basis, "basis"), _admitted(target, "target")]
    space = _functions(checked, constants)
    reduction = space.reduce([space.of(f) for f in checked])
    if len(basis) in reduction.pivots:
        return None
    result = [sp.S.Zero] * len(basis)
    for place, number in reduction.coordinates[-1].items():
        result[reduction.pivots[place]] = space.constant(number)
    return tuple(result)


def _functions(
    formulas: Sequence[sp.Expr], constants: Sequence[sp.Symbol]
) -> Polynomials | Formulas:
    """How to compute with these formulas; all symbols but the constants are variables."""
    for symbol in constants:
        if not isinstance(symbol, sp.Symbol) or not symbol.is_real:
            raise ArgumentError(f"constants holds {symbol!r}; it should hold real symbols")
    symbols = {s for f in formulas for s in f.free_symbols}
    variables = sorted(symbols - set(constants), key=sp.default_sort_key)
    return functions(formulas, variables, constants)


def _checked(formulas: Sequence[Any], name: str) -> list[sp.Expr]:
    return [_admitted(f, f"{name}[{i}]") for i, f in enumerate(listed(formulas, name))]


def _admitted(formula: Any, name: str) -> sp.Expr:
    """Admit an exact, finite scalar."""
    admitted = exact_scalar(formula, name)
    refuse_infinite(admitted, name)
    return rebuild(admitted)
