"""Sums over windows in C: the reference's values and cotangents, one map of a chain, same bits."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
import sympy as sp

import ehf_num as en
import ehf_sym as es
from ehf_num.engine import native, parallel
from ehf_num.engine.tape import make_vjp
from ehf_num.hamiltonian.energies import NetworkEnergy, SeparableHamiltonian
from ehf_num.hamiltonian.hamiltonian import times
from ehf_num.hamiltonian.integrators import Leapfrog

pytest.importorskip("ehf_num._native", reason="no C compiler at installation")

TOLERANCE = {"float64": 1e-12, "float32": 1e-4}


@pytest.fixture(autouse=True)
def _in_c():
    native.set_native(True)
    yield
    native.set_native(None)
    parallel.set_threads(None)


def lattice():
    """Windows of a site and its neighbour, of invariants of degree one, and each at its site."""
    space = es.PhaseSpace(5)
    shift = [[int(j == (i + 1) % 5) for j in range(5)] for i in range(5)]
    group = es.FiniteSymmetry(space, [shift])
    q = space.q
    return en.OrbitSum(
        space, [(q[0], q[1]), (q[0], q[2])], group, sites=[(q[0],), (q[0],)], hidden=(6, 5)
    )


def determinants():
    """Windows of two vectors in the plane, whose invariants are no lengths alone."""
    space = es.PhaseSpace(4)
    q, p = space.q, space.p
    turns = es.LieAlgebra(space, [q[0] * p[1] - q[1] * p[0] + q[2] * p[3] - q[3] * p[2]])
    return en.OrbitSum(space, [q], turns, hidden=(40,), gaussians=4)


def angles():
    """Windows of an angle between two coordinates that are none, and of two angles."""
    space = es.PhaseSpace(4, angles=[0, 1, 3])
    q1, q2, q3, q4 = space.q
    window = (q1 - 2 * q2, q3, q4)
    turn_over = es.FiniteSymmetry(space, [sp.diag(-1, -1, 1, -1)])
    return en.OrbitSum(space, [window], turn_over, sites=[(q3,)], hidden=(6, 5), site_hidden=(4,))


def plaquettes():
    """Even functions of two plaquettes, and sums over all of them."""
    of = es.U1Lattice([2, 2])
    window, everywhere = of.window((1, 0)), sp.ones(1, 8)
    options = {"hidden": (6,), "site_hidden": (5,), "even": True}
    return en.OrbitSum(of.space, [window], of.translations(), sites=[everywhere], **options)


def turned():
    """What turns two angles alike leaves cosine and sine of their difference."""
    space = es.PhaseSpace(3, angles=[0, 1])
    turn = es.LieAlgebra(space, [space.p[0] + space.p[1]])
    return en.OrbitSum(space, [space.q], turn, hidden=(7,))


ENERGIES = {
    "angles": angles,
    "plaquettes": plaquettes,
    "turned": turned,
    "particles": lambda: en.OrbitSum.pairs(
        es.Particles(4, 2).relative(), gaussians=5, hidden=(8, 9), site_hidden=(7, 6, 3)
    ),
    "pairs": lambda: en.OrbitSum.pairs(
        es.Particles(3, 2).relative(), many_body=False, hidden=(33,)
    ),
    "kinds": lambda: en.OrbitSum.pairs(
        es.Particles(5, 3).relative(), "AABBB", gaussians=18, hidden=(12,), site_hidden=(5,)
    ),
    "many": lambda: en.OrbitSum.pairs(
        es.Particles(8, 2).relative(), gaussians=2, hidden=(4,), site_hidden=(33, 2)
    ),
    "lattice": lattice,
    "determinants": determinants,
}


def weights_of(energy, dtype, seed=0):
    """No weight is 0, the biases neither."""
    rng = np.random.default_rng(seed)
    return [w + 0.3 * rng.standard_normal(w.shape).astype(dtype) for w in energy.init(rng, dtype)]


def there_and_back(function, arrays, cotangent):
    vjp, value = make_vjp(lambda boxes: function(*boxes), arrays)
    return [value, *vjp(cotangent)]


def assert_near(found, wanted, dtype):
    for mine, other in zip(found, wanted, strict=True):
        assert mine.dtype == dtype
        scale = np.abs(other).max(initial=1e-300)
        np.testing.assert_allclose(mine, other, rtol=0, atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rows", [1, 57])
@pytest.mark.parametrize("name", ENERGIES)
def test_gradient_and_its_pullback_are_the_references(name, rows, dtype):
    energy, rng = ENERGIES[name](), np.random.default_rng(1)
    weights = weights_of(energy, dtype)
    x, v = rng.standard_normal((2, rows, energy.space.dim)).astype(dtype)
    at = lambda x, *weights: energy.gradient(weights, x)  # noqa: E731
    found = there_and_back(at, [x, *weights], v)
    assert native.NativeNetwork("energy", tuple(weights), energy.in_c)  # it is C that was asked
    native.set_native(False)
    assert_near(found, there_and_back(at, [x, *weights], v), dtype)


def test_gradient_is_the_slope_of_the_value():
    energy = ENERGIES["particles"]()
    weights, h = weights_of(energy, "float64"), 1e-6
    x, v = np.random.default_rng(2).standard_normal((2, 30, energy.space.dim))
    slope = (energy.value(weights, x + h * v) - energy.value(weights, x - h * v)) / (2 * h)
    along = (energy.gradient(weights, x) * v).sum(1)
    np.testing.assert_allclose(along, slope, rtol=0, atol=1e-7 * np.abs(slope).max())


def pairs_of(of):
    frame = es.Particles(4, 2).relative()
    options = {"gaussians": 3, "hidden": (8,), "site_hidden": (6,)}
    return en.OrbitSum.pairs(frame, of=of, **options)


@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kinetic", ["network", "windows"])
def test_one_map_of_a_chain(kinetic, dtype, reversible):
    """K and U of different numbers of weights too."""
    of_k = NetworkEnergy(6, (7, 8, 9)) if kinetic == "network" else pairs_of("p")
    sum_of = SeparableHamiltonian(of_k, pairs_of("q"))
    rule, rng = Leapfrog(steps=2, step_size=0.3, reversible=reversible), np.random.default_rng(3)
    weights = weights_of(sum_of, dtype)
    q, p = rng.standard_normal((2, 50, 6)).astype(dtype)
    v = rng.standard_normal((50, 12)).astype(dtype)
    probes = rng.standard_normal((31, 12)).astype(dtype)
    chain = rule.plan([sum_of.at(weights)] * 2, 50, 31, inverse=False)
    assert chain is not None, "no kernel applies"

    def moved(q, p, *weights):
        found, twice = rule.plan([sum_of.at(weights)] * 2, 50, 31, inverse=False)
        states, fields = found(q, p, probes, *twice)
        return anp.concatenate([states, fields[:, 0], fields[:, 1]])

    def by_reference(q, p, *weights):
        both = chain[0].reference(q, p, probes, *weights, *weights)
        fields = anp.reshape(both[50:], (31, 2, 12))
        return anp.concatenate([both[:50], fields[:, 0], fields[:, 1]])

    cotangent = np.concatenate([v, v[:31], v[:31]])
    found = there_and_back(moved, [q, p, *weights], cotangent)
    native.set_native(False)
    wanted = there_and_back(by_reference, [q, p, *weights], cotangent)
    assert_near(found, wanted, dtype)


def test_an_energy_times_a_factor_has_other_weights():
    sum_of = SeparableHamiltonian(NetworkEnergy(6, (7,)), pairs_of("q"))
    scaled = times(sum_of.at(weights_of(sum_of, "float64")), np.array([1.7]))
    plain = sum_of.at(weights_of(sum_of, "float64"))
    assert scaled.in_c == plain.in_c
    x = np.random.default_rng(6).standard_normal((20, 6))
    for name in ("kinetic", "potential", "grad_kinetic", "grad_potential"):
        wanted = 1.7 * getattr(plain, name)(x)
        np.testing.assert_allclose(getattr(scaled, name)(x), wanted, rtol=1e-12)


def test_threads_change_no_bit(monkeypatch):
    monkeypatch.setattr(parallel, "LEAST_KERNEL_WORK", 1.0)
    monkeypatch.setattr(parallel, "LEAST_ROWS", 1)
    energy = ENERGIES["kinds"]()
    weights = weights_of(energy, "float64")
    x, v = np.random.default_rng(4).standard_normal((2, 300, energy.space.dim))

    def at(threads):
        parallel.set_threads(threads)
        return there_and_back(lambda x, *w: energy.gradient(w, x), [x, *weights], v)

    alone = at(1)
    for threads in (2, 5):
        for mine, other in zip(at(threads), alone, strict=True):
            np.testing.assert_array_equal(mine, other)


def test_invariants_of_higher_degree_are_left_to_the_reference():
    space = es.PhaseSpace(3)
    q, p = space.q, space.p
    scale = es.LieAlgebra(space, [q[0] * p[0] + q[1] * p[1] - 2 * q[2] * p[2]])
    energy = en.OrbitSum(space, [q], scale, degree=3)
    assert energy.in_c is None
    weights = energy.init(np.random.default_rng(0), "float64")
    assert energy.gradient(weights, np.ones((2, 3))).shape == (2, 3)


def test_a_model_says_that_c_is_at_work_and_trains_as_the_reference_does():
    frame = es.Particles(3, 2).relative()
    base = es.StandardNormal(frame.space)
    points = np.random.default_rng(5).standard_normal((64, frame.space.dim))

    def trained(on):
        native.set_native(on)
        flow = en.EquivariantHamiltonianFlow(
            base,
            frame.rotations(),
            kinetic=en.OrbitSum.pairs(frame, of="p", hidden=(8,), site_hidden=(6,)),
            potential=en.OrbitSum.pairs(frame, hidden=(8,), site_hidden=(6,), gaussians=3),
            integrator=en.LearnedStep(en.Dilated(en.Leapfrog(steps=2, step_size=0.3))),
            enforce="exact",
            hamiltonians=2,
            rng=0,
        )
        flow.fit(points, iterations=10, batch_size=32, progress=False)
        return flow

    in_c = trained(True)
    assert in_c.engine.name == "C"
    other = trained(False)
    assert other.engine.name == "reference"
    np.testing.assert_allclose(in_c.flat_weights, other.flat_weights, rtol=0, atol=1e-9)


def test_what_does_not_fit_is_refused():
    shape = ENERGIES["pairs"]().in_c.numbers
    for wrong in ((*shape[:1], 0, *shape[2:]), (0.0, *shape[1:]), (*shape, 5)):
        with pytest.raises(ValueError, match="widths"):
            native.kernels.energy_sizes(True, wrong)
