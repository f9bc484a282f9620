"""What leaves a density or a Hamiltonian alone: generators to a degree, signed permutations."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import add
from random import Random
from typing import Any, Literal, overload

from sympy import (
    Add,
    Expr,
    ImmutableMatrix,
    Integer,
    Mul,
    Pow,
    Symbol,
    default_sort_key,
    exp,
    log,
    preorder_traversal,
    reduced,
)

from ehf_sym.clock import DEFAULT_SECONDS, answered_within, check_time, interrupted
from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.errors import ArgumentError, FormulaError, UndecidedError
from ehf_sym.exact.generating_sets import presentable
from ehf_sym.exact.linear import Echelon, relations_of
from ehf_sym.exact.separation import Exponents, Vector, separate
from ehf_sym.exact.vector_fields import monomials, restricted_fields
from ehf_sym.formulas.numpy_forms import to_numpy
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted
from ehf_sym.formulas.validation import exact_scalar, whole_number
from ehf_sym.symmetry.finite_symmetry import FiniteSymmetry
from ehf_sym.symmetry.invariance.maps import moved_coordinates, same_after
from ehf_sym.symmetry.jumps.crossings import (
    flow_keeps,
    jump_is_seen,
    jumps_across,
    rate_across,
    transport,
)
from ehf_sym.symmetry.jumps.walls import Walls, differentiable, walls_of
from ehf_sym.symmetry.lie_algebra import LieAlgebra
from ehf_sym.symmetry.symmetry import Symmetry
from ehf_sym.zero.periodicity import function_on
from ehf_sym.zero.zero_test import is_zero

_SEED = 20190930
_LOOSE = 1e-9  # of the terms' size: what passes is proved afterwards
_COORDINATE = re.compile(r"[qp]([1-9][0-9]*)")


@overload
def symmetries_of(
    f: BaseDensity | Expr,
    degree: int,
    *,
    finite: Literal[False] = ...,
    space: PhaseSpace | None = ...,
    linear_in_p: bool = ...,
    basis: Sequence[Expr] = ...,
    constants: bool = ...,
    time_limit: float = ...,
) -> LieAlgebra | None: ...


@overload
def symmetries_of(
    f: BaseDensity | Expr,
    degree: int,
    *,
    finite: Literal[True],
    space: PhaseSpace | None = ...,
    linear_in_p: bool = ...,
    basis: Sequence[Expr] = ...,
    constants: bool = ...,
    time_limit: float = ...,
) -> Symmetry | None: ...


def symmetries_of(
    f: BaseDensity | Expr,
    degree: int,
    *,
    finite: bool = False,
    space: PhaseSpace | None = None,
    linear_in_p: bool = False,
    basis: Sequence[Expr] = (),
    constants: bool = False,
    time_limit: float = DEFAULT_SECONDS,
) -> LieAlgebra | Symmetry | None:
    """Find every generator g, polynomial to a degree, with {g, f} = 0.

    Parameters
    ----------
    f : BaseDensity or sympy.Expr
        A density, of which ln π is taken, or a formula such as a Hamiltonian.
    degree : int
        The highest total degree of g in q and p; 0 with ``finite`` looks for no g. Angles of the
        space occur in no polynomial: functions of them go into ``basis``.
    finite : bool
        Whether permutations and sign changes of the coordinates, p alike with q, are looked for
        as well: those that leave f alone are the finite part of a `Symmetry`. They are found by
        how the terms of f hang together, without trying them one by one; all there are where f is
        a polynomial, those that its terms show else.
    space : PhaseSpace, optional
        The coordinates of a formula. By default the smallest space with the symbols q1, q2, …,
        p1, p2, … that occur; all others are its parameters.
    linear_in_p : bool
        Whether g is to be of the form p·X(q) + h(q), which acts on q by itself.
    basis : sequence of sympy.Expr
        Functions that g may contain besides polynomials, times constants: ``q[0]/r``, say.
    constants : bool
        Whether the constant function 1, which moves nothing, counts as a generator.
    time_limit : float
        Seconds after which it is undecided.

    Returns
    -------
    LieAlgebra, Symmetry or None
        A basis of all such g, with ``finite`` in a Symmetry; None where there is none.
        {g, f} = 0 is proved for each. That there are no others is exact linear algebra; where f is
        no polynomial, it rests on the independence of the kernels in its normal form, and where f
        has parameters, it holds for generic values of them.

    Raises
    ------
    ArgumentError
        If an argument is of the wrong kind, or a function in ``basis`` is a combination of the
        others and of polynomials to the degree.
    FormulaError
        If f is a constant, or has no normal form within bounds.
    UndecidedError
        If {g, f} = 0 could not be proved for what was found.

    Notes
    -----
    By the Jacobi identity brackets of symmetries are symmetries. Those of degree at most 2 stay
    so, up to constants, and close; brackets of higher ones have higher degree, and need not be
    among the generators.

    Examples
    --------
    >>> space = PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> oscillator = (q1**2 + q2**2 + p1**2 + p2**2) / 2
    >>> symmetries_of(oscillator, 2).generators
    (p1**2 + q1**2, p1*p2 + q1*q2, -p1*q2 + p2*q1, p2**2 + q2**2)

    Two wells that are mirrored, and alike:

    >>> wells = (q1**2 - 1) ** 2 + (q2**2 - 1) ** 2
    >>> symmetries_of(wells, 1, finite=True).finite.order
    8
    """
    formula, where = _question(f, space)
    limit = whole_number(degree, "degree", 0 if finite else 1)
    if not isinstance(basis, Iterable) or isinstance(basis, str):
        raise ArgumentError(f"basis is {quoted(basis)}; it should be a sequence of formulas")
    extra = tuple(function_on(where, b, f"basis[{k}]") for k, b in enumerate(basis))

    def search() -> Sequence[Expr]:
        ansatz = _Ansatz(where, differentiable(formula), limit, linear_in_p)
        return _found(formula, ansatz, extra)

    with answered_within(time_limit, "which generators leave f alone"):
        found = interrupted(search) if limit else []
        maps = interrupted(lambda: signed_permutations(formula, where)) if finite else []
    generators = [*found, *([Integer(1)] if constants else [])]
    algebra = LieAlgebra(where, generators) if generators else None
    if not finite:
        return algebra
    group = FiniteSymmetry(where, maps) if maps else None
    return Symmetry(algebra, group) if maps or algebra is not None else None


def signed_permutations(formula: Expr, space: PhaseSpace) -> list[ImmutableMatrix]:
    """Find generators of the permutations and sign changes that leave a formula alone.

    Examples
    --------
    >>> space = PhaseSpace(2)
    >>> signed_permutations(space.q[0] * space.q[1] + space.q[0], space)
    []
    >>> len(signed_permutations(space.q[0] * space.q[1], space))
    2
    """
    return _SignedPermutations(formula, space).run()


Signed = tuple[int, int]  # where a coordinate goes, and with which sign


class _SignedPermutations:
    """Search for permutations and sign changes of coordinates that leave a formula alone.

    Level by level, as in a stabilizer chain: with the coordinates before it in place, where can
    the next one go? One completion is enough for each place that known ones do not lead to.
    Coordinates are placed one after the other. The terms that hold placed ones alone have to have
    the same values as those that hold their images alone, and two of them have to meet in as many
    parts of the formula as their images.
    """

    def __init__(self, formula: Expr, space: PhaseSpace) -> None:
        self._formula, self._space = formula, space
        expanded = _unwrapped(formula).expand()
        terms = [*Add.make_args(expanded)]
        place = {x: k for k, x in enumerate(space.q)} | {x: k for k, x in enumerate(space.p)}
        self._meetings = Counter(
            frozenset(place[x] for x in part.free_symbols if x in place)
            for part in preorder_traversal(expanded)
            if isinstance(part, Expr) and not _is_multiple(part)
        )
        self._held = [
            frozenset(place[x] for x in term.free_symbols if x in place) for term in terms
        ]
        self._values = to_numpy(terms, (*space.coordinates, *space.parameters))
        random = Random(_SEED)
        self._at = [random.uniform(0.5, 1.5) for _ in range(2 * space.dim)]
        self._parameters = [random.uniform(0.5, 1.5) for _ in space.parameters]
        self._own = self._evaluated(dict.fromkeys(range(space.dim)))
        self._order = self._connected()

    def _connected(self) -> list[int]:
        """Order coordinates so that each shares terms with those before, where it can."""
        order: list[int] = []
        left = set(range(self._space.dim))
        while left:
            shared = {
                k: sum(1 for held in self._held if k in held and held <= {k, *order}) for k in left
            }
            order.append(max(sorted(left), key=lambda k: shared[k]))
            left.remove(order[-1])
        return order

    def run(self) -> list[ImmutableMatrix]:
        """Find generators, each proved."""
        found: list[dict[int, Signed]] = []
        for level in reversed(range(self._space.dim)):
            fixed = {k: (k, 1) for k in self._order[:level]}
            own = self._order[level]
            reached = _images(own, found)
            for goal in ((k, sign) for k in range(self._space.dim) for sign in (1, -1)):
                if goal in reached or any(goal[0] == k for k, _ in fixed.values()):
                    continue
                whole = (
                    self._completed({**fixed, own: goal}) if self._fits(fixed, own, goal) else None
                )
                if whole is not None:
                    found.append(whole)
                    reached = _images(own, found)
        return [self._matrix(whole) for whole in found]

    def _completed(self, partial: dict[int, Signed]) -> dict[int, Signed] | None:
        """Place the other coordinates, one way."""
        check_time()
        if len(partial) == self._space.dim:
            return partial if self._is_kept(partial) else None
        own = self._order[len(partial)]
        taken = {k for k, _ in partial.values()}
        for goal in ((k, sign) for k in range(self._space.dim) for sign in (1, -1)):
            if goal[0] not in taken and self._fits(partial, own, goal):
                whole = self._completed({**partial, own: goal})
                if whole is not None:
                    return whole
        return None

    def _fits(self, partial: dict[int, Signed], own: int, goal: Signed) -> bool:
        """Whether the terms that are complete with one more coordinate are those of the images."""
        angles = self._space.angles
        if (own in angles) != (goal[0] in angles):
            return False
        if any(
            self._meetings[frozenset((own, k))] != self._meetings[frozenset((goal[0], image))]
            for k, (image, _) in (*partial.items(), (own, goal))
        ):
            return False
        placed = {*partial, own}
        images = {goal[0], *(k for k, _ in partial.values())}
        here = [i for i, held in enumerate(self._held) if own in held and held <= placed]
        there = [i for i, held in enumerate(self._held) if goal[0] in held and held <= images]
        if len(here) != len(there):
            return False
        moved = self._evaluated({**partial, own: goal})
        one, other = sum(moved[i] for i in here), sum(self._own[i] for i in there)
        scale = sum(abs(self._own[i]) for i in there)
        return not abs(one - other) > _LOOSE * scale  # what has no value decides nothing

    def _evaluated(self, images: Mapping[int, Signed | None]) -> list[float]:
        """Evaluate every term where coordinates have the values of their images."""
        d = self._space.dim
        point = list(self._at)
        for k, image in images.items():
            if image is not None:
                for half in (0, d):
                    point[half + k] = image[1] * self._at[half + image[0]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [float(x) for x in self._values([[*point, *self._parameters]])[0]]

    def _matrix(self, whole: Mapping[int, Signed]) -> ImmutableMatrix:
        d = self._space.dim
        entries = {(k, image): sign for k, (image, sign) in whole.items()}
        return ImmutableMatrix(d, d, lambda i, j: entries.get((i, j), 0))

    def _is_kept(self, whole: Mapping[int, Signed]) -> bool:
        """Prove that a map leaves the formula alone, jumps included."""
        matrix = self._matrix(whole)
        images = moved_coordinates(self._space, matrix, matrix)
        return same_after(self._formula, images, self._space).proved


def _is_multiple(part: Expr) -> bool:
    """Whether a part is a number times one other: its sign changes, and the other stays."""
    return bool(part.is_Mul and len(part.args) == 2 and part.args[0].is_Number)


def _unwrapped(formula: Expr) -> Expr:
    """Take the argument of functions of one formula: it has the terms."""
    while isinstance(formula, exp | log | Pow) and len(Add.make_args(formula.args[0])) > 1:
        formula = formula.args[0]
    return formula


def _images(start: int, maps: Sequence[Mapping[int, Signed]]) -> set[Signed]:
    """Where known maps take a coordinate, and minus it."""
    reached, waiting = {(start, 1)}, [(start, 1)]
    while waiting:
        place, sign = waiting.pop()
        for each in maps:
            image, turned = each[place]
            new = (image, sign * turned)
            if new not in reached:
                reached.add(new)
                waiting.append(new)
    return reached


def _found(formula: Expr, ansatz: _Ansatz, extra: Sequence[Expr]) -> Sequence[Expr]:
    """Find generators, each proved to leave a formula alone."""
    where, off_jumps, walls = ansatz.space, ansatz.formula, walls_of(formula)
    if not walls and all(is_zero(component).proved for component in where.vector_field(off_jumps)):
        raise FormulaError(
            f"f is {quoted(formula)}, a constant, which every generator leaves alone"
        )
    found = ansatz.with_functions(extra) if extra else ansatz.polynomials()
    for b in walls.surfaces:
        found = _not_crossing(b, walls, found, where)
    for g in found:
        constant = is_zero(where.bracket(g, off_jumps)).proved
        if not constant or transport(formula, g, where).status != "proved":
            raise UndecidedError(f"{quoted(g)} was found, but {{g, f}} = 0 is not proved")
    return found


def _question(f: Any, space: PhaseSpace | None) -> tuple[Expr, PhaseSpace]:
    """Read what was given as a formula and its coordinates."""
    if space is not None and not isinstance(space, PhaseSpace):
        raise ArgumentError(f"space is {space!r}; it should be a PhaseSpace")
    if isinstance(f, BaseDensity):
        if space is not None and space != f.space:
            raise ArgumentError(f"space is {space!r}; the density is on {f.space!r}")
        return f.log_density, f.space
    formula = exact_scalar(f, "f")
    where = _smallest_space(formula) if space is None else space
    return function_on(where, formula, "f"), where


def _smallest_space(formula: Expr) -> PhaseSpace:
    """Coordinates that occur, and the other symbols as parameters."""
    places, parameters = [1], []
    for symbol in sorted(formula.free_symbols, key=default_sort_key):
        match = _COORDINATE.fullmatch(symbol.name)
        if match:
            places.append(int(match[1]))
        else:
            parameters.append(symbol)
    return PhaseSpace(max(places), parameters=parameters)


def _not_crossing(b: Expr, walls: Walls, found: list[Expr], space: PhaseSpace) -> list[Expr]:
    """Combine generators so that their flows do not cross a jump at b = 0."""
    if all(flow_keeps(b, g, space) for g in found):
        return found
    jumps = jumps_across(walls, b, space)
    if jumps is not None and not jumps:
        return found
    polynomial = all(f.is_polynomial(*space.coordinates) for f in (b, *found))
    seen = [jump_is_seen(b, jump, sheet) for jump, sheet in jumps or ()]
    if not (any(seen) if polynomial else seen and all(seen)):
        raise UndecidedError(f"whether f jumps where {quoted(b)} = 0 is not decided")
    if polynomial:
        rests = [reduced(space.bracket(b, g), [b], *space.coordinates)[1] for g in found]
        return _combined(found, rests, space.coordinates)
    for _, sheet in jumps or ():
        rates = [r for g in found if (r := rate_across(sheet, g, space)) is not None]
        if len(rates) < len(found):
            raise UndecidedError(f"how the flows cross {quoted(b)} = 0 is not decided")
        numbers = sorted(set().union(*(r.free_symbols for r in rates)), key=default_sort_key)
        numbered = [s for s in numbers if s not in space.parameters]
        found = _combined(found, rates, tuple(dict.fromkeys((*space.coordinates, *numbered))))
    return found


def _combined(
    functions: Sequence[Expr], images: Sequence[Expr], variables: Sequence[Symbol]
) -> list[Expr]:
    """Basis of the combinations of functions of which the images, linear in them, vanish."""
    parts = separate(images, variables)
    return [
        Add(*(parts.domain.to_sympy(c) * functions[j] for j, c in solution.items())).expand()
        for solution in relations_of(parts.domain, parts.vectors)
    ]


class _Ansatz:
    """Polynomials with unknown coefficients."""

    def __init__(self, space: PhaseSpace, f: Expr, degree: int, linear_in_p: bool) -> None:
        self.space, self.formula, self._degree = space, f, degree
        self._highest_in_p = 1 if linear_in_p else degree

    def polynomials(self) -> list[Expr]:
        """Solve among the polynomials, class by class of the grading that f allows."""
        fields = restricted_fields(self.space, [self.formula], self.space.coordinates)
        solved = fields.annihilated(self._degree, self._admits)
        whole = fields.grading.by_degree
        found = [poly for polys in solved.values() for poly in presentable(polys, reduce=whole)]
        found.sort(key=lambda poly: poly.LM, reverse=True)
        return [poly.as_expr() for poly in sorted(found, key=lambda poly: sum(poly.LM))]

    def with_functions(self, extra: Sequence[Expr]) -> list[Expr]:
        """Solve among polynomials and other functions."""
        space = self.space
        own = [m for m in monomials(2 * space.dim, self._degree) if self._admits(m)]
        self._refuse_dependent(own, extra)
        velocities = [space.bracket(x, self.formula) for x in space.coordinates]
        others = [space.bracket(b, self.formula) for b in extra]
        parts = separate([*velocities, *others], space.coordinates)
        columns = [
            *(_velocity(monomial, parts.vectors[: len(velocities)]) for monomial in own),
            *parts.vectors[len(velocities) :],
        ]
        functions = [*(_monomial(m, space.coordinates) for m in own), *extra]
        return [
            Add(*(parts.domain.to_sympy(c) * functions[j] for j, c in solution.items()))
            for solution in relations_of(parts.domain, columns)
        ]

    def _admits(self, monomial: Exponents) -> bool:
        if any(monomial[i] for i in self.space.angles):  # no function on the circle
            return False
        return sum(monomial[self.space.dim :]) <= self._highest_in_p

    def _refuse_dependent(self, own: Sequence[Exponents], extra: Sequence[Expr]) -> None:
        """Refuse functions that are combinations of polynomials or of each other."""
        parts = separate([*extra, Integer(1)], self.space.coordinates)
        *others, one = parts.vectors
        echelon = Echelon(parts.domain)
        for monomial in ((0,) * 2 * self.space.dim, *own):
            echelon.add(_times(one, monomial))
        for k, vector in enumerate(others):
            if echelon.add(vector) is not None:
                raise ArgumentError(
                    f"basis[{k}] is {extra[k]}, which is a combination of those before it and of "
                    f"polynomials to degree {self._degree}; leave it out"
                )


def _velocity(monomial: Exponents, velocities: Sequence[Vector]) -> dict[Exponents, Any]:
    """{s^m, f} = Σ_i m_i s^(m − e_i) {s_i, f}."""
    total: dict[Exponents, Any] = {}
    for i, e in enumerate(monomial):
        if e:
            rest = (*monomial[:i], e - 1, *monomial[i + 1 :])
            for place, c in _times(velocities[i], rest).items():
                total[place] = total[place] + c * e if place in total else c * e
    return {place: c for place, c in total.items() if c}


def _times(vector: Vector, monomial: Exponents) -> dict[Exponents, Any]:
    """Multiply by a monomial in the variables, which are the first of the functions."""
    n = len(monomial)
    return {(*map(add, place, monomial), *place[n:]): c for place, c in vector.items()}


def _monomial(exponents: Exponents, symbols: Sequence[Symbol]) -> Expr:
    return Mul(*(x**e for x, e in zip(symbols, exponents, strict=True)))
