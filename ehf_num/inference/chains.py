"""Markov chains in e^−S: Hamiltonian Monte Carlo with S's own gradient, and independence chains.

They repair what weights cannot: points that a model draws too rarely. Chains from the base's states
tell whether a model misses modes, of which its own draws know nothing; so do walkers that are
annealed to e^−S from a normal much wider than base and model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ehf_num.engine.log_space import log_mean_exp
from ehf_num.engine.networks import wrapped
from ehf_num.engine.workspace import Array
from ehf_num.targets.hmc import hmc_step
from ehf_num.targets.target_energy import KnownEnergy, TargetEnergy, state_text
from ehf_num.targets.tempering import descend
from ehf_num.training.energy_bound import weigh_states
from ehf_num.training.objective import BoundModel
from ehf_sym.formulas.report import ResultTable

_WANTED = 0.8  # acceptance
_JITTER = 0.2  # of the step: no resonance with a period of S
_DRAWS, _CHAINS, _TRANSITIONS, _LEAPS = 2048, 64, 60, 10
_WALKERS, _WIDER = 64, 16.0
_FORBIDDEN = 1e30  # S where it is infinite or no number: weights have to be told apart there
_HEALTHY, _MISSED, _MARGIN = 0.05, 0.05, np.log(10.0)


@dataclass(frozen=True, eq=False)
class Polished:
    """Points that Hamiltonian Monte Carlo moved. Made by `WeightedDraws.polish`.

    Attributes
    ----------
    points : ndarray, shape (m, d)
        Where each chain ended.
    acceptance : float
        Share of the proposals that were accepted, those of the adaptation left out.
    step_size : float
        Of the leapfrog steps.
    """

    points: Array
    acceptance: float
    step_size: float

    def __repr__(self) -> str:
        m, d = self.points.shape
        return f"Polished({m} points of {d}, acceptance {self.acceptance:.3g})"


def hmc(
    target: TargetEnergy,
    q: Array,
    rng: np.random.Generator,
    *,
    transitions: int,
    leaps: int = _LEAPS,
    step_size: float | None = None,
) -> Polished:
    """Move points (m, d) by transitions that leave e^−S invariant, all chains side by side.

    Without a step size, half of the transitions look for one that is accepted four times of five.
    """
    adapting = transitions // 2 if step_size is None else 0
    step, accepted = float(step_size or 0.1 * (np.std(q) or 1.0)), 0.0
    for turn in range(transitions):
        jittered = step * (1 + _JITTER * rng.uniform(-1, 1))
        q, taken = hmc_step(target, q, jittered, leaps, rng)
        if turn < adapting:
            step *= float(np.exp(np.mean(taken) - _WANTED))
        else:
            accepted += float(np.mean(taken)) / (transitions - adapting)
    return Polished(q, accepted, step)


@dataclass(frozen=True, eq=False)
class IndependenceChain:
    """A Metropolis chain whose proposals are a model's draws. Made by `WeightedDraws.metropolis`.

    Attributes
    ----------
    points : ndarray, shape (m, d)
        The chain, in order, a point as often as it stayed.
    energies : ndarray, shape (m,)
        S at the points.
    acceptance : float
        Share of the proposals that were accepted.
    """

    points: Array
    energies: Array
    acceptance: float

    def autocorrelation_time(self, f: Callable[[Array], Array] | None = None) -> float:
        """Estimate τ = 1 + 2 Σ ρ_t of f along the chain, in steps; f: (m, d) to (m,), or None: S.

        The mean of f over the chain has the variance of m/τ independent points. The estimator is
        that of arviz-stats (Geyer's initial sequences); NaN for a chain that never moved.
        """
        from arviz_stats.base import array_stats  # here: it brings scipy.stats

        values = self.energies if f is None else np.asarray(f(self.points))
        if np.ptp(values) == 0:
            return float("nan")
        independent = array_stats.ess(values[np.newaxis], chain_axis=0, draw_axis=1, method="mean")
        return float(len(values) / independent)

    def __repr__(self) -> str:
        return f"IndependenceChain({len(self.points)} steps, acceptance {self.acceptance:.3g})"

    def __str__(self) -> str:
        return (
            f"independence chain of {len(self.points)} steps: "
            f"acceptance {100 * self.acceptance:.3g} %, "
            f"autocorrelation time of S {self.autocorrelation_time():.3g} steps"
        )

    def _repr_html_(self) -> str:
        first, rest = str(self).split(": ")
        return ResultTable(first, (), remarks=rest.split(", ")).to_html()


def independence_chain(
    proposals: Iterable[tuple[Array, Array, Array]],
    start: tuple[Array, float, float],
    rng: np.random.Generator,
) -> IndependenceChain:
    """Run through proposals, blocks of q (m, d), S (m,) and ln w (m,), from one such state."""
    points, energies, moves, count = [], [], 0, 0
    q, energy, log_weight = start
    for new_q, new_energy, new_weight in proposals:
        chosen = np.full(len(new_q), -1)  # −1: where the block before ended
        at, logs = -1, np.log(rng.random(len(new_q)))
        for k, (gain, log) in enumerate(zip(new_weight.tolist(), logs.tolist(), strict=True)):
            if log < gain - log_weight:
                at, log_weight, moves = k, gain, moves + 1
            chosen[k] = at
        points.append(np.concatenate([new_q, q[np.newaxis]])[chosen])
        energies.append(np.append(new_energy, energy)[chosen])
        q, energy, count = points[-1][-1], float(energies[-1][-1]), count + len(new_q)
    return IndependenceChain(np.concatenate(points), np.concatenate(energies), moves / count)


@dataclass(frozen=True, eq=False)
class MissingModes:
    """Whether chains find mass of e^−S that a model's draws do not reach.

    Attributes
    ----------
    share : float
        Of the chains: how many ended where the weight is ten times the largest of all draws. The
        larger one of the two kinds of chains.
    chains : int
        How many there were of each kind: from the base's states, and annealed from a wide normal.
    ess : float
        Effective share of the model's own draws, which look well where modes are missing too.
    example : ndarray, shape (d,), or None
        Where the one with the largest weight ended.
    excess : float
        ln of its weight over the largest of the draws', nats.
    """

    share: float
    chains: int
    ess: float
    example: Array | None
    excess: float

    @property
    def collapsed(self) -> bool:
        """Whether modes are missing though the weights look well."""
        return self.share > _MISSED and self.ess > _HEALTHY

    def __str__(self) -> str:
        if self.example is None:
            return (
                f"no mode is missing where {self.chains} chains from the base, and as many "
                f"annealed from a wide normal, ended; ESS of the draws {100 * self.ess:.3g} %"
            )
        return (
            f"{100 * self.share:.3g} % of {self.chains} chains, from the base or annealed from a "
            "wide normal, ended where e^−S has mass that the model does not draw, such as "
            f"q = {state_text(self.example)}, where the weight is e^{self.excess:.1f} times the "
            f"largest of the draws'; their ESS, {100 * self.ess:.3g} %, does not see it. Modes are "
            "missing: anneal more slowly (annealing=), give points of the missing modes (x=), or a "
            "wider base"
        )


@dataclass(frozen=True, eq=False)
class _Walled:
    """S for walkers that come from far away: where it is no number it is very large, and flat."""

    target: KnownEnergy
    dim: int

    def value(self, q: Array) -> Array:
        return np.asarray(np.nan_to_num(self.target.value(q), nan=_FORBIDDEN, posinf=_FORBIDDEN))

    def gradient(self, q: Array) -> Array:
        return np.asarray(np.nan_to_num(self.target.gradient(q), posinf=0.0, neginf=0.0))


def look_for_missing_modes(
    model: BoundModel, target: KnownEnergy, rng: np.random.Generator
) -> MissingModes:
    """Compare the weights of a model's draws with those where chains end."""
    dim, dtype = model.base.dim, model.weights[0].dtype
    with np.errstate(all="ignore"):
        states, weights = weigh_states(model, target, model.base.sample(_DRAWS, rng, dtype))
        weights = np.where(np.isnan(weights), -np.inf, weights)
        starts = model.base.sample(_CHAINS, rng, dtype)[:, :dim]
        both = np.concatenate([starts, states[:, :dim]]).astype(np.float64)
        wide = _WIDER * float(np.sqrt(np.mean(both**2)))
        ends = np.concatenate([
            hmc(target, starts, rng, transitions=_TRANSITIONS).points,
            descend(_Walled(target, dim), _WALKERS, rng, wide)[1][-1],
        ]).astype(dtype)  # fmt: skip
        noise = rng.standard_normal(ends.shape).astype(dtype)
        reached = -np.asarray(model.log_weights(ends, noise)) - target.value(ends)
    excess = np.where(np.isnan(reached), -np.inf, reached) - weights.max()
    missed, worst = excess > _MARGIN, int(np.argmax(excess))
    with np.errstate(invalid="ignore"):
        ess = np.exp(2 * log_mean_exp(weights) - log_mean_exp(2 * weights))
    return MissingModes(
        share=float(max(missed[:_CHAINS].mean(), missed[_CHAINS:].mean())),
        chains=_CHAINS,
        ess=float(np.nan_to_num(ess)),
        example=wrapped(ends, model.objective.layout.angles)[worst] if missed.any() else None,
        excess=float(excess[worst]),
    )
