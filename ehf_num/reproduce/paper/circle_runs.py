"""One run of Figure 2B: modes on a circle from one base, one step size, one seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import ehf_sym as es
from ehf_num import (
    EquivariantHamiltonianFlow,
    Leapfrog,
    NetworkHamiltonian,
    modes_on_circle,
    set_threads,
)
from ehf_num.plotting import grid
from ehf_num.reproduce.common import Array, Extent
from ehf_num.reproduce.paper.wells import match, minima

EXTENT: Extent = (-4.0, 4.0, -4.0, 4.0)
PIXELS, ARROWS = 81, 21
_TEST_SEED = 20_190_913


@dataclass(frozen=True)
class Budget:
    """How long a run is, and how closely it is looked at.

    Attributes
    ----------
    iterations : int
        Updates.
    learning_rate, epsilon : float
        Adam's, the same throughout. At first nothing pulls at the momenta, and with the usual ε of
        1e-8 noise alone moves h(p|q), until its units are dead on some seeds.
    test_points, draws : int
        Points of the held-out KL, and importance draws for each.
    samples, moving : int
        Drawn for the density estimate, and for the animation.
    """

    iterations: int = 12_000
    learning_rate: float = 1e-3
    epsilon: float = 1e-2
    test_points: int = 2_000
    draws: int = 128
    samples: int = 4_000
    moving: int = 500


@dataclass(frozen=True)
class CircleRun:
    """What `sweep` runs and records.

    Attributes
    ----------
    modes : int
        Of the target.
    width : float or None
        σ of the soft-uniform base; None: the standard normal.
    step_size : float
        dt of the leapfrog steps.
    seed : int
        Of weights, data and noise.
    sharpness : float
        β of the soft-uniform base.
    steps : int
        Leapfrog steps.
    budget : Budget
    """

    modes: int
    width: float | None
    step_size: float
    seed: int
    sharpness: float = 10.0
    steps: int = 2
    budget: Budget = Budget()

    def base(self) -> es.BaseDensity:
        """Return π."""
        space = es.PhaseSpace(2)
        if self.width is None:
            return es.StandardNormal(space)
        return es.SoftUniform(space, width=self.width, sharpness=self.sharpness)

    def run(self) -> Mapping[str, Any]:
        """Learn from endless data, with one thread; find the wells of U; measure the KL."""
        set_threads(1)
        target, budget = modes_on_circle(self.modes), self.budget
        flow = EquivariantHamiltonianFlow(
            self.base(),
            enforce="none",
            steps=self.steps,
            step_size=self.step_size,
            dtype="float32",
            rng=self.seed,
        )
        flow.fit(
            target.sample,
            iterations=budget.iterations,
            learning_rate=budget.learning_rate,
            epsilon=budget.epsilon,
            progress=False,
        )
        test = target.sample(budget.test_points, rng=_TEST_SEED)
        excess = target.log_prob(test) - flow.log_prob(test, n_samples=budget.draws)
        hamiltonian: Any = flow.flow.hamiltonians[0]  # of networks, where nothing is enforced
        wells = minima(in_double(hamiltonian), EXTENT)
        matching = match(wells, target.centers)
        pixels = grid(EXTENT, PIXELS).astype(flow.settings.dtype)
        arrows = grid(EXTENT, ARROWS)
        return {
            "kl": float(excess.mean()),
            "kl_error": float(excess.std(ddof=1) / np.sqrt(len(excess))),
            "minima": wells,
            "distances": matching.distances,
            "near": matching.near,
            "one_to_one": matching.one_to_one,
            "kinetic": hamiltonian.kinetic(pixels),
            "potential": hamiltonian.potential(pixels),
            "one_step": Displacement(flow, 1)(arrows),
            "whole_flow": Displacement(flow, self.steps)(arrows),
            "samples": flow.sample(budget.samples, rng=self.seed),
            "moving": positions(flow, budget.moving, self.seed),
            "stop_reason": flow.result_.stop_reason,
            "seconds": flow.result_.seconds,
        }


@dataclass(frozen=True)
class Displacement:
    """How far so many leapfrog steps move q from rest."""

    flow: EquivariantHamiltonianFlow
    steps: int

    def __call__(self, q: Array) -> Array:
        """Evaluate it: (n, 2) to (n, 2)."""
        q = q.astype(self.flow.settings.dtype)
        integrator = Leapfrog(self.steps, self.flow.settings.step_size)
        end, _ = integrator.forward(self.flow.flow.hamiltonians[0], q, np.zeros_like(q))
        moved: Array = end - q
        return moved


def in_double(hamiltonian: NetworkHamiltonian) -> NetworkHamiltonian:
    """Return the same energies, evaluated in float64: minima need more digits than training."""
    kinetic, potential = (
        tuple(np.asarray(array, np.float64) for array in weights)
        for weights in (hamiltonian.kinetic_weights, hamiltonian.potential_weights)
    )
    return NetworkHamiltonian(kinetic, potential)


def positions(flow: EquivariantHamiltonianFlow, n: int, seed: int) -> Array:
    """Return n samples before the flow and after each of its leapfrog steps: (steps + 1, n, 2).

    Between two of them q moves on a straight line: a drift has one momentum.
    """
    base = flow.bound.base
    states = base.sample(n, np.random.default_rng(seed), flow.settings.dtype)
    q, p = np.split(states, 2, axis=1)
    hamiltonian = flow.flow.hamiltonians[0]
    stations = [q]
    for steps in range(1, flow.settings.steps + 1):
        integrator = Leapfrog(steps, flow.settings.step_size)
        stations.append(integrator.forward(hamiltonian, q, p)[0])
    return np.stack(stations)
