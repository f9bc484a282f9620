"""The encoder's kernel: a relu network, forward and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ehf_num.fused import Kernel, Weights, fuse
from ehf_num.native import takes
from ehf_num.native_rows import NativeNetwork
from ehf_num.networks import relu_network_reference
from ehf_num.workspace import Array, Workspace


class ReluWeights(Workspace):
    """Weights W1, b1, ..., W, b of a relu network, each bias below its matrix."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.matrices = weights[::2]
        self.stacked: list[Array] = []
        for matrix, bias in zip(self.matrices, weights[1::2], strict=True):
            stacked = self.empty((len(matrix) + 1, matrix.shape[1]), matrix.dtype)
            stacked[:-1], stacked[-1] = matrix, bias
            self.stacked.append(stacked)
        self.multiply_adds = float(sum(matrix.size for matrix in self.matrices))

    def share(self, *, keep: bool) -> ReluRows:
        """Begin with some rows."""
        return ReluRows(self)


class ReluRows:
    """Rows in a relu network. Biases ride in the products: activations end in a column of ones."""

    def __init__(self, weights: ReluWeights) -> None:
        self._weights, self._work = weights, Workspace()
        self._inputs: list[Array] = []

    def forward(self, x: Array) -> tuple[Array]:
        """Evaluate x (r, d): (r, m)."""
        self._work = work = Workspace()
        self._inputs = [_with_ones(x, work)]
        self._inputs[0][:, :-1] = x
        for stacked in self._weights.stacked[:-1]:
            z = work.empty((len(x), stacked.shape[1]), x.dtype)
            np.dot(self._inputs[-1], stacked, out=z)
            above = _with_ones(z, work)
            np.maximum(z, 0, out=above[:, :-1])
            self._inputs.append(above)
        return (np.dot(self._inputs[-1], self._weights.stacked[-1]),)

    def pull_back(self, cotangent: Array) -> tuple[list[Array], list[Array]]:
        """Turn a cotangent (r, m) into those of x and of each weight."""
        work, bar = Workspace(), cotangent
        bars: list[Array] = []
        for level in range(len(self._inputs) - 1, -1, -1):
            inputs, matrix = self._inputs[level], self._weights.matrices[level]
            stacked = np.dot(inputs.T, bar)
            bars += [stacked[-1], stacked[:-1]]
            if not level:
                break
            below = work.empty((len(bar), len(matrix)), bar.dtype)
            np.dot(bar, matrix.T, out=below)
            below *= inputs[:, :-1] > 0
            bar = below
        return [np.dot(bar, matrix.T)], bars[::-1]


def _with_ones(like: Array, work: Workspace) -> Array:
    array = work.empty((len(like), like.shape[1] + 1), like.dtype)
    array[:, -1] = 1
    return array


def relu_kernel(weights: Weights) -> Kernel:
    """Make weights ready for rows, in C or in NumPy."""
    return NativeNetwork("relu", weights) if takes(weights) else ReluWeights(weights)


_fused = fuse(relu_kernel, relu_network_reference)


def relu_network(x: Any, *weights: Any) -> Any:
    """Evaluate the relu network: x (n, d) to (n, m), linear in its last layer.

    Examples
    --------
    >>> import numpy as np
    >>> from ehf_num.networks import init_relu
    >>> weights = init_relu([2, 8, 8, 3], np.random.default_rng(0), "float64")
    >>> relu_network(np.zeros((5, 2)), *weights).shape
    (5, 3)
    """
    return _fused(x, *weights)
