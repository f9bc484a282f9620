"""Closed forms against textbooks, expm and mpmath's odefun; proofs against planted faults."""

import json
import re
import time
from dataclasses import replace

import mpmath
import numpy as np
import pytest
import scipy
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import ehf_sym as es
from ehf_sym import groups
from ehf_sym.actions.closed_flow import Chart
from ehf_sym.actions.flow_proof import (
    COMPOSITION,
    EQUATION,
    IDENTITY,
    SYMPLECTIC,
    VELOCITY,
    prove_flow,
)
from ehf_sym.actions.search import closed_flow

SPACE = es.PhaseSpace(3)
(q1, q2, q3), (p1, p2, p3) = SPACE.q, SPACE.p
eps = sp.Symbol("epsilon", real=True)


def action_of(generator, space=SPACE):
    return es.LieAlgebra(space, [generator]).action(0)


def vanishes(expression):
    return es.is_zero(expression).proved


TEXTBOOK = {
    "rotation": (
        q1 * p2 - q2 * p1,
        {q1: q1 * sp.cos(eps) - q2 * sp.sin(eps), p2: p1 * sp.sin(eps) + p2 * sp.cos(eps)},
    ),
    "boost": (
        q1 * p2 + q2 * p1,
        {q1: q1 * sp.cosh(eps) + q2 * sp.sinh(eps), p1: p1 * sp.cosh(eps) - p2 * sp.sinh(eps)},
    ),
    "squeeze": (
        (p1**2 - q1**2) / 2,
        {q1: q1 * sp.cosh(eps) + p1 * sp.sinh(eps), p1: p1 * sp.cosh(eps) + q1 * sp.sinh(eps)},
    ),
    "dilation": (q1 * p1, {q1: q1 * sp.exp(eps), p1: p1 * sp.exp(-eps)}),
    "linear shear": (q1 * p2, {q2: q2 + eps * q1, p1: p1 - eps * p2, q1: q1, p2: p2}),
    "shear": (q1**3 * p2, {q2: q2 + eps * q1**3, p1: p1 - 3 * eps * p2 * q1**2}),
    "free drift": (p1**2 / 2, {q1: q1 + eps * p1, p1: p1}),
    "translation": (p3, {q3: q3 + eps, p3: p3}),
    "oscillator": (
        (p1**2 + 4 * q1**2) / 2,
        {q1: q1 * sp.cos(2 * eps) + p1 * sp.sin(2 * eps) / 2},
    ),
    "uniform field": (p1**2 / 2 + q1, {q1: q1 + eps * p1 - eps**2 / 2, p1: p1 - eps}),
    "kick": (sp.cos(q1) + q2**4, {p1: p1 + eps * sp.sin(q1), p2: p2 - 4 * eps * q2**3, q1: q1}),
    "relativistic drift": (
        sp.sqrt(1 + p1**2),
        {q1: q1 + eps * p1 / sp.sqrt(1 + p1**2), p1: p1},
    ),
    "anharmonic": (
        (q1**2 + p1**2) ** 2 / 4,
        {q1: q1 * sp.cos(eps * (q1**2 + p1**2)) + p1 * sp.sin(eps * (q1**2 + p1**2))},
    ),
    "Riccati": (q1**2 * p1, {q1: q1 / (1 - eps * q1), p1: p1 * (1 - eps * q1) ** 2}),
    "cubic": (q1**3 * p1, {q1: q1 / sp.sqrt(1 - 2 * eps * q1**2)}),
    "logistic": (q1 * (1 - q1) * p1, {q1: q1 * sp.exp(eps) / (1 + q1 * (sp.exp(eps) - 1))}),
    "exponential": (sp.exp(q1) * p1, {p1: p1 * (1 - eps * sp.exp(q1))}),
    "projective": (
        q1 * (q1 * p1 + q2 * p2),
        {q2: q2 / (1 - eps * q1), p2: p2 * (1 - eps * q1)},
    ),
    "conformal": (
        2 * q1 * (q1 * p1 + q2 * p2) - (q1**2 + q2**2) * p1,
        {
            q1: (q1 - eps * (q1**2 + q2**2)) / (1 - 2 * eps * q1 + eps**2 * (q1**2 + q2**2)),
            q2: q2 / (1 - 2 * eps * q1 + eps**2 * (q1**2 + q2**2)),
        },
    ),
    "screw": (
        q1 * p2 - q2 * p1 + 2 * p3,
        {q1: q1 * sp.cos(eps) - q2 * sp.sin(eps), q3: q3 + 2 * eps},
    ),
    "time and translation": (p1 + 1 / q1, {q1: q1 + eps, p1: p1 + 1 / q1 - 1 / (q1 + eps)}),
}


