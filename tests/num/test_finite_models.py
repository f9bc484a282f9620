"""Models that keep finite symmetries, on values: exact, penalized, saved, on the command line."""

import math

import numpy as np
import pytest
import sympy as sp
from sympy import diag

import ehf_num as en
import ehf_sym as es
from ehf_num.cli import main
from ehf_num.symmetry.orbits import uniform_elements

PLANE = es.PhaseSpace(2)
SWAP = es.FiniteSymmetry(PLANE, [[[0, 1], [1, 0]]])
SHEARED = es.FiniteSymmetry(PLANE, [[[0, 2], [sp.Rational(1, 2), 0]]])
MIRRORS = es.FiniteSymmetry(es.PhaseSpace(6), [diag(*[diag(1, 1, -1)] * 2)])
EXACT = {
    "S_3": es.groups.symmetric(3),
    "D_3": es.groups.dihedral(3),
    "B_2": es.groups.hyperoctahedral(2),
    "a matrix that is not orthogonal": SHEARED,
    "O(3)": es.groups.o(3),
    "two vectors in space, mirrored": es.Symmetry(es.Particles(2, 3).rotations(), MIRRORS),
    "an axis and a mirror": es.Symmetry(
        es.groups.axial(3), es.FiniteSymmetry(es.PhaseSpace(3), [diag(1, 1, -1)])
    ),
    "a lattice": es.groups.lattice_translations([3]),
}


def base_of(symmetry):
    """A density that is invariant, for matrices that are not orthogonal too."""
    if symmetry is not SHEARED:
        return es.StandardNormal(symmetry.space)
    (q1, q2), (p1, p2) = symmetry.space.q, symmetry.space.p
    square = q1**2 + 4 * q2**2 + 4 * p1**2 + p2**2
    return es.BaseDensity(symmetry.space, log_density=-square / 2)


def model(symmetry, **options):
    options = {"enforce": "exact", "hidden": (8,), "rng": 0} | options
    return en.EquivariantHamiltonianFlow(base_of(symmetry), symmetry, **options)


def elements(symmetry, rng, n=5):
    """Random elements of the finite part, on q and on p."""
    finite = symmetry.finite if isinstance(symmetry, es.Symmetry) else symmetry
    on_q = uniform_elements(finite)(n, rng)
    return zip(on_q, np.linalg.inv(on_q).transpose(0, 2, 1), strict=True)


@pytest.mark.parametrize("name", EXACT)
def test_exact_models_commute_with_random_elements(name):
    flow = model(EXACT[name], encoder="coupling")
    rng = np.random.default_rng(1)
    flow.flat_weights[:] += 0.3 * rng.standard_normal(flow.flat_weights.shape)
    q, p = rng.standard_normal((2, 20, flow.dim))
    image = np.concatenate(flow.forward(q, p), axis=1)
    for a, b in elements(EXACT[name], rng):
        moved = np.concatenate(flow.forward(q @ a.T, p @ b.T), axis=1)
        there = np.concatenate([image[:, : flow.dim] @ a.T, image[:, flow.dim :] @ b.T], axis=1)
        np.testing.assert_allclose(moved, there, atol=1e-10)
        np.testing.assert_allclose(
            flow.joint_log_prob(q @ a.T, p @ b.T), flow.joint_log_prob(q, p), atol=1e-9
        )


@pytest.mark.parametrize("name", ["S_3", "D_3", "O(3)", "an axis and a mirror"])
def test_the_encoder_moves_with_the_finite_part(name):
    """So that the bound is the same for moved points, with moved noise."""
    flow = model(EXACT[name], encoder="coupling")
    assert flow.encoder_is_equivariant
    rng = np.random.default_rng(2)
    x, noise = rng.standard_normal((2, 30, flow.dim))
    before = flow.bound.log_weights(x, noise)
    for a, b in elements(EXACT[name], rng):
        np.testing.assert_allclose(flow.bound.log_weights(x @ a.T, noise @ b.T), before, atol=1e-9)


