"""The one place where formulas become batched NumPy functions, in forms that do not overflow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from sympy import (
    Abs,
    Add,
    Expr,
    Function,
    Heaviside,
    Integer,
    Max,
    Min,
    Mul,
    Piecewise,
    Pow,
    Rational,
    S,
    Symbol,
    acosh,
    acot,
    asinh,
    atan,
    atan2,
    atanh,
    cosh,
    coth,
    csch,
    erf,
    erfc,
    exp,
    expand_log,
    expand_mul,
    log,
    sech,
    sign,
    sinh,
    tanh,
)
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom
from sympy.printing.numpy import NumPyPrinter

from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.formulas.arrays import FUNCTIONS, floating_points
from ehf_sym.formulas.printing import quoted

# Functions that are finite where their slope is not.
_STEEP = (sp.asin, sp.acos, sp.acosh, sp.asec, sp.acsc, sp.asech)
# Constant, factor and function of what is erfc(u) or erfc(-u) -> sign of u.
_TAILS = {(0, 1, erfc): 1, (2, -1, erfc): -1, (1, -1, erf): 1, (1, 1, erf): -1}


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


class LogErfc(Function):  # type: ignore[misc]
    """Logarithm of erfc(u), which underflows from u = 27 on; its derivative is `LogErfcSlope`."""

    nargs = 1
    is_real = True

    def fdiff(self, argindex: int = 1) -> Expr:
        """Return the derivative s(u)."""
        return LogErfcSlope(self.args[0])


class LogErfcSlope(Function):  # type: ignore[misc]
    """Derivative s(u) = −2 exp(−u²)/(√π erfc(u)) of `LogErfc`."""

    nargs = 1
    is_real = True
    is_negative = True

    def fdiff(self, argindex: int = 1) -> Expr:
        """Return the derivative −s(u)(2u + s(u)), since erfc'' = −2u erfc'."""
        slope = LogErfcSlope(self.args[0])
        return -slope * (2 * self.args[0] + slope)


class Chained(Function):  # type: ignore[misc]
    """Product w·v that is 0 where w is, be v infinite or undefined there.

    What a chain rule multiplies: sqrt(Max(0, u)) has the slope 0·∞ where u < 0, and is constant.
    """

    nargs = 2
    is_real = True


class Hypot(Function):  # type: ignore[misc]
    """Length √(u² + v²), whose squares do not overflow."""

    nargs = 2
    is_real = True
    is_nonnegative = True

    def fdiff(self, argindex: int = 1) -> Expr:
        """Return u/√(u² + v²), or v for u."""
        return self.args[argindex - 1] / self


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
    if isinstance(expr, Piecewise):
        cases = ((stabilize(value), condition) for value, condition in expr.args)
        return Piecewise(*cases, evaluate=False)
    if isinstance(expr, Mul):
        steps = [f for f in expr.args if _is_step(f)]
        if steps and len(steps) < len(expr.args):
            rest = Mul(*(f for f in expr.args if f not in steps))
            return Chained(stabilize(Mul(*steps)), stabilize(rest))
        expr = _with_quotients(expr)
    inner = expr.func(*(stabilize(arg) for arg in expr.args))
    if isinstance(inner, log):
        # Splits off positive factors and powers, then treats what remains under each log.
        return expand_log(log(_with_tails(inner.args[0]))).replace(log, _log)
    if isinstance(inner, Pow) and inner.exp.is_Rational and inner.exp.is_negative:
        return _reciprocal(inner.base, -inner.exp)
    if isinstance(inner, Mul):
        return _merge(inner)
    if isinstance(inner, Heaviside):
        return _step(*inner.args)
    return inner


def differentiate(expr: Expr, symbol: Symbol) -> Expr:
    """Differentiate almost everywhere; at kinks a mean of the slopes on the two sides.

    Examples
    --------
    >>> x = Symbol("x", real=True)
    >>> differentiate(Abs(x), x)
    sign(x)
    """
    slopes: dict[Expr, Expr] = {symbol: S.One}

    def slope(part: Expr) -> Expr:
        if part not in slopes:
            known = symbol in part.free_symbols
            slopes[part] = _slope(part, slope) if known else S.Zero
        return slopes[part]

    return stabilize(slope(expr))


