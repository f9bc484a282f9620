"""Where minibatches come from: a finite array, or a source that never ends."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ehf_num.checks import points
from ehf_num.workspace import Array
from ehf_sym.errors import ArgumentError

Batches = Callable[[np.random.Generator], Array]
"""Gives the next minibatch: (rng) to (batch, d)."""


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

    def moved(self, move: Callable[[Array, np.random.Generator], Array] | None) -> TrainingData:
        """Return the same data with every minibatch moved; those held out stay where they are."""
        if move is None:
            return self
        return replace(self, next_batch=lambda rng: move(self.next_batch(rng), rng), augmented=True)


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
