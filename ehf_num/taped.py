"""Formulas on the tape: a bridged SymPy formula is one node.

Its derivative is the exact one from SymPy, itself a bridged formula and so itself a node:
derivatives of any order stay exact, and the tape never looks inside a formula.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import autograd.numpy as anp
from autograd.extend import defvjp, primitive

from ehf_num.workspace import Array
from ehf_sym.bridge import NumpyFormula


def on_tape(formula: NumpyFormula) -> Callable[[Any], Any]:
    """Wrap a formula of x (n, m) with values (n, ...) for the tape.

    Examples
    --------
    >>> import numpy as np, sympy as sp
    >>> from autograd import grad
    >>> from ehf_sym.bridge import to_numpy
    >>> x = sp.Symbol("x", real=True)
    >>> cube = on_tape(to_numpy(x**3, (x,)))
    >>> grad(lambda v: cube(v).sum())(np.array([[2.0]]))
    array([[12.]])
    """
    return partial(_evaluate, formula=formula)


@primitive  # type: ignore[untyped-decorator]
def _evaluate(x: Array, formula: NumpyFormula) -> Array:
    return formula(x)


def _vjp_maker(_answer: Any, x: Any, formula: NumpyFormula) -> Callable[[Any], Any]:
    jacobian = _evaluate(x, formula=formula.gradient)
    axes = tuple(range(1, 1 + len(formula.shape)))

    def vjp(cotangent: Any) -> Any:
        product = cotangent[..., None] * jacobian
        return anp.sum(product, axis=axes) if axes else product

    return vjp


# One primitive for all formulas: autograd keeps what it knows of a primitive for good.
defvjp(_evaluate, _vjp_maker, argnums=(0,))
