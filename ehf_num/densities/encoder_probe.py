"""An encoder tried at random: each method looks for one kind of fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from ehf_num.densities.encoder_score import encoder_score
from ehf_num.engine.log_space import HALF_LOG_2PI, standard_normal_log_prob
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.part_checks import jacobian_by_differences
from ehf_num.hamiltonian.part_probe import DRAWS, STEP, TOLERANCE, PartProbe

_MASS_TOLERANCE = 0.02


class EncoderProbe(PartProbe):
    """An encoder."""

    kind = "encoder"
    methods = ("init", "draw")
    evaluates, takes = "draw", "q and noise"

    def __init__(self, encoder: Any, dim: int, rng: np.random.Generator) -> None:
        super().__init__(encoder, list(rng.standard_normal((2, DRAWS, dim))), rng)
        self.encoder, self.dim, (self.q, self.noise) = encoder, dim, self.rows

    def call(self, weights: Sequence[Any], *rows: Any) -> tuple[Any, ...]:
        """Draw."""
        return tuple(self.encoder.draw(weights, *rows))

    def shapes(self, n: int, dim: int) -> tuple[tuple[int, ...], ...]:
        """Return those of p and ln h."""
        return (n, dim), (n,)

    def density_fault(self) -> str | None:
        """Hold ln h against ln N(noise) − ln |det ∂p/∂noise|."""
        weights = self.moved()
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
        """Differentiate p by the noise: (n, d, d)."""

        def momenta(noise: Array) -> Array:
            p: Array = self.encoder.draw(weights, self.q, noise)[0]
            return p

        return jacobian_by_differences(momenta, self.noise)

    def mass_fault(self) -> str | None:
        """Integrate a narrow density φ over p, as noise sees it: ∫ φ(p) |det ∂p/∂noise| = 1.

        It counts how often p is reached; by quadrature, so for d at most 2.
        """
        weights = self.moved()
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
        weights = self.moved()
        turn = scipy.linalg.expm(sum(self.rng.standard_normal() * matrix for matrix in matrices))
        p, log_h = self.encoder.draw(weights, self.q, self.noise)
        for noise in (self.noise, self.noise @ turn.T):
            moved, same = self.encoder.draw(weights, self.q @ turn.T, noise)
            if _agree(moved, p @ turn.T) and _agree(same, log_h):
                return None
        return "p from a turned q is not the turned p, with turned noise nor with the same"

    def score_fault(self) -> str | None:
        """Hold ∂ ln h/∂p, which `fit(objective="importance")` needs, against differences."""
        weights = self.moved()
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
            for step in STEP * np.eye(self.dim)
        ]
        slope = np.stack(slopes, axis=1)[:, :, np.newaxis] / (2 * STEP)
        transposed = self._jacobians(weights).transpose(0, 2, 1)
        expected = np.linalg.solve(transposed, slope)[:, :, 0]
        if np.shape(found) != expected.shape:
            return f"score returned shape {np.shape(found)}; it should be {expected.shape}"
        worst = int(np.argmax(np.abs(found - expected).max(axis=1)))
        if np.allclose(found, expected, rtol=1e-4, atol=1e-4):
            return None
        return f"∂ ln h/∂p is {found[worst]} where differences give {expected[worst]}"


def _agree(a: Array, b: Array) -> bool:
    return np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE)
