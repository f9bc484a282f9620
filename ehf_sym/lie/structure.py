"""Lie algebras by their structure constants alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from sympy import QQ, ImmutableMatrix
from sympy.polys.matrices import DomainMatrix
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.errors import ArgumentError
from ehf_sym.exact.constants import moved
from ehf_sym.exact.linear import Subspace, Vector, combine, matrix_of_columns
from ehf_sym.formulas.validation import exact_scalar

Table = Mapping[tuple[int, int], Vector]


@dataclass(frozen=True, eq=False)
class LieStructure:
    """A Lie algebra with basis e_1, ..., e_n, given by [e_i, e_j] = Σ_k c_ij^k e_k.

    All questions about the algebra that do not depend on where it acts are answered from here,
    by exact linear algebra over the field of its constants.

    Parameters
    ----------
    field : sympy.polys.domains.Domain
        QQ, an algebraic number field, or rational functions of parameters over one of these. With
        parameters, what is said holds for generic values.
    dim : int
        n.
    table : Mapping
        (i, j) -> {k: c_ij^k} for i < j, from 0; nonzero entries only.

    Raises
    ------
    ArgumentError
        If the Jacobi identity fails.

    Examples
    --------
    >>> one = QQ(1)
    >>> so3 = LieStructure(QQ, 3, {(0, 1): {2: one}, (1, 2): {0: one}, (0, 2): {1: -one}})
    >>> so3.killing_form
    Matrix([
    [-2,  0,  0],
    [ 0, -2,  0],
    [ 0,  0, -2]])
    """

    field: Any
    dim: int
    table: Table

    def __post_init__(self) -> None:
        kept = {pair: dict(vector) for pair, vector in self.table.items() if vector}
        object.__setattr__(self, "table", kept)
        for i, j, k in combinations(range(self.dim), 3):
            if self._jacobiator(i, j, k):
                raise ArgumentError(
                    f"table breaks the Jacobi identity for e{i + 1}, e{j + 1}, e{k + 1}"
                )

    @classmethod
    def from_constants(cls, constants: Sequence[Any], field: Any = QQ) -> LieStructure:
        """Read c[i][j][k] with [e_i, e_j] = Σ_k c[i][j][k] e_k.

        Parameters
        ----------
        constants : nested sequence or array of sympy.Expr or int
            Shape (n, n, n), antisymmetric in i and j.
        field : sympy.polys.domains.Domain
            Where they are.

        Returns
        -------
        LieStructure
            The algebra.

        Raises
        ------
        ArgumentError
            If they are not antisymmetric, not in the field, or break the Jacobi identity.

        Examples
        --------
        >>> heisenberg = [[[0] * 3 for _ in range(3)] for _ in range(3)]
        >>> heisenberg[0][1][2], heisenberg[1][0][2] = 1, -1
        >>> LieStructure.from_constants(heisenberg).bracket({0: QQ(1)}, {1: QQ(2)}) == {2: 2}
        True
        """
        n = len(constants)
        rows = [
            [_read(constants[i][j], field, f"constants[{i}][{j}]", n) for j in range(n)]
            for i in range(n)
        ]
        for i in range(n):
            for j in range(i + 1):
                if combine([(field.one, rows[i][j]), (field.one, rows[j][i])]):
                    raise ArgumentError(f"constants are not antisymmetric at [{i}][{j}]")
        return cls(field, n, {(i, j): rows[i][j] for i, j in combinations(range(n), 2)})

    def bracket(self, x: Vector, y: Vector) -> dict[int, Any]:
        """Bracket of two vectors, given by their nonzero entries."""
        return combine(
            (a * b, self._rows[i][j])
            for i, a in x.items()
            for j, b in y.items()
            if j in self._rows[i]
        )

    def brackets(self, left: Subspace, right: Subspace) -> Subspace:
        """Span of all [x, y] with x in one subspace, y in the other."""
        values = (self.bracket(x, y) for x in left.basis for y in right.basis)
        return Subspace.spanned(self.field, self.dim, values)

    def adjoint(self, x: Vector) -> DomainMatrix:
        """Matrix of y -> [x, y]: its column j is [x, e_j]."""
        columns = [self.bracket(x, {j: self.field.one}) for j in range(self.dim)]
        return matrix_of_columns(columns, self.dim, self.field)

    @cached_property
    def everything(self) -> Subspace:
        """The whole algebra as a subspace of itself."""
        return Subspace.whole(self.field, self.dim)

    @cached_property
    def killing(self) -> DomainMatrix:
        """Killing form tr(ad x ad y) as a matrix over the field."""
        flat = self._flattened(transposed=False)
        return flat * self._flattened(transposed=True).transpose()

    @property
    def killing_form(self) -> ImmutableMatrix:
        """Killing form as a SymPy matrix."""
        return ImmutableMatrix(self.killing.to_Matrix())

    def constants(self) -> list[list[list[Any]]]:
        """Structure constants c[i][j][k] as SymPy numbers."""
        n, convert = self.dim, self.field.to_sympy
        zero = self.field.zero
        return [
            [[convert(self._rows[i].get(j, {}).get(k, zero)) for k in range(n)] for j in range(n)]
            for i in range(n)
        ]

    def adjoint_matrices(self) -> tuple[ImmutableMatrix, ...]:
        """Matrices of the basis in the adjoint representation."""
        basis = self.everything.basis
        return tuple(ImmutableMatrix(self.adjoint(x).to_Matrix()) for x in basis)

    def restricted(self, subalgebra: Subspace) -> LieStructure:
        """Structure of a subalgebra, in the basis that the subspace holds."""
        basis = subalgebra.basis
        pairs = combinations(range(len(basis)), 2)
        table = {(i, j): subalgebra.coordinates(self.bracket(basis[i], basis[j])) for i, j in pairs}
        return LieStructure(self.field, len(basis), table)

    def quotient(self, ideal: Subspace) -> LieStructure:
        """Structure of g/a; its basis is that of g without the ideal's pivots."""
        place = {old: new for new, old in enumerate(ideal.free)}
        table = {}
        for i, j in combinations(ideal.free, 2):
            residue = ideal.residue(self._rows[i].get(j, {}))
            table[place[i], place[j]] = {place[k]: entry for k, entry in residue.items()}
        return LieStructure(self.field, len(place), table)

    def over(self, field: Any) -> LieStructure:
        """Take the same algebra over a larger field."""
        table = {
            pair: {k: moved(entry, self.field, field) for k, entry in vector.items()}
            for pair, vector in self.table.items()
        }
        return LieStructure(field, self.dim, table)

    @cached_property
    def _rows(self) -> list[dict[int, Vector]]:
        """Both orders of every bracket: row i holds {j: [e_i, e_j]}."""
        rows: list[dict[int, Vector]] = [{} for _ in range(self.dim)]
        for (i, j), vector in self.table.items():
            rows[i][j] = vector
            rows[j][i] = {k: -entry for k, entry in vector.items()}
        return rows

    def _jacobiator(self, i: int, j: int, k: int) -> Vector:
        """Sum of [[e_i, e_j], e_k] over the cyclic permutations."""
        rows = self._rows
        return combine(
            (entry, rows[m][c])
            for a, b, c in ((i, j, k), (j, k, i), (k, i, j))
            for m, entry in rows[a].get(b, {}).items()
            if c in rows[m]
        )

    def _flattened(self, *, transposed: bool) -> DomainMatrix:
        """Adjoint matrices, or their transposes, each as one row."""
        n = self.dim
        rows: dict[int, dict[int, Any]] = {}
        for i, row in enumerate(self._rows):
            for j, vector in row.items():
                for k, entry in vector.items():
                    rows.setdefault(i, {})[j * n + k if transposed else k * n + j] = entry
        return DomainMatrix(rows, (n, n * n), self.field)


def _read(entries: Sequence[Any], field: Any, name: str, n: int) -> dict[int, Any]:
    """Read one bracket."""
    if len(entries) != n:
        raise ArgumentError(f"{name} holds {len(entries)} numbers; it should hold {n}")
    try:
        numbers = [field.from_sympy(exact_scalar(entry, name)) for entry in entries]
    except BasePolynomialError as error:
        raise ArgumentError(f"{name} is not in the field {field}: {error}") from error
    return {k: number for k, number in enumerate(numbers) if number}
