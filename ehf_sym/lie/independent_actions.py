"""Subspaces of their own for several factors whose actions are affine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from ehf_sym.exact.subspaces import Subspace, Vector, combine, solutions

# Velocity of the coordinates: monomial (a coordinate, or None for 1) -> vector.
Velocity = dict[int | None, Vector]


@dataclass(frozen=True, eq=False)
class Split:
    """V = V_1 + ... + V_n + V_0, factor i acting on V_i alone and V_0 at rest.

    Attributes
    ----------
    parts : tuple of Subspace
        V_1, ..., V_n.
    rest : Subspace
        V_0.
    """

    parts: tuple[Subspace, ...]
    rest: Subspace


def split_space(field: Any, dim: int, factors: Sequence[Sequence[Velocity]]) -> Split | None:
    """Find subspaces on which the factors act independently; None if there are none.

    Let W_i be the span of all velocities A v + b of factor i, and K_i the v that no A of it moves.
    If V is such a sum, then W_i lies in V_i, and V_i in every K_j with j ≠ i. So it is necessary,
    and it suffices, that W_i lies in K_j, that the sum of the W_i is direct, and that the
    intersections of the K_j with j ≠ i span V.

    Parameters
    ----------
    field : sympy.polys.domains.Domain
        Where the entries are.
    dim : int
        Dimension of V.
    factors : sequence of sequence of Velocity
        For each factor the velocity fields of a basis.

    Returns
    -------
    Split or None
        The subspaces.

    Examples
    --------
    >>> from sympy import QQ
    >>> turn = {0: {1: QQ(1)}, 1: {0: QQ(-1)}}
    >>> shift = {None: {2: QQ(1)}}
    >>> [part.dim for part in split_space(QQ, 3, [[turn], [shift]]).parts]
    [2, 1]
    """
    images = [_image(field, dim, fields) for fields in factors]
    kernels = [_kernel(field, dim, fields) for fields in factors]
    pairs = ((i, j) for i in range(len(factors)) for j in range(len(factors)) if i != j)
    if not all(images[i] <= kernels[j] for i, j in pairs):
        return None
    moved = _sum(field, dim, images)
    if moved.dim < sum(image.dim for image in images):
        return None
    fixed = _meet(field, dim, kernels)
    own = [_meet(field, dim, kernels[:i] + kernels[i + 1 :]) for i in range(len(kernels))]
    if _sum(field, dim, own).dim < dim:
        return None
    parts = tuple(
        image + _complement(field, dim, fixed + image, room)
        for image, room in zip(images, own, strict=True)
    )
    return Split(parts, _complement(field, dim, _sum(field, dim, parts), fixed))


def _image(field: Any, dim: int, fields: Iterable[Velocity]) -> Subspace:
    """All velocities."""
    return Subspace.spanned(field, dim, (v for velocity in fields for v in velocity.values()))


def _kernel(field: Any, dim: int, fields: Iterable[Velocity]) -> Subspace:
    """All v on which no velocity depends."""
    equations: list[dict[int, Any]] = []
    for velocity in fields:
        rows: dict[int, dict[int, Any]] = {}
        for coordinate, vector in velocity.items():
            if coordinate is not None:
                for place, entry in vector.items():
                    rows.setdefault(place, {})[coordinate] = entry
        equations.extend(rows.values())
    return Subspace.spanned(field, dim, solutions(field, equations, dim))


def _sum(field: Any, dim: int, subspaces: Iterable[Subspace]) -> Subspace:
    return Subspace.spanned(field, dim, (v for subspace in subspaces for v in subspace.basis))


def _meet(field: Any, dim: int, subspaces: Iterable[Subspace]) -> Subspace:
    return reduce(Subspace.meet, subspaces, Subspace.whole(field, dim))


def _complement(field: Any, dim: int, inner: Subspace, outer: Subspace) -> Subspace:
    """Vectors of the outer subspace that span it together with the inner one, and are needed."""
    chosen: list[Vector] = []
    for vector in outer.basis:
        if vector not in inner:
            chosen.append(vector)
            inner = inner + Subspace.spanned(field, dim, [vector])
    return Subspace.spanned(field, dim, chosen)


def combined(terms: Iterable[tuple[Any, Velocity]]) -> Velocity:
    """Linear combination of velocity fields."""
    known = list(terms)
    monomials = dict.fromkeys(m for _, velocity in known for m in velocity)
    return {
        monomial: combine((c, velocity[monomial]) for c, velocity in known if monomial in velocity)
        for monomial in monomials
    }
