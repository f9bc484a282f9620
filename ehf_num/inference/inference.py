"""Many points at once: blocks of rows whose activations stay in cache, in bounded memory.

Samples are drawn in their order, so that what a seed gives does not depend on where blocks end; a
user's own base sampler is asked for one block at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ehf_num.engine.parallel import one_blas_thread
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.integrators import Leapfrog
from ehf_num.hamiltonian.leapfrog_map import schedule
from ehf_num.training.objective import Objective

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


def draw_positions(
    objective: Objective, weights: Sequence[Array], n: int, rng: np.random.Generator
) -> Array:
    """Draw base states, push them through the flow and drop the momenta: (n, d).

    The last half kick moves momenta alone, and is left out.
    """
    base, dtype = objective.base_at(weights), weights[0].dtype
    result: Array = np.empty((n, objective.base.dim), dtype)
    with one_blas_thread():
        for start in range(0, n, ROWS_PER_BLOCK):
            rows = result[start : start + ROWS_PER_BLOCK]
            states = base.sample(len(rows), rng, dtype)
            rows[:] = _positions(objective, weights, *np.split(states, 2, axis=1))
    return result


def _positions(objective: Objective, weights: Sequence[Array], q: Array, p: Array) -> Array:
    flow, integrator = objective.flow(weights), objective.integrator
    if not isinstance(integrator, Leapfrog):
        return np.asarray(flow.forward(q, p)[0])
    *first, last = flow.hamiltonians
    for hamiltonian in first:
        q, p = integrator.forward(hamiltonian, q, p)
    for is_kick, factor in schedule(integrator.steps, integrator.step_size)[:-1]:
        if is_kick:
            p = p + factor * last.grad_potential(q)
        else:
            q = q + factor * last.grad_kinetic(p)
    return q
