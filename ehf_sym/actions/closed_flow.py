"""A flow in closed form: what each coordinate becomes, and where that holds.

A closed form holds where nothing that it divides by, or takes a root or logarithm of, changes its
sign between 0 and ε.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import sympy as sp
from sympy.polys.polyerrors import BasePolynomialError

# Functions with poles, and what vanishes there.
_POLES = {sp.tan: sp.cos, sp.sec: sp.cos, sp.cot: sp.sin, sp.csc: sp.sin, sp.coth: sp.sinh,
          sp.csch: sp.sinh}  # fmt: skip


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


def sensitive_parts(formula: sp.Expr) -> Iterator[sp.Expr]:
    """Parts at whose zeros a formula may be singular.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> list(sensitive_parts(1 / (1 - x) + sp.log(2 + x)))
    [1 - x, x + 2]
    """
    for part in sp.preorder_traversal(formula):
        if isinstance(part, sp.Pow) and not (part.exp.is_Integer and part.exp.is_positive):
            if part.base is not sp.E and part.base.free_symbols:
                yield part.base
        elif isinstance(part, sp.log):
            yield part.args[0]
        elif part.func in _POLES:
            yield _POLES[part.func](part.args[0])


def ratio_to_start(part: sp.Expr, eps: sp.Symbol) -> sp.Expr:
    """Quotient of a formula and its value at ε = 0."""
    ratio = part / part.subs(eps, 0)
    try:
        return sp.factor(sp.cancel(ratio)) if ratio.is_rational_function() else ratio
    except BasePolynomialError:
        return ratio


def regular_while(formula: sp.Expr, eps: sp.Symbol) -> tuple[sp.Expr, ...]:
    """Find what must stay positive so that a formula in ε has no singularity between 0 and ε.

    Examples
    --------
    >>> x, eps = sp.symbols("x eps", real=True)
    >>> regular_while(1 / (x - eps), eps)
    ((-eps + x)/x,)
    """
    ratios = (ratio_to_start(part, eps) for part in sensitive_parts(formula) if part.has(eps))
    return tuple(dict.fromkeys(ratio for ratio in ratios if _may_vanish(ratio, eps)))


def generator_regular_while(
    g: sp.Expr, image: Mapping[sp.Symbol, sp.Expr], eps: sp.Symbol
) -> tuple[sp.Expr, ...]:
    """Find what must stay positive so that the flow meets no singularity of its generator.

    Examples
    --------
    >>> x, p, eps = sp.symbols("x p eps", real=True)
    >>> generator_regular_while(p + 1 / x, {x: x + eps}, eps)
    ((eps + x)/x,)
    """
    parts = dict.fromkeys(sensitive_parts(g))
    moved = (part.xreplace(dict(image)) for part in parts)
    ratios = (ratio_to_start(part, eps) for part in moved if part.has(eps))
    return tuple(dict.fromkeys(ratio for ratio in ratios if _may_vanish(ratio, eps)))


def tidy(positive: Iterable[sp.Expr], eps: sp.Symbol) -> tuple[sp.Expr, ...]:
    """Write the same conditions by their irreducible factors, each 1 at ε = 0.

    Examples
    --------
    >>> x, eps = sp.symbols("x eps", real=True)
    >>> tidy([1 / (1 - eps * x) ** 2, sp.sqrt(1 - eps * x)], eps)
    (-eps*x + 1,)
    """
    found: dict[sp.Expr, None] = {}
    for condition in positive:
        for factor in _factors(condition):
            if factor.has(eps):
                ratio = ratio_to_start(factor, eps)
                if _may_vanish(ratio, eps):
                    found[_expanded(ratio)] = None
    return tuple(found)


def _factors(condition: sp.Expr) -> Iterator[sp.Expr]:
    """Bases of the factors of a formula."""
    if condition.is_rational_function():
        condition = sp.factor(condition)
    for factor in sp.Mul.make_args(condition):
        base, exponent = factor.as_base_exp()
        if base is sp.E or exponent.free_symbols:
            continue
        if base is factor:
            yield base
        else:
            yield from _factors(base)


def _expanded(ratio: sp.Expr) -> sp.Expr:
    """Polynomial conditions as sums that begin with 1."""
    return sp.expand(ratio) if ratio.is_polynomial() else ratio


def _may_vanish(ratio: sp.Expr, eps: sp.Symbol) -> bool:
    return ratio.has(eps) and not ratio.is_positive
