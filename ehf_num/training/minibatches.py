"""What one step of training draws: points, noise and base states.

Points come from a finite array, or from a source that never ends.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ehf_num.engine.arguments import points
from ehf_num.engine.workspace import Array
from ehf_sym.errors import ArgumentError, DataWarning

_NORMAL_QUANTILE = 2.3263478740408408  # of 99 %
_WIDE, _OFF, _NARROW, _OUTLYING, _EXTREME = 10.0, 50.0, 30.0, 10.0, 1000.0
_CALLER_OF_FIT = 6
Batches = Callable[[np.random.Generator], Array]
"""Gives the next minibatch: (rng) to (batch, d)."""


@dataclass(frozen=True, eq=False)
class Minibatch:
    """Points with all that is random about one evaluation of a loss.

    Attributes
    ----------
    x : ndarray, shape (n · draws, d)
        Points; where a bound takes several draws for each, repeats of one stand together.
    noise : ndarray, shape (n · draws, d)
        Standard normal: the encoder turns it into momenta.
    base_states : ndarray, shape (m, 2d), or None
        Draws from π, where the constraint looks at them; None: there is no constraint.
    """

    x: Array
    noise: Array
    base_states: Array | None = None


class Epochs:
    """Minibatches without replacement, epoch by epoch.

    Attributes
    ----------
    points : ndarray, shape (n, d)
        All of them.
    queue : ndarray of int
        Points still to come in this epoch, by their places.
    """

    def __init__(self, x: Array, batch_size: int) -> None:
        self.points, self._batch_size = x, batch_size
        self.queue: Array = np.empty(0, dtype=np.intp)

    def __call__(self, rng: np.random.Generator) -> Array:
        """Draw the next minibatch; the whole set where it is smaller."""
        if len(self.points) <= self._batch_size:
            return self.points
        while len(self.queue) < self._batch_size:
            self.queue = np.concatenate([self.queue, rng.permutation(len(self.points))])
        chosen, self.queue = self.queue[: self._batch_size], self.queue[self._batch_size :]
        batch: Array = self.points[chosen]
        return batch


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Minibatches, and the points that were set aside.

    Attributes
    ----------
    next_batch : callable
        (rng) to (batch, d).
    validation : ndarray or None
        Points held out, (m, d).
    augmented : bool
        Whether minibatches are moved by random group elements.
    order : Epochs or None
        Which points come next, where that is more than chance alone.
    given : dict
        x and validation as they were given, arrays checked.
    """

    next_batch: Batches
    validation: Array | None
    augmented: bool = False
    order: Epochs | None = None
    given: Mapping[str, Any] = field(default_factory=dict)

    def watched(self, look: Callable[[Array], None]) -> TrainingData:
        """Look at the points before training; at those of an endless source when the first come."""
        if self.order is not None:
            look(self.order.points)
            return self
        unseen = [True]

        def next_batch(rng: np.random.Generator) -> Array:
            batch = self.next_batch(rng)
            if unseen:
                unseen.clear()
                look(batch)
            return batch

        return replace(self, next_batch=next_batch)

    def moved(self, move: Callable[[Array, np.random.Generator], Array] | None) -> TrainingData:
        """Return the same data with every minibatch moved; those held out stay where they are."""
        if move is None:
            return self
        return replace(self, next_batch=lambda rng: move(self.next_batch(rng), rng), augmented=True)


def no_points(dim: int, dtype: Any) -> TrainingData:
    """Return minibatches of no points: base states are all that an energy needs."""
    none: Array = np.empty((0, dim), dtype)
    return TrainingData(lambda rng: none, None, given={"x": None})


