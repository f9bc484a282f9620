"""Discrete Hamiltonian flows and their inverses.

Each is a frozen dataclass that keeps to `protocols.Integrator`. Densities need a symplectic one:
the formula p(s') = π(s) holds where the map preserves volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ehf_num.engine.arguments import one_of, positive_integer, positive_number
from ehf_num.engine.networks import kept_numbers
from ehf_num.engine.quadratic import Quadratics
from ehf_num.hamiltonian.hamiltonian import NetworkHamiltonian
from ehf_num.hamiltonian.invariant_energy import FeatureHamiltonian
from ehf_num.hamiltonian.leapfrog_map import Chain, Rebuilt, kicks_and_drifts, schedule
from ehf_num.hamiltonian.protocols import Separable
from ehf_sym.errors import EHFError

MOST_KEPT = 2**28  # bytes of activations beyond which states are rebuilt


class InversionError(EHFError, ArithmeticError):
    """An implicit inverse did not converge: the step is too large for this Hamiltonian."""


@dataclass(frozen=True)
class Leapfrog:
    """Kick–drift–kick, second order, symplectic, exactly reversible: the inverse takes −dt.

    Kicks of neighbouring steps are merged, so n steps cost n + 1 gradients of U and n of K.

    Parameters
    ----------
    steps : int
        Number of steps, at least 1.
    step_size : float
        dt, dimensionless, positive.
    reversible : {"auto", True, False}
        Whether derivatives of the map of a Hamiltonian with networks rebuild its states backwards
        from the end instead of keeping them: memory does not grow with steps then, for one more
        forward pass in time. "auto" keeps up to 256 MiB: of a chain in C, of a map elsewhere.

    Raises
    ------
    ehf_sym.ArgumentError
        If a parameter is out of range.

    Examples
    --------
    >>> Leapfrog(steps=2, step_size=0.5).order
    2
    """

    steps: int = 2
    step_size: float = 0.5
    reversible: bool | str = "auto"
    order: ClassVar[int] = 2
    symplectic: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_steps(self.steps, self.step_size)
        one_of(self.reversible, "reversible", ("auto", True, False))

    def forward(self, hamiltonian: Separable, q: Any, p: Any) -> tuple[Any, Any]:
        """Flow states q, p of shape (n, d) for time steps·dt."""
        return self._flow(hamiltonian, q, p, self.step_size)

    def inverse(self, hamiltonian: Separable, q: Any, p: Any) -> tuple[Any, Any]:
        """Undo `forward`, exactly up to rounding."""
        return self._flow(hamiltonian, q, p, -self.step_size)

    def positions(self, hamiltonian: Separable, q: Any, p: Any) -> Any:
        """Flow, and return q alone: the last half kick moves p, and is left out."""
        velocity, slope = hamiltonian.grad_kinetic, hamiltonian.grad_potential
        parts = schedule(self.steps, self.step_size)[:-1]
        return kicks_and_drifts(parts, velocity, slope, q, p)[0]

    def _flow(self, hamiltonian: Separable, q: Any, p: Any, dt: float) -> tuple[Any, Any]:
        in_c = self.chain([hamiltonian], q, p, dt=dt)
        if in_c is not None:
            states, _ = in_c
            return states[:, : q.shape[1]], states[:, q.shape[1] :]
        if self._rebuilds(hamiltonian, len(q)):
            return Rebuilt(self.steps, dt, hamiltonian)(q, p)
        velocity, slope = hamiltonian.grad_kinetic, hamiltonian.grad_potential
        return kicks_and_drifts(schedule(self.steps, dt), velocity, slope, q, p)

    def _rebuilds(self, hamiltonian: Separable, rows: int) -> bool:
        """Whether the reference takes this map back from its end."""
        if self.reversible is False or not isinstance(
            hamiltonian, NetworkHamiltonian | FeatureHamiltonian
        ):
            return False
        potential = hamiltonian.potential_weights
        kept = (2 * self.steps + 1) * kept_numbers(potential) * potential[0].dtype.itemsize
        return self.reversible is True or rows * kept > MOST_KEPT

    def chain(
        self,
        hamiltonians: Sequence[Any],
        q: Any,
        p: Any,
        probes: Any = None,
        *,
        dt: float,
    ) -> tuple[Any, Any] | None:
        """Take q, p (n, d) through the map of each Hamiltonian in turn, in C as one tape node.

        Returns the states (n, 2d), and the vector fields of all Hamiltonians at the probes
        (m, 2d): (m, len(hamiltonians), 2d). None: no kernel takes such Hamiltonians.
        """
        if probes is None:
            probes = np.empty((0, 2 * q.shape[1]), q.dtype)
        plan = self.plan(hamiltonians, len(q), len(probes), dt=dt)
        if plan is None:
            return None
        chain, weights = plan
        return chain(q, p, probes, *weights)

    def plan(
        self, hamiltonians: Sequence[Any], rows: int, probes: int, *, dt: float
    ) -> tuple[Chain, list[Any]] | None:
        """Decide on the chain in C for so many rows, and put its weights in a row; None: none."""
        features = chained(hamiltonians)
        if features is None:
            return None
        weights = [
            array for h in hamiltonians for array in (*h.kinetic_weights, *h.potential_weights)
        ]
        chain = Chain(self.steps, dt, len(hamiltonians), self.reversible is True, features)
        if not chain.applies(weights):
            return None
        if self.reversible == "auto" and chain.kept_bytes(weights, rows, probes) > MOST_KEPT:
            chain = replace(chain, rebuild=True)
        return chain, weights


def chained(
    hamiltonians: Sequence[Any],
) -> tuple[Quadratics, Quadratics] | tuple[None, None] | None:
    """Find what every K and every U is a network of: (None, None) for p and q themselves.

    None where one chain in C cannot hold the Hamiltonians: some are no networks, or networks of
    functions that are not quadratic.
    """
    if all(isinstance(h, NetworkHamiltonian) for h in hamiltonians):
        return (None, None)
    first = hamiltonians[0]
    if not all(
        isinstance(h, FeatureHamiltonian) and (h.of_p, h.of_q) == (first.of_p, first.of_q)
        for h in hamiltonians
    ):
        return None
    of_p, of_q = first.of_p.quadratics, first.of_q.quadratics
    return None if of_p is None or of_q is None else (of_p, of_q)


@dataclass(frozen=True)
class Euler:
    """The paper's T_H^dt(s) = s + dt {s, H}: first order, not symplectic, implicit inverse.

    It preserves volume only to O(dt²), so it serves studies of the map, not densities.

    Parameters
    ----------
    steps : int
        Number of steps, at least 1.
    step_size : float
        dt, dimensionless, positive.

    Raises
    ------
    ehf_sym.ArgumentError
        If a parameter is out of range.

    Examples
    --------
    >>> Euler(steps=10, step_size=0.1).symplectic
    False
    """

    steps: int = 2
    step_size: float = 0.5
    order: ClassVar[int] = 1
    symplectic: ClassVar[bool] = False

    _max_iterations: ClassVar[int] = 500

    def __post_init__(self) -> None:
        _check_steps(self.steps, self.step_size)

    def forward(self, hamiltonian: Separable, q: Any, p: Any) -> tuple[Any, Any]:
        """Flow states q, p of shape (n, d) for time steps·dt."""
        dt = self.step_size
        for _ in range(self.steps):
            q, p = (
                q + dt * hamiltonian.grad_kinetic(p),
                p - dt * hamiltonian.grad_potential(q),
            )
        return q, p

    def inverse(self, hamiltonian: Separable, q: Any, p: Any) -> tuple[Any, Any]:
        """Undo `forward` by fixed-point iteration, to rounding.

        Raises
        ------
        InversionError
            If it does not converge: dt² |K''| |U''| is not below 1.
        """
        for _ in range(self.steps):
            q, p = self._invert_step(hamiltonian, q, p)
        return q, p

    def _invert_step(self, hamiltonian: Separable, q: Any, p: Any) -> tuple[Any, Any]:
        dt = self.step_size
        guess = q
        for _ in range(self._max_iterations):
            momentum = p + dt * hamiltonian.grad_potential(guess)
            position = q - dt * hamiltonian.grad_kinetic(momentum)
            change = np.max(np.abs(position - guess), initial=0.0)
            size = np.max(np.abs(position), initial=1.0)
            guess = position
            if not np.isfinite(change):
                break
            if change <= 4 * np.finfo(guess.dtype).eps * size:
                return guess, p + dt * hamiltonian.grad_potential(guess)
        msg = (
            f"Euler(step_size={dt}).inverse did not converge in {self._max_iterations} iterations; "
            "dt² |K''| |U''| must be below 1: take a smaller step, or Leapfrog"
        )
        raise InversionError(msg)


def _check_steps(steps: int, step_size: float) -> None:
    positive_integer(steps, "steps")
    positive_number(step_size, "step_size")
