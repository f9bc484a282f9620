"""All generators to a degree that leave a density or a Hamiltonian alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from operator import add
from typing import Any

from sympy import Add, Expr, Integer, Mul, Symbol, default_sort_key, reduced

from ehf_sym.clock import DEFAULT_SECONDS, answered_within, interrupted
from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.errors import ArgumentError, FormulaError, UndecidedError
from ehf_sym.exact.generating_sets import presentable
from ehf_sym.exact.linear import Echelon, relations_of
from ehf_sym.exact.separation import Exponents, Vector, separate
from ehf_sym.exact.vector_fields import monomials, restricted_fields
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted
from ehf_sym.formulas.validation import exact_scalar, whole_number
from ehf_sym.symmetry.jumps.crossings import (
    flow_keeps,
    jump_is_seen,
    jumps_across,
    rate_across,
    transport,
)
from ehf_sym.symmetry.jumps.walls import Walls, differentiable, walls_of
from ehf_sym.symmetry.lie_algebra import LieAlgebra
from ehf_sym.zero.zero_test import is_zero

_COORDINATE = re.compile(r"[qp]([1-9][0-9]*)")


def symmetries_of(
    f: BaseDensity | Expr,
    degree: int,
    *,
    space: PhaseSpace | None = None,
    linear_in_p: bool = False,
    basis: Sequence[Expr] = (),
    constants: bool = False,
    time_limit: float = DEFAULT_SECONDS,
) -> LieAlgebra | None:
    """Find every generator g, polynomial to a degree, with {g, f} = 0.

    Parameters
    ----------
    f : BaseDensity or sympy.Expr
        A density, of which ln π is taken, or a formula such as a Hamiltonian.
    degree : int
        The highest total degree of g in q and p.
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
    LieAlgebra or None
        A basis of all such g; None where there is none. {g, f} = 0 is proved for each. That there
        are no others is exact linear algebra; where f is no polynomial, it rests on the
        independence of the kernels in its normal form, and where f has parameters, it holds for
        generic values of them.

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
    """
    formula, where = _question(f, space)
    limit = whole_number(degree, "degree")
    if not isinstance(basis, Iterable) or isinstance(basis, str):
        raise ArgumentError(f"basis is {quoted(basis)}; it should be a sequence of formulas")
    extra = tuple(where.validate(b, f"basis[{k}]") for k, b in enumerate(basis))

    def search() -> Sequence[Expr]:
        ansatz = _Ansatz(where, differentiable(formula), limit, linear_in_p)
        return _found(formula, ansatz, extra)

    with answered_within(time_limit, "which generators leave f alone"):
        found = interrupted(search)
    generators = [*found, *([Integer(1)] if constants else [])]
    return LieAlgebra(where, generators) if generators else None


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
    return where.validate(formula, "f"), where


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
