"""Does a trained model do what was promised? Figures, thresholds and verdicts.

Each check has a value, the threshold it is held to and a verdict. The thresholds are ours and say
when to look closer; what is promised exactly is in the invariance report.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp

from ehf_num.densities.encoder import GaussianEncoder
from ehf_num.engine import arguments
from ehf_num.engine.networks import dead_units
from ehf_num.engine.workspace import Array
from ehf_num.inference.importance import FEWEST_FOR_K
from ehf_num.model.density import FlowDensity
from ehf_num.model.diagnosis import Check, Diagnosis
from ehf_num.model.group_checks import EXACT_LIMITS, Sample, group_checks
from ehf_num.training.constraint import mean_squared_brackets
from ehf_sym.errors import ArgumentError

_ROUNDING_LIMITS = {"float64": 1e-8, "float32": 5e-3}
_DEAD_LIMIT = 0.95
_POINTS = 512
_JACOBIANS = 32


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
        - the residual |T_g F − F T_g| of the whole map F on base states, and of F⁻¹ on data,
          relative to the states' size;
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
    x = arguments.points(x, "x", flow.dim, dtype)[:_POINTS]
    random = arguments.generator(rng)
    base_states = flow.bound.base.sample(_POINTS, random, dtype)
    noise = random.standard_normal(x.shape).astype(dtype)
    p, _ = flow.bound.draw(x, noise)
    sample = Sample(base_states, np.concatenate([x, p], axis=1), x, noise)
    remarks: list[str] = []
    found = (
        *_bracket_checks(flow, sample),
        *group_checks(flow, sample, epsilon, n_samples, random, remarks),
        *_encoder_checks(flow, x),
        reversibility(flow, base_states),
        symplecticity(flow, base_states[:_JACOBIANS]),
    )
    return Diagnosis(found, tuple(remarks))


def reversibility(flow: FlowDensity, states: Array) -> Check:
    """Measure max |inverse(forward(s)) − s| over states (n, 2d)."""
    q, p = np.split(states, 2, axis=1)
    back = np.concatenate(flow.inverse(*flow.forward(q, p)), axis=1)
    worst = float(np.abs(back - states).max())
    return Check("reversibility", worst, _ROUNDING_LIMITS[flow.settings.dtype])


def symplecticity(flow: FlowDensity, states: Array) -> Check:
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


def _bracket_checks(flow: FlowDensity, sample: Sample) -> Iterator[Check]:
    """Compare mean {g,H}² with what it should be, where training sees it and where data goes."""
    if flow.symmetry is None:
        return
    limit = 2 * flow.settings.kappa
    if flow.settings.enforce == "exact":
        limit = EXACT_LIMITS[flow.settings.dtype] ** 2
    pulled = np.concatenate(flow.inverse(*np.split(sample.data_states, 2, axis=1)), axis=1)
    on_data = np.concatenate([sample.data_states, pulled])
    for name, states in (("base states", sample.base_states), ("data states", on_data)):
        for k, square in enumerate(_mean_squares(flow, states), start=1):
            yield Check(f"mean {{g{k},H}}², {name}", float(square), limit)


def _encoder_checks(flow: FlowDensity, x: Array) -> Iterator[Check]:
    """Look for units that noise has killed: what is zero everywhere has no gradient either."""
    if isinstance(flow.objective.encoder, GaussianEncoder):
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
