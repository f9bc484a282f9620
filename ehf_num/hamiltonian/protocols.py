"""What a part has to offer to be an energy, a Hamiltonian or an integrator.

Energies and Hamiltonians come without weights: `init` draws them and every method takes them, so
that one object serves a chain of many. An integrator is handed a Hamiltonian with weights in place,
`Motion` or `Separable`. Methods should be made of `autograd.numpy`'s functions, change no array in
place, keep the dtype, and treat every row by itself; `check_energy`, `check_hamiltonian` and
`check_integrator` look whether they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ehf_num.engine.networks import Weights
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.splitting import Chain
from ehf_sym import LieAlgebra, Symmetry


@runtime_checkable
class Energy(Protocol):
    """K(p) or U(q), a family of functions of half a state."""

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the initial weights: arrays of the dtype, no chance but that of rng."""

    def value(self, weights: Weights, x: Any) -> Any:
        """Evaluate it: x (n, d) to (n,), dimensionless."""

    def gradient(self, weights: Weights, x: Any) -> Any:
        """Evaluate its derivative: x (n, d) to (n, d)."""


class Proof(Protocol):
    """A report with a verdict; as text it says what was shown, or what is missing."""

    @property
    def proved(self) -> bool:
        """Whether the claim is proved."""


@runtime_checkable
class ProvedEnergy(Energy, Protocol):
    """An energy that says whether it is invariant, whatever its weights."""

    def invariance(self, symmetry: LieAlgebra | Symmetry, of: str) -> Proof:
        """Prove {g, U(q)} = 0 (of="q") or {g, K(p)} = 0 (of="p") for every generator g.

        A model with a finite part asks about a `Symmetry`: U∘σ = U as well for its ``finite``.
        What is not known should not be called proved.
        """


@runtime_checkable
class Hamiltonian(Protocol):
    """H(q, p), a family of functions of states, by the motion that it makes."""

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the initial weights: arrays of the dtype, no chance but that of rng."""

    def vector_field(self, weights: Weights, q: Any, p: Any) -> tuple[Any, Any]:
        """Evaluate (∂H/∂p, −∂H/∂q): q, p (n, d) to (n, d) each."""


@runtime_checkable
class ProvedHamiltonian(Hamiltonian, Protocol):
    """A Hamiltonian that says whether it is invariant, whatever its weights."""

    def invariance(self, symmetry: LieAlgebra | Symmetry) -> Proof:
        """Prove {g, H} = 0 for every generator g, and H∘σ = H for a finite part."""


@runtime_checkable
class Motion(Protocol):
    """A Hamiltonian with its weights in place, as an integrator gets it."""

    def vector_field(self, q: Any, p: Any) -> tuple[Any, Any]:
        """Evaluate (∂H/∂p, −∂H/∂q): q, p (n, d) to (n, d) each."""


@runtime_checkable
class Separable(Protocol):
    """H = K(p) + U(q) with its weights in place: what leapfrog can integrate."""

    def kinetic(self, p: Any) -> Any:
        """Evaluate K(p): (n, d) to (n,)."""

    def potential(self, q: Any) -> Any:
        """Evaluate U(q): (n, d) to (n,)."""

    def grad_kinetic(self, p: Any) -> Any:
        """Evaluate ∂K/∂p, the velocity: (n, d) to (n, d)."""

    def grad_potential(self, q: Any) -> Any:
        """Evaluate ∂U/∂q, minus the force: (n, d) to (n, d)."""


@runtime_checkable
class Integrator(Protocol):
    """A map (q, p) → (q', p') that approximates the flow of H for a fixed time."""

    @property
    def order(self) -> int:
        """The global error goes as the step to this power."""

    @property
    def symplectic(self) -> bool:
        """Whether the map is symplectic, and so preserves volume: a density asks for that."""

    def forward(self, hamiltonian: Any, q: Any, p: Any) -> tuple[Any, Any]:
        """Flow states q, p (n, d), by a `Separable` or a `Motion`."""

    def inverse(self, hamiltonian: Any, q: Any, p: Any) -> tuple[Any, Any]:
        """Undo `forward`."""


class KernelIntegrator(Integrator, Protocol):
    """An integrator whose maps a kernel in C may do, those of a chain of Hamiltonians as one."""

    def plan(
        self, hamiltonians: Sequence[Any], rows: int, probes: int, *, inverse: bool
    ) -> tuple[Chain, list[Any]] | None:
        """Choose the chain for so many rows and probes, with its weights; None: none applies."""


@runtime_checkable
class LearnedIntegrator(Integrator, Protocol):
    """An integrator with weights, drawn anew for every Hamiltonian of a chain.

    A step size that is learned is one, and so is a map that does something besides integrating.
    """

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the initial weights: arrays of the dtype, no chance but that of rng."""

    def at(self, weights: Sequence[Any]) -> Integrator:
        """Put weights in place."""
