"""Functions as vectors over the constants: independence, relations, coordinates, exact.

A function is a vector of coefficients: of its monomials where it is a polynomial, else of its
kernels. A matrix of values that is invertible proves functions independent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from typing import Any

import sympy as sp
from sympy.polys.polyerrors import BasePolynomialError
from sympy.polys.rings import PolyRing

from ehf_sym.clock import check_time
from ehf_sym.enclosures import intervals
from ehf_sym.enclosures.enclosure import EvaluationError, Value, enclose, excludes_zero
from ehf_sym.errors import ArgumentError, UndecidedError
from ehf_sym.exact.constants import Constants, constant_field, split, with_constants_apart
from ehf_sym.exact.linear import Reduction, reduce_vectors
from ehf_sym.formulas.validation import exact_scalar, listed, rebuild, refuse_infinite
from ehf_sym.normal_forms.kernels import Poly
from ehf_sym.normal_forms.normal_form import common_field
from ehf_sym.zero.witness import points
from ehf_sym.zero.zero_test import is_zero

_PRECISION = 400
_MAX_POINTS = 2000
_ZERO, _MINUS_ONE = Fraction(0), Fraction(-1)


def certify_independent(formulas: Sequence[sp.Expr]) -> None:
    """Prove that no combination of the functions with constant coefficients vanishes.

    n functions are independent if at n points their matrix of values is invertible. It is
    brought to triangular form in interval arithmetic; parameters take values like coordinates.

    Parameters
    ----------
    formulas : sequence of sympy.Expr
        Functions of real symbols.

    Raises
    ------
    UndecidedError
        If no such points are found.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> certify_independent([sp.exp(x), x, sp.S.One])
    """
    symbols = sorted({s for f in formulas for s in f.free_symbols}, key=sp.default_sort_key)
    pivots: list[tuple[int, list[Value]]] = []
    candidates = islice(points(symbols), _MAX_POINTS)
    while len(pivots) < len(formulas):
        check_time()
        point = next(candidates, None)
        if point is None:
            raise UndecidedError(
                "it is undecided whether these functions are independent: "
                + ", ".join(map(str, formulas))
            )
        try:
            row = _eliminated([enclose(f, point, _PRECISION) for f in formulas], pivots)
            place = _pivot(row)
        except EvaluationError:
            continue
        if place is not None:
            pivots.append((place, row))


def _eliminated(row: list[Value], pivots: Sequence[tuple[int, list[Value]]]) -> list[Value]:
    """Subtract multiples of the rows above, so that their pivots vanish."""
    for place, above in pivots:
        ratio = intervals.divide(row[place], above[place], _PRECISION)
        factor = intervals.multiply(ratio, _MINUS_ONE, _PRECISION)
        row = [
            intervals.add(x, intervals.multiply(factor, y, _PRECISION), _PRECISION)
            for x, y in zip(row, above, strict=True)
        ]
        row[place] = _ZERO
    return row


def _pivot(row: Sequence[Value]) -> int | None:
    """Place of the first entry that is provably not zero."""
    return next((j for j, value in enumerate(row) if excludes_zero(value)), None)


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

    def gradient(self, element: Poly) -> list[Poly]:
        """Differentiate by each variable; by its place, as a ring looks for a generator long."""
        return [element.diff(place) for place in range(len(self.variables))]

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

    def gradient(self, element: sp.Expr) -> list[sp.Expr]:
        """Differentiate by each variable."""
        return [element.diff(x) for x in self.variables]

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
                check_time()  # out of time is not the formula's fault
                raise UndecidedError(f"it is undecided whether {difference} is identically zero")
        certify_independent(basis)
        return reduction

    def _vectors(self, elements: Sequence[sp.Expr]) -> list[Mapping[Any, Any]]:
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


def relations(
    formulas: Sequence[Any], constants: Sequence[sp.Symbol] = ()
) -> list[tuple[sp.Expr, ...]]:
    """Find all constants c with Σ c_i f_i = 0 identically.

    Constants are rational functions, over the algebraic numbers that occur, of the parameters.
    Polynomials are compared monomial by monomial. For other formulas the relations are found
    among normal forms over independent kernels; each is proved by `is_zero`, and that there are
    no more is proved by values at points (see ``ehf_sym.exact.functions``).

    Parameters
    ----------
    formulas : sequence of sympy.Expr or int
        The functions f_i of real symbols, n of them.
    constants : sequence of sympy.Symbol
        Parameters: symbols that are no variables. All that is said holds for generic values.

    Returns
    -------
    list of tuple of sympy.Expr
        A basis of the relations, each of n coefficients: one relation for each function that
        depends on those before it, whose own coefficient is 1.

    Raises
    ------
    UndecidedError
        If a relation, or that there is none, could not be proved.
    FormulaError
        If a formula is no exact, real, scalar expression.

    Examples
    --------
    >>> x, y, a = sp.symbols("x y a", real=True)
    >>> relations([x**2 + y, y, a * x**2], constants=[a])
    [(-a, a, 1)]
    >>> relations([sp.cos(x)**2, sp.sin(x)**2, 3, x])
    [(-3, -3, 1, 0)]
    """
    checked = _checked(formulas, "formulas")
    space = _functions(checked, constants)
    reduction = space.reduce([space.of(f) for f in checked])
    found = []
    for j, row in enumerate(reduction.coordinates):
        if j not in reduction.pivots:
            relation = [sp.S.Zero] * len(checked)
            for place, number in row.items():
                relation[reduction.pivots[place]] = -space.constant(number)
            relation[j] = sp.S.One
            found.append(tuple(relation))
    return found


def coordinates(
    basis: Sequence[Any], target: Any, constants: Sequence[sp.Symbol] = ()
) -> tuple[sp.Expr, ...] | None:
    """Write a function as a combination of others with constant coefficients.

    Parameters
    ----------
    basis : sequence of sympy.Expr or int
        Functions f_i. Where they are dependent, later ones are not used.
    target : sympy.Expr or int
        The function f.
    constants : sequence of sympy.Symbol
        Parameters, as in `relations`.

    Returns
    -------
    tuple of sympy.Expr or None
        c with f = Σ c_i f_i; None if it is proved that there is none.

    Raises
    ------
    UndecidedError
        If neither could be proved.
    FormulaError
        If a formula is no exact, real, scalar expression.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> coordinates([sp.exp(x), sp.exp(-x)], sp.cosh(x))
    (1/2, 1/2)
    >>> coordinates([x, x**2], x**3) is None
    True
    """
    checked = [*_checked(basis, "basis"), _admitted(target, "target")]
    space = _functions(checked, constants)
    reduction = space.reduce([space.of(f) for f in checked])
    if len(basis) in reduction.pivots:
        return None
    result = [sp.S.Zero] * len(basis)
    for place, number in reduction.coordinates[-1].items():
        result[reduction.pivots[place]] = space.constant(number)
    return tuple(result)


def _functions(
    formulas: Sequence[sp.Expr], constants: Sequence[sp.Symbol]
) -> Polynomials | Formulas:
    """How to compute with these formulas; all symbols but the constants are variables."""
    for symbol in constants:
        if not isinstance(symbol, sp.Symbol) or not symbol.is_real:
            raise ArgumentError(f"constants holds {symbol!r}; it should hold real symbols")
    symbols = {s for f in formulas for s in f.free_symbols}
    variables = sorted(symbols - set(constants), key=sp.default_sort_key)
    return functions(formulas, variables, constants)


def _checked(formulas: Sequence[Any], name: str) -> list[sp.Expr]:
    return [_admitted(f, f"{name}[{i}]") for i, f in enumerate(listed(formulas, name))]


def _admitted(formula: Any, name: str) -> sp.Expr:
    """Admit an exact, finite scalar."""
    admitted = exact_scalar(formula, name)
    refuse_infinite(admitted, name)
    return rebuild(admitted)
