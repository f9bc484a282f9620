"""ln p(x) = ln ∫ p(x, p) dp by the trapezoidal rule over p, for d ≤ 2, with its error.

On an analytic integrand that falls off, the trapezoidal rule converges exponentially in the number
of nodes (Trefethen & Weideman, SIAM Review 56, 385 (2014)), and halving its step adds shifted
copies of the same lattice. Each point has a box of its own, fitted to where its integrand is. The
encoder only says where to begin to look: nothing else of it enters.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ehf_num.engine.log_space import log_mean_exp
from ehf_num.engine.workspace import Array
from ehf_num.inference import inference
from ehf_num.inference.estimate import LikelihoodEstimate
from ehf_num.training.objective import BoundModel
from ehf_num.training.progress import watched
from ehf_sym.errors import ArgumentError

LARGEST_DIM = 2
_NODES = 12  # of the first lattice, along each axis
_SHIFT = 0.5  # of the first lattice from the corner, in steps: it is symmetric in its box
_SPREAD = 4.0  # standard deviations of the encoder's noise: where to begin
_MARGIN = 8.0  # nats below the requested error: what is left outside of the box
_ROUNDS = 30
_FULL = 0.7  # share of a box, along each axis, that an integrand should fill
_ROUNDING = 8.0  # times the precision of the dtype and |ln p|

Integrand = Callable[[Array, Array], Array]
"""ln p(x, p), nats: (m, d) and (m, d) to (m,)."""


@dataclass(frozen=True)
class _Boxes:
    """A box in p for each of m points: lower corners and widths, (m, d) each."""

    corner: Array
    width: Array

    def lattice(self, nodes: int, shift: Array) -> Array:
        """Place nodes**d points in each box, (m, nodes**d, d), by steps from a shifted corner."""
        dim = self.corner.shape[1]
        axis = np.arange(nodes)
        cells = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
        steps = (cells + shift) / nodes
        return self.corner[:, np.newaxis] + self.width[:, np.newaxis] * steps

    def at(self, rows: Array) -> _Boxes:
        """Return the boxes of some of the points."""
        return _Boxes(self.corner[rows], self.width[rows])


def quadrature_estimate(
    model: BoundModel,
    x: Array,
    *,
    error: float,
    max_samples: int,
) -> LikelihoodEstimate:
    """Integrate p(x, p) over p at each point: x (n, d).

    Parameters
    ----------
    model : BoundModel
        Whose density.
    x : ndarray, shape (n, d)
        Points, d at most 2.
    error : float
        A lattice is refined until the last refinement changed ln p(x) by no more, nats.
    max_samples : int
        Nodes of the finest lattice, at most.

    Raises
    ------
    ehf_sym.ArgumentError
        For d > 2.
    """
    if x.shape[1] > LARGEST_DIM:
        raise ArgumentError(
            f'method was "quadrature", which integrates over p for d ≤ {LARGEST_DIM}; with '
            f'd = {x.shape[1]} it should be "importance"'
        )

    def integrand(points: Array, momenta: Array) -> Array:
        def rows(q: Array, p: Array) -> tuple[Array]:
            return (model.joint_log_prob(q, p),)

        with np.errstate(all="ignore"):
            values = inference.in_blocks(rows, points, momenta.astype(x.dtype))[0]
        return np.nan_to_num(values.astype(np.float64), nan=-np.inf, neginf=-np.inf)

    depth = _MARGIN - np.log(error)
    block = max(1, inference.ROWS_PER_BLOCK // _NODES ** x.shape[1])
    parts, starts = [], range(0, len(x), block)
    for start in watched(starts, len(starts), "block"):
        points = x[start : start + block]
        boxes = _enclosing(model, points)
        boxes, values, used = _fitted(integrand, points, boxes, depth)
        parts.append(_refined(integrand, points, boxes, values, used, error, max_samples))
    values, errors, draws = (np.concatenate(column) for column in zip(*parts, strict=True))
    errors += _ROUNDING * float(np.finfo(x.dtype).eps) * (1 + np.abs(values))
    return LikelihoodEstimate(values, errors, np.full(len(x), np.nan), draws, "quadrature")


def _enclosing(model: BoundModel, x: Array) -> _Boxes:
    """Box in the momenta that the encoder makes of a lattice of noise."""
    dim = x.shape[1]
    axis = np.linspace(-_SPREAD, _SPREAD, _NODES)
    noise = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
    tiled = np.tile(noise, (len(x), 1)).astype(x.dtype)
    momenta, _ = model.draw(np.repeat(x, len(noise), axis=0), tiled)
    momenta = np.asarray(momenta, np.float64).reshape(len(x), len(noise), dim)
    corner = momenta.min(axis=1)
    return _Boxes(corner, momenta.max(axis=1) - corner)


def _on_lattice(integrand: Integrand, x: Array, boxes: _Boxes, nodes: int, shift: Array) -> Array:
    """Evaluate each point's integrand on its lattice: (m, nodes**d)."""
    momenta = boxes.lattice(nodes, shift)
    count, size, dim = momenta.shape
    values = integrand(np.repeat(x, size, axis=0), momenta.reshape(-1, dim))
    return values.reshape(count, size)


