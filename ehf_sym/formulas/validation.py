"""The door: which SymPy objects count as parameters, and as a formula in given coordinates."""

from __future__ import annotations

import operator
import re
import sys
from collections.abc import Iterable
from numbers import Rational as AnyRational
from typing import Any

from sympy import (
    Expr,
    Float,
    Function,
    I,
    Order,
    Piecewise,
    Pow,
    Rational,
    Subs,
    Symbol,
    exp,
    log,
    nan,
    oo,
    zoo,
)
from sympy.core.function import AppliedUndef

from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.formulas.printing import quoted
from ehf_sym.formulas.reader import RESERVED
from ehf_sym.formulas.scopes import scopes, settled

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_COORDINATE = re.compile(r"[qp][0-9]+")


def validate_formula(
    expr: Any,
    q: tuple[Symbol, ...],
    p: tuple[Symbol, ...],
    name: str,
    parameters: tuple[Symbol, ...] = (),
) -> Expr:
    """Admit an exact, real, scalar formula in the coordinates q and p and in parameters.

    Parameters
    ----------
    expr : sympy.Expr or int or fractions.Fraction
        The candidate.
    q, p : tuple of sympy.Symbol
        The coordinates that it may contain.
    name : str
        What messages call it.
    parameters : tuple of sympy.Symbol
        Constants of unknown value that it may contain too.

    Returns
    -------
    sympy.Expr
        The formula in SymPy's evaluated form.

    Raises
    ------
    FormulaError
        If it is no scalar expression, holds a float or a foreign symbol, or takes non-real or
        infinite values.

    Examples
    --------
    >>> from sympy import symbols
    >>> x, y = symbols("x y", real=True)
    >>> validate_formula(3 * x, (x,), (y,), "f")
    3*x
    """
    formula = exact_scalar(expr, name)
    _refuse_foreign(formula, q, p, parameters, name)
    _refuse_non_real(formula, name)
    evaluated = rebuild(formula)
    if evaluated != formula:
        _refuse_non_real(evaluated, name)
    return evaluated


def validate_parameters(given: Any) -> tuple[Symbol, ...]:
    """Admit real symbols whose names mean nothing else.

    Parameters
    ----------
    given : sequence of sympy.Symbol
        The candidates.

    Returns
    -------
    tuple of sympy.Symbol
        The parameters.

    Raises
    ------
    ArgumentError
        If one is no real symbol, or has the name of a coordinate, a function, a constant or one
        before it.

    Examples
    --------
    >>> validate_parameters([Symbol("m", positive=True)])
    (m,)
    """
    if isinstance(given, str | Symbol) or not isinstance(given, Iterable):
        raise ArgumentError(f"parameters is {quoted(given)}; it should be a sequence of symbols")
    parameters = tuple(given)
    names: set[str] = set()
    for k, symbol in enumerate(parameters):
        if not isinstance(symbol, Symbol) or not symbol.is_real:
            raise ArgumentError(
                f"parameters[{k}] is {symbol!r}; it should be a real symbol, "
                "such as Symbol('m', positive=True)"
            )
        name = symbol.name
        if not _NAME.fullmatch(name) or name in RESERVED or _COORDINATE.fullmatch(name):
            raise ArgumentError(
                f"parameters[{k}] is named {name!r}; the name should be letters, digits and "
                "underscores, and not that of a coordinate, a function or a constant"
            )
        if name in names:
            raise ArgumentError(f"parameters[{k}] is {name}, which is already named before it")
        names.add(name)
    return parameters


def rebuild(expr: Expr) -> Expr:
    """Build an expression anew from its leaves, so that SymPy's automatic evaluation applies."""
    if not expr.args:
        return expr
    args = tuple(map(rebuild, expr.args))
    if isinstance(expr, exp) and args == expr.args and args[0].is_Add and not args[0].has(log):
        return expr  # SymPy would try exp of each summand
    return expr.func(*args)


def exact_scalar(expr: Any, name: str) -> Expr:
    """Turn exact numbers into SymPy's; refuse floats and all that is no scalar formula.

    Sums, integrals, derivatives and the like are evaluated. One that has no exact value is refused:
    what is done to formulas later would be wrong inside its scope.
    """
    formula = settled(scalar(expr, name))
    for scope in scopes(formula):
        raise FormulaError(
            f"{name} contains {quoted(scope)}, which has no exact value here; "
            "it should be written as a formula without variables of its own"
        )
    return formula


