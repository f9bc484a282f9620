"""Casimirs: polynomials in the basis of a Lie algebra that commute with all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, count
from math import comb, prod
from random import Random
from typing import Any

from sympy import Poly, Symbol

from ehf_sym.exact.linear import Subspace, combine, nullspace
from ehf_sym.lie.ideals import centre, derived_algebra, is_reductive
from ehf_sym.lie.simple import cartan_subalgebra
from ehf_sym.lie.structure import LieStructure

_MAX_UNKNOWNS = 4000

Monomial = tuple[int, ...]  # places of the factors, increasing


def casimirs(g: LieStructure, degree: int) -> tuple[Poly, ...]:
    """All polynomial Casimirs that are homogeneous of one degree, as a basis.

    A polynomial P on the dual space is one if Σ_jk c_ij^k x_k ∂P/∂x_j = 0 for every i. These are
    linear equations for its coefficients.

    Parameters
    ----------
    g : LieStructure
        The algebra.
    degree : int
        At least 1.

    Returns
    -------
    tuple of sympy.Poly
        In the symbols of `symbols`; products of Casimirs of lower degree are among them.

    Examples
    --------
    >>> from sympy import QQ
    >>> one = QQ(1)
    >>> so3 = LieStructure(QQ, 3, {(0, 1): {2: one}, (1, 2): {0: one}, (0, 2): {1: -one}})
    >>> casimirs(so3, 2)
    (Poly(e1**2 + e2**2 + e3**2, e1, e2, e3, domain='QQ'),)
    """
    monomials = list(combinations_with_replacement(range(g.dim), degree))
    equations: dict[tuple[int, Monomial], dict[int, Any]] = {}
    for column, monomial in enumerate(monomials):
        for i in range(g.dim):
            for product, entry in _derivative(g, i, monomial).items():
                equations.setdefault((i, product), {})[column] = entry
    found = nullspace(equations.values(), len(monomials), g.field)
    return tuple(_polynomial(g, monomials, solution) for solution in found)


@dataclass(frozen=True)
class CasimirCount:
    """How many functionally independent invariants there are on the dual space.

    Attributes
    ----------
    number : int
        The number, or a bound from above.
    exact : bool
        Whether it is proved that there are so many, and not only that there are no more.
    """

    number: int
    exact: bool


def casimir_count(g: LieStructure) -> CasimirCount:
    """Count invariants: n minus the generic rank of the matrix M = (Σ_k c_ij^k x_k).

    For a reductive algebra it is the rank. Otherwise the rank of M at a point bounds it from
    above; if as many polynomial null vectors of M are independent there, it is exact. Not all
    invariants need to be polynomials (Beltrametti and Blasi, Phys. Lett. 20, 1966).

    Examples
    --------
    >>> from sympy import QQ
    >>> casimir_count(LieStructure(QQ, 2, {(0, 1): {1: QQ(1)}}))
    CasimirCount(number=0, exact=True)
    """
    if is_reductive(g):
        semisimple = derived_algebra(g)
        rank = cartan_subalgebra(g.restricted(semisimple)).dim if semisimple.dim else 0
        return CasimirCount(centre(g).dim + rank, exact=True)
    random = Random(0)
    point = [g.field(random.randint(1, 10**6)) for _ in range(g.dim)]
    number = g.dim - _commutators(g, point).dim
    found = Subspace.spanned(g.field, g.dim, ())
    for degree in count():
        if found.dim == number or g.dim * comb(g.dim + degree - 1, degree) > _MAX_UNKNOWNS:
            break
        found = found + Subspace.spanned(g.field, g.dim, _null_vectors_at(g, point, degree))
    return CasimirCount(number, exact=found.dim == number)


def _commutators(g: LieStructure, point: Sequence[Any]) -> Subspace:
    """Row space of M at a point."""
    rows = []
    for i in range(g.dim):
        brackets = ((j, g.bracket({i: g.field.one}, {j: g.field.one})) for j in range(g.dim))
        values = ((j, sum((point[k] * c for k, c in v.items()), g.field.zero)) for j, v in brackets)
        rows.append({j: value for j, value in values if value})
    return Subspace.spanned(g.field, g.dim, rows)


def _null_vectors_at(g: LieStructure, point: Sequence[Any], degree: int) -> list[dict[int, Any]]:
    """Values at a point of all v(x), homogeneous of a degree, with M(x) v(x) = 0."""
    monomials = list(combinations_with_replacement(range(g.dim), degree))
    equations: dict[tuple[int, Monomial], dict[int, Any]] = {}
    for i in range(g.dim):
        for j in range(g.dim):
            for k, c in g.bracket({i: g.field.one}, {j: g.field.one}).items():
                for m, monomial in enumerate(monomials):
                    row = equations.setdefault((i, tuple(sorted((*monomial, k)))), {})
                    column = j * len(monomials) + m
                    row[column] = row.get(column, g.field.zero) + c
    values = []
    for solution in nullspace(equations.values(), g.dim * len(monomials), g.field):
        terms = []
        for column, entry in solution.items():
            j, m = divmod(column, len(monomials))
            terms.append(
                (
                    entry * prod((point[k] for k in monomials[m]), start=g.field.one),
                    {j: g.field.one},
                )
            )
        values.append(combine(terms))
    return values


def symbols(g: LieStructure) -> tuple[Symbol, ...]:
    """Symbols e1, ..., en for the basis."""
    return tuple(Symbol(f"e{k + 1}", real=True) for k in range(g.dim))


def _derivative(g: LieStructure, i: int, monomial: Monomial) -> dict[Monomial, Any]:
    """Adjoint action of e_i on a product: Leibniz's rule."""
    return combine(_leibniz(g, i, monomial))  # type: ignore[arg-type, return-value]


def _leibniz(
    g: LieStructure, i: int, monomial: Monomial
) -> Iterator[tuple[Any, dict[Monomial, Any]]]:
    """One term for each factor."""
    for position, j in enumerate(monomial):
        others = monomial[:position] + monomial[position + 1 :]
        for k, c in g.bracket({i: g.field.one}, {j: g.field.one}).items():
            yield c, {tuple(sorted((*others, k))): g.field.one}


def _polynomial(g: LieStructure, monomials: Sequence[Monomial], solution: Any) -> Poly:
    """Polynomial with the given coefficients."""
    generators = symbols(g)
    terms = {
        tuple(monomials[column].count(k) for k in range(g.dim)): entry
        for column, entry in solution.items()
    }
    return Poly.from_dict(terms, *generators, domain=g.field)
