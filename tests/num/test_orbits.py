"""Random group elements: uniform by statistics with an error budget, refused where unknown.

Every statistic is a mean of independent values, compared with its exact expectation in units of
its standard error. 5 of them are exceeded by chance once in 1.7 million; the file makes less than
200 such comparisons, with fixed seeds.
"""

import numpy as np
import pytest
import sympy as sp
from models import make
from scipy import stats

import ehf_num as en
import ehf_sym as es
from ehf_num.symmetry import orbits
from ehf_num.training.bounds import Bound
from ehf_sym.symmetry.rotation_group import rotation_group

COUNT = 40_000


def deviation(values, expected):
    """Largest distance of means from expectations, in standard errors."""
    error = np.std(values, axis=0) / np.sqrt(len(values)) + 1e-9
    return np.max(np.abs(np.mean(values, axis=0) - expected) / error)


def rotations(name, seed=0):
    symmetry = es.named_symmetry(name) if isinstance(name, str) else name
    draw = orbits.uniform_rotations(rotation_group(symmetry))
    return draw(COUNT, np.random.default_rng(seed))


# E[(tr R)^k] counts the invariants in the k-th tensor power of R^d (Weyl): for SO(3) 1, 1, 3 for
# k = 2, 3, 4; for SO(4) the volume form makes 4 of O(4)'s 3. For a complex vector, tr R = t + t*:
# SU(3) has E t³ = 1 where U(3) has 0, U(2) has E|t|⁴ = 2, and SU(2) has a real t with E t² = 1 and
# E t⁴ = 2. Several vectors that turn together have multiples of one trace.
MOMENTS = {
    "so(3)": (1, 1, 3),
    "so(4)": (1, 0, 4),
    "so(5)": (1, 0, 3),
    "su(2)": (4, 0, 32),
    "u(2)": (2, 0, 12),
    "u(3)": (2, 0, 12),
    "su(3)": (2, 2, 12),
    "particle_rotations(2, 3)": (4, 8, 48),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_traces_have_the_moments_of_the_uniform_law(name):
    traces = np.trace(rotations(name), axis1=1, axis2=2)
    assert deviation(traces, 0) < 5
    for power, expected in zip((2, 3, 4), MOMENTS[name], strict=True):
        assert deviation(traces**power, expected) < 5, power


@pytest.mark.parametrize("name", ["so(3)", "so(4)", "su(3)", "particle_rotations(2, 3)"])
def test_elements_belong_to_the_group(name):
    """Orthogonal, of determinant 1, and in the span of products of the generators' matrices."""
    group = rotation_group(es.named_symmetry(name))
    matrices = orbits.uniform_rotations(group)(200, np.random.default_rng(1))
    size = matrices.shape[1]
    np.testing.assert_allclose(
        matrices.transpose(0, 2, 1) @ matrices, np.broadcast_to(np.eye(size), matrices.shape),
        atol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(np.linalg.det(matrices), 1, rtol=1e-12)
    basis = np.array([np.array(m.tolist(), float).ravel() for m in group.algebra]).T
    rows = matrices.reshape(len(matrices), -1).T
    residue = rows - basis @ np.linalg.lstsq(basis, rows, rcond=None)[0]
    assert np.abs(residue).max() < 1e-12


def test_second_moments_of_so3():
    """E[R_ij R_kl] = δ_ik δ_jl / 3 (Weingarten)."""
    matrices = rotations("so(3)", seed=2)
    products = np.einsum("nij,nkl->nijkl", matrices, matrices)
    eye = np.eye(3)
    assert deviation(products, np.einsum("ik,jl->ijkl", eye, eye) / 3) < 5


def test_moved_points_are_uniform_on_spheres():
    """Archimedes: one coordinate of a uniform point on the sphere is uniform in [−r, r]."""
    rotate = en.orbit_sampler(es.groups.so(3))
    moved = rotate(np.tile([0.0, 3.0, 4.0], (COUNT, 1)), rng=3)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 5, rtol=1e-12)
    for column in moved.T:
        assert stats.kstest(column, stats.uniform(-5, 10).cdf).pvalue > 1e-6


def test_angle_of_a_rotation_in_space():
    """Its density under the uniform law of SO(3) is (1 − cos θ)/π on [0, π]."""
    traces = np.trace(rotations("so(3)", seed=4), axis1=1, axis2=2)
    angles = np.arccos(np.clip((traces - 1) / 2, -1, 1))
    assert stats.kstest(angles, lambda t: (t - np.sin(t)) / np.pi).pvalue > 1e-6


def angles_of(moved):
    return np.arctan2(moved[:, 1], moved[:, 0])


UNIFORM_ANGLE = stats.uniform(-np.pi, 2 * np.pi).cdf


def test_rotations_of_the_plane_have_a_uniform_angle():
    moved = en.orbit_sampler(es.groups.so(2))(np.tile([2.0, 0.0], (COUNT, 1)), rng=5)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 2, rtol=1e-12)
    assert stats.kstest(angles_of(moved), UNIFORM_ANGLE).pvalue > 1e-6


