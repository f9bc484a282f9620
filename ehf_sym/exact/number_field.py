"""Real algebraic numbers with one form each: equal numbers are equal objects, sums are exact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from math import lcm, prod
from operator import add
from typing import Any

from sympy import (
    GF,
    QQ,
    Dummy,
    Expr,
    Poly,
    Rational,
    S,
    cos,
    factorint,
    isprime,
    minimal_polynomial,
    nextprime,
    pi,
    sin,
    sqrt,
    sqrt_mod,
)
from sympy.polys.numberfields.subfield import primitive_element
from sympy.polys.polyerrors import BasePolynomialError
from sympy.polys.rings import PolyRing

from ehf_sym.clock import check_time, interrupted
from ehf_sym.errors import FormulaError
from ehf_sym.formulas.printing import quoted

_MAX_DEGREE = 32
_PRIME, _MAX_PRIMES = 2**31 - 1, 1000
_MAX_RADICAND = 10**30  # what is factored in no time


@dataclass(frozen=True)
class Residue:
    """A map from a field of numbers to a finite field that keeps sums and products.

    Attributes
    ----------
    domain : sympy.polys.domains.FiniteField
        Where it goes to.
    images : tuple of int
        Of the generators.
    """

    domain: Any
    images: tuple[int, ...]

    def __call__(self, element: Any) -> Any:
        """Image of an element."""
        terms = element.items() if self.images else [((), element)]
        total = self.domain.zero
        for monomial, c in terms:
            power = prod(x**e for x, e in zip(self.images, monomial, strict=True))
            total += self.domain(int(c.numerator) * power) / self.domain(int(c.denominator))
        return total


class NumberField:
    """The field over Q that some real algebraic numbers span.

    Square roots of rationals, however many, are kept as roots of primes: the roots of different
    square-free numbers are linearly independent over Q. Cosines and sines of rational multiples of
    π are polynomials in one cosine; other numbers are polynomials in one primitive element.

    Parameters
    ----------
    numbers : iterable of sympy.Expr
        Real and algebraic.

    Attributes
    ----------
    zero, one
        Elements. They are added and subtracted with ``+`` and ``-``.

    Raises
    ------
    FormulaError
        If a number is not algebraic, or they span too high a degree.

    Examples
    --------
    >>> field = NumberField([sqrt(2), sqrt(6)])
    >>> field.to_sympy(field.multiply(field.from_sympy(sqrt(6)), field.from_sympy(sqrt(2))))
    2*sqrt(3)
    """

    def __init__(self, numbers: Iterable[Expr]) -> None:
        self._images: dict[Expr, Any] = {}
        self._products: dict[tuple[Any, Any], Any] = {}
        self._written: dict[Any, Expr] = {}
        self._generators: tuple[Expr, ...] = ()
        self._squares: tuple[int, ...] = ()
        self._relations: list[Any] = []
        self._ring: Any = None
        atoms = sorted({atom for number in numbers for atom in _atoms(number)}, key=str)
        if not atoms:
            self.zero, self.one = QQ.zero, QQ.one
        elif all(map(_is_square_root, atoms)):
            self._by_square_roots(atoms)
        elif all(isinstance(atom, cos | sin) for atom in atoms):
            self._by_angles(atoms)
        else:
            self._by_primitive_element(atoms)

    def _adjoin(self, generators: Iterable[Expr]) -> None:
        """Take the ring of polynomials in the generators."""
        self._generators = tuple(generators)
        self._ring = PolyRing([Dummy() for _ in self._generators], QQ)
        self.zero, self.one = self._ring.zero, self._ring.one

    def _by_square_roots(self, atoms: list[Expr]) -> None:
        factors = {atom: factorint(atom.base) for atom in atoms}
        self._squares = tuple(sorted({p for found in factors.values() for p in found}))
        self._adjoin(map(sqrt, self._squares))
        roots = dict(zip(self._squares, self._ring.gens, strict=True))
        for atom, found in factors.items():
            image = prod((roots[p] ** e for p, e in found.items()), start=self.one)
            self._images[atom] = self._reduced(image)

    def _by_angles(self, atoms: list[Expr]) -> None:
        turns = {atom: _turn(atom) for atom in atoms}
        order = lcm(*(int(turn.q) for turn in turns.values()))
        self._adjoin([cos(2 * pi / order)])
        (x,) = self._ring.gens
        self._relate(minimal_polynomial(self._generators[0], polys=True))
        cosines = [self.one, x]
        while 2 * len(cosines) <= order + 2:
            cosines.append(self._reduced(2 * x * cosines[-1]) - cosines[-2])
        for k, value in enumerate(cosines):
            self._written.setdefault(value, cos(2 * pi * Rational(k, order)))
            self._written.setdefault(-value, -cos(2 * pi * Rational(k, order)))
        for atom, turn in turns.items():
            place = int(turn * order) % order
            self._images[atom] = cosines[min(place, order - place)]

    def _by_primitive_element(self, atoms: list[Expr]) -> None:
        refused = f"the numbers {quoted(atoms)} span a field of too high a degree"
        try:
            degrees = [minimal_polynomial(atom, polys=True).degree() for atom in atoms]
        except (BasePolynomialError, NotImplementedError) as error:
            raise FormulaError(f"{quoted(atoms)} are not all known to be algebraic") from error
        if max(degrees) > _MAX_DEGREE:
            raise FormulaError(refused)
        found = interrupted(lambda: primitive_element(atoms, ex=True, polys=True))
        relation, factors, images = found
        if relation.degree() > _MAX_DEGREE:
            raise FormulaError(refused)
        self._adjoin([reduce(add, (c * atom for c, atom in zip(factors, atoms, strict=True)))])
        self._relate(relation)
        for atom, image in zip(atoms, images, strict=True):
            self._images[atom] = self._ring.from_list(list(map(QQ.convert, image)))

    def _relate(self, relation: Poly) -> None:
        """Take in the minimal polynomial of the one generator."""
        poly = self._ring.from_list(list(map(QQ.from_sympy, relation.all_coeffs())))
        self._relations = [poly.monic()]

    def from_sympy(self, number: Expr) -> Any:
        """Read a number as an element, hashable; elements are equal exactly where numbers are.

        Raises
        ------
        FormulaError
            If the number is not in the field.
        """
        if number.is_Rational:
            rational = QQ(int(number.p), int(number.q))
            return self._ring.ground_new(rational) if self._ring else rational
        if number in self._images:
            return self._images[number]
        if number.is_Add:
            value = reduce(add, map(self.from_sympy, number.args))
        elif number.is_Mul:
            value = reduce(self.multiply, map(self.from_sympy, number.args))
        elif number.is_Pow and number.exp.is_Integer:
            base = self.from_sympy(number.base)
            base = base if number.exp > 0 else self.inverse(base)
            value = reduce(self.multiply, [base] * abs(int(number.exp)))
        else:
            raise FormulaError(f"{quoted(number)} is not in the field that the numbers span")
        self._images[number] = value
        self._written.setdefault(value, number)
        return value

    def to_sympy(self, element: Any) -> Expr:
        """Write an element as a formula."""
        if self._ring is None:
            return QQ.to_sympy(element)
        if element not in self._written:
            symbols = dict(zip(self._ring.symbols, self._generators, strict=True))
            self._written[element] = element.as_expr().xreplace(symbols).expand()
        return self._written[element]

    def multiply(self, one: Any, other: Any) -> Any:
        """Product of two elements."""
        if self._ring is None:
            return one * other
        key = (one, other)
        if key not in self._products:
            check_time()
            self._products[key] = self._reduced(one * other)
        return self._products[key]

    def inverse(self, element: Any) -> Any:
        """Inverse of an element.

        Raises
        ------
        ZeroDivisionError
            If it is zero.
        """
        if self._relations:
            f, g = (Poly(x.as_expr(), *self._ring.symbols) for x in (element, *self._relations))
            return self._ring.from_list(list(map(QQ.from_sympy, f.invert(g).all_coeffs())))
        numerator = self.one
        for place in range(len(self._squares)):  # times its conjugate, root by root
            terms = element.items()
            conjugate = self._ring.from_dict({m: -c if m[place] else c for m, c in terms})
            numerator = self.multiply(numerator, conjugate)
            element = self.multiply(element, conjugate)
        if self._ring is None:
            return 1 / element
        return numerator * (1 / element.coeff(1))

    def modulo_a_prime(self) -> Residue:
        """Find a map to a finite field that keeps sums and products, where it is defined."""
        prime = _PRIME
        if self._squares:  # a prime that is 1 modulo four times q has a root of q, by reciprocity
            step = 8 * prod(self._squares)
            prime = 1 + step * (_PRIME // step + 1)
            while not isprime(prime):
                prime += step
            return Residue(GF(prime), tuple(sqrt_mod(q, prime) for q in self._squares))
        for relation in self._relations:
            whole = relation.clear_denoms()[1].as_expr()
            for _ in range(_MAX_PRIMES):
                prime = nextprime(prime)
                factors = Poly(whole, *self._ring.symbols, modulus=prime).factor_list()
                roots = [-f.TC() for f, _ in factors[1] if f.degree() == 1]
                if roots:
                    return Residue(GF(prime), (int(roots[0]),))
            raise FormulaError(f"no prime was found modulo which {relation} has a root")
        return Residue(GF(prime), ())

    def _reduced(self, poly: Any) -> Any:
        """Remainder modulo what the generators satisfy."""
        if self._relations:
            return poly.rem(self._relations)
        total: dict[tuple[int, ...], Any] = {}
        for monomial, c in poly.items():
            square = prod(p ** (e // 2) for p, e in zip(self._squares, monomial, strict=True))
            place = tuple(e % 2 for e in monomial)
            total[place] = total.get(place, QQ.zero) + c * square
        return self._ring.from_dict(total)


def _atoms(number: Expr) -> Iterator[Expr]:
    """Parts of a number that are not put together by field operations."""
    if number.is_Rational:
        return
    if number.is_Add or number.is_Mul:
        for part in number.args:
            yield from _atoms(part)
    elif number.is_Pow and number.exp.is_Integer:
        yield from _atoms(number.base)
    elif number.is_number and number.is_real and number.is_algebraic:
        yield number
    else:
        raise FormulaError(f"{quoted(number)} is not a real algebraic number")


def _is_square_root(atom: Expr) -> bool:
    """Whether an atom is the root of a whole number."""
    small = atom.is_Pow and atom.base.is_Integer and atom.exp == S.Half
    return bool(small and atom.base <= _MAX_RADICAND)


def _turn(atom: Expr) -> Rational:
    """Find the part t of a turn for which an atom is cos(2πt)."""
    turn = atom.args[0] / (2 * pi)
    if not turn.is_Rational:
        raise FormulaError(f"{quoted(atom)} is not known to be algebraic")
    return turn if isinstance(atom, cos) else Rational(1, 4) - turn
