"""Flows that are linear on a finite-dimensional space of functions.

Let L f = X·∇f for a polynomial field X, and m a polynomial. If T = L − m leaves a space of
polynomials invariant that holds 1 and the coordinates, then exp(εT) is a matrix exponential on it,
and each coordinate becomes exp(εT)x / exp(εT)1. With m = 0 these are affine fields, shears and
other polynomial flows; with m = div X/n and div X/(n + 1) conformal and projective ones, whose
denominator exp(εT)1 says where they blow up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp
from sympy.polys.matrices import DomainMatrix
from sympy.polys.polyerrors import BasePolynomialError
from sympy.polys.rings import ring, sring

from ehf_sym.flows.closed_flow import Chart, ClosedFlow
from ehf_sym.flows.matrix_exponential import NoClosedFormError, matrix_exponential

_MAX_DIMENSION = 24
_MAX_DEGREE = 12


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
