"""The study of φ⁴ on a lattice, small: what judges it, what it writes, what it refuses."""

import math
import re

import numpy as np
import pytest
from matplotlib.image import imread
from scipy import integrate

import ehf_num as en
import ehf_sym as es
from ehf_num.cli import main
from ehf_num.reproduce.chapter import Chapter
from ehf_num.reproduce.lattices import couplings, phi4
from ehf_num.reproduce.lattices.judged import farthest_off, measured

SMALL = {"size": 2, "iterations": 3, "draws": 200, "hamiltonians": 1, "hidden": 3, "momenta": 2}


def test_the_free_field_is_judged_by_its_closed_form():
    """χ = 1/(2m²), whatever the size; the waves' frequencies by hand for L = 2."""
    judge, known = phi4.reference(phi4.Settings(size=2, mass_squared="1/2"))
    frequencies = np.array([0.5, 4.5, 4.5, 8.5])
    assert judge == "closed form"
    assert known["χ"][0] == pytest.approx(1)
    assert known["⟨|φ|²⟩"][0] == pytest.approx((1 / (2 * frequencies)).mean())
    log_z = 2 * math.log(math.pi) - np.log(frequencies).sum() / 2
    assert known["ln Z"][0] == pytest.approx(log_z)


def test_an_interacting_field_is_judged_by_chains(monkeypatch):
    """One site: the chains' ⟨φ²⟩ against quadrature."""
    for name, value in (("_CHAINS", 64), ("_WARM", 60), ("_KEPT", 150)):
        monkeypatch.setattr(phi4, name, value)
    judge, known = phi4.reference(phi4.Settings(size=1, mass_squared="-1", coupling="0.5"))
    assert 0 < float(judge.split()[-1]) < 5  # ten leaps take one site far

    def weight(x):
        return math.exp(x**2 - 0.5 * x**4)

    z = integrate.quad(weight, -8, 8)[0]
    second = integrate.quad(lambda x: x**2 * weight(x), -8, 8)[0] / z
    for value, error in known.values():
        assert abs(value - second) < 4 * error < 0.1
    assert "ln Z" not in known


def test_a_free_complex_field_is_two_real_ones():
    settings = phi4.Settings(field="complex", size=2, mass_squared="1/2")
    _, known = phi4.reference(settings)
    _, real = phi4.reference(phi4.Settings(size=2, mass_squared="1/2"))
    assert {name: value / 2 for name, (value, _) in known.items()} == pytest.approx(
        {name: value for name, (value, _) in real.items()}
    )
    q = np.random.default_rng(0).standard_normal((5, 8))
    field = q[:, ::2] + 1j * q[:, 1::2]
    expected = {"⟨|φ|²⟩": (abs(field) ** 2).mean(axis=1), "χ": abs(field.sum(axis=1)) ** 2 / 4}
    for name, observe in settings.observables.items():
        np.testing.assert_allclose(observe(q), expected[name])


def test_a_model_of_a_complex_field_keeps_its_phase():
    settings = phi4.Settings(**SMALL, field="complex", coupling="1", progress=False)
    flow = phi4.train_one(settings, 1).model
    q, p = np.random.default_rng(0).standard_normal((2, 20, flow.dim)).astype("float32")
    turn = np.kron(np.eye(4), [[0.6, -0.8], [0.8, 0.6]]).astype("float32")
    turned, here = flow.joint_log_prob(q @ turn.T, p @ turn.T), flow.joint_log_prob(q, p)
    np.testing.assert_allclose(turned, here, rtol=1e-5)
    assert np.ptp(flow.joint_log_prob(q @ np.diag([1, 1, *[-1] * 6]), p) - here) > 1e-3
    turned, here = flow.log_encoder(p @ turn.T, q @ turn.T), flow.log_encoder(p, q)
    np.testing.assert_allclose(turned, here, rtol=1e-5)
    assert flow.encoder_is_equivariant
    local = es.ComplexScalarLattice([2, 2]).local_phases()
    assert not flow.bound.objective.encoder.moves_with(es.Symmetry(local))


@pytest.mark.parametrize("coupling", ["0", "1.5"])
def test_a_model_keeps_the_lattice_s_symmetries_and_is_weighed(coupling, tmp_path):
    settings = phi4.Settings(**SMALL, coupling=coupling, progress=False)
    outcome = phi4.train_one(settings, 1)
    flow, group = outcome.model, settings.lattice.symmetry()
    states = np.random.default_rng(0).standard_normal((20, 2 * flow.dim))
    q, p = np.split(states, 2, axis=1)
    for A in (np.array(a, float) for a in group.generators):
        turned = flow.joint_log_prob(q @ A.T, p @ A.T)
        np.testing.assert_allclose(turned, flow.joint_log_prob(q, p), rtol=1e-5)
        turned = flow.log_encoder(p @ A.T, q @ A.T)
        np.testing.assert_allclose(turned, flow.log_encoder(p, q), rtol=1e-5)
    assert outcome.weights.n == len(outcome.chain.points) == 200
    flow.save(tmp_path / "field.npz")
    q, p = q.astype("float32"), p.astype("float32")
    restored = en.load(tmp_path / "field.npz").log_encoder(p, q)
    np.testing.assert_array_equal(restored, flow.log_encoder(p, q))
    again = phi4.train_one(settings, 1)
    assert again.weights.log_z == outcome.weights.log_z


