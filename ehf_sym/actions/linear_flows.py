"""Flows that are linear: on the coordinates, or on finitely many functions.

Three kinds, each by the exponential of a matrix:

* generators at most quadratic in (q, p): exp(ε J∇²g), with a translation;
* functions F(h₁, …, h_m) of quadratic functions in involution. All h_i, and so all
  c_i = ∂F/∂h_i, are constant along the flow of g = F(h), which is therefore the product of the
  flows of the h_i, each run for the time ε c_i. Kicks g(q), drifts g(p) and functions of one
  quadratic form are special cases;
* fields that are linear on a finite-dimensional space of functions. Let L f = X·∇f for a
  polynomial field X, and m a polynomial. If T = L − m leaves a space of polynomials invariant that
  holds 1 and the coordinates, then exp(εT) is a matrix exponential on it, and each coordinate
  becomes exp(εT)x / exp(εT)1. With m = 0 these are affine fields, shears and other polynomial
  flows; with m = div X/n and div X/(n + 1) conformal and projective ones, whose denominator
  exp(εT)1 says where they blow up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import combinations
from math import gcd
from typing import Any

import sympy as sp
from sympy.polys.matrices import DomainMatrix
from sympy.polys.polyerrors import BasePolynomialError
from sympy.polys.rings import ring, sring

from ehf_sym.actions.closed_flow import IDENTITY, Chart, ClosedFlow, composed
from ehf_sym.actions.matrix_exponential import CERTIFICATE, NoClosedFormError, matrix_exponential
from ehf_sym.zero.zero_test import is_zero

_MAX_PARTS = 8
_MAX_DIMENSION = 24
_MAX_DEGREE = 12


def is_quadratic(g: sp.Expr, chart: Chart) -> bool:
    """Whether a formula is a polynomial of degree at most 2 in the coordinates."""
    coordinates = [x for x in chart.coordinates if x in g.free_symbols]
    if not coordinates:
        return True
    try:
        return bool(sp.Poly(g, *coordinates).total_degree() <= 2)
    except BasePolynomialError:
        return False


def affine_flow(g: sp.Expr, chart: Chart) -> ClosedFlow | None:
    """Flow of ṡ = {s, g} = As + b for quadratic g; None for other generators.

    Raises
    ------
    NoClosedFormError
        If an eigenvalue of A is not expressed in real radicals.
    UnknownSignError
        If a parameter's sign decides between cos and cosh.

    Examples
    --------
    >>> q1, p1, eps = sp.symbols("q1 p1 eps", real=True)
    >>> affine_flow(p1**2 / 2 + q1, Chart((q1,), (p1,), eps)).image
    {q1: -eps**2/2 + eps*p1 + q1, p1: -eps + p1}
    """
    if not is_quadratic(g, chart):
        return None
    field = [sp.expand(component) for component in chart.vector_field(g)]
    coordinates = chart.coordinates
    size = len(coordinates)
    origin = dict.fromkeys(coordinates, sp.S.Zero)
    augmented = sp.zeros(size + 1, size + 1).as_mutable()
    for i, component in enumerate(field):
        for j, x in enumerate(coordinates):
            augmented[i, j] = component.diff(x)
        augmented[i, size] = component.xreplace(origin)
    exponential = matrix_exponential(augmented, chart.eps, chart.signs)
    point = sp.Matrix([*coordinates, 1])
    moved = zip(coordinates, exponential.matrix * point, strict=False)
    image = {x: u for x, u in moved if u != x}
    return ClosedFlow(image, (), exponential.frequencies, CERTIFICATE)


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
    except (BasePolynomialError, TypeError):  # SymPy compares exponents, symbolic ones too
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


def finite_dimensional_flow(
    field: Sequence[sp.Expr],
    variables: Sequence[sp.Symbol],
    chart: Chart,
    *,
    targets: Sequence[sp.Symbol] | None = None,
    rational: bool = False,
) -> ClosedFlow | None:
    """Flow of a polynomial field that closes on a finite-dimensional space; None if none is found.

    Parameters
    ----------
    field : sequence of sympy.Expr
        X, one component for each variable.
    variables : sequence of sympy.Symbol
        The coordinates that X moves.
    chart : Chart
        ε, and signs of parameters.
    targets : sequence of sympy.Symbol, optional
        The variables whose values are wanted; by default, all.
    rational : bool
        Whether to try the multipliers of conformal and projective fields, too.

    Examples
    --------
    >>> x, eps = sp.symbols("x eps", real=True)
    >>> chart = Chart((x,), (), eps)
    >>> flow = finite_dimensional_flow([x**2], [x], chart, rational=True)
    >>> flow.image, flow.positive
    ({x: -x/(eps*x - 1)}, (-eps*x + 1,))
    """
    try:
        polynomials, components = _polynomials(field, variables)
    except (BasePolynomialError, ValueError):
        return None
    zero = polynomials.zero
    divergence = sum((c.diff(v) for c, v in zip(components, polynomials.gens, strict=True)), zero)
    size = len(variables)
    multipliers = [zero]
    if rational and divergence:
        multipliers += [divergence * polynomials.domain(1) / k for k in (size + 1, size)]
    for multiplier in multipliers:
        try:
            closure = _Closure(polynomials, components, multiplier, targets or variables)
            return closure.flow(chart)
        except NoClosedFormError:
            continue
    return None


def _polynomials(field: Sequence[sp.Expr], variables: Sequence[sp.Symbol]) -> tuple[Any, list[Any]]:
    """Ring over the field of the coefficients, and the components in it."""
    given, components = sring([sp.expand(c) for c in field], *variables)
    if set(given.symbols) != set(variables):
        raise ValueError
    target = ring(list(variables), given.domain.get_field())[0]
    return target, [target.from_expr(c.as_expr()) for c in components]


class _Closure:
    """The smallest space that T leaves invariant and that holds the targets, and 1 if m ≠ 0."""

    def __init__(
        self,
        polynomials: Any,
        components: Sequence[Any],
        multiplier: Any,
        targets: Sequence[sp.Symbol],
    ) -> None:
        self.ring = polynomials
        self.components = components
        self.multiplier = multiplier
        self.basis: list[Any] = []
        self._echelon: dict[Any, Any] = {}
        self.targets = targets
        generators = dict(zip(polynomials.symbols, polynomials.gens, strict=True))
        self.seeds = [generators[x] for x in targets]
        if multiplier:
            self.seeds.insert(0, polynomials.one)
        self._grow(self.seeds)

    def _applied(self, f: Any) -> Any:
        """T f."""
        moved = (c * f.diff(v) for c, v in zip(self.components, self.ring.gens, strict=True) if c)
        return sum(moved, -self.multiplier * f)

    def _grow(self, seeds: Sequence[Any]) -> None:
        waiting = list(seeds)
        while waiting:
            f = waiting.pop(0)
            rest = self._reduced(f)
            if not rest:
                continue
            self.basis.append(f)
            self._echelon[rest.LM] = rest.monic()
            if len(self.basis) > _MAX_DIMENSION or max(map(sum, f)) > _MAX_DEGREE:
                raise NoClosedFormError("no finite-dimensional space within the bounds")
            waiting.append(self._applied(f))

    def _reduced(self, f: Any) -> Any:
        """Remainder of f by the echelon form of the basis."""
        rest = f
        for monomial in sorted(self._echelon, key=self.ring.order, reverse=True):
            coefficient = rest.get(monomial)
            if coefficient:
                rest = rest - self._echelon[monomial] * coefficient
        return rest

    def flow(self, chart: Chart) -> ClosedFlow:
        """Exponentiate T."""
        exponential = matrix_exponential(self._matrix(), chart.eps, chart.signs)
        functions = [b.as_expr() for b in self.basis]
        values = [
            self._combination(exponential.matrix, functions, self.basis.index(seed))
            for seed in self.seeds
        ]
        if not self.multiplier:
            image = {x: u for x, u in zip(self.targets, values, strict=True) if u != x}
            return ClosedFlow(image, (), exponential.frequencies)
        scale = values[0]
        image = {x: _ratio(u, scale) for x, u in zip(self.targets, values[1:], strict=True)}
        return ClosedFlow(image, (scale,))

    def _matrix(self) -> sp.MatrixBase:
        """Matrix of T on the basis, by columns."""
        images = [self._applied(b) for b in self.basis]
        monomials = sorted({m for f in [*self.basis, *images] for m in f})
        domain = self.ring.domain
        rows = [[f.get(m, domain.zero) for f in [*self.basis, *images]] for m in monomials]
        size = len(self.basis)
        reduced, _ = DomainMatrix(rows, (len(rows), 2 * size), domain).rref()
        return reduced.to_Matrix()[:size, size:]

    def _combination(self, matrix: sp.MatrixBase, functions: Sequence[sp.Expr], j: int) -> sp.Expr:
        return sp.Add(*(matrix[i, j] * f for i, f in enumerate(functions)))


def _ratio(numerator: sp.Expr, denominator: sp.Expr) -> sp.Expr:
    """Quotient in lowest terms where that is a polynomial matter."""
    quotient = numerator / denominator
    return sp.cancel(quotient) if quotient.is_rational_function() else quotient
