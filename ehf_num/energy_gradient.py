"""The hot kernel: the input gradient of a soft-plus network, as one tape node.

Leapfrog needs ∂U/∂q and ∂K/∂p, never U or K, and training differentiates those once more with
respect to the weights. Here both passes are written out, with one exponential serving soft-plus
and sigmoid. With hidden layers l = 1..L,

    forward   z_l = a_{l-1} W_l + b_l,  a_l = softplus(z_l),  s_l = sigmoid(z_l),  a_0 = x
              t_L = w,  t_l = (t_{l+1} s_{l+1}) W_{l+1}ᵀ,  ∂energy/∂x = (t_1 s_1) W_1ᵀ

and the backward pass climbs the second line from its end, then descends the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ehf_num.fused import Saved, Weights, fuse
from ehf_num.networks import energy_gradient_reference, hidden_layers
from ehf_num.workspace import Array, Workspace


def forward(x: Array, weights: Weights, saved: Saved) -> Array:
    """Evaluate the gradient of some rows and keep what their backward pass needs."""
    layers = hidden_layers(weights)
    inputs, slopes = [x], []
    for level, (matrix, bias) in enumerate(layers, start=1):
        z = saved.empty((len(x), matrix.shape[1]), x.dtype)
        np.dot(inputs[-1], matrix, out=z)
        z += bias
        if level < len(layers):
            inputs.append(_softplus_leaving_sigmoid(z, saved))
        else:
            _sigmoid_in_place(z)
        slopes.append(z)
    back = np.broadcast_to(weights[-1][:, 0], slopes[-1].shape)
    backs = [back]
    for level in range(len(layers) - 1, 0, -1):
        product = saved.empty_like(slopes[level])
        np.multiply(back, slopes[level], out=product)
        back = saved.empty_like(slopes[level - 1])
        np.dot(product, layers[level][0].T, out=back)
        backs.append(back)
    saved.kept = {"inputs": inputs, "slopes": slopes, "backs": backs[::-1]}
    gradient: Array = (back * slopes[0]) @ layers[0][0].T
    return gradient


def _sigmoid_in_place(z: Array) -> None:
    """Replace z by 1/(1 + exp(-z)); the floor keeps the exponential finite."""
    np.maximum(z, -700.0 if z.dtype == np.float64 else -87.0, out=z)
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += 1
    np.reciprocal(z, out=z)


def _softplus_leaving_sigmoid(z: Array, work: Workspace) -> Array:
    """Return softplus(z) = z - log sigmoid(z) and leave sigmoid(z) in z."""
    activation, logarithm = work.empty_like(z), work.empty_like(z)
    np.maximum(z, -700.0 if z.dtype == np.float64 else -87.0, out=activation)
    _sigmoid_in_place(z)
    np.log(z, out=logarithm)
    activation -= logarithm
    return activation


def pull_back(cotangent: Array, weights: Weights, saved: Saved) -> tuple[Array, list[Array]]:
    """Apply the transposed Jacobian to a cotangent (n, d): those of x and of each weight."""
    layers, work = hidden_layers(weights), Workspace()
    inputs, slopes, backs = (saved.kept[name] for name in ("inputs", "slopes", "backs"))
    gradients: list[Array] = [np.empty(0)] * len(weights)
    slope_bars = []
    row = cotangent
    for level, (matrix, _) in enumerate(layers):
        slope, back = slopes[level], backs[level]
        bar, product, slope_bar = (work.empty_like(slope) for _ in range(3))
        np.dot(row, matrix, out=bar)
        np.multiply(back, slope, out=product)
        gradients[2 * level] = row.T @ product
        np.multiply(bar, back, out=slope_bar)
        slope_bars.append(slope_bar)
        bar *= slope
        row = bar
    gradients[-1] = row.sum(axis=0)[:, np.newaxis]
    descending = cotangent  # of the layer above, once there is one
    for level in range(len(layers) - 1, -1, -1):
        slope, z_bar = slopes[level], slope_bars[level]
        curvature = work.empty_like(slope)
        np.multiply(slope, slope, out=curvature)
        np.subtract(slope, curvature, out=curvature)
        z_bar *= curvature
        if level < len(layers) - 1:
            descending *= slope
            z_bar += descending
        gradients[2 * level] += inputs[level].T @ z_bar
        gradients[2 * level + 1] = z_bar.sum(axis=0)
        descending = work.empty((len(z_bar), inputs[level].shape[1]), z_bar.dtype)
        np.dot(z_bar, layers[level][0].T, out=descending)
    return descending.copy(), gradients


_fused = fuse(forward, pull_back, energy_gradient_reference)


def energy_gradient(x: Any, *weights: Any) -> Any:
    """Evaluate ∂energy/∂x: x (n, d) to (n, d), with a fused vector-Jacobian product.

    Examples
    --------
    >>> import numpy as np
    >>> from ehf_num.networks import init_energy
    >>> weights = init_energy([2, 8, 8, 1], np.random.default_rng(0), "float64")
    >>> energy_gradient(np.zeros((5, 2)), *weights).shape
    (5, 2)
    """
    return _fused(x, *weights)
