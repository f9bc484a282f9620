"""Groups of space and time: translations, Euclidean, Heisenberg, conformal, Galilei."""

from __future__ import annotations

from typing import Any

from sympy import Add, S, Symbol

from ehf_sym.catalogue.generators import (
    Labelled,
    angular_momenta,
    labelled_algebra,
    numbered,
    positive_constant,
    space_for,
)
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.validation import whole_number
from ehf_sym.symmetry.lie_algebra import LieAlgebra

_MASS = Symbol("m", positive=True)


def translations(n: int, *, space: PhaseSpace | None = None) -> LieAlgebra:
    """Translate n positions: P_i = p_i, which commute.

    Parameters
    ----------
    n : int
        Number of positions, at least 1.
    space : PhaseSpace, optional
        Of n positions.

    Returns
    -------
    LieAlgebra
        Of dimension n, linear in p.

    Raises
    ------
    ArgumentError
        If ``n`` is not a positive integer, or does not fit the space.

    References
    ----------
    H. Goldstein, *Classical Mechanics*, 2nd ed., section 9-5.

    Examples
    --------
    >>> translations(2).generators
    (p1, p2)
    """
    space = space_for(whole_number(n, "n"), space)
    return labelled_algebra(space, numbered("P", space.p))


def e(n: int, *, space: PhaseSpace | None = None) -> LieAlgebra:
    """Move Euclidean n-space rigidly, e(n): rotations as in `so`, then translations P_i = p_i.

    {L_ij, P_k} = δ_ik P_j − δ_jk P_i, and for n = 3 {L_i, P_j} = ε_ijk P_k.

    Parameters
    ----------
    n : int
        Number of positions, at least 2.
    space : PhaseSpace, optional
        Of n positions.

    Returns
    -------
    LieAlgebra
        Of dimension n(n + 1)/2, linear in p.

    Raises
    ------
    ArgumentError
        If ``n`` is no integer from 2 on, or does not fit the space.

    References
    ----------
    R. Gilmore, *Lie Groups, Physics, and Geometry*.

    Examples
    --------
    >>> e(2).generators
    (-p1*q2 + p2*q1, p1, p2)
    """
    space = space_for(whole_number(n, "n", 2), space)
    return labelled_algebra(space, [*angular_momenta(space.q, space.p), *numbered("P", space.p)])


def heisenberg(n: int, *, space: PhaseSpace | None = None) -> LieAlgebra:
    """Make Heisenberg's algebra: Q_i = q_i, P_i = p_i and the constant 1; {Q_i, P_j} = δ_ij.

    Parameters
    ----------
    n : int
        Number of positions, at least 1.
    space : PhaseSpace, optional
        Of n positions.

    Returns
    -------
    LieAlgebra
        Of dimension 2n + 1.

    Raises
    ------
    ArgumentError
        If ``n`` is not a positive integer, or does not fit the space.

    References
    ----------
    B. C. Hall, *Lie Groups, Lie Algebras, and Representations*, 2nd ed., chapter 1.

    Examples
    --------
    >>> heisenberg(1).generators
    (q1, p1, 1)
    """
    space = space_for(whole_number(n, "n"), space)
    return labelled_algebra(space, [*numbered("Q", space.q), *numbered("P", space.p), ("1", S.One)])


def dilation(n: int, *, space: PhaseSpace | None = None) -> LieAlgebra:
    """Dilate n positions: D = q·p, with flow q ↦ e^ε q, p ↦ e^−ε p.

    Parameters
    ----------
    n : int
        Number of positions, at least 1.
    space : PhaseSpace, optional
        Of n positions.

    Returns
    -------
    LieAlgebra
        Of dimension 1, linear in p.

    Raises
    ------
    ArgumentError
        If ``n`` is not a positive integer, or does not fit the space.

    References
    ----------
    P. Di Francesco, P. Mathieu and D. Sénéchal, *Conformal Field Theory*, section 4.1.

    Examples
    --------
    >>> dilation(2).generators
    (p1*q1 + p2*q2,)
    """
    space = space_for(whole_number(n, "n"), space)
    return labelled_algebra(space, [_dilation(space)])


