"""Vector fields of q that move with an orthogonal symmetry, as a frame for its momenta.

A symmetry whose generators are g = pᵀMq with antisymmetric M rotates positions and momenta alike:
q̇ = Mq, ṗ = Mp. A field E(q) with E(Rq) = R E(q) is carried along, so the components of p along
such fields are invariant under the group: what is a function of them and of invariants of q is
equivariant by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp
from sympy.polys.matrices import DomainMatrix

from ehf_sym.errors import ArgumentError
from ehf_sym.exact.vector_fields import affine_velocity
from ehf_sym.symmetry.finite_symmetry import FiniteSymmetry
from ehf_sym.symmetry.lie_algebra import LieAlgebra, checked_algebra
from ehf_sym.symmetry.symmetry import Symmetry, as_symmetry
from ehf_sym.zero.zero_test import is_zero


def rotation_matrices(symmetry: LieAlgebra) -> tuple[sp.ImmutableMatrix, ...] | None:
    """Antisymmetric matrices M_k with g_k = pᵀM_k q, if every generator is of that form.

    Parameters
    ----------
    symmetry : LieAlgebra
        The generators.

    Returns
    -------
    tuple of sympy.ImmutableMatrix or None
        d × d each; None unless the form is proved for all.

    Examples
    --------
    >>> from ehf_sym.formulas.phase_space import PhaseSpace
    >>> space = PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> rotation_matrices(LieAlgebra(space, [q1 * p2 - q2 * p1]))
    (Matrix([
    [0, -1],
    [1,  0]]),)
    >>> rotation_matrices(LieAlgebra(space, [q1 * p1])) is None
    True
    """
    velocities = affine_velocities(checked_algebra(symmetry))
    if velocities is None:
        return None
    for A, b in velocities:
        if not all(entry == 0 or is_zero(entry).proved for entry in (*b, *(A + A.T))):
            return None
    return tuple(A for A, _ in velocities)


def affine_velocities(
    symmetry: LieAlgebra,
) -> tuple[tuple[sp.ImmutableMatrix, sp.ImmutableMatrix], ...] | None:
    """Matrices A_k and columns b_k with g_k = pᵀ(A_k q + b_k), if every generator is of that form.

    Parameters
    ----------
    symmetry : LieAlgebra
        The generators.

    Returns
    -------
    tuple of (sympy.ImmutableMatrix, sympy.ImmutableMatrix) or None
        d × d and d × 1 each; None unless the form is proved for all.

    Examples
    --------
    >>> from ehf_sym.formulas.phase_space import PhaseSpace
    >>> space = PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> ((A, b),) = affine_velocities(LieAlgebra(space, [(q1 - 3) * p2 - q2 * p1]))
    >>> A, b.T
    (Matrix([
    [0, -1],
    [1,  0]]), Matrix([[0, -3]]))
    >>> affine_velocities(LieAlgebra(space, [q1**2 * p1])) is None
    True
    """
    read = [affine_velocity(g, symmetry.space) for g in symmetry.generators]
    if None not in read:
        return tuple(each for each in read if each is not None)
    q, p = symmetry.space.q, symmetry.space.p
    origin = dict.fromkeys((*q, *p), sp.S.Zero)
    velocities = []
    for g in symmetry.generators:
        occurring = g.free_symbols
        entries = [
            [g.diff(a, b).xreplace(origin) if {a, b} <= occurring else 0 for b in q] for a in p
        ]
        A = sp.ImmutableMatrix(entries)
        b = sp.ImmutableMatrix([g.diff(a).xreplace(origin) for a in p])
        if not all(entry.is_finite for entry in (*A, *b)):
            return None
        affine = (sp.Matrix([p]) * (A * sp.Matrix(q) + b))[0]
        if not is_zero(sp.expand(g - affine)).proved:
            return None
        velocities.append((A, b))
    return tuple(velocities)


@dataclass(frozen=True)
class UnitChanges:
    """Changes of units x = S z + t after which a symmetry is linear, with the matrices it had.

    Where g_k = pᵀ(A_k x + b_k) and all points t of some affine space are at rest, A_k t + b_k = 0,
    and S commutes with all A_k, the coordinates z move by ż = A_k z: by pᵀA_k z.

    Attributes
    ----------
    symmetry : LieAlgebra, FiniteSymmetry or Symmetry
        The generators pᵀA_k z, by which z moves, and the finite part as it was.
    center : sympy.ImmutableMatrix
        One point at rest, d × 1.
    shifts : tuple of sympy.ImmutableMatrix
        A basis of the constant vectors that no A_k and no element of a finite part moves: t may
        be the center and any combination of them.
    scales : tuple of sympy.ImmutableMatrix
        A basis of the symmetric matrices that commute with all A_k, and with a finite part: S may
        be any invertible one.
    """

    symmetry: LieAlgebra | FiniteSymmetry | Symmetry
    center: sp.ImmutableMatrix
    shifts: tuple[sp.ImmutableMatrix, ...]
    scales: tuple[sp.ImmutableMatrix, ...]


def unit_changes(symmetry: LieAlgebra | FiniteSymmetry | Symmetry) -> UnitChanges | None:
    """Find which shifts and scales of the positions a symmetry allows.

    Parameters
    ----------
    symmetry : LieAlgebra
        The generators.

    Returns
    -------
    UnitChanges or None
        None where a generator is not proved to be affine, g = pᵀ(Aq + b), or no point is at rest
        under all.

    Raises
    ------
    ArgumentError
        If ``symmetry`` is no LieAlgebra.

    Examples
    --------
    Rotations about the third axis: a scale for the plane, and a scale and a shift along the axis.

    >>> from ehf_sym.formulas.phase_space import PhaseSpace
    >>> space = PhaseSpace(3)
    >>> (q1, q2, q3), (p1, p2, p3) = space.q, space.p
    >>> found = unit_changes(LieAlgebra(space, [q1 * p2 - q2 * p1]))
    >>> [shift.T for shift in found.shifts], len(found.scales)
    ([Matrix([[0, 0, 1]])], 2)
    """
    whole = as_symmetry(symmetry)
    if whole is None:
        raise ArgumentError("symmetry is None; there is nothing that restricts units")
    space, lie = whole.space, whole.algebra
    velocities = () if lie is None else affine_velocities(lie)
    if velocities is None:
        return None
    matrices = [A for A, _ in velocities]
    maps = [A for A, _ in whole.maps]
    rest = [*matrices, *(A - sp.eye(space.dim) for A in maps)]  # of what t is at rest under
    constants = [*(-b for _, b in velocities), *(sp.zeros(space.dim, 1) for _ in maps)]
    try:
        center, free = sp.Matrix.vstack(*map(sp.Matrix, rest)).gauss_jordan_solve(
            sp.Matrix.vstack(*map(sp.Matrix, constants))
        )
    except ValueError:  # no point is at rest
        return None
    every = [*matrices, *maps]
    return UnitChanges(
        _linear(symmetry, whole, matrices),
        sp.ImmutableMatrix(center.xreplace(dict.fromkeys(free, sp.S.Zero))),
        tuple(_fixed_vectors(rest)),
        tuple(_symmetric([*commutant([*every, *(A.T for A in every)])])),
    )


def _linear(
    given: LieAlgebra | FiniteSymmetry | Symmetry,
    whole: Symmetry,
    matrices: Sequence[sp.ImmutableMatrix],
) -> LieAlgebra | FiniteSymmetry | Symmetry:
    """Let what acted by affine maps act by their linear parts."""
    if isinstance(given, FiniteSymmetry) or not matrices:
        return given
    momenta, positions = sp.Matrix([whole.space.p]), sp.Matrix(whole.space.q)
    linear = [(momenta * A * positions)[0].expand() for A in matrices]
    lie = LieAlgebra(whole.space, [g for g in linear if g != 0])
    return lie if isinstance(given, LieAlgebra) else Symmetry(lie, whole.finite)


def _symmetric(matrices: Sequence[sp.ImmutableMatrix]) -> list[sp.ImmutableMatrix]:
    """Find a basis of the symmetric parts of matrices."""
    size = matrices[0].rows
    rows = sp.Matrix([list(A + A.T) for A in matrices])
    reduced, pivots = DomainMatrix.from_Matrix(rows, extension=True).to_field().rref()
    basis = reduced.to_Matrix()
    return [sp.ImmutableMatrix(size, size, list(basis[i, :])) for i in range(len(pivots))]


def equivariant_fields(
    symmetry: LieAlgebra | FiniteSymmetry | Symmetry,
) -> tuple[sp.ImmutableMatrix, ...] | None:
    """Fields E_i(q), independent for almost every q, with E_i(Rq) = R E_i(q) for the whole group.

    They are the constant vectors that no M_k moves, and A q with A from the commutant of all M_k;
    of a finite part, its elements instead of the M_k.

    Parameters
    ----------
    symmetry : LieAlgebra, FiniteSymmetry or Symmetry
        What they move with.

    Returns
    -------
    tuple of sympy.ImmutableMatrix or None
        Columns of d formulas in q, at most d of them; None where the symmetry is not proved to
        rotate positions and momenta alike (see `rotation_matrices`).

    Raises
    ------
    ArgumentError
        If ``symmetry`` is none.

    Examples
    --------
    >>> from ehf_sym.formulas.phase_space import PhaseSpace
    >>> space = PhaseSpace(3)
    >>> (q1, q2, q3), (p1, p2, p3) = space.q, space.p
    >>> [field.T for field in equivariant_fields(LieAlgebra(space, [q1 * p2 - q2 * p1]))]
    [Matrix([[0, 0, 1]]), Matrix([[q1, q2, 0]]), Matrix([[-q2, q1, 0]])]
    """
    whole = as_symmetry(symmetry)
    if whole is None:
        raise ArgumentError("symmetry is None; it should be one, for fields to move with")
    matrices = () if whole.algebra is None else rotation_matrices(whole.algebra)
    if matrices is None or any(A != B for A, B in whole.maps):
        return None
    maps = [A for A, _ in whole.maps]
    q = sp.ImmutableMatrix(symmetry.space.q)
    rest = [*matrices, *(A - sp.eye(symmetry.space.dim) for A in maps)]
    fields = [*_fixed_vectors(rest), *(A * q for A in commutant([*matrices, *maps]))]
    angular = set(symmetry.space.angular)  # which no field on the circle is linear in
    fields = [field for field in fields if field.free_symbols.isdisjoint(angular)]
    return tuple(fields[k] for k in _independent(fields, symmetry.space.q))


def commutant(matrices: Sequence[sp.ImmutableMatrix]) -> list[sp.ImmutableMatrix]:
    """Return a basis of the matrices A with AM = MA for all M given; those with a trace first.

    Examples
    --------
    >>> commutant([sp.ImmutableMatrix([[0, -1], [1, 0]])])
    [Matrix([
    [1, 0],
    [0, 1]]), Matrix([
    [0, -1],
    [1,  0]])]
    """
    size = matrices[0].rows
    unit = sp.eye(size)
    # With A written row by row, the rows of AM − MA are (1 ⊗ Mᵀ − M ⊗ 1) A.
    equations = sp.Matrix.vstack(
        *(
            sp.kronecker_product(unit, M.T) - sp.kronecker_product(M, unit)
            for M in map(sp.Matrix, matrices)
        )
    )
    found = [sp.ImmutableMatrix(size, size, list(v)) for v in _null_vectors(equations)]
    return sorted(found, key=lambda A: bool(A.trace() == 0))


def _fixed_vectors(matrices: Sequence[sp.ImmutableMatrix]) -> list[sp.ImmutableMatrix]:
    """Find the constant vectors b with Mb = 0 for all M."""
    return _null_vectors(sp.Matrix.vstack(*map(sp.Matrix, matrices)))


def _null_vectors(matrix: sp.Matrix) -> list[sp.ImmutableMatrix]:
    """Find a basis of the null space, exactly, as columns with small entries."""
    null = DomainMatrix.from_Matrix(matrix, extension=True).to_field().nullspace().to_Matrix()
    return [sp.ImmutableMatrix(null[i, :].T) for i in range(null.rows)]


def _independent(fields: Sequence[sp.ImmutableMatrix], q: Sequence[sp.Symbol]) -> list[int]:
    """Choose fields greedily; independent at one rational point, hence almost everywhere."""
    point = {x: sp.Rational(2 * k + 3, k + 2) + k**2 for k, x in enumerate(q)}
    columns = sp.Matrix.hstack(*(sp.Matrix(field.xreplace(point)) for field in fields))
    _, pivots = DomainMatrix.from_Matrix(columns, extension=True).to_field().rref()
    return list(pivots)
