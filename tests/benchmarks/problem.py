"""One training step as a problem in numbers, given alike to every contender.

NumPy alone is imported here and in what the peers share, so that a peer's start is its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import ehf_num as en

Array = npt.NDArray[Any]

STEPS, STEP_SIZE, HIDDEN = 2, 0.5, (128, 128)
MULTIPLIER = 1.0  # λ, fixed: its update is outside the step
LEARNING_RATE, BETA1, BETA2, EPSILON = 3e-4, 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Problem:
    """Weights and one minibatch.

    Attributes
    ----------
    dim, batch : int
        d, and points in the minibatch; as many base states are penalized.
    dtype : str
        "float32" or "float64".
    seed : int
        Of weights, points, noise and base states.
    steps, hamiltonians : int
        Leapfrog steps for each Hamiltonian, and how many of those; the peers have one way only.
    """

    dim: int
    batch: int
    dtype: str
    seed: int = 0
    steps: int = STEPS
    hamiltonians: int = 1

    def flow(self) -> en.EquivariantHamiltonianFlow:
        """Build our model with the weights; SO(2) turns d/2 planes at once."""
        import ehf_num as en
        import ehf_sym as es

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
        )
        for mine, given in zip(flow.weights, self.weights, strict=True):
            mine[:] = given
        return flow

    @cached_property
    def weights(self) -> list[Array]:
        """Weights of K_1, U_1, …, μ, σ, none of them zero but the biases."""
        rng = np.random.default_rng(self.seed)
        energy, encoder = (self.dim, *HIDDEN, 1), (self.dim, *HIDDEN, self.dim)
        arrays: list[Array] = []
        for sizes in [energy] * (2 * self.hamiltonians) + [encoder] * 2:
            for fan_in, fan_out in pairwise(sizes):
                arrays += [rng.standard_normal((fan_in, fan_out)) / fan_in**0.5, np.zeros(fan_out)]
            if sizes is energy:
                arrays.pop()  # H is defined up to a constant
        return [array.astype(self.dtype) for array in arrays]

    @cached_property
    def inputs(self) -> tuple[Array, Array, Array]:
        """Points (n, d), noise (n, d) and base states (n, 2d)."""
        rng = np.random.default_rng(self.seed)
        shapes = [(self.batch, self.dim)] * 2 + [(self.batch, 2 * self.dim)]
        x, noise, states = (rng.standard_normal(shape).astype(self.dtype) for shape in shapes)
        return x, noise, states