def _fitted(
    integrand: Integrand, x: Array, boxes: _Boxes, depth: float
) -> tuple[_Boxes, Array, Array]:
    """Move each box until its integrand fills it and is negligible on its faces.

    Returns
    -------
    boxes
        Fitted.
    values : ndarray, shape (m, nodes**d)
        On the first lattice of each.
    used : ndarray of int, shape (m,)
        How often each integrand was evaluated.
    """
    count, dim = boxes.corner.shape
    size = _NODES**dim
    values, used = np.empty((count, size)), np.zeros(count, int)
    corner, width = boxes.corner.copy(), boxes.width.copy()
    active = np.arange(count)
    for left in reversed(range(_ROUNDS)):
        now = _Boxes(corner[active], width[active])
        values[active] = _on_lattice(integrand, x[active], now, _NODES, np.full(dim, _SHIFT))
        used[active] += size
        low, high = _filled(values[active].reshape(-1, *[_NODES] * dim), depth)
        touches = (low == 0) | (high == _NODES - 1)
        moved = np.any(touches | (high - low + 1 < _FULL * _NODES), axis=1)
        if not left or not moved.any():
            break
        # Half a box more where the integrand reaches a face, else one cell around it.
        start = np.where(low == 0, -_NODES / 2, low - 1.0)[moved]
        end = np.where(high == _NODES - 1, 1.5 * _NODES, high + 2.0)[moved]
        active, step = active[moved], now.width[moved] / _NODES
        corner[active] += step * start
        width[active] = step * (end - start)
    return _Boxes(corner, width), values, used


def _filled(values: Array, depth: float) -> tuple[Array, Array]:
    """Find the first and last cell along each axis that hold more than a negligible value.

    Log values (m, nodes, …) to cells (m, d), twice.
    """
    axes = tuple(range(1, values.ndim))
    filled = values >= values.max(axis=axes, keepdims=True) - depth
    first, last = [], []
    for axis in axes:
        along = filled.any(axis=tuple(other for other in axes if other != axis))
        first.append(np.argmax(along, axis=1))
        last.append(_NODES - 1 - np.argmax(along[:, ::-1], axis=1))
    return np.stack(first, axis=1), np.stack(last, axis=1)


def _refined(
    integrand: Integrand,
    x: Array,
    boxes: _Boxes,
    values: Array,
    used: Array,
    error: float,
    max_samples: int,
) -> tuple[Array, Array, Array]:
    """Halve the steps of each lattice until its sum settles.

    Returns
    -------
    integrals : ndarray, shape (m,)
        ln ∫ p(x, p) dp, nats.
    errors : ndarray, shape (m,)
        By how much the last refinement changed them, and what lies beyond the faces.
    used : ndarray of int, shape (m,)
        How often each integrand was evaluated.
    """
    dim, used = x.shape[1], used.copy()
    log_volume = np.log(boxes.width).sum(axis=1)
    means, changes = log_mean_exp(values), np.full(len(x), np.inf)
    active, nodes, shift = np.arange(len(x)), _NODES, _SHIFT
    halves = np.array(list(itertools.product((0.0, 0.5), repeat=dim))[1:])
    while len(active) and (2 * nodes) ** dim <= max_samples:
        copies = [means[active]]
        for half in halves:
            copies.append(_lattice_means(integrand, x, boxes, active, nodes, shift + half))
            used[active] += nodes**dim
        finer = log_mean_exp(np.stack(copies, axis=1))
        with np.errstate(invalid="ignore"):  # −∞ − −∞ where the density is zero
            changes[active] = np.abs(finer - means[active])
        means[active] = finer
        active = active[~(changes[active] <= error)]
        nodes, shift = 2 * nodes, (2 * shift) % 1
    return means + log_volume, changes + _beyond(values, dim), used


def _lattice_means(
    integrand: Integrand, x: Array, boxes: _Boxes, active: Array, nodes: int, shift: Array
) -> Array:
    """Average over one lattice of each active point, few enough at once to bound memory."""
    at_once = max(1, inference.ROWS_PER_BLOCK // nodes ** x.shape[1])
    groups = [active[k : k + at_once] for k in range(0, len(active), at_once)]
    return np.concatenate(
        [log_mean_exp(_on_lattice(integrand, x[g], boxes.at(g), nodes, shift)) for g in groups]
    )


def _beyond(values: Array, dim: int) -> Array:
    """Estimate what lies beyond the faces from the outermost cells, relative to the integral.

    The tail beyond is at most as many times these cells as there are cells along an axis, for
    integrands that fall as p**−2 d or faster.
    """
    inner = (slice(None), *[slice(1, -1)] * dim)
    cube = values.reshape(-1, *[_NODES] * dim)
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = np.exp(cube - cube.max(axis=tuple(range(1, dim + 1)), keepdims=True))
        total = weights.sum(axis=tuple(range(1, dim + 1)))
        outer = total - weights[inner].sum(axis=tuple(range(1, dim + 1)))
        share: Array = _NODES * np.maximum(outer, 0) / total
    return share
