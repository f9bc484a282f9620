"""The floor: exactly the matrix products that the step needs, and nothing else.

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

from ehf_num.parallel import one_blas_thread
from tests.benchmarks.contender import Entry
from tests.benchmarks.problem import HIDDEN, STEPS, Array, Problem

Shape = tuple[int, int, int]
"""(m, k, n): an (m, k) matrix times a (k, n) one."""


def products(dim: int, rows: int) -> list[Shape]:
    """List the products for so many points and as many base states, in the order of need."""
    kicks = _energy_products(dim, both=2 * rows, alone=STEPS * rows, varying=STEPS * rows)
    drifts = _energy_products(dim, both=2 * rows, alone=(STEPS - 1) * rows, varying=STEPS * rows)
    return _encoder_products(dim, rows) + kicks + drifts


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
    """The products of one step, again and again.

    Parameters
    ----------
    problem : Problem
        For its dimension, batch and dtype.
    shares : int
        Threads, each with its share of the rows.
    blas : callable
        Limits the threads of the BLAS, or does not.
    """

    def __init__(
        self, problem: Problem, shares: int, blas: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._blas = blas
        self._pool = ThreadPoolExecutor(shares)
        rng = np.random.default_rng(problem.seed)
        self._shares = [
            [
                _operands(shape, rng, problem.dtype)
                for shape in products(problem.dim, problem.batch // shares)
            ]
            for _ in range(shares)
        ]

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


def entries() -> list[Entry]:
    return [
        Entry(
            "matrix products alone",
            {
                "one thread": lambda p: Floor(p, 1, one_blas_thread),
                "BLAS with its own threads": lambda p: Floor(p, 1, nullcontext),
                "rows in halves on two threads": lambda p: Floor(p, 2, one_blas_thread),
            },
        )
    ]
