"""h(p|q) as a chain of affine couplings: a proposal that bends where a Gaussian cannot.

Each layer leaves some components of the momentum as they are and moves the others by functions of
those and of q (Dinh, Sohl-Dickstein & Bengio, arXiv:1605.08803):

    c_b ← exp(s(c_a, q)) c_b + t(c_a, q),      ln |∂p/∂noise| = Σ s

What the components are is the frame's business: the coordinates themselves, or the components
along directions that move with the symmetry, which makes h equivariant by construction. What no
direction reaches is a vector R of which the length alone is looked at and scaled: its ratio ρ to
what it was at first counts as one more odd component.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, defvjp_argnums, primitive

from ehf_num.densities.momentum_frames import MomentumFrame
from ehf_num.engine.engine import relu_network
from ehf_num.engine.log_space import standard_normal_log_prob
from ehf_num.engine.networks import Weights, init_relu
from ehf_num.engine.tape import make_vjp, part
from ehf_num.engine.workspace import Array

_LARGEST_LOG_SCALE = 3.0  # of one layer: exp does not run away
_TINY = 1e-12  # under a root: its slope at zero is infinite


@dataclass(frozen=True)
class CouplingEncoder:
    """h(p|q), the pushforward of N(0, 1) under couplings conditioned on q; d at least 2.

    Parameters
    ----------
    dim : int
        d, the number of positions and of momenta.
    hidden : sequence of int
        Widths of the hidden layers of each layer's relu network.
    frame : MomentumFrame
        What the networks see of q, and the directions of the components.
    layers : int
        Couplings; each moves every other component.

    Examples
    --------
    >>> import numpy as np
    >>> from ehf_num.densities.momentum_frames import CoordinateFrame
    >>> encoder = CouplingEncoder(dim=2, hidden=(16, 16), frame=CoordinateFrame(2))
    >>> rng = np.random.default_rng(0)
    >>> weights = encoder.init(rng, "float64")
    >>> p, log_h = encoder.draw(weights, np.zeros((5, 2)), rng.standard_normal((5, 2)))
    >>> p.shape, log_h.shape
    ((5, 2), (5,))
    """

    dim: int
    hidden: tuple[int, ...]
    frame: MomentumFrame
    layers: int = 4

    @property
    def _rest_size(self) -> int:
        """Dimension of what no direction reaches."""
        return self.dim - self.frame.directions

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw each layer's network, its last layer zero: h starts as N(0, 1)."""
        arrays: list[Array] = []
        for layer in self._layers():
            network = init_relu((layer.inputs, *self.hidden, layer.outputs), rng, dtype)
            network[-2][:] = 0
            arrays += network
        return arrays

    def draw(self, weights: Weights, q: Any, noise: Any) -> tuple[Any, Any]:
        """Turn standard normal noise (n, d) into p ~ h(p|q) (n, d) and ln h(p|q) (n,) in nats."""
        features, directions = self.frame.at(q)
        parts = _Parts(noise, directions)
        halves = list(parts.halves)
        log_h = standard_normal_log_prob(noise)
        for layer, network in zip(self._layers(), self._networks(weights), strict=True):
            outputs = relu_network(layer.seen(features, halves, parts), *network)
            moved = _coupled(outputs, halves[layer.parity], layer.scaled)
            halves[layer.parity] = part(moved, np.s_[:, :-1])
            log_h = log_h - part(moved, np.s_[:, -1])
        return parts.joined(halves), log_h

    def log_prob(self, weights: Weights, q: Any, p: Any) -> Any:
        """Evaluate ln h(p|q) at momenta from anywhere: (n, d) twice to (n,), nats.

        The layers are undone, the last first; ρ is told from 1, which it is then at the end.
        """
        features, directions = self.frame.at(q)
        parts = _Parts(p, directions)
        halves = list(parts.halves)
        log_scale: Any = np.zeros(len(p), p.dtype)
        layers = zip(self._layers(), self._networks(weights), strict=True)
        for layer, network in reversed(list(layers)):
            outputs = relu_network(layer.seen(features, halves, parts), *network)
            count = len(layer.scaled)
            s = part(outputs, np.s_[:, :count]) / _LARGEST_LOG_SCALE
            s, shift = _LARGEST_LOG_SCALE * anp.tanh(s), part(outputs, np.s_[:, count:])
            if shift.shape[1] < count:  # ρ is not moved
                shift = anp.concatenate([shift, np.zeros((len(p), 1), p.dtype)], axis=1)
            halves[layer.parity] = (halves[layer.parity] - shift) * anp.exp(-s)
            log_scale = log_scale + anp.dot(s, layer.scaled.astype(p.dtype))
        return standard_normal_log_prob(parts.joined(halves)) - log_scale

    def score(self, weights: Weights, q: Array, noise: Array) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p at the p drawn from the noise: (n, d).

        The slope u = ∂ ln h/∂p goes outwards from the noise, where it is −z, through the inverse
        of each layer x_b ← exp(s) x_b + t of k dimensions:

            s̄ = −u_b x_b − k,      t̄ = −u_b exp(−s),      u_b ← u_b exp(−s)

        and what s̄ and t̄ say of the other components comes back from the layer's network.
        """
        features, directions = self.frame.at(q)
        parts = _Parts(noise, directions)
        halves, slopes = list(parts.halves), parts.normal_slopes()
        for layer, network in zip(self._layers(), self._networks(weights), strict=True):
            seen = layer.seen(features, halves, parts)
            pull, outputs = make_vjp(partial(_applied, network), [seen])
            before, scales = halves[layer.parity], len(layer.scaled)
            tanh = np.tanh(outputs[:, :scales] / _LARGEST_LOG_SCALE)
            outward = slopes[layer.parity] * np.exp(-_LARGEST_LOG_SCALE * tanh)
            scale_bar = -slopes[layer.parity] * before - layer.scaled.astype(q.dtype)
            scale_bar *= 1 - tanh**2
            shift_bar = -outward[:, : outputs.shape[1] - scales]
            (bar,) = pull(np.concatenate([scale_bar, shift_bar], axis=1))
            slopes[layer.parity] = outward
            layer.add_seen(bar, slopes[1 - layer.parity], halves, parts)
            halves[layer.parity] = _coupled(outputs, before, layer.scaled)[:, :-1]
        return parts.in_coordinates(slopes)

    def _layers(self) -> Iterator[_Layer]:
        odd = self.frame.directions // 2
        even = self.frame.directions - odd
        for number in range(self.layers):
            yield _Layer(number % 2, self.frame.features, (even, odd), self._rest_size)

    def _networks(self, weights: Weights) -> Iterator[Weights]:
        size = 2 * (len(self.hidden) + 1)
        for start in range(0, size * self.layers, size):
            yield weights[start : start + size]


@dataclass(frozen=True)
class _Layer:
    """A layer that moves the components of one parity.

    Attributes
    ----------
    parity : int
        Of the components that are moved.
    features : int
        How many functions of q the network sees.
    components : tuple of int
        How many even and odd components there are, ρ not counted.
    rest_size : int
        Dimension of the vector that ρ scales.
    """

    parity: int
    features: int
    components: tuple[int, int]
    rest_size: int

    @property
    def scaled(self) -> Array:
        """How many dimensions each of the layer's s scales."""
        ones = np.ones(self.components[self.parity])
        return np.append(ones, self.rest_size) if self.rest_size and self.parity else ones

    @property
    def _sees_rest(self) -> bool:
        """Whether the network is given the length of the rest."""
        return bool(self.rest_size and not self.parity)

    @property
    def inputs(self) -> int:
        """What the network sees: functions of q, and the components of the other parity."""
        return self.features + self.components[1 - self.parity] + self._sees_rest

    @property
    def outputs(self) -> int:
        """What it gives: s, then t for all but ρ."""
        return len(self.scaled) + self.components[self.parity]

    def seen(self, features: Any, halves: list[Any], parts: _Parts) -> Any:
        """Put together what the network sees."""
        kept = halves[1 - self.parity]
        if not self._sees_rest:
            return anp.concatenate([features, kept], axis=1)
        ratio = part(kept, np.s_[:, -1:])
        length = anp.sqrt(ratio**2 * parts.square + _TINY)
        return anp.concatenate([features, part(kept, np.s_[:, :-1]), length], axis=1)

    def add_seen(self, bar: Array, slopes: Array, halves: list[Array], parts: _Parts) -> None:
        """Add what cotangents of `seen` say of the components that are kept."""
        kept = self.components[1 - self.parity]
        slopes[:, :kept] += bar[:, self.features : self.features + kept]
        if self._sees_rest:
            ratio = halves[1][:, -1:]
            length = np.sqrt(ratio**2 * parts.square + _TINY)
            slopes[:, -1:] += bar[:, -1:] * ratio * parts.square / length


