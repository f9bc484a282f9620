"""Symmetries, and what they are asked."""

from __future__ import annotations

from typing import Any

from ehf_sym.actions.action import FiniteAction
from ehf_sym.actions.search import finite_action
from ehf_sym.clock import DEFAULT_SECONDS, answered_within, interrupted
from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.validation import whole_number
from ehf_sym.lie.algebra import Algebra
from ehf_sym.lie.algebra_report import AlgebraReport, describe
from ehf_sym.lie.disentangle import Disentanglement, disentangle
from ehf_sym.symmetry.conditions import Conditions, find_conditions
from ehf_sym.symmetry.invariance.brackets import check_invariance
from ehf_sym.symmetry.invariance.report import InvarianceReport
from ehf_sym.symmetry.invariants import Invariants, find_invariants


class LieAlgebra(Algebra):
    """A symmetry, given by the functions g_k(q, p) that generate it: ṡ = {s, g_k}.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates.
    generators : sequence of sympy.Expr
        At least one formula, none of them identically zero; kept as a tuple.
    labels : sequence of str, optional
        What reports call each generator, such as ``"L_12"``; ``g1``, ``g2``, ... by default. Kept
        as a tuple. They do not count for equality.

    Raises
    ------
    ArgumentError
        If ``space`` is not a `PhaseSpace`, ``generators`` is not a non-empty sequence, or
        ``labels`` are not distinct short texts, one for each generator.
    FormulaError
        If a generator is not a formula of this space, is not 2π-periodic in an angle, or is
        identically zero.

    Examples
    --------
    >>> from ehf_sym import PhaseSpace
    >>> space = PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> LieAlgebra(space, [q1 * p2 - q2 * p1]).generators
    (-p1*q2 + p2*q1,)
    """

    def describe(self, max_dim: int = 100, *, time_limit: float = DEFAULT_SECONDS) -> AlgebraReport:
        """Summarize what algebra the generators span once they are closed.

        Parameters
        ----------
        max_dim : int
            The largest dimension that is tried, as in ``close``.
        time_limit : float
            Seconds after which it is undecided.

        Returns
        -------
        AlgebraReport
            Name, ideals, and how it is built; or which bracket does not close.

        Examples
        --------
        >>> from ehf_sym import PhaseSpace
        >>> space = PhaseSpace(1)
        >>> (q,), (p,) = space.q, space.p
        >>> print(LieAlgebra(space, [q, p]).describe())
        Lie algebra of dimension 3: heisenberg(1) = Bianchi II
          g1 = q1
          g2 = p1
          added by closing: g3 = 1
          nilpotent
          Centre: g3
          Derived algebra: g3
          Independent Casimirs: 1
          Named by: its derived algebra is its centre, of dimension 1
        """
        bound = whole_number(max_dim, "max_dim")
        with answered_within(time_limit, "what the generators span"):
            return describe(self, bound)

    def disentangle(
        self, max_dim: int = 100, *, time_limit: float = DEFAULT_SECONDS
    ) -> Disentanglement:
        """Split into direct factors, and decide whether each acts on a subspace of its own.

        A direct product whose factors act on independent subspaces is what disentangled
        representations are made of (Higgins et al., arXiv:1812.02230). The subspaces are those of
        q where every generator is linear in p, else those of phase space. Affine velocities are
        decided up to linear changes of coordinates, others for the coordinates as they are.

        Parameters
        ----------
        max_dim : int
            The largest dimension that is tried, as in ``close``.
        time_limit : float
            Seconds after which it is undecided.

        Returns
        -------
        Disentanglement
            The factors, what each moves, and a verdict.

        Raises
        ------
        ClosureError
            If the generators do not close within the bound.
        UndecidedError
            If that, or how they split, is not known within the time.

        Examples
        --------
        >>> from ehf_sym import PhaseSpace
        >>> space = PhaseSpace(3)
        >>> (q1, q2, q3), (p1, p2, p3) = space.q, space.p
        >>> print(LieAlgebra(space, [q1 * p2 - q2 * p1, p3]).disentangle())
        Direct product of 2: R x R
          R moves q1, q2, p1, p2
            g1 = -p1*q2 + p2*q1
            its own coordinates: q1, q2
          R moves q3
            g1 = p3
            its own coordinates: q3
          Independent subspaces of q: proved (each factor moves coordinates of its own, by ...)
        """
        bound = whole_number(max_dim, "max_dim")
        with answered_within(time_limit, "how the symmetry splits"):
            return disentangle(self, bound)

    def check(self, base: BaseDensity, *, time_limit: float = DEFAULT_SECONDS) -> InvarianceReport:
        """Decide whether {g, π} = 0 for every generator g (the premise of the paper's Lemma 1).

        Parameters
        ----------
        base : BaseDensity
            The density π(q, p), on the same space.
        time_limit : float
            Seconds for all generators together, after which what is left is undecided.

        Returns
        -------
        InvarianceReport
            A verdict for each generator, and what it promises.

        Raises
        ------
        ArgumentError
            If ``base`` is not a `BaseDensity` on this space, or ``time_limit`` is not positive.

        Examples
        --------
        >>> from ehf_sym import PhaseSpace, StandardNormal
        >>> space = PhaseSpace(2)
        >>> (q1, q2), (p1, p2) = space.q, space.p
        >>> LieAlgebra(space, [q1 * p2 - q2 * p1]).check(StandardNormal(space)).status
        'proved'
        """
        return check_invariance(self, base, time_limit)

    def invariants(
        self, degree: int, of: str = "s", *, time_limit: float = DEFAULT_SECONDS
    ) -> Invariants:
        """Find all polynomials f to a degree with {f, g} = 0 for every generator g.

        Exact: linear algebra over Q, or over the field that the constants and parameters of the
        generators span. With parameters the result is for generic values of them; at special
        values there may be more.

        Parameters
        ----------
        degree : int
            The highest total degree.
        of : {"q", "p", "s"}
            What f is a function of: positions, momenta or both. For "q", {f(q), g} = Σ ∂f/∂q_i
            ∂g/∂p_i has to vanish for all q and p, whatever kind g is of; likewise for "p".
        time_limit : float
            Seconds after which it is undecided.

        Returns
        -------
        Invariants
            A minimal set that generates them, what is independent and what is related.

        Raises
        ------
        ArgumentError
            If ``degree`` is not a positive integer, ``of`` is none of these, or a generator moves
            angles in another way.
        FormulaError
            If the generators have no normal form within bounds.

        Examples
        --------
        >>> from ehf_sym import PhaseSpace
        >>> space = PhaseSpace(2)
        >>> (q1, q2), (p1, p2) = space.q, space.p
        >>> print(LieAlgebra(space, [q1 * p2 - q2 * p1]).invariants(4, of="q"))
        Invariants of q to degree 4: all are polynomials in
          f1 = q1**2 + q2**2
          Functionally independent: f1
          There can be no more: every invariant is locally a function of these
          Relations to degree 4: none

        Two angles of which the difference alone is kept:

        >>> space = PhaseSpace(2, angles=True)
        >>> LieAlgebra(space, [sum(space.p)]).invariants(1, of="q").generators
        (cos(q1 - q2), sin(q1 - q2))
        """
        with answered_within(time_limit, "which polynomials are invariant"):
            return interrupted(lambda: find_invariants(self, degree, of, self.generators))

    def conditions(self, base: BaseDensity, *, time_limit: float = DEFAULT_SECONDS) -> Conditions:
        """Find the parameters of a density for which {g, π} = 0 for every generator g.

        Parameters
        ----------
        base : BaseDensity
            π, on this space or on one with further parameters.
        time_limit : float
            Seconds after which it is undecided.

        Returns
        -------
        Conditions
            Exact equations between the parameters, and case by case the densities that satisfy
            them, each proved invariant.

        Raises
        ------
        ArgumentError
            If ``base`` is not a `BaseDensity` on such a space.

        Examples
        --------
        >>> from sympy import Symbol
        >>> from ehf_sym import BaseDensity, PhaseSpace
        >>> a, b = Symbol("a", positive=True), Symbol("b", positive=True)
        >>> space = PhaseSpace(2, parameters=[a, b])
        >>> (q1, q2), (p1, p2) = space.q, space.p
        >>> base = BaseDensity(space, log_density=-(a * q1**2 + b * q2**2 + p1**2 + p2**2) / 2)
        >>> print(LieAlgebra(space, [q1 * p2 - q2 * p1]).conditions(base))
        {g, π} = 0 for π = user's formula: exactly where
          0 = a - b
          Family 1 (proved): b = a
            ln π = -a*q1**2/2 - a*q2**2/2 - p1**2/2 - p2**2/2
        """
        with answered_within(time_limit, "for which parameters the density is invariant"):
            return interrupted(lambda: find_conditions(self, base))

    def action(self, k: int, *, time_limit: float = 60.0) -> FiniteAction:
        """Find the finite transformation exp(ε{·, g_k}), in closed form where there is one.

        Parameters
        ----------
        k : int
            Which generator, from 0.
        time_limit : float, optional
            Seconds after which the answer is that no closed form was found.

        Returns
        -------
        FiniteAction
            ``.formula``, and a verdict on everything that makes it the flow of g_k.

        Raises
        ------
        ArgumentError
            If ``k`` is not the index of a generator, or ``time_limit`` is not positive.

        Examples
        --------
        >>> from ehf_sym import PhaseSpace
        >>> space = PhaseSpace(1)
        >>> (q1,), (p1,) = space.q, space.p
        >>> print(LieAlgebra(space, [q1 * p1]).action(0))
        exp(ε{·, g1}): proved
          g1 = p1*q1
          q1 ↦ q1*exp(epsilon)
          p1 ↦ p1*exp(-epsilon)
          found as: exponential of a matrix
          Φ_0 = id: proved: equal formulas
          ...
        """
        return finite_action(self, k, time_limit)


def checked_algebra(value: Any, name: str = "symmetry") -> LieAlgebra:
    """Admit a LieAlgebra, or raise ArgumentError naming the argument.

    Examples
    --------
    >>> checked_algebra("so(2)")
    Traceback (most recent call last):
    ...
    ehf_sym.errors.ArgumentError: symmetry is 'so(2)'; it should be a LieAlgebra
    """
    if not isinstance(value, LieAlgebra):
        raise ArgumentError(f"{name} is {value!r}; it should be a LieAlgebra")
    return value
