"""Making one tape node out of many operations: forward and backward passes written by hand.

A kernel is made from weights and hands out shares: each takes some rows through the forward pass
and back, on a thread of its own, and keeps what the backward pass needs in work arrays. `fuse`
turns it into an autograd primitive. Where an outer derivative is being taken, the pullback goes
through the same mathematics in plain autograd operations, so every order is right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
from autograd import make_vjp
from autograd.extend import defvjp_argnums, primitive
from autograd.tracer import isbox

from ehf_num.parallel import one_blas_thread, run_all, share_count, shares
from ehf_num.workspace import Array

Weights = tuple[Array, ...]

# Rows that go through together where nothing is kept: their activations stay in cache. The kernels
# in C see to that themselves, by tiles.
_BLOCK_ROWS = 512
_KERNEL_BLOCK_ROWS = 8192


class Share(Protocol):
    """Some rows on their way through a kernel and back."""

    @property
    def forward(self) -> Callable[..., tuple[Array, ...]]:
        """Evaluate rows: outputs are (r, m), m the same for all, r their own."""

    @property
    def pull_back(self) -> Callable[..., tuple[Sequence[Array], list[Array]]]:
        """Turn cotangents of the outputs into those of the rows and of the weights.

        It may be called more than once and must not write to what `forward` kept.
        """


class Kernel(Protocol):
    """Weights made ready for the products, once for all shares."""

    @property
    def multiply_adds(self) -> float:
        """What the matrix products of one row take; 0 where they share rows themselves."""

    def share(self, *, keep: bool) -> Share:
        """Begin with some rows; keep: for a backward pass."""


def fuse(
    kernel: Callable[[Weights], Kernel], reference: Callable[..., Any], row_arguments: int = 1
) -> Callable[..., Any]:
    """Return a primitive f(*rows, *weights).

    Its value is one array: the rows of the first output, then those of the second, and so on.

    Parameters
    ----------
    kernel : callable
        Prepares weights.
    reference : callable
        f in plain autograd operations.
    row_arguments : int
        How many of the arguments come before the weights. All but the first may have a number of
        rows of their own.
    """

    @primitive  # type: ignore[untyped-decorator]
    def fused(*args: Array, saved: list[_Saved]) -> Array:
        rows = args[:row_arguments]
        ready = kernel(args[row_arguments:])
        count = share_count(len(rows[0]), ready.multiply_adds, rows[0].itemsize)
        saved.append(_Saved([ready.share(keep=True) for _ in range(count)]))
        return saved[0].forward(rows)

    def vjp_maker(
        argnums: tuple[int, ...],
        _answer: Any,
        args: tuple[Any, ...],
        keywords: dict[str, list[_Saved]],
    ) -> Callable[[Any], tuple[Any, ...]]:
        def vjp(cotangent: Any) -> tuple[Any, ...]:
            if isbox(cotangent) or any(isbox(arg) for arg in args):
                return _differentiable_vjp(reference, argnums, args, cotangent)
            bars = keywords["saved"][0].pull_back(cotangent)
            return tuple(bars[argnum] for argnum in argnums)

        return vjp

    defvjp_argnums(fused, vjp_maker)

    def call(*args: Any) -> Any:
        if any(isbox(arg) for arg in args):
            return fused(*args, saved=[])
        return _evaluate(kernel(args[row_arguments:]), args[:row_arguments])

    return call


class _Saved:
    """The shares of one evaluation, in the order of their rows."""

    def __init__(self, parts: list[Share]) -> None:
        self._shares = parts
        self._lengths: list[list[int]] = []  # rows by output and share

    def forward(self, rows: tuple[Array, ...]) -> Array:
        cuts = [_cut(array, len(self._shares)) for array in rows]
        with one_blas_thread():
            parts = run_all(
                [
                    partial(share.forward, *pieces)
                    for share, *pieces in zip(self._shares, *cuts, strict=True)
                ]
            )
        outputs = list(zip(*parts, strict=True))
        self._lengths = [[len(piece) for piece in output] for output in outputs]
        return _join([piece for output in outputs for piece in output])

    def pull_back(self, cotangent: Array) -> list[Array]:
        ends = list(accumulate(length for lengths in self._lengths for length in lengths))
        pieces = np.split(cotangent, ends[:-1])
        count = len(self._shares)
        with one_blas_thread():
            parts = run_all(
                [
                    partial(share.pull_back, *pieces[k::count])
                    for k, share in enumerate(self._shares)
                ]
            )
        row_bars, weight_bars = zip(*parts, strict=True)
        totals: list[Array] = weight_bars[0]
        for others in weight_bars[1:]:
            for total, other in zip(totals, others, strict=True):
                total += other
        return [_join(bars) for bars in zip(*row_bars, strict=True)] + totals


def _cut(array: Array, count: int) -> list[Array]:
    return [array[rows] for rows in shares(len(array), count)]


def _join(pieces: Sequence[Array]) -> Array:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _evaluate(ready: Kernel, rows: tuple[Array, ...]) -> Array:
    """Go through the forward pass and keep nothing: in blocks, memory does not grow with rows."""
    length = max(map(len, rows))
    count = share_count(len(rows[0]), ready.multiply_adds, rows[0].itemsize)
    at_once = _BLOCK_ROWS if ready.multiply_adds else _KERNEL_BLOCK_ROWS
    blocks = count * max(1, -(-length // (count * at_once)))
    pieces = list(zip(*(_cut(array, blocks) for array in rows), strict=True))

    def work(start: int, end: int) -> list[tuple[Array, ...]]:
        share = ready.share(keep=False)
        return [share.forward(*block) for block in pieces[start:end]]

    with one_blas_thread():
        parts = run_all(
            [partial(work, blocks * k // count, blocks * (k + 1) // count) for k in range(count)]
        )
    outputs = zip(*(block for part in parts for block in part), strict=True)
    return _join([piece for output in outputs for piece in output])


def _differentiable_vjp(
    reference: Callable[..., Any], argnums: tuple[int, ...], args: tuple[Any, ...], cotangent: Any
) -> tuple[Any, ...]:
    def of_active(active: tuple[Any, ...]) -> Any:
        full = list(args)
        for argnum, value in zip(argnums, active, strict=True):
            full[argnum] = value
        return reference(*full)

    vjp, _ = make_vjp(of_active)(tuple(args[argnum] for argnum in argnums))
    return tuple(vjp(cotangent))
