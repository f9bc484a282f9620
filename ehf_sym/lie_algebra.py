"""Symmetries: phase-space generators g(q, p) that span a Lie algebra under the bracket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sympy import Expr, MatrixBase, latex

from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.phase_space import PhaseSpace
from ehf_sym.zero_test import is_zero

if TYPE_CHECKING:
    from ehf_sym.densities import BaseDensity
    from ehf_sym.invariance import InvarianceReport


@dataclass(frozen=True)
class LieAlgebra:
    """A symmetry, given by the functions g_k(q, p) that generate it: ṡ = {s, g_k}.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates.
    generators : sequence of sympy.Expr
        At least one formula, none of them identically zero; kept as a tuple.

    Raises
    ------
    ArgumentError
        If ``space`` is not a `PhaseSpace` or ``generators`` is not a non-empty sequence.
    FormulaError
        If a generator is not a formula of this space, or is identically zero.

    Examples
    --------
    >>> space = PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> LieAlgebra(space, [q1 * p2 - q2 * p1]).generators
    (-p1*q2 + p2*q1,)
    """

    space: PhaseSpace
    generators: Sequence[Expr]

    def __post_init__(self) -> None:
        if not isinstance(self.space, PhaseSpace):
            raise ArgumentError(f"space is {self.space!r}; it should be a PhaseSpace")
        listed = isinstance(self.generators, Iterable | MatrixBase)
        if not listed or isinstance(self.generators, str):
            raise ArgumentError(
                f"generators is {self.generators!r}; it should be a sequence of formulas"
            )
        generators = tuple(
            self.space.validate(g, f"generators[{k}]") for k, g in enumerate(self.generators)
        )
        if not generators:
            raise ArgumentError("generators is empty; it should hold at least one formula")
        for k, generator in enumerate(generators):
            if is_zero(generator).proved:
                raise FormulaError(
                    f"generators[{k}] is {generator}, which is identically zero; leave it out"
                )
        object.__setattr__(self, "generators", generators)

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
        >>> from ehf_sym.densities import StandardNormal
        >>> space = PhaseSpace(2)
        >>> (q1, q2), (p1, p2) = space.q, space.p
        >>> LieAlgebra(space, [q1 * p2 - q2 * p1]).check(StandardNormal(space)).status
        'proved'
        """
        # A report refers to its symmetry, so the module of reports comes after this one.
        from ehf_sym.invariance import check_invariance

        return check_invariance(self, base)

    def _repr_latex_(self) -> str:
        """LaTeX for notebooks."""
        return rf"$\left\langle {', '.join(latex(g) for g in self.generators)} \right\rangle$"
