"""Models with a coupling encoder: gradients, training, files."""

import numpy as np
import pytest
from models import CASES, draw, make

import ehf_num as en
from ehf_num.tape import make_vjp


@pytest.mark.parametrize("case", CASES)
def test_gradient_of_the_elbo_against_central_differences(case):
    flow = make(case, encoder="coupling")
    x, noise = draw(flow)
    nothing = np.empty((0, 2 * flow.dim))
    vjp, _ = make_vjp(lambda a: flow.objective.terms(a, x, noise, nothing), flow.weights)
    gradient = np.concatenate([part.ravel() for part in vjp(np.ones(1))])
    flat, rng = flow._parameters.flat, np.random.default_rng(5)
    for _ in range(3):
        direction = rng.standard_normal(flat.size)
        start, values = flat.copy(), []
        for sign in (1, -1):
            flat[:] = start + sign * 1e-6 * direction
            values.append(flow.objective.terms(flow.weights, x, noise, nothing)[0])
        flat[:] = start
        slope = (values[0] - values[1]) / 2e-6
        assert abs(slope - gradient @ direction) < 1e-6 * max(1, abs(slope))


@pytest.mark.parametrize("case", ["so2", "oscillator"])
def test_a_saved_model_comes_back(case, tmp_path):
    flow = make(case, encoder="coupling", dtype="float32")
    x = np.random.default_rng(0).standard_normal((64, flow.dim))
    flow.fit(x, iterations=5, progress=False).save(tmp_path / "model.npz")
    again = en.load(tmp_path / "model.npz")
    assert again.settings == flow.settings
    assert np.array_equal(again.log_prob(x), flow.log_prob(x))
    assert again.log_prob(x).dtype == np.float32
