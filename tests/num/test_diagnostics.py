"""Diagnostics against flows whose symmetry is known, kept or broken by hand."""

import numpy as np
import pytest
import sympy as sp
from models import CASES, draw, make
from scipy.spatial.transform import Rotation

import ehf_num as en
import ehf_sym as es
from ehf_num.inference.importance import log_mean, log_weights
from ehf_num.model import diagnosis as module


def radial(flow):
    """Make H a function of nothing: zero weights give the identity, which commutes with all.

    They also leave h(p|q) without a unit that fires.
    """
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
        if "ELBO" not in check.name and "dead" not in check.name:
            assert check.passed


def test_a_broken_symmetry_is_loud():
    flow = make("so2")
    flow.weights[3][0] *= 20  # U's first input: q1 now weighs more than q2
    diagnosis = en.diagnose(flow, draw(flow, n=200)[0])
    failed = {check.name for check in diagnosis.checks if not check.passed}
    assert {"mean {g1,H}², base states", "equivariance of the map, g1"} <= failed
    assert not diagnosis.passed
    assert "LOOK" in str(diagnosis)
    assert "<strong>LOOK</strong>" in diagnosis._repr_html_()


def test_brackets_are_the_mean_squares_that_they_say():
    flow = make("so3")
    x = draw(flow, n=64)[0]
    value = en.diagnose(flow, x, rng=5)["mean {g2,H}², base states"].value
    states = flow.bound.base.sample(512, np.random.default_rng(5))
    expected = np.mean(flow.brackets(*np.split(states, 2, axis=1))[:, 1] ** 2)
    assert value == pytest.approx(expected, rel=1e-12)


def test_symplecticity_catches_a_map_that_is_not(monkeypatch):
    flow = make("so2")
    states = np.concatenate(draw(flow), axis=1)
    assert module.symplecticity(flow, states).passed
    broken = en.HamiltonianFlow(flow.flow.hamiltonians, en.Euler(2, 0.5))
    monkeypatch.setattr(type(flow), "flow", broken)
    assert not module.symplecticity(flow, states).passed


def test_reversibility_catches_an_inverse_that_is_not(monkeypatch):
    flow = make("so2")
    states = np.concatenate(draw(flow), axis=1)
    monkeypatch.setattr(flow, "inverse", flow.forward)
    assert not module.reversibility(flow, states).passed


