"""The training loop: minibatches in, moved parameters and a result out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ehf_num.engine.adam import Adam
from ehf_num.engine.parallel import one_blas_thread
from ehf_num.engine.reversal import watch_reversals
from ehf_num.engine.workspace import Array, release
from ehf_num.files.archive import ModelFileError, Shelf
from ehf_num.files.checkpoint import Checkpoint, fingerprint, read_checkpoint, write_checkpoint
from ehf_num.files.identity import RunIdentity
from ehf_num.files.result import HISTORY_FIELDS, History, TrainingRecord, TrainingResult, versions
from ehf_num.hamiltonian.parameters import ParameterVector
from ehf_num.training.interrupts import Interrupts
from ehf_num.training.learning_rate import factors_of
from ehf_num.training.minibatches import Minibatch, TrainingData
from ehf_num.training.multipliers import Multipliers
from ehf_num.training.objective import BoundModel, Objective
from ehf_num.training.progress import bar
from ehf_num.training.training_settings import Observer, TrainingSettings

_LONGEST = 500  # characters of a reason


class TrainingWarning(UserWarning):
    """Training ended before its last iteration and not by early stopping."""


class StopTraining(Exception):  # noqa: N818  # as StopIteration: no fault
    """Raised by an observer, `fit(on_record=)`, to end the run as its last iteration would."""


@dataclass(frozen=True, eq=False)
class Ending:
    """How a run ended.

    Attributes
    ----------
    result : TrainingResult
        What it leaves behind, whatever ended it.
    error : BaseException or None
        What ended it, if anything was raised but KeyboardInterrupt.
    fault : str or None
        What was not finite, where more is known of it.
    """

    result: TrainingResult
    error: BaseException | None
    fault: str | None = None


class Run:
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
        self.iteration = self.resumed_at = 0
        self.batch: Minibatch | None = None
        self.moving = False
        self.fault: str | None = None
        self.window: list[Array] = []
        self.rows: list[tuple[Any, ...]] = []
        self.best = (-np.inf, 0, parameters.flat)
        # Fixed noise: validation ELBOs of two records differ by the weights alone.
        self.held_out: Minibatch | None = None
        if data.validation is not None:
            points = settings.bound.repeat(data.validation)
            self.held_out = Minibatch(points, self._normal(points.shape))
        self.start = self.rng.bit_generator.state

    def _normal(self, shape: tuple[int, ...]) -> Array:
        return self.rng.standard_normal(shape).astype(self.dtype, copy=False)

    @property
    def _model(self) -> BoundModel:
        return self.objective.at(self.parameters.arrays)

    def step(self) -> bool:
        """Do one iteration; False where the loss or its gradient is not finite."""
        bound, constraint = self.settings.bound.at(self.iteration), self.objective.constraint
        x = bound.repeat(self.data.next_batch(self.rng))
        noise = self._normal(x.shape)
        base_states, model = None, self._model
        if constraint is not None or bound.starts_at_base:
            wanted = bound.starts_at_base or (constraint is not None and constraint.on_base)
            count = self.settings.batch_size if wanted else 0
            base_states = model.base.sample(count, self.rng, self.dtype)
        self.batch = Minibatch(x, noise, base_states)
        terms = bound.step(
            model,
            self.batch,
            self.multipliers.values,
            self.gradient,
        )
        if not (np.isfinite(terms).all() and np.isfinite(self.gradient).all()):
            self.fault = bound.fault(model, self.batch)
            return False
        factor = self.factors(self.iteration)
        np.copyto(self.previous, self.parameters.flat)
        self.moving = True
        self.adam.step(self.parameters.flat, self.gradient, factor)
        self.multipliers.update(terms[1:])
        self.window.append(terms)
        self.iteration += 1
        self.moving = False
        return True

    def record(self) -> None:
        """Close the window: one more row of history, and the best weights so far."""
        means: Array = np.asarray(np.mean(self.window, axis=0, dtype=np.float64))
        self.window.clear()
        held_out = self.settings.bound.of_held_out(self._model, self.held_out)
        if held_out > self.best[0]:
            self.best = (held_out, len(self.rows), self.parameters.flat.copy())
        self.rows.append((self.iteration, means[0], means[1:], self.multipliers.values, held_out))

    @property
    def out_of_patience(self) -> bool:
        """Whether validation has not improved for too many iterations."""
        patience = self.settings.patience
        return patience is not None and self.iteration - self.rows[self.best[1]][0] >= patience

    def settle(self, stop_reason: str) -> str:
        """Choose the weights that are kept; say what ended the run.

        The best on the points held out, where there is patience; else the present ones, if the
        loss that they have on the last minibatch is finite; else those before the last update.
        """
        if self.moving:  # broken off within an update
            self._restore(self.previous)
        if self.settings.patience is not None and np.isfinite(self.best[0]):
            self._restore(self.best[2])
        elif stop_reason == "non_finite" or not self._is_finite():
            self._restore(self.previous)
            return "non_finite" if stop_reason == "iterations" else stop_reason
        return stop_reason

    @property
    def is_worth_keeping(self) -> bool:
        """Whether a run can go on from here, or end here: no step will look at the last weights."""
        last = self.iteration == self.settings.iterations
        return self._is_finite() if last else self._has_finite_weights()

    def _has_finite_weights(self) -> bool:
        return bool(np.isfinite(self.parameters.flat).all())

    def _is_finite(self) -> bool:
        """Whether the present weights have a finite loss; what raises has none."""
        if self.batch is None:
            return self._has_finite_weights()
        try:
            values = self.settings.bound.values(self._model, self.batch)
        except Exception:  # of the user's own encoder or energy, which may be what ended the run
            return False
        return self._has_finite_weights() and bool(np.isfinite(values).all())

    def _restore(self, flat: Array) -> None:
        np.copyto(self.parameters.flat, flat)

    def fingerprint(self) -> str:
        """Name the run as the first release did, by part of what it starts from."""
        settings, schedule = self.settings, self.settings.schedule
        if callable(schedule):  # a function's own text holds its address
            schedule = getattr(schedule, "__qualname__", type(schedule).__name__)
        held_out = () if self.held_out is None else (self.held_out.x, self.held_out.noise)
        points = () if self.data.order is None else (self.data.order.points,)
        moved, options = self.data.augmented, _Released(settings)
        return fingerprint(
            self.parameters.flat, options, schedule, moved, self.start, *held_out, *points
        )

    def save(self, checkpoint: Checkpoint, run: RunIdentity) -> None:
        """Write all that the next iteration depends on."""
        history = self.history()
        arrays = {f"history_{n}": getattr(history, n) for n in HISTORY_FIELDS}
        arrays |= {"weights": self.parameters.flat, "previous": self.previous}
        arrays |= {"best": self.best[2], "multipliers": self.multipliers.values}
        arrays["window"] = np.array(self.window)
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
        write_checkpoint(checkpoint, run, plain, arrays)

    def resume(self, checkpoint: Checkpoint, run: RunIdentity) -> None:
        """Go on where a checkpoint ended, if there is one; one that is refused changes nothing."""
        found = read_checkpoint(checkpoint, run, self.fingerprint)
        if found is None:
            return
        try:
            self._resume(found[0], Shelf(found[1]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelFileError(f"{checkpoint.path} is damaged: {error}") from error

    def _resume(self, plain: Mapping[str, Any], shelf: Shelf) -> None:
        like = self.parameters.flat
        weights = shelf.finite("weights", like.shape, like.dtype)
        before = "previous" if "previous" in shelf else "weights"  # the first release had none
        previous = shelf.finite(before, like.shape, like.dtype)
        moments = {
            name: shelf.finite(f"adam_{name}", like.shape, like.dtype) for name in self.adam.moments
        }
        count = len(self.multipliers.values)
        multipliers = shelf.finite("multipliers", (count,))
        average = shelf.finite("average", (count,)) if "average" in shelf else None
        # An empty window of the first release has no columns.
        empty = shelf.size("window") == 0
        window = () if empty else shelf.finite("window", (None, 1 + count))
        rows = self._read_rows(shelf)
        iteration, (value, row) = plain["iteration"], plain["best"]
        best = shelf.finite("best", like.shape, like.dtype)
        queue = None if self.data.order is None else self._read_queue(shelf)
        if not isinstance(iteration, int) or not 0 < iteration <= self.settings.iterations:
            raise ValueError(f"its iteration is {iteration!r} of {self.settings.iterations}")
        if not (isinstance(row, int) and 0 <= row <= len(rows) and isinstance(value, float)):
            raise ValueError(f"its best record is {row!r} of {len(rows)}, with {value!r} nats")
        self.rng.bit_generator.state = plain["random_state"]
        self._restore(weights)
        np.copyto(self.previous, previous)
        self.iteration = self.adam.iteration = self.resumed_at = iteration
        for name, array in self.adam.moments.items():
            np.copyto(array, moments[name])
        self.multipliers.values, self.multipliers.average = multipliers, average
        self.window, self.rows = list(window), rows
        if np.isfinite(value):  # else there was no record yet, and the best are the present ones
            self.best = (value, row, best)
        if self.data.order is not None and queue is not None:
            self.data.order.queue = queue

    def _read_rows(self, shelf: Shelf) -> list[tuple[Any, ...]]:
        count = len(self.multipliers.values)
        iteration = shelf.take("history_iteration", (None,), kind="i")
        held_out = shelf.take("history_validation_elbo", iteration.shape)
        columns = [
            iteration,
            shelf.finite("history_elbo", iteration.shape),
            shelf.finite("history_squared_brackets", (*iteration.shape, count)),
            shelf.finite("history_multipliers", (*iteration.shape, count)),
            held_out,
        ]
        return list(zip(*columns, strict=True))

    def _read_queue(self, shelf: Shelf) -> Array:
        """Read which points are still to come: places in the data, each once an epoch."""
        queue = shelf.take("queue", (None,), kind="i")
        size = 0 if self.data.order is None else len(self.data.order.points)
        if not ((queue >= 0) & (queue < size)).all():
            raise ValueError(f"its queue is not of places among {size} points")
        return queue

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


class _Released:
    """Training options whose text is what the first release digested of them."""

    def __init__(self, settings: TrainingSettings) -> None:
        self._settings = settings

    def __repr__(self) -> str:
        names = ("iterations", "batch_size", "adam", "bound", "multipliers", "patience")
        iterations, batch_size, adam, bound, multipliers, patience = (
            f"{name}={getattr(self._settings, name)!r}" for name in names
        )
        every = self._settings.record_every  # there was no choice
        records = "records=300" if every is None else f"record_every={every}"
        return (
            f"TrainingSettings({iterations}, {batch_size}, {adam}, schedule='constant', {bound}, "
            f"{multipliers}, {patience}, progress=None, checkpoint=None, {records})"
        )


def _loop(
    run: Run,
    identity: RunIdentity | None,
    stop: Interrupts,
    observers: Sequence[Callable[[Run], object]],
) -> str:
    """Iterate until something ends it; say what."""
    settings, checkpoint = run.settings, run.settings.checkpoint
    while run.iteration < settings.iterations:
        if stop.asked:
            return "interrupted"
        if not run.step():
            return "non_finite"
        if run.iteration % settings.interval == 0 or run.iteration == settings.iterations:
            run.record()
            for observer in observers:
                observer(run)
            if run.out_of_patience:
                return "early_stopping"
        if checkpoint is None or identity is None or run.iteration % checkpoint.every:
            continue
        if run.is_worth_keeping:
            run.save(checkpoint, identity)
    return "iterations"


def _show(bar: Any) -> Callable[[Run], None]:
    def show(run: Run) -> None:
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


def _observe(observer: Observer, model: Any) -> Callable[[Run], object]:
    return lambda run: observer(TrainingRecord(run.iteration, run.history(), model))


def train(
    objective: Objective,
    parameters: ParameterVector,
    data: TrainingData,
    settings: TrainingSettings,
    rng: np.random.Generator,
    *,
    stop: Interrupts,
    identity: RunIdentity | None = None,
    seed: int | None = None,
    model: Any = None,
) -> Ending:
    """Move the parameters, in place, towards the saddle point of the Lagrangian.

    Whatever ends the run, `Run.settle` chooses the weights that are kept, and there is a result
    with the history so far.

    Parameters
    ----------
    objective, parameters, data, settings
        What is learned, from where, from what, and how.
    rng : Generator
        Draws minibatches, noise and base states.
    stop : Interrupts
        Asked before each iteration whether the run should end.
    identity : RunIdentity or None
        What a checkpoint is known by; of use where there is one.
    seed : int or None
        Recorded in the result.
    model : object
        What an observer is shown.

    Returns
    -------
    Ending

    Raises
    ------
    ehf_sym.ArgumentError, ModelFileError
        If there is a checkpoint that is not of this run or is damaged; nothing was moved.
    """
    start = time.perf_counter()
    run, error = Run(objective, parameters, data, settings, rng), None
    if settings.checkpoint is not None and identity is not None:
        run.resume(settings.checkpoint, identity)
    with (
        watch_reversals() as reversals,
        bar(settings.iterations, "it", settings.progress, leave=False) as shown,
        one_blas_thread(),
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),
    ):
        observers: list[Callable[[Run], object]] = [_show(shown)]
        if settings.on_record is not None:
            observers.append(_observe(settings.on_record, model))
        try:
            with stop.noted():
                stop_reason = _loop(run, identity, stop, observers)
        except KeyboardInterrupt:
            stop_reason = "interrupted"
        except StopTraining:
            stop_reason = "observer"
        except BaseException as raised:
            stop_reason, error = f"error: {type(raised).__name__}: {raised}"[:_LONGEST], raised
        stop_reason = run.settle(stop_reason)
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
        objective=settings.bound.name,
        draws=settings.bound.draws,
        constraints=() if objective.constraint is None else objective.constraint.names,
        kappa=None if objective.constraint is None else settings.multipliers.kappa,
        resumed_at=run.resumed_at,
    )
    return Ending(result, error, run.fault)
