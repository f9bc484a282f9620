"""From formulas to the parts of a model, and from the parts to what a file repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy as sp

from ehf_num.densities.base import NumericBase, Sampler, numeric_base, refuse_extreme
from ehf_num.densities.learned_base import LearnedBase, learned_base
from ehf_num.densities.momentum_frames import MovingFrame
from ehf_num.hamiltonian.energies import FeatureEnergy, NetworkEnergy, SeparableHamiltonian
from ehf_num.hamiltonian.integrators import Leapfrog, Splitting, commutes, of_integrator
from ehf_num.hamiltonian.invariant_energy import Features, invariant_features
from ehf_num.hamiltonian.parameters import Layout, ParameterVector
from ehf_num.hamiltonian.protocols import (
    Energy,
    Hamiltonian,
    Integrator,
    Proof,
    ProvedEnergy,
    ProvedHamiltonian,
)
from ehf_num.model.parts import Parts, admit_integrator
from ehf_num.model.settings import FlowSettings
from ehf_num.training.constraint import (
    BracketAndChange,
    Constraint,
    MeanSquaredBracket,
    Penalty,
    change_under,
    generator_gradients,
)
from ehf_num.training.objective import Objective
from ehf_sym import (
    BaseDensity,
    FiniteSymmetry,
    InvarianceError,
    InvarianceReport,
    InvariantHamiltonian,
    LieAlgebra,
    NumpyFormula,
    PhaseSpace,
    Symmetry,
    equivariant_fields,
    format_formula,
    invariant_hamiltonian,
    to_numpy,
)
from ehf_sym.densities.charts import range_of
from ehf_sym.densities.orbit_mixture import OrbitMixture
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.learnable_bases import LearnableBase, learnable_base, on_common_space
from ehf_sym.symmetry.rotation_group import is_translation
from ehf_sym.symmetry.symmetry import AnySymmetry, as_symmetry, moved_to, symmetry_as_text


@dataclass(frozen=True)
class Premises:
    """What a model rests on, proved.

    Attributes
    ----------
    base : BaseDensity
        As the user gave it.
    symmetry : LieAlgebra, FiniteSymmetry, Symmetry or None
        Without the base's parameters.
    report : InvarianceReport or None
        {g, π} = 0; with parameters, for all values of the free ones.
    construction : InvariantHamiltonian or None
        The invariants that exact models are networks of.
    learnable : LearnableBase or None
        Which parameters are free; None for a base without parameters.
    """

    base: BaseDensity
    symmetry: AnySymmetry | None
    report: InvarianceReport | None
    construction: InvariantHamiltonian | None
    learnable: LearnableBase | None

    @property
    def lie(self) -> LieAlgebra | None:
        """The connected part, with what the finite one adds to it."""
        whole = as_symmetry(self.symmetry)
        return None if whole is None else whole.algebra

    @property
    def finite(self) -> FiniteSymmetry | None:
        """The finite part."""
        whole = as_symmetry(self.symmetry)
        return None if whole is None else whole.finite


def prove(
    base: BaseDensity, symmetry: AnySymmetry | None, settings: FlowSettings, parts: Parts
) -> Premises:
    """Prove {g, π} = 0 for every generator, and {g, H} = 0 where it holds by construction.

    What is penalized may be no symmetry of ours where a penalty of one's own is given.

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
    enforce = settings.enforce
    if symmetry is None and enforce != "none" and parts.penalty is None:
        raise ArgumentError(
            f"symmetry was None with enforce={enforce!r}; give an ehf_sym.LieAlgebra, an "
            "ehf_sym.FiniteSymmetry or an ehf_sym.Symmetry of both, or "
            'enforce="none"'
        )
    if not isinstance(symmetry, LieAlgebra | FiniteSymmetry | Symmetry | None):
        raise ArgumentError(
            f"symmetry was {type(symmetry).__name__}; it should be an ehf_sym.LieAlgebra, an "
            "ehf_sym.FiniteSymmetry or an ehf_sym.Symmetry of both"
        )
    parts.admit(base.space, settings.dtype, enforce)
    base, symmetry = on_common_space(base, symmetry)
    if base.space.parameters:
        learnable = learnable_base(base, symmetry)
        if symmetry is not None:
            symmetry = moved_to(symmetry, replace(base.space, parameters=()))
        construction = _construct(symmetry, settings, parts)
        return Premises(base, symmetry, learnable.report, construction, learnable)
    report = None if symmetry is None else symmetry.check(base)
    if report is not None and not report.proved:
        raise InvarianceError(
            f"base ({base.name}) is not proved invariant, {report.claim} is {report.status}:\n"
            f"{report}{_way_on(report)}",
            report,
        )
    return Premises(base, symmetry, report, _construct(symmetry, settings, parts), None)


