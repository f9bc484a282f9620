"""Energies of particles by differences and SymPy; their draws and ln Z by quadrature."""

from __future__ import annotations

import autograd
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, linalg, optimize, stats

import ehf_num as en
import ehf_sym as es
from ehf_num.targets.annealing import bennett
from ehf_num.targets.hmc import hmc_step
from ehf_num.targets.target_energy import known_energy
from ehf_sym.errors import ArgumentError

ENERGIES = {
    "DW4": en.DoubleWell(),
    "skew well": en.DoubleWell(3, 3, linear=0.7, quadratic=-2.0, quartic=0.4, distance=2.5),
    "LJ13": en.LennardJones(),
    "LJ3": en.LennardJones(3, 2, epsilon=2.0, distance=1.3, trap=0.6),
}
every_energy = pytest.mark.parametrize("energy", ENERGIES.values(), ids=ENERGIES)
PAIRS = {"double well": en.DoubleWell(2, 2), "Lennard-Jones": en.LennardJones(2, 2, epsilon=2.0)}
every_pair = pytest.mark.parametrize("energy", PAIRS.values(), ids=PAIRS)


def spread_out(energy, n=4, seed=0):
    return 2.0 * np.random.default_rng(seed).standard_normal((n, energy.dim))


def positions(energy, q):
    """SciPy's Helmert frame: particles (n, N, D) with zero centre of mass."""
    frame = linalg.helmert(energy.count)
    return np.einsum("ka,nkd->nad", frame, q.reshape(len(q), energy.count - 1, -1))


def by_hand(energy, q):
    """U from positions, pair by pair, as the papers write it."""
    totals = []
    for x in positions(energy, q):
        r = np.array([np.linalg.norm(x[a] - x[b]) for a in range(len(x)) for b in range(a)])
        if isinstance(energy, en.LennardJones):
            s = energy.distance / r
            pairs = energy.epsilon * (s**12 - 2 * s**6)
        else:
            away = r - energy.distance
            pairs = energy.linear * away + energy.quadratic * away**2 + energy.quartic * away**4
        totals.append(pairs.sum() + energy.trap / 2 * (x**2).sum())
    return np.array(totals)


def radial(energy, power=0):
    """∫ e^{−U} U^power over the plane of |q| = r/√2, for two particles, by quadrature."""

    def weight(rho):
        u = energy.pair(np.sqrt(2) * rho) + energy.trap / 2 * rho**2
        return 2 * np.pi * rho * np.exp(-u) * u**power

    return integrate.quad(weight, 1e-3, 12, points=[0.7, 1.5, 4], limit=300)[0]


@every_energy
def test_value_is_the_sum_over_pairs_of_positions(energy):
    q = spread_out(energy)
    np.testing.assert_allclose(energy.value(q), by_hand(energy, q), rtol=1e-10)


@every_energy
def test_gradient_is_that_of_finite_differences(energy):
    for point, slope in zip(spread_out(energy), energy.gradient(spread_out(energy)), strict=True):
        found = optimize.approx_fprime(point, lambda x: energy.value(x[None])[0], 1e-7)
        np.testing.assert_allclose(slope, found, rtol=2e-4, atol=2e-4 * np.abs(slope).max())


@pytest.mark.parametrize("name", ["DW4", "skew well", "LJ3"])
def test_formula_has_the_same_values(name):
    energy = ENERGIES[name]
    space = es.PhaseSpace(energy.dim)
    q = spread_out(energy)
    values = sp.lambdify(space.q, energy.formula(space))(*q.T)
    np.testing.assert_allclose(values, energy.value(q), rtol=1e-10)


def test_formula_is_proved_to_be_invariant_under_rotations():
    energy = en.LennardJones(2, 3)
    rotations = es.groups.so(3)
    formula = energy.formula(rotations.space)
    for g in rotations.generators:
        assert es.is_zero(rotations.space.bracket(g, formula)).status == "proved"


@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(sorted(ENERGIES)))
def test_rotated_reflected_and_permuted_copies_have_the_same_energy(seed, name):
    energy, rng = ENERGIES[name], np.random.default_rng(seed)
    q = spread_out(energy, 1, seed)
    turn = np.linalg.qr(rng.standard_normal((energy.dimension,) * 2))[0]
    frame = linalg.helmert(energy.count)
    x = positions(energy, q)[:, rng.permutation(energy.count)] @ turn
    moved = np.einsum("ka,nad->nkd", frame, x).reshape(q.shape)
    np.testing.assert_allclose(energy.value(moved), energy.value(q), rtol=1e-9)


