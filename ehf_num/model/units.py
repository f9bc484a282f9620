"""Units of measured data: shifts and scales that a symmetry allows, estimated and undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import sympy as sp

from ehf_num.engine.workspace import Array
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.frames import UnitChanges

_SPREAD = 2.0  # of z: see tests/benchmarks/front_door.py
_NARROWEST = 1e-10  # of the widest direction: below, there is no width but rounding


@dataclass(frozen=True, eq=False)
class Units:
    """The coordinates x = S z + t that data are learned in, z.

    Attributes
    ----------
    shift : ndarray, shape (d,)
        t, in the units of x.
    scale : ndarray, shape (d, d)
        S, symmetric and positive definite, in the units of x.
    """

    shift: Array
    scale: Array

    @classmethod
    def none(cls, dim: int) -> Self:
        """Return x = z."""
        return cls(np.zeros(dim), np.eye(dim))

    @classmethod
    def of(cls, x: Array, changes: UnitChanges | None) -> Self:
        """Estimate them from points: z has mean zero and standard deviation 2 as far as is allowed.

        t is the allowed point nearest to the mean. (2 S)² is the projection of the second moments
        about t on the allowed matrices. These are the symmetric part of an algebra closed under
        transposition, so that the projection is positive, and S, its root, is allowed too.

        Parameters
        ----------
        x : ndarray, shape (n, d)
            Points.
        changes : UnitChanges or None
            What is allowed; None: everything.

        Raises
        ------
        ehf_sym.ArgumentError
            If x has no width in some direction.
        """
        shift = x.mean(axis=0)
        if changes is not None:
            center = _floats([changes.center])[0]
            shift = center + _projected(shift - center, _floats(changes.shifts))
        from_there = x - shift
        moments = from_there.T @ from_there / len(x)
        if changes is not None:
            moments = _projected(moments.ravel(), _floats(changes.scales)).reshape(moments.shape)
        variances, axes = np.linalg.eigh(moments)
        if not variances[0] > _NARROWEST**2 * max(variances[-1], np.square(x).max()):
            column = int(np.argmax(np.abs(axes[:, 0]))) + 1
            raise ArgumentError(
                f"X had {len(x)} sample(s) (n_samples={len(x)}) without width along "
                f"{axes[:, 0].round(3).tolist()}, mostly column {column}; a density needs width in "
                "every direction: leave out columns that are constant or combinations of others"
            )
        return cls(shift, (axes * (np.sqrt(variances) / _SPREAD)) @ axes.T)

    @property
    def log_jacobian(self) -> float:
        """By how much ln p(z) exceeds ln p(x): ln det S."""
        return float(np.linalg.slogdet(self.scale)[1])

    def standardized(self, x: Array) -> Array:
        """Return z of x, (n, d)."""
        z: Array = np.linalg.solve(self.scale, (x - self.shift).T).T
        return z

    def restored(self, z: Array) -> Array:
        """Return x of z, (n, d)."""
        x: Array = z.astype(np.float64) @ self.scale + self.shift
        return x


def _floats(vectors: Any) -> Array:
    """Turn exact vectors or matrices into rows of floats."""
    return np.array([[float(sp.N(x)) for x in vector] for vector in vectors])


def _projected(vector: Array, basis: Array) -> Array:
    """Project orthogonally on the span of the rows of a basis, which may have none."""
    if not len(basis):
        return np.zeros_like(vector)
    coefficients = np.linalg.lstsq(basis.T, vector, rcond=None)[0]
    projection: Array = coefficients @ basis
    return projection
