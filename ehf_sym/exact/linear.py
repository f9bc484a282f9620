"""Sparse linear algebra over an exact field: null spaces, equations, subspaces in echelon form."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt, lcm
from typing import Any

from sympy import QQ
from sympy.polys.matrices import DomainMatrix

from ehf_sym.clock import check_time
from ehf_sym.exact.functions import certified_rref, certify_nonzero

Row = Mapping[int, Any]
Solution = dict[int, Any]
# Mersenne primes: the solutions of most systems have entries far below the root of the first.
_PRIMES = tuple(2**exponent - 1 for exponent in (127, 521, 2203))


def nullspace(rows: Iterable[Row], width: int, domain: Any) -> list[Solution]:
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


def _nullspace_over(domain: Any, rows: Sequence[Row], width: int) -> list[Solution]:
    """Solve by elimination over the field itself."""
    if not rows:
        return [{j: domain.one} for j in range(width)]
    matrix = DomainMatrix(dict(enumerate(map(dict, rows))), (len(rows), width), domain)
    echelon, pivots = certified_rref(matrix)
    return _from_echelon(
        dict(zip(pivots, echelon.to_sparse().rep.to_sdm().values(), strict=True)), width, domain.one
    )


def _from_echelon(pivots: Mapping[int, Row], width: int, one: Any) -> list[Solution]:
    """Read the solutions off a reduced echelon form: one for each column without a pivot."""
    solutions = {j: {j: one} for j in range(width) if j not in pivots}
    for pivot, row in pivots.items():
        for j, c in row.items():
            if j != pivot:
                solutions[j][pivot] = -c
    return [dict(sorted(x.items())) for x in solutions.values()]


def _nullspace_modulo(rows: Sequence[Row], width: int, prime: int) -> list[Solution]:
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


def _subtract_modulo(vector: dict[int, int], ratio: int, other: Row, prime: int) -> None:
    """Subtract a multiple in place, modulo a prime."""
    for j, c in other.items():
        value = (vector.get(j, 0) - ratio * c) % prime
        if value:
            vector[j] = value
        else:
            del vector[j]


def _integers(row: Row) -> dict[int, int]:
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
    common = lcm(*(int(c.denominator) for c in solution.values()))
    whole = {j: int(c.numerator) * (common // int(c.denominator)) for j, c in solution.items()}
    return not any(sum(c * whole.get(j, 0) for j, c in row.items()) for row in rows)


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

    def add(self, vector: Mapping[Any, Any]) -> dict[int, Any] | None:
        """Take a vector in; if it depends on those before, return the combination that it is.

        A combination numbers the independent vectors, in the order in which they came.

        Raises
        ------
        UndecidedError
            If an entry is not zero for generic constants, but may be for those that they are.
        """
        rest = dict(vector)
        origin: dict[int, Any] = {}
        for place, (row, row_origin) in self._rows.items():
            if place in rest:
                ratio = rest[place]
                _subtract(rest, ratio, row)
                _subtract(origin, ratio, row_origin)
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


def _subtract(vector: dict[Any, Any], ratio: Any, other: Mapping[Any, Any]) -> None:
    """Subtract a multiple in place and drop what becomes 0."""
    for j, c in other.items():
        value = vector[j] - ratio * c if j in vector else -ratio * c
        if value:
            vector[j] = value
        else:
            vector.pop(j, None)


Vector = Mapping[int, Any]  # nonzero entries


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
        >>> from sympy import QQ
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
        images = [other.residue(vector) for vector in self.basis]
        kernel = kernel_of(self.field, images)
        return Subspace.spanned(self.field, self.ambient, map(self.embed, kernel))


def kernel_of(field: Any, images: Sequence[Vector]) -> list[dict[int, Any]]:
    """All c with Σ c_i images[i] = 0, as a basis.

    Examples
    --------
    >>> from sympy import QQ
    >>> kernel_of(QQ, [{0: QQ(1)}, {1: QQ(1)}, {}]) == [{2: 1}]
    True
    """
    equations: dict[int, dict[int, Any]] = {}
    for i, image in enumerate(images):
        for place, entry in image.items():
            equations.setdefault(place, {})[i] = entry
    return solutions(field, list(equations.values()), len(images))


def solutions(field: Any, equations: Sequence[Vector], unknowns: int) -> list[dict[int, Any]]:
    """Basis of the solutions of homogeneous linear equations."""
    constraints = Subspace.spanned(field, unknowns, equations)
    found = {free: {free: field.one} for free in constraints.free}
    for pivot, row in zip(constraints.pivots, constraints.basis, strict=True):
        for place, entry in row.items():
            if place != pivot:
                found[place][pivot] = -entry
    return list(found.values())


def particular_solution(
    field: Any, equations: Sequence[Vector], unknowns: int
) -> dict[int, Any] | None:
    """One solution of Σ_j e_j x_j + e_n = 0 for every equation e; n is the number of unknowns."""
    constraints = Subspace.spanned(field, unknowns + 1, equations)
    if unknowns in constraints.pivots:
        return None
    rows = zip(constraints.pivots, constraints.basis, strict=True)
    return {pivot: -row[unknowns] for pivot, row in rows if unknowns in row}
