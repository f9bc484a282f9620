"""Hamiltonian Monte Carlo for an energy, and the path of energies from a normal to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ehf_num.hamiltonian.integrators import Leapfrog
from ehf_num.hamiltonian.splitting import apply_parts
from ehf_num.targets.datasets import Floats
from ehf_num.targets.target_energy import TargetEnergy


class EnergyFunction(TargetEnergy, Protocol):
    """U(q) in units of k_B T, with its gradient and the number of its coordinates."""

    @property
    def dim(self) -> int:
        """Number of coordinates d."""


@dataclass(frozen=True, eq=False)
class AnnealedEnergy:
    """U_β(q) = (1 − β) |q|²/2w² + β U(q), each row at its own β: a normal at 0, U at 1.

    Attributes
    ----------
    energy : EnergyFunction
        U.
    width : float
        w, the normal's standard deviation.
    beta : ndarray, shape (n,)
        Of each row.
    """

    energy: EnergyFunction
    width: float
    beta: Floats

    @property
    def dim(self) -> int:
        """Number of coordinates d."""
        return self.energy.dim

    def value(self, q: Floats) -> Floats:
        """Evaluate U_β."""
        return normal_energy(q, self.width) + self.beta * self.difference(q)

    def difference(self, q: Floats) -> Floats:
        """Evaluate ∂U_β/∂β = U(q) − |q|²/2w²."""
        return np.asarray(self.energy.value(q) - normal_energy(q, self.width))

    def gradient(self, q: Floats) -> Floats:
        """Evaluate ∂U_β/∂q."""
        beta = self.beta[:, None]
        return np.asarray((1 - beta) * q / self.width**2 + beta * self.energy.gradient(q))


def normal_energy(q: Floats, width: float) -> Floats:
    """Evaluate |q|²/2w²."""
    return np.asarray((q**2).sum(axis=1) / (2 * width**2))


def hmc_step(
    energy: TargetEnergy,
    q: Floats,
    step_size: float | Floats,
    steps: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Move every row by one step of Hamiltonian Monte Carlo, which keeps e^{−U}.

    Momenta are drawn, leapfrog proposes, Metropolis decides: with probability
    min(1, exp(H(q, p) − H(q', p'))). A trajectory that leaves the numbers is rejected.

    Parameters
    ----------
    energy : TargetEnergy
        U, finite at `q`.
    q : ndarray, shape (n, d)
    step_size : float or ndarray, shape (n,)
        Of leapfrog, for each row.
    steps : int
        Of leapfrog.
    rng : numpy.random.Generator

    Returns
    -------
    q : ndarray, shape (n, d)
    accepted : ndarray of bool, shape (n,)

    Examples
    --------
    >>> from ehf_num import LennardJones
    >>> q, accepted = hmc_step(
    ...     LennardJones(2, 1), np.full((4, 1), 0.7), 0.01, 5, np.random.default_rng(0)
    ... )
    >>> q.shape, accepted.tolist()
    ((4, 1), [True, True, True, True])
    """
    p = rng.standard_normal(q.shape)
    sizes = np.broadcast_to(np.asarray(step_size, dtype=np.float64), len(q))[:, None]
    with np.errstate(all="ignore"):
        # A row's H times its step size: then a step of 1 is one of that size for each.
        proposed, momentum = apply_parts(
            Leapfrog(steps, 1.0).factors(),
            lambda p: sizes * p,
            lambda q: sizes * energy.gradient(q),
            q,
            p,
        )
        before = energy.value(q) + (p**2).sum(axis=1) / 2
        after = energy.value(proposed) + (momentum**2).sum(axis=1) / 2
        accepted = np.log(rng.random(len(q))) < before - after
    return np.where(accepted[:, None], proposed, q), accepted
