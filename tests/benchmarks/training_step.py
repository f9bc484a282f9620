"""Time of one training step: ours against plain autograd, the same loss in one run.

    python -m tests.benchmarks.training_step [--batch 256] [--rounds 10]

A step is loss, gradient and Adam, d = 2, hidden (128, 128), two leapfrog steps, SO(2) penalty. The
three losses are compared to 1e-10 before anything is timed. Rounds of steps are interleaved, with
a pause before each: the threads of a BLAS keep a core busy for a while after their last product,
which would be charged to the next contender. Medians and quartiles are printed. Plain autograd has
the BLAS threads that it finds.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import grad

import ehf_num as en
import ehf_sym as es
from ehf_num.networks import energy, energy_gradient_reference, relu_network_reference
from ehf_num.objective import Objective
from ehf_num.parallel import one_blas_thread
from ehf_num.parameters import Layout
from ehf_num.result import versions
from ehf_num.tape import make_vjp

_BLAS_GOES_TO_SLEEP = 0.2  # seconds
_STEPS_A_ROUND = 6


@dataclass(frozen=True, eq=False)
class PlainHamiltonian:
    """K and U in plain autograd: the input gradient nested, or its chain rule written out."""

    kinetic_weights: Any
    potential_weights: Any
    nested: bool

    def _gradient(self, x: Any, weights: Any) -> Any:
        if self.nested:
            return grad(lambda x: anp.sum(energy(x, *weights)))(x)
        return energy_gradient_reference(x, *weights)

    def grad_kinetic(self, p: Any) -> Any:
        return self._gradient(p, self.kinetic_weights)

    def grad_potential(self, q: Any) -> Any:
        return self._gradient(q, self.potential_weights)


@dataclass(frozen=True)
class PlainLayout(Layout):
    """Binds weights to plain autograd."""

    nested: bool = True

    def hamiltonian_weights(self, arrays: Any) -> Any:
        return tuple(
            PlainHamiltonian(h.kinetic_weights, h.potential_weights, self.nested)
            for h in super().hamiltonian_weights(arrays)
        )


@dataclass(frozen=True, eq=False)
class Contender:
    """A name, its loss, the relu network that its encoder calls, and its BLAS."""

    name: str
    objective: Objective
    relu: Callable[..., Any]
    blas: Callable[[], Any]


def contenders(flow: en.EquivariantHamiltonianFlow) -> list[Contender]:
    ours = flow.objective
    layouts = {
        nested: PlainLayout(ours.layout.hamiltonians, ours.layout.energy_arrays, nested)
        for nested in (True, False)
    }
    plain = {nested: replace(ours, layout=layout) for nested, layout in layouts.items()}
    return [
        Contender("autograd, nested grad", plain[True], relu_network_reference, nullcontext),
        Contender("autograd, ∂H written out", plain[False], relu_network_reference, nullcontext),
        Contender("ehf_num", ours, None, one_blas_thread),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--dtype", default="float64")
    options = parser.parse_args()

    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    symmetry = es.LieAlgebra(space, [q1 * p2 - q2 * p1])
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(space), symmetry, dtype=options.dtype, rng=0
    )
    rng = np.random.default_rng(0)
    x = en.rings().sample(options.batch, rng).astype(options.dtype)
    noise = rng.standard_normal(x.shape).astype(options.dtype)
    states = flow.objective.base.sample(options.batch, rng, options.dtype)
    cotangent = np.array([-1.0, 1.0], options.dtype)
    theta = flow._parameters.flat
    adam = en.Adam(theta.size, en.AdamSettings(1e-12), theta.dtype)

    def step(contender: Contender, move: bool = True) -> np.ndarray:
        with contender.blas():
            vjp, terms = make_vjp(
                lambda arrays: contender.objective.terms(arrays, x, noise, states), flow.weights
            )
            gradient = np.concatenate([part.ravel() for part in vjp(cotangent)])
            if move:
                adam.step(theta, gradient)
        return np.concatenate([terms, gradient])

    field = contenders(flow)
    reference = step(field[0], move=False)
    tolerance = 1e-10 if options.dtype == "float64" else 1e-3
    for contender in field[1:]:
        np.testing.assert_allclose(
            step(contender, move=False), reference, rtol=tolerance, atol=tolerance
        )

    times: dict[str, list[float]] = {contender.name: [] for contender in field}
    for _ in range(options.rounds):
        for contender in field:
            time.sleep(_BLAS_GOES_TO_SLEEP)
            step(contender)
            for _ in range(_STEPS_A_ROUND):
                start = time.perf_counter()
                step(contender)
                times[contender.name].append(1e3 * (time.perf_counter() - start))

    ours = np.median(times["ehf_num"])
    print(
        f"batch {options.batch}, {options.dtype}, {options.rounds} rounds of {_STEPS_A_ROUND} steps"
    )
    print(f"{'':26}{'median ms':>10}{'quartiles':>16}{'ratio':>8}")
    for name, values in times.items():
        low, middle, high = np.percentile(values, [25, 50, 75])
        print(f"{name:26}{middle:>10.1f}{f'{low:.1f} to {high:.1f}':>16}{middle / ours:>8.2f}")
    print(f"{os.cpu_count()} cores, {platform.machine()}; {versions()}")


if __name__ == "__main__":
    main()
