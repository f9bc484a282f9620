"""Hamiltonians that keep a symmetry by construction: networks of its invariants, proved.

If {g_k, I_j(q)} = 0 and {g_k, J_j(p)} = 0 for all k and j, the chain rule gives

    {g_k, K(J(p)) + U(I(q))} = Σ_j ∂K/∂J_j {g_k, J_j} + Σ_j ∂U/∂I_j {g_k, I_j} = 0

for every differentiable K and U: whatever the weights of the networks, nothing is left to learn.
Each kick and each drift of leapfrog then commutes exactly with the flow of every g_k.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import comb, prod
from typing import Any

from sympy import Add, Expr, ImmutableMatrix, Matrix, expand, prime

from ehf_sym.errors import ArgumentError, UndecidedError
from ehf_sym.formulas.printing import formula_text, quoted
from ehf_sym.formulas.report import Document, Line, Reported, formula_data, space_data
from ehf_sym.formulas.validation import whole_number
from ehf_sym.formulas.verdict import ZeroVerdict
from ehf_sym.symmetry.finite_symmetry import FiniteSymmetry
from ehf_sym.symmetry.invariance.maps import moved_coordinates, same_after
from ehf_sym.symmetry.invariants import Invariants, turns_angles
from ehf_sym.symmetry.lie_algebra import LieAlgebra
from ehf_sym.symmetry.rotation_group import generating_degree, is_full_orthogonal
from ehf_sym.symmetry.symmetry import Symmetry, as_symmetry
from ehf_sym.symmetry.symmetry_search import signed_permutations
from ehf_sym.zero.zero_test import is_zero

_PATIENCE = 6  # the degree to which invariants are looked for, where more have many terms
_FEW_MONOMIALS = 600  # to whose degree they are, where it is known to be enough
_MOST_MONOMIALS = 5_000  # among which a generating set is looked for


@dataclass(frozen=True, repr=False)
class InvariantHamiltonian(Reported):
    """H = K(J(p)) + U(I(q)) with I and J the invariants of a symmetry.

    Attributes
    ----------
    symmetry : LieAlgebra, FiniteSymmetry or Symmetry
        What H keeps.
    of_q, of_p : Invariants
        The functions I and J.
    verdicts : tuple of tuple of ZeroVerdict
        Is {g_k, f}, or f∘σ − f, identically 0? One row a generator, functions g before matrices σ,
        one entry for each of I, then of J.
    is_generating : bool
        Whether I and J are known to generate all invariant polynomials of q and of p, and the
        symmetry to be a compact group or translations: then they tell any two orbits apart, and H
        keeps no larger group for want of them. `is_complete` asks for less: the dot products of
        three vectors in space are as many as there can be, and do not see a mirror.
    larger : tuple of sympy.ImmutableMatrix
        If they do not, though it is known to which degree they would: signed permutations of q
        that H keeps as well, which are not in the group.
    """

    symmetry: LieAlgebra | FiniteSymmetry | Symmetry
    of_q: Invariants
    of_p: Invariants
    verdicts: tuple[tuple[ZeroVerdict, ...], ...]
    is_generating: bool
    larger: tuple[ImmutableMatrix, ...] = ()

    @property
    def proved(self) -> bool:
        """Whether every bracket is proved to vanish, and with them {g, H} for all K and U."""
        return all(verdict.proved for row in self.verdicts for verdict in row)

    @property
    def is_complete(self) -> bool:
        """Whether near a generic point every invariant K(p) and U(q) is a function of these."""
        return self.of_q.is_attained and self.of_p.is_attained

    def document(self) -> Document:
        """Lines for a reader and data for a program."""
        return Document(tuple(self._lines()), self._data())

    def _lines(self) -> Iterator[Line]:
        status = "proved" if self.proved else "not proved"
        whole = as_symmetry(self.symmetry)
        claims = [] if whole is None or whole.algebra is None else ["{g, H} = 0"]
        claims += ["H∘σ = H"] if whole is not None and whole.maps else []
        claim = " and ".join(claims)
        yield Line(0, f"{claim} for H = K(J(p)) + U(I(q)), whatever K and U: {status}")
        for letter, found in (("I", self.of_q), ("J", self.of_p)):
            for number, formula in enumerate(found.generators, start=1):
                yield Line(1, f"{letter}{number} = ", formula)
        if "{g, H} = 0" in claims:
            yield Line(1, "By the chain rule from {g, I} = {g, J} = 0, each decided exactly.")
            yield Line(
                1, "Leapfrog: every kick and every drift commutes exactly with the flow of g."
            )
        if "H∘σ = H" in claims:
            yield Line(1, "I∘σ = I and J∘σ = J, each decided exactly.")
            yield Line(1, "Leapfrog: every kick and every drift commutes exactly with each σ.")
        if self.is_generating:
            yield Line(1, "Every invariant K(p) and U(q) is of this form: I and J generate all.")
            return
        if self.is_complete:
            yield Line(1, "Every invariant K(p) and U(q) is locally of this form.")
        else:
            yield Line(1, "Whether every invariant K(p) and U(q) is of this form is not known.")
        for matrix in self.larger[:1]:
            images = zip(self.symmetry.space.q, matrix * Matrix(self.symmetry.space.q), strict=True)
            moved = ", ".join(f"{x} ↦ {quoted(image)}" for x, image in images if image != x)
            yield Line(1, f"H keeps a larger group, with {moved}")
        if not self.larger:
            yield Line(
                1, "I and J are not known to tell all orbits apart: H may keep a larger group."
            )

    def _data(self) -> dict[str, Any]:
        return {
            "report": "invariant Hamiltonian",
            "proved": self.proved,
            "is_complete": self.is_complete,
            "is_generating": self.is_generating,
            "larger": [[[*map(formula_text, row)] for row in a.tolist()] for a in self.larger],
            "space": space_data(self.symmetry.space),
            "of_q": [formula_data(f) for f in self.of_q.generators],
            "of_p": [formula_data(f) for f in self.of_p.generators],
        }


def invariant_hamiltonian(
    symmetry: LieAlgebra | FiniteSymmetry | Symmetry,
    max_degree: int | None = None,
    *,
    generating: bool = True,
) -> InvariantHamiltonian:
    """Find what K and U may depend on so that H = K + U keeps a symmetry, and prove it.

    Parameters
    ----------
    symmetry : LieAlgebra, FiniteSymmetry or Symmetry
        What H is to keep.
    max_degree : int, optional
        Invariants are looked for degree by degree until there can be no more independent ones and
        they are known to generate all, determinants included, or to this degree. By default to
        degree 6, or the degree that is enough where there are no more than 600 monomials to it: n
        for the turns by 2π/n.
    generating : bool
        False: to be independent is enough. There are fewer then, of low degree, and H may keep a
        larger group: the dot products of three vectors do not tell left hands from right ones.

    Returns
    -------
    InvariantHamiltonian

    Raises
    ------
    ArgumentError
        If an argument is not as described, or there are no invariants of q alone or of p alone to
        this degree, so that U or K would be constant: the message says which, and what to do.

    Examples
    --------
    >>> from ehf_sym.formulas.phase_space import PhaseSpace
    >>> space = PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> print(invariant_hamiltonian(LieAlgebra(space, [q1 * p2 - q2 * p1])))
    {g, H} = 0 for H = K(J(p)) + U(I(q)), whatever K and U: proved
      I1 = q1**2 + q2**2
      J1 = p1**2 + p2**2
      By the chain rule from {g, I} = {g, J} = 0, each decided exactly.
      Leapfrog: every kick and every drift commutes exactly with the flow of g.
      Every invariant K(p) and U(q) is of this form: I and J generate all.
    """
    whole = as_symmetry(symmetry)
    if whole is None:
        raise ArgumentError("symmetry is None; it should be one, for H to keep")
    enough = _enough(whole)
    if enough is not None and comb(symmetry.space.dim + enough, enough) > _MOST_MONOMIALS:
        enough = None
    wanted = enough if generating and enough is not None else 1
    most = _most(symmetry.space.dim, enough) if max_degree is None else max_degree
    most = whole_number(most, "max_degree")
    of_q, of_p = (_all_there_are(symmetry, of, most, wanted) for of in ("q", "p"))
    halves = (of_q, of_p)
    all_generated = enough is not None and all(f.degree >= enough for f in halves)
    functions = (*of_q.generators, *of_p.generators)
    complete = all_generated or all(_is_polynomial_ring(found) for found in halves)
    larger: tuple[ImmutableMatrix, ...] = ()
    if not complete and enough is not None:
        with suppress(UndecidedError):  # the model is as good without knowing
            larger = tuple(_not_told_apart(symmetry, of_q, enough))
    verdicts = tuple(verdicts_on(whole, functions))
    return InvariantHamiltonian(symmetry, of_q, of_p, verdicts, complete, larger)


def _most(dim: int, enough: int | None) -> int:
    """To which degree invariants are looked for if nothing is said."""
    few = enough is not None and comb(dim + enough, enough) <= _FEW_MONOMIALS
    return max(_PATIENCE, enough) if enough is not None and few else _PATIENCE


def _not_told_apart(
    symmetry: LieAlgebra | FiniteSymmetry | Symmetry, found: Invariants, enough: int
) -> Iterator[ImmutableMatrix]:
    """Find signed permutations that move an invariant of the group, and none of those found."""
    space = replace(symmetry.space, parameters=())
    mixed = Add(*(prime(k) * f for k, f in enumerate(found.generators, start=1)))
    all_of_them = symmetry.invariants(enough, "q").generators
    for matrix in signed_permutations(mixed, space):
        images = moved_coordinates(space, matrix, matrix)
        kept = all(same_after(f, images, space).proved for f in found.generators)
        if kept and any(same_after(f, images, space).refuted for f in all_of_them):
            yield matrix


def verdicts_on(whole: Symmetry, functions: Sequence[Expr]) -> Iterator[tuple[ZeroVerdict, ...]]:
    """Decide {g, f} = 0 and f∘σ = f of polynomials: they vanish once they are multiplied out."""
    space = whole.space
    for g in () if whole.algebra is None else whole.algebra.generators:
        yield tuple(is_zero(expand(space.bracket(g, f))) for f in functions)
    for pair in whole.maps:
        images = moved_coordinates(space, *pair)
        yield tuple(same_after(f, images, space) for f in functions)


def _enough(whole: Symmetry) -> int | None:
    """Find a degree to which invariants of q are known to generate all of them.

    Noether: the order of a finite group. For permutations of n positions n(n − 1)/2 does (Göbel).
    Let the invariants of the connected part be generated to degree N, and a finite group Γ map
    them to each other: they are the image of polynomials in a finite space of generators, on which
    Γ acts linearly, so that N times the order of Γ is enough. Of O(n) on vectors 2 is.
    """
    finite = whole.finite
    if whole.algebra is None or finite is None:
        if whole.algebra is not None:
            return _enough_off_angles(whole.algebra)
        return None if finite is None else _noether(finite)
    connected = generating_degree(whole.algebra)
    if connected is None:
        return None
    if connected > 1 and is_full_orthogonal(whole.algebra, finite.generators):
        return 2
    return connected * finite.order


def _enough_off_angles(algebra: LieAlgebra) -> int | None:
    """Find it for what moves no angles: the waves of angles are all found at any degree."""
    rest = [g for g in algebra.generators if not turns_angles(g, algebra.space)]
    if len(rest) == len(algebra.generators):
        return generating_degree(algebra)
    return generating_degree(LieAlgebra(algebra.space, rest)) if rest else 1


def _noether(finite: FiniteSymmetry) -> int:
    """Noether's bound, or Göbel's."""
    n = finite.space.dim
    if all(set(a) <= {0, 1} for a in finite.generators):
        return min(finite.order, max(n, n * (n - 1) // 2))
    return finite.order


def _is_polynomial_ring(found: Invariants) -> bool:
    """Whether all invariants are polynomials in d independent ones.

    That is so where the degrees of d independent ones multiply to the order of the group (H.
    Derksen, G. Kemper, *Computational Invariant Theory*, 2nd ed., theorem 3.9.4).
    """
    whole = as_symmetry(found.symmetry)
    if whole is None or whole.algebra is not None or whole.finite is None:
        return False
    complete = len(found.independent) == len(found.generators) == whole.space.dim
    return complete and prod(found.degrees) == whole.finite.order


def _all_there_are(
    symmetry: LieAlgebra | FiniteSymmetry | Symmetry, of: str, max_degree: int, enough: int
) -> Invariants:
    """Raise the degree until the invariants are as many as there can be, and generate all."""
    found = symmetry.invariants(1, of)
    for degree in range(2, max_degree + 1):
        if found.is_attained and (degree > enough or _is_polynomial_ring(found)):
            break
        try:
            found = symmetry.invariants(degree, of)
        except UndecidedError:
            if degree <= _PATIENCE:
                raise
            break  # those of lower degree do, and the report says what is not known
    if not found.generators:
        energy = "U(q)" if of == "q" else "K(p)"
        reason = (
            f"only constants among functions of {of} commute with every generator"
            if not found.max_independent
            else f"there is none to degree {max_degree}, though there may be"
        )
        raise ArgumentError(
            f"symmetry has no invariants of {of} alone for {energy} to be a network of: {reason}. "
            'Use enforce="penalty", which asks for no invariants, or a symmetry that leaves '
            "something to depend on, such as relative coordinates of several particles"
        )
    return found
