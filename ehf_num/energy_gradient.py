"""The hot kernel: the input gradient of a soft-plus network, and its pullback.

Leapfrog needs ∂U/∂q and ∂K/∂p, never U or K, and training differentiates those once more with
respect to the weights. Here both passes are written out. With hidden layers l = 1..L, a_0 = x,
s = sigmoid, and w the last layer's weights,

    forward    z_l = a_{l-1} W_l + b_l,  s_l = s(z_l),  a_l = softplus(z_l)
               P_L = s_L w,  P_l = s_l (P_{l+1} W_{l+1}ᵀ),  ∂energy/∂x = P_1 W_1ᵀ

    backward   r_0 = cotangent,  ż_l = r_{l-1} W_l,  r_l = s_l ż_l
               z̄_L = P_L ż_L (1 - s_L),  z̄_l = g_l + s_l (z̄_{l+1} W_{l+1}ᵀ - g_l),  g_l = P_l ż_l
               x̄ = z̄_1 W_1ᵀ,  W̄_l = a_{l-1}ᵀ z̄_l + r_{l-1}ᵀ P_l,  b̄_l = Σ z̄_l,  w̄ = Σ r_L

What makes it fast: one exponential and one logarithm a unit, biases in the products as a column of
ones, w folded into a copy of W_L so that the top layer needs neither P_L nor its product, and the
weights' products over the rows of many evaluations at once (`Evaluations`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ehf_num.fused import Kernel, Weights, fuse
from ehf_num.native import takes
from ehf_num.native_rows import NativeNetwork
from ehf_num.networks import energy_gradient_reference, hidden_layers
from ehf_num.workspace import Array, Workspace


class PreparedNetwork(Workspace):
    """The weights of one network as the products want them.

    Attributes
    ----------
    negated : list of ndarray (h_{l-1} + 1, h_l)
        −[W_l; b_l]: the exponential is of −z.
    matrices : list of ndarray (h_{l-1}, h_l)
        W_l.
    falling : list of ndarray (h_{l-1}, h_l)
        W_l, but W_L times the last layer's weights.
    last : ndarray (h_L,)
        w.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        layers = hidden_layers(weights)
        self.last: Array = weights[-1][:, 0]
        self.matrices: list[Array] = [matrix for matrix, _ in layers]
        self.negated = []
        for matrix, bias in layers:
            stacked = self.empty((len(matrix) + 1, matrix.shape[1]), matrix.dtype)
            np.negative(matrix, out=stacked[:-1])
            np.negative(bias, out=stacked[-1])
            self.negated.append(stacked)
        top = self.empty_like(self.matrices[-1])
        np.multiply(self.matrices[-1], self.last, out=top)
        self.falling = [*self.matrices[:-1], top]
        self.multiply_adds = 2.0 * sum(matrix.size for matrix in self.matrices)

    def share(self, *, keep: bool) -> GradientRows:
        """Begin with some rows."""
        return GradientRows(self)


