"""From numbers to exact coefficients: the null space of a matrix known up to noise.

Unknown coefficients c fulfil M c = 0, and M is a mean over independent blocks of data. Its null
space is found in numbers, its errors from what blocks make of it, and then written exactly where
the errors leave no choice. What is not decided is said to be so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import scipy
import sympy as sp

from ehf_num.engine.workspace import Array

_FOLDS = 25
_LARGEST_DENOMINATOR = 60
_CHANCE = 0.05  # that a number of no simple form lies as near to one
_ROUNDING = 1e-9  # relative; what is smaller is taken for zero
_PAIRS = np.sqrt(2.0)  # each pair of folds is counted twice


@dataclass(frozen=True, eq=False)
class NullSpace:
    """Coefficient vectors c with M c = 0, as rows; see `null_space`.

    Attributes
    ----------
    basis : ndarray, shape (k, m)
        Reduced: one coordinate of each row is 1 and that of the others 0.
    errors : ndarray, shape (k, m)
        Standard errors of the entries.
    exact : tuple of tuple of sympy.Rational or None, optional
        The entries exactly, None where the data do not decide them.
    """

    basis: Array
    errors: Array
    exact: tuple[tuple[sp.Rational | None, ...], ...]

    @property
    def decided_rows(self) -> tuple[tuple[sp.Rational, ...], ...]:
        """The rows all of whose entries are exact."""
        return tuple(row for row in self.exact if all(x is not None for x in row))

    def where(self, passes: Callable[[Array], bool]) -> NullSpace:
        """Keep as exact the rows that a test passes when they are put in numbers."""
        kept = tuple(
            row if None in row or passes(np.array(row, dtype=np.float64)) else (None,) * len(row)
            for row in self.exact
        )
        return replace(self, exact=kept)


def null_space(
    blocks: Array,
    dimension: int,
    level: float,
    resolution: float,
    whiten: Array | None = None,
    scales: Array | None = None,
) -> NullSpace:
    """Find the null space of a matrix from independent estimates of it.

    An entry is exact where the simplest rational number inside its confidence interval is simpler
    than chance would have it, and the whole interval is within `resolution` of it: of data whose
    entry is farther from it than that, a share of `level` at the most is taken for exact (two
    one-sided tests).

    Parameters
    ----------
    blocks : ndarray, shape (B, J, m)
        Estimates of M, B ≥ 4.
    dimension : int
        k, from `dimension_by_folds` or a sharper test.
    level : float
        Of the tests.
    resolution : float
        How far from exact an entry may be before it has to be noticed; entries are ratios, here
        of coefficients in units of `scales`.
    whiten : ndarray, shape (m, m), optional
        Columns T: c = T u with u in units in which all directions are alike.
    scales : ndarray, shape (m,), optional
        What makes c_k · scales_k comparable.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = 1e-4 * rng.standard_normal((40, 5, 3))
    >>> blocks = rng.standard_normal((5, 3)) @ (np.eye(3) - np.full((3, 3), 1 / 3)) + noise
    >>> k, _ = dimension_by_folds(blocks, 0.01)
    >>> null_space(blocks, k, 0.01, 0.02).exact
    ((1, 1, 1),)
    """
    size = blocks.shape[-1]
    change = np.eye(size) if whiten is None else whiten
    moved = blocks @ change
    if not dimension:
        return NullSpace(np.zeros((0, size)), np.zeros((0, size)), ())
    sizes = np.ones(size) if scales is None else scales
    change = change * sizes[:, np.newaxis]
    directions = least(moved.mean(axis=0))[:dimension] @ change.T
    pivots = scipy.linalg.qr(directions, pivoting=True)[2][:dimension]
    count, total = len(blocks), moved.sum(axis=0)
    others = np.stack(
        [
            _reduced(least((total - one) / (count - 1))[:dimension] @ change.T, pivots)
            for one in moved
        ]
    )
    squares = (others - others.mean(axis=0)) ** 2
    errors = np.sqrt((count - 1) * squares.mean(axis=0))  # the jackknife
    degrees = _degrees_of_freedom(squares)
    errors[:, pivots] = 0.0
    units = sizes[pivots][:, np.newaxis] / sizes
    basis, errors = _reduced(directions, pivots) * units, errors * units
    free = max(1, int(np.count_nonzero(errors)))
    width, widest = (
        scipy.stats.t.isf(share / 2, degrees) * errors + _ROUNDING * units
        for share in (level, level / free)
    )
    exact = tuple(
        tuple(map(exact_number, *rows))
        for rows in zip(
            basis.tolist(),
            widest.tolist(),
            (resolution * units - width).tolist(),
            strict=True,
        )
    )
    order = np.argsort(pivots)
    return NullSpace(basis[order], errors[order], tuple(exact[i] for i in order))


def _degrees_of_freedom(squares: Array) -> Array:
    """Degrees of freedom of variances that are sums over blocks: fewer where few blocks count.

    Where contributions are normal, (Σ u²)²/Σ u⁴ is a third of their number.
    """
    total, fourth = squares.sum(axis=0), np.sum(squares**2, axis=0)
    equal = np.divide(total**2, fourth, out=np.full_like(total, np.inf), where=fourth > 0)
    degrees: Array = np.clip(3 * equal, 2, len(squares) - 1) - 1
    return degrees


def exact_number(value: float, width: float, margin: float) -> sp.Rational | None:
    """Return the simplest rational within ± width, if that decides it, else None.

    It has to be within the margin, and so simple that a number of no simple form would hardly lie
    as near to one.

    Examples
    --------
    >>> exact_number(0.3334, 0.001, 0.02), exact_number(0.3334, 0.1, 0.02)
    (1/3, None)
    >>> exact_number(0.3371, 0.001, 0.02) is None
    True
    """
    if abs(value) <= min(width, margin):  # 0 is 0 in all units, however wide a number is in these
        return sp.S.Zero
    if not np.isfinite(value) or not 0 < width < 1:
        return None
    largest = max(1, min(int(np.sqrt(_CHANCE / (0.6 * width))), _LARGEST_DENOMINATOR))
    for denominator in range(1, largest + 1):
        candidate = Fraction(round(value * denominator), denominator)
        if abs(value - candidate) <= min(width, margin):
            return sp.Rational(candidate.numerator, candidate.denominator)
    return None


def dimension_by_folds(
    blocks: Array, level: float, whiten: Array | None = None
) -> tuple[int, float]:
    """Count directions that M is not seen to move, and bound what it may move them by.

    They are taken in the order of what M makes of them, the least first, as long as a fold of
    blocks that did not choose a direction does not tell it from zero.

    Returns
    -------
    dimension : int
    bound : float
        One-sided, for the largest |M u| of these directions, in units of the root mean square of
        all directions.
    """
    folds = folded(blocks if whiten is None else blocks @ whiten)
    others = (folds.sum(axis=0) - folds) / (len(folds) - 1)
    scale = np.linalg.norm(folds.mean(axis=0)) / np.sqrt(folds.shape[-1])
    chosen = np.stack([least(other) for other in others])
    bound = 0.0
    for k in range(folds.shape[-1]):
        images = np.einsum("fjm,fm->fj", folds, chosen[:, k])
        low, high = squared_mean(images, np.einsum("fjm,fm->fj", others, chosen[:, k]), level)
        if low > (_ROUNDING * scale) ** 2:
            return k, bound
        bound = max(bound, float(np.sqrt(max(high, 0.0)) / scale))
    return int(folds.shape[-1]), bound


def squared_mean(folds: Array, others: Array, level: float) -> tuple[float, float]:
    """Return a confidence interval for |E v|², of folds (F, J) and what the others say of v."""
    products = np.einsum("fj,fj->f", folds, others)
    error = _PAIRS * products.std(ddof=1) / np.sqrt(len(folds))
    width = scipy.stats.t.isf(level / 2, len(folds) - 1) * error
    return float(products.mean() - width), float(products.mean() + width)


def folded(blocks: Array) -> Array:
    """Average blocks into folds of about as many."""
    parts = np.array_split(np.arange(len(blocks)), min(_FOLDS, len(blocks)))
    return np.stack([blocks[part].mean(axis=0) for part in parts])


def least(matrix: Array) -> Array:
    """Return right singular vectors as rows, of the smallest singular value first."""
    rows: Array = np.linalg.svd(matrix, full_matrices=True)[2][::-1]
    return rows


def _reduced(rows: Array, pivots: Array) -> Array:
    reduced: Array = np.linalg.solve(rows[:, pivots], rows)
    return reduced
