"""The step in PyTorch: eager, and compiled; fused Adam; one or two threads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

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

OPERATIONS = Operations(
    softplus=torch.nn.functional.softplus,
    sigmoid=torch.sigmoid,
    relu=torch.relu,
    log=torch.log,
    stack=torch.cat,
)


class TorchStep:
    """Loss by the tape or compiled, gradient by `backward`, PyTorch's own fused Adam."""

    def __init__(self, problem: Problem, threads: int, mode: str | None = None) -> None:
        self._threads = threads
        torch.set_num_threads(threads)
        self._inputs = [torch.from_numpy(a) for a in problem.inputs]
        self._multiplier = torch.tensor(MULTIPLIER, dtype=self._inputs[0].dtype)
        self._weights = [torch.tensor(w, requires_grad=True) for w in problem.weights]
        self._adam = torch.optim.Adam(
            self._weights, LEARNING_RATE, (BETA1, BETA2), EPSILON, fused=True
        )
        self._loss: Any = partial(loss_and_terms, OPERATIONS)
        if mode is not None:
            torch._dynamo.reset()  # else a shape seen before makes the next one a variable
            self._loss = torch.compile(self._loss, mode=mode, fullgraph=True, dynamic=False)

    def _backward(self) -> Any:
        self._adam.zero_grad()
        loss, terms = self._loss(self._weights, *self._inputs, self._multiplier)
        loss.backward()
        return terms

    def evaluate(self) -> Array:
        torch.set_num_threads(self._threads)
        terms = self._backward()
        return flat([*(t.detach() for t in terms), *(w.grad for w in self._weights)])

    def advance(self, steps: int) -> None:
        torch.set_num_threads(self._threads)
        for _ in range(steps):
            self._backward()
            self._adam.step()

    def weights(self) -> Array:
        return flat([w.detach() for w in self._weights])


def entries(modes: Sequence[str]) -> list[Entry]:
    """Eager, and compiled in the given modes, each with one and two threads."""
    eager = {f"{n} threads": partial(TorchStep, threads=n) for n in (1, 2)}
    compiled = {
        f"{mode}, {n} threads": partial(TorchStep, threads=n, mode=mode)
        for mode in modes
        for n in (1, 2)
    }
    both = {"PyTorch, eager": eager, "torch.compile": compiled}
    return [Entry(name, arrangements) for name, arrangements in both.items() if arrangements]
