"""Vector fields that act on polynomials: from generators, brackets, generic rank, gradings.

A grading sorts monomials by a quotient of Z^n that a field respects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import combinations_with_replacement
from math import comb
from operator import add, sub
from random import Random
from typing import Any

from sympy import QQ, Abs, Add, Expr, ImmutableMatrix, Mul, S, SparseMatrix, Symbol, expand
from sympy.polys.constructor import construct_domain
from sympy.polys.orderings import grlex
from sympy.polys.rings import PolyRing

from ehf_sym.errors import ArgumentError
from ehf_sym.exact.linear import Echelon, Solution, nullspace
from ehf_sym.exact.separation import Exponents, Vector, separate
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.zero.zero_test import is_zero

Poly = Any  # sympy.polys.rings.PolyElement
Field = tuple[Poly, ...]
_SEED = 20190930
_LARGEST_COORDINATE = 50
# About a minute.
_MAX_MONOMIALS = 500_000


@dataclass(frozen=True)
class Grading:
    """Grading of monomials by Z^n / L: homogeneous fields map classes to classes.

    Attributes
    ----------
    variables : int
        n.
    lattice : tuple of tuple of int
        Basis of L, in echelon form.

    Examples
    --------
    >>> grading = Grading(2, ((2, -2),))
    >>> grading.class_of((2, 0)) == grading.class_of((0, 2)) != grading.class_of((1, 1))
    True
    """

    variables: int
    lattice: tuple[Exponents, ...]

    def class_of(self, monomial: Exponents) -> Exponents:
        """Canonical representative modulo the lattice, without the places where all are 0."""
        images, heavy = self._reduction
        rest = [0] * len(images[0])
        for image, e in zip(images, monomial, strict=True):
            if e:
                rest = [a + e * b for a, b in zip(rest, image, strict=True)]
        for place, row in heavy:
            quotient = rest[place] // row[place]
            if quotient:
                rest = [a - quotient * b for a, b in zip(rest, row, strict=True)]
        return tuple(rest)

    @cached_property
    def _reduction(self) -> tuple[list[Exponents], list[tuple[int, Exponents]]]:
        """Representatives of the variables, and rows whose first entry is not 1 with its place."""
        n = self.variables
        rows: dict[int, Exponents] = {}
        for row in reversed(self.lattice):
            for place, below in rows.items():
                if below[place] == 1 and row[place]:
                    row = tuple(a - row[place] * b for a, b in zip(row, below, strict=True))
            rows[next(i for i, e in enumerate(row) if e)] = row
        kept = [i for i in range(n) if i not in rows or rows[i][i] != 1]
        images = [
            tuple(int(i == k) for k in kept) if i in kept else tuple(-rows[i][k] for k in kept)
            for i in range(n)
        ]
        heavy = [
            (kept.index(i), tuple(rows[i][k] for k in kept)) for i in sorted(rows) if i in kept
        ]
        return images, heavy

    @property
    def by_degree(self) -> bool:
        """Whether all monomials of a class have one total degree."""
        return not any(map(sum, self.lattice))


@lru_cache(maxsize=64)  # to span a field takes longer than most that is asked in it
def _extended(domain: Any, numbers: frozenset[Expr]) -> tuple[Any, dict[Expr, Any]]:
    """Extend a field by algebraic numbers, and read them in it."""
    given = sorted(numbers, key=str)
    if all(a.is_Rational for a in given):
        return domain, {a: domain.from_sympy(a) for a in given}
    field, found = construct_domain(given, field=True, extension=True)
    wide = domain.unify(field)
    if wide != field:
        found = [wide.from_sympy(a) for a in given]
    return wide, dict(zip(given, found, strict=True))


def integer_echelon(rows: Iterable[Exponents]) -> list[Exponents]:
    """Basis of the lattice that integer rows span, each row's first entry further right."""
    basis: dict[int, Exponents] = {}
    for given in dict.fromkeys(rows):
        row = given
        while place := next((i + 1 for i, e in enumerate(row) if e), 0):
            if place not in basis:
                basis[place] = row if row[place - 1] > 0 else tuple(-e for e in row)
                break
            pivot = basis[place]
            quotient = row[place - 1] // pivot[place - 1]
            rest = tuple(a - quotient * b for a, b in zip(row, pivot, strict=True))
            if rest[place - 1]:
                # The smaller entry becomes the pivot, as in Euclid's algorithm.
                basis[place], rest = rest, pivot
            row = rest
    return [basis[place] for place in sorted(basis)]


