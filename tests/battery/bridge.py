"""Row 3: formulas as NumPy functions, against 30 digits and against autograd."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import autograd.numpy as anp
import mpmath
import numpy as np
import sympy as sp
from autograd import grad
from autograd.scipy.special import erf

import ehf_sym as es
from tests.battery.frame import SEED, Case, Row, require
from tests.sym.evaluation import UndefinedError, value_at

X = sp.symbols("x y z", real=True)
DIGITS = 30
TOLERANCE = 1e-11
_CANCELLED = 1e-2  # of its terms: a sum this small has lost digits, in any arithmetic
_TRIES = 60

_UNARY = [
    sp.sin, sp.cos, sp.tanh, sp.atan, sp.asinh, sp.erf,
    lambda u: sp.exp(-(u**2) / 4),
    lambda u: sp.log(1 + sp.exp(u)),
    lambda u: 1 / (1 + sp.exp(-u)),
    lambda u: sp.log(1 + u**2),
    lambda u: sp.sqrt(1 + u**2),
    lambda u: 1 / (2 + u**2),
    lambda u: u**3,
    lambda u: (1 + u**2) ** sp.Rational(-2, 3),
]  # fmt: skip


def formula(rng: random.Random, depth: int) -> sp.Expr:
    """Draw a formula that is smooth and real everywhere."""
    if not depth:
        return rng.choice([*X, *X, sp.Rational(rng.randint(-9, 9), rng.randint(1, 7))])
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(_UNARY)(formula(rng, depth - 1))
    parts = [formula(rng, depth - 1) for _ in range(2)]
    return sp.Add(*parts) if kind < 0.75 else sp.Mul(*parts)


def _cancels(expression: sp.Expr, point: dict[sp.Symbol, sp.Rational]) -> bool:
    """Whether some sum inside is much smaller than its terms."""
    for node in sp.preorder_traversal(expression):
        if node.is_Add:
            terms = [value_at(term, point, DIGITS) for term in node.args]
            if abs(mpmath.fsum(terms)) < _CANCELLED * max(map(abs, terms)):
                return True
    return False


def _on_tape(expression: sp.Expr, point: Any) -> Any:
    """Walk the formula with autograd's functions: nothing of the bridge."""
    if expression.is_Symbol:
        return point[X.index(expression)]
    if expression.is_number:
        return float(expression)
    values = [_on_tape(argument, point) for argument in expression.args]
    if expression.is_Add:
        return sum(values[1:], values[0])
    if expression.is_Mul:
        product = values[0]
        for value in values[1:]:
            product = product * value
        return product
    if expression.is_Pow:
        return values[0] ** values[1]
    names = {"log": anp.log, "exp": anp.exp, "atan": anp.arctan, "asinh": anp.arcsinh, "erf": erf}
    name = type(expression).__name__
    return (names.get(name) or getattr(anp, name))(*values)


def _check(seed: int) -> None:
    rng = random.Random(seed)
    while not (expression := sp.sympify(formula(rng, 3))).free_symbols:
        pass
    function, slopes = es.to_numpy(expression, X), [expression.diff(s) for s in X]
    for _ in range(_TRIES):
        floats = np.array([rng.uniform(-2, 2) for _ in X])
        point = {s: sp.Rational(float(value)) for s, value in zip(X, floats, strict=True)}
        try:
            if any(_cancels(part, point) for part in (expression, *slopes)):
                continue
        except UndefinedError:
            continue
        exact = [float(value_at(part, point, DIGITS)) for part in (expression, *slopes)]
        ours = [float(function(floats)), *function.gradient(floats)]
        for found, wanted in zip(ours, exact, strict=True):
            allowed = TOLERANCE * max(abs(wanted), 1e-3 * max(map(abs, exact)))
            require(abs(found - wanted) <= allowed, f"{expression} at {floats}: {found}, {wanted}")
        tape = grad(lambda at: _on_tape(expression, at))(floats)
        require(np.allclose(ours[1:], tape, rtol=1e-9, atol=1e-11), f"autograd: {expression}")
        return
    # Every point of such a formula loses digits; its values still have to be the right ones.
    exact = float(value_at(expression, point, DIGITS))
    require(abs(function(floats) - exact) < 1e-9 * max(1, abs(exact)), f"{expression}")


def cases(quick: bool) -> Iterator[Case]:
    for k in range(8 if quick else 500):
        yield Case(f"formula {k}", partial(_check, SEED + k))


ROWS = [Row(3, "bridge against 30 digits (relative 1e-11) and autograd", cases, 60)]
