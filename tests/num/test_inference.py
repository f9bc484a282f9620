"""Many points at once: blocks change nothing, and memory does not grow with them."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from models import CASES, draw, make
from scipy import stats

from ehf_num.inference import inference
from ehf_num.inference.importance import PointNoise

pytestmark = pytest.mark.usefixtures("each_engine")


@pytest.fixture(params=[1, 7, 1000])
def rows_per_block(request, monkeypatch):
    monkeypatch.setattr(inference, "ROWS_PER_BLOCK", request.param)


@pytest.mark.parametrize("hamiltonians", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_samples_are_base_draws_pushed_through_the_whole_flow(case, hamiltonians, rows_per_block):
    flow = make(case, hamiltonians=hamiltonians)
    states = flow.bound.base.sample(20, np.random.default_rng(5))
    pushed, _ = flow.flow.forward(*np.split(states, 2, axis=1))
    np.testing.assert_allclose(flow.sample(20, rng=5), pushed, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["forward", "inverse", "joint_log_prob", "brackets"])
def test_blocks_change_no_state_and_no_density(method, rows_per_block, monkeypatch):
    flow = make("so2", hamiltonians=2)
    cut = getattr(flow, method)(*draw(flow))
    monkeypatch.setattr(inference, "ROWS_PER_BLOCK", 10**6)
    np.testing.assert_allclose(cut, getattr(flow, method)(*draw(flow)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["elbo", "log_prob"])
def test_blocks_change_no_estimate(method, rows_per_block, monkeypatch):
    flow = make("so2")
    x, _ = draw(flow)
    cut = getattr(flow, method)(x, n_samples=3, rng=1)
    monkeypatch.setattr(inference, "ROWS_PER_BLOCK", 10**6)
    np.testing.assert_allclose(cut, getattr(flow, method)(x, n_samples=3, rng=1), rtol=1e-12)


ESTIMATES = {
    "elbo": lambda flow, x: flow.elbo(x, n_samples=3, rng=1),
    "log_prob": lambda flow, x: flow.log_prob(x, n_samples=3, rng=1),
    "values": lambda flow, x: flow.likelihood(x, n_samples=30, rng=1).values,
    "errors": lambda flow, x: flow.likelihood(x, n_samples=30, rng=1).standard_errors,
    "doubled": lambda flow, x: (
        flow.likelihood(x, n_samples=30, standard_error=0.1, max_samples=200, rng=1).values
    ),
}


@pytest.mark.filterwarnings("ignore::ehf_num.LikelihoodWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ESTIMATES)
def test_a_point_has_the_same_estimate_in_any_row_of_any_batch(name, dtype, monkeypatch):
    flow = make("so2", dtype=dtype)
    x, _ = draw(flow)
    estimate, tolerance = ESTIMATES[name], 1e-12 if dtype == "float64" else 1e-3
    whole = estimate(flow, x)
    order = np.random.default_rng(2).permutation(len(x))
    for rows in (order, order[:5], order[-1:], [3, 3, 0, 3]):
        np.testing.assert_allclose(estimate(flow, x[rows]), whole[rows], rtol=tolerance)
    monkeypatch.setattr(inference, "ROWS_PER_BLOCK", 7)
    np.testing.assert_allclose(estimate(flow, x), whole, rtol=tolerance)


def test_the_noise_of_points_is_normal_independent_and_new_at_each_call():
    x = np.random.default_rng(0).normal(size=(4_000, 2))
    rng = np.random.default_rng(1)
    first, second = (PointNoise(rng).draw(x, 2)[:, :, 0] for _ in range(2))
    columns = np.concatenate([first, second], axis=1)
    assert stats.kstest(columns.ravel(), stats.norm.cdf).pvalue > 1e-3
    bound = 5 / np.sqrt(len(x))
    assert np.abs(np.corrcoef(columns.T) - np.eye(4)).max() < bound
    assert abs(np.corrcoef(first[:-1, 0], first[1:, 0])[0, 1]) < bound
    # An error of the mean that falls with the number of points: common noise would leave it.
    assert abs(first.mean()) < 5 / np.sqrt(first.size)


def test_zeros_of_both_signs_are_one_point():
    flow = make("so2")
    assert flow.elbo([[0.0, -0.0]]) == flow.elbo([[-0.0, 0.0]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blocks_keep_the_dtype(dtype, rows_per_block):
    flow = make("so2", dtype=dtype)
    q, p = draw(flow)
    results = [flow.sample(20, rng=0), *flow.forward(q, p), *flow.inverse(q, p)]
    results += [flow.joint_log_prob(q, p), flow.brackets(q, p), flow.elbo(q), flow.log_prob(q)]
    assert {result.dtype for result in results} == {np.dtype(dtype)}


@pytest.mark.parametrize(
    "call",
    [
        lambda flow, x: flow.sample(len(x), rng=0),
        lambda flow, x: flow.joint_log_prob(x, x),
        lambda flow, x: flow.elbo(x, n_samples=1),
    ],
    ids=["sample", "joint_log_prob", "elbo"],
)
def test_memory_beyond_the_result_does_not_grow_with_the_points(call):
    flow = make("so2")
    x = np.random.default_rng(0).standard_normal((5 * inference.ROWS_PER_BLOCK, 2))

    def beyond(points):
        call(flow, points[:100])
        tracemalloc.start()
        size = call(flow, points).nbytes
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak - size

    few, many = beyond(x[: 2 * inference.ROWS_PER_BLOCK]), beyond(x)
    assert many < few + 0.2 * few + 2 * x.nbytes  # arguments are checked as a whole


def test_training_and_sampling_import_no_part_of_scipy_nor_all_of_numpy():
    code = """
import sys
import numpy as np, ehf_sym as es, ehf_num as en
space = es.PhaseSpace(2)
(q1, q2), (p1, p2) = space.q, space.p
symmetry = es.LieAlgebra(space, [q1 * p2 - q2 * p1])
flow = en.EquivariantHamiltonianFlow(es.StandardNormal(space), symmetry, hidden=(4,), rng=0)
x = np.random.default_rng(0).standard_normal((9, 2))
flow.fit(x, iterations=2, progress=False).sample(3, rng=0)
parts = {"scipy.integrate", "scipy.linalg", "scipy.optimize", "scipy.special", "scipy.stats"}
sys.exit(bool((parts | {"numpy.f2py", "numpy.testing"}) & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
