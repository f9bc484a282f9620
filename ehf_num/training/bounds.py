"""Lower bounds of ln p(x) that training raises, and their gradients.

With K draws p_k ~ h(p|x) and weights w_k = p(x, p_k) / h(p_k|x):

    ELBO = E[mean_k ln w_k]     ≤     L_K = E[ln mean_k w_k]     ≤     ln p(x)

L_K (Burda, Grosse & Salakhutdinov, arXiv:1509.00519) is tighter, but the plain gradient of its
encoder drowns in noise as K grows. The doubly reparametrized one (Tucker et al., arXiv:1810.04152)
does not: with the normalized weights v_k = w_k / Σ w and gradients along the draws alone,

    ∂L_K/∂θ = E[Σ v_k ∂ ln w_k/∂θ],      ∂L_K/∂φ = E[Σ v_k² (∂ ln w_k/∂p_k)ᵀ ∂p_k/∂φ]

For K = 1 it is that of the ELBO which Roeder, Wu & Duvenaud (arXiv:1703.09194) call sticking the
landing: it has no variance left where h is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import autograd.numpy as anp
import numpy as np

from ehf_num.densities.encoder import encoder_score
from ehf_num.engine import arguments
from ehf_num.engine.log_space import log_mean_exp
from ehf_num.engine.tape import make_vjp
from ehf_num.engine.workspace import Array
from ehf_num.training.minibatches import Minibatch
from ehf_num.training.objective import BoundModel
from ehf_sym.errors import ArgumentError


@runtime_checkable
class TrainingObjective(Protocol):
    """What training raises, of a user's own; made of `autograd.numpy`'s functions."""

    def value(self, model: BoundModel, x: Array, noise: Array) -> Any:
        """Evaluate it on a minibatch: points (n, d) and noise (n, K, d) for K draws each.

        `model.log_weights(x, noise)` are ln p(x, p) − ln h(p|x), (n, K), nats.
        """


@dataclass(frozen=True)
class Bound:
    """Which bound, and how many draws a point.

    Attributes
    ----------
    objective : {"elbo", "importance"} or TrainingObjective
        The ELBO, or L_K with doubly reparametrized gradients; or one's own.
    draws : int
        K: momenta drawn for each point in each iteration.

    Raises
    ------
    ehf_sym.ArgumentError
        If one of them is out of range.

    Examples
    --------
    >>> Bound("importance", draws=8).draws
    8
    """

    objective: str | TrainingObjective = "elbo"
    draws: int = 1
    starts_at_base: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.own is None:
            arguments.one_of(self.objective, "objective", ("elbo", "importance"))
        object.__setattr__(self, "draws", arguments.positive_integer(self.draws, "draws"))

    @property
    def own(self) -> TrainingObjective | None:
        """The user's own objective, if it is one."""
        given = self.objective
        if isinstance(given, str | type) or not isinstance(given, TrainingObjective):
            return None
        return given

    @property
    def name(self) -> str:
        """What results call it."""
        own = self.own
        return str(self.objective) if own is None else type(own).__name__

    def repeat(self, x: Array) -> Array:
        """Repeat points, (n, d) to (n · draws, d): those of one point stand together."""
        return x if self.draws == 1 else np.repeat(x, self.draws, axis=0)

    def at(self, iteration: int) -> Bound:
        """Return what is raised in an iteration: always the same."""
        return self

    def values(self, model: BoundModel, batch: Minibatch) -> Array:
        """Evaluate what has to be finite of a minibatch."""
        return np.asarray(model.log_weights(batch.x, batch.noise))

    def fault(self, model: BoundModel, batch: Minibatch) -> str | None:
        """Say nothing of where a value came from that is not finite."""
        return None

    def of_held_out(self, model: BoundModel, held_out: Minibatch | None) -> float:
        """Estimate the bound's mean over points that are held out, nats; NaN without any."""
        return float("nan") if held_out is None else self.mean(model, held_out.x, held_out.noise)

    def mean(self, model: BoundModel, x: Array, noise: Array) -> float:
        """Estimate the bound's mean over repeated points and noise, nats."""
        if self.own is not None:
            return float(self._own_value(model, x, noise))
        log_weights = model.log_weights(x, noise)
        if self.objective == "importance":
            log_weights = log_mean_exp(log_weights.reshape(-1, self.draws))
        return float(np.mean(log_weights, dtype=np.float64))

    def step(
        self,
        model: BoundModel,
        batch: Minibatch,
        multipliers: Array,
        out: Array,
    ) -> Array:
        """Evaluate the bound and the mean squares, and write the Lagrangian's gradient.

        Parameters
        ----------
        model : BoundModel
            With the present weights.
        batch : Minibatch
            Repeated points, noise and base states.
        multipliers : ndarray, shape (C,)
            λ.
        out : ndarray
            Takes the gradient of −bound + Σ λ · squares, by one weight array after another; not
            finite where that is not.

        Returns
        -------
        ndarray, shape (1 + C,)
            The bound's mean, and the mean squares.
        """
        rates = multipliers.astype(batch.x.dtype, copy=False)
        if self.objective == "importance" and not model.carries:
            terms, bars = self._doubly_reparametrized(model, batch, rates)
        elif self.own is not None or self.objective == "importance":
            terms, bars = self._by_own(model, batch, rates)
        else:
            inputs = batch.x, batch.noise, batch.base_states
            terms, pull_back = model.differentiated(*inputs)
            bars = pull_back(np.concatenate([np.full(1, -1, rates.dtype), rates]))
        np.concatenate([bar.ravel() for bar in bars], out=out)
        return terms

    def _own_value(self, model: BoundModel, x: Array, noise: Array) -> Any:
        shape = -1, self.draws, noise.shape[1]
        own: Any = self.own
        if own is None:
            log_weights = model.log_weights(x[:: self.draws], noise.reshape(shape))
            return anp.mean(log_mean_exp(log_weights))
        value = own.value(model, x[:: self.draws], noise.reshape(shape))
        if np.shape(value) != ():
            raise ArgumentError(
                f"objective was {own!r}, whose value has shape {np.shape(value)}; it should be one "
                "number for a minibatch"
            )
        return value

    def _by_own(
        self, model: BoundModel, batch: Minibatch, rates: Array
    ) -> tuple[Array, list[Array]]:
        """Differentiate a value, and the penalty beside it, on one tape."""
        x, noise = batch.x, batch.noise

        def terms(boxes: Sequence[Any]) -> Any:
            at = model.objective.at(boxes)
            value = anp.reshape(self._own_value(at, x, noise), (1,))
            return anp.concatenate([value, at.penalty_terms(x, noise, batch.base_states)])

        pull_back, values = make_vjp(terms, model.weights)
        return values, pull_back(np.concatenate([np.full(1, -1, rates.dtype), rates]))

    def _doubly_reparametrized(
        self, model: BoundModel, batch: Minibatch, rates: Array
    ) -> tuple[Array, list[Array]]:
        """Weigh what goes back from the flow to the draws once more."""
        x, noise, base_states = batch.x, batch.noise, batch.base_states
        objective, count = model.objective, len(x)
        draws, pull_to_encoder = model.drawn(x, noise)
        p, log_h = np.ascontiguousarray(draws[:, :-1]), draws[:, -1]
        values, pull_to_flow = model.joint(x, p, base_states)
        log_weights = (values[:count] - log_h).reshape(-1, self.draws)
        log_means = log_mean_exp(log_weights)
        # v over the number of points: each row's share in the gradient of the mean
        shares = np.exp(log_weights - log_means[:, np.newaxis]).ravel() / count
        p_bars, *flow_bars = pull_to_flow(np.concatenate([-shares, rates]))
        score = encoder_score(model.encoder, model.encoder_weights, x, noise)
        p_bars = p_bars + shares[:, np.newaxis] * score
        again = shares[:, np.newaxis] * (count / self.draws)  # v
        encoder_bars = pull_to_encoder(
            np.concatenate([again * p_bars, np.zeros((count, 1), x.dtype)], axis=1)
        )
        terms = np.concatenate([np.mean(log_means, keepdims=True), values[count:]])
        return terms, objective.layout.with_encoder(flow_bars, encoder_bars)
