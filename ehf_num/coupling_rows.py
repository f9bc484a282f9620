"""Couplings forward and back by hand, all layers of a draw at once.

The state of a row is its components c along the frame's directions and, where those do not span
everything, the ratio ρ of the vector left to what it was at first, ρ R: that one is scaled and
never turned. Going through a layer x_b ← exp(s) x_b + t turns cotangents by

    s̄ = x̄_b x_b exp(s) − k l̄,      t̄ = x̄_b,      x̄_b ← x̄_b exp(s)

with k the dimension that s scales and l̄ the cotangent of ln h; what s̄ and t̄ say of the kept
components comes back from the layer's network. The slope u = ∂ ln h(p|q)/∂p goes the other way,
from the noise, where it is −z, outwards through the inverse of each layer:

    s̄ = −u_b x_b − k,      t̄ = −u_b exp(−s),      u_b ← u_b exp(−s)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ehf_num.fused import Weights
from ehf_num.momentum_frames import MomentumFrame
from ehf_num.relu_network import relu_kernel
from ehf_num.workspace import Array

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
LARGEST_LOG_SCALE = 3.0  # of one layer: exp does not run away
TINY = 1e-12  # under a root: its slope at zero is infinite


class CouplingKernel:
    """All layers' networks, ready for the products.

    Parameters
    ----------
    dim : int
        d, the number of momenta.
    frame : MomentumFrame
        What the networks see of q, and the directions of the components.
    networks : sequence of tuple of ndarray
        Weights of each layer's relu network.
    """

    def __init__(self, dim: int, frame: MomentumFrame, networks: Sequence[Weights]) -> None:
        self.frame = frame
        self.layers = [
            _Layer(frame.directions, dim - frame.directions, number % 2, weights)
            for number, weights in enumerate(networks)
        ]
        self.multiply_adds = sum(layer.network.multiply_adds for layer in self.layers)

    def share(self, *, keep: bool) -> CouplingRows:
        """Begin with some rows."""
        return CouplingRows(self, keep=keep)


class _Layer:
    """One layer: it moves components of one parity, and the rest where that is odd.

    Attributes
    ----------
    kept, moved : slice, ndarray
        Columns of a state.
    shifts : int
        How many of those that are moved are shifted: the rest is only scaled.
    scaled : ndarray
        How many dimensions each of the layer's s scales.
    sees_rest : bool
        Whether the network is given the length of the rest.
    """

    def __init__(self, components: int, rest_size: int, parity: int, weights: Weights) -> None:
        self.network = relu_kernel(weights)
        self.kept = slice(1 - parity, components, 2)
        moved = list(range(parity, components, 2))
        self.shifts, scaled = len(moved), [1] * len(moved)
        self.sees_rest = bool(rest_size and not parity)
        if rest_size and parity:
            moved.append(components)
            scaled.append(rest_size)
        self.moved = np.array(moved, np.intp)
        self.scaled = np.array(scaled, weights[0].dtype)


class CouplingRows:
    """Points and noise become momenta and ln h, in one array (r, d + 1)."""

    def __init__(self, kernel: CouplingKernel, *, keep: bool) -> None:
        self._frame = kernel.frame
        self._layers = [_LayerRows(layer, keep=keep) for layer in kernel.layers]

    def forward(self, q: Array, noise: Array) -> tuple[Array]:
        """Draw p and evaluate ln h."""
        features, directions = self._frame.at(q)
        self._sees_q_itself, self._noise = features is q, noise
        self._parts = parts = _Parts(noise, directions)
        state = parts.state()
        drawn = np.empty((len(noise), noise.shape[1] + 1), noise.dtype)
        log_h = -0.5 * np.einsum("ni,ni->n", noise, noise) - noise.shape[1] * HALF_LOG_2PI
        for layer in self._layers:
            log_h -= layer.forward(features, state, parts)
        parts.join(state, drawn[:, :-1])
        drawn[:, -1] = log_h
        return (drawn,)

    def pull_back(self, cotangent: Array) -> tuple[list[Array], list[Array]]:
        """Turn the cotangent (r, d + 1) into those of points, noise and weights.

        That of the points is NaN where the networks see formulas of q instead of q itself: there
        is no way back through those here.
        """
        log_bar, parts = cotangent[:, -1:], self._parts
        bars = parts.state_bar(cotangent[:, :-1])
        features_bar, square_bar = np.zeros((len(bars), 1), bars.dtype), np.zeros_like(log_bar)
        weight_bars: list[Array] = []
        for layer in reversed(self._layers):
            of_features, own_bars = layer.pull_back(bars, log_bar, square_bar)
            features_bar = features_bar + of_features
            weight_bars = own_bars + weight_bars
        noise_bar = parts.noise_bar(bars, cotangent[:, :-1], square_bar) - log_bar * self._noise
        q_bar = features_bar if self._sees_q_itself else np.full_like(noise_bar, np.nan)
        return [q_bar, noise_bar], weight_bars

    def score(self) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p at the momenta that `forward` drew: (r, d)."""
        slopes = self._parts.normal_slopes()
        for layer in self._layers:
            layer.push_outwards(slopes)
        return self._parts.in_coordinates(slopes)


