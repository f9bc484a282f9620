"""Formulas on the tape: a bridged SymPy formula becomes an autograd primitive.

Its derivative is the exact one from SymPy, itself a bridged formula and so itself a primitive:
derivatives of any order stay exact, and the tape never looks inside a formula.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
from autograd.extend import defvjp, primitive

from ehf_num.workspace import Array
from ehf_sym.bridge import NumpyFormula


def on_tape(formula: NumpyFormula) -> Callable[[Any], Any]:
    """Wrap a formula of x (n, m) with values (n, ...) as an autograd primitive.

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

    @primitive  # type: ignore[untyped-decorator]
    def evaluate(x: Array) -> Array:
        return formula(x)

    derivative: list[Callable[[Any], Any]] = []  # built on first use: most formulas need none

    def vjp_maker(_answer: Any, x: Any) -> Callable[[Any], Any]:
        if not derivative:
            derivative.append(on_tape(formula.gradient))
        jacobian = derivative[0](x)
        axes = tuple(range(1, 1 + len(formula.shape)))

        def vjp(cotangent: Any) -> Any:
            product = cotangent[..., None] * jacobian
            return anp.sum(product, axis=axes) if axes else product

        return vjp

    defvjp(evaluate, vjp_maker)
    wrapped: Callable[[Any], Any] = evaluate
    return wrapped
