"""A formula as a sum of functions of polynomials, each polynomial multiplied out once.

If σ takes the polynomials to such that the formula reads as before, f∘σ = f whatever the functions
of them are; if {u, g} = 0 for each polynomial u, the flow of g keeps f. Both hold of jumps, poles
and ends of domains too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache, reduce
from itertools import islice
from typing import Any

from sympy import QQ, Add, Basic, Expr, Mul, Piecewise, Pow, S, Symbol
from sympy.core.operations import AssocOp, LatticeOp

from ehf_sym.formulas.domains import requirements
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.verdict import Witness, ZeroVerdict
from ehf_sym.zero.witness import QUICK, points, probes

Monomial = tuple[int, ...]  # places of coordinates, in order and as often as they are factors
Polynomial = dict[tuple[Monomial, Expr], Any]  # rational coefficients of monomials times numbers
_MOST_FACTORS, _MOST_TERMS = 50, 10_000  # of a power that is multiplied out
_MOST_POINTS = 30


@dataclass(frozen=True, eq=False)
class _Node:
    """A function of the sum or product of its polynomial arguments, and of others."""

    head: Any
    polynomial: Polynomial
    others: tuple[_Node, ...] = ()

    @property
    def is_polynomial(self) -> bool:
        return self.head is Add and not self.others

    def all(self) -> Iterator[Polynomial]:
        yield self.polynomial
        for node in self.others:
            yield from node.all()

    def key(self, name: Callable[[Polynomial], int]) -> Hashable:
        """Say all of the function but its polynomials, which have names; nothing is evaluated."""
        keys: Any = tuple(node.key(name) for node in self.others)
        if isinstance(self.head, type) and issubclass(self.head, AssocOp | LatticeOp):
            keys = frozenset(Counter(keys).items())
        return self.head, name(self.polynomial), keys


@dataclass(frozen=True, eq=False)
class Parts:
    """Terms of a formula, all polynomial ones as one, as functions of polynomials."""

    coordinates: tuple[Symbol, ...]
    terms: tuple[tuple[Expr, _Node], ...]
    _names: dict[frozenset[Any], int] = field(default_factory=dict)

    @cached_property
    def _own(self) -> list[tuple[Hashable, set[Symbol]]]:
        """Of each term what it is a function of, in full and as symbols."""
        return [(node.key(self._name), term.free_symbols) for term, node in self.terms]

    def _name(self, u: Polynomial) -> int:
        return self._names.setdefault(frozenset(u.items()), len(self._names))

    def unmatched(self, images: Mapping[Symbol, Expr]) -> tuple[Expr, Expr, Expr]:
        """Sum the terms of f that are none of f∘σ, those that after σ are none of f, and the rest.

        So f∘σ − f is the second sum after σ, less the first.
        """
        reading, known = _Reading(self.coordinates), dict[int, int]()

        @cache
        def image(monomial: Monomial) -> Polynomial:
            if not monomial:
                return _one(())
            x = self.coordinates[monomial[-1]]
            return _times(image(monomial[:-1]), reading.node(images.get(x, x)).polynomial)

        def name(u: Polynomial) -> int:
            if id(u) not in known:
                known[id(u)] = self._name(_through(u, image))
            return known[id(u)]

        keys = [key for key, _ in self._own]
        after = [
            key if images.keys().isdisjoint(symbols) else node.key(name)
            for (key, symbols), (_, node) in zip(self._own, self.terms, strict=True)
        ]
        before, others = self._split(_beyond(keys, after))
        return before, self._split(_beyond(after, keys))[0], others

    def kept(self, of_g: Mapping[Symbol, Expr], space: PhaseSpace) -> tuple[Expr, Expr]:
        """Sum the terms that are functions of polynomials u with {u, g} = 0, and the others."""
        reading = _Reading(self.coordinates)
        along = [of_g[p] for p in space.p] + [-of_g[q] for q in space.q]

        @cache
        def velocity(x: int) -> Polynomial:
            node = reading.node(along[x])
            return node.polynomial if node.is_polynomial else {((), along[x]): QQ(1)}

        @cache
        def image(monomial: Monomial) -> Polynomial:
            others = (monomial[:i] + monomial[i + 1 :] for i in range(len(monomial)))
            return _sum(map(_times, map(_one, others), map(velocity, monomial)))

        return self._split(
            not any(_through(u, image) for u in node.all()) for _, node in self.terms
        )

    def _split(self, chosen: Iterable[bool]) -> tuple[Expr, Expr]:
        """Sum the terms that are chosen, and the others."""
        sums: tuple[list[Expr], list[Expr]] = ([], [])
        for (term, _), first in zip(self.terms, chosen, strict=True):
            sums[not first].append(term)
        return Add(*sums[0]), Add(*sums[1])


@lru_cache(16)
def parts_of(f: Expr, coordinates: tuple[Symbol, ...]) -> Parts:
    """Write a formula as a sum of functions of polynomials in the coordinates.

    Examples
    --------
    >>> from sympy import exp
    >>> space = PhaseSpace(2)
    >>> x, y = space.q
    >>> found = parts_of(exp(-((x - y) ** 2)) + x**2 + 2 * y**2, space.coordinates)
    >>> found.unmatched({x: y, y: x})
    (q1**2 + 2*q2**2, q1**2 + 2*q2**2, exp(-(q1 - q2)**2))
    >>> found.kept({x: 0, y: 0, space.p[0]: S.One, space.p[1]: S.One}, space)
    (exp(-(q1 - q2)**2), q1**2 + 2*q2**2)
    """
    reading, given = _Reading(coordinates), []
    for term in Add.make_args(f):
        factor, rest = term.as_independent(*coordinates, as_Add=False)
        given += [factor * part for part in Add.make_args(rest)] if factor != 1 else [term]
    nodes = [(term, reading.node(term)) for term in given]
    smooth = [(term, node.polynomial) for term, node in nodes if node.is_polynomial]
    whole = [(Add(*(term for term, _ in smooth)), _Node(Add, _sum(u for _, u in smooth)))]
    others = [(term, node) for term, node in nodes if not node.is_polynomial]
    return Parts(coordinates, (*(whole if smooth else ()), *others))


def where_defined(verdict: ZeroVerdict, others: Expr) -> ZeroVerdict | None:
    """Extend the point of a refutation to one where what was left out has a value; None if none."""
    if not others.has(Piecewise) and not any(requirements(others)):
        return verdict
    place = dict(verdict.witness or {})
    free = sorted(others.free_symbols - place.keys(), key=str)
    whole = (place | dict(point) for point in islice(points(free), _MOST_POINTS))
    found = next(probes(others, whole, QUICK), None)
    return None if found is None else replace(verdict, witness=Witness(found.point))


def _beyond(keys: Iterable[Hashable], others: Iterable[Hashable]) -> Iterator[bool]:
    """Tell which keys are not among the others, each of which stands for one."""
    rest = Counter(others)
    for key in keys:
        rest[key] -= 1
        yield rest[key] < 0


class _Reading:
    """Formulas read as functions of polynomials, each part once."""

    def __init__(self, coordinates: tuple[Symbol, ...]) -> None:
        places = enumerate(coordinates)
        self._known: dict[Basic, _Node] = {x: _Node(Add, _one((i,))) for i, x in places}

    def node(self, f: Basic) -> _Node:
        if f not in self._known:
            self._known[f] = self._read(f)
        return self._known[f]

    def _read(self, f: Basic) -> _Node:
        nodes = tuple(map(self.node, f.args))
        given = [node.polynomial for node in nodes if node.is_polynomial]
        others = tuple(node for node in nodes if not node.is_polynomial)
        if isinstance(f, Add):
            return _Node(Add, _sum(given), others)
        if isinstance(f, Mul):
            return _Node(Mul if others else Add, reduce(_times, given, _one(())), others)
        if isinstance(f, Pow) and f.exp.is_Integer and 0 < f.exp <= _MOST_FACTORS and not others:
            # r² is multiplied out, and what is a function of it is not.
            base = given[0]
            if all(len(m) <= 1 for m, _ in base) and len(base) ** int(f.exp) <= _MOST_TERMS:
                return _Node(Add, reduce(_times, [base] * int(f.exp)))
        if isinstance(f, Expr) and not others and not any(m for u in given for m, _ in u):
            return _Node(Add, {((), a): r for a, r in _product(f, S.One) if r})
        return _Node(f.func if f.args else f, {}, nodes)


def _one(monomial: Monomial) -> Polynomial:
    return {(monomial, S.One): QQ(1)}


def _sum(given: Iterable[Polynomial]) -> Polynomial:
    total: Polynomial = {}
    for u in given:
        for key, r in u.items():
            total[key] = total.get(key, 0) + r
    return {key: r for key, r in total.items() if r}


def _times(u: Polynomial, v: Polynomial) -> Polynomial:
    return _through(u, lambda m: {(tuple(sorted(m + n)), a): r for (n, a), r in v.items()})


def _through(u: Polynomial, image: Callable[[Monomial], Polynomial]) -> Polynomial:
    """Put polynomials in the place of monomials."""
    found: Polynomial = {}
    for (monomial, a), r in u.items():
        for (other, b), s in image(monomial).items():
            for number, t in _product(a, b):
                key = other, number
                found[key] = found.get(key, 0) + r * s * t
    return {key: r for key, r in found.items() if r}


@lru_cache(2**14)
def _product(a: Expr, b: Expr) -> tuple[tuple[Expr, Any], ...]:
    """Write a product of numbers as a sum of rational multiples of numbers."""
    split = (term.as_coeff_Mul(rational=True) for term in Add.make_args((a * b).expand()))
    return tuple((number, QQ.from_sympy(r)) for r, number in split)
