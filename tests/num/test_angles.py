"""Positions that are angles: densities on the circle by closed forms, and no seam at the cut."""

import autograd.numpy as anp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from autograd import elementwise_grad, grad
from scipy import special, stats
from sympy import Symbol, cos, log, pi, sin

import ehf_num as en
import ehf_sym as es
from ehf_num import plotting
from ehf_num.cli.command import main
from ehf_num.densities.base import numeric_base
from ehf_num.engine.networks import Circular, wrapped
from ehf_num.hamiltonian.energies import NetworkEnergy

CIRCLE = es.PhaseSpace(1, angles=True)
(Q,), (P,) = CIRCLE.q, CIRCLE.p
UNIFORM = es.StandardNormal(CIRCLE)
MISES = es.BaseDensity(CIRCLE, log_density=2 * cos(Q) - P**2 / 2, name="von Mises")
TORUS = es.PhaseSpace(2, angles=True)
GAUGE = es.LieAlgebra(TORUS, [sum(TORUS.p)])
MIXED = es.PhaseSpace(2, angles=["q1"])
GRID = np.linspace(-np.pi, np.pi, 61)[1:, np.newaxis]
TURN = 2 * np.pi


def model(base, symmetry=None, **options):
    options = {"enforce": "none" if symmetry is None else "exact", "hidden": (8, 8)} | options
    return en.EquivariantHamiltonianFlow(base, symmetry, rng=0, **options)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_wrapping_takes_off_full_turns_alone(dtype):
    x = np.random.default_rng(0).uniform(-50, 50, (200, 3)).astype(dtype)
    inside = wrapped(x, (0, 2))
    assert inside.dtype == dtype
    np.testing.assert_array_equal(inside[:, 1], x[:, 1])
    assert (np.abs(inside[:, [0, 2]]) <= dtype_pi(dtype)).all()
    turns = (x - inside)[:, [0, 2]] / TURN
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-4 if dtype == "float32" else 1e-12)
    np.testing.assert_array_equal(wrapped(inside, (0, 2)), inside)
    slope = grad(lambda x: anp.sum(wrapped(x, (0, 2)) ** 2))(x)
    np.testing.assert_allclose(slope, 2 * inside, atol=1e-4 if dtype == "float32" else 1e-12)


def dtype_pi(dtype):
    return np.asarray(np.pi, dtype)


def test_the_cut_is_one_point():
    ends = wrapped(np.array([[-np.pi], [np.pi], [3 * np.pi], [np.nextafter(np.pi, 4)]]), [0])
    assert set(ends[:3, 0]) == {np.pi}
    assert ends[3, 0] < 0


def test_energies_of_angles_have_the_slopes_of_differences_across_the_cut():
    energy = NetworkEnergy(3, (7,), angles=(0, 2))
    weights = energy.init(np.random.default_rng(0), "float64")
    x = np.random.default_rng(1).standard_normal((5, 3))
    x[:, 0] = np.pi + np.array([-1e-7, 0, 1e-7, 2e-7, -3e-7])  # differences reach over the cut
    step, slopes = 1e-6, energy.gradient(weights, x)
    for k in range(3):
        ends = [
            energy.value(weights, wrapped(x + s * step * np.eye(3)[k], (0, 2))) for s in (1, -1)
        ]
        np.testing.assert_allclose(slopes[:, k], (ends[0] - ends[1]) / (2 * step), atol=1e-8)
    assert Circular(3, (0, 2)).width == 5


