"""Ideals of a Lie algebra: centre, series, radical, nilradical; Levi's theorem; direct sums.

Levi's theorem gives a semisimple subalgebra that complements the radical. A direct sum is split
into indecomposable ideals, with the proof that they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random
from typing import Any

from sympy import Poly, Symbol
from sympy.polys.matrices import DomainMatrix
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.errors import UndecidedError
from ehf_sym.exact.linear import (
    Subspace,
    Vector,
    combine,
    flattened,
    matrix_algebra,
    matrix_of_columns,
    nullspace,
    particular_solution,
    relations_of,
    transposed,
)
from ehf_sym.lie.structure import LieStructure

Term = tuple[Any, Vector]
_ATTEMPTS = 12
_X = Symbol("x")


def centre(g: LieStructure) -> Subspace:
    """All x with [x, g] = 0.

    Examples
    --------
    >>> from sympy import QQ
    >>> heisenberg = LieStructure(QQ, 3, {(0, 1): {2: QQ(1)}})
    >>> centre(heisenberg).basis == ({2: 1},)
    True
    """
    return centralizer(g, g.everything)


def centralizer(g: LieStructure, part: Subspace) -> Subspace:
    """All x with [x, y] = 0 for every y of a subspace."""
    images = [_joined(g, (g.bracket(e, y) for y in part.basis)) for e in g.everything.basis]
    return Subspace.spanned(g.field, g.dim, relations_of(g.field, images))


def derived_series(g: LieStructure) -> list[Subspace]:
    """g, [g, g], [[g, g], [g, g]], ... as long as it shrinks.

    Examples
    --------
    >>> from sympy import QQ
    >>> affine = LieStructure(QQ, 2, {(0, 1): {1: QQ(1)}})
    >>> [term.dim for term in derived_series(affine)]
    [2, 1, 0]
    """
    return _series(g, lambda term: g.brackets(term, term))


def lower_central_series(g: LieStructure) -> list[Subspace]:
    """g, [g, g], [g, [g, g]], ... as long as it shrinks.

    Examples
    --------
    >>> from sympy import QQ
    >>> affine = LieStructure(QQ, 2, {(0, 1): {1: QQ(1)}})
    >>> [term.dim for term in lower_central_series(affine)]
    [2, 1]
    """
    return _series(g, lambda term: g.brackets(g.everything, term))


def derived_algebra(g: LieStructure) -> Subspace:
    """[g, g]."""
    return Subspace.spanned(g.field, g.dim, g.table.values())


def radical(g: LieStructure) -> Subspace:
    """Largest solvable ideal: what the Killing form makes orthogonal to [g, g]."""
    rows = [killing_product(g, y) for y in derived_algebra(g).basis]
    return Subspace.spanned(g.field, g.dim, nullspace(rows, g.dim, g.field))


def killing_product(g: LieStructure, x: Vector) -> dict[int, Any]:
    """Return the linear form tr(ad x ad ·)."""
    rows = g.killing.rep.to_sdm()
    return combine((entry, rows[i]) for i, entry in x.items() if i in rows)


def nilradical(g: LieStructure) -> Subspace:
    """Largest nilpotent ideal.

    Those x of the radical R whose ad x lies in the Jacobson radical of the associative algebra A
    that ad R generates on R: tr(ad x · a) = 0 for all a of A (de Graaf, "Lie Algebras: Theory and
    Algorithms", 2000, section 2.2).

    Examples
    --------
    >>> from sympy import QQ
    >>> affine = LieStructure(QQ, 2, {(0, 1): {1: QQ(1)}})
    >>> nilradical(affine).basis == ({1: 1},)
    True
    """
    ideal = radical(g)
    if not ideal.dim:
        return ideal
    inner = g.restricted(ideal)
    matrices = [inner.adjoint(x) for x in inner.everything.basis]
    associative = matrix_algebra(matrices, lambda a, b: a * b)
    forms = [
        {i: trace for i, m in enumerate(matrices) if (trace := _trace_of_product(m, a))}
        for a in associative
    ]
    orthogonal = nullspace(forms, inner.dim, g.field)
    return Subspace.spanned(g.field, g.dim, map(ideal.embed, orthogonal))


def is_abelian(g: LieStructure) -> bool:
    """Whether all brackets vanish."""
    return not g.table


def is_nilpotent(g: LieStructure) -> bool:
    """Whether the lower central series reaches 0."""
    return lower_central_series(g)[-1].dim == 0


def is_solvable(g: LieStructure) -> bool:
    """Whether the derived series reaches 0."""
    return derived_series(g)[-1].dim == 0


def is_semisimple(g: LieStructure) -> bool:
    """Whether the radical is 0: the Killing form is not degenerate (Cartan's criterion)."""
    return g.dim > 0 and radical(g).dim == 0


def is_reductive(g: LieStructure) -> bool:
    """Whether the radical is the centre: g is the sum of its centre and a semisimple ideal."""
    return radical(g).dim == centre(g).dim


def _series(g: LieStructure, step: Callable[[Subspace], Subspace]) -> list[Subspace]:
    """Terms down to 0, or to the first that repeats."""
    terms = [g.everything]
    while terms[-1].dim:
        following = step(terms[-1])
        if following.dim == terms[-1].dim:
            break
        terms.append(following)
    return terms


def _joined(g: LieStructure, vectors: Iterable[Vector]) -> dict[int, Any]:
    """One vector of many."""
    return {i * g.dim + k: entry for i, v in enumerate(vectors) for k, entry in v.items()}


def _trace_of_product(a: DomainMatrix, b: DomainMatrix) -> Any:
    """tr(ab)."""
    left, right = a.rep.to_sdm(), b.rep.to_sdm()
    zero = a.domain.zero
    return sum(
        (
            entry * right[j][i]
            for i, row in left.items()
            for j, entry in row.items()
            if i in right.get(j, {})
        ),
        zero,
    )


def levi_complement(g: LieStructure) -> Subspace:
    """Semisimple subalgebra s with g = s + R, R the radical; 0 if g is solvable.

    A complement of R is lifted along R = R_0 ⊃ R_1 = [R, R] ⊃ ...: if its brackets close modulo
    R_t, a change by elements of R_t makes them close modulo R_{t+1}; that change solves linear
    equations (Rand, Winternitz and Zassenhaus, Linear Algebra Appl. 109, 1988; de Graaf, "Lie
    Algebras: Theory and Algorithms", 2000, section 4.13).

    Parameters
    ----------
    g : LieStructure
        The algebra.

    Returns
    -------
    Subspace
        The complement.

    Examples
    --------
    >>> from sympy import QQ
    >>> one = QQ(1)
    >>> gl2 = LieStructure(QQ, 4, {(0, 1): {1: 2 * one}, (0, 2): {2: -2 * one}, (1, 2): {0: one}})
    >>> levi_complement(gl2).dim
    3
    """
    ideal = radical(g)
    quotient = g.quotient(ideal)
    lifted: list[Vector] = [{i: g.field.one} for i in ideal.free]
    term = ideal
    while term.dim:
        following = g.brackets(term, term)
        lifted = _improved(g, quotient, lifted, term, following)
        term = following
    return Subspace.spanned(g.field, g.dim, lifted)


def _improved(
    g: LieStructure, quotient: LieStructure, lifted: list[Vector], term: Subspace, next_: Subspace
) -> list[Vector]:
    """Change lifted elements by elements of R_t so that they close modulo R_{t+1}."""
    additions = Subspace.spanned(g.field, g.dim, map(next_.residue, term.basis)).basis
    m, r = len(lifted), len(additions)
    one = g.field.one
    equations: list[dict[int, Any]] = []
    actions = [[g.bracket(x, a) for a in additions] for x in lifted]
    for i, j in combinations(range(m), 2):
        target = quotient.table.get((i, j), {})
        # [x_i + Σ λ_ia a, x_j + Σ λ_jb b] - Σ_k c_ij^k (x_k + Σ λ_kc c), linear modulo R_{t+1}.
        columns: dict[int, list[Term]] = {m * r: [(one, g.bracket(lifted[i], lifted[j]))]}
        columns[m * r].extend((-c, lifted[k]) for k, c in target.items())
        for a in range(r):
            columns.setdefault(j * r + a, []).append((one, actions[i][a]))
            columns.setdefault(i * r + a, []).append((-one, actions[j][a]))
            for k, c in target.items():
                columns.setdefault(k * r + a, []).append((-c, additions[a]))
        equations.extend(_equations(columns, next_))
    change = particular_solution(g.field, equations, m * r)
    if change is None:
        raise ArithmeticError("Levi's theorem fails, so these are no structure constants")
    return [
        combine(
            [
                (one, x),
                *((change[i * r + a], additions[a]) for a in range(r) if i * r + a in change),
            ]
        )
        for i, x in enumerate(lifted)
    ]


def _equations(columns: dict[int, list[Term]], ideal: Subspace) -> list[dict[int, Any]]:
    """One equation for each coordinate modulo an ideal."""
    residues = {unknown: ideal.residue(combine(terms)) for unknown, terms in columns.items()}
    return list(transposed(residues).values())


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
    inverse = matrix_of_columns(vectors, g.dim, g.field).inv()
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
                kept = relations_of(g.field, residues)
                candidates = [_combined(candidates, weights) for weights in kept]
    return [matrix_of_columns(images, g.dim, g.field) * inverse for images in candidates]


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
        annihilated = _annihilated(generic, factor**multiplicity)
        part = Subspace.spanned(g.field, g.dim, map(ideal.embed, annihilated))
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
            span = span.extended(unit)
        for i, e in enumerate(g.everything.basis):
            image = g.bracket(e, vectors[done])
            if image not in span:
                vectors.append(image)
                origins.append((i, done))
                span = span.extended(image)
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


def _applied(matrix: DomainMatrix, vector: Vector) -> dict[int, Any]:
    """Product of a matrix and a sparse vector."""
    columns = matrix.transpose().rep.to_sdm()
    return combine((entry, columns[j]) for j, entry in vector.items() if j in columns)


def _semisimple_dimension(maps: Sequence[DomainMatrix]) -> int:
    """Dimension of an associative algebra modulo its radical: the rank of its trace form."""
    rows: dict[int, dict[int, Any]] = {}
    for i, a in enumerate(maps):
        for j, b in enumerate(maps):
            if trace := _trace_of_product(a, b):
                rows.setdefault(i, {})[j] = trace
    return int(DomainMatrix(rows, (len(maps), len(maps)), maps[0].domain).rank())


def _minimal_polynomial(matrix: DomainMatrix) -> Poly:
    """Minimal polynomial of a square matrix."""
    field, n = matrix.domain, matrix.shape[0]
    powers: list[dict[int, Any]] = []
    power = DomainMatrix.eye(n, field)
    while True:
        powers.append(flattened(power))
        relation = relations_of(field, powers)
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


def _annihilated(matrix: DomainMatrix, poly: Poly) -> list[dict[int, Any]]:
    """Null space of a polynomial in a matrix."""
    n = matrix.shape[0]
    value = DomainMatrix.zeros((n, n), matrix.domain)
    identity = DomainMatrix.eye(n, matrix.domain)
    for coefficient in poly.rep.to_list():
        value = value * matrix + identity * coefficient
    columns = value.transpose().rep.to_sdm()
    return relations_of(matrix.domain, [columns.get(j, {}) for j in range(n)])
