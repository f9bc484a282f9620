"""Subspaces of K^n in reduced echelon form, and linear equations, over an exact field K."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sympy.polys.matrices import DomainMatrix

from ehf_sym.exact.independence import certified_rref

Vector = Mapping[int, Any]  # nonzero entries


def combine(terms: Iterable[tuple[Any, Vector]]) -> dict[int, Any]:
    """Sum of multiples of sparse vectors.

    Examples
    --------
    >>> combine([(2, {0: 1, 1: 3}), (-6, {1: 1})])
    {0: 2}
    """
    total: dict[int, Any] = {}
    for factor, vector in terms:
        for place, entry in vector.items():
            if place in total:
                total[place] += factor * entry
            else:
                total[place] = factor * entry
    return {place: entry for place, entry in total.items() if entry}


@dataclass(frozen=True, eq=False)
class Subspace:
    """A subspace of K^n, held by its reduced echelon basis, so that equal ones look equal.

    Attributes
    ----------
    field : sympy.polys.domains.Domain
        K.
    ambient : int
        n.
    basis : tuple of Mapping
        Sparse vectors; each has a 1 at its own pivot, where the others have 0.
    pivots : tuple of int
        Increasing.
    """

    field: Any
    ambient: int
    basis: tuple[Vector, ...]
    pivots: tuple[int, ...]

    @classmethod
    def spanned(cls, field: Any, ambient: int, vectors: Iterable[Vector]) -> Subspace:
        """Span of vectors.

        Examples
        --------
        >>> from sympy import QQ
        >>> Subspace.spanned(QQ, 3, [{0: QQ(2), 1: QQ(2)}, {1: QQ(1)}]).basis == ({0: 1}, {1: 1})
        True
        """
        rows = {i: dict(v) for i, v in enumerate(v for v in vectors if v)}
        if not rows:
            return cls(field, ambient, (), ())
        reduced, pivots = certified_rref(DomainMatrix(rows, (len(rows), ambient), field))
        kept = reduced.rep.to_sdm()
        return cls(field, ambient, tuple(kept[i] for i in range(len(pivots))), tuple(pivots))

    @classmethod
    def whole(cls, field: Any, ambient: int) -> Subspace:
        """All of K^n."""
        basis = tuple({i: field.one} for i in range(ambient))
        return cls(field, ambient, basis, tuple(range(ambient)))

    @property
    def dim(self) -> int:
        """Dimension."""
        return len(self.basis)

    @property
    def free(self) -> tuple[int, ...]:
        """Places that are no pivots: their unit vectors span a complement."""
        pivots = set(self.pivots)
        return tuple(i for i in range(self.ambient) if i not in pivots)

    def __add__(self, other: Subspace) -> Subspace:
        return Subspace.spanned(self.field, self.ambient, (*self.basis, *other.basis))

    def __contains__(self, vector: Vector) -> bool:
        return not self.residue(vector)

    def __le__(self, other: Subspace) -> bool:
        return all(vector in other for vector in self.basis)

    def residue(self, vector: Vector) -> dict[int, Any]:
        """Reduce a vector modulo the subspace, to 0 at every pivot."""
        terms = [
            (-vector[pivot], row)
            for pivot, row in zip(self.pivots, self.basis, strict=True)
            if pivot in vector
        ]
        return combine([(self.field.one, vector), *terms])

    def coordinates(self, vector: Vector) -> dict[int, Any]:
        """Coordinates, in this basis, of a vector of the subspace."""
        return {i: vector[pivot] for i, pivot in enumerate(self.pivots) if pivot in vector}

    def embed(self, coordinates: Vector) -> dict[int, Any]:
        """Vector with the given coordinates in this basis."""
        return combine((entry, self.basis[i]) for i, entry in coordinates.items())

    def meet(self, other: Subspace) -> Subspace:
        """Intersection."""
        images = [other.residue(vector) for vector in self.basis]
        kernel = kernel_of(self.field, images)
        return Subspace.spanned(self.field, self.ambient, map(self.embed, kernel))


def kernel_of(field: Any, images: Sequence[Vector]) -> list[dict[int, Any]]:
    """All c with Σ c_i images[i] = 0, as a basis.

    Examples
    --------
    >>> from sympy import QQ
    >>> kernel_of(QQ, [{0: QQ(1)}, {1: QQ(1)}, {}]) == [{2: 1}]
    True
    """
    equations: dict[int, dict[int, Any]] = {}
    for i, image in enumerate(images):
        for place, entry in image.items():
            equations.setdefault(place, {})[i] = entry
    return solutions(field, list(equations.values()), len(images))


def solutions(field: Any, equations: Sequence[Vector], unknowns: int) -> list[dict[int, Any]]:
    """Basis of the solutions of homogeneous linear equations."""
    constraints = Subspace.spanned(field, unknowns, equations)
    found = {free: {free: field.one} for free in constraints.free}
    for pivot, row in zip(constraints.pivots, constraints.basis, strict=True):
        for place, entry in row.items():
            if place != pivot:
                found[place][pivot] = -entry
    return list(found.values())


def particular_solution(
    field: Any, equations: Sequence[Vector], unknowns: int
) -> dict[int, Any] | None:
    """One solution of Σ_j e_j x_j + e_n = 0 for every equation e; n is the number of unknowns."""
    constraints = Subspace.spanned(field, unknowns + 1, equations)
    if unknowns in constraints.pivots:
        return None
    rows = zip(constraints.pivots, constraints.basis, strict=True)
    return {pivot: -row[unknowns] for pivot, row in rows if unknowns in row}
