"""Unitary groups: on ℂⁿ = ℝ²ⁿ by maps of the positions, and as symmetries of the oscillator."""

from __future__ import annotations

from typing import Any

from sympy import Expr, I, eye

from ehf_sym.catalogue.generators import (
    Labelled,
    cotangent_lift,
    gell_mann,
    hermitian_form,
    labelled_algebra,
    numbered,
    positive_constant,
    realification,
    space_for,
)
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.validation import whole_number
from ehf_sym.symmetry.lie_algebra import LieAlgebra


def u(n: int, *, space: PhaseSpace | None = None) -> LieAlgebra:
    """Map ℂⁿ = ℝ²ⁿ unitarily, u(n) on 2n positions: the phase T_0, then `su`.

    w_k = q_{2k−1} + i q_{2k}. T_0 turns every w_k by one angle, and commutes with the rest.

    Parameters
    ----------
    n : int
        Complex dimension, at least 1.
    space : PhaseSpace, optional
        Of 2n positions.

    Returns
    -------
    LieAlgebra
        Of dimension n², linear in p.

    Raises
    ------
    ArgumentError
        If ``n`` is not a positive integer, or does not fit the space.

    References
    ----------
    B. C. Hall, *Lie Groups, Lie Algebras, and Representations*, 2nd ed., chapter 1.

    Examples
    --------
    >>> u(1).generators
    (-p1*q2 + p2*q1,)
    """
    n = whole_number(n, "n")
    space = space_for(2 * n, space)
    phase = ("T_0", cotangent_lift(realification(I * eye(n)), space))
    return labelled_algebra(space, [phase, *_unitary_lifts(n, space)])


def su(n: int, *, space: PhaseSpace | None = None) -> LieAlgebra:
    """Map ℂⁿ = ℝ²ⁿ unitarily, su(n) on 2n positions, w_k = q_{2k−1} + i q_{2k}.

    T_a is the lift of ẇ = −i(λ_a/2)w with the (generalized) Gell-Mann matrices λ_a, so that
    {T_a, T_b} = f_abc T_c with the structure constants of [λ_a/2, λ_b/2] = i f_abc λ_c/2.

    Parameters
    ----------
    n : int
        Complex dimension, at least 2.
    space : PhaseSpace, optional
        Of 2n positions.

    Returns
    -------
    LieAlgebra
        Of dimension n² − 1, linear in p.

    Raises
    ------
    ArgumentError
        If ``n`` is no integer from 2 on, or does not fit the space.

    See Also
    --------
    oscillator_su : the same algebra on n positions, mixing q and p.

    References
    ----------
    M. Gell-Mann, *Symmetries of Baryons and Mesons*, Phys. Rev. 125, 1067 (1962);
    J. Fuchs and C. Schweigert, *Symmetries, Lie Algebras and Representations*.

    Examples
    --------
    >>> su(2).generators[2]
    p1*q2/2 - p2*q1/2 - p3*q4/2 + p4*q3/2
    """
    n = whole_number(n, "n", 2)
    space = space_for(2 * n, space)
    return labelled_algebra(space, _unitary_lifts(n, space))


def oscillator_u(n: int, *, scale: Any = 1, space: PhaseSpace | None = None) -> LieAlgebra:
    """Mix q and p as u(n), which the isotropic oscillator has: T_0 = z̄ᵀz, then `oscillator_su`.

    T_0 = Σ_k (c q_k² + p_k²/c)/2 is the energy over the frequency, and commutes with the rest.

    Parameters
    ----------
    n : int
        Number of positions, at least 1.
    scale : int or sympy.Expr
        c, mass times frequency: a positive number or symbol.
    space : PhaseSpace, optional
        Of n positions; the default one has the symbols of ``scale`` as parameters.

    Returns
    -------
    LieAlgebra
        Of dimension n², quadratic in (q, p).

    Raises
    ------
    ArgumentError
        If an argument is not as described, or does not fit the space.

    References
    ----------
    J. M. Jauch and E. L. Hill, *On the Problem of Degeneracy in Quantum Mechanics*, Phys. Rev. 57,
    641 (1940); H. Goldstein, *Classical Mechanics*, 2nd ed., section 9-7.

    Examples
    --------
    >>> oscillator_u(1).generators
    (p1**2/2 + q1**2/2,)
    """
    n, c = whole_number(n, "n"), positive_constant(scale, "scale")
    space = space_for(n, space, c)
    number = ("T_0", hermitian_form(eye(n), space.q, space.p, c))
    return labelled_algebra(space, [number, *_unitary_forms(space, c)])


def oscillator_su(n: int, *, scale: Any = 1, space: PhaseSpace | None = None) -> LieAlgebra:
    """Mix q and p as su(n): T_a = z̄ᵀ(λ_a/2)z with z = (√c q + i p/√c)/√2.

    {T_a, T_b} = f_abc T_c with Gell-Mann's structure constants. For n = 2, with c = 1,
    T_2 = (q_1 p_2 − q_2 p_1)/2 is half the angular momentum.

    Parameters
    ----------
    n : int
        Number of positions, at least 2.
    scale : int or sympy.Expr
        c, mass times frequency: a positive number or symbol.
    space : PhaseSpace, optional
        Of n positions; the default one has the symbols of ``scale`` as parameters.

    Returns
    -------
    LieAlgebra
        Of dimension n² − 1, quadratic in (q, p).

    Raises
    ------
    ArgumentError
        If an argument is not as described, or does not fit the space.

    See Also
    --------
    su : the same algebra on 2n positions, linear in p.

    References
    ----------
    D. M. Fradkin, *Three-dimensional isotropic harmonic oscillator and SU3*, Am. J. Phys. 33, 207
    (1965); H. Goldstein, *Classical Mechanics*, 2nd ed., section 9-7.

    Examples
    --------
    >>> oscillator_su(2).generators
    (p1*p2/2 + q1*q2/2, -p1*q2/2 + p2*q1/2, p1**2/4 - p2**2/4 + q1**2/4 - q2**2/4)
    """
    n, c = whole_number(n, "n", 2), positive_constant(scale, "scale")
    space = space_for(n, space, c)
    return labelled_algebra(space, _unitary_forms(space, c))


def _unitary_lifts(n: int, space: PhaseSpace) -> list[Labelled]:
    """Lifts of ẇ = −i(λ_a/2)w."""
    return numbered(
        "T", [cotangent_lift(realification(-I * matrix / 2), space) for matrix in gell_mann(n)]
    )


def _unitary_forms(space: PhaseSpace, c: Expr) -> list[Labelled]:
    """Forms z̄ᵀ(λ_a/2)z."""
    matrices = gell_mann(space.dim)
    return numbered("T", [hermitian_form(matrix / 2, space.q, space.p, c) for matrix in matrices])
