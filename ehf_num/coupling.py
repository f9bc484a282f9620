"""h(p|q) as a chain of affine couplings: a proposal that bends where a Gaussian cannot.

Each layer leaves some components of the momentum as they are and moves the others by functions of
those and of q (Dinh, Sohl-Dickstein & Bengio, arXiv:1605.08803):

    c_b ← exp(s(c_a, q)) c_b + t(c_a, q),      ln |∂p/∂noise| = Σ s

What the components are is the frame's business: the coordinates themselves, or the components
along directions that move with the symmetry, which makes h equivariant by construction. What no
direction reaches is a vector of which the length alone is looked at and scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.tracer import isbox

from ehf_num.coupling_rows import HALF_LOG_2PI, LARGEST_LOG_SCALE, TINY, CouplingKernel
from ehf_num.fused import fuse
from ehf_num.momentum_frames import MomentumFrame
from ehf_num.networks import Weights, init_relu, relu_network_reference
from ehf_num.parallel import one_blas_thread, run_all, share_count, shares
from ehf_num.tape import part
from ehf_num.workspace import Array


@dataclass(frozen=True)
class _Components:
    """The components of a momentum: some columns (n, 1) each, and the vector left (n, d)."""

    columns: tuple[Any, ...]
    rest: Any | None


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
    >>> from ehf_num.momentum_frames import CoordinateFrame
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
        for layer in range(self.layers):
            kept, moved = self._roles(layer)
            inputs, outputs = self.frame.features + len(kept), 2 * len(moved)
            if self._rest_size:
                inputs, outputs = (inputs, outputs + 1) if layer % 2 else (inputs + 1, outputs)
            network = init_relu((inputs, *self.hidden, outputs), rng, dtype)
            network[-2][:] = 0
            arrays += network
        return arrays

    def draw(self, weights: Weights, q: Any, noise: Any) -> tuple[Any, Any]:
        """Turn standard normal noise (n, d) into p ~ h(p|q) (n, d) and ln h(p|q) (n,) in nats.

        A derivative in q is there if the frame's formulas have one: a `MovingFrame` has none, and
        raises ArgumentError for a q that is on the tape.
        """
        draw = self._reference if isbox(q) else self._fused
        drawn = draw(q, noise, *weights)
        return part(drawn, np.s_[:, :-1]), part(drawn, np.s_[:, -1])

    def score(self, weights: Weights, q: Array, noise: Array) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p at the p drawn from the noise: (n, d)."""
        ready = self.kernel(weights)
        count = share_count(len(q), ready.multiply_adds, q.itemsize)

        def of_rows(rows: slice) -> Array:
            share = ready.share(keep=True)
            share.forward(q[rows], noise[rows])
            return share.score()

        with one_blas_thread():
            return np.concatenate(run_all([partial(of_rows, s) for s in shares(len(q), count)]))

    def kernel(self, weights: Weights) -> CouplingKernel:
        """Make weights ready for rows, which go through a draw and back without a tape."""
        networks = [tuple(network) for network in self._networks(weights)]
        return CouplingKernel(self.dim, self._compiled_frame, networks)

    @cached_property
    def _compiled_frame(self) -> MomentumFrame:
        # Its formulas are compiled on first use: here, not by several threads at once.
        self.frame.at(np.empty((0, self.dim)))
        return self.frame

    @cached_property
    def _fused(self) -> Callable[..., Any]:
        return fuse(self.kernel, self._reference, row_arguments=2)

    def __reduce__(self) -> tuple[Any, ...]:
        # What `fuse` returns does not pickle: a copy makes its own.
        return CouplingEncoder, (self.dim, self.hidden, self.frame, self.layers)

    def _reference(self, q: Any, noise: Any, *weights: Any) -> Any:
        """Draw in plain autograd operations: p and ln h in one array (n, d + 1)."""
        features, directions = self.frame.at(q)
        components = _taken_apart(noise, directions)
        log_h = -anp.sum(0.5 * noise**2, axis=1) - self.dim * HALF_LOG_2PI
        for layer, network in enumerate(self._networks(weights)):
            components, log_scale = self._coupled(layer, network, features, components)
            log_h = log_h - log_scale
        p = _put_together(components, directions)
        return anp.concatenate([p, log_h[:, np.newaxis]], axis=1)

    def _roles(self, layer: int) -> tuple[list[int], list[int]]:
        """Which columns a layer keeps and which it moves; the rest counts as one more odd one."""
        indices = list(range(self.frame.directions))
        even, odd = indices[::2], indices[1::2]
        return (even, odd) if layer % 2 else (odd, even)

    def _networks(self, weights: Weights) -> list[Weights]:
        size = 2 * (len(self.hidden) + 1)
        starts = range(0, size * (self.layers + 1), size)
        return [weights[start:end] for start, end in pairwise(starts)]

    def _coupled(
        self, layer: int, network: Weights, features: Any, components: _Components
    ) -> tuple[_Components, Any]:
        """Apply one layer; also Σ s (n,)."""
        kept, moved = self._roles(layer)
        columns, rest = list(components.columns), components.rest
        rest_moves = rest is not None and layer % 2 == 1
        inputs = [features, *(columns[k] for k in kept)]
        if rest is not None and not rest_moves:
            inputs.append(anp.sqrt(anp.sum(rest**2, axis=1, keepdims=True) + TINY))
        outputs = relu_network_reference(anp.concatenate(inputs, axis=1), *network)
        scales = len(moved) + rest_moves
        s = LARGEST_LOG_SCALE * anp.tanh(outputs[:, :scales] * (1 / LARGEST_LOG_SCALE))
        growth = anp.exp(s)
        for place, k in enumerate(moved):
            shift = outputs[:, scales + place : scales + place + 1]
            columns[k] = columns[k] * growth[:, place : place + 1] + shift
        log_scale = anp.sum(s, axis=1)
        if rest_moves:
            rest = rest * growth[:, -1:]
            log_scale = log_scale + (self._rest_size - 1) * s[:, -1]
        return _Components(tuple(columns), rest), log_scale


def _taken_apart(noise: Any, directions: Array | None) -> _Components:
    """Components of noise (n, d) along the directions (n, d, m)."""
    if directions is None:
        return _Components(tuple(noise[:, k : k + 1] for k in range(noise.shape[1])), None)
    along = anp.einsum("nim,ni->nm", directions, noise)
    columns = tuple(along[:, k : k + 1] for k in range(along.shape[1]))
    if directions.shape[1] == directions.shape[2]:
        return _Components(columns, None)
    return _Components(columns, noise - anp.einsum("nim,nm->ni", directions, along))


def _put_together(components: _Components, directions: Array | None) -> Any:
    """Undo `_taken_apart`."""
    if directions is None:
        return anp.concatenate(components.columns, axis=1)
    parts = [directions[:, :, k] * column for k, column in enumerate(components.columns)]
    return sum(parts if components.rest is None else [components.rest, *parts])
