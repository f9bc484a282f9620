"""A chain as one node in C against the reference and differences; kept, rebuilt, on any threads."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.test_util import check_grads

from ehf_num.engine import native, parallel
from ehf_num.engine.networks import init_energy
from ehf_num.engine.reversal import watch_reversals
from ehf_num.engine.tape import make_vjp
from ehf_num.hamiltonian.integrators import Yoshida4
from ehf_num.hamiltonian.splitting import Chain, schedule

pytest.importorskip("ehf_num._native", reason="no C compiler at installation")


@pytest.fixture(params=[1, 2], autouse=True, ids=["one thread", "two threads"])
def _threads(request, monkeypatch):
    monkeypatch.setattr(parallel, "LEAST_KERNEL_WORK", 1.0)
    monkeypatch.setattr(parallel, "LEAST_ROWS", 1)
    native.set_native(True)
    parallel.set_threads(request.param)
    yield
    parallel.set_threads(None)
    native.set_native(None)


def make(dim=2, n=9, probes=4, hamiltonians=2, hidden=(7, 5), dtype="float64", seed=4):
    """q, p, probes and weights, all of them read-only."""
    rng = np.random.default_rng(seed)
    weights = [
        (array + 0.2 * rng.standard_normal(array.shape)).astype(dtype)
        for _ in range(2 * hamiltonians)
        for array in init_energy((dim, *hidden, 1), rng, dtype)
    ]
    rows = [rng.standard_normal(shape) for shape in [(n, dim)] * 2 + [(probes, 2 * dim)]]
    arrays = [array.astype(dtype) for array in rows] + weights
    for array in arrays:
        array.flags.writeable = False
    return arrays


def loss(outputs):
    """Weigh every entry differently, so that none can stand for another."""
    states, fields = outputs
    total = anp.sum(anp.sin(states) * np.arange(1, states.size + 1).reshape(states.shape))
    return total + anp.sum(fields**2 * np.arange(1, fields.size + 1).reshape(fields.shape))


def plain(chain):
    def flow(q, p, probes, *weights):
        rows = chain.reference(q, p, probes, *weights)
        shape = (len(probes), chain.hamiltonians, probes.shape[1])
        return rows[: len(q)], anp.reshape(rows[len(q) :], shape)

    return flow


def value_and_gradients(flow, arguments):
    vjp, value = make_vjp(lambda arrays: loss(flow(*arrays)), arguments)
    return [value, *vjp(np.ones_like(value))]


CASES = [
    (Chain(schedule(1, 0.3), 1, False), {}),
    (Chain(schedule(3, -0.2), 3, False), {"hamiltonians": 3, "dim": 3}),
    (Chain(schedule(2, 0.4), 2, False), {"n": 1, "probes": 1, "dim": 1}),
    (Chain(schedule(2, 0.4), 2, False), {"n": 33, "probes": 0}),
    (Chain(schedule(2, 0.4), 2, False), {"n": 3, "probes": 17, "hidden": (6,)}),
    (Chain(schedule(5, 0.2), 1, False), {"hamiltonians": 1, "hidden": (4, 6, 5), "n": 65}),
    (Chain(schedule(9, 0.1), 1, False), {"hamiltonians": 1, "n": 340}),
    (Chain((-0.1, 0.3, 0.2, -0.4, -0.5), 2, False), {}),  # no two factors alike
    (Chain(Yoshida4(2, 0.3).backward(), 1, False), {"hamiltonians": 1}),
]


@pytest.mark.parametrize("rebuild", [False, True])
@pytest.mark.parametrize(("chain", "options"), CASES)
def test_values_and_pullbacks_are_those_of_plain_autograd(chain, options, rebuild):
    arguments = make(**{"hamiltonians": chain.hamiltonians} | options)
    ours = Chain(chain.factors, chain.hamiltonians, rebuild)
    expected = value_and_gradients(plain(chain), arguments)
    for left, right in zip(value_and_gradients(ours, arguments), expected, strict=True):
        np.testing.assert_allclose(
            left, right, rtol=1e-11, atol=1e-11 * np.abs(right).max(initial=0)
        )
    for left, right in zip(ours(*arguments), plain(chain)(*arguments), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-13)  # nothing on the tape


@pytest.mark.parametrize("rebuild", [False, True])
def test_float32_is_float64_to_its_precision(rebuild):
    chain = Chain(schedule(3, 0.3), 2, rebuild)
    exact = value_and_gradients(chain, make())
    single = value_and_gradients(chain, make(dtype="float32"))
    for left, right in zip(single[1:], exact[1:], strict=True):
        assert left.dtype == np.float32
        np.testing.assert_allclose(left, right, rtol=2e-4, atol=2e-5 * np.abs(right).max())


@pytest.mark.parametrize("rebuild", [False, True])
def test_taylor_remainder_is_of_second_order(rebuild):
    arguments = make()
    flow = Chain(schedule(3, 0.3), 2, rebuild)
    value, *gradients = value_and_gradients(flow, arguments)
    rng = np.random.default_rng(0)
    for _ in range(4):
        direction = [rng.standard_normal(array.shape) for array in arguments]
        slope = sum(np.sum(g * d) for g, d in zip(gradients, direction, strict=True))
        remainders = []
        for step in (1e-4, 5e-5):
            moved = [a + step * d for a, d in zip(arguments, direction, strict=True)]
            remainders.append(abs(loss(flow(*moved)) - value - step * slope))
        assert remainders[0] / remainders[1] == pytest.approx(4, rel=0.05)


def test_second_derivatives_go_through_the_plain_form():
    q, p, probes, *weights = make(n=2, probes=2)
    flow = Chain(schedule(2, 0.3), 2, False)
    check_grads(lambda q: flow(q, p, probes, *weights)[0], modes=["rev"], order=2)(q)


@pytest.mark.parametrize("rebuild", [False, True])
def test_results_repeat_bit_for_bit(rebuild):
    flow, arguments = Chain(schedule(2, 0.3), 2, rebuild), make(n=41)
    first, second = value_and_gradients(flow, arguments), value_and_gradients(flow, arguments)
    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("rebuild", [False, True])
def test_no_evaluation_writes_to_another_that_is_in_use(rebuild):
    """Work arrays are shared over time: two tapes interleaved must not meet in one."""
    flow = Chain(schedule(2, 0.3), 2, rebuild)
    one, two = make(seed=1), make(seed=2)
    alone = value_and_gradients(flow, one), value_and_gradients(flow, two)
    vjp_one, outputs_one = make_vjp(lambda arrays: loss(flow(*arrays)), one)
    states_one = flow(*one)[0]
    kept = states_one.copy()
    vjp_two, outputs_two = make_vjp(lambda arrays: loss(flow(*arrays)), two)
    unit = np.ones_like(outputs_one)
    gradients_one, gradients_two = vjp_one(unit), vjp_two(unit)
    again = vjp_one(unit)  # a pullback can be applied twice
    for values, expected in (
        ([outputs_one, *gradients_one], alone[0]),
        ([outputs_one, *again], alone[0]),
        ([outputs_two, *gradients_two], alone[1]),
    ):
        for left, right in zip(values, expected, strict=True):
            np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(states_one, kept)


def test_reversal_is_reported_where_states_are_rebuilt():
    arguments = make(hamiltonians=1)
    errors = []
    for steps in (2, 400):
        with watch_reversals() as watch:
            value_and_gradients(Chain(schedule(steps, 0.1), 1, True), arguments)
        errors.append(watch.largest)
    assert 0 < errors[0] < 1e-13
    assert errors[0] < errors[1] < 1e-9
    with watch_reversals() as watch:
        value_and_gradients(Chain(schedule(2, 0.1), 1, False), arguments)
    assert watch.largest is None


def test_a_state_that_overflows_is_reported():
    q, p, *others = make(hamiltonians=1)
    q = q.copy()
    q[0, 0] = np.inf
    with watch_reversals() as watch, np.errstate(all="ignore"):
        value_and_gradients(Chain(schedule(2, 0.1), 1, True), [q, p, *others])
    assert np.isnan(watch.largest)
