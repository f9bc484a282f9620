"""Symmetry by construction: zero brackets for any weights, equivariant maps, an honest refusal."""

import itertools

import numpy as np
import pytest
import sympy as sp
from autograd import grad
from models import CASES, check_gradient_of_the_elbo
from scipy.linalg import expm

import ehf_num as en
import ehf_sym as es
from ehf_num.engine import native
from ehf_num.hamiltonian.invariant_energy import tempered
from ehf_sym.symmetry.frames import rotation_matrices


def rotations(n, particles):
    space = es.PhaseSpace(n * particles)
    q, p = (sp.Matrix(particles, n, xs) for xs in (space.q, space.p))
    return es.LieAlgebra(
        space,
        [
            sum(q[a, i] * p[a, j] - q[a, j] * p[a, i] for a in range(particles))
            for i, j in itertools.combinations(range(n), 2)
        ],
    )


def phases():
    """U(1) on C²: both planes turn together."""
    space = es.PhaseSpace(4)
    q, p = space.q, space.p
    return es.LieAlgebra(space, [q[0] * p[1] - q[1] * p[0] + q[2] * p[3] - q[3] * p[2]])


def product():
    """Two rotations, each of its own plane."""
    space = es.PhaseSpace(4)
    q, p = space.q, space.p
    return es.LieAlgebra(space, [q[0] * p[1] - q[1] * p[0], q[2] * p[3] - q[3] * p[2]])


SYMMETRIES = {
    "SO(2)": lambda: rotations(2, 1),
    "SO(3)": lambda: rotations(3, 1),
    "SO(2) on two particles": lambda: rotations(2, 2),
    "SO(3) on two particles": lambda: rotations(3, 2),
    "U(1) on C²": phases,
    "SO(2) × SO(2)": product,
}


def model(name, **options):
    symmetry = SYMMETRIES[name]()
    options = {"hidden": (12, 10), "encoder": "coupling", "hamiltonians": 2, "rng": 0} | options
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(symmetry.space), symmetry, enforce="exact", **options
    )
    rng = np.random.default_rng(1)
    for array in flow.weights:  # not at the start: h is not N(0, 1)
        array += (0.2 * rng.standard_normal(array.shape)).astype(array.dtype)
    return flow


def states(flow, n=50):
    return np.random.default_rng(2).standard_normal((2, n, flow.dim))


def element(flow):
    """A random finite group element, as a matrix on positions and on momenta alike."""
    rng = np.random.default_rng(3)
    matrices = rotation_matrices(flow.symmetry)
    return expm(sum(rng.uniform(-3, 3) * np.array(M, float) for M in matrices))


@pytest.mark.parametrize("name", SYMMETRIES)
def test_brackets_vanish_for_random_weights(name):
    flow = model(name)
    assert flow.construction.proved
    q, p = states(flow)
    gradients = flow.objective.gradients(np.concatenate([q, p], axis=1))
    for H in flow.flow.hamiltonians:
        field = np.concatenate([H.grad_kinetic(p), -H.grad_potential(q)], axis=1)
        scale = np.linalg.norm(gradients, axis=2) * np.linalg.norm(field, axis=1)[:, None]
        brackets = np.einsum("nks,ns->nk", gradients, field)
        assert (np.abs(brackets) / scale).max() < 1e-12
    assert np.abs(flow.brackets(q, p)).max() < 1e-11


@pytest.mark.parametrize("name", SYMMETRIES)
def test_the_whole_map_commutes_with_finite_elements(name):
    flow = model(name)
    q, p = states(flow)
    turn = element(flow).T
    moved = flow.forward(q @ turn, p @ turn)
    for there, first in zip(moved, flow.forward(q, p), strict=True):
        assert np.abs(there - first @ turn).max() < 1e-10


@pytest.mark.parametrize("name", SYMMETRIES)
def test_the_bound_moves_with_the_group_draw_by_draw(name):
    flow = model(name)
    x, noise = states(flow)
    turn = element(flow).T
    log_weights = flow.bound.log_weights(x, noise)
    turned = flow.bound.log_weights(x @ turn, noise @ turn)
    np.testing.assert_allclose(turned, log_weights, atol=1e-9)


