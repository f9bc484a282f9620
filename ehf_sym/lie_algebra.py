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
