"""Generators g(q, p) on phase space, their labels, and the algebra that they close to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from sympy import Add, Expr, MatrixBase, Symbol

from ehf_sym.clock import DEFAULT_SECONDS, answered_within
from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.formulas.phase_space import PhaseSpace, assign
from ehf_sym.formulas.printing import quoted, record_text
from ehf_sym.formulas.validation import exact_scalar, listed, refuse_infinite, whole_number
from ehf_sym.lie.closure import close
from ehf_sym.lie.labels import checked_labels, fresh_label, in_latex
from ehf_sym.lie.structural import Structural
from ehf_sym.lie.structure import LieStructure
from ehf_sym.zero.periodicity import function_on
from ehf_sym.zero.zero_test import is_zero


@dataclass(frozen=True)
class Algebra(Structural):
    """A `LieAlgebra` without its questions to densities: what these answers are found from.

    Parameters and errors are those of `LieAlgebra`, which extends it.

    Examples
    --------
    >>> space = PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> Algebra(space, [q1 * p2 - q2 * p1]).generators
    (-p1*q2 + p2*q1,)
    """

    space: PhaseSpace
    generators: Sequence[Expr]
    labels: Sequence[str] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.space, PhaseSpace):
            raise ArgumentError(f"space is {quoted(self.space)}; it should be a PhaseSpace")
        listed = isinstance(self.generators, Iterable | MatrixBase)
        if not listed or isinstance(self.generators, str):
            raise ArgumentError(
                f"generators is {quoted(self.generators)}; it should be a sequence of formulas"
            )
        generators = tuple(
            function_on(self.space, g, f"generators[{k}]") for k, g in enumerate(self.generators)
        )
        if not generators:
            raise ArgumentError("generators is empty; it should hold at least one formula")
        for k, generator in enumerate(generators):
            if is_zero(generator).proved:
                raise FormulaError(
                    f"generators[{k}] is {quoted(generator)}, which is identically zero; "
                    "leave it out"
                )
        object.__setattr__(self, "generators", generators)
        object.__setattr__(self, "labels", checked_labels(self.labels, len(generators)))

    def close(self, max_dim: int = 100, *, time_limit: float = DEFAULT_SECONDS) -> Self:
        """Add brackets until every bracket is a constant combination of what there is.

        Generators that depend linearly on those before them are left out (`describe` says which);
        brackets are added at the end. Both are exact.

        Parameters
        ----------
        max_dim : int
            The largest dimension that is tried.
        time_limit : float
            Seconds after which it is undecided.

        Returns
        -------
        Algebra
            With a basis as generators, closed under the bracket.

        Raises
        ------
        ClosureError
            If more than ``max_dim`` would be needed; where it is proved that no bound would do, the
            message says so.
        UndecidedError
            If linear dependence of formulas could not be decided, or the time has passed: at which
            dimension, the message says.

        Examples
        --------
        >>> space = PhaseSpace(1)
        >>> (q,), (p,) = space.q, space.p
        >>> Algebra(space, [q**2, p**2, 3 * q**2]).close().generators
        (q1**2, p1**2, 4*p1*q1)
        >>> Algebra(space, [q**3, p**2]).close(max_dim=20)
        Traceback (most recent call last):
        ...
        ehf_sym.errors.ClosureError: ... no bound would do: ...
        """
        bound = whole_number(max_dim, "max_dim")
        if "structure" in self.__dict__:  # known to be closed and independent
            return self
        with answered_within(time_limit, "whether the generators close"):
            closed = close(self.space, self.generators, self.labels, bound)
        added = closed.formulas[len(closed.given) :]
        labels = [self.labels[i] for i in closed.given]
        for _ in added:
            labels.append(fresh_label(labels))
        generators = (*(self.generators[i] for i in closed.given), *added)
        algebra = type(self)(self.space, generators, labels)
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
        >>> Algebra(space, [q * p, p]).structure.table == {(0, 1): {1: 1}}
        True
        """
        with answered_within(DEFAULT_SECONDS, "whether the generators are closed"):
            closed = close(self.space, self.generators, self.labels, 0)
        for k, coefficients in closed.dependent:
            others = [self.generators[i] for i in closed.given]
            value = Add(*(c * g for c, g in zip(coefficients, others, strict=True)))
            raise FormulaError(
                f"generators[{k}] depends linearly on those before it: it is "
                f"{quoted(value)}; close() "
                "leaves it out"
            )
        return closed.structure

    def __mul__(self, other: Algebra) -> Self:
        """Direct product on the joint phase space, the other's coordinates after this one's.

        Examples
        --------
        >>> space = PhaseSpace(1)
        >>> shift = Algebra(space, [space.p[0]])
        >>> (shift * shift).generators
        (p1, p2)
        """
        if not isinstance(other, Algebra):
            return NotImplemented
        names = other.space.renamed(self.space.dim)
        generators = (*self.generators, *(g.xreplace(names) for g in other.generators))
        labels = list(self.labels)
        for label in other.labels:
            labels.append(label if label not in labels else fresh_label(labels))
        return type(self)(self.space * other.space, generators, labels)

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

    def spanned_by(self, formulas: Iterable[Expr]) -> Self:
        """Algebra on the same space with other generators."""
        return type(self)(self.space, listed(formulas, "formulas"))

    def with_values(self, values: Mapping[Symbol, Any]) -> Self:
        """Give parameters of the space values.

        Parameters
        ----------
        values : mapping from sympy.Symbol to sympy.Expr or int or fractions.Fraction
            Exact numbers, or formulas in the parameters that get no value.

        Returns
        -------
        Algebra
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
        >>> oscillation = Algebra(space, [space.p[0] ** 2 + a * space.q[0] ** 2])
        >>> oscillation.with_values({a: 4}).generators
        (p1**2 + 4*q1**2,)
        """
        assignment = assign(self.space, values)
        return type(self)(assignment.space, list(map(assignment, self.generators)), self.labels)

    __repr__ = record_text

    def _repr_latex_(self) -> str:
        """LaTeX for notebooks."""
        return in_latex(self.labels, self.generators)
