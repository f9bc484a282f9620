"""The scalar field on a lattice, against complex arithmetic and finite gauge transformations."""

import itertools
import math

import numpy as np
import pytest
import sympy as sp
from brackets import assert_table

import ehf_sym as es

SHAPES = [(1,), (3,), (2, 3)]


def split(lattice, states):
    """φ, π (n, sites) and A, E (n, sites, directions) as complex and real arrays."""
    sites, directions = len(lattice.sites), len(lattice.shape)
    fields = states[:, : 2 * sites]
    links = states[:, 2 * sites :].reshape(len(states), -1, directions)
    return fields[:, 0::2] + 1j * fields[:, 1::2], links


def energy(lattice, q, p, m, g, e):
    """H once more, with complex numbers and periodic shifts."""
    (phi, A), (pi, E) = split(lattice, q), split(lattice, p)
    shape = (len(q), *lattice.shape)
    phi, pi = phi.reshape(shape), pi.reshape(shape)
    density = abs(pi) ** 2 + m**2 * abs(phi) ** 2 + g * abs(phi) ** 4 / 2
    directions = range(1, len(shape))
    A = [A[..., mu - 1].reshape(shape) if lattice.links else np.zeros(shape) for mu in directions]
    for mu in directions:
        density = density + abs(np.roll(phi, -1, mu) - np.exp(1j * A[mu - 1]) * phi) ** 2
    total = density.reshape(len(q), -1).sum(axis=1) / 2
    if lattice.links:
        total += e**2 * (E**2).reshape(len(q), -1).sum(axis=1) / 2
        for mu, nu in itertools.combinations(directions, 2):
            B, C = A[mu - 1], A[nu - 1]
            square = B + np.roll(C, -1, mu) - np.roll(B, -1, nu) - C
            total += (1 - np.cos(square)).reshape(len(q), -1).sum(axis=1) / e**2
    return total


