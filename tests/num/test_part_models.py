"""Models with other integrators, Hamiltonians and formulas: trained, saved, loaded, diagnosed."""

import autograd.numpy as anp
import numpy as np
import pytest
import sympy as sp
from models import terms_of

import ehf_num as en
import ehf_sym as es
from ehf_sym.errors import ArgumentError

SO2 = es.groups.so(2)
SPACE = SO2.space
X = en.rings().sample(300, rng=0)
R2 = sum(q**2 for q in SPACE.q)
A, B = sp.Symbol("a", real=True), sp.Symbol("b", positive=True)


def mixed(symmetry=SO2):
    return en.NonSeparable(SPACE, (12,), symmetry)


def quartic():
    return en.FormulaEnergy(A * R2 + B * R2**2, SPACE, start={A: -1.0, B: 0.25})


OPTIONS = {
    "blanes-moan": {"integrator": en.BlanesMoan4(1, 0.5)},
    "learned, dilated": {"integrator": en.Dilated(en.LearnedStep(en.Yoshida4(1, 0.5)))},
    "midpoint": {"hamiltonian": mixed(), "integrator": en.ImplicitMidpoint(1, 0.4)},
    "projected": {"hamiltonian": mixed(), "integrator": en.ExtendedPhaseSpace(1, 0.3, 0.5)},
    "dilated midpoint": {
        "hamiltonian": mixed(),
        "integrator": en.Dilated(en.LearnedStep(en.ImplicitMidpoint(1, 0.4))),
    },
    "formula": {"potential": quartic()},
}


def model(enforce="exact", **options):
    return en.EquivariantHamiltonianFlow(
        es.StandardNormal(SPACE),
        SO2,
        enforce=enforce,
        hamiltonians=2,
        hidden=(12,),
        rng=0,
        **options,
    )


@pytest.mark.parametrize("name", OPTIONS)
def test_trained_saved_loaded_and_exact(name, tmp_path):
    flow = model(**OPTIONS[name])
    before = flow.elbo(X, n_samples=32, rng=1).mean()
    flow.fit(X, iterations=60, learning_rate=1e-2, progress=False)
    assert flow.elbo(X, n_samples=32, rng=1).mean() > before + 0.1
    flow.save(tmp_path / "model.npz")
    again = en.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.sample(20, rng=3), flow.sample(20, rng=3))
    np.testing.assert_array_equal(again.elbo(X[:20], rng=3), flow.elbo(X[:20], rng=3))
    assert again.coefficients == flow.coefficients
    states = np.random.default_rng(0).standard_normal((9, 4))
    rotate = en.finite_action(SPACE, SO2.generators[0], 0.8)

    def push(states):
        return np.hstack(flow.forward(states[:, :2], states[:, 2:]))

    np.testing.assert_allclose(push(rotate(states)), rotate(push(states)), atol=1e-12)
    np.testing.assert_allclose(np.hstack(flow.inverse(*np.split(push(states), 2, 1))), states)
    assert np.abs(flow.brackets(states[:, :2], states[:, 2:])).max() < 1e-12


class DriftFirst(en.Leapfrog):
    """A map of its own under a built-in name: no kernel is to do leapfrog's in its place."""

    def forward(self, hamiltonian, q, p):
        for _ in range(self.steps):
            q = q + self.step_size / 2 * hamiltonian.grad_kinetic(p)
            p = p - self.step_size * hamiltonian.grad_potential(q)
            q = q + self.step_size / 2 * hamiltonian.grad_kinetic(p)
        return q, p

    def inverse(self, hamiltonian, q, p):
        for _ in range(self.steps):
            q = q - self.step_size / 2 * hamiltonian.grad_kinetic(p)
            p = p + self.step_size * hamiltonian.grad_potential(q)
            q = q - self.step_size / 2 * hamiltonian.grad_kinetic(p)
        return q, p


def test_a_subclass_with_a_map_of_its_own_is_used_everywhere():
    base = es.StandardNormal(SPACE)
    flow = en.EquivariantHamiltonianFlow(base, SO2, integrator=DriftFirst(), hidden=(8,), rng=0)
    states = flow.bound.base.sample(20, np.random.default_rng(1), "float64")
    q, p = flow.forward(*np.split(states, 2, axis=1))
    expected = flow.bound.base.log_prob(states)
    np.testing.assert_allclose(flow.joint_log_prob(q, p), expected, rtol=1e-12)
    np.testing.assert_array_equal(flow.sample(20, rng=1), q)
    assert flow.engine.name == "reference"
    noise = np.random.default_rng(2).standard_normal((30, 2))
    terms, _ = flow.bound.differentiated(X[:30], noise)
    np.testing.assert_allclose(terms, terms_of(flow.bound, X[:30], noise), rtol=1e-12)


