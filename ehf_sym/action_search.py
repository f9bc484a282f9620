"""From a generator to its finite transformation: cases assembled, checks merged, period proved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from operator import index
from typing import Any

import sympy as sp

from ehf_sym.action import FiniteAction
from ehf_sym.errors import ArgumentError
from ehf_sym.flows.closed_flow import Chart
from ehf_sym.flows.flow_cases import Case, flow_cases
from ehf_sym.flows.flow_proof import Checks
from ehf_sym.flows.flow_search import is_period
from ehf_sym.lie.algebra import Algebra
from ehf_sym.phase_space import PhaseSpace
from ehf_sym.verdict import ZeroVerdict


def finite_action(symmetry: Algebra, k: Any) -> FiniteAction:
    """Find exp(ε{·, g_k}); the work of `LieAlgebra.action`.

    Parameters
    ----------
    symmetry : Algebra
        The generators.
    k : int
        Which one, from 0.

    Raises
    ------
    ArgumentError
        If ``k`` is not the index of a generator.

    Examples
    --------
    >>> space = PhaseSpace(1)
    >>> action = finite_action(Algebra(space, [space.p[0] * space.q[0] ** 2]), 0)
    >>> action.formula[0], action.domain
    (-q1/(epsilon*q1 - 1), (-epsilon*q1 + 1,))
    """
    generators = symmetry.generators
    try:
        known = not isinstance(k, bool) and 0 <= index(k) < len(generators)
    except TypeError:
        known = False
    if not known:
        raise ArgumentError(
            f"k is {k!r}; it should be an index from 0 to {len(generators) - 1}, of a generator"
        )
    return replace(_found_action(symmetry.space, generators[k]), label=symmetry.labels[k])


@lru_cache(maxsize=64)
def _found_action(space: PhaseSpace, generator: sp.Expr) -> FiniteAction:
    """Find, prove and assemble; kept, since diagnostics ask again and again."""
    chart = Chart(space.q, space.p, _group_parameter(space))
    cases = flow_cases(generator, chart)
    found = [case.found for case in cases if case.found is not None]
    if len(found) < len(cases) or not found:
        return FiniteAction(space, generator, "g", chart.eps, None, (), {}, (), None)
    domain = dict.fromkeys(c for case in found for c in case.flow.positive)
    methods = dict.fromkeys(method for case in found for method in case.methods)
    return FiniteAction(
        space=space,
        generator=generator,
        label="g",
        parameter=chart.eps,
        formula=sp.ImmutableMatrix([_by_cases(cases, x) for x in space.coordinates]),
        domain=tuple(domain),
        checks=_merged([case.checks for case in found]),
        methods=tuple(methods),
        period=_period(cases, chart.eps),
    )


def _group_parameter(space: PhaseSpace) -> sp.Symbol:
    """ε, under a name that no parameter has."""
    name = "epsilon"
    while name in {symbol.name for symbol in space.parameters}:
        name += "_"
    return sp.Symbol(name, real=True)


def _by_cases(cases: Sequence[Case], x: sp.Symbol) -> sp.Expr:
    """Value of one coordinate, Piecewise if the cases differ."""
    values = [(case.found.flow.of(x), case.condition) for case in cases if case.found is not None]
    if len({value for value, _ in values}) == 1:
        return values[0][0]
    return sp.Piecewise(*values)


def _merged(checks: Sequence[Checks]) -> Checks:
    """Verdicts that hold in every case."""
    merged: dict[str, ZeroVerdict] = {}
    for name in checks[0]:
        verdicts = [case[name] for case in checks]
        merged[name] = next((v for v in verdicts if not v.proved), verdicts[0])
    return merged


def _period(cases: Sequence[Case], eps: sp.Symbol) -> sp.Expr | None:
    """Smallest common period of the rotations, if they are commensurable; proved."""
    found = cases[0].found
    if len(cases) > 1 or found is None or not found.flow.frequencies:
        return None
    first, *others = found.flow.frequencies
    ratios = [sp.cancel(other / first) for other in others]
    if not all(ratio.is_Rational for ratio in ratios):
        return None
    turns = sp.S.One
    for ratio in ratios:
        turns = sp.ilcm(turns, ratio.q)
    # The frequencies are multiples of first/turns; the greatest such divisor counts.
    multiples = [turns, *(ratio * turns for ratio in ratios)]
    common = sp.igcd(*multiples) if len(multiples) > 1 else turns
    period = sp.Abs(2 * sp.pi * turns / (first * common))
    return period if is_period(found.flow, period, eps).proved else None
