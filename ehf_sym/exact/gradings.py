"""Gradings of monomials by quotients of Z^n."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ehf_sym.exact.separation import Exponents


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
