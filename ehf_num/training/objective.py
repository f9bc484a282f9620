"""What training works on: the ELBO and the mean squared brackets, as functions of the weights.

    ELBO(q) = E_{h(p|q)}[ln π(flow⁻¹(q, p)) − ln h(p|q)]                            (eq. 1)
    L = −mean ELBO + Σ_k λ_k (E_π[{g_k, H}²] − κ),   min over weights, max over λ ≥ 0

The loss has two stages, each with its pullback: `BoundModel.drawn` makes momenta of noise,
`BoundModel.joint` the log density and the mean squares of `constraint`. A stage goes through the
kernels in C where they know its parts, else over the tape; the bounds put them together by hand,
since at small batches a node on the tape takes as long as a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import autograd.numpy as anp
import numpy as np

from ehf_num.densities.base import NumericBase
from ehf_num.densities.encoder import Encoder, draw_kernel, drawn_rows, encoder_score
from ehf_num.densities.learned_base import LearnedBase
from ehf_num.engine.tape import constant, make_vjp
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.flow import HamiltonianFlow
from ehf_num.hamiltonian.parameters import Layout
from ehf_num.training.constraint import Constraint, MeanSquaredBracket, brackets_with
from ehf_sym import NumpyFormula

Pullback = Callable[[Array], list[Array]]


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
class Carried:
    """h(p|q) = h(p'|q') / |det A|, p = A p': an encoder of where the Hamiltonians find states.

    q' and A are what the integrators make of q besides; with no Hamiltonian, and h = N(0, 1), it
    is the model's own p(p|q).

    Attributes
    ----------
    encoder : Encoder
        Of q' and p'.
    flow : HamiltonianFlow
        Has the integrators.
    """

    encoder: Encoder
    flow: HamiltonianFlow

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the encoder's weights."""
        return self.encoder.init(rng, dtype)

    def draw(self, weights: Sequence[Any], q: Any, noise: Any) -> tuple[Any, Any]:
        """Turn noise (n, d) into p (n, d) and ln h(p|q) (n,)."""
        q, carrier = self.flow.carried_back(q)
        p, log_h = self.encoder.draw(weights, q, noise)
        p = anp.reshape(anp.matmul(carrier, anp.expand_dims(p, 2)), p.shape)
        return p, log_h - anp.linalg.slogdet(carrier)[1]

    def score(self, weights: Sequence[Any], q: Array, noise: Array) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p at the p drawn from the noise: (n, d)."""
        q, carrier = self.flow.carried_back(q)
        score = encoder_score(self.encoder, weights, q, noise)
        return np.linalg.solve(carrier.transpose(0, 2, 1), score[:, :, np.newaxis])[:, :, 0]

    def log_prob(self, weights: Sequence[Any], q: Any, p: Any) -> Any:
        """Evaluate ln h(p|q), of an encoder that knows it: (n, d) twice to (n,), nats."""
        encoder: Any = self.encoder
        q, carrier = self.flow.carried_back(q)
        p = anp.reshape(anp.linalg.solve(carrier, anp.expand_dims(p, 2)), p.shape).astype(q.dtype)
        return encoder.log_prob(weights, q, p) - anp.linalg.slogdet(carrier)[1]


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

    @property
    def encoder(self) -> Encoder:
        """h(p|q): the encoder, carried along where the integrator moves q besides H."""
        encoder = self.objective.encoder
        return Carried(encoder, self.flow) if self.carries else encoder

    @property
    def carries(self) -> bool:
        """Whether the integrator moves q besides H."""
        return bool(getattr(self.objective.layout.integrator, "carries", False))

    def draw(self, x: Any, noise: Any) -> tuple[Any, Any]:
        """Turn noise into momenta of points and ln h(p|x): (n, d) twice to (n, d) and (n,)."""
        return self.encoder.draw(self.encoder_weights, x, noise)

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

    def differentiated(
        self, x: Array, noise: Array, base_states: Array | None = None
    ) -> tuple[Array, Pullback]:
        """Evaluate (mean ELBO, mean squares that are penalized), and return their pullback.

        The terms are (1 + C,); a cotangent of theirs becomes those of the weights. Without base
        states the squares are left out. In a chain, each mean is also over the Hamiltonians: every
        one of them has to commute with g.
        """
        if self.carries:  # h has weights of the flow's

            def terms(boxes: Sequence[Any]) -> Any:
                at = self.objective.at(boxes)
                elbo = anp.reshape(anp.mean(at.log_weights(x, noise)), (1,))
                return anp.concatenate([elbo, at.penalty_terms(x, noise, base_states)])

            vjp, found = make_vjp(terms, self.weights)
            return found, vjp
        rows, pull_to_encoder = self.drawn(x, noise)
        values, pull_to_flow = self.joint(x, rows[:, :-1], base_states)
        count, log_h = len(x), rows[:, -1]
        elbo = np.mean(values[:count] - log_h, keepdims=True)

        def pull_back(bar: Array) -> list[Array]:
            share, of_rows = bar[0] / rows.dtype.type(count), np.empty_like(rows)
            of_values = np.empty_like(values)
            of_values[:count], of_values[count:] = share, bar[1:]
            of_rows[:, :-1], *bars = pull_to_flow(of_values)
            of_rows[:, -1] = -share
            return self.objective.layout.with_encoder(bars, pull_to_encoder(of_rows))

        return np.concatenate([elbo, values[count:]]), pull_back

    def drawn(self, x: Array, noise: Array) -> tuple[Array, Pullback]:
        """Draw (p, ln h(p|x)) as rows (n, d + 1), and return their pullback to encoder weights."""
        encoder, weights = self.encoder, self.encoder_weights
        kernel = draw_kernel(encoder, weights)
        if kernel is None:
            vjp, rows = make_vjp(lambda boxes: drawn_rows(encoder, boxes, x, noise), weights)
            return rows, vjp
        rows = kernel.forward(x, noise, keep=True)
        return rows, lambda bar: kernel.pull_back(bar)[1]

    def joint(self, x: Array, p: Array, base_states: Array | None) -> tuple[Array, Pullback]:
        """Evaluate ln p(x, p) and the mean squares, (n + C,), and return their pullback.

        It turns a cotangent into that of p, and those of all weights but the encoder's.
        """
        in_c = self._joint_in_c(x, p, base_states)
        if in_c is not None:
            return in_c
        layout, encoder_weights = self.objective.layout, self.encoder_weights

        def values(boxes: Sequence[Any]) -> Any:
            model = self.objective.at(layout.with_encoder(boxes[1:], encoder_weights))
            log_joint, squares = model.joint_and_squares(x, boxes[0], base_states)
            return anp.concatenate([log_joint, *squares])

        vjp, found = make_vjp(values, [p, *layout.without_encoder(self.weights)])
        return found, vjp

    def _joint_in_c(
        self, x: Array, p: Array, base_states: Array | None
    ) -> tuple[Array, Pullback] | None:
        """Do it by kernels in C from end to end, where all parts allow that."""
        base, constraint = self.objective.base, self.objective.constraint
        penalty = None if base_states is None or constraint is None else constraint.penalty
        if (
            not isinstance(base, NumericBase)
            or not isinstance(penalty, MeanSquaredBracket | None)
            or (constraint is not None and constraint.on_data)
        ):
            return None
        probes = _no_states(x) if penalty is None or base_states is None else base_states
        kernel = self.flow.inverse_kernel(len(x), len(probes))
        if kernel is None:
            return None
        count, out = len(x), kernel.forward(x, p, probes, keep=True)
        value_and_slopes = base.value_and_gradient(out[:count])
        found, slopes, to_fields = value_and_slopes[:, 0], value_and_slopes[:, 1:], None
        if penalty is not None:
            fields = out[count:].reshape(len(probes), -1, out.shape[1])
            squares, to_fields = penalty.squares_and_pullback(fields, probes)
            found = np.concatenate([found, squares])

        def pull_back(bar: Array) -> list[Array]:
            bars = np.empty_like(out)
            np.multiply(slopes, bar[:count, np.newaxis], out=bars[:count])
            if to_fields is not None:
                bars[count:] = to_fields(bar[count:]).reshape(-1, out.shape[1])
            (_, p_bar, _), of_weights = kernel.pull_back(bars)
            size = len(of_weights) // len(self.flow.hamiltonians)  # the last one's come first
            starts = range(len(of_weights) - size, -1, -size)
            return [p_bar, *(each for k in starts for each in of_weights[k : k + size])]

        return found, pull_back

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
        encoder: Any = self.encoder
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


def _no_states(q: Any) -> Array:
    return np.empty((0, 2 * q.shape[1]), q.dtype)
