"""A training step without a tape: rows go through the whole loss and back.

The loss always has the same pieces in the same order, and all of them know their passes by hand:

    x, noise → encoder → p, ln h;    x, p → chain, backwards → s, X_H at probes
    s → ln π and ∂ln π/∂s;    X_H → mean squared brackets and their slopes
    and back through the chain and the encoder.

The kernels in C share rows among threads themselves; those in NumPy make a step one task for each
thread, and threads meet once. Where a piece has no such form
`direct_step` returns None, and the tape serves: an encoder without a `kernel`, a base with learned
parameters, energies that one chain does not take.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ehf_num.base import NumericBase
from ehf_num.fused import Kernel, Share
from ehf_num.integrators import Leapfrog, chained
from ehf_num.leapfrog_map import chain_kernel
from ehf_num.minibatch import Minibatch
from ehf_num.objective import Objective
from ehf_num.parallel import one_blas_thread, run_all, share_count, shares
from ehf_num.workspace import Array


@dataclass
class _Sums:
    """What rows add up to: the objective and the mean squares, and the weights' cotangents."""

    terms: Array
    chain: list[Array]
    encoder: list[Array]

    def add(self, other: _Sums) -> None:
        self.terms += other.terms
        _add(self.chain, other.chain)
        _add(self.encoder, other.encoder)


