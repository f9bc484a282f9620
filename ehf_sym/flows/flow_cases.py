"""Closed forms that depend on the signs of parameters: one case for each sign."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp
from sympy.logic.boolalg import Boolean

from ehf_sym.flows.closed_flow import Chart
from ehf_sym.flows.flow_search import ProvedFlow, closed_flow
from ehf_sym.flows.matrix_exponential import UnknownSignError

_MAX_CASES = 9


@dataclass(frozen=True)
class Case:
    """What holds where a condition on parameters does.

    Attributes
    ----------
    condition : sympy Boolean
        On parameters; true if there is only one case.
    found : ProvedFlow or None
        The closed form there, if one was found.
    """

    condition: Boolean
    found: ProvedFlow | None


def flow_cases(g: sp.Expr, chart: Chart) -> tuple[Case, ...]:
    """Find closed forms of the flow of g for all signs of its parameters.

    Where a sign decides between cos and cosh, there is a case for each; where the expression may
    be 0 and one of its factors is linear in a parameter, the zero is substituted and solved anew.

    Examples
    --------
    >>> q1, p1, k, eps = sp.symbols("q1 p1 k eps", real=True)
    >>> cases = flow_cases((p1**2 + k * q1**2) / 2, Chart((q1,), (p1,), eps))
    >>> for case in cases:
    ...     print(case.condition, case.found.flow.of(q1))
    k > 0 q1*cos(eps*sqrt(k)) + p1*sin(eps*sqrt(k))/sqrt(k)
    k < 0 p1*sinh(eps*sqrt(-k))/sqrt(-k) + q1*cosh(eps*sqrt(-k))
    Eq(k, 0) eps*p1 + q1
    """
    cases = tuple(_cases(g, chart, ()))
    return cases if len(cases) <= _MAX_CASES else (Case(sp.true, None),)


def _cases(g: sp.Expr, chart: Chart, conditions: tuple[Boolean, ...]) -> Iterator[Case]:
    """Split at the first unknown sign, and go on in each case."""
    try:
        yield Case(sp.And(*conditions), closed_flow(g, chart))
        return
    except UnknownSignError as unknown:
        expression, options = unknown.expression, unknown.options
    if len(conditions) >= 3:
        yield Case(sp.And(*conditions), None)
        return
    for sign in options:
        if sign:
            signed = Chart(chart.q, chart.p, chart.eps, {**chart.signs, expression: sign})
            condition = sp.Gt(expression, 0) if sign > 0 else sp.Lt(expression, 0)
            yield from _cases(g, signed, (*conditions, condition))
        else:
            for symbol, root in _zeros(expression):
                solved = Chart(chart.q, chart.p, chart.eps)
                yield from _cases(g.subs(symbol, root), solved, (*conditions, sp.Eq(symbol, root)))


def _zeros(expression: sp.Expr) -> Iterator[tuple[sp.Symbol, sp.Expr]]:
    """Values of parameters at which factors of an expression vanish, where that is linear."""
    numerator = sp.factor(expression).as_numer_denom()[0]
    for factor in sp.Mul.make_args(numerator):
        base = factor.as_base_exp()[0]
        if base.is_zero is False:
            continue
        for symbol in sorted(base.free_symbols, key=sp.default_sort_key):
            slope = base.diff(symbol)
            if slope.is_Rational and slope != 0:
                yield symbol, sp.expand(symbol - base / slope)
                break
