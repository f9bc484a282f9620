"""Finite groups of matrices over the real algebraic numbers, by their orbits of vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

from sympy import Expr, ImmutableMatrix, SparseMatrix
from sympy.combinatorics import Permutation, PermutationGroup

from ehf_sym.clock import check_time
from ehf_sym.errors import ArgumentError, UndecidedError
from ehf_sym.exact.linear import Echelon
from ehf_sym.exact.number_field import NumberField

Row = dict[int, Any]  # nonzero entries
_MAX_VECTORS = 20_000
_FIRST_BUDGET, _SUSPICIOUS = 64, 256
_MAX_POWER = 24


@dataclass(frozen=True, eq=False)
class VectorAction:
    """A finite group of matrices as it permutes vectors that span the space.

    Attributes
    ----------
    moves : tuple of sympy.combinatorics.Permutation
        What each matrix does. Of orbits that are permuted alike one is moved.
    vectors : sympy.ImmutableMatrix
        The vectors, as columns.
    """

    moves: tuple[Permutation, ...]
    vectors: ImmutableMatrix
    _orbits: tuple[tuple[int, int], ...]  # where each starts among the points, and its length

    @cached_property
    def group(self) -> PermutationGroup:
        """What the moves generate; its generators leave out the identity and repeated ones."""
        return PermutationGroup(list(self.moves))

    def images(self, permutation: Sequence[int]) -> list[int]:
        """Which column each vector goes to, given where the points go to."""
        columns: list[int] = []
        for start, length in self._orbits:
            first = len(columns)
            columns += [first + permutation[start + k] - start for k in range(length)]
        return columns


def vector_action(matrices: Sequence[ImmutableMatrix]) -> VectorAction:
    """Finite group that matrices generate, as it permutes a few orbits of vectors, faithfully.

    The orbits span the space, so that only the identity leaves all of their vectors in place. Seeds
    are vectors that all matrices but one keep, where these are found, then the basis and the
    columns of each A − 1, along which it moves: where the basis has long orbits, those have short.

    Parameters
    ----------
    matrices : sequence of ImmutableMatrix
        At least one; square, of one size, with real algebraic entries.

    Returns
    -------
    VectorAction

    Raises
    ------
    ArgumentError
        If the group is seen to be infinite.
    UndecidedError
        If orbits are longer than is looked at.

    Examples
    --------
    >>> turn, mirror = ImmutableMatrix([[0, -1], [1, 0]]), ImmutableMatrix([[1, 0], [0, -1]])
    >>> vector_action([turn, mirror]).group.order()
    8
    """
    d = matrices[0].rows
    field = NumberField(_entries(matrices))
    rows = _Rows([_moves(matrix.T, field) for matrix in matrices], field)
    span = _Span(d, field)
    for seed in rows.fixed_by_others(_FIRST_BUDGET + d, span):
        orbit = _Orbit((seed,), rows)
        if orbit.grow(_FIRST_BUDGET + 2 * d) and span.take(orbit):
            return _side_by_side(span.orbits, d, field)
    moved = [row for move in rows.moves for row in move.values()]
    seeds = [row for row in (*({i: field.one} for i in range(d)), *moved) if row not in span]
    growing = [_Orbit((seed,), rows) for seed in dict.fromkeys(map(rows.place, seeds))]
    budget = _FIRST_BUDGET
    while budget <= _MAX_VECTORS:
        for orbit in list(growing):
            if not orbit.grow(budget):
                continue
            growing.remove(orbit)
            if span.take(orbit):
                return _side_by_side(span.orbits, d, field)
        if budget == _SUSPICIOUS:
            _refuse_infinite(rows.moves, d, field)
        budget *= 2
    raise UndecidedError(
        f"it is undecided whether the matrices generate a finite group: vectors have more than "
        f"{_MAX_VECTORS} images"
    )


def orbit_of(
    window: ImmutableMatrix, matrices: Sequence[ImmutableMatrix], most: int
) -> tuple[ImmutableMatrix, ...]:
    """All different products W·A with A in the group that matrices generate; W comes first.

    Raises
    ------
    UndecidedError
        If there are more than ``most``.

    Examples
    --------
    >>> turn = ImmutableMatrix([[0, -1], [1, 0]])
    >>> orbit_of(ImmutableMatrix([[1, 0]]), [turn], 10)
    (Matrix([[1, 0]]), Matrix([[0, -1]]), Matrix([[-1, 0]]), Matrix([[0, 1]]))
    """
    field = NumberField(_entries((window, *matrices)))
    rows = _Rows([_moves(each, field) for each in matrices], field)
    orbit = _Orbit(tuple(map(rows.place, _rows(window, field))), rows)
    if not orbit.grow(most):
        raise UndecidedError(f"the orbit has more than {most} members")
    return tuple(_matrix(member, window.cols, field) for member in orbit.vectors())


def inverse_transpose(matrix: ImmutableMatrix, order: int) -> ImmutableMatrix:
    """A⁻ᵀ of a matrix whose power of this order is 1.

    Examples
    --------
    >>> inverse_transpose(ImmutableMatrix([[1, 1], [0, -1]]), 2)
    Matrix([
    [1,  0],
    [1, -1]])
    """
    field = NumberField(_entries([matrix]))
    moves = _moves(matrix, field)
    if all(
        _moved(row, moves, field) == {i: field.one} for i, row in enumerate(_rows(matrix.T, field))
    ):
        return matrix  # orthogonal
    power = [{i: field.one} for i in range(matrix.rows)]
    for _ in range(order - 1):
        power = [_moved(row, moves, field) for row in power]
    return _matrix(power, matrix.rows, field).T


class _Rows:
    """Rows, each with a number, and what matrices make of them from the right."""

    def __init__(self, moves: Sequence[dict[int, Row]], field: NumberField) -> None:
        self.moves = moves
        self.rows: list[Row] = []
        self._field = field
        self._places: dict[Any, int] = {}
        self._images: list[dict[int, int]] = [{} for _ in moves]

    def place(self, row: Row) -> int:
        """Return the number of a row; equal rows have one."""
        found = self._places.setdefault(frozenset(row.items()), len(self.rows))
        if found == len(self.rows):
            self.rows.append(row)
        return found

    def image(self, place: int, k: int) -> int:
        """Return the number of a row times the matrix k."""
        images = self._images[k]
        if place not in images:
            row = self.rows[place]
            moved = _moved(row, self.moves[k], self._field)
            images[place] = place if moved is row else self.place(moved)
        return images[place]

    def fixed_by_others(self, most: int, span: _Span) -> Iterator[int]:
        """Find rows that one matrix moves, and others at most to their opposite.

        They have few images where the others generate a large group. Such a row is the sum of those
        images, at most so many, that the others make of a row of A − 1, if that is not spanned yet.
        Groups that permute the coordinates, up to signs, have short orbits without.
        """
        if all(map(self._is_monomial, self.moves)):
            return
        for k, move in enumerate(self.moves):
            for seed in map(self.place, move.values()):
                if self.rows[seed] in span:
                    continue
                opposite = self.place({i: -x for i, x in self.rows[seed].items()})
                others = [
                    j for j in range(len(self.moves)) if j != k and self.image(seed, j) != opposite
                ]
                orbit = _Orbit((seed,), self, others)
                if len(others) < 2 or not orbit.grow(most):
                    continue
                total: Row = {}
                for (row,) in orbit.vectors():
                    for i, x in row.items():
                        total[i] = total.get(i, self._field.zero) + x
                if total := {i: x for i, x in total.items() if x}:
                    yield self.place(total)

    def _is_monomial(self, move: dict[int, Row]) -> bool:
        """Whether A has one entry in each row, given A − 1."""
        one = self._field.one
        return all(len({*row} - {i}) + bool(row.get(i, 0) + one) == 1 for i, row in move.items())


class _Orbit:
    """What some rows become when matrices act from the right, again and again."""

    def __init__(
        self, seed: tuple[int, ...], rows: _Rows, matrices: Sequence[int] | None = None
    ) -> None:
        self.members = [seed]
        self._matrices = range(len(rows.moves)) if matrices is None else matrices
        self.images: list[list[int]] = [[] for _ in self._matrices]
        self._places = {seed: 0}
        self._rows = rows
        self._followed = 0

    def grow(self, most: int) -> bool:
        """Go on until it is closed, which is answered, or has more than so many members."""
        image = self._rows.image
        while self._followed < len(self.members) <= most:
            check_time()
            member = self.members[self._followed]
            for k, images in zip(self._matrices, self.images, strict=True):
                moved = tuple([image(row, k) for row in member])
                place = self._places.setdefault(moved, len(self.members))
                if place == len(self.members):
                    self.members.append(moved)
                images.append(place)
            self._followed += 1
        return self._followed == len(self.members)

    def vectors(self) -> list[tuple[Row, ...]]:
        """Write out its members."""
        return [tuple(self._rows.rows[row] for row in member) for member in self.members]


class _Span:
    """Orbits of vectors, and whether they are proved to span the space.

    Their rank modulo a prime is at most their rank.
    """

    def __init__(self, dim: int, field: NumberField) -> None:
        self.orbits: list[_Orbit] = []
        self._dim = dim
        self._residue = field.modulo_a_prime()
        self._echelon = Echelon(self._residue.domain)
        self._basis: set[int] = set()

    def take(self, orbit: _Orbit) -> bool:
        """Add an orbit, unless it is not seen to bring anything new; answer whether they span."""
        vectors = [row for (row,) in orbit.vectors()]
        units = {i for row in vectors if len(row) == 1 for i in row}
        rank = len(self._echelon)
        for row in vectors:
            self._echelon.add(self._residues(row))
            if self._is_whole():
                break
        if len(self._echelon) > rank or not units <= self._basis:
            self.orbits.append(orbit)
            self._basis |= units
        return self._is_whole()

    def __contains__(self, row: Row) -> bool:
        """Whether a vector seems to depend on those that are there."""
        return self._residues(row) in self._echelon

    def _residues(self, row: Row) -> Row:
        residues = {i: self._residue(x) for i, x in row.items()}
        return {i: x for i, x in residues.items() if x}

    def _is_whole(self) -> bool:
        return self._dim in (len(self._echelon), len(self._basis))


def _side_by_side(orbits: Sequence[_Orbit], dim: int, field: NumberField) -> VectorAction:
    """Permutations of several orbits at once; of orbits that are permuted alike, one is enough."""
    starts: dict[Any, int] = {}
    places, size = [], 0
    for orbit in orbits:
        kind = tuple(map(tuple, orbit.images))
        if kind not in starts:
            starts[kind] = size
            size += len(orbit.members)
        places.append((starts[kind], len(orbit.members)))
    generators = []
    for k in range(len(orbits[0].images)):
        images = [start + place for kind, start in starts.items() for place in kind[k]]
        if len(set(images)) < len(images):
            raise ArgumentError(f"generators[{k}] is not invertible")
        generators.append(Permutation(images))
    vectors = [row for orbit in orbits for (row,) in orbit.vectors()]
    return VectorAction(tuple(generators), _matrix(vectors, dim, field).T, tuple(places))


def _refuse_infinite(moves: Sequence[dict[int, Row]], dim: int, field: NumberField) -> None:
    """Refuse a group with an element that is seen to be of infinite order.

    The eigenvalues of an element of finite order are roots of unity: its trace is at most d, an
    algebraic integer, and d for the identity alone.
    """
    for i, j in combinations_with_replacement(range(len(moves)), 2):
        word = (moves[i],) if i == j else (moves[i], moves[j])
        power = identity = [{k: field.one} for k in range(dim)]
        for _ in range(_MAX_POWER):
            for factor in word:
                power = [_moved(row, factor, field) for row in power]
            trace = field.to_sympy(
                sum((row.get(k, field.zero) for k, row in enumerate(power)), field.zero)
            )
            fraction = trace.is_Rational and not trace.is_Integer
            if fraction or (trace == dim and power != identity) or abs(trace.evalf()) > dim + 1e-9:
                names = " times ".join(f"generators[{k}]" for k in dict.fromkeys((i, j)))
                raise ArgumentError(
                    f"the matrices generate an infinite group: {names} is of infinite order; a "
                    "symmetry with infinitely many elements is generated by functions g(q, p) "
                    "(LieAlgebra)"
                )


def _rows(matrix: ImmutableMatrix, field: NumberField) -> list[Row]:
    """Rows of a matrix, by their nonzero entries."""
    rows: list[Row] = [{} for _ in range(matrix.rows)]
    for (i, j), x in sorted(matrix.todok().items()):
        if entry := field.from_sympy(x):
            rows[i][j] = entry
    return rows


def _moves(matrix: ImmutableMatrix, field: NumberField) -> dict[int, Row]:
    """Nonzero rows of A − 1."""
    moves = {}
    for i, row in enumerate(_rows(matrix, field)):
        entry = row.pop(i, field.zero) - field.one
        if entry:
            row[i] = entry
        if row:
            moves[i] = row
    return moves


def _moved(row: Row, moves: dict[int, Row], field: NumberField) -> Row:
    """Product of a row with A, given A − 1; the row itself where that is equal."""
    change: Row = {}
    for i in row.keys() & moves.keys():
        entry = row[i]
        for j, factor in moves[i].items():
            product = field.multiply(entry, factor)
            change[j] = change[j] + product if j in change else product
    if not any(change.values()):
        return row
    total = row | {j: row[j] + x if j in row else x for j, x in change.items()}
    return {j: x for j, x in total.items() if x}


def _entries(matrices: Iterable[ImmutableMatrix]) -> Iterator[Expr]:
    """Entries of matrices that are not 0."""
    return (entry for matrix in matrices for entry in matrix.todok().values())


def _matrix(rows: Sequence[Row], width: int, field: NumberField) -> ImmutableMatrix:
    """Write rows as a matrix of formulas."""
    entries = {(i, j): field.to_sympy(x) for i, row in enumerate(rows) for j, x in row.items()}
    return ImmutableMatrix(SparseMatrix(len(rows), width, entries))
