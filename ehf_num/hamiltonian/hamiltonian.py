"""Separable Hamiltonians H(q, p) = K(p) + U(q), and what an integrator needs of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import autograd.numpy as anp

from ehf_num.engine.engine import energy_gradient
from ehf_num.engine.networks import Weights, energy


class Separable(Protocol):
    """A Hamiltonian that leapfrog can integrate: states are (n, d), energies (n,)."""

    def kinetic(self, p: Any) -> Any:
        """Evaluate K(p)."""

    def potential(self, q: Any) -> Any:
        """Evaluate U(q)."""

    def grad_kinetic(self, p: Any) -> Any:
        """Evaluate ∂K/∂p, the velocity."""

    def grad_potential(self, q: Any) -> Any:
        """Evaluate ∂U/∂q, minus the force."""


@dataclass(frozen=True, eq=False)
class NetworkHamiltonian:
    """K and U are soft-plus networks with the given weights (arrays, or boxes on the tape).

    Examples
    --------
    >>> import numpy as np
    >>> from ehf_num.engine.engine.networks import init_energy
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


def vector_field(hamiltonian: Separable, states: Any) -> Any:
    """Evaluate X_H = (∂K/∂p, −∂U/∂q): states (n, 2d) to (n, 2d)."""
    dim = states.shape[1] // 2
    velocity = hamiltonian.grad_kinetic(states[:, dim:])
    return anp.concatenate([velocity, -hamiltonian.grad_potential(states[:, :dim])], axis=1)
