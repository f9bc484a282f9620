"""Row 14: the public arguments of ehf_sym."""

from __future__ import annotations

from collections.abc import Iterator

import ehf_sym as es
from tests.battery.public_arguments import Argument

SPACE = es.PhaseSpace(2)
Q, P = SPACE.q, SPACE.p
ROTATION = Q[0] * P[1] - Q[1] * P[0]
ALGEBRA = es.LieAlgebra(SPACE, [ROTATION])
BASE = es.StandardNormal(SPACE)


def space_arguments() -> Iterator[Argument]:
    yield Argument("PhaseSpace", "dim", "integer", es.PhaseSpace)
    yield Argument(
        "PhaseSpace",
        "parameters",
        "formulas",
        lambda v: es.PhaseSpace(1, v),
        ("[foreign symbol]",),
        ("parameter",),
    )
    for name in ("f", "g"):
        yield Argument(
            "bracket",
            name,
            "formula",
            lambda v, n=name: SPACE.bracket(**{"f": Q[0], "g": P[0]} | {n: v}),
        )
    yield Argument("vector_field", "f", "formula", SPACE.vector_field)
    yield Argument("validate", "f", "formula", SPACE.validate)
    yield Argument("infinitesimal", "f", "formula", lambda v: SPACE.infinitesimal(v, 1))
    yield Argument(
        "infinitesimal",
        "eps",
        "formula",
        lambda v: SPACE.infinitesimal(Q[0], v),
        ("foreign symbol",),
    )
    yield Argument("renamed", "shift", "integer", SPACE.renamed, ("0",))
    yield Argument("parse", "text", "text", lambda v: es.parse(v, SPACE))
    yield Argument("parse", "space", "space", lambda v: es.parse("q1", v))
    yield Argument(
        "format_formula",
        "expr",
        "formula",
        es.format_formula,
        ("foreign symbol", "coordinate of another kind"),
        ("formula", "expr"),
    )
    yield Argument(
        "is_zero",
        "expr",
        "formula",
        es.is_zero,
        ("foreign symbol", "coordinate of another kind", "function"),
    )
    yield Argument(
        "is_zero", "time_limit", "number", lambda v: es.is_zero(Q[0], time_limit=v), ("inf",)
    )
    yield Argument(
        "to_numpy",
        "formula",
        "formula",
        lambda v: es.to_numpy(v, SPACE.coordinates),
        ("float", "float in a formula"),
    )
    yield Argument(
        "to_numpy",
        "variables",
        "formulas",
        lambda v: es.to_numpy(1, v),
        ("[foreign symbol]", "[coordinate of another kind]"),
    )
    bridged = es.to_numpy(Q[0] * Q[1], Q)
    yield Argument(
        "NumpyFormula",
        "x",
        "points",
        bridged,
        ("NaN", "one inf", "no rows", "one axis", "three axes"),
    )
    yield Argument("named_symmetry", "text", "text", es.named_symmetry)
    yield Argument(
        "relations",
        "formulas",
        "formulas",
        es.relations,
        ("[foreign symbol]", "[coordinate of another kind]"),
        ("undecided",),
    )
    yield Argument(
        "coordinates",
        "basis",
        "formulas",
        lambda v: es.coordinates(v, Q[0]),
        ("[foreign symbol]", "[coordinate of another kind]"),
        ("undecided",),
    )
    yield Argument(
        "coordinates",
        "target",
        "formula",
        lambda v: es.coordinates([Q[0]], v),
        ("foreign symbol", "coordinate of another kind"),
        ("undecided",),
    )


def density_arguments() -> Iterator[Argument]:
    yield Argument("BaseDensity", "space", "space", lambda v: es.BaseDensity(v, log_density=-Q[0]))
    yield Argument(
        "BaseDensity", "log_density", "formula", lambda v: es.BaseDensity(SPACE, log_density=v)
    )
    yield Argument(
        "BaseDensity",
        "log_normalizer",
        "formula",
        lambda v: es.BaseDensity(SPACE, log_density=-Q[0], log_normalizer=v),
        ("None",),
    )
    yield Argument(
        "from_density", "density", "formula", lambda v: es.BaseDensity.from_density(SPACE, v)
    )
    yield Argument("StandardNormal", "space", "space", es.StandardNormal)
    yield Argument("GaussianFamily", "space", "space", es.GaussianFamily)
    yield Argument("SoftUniform", "space", "space", es.SoftUniform)
    for name in ("width", "sharpness"):
        yield Argument(
            "SoftUniform",
            name,
            "number",
            lambda v, n=name: es.SoftUniform(SPACE, **{n: v}),
            ("too large",),
        )


