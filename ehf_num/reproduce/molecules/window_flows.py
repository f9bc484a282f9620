"""Ours as a contender: energies that are sums over pairs of particles and over particles."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

import ehf_sym as es
from ehf_num import (
    Dilated,
    DoubleWell,
    EquivariantHamiltonianFlow,
    Leapfrog,
    LearnedStep,
    LennardJones,
    Lifted,
    OrbitEncoder,
    OrbitSum,
    set_threads,
)
from ehf_num.reproduce.common import Floats
from ehf_num.reproduce.efficiency.contender import Budget, Learned, Split
from ehf_num.reproduce.molecules.priors import pair_prior
from ehf_num.reproduce.molecules.problems import ParticleProblem

_VALIDATION_ROWS = 250
LOOK_EVERY = 20  # iterations at least: to look at so many rows takes as long as several of them


@dataclass(frozen=True)
class _InUnits:
    """U of points in units of their standard deviation."""

    energy: DoubleWell | LennardJones
    scale: float

    def value(self, q: Floats) -> Floats:
        return np.asarray(self.energy.value(self.scale * q))

    def gradient(self, q: Floats) -> Floats:
        return np.asarray(self.scale * self.energy.gradient(self.scale * q))


@dataclass(frozen=True)
class WindowContender:
    """An `EquivariantHamiltonianFlow` whose K, U and encoder are `OrbitSum.pairs`.

    Attributes
    ----------
    hamiltonians : int
        Of the chain, each with a leapfrog step and a dilation that are learned.
    step_size : float
        Where learning starts.
    hidden, site_hidden, gaussians, reach
        Options of `OrbitSum`, of points in units of their standard deviation.
    precision : str
        Of `OrbitEncoder`.
    learning_rate : float
        Adam's α.
    draws : int
        Momenta a point in the importance-weighted bound.
    batch_size : int
        Points of an iteration, in place of the budget's: each has `draws` momenta.
    maps, units : int
        Options of `Lifted` after each Hamiltonian; without maps there is none.
    prior : bool
        Whether the base is that of `pair_prior` in place of a normal; the flow then starts at the
        identity.
    """

    hamiltonians: int = 8
    step_size: float = 0.3
    hidden: tuple[int, ...] = (32,)
    site_hidden: tuple[int, ...] = (32, 32)
    gaussians: int = 8
    reach: float = 4.5
    precision: str = "windows"
    learning_rate: float = 4e-3
    draws: int = 8
    batch_size: int = 32
    maps: int = 0
    units: int = 12
    prior: bool = False

    def learn(self, problem: ParticleProblem, split: Split, budget: Budget, seed: int) -> Learned:
        """Train on the split's points and nothing else, with one thread."""
        set_threads(1)
        energy, frame = problem.energy, problem.frame
        scale = float(split.training.std())
        start = time.process_time()
        options: dict[str, Any] = {}
        if self.prior:
            prior = pair_prior(frame, split.training / scale, problem.widths, seed)
            options = {"base": prior.density, "base_sampler": prior.sample, "start": "identity"}
        flow = self.build(frame, seed, **options)
        flow.fit(
            split.training / scale,
            iterations=budget.iterations,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            schedule=budget.schedule,
            objective="importance",
            draws=self.draws,
            validation=split.validation_copies(_VALIDATION_ROWS) / scale,
            patience=budget.patience,
            record_every=max(budget.check_every, LOOK_EVERY),
            progress=False,
        )
        seconds, result = time.process_time() - start, flow.result_
        log_volume = flow.dim * float(np.log(scale))

        def log_prob(x: Floats, draws: int) -> Floats:
            return flow.log_prob(x / scale, n_samples=draws).astype(np.float64) - log_volume

        def sample(n: int, seed: int) -> tuple[Floats, Floats]:
            q, p = flow.sample(n, rng=seed, return_momenta=True)
            log_density = flow.joint_log_prob(q, p) - flow.log_encoder(p, q)
            return q * float(scale), log_density.astype(np.float64) - log_volume

        def share(n: int, momenta: int) -> float:
            return flow.weigh(_InUnits(energy, scale), n, momenta=momenta).ess

        def pair_potentials(r: Floats) -> Floats:
            # Of two particles alone, whose sum over pairs is one pair, with the same network.
            two = es.Particles(2, energy.dimension).relative()
            alone = self.pairs(two, "q", many_body=False)
            q = np.zeros((len(r), energy.dimension))
            q[:, 0] = r / scale / np.sqrt(2)
            layers = 2 * len(self.hidden)
            return np.stack(
                [
                    alone.value([*each[:layers], each[layers][:, :1]], q)
                    for each in flow.weights_of("potential")
                ]
            )

        return Learned(
            log_prob=log_prob,
            iterations=result.iterations,
            best=int(result.history.iteration[np.nanargmax(result.history.validation_elbo)]),
            stop_reason=result.stop_reason,
            seconds=seconds,
            parameters=sum(array.size for array in flow.weights),
            sample=sample,
            pair_potentials=pair_potentials,
            share=share,
        )

    def build(
        self,
        frame: es.RelativeFrame,
        seed: int,
        *,
        base: es.BaseDensity | None = None,
        **options: Any,
    ) -> EquivariantHamiltonianFlow:
        """Make the model, exact under all that leaves the energy alone."""
        integrator: Any = LearnedStep(Dilated(Leapfrog(1, self.step_size)))
        if self.maps:
            integrator = Lifted(integrator, self.pairs(frame, "q"), self.maps, self.units)
        return EquivariantHamiltonianFlow(
            base or es.StandardNormal(frame.space),
            frame.symmetry(),
            kinetic=self.pairs(frame, "p"),
            potential=self.pairs(frame, "q"),
            enforce="exact",
            encoder=OrbitEncoder(self.pairs(frame, "q"), self.precision),
            integrator=integrator,
            hamiltonians=self.hamiltonians,
            dtype="float32",
            rng=seed,
            **options,
        )

    def pairs(self, frame: es.RelativeFrame, of: str, *, many_body: bool = True) -> OrbitSum:
        """Make the form of K, of U, and of what the encoder's mean is the slope of."""
        return OrbitSum.pairs(
            frame,
            of=of,
            many_body=many_body,
            hidden=self.hidden,
            site_hidden=self.site_hidden,
            gaussians=self.gaussians,
            reach=self.reach,
        )
