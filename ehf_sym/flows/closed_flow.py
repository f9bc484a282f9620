"""A flow in closed form: what each coordinate becomes, and where that holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import sympy as sp


@dataclass(frozen=True)
class ClosedFlow:
    """The map s ↦ Φ_ε(s) of a vector field.

    Attributes
    ----------
    image : mapping of sympy.Symbol to sympy.Expr
        Coordinate -> its value at ε, a formula in the coordinates at 0; what is missing stays.
    positive : tuple of sympy.Expr
        Formulas that are positive at ε = 0 and must stay so from 0 to ε; empty if the flow is
        complete.
    frequencies : tuple of sympy.Expr or None
        If the flow is a superposition of rotations: their angular frequencies.
    certificate : str or None
        What proves the formula by itself, without the zero test; None if nothing does.
    """

    image: Mapping[sp.Symbol, sp.Expr]
    positive: tuple[sp.Expr, ...] = ()
    frequencies: tuple[sp.Expr, ...] | None = None
    certificate: str | None = None

    def of(self, coordinate: sp.Symbol) -> sp.Expr:
        """Value of one coordinate at ε."""
        return self.image.get(coordinate, coordinate)

    def renamed(self, names: Mapping[sp.Symbol, sp.Expr]) -> ClosedFlow:
        """Put formulas in place of symbols on the right-hand sides."""
        image = {x: value.xreplace(names) for x, value in self.image.items()}
        return ClosedFlow(image, tuple(c.xreplace(names) for c in self.positive), self.frequencies)


IDENTITY = ClosedFlow({}, (), ())


def composed(outer: ClosedFlow, inner: ClosedFlow) -> ClosedFlow:
    """Outer after inner; the domain of the outer one is read at the inner one's image."""
    moved = outer.renamed(inner.image)
    image = {**inner.image, **moved.image}
    return ClosedFlow(image, _distinct(inner.positive + moved.positive))


def side_by_side(flows: Iterable[ClosedFlow]) -> ClosedFlow:
    """Flows of different coordinates, as one."""
    image: dict[sp.Symbol, sp.Expr] = {}
    positive: tuple[sp.Expr, ...] = ()
    frequencies: tuple[sp.Expr, ...] | None = ()
    for flow in flows:
        image |= flow.image
        positive += flow.positive
        if frequencies is not None:
            frequencies = None if flow.frequencies is None else frequencies + flow.frequencies
    distinct = None if frequencies is None else _distinct(frequencies)
    return ClosedFlow(image, _distinct(positive), distinct)


def _distinct(expressions: Iterable[sp.Expr]) -> tuple[sp.Expr, ...]:
    return tuple(dict.fromkeys(expressions))


@dataclass(frozen=True)
class Chart:
    """Canonical coordinates and ε, and the signs that a case assumes of parameters.

    Attributes
    ----------
    q, p : tuple of sympy.Symbol
        Conjugate coordinates, in pairs.
    eps : sympy.Symbol
        ε.
    signs : mapping
        Expressions in parameters -> 1 or −1.
    """

    q: tuple[sp.Symbol, ...]
    p: tuple[sp.Symbol, ...]
    eps: sp.Symbol
    signs: Mapping[sp.Expr, int] = field(default_factory=dict)

    @property
    def coordinates(self) -> tuple[sp.Symbol, ...]:
        """Positions first."""
        return self.q + self.p

    def vector_field(self, g: sp.Expr) -> list[sp.Expr]:
        """{s, g}."""
        return [g.diff(p) for p in self.p] + [-g.diff(q) for q in self.q]
