"""A chain of leapfrog maps as one tape node.

Most of what a tape costs is in many small nodes. Here a thread takes its rows through all kicks and
drifts of all Hamiltonians, and back through them in the backward pass: a kick p' = p + c ∂U(q)
turns cotangents by q̄ += c (∂²U)ᵀ p̄', a drift likewise. Vector fields at further states ("probes"),
which the brackets need, ride in the first kick and the first drift of each Hamiltonian.

What the backward pass needs is either kept, or rebuilt: leapfrog undoes itself, so the states come
back from the end by the same kicks and drifts with the sign turned, and each gradient that moves a
state back also gives the activations that its pullback needs. Memory is then that of one
evaluation, whatever the number of steps, for one more forward pass in time; and rounding makes the
start that is rebuilt differ from the true one, which `reversal.ReversalWatch` reports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import autograd.numpy as anp
import numpy as np

from ehf_num.energy_gradient import Evaluations, PreparedNetwork
from ehf_num.fused import Kernel, Weights, fuse
from ehf_num.invariant_energy import feature_gradient_reference
from ehf_num.native import takes
from ehf_num.native_rows import NativeChain, evaluations, pair_shapes, pair_sizes
from ehf_num.quadratic import Quadratics
from ehf_num.reversal import report_reversal
from ehf_num.tape import part
from ehf_num.workspace import Array
from ehf_sym.errors import EHFError

_ROWS_A_PRODUCT = 512  # rows whose weights' products are taken at once while states are rebuilt


def schedule(steps: int, dt: float) -> list[tuple[bool, float]]:
    """List (is a kick, factor) of every part, neighbouring half kicks merged."""
    parts = [(True, -dt / 2)]
    for _ in range(steps):
        parts += [(False, dt), (True, -dt)]
    parts[-1] = (True, -dt / 2)
    return parts


@dataclass(frozen=True)
class Chain:
    """Which maps there are.

    Attributes
    ----------
    steps : int
        Of each Hamiltonian.
    dt : float
        Of each step; may be negative.
    hamiltonians : int
        How many.
    rebuild : bool
        Whether the backward pass rebuilds states instead of keeping what the forward pass found.
    features : tuple of Quadratics or None, two of them
        What every K and every U is a network of, which the kernels in C alone know; None: p and q.
    """

    steps: int
    dt: float
    hamiltonians: int
    rebuild: bool
    features: tuple[Quadratics, Quadratics] | tuple[None, None] = (None, None)

    def in_c(self, weights: Sequence[Any]) -> bool:
        """Whether the kernels in C take it with such weights."""
        networks = 2 * self.hamiltonians
        features = [functions for functions in self.features if functions is not None]
        return takes(weights[: len(weights) // networks], networks, features)


def kept_bytes(weights: Sequence[Any], chain: Chain, rows: int, probes: int) -> int:
    """Count the bytes that a chain keeps between forward and backward pass."""
    kicks = (chain.steps + 1) * rows + probes
    drifts = chain.steps * rows + probes
    size = len(weights) // (2 * chain.hamiltonians)
    itemsize: int = weights[0].dtype.itemsize
    if chain.in_c(weights):
        sizes = pair_sizes(pair_shapes(weights, 2 * chain.hamiltonians, chain.features))
        return (
            sizes.kept
            * itemsize
            * evaluations(sizes, chain.hamiltonians, chain.steps, rows, probes)
        )
    numbers = 0
    for network, start in enumerate(range(0, len(weights), size)):
        matrices = weights[start : start + size - 1 : 2]
        a_row = sum(2 * w.shape[0] + 1 + 3 * w.shape[1] for w in matrices)
        a_row -= matrices[-1].shape[1]  # the top layer's slopes are its products
        numbers += a_row * (kicks if network % 2 else drifts)
    return numbers * itemsize


class ChainKernel:
    """A chain with its weights: those of K_1, U_1, K_2, …, the first map's first."""

    def __init__(self, chain: Chain, weights: Weights) -> None:
        size = len(weights) // (2 * chain.hamiltonians)
        networks = [
            PreparedNetwork(weights[start : start + size]) for start in range(0, len(weights), size)
        ]
        self.rebuild = chain.rebuild
        self.pairs = list(zip(networks[::2], networks[1::2], strict=True))
        self.parts = schedule(chain.steps, chain.dt)
        self.multiply_adds = len(self.parts) / 2 * sum(n.multiply_adds for n in networks)

    def share(self, *, keep: bool) -> ChainRows:
        """Begin with some rows."""
        return ChainRows(self, keep=keep and not self.rebuild)