@pytest.mark.parametrize("name", EXACT)
def test_saved_models_come_back_with_their_symmetry(name, tmp_path):
    flow = model(EXACT[name])
    flow.save(tmp_path / "model.npz")
    again = en.load(tmp_path / "model.npz")
    assert again.symmetry == EXACT[name]
    assert again.report.proved
    assert (again.sample(5, rng=1) == flow.sample(5, rng=1)).all()
    assert repr(again) == repr(flow)
    assert "π∘σ = π" in flow._repr_html_()


def test_a_base_that_the_finite_part_moves_is_refused():
    (q1, q2), (p1, p2) = PLANE.q, PLANE.p
    narrow = es.BaseDensity(PLANE, log_density=-(q1**2) - 2 * q2**2 - p1**2 - p2**2)
    with pytest.raises(es.InvarianceError, match="π∘σ = π is refuted") as error:
        en.EquivariantHamiltonianFlow(narrow, SWAP)
    assert error.value.report.verdicts[0].verdict.witness is not None


def test_the_penalty_bounds_the_change_under_each_map():
    """Against values of H by hand; and training lowers it."""
    flow = model(SWAP, enforce="penalty", kappa=1e-4)
    x = np.random.default_rng(0).standard_normal((256, 2)) * [2.0, 0.5]
    before = flow.diagnose(x, n_samples=32)["mean (H∘A1 - H)², base states"]
    states = flow.bound.base.sample(512, np.random.default_rng(0), "float64")
    (h,) = flow.flow.hamiltonians
    energy = h.kinetic(states[:, 2:]) + h.potential(states[:, :2])
    swapped = h.kinetic(states[:, [3, 2]]) + h.potential(states[:, [1, 0]])
    assert math.isclose(before.value, np.mean((swapped - energy) ** 2), rel_tol=1e-9)
    assert not before.passed
    flow.fit(x, iterations=300, learning_rate=3e-3, progress=False)
    assert flow.result_.constraints == ("(H∘A1 - H)² base",)
    after = flow.diagnose(x, n_samples=32)[before.name]
    assert after.value < before.value / 20


def test_both_kinds_are_penalized_together():
    flow = model(es.groups.o(2), enforce="penalty")
    flow.fit(np.random.default_rng(0).standard_normal((50, 2)), iterations=5, progress=False)
    assert flow.result_.constraints == ("{g1,H}² base", "(H∘mirror - H)² base")


def test_energies_prove_what_they_keep_of_the_finite_part():
    a = sp.Symbol("a", positive=True)
    (q1, q2), _ = PLANE.q, PLANE.p
    kept = en.FormulaEnergy(a * (q1**2 + q2**2) + q1 * q2, PLANE)
    broken = en.FormulaEnergy(a * q1**2 + q2**2, PLANE)
    assert kept.invariance(SWAP, "q").proved
    proof = broken.invariance(SWAP, "q")
    assert not proof.proved
    assert proof.conditions.equations == (a - 1,)
    assert model(SWAP, potential=kept).report.proved
    with pytest.raises(es.ArgumentError, match="U∘σ = U"):
        model(SWAP, potential=broken)


def test_a_hamiltonian_of_the_joint_invariants_keeps_both():
    symmetry = es.groups.o(2)
    H = en.NonSeparable(symmetry.space, (8,), symmetry)
    assert H.invariance(symmetry).proved
    assert not en.NonSeparable(symmetry.space, (8,), es.groups.so(2)).invariance(symmetry).proved
    flow = model(symmetry, hamiltonian=H, integrator=en.ImplicitMidpoint(1, 0.2))
    q, p = np.random.default_rng(0).standard_normal((2, 10, 2))
    mirror = np.array([-1.0, 1.0])
    image = np.array(flow.forward(q, p))
    np.testing.assert_allclose(flow.forward(q * mirror, p * mirror), image * mirror, atol=1e-9)


def test_elements_of_large_groups_are_drawn_without_writing_them_out():
    symmetry = es.groups.hyperoctahedral(8)
    drawn = uniform_elements(symmetry)(4000, np.random.default_rng(0))
    np.testing.assert_allclose(
        drawn @ drawn.transpose(0, 2, 1), np.broadcast_to(np.eye(8), drawn.shape), atol=1e-9
    )
    means = np.abs(drawn).mean(axis=0)
    np.testing.assert_allclose(means, 1 / 8, atol=0.03)  # each place is as likely
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.03)  # and each sign


