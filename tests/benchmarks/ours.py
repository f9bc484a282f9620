"""The contenders that need nothing beyond the project: ours, and plain autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np

import ehf_num as en
from ehf_num.engine.networks import sigmoid, softplus
from ehf_num.engine.parallel import one_blas_thread
from ehf_num.training.bounds import Bound
from ehf_num.training.minibatches import Minibatch
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

ADAM = en.AdamSettings(LEARNING_RATE, BETA1, BETA2, EPSILON)


class Ours:
    """The step that `fit` does, but for the draws and λ's update."""

    def __init__(self, problem: Problem) -> None:
        self._model = problem.flow()
        self._batch = Minibatch(*problem.inputs)
        self._theta = self._model.flat_weights
        self._adam = en.Adam(self._theta.size, ADAM, self._theta.dtype)
        self._gradient = np.empty_like(self._theta)
        self._multipliers = np.array([MULTIPLIER])

    def _terms(self) -> Array:
        return Bound().step(
            self._model.bound,
            self._batch,
            self._multipliers,
            self._gradient,
        )

    def evaluate(self) -> Array:
        with one_blas_thread():
            return flat([self._terms(), self._gradient])

    def advance(self, steps: int) -> None:
        with one_blas_thread():
            for _ in range(steps):
                self._terms()
                self._adam.step(self._theta, self._gradient)

    def weights(self) -> Array:
        return self._theta.copy()


def _input_gradient(energy: Callable[[Any], Any]) -> Callable[[Any], Any]:
    gradient: Callable[[Any], Any] = autograd.grad(lambda x: anp.sum(energy(x)))
    return gradient


WRITTEN_OUT = Operations(
    softplus=softplus,
    sigmoid=sigmoid,
    relu=lambda z: anp.maximum(z, 0),
    log=anp.log,
    stack=anp.concatenate,
)
NESTED = replace(WRITTEN_OUT, nested=_input_gradient)


class PlainAutograd:
    """autograd as it is usually used, with our Adam."""

    def __init__(
        self,
        problem: Problem,
        operations: Operations,
        blas: Callable[[], AbstractContextManager[object]] = one_blas_thread,
    ) -> None:
        self._operations, self._inputs, self._blas = operations, problem.inputs, blas
        self._multiplier = np.asarray(MULTIPLIER, problem.dtype)
        self._shapes = [w.shape for w in problem.weights]
        self._theta = flat(problem.weights)
        self._adam = en.Adam(self._theta.size, ADAM, self._theta.dtype)

    def _terms_and_gradient(self) -> tuple[Array, Array]:
        kept: list[Any] = []

        def loss(weights: Sequence[Any]) -> Any:
            value, terms = loss_and_terms(
                self._operations, weights, *self._inputs, self._multiplier
            )
            kept.extend(getattr(term, "_value", term) for term in terms)
            return value

        gradient = flat(autograd.grad(loss)(self._arrays()))
        return flat(kept), gradient

    def _arrays(self) -> list[Array]:
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])[:-1]
        parts = np.split(self._theta, ends)
        return [part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)]

    def evaluate(self) -> Array:
        return flat(self._terms_and_gradient())

    def advance(self, steps: int) -> None:
        with self._blas():
            for _ in range(steps):
                self._adam.step(self._theta, self._terms_and_gradient()[1])

    def weights(self) -> Array:
        return self._theta.copy()


def autograd_entries() -> list[Entry]:
    operations = {"autograd, ∂H written out": WRITTEN_OUT, "autograd, nested grad": NESTED}
    blas = {"one BLAS thread": one_blas_thread, "BLAS with its own threads": nullcontext}
    return [
        Entry(
            name, {word: partial(PlainAutograd, operations=ops, blas=b) for word, b in blas.items()}
        )
        for name, ops in operations.items()
    ]
