"""The one place where formulas become batched NumPy functions, in forms that do not overflow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from sympy import Add, Expr, Function, Mul, Piecewise, Pow, S, Symbol, cosh, exp, log, sign, tanh
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom
from sympy.printing.numpy import NumPyPrinter

from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.formulas.arrays import FUNCTIONS, floating_points
from ehf_sym.formulas.printing import quoted

# Functions that are finite where their slope is not.
_STEEP = (sp.asin, sp.acos, sp.acosh, sp.asec, sp.acsc, sp.asech)
# Constant, factor and function of what is erfc(u) or erfc(-u) -> sign of u.
_TAILS = {(0, 1, sp.erfc): 1, (2, -1, sp.erfc): -1, (1, -1, sp.erf): 1, (1, 1, sp.erf): -1}


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


class Exponential(Function):  # type: ignore[misc]
    """exp(u) as it stands: of exp(x + 1000.5) SymPy takes exp(1000.5) out, which overflows."""

    nargs = 1
    is_real = True


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
    """
    return _shared(_stabilize)(expr)


def _shared(visit: Callable[..., Any], known: Mapping[Any, Any] | None = None) -> Any:
    """Make a recursion that visits equal parts once: `visit` gets a part, and the recursion."""
    results = dict(known or {})

    def result(part: Any) -> Any:
        if part not in results:
            results[part] = visit(part, result)
        return results[part]

    return result


def _stabilize(expr: Expr, stable: Callable[[Expr], Expr]) -> Expr:
    """Write one node in stable form, given how its parts are."""
    if not expr.args:
        return expr
    if isinstance(expr, Piecewise):
        cases = [(stable(value), condition) for value, condition in expr.args]
        return Piecewise(*cases, evaluate=False)
    if isinstance(expr, Mul):
        steps = [f for f in expr.args if _is_step(f)]
        if steps and len(steps) < len(expr.args):
            rest = Mul(*(f for f in expr.args if f not in steps))
            return Chained(stable(Mul(*steps)), stable(rest))
        expr = _with_quotients(expr)
    inner = expr.func(*map(stable, expr.args))
    if isinstance(inner, log):
        # Splits off positive factors and powers, then treats what remains under each log.
        return sp.expand_log(log(_with_tails(inner.args[0]))).replace(log, _log)
    if isinstance(inner, Pow) and inner.exp.is_Rational and inner.exp.is_negative:
        return _reciprocal(inner.base, -inner.exp)
    if isinstance(inner, Mul):
        return _merge(inner)
    if isinstance(inner, sp.Heaviside):
        u, middle = inner.args
        return (sign(u) + sign(u) ** 2) / 2 + middle * (1 - sign(u) ** 2)
    return inner


def differentiate(formulas: Iterable[Expr], symbols: Sequence[Symbol]) -> list[Expr]:
    """Differentiate almost everywhere, each by every symbol; at kinks a mean of the two slopes.

    Examples
    --------
    >>> x, y = sp.symbols("x y", real=True)
    >>> differentiate([sp.Abs(x), x * y], [x, y])
    [sign(x), 0, y, x]
    """
    slopes, stable = _shared(_slopes), _shared(_stabilize)
    return [stable(slopes(f).get(x, S.Zero)) for f in formulas for x in symbols]


def _slopes(expr: Expr, slopes: Callable[[Expr], dict[Symbol, Expr]]) -> dict[Symbol, Expr]:
    """Differentiate one node by each symbol in it, given the slopes of its parts."""
    if isinstance(expr, Symbol):
        return {expr: S.One}
    args = [value for value, _ in expr.args] if isinstance(expr, Piecewise) else expr.args
    parts = [slopes(arg) for arg in args]
    symbols = dict.fromkeys(x for part in parts for x in part)
    if not symbols or isinstance(expr, sign | sp.Heaviside):
        return {}
    if isinstance(expr, Piecewise | sp.Max | sp.Min):
        return {x: _slope_of_case(expr, [part.get(x, S.Zero) for part in parts]) for x in symbols}
    terms: dict[Symbol, list[Expr]] = {x: [] for x in symbols}
    for k, part in enumerate(parts):
        if part:
            factor, guarded, leads = _outer_slope(expr, k)
            for x, slope in part.items():
                pair = (factor, slope) if leads else (slope, factor)
                terms[x].append(_times(*pair, guarded=guarded))
    return {x: Add(*summed) for x, summed in terms.items()}


