"""From a generator to its finite transformation: which closed form is tried and accepted.

Closed forms that depend on the signs of parameters are tried once for each sign. What is accepted
is put together from its cases, with the checks that were made and the period that is proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import index
from typing import Any

import sympy as sp
from sympy.logic.boolalg import Boolean

from ehf_sym import clock
from ehf_sym.actions.action import FiniteAction
from ehf_sym.actions.closed_flow import (
    Chart,
    ClosedFlow,
    generator_regular_while,
    side_by_side,
    tidy,
)
from ehf_sym.actions.flow_proof import Checks, all_zero, prove_flow
from ehf_sym.actions.linear_flows import affine_flow, finite_dimensional_flow, involutive_flow
from ehf_sym.actions.matrix_exponential import NoClosedFormError, UnknownSignError
from ehf_sym.actions.scalar_flows import point_flows, triangular_flow
from ehf_sym.clock import OutOfTimeError, attempted, check_time
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.verdict import ZeroVerdict
from ehf_sym.lie.algebra import Algebra

_SECONDS = 10.0  # for one rule

AFFINE = "exponential of a matrix"
INVOLUTION = "function of quadratic forms in involution"
FUNCTIONS = "linear on a finite-dimensional space of functions"
POINT = "point transformation, lifted"
TRIANGULAR = "integrated component by component"
_MAX_CASES = 9


@dataclass(frozen=True)
class ProvedFlow:
    """A closed form and its proof.

    Attributes
    ----------
    flow : ClosedFlow
        The formula.
    checks : mapping of str to ZeroVerdict
        Its properties; none is refuted.
    methods : tuple of str
        How it was found.
    """

    flow: ClosedFlow
    checks: Checks
    methods: tuple[str, ...]


def closed_flow(g: sp.Expr, chart: Chart) -> ProvedFlow | None:
    """Find the flow of g in closed form; None if no rule finds it.

    Parts of g that share no pair (q_i, p_i) are treated one by one.

    Raises
    ------
    UnknownSignError
        If the form depends on a parameter's sign that the chart does not settle.

    Examples
    --------
    >>> q1, p1, eps = sp.symbols("q1 p1 eps", real=True)
    >>> found = closed_flow(q1 * p1, Chart((q1,), (p1,), eps))
    >>> found.flow.image, found.methods
    ({q1: q1*exp(eps), p1: p1*exp(-eps)}, ('exponential of a matrix',))
    """
    if any(part.has(*chart.coordinates) for part in g.atoms(sp.Piecewise, sp.Integral)):
        return None
    found = []
    # A constant moves nothing, in one part.
    for part, piece in list(_separated(g, chart)) or [(g, chart)]:
        best = _part_flow(part, piece)
        if best is None:
            return None
        found.append(best)
    checks: dict[str, ZeroVerdict] = {}
    for name in found[0].checks:
        verdicts = [part.checks[name] for part in found]
        open_ = [v for v in verdicts if not v.proved]
        checks[name] = open_[0] if open_ else max(verdicts, key=lambda v: len(v.method))
    methods = dict.fromkeys(method for part in found for method in part.methods)
    return ProvedFlow(side_by_side(part.flow for part in found), checks, tuple(methods))


def _separated(g: sp.Expr, chart: Chart) -> Iterator[tuple[sp.Expr, Chart]]:
    """Summands of g in groups that share no degree of freedom."""
    pairs = list(zip(chart.q, chart.p, strict=True))
    groups: list[tuple[set[int], list[sp.Expr]]] = []
    for term in sp.Add.make_args(g):
        indices = {i for i, pair in enumerate(pairs) if term.has(*pair)}
        touching = [group for group in groups if group[0] & indices]
        for group in touching:
            groups.remove(group)
            indices |= group[0]
        terms = [t for group in touching for t in group[1]]
        if indices:
            groups.append((indices, [*terms, term]))
    for indices, terms in groups:
        q, p = zip(*(pairs[i] for i in sorted(indices)), strict=True)
        yield sp.Add(*terms), replace(chart, q=q, p=p)


def _part_flow(g: sp.Expr, chart: Chart) -> ProvedFlow | None:
    """First candidate that is proved, or else the first that is not refuted."""
    open_: ProvedFlow | None = None
    for method, flow in _candidates(g, chart):
        checks = prove_flow(g, flow, chart)
        if any(verdict.refuted for verdict in checks.values()):
            continue
        candidate = ProvedFlow(flow, checks, (method,))
        if all(verdict.proved for verdict in checks.values()):
            return candidate
        open_ = open_ or candidate
    return open_


def _candidates(g: sp.Expr, chart: Chart) -> Iterator[tuple[str, ClosedFlow]]:
    """Try one rule after the other, each with a bounded amount of work."""
    coordinates = chart.coordinates
    conserving: dict[str, Callable[[], ClosedFlow | None]] = {
        AFFINE: lambda: affine_flow(g, chart),
        INVOLUTION: lambda: involutive_flow(g, chart),
    }
    field = chart.vector_field(g)
    point = point_flows(g, chart)
    moving: dict[str, Callable[[], ClosedFlow | None]] = {
        FUNCTIONS: lambda: finite_dimensional_flow(field, coordinates, chart, rational=False),
        POINT: lambda: next(point, None),
        TRIANGULAR: lambda: triangular_flow(field, coordinates, chart.eps),
    }
    for method, rule in conserving.items():
        if (flow := _attempted(rule, coordinates)) is not None:
            yield method, flow
    for method, rule in moving.items():
        while (flow := _attempted(rule, coordinates)) is not None:
            positive = flow.positive + generator_regular_while(g, flow.image, chart.eps)
            yield method, replace(flow, positive=tidy(positive, chart.eps))
            if method != POINT:
                break


def _attempted(
    rule: Callable[[], ClosedFlow | None], coordinates: Sequence[sp.Symbol]
) -> ClosedFlow | None:
    """Apply one rule within its budget."""

    def attempt() -> ClosedFlow | None:
        try:
            return rule()
        except NoClosedFormError:
            return None
        except UnknownSignError as unknown:
            # Cases are for parameters: at single values of coordinates g has other derivatives.
            if any(x in coordinates or x.is_Dummy for x in unknown.expression.free_symbols):
                return None
            raise

    return attempted(attempt, _SECONDS)


def is_period(flow: ClosedFlow, period: sp.Expr, eps: sp.Symbol) -> ZeroVerdict:
    """Decide whether a flow is back at its start after a period."""
    return all_zero(u.subs(eps, period) - x for x, u in flow.image.items())


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


def finite_action(symmetry: Algebra, k: Any, time_limit: float = 60.0) -> FiniteAction:
    """Find exp(ε{·, g_k}); the work of `LieAlgebra.action`.

    Parameters
    ----------
    symmetry : Algebra
        The generators.
    k : int
        Which one, from 0.
    time_limit : float, optional
        Seconds after which no closed form counts as found.

    Raises
    ------
    ArgumentError
        If ``k`` is not the index of a generator, or ``time_limit`` is not positive.

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
    space, g = symmetry.space, generators[k]
    try:
        with clock.time_limit(clock.positive_seconds(time_limit)):
            found = _found_action(space, g)
    except (OutOfTimeError, RecursionError):
        check_time()
        found = _without_closed_form(space, g)
    return replace(found, label=symmetry.labels[k])


