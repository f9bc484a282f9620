"""Base densities of which parameters are learned: those that are invariant for all values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sympy import Expr, Symbol

from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.densities.charts import Chart, chart_of
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.printing import quoted
from ehf_sym.symmetry.conditions import Conditions, InvariantFamily, find_conditions
from ehf_sym.symmetry.invariance.report import InvarianceError, InvarianceReport
from ehf_sym.symmetry.lie_algebra import LieAlgebra
from ehf_sym.symmetry.symmetry import AnySymmetry, as_symmetry, moved_to


@dataclass(frozen=True)
class LearnableBase:
    """A density with free parameters, invariant whatever they are.

    Attributes
    ----------
    density : BaseDensity
        On the space of the free parameters.
    determined : mapping from sympy.Symbol to sympy.Expr
        The other parameters, which invariance determines, as formulas in the free ones.
    chart : Chart
        Coordinates on the free ones.
    report : InvarianceReport or None
        The proof for all values; None without a symmetry.
    """

    density: BaseDensity
    determined: Mapping[Symbol, Expr]
    chart: Chart
    report: InvarianceReport | None


def on_common_space(
    base: BaseDensity, symmetry: AnySymmetry | None
) -> tuple[BaseDensity, AnySymmetry | None]:
    """Put a density and a symmetry on one space, without the parameters that neither holds.

    The space of a lattice or of particles has masses and couplings that no generator may contain.

    Examples
    --------
    >>> from ehf_sym import ComplexScalarLattice, StandardNormal
    >>> phase = ComplexScalarLattice([2]).global_phase()
    >>> phase.space.parameters
    (m, g)
    >>> base, symmetry = on_common_space(StandardNormal(phase.space), phase)
    >>> base.space == symmetry.space, symmetry.space
    (True, PhaseSpace(dim=4))
    """
    spaces = [base.space] if symmetry is None else [base.space, symmetry.space]
    if len({(space.dim, space.angles) for space in spaces}) > 1:
        raise ArgumentError(f"base lives on {spaces[0]}; it should live on {spaces[1]}")
    whole = as_symmetry(symmetry)
    lie = None if whole is None else whole.lie
    generators = () if lie is None else lie.generators
    held = base.log_density.free_symbols.union(*(g.free_symbols for g in generators))
    parameters = dict.fromkeys(x for space in spaces for x in space.parameters if x in held)
    space = replace(base.space, parameters=list(parameters))
    if base.space != space:
        base = replace(base, space=space)
    if symmetry is not None and symmetry.space != space:
        symmetry = moved_to(symmetry, space)
    return base, symmetry


def learnable_base(base: BaseDensity, symmetry: AnySymmetry | None) -> LearnableBase:
    """Restrict a density with parameters to the family that a symmetry leaves invariant.

    Parameters
    ----------
    base : BaseDensity
        On a space with parameters.
    symmetry : LieAlgebra or None
        Generators without parameters; None: every parameter is free.

    Raises
    ------
    InvarianceError
        If the density is invariant for no values, or for none that is proved.
    ArgumentError
        If there are several families to choose from, a generator has parameters, or the free ones
        have no chart (see `chart_of`).

    Examples
    --------
    >>> from ehf_sym import GaussianFamily, PhaseSpace
    >>> space = PhaseSpace(1)
    >>> rotation = LieAlgebra(space, [(space.q[0] ** 2 + space.p[0] ** 2) / 2])
    >>> learnable = learnable_base(GaussianFamily(space), rotation)
    >>> learnable.density.log_density, learnable.determined
    (-P1_1*p1**2/2 - P1_1*q1**2/2, {P1_2: 0, P2_2: P1_1})
    """
    whole = as_symmetry(symmetry)
    if symmetry is None or whole is None:
        return LearnableBase(base, {}, chart_of(base), None)
    for generator in () if whole.lie is None else whole.lie.generators:
        if named := generator.free_symbols.intersection(symmetry.space.parameters):
            raise ArgumentError(
                f"symmetry has the generator {quoted(generator)} with the parameter "
                f"{min(named, key=str)}; "
                "only parameters of the base can be learned: use symmetry.with_values({...})"
            )
    if isinstance(symmetry, LieAlgebra):
        conditions = find_conditions(symmetry, base)
    else:
        conditions = whole.conditions_on(base)
    family = _only_family(conditions)
    if not family.base.space.parameters:
        raise ArgumentError(
            f"base ({base.name}) is invariant for one choice of its parameters only, which leaves "
            f"nothing to learn: use base.with_values({dict(family.values)})"
        )
    normalizer = base.log_normalizer
    density = replace(
        family.base,
        log_normalizer=None if normalizer is None else normalizer.xreplace(dict(family.values)),
    )
    return LearnableBase(density, family.values, chart_of(density, family.positive), family.report)


def _only_family(conditions: Conditions) -> InvariantFamily:
    """Return the one family that there is, proved."""
    families, base = conditions.families, conditions.base
    if not families:
        report = conditions.symmetry.check(base)
        message = f"base ({base.name}) is invariant for no values of its parameters:\n{report}"
        raise InvarianceError(message, report)
    if len(families) > 1:
        raise ArgumentError(
            f"base ({base.name}) is invariant in {len(families)} families; choose one of them, "
            f"symmetry.conditions(base).families[k].base:\n{conditions}"
        )
    if not families[0].proved:
        report = families[0].report or conditions.symmetry.check(base)
        message = f"base ({base.name}) is not proved invariant in the only family:\n{conditions}"
        raise InvarianceError(message, report)
    return families[0]