@dataclass(frozen=True, eq=False)
class VectorFields:
    """Vector fields X = Σ_i a_i(x) ∂/∂x_i, linearly independent over the constants.

    Attributes
    ----------
    ring : sympy.polys.rings.PolyRing
        Polynomials in the variables x over the constants.
    fields : tuple of tuple
        For each X its components a_i.
    for_all_functions : bool
        Whether a function of x is annihilated by these fields exactly if it is by those that were
        given. Else that is so for polynomials only.
    maps : tuple of tuple
        Linear maps that leave the functions alone as well: for each variable its image.
    """

    ring: Any
    fields: tuple[Field, ...]
    for_all_functions: bool = True
    maps: tuple[tuple[Poly, ...], ...] = ()

    def apply(self, field: Field, f: Poly) -> Poly:
        """X f = Σ_i a_i ∂f/∂x_i."""
        parts = (a * f.diff(x) for a, x in zip(field, self.ring.gens, strict=True) if a)
        return sum(parts, self.ring.zero)

    def commutator(self, x: Field, y: Field) -> Field:
        """[X, Y] with components X(b_i) − Y(a_i)."""
        return tuple(self.apply(x, b) - self.apply(y, a) for a, b in zip(x, y, strict=True))

    @cached_property
    def grading(self) -> Grading:
        """The finest grading of the polynomials for which every field is homogeneous."""
        differences = []
        for field in self.fields:
            shifts = list(_shifts(field))
            first = shifts[0][1]
            differences += [tuple(map(sub, shift, first)) for _, shift, _ in shifts[1:]]
        units = [x.LM for x in self.ring.gens]
        for images in self.maps:  # each class is to be mapped to itself
            for unit, image in zip(units, images, strict=True):
                differences += [tuple(map(sub, m, unit)) for m in image if m != unit]
        return Grading(self.ring.ngens, tuple(integer_echelon(differences)))

    def with_maps(self, matrices: Sequence[Sequence[Sequence[Expr]]]) -> VectorFields:
        """Ask for functions that linear maps x ↦ A x leave alone too.

        Examples
        --------
        >>> from sympy.abc import x, y
        >>> free = VectorFields(PolyRing([x, y], QQ, grlex), ())
        >>> swap = [[S.Zero, S.One], [S.One, S.Zero]]
        >>> [f for found in free.with_maps([swap]).annihilated(1).values() for f in found]
        [x + y]
        """
        entries = frozenset(a for matrix in matrices for row in matrix for a in row)
        domain, read = _extended(self.ring.domain, entries)
        ring = self.ring.clone(domain=domain)
        maps = tuple(
            tuple(
                sum((x * read[a] for x, a in zip(ring.gens, row, strict=True) if a), ring.zero)
                for row in matrix
            )
            for matrix in matrices
        )
        fields = tuple(tuple(a.set_ring(ring) for a in field) for field in self.fields)
        return VectorFields(ring, fields, self.for_all_functions, maps)

    def moved(self, f: Poly, images: Sequence[Poly]) -> Poly:
        """Put the images of the variables into a polynomial."""
        total = self.ring.zero
        for monomial, c in f.items():
            term = self.ring.ground_new(c)
            for image, e in zip(images, monomial, strict=True):
                if e:
                    term *= image**e
            total += term
        return total

    def annihilated(
        self, degree: int, admits: Callable[[Exponents], bool] = lambda _: True
    ) -> dict[Exponents, list[Poly]]:
        """Basis of the polynomials without constant term that every field annihilates.

        Parameters
        ----------
        degree : int
            The highest total degree.
        admits : callable, optional
            Which monomials the polynomials may contain, of those to the degree.

        Returns
        -------
        dict
            For each class of the grading that has any: a basis in which those of degree at most k
            are a basis of all of degree at most k.

        Raises
        ------
        ArgumentError
            If there are too many monomials to that degree.
        """
        count = comb(self.ring.ngens + degree, degree)
        if count > _MAX_MONOMIALS:
            raise ArgumentError(
                f"degree is {degree}; in {self.ring.ngens} variables that makes {count} monomials, "
                f"and it should make at most {_MAX_MONOMIALS}"
            )
        classes: dict[Exponents, list[Exponents]] = {}
        for monomial in filter(admits, monomials(self.ring.ngens, degree)):
            classes.setdefault(self.grading.class_of(monomial), []).append(monomial)
        terms = [list(_shifts(field)) for field in self.fields]
        solved = {
            name: [self._polynomial(x, monomials) for x in self._solve(terms, monomials)]
            for name, monomials in classes.items()
        }
        return {name: polys for name, polys in solved.items() if polys}

    def independent_at_random(self) -> list[Field]:
        """Fields of the distribution closed under [·,·] that are independent at some point.

        Their number is a lower bound of the generic rank r of that distribution, so that there are
        at most n − r functionally independent functions that all fields annihilate, and by
        Frobenius' theorem exactly n − r near a generic point.
        """
        point = random_point(self.ring)
        echelon = Echelon(self.ring.domain)
        basis: list[Field] = []
        waiting = list(self.fields)
        while waiting and len(basis) < self.ring.ngens:
            field = waiting.pop(0)
            values = [value_at(a, point) for a in field]
            if echelon.add({i: v for i, v in enumerate(values) if v}) is None:
                waiting += [self.commutator(field, other) for other in basis]
                basis.append(field)
        return basis

    def _solve(
        self,
        fields: Sequence[Sequence[tuple[int, Exponents, Any]]],
        monomials: Sequence[Exponents],
    ) -> list[Solution]:
        """Find the combinations of monomials that every field annihilates, and every map keeps."""
        zero = self.ring.domain.zero
        rows: dict[Any, dict[int, Any]] = {}

        def enter(place: Any, j: int, c: Any) -> None:
            row = rows.setdefault(place, {})
            value = row.get(j, zero) + c
            if value:
                row[j] = value
            else:
                row.pop(j, None)

        for j, monomial in enumerate(monomials):
            for k, terms in enumerate(fields):
                for i, shift, c in terms:
                    if monomial[i]:
                        enter((k, tuple(map(add, monomial, shift))), j, c * monomial[i])
            own = self.ring.from_dict({monomial: self.ring.domain.one})
            for k, images in enumerate(self.maps, start=len(fields)):
                for place, c in (self.moved(own, images) - own).items():
                    enter((k, place), j, c)
        return nullspace(rows.values(), len(monomials), self.ring.domain)

    def _polynomial(self, solution: Solution, monomials: Sequence[Exponents]) -> Poly:
        return self.ring.from_dict({monomials[j]: c for j, c in solution.items()})