def _way_on(report: InvarianceReport) -> str:
    """Say what can be done where no base would be invariant."""
    space = report.base.space
    moving = {p for q, p in zip(space.q, space.p, strict=True) if q not in space.angular}
    shifts = [v.generator for v in report.of_functions if is_translation(v.generator, space)]
    if not any(g.free_symbols & moving for g in shifts):
        return ""
    return (
        "\nNo density that can be normalized is invariant under translations of q: learn in "
        "relative coordinates. Of particles, those are frame = Particles(N, D).relative(): "
        "StandardNormal(frame.space), frame.rotations() and frame.to_relative(x)"
    )


def _construct(
    symmetry: AnySymmetry | None, settings: FlowSettings, parts: Parts
) -> InvariantHamiltonian | None:
    """Find the invariants that exact models are networks of, proved; None for other models."""
    if settings.enforce != "exact" or symmetry is None:
        return None
    _require_proofs(symmetry, parts)
    if parts.hamiltonian is not None or None not in (parts.kinetic, parts.potential):
        return None
    construction = invariant_hamiltonian(symmetry, generating=settings.invariants == "generating")
    if not construction.proved:
        raise ArgumentError(
            f'symmetry is not proved to be kept by its invariants with enforce="exact":\n'
            f"{construction}"
        )
    return construction


def _require_proofs(symmetry: AnySymmetry, parts: Parts) -> None:
    """Have energies of the user's own prove that they keep the symmetry, or refuse them.

    They are asked about a LieAlgebra or a Symmetry.
    """
    if isinstance(symmetry, FiniteSymmetry):
        symmetry = Symmetry(finite=symmetry)
    proofs: dict[str, Callable[[Any], Proof]] = {
        "kinetic": lambda part: part.invariance(symmetry, "p"),
        "potential": lambda part: part.invariance(symmetry, "q"),
        "hamiltonian": lambda part: part.invariance(symmetry),
    }
    for name, prove_it in proofs.items():
        part = getattr(parts, name)
        if part is None:
            continue
        if not isinstance(part, ProvedEnergy | ProvedHamiltonian):
            raise ArgumentError(
                f'{name} was {part!r} with enforce="exact", and has no method invariance that '
                "proves what it keeps (ehf_num.ProvedEnergy, ehf_num.ProvedHamiltonian): give it "
                'one, or take enforce="penalty"'
            )
        proof = prove_it(part)
        if not proof.proved:
            raise ArgumentError(
                f'{name} was {part!r} with enforce="exact"; it is not proved to be kept by the '
                f"symmetry:\n{proof}"
            )


def build_objective(
    premises: Premises,
    settings: FlowSettings,
    parts: Parts,
    base_parameters: Mapping[sp.Symbol, float] | None,
) -> Objective:
    """Bridge the formulas and put the loss together."""
    space, construction = premises.base.space, premises.construction
    angles = tuple(space.angles)
    features = frame = None
    if construction is not None:
        features = (
            invariant_features(construction.of_p, space.p),
            invariant_features(construction.of_q, space.q),
        )
        frame = _moving_frame(construction.symmetry, features[1])
    base = _numeric(premises, parts.base_sampler, base_parameters)
    if parts.base_sampler is None:  # a user's own is checked whenever it is called
        refuse_extreme(base.at(base.init(settings.dtype)), settings.dtype)
    hamiltonian = _hamiltonian(space, settings, parts, features)
    integrator: Integrator = Leapfrog(settings.steps, settings.step_size, settings.reversible)
    if parts.integrator is not None or parts.hamiltonian is not None:
        given = parts.integrator or integrator
        integrator = admit_integrator(given, hamiltonian, space, settings.dtype)
        if settings.enforce != "none":
            _require_equivariance(integrator, premises, settings.enforce)
    lie = premises.lie
    gradients = None if lie is None else generator_gradients(lie)
    return Objective(
        base=base,
        gradients=gradients,
        encoder=parts.encoder or settings.build_encoder(space.dim, frame, angles),
        layout=Layout(
            hamiltonian,
            integrator,
            settings.hamiltonians,
            base_arrays=len(base.init(settings.dtype)),
            angles=angles,
        ),
        constraint=_constraint(settings, parts, gradients, hamiltonian, premises.finite),
    )


