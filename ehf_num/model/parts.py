"""The parts of a model that are given by value: admitted, described in its file, compared with it.

A file says of each part what it is called, which shapes its weights have, and what it computed of a
few fixed rows with the weights that were saved. What is made of plain options is made again from
them; what is code is asked for again, and has to compute the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from ehf_num.densities.base import Sampler
from ehf_num.densities.check_encoder import admit_encoder
from ehf_num.densities.commutant_encoder import CommutantEncoder
from ehf_num.densities.encoder import Encoder
from ehf_num.densities.orbit_encoder import OrbitEncoder
from ehf_num.engine.workspace import Array
from ehf_num.files.archive import ModelFileError
from ehf_num.hamiltonian.energies import SeparableHamiltonian
from ehf_num.hamiltonian.formula_energy import FormulaEnergy
from ehf_num.hamiltonian.hamiltonian import NonSeparable
from ehf_num.hamiltonian.implicit import ExtendedPhaseSpace, ImplicitMidpoint
from ehf_num.hamiltonian.integrators import (
    BlanesMoan4,
    Dilated,
    Leapfrog,
    LearnedStep,
    Splitting,
    WithWeights,
    Yoshida4,
)
from ehf_num.hamiltonian.part_checks import EnergyProbe, HamiltonianProbe, IntegratorProbe
from ehf_num.hamiltonian.part_probe import admit
from ehf_num.hamiltonian.protocols import Energy, Hamiltonian, Integrator
from ehf_num.symmetry.lift import Lifted
from ehf_num.symmetry.orbit_sum import OrbitSum
from ehf_num.training.constraint import Penalty
from ehf_num.training.objective import BoundModel
from ehf_num.training.penalty_checks import PenaltyProbe
from ehf_sym import PhaseSpace
from ehf_sym.errors import ArgumentError

_ROWS = 3
_TURN_AGREES = 1e-9
_WITH_ANGLES = {
    "GaussianEncoder": ": GaussianEncoder(dim, hidden, angles=[...])",
    "FormulaEnergy": ", and be on the space with angles",
    "NonSeparable": ": NonSeparable on the space with angles",
}
_AGREE = {"float64": 1e-6, "float32": 1e-2}  # of what another machine's rounding makes of it


@dataclass(frozen=True, eq=False)
class Parts:
    """What was given by value; None: what the options say.

    Attributes
    ----------
    encoder, integrator, kinetic, potential, hamiltonian, penalty : object or None
        As `EquivariantHamiltonianFlow` takes them.
    base_sampler : callable or None
        Of the base.
    """

    encoder: Encoder | None = None
    integrator: Integrator | None = None
    kinetic: Energy | None = None
    potential: Energy | None = None
    hamiltonian: Hamiltonian | None = None
    penalty: Penalty | None = None
    base_sampler: Sampler | None = None

    def given(self) -> dict[str, Any]:
        """Return what was given but for the sampler, by name."""
        return {name: getattr(self, name) for name in PARTS if getattr(self, name) is not None}

    def admit(self, space: PhaseSpace, dtype: str, enforce: str) -> None:
        """Hold every part to its form, but for what takes a whole model.

        Raises
        ------
        ehf_sym.ArgumentError
            If a part is none of its kind, two do not go together, or one is no function of the
            angles of the space.
        """
        dim = space.dim
        if self.hamiltonian is not None:
            for name in ("kinetic", "potential"):
                if getattr(self, name) is not None:
                    raise ArgumentError(
                        f"{name} was given together with hamiltonian, which it is a part of: "
                        "leave one of them out"
                    )
        if self.penalty is not None and enforce != "penalty":
            raise ArgumentError(
                f'penalty was given with enforce={enforce!r}; it is of use with enforce="penalty"'
            )
        rng = np.random.default_rng(0)
        if self.encoder is not None:
            admit_encoder(self.encoder, dim, dtype)
        for name in ("kinetic", "potential"):
            part = getattr(self, name)
            if part is not None:
                admit(name, part, EnergyProbe(part, dim, rng).form_faults(dtype))
        if self.hamiltonian is not None:
            probe = HamiltonianProbe(self.hamiltonian, dim, rng)
            admit("hamiltonian", self.hamiltonian, probe.form_faults(dtype))
        if space.angles:
            self._refuse_broken_angles(space)

    def _refuse_broken_angles(self, space: PhaseSpace) -> None:
        """Try the parts that see positions, each angle at a state and one turn further."""
        rng, angles = np.random.default_rng(1), list(space.angles)
        q, p, noise = rng.standard_normal((3, len(angles), space.dim))
        turned = q.copy()
        turned[np.arange(len(angles)), angles] += 2 * np.pi
        evaluate: dict[str, Callable[[Any, Any], Sequence[Any]]] = {
            "encoder": lambda each, q: each.draw(_stirred(each), q, noise),
            "potential": lambda each, q: _value_and_slope(each, q),
            "hamiltonian": lambda each, q: each.vector_field(_stirred(each), q, p),
        }
        for name, values in evaluate.items():
            given = getattr(self, name)
            if given is None:
                continue
            pairs = list(zip(values(given, q), values(given, turned), strict=True))
            for row, k in enumerate(angles):
                if not all(_close(one[row], other[row]) for one, other in pairs):
                    raise ArgumentError(
                        f"{name} was {given!r}, which changes where the angle {space.q[k]} turns "
                        f"by 2π; it should see angles by functions such as cos({space.q[k]}) and "
                        f"sin({space.q[k]}){_WITH_ANGLES.get(type(given).__name__, '')}"
                    )


PARTS = tuple(each.name for each in fields(Parts) if each.name != "base_sampler")
"""Their names, but for the sampler's, which has no weights and no values of its own."""