def affine_velocity(g: Expr, space: PhaseSpace) -> tuple[ImmutableMatrix, ImmutableMatrix] | None:
    """Read A and b off a sum of terms c p_i q_j and c p_i, as most are written; None: it is none.

    Derivatives by all pairs of hundreds of coordinates would take minutes.
    """
    places = {x: k for k, x in enumerate(space.q)}, {x: k for k, x in enumerate(space.p)}
    linear: dict[tuple[int, int], Expr] = {}
    constant: dict[tuple[int, int], Expr] = {}
    for term in Add.make_args(expand(g)):
        factors = Mul.make_args(term)
        positions, momenta = ([at[x] for x in factors if x in at] for at in places)
        rest = Mul(*(x for x in factors if x not in places[0] and x not in places[1]))
        if len(momenta) != 1 or len(positions) > 1 or rest.free_symbols & set(space.coordinates):
            return None
        entries, place = (linear, positions[0]) if positions else (constant, 0)
        key = momenta[0], place
        entries[key] = entries.get(key, S.Zero) + rest
    dim = space.dim
    A, b = SparseMatrix(dim, dim, linear), SparseMatrix(dim, 1, constant)
    return ImmutableMatrix(A), ImmutableMatrix(b)


def restricted_fields(
    space: PhaseSpace, generators: Sequence[Expr], variables: Sequence[Symbol]
) -> VectorFields:
    """Fields on the variables x whose common kernel is that of all {·, g_k}.

    With {x_i, g} = Σ_m a_im(x) φ_m, where the φ_m are monomials in the other coordinates and in
    kernels, independent over the polynomials in x, {f, g} = 0 exactly if Σ_i a_im ∂f/∂x_i = 0 for
    all m.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates.
    generators : sequence of sympy.Expr
        g_k, formulas of the space.
    variables : sequence of sympy.Symbol
        x: some of the coordinates.

    Returns
    -------
    VectorFields

    Raises
    ------
    FormulaError
        If the fields cannot be separated (see `ehf_sym.exact.separation.separate`).
    """
    velocity = dict(zip(space.coordinates, range(2 * space.dim), strict=True))
    places = [velocity[x] for x in variables]
    components = [g_field[i] for g_field in map(space.vector_field, generators) for i in places]
    # Off its jumps |u|/u is constant, which separation does not see.
    components = [S.Zero if c.has(Abs) and is_zero(c).proved else c for c in components]
    parts = separate(components, space.coordinates)
    inner = {place: k for k, place in enumerate(places)}
    fields: list[list[Vector]] = []
    for k in range(len(generators)):
        own = parts.vectors[k * len(places) : (k + 1) * len(places)]
        split: dict[Exponents, list[dict[Exponents, Any]]] = {}
        for i, vector in enumerate(own):
            for exponents, c in vector.items():
                outer = tuple(0 if j in inner else e for j, e in enumerate(exponents))
                target = split.setdefault(outer, [{} for _ in places])
                target[i][tuple(exponents[j] for j in places)] = c
        fields += [_scaled(components, parts.domain) for components in split.values()]
    domain, fields = _rational(fields, parts.domain)
    ring = PolyRing(list(variables), domain, grlex)
    kernels = parts.functions[2 * space.dim :]
    return VectorFields(
        ring,
        tuple(_independent((tuple(map(ring.from_dict, field)) for field in fields), domain)),
        for_all_functions=not any(f.free_symbols.intersection(variables) for f in kernels),
    )