def direct_step(
    objective: Objective,
    arrays: Sequence[Array],
    batch: Minibatch,
    rates: Array,
    out: Array,
    *,
    draws: int = 1,
    weighted: bool = False,
) -> Array | None:
    """Evaluate a bound and the mean squares, and write the Lagrangian's gradient.

    Parameters
    ----------
    objective, arrays, batch
        As `bounds.Bound.step` has them.
    rates : ndarray, shape (C,)
        λ, in the dtype of x.
    out : ndarray
        Where the gradient goes, that of one array after that of another.
    draws : int
        K: so many rows belong to one point.
    weighted : bool
        Whether the bound is the importance-weighted one, with doubly reparametrized gradients.

    Returns
    -------
    ndarray, shape (1 + C,), or None
        The bound's mean, and the mean squares. None: some piece needs the tape; out is as it was.
    """
    x, noise, base_states = batch.x, batch.noise, batch.base_states
    pieces = _pieces(objective, arrays, len(x), 0 if base_states is None else len(base_states))
    if pieces is None:
        return None
    encoder, chain, hamiltonians = pieces
    probes = np.empty((0, 2 * x.shape[1]), x.dtype) if base_states is None else base_states
    step = _Step(objective, encoder, chain, rates, draws, weighted, len(x), len(probes))
    work = (encoder.multiply_adds + chain.multiply_adds) * draws
    count = share_count(len(x) // draws, work, x.itemsize)
    cuts = zip(shares(len(x) // draws, count), shares(len(probes), count), strict=True)
    tasks = []
    for points, others in cuts:
        rows = slice(points.start * draws, points.stop * draws)
        tasks.append(partial(step.share, x[rows], noise[rows], probes[others]))
    with one_blas_thread():
        first, *rest = run_all(tasks)
    for other in rest:
        first.add(other)
    size = len(first.chain) // hamiltonians
    last_first = range(len(first.chain) - size, -1, -size)
    ordered = [bar for start in last_first for bar in first.chain[start : start + size]]
    np.concatenate([bar.ravel() for bar in ordered + first.encoder], out=out)
    return first.terms


def _pieces(
    objective: Objective, arrays: Sequence[Array], rows: int, probes: int
) -> tuple[Kernel, Kernel, int] | None:
    """Make the encoder and the chain ready, and count Hamiltonians; None where the tape serves."""
    make_encoder = getattr(objective.encoder, "kernel", None)
    integrator, hamiltonians = objective.integrator, objective.flow(arrays).hamiltonians
    if (
        make_encoder is None
        or not isinstance(objective.base, NumericBase)
        or not isinstance(integrator, Leapfrog)
        or chained(hamiltonians) is None
        or not objective.compiled
    ):
        return None
    chain, weights = integrator.plan(hamiltonians[::-1], rows, probes, dt=-integrator.step_size)
    encoder = make_encoder(tuple(objective.layout.encoder_weights(arrays)))
    return encoder, chain_kernel(chain, tuple(weights)), len(hamiltonians)


@dataclass(frozen=True, eq=False)
class _Step:
    """What all rows of one step have in common."""

    objective: Objective
    encoder: Kernel
    chain: Kernel
    rates: Array
    draws: int
    weighted: bool
    count: int
    probe_count: int

    def share(self, x: Array, noise: Array, probes: Array) -> _Sums:
        """Do one thread's part."""
        encoder, chain = self.encoder.share(keep=True), self.chain.share(keep=True)
        (drawn,) = encoder.forward(x, noise)
        p, log_h = drawn[:, :-1], drawn[:, -1]
        states, fields = chain.forward(x, p, probes)
        values = self.objective.base.value_and_gradient(states)  # type: ignore[union-attr]
        log_weights = values[:, 0] - log_h
        objective, shares_of_rows = self._objective(log_weights)
        squares, field_bars, data_bars = self._squares(fields, probes, x, p, states)
        state_bars = values[:, 1:] * -shares_of_rows
        (_, p_bars, _), chain_bars = chain.pull_back(state_bars, field_bars)
        _add(chain_bars, data_bars)
        cotangents = np.empty_like(drawn)
        if self.weighted:  # the draws' path alone, weighed once more
            p_bars = p_bars + shares_of_rows * encoder.score()  # type: ignore[attr-defined]
            again = shares_of_rows * (self.count / self.draws)
            np.multiply(p_bars, again, out=cotangents[:, :-1])
            cotangents[:, -1] = 0
        else:
            cotangents[:, :-1], cotangents[:, -1:] = p_bars, shares_of_rows
        _, encoder_bars = encoder.pull_back(cotangents)
        return _Sums(np.concatenate([objective, *squares]), chain_bars, list(encoder_bars))

    def _objective(self, log_weights: Array) -> tuple[Array, Any]:
        """Add up the rows' part of the bound, and its slope in each ln w: (r, 1), or one number."""
        if not self.weighted:
            total = log_weights.sum(keepdims=True) * (1 / self.count)
            return total, log_weights.dtype.type(1 / self.count)
        table = log_weights.reshape(-1, self.draws)
        log_means = log_mean_exp(table)
        normalized = np.exp(table - log_means[:, np.newaxis]).reshape(-1, 1) * (1 / self.count)
        return log_means.sum(keepdims=True) * (self.draws / self.count), normalized

    def _squares(
        self, fields: Array, probes: Array, x: Array, p: Array, states: Array
    ) -> tuple[list[Array], Array, list[Array]]:
        """Return the mean squares, the fields' cotangents, and the weights' from data states."""
        constraint, dtype = self.objective.constraint, x.dtype
        squares: list[Array] = []
        weight_bars: list[Array] = []
        field_bars = np.zeros_like(fields)
        if constraint is None or not len(self.rates):
            return squares, field_bars, weight_bars
        places = int(constraint.on_base) + int(constraint.on_data)
        rates = self.rates.reshape(places, -1)
        if constraint.on_base:
            share = dtype.type(len(probes) / self.probe_count)
            values, field_bars = constraint.squares_and_slopes(fields, probes, rates[0] * share)
            squares.append(values * share)
        if constraint.on_data:
            share = dtype.type(len(x) / self.count)
            ends = np.concatenate([np.concatenate([x, p], axis=1), states])
            none = np.empty((0, x.shape[1]), dtype)
            chain: Share = self.chain.share(keep=True)
            _, at_ends = chain.forward(none, none, ends)
            values, bars = constraint.squares_and_slopes(at_ends, ends, rates[-1] * share)
            squares.append(values * share)
            _, weight_bars = chain.pull_back(np.empty((0, ends.shape[1]), dtype), bars)
        return squares, field_bars, weight_bars


def _add(totals: list[Array], others: Sequence[Array]) -> None:
    for total, other in zip(totals, others, strict=False):
        total += other


def log_mean_exp(log_weights: Array) -> Array:
    """Evaluate ln mean_k exp: (n, K) to (n,)."""
    top = log_weights.max(axis=1)
    sums = np.exp(log_weights - top[:, np.newaxis]).sum(axis=1)
    result: Array = top + np.log(sums) - math.log(log_weights.shape[1])
    return result
