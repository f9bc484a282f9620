"""Cases: the cells against a plain evaluation at points, and identities on all of them."""

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from sympy import Abs, Heaviside, Max, Min, Piecewise, Rational, exp, log, sign, sqrt

from ehf_sym.zero.piecewise import cells
from ehf_sym.zero.zero_test import is_zero

x, y = sp.symbols("x y", real=True)
a = sp.Symbol("a", positive=True)
n, m = sp.symbols("n m", integer=True)
half = Rational(1, 2)

IDENTITIES = {
    "absolute value": Piecewise((x, x > 0), (-x, True)) - Abs(x),
    "three branches": Piecewise((x, x > 1), (x**2, x >= 0), (-(x**2), True))
    - Piecewise((x, x > 1), (x * Abs(x), True)),
    "condition with Abs": Piecewise((x**2 / 2, Abs(x) < 1), (Abs(x) - half, True))
    - Min(Abs(x), 1) * (Abs(x) - Min(Abs(x), 1) / 2),
    "maximum": Piecewise((x, x >= y), (y, True)) - Max(x, y),
    "a branch that is not real elsewhere": Piecewise((log(x), x > 1), (0, True))
    - Max(Piecewise((log(x), x > 1), (-1, True)), 0),
    "a pole that no branch meets": Piecewise((x / x**2, x > 0), (0, True)) * x - Heaviside(x, 0),
    "two regions": Piecewise((1, x**2 + y**2 >= 1), (0, True))
    + Piecewise((1, x**2 + y**2 < 1), (0, True)) - 1,
    "inside exp": exp(-Abs(x)) - exp(-Piecewise((x, x > 0), (-x, True))),
    "nested": Piecewise((Piecewise((1, y > 0), (2, True)), x > 0), (3, True))
    - Piecewise((1, (x > 0) & (y > 0)), (2, x > 0), (3, True)),
    "positive symbols": Piecewise((sqrt(a), a > 0), (7, True)) - sqrt(a),
    "outside a quadrant": Piecewise((1, sp.Not((x > 0) & (y > 0))), (0, True))
    + Piecewise((1, (x > 0) & (y > 0)), (0, True)) - 1,
    "rectifier by step": Max(x, 0) - x * Heaviside(x),
    "exponential of the larger": exp(Max(x, y)) - Max(exp(x), exp(y)),
    "median": x + y + a - Max(x, y, a) - Min(x, y, a)
    - Max(Min(x, y), Min(x, a), Min(y, a)),
}  # fmt: skip

FALSE = {
    "at one point": Abs(x) - Piecewise((x, x > 0), (-x, x < 0), (1, True)),
    "on one boundary": Piecewise((1, x >= y), (0, True)) - Piecewise((1, x > y), (0, True)),
    "on a thin strip": Max(x, 0) - Piecewise((0, x < Rational(1, 10**6)), (x, True)),
    "on a far ray": Max(x - 5000, 0) - Max(x - 5001, 0),
    "a branch that is not real elsewhere": Piecewise((log(x) - log(x), x > 1), (1, True)),
}  # fmt: skip


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_with_cases(name):
    formula = IDENTITIES[name]
    assert is_zero(formula).proved
    assert is_zero(formula + Rational(1, 10**12)).refuted


@pytest.mark.parametrize("name", FALSE)
def test_what_is_zero_on_most_of_the_domain_only(name):
    assert not is_zero(FALSE[name]).proved
    assert is_zero(FALSE[name]).refuted or name == "on one boundary"


def test_powers_of_minus_one():
    assert is_zero((-2) ** n * (-1) ** n - 2**n).proved
    assert is_zero((-1) ** n * (-1) ** m - (-1) ** (n + m)).proved
    assert is_zero((-1) ** (n**2) - (-1) ** n).proved
    assert is_zero(sp.cos(x + sp.pi * n) - (-1) ** n * sp.cos(x)).proved
    even, odd = sp.Symbol("e", even=True), sp.Symbol("o", odd=True)
    assert is_zero(sp.Pow(-1, even * n, evaluate=False) - 1).proved
    assert is_zero(sp.Pow(-1, odd**2, evaluate=False) + 1).proved
    assert is_zero((-1) ** (odd * n) - (-1) ** n).proved
    assert is_zero((-1) ** (odd * n) - (-1) ** (even * n)).refuted
    turned = sp.cos(x + sp.pi * n**2, evaluate=False)
    assert is_zero(turned - (-1) ** n * sp.cos(x)).proved
    assert is_zero(turned - (-1) ** m * sp.cos(x)).refuted
    assert is_zero((-1) ** n - 1).refuted
    assert is_zero((-1) ** (n * m) - (-1) ** n).refuted


