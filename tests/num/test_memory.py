"""Memory of training and of weighing: no growth with iterations, rebuilt steps, or draws."""

import gc
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from models import make

import ehf_num as en
from ehf_num.engine import native, parallel, workspace
from ehf_num.engine.networks import init_energy, kept_numbers
from ehf_num.engine.tape import make_vjp
from ehf_num.hamiltonian.flow import HamiltonianFlow
from ehf_num.hamiltonian.hamiltonian import NetworkHamiltonian
from ehf_num.hamiltonian.integrators import Leapfrog
from ehf_num.hamiltonian.splitting import Chain, schedule
from ehf_num.inference import inference, weighing
from ehf_num.training.training_settings import TrainingSettings

ROWS = 100
in_c = pytest.mark.skipif(native.why_not() is not None, reason="of the kernels in C")


def one_pass(steps, rebuild, hamiltonians=1, hidden=(16, 16)):
    """Go forward and back through a chain."""
    rng = np.random.default_rng(0)
    energies = [init_energy((2, *hidden, 1), rng, "float64") for _ in range(2 * hamiltonians)]
    weights = [array for energy in energies for array in energy]
    q, p = rng.standard_normal((2, ROWS, 2))
    probes = rng.standard_normal((ROWS, 4))
    leapfrog, size = Leapfrog(steps, 0.1 / steps, rebuild), len(weights) // (2 * hamiltonians)

    def end(arrays):
        pairs = [arrays[k : k + 2 * size] for k in range(0, len(arrays), 2 * size)]
        chain = [NetworkHamiltonian(pair[:size], pair[size:]) for pair in pairs]
        return HamiltonianFlow(chain, leapfrog).inverse_with_fields(q, p, probes)[0]

    vjp, states = make_vjp(end, weights)
    vjp(states)
    return weights


def peak(work):
    """Peak of what some work allocates, bytes."""
    workspace.release()
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_thousand_steps_train_in_the_memory_of_ten(each_engine):
    hidden = (64, 64)
    ten, thousand = (
        peak(lambda steps=steps: one_pass(steps, True, hidden=hidden)) for steps in (10, 1000)
    )
    kept = peak(lambda: one_pass(10, False, hidden=hidden))
    assert thousand < 1.2 * ten + 2**19  # half a megabyte may wait for the collector
    assert thousand < kept < 0.2 * peak(lambda: one_pass(100, False, hidden=hidden))


@in_c
def test_what_is_kept_is_counted(monkeypatch):
    monkeypatch.setattr(parallel, "MOST_SHARES", 1)  # each share ends in a tile of its own
    weights = one_pass(20, False, hamiltonians=2)
    counted = Chain(schedule(20, 0.1), 2, False).kept_bytes(weights, ROWS, ROWS)
    found = peak(lambda: one_pass(20, False, hamiltonians=2))
    assert found == pytest.approx(counted, rel=0.1)


def test_what_the_reference_keeps_is_counted(each_engine):
    if each_engine == "C":
        pytest.skip("counted above")
    weights = one_pass(20, False)
    counted = 41 * ROWS * 8 * kept_numbers(weights[: len(weights) // 2])
    assert peak(lambda: one_pass(20, False)) == pytest.approx(counted, rel=0.3)


@in_c
def test_work_arrays_are_all_there_after_the_first_pass(monkeypatch):
    one_pass(2, False)
    fresh = []
    empty = SimpleNamespace(empty=lambda *a: fresh.append(a) or np.empty(*a), uint8=np.uint8)
    monkeypatch.setattr(workspace, "np", empty)
    one_pass(2, False)
    assert fresh == []
    one_pass(9, False)
    assert fresh != []  # more is kept: the count is not blind


def test_training_takes_no_more_memory_for_more_iterations(monkeypatch):
    monkeypatch.setattr(TrainingSettings, "interval", property(lambda s: s.iterations // 20))
    flow, draws = make("so2", hidden=(4,), enforce="none"), []

    def source(n, rng):
        draws.append(n)
        if len(draws) % 20 == 0:
            gc.collect()  # what waits for the collector would look like growth
        return rng.standard_normal((n, 2))

    def fit(iterations):
        flow.fit(source, iterations=iterations, batch_size=16, progress=False)

    fit(20)  # what is compiled and imported once
    assert peak(lambda: fit(240)) < 1.05 * peak(lambda: fit(60))


def test_after_training_no_work_arrays_are_held():
    x = en.rings().sample(200, rng=0)
    make("so2").fit(x, iterations=5, progress=False)
    assert not workspace._pool.idle_bytes


@in_c
def test_calls_of_varying_shapes_leave_a_bounded_pool(monkeypatch):
    monkeypatch.setattr(workspace, "MOST_IDLE", 2**20)
    flow, rng = make("so2"), np.random.default_rng(0)
    for _ in range(60):
        flow.elbo(rng.standard_normal((int(rng.integers(1, 3000)), 2)), n_samples=3)
    assert 0 < workspace._pool.idle_bytes <= 2**20


def test_a_buffer_serves_arrays_of_about_its_size_alone():
    pool = workspace._Pool()
    pool.give([np.empty(1000, np.uint8), np.empty(100, np.uint8)])
    assert pool.take(60).nbytes == 100
    assert pool.take(60).nbytes == 60  # not the one of 1,000 bytes
    assert pool.take(501).nbytes == 1000


def test_draws_are_weighed_in_memory_that_does_not_grow(monkeypatch, each_engine):
    """Where they are not kept; what is asked of them draws them again, block by block."""
    monkeypatch.setattr(inference, "ROWS_PER_BLOCK", 256)
    monkeypatch.setattr(weighing, "MOST_KEPT", 2**16)
    monkeypatch.setattr(weighing, "_MOST_FOR_K", 2**10)
    flow = make("so2", hidden=(4,))
    S = sum(q**2 for q in flow.base.space.q)

    def work(n):
        weights = flow.weigh(S, n)
        assert weights.kept is None
        weights.mean(S)
        weights.resample(10)

    flow.weigh(S, 300)
    few, many = (peak(lambda n=n: work(n)) for n in (3_000, 24_000))
    assert many < few + 2**18  # a quarter of a megabyte may wait for the collector
    monkeypatch.setattr(weighing, "MOST_KEPT", 2**40)
    assert peak(lambda: flow.weigh(S, 24_000)) > few + 2**18