def _require_equivariance(integrator: Integrator, premises: Premises, enforce: str) -> None:
    """Refuse a map that breaks the symmetry by itself; a penalty bears with O(dt²), as leapfrog."""
    finite, lie = premises.finite, premises.lie
    mixes = not isinstance(integrator, Splitting)
    if mixes and finite is not None and finite.generators != finite.momentum_generators:
        raise ArgumentError(
            f"integrator was {integrator!r} with a finite symmetry whose matrices are not all "
            "orthogonal; splittings such as Leapfrog are known to commute with these"
        )
    if finite is not None and not commutes(integrator, finite):
        raise ArgumentError(
            f"integrator was {integrator!r:.200}, which is not proved to commute with the finite "
            "symmetry: the windows of Lifted should be exchanged by all of its matrices"
        )
    if lie is None:
        return
    found = of_integrator(integrator, lie)
    if not found.proved and (enforce == "exact" or not found.in_the_limit):
        raise ArgumentError(
            f"integrator was {integrator!r} with enforce={enforce!r}; it is not proved to "
            f"commute with the symmetry where every H does:\n{found}"
        )


def _hamiltonian(
    space: PhaseSpace,
    settings: FlowSettings,
    parts: Parts,
    features: tuple[Features, Features] | None,
) -> Hamiltonian:
    """Put K and U together, built in where they were not given."""
    if parts.hamiltonian is not None:
        return parts.hamiltonian
    kinetic: Energy
    potential: Energy
    if features is None:
        kinetic = NetworkEnergy(space.dim, settings.hidden, settings.start)
        potential = replace(kinetic, angles=tuple(space.angles))
    else:
        kinetic, potential = (
            FeatureEnergy(each, settings.hidden, settings.start) for each in features
        )
    return SeparableHamiltonian(parts.kinetic or kinetic, parts.potential or potential)


def _constraint(
    settings: FlowSettings,
    parts: Parts,
    gradients: NumpyFormula | None,
    hamiltonian: Hamiltonian,
    finite: FiniteSymmetry | None,
) -> Constraint | None:
    if settings.enforce != "penalty":
        return None
    if parts.penalty is not None:
        return Constraint(parts.penalty, settings.constraint_on)
    change = None if finite is None else change_under(finite)
    if gradients is None:
        return None if change is None else Constraint(change, settings.constraint_on)
    if settings.split_bracket and not isinstance(hamiltonian, SeparableHamiltonian):
        raise ArgumentError(
            "split_bracket was True with a hamiltonian that is not K + U; it should be False"
        )
    bracket = MeanSquaredBracket(gradients, settings.split_bracket, settings.normalized_bracket)
    penalty: Penalty = bracket if change is None else BracketAndChange(bracket, change)
    return Constraint(penalty, settings.constraint_on)


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


def _moving_frame(symmetry: AnySymmetry, of_q: Features) -> MovingFrame | None:
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
    flow = objective.layout.init(rng, settings.dtype)
    encoder = objective.encoder.init(rng, settings.dtype)
    return ParameterVector([*flow, *encoder, *objective.base.init(settings.dtype)])


def formulas_as_text(base: BaseDensity, symmetry: AnySymmetry | None) -> dict[str, Any]:
    """Write base, generators and matrices in the grammar of `ehf_sym.parse`.

    Raises
    ------
    ehf_sym.FormulaError
        If a formula cannot be written in it.
    """
    normalizer = base.log_normalizer
    whole = as_symmetry(symmetry)
    return {
        "dim": base.space.dim,
        **({"angles": list(base.space.angles)} if base.space.angles else {}),
        "name": base.name,
        "parameters": {x.name: range_of(x) for x in base.space.parameters},
        "log_density": format_formula(base.log_density),
        "log_normalizer": None if normalizer is None else format_formula(normalizer),
        **({"mixture": base.as_text()} if isinstance(base, OrbitMixture) else {}),
        **symmetry_as_text(whole),
    }


def random_state(rng: np.random.Generator) -> dict[str, Any] | None:
    """Return the state of NumPy's default generator; that of another kind is not saved."""
    if not isinstance(rng.bit_generator, np.random.PCG64):
        return None
    return dict(rng.bit_generator.state)
