"""Sparse linear algebra over an exact field: null spaces, equations, subspaces in echelon form."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isqrt, lcm
from typing import Any

from sympy import QQ, ZZ, default_sort_key
from sympy.polys.matrices import DomainMatrix
from sympy.polys.matrices.normalforms import hermite_normal_form

from ehf_sym.clock import check_time, interrupted
from ehf_sym.enclosures.enclosure import EvaluationError, enclose, excludes_zero
from ehf_sym.errors import UndecidedError
from ehf_sym.zero.witness import points

Vector = Mapping[int, Any]  # nonzero entries
Solution = dict[int, Any]
# Mersenne primes: the solutions of most systems have entries far below the root of the first.
_PRIMES = tuple(2**exponent - 1 for exponent in (127, 521, 2203))
_PRECISIONS = (100, 1000, 5000)
_MAX_POINTS = 2000


def combine(terms: Iterable[tuple[Any, Vector]]) -> dict[int, Any]:
    """Sum of multiples of sparse vectors.

    Examples
    --------
    >>> combine([(2, {0: 1, 1: 3}), (-6, {1: 1})])
    {0: 2}
    """
    check_time()
    total: dict[int, Any] = {}
    for factor, vector in terms:
        for place, entry in vector.items():
            if place in total:
                total[place] += factor * entry
            else:
                total[place] = factor * entry
    return {place: entry for place, entry in total.items() if entry}


def integer_kernel(rows: Sequence[Sequence[Any]], width: int) -> list[tuple[int, ...]]:
    """Basis of all integer vectors n with M n = 0, M rational: short ones, the shortest first.

    With R integer rows that span the kernel over Q and W their Hermite normal form, W⁻¹R spans all
    integer vectors in it. It is reduced by Lenstra, Lenstra and Lovász, and then by each other
    vector of the basis: short, which is not to say that there are no shorter ones.

    Parameters
    ----------
    rows : sequence of sequences of sympy.Rational or int
        M, each row of length `width`; none is no condition.
    width : int
        Length of the vectors, at least 1.

    Examples
    --------
    >>> integer_kernel([[1, -1, 0, 0], [0, 0, 2, 3]], 4)
    [(1, 1, 0, 0), (0, 0, 3, -2)]
    >>> integer_kernel([], 1), integer_kernel([[2]], 1)
    ([(1,)], [])
    """
    matrix = DomainMatrix([[QQ.convert(x) for x in row] for row in rows], (len(rows), width), QQ)
    if not rows:
        return [tuple(int(i == j) for j in range(width)) for i in range(width)]
    spanned = matrix.nullspace().clear_denoms_rowwise(convert=True)[1].to_dense()
    if not spanned.shape[0]:
        return []
    inverse = interrupted(lambda: hermite_normal_form(spanned).to_field().inv())
    saturated = (inverse * spanned.to_field()).convert_to(ZZ)
    basis = [[*map(int, row)] for row in interrupted(saturated.lll).to_dense().rep.to_list()]
    _shortened(basis)
    signed = [[-x for x in n] if next(x for x in n if x) < 0 else n for n in basis]
    return sorted(map(tuple, signed), key=lambda n: (sum(x * x for x in n), [-x for x in n]))


def _shortened(basis: list[list[int]]) -> None:
    """Add and subtract other vectors as long as one becomes shorter, in place."""
    changed = True
    while changed:
        check_time()
        changed = False
        for i, own in enumerate(basis):
            for j, other in enumerate(basis):
                overlap = sum(x * y for x, y in zip(own, other, strict=True))
                if i != j and 2 * abs(overlap) > sum(y * y for y in other):
                    sign = 1 if overlap < 0 else -1
                    own[:] = [x + sign * y for x, y in zip(own, other, strict=True)]
                    changed = True


def transposed(
    columns: Mapping[int, Mapping[Any, Any]] | Sequence[Mapping[Any, Any]],
) -> dict[Any, dict[int, Any]]:
    """Rows, by their places, of the matrix that has sparse vectors as columns.

    Examples
    --------
    >>> transposed([{"x": 1}, {"x": 2, "y": 3}])
    {'x': {0: 1, 1: 2}, 'y': {1: 3}}
    """
    rows: dict[Any, dict[int, Any]] = {}
    numbered = columns.items() if isinstance(columns, Mapping) else enumerate(columns)
    for j, column in numbered:
        for place, entry in column.items():
            rows.setdefault(place, {})[j] = entry
    return rows


def matrix_of_columns(columns: Sequence[Vector], height: int, field: Any) -> DomainMatrix:
    """Matrix with the given columns."""
    return DomainMatrix(transposed(columns), (height, len(columns)), field)


def flattened(matrix: DomainMatrix) -> dict[int, Any]:
    """Matrix as one sparse vector, row by row."""
    columns = matrix.shape[1]
    rows = matrix.to_sparse().rep.to_sdm()
    return {i * columns + j: entry for i, row in rows.items() for j, entry in row.items()}


def certified_rref(matrix: DomainMatrix) -> tuple[DomainMatrix, tuple[int, ...]]:
    """Reduced echelon form and pivots, whatever relations there are among the constants.

    Over rational functions of numbers such as π and e the elimination takes them to be unrelated.
    It is right for the numbers that they are if one minor on the pivots, of full rank, is not zero.

    Raises
    ------
    UndecidedError
        If that could not be proved.

    Examples
    --------
    >>> from sympy import E, pi
    >>> field = QQ.frac_field(pi, E)
    >>> matrix = DomainMatrix([[field.gens[0], field.gens[1]]], (1, 2), field)
    >>> certified_rref(matrix)[1]
    (0,)
    """
    if matrix.domain.is_QQ:
        return matrix.rref()  # type: ignore[no-any-return]
    echelon, pivots = interrupted(matrix.rref)
    if pivots and _has_numbers(matrix.domain):
        minor = matrix.extract(range(matrix.shape[0]), pivots)
        rows = interrupted(minor.transpose().rref)[1]
        square = minor.extract(rows, range(len(pivots)))
        certify_nonzero(matrix.domain, interrupted(square.det))
    return echelon, tuple(pivots)


def certify_nonzero(field: Any, number: Any) -> None:
    """Prove by its value that an element of a field of constants, not 0 there, is not zero.

    With parameters it is a function of them, and is proved not to vanish identically.

    Parameters
    ----------
    field : sympy.polys.domains.Domain
        Where the number is.
    number : element of the field
        Not 0 for independent generators of the field.

    Raises
    ------
    UndecidedError
        If that could not be proved.
    """
    if not _has_numbers(field) or field.is_one(number):
        return
    formula = field.to_sympy(number)
    symbols = sorted(formula.free_symbols, key=default_sort_key)
    for point in islice(points(symbols), _MAX_POINTS if symbols else 1):
        for precision in _PRECISIONS:
            try:
                if excludes_zero(enclose(formula, point, precision)):
                    return
            except EvaluationError:
                continue
    raise UndecidedError(
        f"it is undecided whether {str(formula)[:200]} is zero; declare parameters for its numbers"
    )


def _has_numbers(field: Any) -> bool:
    """Whether there are generators other than parameters."""
    return field.is_FractionField and not all(symbol.is_Symbol for symbol in field.symbols)


def nullspace(rows: Iterable[Vector], width: int, domain: Any) -> list[Solution]:
    """Basis of the solutions x of rows · x = 0.

    Parameters
    ----------
    rows : iterable of dict
        Each from column to a coefficient, none of them 0.
    width : int
        Number of columns.
    domain : sympy.polys.domains.Field
        Of the coefficients.

    Returns
    -------
    list of dict
        The basis in reduced echelon form: each solution has a column, its last, where it is 1 and
        the others are 0.

    Notes
    -----
    Over Q the system is solved modulo a large prime, and the solutions are lifted and put into the
    rows exactly. The rank modulo a prime is at most the rank over Q, so that as many solutions
    over Q as modulo the prime are all of them.

    Examples
    --------
    >>> nullspace([{0: QQ(1), 2: QQ(-2)}], 3, QQ) == [{1: 1}, {0: 2, 2: 1}]
    True
    """
    given = [row for row in rows if row]
    if domain.is_QQ:
        whole = {frozenset(_integers(row).items()): None for row in given}
        cleared = sorted(map(dict, whole), key=len)
        for prime in _PRIMES:
            solutions = [_lifted(x, prime) for x in _nullspace_modulo(cleared, width, prime)]
            if all(x is not None and _solves(cleared, x) for x in solutions):
                return [x for x in solutions if x is not None]
    return _nullspace_over(domain, given, width)


def relations_of(field: Any, images: Sequence[Mapping[Any, Any]]) -> list[dict[int, Any]]:
    """All c with Σ c_i images[i] = 0, as a basis.

    Examples
    --------
    >>> relations_of(QQ, [{0: QQ(1)}, {1: QQ(1)}, {}]) == [{2: 1}]
    True
    """
    return nullspace(transposed(images).values(), len(images), field)


def particular_solution(
    field: Any, equations: Sequence[Vector], unknowns: int
) -> dict[int, Any] | None:
    """One solution of Σ_j e_j x_j + e_n = 0 for every equation e; n is the number of unknowns."""
    constraints = Subspace.spanned(field, unknowns + 1, equations)
    if unknowns in constraints.pivots:
        return None
    rows = zip(constraints.pivots, constraints.basis, strict=True)
    return {pivot: -row[unknowns] for pivot, row in rows if unknowns in row}


def _nullspace_over(domain: Any, rows: Sequence[Vector], width: int) -> list[Solution]:
    """Solve by elimination over the field itself."""
    if not rows:
        return [{j: domain.one} for j in range(width)]
    matrix = DomainMatrix(dict(enumerate(map(dict, rows))), (len(rows), width), domain)
    echelon, pivots = certified_rref(matrix)
    return _from_echelon(
        dict(zip(pivots, echelon.to_sparse().rep.to_sdm().values(), strict=True)), width, domain.one
    )


def _from_echelon(pivots: Mapping[int, Vector], width: int, one: Any) -> list[Solution]:
    """Read the solutions off a reduced echelon form: one for each column without a pivot."""
    solutions = {j: {j: one} for j in range(width) if j not in pivots}
    for pivot, row in pivots.items():
        for j, c in row.items():
            if j != pivot:
                solutions[j][pivot] = -c
    return [dict(sorted(x.items())) for x in solutions.values()]


def _nullspace_modulo(rows: Sequence[Vector], width: int, prime: int) -> list[Solution]:
    """Solve by Gauss-Jordan elimination modulo a prime, on sparse rows of integers."""
    pivots: dict[int, dict[int, int]] = {}
    for row in rows:
        rest = {j: c % prime for j, c in row.items() if c % prime}
        for j in [j for j in rest if j in pivots]:
            _subtract_modulo(rest, rest[j], pivots[j], prime)
        if not rest:
            continue
        place = min(rest)
        scale = pow(rest[place], -1, prime)
        new = {j: c * scale % prime for j, c in rest.items()}
        for other in pivots.values():
            if place in other:
                _subtract_modulo(other, other[place], new, prime)
        pivots[place] = new
    return _from_echelon(pivots, width, 1)


def _subtract_modulo(vector: dict[int, int], ratio: int, other: Vector, prime: int) -> None:
    """Subtract a multiple in place, modulo a prime."""
    for j, c in other.items():
        value = (vector.get(j, 0) - ratio * c) % prime
        if value:
            vector[j] = value
        else:
            del vector[j]


def _integers(row: Vector) -> dict[int, int]:
    """Clear the denominators of a row of rationals."""
    common = lcm(*(int(c.denominator) for c in row.values()))
    return {j: int(c.numerator) * (common // int(c.denominator)) for j, c in row.items()}


def _lifted(solution: Solution, prime: int) -> Solution | None:
    """Find the rationals with small numerators and denominators behind the residues."""
    lifted = {j: _rational(c, prime) for j, c in solution.items()}
    return None if None in lifted.values() else lifted


def _rational(residue: int, prime: int) -> Any:
    """Rational n/d = residue with |n|, d below the root of half the prime, or None."""
    bound = isqrt(prime // 2)
    (r, s), (old_r, old_s) = (residue % prime, 1), (prime, 0)
    while r > bound:
        quotient = old_r // r
        (r, s), (old_r, old_s) = (old_r - quotient * r, old_s - quotient * s), (r, s)
    return QQ(r, s) if 0 < abs(s) <= bound else None


def _solves(rows: Sequence[Mapping[int, int]], solution: Solution) -> bool:
    """Put a solution into every row, exactly."""
    whole = _integers(solution)
    return not any(sum(c * whole.get(j, 0) for j, c in row.items()) for row in rows)


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


def reduce_vectors(vectors: Sequence[Mapping[Any, Any]], field: Any) -> Reduction:
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
    >>> reduction = reduce_vectors([{"x": QQ(1)}, {"x": QQ(2)}, {"x": QQ(1), "y": QQ(1)}], QQ)
    >>> reduction.pivots, reduction.coordinates[1] == {0: 2}
    ((0, 2), True)
    """
    rows = transposed(vectors).values()
    if not rows:
        return Reduction(field, (), tuple({} for _ in vectors))
    matrix = DomainMatrix(dict(enumerate(rows)), (len(rows), len(vectors)), field)
    reduced, pivots = certified_rref(matrix)
    coordinates: list[dict[int, Any]] = [{} for _ in vectors]
    for i, row in reduced.rep.to_sdm().items():
        for j, entry in row.items():
            coordinates[j][i] = entry
    return Reduction(field, tuple(pivots), tuple(coordinates))


