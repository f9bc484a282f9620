"""The step in JAX: loss, gradient and Adam as one jitted function, all buffers donated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from tests.benchmarks.contender import Entry, flat
from tests.benchmarks.loss import Operations, loss_and_terms
from tests.benchmarks.problem import (
    BETA1,
    BETA2,
    EPSILON,
    LEARNING_RATE,
    MULTIPLIER,
    Array,
    Problem,
)

jax.config.update("jax_enable_x64", True)


def _softplus(z: Any) -> Any:
    """`jax.nn.softplus` is no faster, and exact to no more digits."""
    return jnp.maximum(z, 0) + jnp.log1p(jnp.exp(-jnp.abs(z)))


OPERATIONS = Operations(
    softplus=_softplus,
    sigmoid=jax.nn.sigmoid,
    relu=lambda z: jnp.maximum(z, 0),
    log=jnp.log,
    stack=jnp.concatenate,
)


def _adam(weight: Any, gradient: Any, first: Any, second: Any, scale: Any) -> tuple[Any, ...]:
    first = BETA1 * first + (1 - BETA1) * gradient
    second = BETA2 * second + (1 - BETA2) * gradient**2
    change = scale[0] * first / (jnp.sqrt(scale[1] * second) + EPSILON)
    return weight - change, first, second


def _step(
    operations: Operations, dtype: str, state: Any, x: Any, noise: Any, states: Any, multiplier: Any
) -> tuple[Any, Any]:
    iteration, weights, firsts, seconds = state
    loss = partial(loss_and_terms, operations)
    gradients, terms = jax.grad(loss, has_aux=True)(weights, x, noise, states, multiplier)
    iteration = iteration + 1
    scale = (
        (LEARNING_RATE / (1 - BETA1**iteration)).astype(dtype),
        (1 / (1 - BETA2**iteration)).astype(dtype),
    )
    moved = [
        _adam(*parts, scale) for parts in zip(weights, gradients, firsts, seconds, strict=True)
    ]
    return (iteration, *(list(part) for part in zip(*moved, strict=True))), terms


class JaxStep:
    """The compiled step and its state. Inputs are on the device before anything is timed."""

    def __init__(self, problem: Problem, operations: Operations = OPERATIONS) -> None:
        self._operations = operations
        self._inputs = [jnp.asarray(array) for array in problem.inputs]
        self._inputs.append(jnp.asarray(MULTIPLIER, problem.dtype))
        weights = [jnp.array(array) for array in problem.weights]
        firsts, seconds = ([jnp.zeros_like(w) for w in weights] for _ in range(2))
        self._state: Any = (jnp.zeros((), jnp.float64), weights, firsts, seconds)
        step = jax.jit(partial(_step, operations, problem.dtype), donate_argnums=0)
        self._step = step.lower(self._state, *self._inputs).compile()

    def evaluate(self) -> Array:
        gradient = jax.jit(jax.grad(partial(loss_and_terms, self._operations), has_aux=True))
        gradients, terms = gradient(self._state[1], *self._inputs)
        return flat([*terms, *gradients])

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self._state, _ = self._step(self._state, *self._inputs)
        jax.block_until_ready(self._state)

    def weights(self) -> Array:
        weights: Sequence[Any] = self._state[1]
        return flat(weights)


def entries(_modes: Sequence[str] = ()) -> list[Entry]:
    """Return the jitted step; the modes are those of torch.compile."""
    shared = replace(OPERATIONS, shared=True)
    arrangements = {"": JaxStep, "base states with the data": lambda p: JaxStep(p, shared)}
    return [Entry("JAX, jit", arrangements)]
