"""Arithmetic on formulas that refuses, before SymPy starts, what would not end in bounded time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import lcm

from sympy import (
    Abs,
    Add,
    And,
    Eq,
    Expr,
    Ge,
    Gt,
    Le,
    Lt,
    Max,
    Min,
    Mul,
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
    atanh,
    cos,
    cosh,
    cot,
    coth,
    csc,
    csch,
    erf,
    exp,
    log,
    nan,
    pi,
    sec,
    sech,
    sign,
    sin,
    sinh,
    tan,
    tanh,
)
from sympy.logic.boolalg import Boolean

from ehf_sym.text.bounds import (
    CASES,
    MAX_DIGITS,
    RefusedError,
    admit,
    bound,
    guard_cases,
    guard_constant,
    guard_exponential,
    guard_power,
    number_bits,
    short,
)

_MAX_PI_DENOMINATOR = 120
_MAX_ARGUMENTS = 20


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
    if count is None and not 1 <= len(arguments) <= _MAX_ARGUMENTS:
        raise RefusedError(f"{name} takes 1 to {_MAX_ARGUMENTS} arguments, not {len(arguments)}")
    if count is not None and len(arguments) != count:
        raise RefusedError(f"{name} takes {count} argument, not {len(arguments)}")
    for argument in arguments:
        guard_constant(argument)
        if function in CASES:
            guard_cases(argument)
    if count is None and sum(_flattened(argument, function) for argument in arguments) > (
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


# Name -> (function, number of arguments; None: one or more).
FUNCTIONS: dict[str, tuple[Callable[..., Expr], int | None]] = {
    "exp": (_exponential(exp), 1),
    "log": (log, 1),
    "sqrt": (_root, 1),
    "sin": (_periodic(sin), 1),
    "cos": (_periodic(cos), 1),
    "tan": (_periodic(tan), 1),
    "asin": (asin, 1),
    "acos": (acos, 1),
    "atan": (atan, 1),
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
    "erf": (erf, 1),
    "sigmoid": (_sigmoid, 1),
    "softplus": (_softplus, 1),
    "Max": (Max, None),
    "Min": (Min, None),
}


COMPARISONS = {"<": Lt, "<=": Le, ">": Gt, ">=": Ge, "==": Eq, "!=": Ne}
