"""Disentangling: a symmetry split into direct factors, and what each of them moves.

Several factors whose actions are affine may have a subspace each; whether they do is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from math import inf
from typing import Any, Literal

from sympy import Add, Expr, Heaviside, Piecewise, Symbol, sign

from ehf_sym.exact.functions import Polynomials, functions
from ehf_sym.exact.linear import (
    Subspace,
    Vector,
    combine,
    matrix_of_columns,
    nullspace,
    transposed,
)
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import record_text
from ehf_sym.formulas.report import Document, Line, Reported, formula_data
from ehf_sym.formulas.verdict import Status
from ehf_sym.lie.algebra import Algebra
from ehf_sym.lie.classification import identify
from ehf_sym.lie.ideals import centre, decompose, derived_algebra
from ehf_sym.zero.zero_test import is_zero

# Velocity of the coordinates: monomial (a coordinate, or None for 1) -> vector.
Velocity = dict[int | None, Vector]


@dataclass(frozen=True, eq=False)
class Split:
    """V = V_1 + ... + V_n + V_0, factor i acting on V_i alone and V_0 at rest.

    Attributes
    ----------
    parts : tuple of Subspace
        V_1, ..., V_n.
    rest : Subspace
        V_0.
    """

    parts: tuple[Subspace, ...]
    rest: Subspace


def split_space(field: Any, dim: int, factors: Sequence[Sequence[Velocity]]) -> Split | None:
    """Find subspaces on which the factors act independently; None if there are none.

    Let W_i be the span of all velocities A v + b of factor i, and K_i the v that no A of it moves.
    If V is such a sum, then W_i lies in V_i, and V_i in every K_j with j ≠ i. So it is necessary,
    and it suffices, that W_i lies in K_j, that the sum of the W_i is direct, and that the
    intersections of the K_j with j ≠ i span V.

    Parameters
    ----------
    field : sympy.polys.domains.Domain
        Where the entries are.
    dim : int
        Dimension of V.
    factors : sequence of sequence of Velocity
        For each factor the velocity fields of a basis.

    Returns
    -------
    Split or None
        The subspaces.

    Examples
    --------
    >>> from sympy import QQ
    >>> turn = {0: {1: QQ(1)}, 1: {0: QQ(-1)}}
    >>> shift = {None: {2: QQ(1)}}
    >>> [part.dim for part in split_space(QQ, 3, [[turn], [shift]]).parts]
    [2, 1]
    """
    images = [_image(field, dim, fields) for fields in factors]
    unfelt = [_unfelt(field, dim, fields) for fields in factors]
    pairs = ((i, j) for i in range(len(factors)) for j in range(len(factors)) if i != j)
    if not all(images[i] <= unfelt[j] for i, j in pairs):
        return None
    moved = _sum(field, dim, images)
    if moved.dim < sum(image.dim for image in images):
        return None
    fixed = _meet(field, dim, unfelt)
    own = [_meet(field, dim, unfelt[:i] + unfelt[i + 1 :]) for i in range(len(unfelt))]
    if _sum(field, dim, own).dim < dim:
        return None
    parts = tuple(
        image + _complement(field, dim, fixed + image, room)
        for image, room in zip(images, own, strict=True)
    )
    return Split(parts, _complement(field, dim, _sum(field, dim, parts), fixed))


def _image(field: Any, dim: int, fields: Iterable[Velocity]) -> Subspace:
    """All velocities."""
    return Subspace.spanned(field, dim, (v for velocity in fields for v in velocity.values()))


def _unfelt(field: Any, dim: int, fields: Iterable[Velocity]) -> Subspace:
    """All v on which no velocity depends."""
    equations: list[dict[int, Any]] = []
    for velocity in fields:
        linear = {place: vector for place, vector in velocity.items() if place is not None}
        equations.extend(transposed(linear).values())
    return Subspace.spanned(field, dim, nullspace(equations, dim, field))


def _sum(field: Any, dim: int, subspaces: Iterable[Subspace]) -> Subspace:
    return Subspace.spanned(field, dim, (v for subspace in subspaces for v in subspace.basis))


def _meet(field: Any, dim: int, subspaces: Iterable[Subspace]) -> Subspace:
    return reduce(Subspace.meet, subspaces, Subspace.whole(field, dim))


def _complement(field: Any, dim: int, inner: Subspace, outer: Subspace) -> Subspace:
    """Vectors of the outer subspace that span it together with the inner one, and are needed."""
    chosen: list[Vector] = []
    for vector in outer.basis:
        if vector not in inner:
            chosen.append(vector)
            inner = inner.extended(vector)
    return Subspace.spanned(field, dim, chosen)


def combined(terms: Iterable[tuple[Any, Velocity]]) -> Velocity:
    """Linear combination of velocity fields."""
    known = list(terms)
    monomials = dict.fromkeys(m for _, velocity in known for m in velocity)
    return {
        monomial: combine((c, velocity[monomial]) for c, velocity in known if monomial in velocity)
        for monomial in monomials
    }


@dataclass(frozen=True)
class Factor:
    """One direct factor and what it moves.

    Attributes
    ----------
    algebra : Algebra
        The ideal.
    name : str
        What it is called.
    moves : tuple of sympy.Symbol
        Coordinates x with {x, g} ≠ 0 for some g of it.
    own : tuple of sympy.Expr
        Linear coordinates that only this factor moves, and whose velocities under it depend on
        themselves alone; empty unless the factors are proved independent.
    """

    algebra: Algebra
    name: str
    moves: tuple[Symbol, ...]
    own: tuple[Expr, ...]

    __repr__ = record_text


@dataclass(frozen=True, repr=False)
class Disentanglement(Reported):
    """Direct factors of a symmetry, and whether they act on independent subspaces.

    Attributes
    ----------
    symmetry : Algebra
        The closed algebra.
    factors : tuple of Factor
        Its direct product.
    of : {"q", "s"}
        Subspaces of what: positions if every generator is linear in p, else phase space.
    status : {"proved", "refuted", "undecided"}
        Whether they are independent.
    reason : str
        Why.
    at_rest : tuple of sympy.Expr
        Linear coordinates that nothing moves, where the factors are independent.
    """

    symmetry: Algebra
    factors: tuple[Factor, ...]
    of: Literal["q", "s"]
    status: Status
    reason: str
    at_rest: tuple[Expr, ...]

    @property
    def proved(self) -> bool:
        """Whether the factors are proved to act on independent subspaces."""
        return self.status == "proved"

    def document(self) -> Document:
        """Lines for a reader and data for a program."""
        return Document(tuple(self._lines()), self._data())

    def _lines(self) -> Iterator[Line]:
        count = len(self.factors)
        names = " x ".join(factor.name for factor in self.factors)
        yield Line(
            0, f"Direct product of {count}: {names}" if count > 1 else f"One factor: {names}"
        )
        for factor in self.factors:
            moved = ", ".join(map(str, factor.moves)) or "nothing"
            yield Line(1, f"{factor.name} moves {moved}")
            for k, generator in enumerate(factor.algebra.generators, start=1):
                yield Line(2, f"g{k} = ", generator)
            if factor.own:
                yield Line(2, f"its own coordinates: {', '.join(map(str, factor.own))}")
        if self.at_rest:
            yield Line(1, f"At rest: {', '.join(map(str, self.at_rest))}")
        yield Line(1, f"Independent subspaces of {self.of}: {self.status} ({self.reason})")

    def _data(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "of": self.of,
            "reason": self.reason,
            "at_rest": [formula_data(f) for f in self.at_rest],
            "factors": [
                {
                    "name": factor.name,
                    "generators": [formula_data(g) for g in factor.algebra.generators],
                    "moves": [x.name for x in factor.moves],
                    "own": [formula_data(f) for f in factor.own],
                }
                for factor in self.factors
            ],
        }


def disentangle(symmetry: Algebra, max_dim: int) -> Disentanglement:
    """Split a symmetry into direct factors and look at what they move.

    See `LieAlgebra.disentangle`.

    Examples
    --------
    >>> from ehf_sym.formulas.phase_space import PhaseSpace
    >>> space = PhaseSpace(2)
    >>> disentangle(Algebra(space, space.p), 10).status
    'proved'
    """
    closed = symmetry.close(max_dim, time_limit=inf)
    linear_in_p = all(_is_linear_in_p(closed, f) for f in closed.generators)
    coordinates = closed.space.q if linear_in_p else closed.space.coordinates
    velocities = _velocities(closed, coordinates)
    ideals = [summand.ideal for summand in decompose(closed.structure)]
    for choice in (ideals, _lines_joined(ideals)):
        own, reason = _own_coordinates(closed, choice, coordinates, velocities)
        if own is not None and _mixes_angles(closed.space, own):
            reason = "a linear change of coordinates is needed, which angles do not have"
            nowhere: list[tuple[Expr, ...]] = [()] * len(own)
            return _result(closed, choice, nowhere, linear_in_p, "undecided", reason)
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


def _mixes_angles(space: PhaseSpace, own: Sequence[tuple[Expr, ...]]) -> bool:
    """Whether a coordinate of a factor holds an angle, and is none itself."""
    forms = (form for forms in own for form in forms)
    return any(form not in space.angular and form.free_symbols & {*space.angular} for form in forms)


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
    if generator.has(Piecewise, sign, Heaviside):  # derivatives do not see jumps
        return not generator.has(*p)
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
    inverse = matrix_of_columns(columns, n, field).inv().rep.to_sdm()
    forms = [
        Add(*(field.to_sympy(c) * coordinates[j] for j, c in inverse[i].items())) for i in range(n)
    ]
    found, start = [], 0
    for part in (*split.parts, split.rest):
        found.append(tuple(forms[start : start + part.dim]))
        start += part.dim
    return found