@pytest.mark.parametrize("name", SYMMETRIES)
def test_energies_and_their_gradients_agree(name):
    H = model(name).flow.hamiltonians[0]
    q, p = states(model(name), 6)
    np.testing.assert_allclose(grad(lambda x: H.kinetic(x).sum())(p), H.grad_kinetic(p), rtol=1e-9)
    np.testing.assert_allclose(
        grad(lambda x: H.potential(x).sum())(q), H.grad_potential(q), rtol=1e-9
    )


@pytest.mark.parametrize("name", ["SO(2)", "SO(3) on two particles"])
def test_gradient_of_the_elbo_against_central_differences(name):
    check_gradient_of_the_elbo(model(name), 8)


def test_training_and_files(tmp_path):
    flow = model("SO(2)", dtype="float32")
    x = en.rings().sample(100, rng=0)
    before = flow.elbo(x).mean()
    flow.fit(x, iterations=200, learning_rate=1e-3, progress=False)
    assert flow.elbo(x).mean() > before + 0.5
    assert flow.result_.history.squared_brackets.shape[1] == 0
    flow.save(tmp_path / "exact.npz")
    again = en.load(tmp_path / "exact.npz")
    assert again.construction.proved
    assert np.array_equal(again.log_prob(x), flow.log_prob(x))


def test_other_encoders_and_symmetries_without_a_frame():
    assert model("SO(2)", encoder="gaussian").elbo(np.ones((3, 2))).shape == (3,)
    base, oscillator = CASES["squeezed"]()  # turns (q2, p2): K and U depend on p1 and q1 alone
    flow = en.EquivariantHamiltonianFlow(
        base, oscillator, enforce="exact", encoder="coupling", hidden=(5,), rng=0
    )
    assert [str(f) for f in flow.construction.of_q.generators] == ["q1"]
    assert flow.encoder_is_equivariant is False
    q, p = states(flow)
    assert np.abs(flow.brackets(q, p)).max() < 1e-12
    assert model("SO(2)").encoder_is_equivariant


def test_too_few_invariants_are_refused_with_the_reason():
    space = es.PhaseSpace(1)
    base = es.BaseDensity(space, log_density=-(space.p[0] ** 2))
    with pytest.raises(es.ArgumentError, match=r"no invariants of q alone .* enforce=.penalty"):
        en.EquivariantHamiltonianFlow(
            base, es.LieAlgebra(space, [space.p[0]]), enforce="exact", hidden=(4,)
        )
    with pytest.raises(es.ArgumentError, match="symmetry was None"):
        en.EquivariantHamiltonianFlow(es.StandardNormal(space), enforce="exact")


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 6])
def test_tempered_invariants_increase_and_grow_as_squares(degree):
    x = sp.Symbol("x", real=True)
    f = sp.lambdify(x, tempered(x, degree))
    values = f(np.linspace(-50, 50, 2001))
    assert np.all(np.diff(values) > 0)
    power = min(1, 2 / degree)
    assert abs(np.log(f(1e9) / f(1e8)) / np.log(10) - power) < 0.01


def test_one_handed_data_is_learned_one_handed():
    """Right-handed triples of vectors: dot products alone would make half of the samples left."""
    rng = np.random.default_rng(0)
    frames, _ = np.linalg.qr(rng.normal(size=(512, 3, 3)))
    frames *= np.sign(np.linalg.det(frames))[:, None, None]
    x = (1.5 * frames + 0.1 * rng.normal(size=frames.shape)).reshape(-1, 9)
    symmetry = es.Particles(3, 3).rotations()
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(symmetry.space), symmetry, enforce="exact", encoder="coupling",
        hamiltonians=3, hidden=(16,), rng=0,
    )  # fmt: skip
    assert flow.construction.is_generating
    assert flow.engine.name == "reference"
    assert "degree two" in flow.engine.why or native.turned_off()
    flow.fit(x, iterations=160, learning_rate=1e-2, progress=False)
    samples = flow.sample(2_000, rng=1).reshape(-1, 3, 3)
    assert np.mean(np.linalg.det(samples) > 0) > 0.95
