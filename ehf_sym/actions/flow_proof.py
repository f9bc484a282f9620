"""What makes a formula the flow of a generator, each property decided by the zero test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations, islice, product

import sympy as sp

from ehf_sym.actions.closed_flow import Chart, ClosedFlow
from ehf_sym.enclosures.enclosure import bounds
from ehf_sym.formulas.verdict import Witness, ZeroVerdict
from ehf_sym.zero.witness import QUICK, points, probes
from ehf_sym.zero.zero_test import is_zero

IDENTITY = "Φ_0 = id"
VELOCITY = "dΦ_ε/dε = {s, g} at ε = 0"
EQUATION = "dΦ_ε/dε = {s, g}∘Φ_ε for all ε"
COMPOSITION = "Φ_a∘Φ_b = Φ_{a+b}"
SYMPLECTIC = "DΦᵀ J DΦ = J"

_UNIQUENESS = "follows from the differential equation, whose solutions are unique"
# The flow of a generator made of these is analytic where it is defined.
_SMOOTH = (
    sp.Add, sp.Mul, sp.Pow, sp.Number, sp.NumberSymbol, sp.Symbol, sp.exp, sp.log,
    sp.sin, sp.cos, sp.tan, sp.sinh, sp.cosh, sp.tanh, sp.atan, sp.asinh, sp.erf,
)  # fmt: skip
_MAX_SIZE = 1500
_PROBES = 2
# What is proved in another way as well is not worth much time.
_MAX_SIZE_IF_PROVED = 250

Checks = Mapping[str, ZeroVerdict]


def prove_flow(g: sp.Expr, flow: ClosedFlow, chart: Chart) -> Checks:
    """Decide whether a closed form is the flow of g.

    The differential equation and the value at 0 are what defines the flow. The group law and the
    symplectic condition are tested by themselves where the formulas are of moderate size; else
    they are consequences, for smooth g. Likewise a formula that comes with a certificate is proved
    by that where it is too large to be tested; two points are looked at in any case.

    Parameters
    ----------
    g : sympy.Expr
        The generator.
    flow : ClosedFlow
        The candidate.
    chart : Chart
        Coordinates and ε.

    Returns
    -------
    mapping of str to ZeroVerdict
        One verdict for each property.

    Examples
    --------
    >>> q, p, eps = sp.symbols("q p eps", real=True)
    >>> shift = ClosedFlow({q: q + eps})
    >>> [verdict.status for verdict in prove_flow(p, shift, Chart((q,), (p,), eps)).values()]
    ['proved', 'proved', 'proved', 'proved', 'proved']
    >>> prove_flow(2 * p, shift, Chart((q,), (p,), eps))["dΦ_ε/dε = {s, g} at ε = 0"].status
    'refuted'
    """
    properties: dict[str, Callable[[], Iterable[sp.Expr]]] = {
        IDENTITY: lambda: _at_start(flow, chart),
        VELOCITY: lambda: _velocity(g, flow, chart),
        EQUATION: lambda: _equation(g, flow, chart),
        COMPOSITION: lambda: _composition(flow, chart),
        SYMPLECTIC: lambda: _brackets(flow, chart),
    }
    checks: dict[str, ZeroVerdict] = {}
    for name, defects in properties.items():
        follows = flow.certificate is not None or name in (COMPOSITION, SYMPLECTIC)
        checks[name] = all_zero(defects(), _MAX_SIZE_IF_PROVED if follows else _MAX_SIZE)
        if checks[name].undecided and flow.certificate is not None:
            checks[name] = ZeroVerdict("proved", flow.certificate)
        if checks[name].refuted:
            break
    defining = all(name in checks and checks[name].proved for name in (IDENTITY, EQUATION))
    if defining and all(isinstance(part, _SMOOTH) for part in sp.preorder_traversal(g)):
        for name in (COMPOSITION, SYMPLECTIC):
            if name in checks and checks[name].undecided:
                checks[name] = ZeroVerdict("proved", _UNIQUENESS)
    return checks


def all_zero(expressions: Iterable[sp.Expr], max_size: int = _MAX_SIZE) -> ZeroVerdict:
    """One verdict for many expressions: the first that is not proved, or how all were proved.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> all_zero([(x + 1) ** 2 - x**2 - 2 * x - 1, x - x]).status
    'proved'
    """
    methods: dict[str, None] = {}
    undecided: ZeroVerdict | None = None
    for expression in expressions:
        if expression == 0:
            continue
        if sp.count_ops(expression) > max_size:
            verdict = _probed(expression)
        else:
            verdict = is_zero(expression)
        if verdict.refuted:
            return verdict
        if verdict.undecided:
            undecided = verdict if undecided is None else undecided
        methods[verdict.method] = None
    if undecided is not None:
        return undecided
    return ZeroVerdict("proved", max(methods, key=len) if methods else "equal formulas")


def _probed(expression: sp.Expr) -> ZeroVerdict:
    """Look for a point at which a large expression is not 0, and prove nothing."""
    symbols = sorted(expression.free_symbols, key=sp.default_sort_key)
    for probe in probes(expression, islice(points(symbols), _PROBES), QUICK):
        if probe.refutes:
            method = f"interval arithmetic, {probe.precision} bits"
            return ZeroVerdict("refuted", method, Witness(probe.point), bounds(probe.value))
    return ZeroVerdict("undecided", "too large to be tested", residual=expression)


def _at_start(flow: ClosedFlow, chart: Chart) -> Iterator[sp.Expr]:
    for x, u in flow.image.items():
        yield u.subs(chart.eps, 0) - x


def _velocity(g: sp.Expr, flow: ClosedFlow, chart: Chart) -> Iterator[sp.Expr]:
    for x, component in zip(chart.coordinates, chart.vector_field(g), strict=True):
        yield flow.of(x).diff(chart.eps).subs(chart.eps, 0) - component


def _equation(g: sp.Expr, flow: ClosedFlow, chart: Chart) -> Iterator[sp.Expr]:
    for x, component in zip(chart.coordinates, chart.vector_field(g), strict=True):
        yield flow.of(x).diff(chart.eps) - component.xreplace(dict(flow.image))


def _composition(flow: ClosedFlow, chart: Chart) -> Iterator[sp.Expr]:
    first, second = sp.Dummy("a", real=True), sp.Dummy("b", real=True)
    inner = flow.renamed({chart.eps: second})
    together = flow.renamed({chart.eps: first + second})
    outer = flow.renamed({chart.eps: first}).renamed(inner.image)
    for x in flow.image:
        yield outer.of(x) - together.of(x)


def _brackets(flow: ClosedFlow, chart: Chart) -> Iterator[sp.Expr]:
    """{Φ_i, Φ_j} − J_ij, the entries of DΦ J DΦᵀ − J, which vanishes with DΦᵀ J DΦ − J."""
    pairs = list(zip(chart.q, chart.p, strict=True))
    slopes = {(x, y): flow.of(x).diff(y) for x, y in product(chart.coordinates, chart.coordinates)}
    conjugate = set(pairs)
    for x, y in combinations(chart.coordinates, 2):
        terms = (slopes[x, q] * slopes[y, p] - slopes[x, p] * slopes[y, q] for q, p in pairs)
        yield sp.Add(*terms) - (1 if (x, y) in conjugate else 0)