def test_touching_particles_have_no_energy_that_is_finite():
    energy = en.LennardJones(3, 2)
    assert not np.isfinite(energy.value(np.zeros((1, 4)))).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: en.LennardJones(1), "count was 1"),
        (lambda: en.LennardJones(13, 0), "dimension was 0"),
        (lambda: en.LennardJones(epsilon=-1), "epsilon was -1"),
        (lambda: en.DoubleWell(quartic=0), "quartic was 0"),
        (lambda: en.DoubleWell(linear=np.inf), "linear was inf"),
        (lambda: en.DoubleWell().value(np.zeros((2, 8))), r"q had shape \(2, 8\)"),
        (lambda: en.DoubleWell().formula(es.PhaseSpace(8)), "space has 8 coordinates"),
        (lambda: en.parallel_tempering(en.DoubleWell(), 0), "n was 0"),
        (lambda: en.annealed_importance(en.DoubleWell(), width=0), "width was 0"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


@every_pair
def test_draws_have_the_radial_law_of_quadrature(energy):
    """Two particles in the plane: distances against the integral, and what has to hold of draws."""
    draws = en.parallel_tempering(energy, 1_000, rng=2, width=2.0)
    assert draws.passed, str(draws)
    rho = np.linalg.norm(draws.x, axis=1)
    total = radial(energy)
    grid = np.linspace(1e-3, 12, 4_001)
    density = grid * np.exp(-energy.value(np.stack([grid, 0 * grid], axis=1)))
    law = integrate.cumulative_trapezoid(2 * np.pi * density / total, grid, initial=0)
    assert stats.kstest(rho, lambda r: np.interp(r, grid, law)).pvalue > 1e-3
    assert abs(draws.energy - radial(energy, 1) / total) < 4 * draws.energy_error


@every_pair
def test_log_z_is_that_of_quadrature(energy):
    found = en.annealed_importance(energy, 800, rng=0, width=2.0)
    exact = np.log(radial(energy))
    for value, error in ((found.log_z, found.log_z_error), (found.forward, found.forward_error)):
        assert abs(value - exact) < 4 * error < 0.3
    # Weights from the target's end have heavy tails, which their own error does not see.
    assert abs(found.backward - exact) < 0.3
    entropy = exact + radial(energy, 1) / radial(energy)
    assert abs(found.entropy - entropy) < 4 * found.entropy_error < 0.3


def test_a_model_weighs_its_draws_against_such_an_energy():
    """A third route to ln Z: an untrained flow, whose draws are far too narrow but overlap."""
    pair = en.LennardJones(2, 2, epsilon=0.5)
    frame = es.Particles(2, 2).relative()
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(frame.space), frame.rotations(), enforce="exact", hidden=(8,), rng=0
    )
    found = flow.weigh(pair, 4_000, rng=1)
    assert abs(found.log_z - np.log(radial(pair))) < 4 * found.log_z_error < 0.4


def test_one_step_of_hmc_keeps_the_law():
    """Exact normal draws stay normal, with steps so long that many are refused."""

    class Normal:
        dim = 2

        def value(self, q):
            return (q**2).sum(axis=1) / 2

        def gradient(self, q):
            return q

    rng = np.random.default_rng(3)
    q, accepted = rng.standard_normal((4_000, 2)), []
    for _ in range(5):
        q, ok = hmc_step(Normal(), q, 1.7, 3, rng)
        accepted.append(ok.mean())
    assert 0.3 < np.mean(accepted) < 0.9
    assert stats.kstest((q**2).sum(axis=1), stats.chi2(2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("wrong", ["value", "gradient"])
def test_the_virial_catches_what_does_not_fit(wrong):
    """Planted faults: U or its forces with another depth than the other's."""

    class Faulty(en.LennardJones):
        """One of the two is half as large again."""

    def larger(self, q):
        return 1.5 * getattr(en.LennardJones, wrong)(self, q)

    setattr(Faulty, wrong, larger)
    assert en.parallel_tempering(en.LennardJones(3, 2), 1_000, rng=0).passed
    assert not en.parallel_tempering(Faulty(3, 2), 1_000, rng=0).passed


def test_draws_depend_on_the_seed_alone():
    energy = en.DoubleWell(2, 2)
    first, again, other = (en.parallel_tempering(energy, 10, rng=s, width=2).x for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.isclose(first, other).any()
    assert "10 draws" in str(en.parallel_tempering(energy, 10, rng=0, width=2))


def test_bennett_is_exact_where_work_is_certain():
    ratio, error = bennett(np.full(5, 2.0), np.full(5, -2.0))
    assert ratio == pytest.approx(-2.0)
    assert error == 0


def test_a_formula_as_a_target_has_the_slope_of_the_energy_on_the_tape_too() -> None:
    energy, space = en.LennardJones(5, 2, epsilon=0.5), es.PhaseSpace(8)
    target = known_energy(energy.formula(space), space, None, np.zeros((1, 16)))
    q = 2 * np.random.default_rng(0).standard_normal((9, 8))
    np.testing.assert_allclose(target.value(q), energy.value(q), rtol=1e-12)
    np.testing.assert_allclose(target.gradient(q), energy.gradient(q), rtol=1e-9, atol=1e-11)
    on_tape = autograd.grad(lambda x: target.value(x).sum())(q)
    np.testing.assert_allclose(on_tape, energy.gradient(q), rtol=1e-9, atol=1e-11)
    assert target.gradient(q.astype("float32")).dtype == np.float32
