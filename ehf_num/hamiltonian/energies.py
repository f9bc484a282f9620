"""Energies and Hamiltonians that wait for their weights, and how weights are put in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ehf_num.engine.engine import energy_gradient, goes_with
from ehf_num.engine.native import Inputs
from ehf_num.engine.networks import Circular, Weights, energy, init_energy
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.hamiltonian import NetworkHamiltonian
from ehf_num.hamiltonian.invariant_energy import FeatureHamiltonian, Features
from ehf_num.hamiltonian.protocols import Energy, Hamiltonian, Motion, Separable


@dataclass(frozen=True)
class NetworkEnergy:
    """A soft-plus network of the coordinates.

    Parameters
    ----------
    dim : int
        d.
    hidden : tuple of int
        Widths of the hidden layers.
    start : {"random", "identity"}
        How weights are drawn: the energy's gradient is anything, or zero.
    angles : tuple of int
        Coordinates that the network sees by cosine and sine.

    Examples
    --------
    >>> energy = NetworkEnergy(2, (8,))
    >>> weights = energy.init(np.random.default_rng(0), "float64")
    >>> energy.value(weights, np.zeros((3, 2))).shape
    (3,)
    """

    dim: int
    hidden: tuple[int, ...]
    start: str = "random"
    angles: tuple[int, ...] = ()

    @cached_property
    def _inputs(self) -> Circular:
        return Circular(self.dim, self.angles)

    @property
    def is_plain(self) -> bool:
        """Whether the network sees the coordinates themselves, as the kernels in C do."""
        return not self.angles

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the initial weights."""
        return init_energy((self._inputs.width, *self.hidden, 1), rng, dtype, self.start)

    def value(self, weights: Weights, x: Any) -> Any:
        """Evaluate it: (n, d) to (n,)."""
        return energy(self._inputs(x), *weights)

    def gradient(self, weights: Weights, x: Any) -> Any:
        """Evaluate its derivative: (n, d) to (n, d)."""
        seen = self._inputs(x)
        return self._inputs.slopes(seen, energy_gradient(seen, *weights))


@dataclass(frozen=True, eq=False)
class FeatureEnergy:
    """A soft-plus network of given functions, such as a symmetry's invariants.

    Parameters
    ----------
    features : Features
        The functions.
    hidden : tuple of int
        Widths of the hidden layers.
    start : {"random", "identity"}
        As of `NetworkEnergy`.
    """

    features: Features
    hidden: tuple[int, ...]
    start: str = "random"

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the initial weights."""
        return init_energy((self.features.count, *self.hidden, 1), rng, dtype, self.start)

    def value(self, weights: Weights, x: Any) -> Any:
        """Evaluate it: (n, d) to (n,)."""
        return energy(self.features.values(x), *weights)

    def gradient(self, weights: Weights, x: Any) -> Any:
        """Evaluate its derivative: (n, d) to (n, d)."""
        return self.features.energy_gradient(x, *weights)


@dataclass(frozen=True, eq=False)
class SeparableHamiltonian:
    """H = K(p) + U(q) of two energies.

    Parameters
    ----------
    kinetic, potential : Energy
        K and U.

    Examples
    --------
    >>> H = SeparableHamiltonian(NetworkEnergy(2, (8,)), NetworkEnergy(2, (8,)))
    >>> weights = H.init(np.random.default_rng(0), "float64")
    >>> H.at(weights).grad_potential(np.zeros((3, 2))).shape
    (3, 2)
    """

    kinetic: Energy
    potential: Energy

    @cached_property
    def _cut(self) -> int:
        return len(self.kinetic.init(np.random.default_rng(0), "float64"))

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the weights of K, then of U."""
        return [*self.kinetic.init(rng, dtype), *self.potential.init(rng, dtype)]

    def halves(self, weights: Weights) -> tuple[Weights, Weights]:
        """Return the weights of K and those of U."""
        return weights[: self._cut], weights[self._cut :]

    def vector_field(self, weights: Weights, q: Any, p: Any) -> tuple[Any, Any]:
        """Evaluate (∂K/∂p, −∂U/∂q): (n, d) twice to (n, d) twice."""
        of_k, of_u = self.halves(weights)
        return self.kinetic.gradient(of_k, p), -self.potential.gradient(of_u, q)

    def at(self, weights: Weights) -> Separable:
        """Put weights in place; pairs of networks in the form that the kernels in C know."""
        of_k, of_u = self.halves(weights)
        kinetic, potential = self.kinetic, self.potential
        if _is_plain(kinetic) and _is_plain(potential):
            return NetworkHamiltonian(of_k, of_u)
        if isinstance(kinetic, FeatureEnergy) and isinstance(potential, FeatureEnergy):
            of_p, of_q = kinetic.features, potential.features
            return FeatureHamiltonian(of_k, of_u, of_p, of_q)
        return SumOfEnergies(of_k, of_u, kinetic, potential)