def test_points_are_moved_by_both_parts():
    move = en.orbit_sampler(es.groups.o(2))
    x = np.array([[1.0, 0.0]] * 2000 + [[0.0, 2.0]] * 2000)
    moved = move(x, rng=0)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), np.linalg.norm(x, axis=1))
    signs = en.orbit_sampler(SWAP)(np.array([[1.0, 2.0]] * 1000), rng=0)
    assert 400 < (signs[:, 0] == 2.0).sum() < 600


def test_units_commute_with_the_finite_part():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3)) * [1.0, 4.0, 9.0] + [1.0, 2.0, 6.0]
    density = en.SymmetricDensity("S_3", max_iter=20, hidden=(8,), rng=0).fit(x)
    shift, scale = density.units_.shift, density.units_.scale
    for a in uniform_elements(es.groups.symmetric(3))(5, rng):
        np.testing.assert_allclose(a @ shift, shift)
        np.testing.assert_allclose(a @ scale, scale @ a, atol=1e-12)
    assert density.flow_.settings.enforce == "exact"
    drawn = density.sample(10)
    assert drawn.shape == (10, 3)


def test_estimators_come_back(tmp_path):
    x = np.random.default_rng(0).standard_normal((60, 2))
    density = en.SymmetricDensity(es.groups.o(2), max_iter=20, hidden=(8,), rng=0).fit(x)
    density.save(tmp_path / "density.npz")
    again = en.load(tmp_path / "density.npz")
    assert again.symmetry == es.groups.o(2)
    assert (again.score_samples(x) == density.score_samples(x)).all()


def test_targets_have_to_be_kept_too():
    (q1, q2), _ = PLANE.q, PLANE.p
    flow = model(SWAP, encoder="coupling")
    with pytest.raises(es.InvarianceError, match="S∘σ = S is refuted"):
        flow.fit_energy(q1**2 + 2 * q2**2, iterations=1, progress=False)

    class Tilted:
        def value(self, x):
            return x[:, 0] ** 2 + 2 * x[:, 1] ** 2

        def gradient(self, x):
            return x * [2.0, 4.0]

    with pytest.raises(es.ArgumentError, match="A1 changes it"):
        flow.fit_energy(Tilted(), iterations=1, progress=False)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--finite", "q2, q1", "--base", "normal"], 0),
        (["--finite", "-q1, q2", "--base", "exp(-(q1 - 1)^2 - q2^2 - p1^2 - p2^2)"], 1),
        (["--finite", "D_4", "--finite", "q2, q1"], 0),
        (["--group", "O(3)"], 0),
        (["--group", "so(3)", "--finite", "S_3"], 0),
        (["--generator", "q1*p2 - q2*p1", "--dim", "2", "--finite", "q1, -q2"], 0),
        (["--finite", "q2, q1 + 1"], 3),
        (["--finite", "so(3)"], 3),
        (["--finite", "q1^2, q2"], 3),
        (["--finite", "q2, q1", "--dim", "3"], 3),
        (["--finite", "2*q1, q2"], 3),
        (["--finite", "q2", "--dim", "2"], 3),
        (["--finite", "p1, q2"], 3),
        (["--finite", "X_3"], 3),
    ],
)
def test_the_command_line_checks_finite_symmetries(arguments, status, capsys):
    assert main(["check", *arguments]) == status
    told = capsys.readouterr()
    assert ("π∘σ = π" in told.out) == (status != 3)
    assert (told.err[:13] in ("ehf: --finite", "ehf: the matr")) == (status == 3)


def test_the_command_line_fits_with_a_finite_symmetry(tmp_path):
    np.savetxt(tmp_path / "x.txt", np.random.default_rng(0).standard_normal((50, 2)))
    arguments = ["fit", str(tmp_path / "x.txt"), "--finite", "q2, q1", "--enforce", "exact"]
    arguments += ["--iterations", "5", "--hidden", "8", "--no-progress", "--seed", "0"]
    assert main([*arguments, "--out", str(tmp_path / "m.npz")]) == 0
    assert en.load(tmp_path / "m.npz").symmetry.order == 2
