"""Every encoder: ln h is the density of what it draws, by its Jacobian; equivariance by group."""

import itertools

import autograd.numpy as anp
import numpy as np
import pytest
import sympy as sp
from scipy.linalg import expm
from scipy.stats import multivariate_normal

import ehf_num as en
import ehf_sym as es
from ehf_num.densities.coupling import CouplingEncoder
from ehf_num.densities.encoder import GaussianEncoder
from ehf_num.densities.momentum_frames import CoordinateFrame, MovingFrame
from ehf_num.densities.monotone import MonotoneEncoder
from ehf_num.engine.tape import make_vjp
from ehf_sym.symmetry.frames import equivariant_fields, rotation_matrices


def rotations(space: es.PhaseSpace, particles: int) -> es.LieAlgebra:
    """so(n) on particles in n dimensions, written out by hand."""
    n = space.dim // particles
    q, p = (sp.Matrix(particles, n, xs) for xs in (space.q, space.p))
    return es.LieAlgebra(
        space,
        [
            sum(q[a, i] * p[a, j] - q[a, j] * p[a, i] for a in range(particles))
            for i, j in itertools.combinations(range(n), 2)
        ],
    )


def dot_products(space: es.PhaseSpace, particles: int) -> list[sp.Expr]:
    q = sp.Matrix(particles, space.dim // particles, space.q)
    gram = q * q.T
    return [gram[a, b] for a in range(particles) for b in range(a, particles)]


def moving(dim: int, particles: int) -> CouplingEncoder:
    space = es.PhaseSpace(dim)
    fields = equivariant_fields(rotations(space, particles))
    frame = MovingFrame(
        es.to_numpy(dot_products(space, particles), space.q),
        es.to_numpy([list(field) for field in fields], space.q),
    )
    return CouplingEncoder(dim, (7, 5), frame)


def on_lattice(*shape, curved=False):
    """Convolutions, with energies of windows in the mean and in the widths or without."""
    lattice = es.ScalarLattice(shape)
    group = lattice.symmetry()
    energy = en.OrbitSum(lattice.space, [lattice.window()], group, hidden=(5,))
    return lattice.space.dim, en.CommutantEncoder(group, *[energy] * 2 * curved)


def with_a_phase(*shape):
    """A complex field: the group has a rotation besides permutations and signs."""
    lattice = es.ComplexScalarLattice(shape)
    symmetry = lattice.symmetry()
    energy = en.OrbitSum(lattice.space, [lattice.window()], symmetry, hidden=(5,))
    return lattice.space.dim, en.CommutantEncoder(symmetry, energy, energy)


def of_pairs(precision):
    """Sums over windows of three particles in the plane."""
    frame = es.Particles(3, 2).relative()
    energy = en.OrbitSum.pairs(frame, hidden=(5,), site_hidden=(4,), gaussians=3)
    return 4, en.OrbitEncoder(energy, precision, width=5)


ENCODERS = {
    "windows, a number as precision": of_pairs("scalar"),
    "windows, a sum as precision": of_pairs("windows"),
    "convolution, ring": on_lattice(5),
    "convolution, torus, with a mean and widths": on_lattice(3, 2, curved=True),
    "convolution, complex field, with a mean and widths": with_a_phase(3),
    "gaussian, d = 1": (1, GaussianEncoder(1, (7, 5))),
    "gaussian, d = 3": (3, GaussianEncoder(3, (7, 5))),
    "monotone": (1, MonotoneEncoder((7, 5))),
    "coupling, d = 2": (2, CouplingEncoder(2, (7, 5), CoordinateFrame(2))),
    "coupling, d = 5": (5, CouplingEncoder(5, (7, 5), CoordinateFrame(5), layers=3)),
    "coupling, SO(2)": (2, moving(2, 1)),
    "coupling, SO(3)": (3, moving(3, 1)),
    "coupling, SO(3) on two particles": (6, moving(6, 2)),
}
MOVING = {
    "coupling, SO(2)": (2, 1),
    "coupling, SO(3)": (3, 1),
    "coupling, SO(3) on two particles": (6, 2),
}


def away_from_start(encoder, dtype="float64"):
    rng = np.random.default_rng(1)
    weights = encoder.init(rng, dtype)
    return [w + (0.3 * rng.standard_normal(w.shape)).astype(dtype) for w in weights]


@pytest.mark.parametrize("name", ENCODERS)
def test_log_h_is_the_density_of_the_draw(name):
    dim, encoder = ENCODERS[name]
    weights = away_from_start(encoder)
    rng = np.random.default_rng(2)
    q, noise = rng.standard_normal((2, 6, dim))
    _, log_h = encoder.draw(weights, q, noise)
    for row in range(6):
        one_q, one_noise = q[row : row + 1], noise[row]
        step = 1e-6 * np.eye(dim)
        matrix = (
            np.stack(
                [
                    encoder.draw(weights, one_q, (one_noise + h)[None])[0][0]
                    - encoder.draw(weights, one_q, (one_noise - h)[None])[0][0]
                    for h in step
                ],
                axis=1,
            )
            / 2e-6
        )
        expected = multivariate_normal(np.zeros(dim)).logpdf(one_noise)
        expected -= np.linalg.slogdet(matrix)[1]
        assert abs(log_h[row] - expected) < 1e-6


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-3)])
@pytest.mark.parametrize("name", ENCODERS)
def test_the_density_at_momenta_from_elsewhere_is_that_of_the_draw(name, dtype, tolerance):
    """What undoes the map finds the noise, and with it the density that the draw came with."""
    dim, encoder = ENCODERS[name]
    weights = away_from_start(encoder, dtype)
    q, noise = np.random.default_rng(6).standard_normal((2, 40, dim)).astype(dtype)
    p, log_h = encoder.draw(weights, q, noise)
    found = encoder.log_prob(weights, q, p)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, log_h, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("name", ENCODERS)
