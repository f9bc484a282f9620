"""Learning from an energy: a lower bound of ln Z that training raises, by paths through the flow.

With the target e^−S(q) and (q, p) = flow(s0), s0 ~ π,

    E[ln w] ≤ ln E[w] = ln Z,      w = e^−S(q) h(p|q) / π(s0)

−E[ln w] is the divergence of the flow's law of (q, p) from e^−S(q) h(p|q), up to ln Z. Where the
base has parameters θ of its own, their gradient is E[(ln w − mean ln w) ∂ ln π/∂θ], which asks for
no path through the draws.

The gradient by paths has noise left where the model is exact. With q(s) the law of the flow,
E[(∂s/∂θ)ᵀ ∂ ln q/∂s] = 0 at every θ, as ∫ q = 1. Less this, (∂s/∂θ)ᵀ ∂(ln target − ln q)/∂s
is left, which vanishes draw by draw where both agree (Vaitl et al., arXiv:2207.08219); an
encoder's own slope stays.

Annealed to a strength β, the target is (e^−S h)^β π^(1−β): at 0 it is the base itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import autograd.numpy as anp
import numpy as np

from ehf_num.engine.log_space import log_mean_exp
from ehf_num.engine.tape import constant, make_vjp, part
from ehf_num.engine.workspace import Array
from ehf_num.targets.target_energy import KnownEnergy
from ehf_num.training.minibatches import Minibatch
from ehf_num.training.objective import BoundModel
from ehf_sym.errors import EHFError


@dataclass(frozen=True)
class EnergyBound:
    """E[ln w], a bound of ln Z; mixed with the ELBO of points where there are some.

    Attributes
    ----------
    target : KnownEnergy
        S.
    annealing : int
        Iterations over which β goes from 0 to 1.
    data_weight : float
        The ELBO's share, in [0, 1).
    validation : int
        Base states of the figure at each record; 0: there is none.
    strength : float
        β.
    own_slope : bool
        Whether ∂ ln q/∂s is taken off the gradient, for one more inverse of the flow and its way
        back.
    """

    target: KnownEnergy
    annealing: int = 0
    data_weight: float = 0.0
    validation: int = 0
    strength: float = 1.0
    own_slope: bool = False
    objective: ClassVar[str] = "energy"
    name: ClassVar[str] = "energy"
    draws: ClassVar[int] = 1
    starts_at_base: ClassVar[bool] = True

    def at(self, iteration: int) -> EnergyBound:
        """Return this bound as it is in an iteration, counted from 0."""
        if not self.annealing:
            return self
        return replace(self, strength=min(1.0, iteration / self.annealing))

    def repeat(self, x: Array) -> Array:
        """Return the points: there is one draw for each."""
        return x

    def of_held_out(self, model: BoundModel, held_out: Minibatch | None) -> float:
        """Estimate the bound from base states that are always drawn alike; NaN without any."""
        if not self.validation:
            return float("nan")
        dtype = model.weights[0].dtype
        starts = model.base.sample(self.validation, np.random.default_rng(0), dtype)
        return float(np.mean(weigh_states(model, self.target, starts)[1], dtype=np.float64))

    def values(self, model: BoundModel, batch: Minibatch) -> Array:
        """Evaluate what a minibatch's bound is the mean of."""
        found = [weigh_states(model, self.target, _starts(batch))[1]]
        if self.data_weight:
            found.append(np.asarray(model.log_weights(batch.x, batch.noise)))
        return np.concatenate(found)

    def fault(self, model: BoundModel, batch: Minibatch) -> str | None:
        """Name a state with an energy that is not finite; None where there is none."""
        states = model.pushed(_starts(batch))[0]
        return self.target.fault(states[:, : model.base.dim])

    def step(self, model: BoundModel, batch: Minibatch, multipliers: Array, out: Array) -> Array:
        """Evaluate the bound and the mean squares, and write the Lagrangian's gradient.

        The parameters are those of `Bound.step`; the bound is the one at β = 1, the gradient that
        of the annealed one.
        """
        starts, beta = _starts(batch), self.strength
        kept: list[Array] = []

        def terms(boxes: Sequence[Any]) -> Any:
            at = model.objective.at(boxes)
            states, squares = at.pushed(starts, starts)
            raised, log_base = _log_target(at, self.target, states), at.base.log_prob(starts)
            kept.append(constant(raised) - constant(log_base))
            if beta < 1:
                raised = beta * raised + (1 - beta) * at.base.log_prob(states)
            total = anp.mean(raised)
            if self.own_slope:
                slope = _slope_of_law(model, constant(states)) / len(starts)
                total = total - anp.sum(states * slope)
            if model.objective.layout.base_arrays:
                total = total + _by_score(constant(raised) - constant(log_base), log_base)
            return anp.concatenate([anp.reshape(total, (1,)), *squares])

        pull_back, values = make_vjp(terms, model.weights)
        rates, share = multipliers.astype(starts.dtype, copy=False), 1 - self.data_weight
        bars = pull_back(np.concatenate([np.full(1, -share, rates.dtype), rates]))
        bound = share * np.mean(kept[0], keepdims=True)
        if self.data_weight:
            elbo, pull = model.differentiated(batch.x, batch.noise)
            more = pull(np.full(1, -self.data_weight, rates.dtype))
            bars = [a + b for a, b in zip(bars, more, strict=True)]
            bound = bound + self.data_weight * elbo
        np.concatenate([bar.ravel() for bar in bars], out=out)
        return np.concatenate([bound, values[1:]])