def _outer_slope(expr: Expr, k: int) -> tuple[Expr, bool, bool]:
    """Differentiate by the k-th part; whether the chain rule is guarded, and this is the weight."""
    args = expr.args
    if isinstance(expr, Add):
        return S.One, False, True
    if isinstance(expr, Mul):
        return Mul(*args[:k], *args[k + 1 :]), _may_be_steep(args[k]), True
    if isinstance(expr, Chained):
        return args[1 - k], True, k == 1
    if isinstance(expr, sp.Abs):
        return sign(args[0]), _may_be_steep(args[0]), True
    if isinstance(expr, Pow):
        base, power = args
        if k == 1:
            return _times(expr, log(base), guarded=True), True, False
        return power * base ** (power - 1), _is_steep(power), False
    outer = _SLOPES.get(expr.func)
    return outer(*args)[k] if outer else expr.fdiff(k + 1), isinstance(expr, _STEEP), False


def _slope_of_case(expr: Expr, slopes: Sequence[Expr]) -> Expr:
    """Choose the slope of what holds: of an extremum by weights 1 and 0, halves where it is two."""
    if isinstance(expr, Piecewise):
        conditions = (condition for _, condition in expr.args)
        return Piecewise(*zip(slopes, conditions, strict=True), evaluate=False)
    side = 1 if isinstance(expr, sp.Max) else -1
    pairs = zip(expr.args, slopes, strict=True)
    *others, (extremum, result) = sorted(pairs, key=lambda pair: sp.default_sort_key(pair[0]))
    for u, slope in reversed(others):
        ahead = (1 + sign(side * (u - extremum))) / 2
        result = _times(ahead, slope, guarded=True) + _times(1 - ahead, result, guarded=True)
        extremum = expr.func(u, extremum)
    return result


def _times(weight: Expr, value: Expr, *, guarded: bool) -> Expr:
    """Multiply; where the weight can vanish and the value be infinite, 0 wins."""
    if weight == 0 or value == 0:
        return S.Zero
    plain = not guarded or not _varies(weight) or not _varies(value)
    return weight * value if plain else Chained(weight, value)


def _varies(expr: Expr) -> bool:
    """Whether a symbol occurs; ``free_symbols`` collects all before it says so."""
    return any(isinstance(part, Symbol) for part in sp.preorder_traversal(expr))


def _is_steep(power: Expr) -> bool:
    """Whether u**power can have an infinite slope at u = 0, where it is 0."""
    return not power.is_Rational or bool(0 < power < 1)


def _may_be_steep(expr: Expr) -> bool:
    """Whether a slope within may be infinite though the value is finite."""
    if expr.has(*_STEEP, sp.Max, sp.Min, Piecewise, Chained):
        return True
    return any(_is_steep(power.exp) for power in expr.atoms(Pow) if _varies(power.base))


