"""Numbers for the parameters that occur in a generator."""

from __future__ import annotations

from collections.abc import Container, Mapping
from math import isfinite
from numbers import Rational, Real
from typing import Any

import sympy as sp

from ehf_sym.errors import ArgumentError
from ehf_sym.phase_space import PhaseSpace


def parameter_values(
    space: PhaseSpace, generator: sp.Expr, parameters: Mapping[sp.Symbol, Any]
) -> dict[sp.Symbol, sp.Expr]:
    """Read values for the parameters that occur in a generator.

    Raises
    ------
    ArgumentError
        If one is missing, or is no real number.

    Examples
    --------
    >>> m = sp.Symbol("m", positive=True)
    >>> space = PhaseSpace(1, parameters=[m])
    >>> parameter_values(space, space.p[0] ** 2 / (2 * m), {m: 2})
    {m: 2}
    """
    occurring = occurring_parameters(space, generator, parameters)
    return {symbol: _number(parameters[symbol], symbol) for symbol in occurring}


def occurring_parameters(
    space: PhaseSpace, generator: sp.Expr, given: Container[sp.Symbol]
) -> list[sp.Symbol]:
    """Find the parameters in a generator, all of which must be given.

    Raises
    ------
    ArgumentError
        If one is missing.
    """
    occurring = sorted(generator.free_symbols - set(space.coordinates), key=str)
    missing = [symbol for symbol in occurring if symbol not in given]
    if missing:
        raise ArgumentError(f"parameters has no value for {', '.join(map(str, missing))}")
    return occurring


def _number(value: Any, symbol: sp.Symbol) -> sp.Expr:
    """Read one value: an exact number stays exact."""
    complaint = f"the value of {symbol} is {value!r}; it should be a finite real number"
    if isinstance(value, bool):
        raise ArgumentError(complaint)
    if isinstance(value, sp.Expr) and value.is_number and value.is_real:
        return value
    if isinstance(value, Rational):
        return sp.Rational(int(value.numerator), int(value.denominator))
    if isinstance(value, Real) and isfinite(value):
        return sp.Float(float(value), 17)
    raise ArgumentError(complaint)
