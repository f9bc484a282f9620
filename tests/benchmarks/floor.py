"""The floor: exactly the matrix products that a step or a sample needs, and nothing else.

For rows x that go through ∂energy/∂x of a network d → h_1 → h_2 → 1, the forward pass is four
products, x W_1, · W_2 and back by W_2ᵀ and W_1ᵀ. Its pullback climbs by W_1 and W_2 and comes down
by W_2ᵀ, and by W_1ᵀ where x depends on weights. The cotangent of a matrix is one product for all
rows that the network has seen, which enter it twice. What can share a call does: base states with
the data's first kick and drift, and the first layers of μ and σ.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise

import numpy as np

from ehf_num.engine.parallel import one_blas_thread
from tests.benchmarks.contender import Entry
from tests.benchmarks.problem import HIDDEN, STEPS, Array, Problem

Shape = tuple[int, int, int]
"""(m, k, n): an (m, k) matrix times a (k, n) one."""


def products(dim: int, rows: int) -> list[Shape]:
    """List the products for so many points and as many base states, in the order of need."""
    kicks = _energy_products(dim, both=2 * rows, alone=STEPS * rows, varying=STEPS * rows)
    drifts = _energy_products(dim, both=2 * rows, alone=(STEPS - 1) * rows, varying=STEPS * rows)
    return _encoder_products(dim, rows) + kicks + drifts


def sampling_products(dim: int, rows: int) -> list[Shape]:
    """List those that so many samples need: no kick after the last drift."""
    layers = list(pairwise((dim, *HIDDEN)))
    up = [(rows, fan_in, fan_out) for fan_in, fan_out in layers]
    down = [(rows, fan_out, fan_in) for fan_in, fan_out in layers[::-1]]
    return 2 * STEPS * (up + down)


def multiply_adds(shapes: list[Shape]) -> int:
    """Count the multiplications of a list of products."""
    return sum(m * k * n for m, k, n in shapes)


def _energy_products(dim: int, both: int, alone: int, varying: int) -> list[Shape]:
    """List those of one energy network.

    Parameters
    ----------
    dim : int
        d.
    both : int
        Rows of the evaluation that base states share.
    alone : int
        Rows of all others, `both` // 2 at a time.
    varying : int
        Rows whose inputs depend on weights.
    """
    calls = [both] + [both // 2] * (2 * alone // both)
    layers = list(pairwise((dim, *HIDDEN)))
    up = [(m, fan_in, fan_out) for m in calls for fan_in, fan_out in layers]
    down = [(m, fan_out, fan_in) for m in calls for fan_in, fan_out in layers[::-1]]
    inner = [(m, fan_out, fan_in) for m in calls for fan_in, fan_out in layers[:0:-1]]
    outermost = [(both // 2, HIDDEN[0], dim)] * (2 * varying // both)
    weights = [(fan_in, 2 * (both + alone), fan_out) for fan_in, fan_out in layers]
    return up + down + up + inner + outermost + weights


def _encoder_products(dim: int, rows: int) -> list[Shape]:
    """List those of μ and σ; the points do not depend on weights."""
    first, *others = pairwise((dim, *HIDDEN, dim))
    shared = (rows, first[0], 2 * first[1])
    up = [(rows, fan_in, fan_out) for fan_in, fan_out in others]
    down = [(rows, fan_out, fan_in) for fan_in, fan_out in others[::-1]]
    weights = [(fan_in, rows, fan_out) for fan_in, fan_out in others]
    return [shared, *(2 * (up + down + weights)), (first[0], rows, 2 * first[1])]


class Floor:
    """Products, again and again.

    Parameters
    ----------
    shapes : list of Shape
        What each thread has to do.
    dtype, seed
        Of the numbers.
    threads : int
    blas : callable
        Limits the threads of the BLAS, or does not.
    """

    def __init__(
        self,
        shapes: list[Shape],
        dtype: str,
        seed: int,
        threads: int,
        blas: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._blas = blas
        self._pool = ThreadPoolExecutor(threads)
        rng = np.random.default_rng(seed)
        self._shares = [[_operands(shape, rng, dtype) for shape in shapes] for _ in range(threads)]

    def advance(self, steps: int) -> None:
        with self._blas():
            for _ in range(steps):
                list(self._pool.map(_multiply, self._shares))


def _operands(shape: Shape, rng: np.random.Generator, dtype: str) -> tuple[Array, Array, Array]:
    rows, inner, columns = shape
    left = rng.standard_normal((rows, inner)).astype(dtype)
    right = rng.standard_normal((inner, columns)).astype(dtype)
    return left, right, np.empty((rows, columns), dtype)


def _multiply(share: list[tuple[Array, Array, Array]]) -> None:
    for left, right, out in share:
        np.dot(left, right, out=out)


def _of_a_step(
    threads: int, blas: Callable[[], AbstractContextManager[object]]
) -> Callable[[Problem], Floor]:
    return lambda p: Floor(products(p.dim, p.batch // threads), p.dtype, p.seed, threads, blas)


def entries() -> list[Entry]:
    return [
        Entry(
            "matrix products alone",
            {
                "one thread": _of_a_step(1, one_blas_thread),
                "BLAS with its own threads": _of_a_step(1, nullcontext),
                "rows in halves on two threads": _of_a_step(2, one_blas_thread),
            },
        )
    ]
