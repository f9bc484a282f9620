"""One run of Figure 2B: what it returns is what its model says."""

import numpy as np
import pytest
from circle_rows import TINY

import ehf_num as en
import ehf_sym as es
from ehf_num.plotting.arguments import grid
from ehf_num.reproduce.paper import circle_runs
from ehf_num.reproduce.paper.circle_figures import between
from ehf_num.reproduce.paper.circle_runs import CircleRun, positions


@pytest.fixture(autouse=True)
def one_thread():
    """As runs have: float32 sums depend on how a batch is shared."""
    en.set_threads(1)
    yield
    en.set_threads(None)


SPECS = [CircleRun(3, 5.0, 0.7, 2, budget=TINY), CircleRun(2, None, 0.4, 1, budget=TINY)]


asked = []  # Hamiltonians whose minima runs asked for


@pytest.fixture(scope="module", params=SPECS, ids=["soft-uniform", "normal"])
def ran(request):
    """A run's spec, its values, and the model that plain training makes."""
    spec = request.param
    space = es.PhaseSpace(2)
    base = (
        es.StandardNormal(space)
        if spec.width is None
        else es.SoftUniform(space, width=5, sharpness=10)
    )
    flow = en.EquivariantHamiltonianFlow(
        base, enforce="none", steps=2, step_size=spec.step_size, dtype="float32", rng=spec.seed
    )
    target = en.modes_on_circle(spec.modes)
    en.set_threads(1)
    flow.fit(target.sample, iterations=4, learning_rate=1e-3, epsilon=1e-2, progress=False)

    def minima(hamiltonian, box):
        asked.append(hamiltonian)
        return np.concatenate([target.centers + 0.1 * np.eye(2)[0], [[3.0, 3.0]]])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(circle_runs, "minima", minima)  # the search takes seconds
        return spec, spec.run(), flow


def test_kl_is_truth_minus_model(ran):
    spec, values, flow = ran
    target = en.modes_on_circle(spec.modes)
    test = target.sample(20, rng=20_190_913)
    excess = target.log_prob(test) - flow.log_prob(test, n_samples=2)
    assert values["kl"] == pytest.approx(excess.mean())
    assert values["kl_error"] == pytest.approx(np.std(excess, ddof=1) / 20**0.5)


def test_wells_are_those_of_the_potential_in_double(ran):
    """0.1 from each mode, and one more: the stand-in's."""
    spec, values, flow = ran
    np.testing.assert_allclose(values["distances"], np.full(spec.modes, 0.1))
    assert (values["near"], values["one_to_one"]) == (spec.modes, False)
    q = 2 + np.random.default_rng(0).uniform(0, 2, (5, 2))  # where energies are not near zero
    double, single = asked[-1], flow.flow.hamiltonians[0]
    assert double.grad_potential(q).dtype == np.float64
    for part in ("kinetic", "potential"):
        expected = getattr(single, part)(q.astype(np.float32))
        np.testing.assert_allclose(getattr(double, part)(q), expected, rtol=1e-4)


def test_pictures_are_those_of_the_model(ran):
    spec, values, flow = ran
    hamiltonian = flow.flow.hamiltonians[0]
    np.testing.assert_array_equal(values["samples"], flow.sample(30, rng=spec.seed))
    pixels = grid((-4, 4, -4, 4), 81).astype(np.float32)
    np.testing.assert_array_equal(values["kinetic"], hamiltonian.kinetic(pixels))
    np.testing.assert_array_equal(values["potential"], hamiltonian.potential(pixels))
    q = grid((-4, 4, -4, 4), 21).astype(np.float32)
    rest = np.zeros_like(q)
    # Products of NumPy's are rounded by how many rows are multiplied at once.
    whole_flow = flow.forward(q, rest)[0] - q
    np.testing.assert_allclose(values["whole_flow"], whole_flow, rtol=1e-6, atol=1e-6)
    dt = spec.step_size
    step = dt * hamiltonian.grad_kinetic(rest - dt / 2 * hamiltonian.grad_potential(q))
    np.testing.assert_allclose(values["one_step"], step, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(values["moving"][-1], flow.sample(5, rng=spec.seed), rtol=1e-5)


def test_positions_are_those_on_the_way_and_lie_on_lines_in_between():
    """The drift of a step moves q evenly along one velocity."""
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(es.PhaseSpace(2)), enforce="none", steps=2, hidden=(8,), rng=0
    )
    stations = positions(flow, 6, 3)
    hamiltonian = flow.flow.hamiltonians[0]
    q, p = np.split(flow.objective.base.sample(6, np.random.default_rng(3)), 2, axis=1)
    np.testing.assert_array_equal(stations[0], q)
    p = p - 0.25 * hamiltonian.grad_potential(q)
    half = q + 0.25 * hamiltonian.grad_kinetic(p)
    np.testing.assert_allclose(between(stations, 0.5), half, rtol=1e-12)
    np.testing.assert_array_equal(between(stations, 2), stations[2])


@pytest.mark.parametrize(
    ("epsilon", "least", "most"), [(1e-8, 0.7, 1.0), (circle_runs.Budget.epsilon, 0.0, 0.3)]
)
def test_noise_kills_units_of_the_encoder_unless_epsilon_stops_it(epsilon, least, most):
    """In a box that holds the data, no momentum is better than another at first."""
    spec = CircleRun(5, 5.0, 1.0, seed=1)
    flow = en.EquivariantHamiltonianFlow(
        spec.base(), enforce="none", step_size=1.0, dtype="float32", rng=spec.seed
    )
    target = en.modes_on_circle(5)
    flow.fit(target.sample, iterations=600, learning_rate=1e-3, epsilon=epsilon, progress=False)
    dead = en.diagnose(flow, target.sample(500, rng=3))["dead units of h(p|q)"]
    assert least <= dead.value <= most
