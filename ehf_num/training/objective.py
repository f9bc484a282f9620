"""What training works on: the ELBO and the mean squared brackets, as functions of the weights.

    ELBO(q) = E_{h(p|q)}[ln π(flow⁻¹(q, p)) − ln h(p|q)]                            (eq. 1)
    L = −mean ELBO + Σ_k λ_k (E_π[{g_k, H}²] − κ),   min over weights, max over λ ≥ 0

`BoundModel.terms` puts the mean ELBO and the mean squares of `constraint` into one vector. The
gradient of L is then one backward pass with the cotangent (−1, λ_1, …), and the numbers that the
multipliers and the history need are the same vector's entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, primitive

from ehf_num.densities.base import NumericBase
from ehf_num.densities.encoder import Encoder, KernelEncoder, goes_with_draw
from ehf_num.densities.learned_base import LearnedBase
from ehf_num.engine.native import NativeChain, NativeDraw
from ehf_num.engine.tape import constant, make_vjp
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.flow import HamiltonianFlow
from ehf_num.hamiltonian.integrators import Splitting
from ehf_num.hamiltonian.parameters import Layout
from ehf_num.training.constraint import Constraint, MeanSquaredBracket, brackets_with
from ehf_sym import NumpyFormula


@dataclass(frozen=True, eq=False)
class Objective:
    """The parts of the loss that do not change in training.

    Attributes
    ----------
    base : NumericBase or LearnedBase
        π; `base_at` is it with its present parameters.
    gradients : NumpyFormula or None
        ∂g/∂s of the generators; None where there is no symmetry.
    encoder : Encoder
        h(p|q).
    layout : Layout
        The Hamiltonians and the integrator, and which weight array belongs to what.
    constraint : Constraint or None
        What is penalized; None: nothing.
    """

    base: NumericBase | LearnedBase
    gradients: NumpyFormula | None
    encoder: Encoder
    layout: Layout
    constraint: Constraint | None = None

    def __repr__(self) -> str:
        penalized = "nothing" if self.constraint is None else ", ".join(self.constraint.names)
        return (
            f"Objective({self.layout.hamiltonians} {type(self.layout.hamiltonian).__name__}, "
            f"{type(self.encoder).__name__}, penalized: {penalized})"
        )

    def flow(self, arrays: Sequence[Any]) -> HamiltonianFlow:
        """Bind weights to the flow."""
        return self.layout.flow(arrays)

    def base_at(self, arrays: Sequence[Any]) -> NumericBase:
        """Return π with its parameters among the weights."""
        return self.base.at(self.layout.base_weights(arrays))

    def at(self, arrays: Sequence[Any]) -> BoundModel:
        """Put weights in place."""
        return BoundModel(self, arrays)

    def gradients_at(self, states: Array) -> Array:
        """Evaluate ∂g/∂s: states (n, 2d) to (n, K, 2d)."""
        if self.gradients is None:
            return np.empty((len(states), 0, states.shape[1]), states.dtype)
        return self.gradients(states)


@dataclass(frozen=True, eq=False)
class BoundModel:
    """A model with its weights in place: arrays, or boxes on the tape.

    Attributes
    ----------
    objective : Objective
        The parts.
    weights : sequence of ndarray
        All of them, as `Layout` orders them.
    """

    objective: Objective
    weights: Sequence[Any]

    def __repr__(self) -> str:
        count = sum(int(np.prod(each.shape)) for each in self.weights)
        return f"BoundModel({self.objective!r}, {count} weights)"

    @cached_property
    def flow(self) -> HamiltonianFlow:
        """The flow of the chain."""
        return self.objective.flow(self.weights)

    @cached_property
    def base(self) -> NumericBase:
        """The base with its parameters."""
        return self.objective.base_at(self.weights)

    @property
    def encoder_weights(self) -> Sequence[Any]:
        """The encoder's arrays."""
        return self.objective.layout.encoder_weights(self.weights)

    def draw(self, x: Any, noise: Any) -> tuple[Any, Any]:
        """Turn noise into momenta of points and ln h(p|x): (n, d) twice to (n, d) and (n,)."""
        return self.objective.encoder.draw(self.encoder_weights, x, noise)

    def joint_log_prob(self, q: Any, p: Any) -> Any:
        """Evaluate ln p(q, p) = ln π(flow⁻¹(q, p)): (n, d) twice to (n,), nats."""
        states, _ = self.flow.inverse_with_fields(q, p, _no_states(q))
        return self.base.log_prob(states)

    def log_weights(self, x: Any, noise: Any) -> Any:
        """Evaluate ln p(x, p) − ln h(p|x) at p ~ h: (n, d) twice to (n,), nats.

        With noise (n, K, d) for K draws of each point: (n, K).

        Its mean over the noise is the ELBO (eq. 1), the log of the mean of its exponential ln p(x).
        """
        if noise.ndim == 3:
            flat = self.log_weights(
                np.repeat(x, noise.shape[1], axis=0), noise.reshape(-1, x.shape[1])
            )
            return anp.reshape(flat, noise.shape[:2])
        p, log_h = self.draw(x, noise)
        return self.joint_log_prob(x, p) - log_h

    def brackets(self, q: Array, p: Array) -> list[Any]:
        """Evaluate {g_k, H_j} for each H_j of the chain: (n, d) twice to (n, K) each."""
        states = np.concatenate([q, p], axis=1)
        gradients = self.objective.gradients_at(states)
        fields = self.flow.fields(states)
        return [brackets_with(gradients, fields[:, j]) for j in range(fields.shape[1])]

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw n points: base states through the flow, the last momenta dropped. Shape (n, d)."""
        states = self.base.sample(n, rng, self.weights[0].dtype)
        return np.asarray(self.flow.positions(*np.split(states, 2, axis=1)))

    def terms(self, x: Array, noise: Array, base_states: Array | None = None) -> Any:
        """Evaluate (mean ELBO, mean squares that are penalized): shape (1 + C,).

        Without base states the squares are left out. In a chain, each mean is also over the
        Hamiltonians: every one of them has to commute with g.
        """
        p, log_h = self.draw(x, noise)
        log_joint, squares = self.joint_and_squares(x, p, base_states)
        return anp.concatenate([_mean_difference(log_joint, log_h), *squares])

    def differentiated(
        self, x: Array, noise: Array, base_states: Array | None = None
    ) -> tuple[Array, Callable[[Array], list[Array]]]:
        """Evaluate `terms`, and return what turns their cotangent into those of the weights."""
        pieces = self._in_c(x, noise, base_states)
        if pieces is not None:
            return pieces.terms, pieces.pull_back
        vjp, terms = make_vjp(
            lambda boxes: self.objective.at(boxes).terms(x, noise, base_states), self.weights
        )
        return terms, vjp

    def _in_c(self, x: Array, noise: Array, base_states: Array | None) -> _TermsInC | None:
        """Evaluate the terms by kernels in C from end to end, where all pieces allow that."""
        parts = self.objective
        encoder, constraint, integrator = parts.encoder, parts.constraint, parts.layout.integrator
        if (
            not isinstance(encoder, KernelEncoder)
            or not goes_with_draw(encoder, "kernel")
            or not isinstance(integrator, Splitting)
            or not isinstance(parts.base, NumericBase)
            or (constraint is not None and constraint.states != "base")
        ):
            return None
        draw = encoder.kernel(tuple(self.encoder_weights))
        probes = _no_states(x) if base_states is None else base_states
        hamiltonians = self.flow.hamiltonians[::-1]
        backward = integrator.backward()
        plan = integrator.plan(hamiltonians, len(x), len(probes), factors=backward)
        if draw is None or plan is None:
            return None
        chain, weights = plan
        kernel = chain.kernel(tuple(weights))
        if kernel is None:
            return None
        penalty = None if base_states is None or constraint is None else constraint.penalty
        if not isinstance(penalty, MeanSquaredBracket | None):
            return None
        return _TermsInC(draw, kernel, parts.base, penalty, len(hamiltonians), x, noise, probes)

    def joint_and_squares(
        self, x: Array, p: Any, base_states: Array | None
    ) -> tuple[Any, list[Any]]:
        """Evaluate ln p(x, p), (n,), and arrays of the mean squares that are penalized."""
        states, squares = self._moved(self.flow.inverse_with_fields, x, p, base_states)
        return self.base.log_prob(states), squares

    def pushed(self, starts: Array, base_states: Array | None = None) -> tuple[Any, list[Any]]:
        """Push base states (n, 2d) forward, and evaluate the mean squares that are penalized."""
        q, p = starts[:, : self.base.dim], starts[:, self.base.dim :]
        return self._moved(self.flow.forward_with_fields, q, p, base_states)

    def log_encoder(self, q: Any, p: Any) -> Any:
        """Evaluate ln h(p|q), of an encoder that knows it: (n, d) twice to (n,), nats."""
        encoder: Any = self.objective.encoder
        return encoder.log_prob(self.encoder_weights, q, p)

    def _moved(
        self, move: Callable[..., Any], q: Any, p: Any, base_states: Array | None
    ) -> tuple[Any, list[Any]]:
        """Take states to the other end of the flow, (n, 2d), and evaluate the mean squares."""
        constraint = self.objective.constraint
        if constraint is None or base_states is None:
            return move(q, p, _no_states(q))[0], []
        penalty, squares = constraint.penalty, []
        bracket = (
            penalty if isinstance(penalty, MeanSquaredBracket) and constraint.on_base else None
        )
        probes = _no_states(q) if bracket is None else base_states
        states, fields = move(q, p, probes)
        if bracket is not None:
            squares.append(bracket.of_fields(fields, probes))
        elif constraint.on_base:
            squares.append(penalty.terms(self.flow, base_states))
        if constraint.on_data:
            squares.append(penalty.terms(self.flow, _ends(q, p, states)))
        return states, squares

    def penalty_terms(self, x: Array, noise: Array, base_states: Array | None) -> Any:
        """Evaluate what is penalized alone: shape (C,)."""
        constraint = self.objective.constraint
        if constraint is None or base_states is None:
            return np.empty(0, x.dtype)
        found = []
        if constraint.on_base:
            found.append(constraint.penalty.terms(self.flow, base_states))
        if constraint.on_data:
            p = constant(self.draw(x, noise)[0])
            pulled = self.flow.inverse_with_fields(x, p, _no_states(x))[0]
            found.append(constraint.penalty.terms(self.flow, _ends(x, p, pulled)))
        return anp.concatenate(found)


def _ends(x: Array, p: Any, states: Any) -> Array:
    """Return both ends of the data's trajectories, through which no gradient flows: (2n, 2d)."""
    return np.concatenate([np.concatenate([x, constant(p)], axis=1), constant(states)])


