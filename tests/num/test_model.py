"""What a user holds: every public method, on every case."""

import numpy as np
import pytest
import sympy as sp
from models import CASES, draw, make, so2
from scipy import stats

import ehf_num as en
import ehf_sym as es


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("hamiltonians", [1, 3])
def test_inverse_undoes_forward(case, hamiltonians):
    flow = make(case, hamiltonians=hamiltonians, steps=4)
    q, p = draw(flow)
    np.testing.assert_allclose(flow.inverse(*flow.forward(q, p)), (q, p), atol=1e-10)
    np.testing.assert_allclose(flow.forward(*flow.inverse(q, p)), (q, p), atol=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_joint_density_is_carried_along(case):
    """Volume is preserved: ln p(flow(s)) = ln π(s), with ln π evaluated by SymPy."""
    flow = make(case)
    q, p = draw(flow, n=3)
    log_pi = flow.base.log_density - flow.base.log_normalizer
    expected = [
        float(log_pi.subs(dict(zip(flow.base.space.coordinates, [*a, *b], strict=True))).evalf(20))
        for a, b in zip(q, p, strict=True)
    ]
    np.testing.assert_allclose(flow.joint_log_prob(*flow.forward(q, p)), expected, rtol=1e-11)


def test_joint_density_integrates_to_one():
    flow = make("oscillator", step_size=0.8)
    grid = np.linspace(-11, 11, 801)
    q, p = (axis.reshape(-1, 1) for axis in np.meshgrid(grid, grid))
    mass = np.exp(flow.joint_log_prob(q, p)).sum() * (grid[1] - grid[0]) ** 2
    assert mass == pytest.approx(1.0, abs=1e-6)


def test_marginal_integrates_to_one():
    flow = make("oscillator", step_size=0.8)
    x = np.linspace(-9, 9, 181)[:, None]
    mass = np.exp(flow.log_prob(x, n_samples=2000)).sum() * 0.1
    assert mass == pytest.approx(1.0, abs=0.01)


def test_samples_follow_the_density_that_log_prob_states():
    """KS distance of samples from the law that log_prob integrates to; a shifted law is caught."""
    flow = make("oscillator")
    samples = flow.sample(40_000, rng=1)[:, 0]
    grid = np.linspace(-8, 8, 401)
    density = np.exp(flow.log_prob(grid[:, None], n_samples=1000))
    cdf = np.cumsum(density) * (grid[1] - grid[0])
    statistic = stats.kstest(samples, lambda v: np.interp(v, grid, cdf / cdf[-1])).statistic
    assert statistic < 0.015  # 1.95/√n at 0.1 % is 0.010; the grid adds less than 0.005
    wrong = stats.kstest(samples + 0.1, lambda v: np.interp(v, grid, cdf / cdf[-1])).statistic
    assert wrong > 0.03


def test_model_is_refused_unless_the_base_is_proved_invariant():
    base, symmetry = so2()
    with pytest.raises(es.InvarianceError) as caught:
        en.EquivariantHamiltonianFlow(es.SoftUniform(base.space), symmetry)
    assert caught.value.report.status == "refuted"
    (q1, q2), (p1, p2) = base.space.q, base.space.p
    tilted = es.BaseDensity(
        base.space,
        log_density=-(q1**2 + (1 + sp.Rational(1, 10**12)) * q2**2 + p1**2 + p2**2) / 2,
    )
    with pytest.raises(es.InvarianceError):
        en.EquivariantHamiltonianFlow(tilted, symmetry, enforce="none")


def test_brackets_have_a_column_for_each_generator_and_report_the_worst_of_a_chain():
    flow = make("so3", hamiltonians=2)
    q, p = draw(flow)
    values = flow.brackets(q, p)
    each = np.stack(flow.bound.brackets(q, p))
    assert values.shape == (16, 3)
    np.testing.assert_array_equal(np.abs(values), np.abs(each).max(axis=0))
    assert np.isin(values, each).all()


def test_same_seed_same_model_other_seed_other_model():
    x = en.rings().sample(64, rng=0)
    runs = [
        make("so2", rng=seed).fit(x, iterations=5, progress=False).sample(4, rng=2)
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_a_generator_is_taken_as_rng():
    first = make("so2", rng=np.random.default_rng(9))
    np.testing.assert_array_equal(first.weights[0], make("so2", rng=9).weights[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_have_the_models_dtype(dtype):
    flow = make("so2", dtype=dtype)
    q, p = draw(flow)
    outputs = [
        *flow.forward(q, p), *flow.inverse(q, p), flow.joint_log_prob(q, p), flow.brackets(q, p),
        flow.elbo(q), flow.log_prob(q, n_samples=4), flow.sample(3, rng=0), *flow.weights,
    ]  # fmt: skip
    assert {output.dtype for output in outputs} == {np.dtype(dtype)}


def test_blocks_do_not_show():
    flow = make("so2")
    x = en.rings().sample(3000, rng=0)
    whole = flow.log_prob(x, n_samples=300, rng=4)
    assert whole.shape == (3000,)
    assert flow.sample(20_000, rng=0).shape == (20_000, 2)
    assert flow.score(x[:50]) == pytest.approx(flow.score_samples(x[:50]).mean())


def test_inputs_are_not_written_to():
    flow = make("so2")
    q, p = draw(flow)
    kept = q.copy(), p.copy()
    q.setflags(write=False)
    flow.forward(q, p), flow.inverse(q, p), flow.elbo(q), flow.log_prob(q, n_samples=2)
    flow.fit(q, iterations=3, progress=False)
    np.testing.assert_array_equal((q, p), kept)


def test_noncontiguous_and_list_inputs_are_read():
    flow = make("so2")
    q, _ = draw(flow)
    expected = flow.elbo(q[::2])
    np.testing.assert_array_equal(flow.elbo(np.asfortranarray(q[::2])), expected)
    np.testing.assert_array_equal(flow.elbo(q[::2].tolist()), expected)


BAD_POINTS = {
    "one-dimensional": np.zeros(4),
    "too wide": np.zeros((3, 5)),
    "empty": np.empty((0, 2)),
    "not finite": np.array([[0.0, np.nan]]),
    "infinite": np.array([[0.0, np.inf]]),
    "complex": np.zeros((2, 2), complex),
    "text": np.array([["a", "b"]]),
    "objects": np.array([[None, None]]),
    "ragged": [[1.0, 2.0], [3.0]],
    "beyond float64": np.array([["1e400", "0"]]),
}


@pytest.mark.parametrize("bad", BAD_POINTS.values(), ids=BAD_POINTS)
@pytest.mark.parametrize("method", ["fit", "elbo", "log_prob", "score"])
def test_bad_points_are_refused_by_name(method, bad):
    with pytest.raises(es.ArgumentError, match=r"^x "):
        getattr(make("so2"), method)(bad)


@pytest.mark.parametrize("method", ["forward", "inverse", "joint_log_prob", "brackets"])
def test_bad_states_are_refused_by_name(method):
    flow = make("so2")
    q, p = draw(flow)
    with pytest.raises(es.ArgumentError, match=r"^p "):
        getattr(flow, method)(q, p[:3])
    with pytest.raises(es.ArgumentError, match=r"^q "):
        getattr(flow, method)(q[:, :1], p)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"enforce": "hard"}, "enforce"), ({"kappa": 0}, "kappa"), ({"kappa": "x"}, "kappa"),
     ({"encoder": "flow"}, "encoder"), ({"hamiltonians": 0}, "hamiltonians"),
     ({"steps": 1.5}, "steps"), ({"step_size": -1}, "step_size"), ({"hidden": ()}, "hidden"),
     ({"hidden": (8, 0)}, "hidden"), ({"hidden": 8}, "hidden"), ({"hidden": "88"}, "hidden"),
     ({"dtype": "float16"}, "dtype"), ({"rng": -1}, "rng"), ({"rng": "seed"}, "rng"),
     ({"rng": True}, "rng")],
)  # fmt: skip
def test_bad_options_are_refused_by_name(options, name):
    with pytest.raises(es.ArgumentError, match=name):
        make("so2", **options)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"iterations": 0}, "iterations"), ({"batch_size": -4}, "batch_size"),
     ({"learning_rate": 0.0}, "learning_rate"), ({"epsilon": 0.0}, "epsilon"),
     ({"patience": 3}, "patience"),
     ({"validation": 1.5}, "validation"), ({"validation": 0.001}, "validation"),
     ({"validation": np.zeros((3, 3))}, "validation")],
)  # fmt: skip
def test_bad_training_options_are_refused_and_leave_the_model_alone(options, name):
    flow = make("so2")
    before = [weight.copy() for weight in flow.weights]
    with pytest.raises(es.ArgumentError, match=name):
        flow.fit(np.zeros((10, 2)), **options)
    for weight, kept in zip(flow.weights, before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_wrong_kinds_of_base_and_symmetry_are_refused():
    base, symmetry = so2()
    with pytest.raises(es.ArgumentError, match="base"):
        en.EquivariantHamiltonianFlow("normal", symmetry)
    with pytest.raises(es.ArgumentError, match="symmetry"):
        en.EquivariantHamiltonianFlow(base, "SO(2)")
    with pytest.raises(es.ArgumentError, match="symmetry"):
        en.EquivariantHamiltonianFlow(base)


def test_sample_and_draw_counts_are_checked():
    flow = make("so2")
    for call in (lambda: flow.sample(0), lambda: flow.sample(2.5)):
        with pytest.raises(es.ArgumentError, match=r"^n "):
            call()
    with pytest.raises(es.ArgumentError, match="n_samples"):
        flow.log_prob(np.zeros((1, 2)), n_samples=0)


def test_points_of_one_block_do_not_mix():
    flow = make("oscillator")
    x = np.array([[0.0], [4.0], [-2.0]])
    together = flow.log_prob(x, n_samples=1000, rng=0)
    alone = [flow.log_prob(point[None], n_samples=1000, rng=1)[0] for point in x]
    assert np.ptp(alone) > 1
    np.testing.assert_allclose(together, alone, atol=0.2)