def test_the_command_writes_table_and_picture(tmp_path, capsys):
    words = [
        "--size",
        "2",
        "--iterations",
        "3",
        "--hamiltonians",
        "1",
        "--hidden",
        "3",
        "--draws",
        "90",
    ]
    assert main(["reproduce", "phi4", *words, "--no-progress", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "closed form" in shown
    assert "χ" in shown
    assert imread(tmp_path / "phi4.png").std() > 0.02


def test_seeds_stand_together(tmp_path):
    """Three of them: the median and both ends of the ESS, the mean of ln Z with a smaller error."""
    settings = phi4.Settings(**SMALL, seeds=3, progress=False)
    phi4.run(settings, tmp_path)
    head, *lines = Chapter.read(tmp_path / "phi4.chapter.json").tables[0].rows
    rows = [dict(zip(head, line, strict=True)) for line in lines]
    assert [row["seed"] for row in rows] == ["0", "1", "2", "all", ""]
    ess = [float(row["ESS"].split()[0]) for row in rows[:3]]
    assert rows[3]["ESS"] == f"{sorted(ess)[1]} % ({min(ess)} to {max(ess)})"
    log_z, error = np.transpose([np.float64(row["ln Z"].split(" ± ")) for row in rows[:4]])
    assert log_z[3] == pytest.approx(log_z[:3].mean(), abs=1e-4)
    assert error[3] == pytest.approx(np.linalg.norm(error[:3]) / 3, abs=1e-4)


def test_the_peer_is_a_symmetric_density_that_learns():
    """Its weights give the closed form's ln Z; ln p̄ is the same at all images; S is the lattice's.

    ln p of the flow is held against autograd's Jacobian.
    """
    torch = pytest.importorskip("torch")
    settings = phi4.Settings(size=4)
    q = np.random.default_rng(0).standard_normal((5, 16))
    fields = torch.as_tensor(q).reshape(5, 4, 4)
    S = phi4._action_of(settings)
    np.testing.assert_allclose(couplings._action(fields, 1.0, 0.0), S.value(q))
    peer = couplings.CouplingContender(layers=4, channels=4)
    learned = peer.learn(4, (1.0, 0.0), S, seconds=0.7, seed=0)
    weights = learned.weigh(1_000)
    assert (
        abs(farthest_off(measured(weights, settings.observables), phi4.reference(settings)[1])) < 4
    )
    assert weights.ess > 0.1
    assert weights.metropolis(200).acceptance > 0.1
    here = learned.draws.log_prob(q)
    for A in settings.lattice.symmetry().generators:
        np.testing.assert_allclose(
            learned.draws.log_prob(q @ np.array(A, float).T), here, rtol=1e-5
        )
    assert len({tuple(image[0].ravel().tolist()) for image in couplings.images(fields)}) == 16
    flow, z = learned.draws.flow.double(), fields[:1]
    phi, change = flow(z)
    jacobian = torch.autograd.functional.jacobian(lambda at: flow(at)[0], z)
    exact = torch.linalg.slogdet(jacobian.reshape(16, 16))[1]
    np.testing.assert_allclose(change.detach(), exact, rtol=1e-9)
    normal = -0.5 * (z**2).sum() - 8 * math.log(2 * math.pi)
    np.testing.assert_allclose(flow.log_prob(phi).detach(), normal - exact, rtol=1e-9)


def test_the_peer_runs_beside_ours(tmp_path):
    pytest.importorskip("torch")
    small = {**SMALL, "draws": 30}
    settings = phi4.Settings(**small, contenders=phi4.CONTENDERS, progress=False)
    shown = phi4.run(settings, tmp_path)
    assert re.search(r"^couplings +0 ", shown, re.MULTILINE)
    assert "16 images" in shown


def test_the_peer_is_refused_before_any_work_without_torch(tmp_path, monkeypatch):
    monkeypatch.setattr(phi4, "torch_version", dict)
    with pytest.raises(es.ArgumentError, match=r"couplings, which need PyTorch.*'\.\[bench\]'"):
        phi4.run(phi4.Settings(**SMALL, contenders=phi4.CONTENDERS), tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"contenders": ("windows", "spline")}, r"contenders had \['spline'\]"),
        ({"contenders": ("couplings",)}, "it should have 'windows'"),
        ({"contenders": phi4.CONTENDERS, "size": 3}, "whose size is even"),
        ({"contenders": phi4.CONTENDERS, "field": "complex"}, "with a complex field"),
        ({"size": 0}, "size was 0"),
        ({"field": "quaternion"}, "field was 'quaternion'"),
        ({"mass_squared": "m"}, "mass_squared was 'm'"),
        ({"mass_squared": "-1"}, r"coupling was 0 with mass_squared -1"),
        ({"coupling": "-1"}, r"coupling was -1"),
        ({"draws": 2.5}, "draws was 2.5"),
    ],
)
def test_what_has_no_integral_is_refused(options, text):
    with pytest.raises(es.ArgumentError, match=text):
        phi4.Settings(**options)
