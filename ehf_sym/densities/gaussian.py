"""Gaussians recognized exactly from the formula of their log density."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from math import inf

from sympy import (
    Add,
    Expr,
    ImmutableMatrix,
    Integer,
    Mul,
    Rational,
    S,
    SparseMatrix,
    Symbol,
    expand,
    expand_log,
    log,
    pi,
    symbols,
)
from sympy.polys.matrices import DomainMatrix

from ehf_sym.clock import attempted
from ehf_sym.enclosures.enclosure import EvaluationError, enclose, enclose_over, excludes_zero
from ehf_sym.formulas.printing import record_text
from ehf_sym.zero.witness import points
from ehf_sym.zero.zero_test import is_zero

_STEPS = (Integer(1), Rational(1, 5))
_SECONDS = 5.0  # for the derivatives of a formula: those of nested functions grow exponentially


@dataclass(frozen=True)
class Gaussian:
    """Normal density of 2d coordinates, exact.

    Attributes
    ----------
    mean : sympy.ImmutableMatrix
        Column of length 2d.
    precision : sympy.ImmutableMatrix
        Inverse covariance, 2d × 2d, symmetric and positive definite.
    """

    mean: ImmutableMatrix
    precision: ImmutableMatrix

    __repr__ = record_text


@lru_cache(16)
def find_gaussian(coordinates: tuple[Symbol, ...], log_density: Expr) -> Gaussian | None:
    """Mean and precision of a log density proved to be quadratic with a maximum.

    Parameters
    ----------
    coordinates : tuple of sympy.Symbol
        Of what it is a density: all coordinates of a space, or those that are no angles.
    log_density : sympy.Expr
        A formula in them, up to a constant.

    Returns
    -------
    Gaussian or None
        None unless the formula is proved to equal its second-order Taylor polynomial at 0, whose
        Hessian is negative definite (exact pivots); in bounded time, where it is no polynomial.

    Examples
    --------
    >>> from sympy import symbols
    >>> q, p = symbols("q1 p1", real=True)
    >>> find_gaussian((q, p), q - q**2 - p**2 / 2).mean.T
    Matrix([[1/2, 0]])
    """
    origin = dict.fromkeys(coordinates, S.Zero)
    if _bends(coordinates, log_density):
        return None
    # Of a polynomial the derivatives are short.
    seconds = inf if log_density.is_polynomial(*coordinates) else _SECONDS
    try:
        expansion = attempted(lambda: _expansion(coordinates, log_density), seconds)
    # 1/0 > 0 in a condition; a derivative that is not taken; a formula nested deeply
    except (TypeError, ValueError, RecursionError):
        return None
    if expansion is None:
        return None
    slope, precision = expansion
    if not all(value.is_finite for value in (*slope, *precision.values())):
        return None
    if not _is_positive_definite(precision):
        return None
    s = ImmutableMatrix(coordinates)
    linear = [b * x for b, x in zip(slope, coordinates, strict=True)]
    squares = [-c * s[i] * s[j] / 2 for (i, j), c in precision.todok().items()]
    quadratic = Add(log_density.xreplace(origin), *linear, *squares)
    if not is_zero(log_density - quadratic).proved:
        return None
    return Gaussian(mean=_solution(precision, slope), precision=ImmutableMatrix(precision))


def _bends(coordinates: Sequence[Symbol], f: Expr) -> bool:
    """Whether a third difference is seen not to vanish, along an axis that few terms depend on."""
    terms = [term for term in Add.make_args(f) if _degree(term) > 2]
    others = sorted(f.free_symbols.difference(coordinates), key=str)
    counts = Counter(x for term in terms for x in term.free_symbols.intersection(coordinates))
    place = dict(next(points(others), {}))
    if not counts or len(place) < len(others):
        return False
    x = min(counts, key=lambda y: (counts[y], coordinates.index(y)))
    line = Add(*(term for term in terms if x in term.free_symbols))
    place |= {y: Rational(k, k + 3) for k, y in enumerate(coordinates, start=1)}
    values = symbols("f0:4")
    third = values[3] - 3 * values[2] + 3 * values[1] - values[0]
    for step in _STEPS:
        with suppress(EvaluationError):
            box = {y: enclose(line, place | {x: k * step}, 200) for k, y in enumerate(values)}
            if excludes_zero(enclose_over(third, box, 200)):
                return True
    return False


def _degree(term: Expr) -> float:
    """Total degree of a monomial, infinite for any other formula."""
    powers = [factor.as_base_exp() for factor in Mul.make_args(term) if not factor.is_number]
    return sum(n if x.is_Symbol and n.is_Integer and n > 0 else inf for x, n in powers)


def log_integral(coordinates: Sequence[Symbol], log_density: Expr, gaussian: Gaussian) -> Expr:
    """Logarithm of ∫ exp(c − ½(s−m)ᵀP(s−m)) ds = c + (n/2) ln 2π − ½ ln det P, n long, exact."""
    at_mean = dict(zip(coordinates, gaussian.mean, strict=True))
    height = log_density.xreplace(at_mean)
    blocks = (block for _, block in _blocks(SparseMatrix(gaussian.precision)))
    determinant = Mul(*(block.domain.to_sympy(block.det()) for block in blocks))
    return expand(expand_log(height + (len(coordinates) * log(2 * pi) - log(determinant)) / 2))


def _expansion(coordinates: Sequence[Symbol], f: Expr) -> tuple[list[Expr], SparseMatrix]:
    """Slope and negative Hessian at 0."""
    slopes = first_derivatives(coordinates, f)
    origin = dict.fromkeys(coordinates, S.Zero)
    return [slope.xreplace(origin) for slope in slopes], _precision(coordinates, slopes)


def first_derivatives(coordinates: Sequence[Symbol], f: Expr) -> list[Expr]:
    """Return the first derivatives; each term is looked at for its own coordinates alone."""
    parts: dict[Symbol, list[Expr]] = {x: [] for x in coordinates}
    for term in Add.make_args(f):
        for x in term.free_symbols.intersection(parts):
            factor, of_x = term.as_independent(x, as_Add=False)
            parts[x].append(factor * of_x.diff(x))
    return [Add(*terms) for terms in parts.values()]


def _precision(coordinates: Sequence[Symbol], slopes: Sequence[Expr]) -> SparseMatrix:
    """Return the second derivatives at 0, with the other sign."""
    origin = dict.fromkeys(coordinates, S.Zero)
    n = len(slopes)
    entries = {
        (i, j): -second.xreplace(origin)
        for i, slope in enumerate(slopes)
        for j, second in enumerate(first_derivatives(coordinates, slope))
        if second != 0
    }
    return SparseMatrix(n, n, entries)


def _blocks(matrix: SparseMatrix) -> Iterator[tuple[list[int], DomainMatrix]]:
    """Coordinates that belong together, with their block over the field of its entries."""
    for rows in matrix.connected_components():
        block = matrix.extract(rows, rows)
        yield rows, DomainMatrix.from_Matrix(block, extension=True).to_field()


def _is_positive_definite(matrix: SparseMatrix) -> bool:
    """Decide by the signs of the pivots; a pivot of unknown sign counts against."""
    return all(_has_positive_pivots(block) for _, block in _blocks(matrix))


def _has_positive_pivots(block: DomainMatrix) -> bool:
    """Eliminate as long as the pivots are positive: with parameters the first ones tell."""
    rows, domain = block.to_dense().rep.to_list(), block.domain
    for k, row in enumerate(rows):
        if not domain.to_sympy(row[k]).is_positive:
            return False
        for other in rows[k + 1 :]:
            ratio = other[k] / row[k]
            other[k:] = [a - ratio * b for a, b in zip(other[k:], row[k:], strict=True)]
    return True


def _solution(matrix: SparseMatrix, right: Sequence[Expr]) -> ImmutableMatrix:
    """Solve linear equations block by block."""
    found = [S.Zero] * len(right)
    for rows, block in _blocks(matrix):
        given = [right[i] for i in rows]
        if any(given):
            column = DomainMatrix.from_Matrix(ImmutableMatrix(given), extension=True)
            left, column = block.unify(column.to_field())
            for i, value in zip(rows, left.lu_solve(column).to_Matrix(), strict=True):
                found[i] = value
    return ImmutableMatrix(found)
