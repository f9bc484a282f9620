"""The whole leapfrog map of one Hamiltonian as one tape node.

Most of what the tape costs is in many small nodes. Here a half of the batch goes through all kicks
and drifts on its thread, and comes back through them in the backward pass: a kick p' = p + c ∂U(q)
turns cotangents by q̄ += c (∂²U)ᵀ p̄', a drift likewise, and both are pullbacks of the
`energy_gradient` kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import autograd.numpy as anp
import numpy as np

from ehf_num import energy_gradient
from ehf_num.fused import Saved, Weights, fuse
from ehf_num.networks import energy_gradient_reference
from ehf_num.workspace import Array


def schedule(steps: int, dt: float) -> list[tuple[bool, float]]:
    """List (is a kick, factor) of every part, neighbouring half kicks merged."""
    parts = [(True, -dt / 2)]
    for _ in range(steps):
        parts += [(False, dt), (True, -dt)]
    parts[-1] = (True, -dt / 2)
    return parts


@cache
def leapfrog_map(steps: int, dt: float) -> Callable[..., tuple[Any, Any]]:
    """Return f(q, p, *weights) → (q', p') for so many steps of dt, which may be negative.

    The weights are those of K, then those of U. Arrays are (n, d).

    Examples
    --------
    >>> import numpy as np
    >>> from ehf_num.networks import init_energy
    >>> rng = np.random.default_rng(0)
    >>> weights = init_energy([2, 8, 1], rng, "float64") + init_energy([2, 8, 1], rng, "float64")
    >>> q, p = leapfrog_map(3, 0.1)(np.zeros((5, 2)), np.ones((5, 2)), *weights)
    >>> q.shape
    (5, 2)
    """
    parts = schedule(steps, dt)

    def forward(state: Array, weights: Weights, saved: Saved) -> Array:
        kinetic, potential = _halves(weights)
        q, p = np.split(state, 2, axis=1)
        substeps = saved.kept["substeps"] = []
        for is_kick, factor in parts:
            substep = Saved()
            if is_kick:
                p = p + factor * energy_gradient.forward(q, potential, substep)
            else:
                q = q + factor * energy_gradient.forward(p, kinetic, substep)
            substeps.append(substep)
        return np.concatenate([q, p], axis=1)

    def pull_back(cotangent: Array, weights: Weights, saved: Saved) -> tuple[Array, list[Array]]:
        kinetic, potential = _halves(weights)
        q_bar, p_bar = np.split(cotangent, 2, axis=1)
        kinetic_bars, potential_bars = (
            [np.zeros_like(w) for w in part] for part in (kinetic, potential)
        )
        for (is_kick, factor), substep in zip(
            parts[::-1], saved.kept["substeps"][::-1], strict=True
        ):
            if is_kick:
                bar, bars = energy_gradient.pull_back(factor * p_bar, potential, substep)
                q_bar = q_bar + bar
                _accumulate(potential_bars, bars)
            else:
                bar, bars = energy_gradient.pull_back(factor * q_bar, kinetic, substep)
                p_bar = p_bar + bar
                _accumulate(kinetic_bars, bars)
        return np.concatenate([q_bar, p_bar], axis=1), kinetic_bars + potential_bars

    def reference(state: Any, *weights: Any) -> Any:
        kinetic, potential = _halves(weights)
        dim = state.shape[1] // 2
        q, p = state[:, :dim], state[:, dim:]
        for is_kick, factor in parts:
            if is_kick:
                p = p + factor * energy_gradient_reference(q, *potential)
            else:
                q = q + factor * energy_gradient_reference(p, *kinetic)
        return anp.concatenate([q, p], axis=1)

    fused = fuse(forward, pull_back, reference)

    def flow(q: Any, p: Any, *weights: Any) -> tuple[Any, Any]:
        state = fused(anp.concatenate([q, p], axis=1), *weights)
        return state[:, : q.shape[1]], state[:, q.shape[1] :]

    return flow


def _halves(weights: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    middle = len(weights) // 2
    return weights[:middle], weights[middle:]


def _accumulate(totals: list[Array], bars: list[Array]) -> None:
    for total, bar in zip(totals, bars, strict=True):
        total += bar