def _stirred(part: Any) -> list[Array]:
    """Draw weights, the same for every call; those that start at zero would hide what they see."""
    rng = np.random.default_rng(2)
    return [each + rng.standard_normal(each.shape) / 4 for each in part.init(rng, "float64")]


def _value_and_slope(part: Energy, q: Array) -> tuple[Any, Any]:
    weights = _stirred(part)
    return part.value(weights, q), part.gradient(weights, q)


def _close(one: Any, other: Any) -> bool:
    return np.allclose(one, other, rtol=_TURN_AGREES, atol=_TURN_AGREES, equal_nan=True)


def admit_integrator(
    integrator: Any, hamiltonian: Hamiltonian, space: PhaseSpace, dtype: str
) -> Integrator:
    """Hold an integrator to its form on a Hamiltonian, and refuse one that no density can have.

    Raises
    ------
    ehf_sym.ArgumentError
        If it is none, is not symplectic, or stretches angles.
    """
    probe = IntegratorProbe(integrator, hamiltonian, space.dim, np.random.default_rng(0))
    admit("integrator", integrator, [probe.declared_fault])
    if not integrator.symplectic:
        raise ArgumentError(
            f"integrator was {integrator!r}, whose symplectic is False: ln p(s') = ln π(s) needs a "
            "map that preserves volume; take ehf_num.Leapfrog or another symplectic one"
        )
    inner = integrator
    while isinstance(inner, WithWeights):
        if isinstance(inner, Lifted) and inner.energy.space.dim != space.dim:
            raise ArgumentError(
                f"integrator was {integrator!r:.200} with windows on {inner.energy.space}; they "
                f"should be on the model's space, {space}"
            )
        if isinstance(inner, Dilated) and space.angles:
            raise ArgumentError(
                f"integrator was {integrator!r} on {space!r}: angles cannot be dilated, since a "
                "turn of 2π would no longer be one; give the integrator without Dilated"
            )
        inner = inner.integrator
    if isinstance(inner, Splitting) and not isinstance(hamiltonian, SeparableHamiltonian):
        raise ArgumentError(
            f"hamiltonian was {hamiltonian!r}, which {integrator!r} cannot take apart into kicks "
            "and drifts: give an integrator= for any H(q, p)"
        )
    if _plain(integrator) is None or not isinstance(hamiltonian, SeparableHamiltonian):
        admit("integrator", integrator, probe.form_faults(dtype))
    admitted: Integrator = integrator
    return admitted


def admit_penalty(model: BoundModel, dim: int) -> None:
    """Hold a penalty to its form on a model.

    Raises
    ------
    ehf_sym.ArgumentError
        If it is none.
    """
    constraint = model.objective.constraint
    if constraint is not None:
        probe = PenaltyProbe(constraint.penalty, model.flow, dim, np.random.default_rng(0))
        admit("penalty", constraint.penalty, [probe.names_fault, probe.shapes_fault])


_INTEGRATORS: tuple[type, ...] = (
    Leapfrog,
    Yoshida4,
    BlanesMoan4,
    ImplicitMidpoint,
    ExtendedPhaseSpace,
    LearnedStep,
    Dilated,
    Lifted,
)
RESTORED: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *_INTEGRATORS,
        NonSeparable,
        FormulaEnergy,
        OrbitSum,
        OrbitEncoder,
        CommutantEncoder,
    )
}
"""Parts that a file restores by itself, by their names: dataclasses of plain options, and what has
`saved` and `restored`."""


def describe_parts(parts: Parts, model: BoundModel) -> dict[str, Any]:
    """Say what a file remembers of the parts that were given."""
    return {
        name: {
            "type": type(part).__name__,
            "options": _plain(part),
            "shapes": [list(array.shape) for array in _weights_of(name, model)],
            "values": None if _plain(part) else _values_of(name, part, model),
        }
        for name, part in parts.given().items()
    }