def _slope(expr: Expr, slope: Callable[[Expr], Expr]) -> Expr:
    """Differentiate one node, given the slopes of its parts."""
    args = expr.args
    if isinstance(expr, Add):
        return Add(*map(slope, args))
    if isinstance(expr, Mul):
        return Add(*(
            _times(Mul(*args[:k], *args[k + 1 :]), slope(f), guarded=_may_be_steep(f))
            for k, f in enumerate(args) if slope(f) != 0
        ))  # fmt: skip
    if isinstance(expr, Pow):
        return _slope_of_power(args[0], args[1], slope)
    if isinstance(expr, Piecewise):
        return Piecewise(*((slope(value), condition) for value, condition in args), evaluate=False)
    if isinstance(expr, Chained):
        first, second = args
        return _times(slope(first), second, guarded=True) + _times(
            first, slope(second), guarded=True
        )
    if isinstance(expr, Max | Min):
        return _slope_of_extremum(expr, slope)
    if isinstance(expr, sign | Heaviside):
        return S.Zero
    if isinstance(expr, Abs):
        return _times(sign(args[0]), slope(args[0]), guarded=_may_be_steep(args[0]))
    outer = _SLOPES.get(expr.func)
    factors = outer(*args) if outer else [expr.fdiff(k + 1) for k in range(len(args))]
    return Add(*(
        _times(slope(u), factor, guarded=isinstance(expr, _STEEP))
        for u, factor in zip(args, factors, strict=True) if slope(u) != 0
    ))  # fmt: skip


def _slope_of_power(base: Expr, power: Expr, slope: Callable[[Expr], Expr]) -> Expr:
    """Differentiate base**power, which is steep where the base is 0 and the power below 1."""
    by_base = _times(slope(base), power * base ** (power - 1), guarded=_is_steep(power))
    if slope(power) == 0:
        return by_base
    return by_base + _times(
        slope(power), _times(base**power, log(base), guarded=True), guarded=True
    )


def _slope_of_extremum(expr: Expr, slope: Callable[[Expr], Expr]) -> Expr:
    """Weigh the slopes of the arguments by 1 and 0, by halves where two are equal."""
    side = 1 if isinstance(expr, Max) else -1
    *others, last = sorted(expr.args, key=sp.default_sort_key)
    result, extremum = slope(last), last
    for u in reversed(others):
        ahead = (1 + sign(side * (u - extremum))) / 2
        result = _times(ahead, slope(u), guarded=True) + _times(1 - ahead, result, guarded=True)
        extremum = expr.func(u, extremum)
    return result


def _times(weight: Expr, value: Expr, *, guarded: bool) -> Expr:
    """Multiply; where the weight can vanish and the value be infinite, 0 wins."""
    if weight == 0 or value == 0:
        return S.Zero
    plain = not guarded or not weight.free_symbols or not value.free_symbols
    return weight * value if plain else Chained(weight, value)


def _is_steep(power: Expr) -> bool:
    """Whether u**power can have an infinite slope at u = 0, where it is 0."""
    return not power.is_Rational or bool(0 < power < 1)


def _may_be_steep(expr: Expr) -> bool:
    """Whether a slope within may be infinite though the value is finite."""
    if expr.has(*_STEEP, Max, Min, Piecewise, Chained):
        return True
    return any(_is_steep(power.exp) for power in expr.atoms(Pow) if power.base.free_symbols)


