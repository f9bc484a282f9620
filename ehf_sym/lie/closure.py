"""Generators closed under the bracket: structure constants, or a proof that there is no end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random
from typing import Any, NoReturn

from sympy import Expr

from ehf_sym.clock import OutOfTimeError, check_time
from ehf_sym.errors import ClosureError, UndecidedError
from ehf_sym.exact.constants import moved, narrowed
from ehf_sym.exact.functions import Polynomials, functions
from ehf_sym.exact.linear import Vector
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import formula_text
from ehf_sym.lie.structure import LieStructure

_ORDERS = 40
_LARGEST_WEIGHT = 1000

Monomial = tuple[int, ...]
Pair = tuple[int, int]
# A formula longer than this is cut in messages.
_LONGEST = 200


def infinite_pair(polynomials: Sequence[Any], dim: int) -> tuple[int, int] | None:
    """Find f, g among polynomials in (q, p) such that f, {f,g}, {{f,g},g}, ... are independent.

    For generic weights w of the coordinates each polynomial has one leading monomial. Let i be
    the pair with the smallest w(q_i) + w(p_i), and let u and v lead f and g. Then {f, g} is led by
    u v / (q_i p_i), with the factor u_q v_p − u_p v_q of the exponents at i, if this is not 0.
    After k steps the factor is (u_q v_p − u_p v_q) + k (v_q − v_p). If it vanishes for no k ≥ 0,
    all the leading monomials u (v / (q_i p_i))^k occur; they are distinct unless v = q_i p_i.

    Parameters
    ----------
    polynomials : sequence of sympy.polys.rings.PolyElement
        In q_1..q_d, p_1..p_d.
    dim : int
        d.

    Returns
    -------
    tuple of int or None
        Places of f and g; None if this argument proves nothing.

    Examples
    --------
    >>> from sympy import QQ, ring
    >>> _, q, p = ring("q, p", QQ)
    >>> infinite_pair([q**2, p**2, q * p], 1) is None
    True
    >>> infinite_pair([q**3, q**2 * p], 1)
    (0, 1)
    """
    random = Random(0)
    for _ in range(_ORDERS):
        weights = [random.randint(-_LARGEST_WEIGHT, _LARGEST_WEIGHT) for _ in range(2 * dim)]
        sums = [weights[i] + weights[dim + i] for i in range(dim)]
        lightest = min(sums)
        leading = [_leading(f, weights) for f in polynomials]
        if sums.count(lightest) > 1 or None in leading:
            continue
        i = sums.index(lightest)
        exponents = [(u[i], u[dim + i], sum(u)) for u in leading if u is not None]
        for m, (a, b, _) in enumerate(exponents):
            for n, (c, d, degree) in enumerate(exponents):
                if (c, d, degree) != (1, 1, 2) and _never_zero(a * d - b * c, c - d):
                    return m, n
    return None


def _never_zero(start: int, step: int) -> bool:
    """Tell whether start + k step is zero for no k = 0, 1, 2, ..."""
    if start == 0:
        return False
    return step == 0 or -start % step != 0 or -start // step < 0


def _leading(polynomial: Any, weights: Sequence[int]) -> Monomial | None:
    """Monomial of largest weight, if there is one such."""
    heights = [(sum(w * e for w, e in zip(weights, m, strict=True)), m) for m in polynomial]
    best = max(height for height, _ in heights)
    found = [monomial for height, monomial in heights if height == best]
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True, eq=False)
class Closed:
    """A basis of functions that is closed under the bracket.

    Attributes
    ----------
    formulas : tuple of sympy.Expr
        The basis: the independent ones of the given functions, then brackets.
    given : tuple of int
        Which of the given functions are in the basis.
    dependent : tuple of (int, tuple of sympy.Expr)
        Each other given function, with its coefficients in the given ones of the basis.
    structure : LieStructure
        Their brackets.
    depth : int
        How many times brackets were added.
    """

    formulas: tuple[Expr, ...]
    given: tuple[int, ...]
    dependent: tuple[tuple[int, tuple[Expr, ...]], ...]
    structure: LieStructure
    depth: int


def close(
    space: PhaseSpace, generators: Sequence[Expr], labels: Sequence[str], max_dim: int
) -> Closed:
    """Add brackets until they are all linear combinations of what there is.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates.
    generators : sequence of sympy.Expr
        Formulas of the space.
    labels : sequence of str
        What messages call them.
    max_dim : int
        The largest dimension that is tried.

    Returns
    -------
    Closed
        With ``max_dim`` at most the number of independent generators, nothing is added.

    Raises
    ------
    ClosureError
        If a bracket leaves the span and the dimension would exceed ``max_dim``.
    UndecidedError
        If linear dependence could not be decided.

    Examples
    --------
    >>> space = PhaseSpace(1)
    >>> (q,), (p,) = space.q, space.p
    >>> close(space, [q**2, p**2], ["a", "b"], 10).formulas
    (q1**2, p1**2, 4*p1*q1)
    """
    return _Closing(space, generators, labels, max_dim).run()


class _Closing:
    """A basis that grows."""

    def __init__(
        self, space: PhaseSpace, generators: Sequence[Expr], labels: Sequence[str], max_dim: int
    ) -> None:
        self._labels = labels
        self._max_dim = max_dim
        self._functions = functions(generators, space.coordinates, tuple(space.parameters))
        self._dim = space.dim
        self._given = [self._functions.of(g) for g in generators]
        self._gradients: list[tuple[list[Any], list[Any]]] = []
        self._table: dict[Pair, tuple[Any, Vector]] = {}
        self._names: list[str] = []

    def run(self) -> Closed:
        """Close."""
        chosen = self._functions.reduce(self._given)
        basis = [self._given[i] for i in chosen.pivots]
        self._names = [self._labels[i] for i in chosen.pivots]
        depth = 0
        try:
            while grown := self._grown(basis, depth):
                basis, depth = grown, depth + 1
        except OutOfTimeError as error:
            raise UndecidedError(
                f"closing stopped at dimension {len(basis)}, depth {depth}: the time limit has "
                "passed, and whether it closes is not known; give a larger time_limit"
            ) from error
        return Closed(
            formulas=tuple(map(self._functions.formula, basis)),
            given=chosen.pivots,
            dependent=tuple(
                (
                    j,
                    tuple(
                        self._functions.constant(row.get(i, chosen.field.zero))
                        for i in range(len(chosen.pivots))
                    ),
                )
                for j, row in enumerate(chosen.coordinates)
                if j not in chosen.pivots
            ),
            structure=self._structure(len(basis)),
            depth=depth,
        )

    def _grown(self, basis: list[Any], depth: int) -> list[Any] | None:
        """Look at the new brackets; the larger basis, or None if they add nothing."""
        pairs = [p for p in combinations(range(len(basis)), 2) if p not in self._table]
        brackets = list(self._brackets(basis, pairs))
        reduction = self._functions.reduce([*basis, *brackets])
        rows = reduction.coordinates[len(basis) :]
        self._table.update((p, (reduction.field, r)) for p, r in zip(pairs, rows, strict=True))
        added = [i - len(basis) for i in reduction.pivots[len(basis) :]]
        if not added:
            return None
        if len(basis) + len(added) > self._max_dim:
            self._refuse(basis, pairs[added[0]], brackets[added[0]], depth)
        self._names += [self._bracket_name(pairs[i]) for i in added]
        return [*basis, *(brackets[i] for i in added)]

    def _brackets(self, basis: Sequence[Any], pairs: Sequence[Pair]) -> Iterator[Any]:
        """Poisson brackets; each gradient is computed once."""
        for element in basis[len(self._gradients) :]:
            slopes = self._functions.gradient(element)
            self._gradients.append((slopes[: self._dim], slopes[self._dim :]))
        for i, j in pairs:
            check_time()
            (f_q, f_p), (g_q, g_p) = self._gradients[i], self._gradients[j]
            forward = (a * b for a, b in zip(f_q, g_p, strict=True) if a and b)
            backward = (-(a * b) for a, b in zip(f_p, g_q, strict=True) if a and b)
            yield self._functions.total([*forward, *backward])

    def _structure(self, dim: int) -> LieStructure:
        """Structure constants over the field that holds all of them."""
        field = self._functions.field
        table = {pair: _converted(row, own, field) for pair, (own, row) in self._table.items()}
        small = narrowed(field, [c for row in table.values() for c in row.values()])
        return LieStructure(
            small, dim, {pair: _converted(row, field, small) for pair, row in table.items()}
        )

    def _bracket_name(self, pair: Pair) -> str:
        """How a message writes a bracket."""
        return f"{{{self._names[pair[0]]}, {self._names[pair[1]]}}}"

    def _refuse(self, basis: Sequence[Any], pair: Pair, bracket: Any, depth: int) -> NoReturn:
        """Say what leaves the span, and what is known of the growth."""
        name, formula = self._bracket_name(pair), self._functions.formula(bracket)
        shown = formula_text(formula)
        shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
        text = f"{name} = {shown} is no combination of the {len(basis)} functions at depth {depth}"
        if depth or self._max_dim > len(basis):
            text += f", and with it the dimension would exceed max_dim = {self._max_dim}; "
            text += self._growth(basis)
        else:
            text += "; close() adds brackets"
        raise ClosureError(text, bracket=name, formula=formula, dim=len(basis), depth=depth)

    def _growth(self, basis: Sequence[Any]) -> str:
        """Say what is known beyond the bound."""
        if isinstance(self._functions, Polynomials):
            found = infinite_pair(basis, self._dim)
            if found is not None:
                f, g = (self._names[i] for i in found)
                return (
                    f"no bound would do: brackets of {f} with {g}, again and again, have leading "
                    "terms that are all different"
                )
        return "whether a larger bound would do is not known"


def _converted(row: Vector, old: Any, new: Any) -> Vector:
    """Coefficients in another field that holds them."""
    return {k: moved(c, old, new) for k, c in row.items()}