@pytest.mark.parametrize("name", TEXTBOOK)
def test_textbook_formulas(name):
    generator, expected = TEXTBOOK[name]
    action = action_of(generator)
    assert action.proved
    for x, formula in expected.items():
        assert vanishes(action.formula[SPACE.coordinates.index(x)] - formula)


def test_charged_particle_in_a_magnetic_field():
    B = sp.Symbol("B", positive=True)
    space = es.PhaseSpace(2, parameters=[B])
    g = ((p1 + B * q2 / 2) ** 2 + (p2 - B * q1 / 2) ** 2) / 2
    action = action_of(g, space)
    velocity = [p1 + B * q2 / 2, p2 - B * q1 / 2]
    turned = [action.apply(v) for v in velocity]
    assert action.proved
    # The velocity turns with the cyclotron frequency B.
    assert vanishes(turned[0] - velocity[0] * sp.cos(B * eps) - velocity[1] * sp.sin(B * eps))
    assert action.period == 2 * sp.pi / B


def test_defective_matrices():
    """Two coupled rotations with one Jordan block: cos, sin and ε cos, ε sin."""
    action = action_of(q1 * p2 - q2 * p1 + (p1**2 + p2**2) / 2)
    assert action.proved
    expected = (q1 + eps * p1) * sp.cos(eps) - (q2 + eps * p2) * sp.sin(eps)
    assert vanishes(action.formula[0] - expected)
    assert not action.is_periodic


def test_oscillator_with_parameters():
    m, w = sp.symbols("m omega", positive=True)
    space = es.PhaseSpace(1, parameters=[m, w])
    action = action_of(p1**2 / (2 * m) + m * w**2 * q1**2 / 2, space)
    assert action.proved
    assert action.period == 2 * sp.pi / w
    assert vanishes(action.formula[0] - q1 * sp.cos(w * eps) - p1 * sp.sin(w * eps) / (m * w))


def test_the_sign_of_a_parameter_splits_the_formula():
    k = sp.Symbol("k", real=True)
    space = es.PhaseSpace(1, parameters=[k])
    action = action_of((p1**2 + k * q1**2) / 2, space)
    assert action.proved
    assert isinstance(action.formula[0], sp.Piecewise)
    for value, expected in (
        (4, q1 * sp.cos(2 * eps) + p1 * sp.sin(2 * eps) / 2),
        (-4, q1 * sp.cosh(2 * eps) + p1 * sp.sinh(2 * eps) / 2),
        (0, q1 + eps * p1),
    ):
        assert vanishes(action.formula[0].subs(k, value) - expected)
    for value in (4, -4, 0):
        moved = action.to_numpy({k: value})(np.array([[0.3, -0.2]]), 0.7)
        matrix = scipy.linalg.expm(0.7 * np.array([[0, 1], [-value, 0]]))
        np.testing.assert_allclose(moved[0], matrix @ [0.3, -0.2], rtol=1e-13)


def test_cases_are_for_parameters_and_not_for_coordinates():
    """q̇1 = q2 + q1²: tan or tanh by the sign of q2, which moves p2 at q2 = 0 as well."""
    action = action_of(p1 * (q2 + q1**2))
    assert action.status == "numerical"
    moved = action.enclose([0, 1, 0, 2, 0, 0], sp.Rational(1, 2))
    low, high = moved[0]
    assert low <= sp.tan(sp.Rational(1, 2)).evalf(30) <= high


