"""How the learning rate goes over a run: a factor for each iteration."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

from ehf_num.engine.arguments import as_float, one_of
from ehf_sym.errors import ArgumentError

Factors = Callable[[int], float]
"""Iterations done, 0 first, to what the learning rate is multiplied by."""


@dataclass(frozen=True)
class LearningRateSchedule:
    """A linear warm-up, then a constant rate or half a wave of the cosine down to a last factor.

    Attributes
    ----------
    decay : {"constant", "cosine"}
        What follows the warm-up: 1; or final + (1 − final)(1 + cos πt)/2, t from 0 to 1 over the
        iterations that are left (arXiv:1608.03983, without restarts).
    warmup : int
        Iterations over which the factor grows from 1/(warmup + 1) to 1.
    final : float
        Factor at the end of a cosine, in [0, 1].

    Raises
    ------
    ehf_sym.ArgumentError
        If one of them is out of range.

    Examples
    --------
    >>> factors = LearningRateSchedule("cosine", warmup=3).factors(iterations=103)
    >>> [round(factors(k), 3) for k in (0, 1, 2, 3, 53, 102)]
    [0.25, 0.5, 0.75, 1.0, 0.5, 0.0]
    """

    decay: str = "constant"
    warmup: int = 0
    final: float = 0.0

    def __post_init__(self) -> None:
        one_of(self.decay, "decay", ("constant", "cosine"))
        warmup: object = self.warmup
        if isinstance(warmup, bool) or not isinstance(warmup, int) or warmup < 0:
            raise ArgumentError(f"warmup was {warmup!r}; it should be an int, 0 or more")
        final: object = self.final
        if isinstance(final, bool) or not isinstance(final, Real) or not 0 <= as_float(final) <= 1:
            raise ArgumentError(f"final was {final!r}; it should be a number in [0, 1]")

    def factors(self, iterations: int) -> Factors:
        """Return the factor as a function of the iterations done, in a run of so many."""
        length = max(1, iterations - self.warmup)

        def factor(done: int) -> float:
            if done < self.warmup:
                return (done + 1) / (self.warmup + 1)
            if self.decay == "constant":
                return 1.0
            t = min(1.0, (done - self.warmup) / length)
            return self.final + (1 - self.final) * (1 + math.cos(math.pi * t)) / 2

        return factor


def factors_of(schedule: Any, iterations: int) -> Factors:
    """Return the factors of a schedule, of a word for one, or of a user's own function.

    Raises
    ------
    ehf_sym.ArgumentError
        If it is none of them; from the factors, if a user's function returns no finite number ≥ 0.

    Examples
    --------
    >>> factors_of("cosine", 100)(50)
    0.5
    >>> factors_of(lambda done: 0.9**done, 100)(2)
    0.81
    """
    if isinstance(schedule, str):
        one_of(schedule, "schedule", ("constant", "cosine"))
        schedule = LearningRateSchedule(schedule)
    if isinstance(schedule, LearningRateSchedule):
        return schedule.factors(iterations)
    if not callable(schedule):
        raise ArgumentError(
            f'schedule was {schedule!r}; it should be "constant", "cosine", a '
            "LearningRateSchedule, or a function of the number of iterations done"
        )

    def factor(done: int) -> float:
        value = schedule(done)
        if not isinstance(value, Real) or not 0 <= as_float(value) < math.inf:
            raise ArgumentError(
                f"schedule({done}) was {value!r}; it should be a finite number, 0 or more"
            )
        return float(value)

    return factor
