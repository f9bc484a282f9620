"""Bracket tables against closed formulas, for polynomials by expansion, else by the zero test."""

import re
from collections.abc import Callable
from itertools import combinations

import sympy as sp

import ehf_sym as es

HALF = sp.Rational(1, 2)
# Gell-Mann's table: f_abc for a < b < c; it is totally antisymmetric, and zero elsewhere.
GELL_MANN = {
    (1, 2, 3): 1,
    (1, 4, 7): HALF,
    (1, 5, 6): -HALF,
    (2, 4, 6): HALF,
    (2, 5, 7): HALF,
    (3, 4, 5): HALF,
    (3, 6, 7): -HALF,
    (4, 5, 8): sp.sqrt(3) / 2,
    (6, 7, 8): sp.sqrt(3) / 2,
}


Combination = dict[str, sp.Expr]


def delta(i, j) -> int:
    return int(i == j)


def indices(label: str) -> tuple[int, ...]:
    """Read the digits at the end of a label."""
    return tuple(map(int, label.rsplit("_", 1)[1]))


def vector(name: str, i: int, coefficient=1) -> Combination:
    return {f"{name}_{i}": coefficient}


def rotation(i: int, j: int, n: int, coefficient=1, letter: str = "L") -> Combination:
    """J_ij = −J_ji in the labels of so(n); indices count from 1."""
    if i == j or not coefficient:
        return {}
    if n == 3 and letter == "L":
        k = 6 - i - j
        return {f"L_{k}": coefficient * sp.LeviCivita(i, j, k)}
    return {f"{letter}_{min(i, j)}{max(i, j)}": coefficient if i < j else -coefficient}


def total(*combinations_: Combination) -> Combination:
    result: Combination = {}
    for combination in combinations_:
        for label, coefficient in combination.items():
            result[label] = result.get(label, 0) + coefficient
    return result


def rotations_bracket(i, j, k, m, n, metric=None, letter="L"):
    """{J_ij, J_km} = η_ik J_jm + η_jm J_ik − η_im J_jk − η_jk J_im."""

    def eta(a, b):
        return delta(a, b) * (1 if metric is None else metric[a - 1])

    return total(
        rotation(j, m, n, eta(i, k), letter),
        rotation(i, k, n, eta(j, m), letter),
        rotation(j, k, n, -eta(i, m), letter),
        rotation(i, m, n, -eta(j, k), letter),
    )


def f_table(a, b):
    """{T_a, T_b} = f_abc T_c from the published table."""
    (a,), (b,) = indices(a), indices(b)
    result = {}
    for c in range(1, 9):
        key = tuple(sorted((a, b, c)))
        if len(set(key)) == 3 and key in GELL_MANN:
            sign = sp.LeviCivita(*(key.index(x) for x in (a, b, c)))
            result[f"T_{c}"] = sign * GELL_MANN[key]
    return result


def euclidean(a, b, n):
    """Brackets of rotations and vectors, for labels L and another letter."""
    if a.startswith("L") and b.startswith("L"):
        if n == 3:
            (i,), (j,) = indices(a), indices(b)
            return total(*(vector("L", k, sp.LeviCivita(i, j, k)) for k in (1, 2, 3)))
        return rotations_bracket(*indices(a), *indices(b), n)
    if a.startswith("L") and re.fullmatch(r"[PK]_\d", b):
        (k,) = indices(b)
        if n == 3:
            (i,) = indices(a)
            return total(*(vector(b[0], m, sp.LeviCivita(i, k, m)) for m in (1, 2, 3)))
        i, j = indices(a)
        return total(vector(b[0], j, delta(i, k)), vector(b[0], i, -delta(j, k)))
    return {}


def galilei_bracket(a, b, n):
    if (a[0], b[0]) == ("P", "K"):
        return {"M": -delta(indices(a), indices(b))}
    if (a[0], b) == ("K", "H"):
        return vector("P", *indices(a))
    return euclidean(a, b, n)


def assert_table(algebra: es.LieAlgebra, expected: Callable[[str, str], Combination]) -> None:
    """{g_a, g_b} = Σ_c expected(a, b)[c] g_c for all a < b."""
    formulas = dict(zip(algebra.labels, algebra.generators, strict=True))
    for (a, f), (b, g) in combinations(formulas.items(), 2):
        value = sp.Add(*(x * formulas[c] for c, x in expected(a, b).items()))
        assert_zero(algebra.space.bracket(f, g) - value, f"{{{a}, {b}}}")


def assert_zero(expr: sp.Expr, what: str = "") -> None:
    polynomial = expr.is_polynomial(*expr.free_symbols)
    if not polynomial or sp.expand(expr) != 0:
        assert es.is_zero(expr).proved, f"{what}: {expr}"
