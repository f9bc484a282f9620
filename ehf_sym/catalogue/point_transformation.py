"""Linear changes of the positions, which the momenta follow so that brackets stay what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sympy import Add, Expr, ImmutableMatrix, MatrixBase, Pow, Symbol, factor
from sympy.core.function import Function
from sympy.polys.matrices import DomainMatrix

from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted, record_text
from ehf_sym.formulas.validation import exact_scalar


@dataclass(frozen=True)
class PointTransformation:
    """The canonical transformation Q = Tq, P = T⁻ᵀp.

    Parameters
    ----------
    space : PhaseSpace
        Of d positions.
    matrix : sympy.Matrix
        T, of shape (d, d), invertible; its entries are exact numbers and parameters of the space.

    Raises
    ------
    ArgumentError
        If the matrix does not have this shape or is singular.
    FormulaError
        If an entry is not as described.

    Examples
    --------
    Centre and separation of two equal masses:

    >>> from sympy import Matrix, Rational
    >>> space = PhaseSpace(2)
    >>> half = Rational(1, 2)
    >>> change = PointTransformation(space, Matrix([[half, half], [-1, 1]]))
    >>> change.positions, change.momenta
    ((q1/2 + q2/2, -q1 + q2), (p1 + p2, -p1/2 + p2/2))
    >>> p1, p2 = space.p
    >>> change.rewrite((p1**2 + p2**2) / 2)
    p1**2/4 + p2**2
    """

    space: PhaseSpace
    matrix: ImmutableMatrix

    __repr__ = record_text

    def __post_init__(self) -> None:
        if not isinstance(self.space, PhaseSpace):
            raise ArgumentError(f"space is {self.space!r}; it should be a PhaseSpace")
        matrix, d = _matrix(self.matrix), self.space.dim
        if matrix.shape != (d, d):
            raise ArgumentError(f"matrix has shape {matrix.shape}; it should have {(d, d)}")
        entries = [self.space.validate(entry, "matrix") for entry in matrix]
        for entry in entries:
            if not entry.free_symbols <= set(self.space.parameters):
                raise ArgumentError(
                    f"matrix contains {quoted(entry)}; it should not depend on q and p"
                )
        matrix = ImmutableMatrix(d, d, entries)
        if not DomainMatrix.from_Matrix(matrix, extension=True).to_field().det():
            raise ArgumentError(f"matrix is {matrix.tolist()}; it should be invertible")
        object.__setattr__(self, "matrix", matrix)

    @cached_property
    def positions(self) -> tuple[Expr, ...]:
        """Q as formulas in q."""
        return tuple(self.matrix * ImmutableMatrix(self.space.q))

    @cached_property
    def momenta(self) -> tuple[Expr, ...]:
        """P as formulas in p."""
        return tuple((self._inverse.T * ImmutableMatrix(self.space.p)).expand())

    def rewrite(self, f: Any) -> Expr:
        """Write a function in the new coordinates.

        Parameters
        ----------
        f : sympy.Expr or int
            A formula in this space.

        Returns
        -------
        sympy.Expr
            The same function of the state, with q and p standing for Q and P.

        Raises
        ------
        FormulaError
            If ``f`` does not belong to this space.
        """
        old = (*(self._inverse * ImmutableMatrix(self.space.q)), *self._old_momenta)
        return self._substitute(f, old)

    def restore(self, f: Any) -> Expr:
        """Write a function of the new coordinates in the old ones; undoes `rewrite`.

        Parameters
        ----------
        f : sympy.Expr or int
            A formula with q and p standing for Q and P.

        Returns
        -------
        sympy.Expr
            The same function of the state in the old coordinates.

        Raises
        ------
        FormulaError
            If ``f`` does not belong to this space.
        """
        return self._substitute(f, (*self.positions, *self.momenta))

    @cached_property
    def _inverse(self) -> ImmutableMatrix:
        """T⁻¹, each entry in lowest terms."""
        matrix = DomainMatrix.from_Matrix(self.matrix, extension=True).to_field()
        return ImmutableMatrix(matrix.inv().to_Matrix())

    @property
    def _old_momenta(self) -> ImmutableMatrix:
        """Write p = TᵀP."""
        return self.matrix.T * ImmutableMatrix(self.space.p)

    def _substitute(self, f: Any, values: tuple[Expr, ...]) -> Expr:
        """Put formulas in the place of the coordinates."""
        formula = self.space.validate(f, "f")
        replaced = formula.xreplace(dict(zip(self.space.coordinates, values, strict=True)))
        return self.space.validate(_collected(replaced, self.space.coordinates), "f")


def _collected(expr: Expr, coordinates: tuple[Symbol, ...]) -> Expr:
    """Expand and add up what has the same coordinates, also inside roots and functions."""
    inner = {
        part: part.func(*(_collected(arg, coordinates) for arg in part.args))
        for part in _outermost(expr)
    }
    sums: dict[Expr, Expr] = {}
    for term in Add.make_args(expr.xreplace(inner).expand()):
        coefficient, rest = term.as_independent(*coordinates, as_Add=False)
        sums[rest] = sums.get(rest, 0) + coefficient
    return Add(*(factor(coefficient) * rest for rest, coefficient in sums.items()))


def _outermost(expr: Expr) -> set[Expr]:
    """Find the roots and functions that are in no other one."""
    if isinstance(expr, Function) or (isinstance(expr, Pow) and not expr.exp.is_Integer):
        return {expr}
    return {part for arg in expr.args for part in _outermost(arg)}


def _matrix(value: Any) -> ImmutableMatrix:
    """Read a matrix of expressions, or rows of numbers and expressions."""
    wanted = "a SymPy matrix, or a list of rows"
    if not isinstance(value, MatrixBase):
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ArgumentError(f"matrix is {quoted(value)}; it should be {wanted}")
        rows = [row if isinstance(row, list | tuple) else [row] for row in value]
        for entry in (entry for row in rows for entry in row):
            exact_scalar(entry, "matrix")
        value = rows
    try:
        return ImmutableMatrix(value)
    except ValueError as error:  # rows of different lengths
        raise ArgumentError(f"matrix is {quoted(value)}; it should be {wanted}") from error