def test_powers_take_positive_bases_unless_the_exponent_is_an_integer():
    assert is_zero(Abs(x) ** y - x**y).proved
    assert is_zero(Abs(x) ** n - x**n).refuted
    assert is_zero(x**n * x**m - x ** (n + m)).proved


linear = st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.integers(-2, 2)).map(
    lambda c: c[0] * x + c[1] * y + c[2]
)
conditions = st.tuples(linear, linear, st.sampled_from([sp.Gt, sp.Ge, sp.Lt, sp.Le, sp.Eq])).map(
    lambda parts: parts[2](parts[0], parts[1])
)
piecewise = st.tuples(linear, conditions, linear, conditions, linear).map(
    lambda p: Piecewise((p[0], p[1]), (p[2], p[3]), (p[4], True), evaluate=False)
)
points = st.tuples(st.integers(-6, 6), st.integers(-6, 6)).map(
    lambda p: {x: Rational(p[0], 2), y: Rational(p[1], 2)}
)


@given(piecewise, st.lists(points, min_size=1, max_size=6))
def test_every_point_is_in_a_cell_with_its_value(formula, where):
    parts = cells(formula, 100)
    for point in where:
        value = formula.subs(point)
        holding = [
            part for part, facts in parts
            if all(sign(f.subs(point)) == s.value for f, s in facts.signs.items())
            and all((low is None or low < point[v]) and (high is None or point[v] < high)
                    for v, (low, high) in facts.bounds.items())
        ]  # fmt: skip
        assert value in [part.subs(point) for part in holding]


@given(piecewise, linear)
def test_a_difference_of_cases_is_decided_rightly(formula, other):
    verdict = is_zero(formula - other)
    grid = [formula.subs({x: i, y: j}) - other.subs({x: i, y: j})
            for i in (-3, -1, 0, 2) for j in (-2, 0, 1, 3)]  # fmt: skip
    assert not (verdict.proved and any(grid))
    assert not (verdict.refuted and formula == other)


def test_sign_by_cases():
    assert is_zero(Piecewise((1, x > 0), (-1, x < 0), (0, True)) - sign(x)).proved


NO_CELLS = {
    "a condition that is no comparison": sp.Contains(x, sp.S.Integers),
    "a comparison of functions": sp.sin(x) > 0,
    "an irrational coefficient": x > sqrt(2) * y,
    "an irrational number": Abs(x) + sqrt(2) > x,
    "a high degree": x**40 > y,
}


@pytest.mark.parametrize("name", NO_CELLS)
def test_other_conditions_have_no_cells(name):
    formula = Piecewise((x, NO_CELLS[name]), (y, True))
    assert formula.has(Piecewise)
    assert cells(formula, 100) is None


def test_no_more_cells_than_are_wanted():
    formula = Piecewise((1, x > 0), (2, True))
    assert len(cells(formula, 3)) == 3
    assert cells(formula, 2) is None


def test_cells_without_a_value_are_left_out():
    assert [cell for cell, _ in cells(Piecewise((x, x > 0)), 10)] == [x]
    infinite = Piecewise((1 / x, sp.Eq(x, 0)), (x, True))
    assert [cell for cell, _ in cells(infinite, 10)] == [x, x]


def test_assumptions_and_zeros_enter_the_cells():
    assert {cell for cell, _ in cells(Piecewise((1, a > -1), (2, True)), 10)} == {1}
    negative = sp.Symbol("c", negative=True)
    assert {cell for cell, _ in cells(Piecewise((1, negative > 1), (2, True)), 10)} == {2}
    parabola = Piecewise((x + y, sp.Eq(x**2, y)), (0, True))
    assert {cell for cell, _ in cells(parabola, 10)} == {sp.S.Zero, x + x**2}
