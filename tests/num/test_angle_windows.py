"""Sums over windows of angles, and momenta along windows: periodic, gauge-invariant, exact."""

import autograd
import numpy as np
import pytest
import sympy as sp

import ehf_num as en
import ehf_sym as es

LATTICE = es.U1Lattice([3, 3])
RNG = np.random.default_rng(0)


def shaken(part):
    """Weights that are not small."""
    return [
        w + 0.3 * np.random.default_rng(1).standard_normal(w.shape)
        for w in part.init(np.random.default_rng(0), "float64")
    ]


def plaquettes(**options):
    options = {"hidden": (6,), **options}
    symmetry = options.pop("symmetry", LATTICE.symmetry())
    return en.OrbitSum(LATTICE.space, [LATTICE.window()], symmetry, **options)


def angles(n=5):
    return RNG.uniform(-np.pi, np.pi, (n, LATTICE.space.dim))


def gauge_transformed(q):
    """Links after a random gauge transformation, each moved by whole turns besides."""
    shape = (len(q), *LATTICE.shape)
    alpha, links = RNG.uniform(-9, 9, shape), q.reshape(*shape, 2)
    moved = np.stack([links[..., mu] + np.roll(alpha, -1, mu + 1) - alpha for mu in (0, 1)], -1)
    turns = 2 * np.pi * RNG.integers(-2, 3, moved.shape)
    return (moved + turns).reshape(q.shape)


@pytest.mark.parametrize("even", [False, True])
def test_a_sum_over_plaquettes_keeps_all_of_the_lattice(even):
    U = plaquettes(even=even)
    weights, q = shaken(U), angles()
    value, slope = U.value(weights, q), U.gradient(weights, q)
    assert U.invariance(LATTICE.symmetry(), "q").proved
    np.testing.assert_allclose(U.value(weights, gauge_transformed(q)), value, rtol=1e-12)
    for A in (np.array(a, float) for a in LATTICE.symmetry().finite.generators):
        np.testing.assert_allclose(U.value(weights, q @ A.T), value, rtol=1e-12)
        np.testing.assert_allclose(U.gradient(weights, q @ A.T), slope @ A.T, atol=1e-12)
    by_tape = autograd.elementwise_grad(lambda x: U.value(weights, x))(q)
    np.testing.assert_allclose(slope, by_tape, atol=1e-12)
    assert len(U.orbits.rows) == (9 if even else 18)
    assert len(U.orbits.invariants) == (1 if even else 2)


def test_two_plaquettes_have_all_even_functions_of_their_angles():
    U = en.OrbitSum(LATTICE.space, [LATTICE.window((1, 0))], LATTICE.symmetry(), even=True)
    y1, y2 = es.PhaseSpace(2).q
    found = {f for f, _ in U.orbits.invariants}
    assert found == {sp.cos(y1), sp.cos(y2), sp.sin(y1) * sp.sin(y2)}
    assert len(U.orbits.rows) == 2 * 18  # pairs of neighbours, in both orders


def test_even_functions_of_momenta_are_squares():
    K = en.OrbitSum(LATTICE.space, [LATTICE.window()], LATTICE.symmetry(), of="p", even=True)
    assert K.orbits.invariants == ((es.PhaseSpace(1).q[0] ** 2, 2),)
    assert K.invariance(LATTICE.symmetry(), "p").proved


def test_a_link_is_no_window_under_the_gauge_group():
    (q1, *_), space = LATTICE.space.q, LATTICE.space
    with pytest.raises(es.ArgumentError, match="no invariants"):
        en.OrbitSum(space, [(q1,)], LATTICE.gauge())
    bare = en.OrbitSum(space, [(q1,)], LATTICE.translations())
    assert not bare.invariance(LATTICE.gauge(), "q").proved


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda q: [(q[0] / 2,)], r"windows\[0\] has a form"),
        (lambda q: [(q[0] + q[2],)], r"windows\[0\] has a form"),
        (lambda q: [(q[0],), (q[2],)], "which forms are angles"),
    ],
)
def test_what_is_no_angle_is_refused(make, text):
    space = es.PhaseSpace(3, angles=[0, 1])
    with pytest.raises(es.ArgumentError, match=text):
        en.OrbitSum(space, make(space.q))