def conformal(n: int, *, space: PhaseSpace | None = None) -> LieAlgebra:
    """Map Euclidean n-space conformally: `e`, D = q·p, and K_i = 2q_i(q·p) − |q|² p_i.

    The algebra is so(n + 1, 1), with {D, P_i} = P_i, {D, K_i} = −K_i,
    {K_i, P_j} = 2δ_ij D + 2(q_i p_j − q_j p_i) and {K_i, K_j} = 0.

    Parameters
    ----------
    n : int
        Number of positions, at least 2.
    space : PhaseSpace, optional
        Of n positions.

    Returns
    -------
    LieAlgebra
        Of dimension (n + 1)(n + 2)/2, linear in p. For n = 2 it is the part that is defined on the
        whole sphere (Möbius transformations).

    Raises
    ------
    ArgumentError
        If ``n`` is no integer from 2 on, or does not fit the space.

    References
    ----------
    P. Di Francesco, P. Mathieu and D. Sénéchal, *Conformal Field Theory*, section 4.1.

    Examples
    --------
    >>> conformal(2).labels
    ('L_12', 'P_1', 'P_2', 'D', 'K_1', 'K_2')
    """
    space = space_for(whole_number(n, "n", 2), space)
    q, p = space.q, space.p
    square, (_, virial) = Add(*(x**2 for x in q)), _dilation(space)
    special = [
        (2 * x * virial - square * momentum).expand() for x, momentum in zip(q, p, strict=True)
    ]
    return labelled_algebra(
        space,
        [
            *angular_momenta(q, p),
            *numbered("P", p),
            ("D", virial),
            *numbered("K", special),
        ],
    )


def galilei(n: int, *, mass: Any = _MASS, space: PhaseSpace | None = None) -> LieAlgebra:
    """Make the symmetries of a free particle: `e`, boosts K_i = m q_i, H = p²/2m and M = m.

    Bargmann's algebra: {K_i, P_j} = δ_ij M, {K_i, H} = P_i, {L_ij, K_k} = δ_ik K_j − δ_jk K_i, and
    H commutes with rotations and translations. The K_i are boosts at time 0; at time t they are
    m q_i − t p_i.

    Parameters
    ----------
    n : int
        Number of positions, at least 2.
    mass : int or sympy.Expr
        m: a positive number or symbol; by default ``Symbol('m', positive=True)``.
    space : PhaseSpace, optional
        Of n positions; the default one has the symbols of ``mass`` as parameters.

    Returns
    -------
    LieAlgebra
        Of dimension n(n + 3)/2 + 2.

    Raises
    ------
    ArgumentError
        If an argument is not as described, or does not fit the space.

    References
    ----------
    V. Bargmann, *On Unitary Ray Representations of Continuous Groups*, Ann. Math. 59, 1 (1954);
    J.-M. Lévy-Leblond, *Galilei Group and Nonrelativistic Quantum Mechanics*, J. Math. Phys. 4, 776
    (1963).

    Examples
    --------
    >>> algebra = galilei(2)
    >>> algebra.labels[3:]
    ('K_1', 'K_2', 'H', 'M')
    >>> algebra.generators[3:]
    (m*q1, m*q2, p1**2/(2*m) + p2**2/(2*m), m)
    """
    n, m = whole_number(n, "n", 2), positive_constant(mass, "mass")
    space = space_for(n, space, m)
    q, p = space.q, space.p
    return labelled_algebra(
        space,
        [
            *angular_momenta(q, p),
            *numbered("P", p),
            *numbered("K", [m * x for x in q]),
            ("H", Add(*(x**2 / (2 * m) for x in p))),
            ("M", m),
        ],
    )


def _dilation(space: PhaseSpace) -> Labelled:
    """Generate the dilation."""
    return "D", Add(*(x * momentum for x, momentum in zip(space.q, space.p, strict=True)))
