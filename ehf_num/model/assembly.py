"""From formulas to the parts of a model, and from the parts to what a file repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from ehf_num.densities.base import NumericBase, Sampler, numeric_base, refuse_extreme
from ehf_num.densities.encoder import Encoder
from ehf_num.densities.learned_base import LearnedBase, learned_base
from ehf_num.densities.momentum_frames import MovingFrame
from ehf_num.hamiltonian.invariant_energy import Features, invariant_features
from ehf_num.hamiltonian.parameters import ParameterVector
from ehf_num.model.settings import FlowSettings
from ehf_num.training.constraint import Constraint, generator_gradients
from ehf_num.training.objective import Objective
from ehf_sym import (
    BaseDensity,
    InvarianceError,
    InvarianceReport,
    InvariantHamiltonian,
    LieAlgebra,
    PhaseSpace,
    equivariant_fields,
    format_formula,
    invariant_hamiltonian,
    to_numpy,
)
from ehf_sym.densities.charts import range_of
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.learnable_bases import LearnableBase, learnable_base


@dataclass(frozen=True)
class Premises:
    """What a model rests on, proved.

    Attributes
    ----------
    base : BaseDensity
        As the user gave it.
    symmetry : LieAlgebra or None
        Without the base's parameters.
    report : InvarianceReport or None
        {g, π} = 0; with parameters, for all values of the free ones.
    construction : InvariantHamiltonian or None
        The invariants that exact models are networks of.
    learnable : LearnableBase or None
        Which parameters are free; None for a base without parameters.
    """

    base: BaseDensity
    symmetry: LieAlgebra | None
    report: InvarianceReport | None
    construction: InvariantHamiltonian | None
    learnable: LearnableBase | None


def prove(base: BaseDensity, symmetry: LieAlgebra | None, enforce: str) -> Premises:
    """Prove {g, π} = 0 for every generator, and {g, H} = 0 where it holds by construction.

    Raises
    ------
    ehf_sym.InvarianceError
        If it is not proved.
    ehf_sym.ArgumentError
        If an argument is of the wrong kind, there is nothing to enforce, or there are not enough
        invariants to build from.
    """
    if not isinstance(base, BaseDensity):
        raise ArgumentError(f"base was {type(base).__name__}; it should be an ehf_sym.BaseDensity")
    if symmetry is None and enforce != "none":
        raise ArgumentError(
            f"symmetry was None with enforce={enforce!r}; give an ehf_sym.LieAlgebra, or "
            'enforce="none"'
        )
    if not isinstance(symmetry, LieAlgebra | None):
        raise ArgumentError(
            f"symmetry was {type(symmetry).__name__}; it should be an ehf_sym.LieAlgebra"
        )
    if base.space.parameters:
        learnable = learnable_base(base, symmetry)
        if symmetry is not None:
            bare = PhaseSpace(base.space.dim)
            symmetry = LieAlgebra(bare, symmetry.generators, symmetry.labels)
        construction = _construct(symmetry, enforce)
        return Premises(base, symmetry, learnable.report, construction, learnable)
    report = None if symmetry is None else symmetry.check(base)
    if report is not None and not report.proved:
        raise InvarianceError(
            f"base ({base.name}) is not proved invariant, {{g, π}} = 0 is {report.status}:\n"
            f"{report}",
            report,
        )
    return Premises(base, symmetry, report, _construct(symmetry, enforce), None)


def _construct(symmetry: LieAlgebra | None, enforce: str) -> InvariantHamiltonian | None:
    """Find the invariants that exact models are networks of, proved; None for other models."""
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
    premises: Premises,
    settings: FlowSettings,
    own_encoder: Encoder | None,
    sampler: Sampler | None,
    base_parameters: Mapping[sp.Symbol, float] | None,
) -> Objective:
    """Bridge the formulas and put the loss together."""
    space, construction = premises.base.space, premises.construction
    features = frame = None
    if construction is not None:
        features = (
            invariant_features(construction.of_p, space.p),
            invariant_features(construction.of_q, space.q),
        )
        frame = _moving_frame(construction.symmetry, features[1])
    symmetry, base = premises.symmetry, _numeric(premises, sampler, base_parameters)
    if sampler is None:  # a user's own is checked whenever it is called
        refuse_extreme(base.at(base.init(settings.dtype)), settings.dtype)
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
        base=base,
        gradients=gradients,
        integrator=settings.integrator(),
        encoder=own_encoder or settings.build_encoder(space.dim, frame),
        layout=settings.layout(features, base_arrays=len(base.init(settings.dtype))),
        constraint=constraint,
    )


def _numeric(
    premises: Premises, sampler: Sampler | None, start: Mapping[sp.Symbol, float] | None
) -> NumericBase | LearnedBase:
    """Bridge the base, with parameters or without."""
    if sampler is not None and (not callable(sampler) or isinstance(sampler, type)):
        raise ArgumentError(
            f"base_sampler was {sampler!r}; it should be a function (n, rng) to states (n, 2d)"
        )
    if premises.learnable is None:
        if start is not None:
            raise ArgumentError(
                "base_parameters was given, but base has no parameters: put them into its "
                "PhaseSpace(dim, parameters=[...])"
            )
        return numeric_base(premises.base, sampler)
    if sampler is not None:
        raise ArgumentError(
            "base_sampler was given for a base with parameters to learn, whose values it would "
            "not know; such a base has to be Gaussian or factorize over coordinates"
        )
    return learned_base(premises.learnable, premises.base, start or {})


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
    """Draw all initial weights: K_1, U_1, …, K_n, U_n, encoder, base."""
    dim, features = objective.base.dim, objective.layout.features
    inputs = (dim, dim) if features is None else (features[0].count, features[1].count)
    energies = settings.init_energies(inputs, rng)
    encoder = objective.encoder.init(rng, settings.dtype)
    return ParameterVector([*energies, *encoder, *objective.base.init(settings.dtype)])


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
        "parameters": {x.name: range_of(x) for x in base.space.parameters},
        "log_density": format_formula(base.log_density),
        "log_normalizer": None if normalizer is None else format_formula(normalizer),
        "generators": [format_formula(generator) for generator in generators],
    }


def random_state(rng: np.random.Generator) -> dict[str, Any] | None:
    """Return the state of NumPy's default generator; that of another kind is not saved."""
    if not isinstance(rng.bit_generator, np.random.PCG64):
        return None
    return dict(rng.bit_generator.state)