def warn_if_far(x: Array, base: Array) -> None:
    """Warn where points lie far from where the base density has its mass.

    A flow starts near the base and moves mass by steps of order one: points that are many widths
    of the base away are reached late or never, and their gradients may overflow. Median and spread
    (the range of the middle 98 %, as a multiple of a normal density's) of each coordinate are
    compared, and the farthest point.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Points.
    base : ndarray, shape (m, d)
        Positions drawn from the base density.

    Warns
    -----
    DataWarning
        With the figures, and what to do.
    """
    x, base = np.asarray(x, np.float64), np.asarray(base, np.float64)
    (center, spread), (base_center, base_spread) = _location(x), _location(base)
    wide = spread / base_spread
    off = np.abs(center - base_center) / np.maximum(base_spread, spread)
    away = np.abs(x - base_center) / base_spread
    reach = np.maximum(np.abs(base - base_center).max(axis=0) / base_spread, wide)
    worst = int(np.argmax(np.maximum(wide / _WIDE, off / _OFF)))
    narrow = len(x) > 1 and 0 < wide.max() < 1 / _NARROW
    largest, scale = (np.abs(center) + spread).max(), float(spread.max())
    units = largest > _EXTREME or (len(x) > 1 and 0 < scale < 1 / _EXTREME)
    if wide.max() > _WIDE or off.max() > _OFF or narrow or units:
        of_what = "networks, which start at scale one, see much"
        if wide.max() > _WIDE or off.max() > _OFF or narrow:
            of_what = "the base has its mass"
        warnings.warn(
            f"x lies far from where {of_what}: in column {worst + 1} it has median "
            f"{center[worst]:.4g} and spread {spread[worst]:.4g}, the base "
            f"{base_center[worst]:.4g} and {base_spread[worst]:.4g}; training may not get there, "
            "or overflow. Move x to the center of the base and of the symmetry, and divide it by "
            f"its scale, {scale or largest:.3g}: by one number where a symmetry mixes coordinates",
            DataWarning,
            stacklevel=_CALLER_OF_FIT,
        )
    elif (away > _OUTLYING * reach).any():
        row, column = np.unravel_index(int(np.argmax(away / reach)), away.shape)
        count = np.count_nonzero((away > _OUTLYING * reach).any(axis=1))
        warnings.warn(
            f"x has {count} points far from all others and from where the base has its mass, the "
            f"farthest in row {row}: {x[row, column]:.4g} in column {column + 1}, where others "
            f"have median {center[column]:.4g} and spread {spread[column]:.4g}; its gradients may "
            "overflow or drown the others': leave it out if it is an error",
            DataWarning,
            stacklevel=_CALLER_OF_FIT,
        )


def _location(x: Array) -> tuple[Array, Array]:
    """Return median and spread of each column; the spread of a normal density is its σ."""
    low, middle, high = np.quantile(x, [0.01, 0.5, 0.99], axis=0)
    return middle, (high - low) / (2 * _NORMAL_QUANTILE)


def training_data(
    x: Any,
    *,
    dim: int,
    dtype: Any,
    batch_size: int,
    validation: Any,
    rng: np.random.Generator,
) -> TrainingData:
    """Check the data and cut off a validation split.

    Parameters
    ----------
    x : array_like (n, dim), callable, iterator or generator function
        A finite set; or endless data: a function ``(n, rng)`` that returns (n, dim), or an
        iterator of arrays (m, dim), used as they come.
    dim, dtype, batch_size
        Of the model and of the minibatches.
    validation : None, float or array_like
        A share in (0, 1) of a finite set, or points of its own.
    rng : Generator
        Draws the split.

    Raises
    ------
    ehf_sym.ArgumentError
        If the data or the split cannot be used.
    """
    held_out = None
    if callable(x) or isinstance(x, Iterator):
        if validation is not None:
            if isinstance(validation, float):
                raise ArgumentError(
                    f"validation was {validation!r}; endless data has no share to set aside: "
                    "give an array of points"
                )
            held_out = points(validation, "validation", dim, dtype)
        given = {"x": x, "validation": held_out}
        return TrainingData(_endless(x, batch_size, dim, dtype), held_out, given=given)
    x = points(x, "x", dim, dtype)
    given = {"x": x, "validation": validation}
    if isinstance(validation, float):
        x, held_out = _split(x, validation, rng)
    elif validation is not None:
        held_out = given["validation"] = points(validation, "validation", dim, dtype)
    order = Epochs(x, batch_size)
    return TrainingData(order, held_out, order=order, given=given)


def is_single_pass(x: Any) -> bool:
    """Whether x is endless data that cannot be wound on: an iterator or a generator function."""
    return isinstance(x, Iterator) or inspect.isgeneratorfunction(x)


def _split(x: Array, share: float, rng: np.random.Generator) -> tuple[Array, Array]:
    count = round(share * len(x)) if 0 < share < 1 else 0
    if not 0 < count < len(x):
        raise ArgumentError(
            f"validation was {share!r} of {len(x)} points; it should be a share in (0, 1) that "
            "leaves at least one point on either side"
        )
    order = rng.permutation(len(x))
    return x[order[count:]], x[order[:count]]


def _endless(source: Any, batch_size: int, dim: int, dtype: Any) -> Batches:
    """Check each batch: what a source returns is as foreign as a file."""
    if inspect.isgeneratorfunction(source):
        source = source()
    if not isinstance(source, Iterator):
        return lambda rng: points(source(batch_size, rng), "x(n, rng)", dim, dtype)
    iterator = source

    def next_batch(_rng: np.random.Generator) -> Array:
        try:
            return points(next(iterator), "next(x)", dim, dtype)
        except StopIteration:
            raise ArgumentError("x was an iterator that ended; it should be endless") from None

    return next_batch
