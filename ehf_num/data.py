"""Where minibatches come from: a finite array, or a source that never ends."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ehf_num.checks import points
from ehf_num.workspace import Array
from ehf_sym.errors import ArgumentError

Batches = Callable[[np.random.Generator], Array]
"""Gives the next minibatch: (rng) to (batch, d)."""


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
    """

    next_batch: Batches
    validation: Array | None
    augmented: bool = False

    def moved(self, move: Callable[[Array, np.random.Generator], Array] | None) -> TrainingData:
        """Return the same data with every minibatch moved; those held out stay where they are."""
        if move is None:
            return self
        return TrainingData(lambda rng: move(self.next_batch(rng), rng), self.validation, True)


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
        return TrainingData(_endless(x, batch_size, dim, dtype), held_out)
    x = points(x, "x", dim, dtype)
    if isinstance(validation, float):
        x, held_out = _split(x, validation, rng)
    elif validation is not None:
        held_out = points(validation, "validation", dim, dtype)
    return TrainingData(_finite(x, batch_size), held_out)


def _split(x: Array, share: float, rng: np.random.Generator) -> tuple[Array, Array]:
    count = round(share * len(x)) if 0 < share < 1 else 0
    if not 0 < count < len(x):
        raise ArgumentError(
            f"validation was {share!r} of {len(x)} points; it should be a share in (0, 1) that "
            "leaves at least one point on either side"
        )
    order = rng.permutation(len(x))
    return x[order[count:]], x[order[:count]]


def _finite(x: Array, batch_size: int) -> Batches:
    """Draw minibatches without replacement, epoch by epoch; the whole set where it is smaller."""
    if len(x) <= batch_size:
        return lambda rng: x
    queue = np.empty(0, dtype=np.intp)

    def next_batch(rng: np.random.Generator) -> Array:
        nonlocal queue
        while len(queue) < batch_size:
            queue = np.concatenate([queue, rng.permutation(len(x))])
        chosen, queue = queue[:batch_size], queue[batch_size:]
        batch: Array = x[chosen]
        return batch

    return next_batch


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
