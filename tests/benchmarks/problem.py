"""One training step as a problem in numbers, given alike to every contender."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

import ehf_num as en
import ehf_sym as es
from ehf_num.workspace import Array

STEPS, STEP_SIZE, HIDDEN = 2, 0.5, (128, 128)
MULTIPLIER = 1.0  # λ, fixed: its update is outside the step
LEARNING_RATE, BETA1, BETA2, EPSILON = 3e-4, 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Problem:
    """A model and one minibatch.

    Attributes
    ----------
    dim, batch : int
        d, and points in the minibatch; as many base states are penalized.
    dtype : str
        "float32" or "float64".
    seed : int
        Of weights, points, noise and base states.
    steps, hamiltonians : int
        Leapfrog steps for each Hamiltonian, and how many of those.
    """

    dim: int
    batch: int
    dtype: str
    seed: int = 0
    steps: int = STEPS
    hamiltonians: int = 1

    def flow(self) -> en.EquivariantHamiltonianFlow:
        """Build the model; SO(2) turns d/2 planes at once."""
        space = es.PhaseSpace(self.dim)
        q, p = space.q, space.p
        generator = sum(q[i] * p[i + 1] - q[i + 1] * p[i] for i in range(0, self.dim, 2))
        flow = en.EquivariantHamiltonianFlow(
            es.StandardNormal(space),
            es.LieAlgebra(space, [generator]),
            steps=self.steps,
            step_size=STEP_SIZE,
            hidden=HIDDEN,
            hamiltonians=self.hamiltonians,
            dtype=self.dtype,
            rng=self.seed,
        )
        # The encoder's last layers start at zero, which would leave the others without gradient.
        encoder = flow.objective.layout.encoder_weights(flow.weights)
        rng = np.random.default_rng(self.seed)
        for last in (encoder[len(encoder) // 2 - 2], encoder[-2]):
            last[:] = rng.standard_normal(last.shape) / np.sqrt(len(last))
        return flow

    @cached_property
    def weights(self) -> list[Array]:
        """The initial weights, K, U, μ, σ: copies."""
        return [array.copy() for array in self.flow().weights]

    @cached_property
    def inputs(self) -> tuple[Array, Array, Array]:
        """Points (n, d), noise (n, d) and base states (n, 2d)."""
        rng = np.random.default_rng(self.seed)
        shapes = [(self.batch, self.dim)] * 2 + [(self.batch, 2 * self.dim)]
        x, noise, states = (rng.standard_normal(shape).astype(self.dtype) for shape in shapes)
        return x, noise, states
