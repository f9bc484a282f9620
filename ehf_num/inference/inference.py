"""Many points at once: blocks of rows whose activations stay in cache, in bounded memory.

Samples are drawn in their order, so that what a seed gives does not depend on where blocks end; a
user's own base sampler is asked for one block at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ehf_num.engine.parallel import one_blas_thread
from ehf_num.engine.workspace import Array
from ehf_num.training.objective import BoundModel
from ehf_num.training.progress import watched

ROWS_PER_BLOCK = 8192


def in_blocks(function: Callable[..., Sequence[Array]], *arrays: Array) -> list[Array]:
    """Evaluate a function of rows, block by block.

    Parameters
    ----------
    function : callable
        Takes blocks of rows of all arrays, returns arrays with as many rows.
    *arrays : ndarray, shape (n, ...)
        What to cut into blocks.

    Returns
    -------
    list of ndarray
        What the function would return for all rows, up to rounding.

    Examples
    --------
    >>> import numpy as np
    >>> in_blocks(lambda x: (2 * x,), np.arange(3.0))
    [array([0., 2., 4.])]
    """
    count = len(arrays[0])
    results: list[Array] = []
    with one_blas_thread():
        for start in range(0, count, ROWS_PER_BLOCK):
            end = min(start + ROWS_PER_BLOCK, count)
            values = function(*(array[start:end] for array in arrays))
            if not results:
                results = [np.empty((count, *v.shape[1:]), v.dtype) for v in values]
            for result, value in zip(results, values, strict=True):
                result[start:end] = value
    return results


def draw_positions(model: BoundModel, n: int, rng: np.random.Generator) -> Array:
    """Draw points from a model, block by block: (n, d)."""
    result: Array = np.empty((n, model.base.dim), model.weights[0].dtype)
    with one_blas_thread():
        starts = range(0, n, ROWS_PER_BLOCK)
        for start in watched(starts, len(starts), "block"):
            rows = result[start : start + ROWS_PER_BLOCK]
            rows[:] = model.sample(len(rows), rng)
    return result


def draw_states(model: BoundModel, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw points with momenta, from the base states of `draw_positions`: (n, d) twice."""
    blocks = []
    with one_blas_thread():
        starts = range(0, n, ROWS_PER_BLOCK)
        for start in watched(starts, len(starts), "block"):
            states = model.base.sample(min(ROWS_PER_BLOCK, n - start), rng, model.weights[0].dtype)
            blocks.append(model.flow.forward(*np.split(states, 2, axis=1)))
    q, p = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return q, p