def test_a_compact_group_need_not_rotate():
    """Motion on an ellipse: uniform in time, volume kept, although the matrix is no rotation."""
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    move = en.orbit_sampler(es.LieAlgebra(space, [2 * q1 * p2 - q2 * p1 / 2]))
    assert move.keeps_volume
    moved = move(np.tile([1.0, 0.0], (COUNT, 1)), rng=6)
    np.testing.assert_allclose(4 * moved[:, 0] ** 2 + moved[:, 1] ** 2, 4, rtol=1e-12)
    assert stats.kstest(angles_of(moved * [2.0, 1.0]), UNIFORM_ANGLE).pvalue > 1e-6


def test_commuting_generators_turn_independently():
    space = es.PhaseSpace(4)
    q, p = space.q, space.p
    planes = [q[0] * p[1] - q[1] * p[0], q[2] * p[3] - q[3] * p[2]]
    moved = en.orbit_sampler(es.LieAlgebra(space, planes))(np.ones((COUNT, 4)), rng=7)
    angles = angles_of(moved[:, :2]), angles_of(moved[:, 2:])
    for angle in (*angles, np.angle(np.exp(1j * (angles[0] - angles[1])))):
        assert stats.kstest(angle, UNIFORM_ANGLE).pvalue > 1e-6


def test_products_and_what_does_not_move():
    """SO(3) × SO(2) on six positions, of which the last is left alone."""
    space = es.PhaseSpace(6)
    q, p = space.q, space.p
    pairs = [(0, 1), (1, 2), (2, 0), (3, 4)]
    symmetry = es.LieAlgebra(space, [q[i] * p[j] - q[j] * p[i] for i, j in pairs])
    matrices = rotations(symmetry, seed=8)
    np.testing.assert_allclose(matrices[:, 5, :], np.eye(6)[5][None].repeat(COUNT, 0), atol=1e-12)
    first = np.trace(matrices[:, :3, :3], axis1=1, axis2=2)
    second = np.trace(matrices[:, 3:5, 3:5], axis1=1, axis2=2)
    assert deviation(first**3, 1) < 5
    assert deviation(second**2, 2) < 5
    assert deviation(first * second, 0) < 5
    assert deviation(first**2 * second**2, 2) < 5


def test_the_statistics_find_faults(monkeypatch):
    """Angles that leave out a twentieth of the circle; O(3) for SO(3); a cube for a normal law."""

    class Faulty:
        def __init__(self):
            self.rng = np.random.default_rng(0)

        def uniform(self, low, high, n):
            return self.rng.uniform(low, 0.95 * high, n)

        def standard_normal(self, shape):
            return self.rng.uniform(-1, 1, shape)

    moved = en.orbit_sampler(es.groups.so(2))._move(np.tile([2.0, 0.0], (COUNT, 1)), Faulty())
    assert stats.kstest(angles_of(moved), UNIFORM_ANGLE).pvalue < 1e-6
    draw = orbits.uniform_rotations(rotation_group(es.groups.so(3)))
    products = np.einsum("nij,nkl->nijkl", *(draw(COUNT, Faulty()),) * 2)
    traces = np.trace(draw(COUNT, Faulty()), axis1=1, axis2=2)
    eye = np.eye(3)
    second = np.einsum("ik,jl->ijkl", eye, eye) / 3
    assert max(deviation(products, second), deviation(traces**4, 3)) > 5
    monkeypatch.setattr(orbits, "_OTHER_COMPONENT", -np.inf)
    assert deviation(np.trace(rotations("so(3)"), axis1=1, axis2=2) ** 3, 1) > 5


def _space_and(formula, dim=2):
    space = es.PhaseSpace(dim)
    return es.LieAlgebra(space, formula(space.q, space.p))


REFUSED = {
    "linear in p": lambda: _space_and(lambda q, p: [(q[0] ** 2 + p[0] ** 2) / 2]),
    "no proved period": lambda: _space_and(lambda q, p: [p[0]]),
    "compact": lambda: _space_and(
        lambda q, p: [q[0] * p[1] - q[1] * p[0] + sp.sqrt(2) * (q[2] * p[3] - q[3] * p[2])], 4
    ),
    "to rotate q": lambda: es.groups.e(2),
    "3 of the 10 independent rotations": lambda: five_components(),
}


