"""Linear relations: planted ones are found, independent functions have none."""

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import ehf_sym as es
from ehf_sym.exact.functions import certify_independent

X, Y, A, B = sp.symbols("x y a b", real=True)
POLYNOMIALS = [X**2, X * Y, Y**3, X + Y, sp.S.One]
ELEMENTARY = [sp.exp(X), sp.sqrt(X**2 + Y**2 + 1), X * sp.cos(Y), sp.log(1 + X**2), Y]
SMALL = st.fractions(min_value=-3, max_value=3, max_denominator=4)


def vanishes(relation, formulas):
    return es.is_zero(sum(c * f for c, f in zip(relation, formulas, strict=True))).proved


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(SMALL, min_size=5, max_size=5), min_size=1, max_size=7))
def test_relations_of_polynomials_are_those_of_their_coefficients(rows):
    formulas = [
        sp.Add(*(sp.Rational(c) * f for c, f in zip(row, POLYNOMIALS, strict=True))) for row in rows
    ]
    found = es.relations(formulas)
    assert len(found) == len(rows) - sp.Matrix(rows).applyfunc(sp.Rational).rank()
    assert all(vanishes(relation, formulas) for relation in found)
    assert sp.Matrix([[0] * len(rows), *found]).rank() == len(found)


@settings(max_examples=10, deadline=None)
@given(st.lists(SMALL, min_size=5, max_size=5))
def test_planted_combinations_of_elementary_functions_are_found(coefficients):
    target = sp.Add(*(sp.Rational(c) * f for c, f in zip(coefficients, ELEMENTARY, strict=True)))
    assert es.coordinates(ELEMENTARY, target) == tuple(map(sp.Rational, coefficients))


@pytest.mark.parametrize(
    ("formulas", "expected"),
    [
        ([sp.cos(X) ** 2, sp.sin(X) ** 2, sp.cos(2 * X)], [(-1, 1, 1)]),
        ([sp.cosh(X), sp.sinh(X), sp.exp(X)], [(-1, -1, 1)]),
        ([sp.log(2 * X**2), sp.log(X**2), 1], [(-1 / sp.log(2), 1 / sp.log(2), 1)]),
        ([sp.sqrt(2) * X, sp.sqrt(6) * X, Y], [(-sp.sqrt(3), 1, 0)]),
        ([sp.pi * sp.exp(X), sp.exp(X)], [(-1 / sp.pi, 1)]),
        ([sp.exp(X + 1), sp.exp(X)], [(-sp.exp(-1), 1)]),
        ([sp.sin(X + sp.pi / 4), sp.sin(X), sp.cos(X)], [(-sp.sqrt(2), 1, 1)]),
        ([0, X], [(1, 0)]),
        ([X, X**2, sp.exp(X), sp.sqrt(1 + X**2), sp.atan(X)], []),
        ([sp.Abs(X), X], []),
    ],
)
def test_relations_by_hand(formulas, expected):
    assert es.relations(formulas) == expected


def test_parameters_are_constants_where_they_are_declared():
    formulas = [A * X**2 + B, X**2, sp.S.One]
    assert es.relations(formulas) == []
    assert es.relations(formulas, constants=[A, B]) == [(-1 / B, A / B, 1)]
    root = sp.sqrt(X**2 + 1)
    assert es.relations([A * root, root + X, X], constants=[A]) == [(1 / A, -1, 1)]


def test_no_coordinates_outside_the_span():
    assert es.coordinates(ELEMENTARY, X) is None
    assert es.coordinates([X, 2 * X], X) == (1, 0)
    assert es.coordinates([], 0) == ()


def test_what_is_not_known_is_not_guessed():
    with pytest.raises(es.FormulaError, match=r"sign\(a\) switches with a; .*declare a param"):
        es.relations([sp.Abs(A) * sp.exp(X), sp.exp(X)], constants=[A])
    with pytest.raises(es.FormulaError, match=r"root of a sum .*introduce a parameter"):
        es.relations([sp.sqrt(A**2 + 1) * sp.exp(X), sp.exp(X)], constants=[A])
    with pytest.raises(es.UndecidedError, match="independent"):
        certify_independent([X, X + sp.exp(Y), sp.exp(Y)])


def test_functions_of_which_little_is_known_are_not_called_independent():
    with pytest.raises(es.UndecidedError, match="independent"):
        es.relations([sp.gamma(X + 1), X * sp.gamma(X)])


@pytest.mark.parametrize("formula", [0.5 * X, sp.I * X, "x", sp.oo])
def test_only_exact_real_formulas(formula):
    with pytest.raises(es.FormulaError, match=r"formulas\[0\]"):
        es.relations([formula])


def test_constants_are_real_symbols():
    with pytest.raises(es.ArgumentError, match="constants holds 3"):
        es.relations([X], constants=[3])
