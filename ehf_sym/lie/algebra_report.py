"""What algebra generators span, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sympy import Add, Expr, Symbol

from ehf_sym.errors import ClosureError, UndecidedError
from ehf_sym.exact.functions import relations
from ehf_sym.exact.linear import Subspace
from ehf_sym.formulas.report import Document, Line, Reported, formula_data, space_data
from ehf_sym.lie import ideals
from ehf_sym.lie.algebra import Algebra
from ehf_sym.lie.casimirs import casimir_count
from ehf_sym.lie.classification import Identity, identify_summand
from ehf_sym.lie.ideals import decompose, levi_complement
from ehf_sym.lie.structure import LieStructure

# Beyond so many generators their formulas are left out of the lines.
_MAX_SHOWN = 24


@dataclass(frozen=True)
class AlgebraReport(Reported):
    """Summary of a Lie algebra of functions.

    Attributes
    ----------
    symmetry : Algebra
        The generators as they were given.
    closed : Algebra or None
        A basis of what they generate; None if it does not close within the bound.
    failure : ClosureError or None
        Why it does not.
    relations : tuple of tuple of sympy.Expr
        Coefficients of the linear relations between the given generators: each that depends on
        those before it was left out.
    """

    symmetry: Algebra
    closed: Algebra | None
    failure: ClosureError | None
    relations: tuple[tuple[Expr, ...], ...]

    @cached_property
    def identity(self) -> Identity | None:
        """Names, and what they rest on."""
        return None if self.closed is None else self.closed.identity

    def document(self) -> Document:
        """Lines for a reader and data for a program."""
        return Document(tuple(self._lines()), self._data())

    def _lines(self) -> Iterator[Line]:
        left_out = [
            Line(1, f"{label} is left out, a combination: ", value)
            for label, value in self._dependent()
        ]
        if self.closed is None or self.identity is None:
            yield Line(0, f"Lie algebra that does not close: {self.failure}")
            yield from left_out
            return
        g = self.closed.structure
        yield Line(0, f"Lie algebra of dimension {g.dim}: {self.identity}")
        yield from self._generator_lines(self.closed)
        yield from left_out
        yield Line(1, ", ".join(_properties(self.closed)))
        yield from _part_lines(self.closed)
        count = casimir_count(g)
        yield Line(1, f"Independent Casimirs: {'' if count.exact else 'at most '}{count.number}")
        if self.identity.reasons:
            whose = "Named by" if self.identity.names else "Parts named by"
            yield Line(1, f"{whose}: {'; '.join(self.identity.reasons)}")
        if self.closed.space.parameters:
            names = ", ".join(map(str, self.closed.space.parameters))
            yield Line(1, f"For generic values of {names}")

    def _generator_lines(self, closed: Algebra) -> Iterator[Line]:
        """Basis, and what closing added."""
        given = len(self.symmetry.generators) - len(self.relations)
        shown = list(zip(closed.labels, closed.generators, strict=True))[:_MAX_SHOWN]
        for k, (label, generator) in enumerate(shown):
            yield Line(1, f"{'' if k < given else 'added by closing: '}{label} = ", generator)
        if len(shown) < len(closed.generators):
            rest = len(closed.generators) - len(shown)
            yield Line(1, f"and {rest} more")

    def _dependent(self) -> Iterator[tuple[str, Expr]]:
        """Label of each generator that was left out, with its value in the others' labels."""
        names = [Symbol(label) for label in self.symmetry.labels]
        for relation in self.relations:
            last = max(k for k, c in enumerate(relation) if c)
            value = Add(*(-c * x for c, x in zip(relation[:last], names[:last], strict=True)))
            yield str(names[last]), value

    def _data(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "space": space_data(self.symmetry.space),
            "generators": [formula_data(f) for f in self.symmetry.generators],
            "left_out": {label: str(value) for label, value in self._dependent()},
            "closed": self.closed is not None,
        }
        if self.closed is None or self.identity is None:
            return data | {"failure": str(self.failure)}
        g = self.closed.structure
        return data | {
            "dimension": g.dim,
            "basis": [formula_data(f) for f in self.closed.generators],
            "names": list(self.identity.names),
            "description": self.identity.description,
            "properties": _properties(self.closed),
            "dimensions": {name: part.dim for name, part in _parts(g).items()},
            "ideals": [formulas for _, formulas in _summands(self.closed)],
            "structure_constants": [
                [i, j, k, str(g.field.to_sympy(c))]
                for (i, j), row in g.table.items()
                for k, c in row.items()
            ],
        }


def describe(symmetry: Algebra, max_dim: int) -> AlgebraReport:
    """Close generators and look at what they span; see `LieAlgebra.describe`.

    Examples
    --------
    >>> from ehf_sym.formulas.phase_space import PhaseSpace
    >>> space = PhaseSpace(1)
    >>> describe(Algebra(space, [space.p[0]]), 5).closed.name
    'R'
    """
    closed, failure = None, None
    try:
        closed = symmetry.close(max_dim)
    except ClosureError as error:
        failure = error
    if closed is not None and closed.generators[: len(symmetry.generators)] == symmetry.generators:
        return AlgebraReport(symmetry, closed, None, ())
    related = relations(symmetry.generators, tuple(symmetry.space.parameters))
    return AlgebraReport(symmetry, closed, failure, tuple(related))


def _properties(closed: Algebra) -> list[str]:
    """Strongest of the usual properties."""
    if closed.is_abelian:
        return ["abelian"]
    if closed.is_nilpotent:
        return ["nilpotent"]
    if closed.is_solvable:
        return ["solvable, not nilpotent"]
    if not closed.is_reductive:
        return ["neither solvable nor reductive"]
    kind = "semisimple" if closed.is_semisimple else "reductive"
    try:
        return [kind, "compact" if closed.is_compact else "not compact"]
    except UndecidedError as error:
        return [kind, f"whether compact is undecided: {error}"]


def _parts(g: LieStructure) -> dict[str, Subspace]:
    """Subspaces that describe it."""
    return {
        "Centre": ideals.centre(g),
        "Derived algebra": ideals.derived_algebra(g),
        "Radical": ideals.radical(g),
        "Nilradical": ideals.nilradical(g),
        "Levi complement": levi_complement(g),
    }


def _part_lines(closed: Algebra) -> Iterator[Line]:
    """Those that are neither zero nor everything, and the direct sum."""
    g = closed.structure
    for name, part in _parts(g).items():
        if 0 < part.dim < g.dim:
            yield Line(1, f"{name}: {', '.join(_in_labels(closed, part))}")
    summands = list(_summands(closed))
    if len(summands) > 1:
        yield Line(1, "Direct sum of the ideals")
        for name, formulas in summands:
            yield Line(2, f"{name}: {', '.join(formulas)}")


def _summands(closed: Algebra) -> Iterator[tuple[str, list[str]]]:
    """Name and basis of each indecomposable ideal."""
    g = closed.structure
    for summand in decompose(g):
        name = identify_summand(g, summand).description
        yield name, _in_labels(closed, summand.ideal)


def _in_labels(closed: Algebra, part: Subspace) -> list[str]:
    """Basis of a subspace in the generators' labels."""
    names = [Symbol(label) for label in closed.labels]
    convert = closed.structure.field.to_sympy
    return [str(Add(*(convert(c) * names[k] for k, c in v.items()))) for v in part.basis]