# What SymPy's own derivatives square, or subtract from one another.
_SLOPES: dict[Any, Callable[..., Sequence[Expr]]] = {
    tanh: lambda u: [sp.sech(u) ** 2],
    sp.coth: lambda u: [-(sp.csch(u) ** 2)],
    sp.asinh: lambda u: [sp.sech(sp.asinh(u), evaluate=False)],
    sp.acosh: lambda u: [sp.csch(sp.acosh(u), evaluate=False)],
    sp.atan: lambda u: [sp.sech(sp.asinh(u), evaluate=False) ** 2],
    sp.acot: lambda u: [-(sp.sech(sp.asinh(u), evaluate=False) ** 2)],
    sp.atanh: lambda u: [1 / ((1 - u) * (1 + u))],
    sp.asin: lambda u: [((1 - u) * (1 + u)) ** sp.Rational(-1, 2)],
    sp.acos: lambda u: [-(((1 - u) * (1 + u)) ** sp.Rational(-1, 2))],
    sp.atan2: lambda u, v: [v / Hypot(u, v) ** 2, -u / Hypot(u, v) ** 2],
}


def _is_step(factor: Expr) -> bool:
    """Whether a factor is made of step functions and constants alone."""
    if not factor.has(sp.Heaviside):
        return False
    return not _varies(factor.replace(sp.Heaviside, lambda *_: S.One))


def _with_quotients(product: Expr) -> Expr:
    """Write sinh and cosh of one argument, one divided by the other, with tanh: no ∞/∞."""
    powers = product.as_powers_dict()
    for base, power in powers.items():
        if isinstance(base, sp.sinh) and power * powers.get(cosh(*base.args), 0) < 0:
            product = product.subs(base, tanh(*base.args) * cosh(*base.args))
    return product


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
    if isinstance(expr, sp.sinh | sp.sech | sp.csch):
        u = expr.args[0]
        product = tanh(u) * cosh(u)
        return {sp.sinh: product, sp.sech: 1 / cosh(u), sp.csch: 1 / product}[expr.func]
    if isinstance(expr, Add | Mul | Pow | sp.Abs):
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
        expr = sp.expand_mul(expr.replace(cosh, lambda u: (exp(u) + exp(-u)) / 2))
    terms = Add.make_args(expr)
    exponents = []
    for term in terms:
        factors = Mul.make_args(term)
        constant = Mul(*(f for f in factors if not _varies(f)))
        varying = [f for f in factors if _varies(f)]
        if not constant.is_positive or not all(isinstance(f, exp) for f in varying):
            return None
        exponents.append(log(constant) + Add(*(f.args[0] for f in varying)))
    if len(terms) < 2 or not _varies(expr):
        return None
    return sorted(exponents, key=_varies)


def _log_sum_exp(exponents: Sequence[Expr]) -> Expr:
    """Logarithm of Σ exp(u_i), by nesting ln(exp(a) + exp(b)) = a + SoftPlus(b − a)."""
    total = exponents[-1]
    for u in reversed(exponents[:-1]):
        total = u + SoftPlus(total - u)
    return total