def test_parameters_that_may_vanish():
    B = sp.Symbol("B", real=True)
    action = action_of((p1**2 + B**2 * q1**2) / 2, es.PhaseSpace(1, parameters=[B]))
    assert action.proved
    assert action.formula[0].subs(B, 0) == q1 + eps * p1
    assert vanishes(action.formula[0].subs(B, -2) - q1 * sp.cos(2 * eps) - p1 * sp.sin(2 * eps) / 2)


coefficients = st.integers(-2, 2)


@settings(max_examples=12)
@given(st.integers(1, 2), st.lists(coefficients, min_size=14, max_size=14))
def test_random_quadratic_generators_are_scipys_expm(dim, numbers):
    space = es.PhaseSpace(dim)
    s = space.coordinates
    products = [a * b for i, a in enumerate(s) for b in s[i:]] + list(s)
    g = sp.Add(*(n * f for n, f in zip(numbers, products, strict=False)))
    if g == 0:
        return
    found = closed_flow(g, Chart(space.q, space.p, eps))
    assert found is not None
    assert all(verdict.proved for verdict in found.checks.values())
    field = space.vector_field(g)
    size = 2 * dim
    augmented = np.zeros((size + 1, size + 1))
    augmented[:size, :size] = np.array(field.jacobian(sp.Matrix(s)), float)
    augmented[:size, size] = np.array(field.subs(dict.fromkeys(s, 0)), float).ravel()
    start = np.arange(1, size + 1) / 3
    expected = (scipy.linalg.expm(0.5 * augmented) @ np.append(start, 1))[:size]
    at = {eps: sp.Rational(1, 2)} | {x: sp.Rational(i, 3) for i, x in enumerate(s, start=1)}
    moved = [float(found.flow.of(x).subs(at).evalf(30)) for x in s]
    np.testing.assert_allclose(moved, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "generator",
    [q1**2 * p1, (q1 + q1**3) * p1, p1 / q1, p1 * sp.exp(q1), q1 * p1 * sp.log(q1 + 2) ** 0 + q1,
     (1 + q1**2) * p1, q1**3 + q1 * p1, sp.exp(q1 * p1 / 4)],
    ids=str,
)  # fmt: skip
def test_closed_forms_solve_the_equation_of_mpmath(generator):
    """Against a Taylor integrator at 30 digits, not ours."""
    space = es.PhaseSpace(1)
    action = action_of(generator, space)
    assert action.proved
    field = sp.lambdify(space.coordinates, list(space.vector_field(generator)), "mpmath")
    with mpmath.workdps(30):
        start = [mpmath.mpf("0.4"), mpmath.mpf("0.7")]
        end = mpmath.odefun(lambda _, s: field(*s), 0, start)(mpmath.mpf("0.3"))
        at = {q1: sp.Rational(2, 5), p1: sp.Rational(7, 10), eps: sp.Rational(3, 10)}
        for formula, value in zip(action.formula, end, strict=True):
            assert abs(formula.subs(at).evalf(30) - sp.Float(str(value), 30)) < 1e-22


def test_blow_up_is_stated():
    action = action_of(q1**2 * p1)
    assert [vanishes(c - (1 - eps * q1)) for c in action.domain] == [True]
    assert not action_of(q1 * p1).domain
    # 1/q1 is met by a translation that comes from the left.
    assert [vanishes(c - (q1 + eps) / q1) for c in action_of(p1 + 1 / q1).domain] == [True]


def test_periods():
    assert action_of(q1 * p2 - q2 * p1).period == 2 * sp.pi
    assert action_of((p1**2 + q1**2 + p2**2 + 4 * q2**2) / 2).period == 2 * sp.pi
    assert action_of((4 * p1**2 + q1**2 + 9 * p2**2 + q2**2) / 2).period == 2 * sp.pi
    assert action_of((4 * p1**2 + 4 * q1**2 + 6 * p2**2 + 6 * q2**2) / 2).period == sp.pi
    assert action_of((p1**2 + q1**2 + p2**2 + 2 * q2**2) / 2).period is None
    assert action_of(q1 * p1).period is None


