"""The hot kernel: the input gradient of a soft-plus network, an autograd primitive with its VJP.

Leapfrog needs ∂U/∂q and ∂K/∂p, never U or K, and training differentiates those once more with
respect to the weights. Here both passes are written out, with one exponential serving soft-plus
and sigmoid, and with work arrays that are kept. With hidden layers l = 1..L,

    forward   z_l = a_{l-1} W_l + b_l,  a_l = softplus(z_l),  s_l = sigmoid(z_l),  a_0 = x
              t_L = w,  t_l = (t_{l+1} s_{l+1}) W_{l+1}ᵀ,  ∂energy/∂x = (t_1 s_1) W_1ᵀ

and the backward pass climbs the second line from its end, then descends the first.
`networks.energy_gradient_reference` is the same mathematics on the tape: the tests compare the
two, and derivatives of higher order go through it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from autograd import make_vjp
from autograd.extend import defvjp_argnums, primitive
from autograd.tracer import isbox

from ehf_num.networks import energy_gradient_reference, hidden_layers
from ehf_num.workspace import Array, Workspace


class _Saved(Workspace):
    """What the forward pass leaves for the backward pass, one entry a hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[Array] = []
        self.slopes: list[Array] = []
        self.backs: list[Array] = []


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
    return _fused(x, *weights, saved=_Saved())


@primitive  # type: ignore[untyped-decorator]
def _fused(x: Array, *weights: Array, saved: _Saved) -> Array:
    layers = hidden_layers(weights)
    inputs = x
    for level, (matrix, bias) in enumerate(layers, start=1):
        saved.inputs.append(inputs)
        z = saved.empty((len(x), matrix.shape[1]), x.dtype)
        np.dot(inputs, matrix, out=z)
        z += bias
        if level < len(layers):
            inputs = _softplus_leaving_sigmoid(z, saved)
        else:
            _sigmoid_in_place(z)
        saved.slopes.append(z)
    back = np.broadcast_to(weights[-1][:, 0], saved.slopes[-1].shape)
    saved.backs.append(back)
    for level in range(len(layers) - 1, 0, -1):
        product = saved.empty_like(saved.slopes[level])
        np.multiply(back, saved.slopes[level], out=product)
        back = saved.empty_like(saved.slopes[level - 1])
        np.dot(product, layers[level][0].T, out=back)
        saved.backs.append(back)
    saved.backs.reverse()
    return (back * saved.slopes[0]) @ layers[0][0].T


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


def _pull_back(
    cotangent: Array, weights: tuple[Array, ...], saved: _Saved
) -> tuple[Array, list[Array]]:
    """Apply the transposed Jacobian: (n, d) to the cotangents of x and of each weight."""
    layers = hidden_layers(weights)
    gradients: list[Array] = [np.empty(0)] * len(weights)
    work = Workspace()
    slope_bars: list[Array] = []
    top = len(layers) - 1
    row = cotangent
    for level, (matrix, _) in enumerate(layers):
        slope, back = saved.slopes[level], saved.backs[level]
        bar, product = work.empty_like(slope), work.empty_like(slope)
        np.dot(row, matrix, out=bar)
        np.multiply(back, slope, out=product)
        gradients[2 * level] = row.T @ product
        slope_bar = work.empty_like(slope)
        np.multiply(bar, back, out=slope_bar)
        slope_bars.append(slope_bar)
        bar *= slope
        row = bar
    gradients[-1] = row.sum(axis=0)[:, np.newaxis]
    descending = None
    for level in range(top, -1, -1):
        slope, z_bar = saved.slopes[level], slope_bars[level]
        curvature = work.empty_like(slope)
        np.multiply(slope, slope, out=curvature)
        np.subtract(slope, curvature, out=curvature)
        z_bar *= curvature
        if descending is not None:
            descending *= slope
            z_bar += descending
        gradients[2 * level] += saved.inputs[level].T @ z_bar
        gradients[2 * level + 1] = z_bar.sum(axis=0)
        if level:
            descending = work.empty_like(saved.slopes[level - 1])
            np.dot(z_bar, layers[level][0].T, out=descending)
    return z_bar @ layers[0][0].T, gradients


def _vjp_maker(
    argnums: tuple[int, ...], _answer: Any, args: tuple[Any, ...], kwargs: dict[str, _Saved]
) -> Callable[[Any], tuple[Any, ...]]:
    def vjp(cotangent: Any) -> tuple[Any, ...]:
        if isbox(cotangent) or any(isbox(arg) for arg in args):
            return _differentiable_vjp(argnums, args, cotangent)
        x_bar, weight_bars = _pull_back(cotangent, args[1:], kwargs["saved"])
        bars = [x_bar, *weight_bars]
        return tuple(bars[argnum] for argnum in argnums)

    return vjp


def _differentiable_vjp(
    argnums: tuple[int, ...], args: tuple[Any, ...], cotangent: Any
) -> tuple[Any, ...]:
    """Do the same on the tape, where an outer derivative is being taken of this one."""

    def reference(active: tuple[Any, ...]) -> Any:
        full = list(args)
        for argnum, value in zip(argnums, active, strict=True):
            full[argnum] = value
        return energy_gradient_reference(*full)

    vjp, _ = make_vjp(reference)(tuple(args[argnum] for argnum in argnums))
    return tuple(vjp(cotangent))


defvjp_argnums(_fused, _vjp_maker)
