"""Overflow-free forms of exponential formulas, taken before differentiation and evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from sympy import (
    Add,
    DiracDelta,
    Expr,
    Function,
    Heaviside,
    Integer,
    Mul,
    Pow,
    S,
    Symbol,
    cosh,
    exp,
    expand_log,
    expand_mul,
    log,
    sign,
)


class SoftPlus(Function):  # type: ignore[misc]
    """Soft-plus ln(1 + exp(u)); its derivative is `Sigmoid`."""

    nargs = 1
    is_real = True
    is_positive = True

    def fdiff(self, argindex: int = 1) -> Expr:
        """Return the derivative σ(u)."""
        return Sigmoid(self.args[0])


class Sigmoid(Function):  # type: ignore[misc]
    """Sigmoid σ(u) = 1/(1 + exp(−u))."""

    nargs = 1
    is_real = True
    is_positive = True

    def fdiff(self, argindex: int = 1) -> Expr:
        """Return the derivative σ(u)σ(−u): 1 − σ(u) would cancel where u is large."""
        u = self.args[0]
        return Sigmoid(u) * Sigmoid(-u)


def stabilize(expr: Expr) -> Expr:
    """Write logs and reciprocals of positive sums of exponentials with `SoftPlus` and `Sigmoid`.

    Parameters
    ----------
    expr : sympy.Expr
        A formula whose symbols stand for real numbers.

    Returns
    -------
    sympy.Expr
        An equal formula that neither overflows nor divides infinity by infinity where the given one
        has a finite value of moderate size.

    Examples
    --------
    >>> from sympy import Symbol, exp, log
    >>> x = Symbol("x", real=True)
    >>> stabilize(log(1 + exp(2 * x)))
    SoftPlus(2*x)
    >>> stabilize(1 / (1 + exp(-x)))
    Sigmoid(x)
    >>> stabilize(exp(x) / (1 + exp(x)))
    Sigmoid(x)
    """
    if not expr.args:
        return expr
    inner = expr.func(*(stabilize(arg) for arg in expr.args))
    if isinstance(inner, log):
        # Splits off positive factors and powers, then treats what remains under each log.
        return expand_log(inner).replace(log, _log)
    if isinstance(inner, Pow) and inner.exp.is_Rational and inner.exp.is_negative:
        return _reciprocal(inner.base, -inner.exp)
    if isinstance(inner, Mul):
        return _merge(inner)
    return inner


def differentiate(expr: Expr, symbol: Symbol) -> Expr:
    """Differentiate almost everywhere: steps become (1 + sign)/2, their own derivative vanishes."""
    derivative = expr.diff(symbol).replace(DiracDelta, lambda *_: S.Zero)
    return stabilize(derivative.replace(Heaviside, lambda u, *_: (1 + sign(u)) / 2))


def _log(argument: Expr) -> Expr:
    """Logarithm of a sigmoid or of a positive sum of exponentials, or the log as it stands."""
    if isinstance(argument, Sigmoid):
        return -SoftPlus(-argument.args[0])
    exponents = _exponents(argument)
    return _log_sum_exp(exponents) if exponents else log(argument)


def _reciprocal(base: Expr, power: Expr) -> Expr:
    """Evaluate base**(-power) through its logarithm if base is a positive sum of exponentials."""
    exponents = _exponents(base)
    if not exponents:
        return Pow(base, -power)
    if len(exponents) == 2 and exponents[0] == 0 and power.is_Integer:
        return Sigmoid(-exponents[1]) ** power
    return exp(-power * _log_sum_exp(exponents))


def _exponents(expr: Expr) -> list[Expr] | None:
    """Exponents u_i when expr = Σ exp(u_i) has at least two terms, constants first; else None."""
    if expr.has(cosh):
        expr = expand_mul(expr.replace(cosh, lambda u: (exp(u) + exp(-u)) / 2))
    terms = Add.make_args(expr)
    exponents = []
    for term in terms:
        factors = Mul.make_args(term)
        constant = Mul(*(f for f in factors if not f.free_symbols))
        varying = [f for f in factors if f.free_symbols]
        if not constant.is_positive or not all(isinstance(f, exp) for f in varying):
            return None
        exponents.append(log(constant) + Add(*(f.args[0] for f in varying)))
    if len(terms) < 2 or not expr.free_symbols:
        return None
    return sorted(exponents, key=lambda u: bool(u.free_symbols))


def _log_sum_exp(exponents: Sequence[Expr]) -> Expr:
    """Logarithm of Σ exp(u_i), by nesting ln(exp(a) + exp(b)) = a + SoftPlus(b − a)."""
    total = exponents[-1]
    for u in reversed(exponents[:-1]):
        total = u + SoftPlus(total - u)
    return total


def _merge(product: Expr) -> Expr:
    """Absorb an exponential into the sigmoids that it multiplies: exp(u) σ(−u) = σ(u)."""
    factors = Mul.make_args(product)
    exponentials = [f for f in factors if isinstance(f, exp) and f.free_symbols]
    sigmoids = [f.as_base_exp() for f in factors if isinstance(f.as_base_exp()[0], Sigmoid)]
    if not exponentials or not sigmoids:
        return product
    v = Add(*(f.args[0] for f in exponentials))
    rest = [f for f in factors if f not in exponentials]
    for sigmoid, power in sigmoids:
        u = -sigmoid.args[0]
        turns = v / u
        if isinstance(turns, Integer) and isinstance(power, Integer) and 1 <= turns <= power:
            return Mul(*rest, Sigmoid(u) ** turns, sigmoid**-turns)
    others = [f for f in rest if not isinstance(f.as_base_exp()[0], Sigmoid)]
    logs = [-power * SoftPlus(-sigmoid.args[0]) for sigmoid, power in sigmoids]
    return Mul(*others, exp(Add(v, *logs)))