class Evaluations(Workspace):
    """Rows of many evaluations of one network, side by side, so that one product serves them all.

    Parameters
    ----------
    network : PreparedNetwork
        What is evaluated.
    capacity : int
        Rows in all.
    """

    def __init__(self, network: PreparedNetwork, capacity: int) -> None:
        super().__init__()
        self._network, self._capacity = network, capacity
        self._used = 0
        self._totals: list[Array] = []
        fans_in = [len(matrix) for matrix in network.matrices]
        fans_out = [matrix.shape[1] for matrix in network.matrices]
        self._inputs = self._stacks([width + 1 for width in fans_in])  # a_{l-1}; a column of ones
        for stack in self._inputs:
            stack[:, -1] = 1
        self._slopes = self._stacks(fans_out)  # s_l
        self._products = [*self._stacks(fans_out[:-1]), self._slopes[-1]]  # P_l; P_L without w
        self._tangents: list[Array] = []  # r_{l-1}, from the first `pull_back` on
        self._bars: list[Array] = []  # z̄_l; z̄_L without w

    def _stacks(self, widths: list[int]) -> list[Array]:
        dtype = self._network.last.dtype
        return [self.empty((self._capacity, width), dtype) for width in widths]

    def take(self, count: int) -> slice:
        """Reserve rows for one evaluation; where none are left, those before must be pulled back.

        Only the weights' cotangents remain of those.
        """
        if self._used + count > self._capacity:
            self._totals = self.weight_bars()
            self._used = 0
        start, self._used = self._used, self._used + count
        return slice(start, self._used)

    def clear(self) -> None:
        """Forget every evaluation."""
        self._used = 0

    def points(self, rows: slice) -> Array:
        """Return x of an evaluation, (r, d), to be written before `evaluate`."""
        return self._inputs[0][rows, :-1]

    def cotangents(self, rows: slice) -> Array:
        """Return the cotangent of an evaluation, (r, d), to be written before `pull_back`."""
        if not self._tangents:
            self._tangents = self._stacks([len(matrix) for matrix in self._network.matrices])
            self._bars = self._stacks([matrix.shape[1] for matrix in self._network.matrices])
        return self._tangents[0][rows]

    def evaluate(self, rows: slice, out: Array) -> None:
        """Write ∂energy/∂x at `points` to out (r, d), and keep what `pull_back` needs."""
        network, work = self._network, Workspace()
        top = len(self._slopes) - 1
        for level, negated in enumerate(network.negated):
            z = self._slopes[level][rows]
            np.dot(self._inputs[level][rows], negated, out=z)
            if level < top:
                _softplus_leaving_sigmoid(z, self._inputs[level + 1][rows, :-1], work)
            else:
                _sigmoid_in_place(z)
        product = self._products[top][rows]
        for level in range(top - 1, -1, -1):
            below = self._products[level][rows]
            np.dot(product, network.falling[level + 1].T, out=below)
            below *= self._slopes[level][rows]
            product = below
        np.dot(product, network.falling[0].T, out=out)

    def pull_back(self, rows: slice, out: Array | None) -> None:
        """Turn `cotangents` into that of x, for as many of the rows as out (n, d) has.

        It may be called again with other cotangents: nothing of `evaluate` is written to.
        """
        network, work = self._network, Workspace()
        top = len(self._slopes) - 1
        gains = []  # g_l
        for level, matrix in enumerate(network.matrices):
            slope, bar = self._slopes[level][rows], self._bars[level][rows]
            gain = work.empty_like(slope)
            np.dot(self._tangents[level][rows], matrix, out=gain)
            if level < top:
                np.multiply(slope, gain, out=self._tangents[level + 1][rows])
                gain *= self._products[level][rows]
                gains.append(gain)
            else:
                gain *= slope
                np.multiply(gain, slope, out=bar)
                np.subtract(gain, bar, out=bar)
        for level in range(top - 1, -1, -1):
            bar, gain = self._bars[level][rows], gains[level]
            np.dot(self._bars[level + 1][rows], network.falling[level + 1].T, out=bar)
            bar -= gain
            bar *= self._slopes[level][rows]
            bar += gain
        if out is not None:
            np.dot(self._bars[0][rows][: len(out)], network.falling[0].T, out=out)

    def weight_bars(self) -> list[Array]:
        """Return the cotangents of all weights from every evaluation that was pulled back."""
        network, used = self._network, slice(0, self._used)
        bars: list[Array] = []
        for level, matrix in enumerate(network.matrices):
            below = np.dot(self._inputs[level][used].T, self._bars[level][used])
            across = np.dot(self._tangents[level][used].T, self._products[level][used])
            below[:-1] += across
            if level == len(network.matrices) - 1:
                below *= network.last
                across *= matrix
                last = across.sum(axis=0)
            bars += [below[:-1], below[-1]]
        bars.append(last[:, np.newaxis])
        for bar, total in zip(bars, self._totals, strict=False):
            bar += total
        return bars


def _sigmoid_in_place(negated: Array) -> None:
    """Turn −z into sigmoid(z); an exponential that is infinite gives the right zero."""
    with np.errstate(over="ignore"):
        np.exp(negated, out=negated)
    negated += 1
    np.reciprocal(negated, out=negated)


def _softplus_leaving_sigmoid(negated: Array, softplus: Array, work: Workspace) -> None:
    """Write softplus(z) = z + log(1 + exp(−z)) and turn −z into sigmoid(z)."""
    limit = 700.0 if negated.dtype == np.float64 else 87.0
    if (
        not negated.max(initial=-np.inf) <= limit
    ):  # the exponential would be infinite, its logarithm too
        np.minimum(negated, limit, out=negated)
    exponential, logarithm = work.empty_like(negated), work.empty_like(negated)
    np.exp(negated, out=exponential)
    exponential += 1
    np.log(exponential, out=logarithm)
    np.subtract(logarithm, negated, out=softplus)
    np.reciprocal(exponential, out=negated)


class GradientRows:
    """Rows of one evaluation."""

    def __init__(self, network: PreparedNetwork) -> None:
        self._network = network

    def forward(self, x: Array) -> tuple[Array]:
        """Evaluate ∂energy/∂x of x (r, d): (r, d)."""
        self._evaluations = Evaluations(self._network, len(x))
        self._rows = self._evaluations.take(len(x))
        self._evaluations.points(self._rows)[:] = x
        gradient = np.empty_like(x)
        self._evaluations.evaluate(self._rows, gradient)
        return (gradient,)

    def pull_back(self, cotangent: Array) -> tuple[list[Array], list[Array]]:
        """Turn a cotangent (r, d) into those of x and of each weight."""
        x_bar = np.empty_like(cotangent)
        self._evaluations.cotangents(self._rows)[:] = cotangent
        self._evaluations.pull_back(self._rows, x_bar)
        return [x_bar], self._evaluations.weight_bars()


def _kernel(weights: Weights) -> Kernel:
    return NativeNetwork("energy", weights) if takes(weights) else PreparedNetwork(weights)


_fused = fuse(_kernel, energy_gradient_reference)


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
