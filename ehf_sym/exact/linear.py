"""Exact sparse linear algebra over a field of constants."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from math import isqrt, lcm
from typing import Any

from sympy import QQ
from sympy.polys.matrices import DomainMatrix

from ehf_sym.exact.independence import certified_rref, certify_nonzero

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
