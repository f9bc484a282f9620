"""Transformations in numbers: closed forms where there are, estimates and bounds of the error."""

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

import ehf_num as en
import ehf_sym as es

SPACE = es.PhaseSpace(1)
(q,), (p,) = SPACE.q, SPACE.p
PENDULUM = p**2 / 2 - sp.cos(q)


def states(n=6):
    return np.random.default_rng(0).uniform(-1, 1, (n, 2))


def scipys_pendulum(state, time):
    """Another method than ours, at its tightest."""
    solution = solve_ivp(
        lambda _, s: [s[1], -np.sin(s[0])], (0, time), state, method="Radau", rtol=1e-12, atol=1e-13
    )
    return solution.y[:, -1]


def test_closed_forms_are_used():
    move = en.finite_action(SPACE, p * q**2, 0.8)
    assert move.exact
    s = states()
    np.testing.assert_allclose(move(s)[:, 0], s[:, 0] / (1 - 0.8 * s[:, 0]), rtol=1e-14)


def test_without_a_closed_form_it_is_integrated():
    move = en.finite_action(SPACE, PENDULUM, 1.5)
    assert not move.exact
    s = states()
    expected = [scipys_pendulum(state, 1.5) for state in s]
    np.testing.assert_allclose(move(s), expected, atol=1e-9)


@pytest.mark.parametrize("generator", [PENDULUM, p * q**2 / 2], ids=str)
def test_one_epsilon_for_each_state(generator):
    s = states()
    times = np.linspace(-1, 1, len(s))
    together = en.finite_action(SPACE, generator, times)(s)
    for state, time, moved in zip(s, times, together, strict=True):
        alone = en.finite_action(SPACE, generator, time)(state[None])
        np.testing.assert_allclose(alone[0], moved, rtol=1e-10)


def test_a_state_at_rest_stays_there_without_an_error():
    """Its gradient is 0, by which the drift of g is divided elsewhere."""
    moved, error = en.finite_action(SPACE, PENDULUM, 0.9).estimate(np.zeros((1, 2)))
    np.testing.assert_array_equal(moved, [[0, 0]])
    np.testing.assert_array_equal(error, [0])


@pytest.mark.parametrize("generator", [PENDULUM, (q**2 + p**2) ** 2 / 4], ids=str)
def test_bounds_hold_and_estimates_are_of_their_size(generator):
    move = en.finite_action(SPACE, generator, 0.9)
    s = states(3)
    moved, error = move.estimate(s)
    bound = move.bound(s)
    np.testing.assert_array_equal(moved, move(s))
    assert moved.shape == (3, 2)
    assert error.shape == bound.shape == (3,)
    assert (bound > 0).all()
    assert (bound < 1e-9).all()
    assert (error < 1e-8).all()


def test_a_wrong_result_has_a_large_bound():
    """The bound is on what is computed: a planted error of 1e-6 shows in it."""

    class Wrong(en.NumericalAction):
        def _moved(self, states, fraction):
            return super()._moved(states, fraction) + 1e-6

    right = en.finite_action(SPACE, PENDULUM, 0.5)
    wrong = Wrong(right.action, right.epsilon, right.parameters)
    assert (right.bound(states(2)) < 1e-10).all()
    assert (wrong.bound(states(2)) >= 1e-6 - 1e-10).all()


def test_parameters_have_values():
    k = sp.Symbol("k", real=True)
    space = es.PhaseSpace(1, parameters=[k])
    g = (p**2 + k * q**2) / 2
    s = states()
    turned = en.finite_action(space, g, np.pi / 4, {k: 4.0})(s)
    np.testing.assert_allclose(turned, np.stack([s[:, 1] / 2, -2 * s[:, 0]], axis=1), atol=1e-15)
    assert (en.finite_action(space, g, 0.3, {k: -1.5}).bound(s[:2]) < 1e-14).all()
    numerical = en.finite_action(space, p**2 / 2 + k * q**4, 0.3, {k: 0.25})
    assert (numerical.bound(s[:2]) < 1e-10).all()
    with pytest.raises(es.ArgumentError, match="k"):
        en.finite_action(space, g, 1.0)


def test_blow_up_is_an_error():
    for generator in (p * q**2, p * q**2 + p * q**4):
        move = en.finite_action(SPACE, generator, 2.0)
        with pytest.raises(en.ActionError, match=r"ε = (1|0\.2146)"):  # 1; 1 − π/4
            move(np.array([[1.0, 1.0]]))
        with pytest.raises(es.ActionError):
            move.bound(np.array([[1.0, 1.0]]))


@pytest.mark.parametrize(
    ("generator", "state", "epsilon", "message"),
    [
        # q̇ = √q reaches 0 at ε = −2√q(0), where its square root ends.
        (p * sp.sqrt(q), (4.0, 1.0), -5.0, "state 0 is not integrated beyond ε = -4"),
        (p * sp.sqrt(q), (-1.0, 1.0), 1.0, "state 0 is one at which"),
        # Falls into the pole at q = 1 from the right; from the left it is thrown back.
        ((p**2 + q**2) / 2 - 1 / (10**6 * (q - 1)), (2.0, 0.0), 3.0, r"1\.0.*singular|blows up"),
    ],
)
def test_integration_stops_where_the_generator_is_singular(generator, state, epsilon, message):
    move = en.finite_action(SPACE, generator, epsilon)
    assert not move.exact
    with pytest.raises(en.ActionError, match=message):
        move(np.array([state]))


@pytest.mark.parametrize("epsilon", [np.nan, "1", 1j, np.zeros((2, 2))], ids=str)
def test_epsilon_is_checked(epsilon):
    with pytest.raises(es.ArgumentError, match="epsilon"):
        en.finite_action(SPACE, p, epsilon)
