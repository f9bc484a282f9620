"""What a contender of the training step is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tests.benchmarks.problem import Array, Problem


class Contender(Protocol):
    """One implementation of the step, ready to run."""

    def evaluate(self) -> Array:
        """Return mean ELBO, mean squared bracket and the gradient of L, in one flat vector."""

    def advance(self, steps: int) -> None:
        """Do so many steps and wait for the last to end."""

    def weights(self) -> Array:
        """Return the present weights, flat."""


Make = Callable[[Problem], Contender]


@dataclass(frozen=True)
class Entry:
    """A row of the table: a name, and arrangements of which the fastest counts."""

    name: str
    arrangements: dict[str, Make]


def flat(arrays: Sequence[Any]) -> Array:
    """Put arrays of any library into one vector."""
    return np.concatenate([np.asarray(array).ravel() for array in arrays])
