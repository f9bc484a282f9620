"""Models with a coupling encoder: gradients, training, files."""

import numpy as np
import pytest
from models import CASES, check_gradient_of_the_elbo, make

import ehf_num as en


@pytest.mark.parametrize("case", CASES)
def test_gradient_of_the_elbo_against_central_differences(case):
    check_gradient_of_the_elbo(make(case, encoder="coupling"))


@pytest.mark.parametrize("case", ["so2", "oscillator"])
def test_a_saved_model_comes_back(case, tmp_path):
    flow = make(case, encoder="coupling", dtype="float32")
    x = np.random.default_rng(0).standard_normal((64, flow.dim))
    flow.fit(x, iterations=5, progress=False).save(tmp_path / "model.npz")
    again = en.load(tmp_path / "model.npz")
    assert again.settings == flow.settings
    assert np.array_equal(again.log_prob(x), flow.log_prob(x))
    assert again.log_prob(x).dtype == np.float32
