"""Gaussians recognized exactly from the formula of their log density."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Expr, ImmutableMatrix, S, expand, expand_log, hessian, log, pi

from ehf_sym.phase_space import PhaseSpace
from ehf_sym.zero_test import is_zero


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


def find_gaussian(space: PhaseSpace, log_density: Expr) -> Gaussian | None:
    """Mean and precision of a log density proved to be quadratic with a maximum.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates.
    log_density : sympy.Expr
        A formula in them, up to a constant.

    Returns
    -------
    Gaussian or None
        None unless the formula is proved to equal its second-order Taylor polynomial at 0, whose
        Hessian is negative definite (exact pivots).

    Examples
    --------
    >>> space = PhaseSpace(1)
    >>> (q,), (p,) = space.q, space.p
    >>> find_gaussian(space, q - q**2 - p**2 / 2).mean.T
    Matrix([[1/2, 0]])
    """
    origin = dict.fromkeys(space.coordinates, S.Zero)
    precision = ImmutableMatrix(-hessian(log_density, space.coordinates).subs(origin))
    if not _is_positive_definite(precision):
        return None
    slope = ImmutableMatrix([log_density.diff(x).subs(origin) for x in space.coordinates])
    s = ImmutableMatrix(space.coordinates)
    quadratic = (slope.T * s - s.T * precision * s / 2)[0] + log_density.subs(origin)
    if not is_zero(log_density - quadratic).proved:
        return None
    return Gaussian(mean=precision.LUsolve(slope), precision=precision)


def log_integral(space: PhaseSpace, log_density: Expr, gaussian: Gaussian) -> Expr:
    """Logarithm of ∫ exp(c − ½(s−m)ᵀP(s−m)) ds = c + d ln 2π − ½ ln det P, exact."""
    at_mean = dict(zip(space.coordinates, gaussian.mean, strict=True))
    height = log_density.subs(at_mean)
    spread = space.dim * log(2 * pi) - log(gaussian.precision.det()) / 2
    return expand(expand_log(height + spread))


def _is_positive_definite(matrix: ImmutableMatrix) -> bool:
    """Decide by the signs of the pivots; a pivot of unknown sign counts against."""
    rows = matrix.as_mutable()
    for k in range(rows.rows):
        pivot = rows[k, k]
        if not pivot.is_positive or not pivot.is_finite:
            return False
        for i in range(k + 1, rows.rows):
            rows[i, :] -= rows[i, k] / pivot * rows[k, :]
    return True
