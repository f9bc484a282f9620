"""The training loop: minibatches in, moved parameters and a result out."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from tqdm import tqdm

from ehf_num.adam import Adam
from ehf_num.archive import ModelFileError
from ehf_num.checkpoint import Checkpoint, fingerprint, read_checkpoint, write_checkpoint
from ehf_num.data import TrainingData
from ehf_num.learning_rate import factors_of
from ehf_num.minibatch import Minibatch
from ehf_num.multipliers import Multipliers
from ehf_num.objective import Objective
from ehf_num.parallel import one_blas_thread
from ehf_num.parameters import ParameterVector
from ehf_num.result import HISTORY_FIELDS, History, TrainingResult, versions
from ehf_num.reversal import watch_reversals
from ehf_num.training_settings import TrainingSettings
from ehf_num.workspace import Array, release


class TrainingWarning(UserWarning):
    """Training ended before its last iteration and not by early stopping."""


class _Run:
    """One run's moving parts."""

    def __init__(
        self,
        objective: Objective,
        parameters: ParameterVector,
        data: TrainingData,
        settings: TrainingSettings,
        rng: np.random.Generator,
    ) -> None:
        self.objective, self.parameters = objective, parameters
        self.data, self.settings, self.rng = data, settings, rng
        self.dtype = parameters.flat.dtype
        self.adam = Adam(parameters.flat.size, settings.adam, self.dtype)
        self.factors = factors_of(settings.schedule, settings.iterations)
        constraint = objective.constraint
        self.multipliers = Multipliers(
            0 if constraint is None else len(constraint.names), settings.multipliers
        )
        self.previous, self.gradient = parameters.flat.copy(), np.empty_like(parameters.flat)
        self.iteration = 0
        self.window: list[Array] = []
        self.rows: list[tuple[Any, ...]] = []
        self.best = (-np.inf, 0, parameters.flat)
        # Fixed noise: validation ELBOs of two records differ by the weights alone.
        self.held_out: tuple[Array, Array] | None = None
        if data.validation is not None:
            points = settings.bound.repeat(data.validation)
            self.held_out = points, self._normal(points.shape)

    def _normal(self, shape: tuple[int, ...]) -> Array:
        return self.rng.standard_normal(shape).astype(self.dtype, copy=False)

    def step(self) -> bool:
        """Do one iteration; False where the loss or its gradient is not finite."""
        bound, constraint = self.settings.bound, self.objective.constraint
        x = bound.repeat(self.data.next_batch(self.rng))
        noise = self._normal(x.shape)
        base_states = None
        if constraint is not None:
            count = self.settings.batch_size if constraint.on_base else 0
            base = self.objective.base_at(self.parameters.arrays)
            base_states = base.sample(count, self.rng, self.dtype)
        batch = Minibatch(x, noise, base_states)
        terms = bound.step(
            self.objective,
            self.parameters.arrays,
            batch,
            self.multipliers.values,
            self.gradient,
        )
        if not (np.isfinite(terms).all() and np.isfinite(self.gradient).all()):
            return False
        np.copyto(self.previous, self.parameters.flat)
        self.adam.step(self.parameters.flat, self.gradient, self.factors(self.iteration))
        self.multipliers.update(terms[1:])
        self.window.append(terms)
        self.iteration += 1
        return True

    def record(self) -> None:
        """Close the window: one more row of history, and the best weights so far."""
        means: Array = np.asarray(np.mean(self.window, axis=0, dtype=np.float64))
        self.window.clear()
        held_out = np.nan
        if self.held_out is not None:
            held_out = self.settings.bound.mean(
                self.objective, self.parameters.arrays, *self.held_out
            )
            if held_out > self.best[0]:
                self.best = (held_out, len(self.rows), self.parameters.flat.copy())
        self.rows.append((self.iteration, means[0], means[1:], self.multipliers.values, held_out))

    @property
    def out_of_patience(self) -> bool:
        """Whether validation has not improved for too many records."""
        patience = self.settings.patience
        return patience is not None and len(self.rows) - 1 - self.best[1] >= patience

    def fingerprint(self) -> str:
        """Name the run by what it starts from."""
        settings, schedule = self.settings, self.settings.schedule
        if callable(schedule):  # a function's own text holds its address
            schedule = getattr(schedule, "__qualname__", type(schedule).__name__)
        options = replace(settings, schedule="constant", progress=None, checkpoint=None)
        held_out = () if self.held_out is None else self.held_out
        state = self.rng.bit_generator.state
        points = () if self.data.order is None else (self.data.order.points,)
        moved = self.data.augmented
        return fingerprint(
            self.parameters.flat, options, schedule, moved, state, *held_out, *points
        )

    def save(self, checkpoint: Checkpoint, name: str) -> None:
        """Write all that the next iteration depends on."""
        history = self.history()
        arrays = {f"history_{n}": getattr(history, n) for n in HISTORY_FIELDS}
        arrays |= {"weights": self.parameters.flat, "best": self.best[2]}
        arrays |= {"window": np.array(self.window), "multipliers": self.multipliers.values}
        arrays |= {f"adam_{n}": array for n, array in self.adam.moments.items()}
        if self.data.order is not None:
            arrays["queue"] = self.data.order.queue
        if self.multipliers.average is not None:
            arrays["average"] = self.multipliers.average
        plain = {
            "iteration": self.iteration,
            "best": [float(self.best[0]), self.best[1]],
            "random_state": self.rng.bit_generator.state,
        }
        write_checkpoint(checkpoint, name, plain, arrays)

    def resume(self, checkpoint: Checkpoint, name: str) -> None:
        """Go on where a checkpoint ended, if there is one."""
        found = read_checkpoint(checkpoint, name)
        if found is None:
            return
        plain, arrays = found
        try:
            self._resume(plain, arrays)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelFileError(f"{checkpoint.path} is damaged: {error}") from error

    def _resume(self, plain: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        np.copyto(self.parameters.flat, arrays["weights"])
        self.iteration = self.adam.iteration = int(plain["iteration"])
        for name, array in self.adam.moments.items():
            np.copyto(array, arrays[f"adam_{name}"])
        self.multipliers.values = arrays["multipliers"]
        self.multipliers.average = arrays.get("average")
        self.window = list(arrays["window"])
        columns = (arrays[f"history_{name}"] for name in HISTORY_FIELDS)
        self.rows = list(zip(*columns, strict=True))
        value, row = plain["best"]
        if np.isfinite(value):  # else there was no record yet, and the best are the present ones
            self.best = (float(value), int(row), arrays["best"])
        if self.data.order is not None:
            self.data.order.queue = arrays["queue"]
        self.rng.bit_generator.state = plain["random_state"]

    def restore(self, flat: Array) -> None:
        """Put earlier weights back."""
        np.copyto(self.parameters.flat, flat)

    def history(self) -> History:
        """Turn the rows into arrays."""
        count = len(self.multipliers.values)
        columns = list(zip(*self.rows, strict=True)) or [()] * 5
        return History(
            iteration=np.array(columns[0], dtype=np.int64),
            elbo=np.array(columns[1], dtype=np.float64),
            squared_brackets=np.array(columns[2], dtype=np.float64).reshape(len(self.rows), count),
            multipliers=np.array(columns[3], dtype=np.float64).reshape(len(self.rows), count),
            validation_elbo=np.array(columns[4], dtype=np.float64),
        )


def _loop(run: _Run, on_record: Callable[[_Run], None]) -> str:
    """Iterate until something ends it; say what."""
    settings, checkpoint = run.settings, run.settings.checkpoint
    name = ""
    if checkpoint is not None:
        name = run.fingerprint()
        run.resume(checkpoint, name)
    while run.iteration < settings.iterations:
        if not run.step():
            run.restore(run.previous)
            return "non_finite"
        if run.iteration % settings.record_every == 0 or run.iteration == settings.iterations:
            run.record()
            on_record(run)
            if run.out_of_patience:
                return "early_stopping"
        if checkpoint is not None and run.iteration % checkpoint.every == 0:
            run.save(checkpoint, name)
    return "iterations"


def _show(bar: Any) -> Callable[[_Run], None]:
    def show(run: _Run) -> None:
        _, elbo, squares, multipliers, held_out = run.rows[-1]
        elbo_alone = run.settings.bound.objective == "elbo"
        figures = {"ELBO" if elbo_alone else "bound": f"{elbo:.3f}"}
        if len(squares):
            figures |= {"{g,H}²": f"{max(squares):.1e}", "λ": f"{max(multipliers):.1e}"}
        if np.isfinite(held_out):
            figures["held out"] = f"{held_out:.3f}"
        bar.update(run.iteration - bar.n)
        bar.set_postfix(figures)

    return show


def train(
    objective: Objective,
    parameters: ParameterVector,
    data: TrainingData,
    settings: TrainingSettings,
    rng: np.random.Generator,
    seed: int | None = None,
) -> TrainingResult:
    """Move the parameters, in place, towards the saddle point of the Lagrangian.

    Whatever ends the run, the parameters are the last good ones, or the best on the points held
    out where there is patience: Ctrl-C keeps what was learned; a loss or gradient that is not
    finite stops the run one update earlier, with a `TrainingWarning`.

    Parameters
    ----------
    objective, parameters, data, settings
        What is learned, from where, from what, and how.
    rng : Generator
        Draws minibatches, noise and base states.
    seed : int or None
        Recorded in the result.

    Returns
    -------
    TrainingResult
    """
    start = time.perf_counter()
    disable = None if settings.progress is None else not settings.progress
    with (
        watch_reversals() as reversals,
        tqdm(total=settings.iterations, disable=disable, unit="it", leave=False) as bar,
    ):
        run = _Run(objective, parameters, data, settings, rng)
        try:
            with one_blas_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                stop_reason = _loop(run, _show(bar))
        except KeyboardInterrupt:
            stop_reason = "interrupted"
        if settings.patience is not None:
            run.restore(run.best[2])
    release()
    result = TrainingResult(
        history=run.history(),
        stop_reason=stop_reason,
        iterations=run.iteration,
        seconds=time.perf_counter() - start,
        seed=seed,
        versions=versions(),
        reversal_error=reversals.largest,
        augmented=data.augmented,
        objective=settings.bound.objective,
        draws=settings.bound.draws,
        constraints=() if objective.constraint is None else objective.constraint.names,
        kappa=None if objective.constraint is None else settings.multipliers.kappa,
    )
    if stop_reason in ("non_finite", "interrupted"):
        warnings.warn(
            f"training ended early: {result}; the last good parameters are kept",
            TrainingWarning,
            stacklevel=3,
        )
    return result