def restore_parts(path: Any, told: Mapping[str, Any], given: Parts) -> Parts:
    """Put the parts together that a file tells of: from plain options, or as given again.

    Raises
    ------
    ehf_sym.ArgumentError
        If a part is missing, or was given where the file has a built-in one.
    """
    for name in given.given():
        if name not in told:
            raise ArgumentError(f"{name} was given, but {path} was made with one that is built in")
    parts: dict[str, Any] = {}
    for name, description in told.items():
        kind, options = description["type"], description.get("options")
        if getattr(given, name) is None and options is None:
            raise ArgumentError(
                f"{name} was None; {path} was made with {_article(name)} {name} of its own "
                f"({kind}), which is code and not saved: give it again"
            )
        if getattr(given, name) is None:
            try:
                parts[name] = _from_plain(kind, options)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise ModelFileError(f"{path} cannot be rebuilt: {name}: {error}") from error
    return replace(given, **parts)


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def compare_values(path: Any, told: Mapping[str, Any], parts: Parts, model: BoundModel) -> None:
    """Refuse parts that do not compute what those did that a file tells of.

    Raises
    ------
    ehf_sym.ArgumentError
        If one does not.
    """
    dtype = str(model.weights[0].dtype) if model.weights else "float64"
    for name, part in parts.given().items():
        before = told[name].get("values")
        if before is None or _plain(part) is not None:
            continue
        now = _values_of(name, part, model)
        if now is None or not np.allclose(now, before, rtol=_AGREE[dtype], atol=_AGREE[dtype]):
            raise ArgumentError(
                f"{name} was {part!r}, which computes other values than the "
                f"{told[name]['type']} in {path} did: give the one that the model was made with"
            )


def compare_shapes(path: Any, told: Mapping[str, Any], parts: Parts, model: BoundModel) -> None:
    """Refuse parts whose weights have other shapes than a file tells of.

    Raises
    ------
    ehf_sym.ArgumentError
        If there is one.
    """
    for name, part in parts.given().items():
        shapes = [list(array.shape) for array in _weights_of(name, model)]
        if shapes != told[name]["shapes"]:
            raise ArgumentError(
                f"{name} was {part!r} with weights of shapes {shapes}; the {told[name]['type']} in "
                f"{path} has {told[name]['shapes']}"
            )


def _weights_of(name: str, model: BoundModel) -> Sequence[Array]:
    """Return the weights of a part, in a chain those of the first Hamiltonian."""
    if name == "encoder":
        return model.encoder_weights
    if name == "penalty":
        return ()
    found = model.objective.layout.weights_of(name, model.weights)
    return found[0] if found else ()


def _values_of(name: str, part: Any, model: BoundModel) -> list[float] | None:
    """Evaluate a part at fixed rows with its weights; None where a value is not finite."""
    weights, dtype = _weights_of(name, model), model.weights[0].dtype
    q, p = np.random.default_rng(0).standard_normal((2, _ROWS, model.base.dim)).astype(dtype)
    evaluate: dict[str, Callable[[], Sequence[Any]]] = {
        "encoder": lambda: part.draw(weights, q, p),
        "kinetic": lambda: (part.value(weights, p), part.gradient(weights, p)),
        "potential": lambda: (part.value(weights, q), part.gradient(weights, q)),
        "hamiltonian": lambda: part.vector_field(weights, q, p),
        "integrator": lambda: model.flow.maps[0][0].forward(model.flow.maps[0][1], q, p),
        "penalty": lambda: (part.terms(model.flow, np.concatenate([q, p], axis=1)),),
    }
    with np.errstate(all="ignore"):
        values = np.concatenate([np.ravel(value) for value in evaluate[name]()])
    return [float(value) for value in values] if np.isfinite(values).all() else None


def _plain(part: Any) -> dict[str, Any] | None:
    """Return the options of a part that a file restores by itself; None for others."""
    if not is_dataclass(part) or RESTORED.get(type(part).__name__) is not type(part):
        return None
    if hasattr(part, "saved"):
        told: dict[str, Any] | None = part.saved()
        return told
    found: dict[str, Any] = {}
    for each in fields(part):
        value = getattr(part, each.name)
        if is_dataclass(value) and not isinstance(value, type):
            options = _plain(value)
            if options is None:
                return None
            value = {"type": type(value).__name__, "options": options}
        found[each.name] = value
    return found


def _from_plain(kind: str, options: Mapping[str, Any]) -> Any:
    """Make a part again from its options.

    Raises
    ------
    ValueError
        If no such part is known.
    """
    if kind not in RESTORED:
        raise ValueError(f"it has a part {kind!r} that this version does not know")
    if hasattr(RESTORED[kind], "restored"):
        return RESTORED[kind].restored(**options)
    values = {
        name: _from_plain(value["type"], value["options"]) if isinstance(value, Mapping) else value
        for name, value in options.items()
    }
    return RESTORED[kind](**values)
