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
from ehf_num.hamiltonian.protocols import Separable
from ehf_num.hamiltonian.splitting import LEAPFROG, Chain, Rebuilt, apply_parts, schedule
from ehf_sym.errors import EHFError

MOST_KEPT = 2**28  # bytes of activations beyond which states are rebuilt


class InversionError(EHFError, ArithmeticError):
    """An implicit inverse did not converge: the step is too large for this Hamiltonian."""


@dataclass(frozen=True)
class Splitting:
    """Kicks p − c dt ∂U/∂q and drifts q + c dt ∂K/∂p by turns: symplectic, exactly reversible.

    What `Leapfrog`, `Yoshida4` and `BlanesMoan4` have in common; they differ in the shares c.
    """

    steps: int = 2
    step_size: float = 0.5
    reversible: bool | str = "auto"
    order: ClassVar[int]
    symplectic: ClassVar[bool] = True
    shares: ClassVar[tuple[float, ...]]

    def __post_init__(self) -> None:
        _check_steps(self.steps, self.step_size)
        one_of(self.reversible, "reversible", ("auto", True, False))

    def forward(self, hamiltonian: Separable, q: Any, p: Any) -> tuple[Any, Any]:
        """Flow states q, p of shape (n, d) for time steps·dt."""
        return self._flow(hamiltonian, q, p, self.factors())

    def inverse(self, hamiltonian: Separable, q: Any, p: Any) -> tuple[Any, Any]:
        """Undo `forward`, exactly up to rounding."""
        return self._flow(hamiltonian, q, p, self.backward())

    def positions(self, hamiltonian: Separable, q: Any, p: Any) -> Any:
        """Flow, and return q alone: the last half kick moves p, and is left out."""
        velocity, slope = hamiltonian.grad_kinetic, hamiltonian.grad_potential
        return apply_parts(self.factors()[:-1], velocity, slope, q, p)[0]

    def factors(self) -> tuple[float, ...]:
        """List the factors of all kicks and drifts by turns, a kick first; a kick's is −c dt."""
        return schedule(self.steps, self.step_size, self.shares)

    def backward(self) -> tuple[float, ...]:
        """List the factors that undo those of `factors`."""
        return tuple([-factor for factor in reversed(self.factors())])

    def _flow(
        self, hamiltonian: Separable, q: Any, p: Any, factors: tuple[float, ...]
    ) -> tuple[Any, Any]:
        in_c = self.chain([hamiltonian], q, p, factors=factors)
        if in_c is not None:
            states, _ = in_c
            return states[:, : q.shape[1]], states[:, q.shape[1] :]
        if self._rebuilds(hamiltonian, len(q)):
            return Rebuilt(factors, hamiltonian)(q, p)
        velocity, slope = hamiltonian.grad_kinetic, hamiltonian.grad_potential
        return apply_parts(factors, velocity, slope, q, p)

    def _rebuilds(self, hamiltonian: Separable, rows: int) -> bool:
        """Whether the reference takes this map back from its end."""
        if self.reversible is False or not isinstance(
            hamiltonian, NetworkHamiltonian | FeatureHamiltonian
        ):
            return False
        potential = hamiltonian.potential_weights
        kept = len(self.factors()) * kept_numbers(potential) * potential[0].dtype.itemsize
        return self.reversible is True or rows * kept > MOST_KEPT

    def chain(
        self,
        hamiltonians: Sequence[Any],
        q: Any,
        p: Any,
        probes: Any = None,
        *,
        factors: tuple[float, ...],
    ) -> tuple[Any, Any] | None:
        """Take q, p (n, d) through the map of each Hamiltonian in turn, in C as one tape node.

        Returns the states (n, 2d), and the vector fields of all Hamiltonians at the probes
        (m, 2d): (m, len(hamiltonians), 2d). None: no kernel takes such Hamiltonians.
        """
        if probes is None:
            probes = np.empty((0, 2 * q.shape[1]), q.dtype)
        plan = self.plan(hamiltonians, len(q), len(probes), factors=factors)
        if plan is None:
            return None
        chain, weights = plan
        return chain(q, p, probes, *weights)

    def plan(
        self, hamiltonians: Sequence[Any], rows: int, probes: int, *, factors: tuple[float, ...]
    ) -> tuple[Chain, list[Any]] | None:
        """Decide on the chain in C for so many rows, and put its weights in a row; None: none."""
        features = chained(hamiltonians)
        if features is None:
            return None
        weights = [
            array for h in hamiltonians for array in (*h.kinetic_weights, *h.potential_weights)
        ]
        chain = Chain(factors, len(hamiltonians), self.reversible is True, features)
        if not chain.applies(weights):
            return None
        if self.reversible == "auto" and chain.kept_bytes(weights, rows, probes) > MOST_KEPT:
            chain = replace(chain, rebuild=True)
        return chain, weights