def test_angles_and_other_positions_in_one_window():
    space = es.PhaseSpace(3, angles=[0, 1])
    q1, q2, q3 = space.q
    U = en.OrbitSum(space, [(q1 - 2 * q2, q3 / 2)], hidden=(6,))
    weights, x = shaken(U), RNG.standard_normal((4, 3))
    turned = x + 2 * np.pi * np.array([3, -1, 0])
    np.testing.assert_allclose(U.value(weights, turned), U.value(weights, x), rtol=1e-12)
    assert np.abs(U.value(weights, x + np.eye(3)[2]) - U.value(weights, x)).min() > 1e-3
    again = en.OrbitSum.restored(**U.saved())
    np.testing.assert_array_equal(again.value(weights, x), U.value(weights, x))


@pytest.mark.parametrize("options", [{"even": True}, {}, {"symmetry": LATTICE.gauge()}])
def test_momenta_along_windows_have_the_density_that_they_say(options):
    """ln h by the determinant of the map of the noise; draw, log_prob and score of one law."""
    encoder = en.OrbitEncoder(plaquettes(**options), precision="conjugate", width=5)
    weights, q = shaken(encoder), angles(3)
    noise = RNG.standard_normal(q.shape)
    p, log_h = encoder.draw(weights, q, noise)
    d = q.shape[1]
    for row in range(3):
        at = slice(row, row + 1)
        B = autograd.jacobian(lambda z, at=at: encoder.draw(weights, q[at], z[None])[0][0])(
            noise[row]
        )
        own = -noise[row] @ noise[row] / 2 - d / 2 * np.log(2 * np.pi) - np.linalg.slogdet(B)[1]
        assert log_h[row] == pytest.approx(own, rel=1e-12)
        score = -np.linalg.solve(B.T, noise[row])
        np.testing.assert_allclose(encoder.score(weights, q, noise)[row], score, atol=1e-10)
    np.testing.assert_allclose(encoder.log_prob(weights, q, p), log_h, rtol=1e-12)


def test_momenta_along_windows_leave_the_rest_normal_and_move_with_the_lattice():
    encoder = en.OrbitEncoder(plaquettes(even=True), precision="conjugate", width=5)
    weights, q = shaken(encoder), angles(4)
    noise = RNG.standard_normal(q.shape)
    p, _ = encoder.draw(weights, q, noise)
    forms = np.array(LATTICE.plaquettes, float)
    rest = np.eye(q.shape[1]) - np.linalg.pinv(forms) @ forms
    np.testing.assert_allclose(p @ rest, noise @ rest, atol=1e-12)
    assert np.abs(p - noise).max() > 0.1
    log_h = encoder.log_prob(weights, q, p)
    np.testing.assert_allclose(encoder.log_prob(weights, gauge_transformed(q), p), log_h)
    for A in (np.array(a, float) for a in LATTICE.symmetry().finite.generators):
        np.testing.assert_allclose(encoder.log_prob(weights, q @ A.T, p @ A.T), log_h)
    fresh = encoder.init(np.random.default_rng(0), "float64")
    start = encoder.draw([0 * w for w in fresh], q, noise)[0]
    np.testing.assert_allclose(start, noise, atol=1e-12)  # N(0, 1) where nothing is learned


def test_momenta_along_windows_ask_for_one_form():
    U = en.OrbitSum(LATTICE.space, [LATTICE.window((1, 0))], LATTICE.symmetry(), even=True)
    with pytest.raises(es.ArgumentError, match="one form each, and they have 2"):
        en.OrbitEncoder(U, precision="conjugate")