def _scaled(field: Sequence[Vector], domain: Any) -> list[Vector]:
    """Divide by one coefficient: what annihilates the field stays."""
    first = next(c for component in field for c in component.values())
    scale = domain.one / first
    return [{m: c * scale for m, c in component.items()} for component in field]


def _rational(fields: list[list[Vector]], domain: Any) -> tuple[Any, list[list[Vector]]]:
    """Go down to Q, where arithmetic is fastest, if all coefficients are rational."""
    if domain.is_QQ:
        return domain, fields
    numbers = {c: domain.to_sympy(c) for field in fields for a in field for c in a.values()}
    if not all(number.is_Rational for number in numbers.values()):
        return domain, fields
    rational = {c: QQ.from_sympy(number) for c, number in numbers.items()}
    return QQ, [[{m: rational[c] for m, c in a.items()} for a in field] for field in fields]


def enough(fields: VectorFields) -> VectorFields:
    """Leave out fields that brackets of the others give: they annihilate nothing less."""
    span = Echelon(fields.ring.domain)
    kept: list[Field] = []
    closure: list[Field] = []
    for field in fields.fields:
        if span.add(_flat(field)) is not None:
            continue
        kept.append(field)
        waiting = [field]
        while waiting and len(closure) < len(fields.fields):
            x = waiting.pop()
            brackets = (fields.commutator(x, y) for y in closure)
            waiting += [z for z in brackets if span.add(_flat(z)) is None]
            closure.append(x)
    return replace(fields, fields=tuple(kept))


def random_point(ring: Any) -> list[int]:
    """Integers for the variables, the same at each call."""
    random = Random(_SEED)
    return [random.randint(1, _LARGEST_COORDINATE) for _ in ring.gens]


def value_at(poly: Poly, point: Sequence[int]) -> Any:
    """Value of a polynomial at a point of integers, a constant."""
    total = poly.ring.domain.zero
    for monomial, c in poly.items():
        number = 1
        for x, e in zip(point, monomial, strict=True):
            if e:
                number *= x**e
        total += c * number
    return total


def _independent(fields: Iterable[Field], domain: Any) -> Iterator[Field]:
    """Leave out what is a combination of fields before."""
    echelon = Echelon(domain)
    for field in fields:
        if echelon.add(_flat(field)) is None:
            yield field


def _flat(field: Field) -> dict[tuple[int, Exponents], Any]:
    """Coefficients of a field as one vector."""
    return {(i, m): c for i, a in enumerate(field) for m, c in a.items()}


def _shifts(field: Field) -> Iterator[tuple[int, Exponents, Any]]:
    """Terms c x^m ∂/∂x_i of a field, as i, m − e_i and c."""
    for i, a in enumerate(field):
        for monomial, c in a.items():
            yield i, (*monomial[:i], monomial[i] - 1, *monomial[i + 1 :]), c


def monomials(n: int, degree: int) -> Iterator[Exponents]:
    """Exponents of total degree 1 to `degree`, lower degrees first."""
    for k in range(1, degree + 1):
        for places in combinations_with_replacement(range(n), k):
            exponents = [0] * n
            for place in places:
                exponents[place] += 1
            yield tuple(exponents)