@pytest.mark.parametrize(
    ("base", "log_density"),
    [
        (UNIFORM, lambda q: stats.uniform(-np.pi, TURN).logpdf(q)),
        (MISES, stats.vonmises(2).logpdf),
        (
            es.BaseDensity(CIRCLE, log_density=300 * cos(Q - 3) - P**2 / 2),
            stats.vonmises(300, loc=3).logpdf,
        ),
    ],
    ids=["uniform", "von Mises", "narrow, at the cut"],
)
def test_bases_are_normalized_and_drawn_on_one_turn(base, log_density):
    numeric = numeric_base(base)
    states = numeric.sample(4000, np.random.default_rng(0))
    q, p = states.T
    assert ((-np.pi <= q) & (q <= np.pi)).all()
    expected = log_density(q) + stats.norm.logpdf(p)
    np.testing.assert_allclose(numeric.log_prob(states), expected, atol=1e-8)
    np.testing.assert_allclose(numeric.log_prob(states + np.array([TURN, 0])), expected, atol=1e-7)
    places = np.array([-2.0, 0.0, 1.5, 2.9])
    grid = np.linspace(-np.pi, np.pi, 20_001)
    cdf = np.cumsum(np.exp(log_density(grid))) * (grid[1] - grid[0])
    shares = [(q <= place).mean() for place in places]
    np.testing.assert_allclose(shares, np.interp(places, grid, cdf), atol=0.03)


def test_a_base_with_correlated_momenta_is_uniform_on_its_angles():
    q1, q2, p1, p2 = MIXED.coordinates
    base = es.BaseDensity(MIXED, log_density=-(q2**2) - (p1 + p2) ** 2 / 2 - p2**2 - q2 * p1 / 4)
    numeric = numeric_base(base)
    states = numeric.sample(20_000, np.random.default_rng(0))
    precision = np.array([[2, 1 / 4, 0], [1 / 4, 1, 1], [0, 1, 3]])
    rest = stats.multivariate_normal(cov=np.linalg.inv(precision))
    expected = rest.logpdf(states[:, 1:]) - np.log(TURN)
    np.testing.assert_allclose(numeric.log_prob(states), expected, atol=1e-10)
    slopes = np.concatenate([np.zeros((len(states), 1)), -states[:, 1:] @ precision], axis=1)
    both = np.concatenate([expected[:, None], slopes], axis=1)
    np.testing.assert_allclose(numeric.value_and_gradient(states), both, atol=1e-10)
    by_tape = elementwise_grad(numeric.log_prob)(states[:9])
    np.testing.assert_allclose(by_tape, slopes[:9], atol=1e-10)
    np.testing.assert_allclose(np.cov(states[:, 1:].T), np.linalg.inv(precision), atol=0.05)
    assert stats.kstest(states[:, 0], stats.uniform(-np.pi, TURN).cdf).pvalue > 1e-3
    family = es.GaussianFamily(MIXED)
    learned = model(family, es.LieAlgebra(MIXED, [p1]), enforce="penalty")
    assert q1 not in learned.base.log_density.free_symbols
    density = learned.bound.base
    at = density.sample(50, np.random.default_rng(1))
    expected = stats.norm.logpdf(at[:, 1:]).sum(axis=1) - np.log(TURN)
    np.testing.assert_allclose(density.log_prob(at), expected, atol=1e-10)


@pytest.mark.parametrize("base", [UNIFORM, MISES], ids=lambda base: base.name)
@pytest.mark.parametrize("encoder", ["gaussian", "coupling"])
@pytest.mark.filterwarnings("ignore:.*k̂ above")
def test_the_marginal_on_the_circle_integrates_to_one_and_knows_no_turns(base, encoder):
    flow = model(base, encoder=encoder)
    assert flow.engine.name == "reference"
    values = flow.likelihood(GRID, method="quadrature").values
    np.testing.assert_allclose(np.exp(values).mean() * TURN, 1, atol=1e-6)
    few = GRID[::10]
    for method in (flow.elbo, flow.log_prob):
        np.testing.assert_allclose(method(few + 3 * TURN), method(few), atol=1e-9)
    options = {"method": "laplace", "n_samples": 64}
    turned = flow.likelihood(few - TURN, **options).values
    np.testing.assert_allclose(turned, flow.likelihood(few, **options).values, atol=1e-9)


