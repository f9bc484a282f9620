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
from autograd.extend import defvjp, primitive

from ehf_num.base import NumericBase
from ehf_num.encoder import Encoder
from ehf_num.flow import HamiltonianFlow
from ehf_num.hamiltonian import vector_field
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
        states, _ = self.flow(arrays).inverse_with_fields(q, p, _no_states(q))
        return self.base.log_prob(states)

    def log_weights(self, arrays: Sequence[Any], x: Any, noise: Any) -> Any:
        """Evaluate ln p(x, p) − ln h(p|x) at p ~ h: (n, d) twice to (n,), nats.

        Its mean over the noise is the ELBO (eq. 1), the log of the mean of its exponential ln p(x).
        """
        return self._log_weights_and_fields(arrays, x, noise, _no_states(x))[0]

    def brackets(self, arrays: Sequence[Any], q: Array, p: Array) -> list[Any]:
        """Evaluate {g_k, H_j} for each H_j of the chain: (n, d) twice to (n, K) each."""
        states = np.concatenate([q, p], axis=1)
        gradients = self._gradients_at(states)
        return [
            brackets_with(gradients, vector_field(hamiltonian, states))
            for hamiltonian in self.layout.hamiltonian_weights(arrays)
        ]

    def terms(self, arrays: Sequence[Any], x: Array, noise: Array, base_states: Array) -> Any:
        """Evaluate (mean ELBO, E[{g_1, H}²], …): shape (1,) or (1 + K,).

        Without base states (length zero) the brackets are left out. In a chain, each mean is also
        over the Hamiltonians: every one of them has to commute with g.
        """
        log_weights, fields = self._log_weights_and_fields(arrays, x, noise, base_states)
        elbo = _mean(log_weights)
        if not len(base_states):
            return anp.reshape(elbo, (1,))
        squares = mean_squared_brackets(fields, self._gradients_at(base_states))
        return anp.concatenate([anp.reshape(elbo, (1,)), squares])

    def _log_weights_and_fields(
        self, arrays: Sequence[Any], x: Any, noise: Any, probes: Any
    ) -> tuple[Any, Any]:
        p, log_h = self.encoder.draw(self.layout.encoder_weights(arrays), x, noise)
        states, fields = self.flow(arrays).inverse_with_fields(x, p, probes)
        return self.base.log_prob(states) - log_h, fields

    def _gradients_at(self, states: Array) -> Array:
        if self.gradients is None:
            return np.empty((len(states), 0, states.shape[1]), states.dtype)
        return self.gradients(states)


def _mean(values: Any) -> Any:
    """Average over the batch: autograd's own mean turns float32 cotangents into float64."""
    return anp.sum(values, axis=0) * (1 / len(values))


def _no_states(q: Any) -> Array:
    return np.empty((0, 2 * q.shape[1]), q.dtype)


def brackets_with(gradients: Any, fields: Any) -> Any:
    """Evaluate {g_k, H} = ∂g_k/∂s · X_H.

    Parameters
    ----------
    gradients : ndarray, shape (..., K, 2d)
        ∂g/∂s at the states.
    fields : ndarray, shape (..., 2d)
        X_H = (∂K/∂p, −∂U/∂q) there.

    Returns
    -------
    ndarray, shape (..., K)
    """
    return anp.sum(gradients * anp.expand_dims(fields, -2), axis=-1)


@primitive  # type: ignore[untyped-decorator]
def mean_squared_brackets(fields: Array, gradients: Array) -> Array:
    """Average {g_k, H_j}² over states and Hamiltonians: (n, J, 2d) and (n, K, 2d) to (K,)."""
    brackets = np.einsum("nki,nji->njk", gradients, fields)
    result: Array = np.einsum("njk,njk->k", brackets, brackets)
    result /= brackets.shape[0] * brackets.shape[1]
    return result


def _mean_squared_brackets_vjp(_answer: Any, fields: Any, gradients: Any) -> Any:
    def vjp(cotangent: Any) -> Any:
        brackets = anp.einsum("nki,nji->njk", gradients, fields)
        factor = 2 / (brackets.shape[0] * brackets.shape[1])
        return anp.einsum("njk,nki->nji", brackets * (cotangent * factor), gradients)

    return vjp


defvjp(mean_squared_brackets, _mean_squared_brackets_vjp, argnums=(0,))
