"""The flow of a generator in closed form: what is tried, in which order, and what is accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import sympy as sp

from ehf_sym.flows.affine_flow import affine_flow
from ehf_sym.flows.budget import within_budget
from ehf_sym.flows.closed_flow import Chart, ClosedFlow, side_by_side
from ehf_sym.flows.flow_domain import generator_regular_while, tidy
from ehf_sym.flows.flow_proof import Checks, all_zero, prove_flow
from ehf_sym.flows.function_space import finite_dimensional_flow
from ehf_sym.flows.involution import involutive_flow
from ehf_sym.flows.matrix_exponential import NoClosedFormError, UnknownSignError
from ehf_sym.flows.point_flow import point_flows
from ehf_sym.flows.triangular_flow import triangular_flow
from ehf_sym.verdict import ZeroVerdict

_CALLS = 3_000_000

AFFINE = "exponential of a matrix"
INVOLUTION = "function of quadratic forms in involution"
FUNCTIONS = "linear on a finite-dimensional space of functions"
POINT = "point transformation, lifted"
TRIANGULAR = "integrated component by component"


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

    return within_budget(attempt, _CALLS)


def is_period(flow: ClosedFlow, period: sp.Expr, eps: sp.Symbol) -> ZeroVerdict:
    """Decide whether a flow is back at its start after a period."""
    return all_zero(u.subs(eps, period) - x for x, u in flow.image.items())
