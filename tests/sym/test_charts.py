"""Charts on parameters: there and back, positive definite wherever the coordinates go."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import ehf_sym as es
from ehf_sym.densities.charts import chart_of, parameter, range_of, sign_of
from ehf_sym.symmetry.learnable_bases import learnable_base

A, B = sp.symbols("a b", positive=True)
K, M = sp.symbols("k m", real=True)


def gaussian(space, formula):
    return es.BaseDensity(space, log_density=formula)


def plane(*parameters):
    space = es.PhaseSpace(1, parameters=parameters)
    return space, space.q[0], space.p[0]


FAMILIES = {
    "full, d = 1": es.GaussianFamily(es.PhaseSpace(1)),
    "full, d = 2": es.GaussianFamily(es.PhaseSpace(2), mean=True),
    **{
        name: es.named_symmetry(name)
        .conditions(es.GaussianFamily(es.named_symmetry(name).space))
        .families[0]
        .base
        for name in ("so(2)", "so(3)", "u(2)")
    },
}


def random_values(chart, rng):
    """Coordinates of all sizes that their ranges allow, and the parameters there."""
    numbers = {
        c: sign_of(c) * np.exp(rng.normal(0, 2)) if sign_of(c) else rng.normal(0, 3)
        for c in chart.coordinates
    }
    values = [float(v.subs(numbers)) for v in chart.values]
    return numbers, dict(zip(chart.parameters, values, strict=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_precision_is_positive_definite_everywhere(name):
    base = FAMILIES[name]
    chart, rng = chart_of(base), np.random.default_rng(0)
    precision = -sp.hessian(base.log_density, base.space.coordinates)
    for _ in range(10):
        _, values = random_values(chart, rng)
        matrix = np.array(precision.subs(values), float)
        spectrum = np.linalg.eigvalsh(matrix)
        assert spectrum[0] > -1e-9 * spectrum[-1]
        assert all(sign_of(x) * values[x] >= 0 for x in chart.parameters)


@pytest.mark.parametrize("name", FAMILIES)
def test_there_and_back(name):
    chart, rng = chart_of(FAMILIES[name]), np.random.default_rng(1)
    for _ in range(5):
        numbers, values = random_values(chart, rng)
        found = {}
        for coordinate, formula in chart.solved:
            found[coordinate] = float(formula.subs(values | found))
        scale = max(1, *(abs(v) for v in values.values()))
        for coordinate, value in found.items():
            assert abs(value - numbers[coordinate]) < 1e-9 * scale


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=16, max_size=16))
def test_every_precision_is_reached(entries):
    """Pivots of MᵀM + 1 are positive, and the chart gives the matrix back."""
    base = FAMILIES["full, d = 2"]
    chart = chart_of(base)
    factor = sp.Matrix(4, 4, entries)
    matrix = factor.T * factor + sp.eye(4)
    values = {
        x: matrix[int(x.name[1]) - 1, int(x.name[3]) - 1] if x.name[0] == "P" else sp.Integer(2)
        for x in chart.parameters
    }
    numbers = dict(values)
    for coordinate, formula in chart.solved:
        numbers[coordinate] = formula.subs(numbers)
        assert not sign_of(coordinate) or numbers[coordinate] > 0
    assert [v.subs(numbers) for v in chart.values] == list(values.values())


def test_a_pivot_of_unknown_sign_becomes_a_coordinate():
    space, q, p = plane(K, M)
    chart = chart_of(gaussian(space, -K * q**2 / 2 - (M + 3) * p**2 + K * q))
    assert [sign_of(c) for c in chart.coordinates] == [1, 1]
    k, m = chart.coordinates
    assert chart.values == (k, m / 2 - 3)


@pytest.mark.parametrize(
    "formula",
    [
        lambda q, p: -(K**2) * q**2 - p**2,  # 0 at K = 0
        lambda q, p: -(q**2) - p**2 - sp.sin(K) * p**2 * 2,
    ],
)
def test_what_cannot_be_solved_is_refused(formula):
    space, q, p = plane(K)
    with pytest.raises(es.ArgumentError, match="Gaussian only where 0 <"):
        chart_of(gaussian(space, formula(q, p)))


@pytest.mark.parametrize("formula", [lambda q, p: -A * (q - p) ** 2, lambda q, p: q**2 - A * p**2])
def test_a_density_that_does_not_fall_off_is_refused(formula):
    space, q, p = plane(A)
    with pytest.raises(es.ArgumentError, match=r"cannot be normalized: a pivot .* is (0|-2)"):
        chart_of(gaussian(space, formula(q, p)))


def test_a_condition_beside_the_pivots_is_held():
    space, q, p = plane(A, B)
    base = gaussian(space, -A * q**2 / 2 - B * p**2 / 2)
    assert chart_of(base, [A + B]).values == (A, B)
    with pytest.raises(es.ArgumentError, match="0 < a - b"):
        chart_of(base, [A - B])


def test_an_assumption_that_solving_breaks_is_refused():
    space, q, p = plane(A)
    assert chart_of(gaussian(space, -(2 * A - 3) * q**2 / 2 - p**2)).values[0].is_positive
    with pytest.raises(es.ArgumentError, match="0 < a,"):
        chart_of(gaussian(space, -(5 - A) * q**2 / 2 - p**2))


def test_so_is_a_negative_one():
    n = sp.Symbol("n", negative=True)
    space, q, p = plane(n)
    assert chart_of(gaussian(space, (n + 3) * q**2 / 2 - p**2)).values[0].is_negative
    with pytest.raises(es.ArgumentError, match="0 < -n,"):
        chart_of(gaussian(space, -(n + 5) * q**2 / 2 - p**2))


def test_a_parameter_without_a_sign_is_solved_for_first():
    space, q, p = plane(A, M)
    chart = chart_of(gaussian(space, -(A + M) * q**2 / 2 - p**2))
    assert chart.values[0] == A
    assert [sign_of(c) for c in chart.coordinates] == [1, 1]


@pytest.mark.parametrize("assumed", [{"integer": True}, {"real": True, "nonzero": True}])
def test_assumptions_without_an_interval_are_refused(assumed):
    n = sp.Symbol("n", **assumed)
    space, q, p = plane(n)
    with pytest.raises(es.ArgumentError, match="parameter n"):
        chart_of(gaussian(space, -(n**2 + 1) * q**2 - p**2))


@pytest.mark.parametrize("word", ["positive", "nonnegative", "negative", "nonpositive", "real"])
def test_words_for_assumptions_come_back(word):
    symbol = sp.Symbol("x", **{word: True})
    assert range_of(symbol) == word
    assert parameter("x", word) == symbol


def test_words_that_are_none_are_refused():
    with pytest.raises(es.ArgumentError, match="integer"):
        parameter("x", "integer")


# --- families -----------------------------------------------------------------------------------


def rotation():
    space = es.PhaseSpace(2)
    return es.LieAlgebra(space, [space.q[0] * space.p[1] - space.q[1] * space.p[0]])


def test_a_parameter_that_would_break_the_symmetry_is_determined():
    space = es.PhaseSpace(2, parameters=(A, M))
    (q1, q2), (p1, p2) = space.q, space.p
    base = gaussian(space, -A * (q1**2 + q2**2) / 2 - (p1**2 + p2**2) / 2 + M * q1)
    found = learnable_base(base, rotation())
    assert found.determined == {M: 0}
    assert found.chart.parameters == (A,)
    assert found.report.proved
    assert M not in found.density.log_density.free_symbols


def test_the_normalizer_goes_along():
    space = es.PhaseSpace(1, parameters=(A, M))
    q, p = space.q[0], space.p[0]
    radius = q**2 + p**2
    log_z = sp.log(sp.pi) - sp.log(A)
    base = es.BaseDensity(
        space, log_density=-A * radius + M * q, log_normalizer=log_z + M**2 / A / 4
    )
    found = learnable_base(base, es.LieAlgebra(es.PhaseSpace(1), [radius]))
    assert es.is_zero(found.density.log_normalizer - log_z).proved


REFUSED = {
    "invariant for no values": (A, lambda s, q, p: -A * (q[0] ** 2 + p[0] ** 2) / 2 - q[1] ** 4),
    "leaves nothing to learn": (
        M,
        lambda s, q, p: -sum(x**2 for x in q + p) / 2 + M * q[0],
    ),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_leaves_nothing_is_refused(words):
    symbol, formula = REFUSED[words]
    space = es.PhaseSpace(2, parameters=(symbol,))
    base = es.BaseDensity(space, log_density=formula(space, space.q, space.p))
    with pytest.raises(es.EHFError, match=words):
        learnable_base(base, rotation())


def test_several_families_are_left_to_the_user():
    """(m² - 1) has two roots: the user chooses."""
    space = es.PhaseSpace(2, parameters=(A, M))
    (q1, q2), (p1, p2) = space.q, space.p
    base = gaussian(
        space, -A * (q1**2 + q2**2) / 2 - (p1**2 + M**2 * p2**2) / 2 - (1 - M**2) * q1 * p1 / 9
    )
    with pytest.raises(es.ArgumentError, match="2 families"):
        learnable_base(base, rotation())


def test_generators_with_parameters_are_refused():
    space = es.PhaseSpace(1, parameters=(A, B))
    q, p = space.q[0], space.p[0]
    symmetry = es.LieAlgebra(space, [A * q**2 + p**2])
    with pytest.raises(es.ArgumentError, match="with_values"):
        learnable_base(gaussian(space, -A * q**2 - B * p**2), symmetry)


def test_the_family_is_invariant_at_random_values():
    """A second route: the bracket of the numbers' density is zero."""
    symmetry = es.named_symmetry("u(2)")
    found = learnable_base(es.GaussianFamily(symmetry.space), symmetry)
    rng = np.random.default_rng(2)
    for g in symmetry.generators:
        values = {x: sp.Integer(int(rng.integers(1, 9))) for x in found.chart.parameters}
        bracket = symmetry.space.bracket(g, found.density.log_density.subs(values))
        assert sp.expand(bracket) == 0
