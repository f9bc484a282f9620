"""Polynomials that commute with every generator: all of them to a degree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sympy import Abs, Add, Expr, ImmutableMatrix, Mul, Piecewise, Symbol, cos, diag, sin
from sympy.polys.orderings import grlex
from sympy.polys.rings import PolyRing

from ehf_sym.errors import ArgumentError, FormulaError, UndecidedError
from ehf_sym.exact.generating_sets import GeneratingSet, Product, generating_set
from ehf_sym.exact.linear import Echelon, integer_kernel
from ehf_sym.exact.separation import separate
from ehf_sym.exact.vector_fields import (
    Poly,
    VectorFields,
    enough,
    random_point,
    restricted_fields,
    value_at,
)
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import formula_text, quoted
from ehf_sym.formulas.report import Document, Line, Reported, formula_data, space_data
from ehf_sym.formulas.validation import whole_number
from ehf_sym.symmetry.jumps.crossings import transport
from ehf_sym.symmetry.jumps.walls import differentiable
from ehf_sym.zero.zero_test import is_zero

Of = Literal["q", "p", "s"]


@dataclass(frozen=True, repr=False)
class Invariants(Reported):
    """All polynomials f to a degree with {f, g_k} = 0 for every generator g_k of a symmetry.

    Of a finite symmetry, all with f∘σ = f; of both together, all that satisfy both. Prints as
    text, LaTeX, HTML and JSON.

    On a space with angles cosines and sines of integer combinations of these are among the
    generators, and count as constants for a degree: `degrees` has 0 for them, and `basis` and
    `dimension` leave them out.

    Attributes
    ----------
    symmetry : LieAlgebra, FiniteSymmetry or Symmetry
        What leaves them alone.
    degree : int
        The highest total degree that was looked at.
    of : {"q", "p", "s"}
        What f is a function of: positions, momenta or both.
    generators : tuple of sympy.Expr
        f_1, f_2, …: a minimal set whose products and sums, with constants, are all invariants to
        the degree. Coefficients are coprime integers where they are rational.
    degrees : tuple of int
        Total degrees of the generators.
    independent : tuple of sympy.Expr
        Generators that are functionally independent, as many as there are: their gradients are
        linearly independent at a rational point, exactly.
    max_independent : int
        How many functionally independent invariants there can be at the most: the number of
        variables less the rank, at a rational point, of the vector fields {·, g_k} and their
        brackets. See `is_attained`.
    relations : tuple of sympy.Expr
        Polynomials in the symbols `names` that vanish when these are replaced by the generators: a
        Gröbner basis of all relations to the degree.
    for_all_functions : bool
        Whether `max_independent` holds for smooth functions f; else for polynomials only, because
        a generator is not rational in the variables.

    Examples
    --------
    >>> from ehf_sym import LieAlgebra, PhaseSpace
    >>> space = PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> rotations = LieAlgebra(space, [q1 * p2 - q2 * p1])
    >>> found = rotations.invariants(2, of="s")
    >>> found.generators
    (q1**2 + q2**2, p1*q1 + p2*q2, -p1*q2 + p2*q1, p1**2 + p2**2)
    >>> len(found.independent), found.max_independent
    (3, 3)
    >>> found.dimension(2)
    4
    """

    symmetry: Any
    degree: int
    of: Of
    generators: tuple[Expr, ...]
    degrees: tuple[int, ...]
    independent: tuple[Expr, ...]
    max_independent: int
    relations: tuple[Expr, ...]
    for_all_functions: bool
    _standard: dict[int, list[Product]] = field(repr=False, compare=False)

    @property
    def names(self) -> tuple[Symbol, ...]:
        """Symbols f1, f2, … for the generators, as `relations` uses them."""
        return tuple(Symbol(f"f{i + 1}", real=True) for i in range(len(self.generators)))

    @property
    def is_attained(self) -> bool:
        """Whether as many are independent as there can be.

        Then `max_independent` is exact, and near a generic point every invariant function, of
        whatever kind, is a function of `independent`: locally, which is less than generating. The
        six dot products of three vectors in space are all that is independent, but no function of
        them is the determinant, a generator of degree 3.
        """
        return len(self.independent) == self.max_independent

    def basis(self, degree: int) -> tuple[Expr, ...]:
        """Linearly independent invariants of one degree, as products of generators.

        Together with those of lower degrees and with constants they span all invariants to that
        degree.

        Parameters
        ----------
        degree : int
            Total degree, from 1 to the degree that was looked at.

        Returns
        -------
        tuple of sympy.Expr

        Raises
        ------
        ArgumentError
            If ``degree`` is out of range.
        """
        products = self._products(degree)
        return tuple(_product(self.generators, product) for product in products)

    def dimension(self, degree: int) -> int:
        """Dimension of the invariants of degree at most `degree` modulo those of lower degrees.

        Where every {·, g_k} keeps or shifts the degree of all monomials alike, as for rotations,
        this is the number of linearly independent homogeneous invariants.

        Raises
        ------
        ArgumentError
            If ``degree`` is out of range.
        """
        return len(self._products(degree))

    def document(self) -> Document:
        """Lines for a reader and data for a program."""
        return Document(tuple(self._lines()), self._data())

    def _products(self, degree: int) -> list[Product]:
        k = whole_number(degree, "degree")
        if k > self.degree:
            raise ArgumentError(
                f"degree is {k}; it should be at most {self.degree}, to which invariants are known"
            )
        return self._standard[k]

    def _lines(self) -> Iterator[Line]:
        """Write out generators, independence, relations."""
        what = f"invariants of {self.of}"
        if not self.generators:
            yield Line(0, f"{what.capitalize()}: there are none to degree {self.degree}")
            yield Line(1, self._bound())
            return
        yield Line(0, f"{what.capitalize()} to degree {self.degree}: all are polynomials in")
        for name, formula in zip(self.names, self.generators, strict=True):
            yield Line(1, f"{name} = ", formula)
        independent = [str(n) for n, f in zip(self.names, self.generators, strict=True)
                       if f in self.independent]  # fmt: skip
        yield Line(1, f"Functionally independent: {', '.join(independent)}")
        yield Line(1, self._bound())
        if not self.relations:
            yield Line(1, f"Relations to degree {self.degree}: none")
        for relation in self.relations:
            yield Line(1, "Relation: 0 = ", relation)

    def _bound(self) -> str:
        """Say how many invariants there can be."""
        functions = "functions" if self.for_all_functions else "polynomials"
        if not self.max_independent:
            return f"There are none at all: only constants among the {functions} of {self.of}"
        if self.is_attained:
            return "There can be no more: every invariant is locally a function of these"
        return f"At most {self.max_independent} {functions} of {self.of} can be independent"

    def _data(self) -> dict[str, Any]:
        return {
            "space": space_data(self.symmetry.space),
            "of": self.of,
            "degree": self.degree,
            "generators": [formula_data(f) for f in self.generators],
            "degrees": list(self.degrees),
            "independent": [formula_data(f) for f in self.independent],
            "max_independent": self.max_independent,
            "is_attained": self.is_attained,
            "for_all_functions": self.for_all_functions,
            "relations": [formula_text(relation) for relation in self.relations],
            "dimensions": {str(k): len(products) for k, products in self._standard.items()},
        }


def find_invariants(
    symmetry: Any,
    degree: int,
    of: str,
    functions: Sequence[Expr],
    maps: Sequence[tuple[ImmutableMatrix, ImmutableMatrix]] = (),
) -> Invariants:
    """Find all polynomial invariants to a degree; see `LieAlgebra.invariants`.

    Angles are found apart, see `_of_angles`: what turns them moves nothing else, so that invariants
    of everything are polynomials in those of either part.

    Parameters
    ----------
    symmetry : LieAlgebra, FiniteSymmetry or Symmetry
        Whose they are.
    degree, of
        As in `LieAlgebra.invariants`.
    functions : sequence of sympy.Expr
        The generators g_k.
    maps : sequence of pairs of matrices
        A and A⁻ᵀ. No average over their group is needed: what its generators leave alone is found
        by linear algebra.
    """
    space, limit = symmetry.space, whole_number(degree, "degree")
    variables = _variables(space, of)
    angles = [x for x in variables if x in space.angular]
    waves = _of_angles(space, functions, maps) if angles else ()
    rest = tuple(x for x in variables if x not in angles)
    found = Invariants(symmetry, limit, of, (), (), (), 0, (), True, _none_to(limit))  # type: ignore[arg-type]  # _variables has checked it
    if rest:
        found = _polynomials(symmetry, limit, of, rest, functions, maps)
    return _joined(found, waves) if angles else found


def turns_angles(g: Expr, space: PhaseSpace) -> bool:
    """Whether a generator holds an angle or the momentum of one."""
    return not g.free_symbols.isdisjoint((*space.angular, *(space.p[i] for i in space.angles)))


def _of_angles(
    space: PhaseSpace,
    functions: Sequence[Expr],
    maps: Sequence[tuple[ImmutableMatrix, ImmutableMatrix]],
) -> tuple[Expr, ...]:
    """Find cos(n·q) and sin(n·q), two a form, that generate the invariant functions of angles.

    Generators Σ_l c_l p_l with rational c turn the angles by the elements of a torus T. The wave
    exp(i n·q) is invariant exactly where Σ_l c_l n_l = 0 for each of them. Such n are a lattice; a
    basis of it makes every other wave a product of these waves and of their conjugates, and
    by Fourier's theorem sums of waves come as near to each continuous invariant function as one
    likes. The waves of a basis also tell any two orbits apart: the angles modulo T are again a
    torus, with the lattice as its waves.
    """
    if maps:
        raise ArgumentError(
            "finite maps angles, of which no invariants are found; an energy that keeps it is a "
            "sum over the images of a window: ehf_num.OrbitSum"
        )
    angles, momenta = space.angular, [space.p[i] for i in space.angles]
    rows = []
    for g in functions:
        if not turns_angles(g, space):
            continue
        slopes = [g.diff(p) for p in momenta]
        rest = (g - Add(*(c * p for c, p in zip(slopes, momenta, strict=True)))).expand()
        if not all(c.is_Rational for c in slopes) or not rest.is_Rational:
            raise ArgumentError(
                f"a generator is {quoted(g)}, which holds angles or their momenta; for invariants "
                "it should be a sum of the momenta of angles times rational numbers. Others can be "
                'kept by a penalty: enforce="penalty"'
            )
        rows.append(slopes)
    forms = [
        Add(*(k * q for k, q in zip(n, angles, strict=True)))
        for n in integer_kernel(rows, len(angles))
    ]
    upright = (-form if form.could_extract_minus_sign() else form for form in forms)
    return tuple(f(form) for form in upright for f in (cos, sin))


def _none_to(limit: int) -> dict[int, list[Product]]:
    return {k: [] for k in range(1, limit + 1)}


def _joined(found: Invariants, waves: Sequence[Expr]) -> Invariants:
    """Put cosines and sines of angles, of degree 0, behind polynomials in the rest."""
    joined = replace(
        found,
        generators=(*found.generators, *waves),
        degrees=(*found.degrees, *(0 for _ in waves)),
        independent=(*found.independent, *waves[::2]),
        max_independent=found.max_independent + len(waves) // 2,
    )
    names = joined.names[len(found.generators) :]
    circles = [c**2 + s**2 - 1 for c, s in zip(names[::2], names[1::2], strict=True)]
    return replace(joined, relations=(*found.relations, *circles))


def _polynomials(
    symmetry: Any,
    limit: int,
    of: str,
    variables: tuple[Symbol, ...],
    functions: Sequence[Expr],
    maps: Sequence[tuple[ImmutableMatrix, ImmutableMatrix]],
) -> Invariants:
    """Find those that are polynomials of some coordinates."""
    space = symmetry.space
    partner = dict(zip(space.coordinates, (*space.p, *space.q), strict=True))
    moving = {partner[x] for x in variables}
    generators = [_off_jumps(g, space) for g in functions if g.free_symbols & moving]
    fields = enough(restricted_fields(space, generators, variables))
    if maps:
        matrices = [{"q": a, "p": b, "s": diag(a, b)}[of] for a, b in maps]
        fields = fields.with_maps([matrix.tolist() for matrix in matrices])
    found = generating_set(fields, limit)
    formulas = tuple(poly.as_expr() for poly in found.generators)
    _prove(space, generators, found.generators)
    _prove_kept(fields, found.generators)
    independent = _independent(found.generators, fields)
    return Invariants(
        symmetry=symmetry,
        degree=limit,
        of=of,  # type: ignore[arg-type]  # one of the three
        generators=formulas,
        degrees=tuple(found.degrees),
        independent=tuple(formulas[i] for i in independent),
        max_independent=fields.ring.ngens - len(fields.independent_at_random()),
        relations=tuple(_relations(found, fields.ring.domain)),
        for_all_functions=fields.for_all_functions,
        _standard=found.standard,
    )


def _prove_kept(fields: VectorFields, invariants: Sequence[Poly]) -> None:
    """Put what the maps make of the variables into each: it has to stay."""
    for f in invariants:
        if any(fields.moved(f, images) != f for images in fields.maps):
            raise FormulaError(
                f"{quoted(f.as_expr())} was found, but is not proved to be invariant"
            )


def _variables(space: PhaseSpace, of: str) -> tuple[Symbol, ...]:
    """Coordinates that invariants are functions of."""
    choices = {"q": space.q, "p": space.p, "s": space.coordinates}
    if not isinstance(of, str) or of not in choices:
        raise ArgumentError(f'of is {of!r}; it should be "q", "p" or "s"')
    return choices[of]


def _off_jumps(g: Expr, space: PhaseSpace) -> Expr:
    """Write jumps, which its own flow must not cross, without slope."""
    off = differentiable(g)
    if (off != g or g.has(Abs, Piecewise)) and transport(g, g, space).status != "proved":
        raise UndecidedError(
            f"it is undecided which polynomials are invariant: {quoted(g)} may jump where its own "
            "flow crosses"
        )
    return off


def _prove(space: PhaseSpace, generators: Sequence[Expr], invariants: Sequence[Poly]) -> None:
    """Take the bracket of each with every generator: it has to vanish."""
    parts = separate(generators, space.coordinates)
    whole = PolyRing(list(space.coordinates), parts.domain, grlex)
    gradients = []
    if parts.is_polynomial:
        gradients = [_gradient(whole.from_dict(dict(g))) for g in parts.vectors]
    for f in invariants:
        if gradients and (f.ring.domain.is_QQ or f.ring.domain == parts.domain):
            own = _gradient(f.set_ring(whole))
            zero = not any(_bracket(own, gradient) for gradient in gradients)
        else:
            formula = f.as_expr()
            brackets = (space.bracket(formula, g) for g in generators)
            zero = all(is_zero(bracket).proved for bracket in brackets)
        if not zero:
            raise FormulaError(
                f"{quoted(f.as_expr())} was found, but is not proved to be invariant"
            )


def _gradient(f: Poly) -> list[Poly]:
    return [f.diff(x) for x in f.ring.gens]


def _bracket(df: Sequence[Poly], dg: Sequence[Poly]) -> Poly:
    """Poisson bracket from gradients: Σ_i ∂f/∂q_i ∂g/∂p_i − ∂f/∂p_i ∂g/∂q_i."""
    d = len(df) // 2
    total = df[0].ring.zero
    for i in range(d):
        for a, b in ((df[i], dg[d + i]), (-df[d + i], dg[i])):
            if a and b:
                total += a * b
    return total


def _independent(generators: Sequence[Poly], fields: VectorFields) -> list[int]:
    """Places of generators whose gradients are independent at a point, hence almost everywhere."""
    point = random_point(fields.ring)
    echelon = Echelon(fields.ring.domain)
    chosen = []
    for i, f in enumerate(generators):
        gradient = [value_at(f.diff(x), point) for x in fields.ring.gens]
        if echelon.add({j: v for j, v in enumerate(gradient) if v}) is None:
            chosen.append(i)
    return chosen


def _relations(found: GeneratingSet, domain: Any) -> Iterator[Expr]:
    """Write relations as polynomials in the symbols f1, f2 and so on."""
    names = [Symbol(f"f{i + 1}", real=True) for i in range(len(found.generators))]
    for product, combination in found.relations:
        terms = [_product(names, other) * domain.to_sympy(c) for other, c in combination.items()]
        yield _product(names, product) - Add(*terms)


def _product(factors: Sequence[Expr], product: Product) -> Expr:
    """Multiply the factors with these numbers."""
    return Mul(*(factors[i] for i in product))
