"""Integrators against exact flows: order, reversibility, symplecticity."""

from math import factorial

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import jacobian
from scipy.integrate import solve_ivp

from ehf_num.engine.engine import energy_gradient
from ehf_num.engine.networks import init_energy
from ehf_num.hamiltonian.flow import HamiltonianFlow
from ehf_num.hamiltonian.hamiltonian import NetworkHamiltonian
from ehf_num.hamiltonian.implicit import (
    Euler,
    ExtendedPhaseSpace,
    ImplicitMidpoint,
    InversionError,
)
from ehf_num.hamiltonian.integrators import (
    BlanesMoan4,
    Dilated,
    Leapfrog,
    LearnedStep,
    Splitting,
    Yoshida4,
)
from ehf_sym.errors import ArgumentError

INTEGRATORS = {
    "leapfrog": Leapfrog,
    "yoshida": Yoshida4,
    "blanes-moan": BlanesMoan4,
    "learned step": lambda *step: LearnedStep(Leapfrog(*step)),
    "dilated": lambda *step: Dilated(LearnedStep(Yoshida4(*step))),
    "midpoint": ImplicitMidpoint,
    "extended": lambda *step: ExtendedPhaseSpace(*step, projected=False),
    "extended, bound": lambda *step: ExtendedPhaseSpace(*step, omega=1.0, projected=False),
    "projected": ExtendedPhaseSpace,
    "projected, bound": lambda *step: ExtendedPhaseSpace(*step, omega=0.7),
    "euler": Euler,
}


class Pendulum:
    """H = p²/2 − cos q, in every coordinate: not a network of ours."""

    def grad_kinetic(self, p):
        return p

    def grad_potential(self, q):
        return anp.sin(q)


def network(dim, seed=0):
    rng = np.random.default_rng(seed)
    return NetworkHamiltonian(*(init_energy((dim, 16, 16, 1), rng, "float64") for _ in range(2)))


SEPARABLE_ONLY = Splitting | LearnedStep | Dilated | Euler


class Mixed:
    """A soft-plus network of q and p together, with its weights."""

    def __init__(self, weights):
        self.weights = weights

    def vector_field(self, q, p):
        slopes = energy_gradient(anp.concatenate([q, p], axis=1), *self.weights)
        return slopes[:, q.shape[1] :], -slopes[:, : q.shape[1]]


def mixed(dim, seed=0):
    return Mixed(init_energy((2 * dim, 16, 16, 1), np.random.default_rng(seed), "float64"))