def test_states_come_out_in_one_turn_and_go_back():
    flow = model(es.StandardNormal(MIXED), step_size=3.0)
    q, p = np.random.default_rng(0).standard_normal((2, 200, 2)) * 3
    moved_q, moved_p = flow.forward(q, p)
    assert (np.abs(moved_q[:, 0]) <= np.pi).all()
    assert (np.abs(moved_q[:, 1]) > np.pi).any()
    back_q, back_p = flow.inverse(moved_q, moved_p)
    np.testing.assert_allclose(back_q, wrapped(q, (0,)), atol=1e-9)
    np.testing.assert_allclose(back_p, p, atol=1e-9)
    assert (np.abs(flow.sample(500, rng=0)[:, 0]) <= np.pi).all()
    turned = flow.forward(q + np.array([TURN, 0]), p)
    np.testing.assert_allclose(np.exp(1j * turned[0]), np.exp(1j * moved_q), atol=1e-9)
    np.testing.assert_allclose(turned[1], moved_p, atol=1e-9)


def test_data_may_lie_in_any_turn():
    x = stats.vonmises(2, loc=3).rvs(300, random_state=0)[:, np.newaxis]
    turns = TURN * np.random.default_rng(0).integers(-3, 4, x.shape)
    scores = [
        model(UNIFORM).fit(data, iterations=10, progress=False, learning_rate=1e-2).elbo(GRID)
        for data in (x, x + turns)
    ]
    np.testing.assert_allclose(*scores, atol=1e-8)


def test_a_von_mises_density_is_learned_from_its_energy():
    flow = model(UNIFORM, hamiltonians=2, hidden=(16,))
    flow.fit_energy(-2 * cos(Q - 3), iterations=60, learning_rate=2e-2, progress=False)
    weights = flow.weigh(-2 * cos(Q - 3), 4000)
    assert weights.ess > 0.3
    assert abs(weights.log_z - np.log(TURN * special.i0(2))) < 4 * weights.log_z_error
    found = weights.mean(cos(Q - 3))
    assert abs(found.value - special.i1(2) / special.i0(2)) < 4 * found.error
    with pytest.raises(es.FormulaError, match=r"S is .* no function of the angle"):
        flow.weigh(Q**2, 100)


@pytest.mark.parametrize("enforce", ["exact", "penalty"])
def test_a_symmetry_of_angles_is_kept(enforce):
    flow = model(es.StandardNormal(TORUS), GAUGE, enforce=enforce)
    states = flow.bound.base.sample(50, np.random.default_rng(0))
    q, p = states[:, :2], states[:, 2:]
    brackets = np.abs(flow.brackets(q, p))
    shift = np.array([1.7, 1.7])
    gap = flow.forward(q + shift, p)[0] - flow.forward(q, p)[0] - shift
    residual = np.abs(wrapped(gap, (0, 1))).max()
    if enforce == "exact":
        assert brackets.max() < 1e-12
        assert residual < 1e-12
        assert {str(f) for f in flow.construction.of_q.generators} == {
            "cos(q1 - q2)",
            "sin(q1 - q2)",
        }
        report = flow.diagnose(flow.sample(60, rng=1), n_samples=32)
        assert report["equivariance of the map, g1"].passed
        assert report["equivariance of the map on data, g1"].passed
        assert not any("turn" in remark for remark in report.remarks)
    else:
        assert brackets.max() > 1e-3
        assert residual > 1e-4


def test_hamiltonians_that_are_no_sum_see_angles_as_they_are():
    for symmetry in (None, GAUGE):
        H = en.NonSeparable(TORUS, (8,), symmetry)
        weights = H.init(np.random.default_rng(0), "float64")
        q, p = np.random.default_rng(1).standard_normal((2, 4, 2))
        velocity, force = H.vector_field(weights, q, p)
        np.testing.assert_allclose(H.vector_field(weights, q + TURN, p), (velocity, force))
        slopes = grad(lambda q, H=H, w=weights, p=p: anp.sum(H.value(w, q, p)))(q)
        np.testing.assert_allclose(force, -slopes, atol=1e-12)