def scalar(expr: Any, name: str) -> Expr:
    """Turn exact numbers into SymPy's; refuse floats and all that is no scalar expression."""
    if isinstance(expr, str):
        raise FormulaError(
            f"{name} is the text {quoted(expr)}; read it with ehf_sym.parse(text, space) first"
        )
    if isinstance(expr, AnyRational) and not isinstance(expr, bool | Expr):
        return Rational(int(expr.numerator), int(expr.denominator))
    if isinstance(expr, float):
        _refuse_floats(Float(expr), name)
    if not isinstance(expr, Expr) or expr.is_Matrix:
        raise FormulaError(
            f"{name} is {quoted(expr)} of type {type(expr).__name__}; "
            "it should be a scalar SymPy expression"
        )
    _refuse_floats(expr, name)
    for part in expr.atoms(Subs):
        if len(set(part.variables)) < len(part.variables):
            raise FormulaError(
                f"{name} contains {quoted(part)}; it should substitute once for a symbol"
            )
    for order in expr.atoms(Order):
        raise FormulaError(f"{name} contains {order}, which has no value; it should be left out")
    return expr


def whole_number(value: Any, name: str, least: int = 1, *, verb: str = "is") -> int:
    """Read an integer that is not too small; bool is not one.

    Parameters
    ----------
    value : int or numpy.integer or sympy.Integer
        The candidate.
    name : str
        What messages call it.
    least : int
        The smallest that is admitted.
    verb : str
        With which messages say what it is.

    Returns
    -------
    int
        The number.

    Raises
    ------
    ArgumentError
        If it is no integer, or smaller than ``least``.

    Examples
    --------
    >>> whole_number(3, "dim")
    3
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number > sys.maxsize:
        raise ArgumentError(
            f"{name} has {number.bit_length()} bits; it should be a smaller integer"
        )
    if isinstance(value, bool) or number < least:
        wanted = {0: "a non-negative integer", 1: "a positive integer"}
        raise ArgumentError(
            f"{name} {verb} {quoted(value)}; it should be "
            f"{wanted.get(least, f'an integer from {least} on')}"
        )
    return number


def listed(values: Any, name: str) -> tuple[Any, ...]:
    """Read what can be listed; text, whose letters could be, is not.

    Raises
    ------
    ArgumentError
        If it is text or no iterable.

    Examples
    --------
    >>> listed([1, 2], "coefficients")
    (1, 2)
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ArgumentError(f"{name} is {quoted(values)}; it should be a sequence")
    return tuple(values)


def _refuse_floats(formula: Expr, name: str) -> None:
    """Refuse binary floating-point numbers: no proof survives their rounding."""
    floats = sorted(formula.atoms(Float))
    if floats:
        shown = Rational(str(floats[0]))
        raise FormulaError(
            f"{name} contains the float {float(floats[0])!r}, which is not exact; write "
            f"Rational({shown.p}, {shown.q}), or pass nsimplify({name}, rational=True)"
        )


def _refuse_non_real(formula: Expr, name: str) -> None:
    """Refuse what is not real or not finite, and parts that are real at no point."""
    refuse_infinite(formula, name)
    for part in formula.atoms(Pow, Function):
        if isinstance(part, exp | Piecewise) or (isinstance(part, Pow) and part.exp.is_Integer):
            continue  # real where its arguments are: to ask SymPy takes long
        if part.is_real is False:
            raise FormulaError(
                f"{name} contains {quoted(part)}, which is not real; it should be real"
            )


def refuse_infinite(formula: Expr, name: str) -> None:
    """Refuse the imaginary unit, infinities and undefined values."""
    for value in (I, zoo, nan, oo, -oo):
        if formula.has(value):
            raise FormulaError(f"{name} contains {quoted(value)}; it should be real and finite")


def _refuse_foreign(
    formula: Expr,
    q: tuple[Symbol, ...],
    p: tuple[Symbol, ...],
    parameters: tuple[Symbol, ...],
    name: str,
) -> None:
    """Refuse symbols that the space does not have, and undefined functions."""
    undefined = sorted(str(f) for f in formula.atoms(AppliedUndef))
    if undefined:
        raise FormulaError(f"{name} contains the undefined function {undefined[0]}")
    foreign = sorted(formula.free_symbols - {*q, *p, *parameters}, key=str)
    named = (("q", q), ("p", p), ("parameters", parameters))
    places = {s.name: f"space.{word}[{i}]" for word, xs in named for i, s in enumerate(xs)}
    for symbol in foreign:
        if symbol.name in places:
            raise FormulaError(
                f"{name} contains a symbol named {symbol.name} whose assumptions differ from "
                f"those of the space's own; use {places[symbol.name]}"
            )
    if foreign:
        known = f"the coordinates of this space are {', '.join(map(str, q + p))}"
        if parameters:
            known += f", its parameters {', '.join(map(str, parameters))}"
        raise FormulaError(
            f"{name} contains the foreign symbol {', '.join(map(str, foreign))}; {known}; "
            "a constant of unknown value goes into PhaseSpace(..., parameters=[...])"
        )
