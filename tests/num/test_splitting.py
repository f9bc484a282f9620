"""The fused leapfrog map against leapfrog in plain autograd operations."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from autograd.test_util import check_grads

from ehf_num.engine.networks import energy, init_energy
from ehf_num.hamiltonian.splitting import Chain, apply_parts, schedule


class Nested:
    """The same Hamiltonian with nested derivatives: no kernel of ours."""

    def __init__(self, kinetic, potential):
        self.kinetic, self.potential = kinetic, potential

    def grad_kinetic(self, p):
        return grad(lambda p: anp.sum(energy(p, *self.kinetic)))(p)

    def grad_potential(self, q):
        return grad(lambda q: anp.sum(energy(q, *self.potential)))(q)


def leapfrog_map(steps, dt, rebuild=False):
    """One Hamiltonian's map, no probes: f(q, p, *weights) → (q', p')."""
    chain = Chain(schedule(steps, dt), 1, rebuild)

    def flow(q, p, *weights):
        states, _ = chain(q, p, np.empty((0, 2 * q.shape[1]), q.dtype), *weights)
        return states[:, : q.shape[1]], states[:, q.shape[1] :]

    return flow


def make(dim, n, dtype="float64"):
    rng = np.random.default_rng(4)
    weights = [init_energy((dim, 7, 6, 1), rng, dtype) for _ in range(2)]
    q, p = rng.standard_normal((2, n, dim)).astype(dtype)
    return q, p, *weights


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("n", [5, 200])
@pytest.mark.parametrize(("steps", "dt"), [(1, 0.3), (3, -0.2)])
def test_value_and_pullback_are_those_of_nested_autograd(dim, n, steps, dt):
    q, p, kinetic, potential = make(dim, n)

    def loss(flow):
        def of(arguments):
            q, p, kinetic, potential = arguments
            end_q, end_p = flow(q, p, kinetic, potential)
            return anp.sum(anp.sin(end_q) + end_p**2)

        return of

    def nested(q, p, kinetic, potential):
        plain = Nested(kinetic, potential)
        return apply_parts(schedule(steps, dt), plain.grad_kinetic, plain.grad_potential, q, p)

    def fused(q, p, kinetic, potential):
        return leapfrog_map(steps, dt)(q, p, *kinetic, *potential)

    arguments = (q, p, tuple(kinetic), tuple(potential))
    np.testing.assert_allclose(fused(*arguments), nested(*arguments), rtol=1e-12, atol=1e-13)
    ours, plain = grad(loss(fused))(arguments), grad(loss(nested))(arguments)
    for left, right in zip(ours[:2], plain[:2], strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-12)
    for left, right in zip(ours[2] + ours[3], plain[2] + plain[3], strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-11)


def test_second_derivatives_go_through_the_plain_form():
    q, p, kinetic, potential = make(2, 3)

    def end(q):
        return leapfrog_map(2, 0.3)(q, p, *kinetic, *potential)[1]

    check_grads(end, modes=["rev"], order=2)(q)


def test_schedule_spends_equal_time_on_kicks_and_drifts():
    factors = schedule(4, 0.25)
    assert sum(factors[1::2]) == pytest.approx(1.0)
    assert sum(factors[::2]) == pytest.approx(-1.0)
    assert len(factors) == 9


def test_inputs_are_not_written_to():
    q, p, kinetic, potential = make(2, 200)
    kept = q.copy(), p.copy()
    leapfrog_map(2, 0.3)(q, p, *kinetic, *potential)
    np.testing.assert_array_equal((q, p), kept)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept(dtype):
    q, p, kinetic, potential = make(2, 4, dtype)
    assert {a.dtype for a in leapfrog_map(2, 0.3)(q, p, *kinetic, *potential)} == {np.dtype(dtype)}