def test_other_irreducible_factors_are_numerical():
    """x⁶ + … of degree 6: no real radicals here, and nothing is pretended."""
    g = (p1**2 + p2**2 + p3**2) / 2 + q1**2 + q1 * q2 + 2 * q2**2 + q2 * q3 + 5 * q3**2
    action = action_of(g)
    assert action.status == "numerical"
    assert not action.proved
    with pytest.raises(es.ArgumentError, match="no closed form"):
        action.at(1)
    assert "no closed form" in str(action)


def test_pendulum_is_numerical():
    assert action_of(p1**2 / 2 - sp.cos(q1)).status == "numerical"


FAULTS = {
    IDENTITY: lambda image: {**image, q1: image[q1] + 1},
    VELOCITY: lambda image: {x: u.xreplace({eps: 2 * eps}) for x, u in image.items()},
    EQUATION: lambda image: {**image, q1: image[q1] + eps**2},
}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_refuted(name):
    chart = Chart((q1, q2), (p1, p2), eps)
    g = q1 * p2 - q2 * p1
    flow = closed_flow(g, chart).flow
    wrong = replace(flow, image=FAULTS[name](flow.image))
    assert all(verdict.proved for verdict in prove_flow(g, flow, chart).values())
    assert prove_flow(g, wrong, chart)[name].refuted


def test_a_certificate_does_not_hide_a_fault_in_a_large_formula():
    chart = Chart((q1, q2), (p1, p2), eps)
    g = p1**2 + p2**2 + q1**2 + q1 * q2 + 2 * q2**2 + q1 * p1 - 2 * q2 * p1
    found = closed_flow(g, chart)
    assert "exact arithmetic: Σ P_i" in found.checks[EQUATION].method
    wrong = {**found.flow.image, q1: found.flow.of(q1) + q2 * eps**2 / 10**9}
    refuted = prove_flow(g, replace(found.flow, image=wrong), chart)[EQUATION]
    assert refuted.refuted
    assert str(refuted).startswith("refuted: the value at")


def test_maps_that_do_not_compose_or_are_not_symplectic_are_refuted():
    from ehf_sym.actions import flow_proof
    from ehf_sym.actions.closed_flow import ClosedFlow

    chart = Chart((q1,), (p1,), eps)
    bent = ClosedFlow({q1: q1 + eps + eps**2})
    assert flow_proof.all_zero(flow_proof._composition(bent, chart)).refuted
    stretched = ClosedFlow({q1: q1 * sp.exp(eps), p1: p1 * sp.exp(eps)})
    assert flow_proof.all_zero(flow_proof._brackets(stretched, chart)).refuted
    assert {COMPOSITION, SYMPLECTIC} <= set(action_of(q1 * p1).checks)


GROUPS = [
    *(groups.so(4), groups.so(2, 1), groups.su(3), groups.u(2), groups.gl(2), groups.sl(3)),
    *(groups.sp(2), groups.e(3), groups.heisenberg(2), groups.conformal(2), groups.galilei(2)),
]


@pytest.mark.parametrize(
    ("symmetry", "k"),
    [
        pytest.param(group, k, id=f"{group.labels[k]}: {g}")
        for group in GROUPS
        for k, g in enumerate(group.generators)
    ],
)
def test_generators_of_the_catalogue_have_proved_closed_forms(symmetry, k):
    action = symmetry.action(k)
    assert action.proved, action
    assert action.label == symmetry.labels[k]


def test_batches_keep_shape_and_dtype():
    move = action_of(q1 * p2 - q2 * p1).to_numpy()
    states = np.random.default_rng(0).standard_normal((5, 6)).astype(np.float32)
    turns = np.linspace(0, 2 * np.pi, 5)
    moved = move(states, turns)
    assert moved.dtype == np.float32
    for state, turn, image in zip(states, turns, moved, strict=True):
        np.testing.assert_allclose(move(state, turn), image, rtol=1e-6)
    np.testing.assert_allclose(moved[[0, -1]], states[[0, -1]], atol=1e-6)
    back = move(moved, -turns)
    np.testing.assert_allclose(back, states, atol=1e-6)