@pytest.mark.parametrize("links", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_hamiltonian(shape, links):
    lattice = es.ComplexScalarLattice(shape, links=links)
    d = lattice.space.dim
    assert d == np.prod(shape) * (2 + len(shape) * links)
    q, p = np.random.default_rng(0).normal(size=(2, 5, d))
    H = es.to_numpy(lattice.hamiltonian(2, 3, 5), lattice.space.coordinates)
    assert np.allclose(H(np.hstack([q, p])), energy(lattice, q, p, 2, 3, 5))


@pytest.mark.parametrize("shape", SHAPES)
def test_gauss_law_generates_the_gauge_transformation(shape):
    lattice = es.ComplexScalarLattice(shape, links=True)
    rng = np.random.default_rng(1)
    q = rng.normal(size=(4, lattice.space.dim))
    alpha = rng.normal(size=shape)
    # The combination Σ α_x G_x moves q by dφ = iαφ, dA = α_{x+μ} − α_x.
    generators = lattice.local_phases().generators
    velocities = [[g.diff(momentum) for momentum in lattice.space.p] for g in generators]
    moved = np.einsum("k,nki->ni", alpha.ravel(), es.to_numpy(velocities, lattice.space.q)(q))
    (phi, _), (dphi, dA) = split(lattice, q), split(lattice, moved)
    assert np.allclose(dphi, 1j * alpha.ravel() * phi)
    for mu in range(len(shape)):
        expected = (np.roll(alpha, -1, mu) - alpha).ravel()
        assert np.allclose(dA[:, :, mu], expected)


@pytest.mark.parametrize("shape", [(3,), (2, 2)])
def test_gauge_invariance_is_proved(shape):
    lattice = es.ComplexScalarLattice(shape, links=True)
    H = lattice.hamiltonian()
    for generator in (*lattice.local_phases().generators, *lattice.global_phase().generators):
        assert es.is_zero(lattice.space.bracket(generator, H)).proved
    assert_table(lattice.local_phases(), lambda a, b: {})
    (charge,) = lattice.global_phase().generators
    assert sum(lattice.local_phases().generators).expand() == charge.expand()


def test_without_links_only_the_global_phase_is_kept():
    lattice = es.ComplexScalarLattice((3,))
    H = lattice.hamiltonian()
    (charge,) = lattice.global_phase().generators
    assert es.is_zero(lattice.space.bracket(charge, H)).proved
    for generator in lattice.local_phases().generators:
        assert es.is_zero(lattice.space.bracket(generator, H)).refuted


def test_constants():
    lattice = es.ComplexScalarLattice((1,))
    assert [x.name for x in lattice.space.parameters] == ["m", "g"]
    assert [x.name for x in es.ComplexScalarLattice((1,), links=True).space.parameters] == [
        "m",
        "g",
        "e",
    ]
    assert lattice.hamiltonian(1, 2).free_symbols <= set(lattice.space.coordinates)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: es.ComplexScalarLattice(()), "shape is empty"),
        (lambda: es.ComplexScalarLattice(3), "shape is 3"),
        (lambda: es.ComplexScalarLattice("33"), r"shape\[0\] is '3'"),
        (lambda: es.ComplexScalarLattice((3, 0)), r"shape\[1\] is 0"),
        (lambda: es.ComplexScalarLattice((3,), links=1), "links is 1"),
        (lambda: es.ComplexScalarLattice((3,)).hamiltonian(mass=-1), "mass is -1"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(es.ArgumentError, match=message):
        call()


def local_sum(shape, q, mass_squared, coupling):
    """The action once more, with periodic shifts: q (n, V)."""
    phi = q.reshape(len(q), *shape)
    total = mass_squared * phi**2 + coupling * phi**4
    for mu in range(1, len(shape) + 1):
        total = total + phi * (2 * phi - np.roll(phi, 1, mu) - np.roll(phi, -1, mu))
    return total.reshape(len(q), -1).sum(axis=1)


REAL = [(1,), (2,), (5,), (2, 3), (3, 3), (4, 2), (2, 2, 2)]


@pytest.mark.parametrize("shape", REAL)
def test_a_real_field_has_its_action(shape):
    lattice = es.ScalarLattice(shape)
    S = lattice.action(sp.Rational(-1, 2), sp.Rational(3, 4))
    q = np.random.default_rng(0).standard_normal((4, lattice.space.dim))
    found = es.to_numpy(S, lattice.space.q)(q)
    np.testing.assert_allclose(found, local_sum(shape, q, -0.5, 0.75), rtol=1e-12)


def automorphisms(shape):
    """Signs of each direction of three or more sites, exchanges of equal ones: by counting."""
    lengths = [n for n in shape if n > 1]
    order = 2 ** sum(n > 2 for n in lengths)
    for n in set(lengths):
        order *= math.factorial(lengths.count(n))
    return order


@pytest.mark.parametrize("shape", REAL)
def test_a_real_field_s_symmetries_are_all_there_and_keep_its_action(shape):
    lattice = es.ScalarLattice(shape)
    sites = math.prod(shape)
    assert lattice.translations().order == sites
    assert lattice.point_group().order == automorphisms(shape)
    group = lattice.symmetry()
    assert group.order == 2 * sites * automorphisms(shape)
    S = lattice.action(1, 2)
    assert group.check(-S).proved
    assert group.check(es.StandardNormal(lattice.space)).proved
    if sites > 1:
        assert not group.check(-S - lattice.space.q[0] ** 2).proved
    assert not lattice.sign().check(-S - lattice.space.q[0]).proved


@pytest.mark.parametrize("shape", REAL)
def test_the_free_field_s_integral_is_that_of_its_matrix(shape):
    lattice = es.ScalarLattice(shape)
    hessian = np.array(sp.hessian(lattice.action(sp.Rational(1, 3)), lattice.space.q), float)
    expected = -np.linalg.slogdet(hessian / (2 * np.pi))[1] / 2
    assert float(lattice.free_log_z(sp.Rational(1, 3))) == pytest.approx(expected, rel=1e-12)


def test_a_window_holds_shells_about_the_first_site():
    """By squared distances on the torus; the group moves it over all sites, up to the sign."""
    lattice = es.ScalarLattice([5, 5])
    window = np.array(lattice.window(4), int)
    distance = [sum(min(k, 5 - k) ** 2 for k in site) for site in lattice.sites]
    for row, square in zip(window, (0, 1, 2, 4), strict=True):
        np.testing.assert_array_equal(row, [d == square for d in distance])
    assert len(lattice.symmetry().orbit(lattice.window())) == 2 * 25
    assert len(lattice.translations().orbit(lattice.window())) == 25


@pytest.mark.parametrize("shape", REAL)
def test_a_complex_field_has_its_action(shape):
    """That of its two halves, but for the quartic term, which couples them."""
    lattice = es.ComplexScalarLattice(shape)
    m2, coupling = sp.Rational(-1, 2), sp.Rational(3, 4)
    S = lattice.action(m2, coupling)
    q = np.random.default_rng(0).standard_normal((4, lattice.space.dim))
    real, imaginary = q[:, ::2], q[:, 1::2]
    found = es.to_numpy(S, lattice.space.q)(q)
    expected = sum(local_sum(shape, half, -0.5, 0) for half in (real, imaginary))
    expected = expected + 0.75 * ((real**2 + imaginary**2) ** 2).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    both = 2 * es.ScalarLattice(shape).free_log_z(3)
    assert lattice.free_log_z(3).equals(both)


@pytest.mark.parametrize("shape", [(1,), (5,), (2, 3), (3, 3)])
def test_a_complex_field_s_symmetries_are_all_there_and_keep_its_action(shape):
    lattice, sites = es.ComplexScalarLattice(shape), math.prod(shape)
    symmetry = lattice.symmetry()
    assert symmetry.finite.order == 2 * sites * automorphisms(shape)
    assert symmetry.added == ()
    S = lattice.action(1, 2)
    assert symmetry.check(-S).proved
    a, b = lattice.space.q[:2]
    assert not symmetry.check(-S - a**2).proved
    assert not lattice.conjugation().check(-S - a * b).proved
    for generator in lattice.local_phases().generators:
        refuted = es.is_zero(lattice.space.bracket(generator, S)).refuted
        assert refuted == (sites > 1)


def test_a_window_of_a_complex_field_holds_both_parts_of_each_shell():
    lattice, real = es.ComplexScalarLattice([5, 5]), es.ScalarLattice([5, 5])
    window, forms = (np.array(x.window(3), int) for x in (lattice, real))
    np.testing.assert_array_equal(window[::2, ::2], forms)
    np.testing.assert_array_equal(window[1::2, 1::2], forms)
    assert not window[::2, 1::2].any()
    assert not window[1::2, ::2].any()
    assert len(lattice.symmetry().finite.orbit(lattice.window())) == 2 * 25


@pytest.mark.parametrize("name", ["action", "window", "symmetry", "translations", "point_group"])
def test_what_is_of_a_field_alone_is_refused_beside_links(name):
    lattice = es.ComplexScalarLattice([2, 2], links=True)
    with pytest.raises(es.ArgumentError, match="links was True"):
        getattr(lattice, name)(*[1] * (name == "action"))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: es.ComplexScalarLattice([2]).action(0.5), "mass_squared"),
        (lambda: es.ComplexScalarLattice([2]).window(3), "shells was 3; a lattice of"),
        (lambda: es.ScalarLattice([]), "shape is empty"),
        (lambda: es.ScalarLattice(3), "shape is 3"),
        (lambda: es.ScalarLattice([2, 0]), r"shape\[1\]"),
        (lambda: es.ScalarLattice([2]).action(0.5), "mass_squared"),
        (lambda: es.ScalarLattice([2]).action(1, sp.Symbol("g")), "coupling"),
        (lambda: es.ScalarLattice([2]).free_log_z(-1), "mass_squared"),
        (lambda: es.ScalarLattice([2]).window(3), "shells was 3; a lattice of"),
        (lambda: es.ScalarLattice([2]).window(0), "shells"),
    ],
)
def test_what_is_no_real_field_is_refused(make, text):
    with pytest.raises(es.EHFError, match=text):
        make()
