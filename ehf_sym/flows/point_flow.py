"""Flows of generators linear in p, g = p·X(q) + f(q): point transformations and their lift.

The positions move by the flow φ_ε of X alone. The momenta follow from it,

    p(ε) = (Dφ_ε)^{−T} (p − ∇S),    S(q) = ∫_0^ε f(φ_τ(q)) dτ,

with (Dφ_ε)^{−1} = (Dφ_{−ε})∘φ_ε. Generators linear in q are the same in (Q, P) = (p, −q).
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp
from sympy.polys.fields import sfield
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.flows.closed_flow import Chart, ClosedFlow
from ehf_sym.flows.function_space import finite_dimensional_flow
from ehf_sym.flows.scalar_flow import integral
from ehf_sym.flows.triangular_flow import triangular_flow

_MAX_CANCELLED = 800


def point_flows(g: sp.Expr, chart: Chart) -> Iterator[ClosedFlow]:
    """Candidates for the flow of a generator linear in p, or in q.

    Examples
    --------
    >>> q1, p1, eps = sp.symbols("q1 p1 eps", real=True)
    >>> flow = next(point_flows(q1**2 * p1, Chart((q1,), (p1,), eps)))
    >>> flow.image[q1], sp.factor(flow.image[p1])
    (-q1/(eps*q1 - 1), p1*(eps*q1 - 1)**2)
    """
    yield from _lifted(g, chart)
    swapped = Chart(chart.p, tuple(sp.Dummy(q.name, real=True) for q in chart.q), chart.eps)
    forth = {q: -P for q, P in zip(chart.q, swapped.p, strict=True)}
    back = {P: -q for q, P in zip(chart.q, swapped.p, strict=True)}
    for flow in _lifted(g.xreplace(forth), swapped):
        image = {
            **{p: flow.of(p).xreplace(back) for p in chart.p},
            **{q: -flow.of(P).xreplace(back) for q, P in zip(chart.q, swapped.p, strict=True)},
        }
        moved = {x: u for x, u in image.items() if x != u}
        yield ClosedFlow(moved, tuple(c.xreplace(back) for c in flow.positive))


def _lifted(g: sp.Expr, chart: Chart) -> Iterator[ClosedFlow]:
    """Flows of g = p·X(q) + f(q), one for each way in which that of X is found."""
    field = [sp.expand(g.diff(p)) for p in chart.p]
    if any(component.has(*chart.p) for component in field):
        return
    potential = g.xreplace(dict.fromkeys(chart.p, sp.S.Zero))
    momenta = finite_dimensional_flow(
        chart.vector_field(g), chart.coordinates, chart, targets=chart.p
    )
    for positions in _position_flows(field, chart):
        if momenta is not None:
            yield ClosedFlow({**positions.image, **momenta.image}, positions.positive)
            continue
        flow = _lift(positions, potential, chart)
        if flow is not None:
            yield flow


def _position_flows(field: list[sp.Expr], chart: Chart) -> Iterator[ClosedFlow]:
    flow = finite_dimensional_flow(field, chart.q, chart, rational=True)
    if flow is not None:
        yield flow
    flow = triangular_flow(field, chart.q, chart.eps)
    if flow is not None:
        yield flow


def _lift(positions: ClosedFlow, potential: sp.Expr, chart: Chart) -> ClosedFlow | None:
    """Momenta from the flow of the positions."""
    eps, q = chart.eps, chart.q
    action = integral(sp.expand(potential.xreplace(dict(positions.image))), eps)
    if action is None:
        return None
    shifted = [p - action.value.diff(x) for p, x in zip(chart.p, q, strict=True)]
    backwards = [positions.of(x).subs(eps, -eps) for x in q]
    image = dict(positions.image)
    for j, p in enumerate(chart.p):
        slopes = [b.diff(q[j]).xreplace(dict(positions.image)) for b in backwards]
        value = sp.Add(*(s * u for s, u in zip(slopes, shifted, strict=True)))
        values = [value] if len(q) > 1 else [value, shifted[0] / positions.of(q[0]).diff(q[0])]
        image[p] = min((_shorter(v, p) for v in values), key=sp.count_ops)
    positive = tuple(dict.fromkeys(positions.positive + action.positive))
    return ClosedFlow({x: u for x, u in image.items() if x != u}, positive)


def _shorter(formula: sp.Expr, start: sp.Expr) -> sp.Expr:
    """Cancel common factors, of the whole or of the change, where that makes a formula shorter."""
    rational = formula.is_rational_function()
    if sp.count_ops(formula) > (_MAX_CANCELLED if rational else _MAX_CANCELLED // 2):
        return formula
    try:
        # Arithmetic in a field of fractions takes large formulas that cancel() does not.
        whole = sfield(formula)[1].as_expr() if rational else sp.cancel(formula)
        change = sp.factor(sp.cancel(whole - start))
        candidates = [formula, whole, sp.factor(whole), start + change]
    except (BasePolynomialError, NotImplementedError, ValueError):
        return formula
    return min(candidates, key=sp.count_ops)