def test_batches_refuse_states_that_blow_up():
    move = action_of(q1**2 * p1, es.PhaseSpace(1)).to_numpy()
    states = np.array([[0.5, 1.0], [1.0, 1.0]])
    np.testing.assert_allclose(move(states, 0.5)[:, 0], [2 / 3, 2])
    with pytest.raises(es.ActionError, match="state 1"):
        move(states, 1.5)
    with pytest.raises(es.ArgumentError, match="eps"):
        move(states, np.zeros(3))
    with pytest.raises(es.ArgumentError, match="eps"):
        move(states, "1")


@pytest.mark.parametrize(
    ("generator", "state", "eps", "end"),
    [
        # 1 = a t²/2 + a b t has its first root between two of 33 points.
        (q1**2 * q2 * p1 + p2, (-0.22228, -3, 1, 1), 10, 3 - np.sqrt(9 - 2 / 0.22228)),
        (p1 * (1 + q1**2), (0.3, 0, 1, 0), 64 * np.pi, np.pi / 2 - np.arctan(0.3)),
        (p1 * (1 + q1**2), (0.3, 0, 1, 0), -64 * np.pi, -np.pi / 2 - np.arctan(0.3)),
        (p1 * (4 + q1**2) / 4, (0, 1, 1, 0), 8 * np.pi, np.pi),
        # ∫ q1² dε is 1/q1 − 1/q1(0), which runs through the crests of the sine.
        (q1**2 * p1 * sp.sin(8 * q2) + p2, (8.05, 0, 1, 1), 1.0, np.arccos(1 - 8 / 8.05) / 8),
        (p1 / q1, (-2, 1, 1, 1), -3, -2),
        (p1 * sp.exp(q1), (0, 0, 1, 0), 1.5, 1.0),
    ],
)
def test_no_blow_up_on_the_way_is_overlooked(generator, state, eps, end):
    """Against the first singularity, by hand; just before it there is a flow."""
    space = es.PhaseSpace(2)
    action = action_of(generator, space)
    move = action.to_numpy()
    with pytest.raises(es.ActionError, match="state 1 blows up") as caught:
        move(np.array([[1e-3, 0, 0, 0], state]), np.array([0, eps]))
    named = float(re.search(r"at ε = (\S+),", str(caught.value))[1])
    assert abs(named - end) <= 1e-5 * abs(end)
    with pytest.raises(es.ActionError, match="does not exist"):
        action.enclose(list(state), eps)
    field = sp.lambdify([space.coordinates], list(space.vector_field(generator)))
    arrived = scipy.integrate.solve_ivp(
        lambda _, s: field(s), (0, 0.9 * end), np.array(state, float), rtol=1e-10, atol=1e-12
    ).y[:, -1]
    np.testing.assert_allclose(move(np.array([state], float), 0.9 * end)[0], arrived, rtol=1e-6)
    # float32 states are looked at as exactly.
    with pytest.raises(es.ActionError, match="blows up"):
        move(np.array([state], np.float32), eps)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-3, 3), min_size=2, max_size=2),
    st.floats(-20, 20),
    st.sampled_from([q1**2 * q2 * p1 + p2, q1**2 * sp.cos(q2) * p1 + p2, p1 * (q1**2 + 1)]),
)
def test_blow_ups_are_where_the_denominator_vanishes_first(q, eps, generator):
    """1/q1 obeys a linear equation, so q1(ε) has its poles where that is 0: a fine grid sees it."""
    times = np.linspace(0, eps, 20_001)
    inverse = {
        q1**2 * q2 * p1 + p2: 1 - q[0] * (q[1] * times + times**2 / 2),
        q1**2 * sp.cos(q2) * p1 + p2: 1 - q[0] * (np.sin(q[1] + times) - np.sin(q[1])),
        p1 * (q1**2 + 1): np.cos(times) - q[0] * np.sin(times),
    }[generator]
    assume(abs(inverse.min()) > 1e-3)
    move = action_of(generator, es.PhaseSpace(2)).to_numpy()
    if inverse.min() > 0:
        np.testing.assert_allclose(
            move([[*q, 1, 1]], eps)[0, 0],
            np.tan(np.arctan(q[0]) + eps) if generator == p1 * (q1**2 + 1) else q[0] / inverse[-1],
            rtol=1e-6, atol=1e-9,
        )  # fmt: skip
    else:
        with pytest.raises(es.ActionError, match="blows up"):
            move([[*q, 1, 1]], eps)