# What SymPy's own derivatives square, or subtract from one another.
_SLOPES: dict[Any, Callable[..., Sequence[Expr]]] = {
    tanh: lambda u: [sech(u) ** 2],
    coth: lambda u: [-(csch(u) ** 2)],
    asinh: lambda u: [sech(asinh(u), evaluate=False)],
    acosh: lambda u: [csch(acosh(u), evaluate=False)],
    atan: lambda u: [sech(asinh(u), evaluate=False) ** 2],
    acot: lambda u: [-(sech(asinh(u), evaluate=False) ** 2)],
    atanh: lambda u: [1 / ((1 - u) * (1 + u))],
    sp.asin: lambda u: [((1 - u) * (1 + u)) ** Rational(-1, 2)],
    sp.acos: lambda u: [-(((1 - u) * (1 + u)) ** Rational(-1, 2))],
    atan2: lambda u, v: [v / Hypot(u, v) ** 2, -u / Hypot(u, v) ** 2],
}


def _is_step(factor: Expr) -> bool:
    """Whether a factor is made of step functions and constants alone."""
    return (
        bool(factor.has(Heaviside)) and not factor.replace(Heaviside, lambda *_: S.One).free_symbols
    )


def _with_quotients(product: Expr) -> Expr:
    """Write sinh and cosh of one argument, one divided by the other, with tanh: no ∞/∞."""
    powers = product.as_powers_dict()
    for base, power in powers.items():
        if isinstance(base, sinh) and power * powers.get(cosh(*base.args), 0) < 0:
            product = product.subs(base, tanh(*base.args) * cosh(*base.args))
    return product


def _step(u: Expr, middle: Expr) -> Expr:
    """Heaviside's step function by signs, with its value at 0."""
    return (sign(u) + sign(u) ** 2) / 2 + middle * (1 - sign(u) ** 2)


def _log(argument: Expr) -> Expr:
    """Logarithm of a sigmoid or of a positive sum of exponentials, or the log as it stands."""
    if isinstance(argument, Sigmoid):
        return -SoftPlus(-argument.args[0])
    exponents = _exponents(argument)
    return _log_sum_exp(exponents) if exponents else log(argument)


def _with_tails(expr: Expr) -> Expr:
    """Write each erfc(u), and what it is a multiple of as 1 + erf(u) is, as an exponential."""
    content, part = expr.primitive()
    constant, rest = part.as_coeff_Add()
    factor, function = rest.as_coeff_Mul()
    side = _TAILS.get((constant, factor, function.func))
    if side is not None:
        return content * exp(LogErfc(side * function.args[0]))
    if isinstance(expr, sinh | sech | csch):
        u = expr.args[0]
        return {sinh: tanh(u) * cosh(u), sech: 1 / cosh(u), csch: 1 / (tanh(u) * cosh(u))}[
            expr.func
        ]
    if isinstance(expr, Add | Mul | Pow | Abs):
        return expr.func(*(_with_tails(part) for part in expr.args))
    return expr


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


# Beyond these node types nothing is handed to the code printer: what it cannot print it would
# paste as text into the code that it compiles.
_PRINTABLE = (
    sp.Add, sp.Mul, sp.Pow, sp.Number, sp.NumberSymbol, sp.Symbol,
    sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.asin, sp.acos, sp.atan, sp.atan2,
    sp.sinh, sp.cosh, sp.tanh, sp.asinh, sp.acosh, sp.atanh,
    sp.sec, sp.csc, sp.cot, sp.sech, sp.csch, sp.coth,
    sp.asec, sp.acsc, sp.acot, sp.asech, sp.acsch, sp.acoth,
    sp.Abs, sp.sign, sp.Max, sp.Min, sp.Heaviside, sp.erf, sp.erfc, SoftPlus, Sigmoid,
    LogErfc, LogErfcSlope, Chained, Hypot,
    sp.Piecewise, ExprCondPair, sp.Rel, sp.And, sp.Or, sp.Not, BooleanAtom,
)  # fmt: skip


