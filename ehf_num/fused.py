"""Making one tape node out of a network: forward and backward passes written by hand.

A kernel is three functions of x (n, d) and weights: the forward pass, its transposed Jacobian, and
the same mathematics in plain autograd operations. `fuse` turns them into an autograd primitive that
runs on halves of the batch and keeps what the backward pass needs in work arrays. Where an outer
derivative is being taken, the pullback goes through the plain form, so every order is right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from autograd import make_vjp
from autograd.extend import defvjp_argnums, primitive
from autograd.tracer import isbox

from ehf_num.parallel import in_halves
from ehf_num.workspace import Array, Workspace

Weights = tuple[Array, ...]
Forward = Callable[[Array, Weights, "Saved"], Array]
PullBack = Callable[[Array, Weights, "Saved"], tuple[Array, list[Array]]]


class Saved(Workspace):
    """What the forward pass of some rows leaves for their backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, list[Any]] = {}


def fuse(
    forward: Forward, pull_back: PullBack, reference: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a primitive f(x, *weights).

    Parameters
    ----------
    forward : callable
        (x, weights, saved) to values (n, m); leaves in ``saved.kept`` what `pull_back` needs.
    pull_back : callable
        (cotangent (n, m), weights, saved) to the cotangents of x and of each weight. It may be
        called more than once and must not write to what was kept.
    reference : callable
        f in plain autograd operations.
    """

    @primitive  # type: ignore[untyped-decorator]
    def fused(x: Array, *weights: Array, saved: dict[int, Saved]) -> Array:
        def work(rows: slice) -> Array:
            block = saved[rows.start] = Saved()
            return forward(x[rows], weights, block)

        parts = in_halves(work, len(x))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def vjp_maker(
        argnums: tuple[int, ...],
        _answer: Any,
        args: tuple[Any, ...],
        keywords: dict[str, dict[int, Saved]],
    ) -> Callable[[Any], tuple[Any, ...]]:
        def vjp(cotangent: Any) -> tuple[Any, ...]:
            if isbox(cotangent) or any(isbox(arg) for arg in args):
                return _differentiable_vjp(reference, argnums, args, cotangent)
            saved = keywords["saved"]
            parts = in_halves(
                lambda rows: pull_back(cotangent[rows], args[1:], saved[rows.start]),
                len(cotangent),
            )
            x_bars, weight_bars = zip(*parts, strict=True)
            bars = [np.concatenate(x_bars), *map(sum, zip(*weight_bars, strict=True))]
            return tuple(bars[argnum] for argnum in argnums)

        return vjp

    defvjp_argnums(fused, vjp_maker)
    return lambda x, *weights: fused(x, *weights, saved={})


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
