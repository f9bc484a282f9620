"""Values of formulas at rational points by mpmath's real arithmetic: nothing of the engine."""

from __future__ import annotations

from collections.abc import Mapping

import mpmath
import sympy as sp

_RENAMED = {"Abs": "fabs", "Max": "max", "Min": "min"}


class UndefinedError(ArithmeticError):
    """A part of the formula is not real at the point."""


def value_at(formula: sp.Basic, point: Mapping[sp.Symbol, sp.Rational], digits: int = 50):
    """Value with this many digits; each part has to be real, or `UndefinedError` is raised."""
    with mpmath.workdps(digits):
        return _value(formula, {symbol: _number(value) for symbol, value in point.items()})


def _number(value: sp.Rational):
    return mpmath.mpf(int(value.p)) / int(value.q)


def _value(formula: sp.Basic, point: Mapping[sp.Symbol, object]):
    if formula.is_Symbol:
        return point[formula]
    if formula.is_Rational:
        return _number(formula)
    if formula.is_NumberSymbol:
        return mpmath.mpf({"Pi": mpmath.pi, "Exp1": mpmath.e}[type(formula).__name__])
    if isinstance(formula, sp.Piecewise):
        chosen = next(branch for branch, condition in formula.args if _holds(condition, point))
        return _value(chosen, point)
    values = [_value(argument, point) for argument in formula.args]
    try:
        result = _apply(formula, values)
    except (ZeroDivisionError, ValueError) as error:
        raise UndefinedError(str(formula)) from error
    if not isinstance(result, mpmath.mpf) or not mpmath.isfinite(result):
        raise UndefinedError(str(formula))
    return result


def _apply(formula: sp.Basic, values: list):
    if formula.is_Add:
        return mpmath.fsum(values)
    if formula.is_Mul:
        return mpmath.fprod(values)
    if formula.is_Pow:
        return _power(formula, *values)
    name = type(formula).__name__
    if name in ("Max", "Min"):
        return {"Max": max, "Min": min}[name](values)
    if name == "Heaviside":
        return (1 + mpmath.sign(values[0])) / 2
    return +getattr(mpmath, _RENAMED.get(name, name))(*values)


def _power(formula: sp.Pow, base, exponent):
    """Real power: roots of what is not negative, other powers of what is positive."""
    if formula.exp.is_Integer:
        return base ** int(formula.exp)
    if base < 0 or (base == 0 and not (formula.exp.is_Rational and exponent > 0)):
        raise UndefinedError(str(formula))
    return base**exponent


def _holds(condition: sp.Basic, point: Mapping[sp.Symbol, object]) -> bool:
    if condition in (sp.true, sp.false):
        return bool(condition)
    if isinstance(condition, sp.And | sp.Or):
        return {sp.And: all, sp.Or: any}[type(condition)](
            _holds(part, point) for part in condition.args
        )
    if isinstance(condition, sp.Not):
        return not _holds(condition.args[0], point)
    left, right = (_value(side, point) for side in condition.args)
    return {
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
        "==": left == right,
        "!=": left != right,
    }[condition.rel_op]