@lru_cache(maxsize=64)
def _found_action(space: PhaseSpace, generator: sp.Expr) -> FiniteAction:
    """Find, prove and assemble; kept, since diagnostics ask again and again."""
    chart = Chart(space.q, space.p, _group_parameter(space))
    cases = flow_cases(generator, chart)
    found = [case.found for case in cases if case.found is not None]
    check_time()  # what ran out of time is not kept
    if len(found) < len(cases) or not found:
        return _without_closed_form(space, generator)
    domain = dict.fromkeys(_wherever(c, case) for case in cases for c in _positive(case))
    methods = dict.fromkeys(method for case in found for method in case.methods)
    action = FiniteAction(
        space=space,
        generator=generator,
        label="g",
        parameter=chart.eps,
        formula=sp.ImmutableMatrix([_by_cases(cases, x) for x in space.coordinates]),
        domain=tuple(domain),
        checks=_merged([case.checks for case in found]),
        methods=tuple(methods),
        period=_period_of_angles(space, cases, chart.eps) or _period(cases, chart.eps),
    )
    check_time()
    return action


def _without_closed_form(space: PhaseSpace, generator: sp.Expr) -> FiniteAction:
    return FiniteAction(space, generator, "g", _group_parameter(space), None, (), {}, (), None)


def _group_parameter(space: PhaseSpace) -> sp.Symbol:
    """ε, under a name that no parameter has."""
    name = "epsilon"
    while name in {symbol.name for symbol in space.parameters}:
        name += "_"
    return sp.Symbol(name, real=True)


def _positive(case: Case) -> tuple[sp.Expr, ...]:
    return case.found.flow.positive if case.found is not None else ()


def _wherever(condition: sp.Expr, case: Case) -> sp.Expr:
    """Condition of one case, which asks nothing of the others."""
    if case.condition == sp.true:
        return condition
    return sp.Piecewise((condition, case.condition), (sp.S.One, True))


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


def _period_of_angles(space: PhaseSpace, cases: Sequence[Case], eps: sp.Symbol) -> sp.Expr | None:
    """Find when q_l + c_l ε is back modulo 2π, of angles that turn at rational speeds alone."""
    found = cases[0].found
    if len(cases) > 1 or found is None or not space.angles:
        return None
    moved = {x: sp.expand((u - x) / eps) for x, u in found.flow.image.items() if u != x}
    if not moved or not all(x in space.angular and c.is_Rational for x, c in moved.items()):
        return None
    turns = sp.ilcm(1, *(c.q for c in moved.values()))
    return 2 * sp.pi * turns / sp.igcd(0, *(c * turns for c in moved.values()))


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
