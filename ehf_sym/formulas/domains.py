"""Where the operations of a formula are defined and real, and what evaluation forgets of it.

SymPy evaluates exp(log(x)) to x, which is defined for x <= 0 too. What was written decides the
domain: a condition that the evaluated formula no longer implies is kept as a ``Piecewise`` of a
single case, which has no value where its condition fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from sympy import (
    Abs,
    And,
    E,
    Expr,
    Ge,
    Gt,
    Heaviside,
    Mul,
    Ne,
    Piecewise,
    Pow,
    atan2,
    cos,
    expand,
    false,
    sign,
    sin,
    true,
)
from sympy.logic.boolalg import Boolean

from ehf_sym.formulas.guarded import RefusedError
from ehf_sym.formulas.printing import quoted

Requirement = tuple[str, Expr]
"""How a part compares with 0, by one of > >= !=, and the part."""

_COMPARISONS = {">": Gt, ">=": Ge, "!=": Ne}
_REQUIRED: dict[str, Callable[..., tuple[Requirement, ...]]] = {
    "log": lambda u: ((">", u),),
    "ln": lambda u: ((">", u),),
    "sqrt": lambda u: ((">=", u),),
    "asin": lambda u: ((">=", 1 - u), (">=", 1 + u)),
    "acos": lambda u: ((">=", 1 - u), (">=", 1 + u)),
    "acosh": lambda u: ((">=", u - 1),),
    "atanh": lambda u: ((">", 1 - u), (">", 1 + u)),
    "acoth": lambda u: ((">", Abs(u) - 1),),
    "asec": lambda u: ((">=", Abs(u) - 1),),
    "acsc": lambda u: ((">=", Abs(u) - 1),),
    "asech": lambda u: ((">", u), (">=", 1 - u)),
    "tan": lambda u: (("!=", cos(u)),),
    "sec": lambda u: (("!=", cos(u)),),
    "cot": lambda u: (("!=", sin(u)),),
    "csc": lambda u: (("!=", sin(u)),),
    "coth": lambda u: (("!=", u),),
    "csch": lambda u: (("!=", u),),
    "acsch": lambda u: (("!=", u),),
    "acot": lambda u: (("!=", u),),
    "atan2": lambda v, u: ((">", u**2 + v**2),),
}
_JUMPS = (Piecewise, sign, Heaviside, atan2)


def required_by_call(name: str, arguments: Sequence[Expr]) -> tuple[Requirement, ...]:
    """Return what a function requires of its argument to be defined and real.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x = Symbol("x", real=True)
    >>> required_by_call("log", [x - 1])
    (('>', x - 1),)
    """
    rule = _REQUIRED.get(name)
    return () if rule is None else rule(*arguments)


def required_by_power(base: Expr, exponent: Expr) -> tuple[Requirement, ...]:
    """Return what a power requires of its base to be defined and real.

    Examples
    --------
    >>> from sympy import Rational, Symbol
    >>> x = Symbol("x", real=True)
    >>> required_by_power(x, Rational(-1, 2)), required_by_power(x, Rational(2))
    ((('>', x),), ())
    """
    if base is E:
        return ()
    if exponent.is_Rational:
        if exponent.is_Integer:
            return (("!=", base),) if exponent < 0 else ()
        return ((">" if exponent < 0 else ">=", base),)
    return (("!=" if exponent.is_integer else ">", base),)


def requirements(formula: Expr) -> Iterator[Requirement]:
    """Collect what all parts require that are evaluated in any case: cases are left out.

    Examples
    --------
    >>> from sympy import Symbol, log, sqrt
    >>> x = Symbol("x", real=True)
    >>> list(requirements(log(sqrt(x))))
    [('>', sqrt(x)), ('>=', x)]
    """
    if isinstance(formula, Piecewise):
        return
    if isinstance(formula, Pow):
        yield from required_by_power(formula.base, formula.exp)
    else:
        yield from required_by_call(formula.func.__name__, formula.args)
    for part in formula.args:
        yield from requirements(part)


def forgotten(
    typed: Iterable[Requirement], formulas: Sequence[Expr], *, in_cases: bool = False
) -> Boolean:
    """Return what was required and no longer follows from the evaluated formulas.

    Where all is continuous, boundaries and the zeros of polynomials do not count: what vanishes
    around such a place vanishes there as well.

    Parameters
    ----------
    typed : iterable of Requirement
        What the parts required as they were written.
    formulas : sequence of sympy.Expr
        What they were evaluated to.
    in_cases : bool, optional
        Whether they are one case of several, which may meet such a place alone.

    Raises
    ------
    RefusedError
        If a requirement is met nowhere.

    Examples
    --------
    >>> from sympy import Symbol, sqrt
    >>> x = Symbol("x", real=True)
    >>> forgotten([(">", x)], [x + 1]), forgotten([(">=", 4 * x)], [2 * sqrt(x)])
    (x > 0, True)
    """
    everywhere = in_cases or any(formula.has(*_JUMPS) for formula in formulas)
    kept = {
        (kind, _odd_part(part, strict=True))
        for formula in formulas
        for kind, part in _split(requirements(formula))
    }
    conditions = []
    for kind, part in dict.fromkeys(_split(typed)):
        odd = _odd_part(part, strict=kind != ">=")
        if (kind, odd) in kept or (">", odd) in kept:
            continue
        if not everywhere and ((">=", odd) in kept or (kind == "!=" and _is_thin(part))):
            continue
        condition = _COMPARISONS[kind](part, 0)
        if condition is false:
            raise RefusedError(
                f"{quoted(part)} {kind} 0 holds nowhere, as it should for a real value"
            )
        conditions.append(condition)
    return And(*conditions)


def restricted(formula: Expr, condition: Boolean) -> Expr:
    """Return the formula where the condition holds, and no value elsewhere.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x = Symbol("x", real=True)
    >>> restricted(x, x > 0), restricted(x, true)
    (Piecewise((x, x > 0)), x)
    """
    return formula if condition is true else Piecewise((formula, condition))


def _split(found: Iterable[Requirement]) -> Iterator[Requirement]:
    """Split products that should not be 0, and leave out numbers that are what they should be."""
    for kind, part in found:
        if kind == "!=":
            yield from (
                (kind, f.as_base_exp()[0]) for f in Mul.make_args(part) if not f.is_Rational
            )
        elif not part.is_positive:
            yield kind, part


def _odd_part(part: Expr, *, strict: bool) -> Expr:
    """Return a part without factors that are positive, or not negative unless `strict`."""
    factors = []
    for factor in Mul.make_args(part.primitive()[1]):
        base, exponent = factor.as_base_exp()
        if exponent.is_Integer and exponent % 2 and exponent > 0:
            factors.append(base)
        elif not (factor.is_positive or (not strict and factor.is_nonnegative)):
            factors.append(factor)
    return Mul(*factors)


def _is_thin(part: Expr) -> bool:
    """Tell whether the zeros are those of a polynomial that is not zero."""
    symbols = part.free_symbols
    return bool(symbols and part.is_polynomial(*symbols) and expand(part) != 0)