@pytest.mark.parametrize("name", OPTIONS)
def test_gradients_of_the_loss_are_those_of_differences(name):
    flow = model(**OPTIONS[name])
    noise = np.random.default_rng(2).standard_normal((30, 2))
    terms, pull_back = flow.bound.differentiated(X[:30], noise)
    gradient = pull_back(np.ones_like(terms))
    rng = np.random.default_rng(0)
    for _ in range(3):
        direction = [rng.standard_normal(w.shape) for w in flow.weights]
        ends = [
            terms_of(
                flow.objective.at(
                    [w + sign * 1e-5 * v for w, v in zip(flow.weights, direction, strict=True)]
                ),
                X[:30],
                noise,
            )[0]
            for sign in (1, -1)
        ]
        slope = sum(np.sum(g * v) for g, v in zip(gradient, direction, strict=True))
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


def test_what_is_learned_has_names():
    flow = model(**OPTIONS["formula"])
    start = flow.coefficients
    assert start == [{"potential": {"a": -1.0, "b": pytest.approx(0.25)}}] * 2
    flow.fit(X, iterations=30, progress=False)
    learned = flow.coefficients
    assert learned != start
    assert all(each["potential"]["b"] > 0 for each in learned)
    names = model(**OPTIONS["learned, dilated"]).coefficients[0]["integrator"]
    assert names == {"dilation": 1.0, "step_size": 0.5}


def test_a_formula_that_is_invariant_for_some_values_alone_is_refused_with_these():
    q1, q2 = SPACE.q
    energy = en.FormulaEnergy(A * q1**2 + B * q2**2, SPACE)
    with pytest.raises(ArgumentError, match="0 = a - b"):
        model(potential=energy)
    model("penalty", potential=energy)


def test_maps_that_break_a_symmetry_are_refused():
    (q1, q2), (p1, p2) = SPACE.q, SPACE.p
    turn = es.LieAlgebra(SPACE, [q1**2 + p1**2 + q2**2 + p2**2])
    hamiltonian = en.NonSeparable(SPACE, (8,), turn)
    for enforce in ("penalty", "exact"):
        with pytest.raises(ArgumentError, match=r"q·p"):
            en.EquivariantHamiltonianFlow(
                es.StandardNormal(SPACE),
                turn,
                enforce=enforce,
                hamiltonian=hamiltonian,
                integrator=en.Dilated(en.ImplicitMidpoint(1, 0.3)),
            )


def test_a_map_that_keeps_a_symmetry_in_the_limit_alone_goes_with_a_penalty():
    (q1, q2), (p1, p2) = SPACE.q, SPACE.p
    turn = es.LieAlgebra(SPACE, [q1**2 + p1**2 + q2**2 + p2**2])
    options = {
        "hamiltonian": en.NonSeparable(SPACE, (8,), turn),
        "integrator": en.ExtendedPhaseSpace(1, 0.3),
    }
    normal = es.StandardNormal(SPACE)
    en.EquivariantHamiltonianFlow(normal, turn, enforce="penalty", **options)
    with pytest.raises(ArgumentError, match="not proved to commute"):
        en.EquivariantHamiltonianFlow(normal, turn, enforce="exact", **options)


@pytest.mark.parametrize("wrapper", [lambda i: i, en.LearnedStep, en.Dilated])
def test_what_does_not_go_together_is_refused(wrapper):
    with pytest.raises(ArgumentError, match="symplectic"):
        model(integrator=wrapper(en.ExtendedPhaseSpace(projected=False)))
    with pytest.raises(ArgumentError, match="kicks"):
        model(hamiltonian=mixed(), integrator=wrapper(en.Leapfrog()))
    with pytest.raises(ArgumentError, match="not proved"):
        model(hamiltonian=mixed(None), integrator=wrapper(en.ImplicitMidpoint(1, 0.3)))


def test_the_card_says_what_is_promised_of_the_marginal():
    space = es.PhaseSpace(1)
    (q,), (p,) = space.q, space.p
    turn = es.LieAlgebra(space, [q**2 + p**2])
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(space),
        turn,
        enforce="exact",
        hamiltonian=en.NonSeparable(space, (8,), turn),
        integrator=en.ImplicitMidpoint(1, 0.3),
    )
    assert "nothing is promised: g is not linear in p" in flow._repr_html_()
    kept = model(**OPTIONS["midpoint"])._repr_html_()
    assert "which keeps volume" in kept


class Steep:
    """A field that turns sharply where its weight is large, of no Hamiltonian."""

    def init(self, rng, dtype):
        return [np.full(1, 1e-3, dtype)]

    def vector_field(self, weights, q, p):
        return 50 * weights[0] * anp.cos(7 * q * p), 50 * weights[0] * anp.sin(5 * q + p)


def test_training_stops_with_a_word_where_no_solution_is_found():
    flow = model("none", hamiltonian=Steep(), integrator=en.ImplicitMidpoint(1, 0.4))
    flow.fit(X, iterations=5, progress=False)
    flow.weights[0][:] = 3.0
    with pytest.raises(en.InversionError, match="smaller step_size"):
        flow.fit(X, iterations=5, progress=False)


def test_diagnosed_like_the_others():
    found = model(**OPTIONS["midpoint"]).diagnose(X, rng=0)
    looked = {c.name: c.passed for c in found.checks if not c.name.startswith("share of points")}
    assert {"reversibility", "symplecticity", "equivariance of the map, g1"} <= set(looked)
    assert all(looked.values())
