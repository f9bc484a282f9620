"""Does a trained model do what was promised? Figures, thresholds, verdicts and remarks.

Each check has a value, the threshold it is held to and a verdict. The thresholds are ours and say
when to look closer; what is promised exactly is in the invariance report.

Finite transformations of the symmetry are tried on the map, the bound and the density. For an
invariant p(q, p) and a generator that moves positions by themselves without changing volumes,
ln p(Rx) = ln p(x); what is seen of that is held against the error of the estimates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp

from ehf_num.densities.encoder import EvaluatedEncoder, GaussianEncoder
from ehf_num.engine import arguments
from ehf_num.engine.networks import Circular, dead_units, wrapped
from ehf_num.engine.workspace import Array
from ehf_num.inference.estimate import pareto_threshold
from ehf_num.inference.importance import FEWEST_FOR_K, log_mean, log_weights, pareto_shape
from ehf_num.model.density import FlowDensity
from ehf_num.symmetry.action import NumericalAction, Transformation, finite_action
from ehf_num.training.constraint import (
    BracketAndChange,
    ChangeUnderMaps,
    MeanSquaredBracket,
    change_under,
    map_matrices,
    mean_squared_brackets,
)
from ehf_num.training.progress import watched
from ehf_sym.errors import ActionError, ArgumentError
from ehf_sym.formulas.report import ResultTable

_HEAD = ("check", "value", "threshold", "unit", "verdict")
_ROUNDING_LIMITS = {"float64": 1e-8, "float32": 5e-3}
_DEAD_LIMIT = 0.95
_POINTS = 512
_JACOBIANS = 32
_EQUIVARIANCE_LIMIT = 0.1  # of the root mean square of the states
_EXACT_LIMITS = {"float64": 1e-10, "float32": 1e-3}  # the same, where it is zero by construction
_ELBO_GAP_LIMIT = 0.1  # nats
_ERROR_LIMIT = 0.1  # nats
_UNRELIABLE_LIMIT = 0.05  # of the points
_ERRORS = 1.5  # standard errors that ln p(Rx) - ln p(x) may be in root mean square
_NEAR = 0.1  # group parameter where an orbit may run away
_HALVINGS = 6
_POINTS_OF_LN_P = 128  # whose ln p is estimated, n_samples draws each


@dataclass(frozen=True)
class Check:
    """One figure and its verdict.

    Attributes
    ----------
    name : str
        What was measured.
    value : float
        The figure.
    threshold : float
        It should be at most this.
    unit : str
        Of value and threshold.
    """

    name: str
    value: float
    threshold: float
    unit: str = "dimensionless"

    @property
    def passed(self) -> bool:
        """Whether the value is finite and within its threshold."""
        return bool(np.isfinite(self.value) and self.value <= self.threshold)


@dataclass(frozen=True)
class Diagnosis:
    """All checks of one model on one set of points; prints as a table.

    Attributes
    ----------
    checks : tuple of Check
        In the order that they were made.
    remarks : tuple of str
        What could not be measured, or was measured otherwise, and why.
    """

    checks: tuple[Check, ...]
    remarks: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def verdict(self) -> str:
        """All of it in a few words."""
        failed = sum(not check.passed for check in self.checks)
        return f"{failed} of {len(self.checks)} need a look" if failed else "every check passed"

    def __getitem__(self, name: str) -> Check:
        """Return the check of that name."""
        for check in self.checks:
            if check.name == name:
                return check
        known = ", ".join(repr(check.name) for check in self.checks)
        raise KeyError(f"no check {name!r}; there are {known}")

    def _rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        for check in self.checks:
            verdict = "ok" if check.passed else "LOOK"
            yield check.name, f"{check.value:.3g}", f"{check.threshold:.3g}", check.unit, verdict

    def __repr__(self) -> str:
        return f"Diagnosis({len(self.checks)} checks, {self.verdict})"

    def _table(self, title: str) -> ResultTable:
        return ResultTable(title, [*self._rows()], _HEAD, self.remarks)

    def __str__(self) -> str:
        return self._table("").to_text()

    def _repr_html_(self) -> str:
        return self._table(f"Diagnosis: {self.verdict}").to_html()


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
    x = sample.x[:_POINTS_OF_LN_P]
    noise = rng.standard_normal((len(x), n_samples, flow.dim)).astype(x.dtype)
    weights = log_weights(flow.bound, x, noise)
    yield from _reliability(weights)
    if flow.report is None:
        return
    if flow.finite is not None:
        for label, A, B in zip(flow.finite.labels, *map_matrices(flow.finite), strict=True):
            transformation = _LinearMap(A, B)
            yield from _map_checks(flow, sample, transformation, label)
            yield from _point_checks(flow, sample, transformation, (x, noise, weights), label)
    for k, verdict in enumerate(flow.report.of_functions, start=1):
        states = np.concatenate([sample.base_states, sample.data_states])
        move = _element(flow, k, verdict.generator, states, epsilon, remarks)
        if move is None:
            continue
        yield from _map_checks(flow, sample, move, f"g{k}")
        volume = verdict.volume_preserving
        if not verdict.linear_in_p:
            remarks.append(f"g{k} does not move q by itself: it promises nothing about p(q)")
        elif volume is None or not volume.proved:
            remarks.append(f"g{k} is not proved to preserve volumes of q: p(Rq) is not p(q)")
        else:
            yield from _point_checks(flow, sample, move, (x, noise, weights), f"g{k}")


@dataclass(frozen=True, eq=False)
class _LinearMap:
    """States (n, 2d) to (A q, B p)."""

    on_positions: Array
    on_momenta: Array

    def __call__(self, states: Array) -> Array:
        q, p = np.split(np.asarray(states, dtype=np.float64), 2, axis=1)
        return np.concatenate([q @ self.on_positions.T, p @ self.on_momenta.T], axis=1)


def _point_checks(
    flow: FlowDensity,
    sample: Sample,
    move: Transformation,
    draws: tuple[Array, Array, Array],
    name: str,
) -> Iterator[Check]:
    """Hold points that are moved against those that are not."""
    before = flow.bound.log_weights(sample.x, sample.noise)
    after = _moved_log_weights(flow, sample, move)
    gap = float(abs(np.mean(after - before, dtype=np.float64)))
    yield Check(f"ELBO gap of moved data, {name}", gap, _ELBO_GAP_LIMIT, "nats")
    yield _density_check(flow, move, *draws, name)


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
    seen = Circular(2 * space.dim, tuple(space.angles))  # a turn of an angle keeps its length
    wanted = [epsilon] if epsilon is not None else [1.0, *_NEAR * 0.5 ** np.arange(_HALVINGS)]
    for value in map(float, wanted):
        move = finite_action(space, generator, value)
        try:
            with np.errstate(all="ignore"):
                lengths = np.linalg.norm(seen(move(states)), axis=1)
        except ActionError:
            continue
        if not np.isfinite(lengths).all():
            continue
        turns = np.allclose(lengths, np.linalg.norm(seen(states), axis=1), rtol=1e-6)
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
    return moved, moved_noise if flow.noise_moves_along else noise


def _moved_log_weights(flow: FlowDensity, sample: Sample, move: Transformation) -> Array:
    """Weigh moved points: at the moved momenta, where the encoder moves in law and knows those."""
    encoder = flow.objective.encoder
    if (
        flow.noise_moves_along
        or not flow.encoder_is_equivariant
        or not isinstance(encoder, EvaluatedEncoder)
    ):
        return np.asarray(flow.bound.log_weights(*_moved(flow, move, sample.x, sample.noise)))
    p = flow.bound.draw(sample.x, sample.noise)[0]
    states = move(np.concatenate([sample.x, p], axis=1)).astype(sample.x.dtype)
    moved = np.split(states, 2, axis=1)
    return np.asarray(flow.bound.joint_log_prob(*moved) - flow.bound.log_encoder(*moved))


def _map_checks(
    flow: FlowDensity, sample: Sample, move: Transformation, name: str
) -> Iterator[Check]:
    exact = flow.settings.enforce == "exact"
    limit = _EXACT_LIMITS[flow.settings.dtype] if exact else _EQUIVARIANCE_LIMIT
    residual = equivariance_residual(flow, sample.base_states, move)
    yield Check(f"equivariance of the map, {name}", residual, limit, "relative")
    residual = equivariance_residual(flow, sample.data_states, move, inverse=True)
    yield Check(f"equivariance of the map on data, {name}", residual, limit, "relative")


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
    difference = wrapped(difference, flow.base.space.angles)
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
    name: str,
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
        f"ln p of moved data, {name}",
        _root_mean_square(value_moved - value),
        max(limit, _EXACT_LIMITS[flow.settings.dtype]),  # equal weights have no error but rounding
        f"nats; {_ERRORS} standard errors",
    )


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


def diagnose(
    flow: FlowDensity,
    x: Any,
    *,
    epsilon: float | None = None,
    n_samples: int = 1024,
    rng: int | np.random.Generator = 0,
) -> Diagnosis:
    """Measure what a model keeps: brackets, equivariance, invariance of ln p, reversibility.

    Parameters
    ----------
    flow : EquivariantHamiltonianFlow
        The model.
    x : array_like (n, d)
        Points that training has not seen, to pull back and to move by the group; the first 512
        are used, and the first 128 where ln p is estimated.
    epsilon : float, optional
        Group parameter of the finite transformations exp(ε{·, g}). Unless given, 1 for generators
        that turn states about the origin, and for others 0.1, or as much less as exists.
    n_samples : int
        Momenta drawn for each ln p, at least 25.
    rng : int or numpy.random.Generator
        Draws base states and momenta.

    Returns
    -------
    Diagnosis
        For each generator g1, g2, …:

        - mean {g,H}² on base states and on the states that the data is pulled back through,
          against 2κ; rounding, with ``enforce="exact"``;
        - what a penalty of one's own bounds, likewise, by its names;
        - the residual |T_g F − F T_g| of the whole map F on base states, and of F⁻¹ on data,
          relative to the states' size;
        - of a finite symmetry: the mean of (H∘σ − H)² likewise, and what follows, for each of its
          generators;
        - the mean ELBO gap of moved points: an exactly invariant H can still show one, because
          h(p|q) need not be equivariant;
        - ln p(Rx) − ln p(x), with the same noise, against 1.5 times its standard
          error, all in root mean square.

        Then the standard error of ln p and the share of points whose weights have too heavy a
        tail (k̂); of a Gaussian h(p|q), the share of units that no point wakes, in the layer
        where it is largest; reversibility and symplecticity, against rounding.

    Raises
    ------
    ehf_sym.ArgumentError
        If x or epsilon cannot be used.

    Examples
    --------
    >>> import ehf_sym as es, ehf_num as en
    >>> space = es.PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> symmetry = es.LieAlgebra(space, [q1 * p2 - q2 * p1])
    >>> base = es.StandardNormal(space)
    >>> flow = en.EquivariantHamiltonianFlow(base, symmetry, hidden=(8,), rng=0)
    >>> en.diagnose(flow, en.rings().sample(50, rng=0))["reversibility"].passed
    True
    """
    if not isinstance(flow, FlowDensity):
        raise ArgumentError(
            f"flow was {type(flow).__name__}; it should be an EquivariantHamiltonianFlow"
        )
    if epsilon is not None:
        epsilon = arguments.positive_number(epsilon, "epsilon")
    if arguments.positive_integer(n_samples, "n_samples") < FEWEST_FOR_K:
        raise ArgumentError(f"n_samples was {n_samples}; it should be at least {FEWEST_FOR_K}")
    dtype = flow.settings.dtype
    x = wrapped(arguments.points(x, "x", flow.dim, dtype)[:_POINTS], flow.base.space.angles)
    random = arguments.generator(rng)
    base_states = flow.bound.base.sample(_POINTS, random, dtype)
    noise = random.standard_normal(x.shape).astype(dtype)
    p, _ = flow.bound.draw(x, noise)
    sample = Sample(base_states, np.concatenate([x, p], axis=1), x, noise)
    remarks: list[str] = []
    checks = chain(
        _bracket_checks(flow, sample),
        _penalty_checks(flow, sample),
        group_checks(flow, sample, epsilon, n_samples, random, remarks),
        _encoder_checks(flow, x),
        (measure(flow, base_states) for measure in (reversibility, symplecticity)),
    )
    found = tuple(watched(checks, None, "check"))
    return Diagnosis(found, tuple(remarks))


def reversibility(flow: FlowDensity, states: Array) -> Check:
    """Measure max |inverse(forward(s)) − s| over states (n, 2d)."""
    q, p = np.split(states, 2, axis=1)
    back = np.concatenate(flow.inverse(*flow.forward(q, p)), axis=1)
    worst = float(np.abs(wrapped(back - states, flow.base.space.angles)).max())
    return Check("reversibility", worst, _ROUNDING_LIMITS[flow.settings.dtype])


def symplecticity(flow: FlowDensity, states: Array) -> Check:
    """Measure max |Jᵀ Ω J − Ω| over some states (n, 2d), J the Jacobian of the forward map."""
    states, dim = states[:_JACOBIANS], flow.dim

    def push(state: Any) -> Any:
        return anp.concatenate(flow.flow.forward(state[:, :dim], state[:, dim:]), axis=1)

    vjp, image = make_vjp(push)(states)
    unit = np.eye(2 * dim, dtype=image.dtype)
    rows = [vjp(np.broadcast_to(row, image.shape).copy()) for row in unit]
    jacobian = np.stack(rows, axis=1)  # (n, 2d, 2d): rows are outputs
    omega = np.block(
        [[np.zeros((dim, dim)), np.eye(dim)], [-np.eye(dim), np.zeros((dim, dim))]]
    ).astype(image.dtype)
    defect = jacobian.transpose(0, 2, 1) @ omega @ jacobian - omega
    return Check(
        "symplecticity", float(np.abs(defect).max()), _ROUNDING_LIMITS[flow.settings.dtype]
    )


def _bracket_checks(flow: FlowDensity, sample: Sample) -> Iterator[Check]:
    """Compare mean {g,H}² with what it should be, where training sees it and where data goes."""
    limit = 2 * flow.settings.kappa
    if flow.settings.enforce == "exact":
        limit = _EXACT_LIMITS[flow.settings.dtype] ** 2
    pulled = np.concatenate(flow.inverse(*np.split(sample.data_states, 2, axis=1)), axis=1)
    on_data = np.concatenate([sample.data_states, pulled])
    for name, states in (("base states", sample.base_states), ("data states", on_data)):
        if flow.lie is not None:
            for k, square in enumerate(_mean_squares(flow, states), start=1):
                yield Check(f"mean {{g{k},H}}², {name}", float(square), limit)
        if flow.finite is not None:
            change = change_under(flow.finite)
            for label, square in zip(change.names, change.terms(flow.flow, states), strict=True):
                yield Check(f"mean {label}, {name}", float(square), limit)


def _penalty_checks(flow: FlowDensity, sample: Sample) -> Iterator[Check]:
    """Hold what a penalty of the user's own bounds against κ, where training does."""
    constraint = flow.objective.constraint
    built_in = (MeanSquaredBracket, ChangeUnderMaps, BracketAndChange)
    if constraint is None or isinstance(constraint.penalty, built_in):
        return
    for name, states in (("base states", sample.base_states), ("data states", sample.data_states)):
        values = np.asarray(constraint.penalty.terms(flow.flow, states))
        for label, value in zip(constraint.penalty.names, values, strict=True):
            yield Check(f"{label}, {name}", float(value), 2 * flow.settings.kappa)


def _encoder_checks(flow: FlowDensity, x: Array) -> Iterator[Check]:
    """Look for units that noise has killed: what is zero everywhere has no gradient either."""
    encoder = flow.objective.encoder
    if isinstance(encoder, GaussianEncoder):
        x = Circular(encoder.dim, encoder.angles)(x)
        weights = flow.bound.encoder_weights
        half = len(weights) // 2
        dead = max(dead_units(x, *weights[:half]), dead_units(x, *weights[half:]))
        yield Check("dead units of h(p|q)", dead, _DEAD_LIMIT)


def _mean_squares(flow: FlowDensity, states: Array) -> Array:
    """Average as κ bounds it: {g,H}² of the worst of a chain, or the normalized one."""
    if flow.settings.normalized_bracket:
        gradients = flow.objective.gradients_at(states)
        return np.asarray(mean_squared_brackets(flow.flow.fields(states), gradients, 1, True))
    values = flow.brackets(*np.split(states, 2, axis=1))
    means: Array = np.mean(np.square(values, dtype=np.float64), axis=0)
    return means