class ChainRows:
    """One thread's rows: states, and probes to evaluate the vector fields at."""

    def __init__(self, kernel: ChainKernel, *, keep: bool) -> None:
        self._kernel, self._keep = kernel, keep
        self._kept: list[list[Evaluations]] = []  # for each Hamiltonian, those of K and of U
        self._rows: list[slice] = []  # for each part of each Hamiltonian

    def forward(self, q: Array, p: Array, probes: Array) -> tuple[Array, Array]:
        """Map q, p (r, d) to states (r, 2d); and (r', 2d) probes to X_H of every H at them."""
        kernel, dim = self._kernel, q.shape[1]
        state = np.concatenate([q, p], axis=1)
        fields = np.empty((len(probes), len(kernel.pairs), 2 * dim), q.dtype)
        self._start, self._end, self._probes = (q, p), state, probes
        self._kept, self._rows = [], []
        for index in range(len(kernel.pairs)):
            both = self._evaluations(index, len(q), forward=True)
            for number, (is_kick, factor) in enumerate(kernel.parts):
                fixed, moved, sign = _columns(is_kick, dim)
                rows, gradient = self._gradient(both[is_kick], number, state[:, fixed], fixed)
                state[:, moved] += factor * gradient[: len(q)]
                if number < 2:
                    np.multiply(gradient[len(q) :], sign, out=fields[:, index, moved])
                if self._keep:
                    self._rows.append(rows)
                else:
                    both[is_kick].clear()
            if self._keep:
                self._kept.append(both)
        return state, fields.reshape(-1, 2 * dim)

    def pull_back(self, state_bar: Array, field_bars: Array) -> tuple[list[Array], list[Array]]:
        """Turn cotangents of both outputs into those of q, p, probes and weights."""
        kernel, (count, width), dim = self._kernel, state_bar.shape, state_bar.shape[1] // 2
        field_bars = field_bars.reshape(len(self._probes), len(kernel.pairs), width)
        state, state_bar = self._end.copy(), state_bar.copy()
        probe_bars = np.zeros_like(self._probes)
        weight_bars: list[Array] = []
        for index in range(len(kernel.pairs) - 1, -1, -1):
            both = (
                self._kept[index] if self._keep else self._evaluations(index, count, forward=False)
            )
            for number in range(len(kernel.parts) - 1, -1, -1):
                is_kick, factor = kernel.parts[number]
                fixed, moved, sign = _columns(is_kick, dim)
                evaluations = both[is_kick]
                if self._keep:
                    rows = self._rows[index * len(kernel.parts) + number]
                else:
                    rows, gradient = self._gradient(evaluations, number, state[:, fixed], fixed)
                    state[:, moved] -= factor * gradient[:count]
                cotangents = evaluations.cotangents(rows)
                np.multiply(state_bar[:, moved], factor, out=cotangents[:count])
                if number < 2:
                    np.multiply(field_bars[:, index, moved], sign, out=cotangents[count:])
                x_bars = np.empty_like(cotangents)
                evaluations.pull_back(rows, x_bars)
                state_bar[:, fixed] += x_bars[:count]
                if number < 2:
                    probe_bars[:, fixed] += x_bars[count:]
            weight_bars = [*both[0].weight_bars(), *both[1].weight_bars(), *weight_bars]
        if not self._keep:
            report_reversal(state, self._start)
        return [state_bar[:, :dim], state_bar[:, dim:], probe_bars], weight_bars

    def _evaluations(self, index: int, count: int, *, forward: bool) -> list[Evaluations]:
        """Make room for what K and U of a Hamiltonian are evaluated at."""
        steps, at_once = len(self._kernel.parts) // 2, count + len(self._probes)
        if self._keep:
            rows = (at_once + (steps - 1) * count, at_once + steps * count)
        elif forward:
            rows = (at_once, at_once)
        else:
            rows = (max(at_once, _ROWS_A_PRODUCT),) * 2
        networks = self._kernel.pairs[index]
        return [Evaluations(network, n) for network, n in zip(networks, rows, strict=True)]

    def _gradient(
        self, evaluations: Evaluations, number: int, points: Array, columns: slice
    ) -> tuple[slice, Array]:
        """Evaluate part number's gradient at the states, and at the probes where they ride."""
        probes = self._probes[:, columns] if number < 2 else self._probes[:0, columns]
        rows = evaluations.take(len(points) + len(probes))
        x = evaluations.points(rows)
        x[: len(points)], x[len(points) :] = points, probes
        gradient = np.empty(x.shape, x.dtype)
        evaluations.evaluate(rows, gradient)
        return rows, gradient