OF_PARTS = {
    "formula": lambda: {
        "potential": en.FormulaEnergy(
            Symbol("a", real=True) * cos(MIXED.q[0]) + MIXED.q[1] ** 2, MIXED
        )
    },
    "no sum": lambda: {
        "hamiltonian": en.NonSeparable(MIXED, (8,)),
        "integrator": en.ImplicitMidpoint(),
    },
    "networks": lambda: {"encoder": "coupling"},
}


@pytest.mark.parametrize("name", OF_PARTS)
def test_files_keep_angles(name, tmp_path):
    flow = model(es.StandardNormal(MIXED), **OF_PARTS[name]())
    flow.save(tmp_path / "mixed.npz")
    again = en.load(tmp_path / "mixed.npz")
    assert again.base.space == MIXED
    x = np.random.default_rng(0).standard_normal((5, 2))
    np.testing.assert_array_equal(again.elbo(x + np.array([TURN, 0])), flow.elbo(x))


class Broken:
    def init(self, rng, dtype):
        return []

    def value(self, weights, q):
        return anp.sum(q**2, axis=1)

    def gradient(self, weights, q):
        return 2 * q


class Tilted(Broken):
    """Its force knows no turns, and its value does."""

    def value(self, weights, q):
        return anp.sum(q, axis=1)

    def gradient(self, weights, q):
        return np.ones_like(q)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"potential": Broken()}, "changes where the angle q1 turns"),
        ({"potential": Tilted()}, "changes where the angle q1 turns"),
        ({"potential": en.FormulaEnergy(es.PhaseSpace(2).q[0] ** 2, es.PhaseSpace(2))}, "q1 turns"),
        ({"encoder": en.GaussianEncoder(2, (4,))}, "q1 turns"),
        ({"integrator": en.Dilated(en.Leapfrog())}, "cannot be dilated"),
        (
            {"hamiltonian": en.NonSeparable(es.PhaseSpace(2)), "integrator": en.ImplicitMidpoint()},
            "q1 turns",
        ),
    ],
)
def test_parts_that_see_the_cut_are_refused(part, words):
    with pytest.raises(es.ArgumentError, match=words):
        model(es.StandardNormal(MIXED), **part)


def test_a_formula_that_is_no_function_of_its_angle_is_refused():
    with pytest.raises(es.FormulaError, match="angle q1"):
        en.FormulaEnergy(Q**2, CIRCLE)
    energy = en.FormulaEnergy(log(2 + sin(Q)), CIRCLE)
    assert energy.invariance(es.FiniteSymmetry(CIRCLE, [[[-1]]]), "q").report.status == "refuted"


def test_elements_of_what_turns_angles():
    space = es.PhaseSpace(2, angles=[0])
    (_, x), (p, _) = space.q, space.p
    assert x not in space.angular
    assert es.LieAlgebra(space, [p * 3 / 2]).action(0).period == 4 * pi / 3
    assert es.LieAlgebra(es.PhaseSpace(2), [p]).action(0).period is None
    assert es.LieAlgebra(space, [space.p[1]]).action(0).period is None
    turn = es.LieAlgebra(TORUS, [2 * TORUS.p[0] + 3 * TORUS.p[1]])
    assert turn.action(0).period == 2 * pi
    points = np.tile([3.0, -3.0], (2000, 1))
    moved = en.orbit_sampler(turn)(points, rng=0)
    assert (np.abs(moved) <= np.pi).all()
    np.testing.assert_allclose(np.cos(moved @ [3, -2]), np.cos(points @ [3, -2]), atol=1e-12)
    for k in (0, 1):
        assert stats.kstest(moved[:, k], stats.uniform(-np.pi, TURN).cdf).pvalue > 1e-3


