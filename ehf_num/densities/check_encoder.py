"""Is this an encoder? What is asked of `init` and `draw`, looked at one by one, at random."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import scipy

from ehf_num.densities.encoder import Encoder, EvaluatedEncoder, encoder_score
from ehf_num.engine import arguments
from ehf_num.engine.log_space import HALF_LOG_2PI, standard_normal_log_prob
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.part_checks import jacobian_by_differences
from ehf_num.hamiltonian.part_probe import (
    DRAWS,
    STEP,
    TOLERANCE,
    Look,
    PartCheck,
    PartProbe,
    PartReport,
    admit,
    look_at,
)
from ehf_sym import LieAlgebra
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.frames import rotation_matrices

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
        """Turn q, and the noise along or not: p has to turn, and ln h to stay.

        Draws that do so in law alone are admitted where ln h is known at any p.
        """
        weights = self.moved()
        turn = scipy.linalg.expm(sum(self.rng.standard_normal() * matrix for matrix in matrices))
        p, log_h = self.encoder.draw(weights, self.q, self.noise)
        for noise in (self.noise, self.noise @ turn.T):
            moved, same = self.encoder.draw(weights, self.q @ turn.T, noise)
            if _agree(moved, p @ turn.T) and _agree(same, log_h):
                return None
        if isinstance(self.encoder, EvaluatedEncoder):
            here = self.encoder.log_prob(weights, self.q, p)
            if not _agree(here, log_h):
                return "log_prob at draws is not the ln h that came with them"
            if _agree(self.encoder.log_prob(weights, self.q @ turn.T, p @ turn.T), log_h):
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


EncoderCheck, EncoderReport = PartCheck, PartReport
"""The names that reports of encoders had before there were others."""


def check_encoder(
    encoder: Encoder,
    dim: int,
    *,
    symmetry: LieAlgebra | None = None,
    rng: int | np.random.Generator = 0,
) -> PartReport:
    """Look for what is wrong with an encoder of one's own.

    The density is held against the Jacobian of `draw` by finite differences, the gradient against
    finite differences, at random weights near those of `init`. It is evidence, no proof.

    Parameters
    ----------
    encoder : Encoder
        An object with `init` and `draw`.
    dim : int
        d, the number of positions and of momenta.
    symmetry : LieAlgebra, optional
        Of generators pᵀMq with antisymmetric M: whether the encoder moves with it.
    rng : int or numpy.random.Generator
        Draws weights, points and noise.

    Returns
    -------
    PartReport

    Raises
    ------
    ehf_sym.ArgumentError
        If dim, symmetry or rng cannot be used; faults of the encoder are in the report.

    Examples
    --------
    >>> from ehf_num.densities.encoder import GaussianEncoder
    >>> print(check_encoder(GaussianEncoder(dim=2, hidden=(8,)), 2))
    weights from init: ok
    shapes from draw: ok
    dtype float32 is kept: ok
    rows do not see each other: ok
    ln h is the density of the draws: ok
    draws reach every p once: ok
    slope of ln h in p: ok
    gradient by the weights: ok
    every weight has a gradient: ok
    """
    probe = EncoderProbe(encoder, arguments.positive_integer(dim, "dim"), arguments.generator(rng))
    looks: list[tuple[str, Look, bool]] = [
        ("weights from init", probe.weights_fault, True),
        ("shapes from draw", probe.shapes_fault, True),
        ("dtype float32 is kept", probe.dtype_fault, False),
        ("rows do not see each other", probe.rows_fault, False),
        ("ln h is the density of the draws", probe.density_fault, True),
        *([("draws reach every p once", probe.mass_fault, False)] if dim <= 2 else []),
        ("slope of ln h in p", probe.score_fault, False),
        ("gradient by the weights", probe.gradient_fault, True),
        ("every weight has a gradient", probe.unreached_fault, False),
    ]
    if symmetry is not None:
        turned = partial(probe.symmetry_fault, _rotations(symmetry, dim))
        looks.append(("draws move with the symmetry", turned, False))
    return look_at("encoder", looks)


def admit_encoder(encoder: Any, dim: int, dtype: str) -> Encoder:
    """Hold a user's encoder to its form: weights, shapes, dtype; `check_encoder` looks further.

    Raises
    ------
    ehf_sym.ArgumentError
        If it is none; the message says why.
    """
    probe = EncoderProbe(encoder, dim, np.random.default_rng(0))
    admit("encoder", encoder, probe.form_faults(dtype))
    admitted: Encoder = encoder
    return admitted


def _rotations(symmetry: LieAlgebra, dim: int) -> list[Array]:
    """Return M of each generator pᵀMq."""
    if not isinstance(symmetry, LieAlgebra) or symmetry.space.dim != dim:
        raise ArgumentError(f"symmetry was {symmetry!r}; it should be a LieAlgebra for d = {dim}")
    matrices = rotation_matrices(symmetry)
    if matrices is None:
        raise ArgumentError(
            "symmetry has a generator that does not rotate q and p alike; each should be p·Mq with "
            "an antisymmetric M"
        )
    return [np.array(matrix, dtype=float) for matrix in matrices]
