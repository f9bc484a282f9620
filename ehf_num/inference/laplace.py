"""Laplace's approximation of p(p|x) as a proposal beside the encoder: it needs no training.

ln p(x, p) is nearly quadratic in p. Around its mode p*, found from the encoder's best draw, with
H = −∂² ln p/∂p², Student's law of center p* and scale (1.1)² H⁻¹, with d + 4 degrees of freedom, is
closer to p(p|x) than an encoder that had to learn it, and has wider tails. Half of the draws come
from it and half from h, weighed by the density of the mixture, which bounds the weights where one
of both misses momenta.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import autograd.numpy as anp
import numpy as np
import scipy

from ehf_num.densities.encoder import EvaluatedEncoder
from ehf_num.engine.tape import make_vjp
from ehf_num.engine.workspace import Array
from ehf_num.training.objective import BoundModel

_WIDER = 1.1  # than the law at the mode
_MORE_DEGREES = 4
_NARROWEST = 0.1  # curvatures below are taken for it: widths are at most 3.8
_STARTS, _STEPS, _HALVINGS = 16, 12, 6
_STILL = 1e-3  # slope in p at which a search ends, per standard deviation


@dataclass(eq=False)
class LaplaceModel:
    """A model whose log weights are those of draws around the modes of p(p|x), and from h(p|x).

    Attributes
    ----------
    model : BoundModel
        With its weights in place.
    """

    model: BoundModel
    _known: dict[bytes, tuple[Array, Array, Array]] = field(default_factory=dict)

    @property
    def weights(self) -> Sequence[Any]:
        """The model's arrays."""
        return self.model.weights

    def log_weights(self, x: Array, noise: Array) -> Array:
        """Evaluate ln p(x, p) − ln g(p|x), g the proposal: x (m, d), noise (m, S, d) to (m, S)."""
        count, draws, dim = noise.shape
        modes, directions, curvatures = self._laws(x)
        scales = _WIDER / np.sqrt(curvatures)
        turned = np.einsum("mij,mj,mkj->mik", directions, scales, directions)
        p = modes[:, np.newaxis] + np.einsum("mij,msj->msi", turned, _student(noise))
        encoder, of_encoder = self.model.encoder, self.model.encoder_weights
        repeated = np.repeat(x, draws, axis=0)
        share = 1.0
        evaluated = isinstance(self.model.objective.encoder, EvaluatedEncoder)
        if evaluated and draws > 1:
            from_encoder = np.arange(draws) % 2 == 1
            share = 1 - from_encoder.mean()
            drawn, _ = encoder.draw(of_encoder, repeated, noise.reshape(-1, dim))
            p = np.where(from_encoder[:, np.newaxis], drawn.reshape(p.shape), p)
        whitened = np.einsum("mji,msj->msi", directions, p - modes[:, np.newaxis])
        squares = np.sum((whitened / scales[:, np.newaxis]) ** 2, axis=2)
        log_g = _log_student(squares, dim) - np.sum(np.log(scales), axis=1)[:, np.newaxis]
        flat = np.ascontiguousarray(p.reshape(-1, dim), dtype=x.dtype)
        log_p = np.asarray(self.model.joint_log_prob(repeated, flat)).reshape(count, draws)
        if share == 1.0:
            return np.asarray(log_p - log_g)
        log_h = np.asarray(self.model.log_encoder(repeated, flat)).reshape(count, draws)
        return np.asarray(log_p - np.logaddexp(np.log(share) + log_g, np.log(1 - share) + log_h))

    def _laws(self, x: Array) -> tuple[Array, Array, Array]:
        """Return modes (m, d), principal directions (m, d, d) and curvatures (m, d) there."""
        keys = [point.tobytes() for point in x]
        missing = [k for k, key in enumerate(keys) if key not in self._known]
        if missing:
            found = self._search(x[missing])
            for k, *law in zip(missing, *found, strict=True):
                self._known[keys[k]] = law[0], law[1], law[2]
        modes, directions, curvatures = zip(*(self._known[key] for key in keys), strict=True)
        return np.stack(modes), np.stack(directions), np.stack(curvatures)

    def _search(self, x: Array) -> tuple[Array, Array, Array]:
        """Climb to the modes by Newton's steps, shortened until they gain."""
        p, value = self._starts(x)
        for _ in range(_STEPS):
            slope, directions, curvatures = self._second_order(x, p)
            along = np.einsum("mji,mj->mi", directions, slope)
            if np.abs(along / np.sqrt(curvatures)).max() < _STILL:
                break
            step = np.einsum("mij,mj->mi", directions, along / curvatures).astype(x.dtype)
            gained = np.zeros(len(x), bool)
            for halving in range(_HALVINGS):
                there = np.where(gained[:, np.newaxis], p, p + step / 2**halving).astype(x.dtype)
                new = np.asarray(self.model.joint_log_prob(x, there))
                better = ~gained & (new > value)
                p, value = np.where(better[:, np.newaxis], there, p), np.where(better, new, value)
                gained |= better
            if not gained.any():
                break
        _, directions, curvatures = self._second_order(x, p)
        return p, directions, curvatures

    def _starts(self, x: Array) -> tuple[Array, Array]:
        """Take the best of some draws of the encoder, its middle among them."""
        encoder, of_encoder = self.model.encoder, self.model.encoder_weights
        noise = np.random.default_rng(0).standard_normal((_STARTS, x.shape[1])).astype(x.dtype)
        noise[0] = 0
        draws = [encoder.draw(of_encoder, x, np.tile(z, (len(x), 1)))[0] for z in noise]
        values = np.stack([self.model.joint_log_prob(x, p) for p in draws])
        best, rows = np.argmax(values, axis=0), np.arange(len(x))
        return np.stack(draws)[best, rows], values[best, rows]

    def _slope(self, x: Array, p: Array) -> Array:
        def total(boxes: list[Any]) -> Any:
            return anp.sum(self.model.joint_log_prob(x, boxes[0]))

        vjp, value = make_vjp(total, [p])
        return vjp(np.ones_like(value))[0]

    def _second_order(self, x: Array, p: Array) -> tuple[Array, Array, Array]:
        """Return the slope, and the directions and sizes of the curvature, by differences."""
        count, dim = p.shape
        step = float(np.finfo(p.dtype).eps) ** (1 / 3)
        shifts = step * np.concatenate([np.eye(dim), -np.eye(dim)]).astype(p.dtype)
        around = (p[np.newaxis] + shifts[:, np.newaxis]).reshape(-1, dim)
        slopes = self._slope(np.tile(x, (2 * dim, 1)), around).reshape(2, dim, count, dim)
        hessian = np.swapaxes((slopes[1] - slopes[0]).astype(np.float64) / (2 * step), 0, 1)
        sizes, directions = np.linalg.eigh((hessian + np.swapaxes(hessian, 1, 2)) / 2)
        return self._slope(x, p), directions, np.maximum(np.abs(sizes), _NARROWEST)


def _student(noise: Array) -> Array:
    """Stretch standard normals (m, S, d) along their directions: Student's law, one to one."""
    dim = noise.shape[2]
    squares = np.sum(noise.astype(np.float64) ** 2, axis=2, keepdims=True)
    above = scipy.special.gammaincc(dim / 2, squares / 2)
    wanted = dim / scipy.special.fdtri(dim + _MORE_DEGREES, dim, above)
    stretched: Array = noise * np.sqrt(wanted / np.maximum(squares, 1e-30))
    return stretched


def _log_student(squares: Array, dim: int) -> Array:
    """Evaluate ln of Student's density at |x|², nats."""
    degrees = dim + _MORE_DEGREES
    constant = scipy.special.gammaln((degrees + dim) / 2) - scipy.special.gammaln(degrees / 2)
    log_density: Array = constant - dim / 2 * np.log(degrees * np.pi)
    log_density = log_density - (degrees + dim) / 2 * np.log1p(squares / degrees)
    return log_density
