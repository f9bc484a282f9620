"""Arithmetic on formulas that refuses what would not end in bounded time.

What is too large, or not real, is refused before SymPy starts, or once it is done; `cost` counts
what an operation takes before it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import lcm, log2
from typing import Any

from sympy import (
    Abs,
    Add,
    And,
    Basic,
    E,
    Eq,
    Expr,
    Function,
    Ge,
    Gt,
    Heaviside,
    I,
    Le,
    Lt,
    Max,
    Min,
    Mul,
    N,
    Ne,
    Or,
    Piecewise,
    Pow,
    Rational,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cos,
    cosh,
    cot,
    coth,
    csc,
    csch,
    erf,
    erfc,
    exp,
    log,
    nan,
    oo,
    pi,
    preorder_traversal,
    sec,
    sech,
    sign,
    sin,
    sinh,
    tan,
    tanh,
    zoo,
)
from sympy.logic.boolalg import Boolean

MAX_DIGITS = 1000
_MAX_EXPONENT = 1000
# Numbers of at most this many bits have at most MAX_DIGITS digits, so what is printed is read back.
_MAX_BITS = 3320
_MAX_RADICAND_BITS = 512
_MAX_CONSTANT_EXPONENT = 5000
_NO_NUMBERS = (zoo, nan, oo, -oo)
# SymPy evaluates the argument of an exponential twice, so what is nested costs 2**depth.
_MAX_CONSTANT_DEPTH = 8
CASES = (Abs, sign, Heaviside, Max, Min, Piecewise)
_MAX_CASES_DEPTH = 20
_MAX_PI_DENOMINATOR = 120
_MAX_ARGUMENTS = 20
_SEVERAL = range(1, _MAX_ARGUMENTS + 1)
COMPARISONS = {"<": Lt, "<=": Le, ">": Gt, ">=": Ge, "==": Eq, "!=": Ne}
# How often the sign of an argument, or of a difference of two, is asked for.
_SIGN, _COMPARISON = 15, 60


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
            "Abs, sign, Heaviside, Max, Min and Piecewise are nested more than "
            f"{_MAX_CASES_DEPTH} deep"
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


def number(text: str) -> Expr:
    """Exact value of a decimal."""
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > MAX_DIGITS or len(exponent) > 5 or abs(int(exponent or 0)) > MAX_DIGITS:
        raise RefusedError(f"a number of more than {MAX_DIGITS} digits is not read")
    return admit(Rational(text))


def add(terms: Sequence[Expr]) -> Expr:
    """Sum of all terms at once."""
    denominators: dict[Expr, int] = {}
    for term in terms:
        for part in Add.make_args(term):
            coefficient, rest = part.as_coeff_Mul()
            if coefficient.is_Rational:
                common = lcm(denominators.get(rest, 1), int(coefficient.q))
                bound(common.bit_length())
                denominators[rest] = common
    return admit(Add(*terms))


def multiply(factors: Sequence[Expr]) -> Expr:
    """Product of all factors at once."""
    bound(sum(number_bits(factor) for factor in factors))
    return admit(Mul(*factors))


def power(base: Expr, exponent: Expr) -> Expr:
    """Evaluate base**exponent, real."""
    if base == 0 and not (exponent.is_Rational and exponent > 0):
        raise RefusedError("division by zero" if exponent == -1 else "0 to this power is undefined")
    if base.is_Rational and base < 0 and exponent.is_integer is not True:
        raise RefusedError(f"{short(base)} to a power that is no integer is not real")
    guard_constant(exponent)
    guard_power(base, exponent)
    return admit(Pow(base, exponent))


def call(name: str, arguments: Sequence[Expr]) -> Expr:
    """Value of one of `FUNCTIONS`."""
    function, count = FUNCTIONS[name]
    counts = count if isinstance(count, range) else range(count, count + 1)
    if len(arguments) not in counts:
        least, most = counts[0], counts[-1]
        wanted = f"{least} to {most}" if least < most else f"{least}"
        raise RefusedError(
            f"{name} takes {wanted} argument{'s' * (most > 1)}, not {len(arguments)}"
        )
    for argument in arguments:
        guard_constant(argument)
        if function in CASES:
            guard_cases(argument)
    if function in (Max, Min) and sum(_flattened(argument, function) for argument in arguments) > (
        _MAX_ARGUMENTS
    ):
        raise RefusedError(f"{name} within {name} takes {_MAX_ARGUMENTS} arguments in all")
    return admit(function(*arguments))


def piecewise(values: Sequence[Expr], conditions: Sequence[Boolean]) -> Expr:
    """Value of the first condition that holds."""
    if len(values) > _MAX_ARGUMENTS:
        raise RefusedError(f"Piecewise takes {_MAX_ARGUMENTS} cases, not {len(values)}")
    for value in values:
        guard_cases(value)
    result = Piecewise(*zip(values, conditions, strict=True))
    if isinstance(result, Piecewise) and result.has(nan):
        raise RefusedError("a case has no value")
    return admit(result)


def compare(operator: str, left: Expr, right: Expr) -> Boolean:
    """Compare two formulas without cases: SymPy would make conditions within conditions of them."""
    if left.has(Piecewise) or right.has(Piecewise):
        raise RefusedError("a condition contains Piecewise")
    return COMPARISONS[operator](left, right)


def join(operator: str, conditions: Sequence[Boolean]) -> Boolean:
    """All of the conditions, or any."""
    if len(conditions) > _MAX_ARGUMENTS:
        raise RefusedError(f"{operator} joins {_MAX_ARGUMENTS} conditions, not {len(conditions)}")
    return (And if operator == "&" else Or)(*conditions)


def _flattened(argument: Expr, function: Callable[..., Expr]) -> int:
    """Count the arguments that one becomes: Max(x, Max(y, z)) is Max(x, y, z)."""
    return len(argument.args) if argument.func is function else 1


def _exponential(function: Callable[[Expr], Expr]) -> Callable[[Expr], Expr]:
    """Guard a function that grows exponentially."""

    def guarded(argument: Expr) -> Expr:
        guard_exponential(argument)
        return function(argument)

    return guarded


def _periodic(function: Callable[[Expr], Expr]) -> Callable[[Expr], Expr]:
    """Guard a function that SymPy writes in nested roots at rational multiples of π."""

    def guarded(argument: Expr) -> Expr:
        turns = argument.coeff(pi)
        if turns.is_Rational and turns.q > _MAX_PI_DENOMINATOR and not argument.free_symbols:
            raise RefusedError(f"angles finer than pi/{_MAX_PI_DENOMINATOR} are not evaluated")
        return function(argument)

    return guarded


def _sigmoid(argument: Expr) -> Expr:
    """Sigmoid 1/(1 + exp(-x))."""
    return 1 / (1 + call("exp", [-argument]))


def _softplus(argument: Expr) -> Expr:
    """Soft-plus log(1 + exp(x))."""
    return log(1 + call("exp", [argument]))


def _root(argument: Expr) -> Expr:
    """Square root, real."""
    return power(argument, Rational(1, 2)) if argument != 0 else argument


# Name -> (function, number of arguments).
FUNCTIONS: dict[str, tuple[Callable[..., Expr], int | range]] = {
    "exp": (_exponential(exp), 1),
    "log": (log, 1),
    "ln": (log, 1),
    "sqrt": (_root, 1),
    "sin": (_periodic(sin), 1),
    "cos": (_periodic(cos), 1),
    "tan": (_periodic(tan), 1),
    "asin": (asin, 1),
    "acos": (acos, 1),
    "atan": (atan, 1),
    "atan2": (atan2, 2),
    "sinh": (_exponential(sinh), 1),
    "cosh": (_exponential(cosh), 1),
    "tanh": (_exponential(tanh), 1),
    "sec": (_periodic(sec), 1),
    "csc": (_periodic(csc), 1),
    "cot": (_periodic(cot), 1),
    "sech": (_exponential(sech), 1),
    "csch": (_exponential(csch), 1),
    "coth": (_exponential(coth), 1),
    "asinh": (asinh, 1),
    "acosh": (acosh, 1),
    "atanh": (atanh, 1),
    "Abs": (Abs, 1),
    "abs": (Abs, 1),
    "sign": (sign, 1),
    "Heaviside": (Heaviside, range(1, 3)),
    "erf": (erf, 1),
    "erfc": (erfc, 1),
    "sigmoid": (_sigmoid, 1),
    "softplus": (_softplus, 1),
    "Max": (Max, _SEVERAL),
    "Min": (Min, _SEVERAL),
    "max": (Max, _SEVERAL),
    "min": (Min, _SEVERAL),
}


def cost(operation: Callable[..., Any], operands: Sequence[Any]) -> int:
    """Count the nodes that an operation looks at, as often as it looks at them.

    SymPy asks for signs: of the argument of a function, of each factor under a root or below a
    fraction bar, and of the difference of each two arguments of Max and Min.
    """
    flat = [part for operand in operands for part in _listed(operand) if isinstance(part, Basic)]
    nodes = sum(sum(1 for _ in preorder_traversal(part)) for part in flat)
    if operation is call:
        pairs = _COMPARISON * len(flat) if operands[0] in ("Max", "Min", "max", "min") else _SIGN
        return nodes * max(pairs, len(Mul.make_args(flat[0])) // 2)
    if operation is compare:
        return nodes * _COMPARISON
    if operation is power:
        plain = operands[1].is_Integer and operands[1] > 0
        return nodes * max(1 if plain else _SIGN, len(Mul.make_args(operands[0])) // 2)
    return nodes


def _listed(operand: Any) -> Sequence[Any]:
    return operand if isinstance(operand, list) else [operand]
