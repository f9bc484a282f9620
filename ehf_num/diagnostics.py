"""Does a trained model do what was promised? Figures, thresholds and verdicts.

Each check has a value, the threshold it is held to and a verdict. The thresholds are ours and say
when to look closer; what is promised exactly is in the invariance report.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp

from ehf_num import checks
from ehf_num.action import Transformation, finite_action
from ehf_num.model import EquivariantHamiltonianFlow
from ehf_num.workspace import Array
from ehf_sym.errors import ArgumentError

_EQUIVARIANCE_LIMIT = 0.1  # of the root mean square of the states
_ELBO_GAP_LIMIT = 0.1  # nats
_ROUNDING_LIMITS = {"float64": 1e-8, "float32": 5e-3}
_POINTS = 512
_JACOBIANS = 32


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
    """

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

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

    def __str__(self) -> str:
        rows = [("check", "value", "threshold", "unit", "verdict"), *self._rows()]
        widths = [max(len(row[k]) for row in rows) for k in range(5)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        head = "<tr><th>check<th>value<th>threshold<th>unit<th>verdict</tr>"
        body = "".join(
            "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in self._rows()
        )
        return f"<table>{head}{body}</table>"


def diagnose(
    flow: EquivariantHamiltonianFlow,
    x: Any,
    *,
    epsilon: float = 1.0,
    rng: int | np.random.Generator = 0,
) -> Diagnosis:
    """Measure what a model keeps: brackets, equivariance, reversibility, symplecticity, ELBO gap.

    Parameters
    ----------
    flow : EquivariantHamiltonianFlow
        The model.
    x : array_like (n, d)
        Points to pull back and to move by the group; the first 512 are used.
    epsilon : float
        Group parameter of the finite transformations exp(ε{·, g}).
    rng : int or numpy.random.Generator
        Draws base states and momenta.

    Returns
    -------
    Diagnosis
        For each generator g1, g2, …: mean {g,H}² on base states and on the states that the data
        is pulled back through, against 2κ; the residual |T_g F − F T_g| of the whole map F,
        relative to the states' size; the mean ELBO gap of moved points. An exactly invariant H can
        still show an ELBO gap: h(p|q) is not equivariant by itself. Then reversibility and
        symplecticity, against rounding.

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
    if not isinstance(flow, EquivariantHamiltonianFlow):
        raise ArgumentError(
            f"flow was {type(flow).__name__}; it should be an EquivariantHamiltonianFlow"
        )
    epsilon = checks.positive_number(epsilon, "epsilon")
    dtype = flow.settings.dtype
    x = checks.points(x, "x", flow.dim, dtype)[:_POINTS]
    random = checks.generator(rng)
    base_states = flow.objective.base_at(flow.weights).sample(_POINTS, random, dtype)
    noise = random.standard_normal(x.shape).astype(dtype)
    return Diagnosis(
        (
            *_bracket_checks(flow, base_states, x, noise),
            *_group_checks(flow, base_states, x, noise, epsilon),
            reversibility(flow, base_states),
            symplecticity(flow, base_states[:_JACOBIANS]),
        )
    )


def reversibility(flow: EquivariantHamiltonianFlow, states: Array) -> Check:
    """Measure max |inverse(forward(s)) − s| over states (n, 2d)."""
    q, p = np.split(states, 2, axis=1)
    back = np.concatenate(flow.inverse(*flow.forward(q, p)), axis=1)
    worst = float(np.abs(back - states).max())
    return Check("reversibility", worst, _ROUNDING_LIMITS[flow.settings.dtype])


def symplecticity(flow: EquivariantHamiltonianFlow, states: Array) -> Check:
    """Measure max |Jᵀ Ω J − Ω| over states (n, 2d), J the Jacobian of the forward map."""
    dim = flow.dim

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


def _bracket_checks(
    flow: EquivariantHamiltonianFlow, base_states: Array, x: Array, noise: Array
) -> Iterator[Check]:
    """Compare mean {g,H}² with 2κ, where training sees it and where the data goes."""
    if flow.symmetry is None:
        return
    objective, weights = flow.objective, flow.weights
    p, _ = objective.encoder.draw(objective.layout.encoder_weights(weights), x, noise)
    trajectory = [(x, p), flow.inverse(x, p)]
    on_base = flow.brackets(*np.split(base_states, 2, axis=1))
    on_data = np.concatenate([flow.brackets(*state) for state in trajectory])
    for name, values in (("base states", on_base), ("data states", on_data)):
        squares = np.mean(np.square(values, dtype=np.float64), axis=0)
        for k, square in enumerate(squares, start=1):
            label = f"mean {{g{k},H}}², {name}"
            yield Check(label, float(square), 2 * flow.settings.kappa)


def _group_checks(
    flow: EquivariantHamiltonianFlow, base_states: Array, x: Array, noise: Array, epsilon: float
) -> Iterator[Check]:
    """Move base states and data by each generator's finite transformation."""
    if flow.symmetry is None or flow.report is None:
        return
    dim = flow.dim
    for k, verdict in enumerate(flow.report.verdicts, start=1):
        move = finite_action(flow.symmetry.space, verdict.generator, epsilon)
        residual = equivariance_residual(flow, base_states, move)
        yield Check(f"equivariance of the map, g{k}", residual, _EQUIVARIANCE_LIMIT, "relative")
        if verdict.linear_in_p:  # only then does g move positions by themselves
            moved = move(np.concatenate([x, np.zeros_like(x)], axis=1))[:, :dim].astype(x.dtype)
            before = flow.objective.log_weights(flow.weights, x, noise)
            after = flow.objective.log_weights(flow.weights, moved, noise)
            gap = float(abs(np.mean(after - before, dtype=np.float64)))
            yield Check(f"ELBO gap of moved data, g{k}", gap, _ELBO_GAP_LIMIT, "nats")


def equivariance_residual(
    flow: EquivariantHamiltonianFlow, states: Array, move: Transformation
) -> float:
    """Measure the root mean square of T_g F(s) − F(T_g s) relative to that of F(s)."""

    def push(state: Array) -> Array:
        return np.concatenate(flow.forward(*np.split(state, 2, axis=1)), axis=1)

    image = push(states)
    difference = move(image) - push(move(states).astype(states.dtype))
    return float(np.sqrt(np.mean(difference**2) / np.mean(image**2)))
