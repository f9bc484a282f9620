"""The step of `particles` in JAX: loss, gradient and Adam as one jitted function."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.benchmarks.contender import flat
from tests.benchmarks.loss import draw
from tests.benchmarks.particles import (
    GAUSSIANS,
    HAMILTONIANS,
    REACH,
    STEP_SIZE,
    ParticleStep,
)
from tests.benchmarks.peers_jax import OPERATIONS, _adam
from tests.benchmarks.problem import BETA1, BETA2, LEARNING_RATE, Array

_SMOOTH = 0.01
ARRANGEMENTS = ("written out", "nested")


class _Energy:
    """A sum over pairs, and over particles of what each has around it."""

    def __init__(self, problem: ParticleStep, of: str) -> None:
        layout = problem.energy(of).layout
        rows, forms, dim = layout.forms.shape
        self._matrix = jnp.asarray(layout.forms.reshape(rows * forms, dim), jnp.float32)
        self._incidence = jnp.asarray(layout.incidence, jnp.float32)
        self._shape = rows, forms
        self._centres = jnp.linspace(0, REACH, GAUSSIANS, dtype=jnp.float32)

    def _inputs(self, x: Any) -> tuple[Any, ...]:
        forms = (x @ self._matrix.T).reshape(len(x), *self._shape)
        squared = (forms**2).sum(2, keepdims=True) / 2
        r = jnp.sqrt(2 * squared + _SMOOTH)
        from_centres = (r - self._centres) / self._centres[1]
        bumps = jnp.exp(-(from_centres**2) / 2)
        return forms, r, from_centres, bumps, jnp.concatenate([squared, r, bumps], axis=2)

    def value(self, weights: Sequence[Any], x: Any) -> Any:
        """Sum over the batch too."""
        first, bias, last, shift, end = weights
        out = OPERATIONS.softplus(self._inputs(x)[4] @ first + bias[0]) @ last
        sites = jnp.einsum("sr,nrc->nsc", self._incidence, out[:, :, 1:])
        return out[:, :, 0].sum() + (OPERATIONS.softplus(sites + shift[0]) @ end).sum()

    def gradient(self, weights: Sequence[Any], x: Any) -> Any:
        """The chain rule written out: (n, d)."""
        first, bias, last, shift, end = weights
        forms, r, from_centres, bumps, inputs = self._inputs(x)
        z = inputs @ first + bias[0]
        out = OPERATIONS.softplus(z) @ last[:, 1:]
        sites = jnp.einsum("sr,nrc->nsc", self._incidence, out)
        back = OPERATIONS.sigmoid(sites + shift[0]) * end[:, 0]
        back = jnp.einsum("sr,nsc->nrc", self._incidence, back) @ last[:, 1:].T + last[:, 0]
        back = (back * OPERATIONS.sigmoid(z)) @ first.T
        of_r = (
            back[:, :, 1:2]
            - (back[:, :, 2:] * bumps * from_centres).sum(2, keepdims=True) / (self._centres[1])
        )
        of_forms = (back[:, :, :1] + of_r / r) * forms
        return of_forms.reshape(len(x), -1) @ self._matrix


class JaxParticles:
    """The compiled step and its state."""

    def __init__(self, problem: ParticleStep, arrangement: str) -> None:
        flow = problem.flow()
        weights = [jnp.array(array) for array in flow.weights]
        energies = _Energy(problem, "p"), _Energy(problem, "q")
        nested = arrangement == "nested"
        self._of_p, self._of_q = (
            jax.grad(of.value, argnums=1) if nested else of.gradient for of in energies
        )
        self._inputs = [jnp.asarray(array) for array in problem.inputs]
        firsts, seconds = ([jnp.zeros_like(w) for w in weights] for _ in range(2))
        self._state: Any = (jnp.zeros((), jnp.float32), weights, firsts, seconds)
        self._gradients = jax.jit(jax.value_and_grad(self._loss))
        step = jax.jit(self._advanced, donate_argnums=0)
        self._step = step.lower(self._state, *self._inputs).compile()

    def _loss(self, weights: Sequence[Any], x: Any, noise: Any) -> Any:
        each = (len(weights) - 12) // (2 * HAMILTONIANS)
        energies = weights[: 2 * HAMILTONIANS * each]
        p, log_h = draw(OPERATIONS, weights[len(energies) :], x, noise)
        q = x
        for start in range(len(energies) - 2 * each, -1, -2 * each):
            kinetic, potential = energies[start : start + each], energies[start + each :][:each]
            p = p + STEP_SIZE / 2 * self._of_q(potential, q)
            q = q - STEP_SIZE * self._of_p(kinetic, p)
            p = p + STEP_SIZE / 2 * self._of_q(potential, q)
        log_base = -0.5 * (q**2 + p**2).sum(1) - x.shape[1] * np.log(2 * np.pi)
        return -(log_base - log_h).mean()

    def _advanced(self, state: Any, x: Any, noise: Any) -> Any:
        iteration, weights, firsts, seconds = state
        gradients = jax.grad(self._loss)(weights, x, noise)
        iteration = iteration + 1
        scale = LEARNING_RATE / (1 - BETA1**iteration), 1 / (1 - BETA2**iteration)
        update = partial(_adam, scale=scale)
        moved = [*map(update, weights, gradients, firsts, seconds)]
        return (iteration, *(list(part) for part in zip(*moved, strict=True)))

    def evaluate(self) -> Array:
        """Return the mean ELBO and the loss's gradient."""
        value, gradients = self._gradients(self._state[1], *self._inputs)
        return flat([-value, *gradients])

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self._state = self._step(self._state, *self._inputs)
        jax.block_until_ready(self._state)
