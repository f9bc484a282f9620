"""Diagnostics against flows whose symmetry is known, kept or broken by hand."""

import numpy as np
import pytest
import sympy as sp
from models import CASES, draw, make
from scipy.spatial.transform import Rotation

import ehf_num as en
import ehf_sym as es
from ehf_num import diagnostics


def radial(flow):
    """Make H a function of nothing: zero weights give the identity, which commutes with all."""
    for weight in flow.weights:
        weight[:] = 0
    return flow


@pytest.mark.parametrize("case", CASES)
def test_the_identity_passes_every_check(case):
    flow = radial(make(case, dtype="float64"))
    diagnosis = en.diagnose(flow, draw(flow)[0])
    assert diagnosis["reversibility"].value == 0
    assert diagnosis["symplecticity"].value < 1e-14
    for check in diagnosis.checks:
        if "ELBO" not in check.name:
            assert check.passed


def test_a_broken_symmetry_is_loud():
    flow = make("so2")
    flow.weights[3][0] *= 20  # U's first input: q1 now weighs more than q2
    diagnosis = en.diagnose(flow, draw(flow, n=200)[0])
    failed = {check.name for check in diagnosis.checks if not check.passed}
    assert {"mean {g1,H}², base states", "equivariance of the map, g1"} <= failed
    assert not diagnosis.passed
    assert "LOOK" in str(diagnosis)
    assert "<td>LOOK</td>" in diagnosis._repr_html_()


def test_brackets_are_the_mean_squares_that_they_say():
    flow = make("so3")
    x = draw(flow, n=64)[0]
    value = en.diagnose(flow, x, rng=5)["mean {g2,H}², base states"].value
    states = flow.objective.base_at(flow.weights).sample(512, np.random.default_rng(5))
    expected = np.mean(flow.brackets(*np.split(states, 2, axis=1))[:, 1] ** 2)
    assert value == pytest.approx(expected, rel=1e-12)


def test_symplecticity_catches_a_map_that_is_not(monkeypatch):
    flow = make("so2")
    states = np.concatenate(draw(flow), axis=1)
    assert diagnostics.symplecticity(flow, states).passed
    broken = en.HamiltonianFlow(flow.flow.hamiltonians, en.Euler(2, 0.5))
    monkeypatch.setattr(type(flow), "flow", broken)
    assert not diagnostics.symplecticity(flow, states).passed


def test_reversibility_catches_an_inverse_that_is_not(monkeypatch):
    flow = make("so2")
    states = np.concatenate(draw(flow), axis=1)
    monkeypatch.setattr(flow, "inverse", flow.forward)
    assert not diagnostics.reversibility(flow, states).passed


def test_generators_that_do_not_act_on_q_alone_get_no_elbo_gap():
    flow = make("oscillator")
    names = [check.name for check in en.diagnose(flow, draw(flow)[0]).checks]
    assert not any("ELBO" in name for name in names)
    assert any("equivariance" in name for name in names)


def test_unknown_checks_and_bad_arguments_are_named():
    flow = make("so2")
    x = draw(flow)[0]
    with pytest.raises(KeyError, match="reversibility"):
        en.diagnose(flow, x)["nonsense"]
    with pytest.raises(es.ArgumentError, match="flow"):
        en.diagnose("flow", x)
    with pytest.raises(es.ArgumentError, match="x "):
        en.diagnose(flow, x[:, :1])
    with pytest.raises(es.ArgumentError, match="epsilon"):
        en.diagnose(flow, x, epsilon=np.nan)


def test_rotation_is_scipys():
    space = es.PhaseSpace(3)
    (qx, qy, _), (px, py, _) = space.q, space.p
    turn = en.finite_action(space, qx * py - qy * px, 0.7)
    states = np.random.default_rng(0).standard_normal((5, 6))
    matrix = Rotation.from_euler("z", 0.7).as_matrix()
    expected = np.concatenate([states[:, :3] @ matrix.T, states[:, 3:] @ matrix.T], axis=1)
    np.testing.assert_allclose(turn(states), expected, atol=1e-14)


def test_translation_and_dilation_have_closed_forms():
    space = es.PhaseSpace(1)
    q, p = space.q[0], space.p[0]
    states = np.array([[1.0, 2.0], [-3.0, 0.5]])
    np.testing.assert_allclose(en.finite_action(space, p, 0.5)(states), states + np.array([0.5, 0]))
    scaled = states * [np.exp(0.5), np.exp(-0.5)]
    np.testing.assert_allclose(en.finite_action(space, q * p, 0.5)(states), scaled, rtol=1e-13)


def test_nonlinear_generators_are_integrated():
    """g = p q²: q̇ = q², so q(ε) = q/(1 − εq); p q² is conserved."""
    space = es.PhaseSpace(1)
    q, p = space.q[0], space.p[0]
    states = np.array([[0.5, 2.0], [-1.0, 1.0]])
    moved = en.finite_action(space, p * q**2, 0.8)(states)
    np.testing.assert_allclose(moved[:, 0], states[:, 0] / (1 - 0.8 * states[:, 0]), rtol=1e-10)
    conserved = states[:, 1] * states[:, 0] ** 2
    np.testing.assert_allclose(moved[:, 1] * moved[:, 0] ** 2, conserved, rtol=1e-9)


def test_a_flow_that_leaves_every_bound_says_so():
    space = es.PhaseSpace(1)
    q, p = space.q[0], space.p[0]
    with np.errstate(all="ignore"), pytest.raises(en.ActionError):
        en.finite_action(space, p * q**2 / sp.Integer(1), 2.0)(np.array([[1.0, 1.0]]))