def _merge(product: Expr) -> Expr:
    """Absorb an exponential into the sigmoids that it multiplies: exp(u) σ(−u) = σ(u)."""
    factors = Mul.make_args(product)
    exponentials = [f for f in factors if isinstance(f, exp) and _varies(f)]
    sigmoids = [f.as_base_exp() for f in factors if isinstance(f.as_base_exp()[0], Sigmoid)]
    if not exponentials or not sigmoids:
        return product
    v = Add(*(f.args[0] for f in exponentials))
    rest = [f for f in factors if f not in exponentials]
    for sigmoid, power in sigmoids:
        u = -sigmoid.args[0]
        turns = v / u
        if isinstance(turns, sp.Integer) and isinstance(power, sp.Integer) and 1 <= turns <= power:
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
_INFINITE = (type(sp.nan), type(sp.oo), type(-sp.oo), type(sp.zoo))


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
    stable : bool
        Whether the entries are in a form already that does not overflow, as derivatives are.
    """

    expressions: tuple[sp.Expr, ...]
    variables: tuple[sp.Symbol, ...]
    shape: tuple[int, ...]
    stable: bool = field(default=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _refuse_unprintable(self.expressions, self.variables)

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
        rows, shape = (
            differentiate(self._stable, self.variables),
            (*self.shape, len(self.variables)),
        )
        return NumpyFormula(tuple(rows), self.variables, shape, stable=True)

    @cached_property
    def with_gradient(self) -> NumpyFormula:
        """All entries and then all derivatives in one function, which evaluates what they share."""
        both = self._stable + self.gradient.expressions
        return NumpyFormula(both, self.variables, (len(both),), stable=True)

    @cached_property
    def _stable(self) -> tuple[sp.Expr, ...]:
        """The entries in overflow-free form."""
        return (
            self.expressions if self.stable else tuple(map(_shared(_stabilize), self.expressions))
        )

    @cached_property
    def _compiled(self) -> Callable[..., Sequence[Any]]:
        """Code for all entries at once, common subexpressions shared."""
        # Names of our own: a symbol's name is text that would be run as code. No dummies: SymPy
        # numbers them, and the order of those names would be the order of the terms of a sum.
        columns = [sp.Symbol(f"x{i:04d}", real=True) for i in range(len(self.variables))]
        renaming = dict(zip(self.variables, columns, strict=True))
        entries = list(map(_shared(_fold_constants, renaming), self._stable))
        # NumPy's namespace as it is: asked for by name, SymPy imports all of it, f2py included,
        # which takes longer than a hundred steps of training.
        named = {name: name for name in FUNCTIONS}
        settings = {"fully_qualified_modules": False, "inline": True, "user_functions": named}
        printer = NumPyPrinter(settings | {"allow_unknown_functions": True})
        compiled: Callable[..., Sequence[Any]] = sp.lambdify(
            columns, entries, modules=[FUNCTIONS, vars(np)], printer=printer, cse=True
        )
        return compiled

    def __reduce__(self) -> tuple[Any, ...]:
        # Compiled code does not pickle: a copy compiles its own.
        return NumpyFormula, (self.expressions, self.variables, self.shape, self.stable)


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


def _refuse_unprintable(expressions: Sequence[sp.Expr], variables: tuple[sp.Symbol, ...]) -> None:
    """Refuse symbols that get no value and functions that NumPy does not know."""
    symbols, strange = set[sp.Symbol](), list[sp.Basic]()

    def visit(node: sp.Basic, see: Callable[[Any], None]) -> None:
        known = isinstance(node, _PRINTABLE) and not isinstance(node, _INFINITE)
        if known and node.args:
            list(map(see, node.args))
        else:
            symbols.update(node.free_symbols)
            strange.extend([] if known else [node])

    list(map(_shared(visit), expressions))
    foreign = sorted(str(symbol) for symbol in symbols - set(variables))
    if foreign:
        raise FormulaError(
            f"formula contains {', '.join(foreign)}; "
            f"the variables are {', '.join(map(str, variables))}"
        )
    for node in strange[:1]:
        if isinstance(node, _INFINITE):
            raise FormulaError(f"formula contains {node}; it should be real and finite")
        raise FormulaError(f"formula contains {node}, which has no NumPy counterpart here")


def _fold_constants(expr: sp.Expr, fold: Callable[[sp.Expr], sp.Expr]) -> sp.Expr:
    """Turn constant parts into Python floats: np.log(2) would be a float64 that promotes."""
    if isinstance(expr, BooleanAtom):
        return expr
    if not _varies(expr):
        return _constant(expr)
    if isinstance(expr, Piecewise):
        cases = [(fold(value), fold(when)) for value, when in expr.args]
        return Piecewise(*cases, evaluate=False)
    if isinstance(expr, sp.Pow) and expr.exp.is_Rational:
        return sp.Pow(fold(expr.base), expr.exp)
    if isinstance(expr, sp.Add | sp.Mul):
        constant = expr.func(*(arg for arg in expr.args if not _varies(arg)))
        return expr.func(fold(constant), *(fold(arg) for arg in expr.args if _varies(arg)))
    function = Exponential if isinstance(expr, exp) else expr.func
    return function(*map(fold, expr.args))


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