class _Parts:
    """Noise (n, d) as components (n, m) along directions, and the vector R left of it (n, d).

    Where there is such a vector, states (n, m + 1) end in a column of ρ.
    """

    def __init__(self, noise: Array, directions: Array | None) -> None:
        self._rows = None if directions is None else np.swapaxes(directions, 1, 2)
        self._first = self._components(noise)
        self.count = self._first.shape[1]
        self.rest_size = noise.shape[1] - self.count
        if self.rest_size:
            self._rest = noise - self._vectors(self._first)
            self.square = _dot(self._rest, self._rest)  # |R|², (n, 1)

    def _components(self, vectors: Array) -> Array:
        """Project vectors (n, d) on the directions."""
        if self._rows is None:
            return vectors
        components: Array = np.einsum("nmi,ni->nm", self._rows, vectors)
        return components

    def _vectors(self, components: Array) -> Array:
        """Add up directions; undoes `_components` but for what no direction reaches."""
        if self._rows is None:
            return components
        vectors: Array = np.einsum("nm,nmi->ni", components, self._rows)
        return vectors

    def state(self) -> Array:
        """Take the noise apart; ρ starts at 1."""
        if not self.rest_size:
            return self._first.copy()
        return _with_last(self._first, np.ones_like(self.square))

    def join(self, state: Array, out: Array) -> None:
        """Put the momenta together."""
        np.copyto(out, self._vectors(state[:, : self.count]))
        if self.rest_size:
            self._ratio = state[:, -1:].copy()
            out += self._ratio * self._rest

    def state_bar(self, p_bar: Array) -> Array:
        """Turn the cotangent of the momenta into that of the state that they were put from."""
        if not self.rest_size:
            return self._components(p_bar).copy()
        return _with_last(self._components(p_bar), _dot(p_bar, self._rest))

    def noise_bar(self, bars: Array, p_bar: Array, square_bar: Array) -> Array:
        """Turn the cotangents of the first state, the momenta and |R|² into that of noise."""
        if not self.rest_size:
            return self._vectors(bars)
        rest_bar = self._ratio * p_bar + 2 * square_bar * self._rest
        total: Array = rest_bar + self._vectors(bars[:, :-1] - self._components(rest_bar))
        return total

    def normal_slopes(self) -> Array:
        """Evaluate the slopes of ln N(noise) by the state: −c and, by ρ, −|R|²."""
        return -self._first if not self.rest_size else _with_last(-self._first, -self.square)

    def in_coordinates(self, slopes: Array) -> Array:
        """Turn slopes by the last state into those by the momenta."""
        if not self.rest_size:
            return self._vectors(slopes)
        # A slope by ρ is one along R times |R|²: where R is 0, there is none.
        along = np.zeros_like(self.square)
        np.divide(slopes[:, -1:], self.square, out=along, where=self.square > 0)
        total: Array = self._vectors(slopes[:, :-1]) + along * self._rest
        return total


