"""The compact group that rotations generate, known by the matrix algebra that it spans.

Let antisymmetric M_k generate the Lie algebra 𝔤, and let A be the algebra of all sums of products
of the M_k. A is closed under transposition, and 𝔤 lies in its antisymmetric part 𝔲(A). Where the
two are equal, the group is the identity component of the orthogonal matrices in A: SO(n), U(n) and
Sp(n), SU(2) among them, on any number of vectors, and products of these. Where 𝔤 lacks one phase
that commutes with all, as for SU(n) with n ≥ 3, it is the part of determinant 1. Both are decided
exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.polys.matrices import DomainMatrix

from ehf_sym.errors import ArgumentError
from ehf_sym.exact.linear import Subspace, nullspace
from ehf_sym.symmetry.frames import rotation_matrices
from ehf_sym.symmetry.lie_algebra import LieAlgebra

_MOST_COORDINATES = 12  # the algebra's dimension is up to the square


@dataclass(frozen=True, eq=False)
class RotationGroup:
    """A connected compact group of rotations of q, in terms of the algebra that it spans.

    Attributes
    ----------
    algebra : tuple of sympy.ImmutableMatrix
        Basis of A, d × d.
    phase : sympy.ImmutableMatrix or None
        J in A with J³ = −J, which commutes with A and is not in 𝔤: the group is the part of the
        orthogonal matrices in A whose determinant on the eigenspace J = i is 1.
    """

    algebra: tuple[sp.ImmutableMatrix, ...]
    phase: sp.ImmutableMatrix | None


def rotation_group(symmetry: LieAlgebra) -> RotationGroup:
    """Find the group that a symmetry's generators pᵀM_k q generate on q.

    Parameters
    ----------
    symmetry : LieAlgebra
        Generators with antisymmetric M_k.

    Returns
    -------
    RotationGroup

    Raises
    ------
    ehf_sym.ArgumentError
        If a generator is not proved to be of that form, or the group is of another kind, such as
        SO(3) on the five components of a symmetric traceless matrix.

    Examples
    --------
    >>> from ehf_sym.catalogue import groups
    >>> group = rotation_group(groups.so(3))
    >>> len(group.algebra), group.phase
    (9, None)
    >>> rotation_group(groups.su(3)).phase is None
    False
    """
    matrices = rotation_matrices(symmetry)
    if matrices is None:
        raise ArgumentError(
            "symmetry is not proved to rotate q: its generators should be g = pᵀMq with "
            "antisymmetric matrices M of numbers"
        )
    size = matrices[0].rows
    if size > _MOST_COORDINATES:
        raise ArgumentError(
            f"symmetry acts on {size} positions; its group is found for up to {_MOST_COORDINATES}"
        )
    generators = _over_one_field(matrices)
    lie = _closed(generators, lambda a, b: a * b - b * a)
    algebra = _closed(generators, lambda a, b: a * b)
    rotations = _span((m - m.transpose() for m in algebra), size, generators[0].domain)
    missing = _orthogonal(rotations, lie)
    phase = None
    if missing:
        phase = _phase(missing, generators, algebra)
        if phase is None:
            raise ArgumentError(
                f"symmetry generates {len(lie)} of the {rotations.dim} independent rotations in "
                "the algebra of its matrices; it should be all of them, or all whose determinant "
                "on one complex vector is 1"
            )
    return RotationGroup(tuple(sp.ImmutableMatrix(m.to_Matrix()) for m in algebra), phase)


def _over_one_field(matrices: Sequence[sp.ImmutableMatrix]) -> list[DomainMatrix]:
    """Read matrices over the smallest field that holds all entries."""
    stacked = sp.Matrix.vstack(*map(sp.Matrix, matrices))
    whole = DomainMatrix.from_Matrix(stacked, extension=True).to_field().to_sparse()
    size = matrices[0].rows
    return [whole[k * size : (k + 1) * size, :] for k in range(len(matrices))]


def _flat(matrix: DomainMatrix) -> dict[int, Any]:
    """Entries that are not 0, row by row."""
    columns = matrix.shape[1]
    return {
        i * columns + j: entry
        for i, row in matrix.to_sparse().rep.to_sdm().items()
        for j, entry in row.items()
    }


def _square(vector: Any, size: int, field: Any) -> DomainMatrix:
    """Undo `_flat`."""
    rows: dict[int, dict[int, Any]] = {}
    for place, entry in vector.items():
        rows.setdefault(place // size, {})[place % size] = entry
    return DomainMatrix(rows, (size, size), field)


def _span(matrices: Iterable[DomainMatrix], size: int, field: Any) -> Subspace:
    return Subspace.spanned(field, size**2, map(_flat, matrices))


def _closed(
    generators: Sequence[DomainMatrix],
    operation: Callable[[DomainMatrix, DomainMatrix], DomainMatrix],
) -> list[DomainMatrix]:
    """Find a basis of what repeated operations by generators span."""
    size, field = generators[0].shape[0], generators[0].domain
    span, basis = Subspace.spanned(field, size**2, ()), []
    waiting = list(generators)
    while waiting and span.dim < size**2:
        matrix = waiting.pop()
        vector = _flat(matrix)
        if vector not in span:
            span = span + Subspace.spanned(field, size**2, [vector])
            basis.append(matrix)
            waiting += [operation(matrix, generator) for generator in generators]
    return basis


def _orthogonal(space: Subspace, matrices: Sequence[DomainMatrix]) -> list[dict[int, Any]]:
    """Find a basis of the vectors in a space with tr(XᵀY) = 0 for all Y given."""
    equations = []
    for other in map(_flat, matrices):
        products = {
            i: sum(entry * other[place] for place, entry in vector.items() if place in other)
            for i, vector in enumerate(space.basis)
        }
        equations.append({i: product for i, product in products.items() if product})
    return [space.embed(found) for found in nullspace(equations, space.dim, space.field)]


def _phase(
    missing: Sequence[dict[int, Any]],
    generators: Sequence[DomainMatrix],
    algebra: Sequence[DomainMatrix],
) -> sp.ImmutableMatrix | None:
    """Scale the one missing rotation to J, if it is the phase of one complex vector.

    J A is then the algebra of all complex n × n matrices, n the dimension of its eigenspace
    J = i: 2n² real dimensions.
    """
    size, field = generators[0].shape[0], generators[0].domain
    turn = _square(missing[0], size, field)
    if len(missing) > 1 or any(turn * g != g * turn for g in generators):
        return None
    entries, cubed = _flat(turn), _flat(turn * turn * turn)
    place = next(iter(entries))
    squared = -cubed.get(place, field.zero) / entries[place]
    if cubed != {k: -squared * entry for k, entry in entries.items()}:
        return None
    if turn.rank() ** 2 != 2 * _span((turn * m for m in algebra), size, field).dim:
        return None
    return sp.ImmutableMatrix(turn.to_Matrix() / sp.sqrt(field.to_sympy(squared)))