@primitive  # type: ignore[untyped-decorator]
def _mean_difference(a: Array, b: Array) -> Array:
    """Average a − b over the batch, as one node: (n,) twice to (1,)."""
    result: Array = np.mean(a - b, keepdims=True)
    return result


def _shared(sign: int, like: Array) -> Any:
    weights = np.full(len(like), sign / len(like), like.dtype)
    return lambda bar: bar * weights


defvjp(
    _mean_difference,
    lambda _answer, a, b: _shared(1, b),
    lambda _answer, a, b: _shared(-1, b),
)


class _TermsInC:
    """`BoundModel.terms` in its commonest form, one kernel in C after the other and back.

    At small batches a node on the tape takes as long as a kernel; here there is none.
    """

    def __init__(
        self,
        draw: NativeDraw,
        chain: NativeChain,
        base: NumericBase,
        penalty: MeanSquaredBracket | None,
        hamiltonians: int,
        x: Array,
        noise: Array,
        probes: Array,
    ) -> None:
        self._draw, self._chain, self._hamiltonians = draw, chain, hamiltonians
        self._squares: Callable[[Array], Array] | None = None
        drawn = draw.forward(x, noise, keep=True)
        self._out = out = chain.forward(x, drawn[:, :-1], probes, keep=True)
        values = base.value_and_gradient(out[: len(x)])
        self._slopes = values[:, 1:]
        self.terms = np.mean(values[:, 0] - drawn[:, -1], keepdims=True)
        if penalty is not None:
            fields = out[len(x) :].reshape(len(probes), hamiltonians, -1)
            squares, self._squares = penalty.squares_and_pullback(fields, probes)
            self.terms = np.concatenate([self.terms, squares])

    def pull_back(self, bar: Array) -> list[Array]:
        """Turn the cotangent of the terms into those of the weights."""
        count = len(self._slopes)
        share = bar[0] / self._out.dtype.type(count)
        bars = np.empty_like(self._out)
        np.multiply(self._slopes, share, out=bars[:count])
        if self._squares is None:
            bars[count:] = 0
        else:
            bars[count:] = self._squares(bar[1:]).reshape(-1, bars.shape[1])
        (_, p_bar, _), chain_bars = self._chain.pull_back(bars)
        drawn_bar = np.empty((count, p_bar.shape[1] + 1), p_bar.dtype)
        drawn_bar[:, :-1], drawn_bar[:, -1] = p_bar, -share
        _, encoder_bars = self._draw.pull_back(drawn_bar)
        size = len(chain_bars) // self._hamiltonians  # the last Hamiltonian's come first
        starts = range(len(chain_bars) - size, -1, -size)
        ordered = [bar for start in starts for bar in chain_bars[start : start + size]]
        return ordered + encoder_bars


def _no_states(q: Any) -> Array:
    return np.empty((0, 2 * q.shape[1]), q.dtype)
