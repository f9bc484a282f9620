"""Signs of polynomials that can be proved without knowing where the kernels are."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import sympy as sp

from ehf_sym.zero.clock import interruptible
from ehf_sym.zero.polynomials import Poly, used_generators

_MAX_ROOT_DEGREE = 30

Bounds = tuple[sp.Rational | None, sp.Rational | None]


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign that holds everywhere: f >= 0 or f <= 0, and never 0 where `strict`."""

    value: int
    strict: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What is taken for granted in a part of the domain.

    Attributes
    ----------
    signs : Mapping
        Signs of parts of the expression, as they are written in its normal form.
    bounds : Mapping
        Open intervals for symbols; ``None`` for an end at infinity.
    poles : Mapping
        Angles u with N: tan(u/(2N)) is infinite.
    """

    signs: Mapping[sp.Expr, Sign] = field(default_factory=dict)
    bounds: Mapping[sp.Symbol, Bounds] = field(default_factory=dict)
    poles: Mapping[sp.Expr, int] = field(default_factory=dict)

    @property
    def key(self) -> Hashable:
        """What equal facts have in common."""
        return tuple(frozenset(known.items()) for known in (self.signs, self.bounds, self.poles))

    def with_sign(self, part: sp.Expr, sign: Sign) -> Facts:
        """Add a sign."""
        return replace(self, signs={**self.signs, part: sign})

    def with_pole(self, angle: sp.Expr, order: int) -> Facts:
        """Add a pole of a half tangent."""
        return replace(self, poles={**self.poles, angle: order})

    def restricted(self, place: Mapping[sp.Symbol, sp.Expr]) -> Facts:
        """Keep what still holds, as it stands, where formulas replace symbols."""
        bounds = {x: interval for x, interval in self.bounds.items() if x not in place}
        return Facts({}, bounds)


class KernelSigns:
    """Which kernels are known to be positive, not to be negative, or to lie in an interval."""

    def __init__(self) -> None:
        self.positive: set[int] = set()
        self.nonnegative: set[int] = set()
        self.negative: set[int] = set()
        self.nonpositive: set[int] = set()
        self.bounds: dict[int, Bounds] = {}

    def note(self, index: int, sign: Sign) -> None:
        """Keep the sign of a kernel."""
        if sign.value > 0:
            (self.positive if sign.strict else self.nonnegative).add(index)
        else:
            (self.negative if sign.strict else self.nonpositive).add(index)

    def of(self, poly: Poly) -> Sign | None:
        """Prove the sign of a polynomial; None where no method here can."""
        return self._by_terms(poly) or self._by_roots(poly) or _by_squares(poly)

    def _by_terms(self, poly: Poly) -> Sign | None:
        """Every term has the same sign: even powers, or kernels whose signs are known."""
        below = self.negative | self.nonpositive
        known = self.positive | self.nonnegative | below
        strict_ones = self.positive | self.negative
        signs = set()
        for monomial, coefficient in poly.items():
            odd = [i for i, e in enumerate(monomial) if e % 2]
            if not known.issuperset(odd):
                return None
            signs.add((1 if coefficient > 0 else -1) * (-1) ** sum(i in below for i in odd))
        if len(signs) != 1:
            return None
        strict = any(
            all(not e or i in strict_ones for i, e in enumerate(monomial)) for monomial in poly
        )
        return Sign(signs.pop(), strict)

    def _by_roots(self, poly: Poly) -> Sign | None:
        """Count the roots of a polynomial in one kernel where the kernel may be."""
        used = used_generators(poly)
        if len(used) != 1 or max(map(sum, poly)) > _MAX_ROOT_DEGREE:
            return None
        (index,) = used
        x = sp.Symbol("x")
        univariate = sp.Poly.from_dict({(m[index],): c for m, c in poly.items()}, x, domain="QQ")
        if index in self.bounds:
            return sign_between(univariate, self.bounds[index])
        low = 0 if index in self.positive | self.nonnegative else None
        high = 0 if index in self.negative | self.nonpositive else None
        with interruptible():
            roots = univariate.count_roots(low, high)
        if roots:
            return None
        return Sign(1 if univariate.eval(0) > 0 else -1, strict=True)


def sign_between(poly: sp.Poly, bounds: Bounds) -> Sign | None:
    """Sign of a univariate polynomial that has no root in an open interval."""
    low, high = bounds
    at_ends = sum(end is not None and poly.eval(end) == 0 for end in bounds)
    with interruptible():
        roots = poly.count_roots(low, high)
    if roots > at_ends:
        return None
    return Sign(1 if poly.eval(inner_point(bounds)) > 0 else -1, strict=True)


def inner_point(bounds: Bounds) -> sp.Rational:
    """Return a rational number in an open interval."""
    low, high = bounds
    if low is None:
        return sp.S.Zero if high is None else high - 1
    return low + 1 if high is None else (low + high) / 2


def _by_squares(poly: Poly) -> Sign | None:
    """Test the matrix of a polynomial that is quadratic in kernels or in their squares."""
    if all(e % 2 == 0 for monomial in poly for e in monomial):
        terms = {tuple(e // 2 for e in monomial): c for monomial, c in poly.items()}
    else:
        terms = dict(poly)
    if max(map(sum, terms)) > 2:
        return None
    for value in (1, -1):
        definite = _definite(_gram_matrix(terms, value))
        if definite is not None:
            return Sign(value, strict=definite)
    return None


def _gram_matrix(terms: dict[tuple[int, ...], Any], sign: int) -> list[list[Fraction]]:
    """Matrix G with (1, x) G (1, x)^T = sign * f(x)."""
    used = [i for i, exponents in enumerate(zip(*terms, strict=True)) if any(exponents)]
    matrix = [[Fraction(0)] * (len(used) + 1) for _ in range(len(used) + 1)]
    for monomial, c in terms.items():
        places = [row for row, i in enumerate(used, start=1) for _ in range(monomial[i])]
        a, b = [0, 0, *places][-2:]
        half = Fraction(int(c.numerator), int(c.denominator)) * sign / 2
        matrix[a][b] += half
        matrix[b][a] += half
    return matrix


def _definite(matrix: list[list[Fraction]]) -> bool | None:
    """Return True for a positive definite matrix, False for a semidefinite one, else None."""
    strict = True
    while matrix:
        pivot, row = matrix[0][0], matrix[0][1:]
        if pivot < 0 or (pivot == 0 and any(row)):
            return None
        strict = strict and pivot > 0
        rest = [line[1:] for line in matrix[1:]]
        if pivot:
            rest = [
                [entry - a * b / pivot for entry, b in zip(line, row, strict=True)]
                for line, a in zip(rest, row, strict=True)
            ]
        matrix = rest
    return strict
