"""An encoder tried at random: each method looks for one kind of fault."""

from __future__ import annotations

import math
from typing import Any

import autograd.numpy as anp
import numpy as np
import scipy

from ehf_num.densities.encoder_score import encoder_score
from ehf_num.engine.log_space import HALF_LOG_2PI, standard_normal_log_prob
from ehf_num.engine.tape import make_vjp
from ehf_num.engine.workspace import Array

_DRAWS = 64
_STEP = 1e-5
_TOLERANCE = 1e-5
_MASS_TOLERANCE = 0.02
_ROUNDING = 1e-9  # rows in other company: BLAS sums in another order


class EncoderProbe:
    """An encoder, and random weights, points and noise to try it with.

    Every ``…_fault`` returns what is wrong, or None.

    Parameters
    ----------
    encoder : object
        What should be an encoder.
    dim : int
        d.
    rng : Generator
        Draws what it is tried with.
    """

    def __init__(self, encoder: Any, dim: int, rng: np.random.Generator) -> None:
        self.encoder, self.dim, self.rng = encoder, dim, rng
        self.q, self.noise = rng.standard_normal((2, _DRAWS, dim))
        self.coefficients = rng.standard_normal((_DRAWS, dim + 1))

    def _init(self, dtype: str) -> list[Array]:
        return list(self.encoder.init(np.random.default_rng(0), dtype))

    def _moved(self) -> list[Array]:
        """Weights beside the initial ones, whose last layers are often zero."""
        return [w + 0.2 * self.rng.standard_normal(w.shape) for w in self._init("float64")]

    def weights_fault(self) -> str | None:
        """Look at what `init` returns."""
        for name in ("init", "draw"):
            if not callable(getattr(self.encoder, name, None)):
                return f"it has no method {name}; see ehf_num.Encoder"
        for dtype in ("float64", "float32"):
            weights: list[Any] = self._init(dtype)  # arrays, if all is well
            for k, array in enumerate(weights):
                if not isinstance(array, np.ndarray):
                    return f"init returned {type(array).__name__} as weight {k}, not an array"
                if array.dtype != dtype:
                    return f"init returned {array.dtype} as weight {k} when asked for {dtype}"
                if not np.isfinite(array).all():
                    return f"init returned a weight {k} that is not finite"
        first, again = self._init("float64"), self._init("float64")
        if [a.shape for a in first] != [a.shape for a in again] or not all(
            np.array_equal(a, b) for a, b in zip(first, again, strict=True)
        ):
            return "init returned other weights from the same rng; it should use no other chance"
        return None

    def shapes_fault(self) -> str | None:
        """Look at shapes, and that the same noise gives the same draws."""
        weights = self._init("float64")
        for n in (1, _DRAWS):
            p, log_h = self.encoder.draw(weights, self.q[:n], self.noise[:n])
            if np.shape(p) != (n, self.dim) or np.shape(log_h) != (n,):
                return (
                    f"draw returned shapes {np.shape(p)} and {np.shape(log_h)} for q and noise of "
                    f"shape {(n, self.dim)}; they should be {(n, self.dim)} and {(n,)}"
                )
            if not (np.isfinite(p).all() and np.isfinite(log_h).all()):
                return "draw returned values that are not finite"
        again, _ = self.encoder.draw(weights, self.q, self.noise)
        if not np.array_equal(p, again):
            return "draw returned other momenta for the same noise; it should use no other chance"
        return None

    def dtype_fault(self) -> str | None:
        """Look at what becomes of float32."""
        narrow = (self.q.astype("float32"), self.noise.astype("float32"))
        p, log_h = self.encoder.draw(self._init("float32"), *narrow)
        if (p.dtype, log_h.dtype) != (np.float32, np.float32):
            return (
                f"draw returned {p.dtype} and {log_h.dtype} for float32; a NumPy scalar, such as "
                "np.log(2), or an array of float64 in it makes float64: write math.log(2)"
            )
        return None

    def rows_fault(self) -> str | None:
        """Look whether a row alone is drawn as among others."""
        weights = self._moved()
        together = self.encoder.draw(weights, self.q, self.noise)
        for k in range(3):
            row = slice(k, k + 1)
            alone = self.encoder.draw(weights, self.q[row], self.noise[row])
            for one, many in zip(alone, together, strict=True):
                if not np.allclose(one, many[row], rtol=_ROUNDING, atol=_ROUNDING):
                    return f"row {k} alone is drawn differently than among {_DRAWS}"
        return None

    def density_fault(self) -> str | None:
        """Hold ln h against ln N(noise) − ln |det ∂p/∂noise|."""
        weights = self._moved()
        _, log_h = self.encoder.draw(weights, self.q, self.noise)
        sign, log_det = np.linalg.slogdet(self._jacobians(weights))
        if len(set(sign)) > 1:
            return "det ∂p/∂noise has both signs: draw is not one to one, so ln h is no density"
        normal = standard_normal_log_prob(self.noise)
        expected = normal - log_det
        if _agree(log_h, expected):
            return None
        worst = int(np.argmax(np.abs(log_h - expected)))
        hints = (
            (expected + self.dim * HALF_LOG_2PI, "the constant −½ d ln 2π is missing"),
            (normal + log_det, "ln |det ∂p/∂noise| has the wrong sign"),
            (normal, "ln |det ∂p/∂noise| is missing"),
            (-expected, "its sign is wrong"),
        )
        hint = next((f": {text}" for values, text in hints if _agree(log_h, values)), "")
        return (
            f"ln h is {log_h[worst]:.6g} where ln N(noise; 0, 1) − ln |det ∂p/∂noise| is "
            f"{expected[worst]:.6g}{hint}"
        )

    def _jacobians(self, weights: list[Array]) -> Array:
        """∂p/∂noise (n, d, d) by central differences."""
        columns = [
            self.encoder.draw(weights, self.q, self.noise + step)[0]
            - self.encoder.draw(weights, self.q, self.noise - step)[0]
            for step in _STEP * np.eye(self.dim)
        ]
        return np.stack(columns, axis=2) / (2 * _STEP)

    def mass_fault(self) -> str | None:
        """Integrate a narrow density φ over p, as noise sees it: ∫ φ(p) |det ∂p/∂noise| = 1.

        It counts how often p is reached; by quadrature, so for d at most 2.
        """
        weights = self._moved()
        side = np.linspace(-8, 8, 4001 if self.dim == 1 else 401)
        noise = np.stack(np.meshgrid(*[side] * self.dim), axis=-1).reshape(-1, self.dim)
        q = np.broadcast_to(self.q[0], noise.shape).copy()
        p, log_h = self.encoder.draw(weights, q, noise)
        log_normal = standard_normal_log_prob(noise)
        probability = np.exp(log_normal) / np.exp(log_normal).sum()
        center = probability @ p
        width = 0.5 * np.sqrt(probability @ (p - center) ** 2)
        log_phi = standard_normal_log_prob((p - center) / width) - np.log(width).sum()
        cell = (side[1] - side[0]) ** self.dim
        mass = float(np.exp(log_phi + log_normal - log_h).sum() * cell)
        if abs(mass - 1) < _MASS_TOLERANCE:
            return None
        return f"momenta in the middle of h are reached {mass:.3g} times on average, not once"

    def symmetry_fault(self, matrices: list[Array]) -> str | None:
        """Turn q, and the noise along or not: p has to turn, and ln h to stay."""
        weights = self._moved()
        turn = scipy.linalg.expm(sum(self.rng.standard_normal() * matrix for matrix in matrices))
        p, log_h = self.encoder.draw(weights, self.q, self.noise)
        for noise in (self.noise, self.noise @ turn.T):
            moved, same = self.encoder.draw(weights, self.q @ turn.T, noise)
            if _agree(moved, p @ turn.T) and _agree(same, log_h):
                return None
        return "p from a turned q is not the turned p, with turned noise nor with the same"

    def gradient_fault(self) -> str | None:
        """Hold the tape's gradient against a central difference."""
        weights = self._moved()
        try:
            gradient = self._gradient(weights)
        except Exception as error:
            return (
                f"on the tape it raised {type(error).__name__}: {error}; draw should be made of "
                "autograd.numpy's functions and change no array in place"
            )
        for k, (part, weight) in enumerate(zip(gradient, weights, strict=True)):
            if part.shape != weight.shape:
                return f"the gradient of weight {k} has shape {part.shape}, not {weight.shape}"
        direction = [self.rng.standard_normal(w.shape) for w in weights]
        ends = [
            self._combined([w + s * _STEP * v for w, v in zip(weights, direction, strict=True)])
            for s in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * _STEP)
        expected = sum(float(np.sum(g * v)) for g, v in zip(gradient, direction, strict=True))
        size = math.sqrt(sum(float(np.sum(g**2)) for g in gradient))
        if abs(slope - expected) <= 1e-3 * max(1.0, size):
            return None
        return f"the slope in a random direction is {slope:.6g}, the gradient's {expected:.6g}"

    def score_fault(self) -> str | None:
        """Hold ∂ ln h/∂p, which `fit(objective="importance")` needs, against differences."""
        weights = self._moved()
        try:
            found = encoder_score(self.encoder, weights, self.q, self.noise)
        except Exception as error:
            return (
                f"on the tape, with noise to differentiate by, it raised {type(error).__name__}: "
                f'{error}; fit(objective="importance") needs that, or a method score'
            )
        slopes = [
            self.encoder.draw(weights, self.q, self.noise + step)[1]
            - self.encoder.draw(weights, self.q, self.noise - step)[1]
            for step in _STEP * np.eye(self.dim)
        ]
        slope = np.stack(slopes, axis=1)[:, :, np.newaxis] / (2 * _STEP)
        transposed = self._jacobians(weights).transpose(0, 2, 1)
        expected = np.linalg.solve(transposed, slope)[:, :, 0]
        if np.shape(found) != expected.shape:
            return f"score returned shape {np.shape(found)}; it should be {expected.shape}"
        worst = int(np.argmax(np.abs(found - expected).max(axis=1)))
        if np.allclose(found, expected, rtol=1e-4, atol=1e-4):
            return None
        return f"∂ ln h/∂p is {found[worst]} where differences give {expected[worst]}"

    def unreached_fault(self) -> str | None:
        """Find weights whose gradient is always zero."""
        gradients = [self._gradient(self._moved()) for _ in range(3)]
        unmoved = [
            k for k, parts in enumerate(zip(*gradients, strict=True)) if not any(map(np.any, parts))
        ]
        if not unmoved:
            return None
        shapes = ", ".join(f"{k} of shape {gradients[0][k].shape}" for k in unmoved)
        return f"the gradient of weight {shapes} is zero: neither p nor ln h depends on it"

    def _gradient(self, weights: list[Array]) -> list[Array]:
        vjp, value = make_vjp(self._combined, weights)
        return vjp(np.ones_like(value))

    def _combined(self, weights: list[Any]) -> Any:
        """Put p and ln h into one number."""
        p, log_h = self.encoder.draw(weights, self.q, self.noise)
        c = self.coefficients
        return anp.sum(c[:, :-1] * p) + anp.sum(c[:, -1] * log_h)


def _agree(a: Array, b: Array) -> bool:
    return np.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE)
