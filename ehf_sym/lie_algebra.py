"""Symmetries: phase-space generators g(q, p) that span a Lie algebra under the bracket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sympy import Add, Expr, MatrixBase, Symbol

from ehf_sym.assignment import assign
from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.labels import checked_labels, fresh_label, in_latex
from ehf_sym.lie.closure import close
from ehf_sym.lie.structural import Structural
from ehf_sym.lie.structure import LieStructure
from ehf_sym.phase_space import PhaseSpace
from ehf_sym.questions import Questions
from ehf_sym.validation import exact_scalar, listed, refuse_infinite, whole_number
from ehf_sym.zero_test import is_zero

if TYPE_CHECKING:
    from ehf_sym.algebra_report import AlgebraReport
    from ehf_sym.disentanglement import Disentanglement


@dataclass(frozen=True)
class LieAlgebra(Questions, Structural):
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
        object.__setattr__(self, "labels", checked_labels(self.labels, len(generators)))

    def close(self, max_dim: int = 100) -> LieAlgebra:
        """Add brackets until every bracket is a constant combination of what there is.

        Generators that depend linearly on those before them are left out (`describe` says which);
        brackets are added at the end. Both are exact.

        Parameters
        ----------
        max_dim : int
            The largest dimension that is tried.

        Returns
        -------
        LieAlgebra
            With a basis as generators, closed under the bracket.

        Raises
        ------
        ClosureError
            If more than ``max_dim`` would be needed; where it is proved that no bound would do, the
            message says so.
        UndecidedError
            If linear dependence of formulas could not be decided.

        Examples
        --------
        >>> space = PhaseSpace(1)
        >>> (q,), (p,) = space.q, space.p
        >>> LieAlgebra(space, [q**2, p**2, 3 * q**2]).close().generators
        (q1**2, p1**2, 4*p1*q1)
        >>> LieAlgebra(space, [q**3, p**2]).close(max_dim=20)
        Traceback (most recent call last):
        ...
        ehf_sym.errors.ClosureError: ... no bound would do: ...
        """
        bound = whole_number(max_dim, "max_dim")
        if "structure" in self.__dict__:  # known to be closed and independent
            return self
        closed = close(self.space, self.generators, self.labels, bound)
        added = closed.formulas[len(closed.given) :]
        labels = [self.labels[i] for i in closed.given]
        for _ in added:
            labels.append(fresh_label(labels))
        generators = (*(self.generators[i] for i in closed.given), *added)
        algebra = LieAlgebra(self.space, generators, labels)
        algebra.__dict__["structure"] = closed.structure
        return algebra

    @cached_property
    def structure(self) -> LieStructure:
        """Structure constants as an abstract Lie algebra, its basis the generators.

        Raises
        ------
        ClosureError
            If a bracket is no constant combination of the generators.
        FormulaError
            If the generators are linearly dependent.

        Examples
        --------
        >>> space = PhaseSpace(1)
        >>> (q,), (p,) = space.q, space.p
        >>> LieAlgebra(space, [q * p, p]).structure.table == {(0, 1): {1: 1}}
        True
        """
        closed = close(self.space, self.generators, self.labels, 0)
        for k, coefficients in closed.dependent:
            others = [self.generators[i] for i in closed.given]
            value = Add(*(c * g for c, g in zip(coefficients, others, strict=True)))
            raise FormulaError(
                f"generators[{k}] depends linearly on those before it: it is {value}; close() "
                "leaves it out"
            )
        return closed.structure

    def describe(self, max_dim: int = 100) -> AlgebraReport:
        """Summarize what algebra the generators span once they are closed.

        Parameters
        ----------
        max_dim : int
            The largest dimension that is tried, as in `close`.

        Returns
        -------
        AlgebraReport
            Name, ideals, and how it is built; or which bracket does not close.

        Examples
        --------
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
        from ehf_sym.algebra_report import describe

        return describe(self, whole_number(max_dim, "max_dim"))

    def disentangle(self, max_dim: int = 100) -> Disentanglement:
        """Split into direct factors, and decide whether each acts on a subspace of its own.

        A direct product whose factors act on independent subspaces is what disentangled
        representations are made of (Higgins et al., arXiv:1812.02230). The subspaces are those of
        q where every generator is linear in p, else those of phase space. Affine velocities are
        decided up to linear changes of coordinates, others for the coordinates as they are.

        Parameters
        ----------
        max_dim : int
            The largest dimension that is tried, as in `close`.

        Returns
        -------
        Disentanglement
            The factors, what each moves, and a verdict.

        Raises
        ------
        ClosureError
            If the generators do not close within the bound.

        Examples
        --------
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
        from ehf_sym.disentangle import disentangle

        return disentangle(self, whole_number(max_dim, "max_dim"))

    def __mul__(self, other: LieAlgebra) -> LieAlgebra:
        """Direct product on the joint phase space, the other's coordinates after this one's.

        Examples
        --------
        >>> space = PhaseSpace(1)
        >>> shift = LieAlgebra(space, [space.p[0]])
        >>> (shift * shift).generators
        (p1, p2)
        """
        if not isinstance(other, LieAlgebra):
            return NotImplemented
        names = other.space.renamed(self.space.dim)
        generators = (*self.generators, *(g.xreplace(names) for g in other.generators))
        labels = list(self.labels)
        for label in other.labels:
            labels.append(label if label not in labels else fresh_label(labels))
        return LieAlgebra(self.space * other.space, generators, labels)

    def combination(self, coefficients: Iterable[Any]) -> Expr:
        """Σ c_k g_k for one coefficient a generator; polynomials are expanded."""
        given = listed(coefficients, "coefficients")
        if len(given) != len(self.generators):
            raise ArgumentError(
                f"coefficients holds {len(given)}; it should hold one for each of the "
                f"{len(self.generators)} generators"
            )
        admitted = [exact_scalar(c, f"coefficients[{k}]") for k, c in enumerate(given)]
        for k, coefficient in enumerate(admitted):
            refuse_infinite(coefficient, f"coefficients[{k}]")
        terms = (c * g for c, g in zip(admitted, self.generators, strict=True))
        total = Add(*terms)
        return total.expand() if total.is_polynomial(*self.space.coordinates) else total

    def spanned_by(self, formulas: Iterable[Expr]) -> LieAlgebra:
        """Algebra on the same space with other generators."""
        return LieAlgebra(self.space, listed(formulas, "formulas"))

    def with_values(self, values: Mapping[Symbol, Any]) -> LieAlgebra:
        """Give parameters of the space values.

        Parameters
        ----------
        values : mapping from sympy.Symbol to sympy.Expr or int or fractions.Fraction
            Exact numbers, or formulas in the parameters that get no value.

        Returns
        -------
        LieAlgebra
            On the space without these parameters, with the same labels.

        Raises
        ------
        ArgumentError
            If a key is no parameter of the space, or a value contradicts what is assumed of it.
        FormulaError
            If a value is no exact, real formula in the remaining parameters, or a generator
            becomes identically zero.

        Examples
        --------
        >>> a = Symbol("a", positive=True)
        >>> space = PhaseSpace(1, parameters=[a])
        >>> oscillation = LieAlgebra(space, [space.p[0] ** 2 + a * space.q[0] ** 2])
        >>> oscillation.with_values({a: 4}).generators
        (p1**2 + 4*q1**2,)
        """
        assignment = assign(self.space, values)
        return LieAlgebra(assignment.space, list(map(assignment, self.generators)), self.labels)

    def _repr_latex_(self) -> str:
        """LaTeX for notebooks."""
        return in_latex(self.labels, self.generators)


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
