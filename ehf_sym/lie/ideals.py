"""Ideals that every Lie algebra has: centre, series, radical, nilradical."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sympy.polys.matrices import DomainMatrix

from ehf_sym.exact.subspaces import Subspace, Vector, combine, kernel_of, solutions
from ehf_sym.lie.structure import LieStructure


def centre(g: LieStructure) -> Subspace:
    """All x with [x, g] = 0.

    Examples
    --------
    >>> from sympy import QQ
    >>> heisenberg = LieStructure(QQ, 3, {(0, 1): {2: QQ(1)}})
    >>> centre(heisenberg).basis == ({2: 1},)
    True
    """
    return centralizer(g, g.everything)


def centralizer(g: LieStructure, part: Subspace) -> Subspace:
    """All x with [x, y] = 0 for every y of a subspace."""
    images = [_joined(g, (g.bracket(e, y) for y in part.basis)) for e in g.everything.basis]
    return Subspace.spanned(g.field, g.dim, kernel_of(g.field, images))


def derived_series(g: LieStructure) -> list[Subspace]:
    """g, [g, g], [[g, g], [g, g]], ... as long as it shrinks.

    Examples
    --------
    >>> from sympy import QQ
    >>> affine = LieStructure(QQ, 2, {(0, 1): {1: QQ(1)}})
    >>> [term.dim for term in derived_series(affine)]
    [2, 1, 0]
    """
    return _series(g, lambda term: g.brackets(term, term))


def lower_central_series(g: LieStructure) -> list[Subspace]:
    """g, [g, g], [g, [g, g]], ... as long as it shrinks.

    Examples
    --------
    >>> from sympy import QQ
    >>> affine = LieStructure(QQ, 2, {(0, 1): {1: QQ(1)}})
    >>> [term.dim for term in lower_central_series(affine)]
    [2, 1]
    """
    return _series(g, lambda term: g.brackets(g.everything, term))


def derived_algebra(g: LieStructure) -> Subspace:
    """[g, g]."""
    return Subspace.spanned(g.field, g.dim, g.table.values())


def radical(g: LieStructure) -> Subspace:
    """Largest solvable ideal: what the Killing form makes orthogonal to [g, g]."""
    rows = [killing_product(g, y) for y in derived_algebra(g).basis]
    return Subspace.spanned(g.field, g.dim, solutions(g.field, rows, g.dim))


def killing_product(g: LieStructure, x: Vector) -> dict[int, Any]:
    """Return the linear form tr(ad x ad ·)."""
    rows = g.killing.rep.to_sdm()
    return combine((entry, rows[i]) for i, entry in x.items() if i in rows)


def nilradical(g: LieStructure) -> Subspace:
    """Largest nilpotent ideal.

    Those x of the radical R whose ad x lies in the Jacobson radical of the associative algebra A
    that ad R generates on R: tr(ad x · a) = 0 for all a of A (de Graaf, "Lie Algebras: Theory and
    Algorithms", 2000, section 2.2).

    Examples
    --------
    >>> from sympy import QQ
    >>> affine = LieStructure(QQ, 2, {(0, 1): {1: QQ(1)}})
    >>> nilradical(affine).basis == ({1: 1},)
    True
    """
    ideal = radical(g)
    if not ideal.dim:
        return ideal
    inner = g.restricted(ideal)
    matrices = [inner.adjoint(x) for x in inner.everything.basis]
    associative = _associative_algebra(g.field, matrices)
    forms = [
        {i: trace for i, m in enumerate(matrices) if (trace := _trace_of_product(m, a))}
        for a in associative
    ]
    kernel = solutions(g.field, forms, inner.dim)
    return Subspace.spanned(g.field, g.dim, map(ideal.embed, kernel))


def is_abelian(g: LieStructure) -> bool:
    """Whether all brackets vanish."""
    return not g.table


def is_nilpotent(g: LieStructure) -> bool:
    """Whether the lower central series reaches 0."""
    return lower_central_series(g)[-1].dim == 0


def is_solvable(g: LieStructure) -> bool:
    """Whether the derived series reaches 0."""
    return derived_series(g)[-1].dim == 0


def is_semisimple(g: LieStructure) -> bool:
    """Whether the radical is 0: the Killing form is not degenerate (Cartan's criterion)."""
    return g.dim > 0 and radical(g).dim == 0


def is_reductive(g: LieStructure) -> bool:
    """Whether the radical is the centre: g is the sum of its centre and a semisimple ideal."""
    return radical(g).dim == centre(g).dim


def _series(g: LieStructure, step: Callable[[Subspace], Subspace]) -> list[Subspace]:
    """Terms down to 0, or to the first that repeats."""
    terms = [g.everything]
    while terms[-1].dim:
        following = step(terms[-1])
        if following.dim == terms[-1].dim:
            break
        terms.append(following)
    return terms


def _joined(g: LieStructure, vectors: Iterable[Vector]) -> dict[int, Any]:
    """One vector of many."""
    return {i * g.dim + k: entry for i, v in enumerate(vectors) for k, entry in v.items()}


def _associative_algebra(field: Any, matrices: Sequence[DomainMatrix]) -> list[DomainMatrix]:
    """Basis of the algebra, without identity, that square matrices generate."""
    n = matrices[0].shape[0]
    found: list[DomainMatrix] = []
    span = Subspace.spanned(field, n * n, ())
    queue = list(matrices)
    while queue:
        candidate = queue.pop()
        vector = _flat(candidate)
        if vector in span:
            continue
        span = span + Subspace.spanned(field, n * n, [vector])
        found.append(candidate)
        queue.extend(candidate * m for m in matrices)
    return found


def _flat(matrix: DomainMatrix) -> dict[int, Any]:
    """Matrix as one sparse vector."""
    n = matrix.shape[1]
    rows = matrix.rep.to_sdm()
    return {i * n + j: entry for i, row in rows.items() for j, entry in row.items()}


def _trace_of_product(a: DomainMatrix, b: DomainMatrix) -> Any:
    """tr(ab)."""
    left, right = a.rep.to_sdm(), b.rep.to_sdm()
    zero = a.domain.zero
    return sum(
        (
            entry * right[j][i]
            for i, row in left.items()
            for j, entry in row.items()
            if i in right.get(j, {})
        ),
        zero,
    )