def five_components():
    """SO(3) on symmetric traceless matrices, S → RSRᵀ: dimension 3 among the 10 of SO(5)."""

    def unit(i, j):
        return sp.Matrix(3, 3, lambda a, b: int((a, b) == (i, j)))

    basis = [(unit(i, j) + unit(j, i)) / sp.sqrt(2) for i, j in ((0, 1), (1, 2), (2, 0))]
    basis.append((unit(0, 0) - unit(1, 1)) / sp.sqrt(2))
    basis.append((2 * unit(2, 2) - unit(0, 0) - unit(1, 1)) / sp.sqrt(6))
    turns = [unit(i, j) - unit(j, i) for i, j in ((0, 1), (1, 2))]
    matrices = [
        sp.Matrix(5, 5, lambda a, b, L=L: (basis[a] * (L * basis[b] - basis[b] * L)).trace())
        for L in turns
    ]
    return _space_and(
        lambda q, p: [
            sum(M[i, j] * p[i] * q[j] for i in range(5) for j in range(5)) for M in matrices
        ],
        5,
    )


@pytest.mark.parametrize("reason", REFUSED)
def test_unknown_elements_are_refused_with_the_reason(reason):
    with pytest.raises(es.ArgumentError, match=reason):
        en.orbit_sampler(REFUSED[reason]())


def test_arguments_are_checked():
    with pytest.raises(es.ArgumentError, match="symmetry was str"):
        en.orbit_sampler("so(3)")
    rotate = en.orbit_sampler(es.groups.so(2))
    with pytest.raises(es.ArgumentError, match="x had shape"):
        rotate(np.zeros((3, 3)))
    assert rotate(np.ones((3, 2), "f4"), rng=0).dtype == np.float32
    assert rotate([[1, 0]], rng=0).dtype == np.float64


def test_training_sees_moved_points_and_validation_stays():
    """One point far out on an axis: what training sees has a uniform angle, and its length."""
    flow, trained, held_out = make("so2"), [], []
    x = np.tile([30.0, 0.0], (200, 1))
    step, mean = Bound.step, Bound.mean

    def watch_step(bound, model, batch, *rest):
        trained.append(batch.x.copy())
        return step(bound, model, batch, *rest)

    def watch_mean(bound, model, points, noise):
        held_out.append(points.copy())
        return mean(bound, model, points, noise)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bound, "step", watch_step)
        patch.setattr(Bound, "mean", watch_mean)
        flow.fit(
            x, iterations=100, learning_rate=1e-12, augment=True, progress=False,
            validation=np.array([[30.0, 0.0]]),
        )  # fmt: skip
    assert flow.result_.augmented
    points = np.concatenate(trained)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 30, rtol=1e-12)
    assert stats.kstest(angles_of(points), UNIFORM_ANGLE).pvalue > 1e-6
    assert (np.concatenate(held_out) == [30.0, 0.0]).all()


@pytest.mark.parametrize(
    ("case", "options", "expected"),
    [
        ("so2", {"enforce": "exact"}, True),
        ("so3", {"enforce": "exact"}, True),
        ("so2", {"enforce": "exact", "encoder": "coupling"}, False),
        ("so2", {"enforce": "penalty"}, False),
        ("so2", {"enforce": "none"}, False),
        ("soft-uniform", {}, False),
    ],
)
def test_auto_augments_where_it_is_harmless_and_of_use(case, options, expected):
    flow = make(case, hidden=(4,), **options)
    x = np.random.default_rng(0).standard_normal((20, flow.dim))
    assert flow.fit(x, iterations=2, progress=False).result_.augmented == expected
    assert not flow.fit(x, iterations=2, augment=False, progress=False).result_.augmented


@pytest.mark.parametrize("reason", REFUSED)
def test_auto_leaves_points_alone_where_no_elements_are_known(reason):
    options = {"exact": True, "equivariant_encoder": False}
    assert orbits.orbit_sampler_for("auto", REFUSED[reason](), **options) is None


@pytest.mark.parametrize(
    ("case", "augment", "reason"),
    [("oscillator", True, "linear in p"), ("soft-uniform", True, "without symmetry"),
     ("so2", "yes", "augment was 'yes'")],
)  # fmt: skip
def test_augmentation_is_refused_before_any_work(case, augment, reason):
    flow = make(case)
    state = flow._rng.bit_generator.state
    with pytest.raises(es.ArgumentError, match=reason):
        flow.fit(np.ones((20, flow.dim)), iterations=2, augment=augment, validation=0.2)
    assert flow._rng.bit_generator.state == state


def test_an_exact_models_density_does_not_see_the_group():
    """Harmless: with an equivariant encoder the ELBO of moved points is that of the points."""
    flow = make("so3", enforce="exact", encoder="coupling")
    x = np.random.default_rng(0).standard_normal((400, 3))
    before = flow.log_prob(x, n_samples=256)
    after = flow.log_prob(en.orbit_sampler(flow.symmetry)(x, rng=1), n_samples=256)
    difference = after - before
    assert abs(difference.mean()) < 5 * difference.std() / np.sqrt(len(difference))
