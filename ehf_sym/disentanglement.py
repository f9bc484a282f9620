"""A direct product of symmetries, and whether each factor has its own space: what is reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sympy import Expr, Symbol

from ehf_sym.lie.algebra import Algebra
from ehf_sym.report import Document, Line, Reported, formula_data

Status = Literal["proved", "refuted", "undecided"]


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


@dataclass(frozen=True)
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