def _applied(network: Weights, inputs: list[Any]) -> Any:
    return relu_network(*inputs, *network)


class _Parts:
    """Noise (n, d) as even and odd components along directions, and the vector R left of it.

    Where there is such a vector, the odd components (n, m + 1) end in a column of ρ, which is 1.
    """

    def __init__(self, noise: Any, directions: Any) -> None:
        self._directions = directions
        self._fills = directions is None or directions.shape[2] == directions.shape[1]
        even, odd = self._halves_of(noise)
        if not self._fills:
            self.rest = noise - self._vectors([even, odd])
            self.square = anp.sum(self.rest**2, axis=1, keepdims=True)  # |R|²
            odd = anp.concatenate([odd, np.ones((len(noise), 1), odd.dtype)], axis=1)
        self.halves: list[Any] = [even, odd]

    def _along(self, parity: int) -> Any:
        return part(self._directions, np.s_[:, :, parity::2])

    def _halves_of(self, vectors: Any) -> list[Any]:
        """Project vectors (n, d) on the directions."""
        if self._directions is None:
            return [part(vectors, np.s_[:, parity::2]) for parity in (0, 1)]
        return [anp.einsum("nim,ni->nm", self._along(parity), vectors) for parity in (0, 1)]

    def _vectors(self, halves: list[Any]) -> Any:
        """Add up directions; undoes `_halves_of` but for what no direction reaches."""
        if self._directions is None:
            return _woven(*halves)
        return sum(anp.einsum("nim,nm->ni", self._along(k), half) for k, half in enumerate(halves))

    def joined(self, halves: list[Any]) -> Any:
        """Put the momenta together."""
        if self._fills:
            return self._vectors(halves)
        even, odd = halves
        along = self._vectors([even, part(odd, np.s_[:, :-1])])
        return along + part(odd, np.s_[:, -1:]) * self.rest

    def normal_slopes(self) -> list[Array]:
        """Evaluate the slopes of ln N(noise) by the components: −c and, by ρ, −|R|²."""
        even, odd = self.halves
        return [-even, -odd if self._fills else np.concatenate([-odd[:, :-1], -self.square], 1)]

    def in_coordinates(self, slopes: list[Array]) -> Array:
        """Turn slopes by the last components into those by the momenta."""
        if self._fills:
            total: Array = self._vectors(slopes)
            return total
        # A slope by ρ is one along R times |R|²: where R is 0, there is none.
        even, odd = slopes
        along = np.zeros_like(self.square)
        np.divide(odd[:, -1:], self.square, out=along, where=self.square > 0)
        total = self._vectors([even, odd[:, :-1]]) + along * self.rest
        return total