@dataclass(frozen=True, eq=False)
class SumOfEnergies:
    """H = K(p) + U(q) of any energies, with weights in place."""

    kinetic_weights: Weights
    potential_weights: Weights
    of_p: Energy
    of_q: Energy

    @property
    def in_c(self) -> tuple[Inputs, Inputs] | None:
        """What K and U are of for the kernels in C; None: they do not know one of them."""
        halves = [_known(energy) for energy in (self.of_p, self.of_q)]
        return None if () in halves else (halves[0][0], halves[1][0])

    def times(self, factor: Any) -> SumOfEnergies | None:
        """Return c H with other weights, where both energies know such; c may be a box."""
        kinetic = _times(self.of_p, self.kinetic_weights, factor)
        potential = _times(self.of_q, self.potential_weights, factor)
        if kinetic is None or potential is None:
            return None
        return replace(self, kinetic_weights=kinetic, potential_weights=potential)

    def kinetic(self, p: Any) -> Any:
        """Evaluate K: (n, d) to (n,)."""
        return self.of_p.value(self.kinetic_weights, p)

    def potential(self, q: Any) -> Any:
        """Evaluate U: (n, d) to (n,)."""
        return self.of_q.value(self.potential_weights, q)

    def grad_kinetic(self, p: Any) -> Any:
        """Evaluate ∂K/∂p: (n, d) to (n, d)."""
        return self.of_p.gradient(self.kinetic_weights, p)

    def grad_potential(self, q: Any) -> Any:
        """Evaluate ∂U/∂q: (n, d) to (n, d)."""
        return self.of_q.gradient(self.potential_weights, q)


def _times(energy: Any, weights: Weights, factor: Any) -> Weights | None:
    """Return the weights of c times an energy; None where it does not know them."""
    if type(energy) is NetworkEnergy or isinstance(energy, FeatureEnergy):
        return [*weights[:-1], factor * weights[-1]]
    if not goes_with(energy, "times", "value", "gradient"):
        return None
    found: Weights = energy.times(weights, factor)
    return found


def _is_plain(energy: Any) -> bool:
    return type(energy) is NetworkEnergy and energy.is_plain


def _known(energy: Any) -> tuple[Inputs, ...]:
    """Return what an energy is of for the kernels in C; nothing where they do not know it."""
    if type(energy) is NetworkEnergy:
        return (None,) if energy.is_plain else ()
    if isinstance(energy, FeatureEnergy):
        found: Inputs = energy.features.quadratics
    else:
        found = energy.in_c if goes_with(energy, "in_c", "gradient") else None
    return () if found is None else (found,)


@dataclass(frozen=True, eq=False)
class HamiltonianInPlace:
    """Any H(q, p) with weights in place, by its vector field."""

    hamiltonian: Hamiltonian
    weights: Sequence[Any]

    def vector_field(self, q: Any, p: Any) -> tuple[Any, Any]:
        """Evaluate (∂H/∂p, −∂H/∂q): (n, d) twice to (n, d) twice."""
        return self.hamiltonian.vector_field(self.weights, q, p)


def in_place(hamiltonian: Hamiltonian, weights: Weights) -> Separable | Motion:
    """Put weights in place, in the form that an integrator gets.

    Examples
    --------
    >>> H = SeparableHamiltonian(NetworkEnergy(1, (4,)), NetworkEnergy(1, (4,)))
    >>> type(in_place(H, H.init(np.random.default_rng(0), "float64"))).__name__
    'NetworkHamiltonian'
    """
    if isinstance(hamiltonian, SeparableHamiltonian):
        return hamiltonian.at(weights)
    return HamiltonianInPlace(hamiltonian, weights)
