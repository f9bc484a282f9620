"""One run of Figure 2A: what it returns is what its model says, and looks leave no trace."""

from dataclasses import replace

import numpy as np
import pytest
from rings_rows import TINY

import ehf_num as en
from ehf_num.plotting.arguments import grid
from ehf_num.reproduce.paper.rings_runs import Looks, RingsRun
from ehf_num.reproduce.paper.so2 import declare


@pytest.fixture(autouse=True)
def one_thread():
    """As runs have: float32 sums depend on how a batch is shared."""
    en.set_threads(1)
    yield
    en.set_threads(None)


@pytest.mark.parametrize("points", [60, 300, None])
def test_looks_do_not_change_what_is_learned(points):
    target, options = en.rings(), {"iterations": 7, "learning_rate": 1e-2, "progress": False}
    data = target.sample if points is None else target.sample(points, rng=1)
    watched = (target.sample(5, rng=2), target.sample(6, rng=3))
    plain, looked = (
        en.EquivariantHamiltonianFlow(*declare(), hidden=(8,), rng=4) for _ in range(2)
    )
    looks = Looks(replace(TINY, iterations=7), watched)
    looks.look(looked, 0)
    plain.fit(data, batch_size=TINY.batch_size, **options)
    looked.fit(data, batch_size=TINY.batch_size, on_record=looks, **options)
    for left, right in zip(plain.weights, looked.weights, strict=True):
        np.testing.assert_array_equal(left, right)
    curves = looks.curves()
    np.testing.assert_array_equal(curves["look"], [0, 2, 4, 6, 7])
    assert curves["test_curve"][-1] == plain.log_prob(watched[1], n_samples=2).mean()
    assert curves["train_curve"][-1] == plain.log_prob(watched[0], n_samples=2).mean()


@pytest.fixture(scope="module", params=[1e-2, None], ids=["penalty", "free"])
def ran(request):
    """A run's values, and the model that plain training makes."""
    en.set_threads(1)
    kappa = request.param
    options = {"enforce": "none"} if kappa is None else {"kappa": kappa}
    flow = en.EquivariantHamiltonianFlow(*declare(), dtype="float32", rng=3, **options)
    flow.fit(
        en.rings().sample(40, rng=1_003), iterations=6, learning_rate=1e-3, progress=False
    )  # fmt: skip
    return RingsRun(kappa, 40, 3, TINY).run(), flow


def test_scores_are_those_of_the_model_on_its_points(ran):
    values, flow = ran
    training, test = en.rings().sample(40, rng=1_003), en.rings().sample(30, rng=20_190_913)
    for name, x in (("train", training), ("test", test)):
        assert values[name] == pytest.approx(flow.log_prob(x, n_samples=4).mean(), rel=1e-6)
        last = flow.log_prob(x[:10], n_samples=2).mean()
        assert values[f"{name}_curve"][-1] == pytest.approx(last, rel=1e-6)
    assert values["truth"] == pytest.approx(en.rings().log_prob(test).mean())
    np.testing.assert_array_equal(values["samples"], flow.sample(50, rng=3))


def test_energies_are_those_of_the_model(ran):
    values, flow = ran
    pixels = grid((-4, 4, -4, 4), 61).astype(np.float32)
    for part in ("kinetic", "potential"):
        np.testing.assert_array_equal(
            values[part], getattr(flow.flow.hamiltonians[0], part)(pixels)
        )


def test_change_is_that_under_rotations(ran):
    """The plane as complex numbers: a rotation is a product with a phase."""
    values, flow = ran
    x = en.rings().sample(30, rng=20_190_913)[:8]
    turned = (x @ [1, 1j]) * np.exp(1j * np.random.default_rng(3).uniform(0, 2 * np.pi, 8))
    scores = [flow.log_prob(at, n_samples=4) for at in (x, np.stack([turned.real, turned.imag], 1))]
    expected = np.abs(scores[0] - scores[1]).mean(dtype=np.float64)
    assert values["turned_change"] == pytest.approx(expected, rel=1e-3)


def test_brackets_are_those_of_base_states_and_of_pulled_back_data(ran):
    values, flow = ran
    # Other base states than the run's: a mean of as many.
    q, p = np.random.default_rng(9).standard_normal((2, 4000, 2)).astype(np.float32)
    squares = np.square(flow.brackets(q, p))
    assert values["bracket_base"] == pytest.approx(squares.mean(), rel=0.2)
    # The run's own noise: 30 points are too few for a mean over others.
    rng = np.random.default_rng(3)
    rng.standard_normal((4_096, 4))
    q = en.rings().sample(30, rng=20_190_913).astype(np.float32)
    noise = rng.standard_normal((30, 2)).astype(np.float32)
    weights = flow.bound.encoder_weights
    p = flow.objective.encoder.draw(weights, q, noise)[0]
    start = flow.inverse(q, p)
    np.testing.assert_allclose(flow.forward(*start)[0], q, atol=1e-4)
    assert values["bracket_data"] == pytest.approx(np.square(flow.brackets(*start)).mean())


def test_history_is_that_of_the_constraint(ran):
    values, flow = ran
    if flow.settings.enforce == "none":
        assert values["multiplier"].size == values["squared_bracket"].size == 0
    else:
        history = flow.result_.history
        np.testing.assert_array_equal(values["squared_bracket"], history.squared_brackets[:, 0])
        np.testing.assert_array_equal(values["multiplier"], history.multipliers[:, 0])


def test_endless_data_ends_well():
    values = RingsRun(None, None, 0, TINY).run()
    assert values["stop_reason"] == "iterations"
