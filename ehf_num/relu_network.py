"""The encoder's kernel: a relu network as one tape node."""

from __future__ import annotations

from typing import Any

import numpy as np

from ehf_num.fused import Saved, Weights, fuse
from ehf_num.networks import relu_network_reference
from ehf_num.workspace import Array, Workspace


def _forward(x: Array, weights: Weights, saved: Saved) -> Array:
    inputs = [x]
    for matrix, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        z = saved.empty((len(x), matrix.shape[1]), x.dtype)
        np.dot(inputs[-1], matrix, out=z)
        z += bias
        np.maximum(z, 0, out=z)
        inputs.append(z)
    saved.kept = {"inputs": inputs}
    values: Array = inputs[-1] @ weights[-2]
    values += weights[-1]
    return values


def _pull_back(cotangent: Array, weights: Weights, saved: Saved) -> tuple[Array, list[Array]]:
    work, inputs = Workspace(), saved.kept["inputs"]
    gradients: list[Array] = [np.empty(0)] * len(weights)
    bar = cotangent
    for level in range(len(inputs) - 1, -1, -1):
        gradients[2 * level] = inputs[level].T @ bar
        gradients[2 * level + 1] = bar.sum(axis=0)
        below = work.empty((len(bar), inputs[level].shape[1]), bar.dtype)
        np.dot(bar, weights[2 * level].T, out=below)
        if level:
            below *= inputs[level] > 0
        bar = below
    return bar.copy(), gradients


_fused = fuse(_forward, _pull_back, relu_network_reference)


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