def test_conditions_of_other_cases_are_not_asked():
    """q̇ = k q² − q: for k = 1 it stays below 1, and blows up above; for k = 0 it never does."""
    k = sp.Symbol("k", real=True)
    space = es.PhaseSpace(1, parameters=[k])
    (q,), (p,) = space.q, space.p
    action = es.LieAlgebra(space, [p * (q**2 * k - q)]).action(0)
    for value, start in ((0, 5.0), (1, 0.5), (-1, 5.0)):
        moved = action.to_numpy({k: value})(np.array([[start, 1.0]]), 3.0)[0, 0]
        u = np.exp(3.0) * (1 / start - value) + value  # u = 1/q obeys u̇ = u − k
        np.testing.assert_allclose(moved, 1 / u, rtol=1e-12)
    with pytest.raises(es.ActionError, match="blows up"):
        action.to_numpy({k: 1})(np.array([[5.0, 1.0]]), 3.0)


def test_exact_values_and_pull_backs():
    action = action_of(q1 * p2 - q2 * p1)
    assert action.at(sp.pi / 2)[0] == -q2
    assert vanishes(action.apply(q1**2 + q2**2) - q1**2 - q2**2)
    assert action.apply(q1) == action.formula[0]
    with pytest.raises(es.FormulaError, match="eps"):
        action.at(0.5)
    with pytest.raises(es.FormulaError, match="coordinates"):
        action.at(q1)


def test_arguments_are_checked():
    symmetry = es.LieAlgebra(SPACE, [p1])
    for k in (1, -1, 0.0, True, "0"):
        with pytest.raises(es.ArgumentError, match="k is"):
            symmetry.action(k)
    m = sp.Symbol("m", positive=True)
    action = action_of(p1**2 / (2 * m), es.PhaseSpace(1, parameters=[m]))
    with pytest.raises(es.ArgumentError, match="m"):
        action.to_numpy()
    for value in ("2", None, float("nan"), True, 1j):
        with pytest.raises(es.ArgumentError, match="m"):
            action.to_numpy({m: value})


def test_epsilon_does_not_clash_with_a_parameter():
    epsilon = sp.Symbol("epsilon", real=True)
    action = action_of(epsilon * p1, es.PhaseSpace(1, parameters=[epsilon]))
    assert action.parameter != epsilon
    assert action.formula[0] == q1 + epsilon * action.parameter


def test_report_in_all_forms():
    action = es.LieAlgebra(SPACE, [q1**2 * p1], labels=["C"]).action(0)
    text = action.to_text()
    assert "exp(ε{·, C}): proved" in text
    assert "while this stays positive: -epsilon*q1 + 1" in text
    assert "Φ_a∘Φ_b" in text
    data = json.loads(action.to_json())
    assert data["status"] == "proved"
    assert len(data["formula"]) == 6
    assert set(data["checks"]) == set(action.checks)
    assert action.to_latex().startswith("\\[")
    assert "C" in action.to_html()


JUMPS_AND_KINKS = [
    sp.Piecewise((q1, q1 > 0), (0, True)),
    sp.Piecewise((p1**2, p1 > 0), (0, True)) + q1**2,
    p1 * sp.Piecewise((q1, sp.Abs(q1) < 1), (q1**2, True)),
    p1 * sp.Abs(q1),
    p1 * sp.sign(q1) + p1**2,
    sp.Max(p1, q1),
    sp.Heaviside(q1) * p1,
    sp.Abs(q1 * p2 - q2 * p1),
]


