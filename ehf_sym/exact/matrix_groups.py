"""Finite groups of matrices over the real algebraic numbers, by their orbits of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

from sympy import ImmutableMatrix, S
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
    are the basis and the columns of each A − 1, along which it moves: where the basis has long
    orbits, the vectors that are normal to mirrors have short ones.

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
    field = NumberField(entry for matrix in matrices for entry in matrix)
    moves = [_moves(matrix.T, field) for matrix in matrices]
    seeds: dict[Any, Row] = {}
    for row in (*({i: field.one} for i in range(d)), *(row for m in moves for row in m.values())):
        seeds.setdefault(_key((row,)), row)
    growing = [_Orbit((seed,), moves, field) for seed in seeds.values()]
    span = _Span(d, field)
    budget = _FIRST_BUDGET
    while budget <= _MAX_VECTORS:
        for orbit in list(growing):
            if not orbit.grow(budget):
                continue
            growing.remove(orbit)
            span.take(orbit)
            if span.is_whole():
                return _side_by_side(span.orbits, d, field)
        if budget == _SUSPICIOUS:
            _refuse_infinite(moves, d, field)
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
    field = NumberField(entry for matrix in (window, *matrices) for entry in matrix)
    orbit = _Orbit(tuple(_rows(window, field)), [_moves(each, field) for each in matrices], field)
    if not orbit.grow(most):
        raise UndecidedError(f"the orbit has more than {most} members")
    return tuple(_matrix(member, window.cols, field) for member in orbit.members)


def inverse_transpose(matrix: ImmutableMatrix, order: int) -> ImmutableMatrix:
    """A⁻ᵀ of a matrix whose power of this order is 1.

    Examples
    --------
    >>> inverse_transpose(ImmutableMatrix([[1, 1], [0, -1]]), 2)
    Matrix([
    [1,  0],
    [1, -1]])
    """
    field = NumberField(matrix)
    moves = _moves(matrix, field)
    if all(
        _moved(row, moves, field) == {i: field.one} for i, row in enumerate(_rows(matrix.T, field))
    ):
        return matrix  # orthogonal
    power = [{i: field.one} for i in range(matrix.rows)]
    for _ in range(order - 1):
        power = [_moved(row, moves, field) for row in power]
    return _matrix(power, matrix.rows, field).T


class _Orbit:
    """What some rows become when matrices act from the right, again and again."""

    def __init__(
        self, seed: tuple[Row, ...], moves: Sequence[dict[int, Row]], field: NumberField
    ) -> None:
        self.members = [seed]
        self.images: list[list[int]] = [[] for _ in moves]
        self._places = {_key(seed): 0}
        self._moves = moves
        self._field = field
        self._followed = 0

    def grow(self, most: int) -> bool:
        """Go on until it is closed, which is answered, or has more than so many members."""
        while self._followed < len(self.members) <= most:
            check_time()
            member = self.members[self._followed]
            for move, images in zip(self._moves, self.images, strict=True):
                moved = tuple(_moved(row, move, self._field) for row in member)
                place = self._places.setdefault(_key(moved), len(self.members))
                if place == len(self.members):
                    self.members.append(moved)
                images.append(place)
            self._followed += 1
        return self._followed == len(self.members)


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

    def take(self, orbit: _Orbit) -> None:
        """Add an orbit, unless it is not seen to bring anything new."""
        vectors = [member[0] for member in orbit.members]
        units = {i for row in vectors if len(row) == 1 for i in row}
        rank = len(self._echelon)
        for row in vectors:
            residues = {i: self._residue(x) for i, x in row.items()}
            self._echelon.add({i: x for i, x in residues.items() if x})
            if self.is_whole():
                break
        if len(self._echelon) > rank or not units <= self._basis:
            self.orbits.append(orbit)
            self._basis |= units

    def is_whole(self) -> bool:
        """Whether they span it."""
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
    vectors = _matrix([member[0] for orbit in orbits for member in orbit.members], dim, field)
    return VectorAction(tuple(generators), vectors.T, tuple(places))


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
    """Product of a row with A, given A − 1."""
    total = dict(row)
    for i, entry in row.items():
        for j, factor in moves.get(i, {}).items():
            total[j] = total.get(j, field.zero) + field.multiply(entry, factor)
    return {j: x for j, x in total.items() if x}


def _matrix(rows: Sequence[Row], width: int, field: NumberField) -> ImmutableMatrix:
    """Write rows as a matrix of formulas."""
    entries = [
        [field.to_sympy(row[j]) if j in row else S.Zero for j in range(width)] for row in rows
    ]
    return ImmutableMatrix(entries)


def _key(rows: Sequence[Row]) -> Any:
    """Return what tuples of rows share exactly where they are equal."""
    return tuple(frozenset(row.items()) for row in rows)
