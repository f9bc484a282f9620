"""The points at which formulas are tried: admissible, always the same, never running out."""

from itertools import islice

import pytest
import sympy as sp

from ehf_sym.normal_forms.normal_form import normal_form
from ehf_sym.zero.witness import points, probe, root_free_point
from ehf_sym.zero.zero_test import is_zero

x, y = sp.symbols("x y", real=True)


@pytest.mark.parametrize(
    "assumptions",
    [
        {"positive": True},
        {"negative": True},
        {"nonzero": True},
        {"integer": True},
        {"even": True, "positive": True},
        {"odd": True},
        {"prime": True},
        {"nonpositive": True, "integer": True},
        {"rational": True, "integer": False},
    ],
    ids=str,
)
def test_points_have_the_assumed_properties(assumptions):
    symbol = sp.Symbol("s", real=True, **assumptions)
    for point in islice(points([x, symbol]), 150):
        for name, truth in assumptions.items():
            assert getattr(point[symbol], f"is_{name}") is truth


def test_no_points_where_no_rational_is_admitted():
    assert not list(points([x, sp.Symbol("s", irrational=True)]))


def test_points_are_exact_distinct_and_always_the_same():
    first, again = (list(islice(points([x, y]), 100)) for _ in range(2))
    assert first == again
    assert all(isinstance(number, sp.Rational) for point in first for number in point.values())
    assert len({tuple(point.values()) for point in first}) > 90


def test_without_symbols_there_is_one_point():
    assert list(points([])) == [{}]


def test_a_polynomial_with_roots_at_all_tried_points_is_refuted():
    tried = {point[x] for point in islice(points([x]), 200)}
    assert is_zero(sp.Mul(*(x - root for root in tried))).refuted


def test_a_root_free_point_avoids_the_poles():
    formula = (x - 1) * (y + 1) / ((x + 1) * (y - 2) * (x - 2) * (x * y - 3))
    point = root_free_point(normal_form(formula))
    assert formula.subs(dict(point)).is_finite
    assert formula.subs(dict(point)) != 0


def test_probes_tell_where_a_formula_is_undefined():
    assert probe(sp.log(x), {x: sp.Integer(-1)}, (53,)) is None
    assert probe(sp.gamma(x), {x: sp.Integer(1) / 3}, (53,)) is None
    assert probe(sp.log(x), {x: sp.Integer(2)}, (53,)).refutes


def test_probes_raise_the_precision_until_it_suffices():
    formula = sp.exp(x) - sp.exp(1) + sp.Rational(1, 10**40)
    found = probe(formula, {x: sp.Integer(1)}, (53, 200, 1000))
    assert found.refutes
    assert found.precision == 200
