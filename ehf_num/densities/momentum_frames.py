"""What an encoder sees of q, and the directions in which it takes momenta apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import autograd.numpy as anp
import numpy as np
from autograd.tracer import isbox

from ehf_num.engine.networks import Circular
from ehf_num.engine.tape import on_tape, part
from ehf_num.engine.workspace import Array
from ehf_sym import NumpyFormula

_CLOSE = 0.1  # the sine of an angle: rounding errors of a projection grow by one over it


class MomentumFrame(Protocol):
    """Functions of q for the conditioner, and orthonormal directions at each q."""

    @property
    def features(self) -> int:
        """Number k of functions of q."""

    @property
    def directions(self) -> int:
        """Number m of directions, at most d."""

    def at(self, q: Any) -> tuple[Any, Any]:
        """Evaluate at points (n, d), on the tape too: functions (n, k) and directions (n, d, m).

        None in place of directions stands for those of the coordinates.
        """


@dataclass(frozen=True)
class CoordinateFrame:
    """q itself, of angles cosine and sine, and the coordinate directions.

    Examples
    --------
    >>> CoordinateFrame(3).at(np.zeros((5, 3)))[1] is None
    True
    """

    dim: int
    angles: tuple[int, ...] = ()

    @cached_property
    def _inputs(self) -> Circular:
        return Circular(self.dim, self.angles)

    @property
    def features(self) -> int:
        """Number of functions of q."""
        return self._inputs.width

    @property
    def directions(self) -> int:
        """Number of directions."""
        return self.dim

    def at(self, q: Any) -> tuple[Any, None]:
        """Return what networks see of q, and None."""
        return self._inputs(q), None


@dataclass(frozen=True, eq=False)
class MovingFrame:
    """Invariants of q, and fields that move with the symmetry, made orthonormal point by point.

    Orthogonalization uses inner products of the fields alone, which are invariant: the directions
    move with the symmetry as the fields do. Where the fields are dependent (a set of measure zero)
    some direction is arbitrary, and the frame still orthonormal.

    Attributes
    ----------
    invariants : NumpyFormula
        (n, d) to (n, k).
    fields : NumpyFormula
        (n, d) to (n, m, d), one field a row.

    Examples
    --------
    >>> from sympy import Matrix, symbols
    >>> from ehf_sym import to_numpy
    >>> q = symbols("q1 q2", real=True)
    >>> frame = MovingFrame(to_numpy([q[0]**2 + q[1]**2], q), to_numpy([list(q)], q))
    >>> invariants, directions = frame.at(np.array([[3.0, 4.0]]))
    >>> invariants, directions[..., 0]
    (array([[25.]]), array([[0.6, 0.8]]))
    """

    invariants: NumpyFormula
    fields: NumpyFormula

    @property
    def features(self) -> int:
        """Number of functions of q."""
        return self.invariants.shape[0]

    @property
    def directions(self) -> int:
        """Number of directions."""
        return self.fields.shape[0]

    def at(self, q: Any) -> tuple[Any, Any]:
        """Evaluate the invariants (n, k) and the directions (n, d, m)."""
        if isbox(q):
            return on_tape(self.invariants)(q), _orthonormal_on_tape(on_tape(self.fields)(q))
        return self.invariants(q), np.swapaxes(_orthonormal(self.fields(q)), 1, 2)


def _orthonormal_on_tape(fields: Any) -> Any:
    """Make m vectors at each of n points orthonormal: (n, m, d) to (n, d, m).

    Dependent ones have no derivative there: not finite.
    """
    rows: list[Any] = []
    for k in range(fields.shape[1]):
        vector = part(fields, np.s_[:, k])
        for row in rows:
            vector = vector - anp.sum(row * vector, axis=1, keepdims=True) * row
        rows.append(vector / anp.sqrt(anp.sum(vector**2, axis=1, keepdims=True)))
    return anp.stack(rows, axis=2)


def _orthonormal(fields: Array) -> Array:
    """Make m vectors at each of n points orthonormal, one after the other: (n, m, d)."""
    rows = np.empty_like(fields)
    before = np.sqrt(np.einsum("nmi,nmi->nm", fields, fields))
    after = before.copy()
    with np.errstate(divide="ignore", invalid="ignore"):  # such rows are done again below
        for k in range(fields.shape[1]):
            vector = fields[:, k]
            if k:
                along = np.einsum("nmi,ni->nm", rows[:, :k], vector)
                vector = vector - np.einsum("nm,nmi->ni", along, rows[:, :k])
                after[:, k] = np.sqrt(np.einsum("ni,ni->n", vector, vector))
            np.divide(vector, after[:, k : k + 1], out=rows[:, k])
    close = ~(after > _CLOSE * before).all(axis=1)
    if close.any():
        rows[close] = _by_reflections(fields[close])
    return rows


def _by_reflections(fields: Array) -> Array:
    """Do the same slowly, and orthonormal for dependent vectors too."""
    directions, triangle = np.linalg.qr(np.swapaxes(fields, 1, 2))
    # Householder's signs depend on the coordinates; with a positive diagonal they do not.
    diagonal = np.diagonal(triangle, axis1=1, axis2=2)
    signs = np.where(diagonal < 0, -1, 1).astype(fields.dtype)
    rows: Array = np.swapaxes(directions * signs[:, np.newaxis, :], 1, 2)
    return rows