def exact(hamiltonian, q, p, time):
    shape = (2, *q.shape)

    def field(_, flat):
        q, p = flat.reshape(shape)
        return np.stack([hamiltonian.grad_kinetic(p), -hamiltonian.grad_potential(q)]).ravel()

    start = np.stack([q, p]).ravel()
    end = solve_ivp(field, (0, time), start, method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    return end.reshape(shape)


def draw(dim, n=8, seed=1):
    return np.random.default_rng(seed).standard_normal((2, n, dim))


@pytest.mark.parametrize("name", INTEGRATORS)
@pytest.mark.parametrize("hamiltonian", [Pendulum(), network(2)], ids=["pendulum", "network"])
def test_order_is_the_slope_of_the_error(name, hamiltonian):
    q, p = draw(2)
    order, truth = INTEGRATORS[name](1, 0.1).order, exact(hamiltonian, q, p, 1.0)
    steps = np.array([16, 32, 64, 128] if order < 4 else [12, 17, 24, 34])
    errors = [
        np.abs(
            np.stack(INTEGRATORS[name](int(n), 1.0 / int(n)).forward(hamiltonian, q, p)) - truth
        ).max()
        for n in steps
    ]
    slope = np.polyfit(np.log(1 / steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("name", INTEGRATORS)
@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_inverse_undoes_forward(name, dim):
    q, p = draw(dim)
    integrator = weighted(INTEGRATORS[name](3, 0.3))
    flow = HamiltonianFlow([network(dim, seed) for seed in range(3)], integrator)
    for there, back in ((flow.forward, flow.inverse), (flow.inverse, flow.forward)):
        np.testing.assert_allclose(np.stack(back(*there(q, p))), [q, p], atol=1e-11)


def weighted(integrator):
    """Weights that are learned, beside their start."""
    if not hasattr(integrator, "init"):
        return integrator
    return integrator.at([w + 0.3 for w in integrator.init(np.random.default_rng(0), "float64")])


def jacobian_at(integrator, hamiltonian, state):
    dim = len(state) // 2

    def push(s):
        return anp.concatenate(
            integrator.forward(hamiltonian, s[None, :dim], s[None, dim:]), axis=1
        )

    return jacobian(lambda s: push(s)[0])(state)


@pytest.mark.parametrize("name", INTEGRATORS)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_symplectic_is_what_it_says(name, dim):
    integrator = INTEGRATORS[name](2, 0.7)
    omega = np.kron([[0, 1], [-1, 0]], np.eye(dim))
    state = np.random.default_rng(3).standard_normal(2 * dim)
    hamiltonian = network(dim) if isinstance(integrator, SEPARABLE_ONLY) else mixed(dim)
    matrix = jacobian_at(weighted(integrator), hamiltonian, state)
    defect = np.abs(matrix.T @ omega @ matrix - omega).max()
    if integrator.symplectic:
        assert defect < 1e-12
        assert np.linalg.det(matrix) == pytest.approx(1, abs=1e-12)
    else:
        assert defect > 1e-6


def of_words(shares, length):
    """Coefficients of the words in kick and drift of a product of exponentials, up to a length."""
    words = {"": 1.0}
    for number, share in enumerate(shares):
        longer = {}
        for word, coefficient in words.items():
            for power in range(length - len(word) + 1):
                more = word + power * "KD"[number % 2]
                term = coefficient * share**power / factorial(power)
                longer[more] = longer.get(more, 0.0) + term
        words = longer
    return words


@pytest.mark.parametrize("splitting", [Leapfrog, Yoshida4, BlanesMoan4])
def test_order_conditions(splitting):
    """The product of exponentials is exp(K + D), word by word, up to the order and no further."""
    order = splitting.order
    for word, coefficient in of_words(splitting.shares, order).items():
        assert coefficient == pytest.approx(1 / factorial(len(word)), abs=3e-14), word
    beyond = of_words(splitting.shares, order + 1)
    assert max(abs(c - 1 / factorial(len(word))) for word, c in beyond.items()) > 1e-5


def test_at_equal_cost_blanes_moan_is_the_most_exact():
    q, p = draw(2)
    truth = exact(Pendulum(), q, p, 5.0)
    steps = {Leapfrog: 240, Yoshida4: 80, BlanesMoan4: 40}
    errors = [
        np.abs(np.stack(kind(n, 5.0 / n).forward(Pendulum(), q, p)) - truth).max()
        for kind, n in steps.items()
    ]
    assert errors[0] > 10 * errors[1]
    assert errors[1] > 10 * errors[2]


def test_leapfrog_is_kick_drift_kick():
    q, p = draw(2)
    half = p - 0.25 * np.sin(q)
    q1 = q + 0.5 * half
    p1 = half - 0.25 * np.sin(q1)
    np.testing.assert_allclose(Leapfrog(1, 0.5).forward(Pendulum(), q, p), (q1, p1), atol=1e-15)
    twice = Leapfrog(1, 0.5).forward(Pendulum(), q1, p1)
    np.testing.assert_allclose(Leapfrog(2, 0.5).forward(Pendulum(), q, p), twice, atol=1e-15)


def test_euler_is_the_infinitesimal_transformation_of_the_paper():
    q, p = draw(2)
    result = Euler(1, 0.1).forward(Pendulum(), q, p)
    np.testing.assert_allclose(result, (q + 0.1 * p, p - 0.1 * np.sin(q)), atol=1e-16)


def test_flow_applies_the_first_hamiltonian_first():
    q, p = draw(2)
    first, second, integrator = network(2, 1), network(2, 2), Leapfrog(1, 0.4)
    by_hand = integrator.forward(second, *integrator.forward(first, q, p))
    flow = HamiltonianFlow((first, second), integrator)
    np.testing.assert_array_equal(flow.forward(q, p), by_hand)


class Shift:
    """Not the flow of anything; moves q by one."""

    order, symplectic = 1, True

    def forward(self, hamiltonian, q, p):
        return q + 1, p

    def inverse(self, hamiltonian, q, p):
        return q - 1, p

    def positions(self, hamiltonian, q, p):
        return q + 1.0


class Further(Shift):
    def forward(self, hamiltonian, q, p):
        return q + 2, p


def test_positions_are_taken_where_they_go_with_the_map(monkeypatch):
    q, p = draw(2)
    np.testing.assert_array_equal(HamiltonianFlow((None,), Further()).positions(q, p), q + 2)
    monkeypatch.setattr(Shift, "positions", lambda *_: "the shorter way")
    assert HamiltonianFlow((None,), Shift()).positions(q, p) == "the shorter way"


def test_fields_beside_an_inverse_come_in_the_order_of_the_chain():
    q, p = draw(2)
    flow, probes = HamiltonianFlow((network(2, 1), network(2, 2)), Leapfrog(1, 0.4)), draw(4)[0]
    states, fields = flow.inverse_with_fields(q, p, probes)
    np.testing.assert_allclose(fields, flow.fields(probes), rtol=1e-12)
    np.testing.assert_allclose(states, np.hstack(flow.inverse(q, p)), rtol=1e-12)
    assert np.abs(fields[:, 0] - fields[:, 1]).max() > 1e-3


def test_euler_says_when_it_cannot_be_inverted():
    q, p = draw(2)
    with pytest.raises(InversionError, match="smaller step"):
        Euler(1, 3.0).inverse(Pendulum(), 5 * q, 5 * p)


@pytest.mark.parametrize("integrator", INTEGRATORS.values())
@pytest.mark.parametrize(
    ("arguments", "name"),
    [((0, 0.1), "steps"), ((1.5, 0.1), "steps"), ((True, 0.1), "steps"), ((1, 0), "step_size"),
     ((1, -0.1), "step_size"), ((1, float("nan")), "step_size"), ((1, "x"), "step_size")],
)  # fmt: skip
def test_bad_arguments_are_named(integrator, arguments, name):
    with pytest.raises(ArgumentError, match=name):
        integrator(*arguments)
