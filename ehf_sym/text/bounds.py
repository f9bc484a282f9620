"""What is refused before SymPy starts, or once it is done: what is too large, or not real."""

from __future__ import annotations

from math import log2
from typing import Any

from sympy import (
    Abs,
    Add,
    E,
    Expr,
    Function,
    I,
    Max,
    Min,
    Mul,
    N,
    Piecewise,
    Pow,
    log,
    nan,
    oo,
    sign,
    zoo,
)

MAX_DIGITS = 1000
_MAX_EXPONENT = 1000
# Numbers of at most this many bits have at most MAX_DIGITS digits, so what is printed is read back.
_MAX_BITS = 3320
_MAX_RADICAND_BITS = 512
_MAX_CONSTANT_EXPONENT = 5000
_NO_NUMBERS = (zoo, nan, oo, -oo)
# SymPy evaluates the argument of an exponential twice, so what is nested costs 2**depth.
_MAX_CONSTANT_DEPTH = 8
CASES = (Abs, sign, Max, Min, Piecewise)
_MAX_CASES_DEPTH = 20


class RefusedError(Exception):
    """An operation is undefined, not real or out of bounds; the reader adds where."""


def guard_constant(argument: Expr) -> None:
    """Refuse functions of constants nested so deeply that their value takes too long."""
    if not argument.free_symbols and _depth(argument, (Function, Pow)) >= _MAX_CONSTANT_DEPTH:
        raise RefusedError(
            f"functions of constants are nested more than {_MAX_CONSTANT_DEPTH} deep"
        )


def guard_cases(argument: Expr) -> None:
    """Refuse cases within cases: each doubles what SymPy may ask."""
    if _depth(argument, CASES) >= _MAX_CASES_DEPTH:
        raise RefusedError(
            f"Abs, sign, Max, Min and Piecewise are nested more than {_MAX_CASES_DEPTH} deep"
        )


def _depth(expr: Expr, kinds: tuple[type, ...]) -> int:
    """Count the nodes of these kinds on the way to the deepest leaf."""
    inside = max((_depth(argument, kinds) for argument in expr.args), default=0)
    return inside + isinstance(expr, kinds)


def guard_power(base: Expr, exponent: Expr) -> None:
    """Refuse powers whose evaluation is too large."""
    if exponent.is_Rational:
        if abs(exponent) > _MAX_EXPONENT:
            raise RefusedError(f"the exponent {short(exponent)} is beyond {_MAX_EXPONENT}")
        bits = number_bits(base)
        bound(bits * max(float(abs(exponent)), 1))
        if not exponent.is_Integer and max(bits, number_bits(exponent)) > _MAX_RADICAND_BITS:
            raise RefusedError("roots of numbers this long, or of such a degree, are not taken")
    elif not base.free_symbols and not exponent.free_symbols and base is not E:
        guard_exponential(exponent * log(Abs(base)))


def guard_exponential(argument: Expr) -> None:
    """Refuse constants too large to evaluate, and huge powers in the guise exp(n*log(x))."""
    for term in Add.make_args(argument):
        coefficient, rest = term.as_coeff_Mul()
        if isinstance(rest, log) and coefficient.is_Rational:
            guard_power(rest.args[0], coefficient)
    if not argument.free_symbols and abs(N(argument)) > _MAX_CONSTANT_EXPONENT:
        raise RefusedError(f"an exponential beyond exp({_MAX_CONSTANT_EXPONENT}) is not evaluated")


def admit(result: Expr) -> Expr:
    """Refuse results that are infinite, not real, or too large to compute with or to print."""
    for part in (result, *result.args):
        if any(part is value for value in _NO_NUMBERS):
            raise RefusedError("the value is infinite or undefined")
    if not result.free_symbols and result.has(I):
        raise RefusedError("the value is not real")
    for term in Add.make_args(result):
        for factor in Mul.make_args(term):
            bound(number_bits(factor))
            if factor.is_Pow and factor.exp.is_Rational:
                guard_power(factor.base, factor.exp)
    return result


def number_bits(expr: Expr) -> float:
    """Bits of the numbers multiplied together in a product."""
    total = 0.0
    for factor in Mul.make_args(expr):
        base, exponent = factor.as_base_exp()
        if base.is_Rational and base.p:
            bits = log2(abs(int(base.p))) + log2(int(base.q))
            total += bits * (float(abs(exponent)) if exponent.is_Rational else 1)
    return total


def bound(bits: float) -> None:
    """Refuse numbers too long to print."""
    if bits > _MAX_BITS:
        raise RefusedError(f"a number of more than {_MAX_BITS} bits arises")


def short(number: Any) -> str:
    """Text of a number for a message."""
    if number.is_Rational and number_bits(number) > 128:
        return "of many digits"
    return str(number)
