"""Disentangling: splitting a symmetry into direct factors, and finding what each moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

from sympy import Add, Expr, Symbol
from sympy.polys.matrices import DomainMatrix

from ehf_sym.disentanglement import Disentanglement, Factor, Status
from ehf_sym.exact.functions import Polynomials, functions
from ehf_sym.exact.subspaces import Subspace, Vector
from ehf_sym.lie.algebra import Algebra
from ehf_sym.lie.classification import identify
from ehf_sym.lie.decomposition import decompose
from ehf_sym.lie.ideals import centre, derived_algebra
from ehf_sym.lie.independent_actions import Split, Velocity, combined, split_space
from ehf_sym.zero_test import is_zero


def disentangle(symmetry: Algebra, max_dim: int) -> Disentanglement:
    """Split a symmetry into direct factors and look at what they move.

    See `LieAlgebra.disentangle`.

    Examples
    --------
    >>> from ehf_sym.phase_space import PhaseSpace
    >>> space = PhaseSpace(2)
    >>> disentangle(Algebra(space, space.p), 10).status
    'proved'
    """
    closed = symmetry.close(max_dim)
    linear_in_p = all(_is_linear_in_p(closed, f) for f in closed.generators)
    coordinates = closed.space.q if linear_in_p else closed.space.coordinates
    velocities = _velocities(closed, coordinates)
    ideals = [summand.ideal for summand in decompose(closed.structure)]
    for choice in (ideals, _lines_joined(ideals)):
        own, reason = _own_coordinates(closed, choice, coordinates, velocities)
        if own is not None:
            return _result(closed, choice, own, linear_in_p, "proved", reason)
    nothing: list[tuple[Expr, ...]] = [()] * (len(ideals) + 1)
    if velocities is None:
        reason = "coordinates are shared, and the velocities are not affine"
        return _result(closed, ideals, nothing, linear_in_p, "undecided", reason)
    if not _unique(closed, ideals):
        reason = "not for these factors, but central parts can be chosen otherwise"
        return _result(closed, ideals, nothing, linear_in_p, "undecided", reason)
    reason = "no linear change of coordinates separates these affine velocities"
    return _result(closed, ideals, nothing, linear_in_p, "refuted", reason)


def _result(
    closed: Algebra,
    ideals: Sequence[Subspace],
    own: Sequence[tuple[Expr, ...]],
    linear_in_p: bool,
    status: Status,
    reason: str,
) -> Disentanglement:
    """Put factors and verdict together; the last of their own coordinates are those at rest."""
    factors = tuple(
        Factor(
            algebra=_ideal(closed, ideal),
            name=identify(closed.structure.restricted(ideal)).description,
            moves=_moved(closed, ideal, closed.space.coordinates),
            own=own[k],
        )
        for k, ideal in enumerate(ideals)
    )
    of: Literal["q", "s"] = "q" if linear_in_p else "s"
    return Disentanglement(closed, factors, of, status, reason, own[-1])


def _own_coordinates(
    closed: Algebra,
    ideals: Sequence[Subspace],
    coordinates: Sequence[Symbol],
    velocities: _Velocities | None,
) -> tuple[list[tuple[Expr, ...]] | None, str]:
    """Coordinates of each factor, with the reason; those at rest are the last."""
    own = _coordinate_split(closed, ideals, coordinates)
    if own is not None:
        if len(ideals) == 1:
            return own, "there is one factor only"
        return own, "each factor moves coordinates of its own, by velocities of these alone"
    if velocities is None:
        return None, ""
    split = split_space(
        velocities.field,
        len(coordinates),
        [[velocities.of(closed, vector) for vector in ideal.basis] for ideal in ideals],
    )
    if split is None:
        return None, ""
    return _dual(velocities.field, split, coordinates), "after a linear change of coordinates"


def _lines_joined(ideals: Sequence[Subspace]) -> list[Subspace]:
    """Join the one-dimensional factors, which are a matter of choice, if others remain."""
    lines = [ideal for ideal in ideals if ideal.dim == 1]
    others = [ideal for ideal in ideals if ideal.dim > 1]
    if not others or len(lines) < 2:
        return list(ideals)
    return [*others, reduce(Subspace.__add__, lines)]


def _unique(closed: Algebra, ideals: Sequence[Subspace]) -> bool:
    """Whether there is but one way to choose the factors: no map from one into another's centre."""
    g = closed.structure
    parts = [g.restricted(ideal) for ideal in ideals]
    central = [centre(part).dim > 0 for part in parts]
    perfect = [derived_algebra(part).dim == part.dim for part in parts]
    return not any(
        central[j] and not perfect[i]
        for i in range(len(parts))
        for j in range(len(parts))
        if i != j
    )


