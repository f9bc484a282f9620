"""Functions as vectors over the field of constants: polynomials where possible, else kernels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.polys.matrices import DomainMatrix
from sympy.polys.polyerrors import BasePolynomialError
from sympy.polys.rings import PolyRing

from ehf_sym.errors import UndecidedError
from ehf_sym.exact.constants import Constants, constant_field, split, with_constants_apart
from ehf_sym.exact.independence import certified_rref, certify_independent
from ehf_sym.zero.normal_form import common_field
from ehf_sym.zero.polynomials import Poly
from ehf_sym.zero_test import is_zero

Vector = Mapping[Any, Any]  # place -> element of the field of constants


@dataclass(frozen=True)
class Reduction:
    """Functions written in the first independent ones among them.

    Attributes
    ----------
    field : sympy.polys.domains.Domain
        The constants.
    pivots : tuple of int
        Which functions form the basis: each one that is no combination of those before it.
    coordinates : tuple of Mapping
        For each function its nonzero coefficients, keyed by place in ``pivots``.
    """

    field: Any
    pivots: tuple[int, ...]
    coordinates: tuple[Mapping[int, Any], ...]


def reduce_vectors(vectors: Sequence[Vector], field: Any) -> Reduction:
    """Reduce sparse vectors by exact elimination; the first ones are kept.

    Parameters
    ----------
    vectors : sequence of Mapping
        Place -> entry.
    field : sympy.polys.domains.Domain
        Where the entries are.

    Returns
    -------
    Reduction
        The basis, and every vector in it.

    Examples
    --------
    >>> from sympy import QQ
    >>> reduction = reduce_vectors([{"x": QQ(1)}, {"x": QQ(2)}, {"x": QQ(1), "y": QQ(1)}], QQ)
    >>> reduction.pivots, reduction.coordinates[1] == {0: 2}
    ((0, 2), True)
    """
    places = {place: i for i, place in enumerate(dict.fromkeys(k for v in vectors for k in v))}
    rows: dict[int, dict[int, Any]] = {}
    for j, vector in enumerate(vectors):
        for place, entry in vector.items():
            rows.setdefault(places[place], {})[j] = entry
    if not rows:
        return Reduction(field, (), tuple({} for _ in vectors))
    matrix = DomainMatrix(rows, (len(places), len(vectors)), field)
    reduced, pivots = certified_rref(matrix)
    coordinates: list[dict[int, Any]] = [{} for _ in vectors]
    for i, row in reduced.rep.to_sdm().items():
        for j, entry in row.items():
            coordinates[j][i] = entry
    return Reduction(field, tuple(pivots), tuple(coordinates))


class Polynomials:
    """Functions that are polynomials over the field of constants.

    Attributes
    ----------
    variables : tuple
        The ring's generators, in the order of the symbols given.
    field : sympy.polys.domains.Domain
        The constants.
    """

    def __init__(self, variables: Sequence[sp.Symbol], field: Any) -> None:
        self._ring = PolyRing(list(variables) or [sp.Dummy("x")], field)
        self.variables = self._ring.gens[: len(variables)]
        self.field = field

    def of(self, formula: sp.Expr) -> Poly:
        """Convert a formula; raises an error of SymPy if it is no polynomial."""
        return self._ring.from_expr(formula)

    def formula(self, element: Poly) -> sp.Expr:
        """Write an element as a formula."""
        return element.as_expr()

    def constant(self, number: Any) -> sp.Expr:
        """Write a constant as a formula."""
        return self.field.to_sympy(number)

    def total(self, elements: Iterable[Poly]) -> Poly:
        """Sum of elements."""
        return sum(elements, self._ring.zero)

    def reduce(self, elements: Sequence[Poly]) -> Reduction:
        """Write the functions in the first independent ones: exact polynomial arithmetic."""
        return reduce_vectors(elements, self.field)


class Formulas:
    """Functions that are formulas with roots, exponentials and so on: kernels of a field.

    Attributes
    ----------
    variables : tuple
        The symbols given.
    """

    def __init__(self, variables: Sequence[sp.Symbol], constants: Sequence[sp.Symbol]) -> None:
        self.variables = tuple(variables)
        self._symbols = frozenset(constants)
        self._constants = Constants()

    @property
    def field(self) -> Any:
        """The constants, known after the first `reduce`; they grow by those that occur."""
        return self._constants.field

    def of(self, formula: sp.Expr) -> sp.Expr:
        """Return the formula: it is its own element."""
        return formula

    def formula(self, element: sp.Expr) -> sp.Expr:
        """Return the element: it is its own formula."""
        return element

    def constant(self, number: Any) -> sp.Expr:
        """Write a constant as a formula."""
        return self.field.to_sympy(number)

    def total(self, elements: Iterable[sp.Expr]) -> sp.Expr:
        """Sum of elements."""
        return sp.Add(*elements)

    def reduce(self, elements: Sequence[sp.Expr]) -> Reduction:
        """Write the functions in the first independent ones.

        Relations are found among the normal forms and proved by `is_zero`; that the rest is
        independent is proved by a matrix of values whose determinant excludes 0.
        """
        reduction = reduce_vectors(self._vectors(elements), self.field)
        basis = [elements[i] for i in reduction.pivots]
        for element, row in zip(elements, reduction.coordinates, strict=True):
            combined = (self.constant(c) * basis[i] for i, c in row.items())
            difference = sp.Add(element, *(-term for term in combined))
            if element not in basis and not is_zero(difference).proved:
                raise UndecidedError(f"it is undecided whether {difference} is identically zero")
        certify_independent(basis)
        return reduction

    def _vectors(self, elements: Sequence[sp.Expr]) -> list[Vector]:
        """Numerators over a common denominator, split into constants and functions."""
        common = common_field([with_constants_apart(f, self.variables) for f in elements])
        if common is None:
            raise UndecidedError(
                "the functions have no common normal form within the bounds, so their linear "
                f"relations are undecided; the first is {elements[0]}"
            )
        kernels = common.field.kernels
        constant = [k for k in kernels if k.meaning.free_symbols <= self._symbols]
        images = self._constants.adopt(constant, common)
        places = [k.index for k in kernels if k not in constant]
        return [split(numerator, places, images, self.field) for numerator in common.numerators]


def functions(
    formulas: Sequence[sp.Expr], variables: Sequence[sp.Symbol], constants: Sequence[sp.Symbol]
) -> Polynomials | Formulas:
    """Choose how to compute with these formulas: as polynomials if all of them are.

    Parameters
    ----------
    formulas : sequence of sympy.Expr
        The functions.
    variables : sequence of sympy.Symbol
        What they are functions of.
    constants : sequence of sympy.Symbol
        Parameters.

    Examples
    --------
    >>> x, a = sp.symbols("x a", real=True)
    >>> functions([a * x**2 + sp.sqrt(2)], [x], [a]).field
    QQ<sqrt(2)>(a)
    """
    powers = {power for formula in formulas for power in formula.atoms(sp.Pow)}
    roots = {p for p in powers if p.is_number and p.exp.is_Rational and p.base.is_Rational}
    try:
        polynomials = Polynomials(variables, constant_field(sorted(roots, key=str), constants))
        for formula in formulas:
            polynomials.of(formula)
    except (BasePolynomialError, ValueError, NotImplementedError, ZeroDivisionError):
        return Formulas(variables, constants)
    return polynomials