@dataclass(frozen=True)
class NumpyFormula:
    """Formulas as one batched NumPy function. Made by `to_numpy`.

    Attributes
    ----------
    expressions : tuple of sympy.Expr
        The entries in C order, prod(shape) of them.
    variables : tuple of sympy.Symbol
        What the last axis of the argument holds.
    shape : tuple of int
        Shape of one value: () for a scalar formula.
    """

    expressions: tuple[sp.Expr, ...]
    variables: tuple[sp.Symbol, ...]
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        for expression in self.expressions:
            _refuse_unprintable(expression, self.variables)

    def __call__(self, x: Any) -> NDArray[Any]:
        """Evaluate at each point of a batch.

        Parameters
        ----------
        x : array of shape (..., n_variables)
            Floating point (kept) or integer (read as float64).

        Returns
        -------
        array of shape (...) + shape
            Same floating dtype as ``x``.

        Raises
        ------
        ArgumentError
            If ``x`` is complex or not numeric, or its last axis has the wrong length.
        """
        points = floating_points(x, len(self.variables))
        # moveaxis takes longer than a small batch of a short formula.
        columns = np.ascontiguousarray(points.T if points.ndim == 2 else np.moveaxis(points, -1, 0))
        batch = points.shape[:-1]
        values = np.empty((*batch, len(self.expressions)), dtype=points.dtype)
        with np.errstate(all="ignore"):  # of branches that are not taken, too
            for k, value in enumerate(self._compiled(*columns)):
                values[..., k] = value
        return values.reshape(batch + self.shape)

    @cached_property
    def gradient(self) -> NumpyFormula:
        """Exact derivatives by every variable: values of shape ``shape + (n_variables,)``."""
        rows = [differentiate(e, v) for e in self._stable for v in self.variables]
        return NumpyFormula(tuple(rows), self.variables, (*self.shape, len(self.variables)))

    @cached_property
    def _stable(self) -> tuple[sp.Expr, ...]:
        """The entries in overflow-free form."""
        return tuple(stabilize(expression) for expression in self.expressions)

    @cached_property
    def _compiled(self) -> Callable[..., Sequence[Any]]:
        """Code for all entries at once, common subexpressions shared."""
        # Names of our own: a symbol's name is text that would be run as code. No dummies: SymPy
        # numbers them, and the order of those names would be the order of the terms of a sum.
        columns = [sp.Symbol(f"x{i:04d}", real=True) for i in range(len(self.variables))]
        renaming = dict(zip(self.variables, columns, strict=True))
        entries = [_fold_constants(e.xreplace(renaming)) for e in self._stable]
        # NumPy's namespace as it is: asked for by name, SymPy imports all of it, f2py included,
        # which takes longer than a hundred steps of training.
        printer = NumPyPrinter(
            {
                "fully_qualified_modules": False,
                "inline": True,
                "allow_unknown_functions": True,
                "user_functions": {name: name for name in FUNCTIONS},
            }
        )
        compiled: Callable[..., Sequence[Any]] = sp.lambdify(
            columns, entries, modules=[FUNCTIONS, vars(np)], printer=printer, cse=True
        )
        return compiled

    def __reduce__(self) -> tuple[Any, ...]:
        # Compiled code does not pickle: a copy compiles its own.
        return NumpyFormula, (self.expressions, self.variables, self.shape)


def to_numpy(formula: Any, variables: Sequence[sp.Symbol]) -> NumpyFormula:
    """Compile formulas into a batched, broadcasting, dtype-keeping NumPy function.

    Parameters
    ----------
    formula : sympy.Expr or int or nested sequence or sympy.Matrix
        One formula or an array of them. A column matrix of n entries counts as shape (n,).
    variables : sequence of sympy.Symbol
        What the last axis of the function's argument holds.

    Returns
    -------
    NumpyFormula
        Maps arrays of shape (..., n_variables) to (...) + shape; ``.gradient`` holds the exact
        derivatives. ln(1 + exp(u)), 1/(1 + exp(−u)) and their relatives do not overflow.

    Raises
    ------
    ArgumentError
        If ``variables`` are not distinct symbols, or ``formula`` is ragged or not made of formulas.
    FormulaError
        If a formula contains other symbols, or a function without NumPy counterpart.

    Examples
    --------
    >>> import numpy as np
    >>> from sympy import symbols
    >>> x, y = symbols("x y", real=True)
    >>> f = to_numpy(x**2 * y, (x, y))
    >>> f(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([ 2., 36.])
    >>> f.gradient(np.array([3.0, 4.0], dtype=np.float32))
    array([24.,  9.], dtype=float32)
    """
    names = tuple(variables) if isinstance(variables, Iterable) else (variables, variables)
    if not all(isinstance(v, sp.Symbol) for v in names) or len(set(names)) < len(names):
        raise ArgumentError(f"variables is {names!r}; it should be distinct SymPy symbols")
    entries, shape = _flatten(formula)
    return NumpyFormula(tuple(entries), names, shape)