def _columns(is_kick: bool, dim: int) -> tuple[slice, slice, int]:
    """Return what a part depends on, what it moves, and the sign of X_H = (∂K/∂p, −∂U/∂q)."""
    q, p = slice(0, dim), slice(dim, 2 * dim)
    return (q, p, -1) if is_kick else (p, q, 1)


def _reference(chain: Chain) -> Callable[..., Any]:
    """Return the same mathematics in plain autograd operations."""

    def reference(q: Any, p: Any, probes: Any, *weights: Any) -> Any:
        size = len(weights) // (2 * chain.hamiltonians)
        dim, fields, (of_p, of_q) = q.shape[1], [], chain.features
        for start in range(0, len(weights), 2 * size):
            kinetic, potential = weights[start : start + size], weights[start + size :][:size]
            for is_kick, factor in schedule(chain.steps, chain.dt):
                if is_kick:
                    p = p + factor * feature_gradient_reference(of_q, q, *potential)
                else:
                    q = q + factor * feature_gradient_reference(of_p, p, *kinetic)
            velocity = feature_gradient_reference(of_p, probes[:, dim:], *kinetic)
            force = -feature_gradient_reference(of_q, probes[:, :dim], *potential)
            fields.append(anp.concatenate([velocity, force], axis=1))
        of_probes = anp.reshape(anp.stack(fields, axis=1), (-1, 2 * dim))
        return anp.concatenate([anp.concatenate([q, p], axis=1), of_probes])

    return reference


def chain_kernel(chain: Chain, weights: Weights) -> Kernel:
    """Make weights ready for rows, in C or in NumPy."""
    if chain.in_c(weights):
        return NativeChain(
            chain.steps, chain.dt, chain.hamiltonians, chain.rebuild, weights, chain.features
        )
    if chain.features != (None, None):
        raise EHFError("a chain with features has no kernel in NumPy")  # see integrators.chained
    return ChainKernel(chain, weights)


@lru_cache(64)  # not without end: each model has features of its own
def leapfrog_chain(chain: Chain) -> Callable[..., tuple[Any, Any]]:
    """Return f(q, p, probes, *weights) → (states, fields) of a chain.

    q, p (n, d) are mapped to states (n, 2d), probes (m, 2d) to the vector fields X_H of every H at
    them, (m, number of Hamiltonians, 2d). The weights are those of K_1, U_1, K_2, U_2, ….

    Examples
    --------
    >>> import numpy as np
    >>> from ehf_num.networks import init_energy
    >>> rng = np.random.default_rng(0)
    >>> weights = [array for _ in range(4) for array in init_energy([2, 8, 1], rng, "float64")]
    >>> flow = leapfrog_chain(Chain(steps=3, dt=0.1, hamiltonians=2, rebuild=False))
    >>> states, fields = flow(np.zeros((5, 2)), np.ones((5, 2)), np.ones((7, 4)), *weights)
    >>> states.shape, fields.shape
    ((5, 4), (7, 2, 4))
    """
    fused = fuse(partial(chain_kernel, chain), _reference(chain), row_arguments=3)

    def flow(q: Any, p: Any, probes: Any, *weights: Any) -> tuple[Any, Any]:
        rows = fused(q, p, probes, *weights)
        states, fields = part(rows, np.s_[: len(q)]), part(rows, np.s_[len(q) :])
        return states, anp.reshape(fields, (len(probes), chain.hamiltonians, probes.shape[1]))

    return flow