def test_the_density_has_slopes_by_weights_positions_and_momenta(name):
    """On the tape against central differences of the values off it."""
    dim, encoder = ENCODERS[name]
    rng, weights = np.random.default_rng(7), away_from_start(encoder)
    arrays = [*weights, *rng.standard_normal((2, 5, dim))]
    factors = np.arange(1.0, 6.0)

    def total(of):
        return anp.dot(encoder.log_prob(of[:-2], of[-2], of[-1]), factors)

    pull_back, _ = make_vjp(total, arrays)
    bars = pull_back(np.array(1.0))
    for turn in range(len(arrays)):  # one array at a time: none is right by another's error
        direction = [np.zeros_like(array) for array in arrays]
        direction[turn] = rng.standard_normal(arrays[turn].shape)
        ends = [
            total([a + sign * 1e-6 * v for a, v in zip(arrays, direction, strict=True)])
            for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / 2e-6
        assert abs(slope - np.sum(bars[turn] * direction[turn])) < 1e-5 * max(1, abs(slope))


@pytest.mark.parametrize(
    "name",
    [name for name in ENCODERS if not {"windows", "widths"} & {*name.replace(",", "").split()}],
)
def test_it_starts_close_to_the_standard_normal(name):
    dim, encoder = ENCODERS[name]
    rng = np.random.default_rng(3)
    q, noise = rng.standard_normal((2, 50, dim))
    p, log_h = encoder.draw(encoder.init(rng, "float64"), q, noise)
    assert np.abs(p - noise).max() < 0.2
    assert np.abs(log_h - multivariate_normal(np.zeros(dim)).logpdf(noise)).max() < 0.2


@pytest.mark.parametrize("name", MOVING)
def test_moving_with_the_group_moves_the_draw(name):
    dim, particles = MOVING[name]
    _, encoder = ENCODERS[name]
    weights = away_from_start(encoder)
    rng = np.random.default_rng(4)
    q, noise = rng.standard_normal((2, 40, dim))
    p, log_h = encoder.draw(weights, q, noise)
    matrices = rotation_matrices(rotations(es.PhaseSpace(dim), particles))
    turn = expm(sum(rng.standard_normal() * np.array(M, float) for M in matrices))
    turned, same = encoder.draw(weights, q @ turn.T, noise @ turn.T)
    np.testing.assert_allclose(turned, p @ turn.T, atol=1e-9)
    np.testing.assert_allclose(same, log_h, atol=1e-9)


def test_a_plain_coupling_does_not_move_with_the_group():
    encoder = CouplingEncoder(2, (7, 5), CoordinateFrame(2))
    weights = away_from_start(encoder)
    q, noise = np.random.default_rng(4).standard_normal((2, 40, 2))
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    p, _ = encoder.draw(weights, q, noise)
    turned, _ = encoder.draw(weights, q @ turn.T, noise @ turn.T)
    assert np.abs(turned - p @ turn.T).max() > 0.1


@pytest.mark.parametrize("name", ENCODERS)
def test_float32_stays(name):
    dim, encoder = ENCODERS[name]
    q, noise = np.random.default_rng(5).standard_normal((2, 8, dim)).astype("float32")
    p, log_h = encoder.draw(away_from_start(encoder, "float32"), q, noise)
    assert p.dtype == log_h.dtype == np.float32


def test_a_frame_is_orthonormal_where_its_fields_vanish():
    _, encoder = ENCODERS["coupling, SO(2)"]
    _, directions = encoder.frame.at(np.zeros((1, 2)))
    np.testing.assert_allclose(directions[0].T @ directions[0], np.eye(2), atol=1e-15)


def test_a_monotone_map_can_have_two_modes():
    encoder = MonotoneEncoder((4,), bumps=1)
    weights = encoder.init(np.random.default_rng(0), "float64")
    weights[-1][:] = [-3.0, 0.0, 3.0, 20.0, 0.0]  # one high steep step at z = 0
    noise = np.random.default_rng(1).standard_normal((4000, 1))
    p, _ = encoder.draw(weights, np.zeros((4000, 1)), noise)
    assert np.mean(np.abs(p) < 1) < 0.05
    assert np.mean(p > 1) > 0.4
    assert np.mean(p < -1) > 0.4


def test_gradients_where_the_scale_is_tiny(each_engine):
    """σ = softplus(z + shift) with z = −60: ∂ ln σ/∂z is 1 to the last digits, not 0."""
    encoder = GaussianEncoder(1, (1,))
    weights = [np.zeros(a.shape) for a in encoder.init(np.random.default_rng(0), "float64")]
    weights[-1][:] = -60.0
    origin = np.zeros((1, 1))
    vjp, _ = make_vjp(lambda w: encoder.draw(w, origin, origin)[1], weights)
    bars = vjp(np.ones(1))  # ln h = −ln σ + …
    assert bars[-1][0] == pytest.approx(-1, rel=1e-12)


@pytest.mark.parametrize("bad", [0, -1, 2.0, True, "2", None])
def test_a_gaussian_refuses_a_dimension_that_is_none(bad):
    with pytest.raises(es.ArgumentError, match=rf"^dim was {bad!r}; it should be a positive"):
        GaussianEncoder(dim=bad, hidden=(4,))


@pytest.mark.parametrize("bad", [(), 4, "44", None, (4, 0), (4.0,), {4}])
def test_a_gaussian_refuses_widths_that_are_none(bad):
    with pytest.raises(es.ArgumentError, match=r"^hidden was .*; it should be"):
        GaussianEncoder(dim=2, hidden=bad)


def test_a_gaussian_takes_numbers_of_numpy_and_lists():
    encoder = GaussianEncoder(dim=np.int64(2), hidden=[np.int32(4), 5])
    assert encoder == GaussianEncoder(2, (4, 5))
    assert type(encoder.dim) is int
    weights = encoder.init(np.random.default_rng(0), "float64")
    assert [w.shape for w in weights[:4]] == [(2, 4), (4,), (4, 5), (5,)]


@pytest.mark.parametrize("shape", [(4,), (3, 3), (4, 2)])
def test_a_convolution_moves_the_draw_with_the_lattice(shape):
    """Shifts, mirrors, exchanges and the sign, exact; and every wave may have its own width."""
    lattice, (dim, encoder) = es.ScalarLattice(shape), on_lattice(*shape, curved=True)
    weights = away_from_start(encoder)
    q, noise = np.random.default_rng(2).standard_normal((2, 20, dim))
    p, log_h = encoder.draw(weights, q, noise)
    for A in (np.array(a, float) for a in lattice.symmetry().generators):
        moved, log_moved = encoder.draw(weights, q @ A.T, noise @ A.T)
        np.testing.assert_allclose(moved, p @ A.T, atol=1e-12)
        np.testing.assert_allclose(log_moved, log_h, atol=1e-12)
    if len(set(shape)) == 1:
        n = shape[0]
        waves = {tuple(sorted(min(k, n - k) for k in x)) for x in lattice.sites}
        assert len(weights[0]) == len(weights[1]) == len(waves)


@pytest.mark.parametrize("shape", [(3,), (3, 3)])
def test_a_convolution_moves_the_draw_of_a_complex_field(shape):
    """Turned phases, shifts, mirrors and conjugation; widths of both parts are one."""
    lattice, (dim, encoder) = es.ComplexScalarLattice(shape), with_a_phase(*shape)
    weights = away_from_start(encoder)
    q, noise = np.random.default_rng(2).standard_normal((2, 20, dim))
    p, log_h = encoder.draw(weights, q, noise)
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    group = [np.array(a, float) for a in lattice.symmetry().finite.generators]
    for A in (np.kron(np.eye(dim // 2), turn), *group):
        moved, log_moved = encoder.draw(weights, q @ A.T, noise @ A.T)
        np.testing.assert_allclose(moved, p @ A.T, atol=1e-11)
        np.testing.assert_allclose(log_moved, log_h, atol=1e-11)
    real = on_lattice(*shape)[1]
    assert len(weights[0]) == len(away_from_start(real)[0])


def test_a_convolution_of_a_free_field_is_its_conditional_law():
    """Against NumPy's: its B for s = −ln of the waves' frequencies is the inverse root of K."""
    lattice = es.ScalarLattice([6])
    encoder = en.CommutantEncoder(lattice.symmetry())
    assert encoder.moves_with(es.Symmetry(finite=lattice.symmetry()))
    assert not encoder.moves_with(es.Symmetry(finite=es.groups.symmetric(6)))
    hessian = np.array(sp.hessian(lattice.action(1), lattice.space.q), float)
    weights = [np.zeros(4), np.zeros(4)]
    values = np.diag(encoder._basis.T @ hessian @ encoder._basis)
    weights[1][:] = -np.log(values)[[np.flatnonzero(row)[0] for row in encoder._spread]] / 2
    p = np.random.default_rng(0).standard_normal((5, 6))
    found = encoder.log_prob(weights, np.zeros((5, 6)), p)
    expected = multivariate_normal(np.zeros(6), np.linalg.inv(hessian)).logpdf(p)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_a_convolution_is_shown_in_a_line():
    _, encoder = on_lattice(8, 8, curved=True)
    shown = "dim=64, shift_1, shift_2, mirror_1, mirror_2, exchange_12, sign"
    assert repr(encoder) == f"CommutantEncoder({shown}, mean=OrbitSum, width=OrbitSum)"


def test_widths_of_a_convolution_are_their_network_s_sums_at_the_first_form():
    """Of p at a site: e^ψ, ψ the network at the site's window and at minus that, by hand."""
    _, encoder = on_lattice(4, curved=True)
    weights = away_from_start(encoder)
    weights[0][:], weights[1][:] = 0, 0
    q, noise = np.random.default_rng(2).standard_normal((2, 3, 4))
    matrix, bias, last = weights[-3:]
    forms = np.stack([q, np.roll(q, 1, 1) + np.roll(q, -1, 1)], axis=2)
    log_width = sum(np.logaddexp(0, s * forms @ matrix + bias) @ last for s in (1, -1))[:, :, 0]
    steps = encoder.draw(weights, q, noise)[0] - encoder.draw(weights, q, 0 * noise)[0]
    np.testing.assert_allclose(steps, np.exp(log_width) * noise, rtol=1e-10)


def test_energies_that_the_group_moves_are_no_part_of_a_convolution():
    lattice = es.ScalarLattice([4])
    group, space = lattice.symmetry(), lattice.space
    odd = en.OrbitSum(space, [lattice.window()], lattice.translations(), hidden=(3,))
    for name in ("mean", "width"):
        with pytest.raises(es.ArgumentError, match=rf"{name} should be kept by the symmetry"):
            en.CommutantEncoder(group, **{name: odd})
    of_p = en.OrbitSum(space, [lattice.window()], group, of="p", hidden=(3,))
    for wrong in (of_p, en.DoubleWell()):
        with pytest.raises(es.ArgumentError, match=r"width was .*OrbitSum of q without sites"):
            en.CommutantEncoder(group, width=wrong)
    first = sp.Matrix([[1, 0, 0, 0]])
    bonds = en.OrbitSum(space, [sp.Matrix([[1, 0, 0, 0], [0, 1, 0, 0]])], group, hidden=(3,))
    en.CommutantEncoder(group, width=bonds)  # each site is the first of two, and both are read
    sites = en.OrbitSum(space, [first], group, hidden=(3,))
    assert len(sites.orbits.rows) == 8
    en.CommutantEncoder(group, width=sites)


def test_what_has_no_convolutions_is_refused():
    space = es.PhaseSpace(3)
    third = sp.Rational(1, 3)
    mirror = sp.eye(3) - 2 * third * sp.ones(3)
    with pytest.raises(es.ArgumentError, match="A1, which is no permutation"):
        en.CommutantEncoder(es.FiniteSymmetry(space, [mirror]))
    with pytest.raises(es.ArgumentError, match="do not commute with each other"):
        en.CommutantEncoder(es.FiniteSymmetry(space, [-sp.eye(3)]))
    with pytest.raises(es.ArgumentError, match="it should be a FiniteSymmetry"):
        en.CommutantEncoder(es.groups.so(3))
    boost = es.LieAlgebra(es.PhaseSpace(2), [es.PhaseSpace(2).q[0] * es.PhaseSpace(2).p[1]])
    mirror = es.FiniteSymmetry(boost.space, [[[-1, 0], [0, -1]]])
    with pytest.raises(es.ArgumentError, match="should be rotations"):
        en.CommutantEncoder(es.Symmetry(boost, mirror))
    assert en.check_encoder(en.CommutantEncoder(es.ScalarLattice([4]).symmetry()), 4).passed