def _flatten(formula: Any) -> tuple[list[sp.Expr], tuple[int, ...]]:
    """Entries in C order and their shape."""
    if isinstance(formula, sp.MatrixBase):
        rows, columns = formula.shape
        return list(formula), (rows,) if columns == 1 else (rows, columns)
    if isinstance(formula, Sequence) and not isinstance(formula, str):
        parts = [_flatten(part) for part in formula]
        shapes = {shape for _, shape in parts}
        if len(shapes) > 1:
            raise ArgumentError(f"formula is ragged: its parts have the shapes {sorted(shapes)}")
        inner = shapes.pop() if shapes else ()
        return [entry for entries, _ in parts for entry in entries], (len(parts), *inner)
    if isinstance(formula, int | float) and not isinstance(formula, bool):
        return [sp.Number(formula)], ()
    if not isinstance(formula, sp.Expr):
        raise ArgumentError(
            f"formula is {quoted(formula)} of type {type(formula).__name__}; "
            "it should be a SymPy expression or an array of them"
        )
    return [formula], ()


def _refuse_unprintable(expression: sp.Expr, variables: tuple[sp.Symbol, ...]) -> None:
    """Refuse symbols that get no value and functions that NumPy does not know."""
    foreign = sorted(str(symbol) for symbol in expression.free_symbols - set(variables))
    if foreign:
        raise FormulaError(
            f"formula contains {', '.join(foreign)}; "
            f"the variables are {', '.join(map(str, variables))}"
        )
    for node in sp.preorder_traversal(expression):
        if node in (sp.nan, sp.oo, -sp.oo, sp.zoo):
            raise FormulaError(f"formula contains {node}; it should be real and finite")
        if not isinstance(node, _PRINTABLE):
            raise FormulaError(f"formula contains {node}, which has no NumPy counterpart here")


def _fold_constants(expr: sp.Expr) -> sp.Expr:
    """Turn constant parts into Python floats: np.log(2) would be a float64 that promotes."""
    if isinstance(expr, BooleanAtom) or (not expr.args and expr.free_symbols):
        return expr
    if not expr.free_symbols:
        return _constant(expr)
    if isinstance(expr, Piecewise):
        cases = ((_fold_constants(value), _fold_constants(when)) for value, when in expr.args)
        return Piecewise(*cases, evaluate=False)
    if isinstance(expr, sp.Pow) and expr.exp.is_Rational:
        return sp.Pow(_fold_constants(expr.base), expr.exp)
    if isinstance(expr, sp.Add | sp.Mul):
        constant, varying = expr.as_independent(*expr.free_symbols, as_Add=expr.is_Add)
        parts = [_fold_constants(part) for part in expr.func.make_args(varying)]
        return expr.func(_constant(constant), *parts)
    return expr.func(*(_fold_constants(arg) for arg in expr.args))


def _constant(expr: sp.Expr) -> sp.Expr:
    """Nearest double of a constant; small integers stay as they are."""
    if expr.is_Integer and abs(expr) < 2**53:
        return expr
    value = sp.N(expr, 30)
    if not value.is_Float or not math.isfinite(float(value)):
        raise FormulaError(
            f"formula contains the constant {quoted(expr)}, which is not a finite double"
        )
    return sp.Float(float(value), 17)
