"""Flows of functions F(h₁, …, h_m) of quadratic functions in involution.

All h_i, and so all c_i = ∂F/∂h_i, are constant along the flow of g = F(h), which is therefore the
product of the flows of the h_i, each run for the time ε c_i. Kicks g(q), drifts g(p) and functions
of one quadratic form are special cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import combinations
from math import gcd

import sympy as sp
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.flows.affine_flow import affine_flow, is_quadratic
from ehf_sym.flows.closed_flow import IDENTITY, Chart, ClosedFlow, composed
from ehf_sym.zero_test import is_zero

_MAX_PARTS = 8


def involutive_flow(g: sp.Expr, chart: Chart) -> ClosedFlow | None:
    """Flow of g = F(h) with quadratic h in involution; None if g is not seen to be of that form.

    Examples
    --------
    >>> q1, p1, eps = sp.symbols("q1 p1 eps", real=True)
    >>> involutive_flow(sp.exp(q1 * p1), Chart((q1,), (p1,), eps)).image
    {q1: q1*exp(eps*exp(p1*q1)), p1: p1*exp(-eps*exp(p1*q1))}
    """
    for outer, inner in _forms(g, chart):
        if len(inner) <= _MAX_PARTS and _in_involution(list(inner.values()), chart):
            return _product(outer, inner, chart)
    return None


def _forms(g: sp.Expr, chart: Chart) -> Iterator[tuple[sp.Expr, dict[sp.Symbol, sp.Expr]]]:
    """Ways to write g as a function of quadratic parts."""
    yield _split(g, chart)
    coordinates = [x for x in chart.coordinates if x in g.free_symbols]
    yield g, {x: x for x in coordinates}
    try:
        factored = sp.factor(g)
        yield _split(factored, chart)
        coefficient, factors = sp.factor_list(g, *coordinates)
    except BasePolynomialError:
        return
    if not all(isinstance(m, int) for _, m in factors):
        return
    power = reduce(gcd, (m for _, m in factors), 0)
    if power > 1:
        root = sp.Mul(*(f ** (m // power) for f, m in factors))
        outer, inner = _split(root, chart)
        yield coefficient * outer**power, inner


def _split(g: sp.Expr, chart: Chart) -> tuple[sp.Expr, dict[sp.Symbol, sp.Expr]]:
    """Write g as a function of its largest quadratic parts."""
    parts: dict[sp.Expr, sp.Symbol] = {}

    def walk(f: sp.Expr) -> sp.Expr:
        if not f.has(*chart.coordinates):
            return f
        if is_quadratic(f, chart):
            constant, varying = f.as_independent(*chart.coordinates, as_Add=f.is_Add)
            scale, varying = varying.as_independent(*chart.coordinates, as_Add=False)
            symbol = parts.setdefault(varying, sp.Dummy("h", real=True))
            return constant + scale * symbol if f.is_Add else constant * scale * symbol
        if f.is_Add or f.is_Mul:
            grouped = [a for a in f.args if is_quadratic(a, chart)]
            together = f.func(*grouped)
            if grouped and is_quadratic(together, chart):
                others = [a for a in f.args if a not in grouped]
                return f.func(walk(together), *(walk(a) for a in others))
        return f.func(*(walk(a) for a in f.args))

    outer = walk(g)
    return outer, {symbol: part for part, symbol in parts.items()}


def _in_involution(parts: list[sp.Expr], chart: Chart) -> bool:
    """Whether all brackets between the parts are proved to vanish."""
    pairs = list(zip(chart.q, chart.p, strict=True))
    return all(
        is_zero(sp.Add(*(f.diff(q) * h.diff(p) - f.diff(p) * h.diff(q) for q, p in pairs))).proved
        for f, h in combinations(parts, 2)
    )


def _product(outer: sp.Expr, inner: dict[sp.Symbol, sp.Expr], chart: Chart) -> ClosedFlow | None:
    """Compose the flows of the parts."""
    total = IDENTITY
    for symbol, part in inner.items():
        flow = affine_flow(part, chart)
        if flow is None:
            return None
        rate = sp.factor_terms(outer.diff(symbol).xreplace(inner))
        total = composed(flow.renamed({chart.eps: chart.eps * rate}), total)
    return ClosedFlow(total.image)
