"""Flows integrated one component after another, and their lift to momenta.

One unknown, ẋ = f(x, ε), is integrated where the equation is linear, Bernoulli's, Riccati's or
exponential; a vector field where its components can be integrated one after the other so. For
generators linear in p, g = p·X(q) + f(q), that is all there is to do: the positions move by the
flow φ_ε of X alone, and the momenta follow from it,

    p(ε) = (Dφ_ε)^{−T} (p − ∇S),    S(q) = ∫_0^ε f(φ_τ(q)) dτ,

with (Dφ_ε)^{−1} = (Dφ_{−ε})∘φ_ε. Generators linear in q are the same in (Q, P) = (p, −q).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm

import sympy as sp
from sympy.polys.fields import sfield
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.actions.closed_flow import Chart, ClosedFlow, ratio_to_start, regular_while
from ehf_sym.actions.linear_flows import finite_dimensional_flow
from ehf_sym.clock import attempted

_INTEGRATION_SECONDS = 2.0
_MAX_SIZE = 60
_UNWANTED = (sp.Integral, sp.Piecewise, sp.I, sp.nan, sp.zoo, sp.oo)
_MAX_CANCELLED = 800


def scalar_flow(f: sp.Expr, x: sp.Symbol, eps: sp.Symbol) -> ClosedFlow | None:
    """Solve dx/dε = f(x, ε) for all initial values; None if no rule applies.

    Parameters
    ----------
    f : sympy.Expr
        The right-hand side.
    x : sympy.Symbol
        The unknown, and its value at ε = 0 in the answer.
    eps : sympy.Symbol
        ε.

    Examples
    --------
    >>> x, eps = sp.symbols("x eps", real=True)
    >>> scalar_flow(x + x**3, x, eps).image
    {x: x*exp(eps)/sqrt(-x**2*exp(2*eps) + x**2 + 1)}
    """
    rules = (_linear, _bernoulli, _riccati, _exponential, _logarithmic)
    return next((flow for rule in rules if (flow := rule(f, x, eps)) is not None), None)


@dataclass(frozen=True)
class Integral:
    """A definite integral.

    Attributes
    ----------
    value : sympy.Expr
        ∫_0^ε f.
    positive : tuple of sympy.Expr
        What is positive at ε = 0 and must stay so up to ε.
    """

    value: sp.Expr
    positive: tuple[sp.Expr, ...] = ()


def integral(f: sp.Expr, eps: sp.Symbol) -> Integral | None:
    """∫_0^ε f as a formula; None if none is found by a bounded amount of work.

    Examples
    --------
    >>> x, eps = sp.symbols("x eps", real=True)
    >>> integral(1 / (x + eps), eps)
    Integral(value=log((eps + x)/x), positive=((eps + x)/x,))
    """
    if not f.has(eps):
        return Integral(f * eps)
    if sp.count_ops(f) > _MAX_SIZE:
        return None
    return attempted(lambda: _integrated(f, eps), _INTEGRATION_SECONDS)


def _integrated(f: sp.Expr, eps: sp.Symbol) -> Integral | None:
    try:
        primitive = sp.integrate(sp.expand(f), eps)
    except (NotImplementedError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    if primitive.has(*_UNWANTED):
        return None
    # Logarithms of what has the sign of its value at 0.
    logarithms = {
        u: sp.log(ratio_to_start(u.args[0], eps))
        for u in primitive.atoms(sp.log)
        if u.has(eps) and not primitive.coeff(u).has(eps)
    }
    primitive = primitive.xreplace(logarithms)
    value = primitive - primitive.subs(eps, 0)
    if value.has(*_UNWANTED):
        return None
    return Integral(value, regular_while(primitive, eps))


def _linear(f: sp.Expr, x: sp.Symbol, eps: sp.Symbol) -> ClosedFlow | None:
    """ẋ = ax + b: x e^A + e^A ∫ e^{−A} b, A = ∫ a."""
    rate = sp.expand(f.diff(x))
    if rate.has(x):
        return None
    growth = integral(rate, eps)
    source = sp.expand(f - rate * x)
    if growth is None or source.has(x):
        return None
    factor = sp.exp(growth.value)
    gathered = integral(sp.powsimp(sp.expand(source / factor)), eps)
    if gathered is None:
        return None
    image = {x: factor * x + _distributed(factor, gathered.value)}
    return ClosedFlow(image, growth.positive + gathered.positive)


def _distributed(factor: sp.Expr, total: sp.Expr) -> sp.Expr:
    """Product in which exponentials meet."""
    return sp.powsimp(sp.expand(factor * total))


def _bernoulli(f: sp.Expr, x: sp.Symbol, eps: sp.Symbol) -> ClosedFlow | None:
    """ẋ = ax + bx^n: x^{1−n} obeys a linear equation; x keeps its sign."""
    terms = sp.Add.make_args(sp.expand(f))
    powers = {term.as_independent(x, as_Add=False)[1] for term in terms}
    higher = powers - {x}
    if len(higher) != 1:
        return None
    power = higher.pop()
    exponent = power.as_base_exp()[1] if power != 1 else sp.S.Zero
    if power.as_base_exp()[0] != x or exponent.has(x, eps) or exponent == 0:
        return None
    coefficients = dict.fromkeys((x, power), sp.S.Zero)
    for term in terms:
        constant, varying = term.as_independent(x, as_Add=False)
        coefficients[varying] += constant
    growth = integral(coefficients[x], eps)
    if growth is None:
        return None
    order = 1 - exponent
    factor = sp.exp(growth.value)
    gathered = integral(sp.powsimp(coefficients[power] / factor**order), eps)
    if gathered is None:
        return None
    ratio = sp.expand(1 + order * sp.Pow(x, -order) * gathered.value)
    positive = (*growth.positive, *gathered.positive, ratio)
    return ClosedFlow({x: x * factor * ratio ** (1 / order)}, positive)


def _riccati(f: sp.Expr, x: sp.Symbol, eps: sp.Symbol) -> ClosedFlow | None:
    """ẋ = ax² + bx + c with constant coefficients: a Möbius transformation."""
    if f.has(eps) or f.diff(x, 3) != 0:
        return None
    return finite_dimensional_flow([f], [x], Chart((x,), (), eps), rational=True)


def _exponential(f: sp.Expr, x: sp.Symbol, eps: sp.Symbol) -> ClosedFlow | None:
    """ẋ = R(e^{kx}): u = e^{kx} obeys u̇ = k u R(u)."""
    rates = {e.exp.diff(x) for e in f.atoms(sp.exp) if e.has(x)}
    if not rates or any(rate.has(x, eps) for rate in rates):
        return None
    first = min(rates, key=sp.default_sort_key)
    multiples = [sp.cancel(rate / first) for rate in rates]
    if not all(m.is_Rational for m in multiples):
        return None
    rate = first / lcm(*(int(m.q) for m in multiples))
    u = sp.Dummy("u", positive=True)
    inner = sp.expand((f.subs(x, sp.log(u) / rate)) * rate * u)
    if inner.has(x):
        return None
    try:
        flow = scalar_flow(sp.powsimp(inner), u, eps)
    except BasePolynomialError:
        return None
    if flow is None:
        return None
    flow = flow.renamed({u: sp.exp(rate * x)})
    value = next(iter(flow.image.values()))
    ratio = sp.powsimp(sp.expand(value * sp.exp(-rate * x)))
    return ClosedFlow({x: x + sp.log(ratio) / rate}, (*flow.positive, ratio))


def _logarithmic(f: sp.Expr, x: sp.Symbol, eps: sp.Symbol) -> ClosedFlow | None:
    """ẋ = x R(ln x): u = ln x obeys u̇ = R(u)."""
    if not f.has(sp.log(x)):
        return None
    u = sp.Dummy("u", real=True)
    inner = sp.expand(sp.expand(f / x).subs(sp.log(x), u))
    if inner.has(x):
        return None
    flow = scalar_flow(inner, u, eps)
    if flow is None:
        return None
    flow = flow.renamed({u: sp.log(x)})
    return ClosedFlow({x: sp.exp(next(iter(flow.image.values())))}, flow.positive)


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
