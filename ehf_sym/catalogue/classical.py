"""Linear groups over the reals: so, so(n, m), gl, sl, sp, and matrices of the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, combinations_with_replacement, permutations, product
from typing import Any

from ehf_sym.catalogue.generators import (
    Labelled,
    angular_momenta,
    cotangent_lift,
    label,
    labelled_algebra,
    numbered,
    space_for,
)
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted
from ehf_sym.formulas.validation import whole_number
from ehf_sym.symmetry.lie_algebra import LieAlgebra


def linear(
    matrices: Iterable[Any], *, labels: Sequence[str] = (), space: PhaseSpace | None = None
) -> LieAlgebra:
    """Lift given matrices to phase space: J(A) = pᵀAq, with {J(A), J(B)} = J(AB − BA).

    Parameters
    ----------
    matrices : iterable of sympy.Matrix or nested sequence
        Each of shape (d, d), real and exact.
    labels : sequence of str, optional
        One for each matrix.
    space : PhaseSpace, optional
        Of d positions.

    Returns
    -------
    LieAlgebra
        One generator for each matrix.

    Raises
    ------
    ArgumentError
        If the matrices are no square matrices of one shape, or do not fit the space.
    FormulaError
        If an entry is no exact real number or parameter of the space, or a matrix is zero.

    Examples
    --------
    >>> linear([[[0, 1], [0, 0]]], labels=["shear"]).generators
    (p1*q2,)
    """
    if isinstance(matrices, str) or not isinstance(matrices, Iterable):
        raise ArgumentError(f"matrices is {matrices!r}; it should be a sequence of matrices")
    given = list(matrices)
    if not given:
        raise ArgumentError("matrices is empty; it should hold at least one matrix")
    try:
        size = len(given[0]) if isinstance(given[0], Sequence) else int(given[0].rows)
    except (AttributeError, TypeError) as error:
        raise ArgumentError(f"matrices[0] is {quoted(given[0])}; it should be a matrix") from error
    space = space_for(size, space)
    return LieAlgebra(space, [cotangent_lift(A, space) for A in given], labels)


def so(n: int, m: int = 0, *, space: PhaseSpace | None = None) -> LieAlgebra:
    """Rotate n positions, so(n); or keep the metric η with n signs + and m signs −, so(n, m).

    J_ij = η_i q_i p_j − η_j q_j p_i for i < j, in lexicographic order, and
    {J_ij, J_kl} = η_ik J_jl + η_jl J_ik − η_il J_jk − η_jk J_il. For so(n) the labels are L_ij;
    so(3) is the vector L = q × p, with {L_i, L_j} = ε_ijk L_k.

    Parameters
    ----------
    n, m : int
        Numbers of plus and minus signs; n + m positions, at least 2.
    space : PhaseSpace, optional
        Of n + m positions.

    Returns
    -------
    LieAlgebra
        Of dimension (n + m)(n + m − 1)/2.

    Raises
    ------
    ArgumentError
        If a number is not as described, or does not fit the space.

    References
    ----------
    B. C. Hall, *Lie Groups, Lie Algebras, and Representations*, 2nd ed., chapters 1 and 3;
    H. Goldstein, *Classical Mechanics*, 2nd ed., section 9-6.

    Examples
    --------
    >>> so(3).generators
    (-p2*q3 + p3*q2, p1*q3 - p3*q1, -p1*q2 + p2*q1)
    >>> so(1, 1).generators
    (p1*q2 + p2*q1,)
    """
    n, m = whole_number(n, "n"), whole_number(m, "m", 0)
    if n + m < 2:
        raise ArgumentError(f"{'n + m' if m else 'n'} is {n + m}; it should be at least 2")
    space = space_for(n + m, space)
    if not m:
        return labelled_algebra(space, angular_momenta(space.q, space.p))
    x = [q if i < n else -q for i, q in enumerate(space.q)]
    return labelled_algebra(
        space,
        [
            (label("J", i, j), x[i] * space.p[j] - x[j] * space.p[i])
            for i, j in combinations(range(n + m), 2)
        ],
    )


def axial(axis: int, *, space: PhaseSpace | None = None) -> LieAlgebra:
    """Rotate space about one of its axes, so(2) on three positions: L_k of L = q × p.

    Parameters
    ----------
    axis : int
        k: 1, 2 or 3, which stays where it is.
    space : PhaseSpace, optional
        Of three positions.

    Returns
    -------
    LieAlgebra
        Of dimension 1.

    Raises
    ------
    ArgumentError
        If ``axis`` is not as described, or does not fit the space.

    References
    ----------
    H. Goldstein, *Classical Mechanics*, 2nd ed., section 9-6.

    Examples
    --------
    >>> axial(3).generators, axial(3).labels
    ((-p1*q2 + p2*q1,), ('L_3',))
    """
    axis = whole_number(axis, "axis")
    if axis > 3:
        raise ArgumentError(f"axis is {axis}; it should be 1, 2 or 3")
    space = space_for(3, space)
    return labelled_algebra(space, [angular_momenta(space.q, space.p)[axis - 1]])


def gl(n: int, *, space: PhaseSpace | None = None) -> LieAlgebra:
    """Map n positions linearly, gl(n, ℝ): E_ij = p_i q_j, row by row.

    {E_ij, E_kl} = δ_jk E_il − δ_il E_kj, as for matrix units.

    Parameters
    ----------
    n : int
        Number of positions, at least 1.
    space : PhaseSpace, optional
        Of n positions.

    Returns
    -------
    LieAlgebra
        Of dimension n².

    Raises
    ------
    ArgumentError
        If ``n`` is not a positive integer, or does not fit the space.

    References
    ----------
    B. C. Hall, *Lie Groups, Lie Algebras, and Representations*, 2nd ed., chapter 3.

    Examples
    --------
    >>> gl(2).generators
    (p1*q1, p1*q2, p2*q1, p2*q2)
    """
    space = space_for(whole_number(n, "n"), space)
    units = product(range(space.dim), repeat=2)
    return labelled_algebra(space, [_matrix_unit(space, i, j) for i, j in units])


def sl(n: int, *, space: PhaseSpace | None = None) -> LieAlgebra:
    """Map n positions linearly and keep volume, sl(n, ℝ): H_i = E_ii − E_{i+1,i+1}, then E_ij.

    With E_ij = p_i q_j for i ≠ j: {H_i, E_jk} = (δ_ij − δ_{i+1,j} − δ_ik + δ_{i+1,k}) E_jk and
    {E_ij, E_ji} = H_i + ... + H_{j−1} for i < j.

    Parameters
    ----------
    n : int
        Number of positions, at least 2.
    space : PhaseSpace, optional
        Of n positions.

    Returns
    -------
    LieAlgebra
        Of dimension n² − 1.

    Raises
    ------
    ArgumentError
        If ``n`` is no integer from 2 on, or does not fit the space.

    References
    ----------
    J. Fuchs and C. Schweigert, *Symmetries, Lie Algebras and Representations*.

    Examples
    --------
    >>> algebra = sl(2)
    >>> dict(zip(algebra.labels, algebra.generators))
    {'H_1': p1*q1 - p2*q2, 'E_12': p1*q2, 'E_21': p2*q1}
    """
    space = space_for(whole_number(n, "n", 2), space)
    q, p = space.q, space.p
    diagonal = [p[i] * q[i] - p[i + 1] * q[i + 1] for i in range(space.dim - 1)]
    units = [_matrix_unit(space, i, j) for i, j in permutations(range(space.dim), 2)]
    return labelled_algebra(space, [*numbered("H", diagonal), *units])


def sp(n: int, *, space: PhaseSpace | None = None) -> LieAlgebra:
    """Map the n = 2d coordinates of phase space canonically, sp(n, ℝ): all quadratics.

    Q_ij = q_i q_j (i ≤ j), C_ij = q_i p_j, P_ij = p_i p_j (i ≤ j), with
    {Q_ij, P_kl} = δ_ik C_jl + δ_il C_jk + δ_jk C_il + δ_jl C_ik,
    {Q_ij, C_kl} = δ_il Q_jk + δ_jl Q_ik, {C_ij, P_kl} = δ_ik P_jl + δ_il P_jk,
    {C_ij, C_kl} = δ_il C_kj − δ_jk C_il, and the Q, like the P, commute with each other.

    Parameters
    ----------
    n : int
        Number of phase-space coordinates, even, at least 2.
    space : PhaseSpace, optional
        Of n/2 positions.

    Returns
    -------
    LieAlgebra
        Of dimension n(n + 1)/2.

    Raises
    ------
    ArgumentError
        If ``n`` is odd or less than 2, or does not fit the space.

    References
    ----------
    B. C. Hall, *Lie Groups, Lie Algebras, and Representations*, 2nd ed., chapter 1;
    R. Gilmore, *Lie Groups, Physics, and Geometry*.

    Examples
    --------
    >>> sp(2).generators
    (q1**2, p1*q1, p1**2)
    """
    if whole_number(n, "n", 2) % 2:
        raise ArgumentError(f"n is {n}; it should be even, the number of phase-space coordinates")
    space = space_for(n // 2, space)
    q, p = space.q, space.p
    pairs = list(combinations_with_replacement(range(space.dim), 2))
    return labelled_algebra(
        space,
        [
            *((label("Q", i, j), q[i] * q[j]) for i, j in pairs),
            *((label("C", i, j), q[i] * p[j]) for i, j in product(range(space.dim), repeat=2)),
            *((label("P", i, j), p[i] * p[j]) for i, j in pairs),
        ],
    )


def _matrix_unit(space: PhaseSpace, i: int, j: int) -> Labelled:
    """Generate the map whose matrix has a single entry 1."""
    return label("E", i, j), space.p[i] * space.q[j]