def test_functions_of_others_are_audited_on_the_circle():
    x = np.random.default_rng(0).uniform(-np.pi, np.pi, (40, 2))
    kept = en.audit(lambda x: np.sin(x[:, 0] - x[:, 1]), GAUGE, x)
    assert kept.status == "consistent"
    lifted = en.audit(lambda x: np.sin((x[:, 0] - x[:, 1]) / 2), GAUGE, x)
    assert lifted.status == "broken"  # it jumps at the cut
    follows = en.audit(lambda x: x + np.sin(x[:, :1] - x[:, 1:]), GAUGE, x, "equivariant",
                       output="points")  # fmt: skip
    assert follows.status == "consistent"


def test_the_front_door_leaves_angles_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    x = np.stack([rng.vonmises(3.0, 4.0, 200), 5 * rng.standard_normal(200)], axis=1)
    base, half_turns = es.StandardNormal(MIXED), es.LieAlgebra(MIXED, [MIXED.p[0]])
    for options in ({"base": base}, {"symmetry": half_turns}):
        fitted = en.SymmetricDensity(**options, max_iter=2, hidden=(4,), rng=0).fit(x)
        assert (np.abs(fitted.sample(100, rng=0)[:, 0]) <= np.pi).all()
        fitted.save(tmp_path / "front.npz")
        again = en.load(tmp_path / "front.npz")
        values = fitted.score_samples(x[:5])
        np.testing.assert_array_equal(again.score_samples(x[:5]), values)
        np.testing.assert_allclose(
            fitted.score_samples(x[:5] + np.array([TURN, 0])), values, atol=1e-9
        )


def test_a_symmetry_is_priced_against_angles_too():
    rng = np.random.default_rng(0)
    first = rng.uniform(-np.pi, np.pi, 60)
    x = np.stack([first, first + rng.vonmises(0, 4, 60)], axis=1)
    x += TURN * rng.integers(-3, 4, x.shape)
    found = en.symmetry_cost(x, GAUGE, max_iter=1, hidden=(4,), rng=0)
    for mode in found.modes:  # spread over a line, they would have less than -7 nats
        assert abs(np.mean(mode.scores) + 2 * np.log(TURN)) < 1


def test_the_command_knows_angles(tmp_path, capsys):
    check = ["check", "--dim", "2", "--angles", "q1", "--generator"]
    assert main([*check, "p1"]) == 0
    assert "uniform on angles: proved" in capsys.readouterr().out
    assert main([*check, "p1", "--base", "exp(cos(q1) - q2**2 - p1**2 - p2**2)"]) == 1
    assert main([*check, "q1*p2 - q2*p1"]) not in (0, 1)
    assert "no function of the angle q1" in capsys.readouterr().err
    assert main(["check", "--dim", "1", "--angles", "q7", "--generator", "p1"]) not in (0, 1)
    out = tmp_path / "circle.npz"
    fit = ["fit", "--dim", "1", "--angles", "all", "--energy", "-cos(q1)", "--hidden", "4"]
    assert main([*fit, "--iterations", "5", "--no-progress", "--out", str(out)]) == 0
    assert en.load(out).base.space == CIRCLE
    assert main(["weigh", str(out), "--energy", "-cos(q1)", "-n", "500",
                 "--observable", "cos(q1)"]) == 0  # fmt: skip
    assert main(["weigh", str(out), "--energy", "-cos(q1)", "--observable", "q1"]) == 3
    assert "no function of the angle q1" in capsys.readouterr().err


def test_pictures_of_a_model_show_one_turn():
    flow = model(es.StandardNormal(MIXED))
    ax = plotting.plot_density(flow.elbo, resolution=6)
    assert ax.get_xlim() == (-np.pi, np.pi)
    assert ax.get_ylim() == (-3, 3)
    plt.close(ax.figure)
