"""Formulas as vectors over the constants: written back they are the formulas, up to one factor."""

from itertools import pairwise

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from sympy import Abs, Rational, cos, exp, log, pi, sin, sqrt

from ehf_sym.errors import FormulaError, UndecidedError
from ehf_sym.exact.functions import functions
from ehf_sym.exact.linear import Echelon, nullspace
from ehf_sym.exact.separation import separate
from ehf_sym.zero.zero_test import is_zero

X, Y, A = sp.symbols("x y a", real=True)
B = sp.Symbol("b", positive=True)
FORMULAS = {
    "polynomials": [X**2 * Y, 3 * X - Y / 2, sp.S.Zero],
    "parameters": [A * X / (1 + B), X**2 - A * B * Y],
    "algebraic numbers": [sqrt(2) * X + sqrt(3) * Y, sqrt(6) * X * Y],
    "transcendental numbers": [pi * X, exp(1) * Y + log(2)],
    "roots of parameters": [sqrt(B) * X, B * Y, sqrt(2) * B ** Rational(3, 2)],
    "quotients": [X / (1 + Y**2), 1 / (A + X)],
    "radius": [X / sqrt(X**2 + Y**2), Y, (X**2 + Y**2) ** Rational(3, 2)],
    "exponentials": [exp(X + A), exp(A * X) + exp(A), X * exp(-X)],
    "angles": [sin(X) * cos(Y), cos(X) ** 2],
    "absolute values": [X * Abs(X), Abs(X * Y)],
}


@pytest.mark.parametrize("name", FORMULAS)
def test_vectors_are_the_formulas_times_one_function(name):
    formulas = FORMULAS[name]
    parts = separate(formulas, [X, Y])
    back = [
        sp.Add(*(parts.domain.to_sympy(c)
                 * sp.Mul(*(f**e for f, e in zip(parts.functions, m, strict=True)))
                 for m, c in vector.items()))
        for vector in parts.vectors
    ]  # fmt: skip
    for f, g in pairwise(formulas):
        i, j = formulas.index(f), formulas.index(g)
        assert is_zero(f * back[j] - g * back[i]).proved
    assert parts.is_polynomial == (name in list(FORMULAS)[:5])
    assert all(not parts.domain.to_sympy(c).free_symbols & {X, Y}
               for vector in parts.vectors for c in vector.values())  # fmt: skip


def test_constants_that_are_no_rational_functions_of_parameters_are_refused():
    with pytest.raises(FormulaError, match="root of a sum of parameters"):
        separate([sqrt(A**2 + 1) * exp(X)], [X])


@given(st.lists(st.lists(st.fractions(-3, 3, max_denominator=5), min_size=5, max_size=5),
                min_size=1, max_size=6))  # fmt: skip
def test_nullspaces_are_sympys(rows):
    matrix = sp.Matrix([[Rational(x.numerator, x.denominator) for x in row] for row in rows])
    sparse = [{j: sp.QQ(x.numerator, x.denominator) for j, x in enumerate(row) if x}
              for row in rows]  # fmt: skip
    ours = nullspace(sparse, 5, sp.QQ)
    vectors = [sp.Matrix([sp.QQ.to_sympy(x.get(j, sp.QQ(0))) for j in range(5)]) for x in ours]
    assert vectors == matrix.nullspace()


@pytest.mark.parametrize("power", [10, 60, 200, 1000])
def test_large_solutions_are_lifted_too(power):
    # 3**power x = 7**power y + z: numerators beyond the root of the first primes.
    a, b = 3**power, 7**power
    first, second = nullspace([{0: sp.QQ(a), 1: sp.QQ(-b), 2: sp.QQ(-1)}], 3, sp.QQ)
    assert first == {0: sp.QQ(b, a), 1: 1}
    assert second == {0: sp.QQ(1, a), 2: 1}


def test_a_row_that_vanishes_modulo_the_prime_counts():
    prime = 2**127 - 1
    assert nullspace([{0: sp.QQ(prime), 1: sp.QQ(prime)}], 2, sp.QQ) == [{0: -1, 1: 1}]
    assert nullspace([{0: sp.QQ(prime)}], 1, sp.QQ) == []


def test_combinations_number_the_independent_vectors():
    echelon = Echelon(sp.QQ)
    assert echelon.add({0: sp.QQ(1), 1: sp.QQ(2)}) is None
    assert echelon.add({0: sp.QQ(2), 1: sp.QQ(4)}) == {0: 2}
    assert echelon.add({1: sp.QQ(1)}) is None
    assert echelon.add({0: sp.QQ(1)}) == {0: 1, 1: -2}
    assert len(echelon) == 2


def test_formulas_too_large_for_one_denominator_are_refused():
    xs = sp.symbols("x1:7", real=True)
    bases = [1 + k + sum((k + 1) ** i * x for i, x in enumerate(xs)) for k in range(1, 6)]
    formulas = [1 / base**6 for base in bases]
    with pytest.raises(FormulaError, match="no normal form within the bounds"):
        separate(formulas, xs)
    with pytest.raises(UndecidedError, match="no common normal form within the bounds"):
        functions(formulas, xs, ()).reduce(formulas)
