"""Questions to a symmetry whose answers, in modules below, refer back to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ehf_sym.action import FiniteAction
    from ehf_sym.conditions import Conditions
    from ehf_sym.densities import BaseDensity
    from ehf_sym.invariance import InvarianceReport
    from ehf_sym.invariants import Invariants
    from ehf_sym.lie_algebra import LieAlgebra


class Questions:
    """What a `LieAlgebra` is asked: is a density invariant, what else is, how does it act.

    Answers are found by modules that need the algebra, so each is imported when it is asked for.
    """

    def check(self, base: BaseDensity) -> InvarianceReport:
        """Decide whether {g, π} = 0 for every generator g (the premise of the paper's Lemma 1).

        Parameters
        ----------
        base : BaseDensity
            The density π(q, p), on the same space.

        Returns
        -------
        InvarianceReport
            A verdict for each generator, and what it promises.

        Raises
        ------
        ArgumentError
            If ``base`` is not a `BaseDensity` on this space.

        Examples
        --------
        >>> from ehf_sym.lie_algebra import LieAlgebra
        >>> from ehf_sym.phase_space import PhaseSpace
        >>> from ehf_sym.standard_densities import StandardNormal
        >>> space = PhaseSpace(2)
        >>> (q1, q2), (p1, p2) = space.q, space.p
        >>> LieAlgebra(space, [q1 * p2 - q2 * p1]).check(StandardNormal(space)).status
        'proved'
        """
        from ehf_sym.invariance import check_invariance

        return check_invariance(cast("LieAlgebra", self), base)

    def invariants(self, degree: int, of: str = "s") -> Invariants:
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

        Returns
        -------
        Invariants
            A minimal set that generates them, what is independent and what is related.

        Raises
        ------
        ArgumentError
            If ``degree`` is not a positive integer or ``of`` is none of these.
        FormulaError
            If the generators have no normal form within bounds.

        Examples
        --------
        >>> from ehf_sym.lie_algebra import LieAlgebra
        >>> from ehf_sym.phase_space import PhaseSpace
        >>> space = PhaseSpace(2)
        >>> (q1, q2), (p1, p2) = space.q, space.p
        >>> print(LieAlgebra(space, [q1 * p2 - q2 * p1]).invariants(4, of="q"))
        Invariants of q to degree 4: all are polynomials in
          f1 = q1**2 + q2**2
          Functionally independent: f1
          There can be no more: every invariant is locally a function of these
          Relations to degree 4: none
        """
        from ehf_sym.invariants import find_invariants

        return find_invariants(cast("LieAlgebra", self), degree, of)

    def conditions(self, base: BaseDensity) -> Conditions:
        """Find the parameters of a density for which {g, π} = 0 for every generator g.

        Parameters
        ----------
        base : BaseDensity
            π, on this space or on one with further parameters.

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
        >>> from ehf_sym.lie_algebra import LieAlgebra
        >>> from ehf_sym.phase_space import PhaseSpace
        >>> from sympy import Symbol
        >>> from ehf_sym.densities import BaseDensity
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
        from ehf_sym.conditions import find_conditions

        return find_conditions(cast("LieAlgebra", self), base)

    def action(self, k: int) -> FiniteAction:
        """Find the finite transformation exp(ε{·, g_k}), in closed form where there is one.

        Parameters
        ----------
        k : int
            Which generator, from 0.

        Returns
        -------
        FiniteAction
            ``.formula``, and a verdict on everything that makes it the flow of g_k.

        Raises
        ------
        ArgumentError
            If ``k`` is not the index of a generator.

        Examples
        --------
        >>> from ehf_sym.lie_algebra import LieAlgebra
        >>> from ehf_sym.phase_space import PhaseSpace
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
        from ehf_sym.action_search import finite_action

        return finite_action(cast("LieAlgebra", self), k)
