"""The pure U(1) field on a lattice, against periodic shifts, quadrature and a transfer matrix."""

import math

import numpy as np
import pytest
import sympy as sp
from scipy import integrate, special

import ehf_sym as es

SHAPES = [(2, 2), (3, 2), (3, 3), (2, 2, 2)]


def angles_of(shape, q):
    """The plaquettes' angles once more, with periodic shifts: q (n, nV) to (n, V, planes)."""
    links = q.reshape(len(q), *shape, len(shape))
    planes = []
    for mu in range(len(shape)):
        for nu in range(mu + 1, len(shape)):
            A, B = links[..., mu], links[..., nu]
            planes.append(A + np.roll(B, -1, mu + 1) - np.roll(A, -1, nu + 1) - B)
    return np.stack(planes, axis=-1).reshape(len(q), -1, len(planes))


def points(lattice, n=4):
    return np.random.default_rng(0).uniform(-np.pi, np.pi, (n, lattice.space.dim))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_action_is_wilson_s(shape):
    lattice = es.U1Lattice(shape)
    assert lattice.space.angles == tuple(range(math.prod(shape) * len(shape)))
    q = points(lattice)
    expected = angles_of(shape, q)
    forms = np.array(lattice.plaquettes, int)
    np.testing.assert_allclose(q @ forms.T, expected.reshape(len(q), -1), atol=1e-12)
    S = es.to_numpy(lattice.action(sp.Rational(3, 2)), lattice.space.q)
    np.testing.assert_allclose(S(q), -1.5 * np.cos(expected).sum(axis=(1, 2)), rtol=1e-12)


def test_the_gauge_group_moves_links_by_differences():
    lattice = es.U1Lattice((3, 2))
    alpha = np.append(np.random.default_rng(1).standard_normal(5), 0).reshape(3, 2)
    generators = lattice.gauge().generators
    velocities = np.array([[g.diff(E) for E in lattice.space.p] for g in generators], float)
    moved = (alpha.ravel()[:-1] @ velocities).reshape(3, 2, 2)
    np.testing.assert_allclose(moved[..., 0], np.roll(alpha, -1, 0) - alpha, atol=1e-14)
    np.testing.assert_allclose(moved[..., 1], np.roll(alpha, -1, 1) - alpha, atol=1e-14)


@pytest.mark.parametrize(("shape", "order"), [((3, 2), 48), ((3, 3), 144)])
def test_all_of_the_symmetry_keeps_the_action(shape, order):
    """Translations times the point group times C."""
    lattice = es.U1Lattice(shape)
    symmetry = lattice.symmetry()
    assert symmetry.finite.order == order
    assert symmetry.added == ()
    S = lattice.action(1)
    assert symmetry.check(-S).proved
    assert not symmetry.check(-S - sp.cos(lattice.space.q[0])).proved
    assert symmetry.check(es.StandardNormal(lattice.space)).proved


@pytest.mark.parametrize("shape", [(3, 2), (3, 3)])
def test_turns_keep_the_sense_of_plaquettes_and_mirrors_do_not(shape):
    lattice = es.U1Lattice(shape)
    forms = {tuple(row) for row in np.array(lattice.plaquettes, int)}
    opposite = {tuple(-np.array(row)) for row in forms}
    for A in lattice.rotations().generators:
        assert {tuple(row) for row in np.array(lattice.plaquettes * A, int)} == forms
    for A in lattice.point_group().generators:
        assert {tuple(row) for row in np.array(lattice.plaquettes * A, int)} == opposite
    turns = 4 if shape == (3, 3) else 2
    assert lattice.rotations().order == turns
    assert lattice.point_group().order == 2 * turns


def test_windows_are_plaquettes():
    lattice = es.U1Lattice((3, 4))
    q = points(lattice)
    expected = angles_of((3, 4), q).reshape(len(q), 3, 4)
    found = q @ np.array(lattice.window((1, 0), (5, 3)), int).T
    np.testing.assert_allclose(found[:, 0], expected[:, 0, 0])
    np.testing.assert_allclose(found[:, 1], expected[:, 1, 0])
    np.testing.assert_allclose(found[:, 2], expected[:, 2, 3])
    assert len(lattice.symmetry().finite.orbit(lattice.window())) == 2 * 12


