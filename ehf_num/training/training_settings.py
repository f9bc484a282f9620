"""How a training run goes: its length, its objective, its steps and when it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ehf_num.engine import arguments
from ehf_num.engine.adam import AdamSettings
from ehf_num.files.checkpoint import Checkpoint
from ehf_num.files.result import TrainingRecord
from ehf_num.training.bounds import Bound
from ehf_num.training.energy_bound import EnergyBound
from ehf_num.training.learning_rate import factors_of
from ehf_num.training.multipliers import MultiplierSettings
from ehf_sym.errors import ArgumentError

Observer = Callable[[TrainingRecord], object]
"""Called at each record; what it returns is not looked at."""

_RECORDS = 300


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
    bound : Bound or EnergyBound
        What is raised.
    multipliers : MultiplierSettings
        κ, and how λ follows it; of use where brackets are penalized.
    patience : int or None
        Iterations without a better validation figure before training stops, which records tell;
        then, and whatever else ends it, the weights go back to the best. None: they stay the last.
    progress : bool or None
        Progress bar; None: only on a terminal.
    checkpoint : Checkpoint or None
        Where the state of the run is written, and read if it is there.
    record_every : int or None
        Iterations between two records; None: so many that the history gets about 300 rows, and its
        memory does not grow with iterations.
    on_record : callable or None
        Called with a `TrainingRecord` at each record.

    Raises
    ------
    ehf_sym.ArgumentError
        If one of them is out of range; the message names it.

    Examples
    --------
    >>> TrainingSettings(iterations=1200).interval
    4
    """

    iterations: int = 15_000
    batch_size: int = 128
    adam: AdamSettings = field(default_factory=AdamSettings, metadata={"group": True})
    schedule: Any = "constant"
    bound: Bound | EnergyBound = field(default_factory=Bound, metadata={"group": True})
    multipliers: MultiplierSettings = field(
        default_factory=lambda: MultiplierSettings(kappa=1e-3), metadata={"group": True}
    )
    patience: int | None = None
    progress: bool | None = field(default=None, metadata={"watches": True})
    checkpoint: Checkpoint | None = field(default=None, metadata={"watches": True})
    record_every: int | None = None
    on_record: Observer | None = field(default=None, metadata={"watches": True})

    def __post_init__(self) -> None:
        for name in ("iterations", "batch_size"):
            object.__setattr__(self, name, arguments.positive_integer(getattr(self, name), name))
        for name in ("patience", "record_every"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, arguments.positive_integer(value, name))
        arguments.one_of(self.progress, "progress", (None, True, False))
        observer: object = self.on_record
        if observer is not None and (not callable(observer) or isinstance(observer, type)):
            raise ArgumentError(
                f"on_record was {observer!r}; it should be a function of one TrainingRecord"
            )
        factors_of(self.schedule, self.iterations)

    @property
    def interval(self) -> int:
        """Iterations between two records."""
        return self.record_every or max(1, self.iterations // _RECORDS)