@primitive  # type: ignore[untyped-decorator]
def _coupled(outputs: Array, moved: Array, scaled: Array) -> Array:
    """Evaluate x exp(s) + t and Σ k s, side by side: (n, a + b) and (n, a) to (n, a + 1).

    The first a outputs are s before it is bounded, the others t of the first b components; k is
    how many dimensions each s scales.
    """
    scales = moved.shape[1]
    log_scale = _LARGEST_LOG_SCALE * np.tanh(outputs[:, :scales] * (1 / _LARGEST_LOG_SCALE))
    result = np.empty((len(moved), scales + 1), moved.dtype)
    np.multiply(moved, np.exp(log_scale), out=result[:, :-1])
    result[:, : outputs.shape[1] - scales] += outputs[:, scales:]
    np.einsum("ns,s->n", log_scale, scaled.astype(moved.dtype), out=result[:, -1])
    return result


def _coupled_vjp(
    argnums: tuple[int, ...], _answer: Any, args: tuple[Any, ...], _keywords: Any
) -> Any:
    outputs, moved, scaled = args
    scales = moved.shape[1]
    tanh = anp.tanh(outputs[:, :scales] * (1 / _LARGEST_LOG_SCALE))
    growth = anp.exp(_LARGEST_LOG_SCALE * tanh)

    def vjp(bar: Any) -> tuple[Any, ...]:
        before = bar[:, :-1] * growth
        scale_bar = before * moved + bar[:, -1:] * scaled.astype(moved.dtype)
        shift_bar = bar[:, : outputs.shape[1] - scales]
        both = anp.concatenate([scale_bar * (1 - tanh**2), shift_bar], axis=1)
        return tuple([(both, before)[argnum] for argnum in argnums])

    return vjp


defvjp_argnums(_coupled, _coupled_vjp)


@primitive  # type: ignore[untyped-decorator]
def _woven(even: Array, odd: Array) -> Array:
    """Put columns side by side, an even one before an odd one."""
    whole = np.empty((len(even), even.shape[1] + odd.shape[1]), even.dtype)
    whole[:, ::2], whole[:, 1::2] = even, odd
    return whole


defvjp(
    _woven,
    lambda *_: lambda bar: part(bar, np.s_[:, ::2]),
    lambda *_: lambda bar: part(bar, np.s_[:, 1::2]),
)
