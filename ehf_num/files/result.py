"""What a training run leaves behind: its history, why it stopped, and what produced it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from ehf_num.engine.workspace import Array
from ehf_sym.formulas.report import ResultTable

DISTRIBUTION = "equivariant-hamiltonian-flows"


def versions() -> dict[str, str]:
    """Return the versions of Python, of this toolkit and of what it computes with, by name.

    Examples
    --------
    >>> sorted(versions())[-2:]
    ['scipy', 'sympy']
    """
    found = {"python": platform.python_version()}
    for name in (DISTRIBUTION, "numpy", "scipy", "sympy", "autograd"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that is not installed
            found[name] = "unknown"
    return found


@dataclass(frozen=True, eq=False)
class History:
    """Curves of one run; every array has one row a record.

    Attributes
    ----------
    iteration : ndarray, shape (r,)
        Iterations done when the record was made.
    elbo : ndarray, shape (r,)
        The objective, a lower bound of ln p (the ELBO unless `fit` was told otherwise) or, by
        `fit_energy`, of ln Z, on minibatches, mean since the record before, nats.
    squared_brackets : ndarray, shape (r, C)
        Mean squared brackets that are penalized, mean since the record before, dimensionless; one
        column for each name in ``TrainingResult.constraints``.
    multipliers : ndarray, shape (r, C)
        λ, dimensionless.
    validation_elbo : ndarray, shape (r,)
        The same bound of the points held out, nats; NaN without any.
    """

    iteration: Array
    elbo: Array
    squared_brackets: Array
    multipliers: Array
    validation_elbo: Array

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.iteration)

    def __repr__(self) -> str:
        last = f" to iteration {self.iteration[-1]}" if len(self) else ""
        return f"History({len(self)} records{last})"


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """Outcome of `fit`.

    Attributes
    ----------
    history : History
        Curves.
    stop_reason : str
        "iterations", "early_stopping", "non_finite", "interrupted", or "error: " and what was
        raised.
    iterations : int
        Iterations done, those of a checkpoint included.
    seconds : float
        Wall time.
    seed : int or None
        What was given as ``rng=``, where it was an int.
    versions : dict
        Of Python and of every package that computes.
    reversal_error : float or None
        Where training rebuilt the flow's states (``reversible=``): the largest absolute difference
        in any coordinate, over the run, between a start that was rebuilt and the true one. None
        where states were kept.
    constraints : tuple of str
        What each column of brackets and of λ in the history belongs to; empty where nothing was
        penalized, and for models saved before there was a choice.
    kappa : float or None
        κ; None where nothing was penalized.
    augmented : bool
        Whether minibatches were moved by random group elements.
    objective : str
        Which bound was raised, "elbo", "importance" or, by `fit_energy`, "energy"; or the type of
        an objective of one's own.
    draws : int
        Momenta drawn for each point in each iteration.
    resumed_at : int
        Iterations that a checkpoint brought along.
    earlier : int
        Iterations of earlier calls of `fit`, whose weights this one went on from.
    """

    history: History
    stop_reason: str
    iterations: int
    seconds: float
    seed: int | None
    versions: dict[str, str]
    reversal_error: float | None = None
    constraints: tuple[str, ...] = ()
    kappa: float | None = None
    augmented: bool = False
    objective: str = "elbo"
    draws: int = 1
    resumed_at: int = 0
    earlier: int = 0

    @property
    def ended_early(self) -> bool:
        """Whether something ended the run that nobody asked for, as `stop_reason` tells."""
        return self.stop_reason not in ("iterations", "early_stopping", "observer")

    def __post_init__(self) -> None:
        object.__setattr__(self, "constraints", tuple(self.constraints))  # a file has lists

    def __repr__(self) -> str:
        return f"TrainingResult({self})"

    @property
    def objective_name(self) -> str:
        """What was raised, in words."""
        names = {"elbo": "ELBO", "importance": f"bound of {self.draws} draws"}
        names["energy"] = "bound of ln Z"
        return names.get(self.objective, self.objective)

    def __str__(self) -> str:
        name = self.objective_name
        last = f", {name} {self.history.elbo[-1]:.3f} nats" if len(self.history) else ""
        before = f" ({self.resumed_at} of them before)" if self.resumed_at else ""
        before += f", after {self.earlier} of earlier fits," if self.earlier else ""
        return (
            f"{self.iterations} iterations{before} in {self.seconds:.1f} s, "
            f"stopped by {self.stop_reason}{last}"
        )

    def _rows(self) -> Iterator[tuple[str, str]]:
        """Yield what there is to say, by name; figures are those of the last record."""
        yield "stopped by", self.stop_reason
        if self.earlier:
            yield "went on from", f"{self.earlier} iterations of earlier fits"
        if len(self.history):
            objective = self.objective_name
            yield f"{objective}, minibatches", f"{self.history.elbo[-1]:.3f} nats"
            held_out = self.history.validation_elbo
            if not np.isnan(held_out).all():
                yield f"{objective}, held out", f"best {np.nanmax(held_out):.3f} nats"
            kappa = "" if self.kappa is None else f"; κ = {self.kappa:g}"
            last = zip(
                self.constraints,
                self.history.squared_brackets[-1],
                self.history.multipliers[-1],
                strict=False,
            )
            for name, value, multiplier in last:
                yield name, f"{value:.2g}{kappa}, λ = {multiplier:.3g}"
        if self.augmented:
            yield "minibatches", "moved by random group elements"
        yield "seed", str(self.seed)
        yield "versions", ", ".join(f"{name} {number}" for name, number in self.versions.items())

    def _repr_html_(self) -> str:
        title = f"Training: {self.iterations} iterations in {self.seconds:.1f} s"
        return ResultTable(title, [*self._rows()]).to_html()


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """What an observer of training is given at each record: ``fit(on_record=...)``.

    Attributes
    ----------
    iteration : int
        Iterations done.
    history : History
        All records so far; this one is the last.
    model : EquivariantHamiltonianFlow
        The model that learns, with its present weights. Random numbers that an observer draws from
        a generator of its own do not change the run.
    """

    iteration: int
    history: History
    model: Any


HISTORY_FIELDS = tuple(field.name for field in fields(History))
