"""Ours as contenders: one model, its symmetry exact, penalized or not enforced."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import ehf_sym as es
from ehf_num import (
    EquivariantHamiltonianFlow,
    LikelihoodWarning,
    SymmetricDensity,
    set_threads,
)
from ehf_num.reproduce.common import Floats
from ehf_num.reproduce.efficiency.contender import Budget, Learned, Split
from ehf_num.reproduce.efficiency.problems import Problem

_VALIDATION_ROWS = 1_000
_QUADRATURE_ERROR = 0.01  # nats, of a point: of their mean it is far less


@dataclass(frozen=True)
class HamiltonianContender:
    """An `EquivariantHamiltonianFlow` with these options, described there and at its `fit`.

    The defaults come from a few runs on rings, before the study. With two Hamiltonians the family
    was too stiff for many points, with six it was not; steps of 0.25 were less at the mercy of the
    draw of the points than 0.5. The bound is importance weighted with one draw: the ELBO, with the
    gradient that has no noise where the encoder is exact.
    """

    enforce: str
    encoder: str = "coupling"
    hamiltonians: int = 6
    steps: int = 2
    step_size: float = 0.25
    hidden: tuple[int, ...] = (64, 64)
    kappa: float = 1e-3
    learning_rate: float = 3e-3
    draws: int = 1

    def learn(self, problem: Problem, split: Split, budget: Budget, seed: int) -> Learned:
        """Train on the split's points and nothing else, with one thread."""
        set_threads(1)
        flow = EquivariantHamiltonianFlow(
            es.StandardNormal(problem.symmetry.space),
            problem.symmetry,
            enforce=self.enforce,
            kappa=self.kappa,
            encoder=self.encoder,
            hamiltonians=self.hamiltonians,
            steps=self.steps,
            step_size=self.step_size,
            hidden=self.hidden,
            dtype="float32",
            rng=seed,
        )
        start = time.process_time()
        flow.fit(
            split.training,
            iterations=budget.iterations,
            batch_size=budget.batch_size,
            learning_rate=self.learning_rate,
            schedule=budget.schedule,
            objective="importance",
            draws=self.draws,
            validation=split.validation_copies(_VALIDATION_ROWS),
            patience=budget.patience,
            record_every=budget.check_every,
            progress=False,
        )
        seconds, result = time.process_time() - start, flow.result_
        best = int(np.nanargmax(result.history.validation_elbo))

        def log_prob(x: Floats, draws: int) -> Floats:
            return flow.log_prob(x, n_samples=draws).astype(np.float64)

        return Learned(
            log_prob=log_prob,
            iterations=result.iterations,
            best=int(result.history.iteration[best]),
            stop_reason=result.stop_reason,
            seconds=seconds,
            parameters=sum(array.size for array in flow.weights),
            by_quadrature=_quadrature(flow) if flow.dim <= 2 else None,
        )


@dataclass(frozen=True)
class FrontDoor:
    """`SymmetricDensity` by its defaults, which say themselves when training ends.

    Attributes
    ----------
    enforce : {"auto", "penalty", "none"}
        The way to keep the symmetry; "none": it is not told of it.
    """

    enforce: str = "auto"

    def learn(self, problem: Problem, split: Split, budget: Budget, seed: int) -> Learned:
        """Train on all points, with one thread; the budget bounds iterations as for others."""
        set_threads(1)
        free = self.enforce == "none"
        model = SymmetricDensity(
            None if free else problem.symmetry,
            enforce="auto" if free else self.enforce,
            progress=False,
            rng=seed,
        )
        if budget.iterations < model.patience:  # a part of the study, in a minute
            model.set_params(max_iter=budget.iterations)
        start = time.process_time()
        model.fit(split.points)
        seconds = time.process_time() - start

        def log_prob(x: Floats, draws: int) -> Floats:
            z = model.units_.standardized(x)
            return (
                model.flow_.log_prob(z, n_samples=draws).astype(float) - model.units_.log_jacobian
            )

        return Learned(
            log_prob=log_prob,
            iterations=model.n_iter_,
            best=model.n_iter_,
            stop_reason="early_stopping" if model.stop_reason_ == "no gain" else "iterations",
            seconds=seconds,
            parameters=model.flow_.flat_weights.size,
            by_quadrature=_quadrature(model) if problem.target.dim <= 2 else None,
        )


def _quadrature(model: EquivariantHamiltonianFlow | SymmetricDensity) -> Callable[[Floats], Floats]:
    def by_quadrature(x: Floats) -> Floats:
        with warnings.catch_warnings():  # a few points that miss it do not move the mean
            warnings.simplefilter("ignore", LikelihoodWarning)
            found = model.likelihood(x, method="quadrature", standard_error=_QUADRATURE_ERROR)
        return found.values.astype(np.float64)

    return by_quadrature
