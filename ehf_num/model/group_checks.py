"""What finite transformations of a symmetry do to a model: to its map, its bound, its density.

For an invariant p(q, p) and a generator that moves positions by themselves without changing
volumes, ln p(Rx) = ln p(x). What is seen of that is held against the error of the estimates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ehf_num.engine.workspace import Array
from ehf_num.inference.estimate import pareto_threshold
from ehf_num.inference.importance import log_mean, log_weights, pareto_shape
from ehf_num.model.density import FlowDensity
from ehf_num.model.diagnosis import Check
from ehf_num.symmetry.action import NumericalAction, Transformation, finite_action
from ehf_sym.errors import ActionError

EQUIVARIANCE_LIMIT = 0.1  # of the root mean square of the states
EXACT_LIMITS = {"float64": 1e-10, "float32": 1e-3}  # the same, where it is zero by construction
_ELBO_GAP_LIMIT = 0.1  # nats
_ERROR_LIMIT = 0.1  # nats
_UNRELIABLE_LIMIT = 0.05  # of the points
_ERRORS = 1.5  # standard errors that ln p(Rx) - ln p(x) may be in root mean square
_NEAR = 0.1  # group parameter where an orbit may run away
_HALVINGS = 6
_POINTS = 128  # whose ln p is estimated, n_samples draws each


@dataclass(frozen=True, eq=False)
class Sample:
    """What a model is tried on.

    Attributes
    ----------
    base_states, data_states : ndarray, shape (n, 2d)
        Draws from π; points with momenta from the encoder.
    x, noise : ndarray, shape (n, d)
        The points, and the noise that their momenta are made of.
    """

    base_states: Array
    data_states: Array
    x: Array
    noise: Array


def group_checks(
    flow: FlowDensity,
    sample: Sample,
    epsilon: float | None,
    n_samples: int,
    rng: np.random.Generator,
    remarks: list[str],
) -> Iterator[Check]:
    """Move states and points by exp(ε{·, g}) of each generator; remarks are added to."""
    x = sample.x[:_POINTS]
    noise = rng.standard_normal((len(x), n_samples, flow.dim)).astype(x.dtype)
    weights = log_weights(flow.bound, x, noise)
    yield from _reliability(weights)
    if flow.symmetry is None or flow.report is None:
        return
    for k, verdict in enumerate(flow.report.verdicts, start=1):
        states = np.concatenate([sample.base_states, sample.data_states])
        move = _element(flow, k, verdict.generator, states, epsilon, remarks)
        if move is None:
            continue
        yield from _map_checks(flow, sample, move, k)
        volume = verdict.volume_preserving
        if not verdict.linear_in_p:
            remarks.append(f"g{k} does not move q by itself: it promises nothing about p(q)")
        elif volume is None or not volume.proved:
            remarks.append(f"g{k} is not proved to preserve volumes of q: p(Rq) is not p(q)")
        else:
            moved, moved_noise = _moved(flow, move, sample.x, sample.noise)
            before = flow.bound.log_weights(sample.x, sample.noise)
            after = flow.bound.log_weights(moved, moved_noise)
            gap = float(abs(np.mean(after - before, dtype=np.float64)))
            yield Check(f"ELBO gap of moved data, g{k}", gap, _ELBO_GAP_LIMIT, "nats")
            yield _density_check(flow, move, x, noise, weights, k)


def _element(
    flow: FlowDensity,
    k: int,
    generator: Any,
    states: Array,
    epsilon: float | None,
    remarks: list[str],
) -> NumericalAction | None:
    """Find a finite transformation that exists on all states.

    By the given ε, or by ε = 1 where that turns states about the origin; elsewhere orbits may run
    away, and one near the identity is taken.
    """
    space = flow.base.space
    wanted = [epsilon] if epsilon is not None else [1.0, *_NEAR * 0.5 ** np.arange(_HALVINGS)]
    for value in map(float, wanted):
        move = finite_action(space, generator, value)
        try:
            with np.errstate(all="ignore"):
                lengths = np.linalg.norm(move(states), axis=1)
        except ActionError:
            continue
        if not np.isfinite(lengths).all():
            continue
        turns = np.allclose(lengths, np.linalg.norm(states, axis=1), rtol=1e-6)
        if epsilon is not None or turns:
            return move
        if value < 1:
            remarks.append(f"g{k} does not turn states about the origin: ε = {value:.3g} was taken")
            return move
    remarks.append(
        f"g{k}: exp(ε{{·, g}}) does not exist on all states for ε = {wanted[-1]:.3g}; what finite "
        "transformations do was not measured"
    )
    return None


def _moved(flow: FlowDensity, move: Transformation, x: Array, noise: Array) -> tuple[Array, Array]:
    """Move points; and the noise, if the encoder carries it along as momenta are."""
    states = move(np.concatenate([x, noise], axis=1)).astype(x.dtype)
    moved, moved_noise = np.split(states, 2, axis=1)
    return moved, moved_noise if flow.encoder_is_equivariant else noise


def _map_checks(flow: FlowDensity, sample: Sample, move: Transformation, k: int) -> Iterator[Check]:
    exact = flow.settings.enforce == "exact"
    limit = EXACT_LIMITS[flow.settings.dtype] if exact else EQUIVARIANCE_LIMIT
    residual = equivariance_residual(flow, sample.base_states, move)
    yield Check(f"equivariance of the map, g{k}", residual, limit, "relative")
    residual = equivariance_residual(flow, sample.data_states, move, inverse=True)
    yield Check(f"equivariance of the map on data, g{k}", residual, limit, "relative")


def equivariance_residual(
    flow: FlowDensity,
    states: Array,
    move: Transformation,
    *,
    inverse: bool = False,
) -> float:
    """Measure the root mean square of T_g F(s) − F(T_g s) relative to that of F(s).

    F is the flow, or its inverse.
    """

    def push(state: Array) -> Array:
        through = flow.inverse if inverse else flow.forward
        return np.concatenate(through(*np.split(state, 2, axis=1)), axis=1)

    image = push(states)
    difference = move(image) - push(move(states).astype(states.dtype))
    return float(np.sqrt(np.mean(difference**2) / np.mean(image**2)))


def _reliability(weights: Array) -> Iterator[Check]:
    """Say what importance weights (n, S) are worth."""
    errors = np.array([log_mean(row)[1] for row in weights])
    shapes = np.array([pareto_shape(row) for row in weights])
    threshold = pareto_threshold(np.array(weights.shape[1]))
    share = float(np.mean(~(shapes <= threshold)))
    yield Check("standard error of ln p", _root_mean_square(errors), _ERROR_LIMIT, "nats")
    name = f"share of points with k̂ > {threshold:.2f}"
    yield Check(name, share, _UNRELIABLE_LIMIT, "of the points")


def _density_check(
    flow: FlowDensity,
    move: Transformation,
    x: Array,
    noise: Array,
    weights: Array,
    k: int,
) -> Check:
    """Hold ln p(Rx) − ln p(x) of points (n, d), with one noise (n, S, d), against its error."""
    draws, dim = noise.shape[1:]
    repeated = np.repeat(x, draws, axis=0)
    moved, moved_noise = _moved(flow, move, repeated, noise.reshape(-1, dim))
    after = log_weights(flow.bound, moved[::draws], moved_noise.reshape(noise.shape))
    estimates = np.array(
        [(*log_mean(a), *log_mean(b)) for a, b in zip(weights, after, strict=True)]
    )
    value, error, value_moved, error_moved = estimates.T
    limit = _ERRORS * _root_mean_square(np.hypot(error, error_moved))
    return Check(
        f"ln p of moved data, g{k}",
        _root_mean_square(value_moved - value),
        max(limit, EXACT_LIMITS[flow.settings.dtype]),  # equal weights have no error but rounding
        f"nats; {_ERRORS} standard errors",
    )


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))
