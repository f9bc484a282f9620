"""What a training run leaves behind: its history, why it stopped, and what produced it."""

from __future__ import annotations

import platform
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version

from ehf_num.workspace import Array

DISTRIBUTION = "equivariant-hamiltonian-flows"


def versions() -> dict[str, str]:
    """Return the versions of Python, of this toolkit and of what it computes with."""
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
        Minibatch ELBO, mean since the record before, nats.
    squared_brackets : ndarray, shape (r, K)
        E_π[{g_k, H}²], mean since the record before, dimensionless. Zero columns where nothing
        is penalized.
    multipliers : ndarray, shape (r, K)
        λ_k, dimensionless.
    validation_elbo : ndarray, shape (r,)
        ELBO of the points held out, nats; NaN without any.
    """

    iteration: Array
    elbo: Array
    squared_brackets: Array
    multipliers: Array
    validation_elbo: Array

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.iteration)


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """Outcome of `fit`.

    Attributes
    ----------
    history : History
        Curves.
    stop_reason : str
        "iterations", "early_stopping", "non_finite" or "interrupted".
    iterations : int
        Iterations done.
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
    """

    history: History
    stop_reason: str
    iterations: int
    seconds: float
    seed: int | None
    versions: dict[str, str]
    reversal_error: float | None = None

    def __str__(self) -> str:
        last = f", ELBO {self.history.elbo[-1]:.3f} nats" if len(self.history) else ""
        return (
            f"{self.iterations} iterations in {self.seconds:.1f} s, "
            f"stopped by {self.stop_reason}{last}"
        )


HISTORY_FIELDS = tuple(field.name for field in fields(History))
