"""Flows of vector fields whose components can be integrated one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from ehf_sym.flows.closed_flow import ClosedFlow
from ehf_sym.flows.scalar_flow import scalar_flow


def triangular_flow(
    field: Sequence[sp.Expr], variables: Sequence[sp.Symbol], eps: sp.Symbol
) -> ClosedFlow | None:
    """Solve ẋ = X(x) where, in some order, each component needs only itself and earlier ones.

    Parameters
    ----------
    field : sequence of sympy.Expr
        X, one component for each variable.
    variables : sequence of sympy.Symbol
        x.
    eps : sympy.Symbol
        ε.

    Returns
    -------
    ClosedFlow or None
        None if there is no such order, or a component is not integrated.

    Examples
    --------
    >>> x, y, eps = sp.symbols("x y eps", real=True)
    >>> triangular_flow([sp.S.One, x * y], [x, y], eps).image
    {x: eps + x, y: y*exp(eps**2/2 + eps*x)}
    """
    image: dict[sp.Symbol, sp.Expr] = {}
    positive: tuple[sp.Expr, ...] = ()
    left = dict(zip(variables, field, strict=True))
    while left:
        ready = [v for v, f in left.items() if f.free_symbols & left.keys() <= {v}]
        if not ready:
            return None
        for variable in ready:
            component = left.pop(variable)
            flow = scalar_flow(component.xreplace(image), variable, eps)
            if flow is None:
                return None
            image |= flow.image
            positive += flow.positive
    moved = {v: u for v, u in image.items() if u != v}
    return ClosedFlow(moved, tuple(dict.fromkeys(positive)))
