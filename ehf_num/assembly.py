"""From formulas to the parts of a model, and from the parts to what a file repeats."""

from __future__ import annotations

from typing import Any

import numpy as np

from ehf_num.base import Sampler, numeric_base
from ehf_num.constraint import Constraint, generator_gradients
from ehf_num.invariant_energy import Features, invariant_features
from ehf_num.momentum_frames import MovingFrame
from ehf_num.objective import Objective
from ehf_num.parameters import ParameterVector
from ehf_num.settings import FlowSettings
from ehf_sym import (
    BaseDensity,
    InvarianceError,
    InvarianceReport,
    InvariantHamiltonian,
    LieAlgebra,
    equivariant_fields,
    format_formula,
    invariant_hamiltonian,
    to_numpy,
)
from ehf_sym.errors import ArgumentError


def prove(base: BaseDensity, symmetry: LieAlgebra | None, enforce: str) -> InvarianceReport | None:
    """Prove {g, π} = 0 for every generator, or refuse.

    Raises
    ------
    ehf_sym.InvarianceError
        If it is not proved.
    ehf_sym.ArgumentError
        If an argument is of the wrong kind, or there is nothing to enforce.
    """
    if not isinstance(base, BaseDensity):
        raise ArgumentError(f"base was {type(base).__name__}; it should be an ehf_sym.BaseDensity")
    if base.space.parameters:
        names = ", ".join(map(str, base.space.parameters))
        raise ArgumentError(
            f"base is on {base.space!r}; a model needs numbers for {names}: give them with "
            "base.with_values({...}), and to the symmetry with symmetry.with_values({...})"
        )
    if symmetry is None:
        if enforce != "none":
            raise ArgumentError(
                f"symmetry was None with enforce={enforce!r}; give an ehf_sym.LieAlgebra, or "
                'enforce="none"'
            )
        return None
    if not isinstance(symmetry, LieAlgebra):
        raise ArgumentError(
            f"symmetry was {type(symmetry).__name__}; it should be an ehf_sym.LieAlgebra"
        )
    report = symmetry.check(base)
    if not report.proved:
        raise InvarianceError(
            f"base ({base.name}) is not proved invariant, {{g, π}} = 0 is {report.status}:\n"
            f"{report}",
            report,
        )
    return report


def construct(symmetry: LieAlgebra | None, enforce: str) -> InvariantHamiltonian | None:
    """Find the invariants that exact models are networks of, proved; None for other models.

    Raises
    ------
    ehf_sym.ArgumentError
        If there are not enough of them, or a bracket is not proved to vanish.
    """
    if enforce != "exact" or symmetry is None:
        return None
    construction = invariant_hamiltonian(symmetry)
    if not construction.proved:
        raise ArgumentError(
            f'symmetry is not proved to be kept by its invariants with enforce="exact":\n'
            f"{construction}"
        )
    return construction


def build_objective(
    base: BaseDensity,
    symmetry: LieAlgebra | None,
    construction: InvariantHamiltonian | None,
    settings: FlowSettings,
    sampler: Sampler | None,
) -> Objective:
    """Bridge the formulas and put the loss together."""
    space = base.space
    features = frame = None
    if construction is not None:
        features = (
            invariant_features(construction.of_p, space.p),
            invariant_features(construction.of_q, space.q),
        )
        frame = _moving_frame(construction.symmetry, features[1])
    gradients = None if symmetry is None else generator_gradients(symmetry)
    constraint = None
    if settings.enforce == "penalty" and gradients is not None:
        constraint = Constraint(
            gradients,
            settings.constraint_on,
            settings.split_bracket,
            settings.normalized_bracket,
        )
    return Objective(
        base=numeric_base(base, sampler),
        gradients=gradients,
        integrator=settings.integrator(),
        encoder=settings.build_encoder(space.dim, frame),
        layout=settings.layout(features),
        constraint=constraint,
    )


def _moving_frame(symmetry: LieAlgebra, of_q: Features) -> MovingFrame | None:
    """Bridge the fields along which momenta are taken apart, where the symmetry has such."""
    fields = equivariant_fields(symmetry)
    if fields is None:
        return None
    rows = to_numpy([list(field) for field in fields], symmetry.space.q)
    return MovingFrame(of_q.formula, rows)


def initial_parameters(
    objective: Objective, settings: FlowSettings, rng: np.random.Generator
) -> ParameterVector:
    """Draw all initial weights: K_1, U_1, …, K_n, U_n, encoder."""
    dim, features = objective.base.dim, objective.layout.features
    inputs = (dim, dim) if features is None else (features[0].count, features[1].count)
    encoder = objective.encoder.init
    return ParameterVector(settings.init_energies(inputs, rng) + encoder(rng, settings.dtype))


def formulas_as_text(base: BaseDensity, symmetry: LieAlgebra | None) -> dict[str, Any]:
    """Write base and generators in the grammar of `ehf_sym.parse`.

    Raises
    ------
    ehf_sym.FormulaError
        If a formula cannot be written in it.
    """
    normalizer = base.log_normalizer
    generators = () if symmetry is None else symmetry.generators
    return {
        "dim": base.space.dim,
        "name": base.name,
        "log_density": format_formula(base.log_density),
        "log_normalizer": None if normalizer is None else format_formula(normalizer),
        "generators": [format_formula(generator) for generator in generators],
    }


def random_state(rng: np.random.Generator) -> dict[str, Any] | None:
    """Return the state of NumPy's default generator; that of another kind is not saved."""
    if not isinstance(rng.bit_generator, np.random.PCG64):
        return None
    return dict(rng.bit_generator.state)