def _is_linear_in_p(closed: Algebra, generator: Expr) -> bool:
    """Whether all second derivatives with respect to momenta are proved to vanish."""
    p = closed.space.p
    seconds = (generator.diff(a, b) for i, a in enumerate(p) for b in p[i:])
    return all(second == 0 or is_zero(second).proved for second in seconds)


def _velocity(closed: Algebra, generator: Expr, coordinate: Symbol) -> Expr:
    """{x, g} for a coordinate x."""
    space = closed.space
    if coordinate in space.q:
        return generator.diff(space.p[space.q.index(coordinate)])
    return -generator.diff(space.q[space.p.index(coordinate)])


def _ideal(closed: Algebra, ideal: Subspace) -> Algebra:
    """Ideal as an algebra of functions."""
    field, n = closed.structure.field, len(closed.generators)
    rows = ([field.to_sympy(v.get(k, field.zero)) for k in range(n)] for v in ideal.basis)
    return closed.spanned_by(map(closed.combination, rows))


def _moved(closed: Algebra, ideal: Subspace, coordinates: Sequence[Symbol]) -> tuple[Symbol, ...]:
    """Coordinates whose velocity is not proved to vanish."""
    generators = _ideal(closed, ideal).generators
    return tuple(
        x
        for x in coordinates
        if not all(_vanishes(_velocity(closed, generator, x)) for generator in generators)
    )


def _vanishes(formula: Expr) -> bool:
    return formula == 0 or is_zero(formula).proved


def _coordinate_split(
    closed: Algebra, ideals: Sequence[Subspace], coordinates: Sequence[Symbol]
) -> list[tuple[Expr, ...]] | None:
    """Coordinates of each factor, and those at rest, where no two factors share any."""
    moved = [_moved(closed, ideal, coordinates) for ideal in ideals]
    taken = [x for xs in moved for x in xs]
    if len(set(taken)) < len(taken):
        return None
    for ideal, xs in zip(ideals, moved, strict=True):
        others = [x for x in coordinates if x not in xs]
        for generator in _ideal(closed, ideal).generators:
            velocities = [_velocity(closed, generator, x) for x in xs]
            if not all(_vanishes(v.diff(x)) for v in velocities for x in others):
                return None
    return [*moved, tuple(x for x in coordinates if x not in taken)]


@dataclass(frozen=True, eq=False)
class _Velocities:
    """Affine velocity fields of the generators, over one field."""

    field: Any
    fields: Sequence[Velocity]

    def of(self, closed: Algebra, vector: Vector) -> Velocity:
        """Velocity field of a combination of the generators."""
        convert = closed.structure.field.to_sympy
        terms = ((self.field.from_sympy(convert(c)), self.fields[k]) for k, c in vector.items())
        return combined(terms)


def _velocities(closed: Algebra, coordinates: Sequence[Symbol]) -> _Velocities | None:
    """Velocity fields of all generators if they are affine in these coordinates."""
    space = closed.space
    ring = functions(closed.generators, space.coordinates, tuple(space.parameters))
    if not isinstance(ring, Polynomials):
        return None
    fields: list[Velocity] = []
    for generator in closed.generators:
        field: dict[int | None, dict[int, Any]] = {}
        for i, x in enumerate(coordinates):
            for monomial, entry in ring.of(_velocity(closed, generator, x)).items():
                if sum(monomial) > 1 or sum(monomial[len(coordinates) :]):
                    return None
                place = monomial.index(1) if sum(monomial) else None
                field.setdefault(place, {})[i] = entry
        fields.append(dict(field))
    return _Velocities(ring.field, fields)


def _dual(field: Any, split: Split, coordinates: Sequence[Symbol]) -> list[tuple[Expr, ...]]:
    """Linear coordinates of each part, those at rest last."""
    n = len(coordinates)
    columns = [v for part in (*split.parts, split.rest) for v in part.basis]
    rows: dict[int, dict[int, Any]] = {}
    for j, column in enumerate(columns):
        for i, entry in column.items():
            rows.setdefault(i, {})[j] = entry
    inverse = DomainMatrix(rows, (n, n), field).inv().rep.to_sdm()
    forms = [
        Add(*(field.to_sympy(c) * coordinates[j] for j, c in inverse[i].items())) for i in range(n)
    ]
    found, start = [], 0
    for part in (*split.parts, split.rest):
        found.append(tuple(forms[start : start + part.dim]))
        start += part.dim
    return found