def algebra_arguments() -> Iterator[Argument]:
    yield Argument("LieAlgebra", "space", "space", lambda v: es.LieAlgebra(v, [ROTATION]))
    yield Argument(
        "LieAlgebra",
        "generators",
        "formulas",
        lambda v: es.LieAlgebra(SPACE, v),
        (),
        ("generator",),
    )
    yield Argument(
        "LieAlgebra",
        "labels",
        "formulas",
        lambda v: es.LieAlgebra(SPACE, [Q[0]], v),
        (),
        ("label",),
    )
    yield Argument("check", "base", "base", ALGEBRA.check)
    yield Argument("conditions", "base", "base", ALGEBRA.conditions)
    yield Argument("close", "max_dim", "integer", ALGEBRA.close)
    yield Argument("invariants", "degree", "integer", ALGEBRA.invariants)
    yield Argument("invariants", "of", "word", lambda v: ALGEBRA.invariants(2, of=v))
    yield Argument("action", "k", "integer", ALGEBRA.action, ("0",))
    yield Argument(
        "combination",
        "coefficients",
        "formulas",
        ALGEBRA.combination,
        ("[foreign symbol]", "[coordinate of another kind]", "[function]"),
    )
    yield Argument(
        "spanned_by", "formulas", "formulas", ALGEBRA.spanned_by, (), ("formula", "generator")
    )
    yield Argument("with_values", "values", "object", ALGEBRA.with_values)
    yield Argument("equivariant_fields", "symmetry", "algebra", es.equivariant_fields)
    yield Argument("invariant_hamiltonian", "symmetry", "algebra", es.invariant_hamiltonian)
    yield Argument(
        "invariant_hamiltonian",
        "max_degree",
        "integer",
        lambda v: es.invariant_hamiltonian(ALGEBRA, v),
        ("None",),
    )
    yield Argument("symmetries_of", "f", "formula", lambda v: es.symmetries_of(v, 1, space=SPACE))
    yield Argument("symmetries_of", "degree", "integer", lambda v: es.symmetries_of(BASE, v))
    yield Argument(
        "symmetries_of",
        "space",
        "space",
        lambda v: es.symmetries_of(Q[0] ** 2, 1, space=v),
        ("None",),
    )
    flow = ALGEBRA.action(0).to_numpy()
    yield Argument(
        "NumpyFlow",
        "states",
        "points4",
        lambda v: flow(v, 0.5),
        ("no rows", "one axis", "three axes"),
        ("states", "x ", "state"),
    )
    yield Argument("NumpyFlow", "eps", "number", lambda v: flow([[1.0, 0, 0, 1]], v), ("0", "-1"))


def catalogue_arguments() -> Iterator[Argument]:
    for name in (
        "so",
        "gl",
        "sl",
        "sp",
        "u",
        "su",
        "oscillator_u",
        "oscillator_su",
        "translations",
        "e",
        "heisenberg",
        "dilation",
        "conformal",
        "galilei",
    ):
        group = getattr(es.groups, name)
        yield Argument(f"groups.{name}", "n", "integer", group)
        yield Argument(
            f"groups.{name}", "space", "space", lambda v, g=group: g(2, space=v), ("None",)
        )
    yield Argument("groups.linear", "matrices", "formulas", es.groups.linear, (), ("matri",))
    yield Argument("Particles", "count", "integer", lambda v: es.Particles(v, 2))
    yield Argument("Particles", "dimension", "integer", lambda v: es.Particles(2, v))
    yield Argument(
        "Particles",
        "masses",
        "formulas",
        lambda v: es.Particles(1, 2, v),
        (),
        ("mass", "parameter"),
    )
    yield Argument("Kepler", "dimension", "integer", es.Kepler)
    yield Argument("Kepler.symmetry", "energy", "word", lambda v: es.Kepler(2).symmetry(v))
    yield Argument("IsotropicOscillator", "dimension", "integer", es.IsotropicOscillator)
    yield Argument("ComplexScalarLattice", "shape", "numbers", es.ComplexScalarLattice)
    yield Argument(
        "PointTransformation",
        "space",
        "space",
        lambda v: es.PointTransformation(v, [[1, 0], [0, 1]]),
    )
    yield Argument(
        "PointTransformation", "matrix", "formulas", lambda v: es.PointTransformation(SPACE, v)
    )