def test_dead_units_are_counted():
    """Of each network, as many as have a bias below zero and no weights."""
    flow = make("so2")
    x = draw(flow, n=64)[0]
    weights = flow.bound.encoder_weights
    hidden = (len(weights) // 2 - 2) // 2
    for network in (weights[: len(weights) // 2], weights[len(weights) // 2 :]):
        matrix, bias = network[2 * hidden - 2], network[2 * hidden - 1]
        matrix[:], bias[:] = 0, 1
        assert en.diagnose(flow, x)["dead units of h(p|q)"].value < 0.5
        for dead in (len(bias) // 2 + 1, len(bias)):
            bias[:dead] = -1
            check = en.diagnose(flow, x)["dead units of h(p|q)"]
            assert check.value == pytest.approx(dead / len(bias))
            assert check.passed == (dead < len(bias))
        bias[:] = 1


def test_an_encoder_of_another_kind_has_no_dead_units():
    flow = make("so2", encoder="coupling")
    names = [check.name for check in en.diagnose(flow, draw(flow)[0]).checks]
    assert not any("dead" in name for name in names)


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


def exact_model(dim=2, **options):
    options = {"encoder": "coupling", "hamiltonians": 2, "hidden": (12, 10), "rng": 0} | options
    symmetry = es.groups.so(dim)
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(symmetry.space), symmetry, enforce="exact", **options
    )
    rng = np.random.default_rng(1)
    for array in flow.weights:
        array += (0.1 * rng.standard_normal(array.shape)).astype(array.dtype)
    return flow


@pytest.mark.parametrize("dim", [2, 3])
def test_exact_models_keep_what_they_promise(dim):
    flow = exact_model(dim)
    diagnosis = flow.diagnose(flow.sample(64, rng=2), n_samples=64)
    for k in range(1, dim * (dim - 1) // 2 + 1):
        assert diagnosis[f"equivariance of the map, g{k}"].value < 1e-10
        assert diagnosis[f"equivariance of the map on data, g{k}"].value < 1e-10
        assert diagnosis[f"ELBO gap of moved data, g{k}"].value < 1e-9
        assert diagnosis[f"ln p of moved data, g{k}"].value < 1e-9
        for place in ("base", "data"):
            check = diagnosis[f"mean {{g{k},H}}², {place} states"]
            assert check.value < check.threshold == pytest.approx(1e-20)
    assert diagnosis.remarks == ()


@pytest.mark.parametrize("encoder", ["coupling", "gaussian"])
def test_ln_p_of_a_thousand_moved_points_is_the_same_within_its_error(encoder):
    """With the noise moved, draw by draw; with independent noise and any encoder, within errors."""
    flow = exact_model(encoder=encoder, hidden=(8,), hamiltonians=1)
    x = flow.sample(1000, rng=4)
    turn = Rotation.from_euler("z", 0.7).as_matrix()[:2, :2].T
    noise, other = np.random.default_rng(0).standard_normal((2, 1000, 64, 2))
    moved_noise = noise @ turn if encoder == "coupling" else other
    before = log_weights(flow.bound, x, noise)
    after = log_weights(flow.bound, x @ turn, moved_noise)
    pairs = np.array([(*log_mean(a), *log_mean(b)) for a, b in zip(before, after, strict=True)])
    difference, error = pairs[:, 2] - pairs[:, 0], np.hypot(pairs[:, 1], pairs[:, 3])
    if encoder == "coupling":
        assert (np.abs(difference) < pairs[:, 1]).all()
        assert np.abs(difference).max() < 1e-9
    else:
        assert 0.6 < np.mean((difference / error) ** 2) < 1.7


def test_a_density_that_is_not_invariant_is_caught():
    flow = make("so2")
    flow.weights[3][0] *= 20
    check = flow.diagnose(flow.sample(128, rng=0), n_samples=4096)["ln p of moved data, g1"]
    assert not check.passed
    assert check.unit.startswith("nats")


def test_ln_p_of_moved_data_is_what_the_likelihoods_say():
    flow = make("so2")
    x = flow.sample(100, rng=0)
    turn = Rotation.from_euler("z", 1.0).as_matrix()[:2, :2].T
    exact = [flow.likelihood(y, method="quadrature").values for y in (x, x @ turn)]
    expected = np.sqrt(np.mean((exact[1] - exact[0]) ** 2))
    value = flow.diagnose(x, n_samples=4096)["ln p of moved data, g1"].value
    assert value == pytest.approx(expected, rel=0.1)


def test_generators_whose_orbits_run_away_are_tried_near_the_identity():
    """g = (a² q² + p²)/2 moves along ellipses: whether they are closed is not asked."""
    space = es.PhaseSpace(1)
    (q,), (p,) = space.q, space.p
    base = es.BaseDensity(space, log_density=-(4 * q**2 + p**2) / 2)
    symmetry = es.LieAlgebra(space, [(4 * q**2 + p**2) / 2])
    flow = en.EquivariantHamiltonianFlow(base, symmetry, hidden=(4,), rng=0)
    (remark, silent) = flow.diagnose(draw(flow)[0]).remarks
    assert "ε = 0.1 was taken" in remark
    assert "does not move q by itself" in silent
    assert len(flow.diagnose(draw(flow)[0], epsilon=1.0).remarks) == 1


def test_a_finite_element_that_does_not_exist_is_remarked(monkeypatch):
    def blows_up(space, generator, epsilon):
        def move(states):
            raise en.ActionError("blows up")

        return move

    monkeypatch.setattr(module, "finite_action", blows_up)
    flow = make("so2")
    diagnosis = flow.diagnose(draw(flow)[0])
    assert "g1: exp(ε{·, g}) does not exist on all states for ε = 0.00313" in diagnosis.remarks[0]
    assert "was not measured" in str(diagnosis)
    assert "was not measured" in diagnosis._repr_html_()
    assert not any("equivariance" in check.name for check in diagnosis.checks)


def test_a_turn_that_changes_volumes_promises_no_density():
    """Rotations of (q1, q2 (1 + q1²)): {g, π} = 0 holds, and the flow of q has a divergence."""
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    stretch = 1 + q1**2
    Q = (q1, q2 * stretch)
    P = (p1 - 2 * q1 * q2 * p2 / stretch, p2 / stretch)
    base = es.BaseDensity(
        space,
        log_density=-sum(x**2 for x in (*Q, *P)) / 2,
        log_normalizer=2 * sp.log(2 * sp.pi),
    )

    def sampler(n, rng):
        a, b, A, B = rng.standard_normal((4, n))
        width = 1 + a**2
        return np.stack([a, b / width, A + 2 * a * b * B / width, B * width], axis=1)

    symmetry = es.LieAlgebra(space, [Q[0] * P[1] - Q[1] * P[0]])
    flow = en.EquivariantHamiltonianFlow(base, symmetry, hidden=(4,), rng=0, base_sampler=sampler)
    diagnosis = flow.diagnose(0.5 * draw(flow)[0], epsilon=0.1, n_samples=32)
    assert diagnosis.remarks == ("g1 is not proved to preserve volumes of q: p(Rq) is not p(q)",)
    names = [check.name for check in diagnosis.checks]
    assert "equivariance of the map, g1" in " ".join(names)
    assert not any("moved data" in name for name in names)


def test_heavy_tails_fail_their_checks():
    flow = make("so2")
    for weight in flow.bound.encoder_weights:
        weight[:] = 0
    flow.bound.encoder_weights[-1][:] = -3  # σ = 0.08
    diagnosis = flow.diagnose(draw(flow)[0])
    (share,) = (check for check in diagnosis.checks if "k̂" in check.name)
    assert not share.passed
    assert share.value > 0.5
    assert not diagnosis["standard error of ln p"].passed


def test_normalized_brackets_are_compared_with_what_kappa_bounds():
    flow = make("so2", normalized_bracket=True)
    value = flow.diagnose(draw(flow)[0], rng=5)["mean {g1,H}², base states"].value
    states = flow.objective.base.sample(512, np.random.default_rng(5))
    g, X = flow.objective.gradients(states)[:, 0], flow.flow.fields(states)[:, 0]
    cosine = np.sum(g * X, axis=1) / np.linalg.norm(g, axis=1) / np.linalg.norm(X, axis=1)
    assert value == pytest.approx(np.mean(cosine**2), rel=1e-4)