class _LayerRows:
    """Rows in one layer."""

    def __init__(self, layer: _Layer, *, keep: bool) -> None:
        self._layer, self._network = layer, layer.network.share(keep=keep)

    def forward(self, features: Array, state: Array, parts: _Parts) -> Array:
        """Move a state in place; return ln |∂state'/∂state|, (n,)."""
        layer, self._features = self._layer, features.shape[1]
        inputs = [features, state[:, layer.kept]]
        if layer.sees_rest:
            self._square, self._ratio = parts.square, state[:, -1:].copy()
            self._length = np.sqrt(self._ratio**2 * self._square + TINY)
            inputs.append(self._length)
        (outputs,) = self._network.forward(np.concatenate(inputs, axis=1))
        scales = len(layer.moved)
        self._tanh = np.tanh(outputs[:, :scales] * (1 / LARGEST_LOG_SCALE))
        log_scale = LARGEST_LOG_SCALE * self._tanh
        self._growth, self._before = np.exp(log_scale), state.take(layer.moved, axis=1)
        after = self._before * self._growth
        after[:, : layer.shifts] += outputs[:, scales:]
        state[:, layer.moved] = after
        total: Array = np.einsum("ns,s->n", log_scale, layer.scaled)
        return total

    def pull_back(
        self, bars: Array, log_bar: Array, square_bar: Array
    ) -> tuple[Array, list[Array]]:
        """Turn cotangents of the state after into those before, in place; add that of |R|².

        Returns
        -------
        features_bar : ndarray
            Cotangent of the features.
        weight_bars : list of ndarray
            Those of the network's weights.
        """
        after = bars.take(self._layer.moved, axis=1)
        before = after * self._growth
        bars[:, self._layer.moved] = before
        scale_bar = before * self._before - log_bar * self._layer.scaled
        return self._through_network(scale_bar, after[:, : self._layer.shifts], bars, square_bar)

    def push_outwards(self, slopes: Array) -> None:
        """Turn slopes of ln h by the state before into those by the state after, in place."""
        before = slopes.take(self._layer.moved, axis=1)
        after = before / self._growth
        slopes[:, self._layer.moved] = after
        scale_bar = -before * self._before - self._layer.scaled
        self._through_network(scale_bar, -after[:, : self._layer.shifts], slopes, None)

    def _through_network(
        self, scale_bar: Array, shift_bar: Array, bars: Array, square_bar: Array | None
    ) -> tuple[Array, list[Array]]:
        """Take cotangents of the layer's s and t to what the network saw: added to bars."""
        scale_bar = scale_bar * (1 - self._tanh**2)
        (inputs_bar,), weight_bars = self._network.pull_back(
            np.concatenate([scale_bar, shift_bar], axis=1)
        )
        if self._layer.sees_rest:
            along = inputs_bar[:, -1:] * self._ratio / self._length
            bars[:, -1:] += along * self._square
            if square_bar is not None:
                square_bar += 0.5 * along * self._ratio
            inputs_bar = inputs_bar[:, :-1]
        bars[:, self._layer.kept] += inputs_bar[:, self._features :]
        return inputs_bar[:, : self._features], weight_bars


def _with_last(components: Array, last: Array) -> Array:
    state: Array = np.concatenate([components, last], axis=1)
    return state


def _dot(a: Array, b: Array) -> Array:
    """Multiply vectors row by row, (n, d) twice to (n, 1)."""
    product: Array = np.einsum("ni,ni->n", a, b)[:, np.newaxis]
    return product
