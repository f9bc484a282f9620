"""Levi's theorem: a semisimple subalgebra that complements the radical."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from ehf_sym.exact.subspaces import Subspace, Vector, combine, particular_solution
from ehf_sym.lie.ideals import radical
from ehf_sym.lie.structure import LieStructure

Term = tuple[Any, Vector]


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
    rows: dict[int, dict[int, Any]] = {}
    for unknown, terms in columns.items():
        for place, entry in ideal.residue(combine(terms)).items():
            rows.setdefault(place, {})[unknown] = entry
    return list(rows.values())