class Echelon:
    """Vectors added one after the other, each told apart from those before it.

    Examples
    --------
    >>> echelon = Echelon(QQ)
    >>> echelon.add({"x": QQ(1), "y": QQ(1)}), echelon.add({"x": QQ(2)})
    (None, None)
    >>> echelon.add({"y": QQ(3)}) == {0: 3, 1: -QQ(3, 2)}
    True
    """

    def __init__(self, domain: Any) -> None:
        self._domain = domain
        self._rows: dict[Hashable, tuple[dict[Any, Any], dict[int, Any]]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, vector: Mapping[Any, Any]) -> bool:
        return not self._reduced(vector)[0]

    def add(self, vector: Mapping[Any, Any]) -> dict[int, Any] | None:
        """Take a vector in; if it depends on those before, return the combination that it is.

        A combination numbers the independent vectors, in the order in which they came.

        Raises
        ------
        UndecidedError
            If an entry is not zero for generic constants, but may be for those that they are.
        """
        rest, origin = self._reduced(vector)
        if not rest:
            return {k: -c for k, c in sorted(origin.items())}
        place = next(iter(rest))
        certify_nonzero(self._domain, rest[place])
        scale = self._domain.one / rest[place]
        origin[len(self._rows)] = self._domain.one
        self._rows[place] = (
            {j: c * scale for j, c in rest.items()},
            {k: c * scale for k, c in origin.items()},
        )
        return None

    def _reduced(self, vector: Mapping[Any, Any]) -> tuple[dict[Any, Any], dict[int, Any]]:
        """Take off what is spanned: the rest, and of which independent vectors all else is made."""
        rest = dict(vector)
        origin: dict[int, Any] = {}
        for place, (row, row_origin) in self._rows.items():
            if place in rest:
                ratio = rest[place]
                _subtract(rest, ratio, row)
                _subtract(origin, ratio, row_origin)
        return rest, origin


