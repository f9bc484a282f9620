"""What weighed draws say of a field, beside what is known of it, and how training came there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

import ehf_num as en
from ehf_num.plotting import plot_learning_curves
from ehf_num.reproduce.common import Floats

Value = tuple[float, float]
"""A value and its standard error."""
Observables = Mapping[str, Callable[[Floats], Floats]]
"""Functions (n, d) to (n,) of a field, by their names."""


def measured(weights: en.WeightedDraws, observables: Observables) -> dict[str, Value]:
    """Estimate ln Z, nats, and the means of observables."""
    means = {name: weights.mean(f) for name, f in observables.items()}
    return {
        "ln Z": (weights.log_z, weights.log_z_error),
        **{name: (float(mean.value), float(mean.error)) for name, mean in means.items()},
    }


def off(found: Value, known: Value) -> float:
    """Return a difference in standard errors.

    Examples
    --------
    >>> off((1.5, 0.3), (0.5, 0.4))
    2.0
    """
    return (found[0] - known[0]) / math.hypot(found[1], known[1])


def farthest_off(found: Mapping[str, Value], known: Mapping[str, Value]) -> float:
    """Return the difference that is most standard errors."""
    return max((off(found[name], known[name]) for name in known), key=abs)


def pooled(each: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """Average independent estimates that are as good as each other.

    Examples
    --------
    >>> pooled([{"χ": (1.0, 0.3)}, {"χ": (2.0, 0.4)}])
    {'χ': (1.5, 0.25)}
    """
    return {
        name: (
            sum(found[name][0] for found in each) / len(each),
            math.hypot(*(found[name][1] for found in each)) / len(each),
        )
        for name in each[0]
    }


def bounds_in_training(models: Mapping[str, Any], log_z: float) -> Figure:
    """Draw the bounds of ln Z of some models over their iterations, and ln Z."""
    histories = {name: model.result_.history for name, model in models.items()}
    curves = {name: (history.iteration, history.elbo) for name, history in histories.items()}
    return bounds(curves, log_z, "iteration")


def bounds(curves: Mapping[str, tuple[Floats, Floats]], log_z: float, xlabel: str) -> Figure:
    """Draw bounds of ln Z over what training takes, and ln Z."""
    canvas = Figure(figsize=(8, 4.5), layout="constrained")
    ax = canvas.subplots()
    plot_learning_curves(curves, ax, truth=log_z, ylabel="bound of ln Z [nats]")
    ax.set_xlabel(xlabel)
    ax.set_ylim(log_z - 10, log_z + 1)
    return canvas