@pytest.mark.parametrize("generator", JUMPS_AND_KINKS, ids=str)
def test_generators_with_cases_are_answered(generator):
    action = action_of(generator, es.PhaseSpace(2))
    assert action.status in ("proved", "undecided", "numerical")
    assert str(action)


@pytest.mark.parametrize(
    "generator",
    [
        lambda a, b: sp.sqrt(sp.pi) * q1 * p1 + sp.erf(1) * q2 * p2,
        lambda a, b: sp.Abs(a) * (p1**2 + q1**2) / 2,
        lambda a, b: (p1**2 + sp.Piecewise((1, a > 0), (2, True)) * q1**2) / 2,
        lambda a, b: sp.Max(a, 1) * p1**2 + sp.sign(a) * q1 * p2,
        lambda a, b: b**q1 * p1,
        lambda a, b: (q1 * p1) ** a,
    ],
)
def test_constants_that_are_not_algebraic(generator):
    """Against SciPy's integration of ṡ = {s, g} at a = −0.7, b = 1.3."""
    a, b = sp.Symbol("a", real=True), sp.Symbol("b", positive=True)
    space = es.PhaseSpace(2, parameters=[a, b])
    g = generator(a, b)
    action = action_of(g, space)
    values = {x: v for x, v in {a: -0.7, b: 1.3}.items() if x in g.free_symbols}
    if action.proved:
        field = sp.lambdify(space.coordinates, list(space.vector_field(g).subs(values)), "numpy")
        start = np.array([0.4, 0.3, 0.5, 0.2])
        end = scipy.integrate.solve_ivp(
            lambda _, s: np.array(field(*s), float), (0, 0.8), start, rtol=1e-10, atol=1e-12
        ).y[:, -1]
        np.testing.assert_allclose(action.to_numpy(values)(start, 0.8), end, rtol=1e-7, atol=1e-8)
    else:
        assert action.status == "numerical"


def test_a_limit_on_time_is_kept_and_its_answer_is_not():
    symmetry = es.LieAlgebra(SPACE, [p1 * q1**3 * (1 + q1**2) + p2 * q2 * p3])
    start = time.monotonic()
    assert symmetry.action(0, time_limit=1e-3).status == "numerical"
    assert time.monotonic() - start < 5
    turn = es.LieAlgebra(SPACE, [q1 * p2 - q2 * p1 + sp.Rational(1, 7) * p3])
    assert turn.action(0, time_limit=1e-6).status == "numerical"
    assert turn.action(0).proved
    for wrong in (0, -1, "1", None, True):
        with pytest.raises(es.ArgumentError, match="time_limit"):
            turn.action(0, time_limit=wrong)


@pytest.mark.parametrize("eps", [sp.pi, -sp.pi, 2 * sp.pi, 64 * sp.pi, 4, sp.Rational(-7, 2)])
def test_no_state_moves_beyond_the_longest_orbit(eps):
    """q̇ = 1 + q² takes the time π from −∞ to ∞."""
    space = es.PhaseSpace(1)
    (q1,), (p1,) = space.q, space.p
    action = es.LieAlgebra(space, [p1 * (1 + q1**2)]).action(0)
    with pytest.raises(es.ActionError, match="no state moves so far"):
        action.at(eps)


@pytest.mark.parametrize("eps", [0, 3, -3, sp.pi / 2, -sp.pi / 3])
def test_within_the_longest_orbit_there_is_a_formula(eps):
    space = es.PhaseSpace(1)
    (q1,), (p1,) = space.q, space.p
    action = es.LieAlgebra(space, [p1 * (1 + q1**2)]).action(0)
    start = -2 if eps > 0 else 2
    moved = action.at(eps)[0].subs(q1, start)
    assert abs(sp.N(moved - sp.tan(sp.atan(start) + eps))) < 1e-9