def by_transfer_matrix(volume, beta, cells=400):
    """Z, ∫ Σ cos θ and ∫ Q² over (2π)^2V: V convolutions on a circle of whole turns.

    Angles of V − 1 plaquettes are free, that of the last follows; each in (−π, π] on a grid.
    """
    theta = (np.arange(cells) + 0.5) * 2 * np.pi / cells - np.pi
    weight = np.exp(beta * np.cos(theta)) / cells
    total, with_cos = np.ones(1), np.zeros(1)
    for _ in range(volume):
        more = np.convolve(with_cos, weight) + np.convolve(total, weight * np.cos(theta))
        total, with_cos = np.convolve(total, weight), more
    # The sum of V cell centres: whole turns are every `cells`-th.
    sums = volume * theta[0] + np.arange(len(total)) * 2 * np.pi / cells
    turns = np.round(sums / (2 * np.pi))
    whole = np.abs(sums / (2 * np.pi) - turns) < 0.25 / cells
    z = total[whole].sum() * cells
    return (
        z,
        with_cos[whole].sum() * cells / z,
        (total[whole] * turns[whole] ** 2).sum() * cells / z,
    )


@pytest.mark.parametrize("beta", [0, 1, 2, 4])
def test_closed_forms_are_those_of_a_transfer_matrix(beta):
    lattice = es.U1Lattice((2, 2))
    z, mean_cos, charge = by_transfer_matrix(4, beta)
    assert lattice.log_z(beta) == pytest.approx(8 * math.log(2 * math.pi) + math.log(z), rel=1e-9)
    assert lattice.mean_plaquette(beta) == pytest.approx(mean_cos / 4, abs=1e-9)
    # The charge jumps, so the grid's error goes as its spacing squared.
    assert lattice.topological_susceptibility(beta) == pytest.approx(charge / 4, rel=1e-3)


def test_published_numbers_and_a_large_lattice():
    lattice = es.U1Lattice([4, 4])
    assert lattice.log_z(2) == pytest.approx(72.0023, abs=5e-5)
    assert lattice.mean_plaquette(2) == pytest.approx(0.69925, abs=5e-6)
    large, beta = es.U1Lattice([16, 16]), sp.Rational(1, 2)
    assert large.mean_plaquette(beta) == pytest.approx(special.iv(1, 0.5) / special.iv(0, 0.5))
    density = integrate.quad(lambda x: x**2 * math.exp(0.5 * math.cos(x)), -math.pi, math.pi)[0]
    single = density / (2 * math.pi) ** 3 / special.iv(0, 0.5)
    assert large.topological_susceptibility(beta) == pytest.approx(single)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: es.U1Lattice([4]), "shape is"),
        (lambda: es.U1Lattice([4, 1]), "two sites or more"),
        (lambda: es.U1Lattice([2, 2]).action(0.5), "beta"),
        (lambda: es.U1Lattice([2, 2]).log_z(-1), "beta was -1"),
        (lambda: es.U1Lattice([2, 2, 2]).log_z(1), "only in two dimensions"),
        (lambda: es.U1Lattice([2, 2]).window((1,)), r"steps\[0\]"),
        (lambda: es.U1Lattice([2, 2]).window((1, -1)), r"steps\[0\]"),
    ],
)
def test_what_is_no_lattice_is_refused(call, message):
    with pytest.raises(es.EHFError, match=message):
        call()


@pytest.mark.parametrize("shape", [(2, 2), (3, 4), (2, 2, 3)])
def test_momenta_are_those_of_the_pseudo_inverse(shape):
    lattice = es.U1Lattice(shape)
    forms = np.array(lattice.plaquettes, float)
    found = np.array(lattice.momenta, float)
    np.testing.assert_allclose(found, np.linalg.pinv(forms).T, atol=1e-12)
