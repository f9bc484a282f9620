"""Rows on their way through the kernels in C: the shares that `fused.fuse` hands to threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ehf_num.native import Packed, Shape, Sizes, energy_shape, kernels, relu_shape
from ehf_num.parallel import kernel_threads, lengths
from ehf_num.quadratic import Quadratics
from ehf_num.reversal import report_reversal
from ehf_num.workspace import Array, Workspace


class NativeNetwork(Packed):
    """One network, ready for the products; its rows are shared among threads of the kernels.

    Parameters
    ----------
    kind : str
        "energy": x to ∂energy/∂x; "relu": x to the value.
    weights : tuple of ndarray
        Its weights.
    features : Quadratics or None
        What an energy's inputs are; None: x itself.
    """

    def __init__(
        self, kind: str, weights: tuple[Array, ...], features: Quadratics | None = None
    ) -> None:
        shape = energy_shape(weights, features) if kind == "energy" else relu_shape(weights)
        super().__init__([shape], weights, [features])
        self.shape, self.sizes = shape, shape.sizes
        self.outputs = shape.dim if kind == "energy" else shape.widths[-1]
        self.forward = getattr(kernels, f"{kind}_forward")
        self.pull_back = getattr(kernels, f"{kind}_pull_back")
        self.multiply_adds = 0.0  # nothing that the interpreter's threads could share
        self.products = (2.0 if kind == "energy" else 1.0) * shape.products

    def share(self, *, keep: bool) -> NativeNetworkRows:
        """Begin with some rows."""
        return NativeNetworkRows(self, keep=keep)


class NativeNetworkRows(Workspace):
    """Rows in one network."""

    def __init__(self, network: NativeNetwork, *, keep: bool) -> None:
        super().__init__()
        self._network, self._keep = network, keep

    def forward(self, x: Array) -> tuple[Array]:
        """Evaluate x (r, d): (r, m)."""
        network, sizes = self._network, self._network.sizes
        dtype = network.shape.dtype
        x, out = np.ascontiguousarray(x, dtype), np.empty((len(x), network.outputs), dtype)
        self._threads = kernel_threads(len(x), network.products, dtype.itemsize)
        blocks = self._threads
        if self._keep:
            blocks = sum(sizes.tiles(rows) for rows in lengths(len(x), self._threads))
        self._kept = self.empty((blocks * sizes.kept,), dtype)
        self._work = self.empty((self._threads * sizes.work,), dtype)
        network.forward(
            self._threads,
            *network.shape.arguments,
            self._keep,
            network.packed,
            x,
            out,
            self._kept,
            self._work,
        )
        return (out,)

    def pull_back(self, cotangent: Array) -> tuple[list[Array], list[Array]]:
        """Turn a cotangent (r, m) into those of x and of each weight."""
        network, sizes = self._network, self._network.sizes
        dtype = network.shape.dtype
        x_bar = np.empty((len(cotangent), network.shape.dim), dtype)
        flat, parts = network.weight_bars()
        network.pull_back(
            self._threads,
            *network.shape.arguments,
            network.packed,
            np.ascontiguousarray(cotangent, dtype),
            self._kept,
            self._work,
            x_bar,
            self.empty((self._threads * sizes.bars,), dtype),
            flat,
        )
        return [x_bar], parts


class NativeChain(Packed):
    """A chain of leapfrog maps with its weights: those of K_1, U_1, K_2, …, the first map's first.

    Parameters
    ----------
    steps, dt, hamiltonians, rebuild
        As `leapfrog_map.Chain` has them.
    weights : tuple of ndarray
        Of all networks.
    features : tuple of Quadratics or None, two of them
        What every K and every U is a network of; None: p and q themselves.
    """

    def __init__(
        self,
        steps: int,
        dt: float,
        hamiltonians: int,
        rebuild: bool,
        weights: tuple[Array, ...],
        features: tuple[Quadratics, Quadratics] | tuple[None, None] = (None, None),
    ) -> None:
        networks = 2 * hamiltonians
        shapes = pair_shapes(weights, networks, features)
        super().__init__(shapes, weights, features, networks)
        self.hamiltonians, self.steps, self.rebuild = hamiltonians, steps, rebuild
        self.sizes = pair_sizes(shapes)
        self.arguments = (
            shapes[0].is_double,
            shapes[0].of_network,
            shapes[1].of_network,
            networks,
            steps,
            dt,
        )
        self.forward = kernels.chain_forward  # type: ignore[union-attr]
        self.pull_back = kernels.chain_pull_back  # type: ignore[union-attr]
        products = shapes[0].products * steps + shapes[1].products * (steps + 1)
        self.multiply_adds = 0.0
        self.products = 2.0 * products * hamiltonians

    def share(self, *, keep: bool) -> NativeChainRows:
        """Begin with some rows."""
        return NativeChainRows(self, keep=keep and not self.rebuild)


def pair_shapes(
    weights: Sequence[Any],
    networks: int,
    features: tuple[Quadratics, Quadratics] | tuple[None, None],
) -> tuple[Shape, Shape]:
    """Describe K_1 and U_1, which all that follow are like."""
    each = len(weights) // networks
    return (
        energy_shape(weights[:each], features[0]),
        energy_shape(weights[each : 2 * each], features[1]),
    )


def pair_sizes(shapes: tuple[Shape, Shape]) -> Sizes:
    """Add up what K and U take each, and find the larger of what they take by turns."""
    kinetic, potential = (shape.sizes for shape in shapes)
    return Sizes(
        packed=kinetic.packed + potential.packed,
        kept=max(kinetic.kept, potential.kept),
        work=max(kinetic.work, potential.work),
        bars=kinetic.bars + potential.bars,
        tile=kinetic.tile,
    )


def evaluations(sizes: Sizes, hamiltonians: int, steps: int, rows: int, probes: int) -> int:
    """Count what a chain keeps: evaluations of a tile, states' and probes'."""
    return hamiltonians * ((2 * steps + 1) * sizes.tiles(rows) + 2 * sizes.tiles(probes))


class NativeChainRows(Workspace):
    """One thread's rows: states, and probes to evaluate the vector fields at."""

    def __init__(self, chain: NativeChain, *, keep: bool) -> None:
        super().__init__()
        self._chain, self._keep = chain, keep

    def forward(self, q: Array, p: Array, probes: Array) -> tuple[Array, Array]:
        """Map q, p (r, d) to states (r, 2d); and (r', 2d) probes to X_H of every H at them."""
        chain, sizes, dtype = self._chain, self._chain.sizes, self._chain.dtype
        self._start, state = (q, p), np.concatenate([q, p], axis=1, dtype=dtype)
        self._end, self._probes = state, np.ascontiguousarray(probes, dtype)
        fields = np.empty((len(probes) * chain.hamiltonians, state.shape[1]), dtype)
        rows = max(len(q), len(probes))
        self._threads = kernel_threads(rows, chain.products, dtype.itemsize)
        blocks = self._threads
        if self._keep:
            cuts = zip(*(lengths(len(part), self._threads) for part in (q, probes)), strict=True)
            blocks = sum(evaluations(sizes, chain.hamiltonians, chain.steps, *cut) for cut in cuts)
        self._kept = self.empty((blocks * sizes.kept,), dtype)
        self._work = self.empty((self._threads * sizes.work,), dtype)
        chain.forward(
            self._threads,
            *chain.arguments,
            self._keep,
            chain.packed,
            state,
            self._probes,
            fields,
            self._kept,
            self._work,
        )
        return state, fields

    def pull_back(self, state_bar: Array, field_bars: Array) -> tuple[list[Array], list[Array]]:
        """Turn cotangents of both outputs into those of q, p, probes and weights."""
        chain, sizes = self._chain, self._chain.sizes
        dtype = chain.dtype
        # The kernel works in place: on copies.
        state = self._end if self._keep else self._end.copy()
        bars, probe_bars = np.array(state_bar, dtype, order="C"), np.zeros_like(self._probes)
        flat, parts = chain.weight_bars()
        chain.pull_back(
            self._threads,
            *chain.arguments,
            self._keep,
            chain.packed,
            state,
            self._probes,
            np.ascontiguousarray(field_bars, dtype),
            self._kept,
            self._work,
            bars,
            probe_bars,
            self.empty((self._threads * sizes.bars * chain.hamiltonians,), dtype),
            flat,
        )
        if not self._keep:
            report_reversal(state, self._start)
        dim = bars.shape[1] // 2
        return [bars[:, :dim], bars[:, dim:], probe_bars], parts
