"""Direct sums: a Lie algebra split into indecomposable ideals, and the proof that they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from sympy import Poly, Symbol
from sympy.polys.matrices import DomainMatrix
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.errors import UndecidedError
from ehf_sym.exact.subspaces import Subspace, Vector, combine, kernel_of
from ehf_sym.lie.ideals import centralizer, centre, derived_algebra
from ehf_sym.lie.structure import LieStructure

_ATTEMPTS = 12
_X = Symbol("x")


@dataclass(frozen=True, eq=False)
class Summand:
    """An ideal that is no direct sum of two ideals over the field of the constants.

    Attributes
    ----------
    ideal : Subspace
        Where it lies.
    centroid : sympy.Poly
        Irreducible polynomial of the field of the linear maps that commute with the adjoint
        action, modulo nilpotent ones. Of degree 1, the ideal is indecomposable over any extension
        too; of degree d, it splits into d ideals over a splitting field.
    """

    ideal: Subspace
    centroid: Poly


def decompose(g: LieStructure) -> tuple[Summand, ...]:
    """Split into indecomposable ideals over the field of the constants.

    What is central and no bracket is split off first. The ideals of the rest are the images of
    the idempotents of the centroid Γ, the linear maps that commute with every ad x; modulo its
    radical Γ is a product of fields, one for each ideal, and a generic element of Γ has one
    irreducible factor in its minimal polynomial for each (Rand, Winternitz and Zassenhaus, Linear
    Algebra Appl. 109, 1988).

    Parameters
    ----------
    g : LieStructure
        The algebra.

    Returns
    -------
    tuple of Summand
        Their sum is direct, and all of g.

    Raises
    ------
    UndecidedError
        If the minimal polynomial could not be factored over the field of the constants.

    Examples
    --------
    >>> from sympy import QQ
    >>> affine_and_line = LieStructure(QQ, 3, {(0, 1): {1: QQ(1), 2: QQ(1)}})
    >>> [summand.ideal.dim for summand in decompose(affine_and_line)]
    [1, 2]
    """
    central, derived = centre(g), derived_algebra(g)
    hidden = central.meet(derived)
    lines = Subspace.spanned(g.field, g.dim, map(hidden.residue, central.basis))
    rest = derived + _complement(g, derived + lines)
    summands = [_line(g, vector) for vector in lines.basis]
    if rest.dim:
        summands.extend(_split(g, rest))
    return tuple(summands)


def centroid(g: LieStructure) -> list[DomainMatrix]:
    """Linear maps φ with φ([x, y]) = [x, φ(y)], as a basis of matrices.

    A map is known by its values on seeds that generate g under the adjoint action; the value on a
    seed v commutes with all that commutes with v.

    Examples
    --------
    >>> from sympy import QQ
    >>> one = QQ(1)
    >>> so3 = LieStructure(QQ, 3, {(0, 1): {2: one}, (1, 2): {0: one}, (0, 2): {1: -one}})
    >>> [map_.to_Matrix() for map_ in centroid(so3)]
    [Matrix([
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1]])]
    """
    vectors, origins = _spun(g)
    candidates = _candidates(g, vectors, origins)
    inverse = _matrix(g, vectors).inv()
    edges = {origin for origin in origins if origin[0] is not None}
    for i, e in enumerate(g.everything.basis):
        for t, vector in enumerate(vectors):
            if (i, t) in edges or len(candidates) == 1:
                continue
            target = _applied(inverse, g.bracket(e, vector))
            residues = [
                combine(
                    [
                        (g.field.one, g.bracket(e, images[t])),
                        *((-c, images[u]) for u, c in target.items()),
                    ]
                )
                for images in candidates
            ]
            if any(residues):
                kernel = kernel_of(g.field, residues)
                candidates = [_combined(candidates, weights) for weights in kernel]
    return [_matrix(g, images) * inverse for images in candidates]


def _split(g: LieStructure, ideal: Subspace) -> list[Summand]:
    """Split an ideal whose centre lies in its derived algebra."""
    inner = g.restricted(ideal)
    maps = centroid(inner)
    if len(maps) == 1:
        return [_line_like(ideal)]
    degree = _semisimple_dimension(maps)
    random = Random(0)
    for _ in range(_ATTEMPTS):
        weights = [g.field(random.randint(-9, 9)) for _ in maps]
        generic = sum(
            (m * w for m, w in zip(maps[1:], weights[1:], strict=True)), maps[0] * weights[0]
        )
        factors = factor_polynomial(_minimal_polynomial(generic))
        if sum(factor.degree() for factor, _ in factors) == degree:
            break
    else:
        raise UndecidedError("no generic element of the centroid was found")
    if len(factors) == 1:
        return [Summand(ideal, factors[0][0])]
    parts = []
    for factor, multiplicity in factors:
        kernel = _kernel(generic, factor**multiplicity)
        part = Subspace.spanned(g.field, g.dim, map(ideal.embed, kernel))
        parts.append(Summand(part, factor))
    return parts


def _complement(g: LieStructure, subspace: Subspace) -> Subspace:
    """Span of the unit vectors at the places that are no pivots."""
    units = ({place: g.field.one} for place in subspace.free)
    return Subspace.spanned(g.field, g.dim, units)


def _line(g: LieStructure, vector: Vector) -> Summand:
    """One-dimensional ideal."""
    return _line_like(Subspace.spanned(g.field, g.dim, [vector]))


def _line_like(ideal: Subspace) -> Summand:
    """Ideal whose centroid is the field itself."""
    return Summand(ideal, Poly(_X, _X, domain=ideal.field))


def _spun(g: LieStructure) -> tuple[list[Vector], list[tuple[int | None, int]]]:
    """Basis that arises from few seeds, and its origins.

    (i, t) stands for [e_i, vector t], and (None, s) for seed s.
    """
    vectors: list[Vector] = []
    origins: list[tuple[int | None, int]] = []
    span = Subspace.spanned(g.field, g.dim, ())
    seeds = done = 0
    while span.dim < g.dim:
        if done == len(vectors):
            unit: Vector = {span.free[0]: g.field.one}
            vectors.append(unit)
            origins.append((None, seeds))
            seeds += 1
            span = span + Subspace.spanned(g.field, g.dim, [unit])
        for i, e in enumerate(g.everything.basis):
            image = g.bracket(e, vectors[done])
            if image not in span:
                vectors.append(image)
                origins.append((i, done))
                span = span + Subspace.spanned(g.field, g.dim, [image])
        done += 1
    return vectors, origins


def _candidates(
    g: LieStructure, vectors: Sequence[Vector], origins: Sequence[tuple[int | None, int]]
) -> list[list[Vector]]:
    """Images of the spun basis for each admissible value on each seed, 0 on the others."""
    candidates = []
    for seed, (operator, number) in enumerate(origins):
        if operator is not None:
            continue
        line = Subspace.spanned(g.field, g.dim, [vectors[seed]])
        for value in centralizer(g, centralizer(g, line)).basis:
            images: list[Vector] = []
            for i, t in origins:
                if i is None:
                    images.append(value if t == number else {})
                else:
                    images.append(g.bracket({i: g.field.one}, images[t]))
            candidates.append(images)
    return candidates


def _combined(candidates: Sequence[Sequence[Vector]], weights: Vector) -> list[Vector]:
    """Linear combination of maps."""
    chosen = [(w, candidates[i]) for i, w in weights.items()]
    return [combine((w, images[t]) for w, images in chosen) for t in range(len(candidates[0]))]


def _matrix(g: LieStructure, columns: Sequence[Vector]) -> DomainMatrix:
    """Matrix with the given columns."""
    rows: dict[int, dict[int, Any]] = {}
    for j, column in enumerate(columns):
        for i, entry in column.items():
            rows.setdefault(i, {})[j] = entry
    return DomainMatrix(rows, (g.dim, g.dim), g.field)


def _applied(matrix: DomainMatrix, vector: Vector) -> dict[int, Any]:
    """Product of a matrix and a sparse vector."""
    columns = matrix.transpose().rep.to_sdm()
    return combine((entry, columns[j]) for j, entry in vector.items() if j in columns)


def _semisimple_dimension(maps: Sequence[DomainMatrix]) -> int:
    """Dimension of an associative algebra modulo its radical: the rank of its trace form."""
    rows: dict[int, dict[int, Any]] = {}
    for i, a in enumerate(maps):
        for j, b in enumerate(maps):
            product = (a * b).rep.to_sdm()
            trace = sum((row[k] for k, row in product.items() if k in row), a.domain.zero)
            if trace:
                rows.setdefault(i, {})[j] = trace
    return int(DomainMatrix(rows, (len(maps), len(maps)), maps[0].domain).rank())


def _minimal_polynomial(matrix: DomainMatrix) -> Poly:
    """Minimal polynomial of a square matrix."""
    field, n = matrix.domain, matrix.shape[0]
    powers: list[dict[int, Any]] = []
    power = DomainMatrix.eye(n, field)
    while True:
        sdm = power.rep.to_sdm()
        powers.append({i * n + j: x for i, row in sdm.items() for j, x in row.items()})
        relation = kernel_of(field, powers)
        if relation:
            degree = len(powers) - 1
            ordered = [relation[0].get(k, field.zero) for k in range(degree, -1, -1)]
            return Poly.from_list(ordered, _X, domain=field).monic()
        power = power * matrix


def factor_polynomial(poly: Poly) -> list[tuple[Poly, int]]:
    """Irreducible factors over the field of the constants."""
    try:
        return list(poly.factor_list()[1])
    except (BasePolynomialError, NotImplementedError) as error:
        raise UndecidedError(f"{poly.as_expr()} could not be factored: {error}") from error


def _kernel(matrix: DomainMatrix, poly: Poly) -> list[dict[int, Any]]:
    """Kernel of a polynomial in a matrix."""
    n = matrix.shape[0]
    value = DomainMatrix.zeros((n, n), matrix.domain)
    identity = DomainMatrix.eye(n, matrix.domain)
    for coefficient in poly.rep.to_list():
        value = value * matrix + identity * coefficient
    columns = value.transpose().rep.to_sdm()
    return kernel_of(matrix.domain, [columns.get(j, {}) for j in range(n)])
