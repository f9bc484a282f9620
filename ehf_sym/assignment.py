"""Values for the parameters of a phase space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sympy import Expr, Symbol

from ehf_sym.errors import ArgumentError
from ehf_sym.phase_space import PhaseSpace

# Of all that follows from an assumption, what is named first.
_TELLING = ("positive", "negative", "nonnegative", "nonpositive", "nonzero", "integer")


@dataclass(frozen=True)
class Assignment:
    """Values of parameters, and the space without these.

    Attributes
    ----------
    space : PhaseSpace
        Its parameters are those without a value.
    values : dict
        Parameter to value, a formula in the remaining parameters.
    """

    space: PhaseSpace
    values: Mapping[Symbol, Expr]

    def __call__(self, formula: Expr) -> Expr:
        """Put the values into a formula."""
        return formula.xreplace(dict(self.values))

    def __str__(self) -> str:
        return ", ".join(f"{symbol} = {value}" for symbol, value in self.values.items())


def assign(space: PhaseSpace, values: Mapping[Symbol, Any]) -> Assignment:
    """Check values for parameters.

    Parameters
    ----------
    space : PhaseSpace
        Whose parameters they are for.
    values : mapping from sympy.Symbol to sympy.Expr or int or fractions.Fraction
        Exact numbers, or formulas in the parameters that get no value.

    Returns
    -------
    Assignment

    Raises
    ------
    ArgumentError
        If a key is no parameter of the space, or a value contradicts what is assumed of it.
    FormulaError
        If a value is no exact, real formula in the remaining parameters.

    Examples
    --------
    >>> m, k = Symbol("m", positive=True), Symbol("k", real=True)
    >>> given = assign(PhaseSpace(1, parameters=(m, k)), {m: 2})
    >>> given.space, given(m * k)
    (PhaseSpace(dim=1, parameters=(k,)), 2*k)
    """
    if not isinstance(values, Mapping):
        raise ArgumentError(f"values is {values!r}; it should map parameters to their values")
    foreign = [key for key in values if key not in space.parameters]
    if foreign:
        own = ", ".join(map(str, space.parameters)) or "none"
        raise ArgumentError(
            f"values has the key {foreign[0]!r}; it should hold parameters of the space, which "
            f"has {own}"
        )
    rest = replace(space, parameters=tuple(a for a in space.parameters if a not in values))
    bare = {key: rest.validate(value, f"values[{key}]") for key, value in values.items()}
    for symbol, value in bare.items():
        if value.free_symbols.intersection(space.coordinates):
            raise ArgumentError(f"values[{symbol}] is {value}; it should not hold coordinates")
        if assumption := contradicted(symbol, value):
            raise ArgumentError(f"values[{symbol}] is {value}; {symbol} is assumed {assumption}")
    return Assignment(rest, bare)


def contradicted(symbol: Symbol, value: Expr) -> str | None:
    """Find an assumption on a symbol that a value is known not to satisfy.

    Examples
    --------
    >>> contradicted(Symbol("m", positive=True), -Symbol("k", positive=True))
    'positive'
    """
    assumed = symbol.assumptions0
    for key in (*(word for word in _TELLING if word in assumed), *assumed):
        if getattr(value, f"is_{key}", None) is (not assumed[key]):
            return key if assumed[key] else f"not {key}"
    return None
