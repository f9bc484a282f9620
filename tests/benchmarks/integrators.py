"""What integrators buy: errors on a pendulum, and densities learned, at equal numbers of gradients.

    python -m tests.benchmarks.integrators [--budget 5000] [--seeds 2]

A gradient is one of H, ∂H/∂q and ∂H/∂p: a kick and a drift together. Maps that solve equations
are charged what their search takes, and 2d more for the derivatives of each solution. Models have
two Hamiltonians of the invariants of q, of p, or of both; they are trained until a Hamiltonian has
spent the budget on a batch, so a map of half the cost has twice the iterations.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

import ehf_num as en
import ehf_sym as es

BATCH, POINTS, DRAWS = 64, 500, 128
TARGETS = {"rings": (en.rings, 2, -2.5975), "shells": (en.shells, 3, -4.010)}
Array = np.ndarray[Any, Any]


@dataclass
class Counted:
    """A Hamiltonian that counts its gradients."""

    of: Any
    gradients: float = 0.0

    def grad_kinetic(self, p: Any) -> Any:
        self.gradients += 0.5
        return self.of.grad_kinetic(p)

    def grad_potential(self, q: Any) -> Any:
        self.gradients += 0.5
        return self.of.grad_potential(q)


@dataclass
class CountedMotion:
    """One that is no sum, likewise."""

    of: Any
    gradients: float = 0.0

    def vector_field(self, q: Any, p: Any) -> Any:
        self.gradients += 1
        return self.of.vector_field(q, p)


class Pendulum:
    """H = p²/2 − cos q."""

    def grad_kinetic(self, p: Any) -> Any:
        return p

    def grad_potential(self, q: Any) -> Any:
        return np.sin(q)


def implicit(integrator: Any) -> bool:
    return isinstance(integrator, en.ImplicitMidpoint | en.ExtendedPhaseSpace)


def cost(integrator: Any, hamiltonian: Any, q: Array, p: Array) -> float:
    """Count the gradients of one map in training, its own derivative apart."""
    counted: Any = (CountedMotion if hasattr(hamiltonian, "vector_field") else Counted)(hamiltonian)
    integrator.forward(counted, q, p)
    solved = 2 * q.shape[1] * integrator.steps if implicit(integrator) else 0
    return float(counted.gradients + solved)


MAPS: dict[str, Callable[[int, float], Any]] = {
    "Leapfrog": en.Leapfrog,
    "Yoshida4": en.Yoshida4,
    "BlanesMoan4": en.BlanesMoan4,
    "ImplicitMidpoint": en.ImplicitMidpoint,
    "ExtendedPhaseSpace": en.ExtendedPhaseSpace,
}


def errors() -> None:
    """Print slopes, and the errors at about 120 gradients."""
    q, p = np.random.default_rng(1).standard_normal((2, 8, 1))
    time = 5.0

    def field(_: float, flat: Array) -> Array:
        return np.concatenate([flat[8:], -np.sin(flat[:8])])

    start = np.concatenate([q, p]).ravel()
    truth = solve_ivp(field, (0, time), start, method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]

    def error(kind: Callable[[int, float], Any], steps: int) -> float:
        end = kind(steps, time / steps).forward(Pendulum(), q, p)
        return float(np.abs(np.concatenate(end).ravel() - truth).max())

    print("| integrator | slope | steps | gradients | error at t = 5 |\n|---|---|---|---|---|")
    for name, kind in MAPS.items():
        counts = [40, 80, 160]
        found = [error(kind, steps) for steps in counts]
        slope = -np.polyfit(np.log(counts), np.log(found), 1)[0]
        one = cost(kind(10, time / 40), Pendulum(), q, p) / 10
        if implicit(kind(1, 0.1)):
            one -= 2  # nothing is differentiated here
        steps = max(1, round(120 / one))
        print(f"| {name} | {slope:.2f} | {steps} | {steps * one:.0f} | {error(kind, steps):.1e} |")


def models() -> dict[str, tuple[Any, bool]]:
    """Name the maps that are trained, each of total time 1, and whether H is no sum."""
    return {
        "Leapfrog(2, 1/2)": (en.Leapfrog(2, 1 / 2), False),
        "Leapfrog(6, 1/6)": (en.Leapfrog(6, 1 / 6), False),
        "Yoshida4(2, 1/2)": (en.Yoshida4(2, 1 / 2), False),
        "BlanesMoan4(1, 1)": (en.BlanesMoan4(1, 1.0), False),
        "LearnedStep(Leapfrog(2, 1/2))": (en.LearnedStep(en.Leapfrog(2, 1 / 2)), False),
        "Dilated(Leapfrog(2, 1/2))": (en.Dilated(en.Leapfrog(2, 1 / 2)), False),
        "H(q, p), ImplicitMidpoint(2, 1/2)": (en.ImplicitMidpoint(2, 1 / 2), True),
        "H(q, p), ExtendedPhaseSpace(2, 1/2)": (en.ExtendedPhaseSpace(2, 1 / 2), True),
    }


def learned(target: str, integrator: Any, mixed: bool, budget: int, seed: int) -> tuple[int, float]:
    """Train one model; return its iterations and mean ln p of test points, in nats."""
    make, dim, _ = TARGETS[target]
    symmetry = es.groups.so(dim)
    options = {"hamiltonian": en.NonSeparable(symmetry.space, (32, 32), symmetry)} if mixed else {}
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(symmetry.space),
        symmetry,
        enforce="exact",
        hamiltonians=2,
        hidden=(32, 32),
        integrator=integrator,
        rng=seed,
        **options,
    )
    rule, hamiltonian = flow.flow.maps[0]
    q, p = np.random.default_rng(0).standard_normal((2, BATCH, dim))
    inner = getattr(integrator, "integrator", integrator)
    one = cost(inner if not mixed else rule, hamiltonian, q, p)
    iterations = int(budget / one)
    flow.fit(
        make().sample, iterations=iterations, batch_size=BATCH, learning_rate=3e-3, progress=False
    )
    test = make().sample(POINTS, rng=10_000)
    return iterations, float(np.mean(flow.log_prob(test, n_samples=DRAWS, rng=0)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=int, default=5000, help="gradients of H on a batch")
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    errors()
    print(f"\n{given.budget} gradients, batch {BATCH}, seeds 0 to {given.seeds - 1}")
    for target, (_, _, truth) in TARGETS.items():
        print(f"\n| {target} (true: {truth}) | iterations | ln p of test points |\n|---|---|---|")
        for name, (integrator, mixed) in models().items():
            runs = [
                learned(target, integrator, mixed, given.budget, seed)
                for seed in range(given.seeds)
            ]
            iterations = runs[0][0]
            values = [value for _, value in runs]
            told = f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
            print(f"| {name} | {iterations} | {told} |", flush=True)


if __name__ == "__main__":
    main()
