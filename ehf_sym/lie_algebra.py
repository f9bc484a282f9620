"""Symmetries: phase-space generators g(q, p) that span a Lie algebra under the bracket."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sympy import Expr, MatrixBase, latex

from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.phase_space import PhaseSpace
from ehf_sym.zero_test import is_zero

if TYPE_CHECKING:
    from ehf_sym.densities import BaseDensity
    from ehf_sym.invariance import InvarianceReport
    from ehf_sym.invariants import Invariants

_LABEL = re.compile(r"[\w,'+-]{1,20}")


@dataclass(frozen=True)
class LieAlgebra:
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
    labels: Sequence[str] = field(default=(), compare=False)

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
        object.__setattr__(self, "labels", _checked_labels(self.labels, len(generators)))

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

        return find_invariants(self, degree, of)

    def _repr_latex_(self) -> str:
        """LaTeX for notebooks."""
        return rf"$\left\langle {', '.join(latex(g) for g in self.generators)} \right\rangle$"


def _checked_labels(given: Any, count: int) -> tuple[str, ...]:
    """Admit one label for each generator, or make them up."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ArgumentError(f"labels is {given!r}; it should be a sequence of texts")
    labels = tuple(given) or tuple(f"g{k}" for k in range(1, count + 1))
    for k, label in enumerate(labels):
        if not isinstance(label, str) or not _LABEL.fullmatch(label):
            raise ArgumentError(
                f"labels[{k}] is {label!r}; it should be up to 20 letters, digits, underscores, "
                "commas, primes or signs"
            )
        if label in labels[:k]:
            raise ArgumentError(f"labels[{k}] is {label!r}, which is already used before it")
    if len(labels) != count:
        raise ArgumentError(
            f"labels holds {len(labels)} texts for {count} generators; it should hold one for each"
        )
    return labels
