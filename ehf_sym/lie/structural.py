"""What follows from the structure constants of a closed Lie algebra of functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Self

from sympy import Add, Expr, ImmutableMatrix, ImmutableSparseNDimArray, Mul, Poly

from ehf_sym.clock import DEFAULT_SECONDS, answered_within, interrupted
from ehf_sym.exact.linear import Subspace
from ehf_sym.formulas.validation import whole_number
from ehf_sym.lie import ideals
from ehf_sym.lie.casimirs import casimirs
from ehf_sym.lie.classification import Identity, identify
from ehf_sym.lie.ideals import decompose, levi_complement
from ehf_sym.lie.simple import signature
from ehf_sym.lie.structure import LieStructure


class Structural(ABC):
    """Questions that the structure constants answer.

    Each raises `ClosureError` where the generators are not closed under the bracket (``close()``
    closes them), and `FormulaError` where they are linearly dependent. With parameters, the
    answers hold for generic values. Ideals and subalgebras come back as algebras on the same
    space, None for the zero ideal.
    """

    generators: Sequence[Expr]

    @property
    @abstractmethod
    def structure(self) -> LieStructure:
        """Structure constants as an abstract Lie algebra."""

    @abstractmethod
    def combination(self, coefficients: Iterable[Any]) -> Expr:
        """Σ c_k g_k for one coefficient a generator."""

    @abstractmethod
    def spanned_by(self, formulas: Iterable[Expr]) -> Self:
        """Algebra on the same space with other generators."""

    @property
    def structure_constants(self) -> ImmutableSparseNDimArray:
        """c[i, j, k] with {g_i, g_j} = Σ_k c[i, j, k] g_k, exact, from 0."""
        g = self.structure
        entries = {
            index: value
            for (i, j), row in g.table.items()
            for k, c in row.items()
            for index, value in (
                ((i, j, k), g.field.to_sympy(c)),
                ((j, i, k), g.field.to_sympy(-c)),
            )
        }
        return ImmutableSparseNDimArray(entries, (g.dim, g.dim, g.dim))

    @property
    def killing_form(self) -> ImmutableMatrix:
        """K_ij = tr(ad g_i ad g_j)."""
        return self.structure.killing_form

    @property
    def adjoint(self) -> tuple[ImmutableMatrix, ...]:
        """Matrices of ad g_i: column j holds the coordinates of {g_i, g_j}."""
        return self.structure.adjoint_matrices()

    @property
    def is_abelian(self) -> bool:
        """Whether all brackets vanish."""
        return ideals.is_abelian(self.structure)

    @property
    def is_nilpotent(self) -> bool:
        """Whether the lower central series reaches 0."""
        return ideals.is_nilpotent(self.structure)

    @property
    def is_solvable(self) -> bool:
        """Whether the derived series reaches 0."""
        return ideals.is_solvable(self.structure)

    @property
    def is_semisimple(self) -> bool:
        """Whether the Killing form is not degenerate."""
        return ideals.is_semisimple(self.structure)

    @property
    def is_reductive(self) -> bool:
        """Whether it is the direct sum of its centre and a semisimple ideal."""
        return ideals.is_reductive(self.structure)

    @property
    def is_compact(self) -> bool:
        """Whether it is the algebra of a compact group.

        It is if it is reductive and the Killing form is negative definite on [g, g].
        """
        g = self.structure
        derived = ideals.derived_algebra(g)
        if not self.is_reductive:
            return False
        return signature(g.field, g.killing.rep.to_sdm(), g.dim)[1] == derived.dim

    @property
    def identity(self) -> Identity:
        """Names over the reals, proved, with the reasons; a description where there is no name."""
        g = self.structure
        with answered_within(DEFAULT_SECONDS, "what the algebra is called"):
            return interrupted(lambda: identify(g))

    @property
    def name(self) -> str:
        """The usual name, or a description."""
        return self.identity.description

    def centre(self) -> Self | None:
        """All combinations that commute with every generator."""
        return self._part(ideals.centre(self.structure))

    def radical(self) -> Self | None:
        """Largest solvable ideal."""
        return self._part(ideals.radical(self.structure))

    def nilradical(self) -> Self | None:
        """Largest nilpotent ideal."""
        return self._part(ideals.nilradical(self.structure))

    def levi(self) -> Self | None:
        """Semisimple subalgebra s with g = s + radical (Levi's theorem)."""
        return self._part(levi_complement(self.structure))

    def derived_series(self) -> tuple[Self, ...]:
        """g, [g, g], [[g, g], [g, g]], ... as long as it shrinks, without 0."""
        return self._parts(ideals.derived_series(self.structure))

    def lower_central_series(self) -> tuple[Self, ...]:
        """g, [g, g], [g, [g, g]], ... as long as it shrinks, without 0."""
        return self._parts(ideals.lower_central_series(self.structure))

    def ideals(self) -> tuple[Self, ...]:
        """Indecomposable ideals of which it is the direct sum.

        Indecomposable over the field of the structure constants: Q, extended by the numbers and
        parameters that occur. Where one splits over a larger field, `identity` says so.
        """
        return self._parts(summand.ideal for summand in decompose(self.structure))

    def casimirs(self, degree: int) -> tuple[Expr, ...]:
        """Casimirs of one degree as functions on phase space.

        Parameters
        ----------
        degree : int
            Degree in the generators, at least 1.

        Returns
        -------
        tuple of sympy.Expr
            A basis of the homogeneous polynomials in the generators that commute with all of them
            by virtue of the structure constants. As functions they may be dependent, or vanish.

        Raises
        ------
        ArgumentError
            If ``degree`` is no positive integer.
        """
        found = casimirs(self.structure, whole_number(degree, "degree"))
        return tuple(self._evaluated(poly) for poly in found)

    def _evaluated(self, poly: Poly) -> Expr:
        """Put the generators for the symbols of a polynomial."""
        terms = (
            Mul(c, *(g**e for g, e in zip(self.generators, exponents, strict=True)))
            for exponents, c in poly.terms()
        )
        return Add(*terms)

    def _parts(self, subspaces: Iterable[Subspace]) -> tuple[Self, ...]:
        """Subspaces as algebras, without 0."""
        return tuple(part for part in map(self._part, subspaces) if part is not None)

    def _part(self, subspace: Subspace) -> Self | None:
        """Subspace as an algebra."""
        g = self.structure
        if not subspace.dim:
            return None
        if subspace.dim == g.dim:
            return self
        rows = (
            [g.field.to_sympy(v.get(k, g.field.zero)) for k in range(g.dim)] for v in subspace.basis
        )
        return self.spanned_by(map(self.combination, rows))