def _subtract(vector: dict[Any, Any], ratio: Any, other: Mapping[Any, Any]) -> None:
    """Subtract a multiple in place and drop what becomes 0."""
    for j, c in other.items():
        value = vector[j] - ratio * c if j in vector else -ratio * c
        if value:
            vector[j] = value
        else:
            vector.pop(j, None)


@dataclass(frozen=True, eq=False)
class Subspace:
    """A subspace of K^n, held by its reduced echelon basis, so that equal ones look equal.

    Attributes
    ----------
    field : sympy.polys.domains.Domain
        K.
    ambient : int
        n.
    basis : tuple of Mapping
        Sparse vectors; each has a 1 at its own pivot, where the others have 0.
    pivots : tuple of int
        Increasing.
    """

    field: Any
    ambient: int
    basis: tuple[Vector, ...]
    pivots: tuple[int, ...]

    @classmethod
    def spanned(cls, field: Any, ambient: int, vectors: Iterable[Vector]) -> Subspace:
        """Span of vectors.

        Examples
        --------
        >>> from sympy import QQ, ZZ, default_sort_key
        >>> Subspace.spanned(QQ, 3, [{0: QQ(2), 1: QQ(2)}, {1: QQ(1)}]).basis == ({0: 1}, {1: 1})
        True
        """
        rows = {i: dict(v) for i, v in enumerate(v for v in vectors if v)}
        if not rows:
            return cls(field, ambient, (), ())
        reduced, pivots = certified_rref(DomainMatrix(rows, (len(rows), ambient), field))
        kept = reduced.rep.to_sdm()
        return cls(field, ambient, tuple(kept[i] for i in range(len(pivots))), tuple(pivots))

    @classmethod
    def whole(cls, field: Any, ambient: int) -> Subspace:
        """All of K^n."""
        basis = tuple({i: field.one} for i in range(ambient))
        return cls(field, ambient, basis, tuple(range(ambient)))

    @property
    def dim(self) -> int:
        """Dimension."""
        return len(self.basis)

    @property
    def free(self) -> tuple[int, ...]:
        """Places that are no pivots: their unit vectors span a complement."""
        pivots = set(self.pivots)
        return tuple(i for i in range(self.ambient) if i not in pivots)

    def __add__(self, other: Subspace) -> Subspace:
        return Subspace.spanned(self.field, self.ambient, (*self.basis, *other.basis))

    def __contains__(self, vector: Vector) -> bool:
        return not self.residue(vector)

    def __le__(self, other: Subspace) -> bool:
        return all(vector in other for vector in self.basis)

    def extended(self, vector: Vector) -> Subspace:
        """Span with one vector more."""
        return Subspace.spanned(self.field, self.ambient, (*self.basis, vector))

    def residue(self, vector: Vector) -> dict[int, Any]:
        """Reduce a vector modulo the subspace, to 0 at every pivot."""
        terms = [
            (-vector[pivot], row)
            for pivot, row in zip(self.pivots, self.basis, strict=True)
            if pivot in vector
        ]
        return combine([(self.field.one, vector), *terms])

    def coordinates(self, vector: Vector) -> dict[int, Any]:
        """Coordinates, in this basis, of a vector of the subspace."""
        return {i: vector[pivot] for i, pivot in enumerate(self.pivots) if pivot in vector}

    def embed(self, coordinates: Vector) -> dict[int, Any]:
        """Vector with the given coordinates in this basis."""
        return combine((entry, self.basis[i]) for i, entry in coordinates.items())

    def meet(self, other: Subspace) -> Subspace:
        """Intersection."""
        residues = [other.residue(vector) for vector in self.basis]
        within = map(self.embed, relations_of(self.field, residues))
        return Subspace.spanned(self.field, self.ambient, within)


def matrix_algebra(
    generators: Sequence[DomainMatrix],
    operation: Callable[[DomainMatrix, DomainMatrix], DomainMatrix],
) -> list[DomainMatrix]:
    """Find a basis of what repeated operations by square matrices, such as products, span.

    Examples
    --------
    >>> nilpotent = DomainMatrix([[QQ(0), QQ(1)], [QQ(0), QQ(0)]], (2, 2), QQ)
    >>> len(matrix_algebra([nilpotent, nilpotent.transpose()], lambda a, b: a * b))
    4
    """
    size, field = generators[0].shape[0], generators[0].domain
    span, basis = Subspace.spanned(field, size**2, ()), []
    waiting = list(generators)
    while waiting and span.dim < size**2:
        matrix = waiting.pop()
        vector = flattened(matrix)
        if vector not in span:
            span = span.extended(vector)
            basis.append(matrix)
            waiting += [operation(matrix, generator) for generator in generators]
    return basis
