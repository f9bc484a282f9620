"""Energies that are formulas, against closed forms and differences; what is proved of them."""

import autograd.numpy as anp
import numpy as np
import pytest
import sympy as sp

import ehf_num as en
import ehf_sym as es
from ehf_num.engine.tape import make_vjp
from ehf_sym.errors import ArgumentError, FormulaError

SO2 = es.groups.so(2)
SPACE = SO2.space
Q1, Q2 = SPACE.q
R2 = Q1**2 + Q2**2
A, B = sp.Symbol("a", real=True), sp.Symbol("b", positive=True)
C = sp.Symbol("c", negative=True)
X = np.random.default_rng(0).standard_normal((7, 2))


def rng():
    return np.random.default_rng(0)


def test_values_and_gradients_are_those_of_the_formula():
    energy = en.FormulaEnergy(A * R2 + B * sp.cos(Q1) + C, SPACE, start={A: -0.3, B: 2.0, C: -5})
    weights = energy.init(rng(), "float64")
    assert energy.coefficients(weights) == pytest.approx({"a": -0.3, "b": 2.0, "c": -5.0})
    expected = -0.3 * (X**2).sum(1) + 2 * np.cos(X[:, 0]) - 5
    np.testing.assert_allclose(energy.value(weights, X), expected, rtol=1e-14)
    slopes = -0.6 * X - 2 * np.stack([np.sin(X[:, 0]), 0 * X[:, 0]], axis=1)
    np.testing.assert_allclose(energy.gradient(weights, X), slopes, rtol=1e-13)


def test_momenta_have_formulas_too():
    p1, p2 = SPACE.p
    energy = en.FormulaEnergy(p1**2 / (2 * B) + p2**4, SPACE, of="p")
    expected = np.stack([X[:, 0], 4 * X[:, 1] ** 3], axis=1)
    np.testing.assert_allclose(energy.gradient(energy.init(rng(), "float64"), X), expected)


@pytest.mark.parametrize("method", ["value", "gradient"])
def test_derivatives_by_weights_and_rows_are_those_of_differences(method):
    energy = en.FormulaEnergy(A * R2**2 + sp.exp(-B * R2) + sp.sin(C * Q2), SPACE)
    start = [X, *[w + 0.2 for w in energy.init(rng(), "float64")]]

    def loss(arrays):
        values = getattr(energy, method)(arrays[1:], arrays[0])
        return anp.sum(values * np.arange(1.0, values.size + 1).reshape(values.shape))

    vjp, value = make_vjp(loss, start)
    gradients = vjp(np.ones_like(value))
    for seed in range(4):
        chance = np.random.default_rng(seed)
        direction = [chance.standard_normal(a.shape) for a in start]
        ends = [
            loss([a + s * 1e-6 * v for a, v in zip(start, direction, strict=True)]) for s in (1, -1)
        ]
        slope = sum(np.sum(g * v) for g, v in zip(gradients, direction, strict=True))
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)


def test_signs_are_kept_whatever_the_weights():
    energy = en.FormulaEnergy((A + B + C) * R2, SPACE)
    for shift in (-30.0, 30.0):
        found = energy.coefficients([w + shift for w in energy.init(rng(), "float64")])
        assert found["b"] > 0 > found["c"]
        assert found["a"] == 1 + shift


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept(dtype):
    energy = en.FormulaEnergy(A * R2 + sp.log(1 + B * R2), SPACE)
    weights, x = energy.init(rng(), dtype), X.astype(dtype)
    assert weights[0].dtype == dtype
    assert energy.value(weights, x).dtype == dtype
    assert energy.gradient(weights, x).dtype == dtype


@pytest.mark.parametrize(
    "formula",
    [A * R2 + B * R2**2, sp.exp(-B * R2) * A, sp.sqrt(R2 + B), R2**2, sp.log(1 + B * R2) * C],
)
def test_invariant_for_all_values_is_proved(formula):
    report = en.FormulaEnergy(formula, SPACE).invariance(SO2, "q")
    assert report.proved
    assert "proved" in str(report)


@pytest.mark.parametrize(
    ("formula", "condition"),
    [(A * Q1**2 + B * Q2**2, "a - b"), (R2 + A * Q1, "a"), (A * R2 + (A - 2 * B) * Q1 * Q2, "2*b")],
)
def test_where_it_holds_for_some_values_the_conditions_are_shown(formula, condition):
    report = en.FormulaEnergy(formula, SPACE).invariance(SO2, "q")
    assert not report.proved
    assert report.report.status == "refuted"
    assert condition in str(report).replace("0 = ", "")


def test_a_formula_that_jumps_across_orbits_is_not_proved():
    """Its bracket vanishes wherever it is defined."""
    translation = es.LieAlgebra(SPACE, [SPACE.p[0]])
    step = sp.Piecewise((B, Q1 > 0), (2 * B, True)) + A * Q2**2
    report = en.FormulaEnergy(step, SPACE).invariance(translation, "q")
    assert not report.proved
    assert en.FormulaEnergy(A * Q2**2, SPACE).invariance(translation, "q").proved


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        ({"formula": A * R2, "space": 2}, ArgumentError, "space"),
        ({"formula": A * R2, "of": "s"}, ArgumentError, "of"),
        ({"formula": A * SPACE.p[0]}, FormulaError, "p1"),
        ({"formula": A + B}, FormulaError, "depend on q"),
        ({"formula": 0.5 * R2}, FormulaError, "formula"),
        ({"formula": "a*q1"}, FormulaError, "formula"),
        ({"formula": sp.Symbol("z") * R2}, ArgumentError, "z"),
        ({"formula": sp.Symbol("n", integer=True) * R2}, ArgumentError, "n"),
        ({"formula": A * R2, "start": {B: 1}}, ArgumentError, "start"),
        ({"formula": B * R2, "start": {B: -1.0}}, ArgumentError, "positive"),
        ({"formula": A * R2, "start": {A: float("nan")}}, ArgumentError, "finite"),
        ({"formula": A * R2, "start": 3}, ArgumentError, "start"),
    ],
)
def test_bad_arguments_are_named(arguments, error, name):
    with pytest.raises(error, match=name):
        en.FormulaEnergy(**{"space": SPACE} | arguments)


def test_an_energy_is_asked_as_the_one_that_it_is():
    with pytest.raises(ArgumentError, match="potential="):
        en.FormulaEnergy(A * R2, SPACE).invariance(SO2, "p")
    with pytest.raises(ArgumentError, match="symmetry"):
        en.FormulaEnergy(A * R2, SPACE).invariance(es.groups.so(3), "q")
