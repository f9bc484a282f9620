"""Matrices of constants and parameters over one of SymPy's fields, and the way back."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.polys.constructor import construct_domain
from sympy.polys.matrices import DomainMatrix


class MatrixField:
    """The entries of a matrix over a field K, and elements of K as formulas.

    Examples
    --------
    >>> k = sp.Symbol("k", positive=True)
    >>> field = MatrixField(sp.Matrix([[0, 1 / k]]))
    >>> field.domain, field.expression(field.domain.from_sympy(k + k**2))
    (ZZ(k), k*(k + 1))
    """

    def __init__(self, matrix: sp.MatrixBase) -> None:
        symbols = matrix.free_symbols
        # Numbers such as pi and sqrt(m) are transcendental to K where it has parameters.
        atoms = set().union(*(_irrational(entry) for entry in matrix)) if symbols else set()
        known = {atom: sp.Dummy(f"c{i}", positive=True) for i, atom in enumerate(atoms)}
        self._meaning = {dummy: atom for atom, dummy in known.items()}
        domain, elements = construct_domain(
            [entry.xreplace(known) for entry in matrix],
            field=True,
            extension=None if symbols else True,
        )
        self.domain = domain
        self.matrix = DomainMatrix(
            [elements[i * matrix.cols : (i + 1) * matrix.cols] for i in range(matrix.rows)],
            matrix.shape,
            domain,
        )

    def expression(self, element: Any) -> sp.Expr:
        """Element of K as a formula."""
        return sp.factor(self.domain.to_sympy(element)).xreplace(self._meaning)

    def matrix_expression(self, matrix: Any) -> sp.MatrixBase:
        """Matrix over K as a matrix of formulas."""
        return matrix.to_Matrix().applyfunc(lambda e: sp.factor(e).xreplace(self._meaning))


def _irrational(entry: sp.Expr) -> set[sp.Expr]:
    """Outermost parts that are neither rational numbers nor rational in symbols."""
    if entry.is_Rational or entry.is_Symbol:
        return set()
    if entry.is_Add or entry.is_Mul or (entry.is_Pow and entry.exp.is_Integer):
        return set().union(*(_irrational(arg) for arg in entry.args))
    return {entry}
