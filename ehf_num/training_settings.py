"""How a training run goes: its length, its objective, its steps and when it stops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ehf_num import checks
from ehf_num.adam import AdamSettings
from ehf_num.bounds import Bound
from ehf_num.checkpoint import Checkpoint
from ehf_num.learning_rate import factors_of
from ehf_num.multipliers import MultiplierSettings


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how fast to train, and on what.

    Attributes
    ----------
    iterations : int
        At most so many.
    batch_size : int
        Of minibatches, and of the base states that the brackets are penalized on.
    adam : AdamSettings
        The optimizer's.
    schedule : str, LearningRateSchedule or callable
        What the learning rate is multiplied by.
    bound : Bound
        What is raised.
    multipliers : MultiplierSettings
        κ, and how λ follows it; of use where brackets are penalized.
    patience : int or None
        Records without a better validation figure before training stops; then, and whatever else
        ends it, the weights go back to the best. None: they stay the last.
    progress : bool or None
        Progress bar; None: only on a terminal.
    checkpoint : Checkpoint or None
        Where the state of the run is written, and read if it is there.
    records : int
        About how many rows the history gets; memory does not grow with iterations.

    Raises
    ------
    ehf_sym.ArgumentError
        If one of them is out of range; the message names it.

    Examples
    --------
    >>> TrainingSettings(iterations=1200).record_every
    4
    """

    iterations: int = 15_000
    batch_size: int = 128
    adam: AdamSettings = field(default_factory=AdamSettings)
    schedule: Any = "constant"
    bound: Bound = field(default_factory=Bound)
    multipliers: MultiplierSettings = field(default_factory=lambda: MultiplierSettings(kappa=1e-3))
    patience: int | None = None
    progress: bool | None = None
    checkpoint: Checkpoint | None = None
    records: int = 300

    def __post_init__(self) -> None:
        for name in ("iterations", "batch_size"):
            object.__setattr__(self, name, checks.positive_integer(getattr(self, name), name))
        if self.patience is not None:
            checks.positive_integer(self.patience, "patience")
        checks.one_of(self.progress, "progress", (None, True, False))
        factors_of(self.schedule, self.iterations)

    @property
    def record_every(self) -> int:
        """Iterations between two records."""
        return max(1, self.iterations // self.records)