def weigh_states(
    model: BoundModel, target: KnownEnergy, starts: Array, noise: Array | None = None
) -> tuple[Array, Array]:
    """Push base states (n, 2d) forward, and weigh them: states (n, 2d), ln w (n,), nats.

    With noise (n, K − 1, d) each q gets further momenta p_2, … p_K ~ h(p|q) beside its own, p_1:

        w = e^−S(q) K / Σ_k p(q, p_k)/h(p_k|q)

    has the mean Z as well: the law of (q, p_1, … p_K) is that mean of ratios times ∏_k h(p_k|q),
    whichever of the momenta were the flow's own.
    """
    states, dim = np.asarray(model.pushed(starts)[0]), model.base.dim
    log_base = np.asarray(model.base.log_prob(starts))
    if noise is None or not noise.shape[1]:
        return states, np.asarray(_log_target(model, target, states)) - log_base
    q, p = np.ascontiguousarray(states[:, :dim]), states[:, dim:]
    own = log_base - np.asarray(model.log_encoder(q, p))
    ratios = np.concatenate([own[:, np.newaxis], model.log_weights(q, noise)], axis=1)
    return states, -np.asarray(target.value(q)) - log_mean_exp(ratios)


def _slope_of_law(model: BoundModel, states: Array) -> Array:
    """Differentiate the model's ln q(s) by s: (n, 2d) to (n, 2d)."""
    vjp, values = make_vjp(lambda boxes: model.joint_log_prob(*boxes), np.split(states, 2, axis=1))
    return np.concatenate(vjp(np.ones_like(values)), axis=1)


def _log_target(model: BoundModel, target: KnownEnergy, states: Any) -> Any:
    """Evaluate −S(q) + ln h(p|q): states (n, 2d) to (n,), nats."""
    dim = model.base.dim
    q, p = part(states, np.s_[:, :dim]), part(states, np.s_[:, dim:])
    return model.log_encoder(q, p) - target.value(q)


def _by_score(log_weights: Array, log_base: Any) -> Any:
    """Return a number whose slope is that of E[ln w] by the base's own parameters."""
    count = len(log_weights)
    away = (log_weights - np.mean(log_weights)) / max(count - 1, 1)  # each less the others' mean
    return anp.dot(log_base, away)


def _starts(batch: Minibatch) -> Array:
    """Return the base states, which every minibatch of this bound has."""
    if batch.base_states is None:
        raise EHFError("a minibatch without base states has no bound of ln Z")
    return batch.base_states
