"""What training works on: the ELBO and the mean squared brackets, as functions of the weights.

    ELBO(q) = E_{h(p|q)}[ln π(flow⁻¹(q, p)) − ln h(p|q)]                            (eq. 1)
    L = −mean ELBO + Σ_k λ_k (E_π[{g_k, H}²] − κ),   min over weights, max over λ ≥ 0

`Objective.terms` puts the mean ELBO and the mean squared brackets into one vector. The gradient
of L is then one backward pass with the cotangent (−1, λ_1, …, λ_K), and the numbers that the
multipliers and the history need are the same vector's entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from ehf_num.base import NumericBase
from ehf_num.encoder import Encoder
from ehf_num.flow import HamiltonianFlow
from ehf_num.hamiltonian import Separable
from ehf_num.integrators import Integrator
from ehf_num.parameters import Layout
from ehf_num.workspace import Array
from ehf_sym import LieAlgebra, NumpyFormula, to_numpy


def generator_gradients(symmetry: LieAlgebra) -> NumpyFormula:
    """Bridge ∂g/∂s of every generator: states (n, 2d) to (n, K, 2d)."""
    return to_numpy(symmetry.generators, symmetry.space.coordinates).gradient


@dataclass(frozen=True, eq=False)
class Objective:
    """The parts of the loss that do not change in training.

    Attributes
    ----------
    base : NumericBase
        π.
    gradients : NumpyFormula or None
        ∂g/∂s of the generators; None where there is no symmetry.
    integrator : Integrator
        Turns each H into a map.
    encoder : Encoder
        h(p|q).
    layout : Layout
        Which weight array belongs to what.
    """

    base: NumericBase
    gradients: NumpyFormula | None
    integrator: Integrator
    encoder: Encoder
    layout: Layout

    def flow(self, arrays: Sequence[Any]) -> HamiltonianFlow:
        """Bind weights to the flow."""
        return HamiltonianFlow(self.layout.hamiltonian_weights(arrays), self.integrator)

    def joint_log_prob(self, arrays: Sequence[Any], q: Any, p: Any) -> Any:
        """Evaluate ln p(q, p) = ln π(flow⁻¹(q, p)): (n, d) twice to (n,), nats."""
        state = anp.concatenate(self.flow(arrays).inverse(q, p), axis=1)
        return self.base.log_prob(state)

    def log_weights(self, arrays: Sequence[Any], x: Any, noise: Any) -> Any:
        """Evaluate ln p(x, p) − ln h(p|x) at p ~ h: (n, d) twice to (n,), nats.

        Its mean over the noise is the ELBO (eq. 1), the log of the mean of its exponential ln p(x).
        """
        p, log_h = self.encoder.draw(self.layout.encoder_weights(arrays), x, noise)
        return self.joint_log_prob(arrays, x, p) - log_h

    def brackets(self, arrays: Sequence[Any], q: Array, p: Array) -> list[Any]:
        """Evaluate {g_k, H_j} for each H_j of the chain: (n, d) twice to (n, K) each."""
        return [
            bracket_values(self._gradients_at(q, p), hamiltonian, q, p)
            for hamiltonian in self.layout.hamiltonian_weights(arrays)
        ]

    def terms(self, arrays: Sequence[Any], x: Array, noise: Array, base_states: Array) -> Any:
        """Evaluate (mean ELBO, E[{g_1, H}²], …): shape (1,) or (1 + K,).

        Without base states (length zero) the brackets are left out. In a chain, each mean is also
        over the Hamiltonians: every one of them has to commute with g.
        """
        elbo = _mean(self.log_weights(arrays, x, noise))
        if not len(base_states):
            return anp.reshape(elbo, (1,))
        q, p = np.split(base_states, 2, axis=1)
        brackets = self.brackets(arrays, q, p)
        squares = sum(_mean(values**2) for values in brackets) / len(brackets)
        return anp.concatenate([anp.reshape(elbo, (1,)), squares])

    def _gradients_at(self, q: Array, p: Array) -> Array:
        if self.gradients is None:
            return np.empty((len(q), 0, 2 * q.shape[1]), q.dtype)
        return self.gradients(np.concatenate([q, p], axis=1))


def _mean(values: Any) -> Any:
    """Average over the batch: autograd's own mean turns float32 cotangents into float64."""
    return anp.sum(values, axis=0) * (1 / len(values))


def bracket_values(gradients: Array, hamiltonian: Separable, q: Any, p: Any) -> Any:
    """Evaluate {g_k, H} = ∂g/∂q·∂K/∂p − ∂g/∂p·∂U/∂q.

    Parameters
    ----------
    gradients : ndarray, shape (n, K, 2d)
        ∂g/∂s at the states.
    hamiltonian : Separable
        H.
    q, p : ndarray, shape (n, d)
        The states.

    Returns
    -------
    ndarray, shape (n, K)
    """
    dim = q.shape[1]
    velocity = anp.expand_dims(hamiltonian.grad_kinetic(p), 1)
    slope = anp.expand_dims(hamiltonian.grad_potential(q), 1)
    return anp.sum(gradients[:, :, :dim] * velocity - gradients[:, :, dim:] * slope, axis=2)