@dataclass(frozen=True)
class Leapfrog(Splitting):
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

    order: ClassVar[int] = 2
    shares: ClassVar[tuple[float, ...]] = LEAPFROG


_OUTER = 1 / (2 - 2 ** (1 / 3))


@dataclass(frozen=True)
class Yoshida4(Splitting):
    """Three leapfrog maps, the middle one back in time: fourth order, symplectic, reversible.

    Of a·dt, (1 − 2a)·dt and a·dt, a = 1/(2 − 2^(1/3)) (Yoshida, Phys. Lett. A 150, 262, 1990).
    n steps cost 3n + 1 gradients of U and 3n of K.

    Parameters
    ----------
    steps : int
        Number of steps, at least 1.
    step_size : float
        dt, dimensionless, positive.
    reversible : {"auto", True, False}
        As of `Leapfrog`.

    Raises
    ------
    ehf_sym.ArgumentError
        If a parameter is out of range.

    Examples
    --------
    >>> len(Yoshida4(steps=1, step_size=0.5).factors())
    7
    """

    order: ClassVar[int] = 4
    shares: ClassVar[tuple[float, ...]] = (
        _OUTER / 2,
        _OUTER,
        (1 - _OUTER) / 2,
        1 - 2 * _OUTER,
        (1 - _OUTER) / 2,
        _OUTER,
        _OUTER / 2,
    )


_KICKS = 0.0792036964311957, 0.353172906049774, -0.0420650803577195
_DRIFTS = 0.209515106613362, -0.143851773179818


@dataclass(frozen=True)
class BlanesMoan4(Splitting):
    """Six stages of fourth order with a small error: symplectic, exactly reversible.

    S6 of order 4 for partitioned systems (Blanes & Moan, J. Comput. Appl. Math. 142, 313, 2002,
    Table 2). n steps cost 6n + 1 gradients of U and 6n of K; at equal cost its error on a pendulum
    is a thirtieth of that of `Yoshida4`.

    Parameters
    ----------
    steps : int
        Number of steps, at least 1.
    step_size : float
        dt, dimensionless, positive.
    reversible : {"auto", True, False}
        As of `Leapfrog`.

    Raises
    ------
    ehf_sym.ArgumentError
        If a parameter is out of range.

    Examples
    --------
    >>> len(BlanesMoan4(steps=1, step_size=0.5).factors())
    13
    """

    order: ClassVar[int] = 4
    shares: ClassVar[tuple[float, ...]] = (
        _KICKS[0],
        _DRIFTS[0],
        _KICKS[1],
        _DRIFTS[1],
        _KICKS[2],
        0.5 - sum(_DRIFTS),
        1 - 2 * sum(_KICKS),
        0.5 - sum(_DRIFTS),
        _KICKS[2],
        _DRIFTS[1],
        _KICKS[1],
        _DRIFTS[0],
        _KICKS[0],
    )


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
