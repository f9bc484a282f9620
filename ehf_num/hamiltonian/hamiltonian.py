"""Hamiltonians with their weights in place: K(p) + U(q) of networks, and any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp

from ehf_num.engine.engine import energy_gradient
from ehf_num.engine.networks import Weights, energy
from ehf_num.hamiltonian.protocols import Motion, Separable


@dataclass(frozen=True, eq=False)
class NetworkHamiltonian:
    """K and U are soft-plus networks with the given weights (arrays, or boxes on the tape).

    Examples
    --------
    >>> import numpy as np
    >>> from ehf_num.engine.networks import init_energy
    >>> rng = np.random.default_rng(0)
    >>> H = NetworkHamiltonian(*(init_energy([2, 8, 1], rng, "float64") for _ in range(2)))
    >>> H.grad_potential(np.zeros((3, 2))).shape
    (3, 2)
    """

    kinetic_weights: Weights
    potential_weights: Weights

    def kinetic(self, p: Any) -> Any:
        """Evaluate K(p): (n, d) to (n,)."""
        return energy(p, *self.kinetic_weights)

    def potential(self, q: Any) -> Any:
        """Evaluate U(q): (n, d) to (n,)."""
        return energy(q, *self.potential_weights)

    def grad_kinetic(self, p: Any) -> Any:
        """Evaluate ∂K/∂p: (n, d) to (n, d)."""
        return energy_gradient(p, *self.kinetic_weights)

    def grad_potential(self, q: Any) -> Any:
        """Evaluate ∂U/∂q: (n, d) to (n, d)."""
        return energy_gradient(q, *self.potential_weights)


def vector_field(hamiltonian: Separable | Motion, states: Any) -> Any:
    """Evaluate X_H = (∂H/∂p, −∂H/∂q): states (n, 2d) to (n, 2d)."""
    dim = states.shape[1] // 2
    q, p = states[:, :dim], states[:, dim:]
    if isinstance(hamiltonian, Motion):
        velocity, force = hamiltonian.vector_field(q, p)
    else:
        velocity, force = hamiltonian.grad_kinetic(p), -hamiltonian.grad_potential(q)
    return anp.concatenate([velocity, force], axis=1)
