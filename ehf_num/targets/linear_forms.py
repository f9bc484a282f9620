"""Formulas of many linear forms, such as separations of particles: all forms by one product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from ehf_num.engine.workspace import Array
from ehf_sym import NumpyFormula, to_numpy


@dataclass(frozen=True, eq=False)
class ThroughForms:
    """f(x) = h(x, w) with w = x W, and its gradient ∂h/∂x + W ∂h/∂w. Made by `with_gradient`.

    Attributes
    ----------
    inner : NumpyFormula
        h, its slopes by x and those by w, one after the other.
    at : ndarray of int, shape (k,)
        The columns of x that forms depend on.
    forms : ndarray, shape (k, m)
        W in these columns.
    """

    inner: NumpyFormula
    at: Array
    forms: Array

    def __call__(self, x: Array) -> Array:
        """Evaluate f and its gradient: (n, d) to (n, 1 + d)."""
        forms, end = self.forms.astype(x.dtype, copy=False), 1 + x.shape[1]
        found = self.inner(np.concatenate([x, _product(x[:, self.at], forms)], axis=1))
        found[:, 1 + self.at] += _product(found[:, end:], forms.T)
        return np.ascontiguousarray(found[:, :end])


def with_gradient(formula: NumpyFormula) -> Callable[[Array], Array]:
    """Compile a scalar formula of d variables and its gradient: (n, d) to (n, 1 + d).

    Linear forms of two variables or more are variables of their own where they outnumber the
    others: then the chain rule through them is a product of matrices, and the code a fraction.

    Examples
    --------
    >>> x, y = sp.symbols("x y", real=True)
    >>> f = with_gradient(to_numpy(sp.exp(x + y) + (x - y) ** 2 + sp.cos(x + 2 * y), (x, y)))
    >>> type(f).__name__, f(np.array([[0.0, 0.0]])).tolist()
    ('ThroughForms', [[2.0, 1.0, 1.0]])
    """
    (expression,), variables = formula.expressions, formula.variables
    names: dict[tuple[tuple[sp.Symbol, sp.Expr], ...], sp.Symbol] = {}
    renamed: dict[sp.Expr, sp.Expr] = {}
    parts = sp.preorder_traversal(expression)
    for part in parts:
        coefficients = _affine(part)
        if len(coefficients) > 1:
            constant = coefficients.pop(sp.S.One, sp.S.Zero)
            # Forms that are multiples of one another have one name: what cancels is seen.
            first, *_ = support = [x for x in variables if x in coefficients]
            direction = tuple((x, coefficients[x] / coefficients[first]) for x in support)
            name = names.setdefault(direction, sp.Symbol(f"w{len(names)}", real=True))
            renamed[part] = coefficients[first] * name + constant
            parts.skip()
    if len(names) <= len(variables):
        return formula.with_gradient
    forms = np.zeros((len(variables), len(names)))
    for k, direction in enumerate(names):
        for x, coefficient in direction:
            forms[variables.index(x), k] = coefficient
    at = np.flatnonzero(forms.any(axis=1))
    inner = to_numpy(expression.xreplace(renamed), (*variables, *names.values()))
    return ThroughForms(inner.with_gradient, at, forms[at])


def _affine(part: sp.Basic) -> dict[Any, sp.Expr]:
    """Coefficients of a sum of multiples of symbols, and of 1; empty for any other formula."""
    if not isinstance(part, sp.Add):
        return {}
    coefficients = dict(part.as_coefficients_dict(*part.free_symbols))
    alone = all(x.is_Symbol or x is sp.S.One for x in coefficients)
    return coefficients if alone and len(part.free_symbols) > 1 else {}


def _product(a: Array, b: Array) -> Array:
    """Multiply matrices; what is not finite in `a` goes only where `b` is not 0."""
    with np.errstate(invalid="ignore"):
        product = a @ b
        rows = ~np.isfinite(a).all(axis=1)
        if rows.any():
            terms = np.where(b != 0, a[rows, :, np.newaxis] * b, 0)
            product[rows] = terms.sum(axis=1)
    return np.asarray(product)
