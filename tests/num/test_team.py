"""The kernels' own threads: the bits do not depend on who does a share, nor do the values."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest

from ehf_num.engine import native, parallel
from ehf_num.engine.networks import init_energy, init_relu
from ehf_num.hamiltonian.splitting import Chain, schedule

pytest.importorskip("ehf_num._native", reason="no C compiler at installation")

DIM = 3


@pytest.fixture(autouse=True)
def _many_threads(monkeypatch):
    monkeypatch.setattr(parallel, "LEAST_KERNEL_WORK", 1.0)
    monkeypatch.setattr(parallel, "LEAST_ROWS", 1)
    native.set_native(True)
    yield
    native.set_native(None)
    parallel.set_threads(None)


@contextmanager
def one_share():
    before, parallel.MOST_SHARES = parallel.MOST_SHARES, 1
    yield
    parallel.MOST_SHARES = before


def chain_there_and_back(threads, rows=50, probes=31, keep=True, seed=0, width=20):
    """All that a chain gives: states, fields, cotangents of rows and of weights."""
    parallel.set_threads(threads)
    rng = np.random.default_rng(seed)
    weights = [w for _ in range(4) for w in init_energy((DIM, width, 17, 1), rng, "float64")]
    kernel = Chain(schedule(2, 0.3), hamiltonians=2, rebuild=not keep).kernel(tuple(weights))
    q, p = rng.standard_normal((2, rows, DIM))
    outputs = kernel.forward(q, p, rng.standard_normal((probes, 2 * DIM)), keep=True)
    row_bars, weight_bars = kernel.pull_back(np.cos(outputs))
    return [outputs.copy(), *row_bars, *weight_bars]


def relu_there_and_back(threads, rows=50):
    parallel.set_threads(threads)
    rng = np.random.default_rng(1)
    kernel = native.NativeNetwork("relu", tuple(init_relu((DIM, 20, 17, 4), rng, "float64")))
    value = kernel.forward(rng.standard_normal((rows, DIM)), keep=True)
    row_bars, weight_bars = kernel.pull_back(np.cos(value))
    return [value, *row_bars, *weight_bars]


def assert_equal(one, other):
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


def _after_pauses():
    wanted = chain_there_and_back(2)
    for pause in (0.0, 0.003, 0.0, 0.02):  # a thread's patience is half a millisecond
        time.sleep(pause)
        assert_equal(chain_there_and_back(2), wanted)


def _several_at_once():
    wanted = [chain_there_and_back(3, seed=k) for k in range(4)]
    failed = []

    def work(k):
        for _ in range(30):
            try:
                assert_equal(chain_there_and_back(3, seed=k), wanted[k])
            except AssertionError as error:
                failed.append(error)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failed


def _in_child(function):
    parallel.LEAST_KERNEL_WORK, parallel.LEAST_ROWS = 1.0, 1
    native.set_native(True)
    function()


@pytest.mark.parametrize("function", [_after_pauses, _several_at_once])
def test_threads_that_sleep_wake_and_calls_at_once_have_the_bits_of_one(function):
    """In a process of its own, and before all other tests: it hangs where this does not work."""
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_in_child, args=(function,), daemon=True)
    child.start()
    child.join(60)
    exitcode = child.exitcode
    child.kill()
    assert exitcode == 0


def assert_same_sums(function, *arguments):
    """On any number of threads the same bits, and one share's up to rounding."""
    alone = function(1, *arguments)
    for threads in (2, 3, 7, 64, 1000):
        assert_equal(function(threads, *arguments), alone)
    with one_share():
        whole = function(1, *arguments)
    for left, right in zip(alone, whole, strict=True):
        scale = np.abs(right).max(initial=0)
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("keep", [True, False])
def test_chain_of_any_number_of_threads(keep):
    assert_same_sums(chain_there_and_back, 50, 31, keep)


def test_shares_that_take_long_do_not_meet():
    """So long that threads are at work at the same time, on a busy machine too."""
    assert_same_sums(partial(chain_there_and_back, width=150), 3000)


@pytest.mark.parametrize("rows", [0, 1, 2, 50])
def test_relu_networks(rows):
    assert_same_sums(relu_there_and_back, rows)


@pytest.mark.parametrize(("rows", "probes"), [(1, 40), (40, 1), (2, 0), (0, 40)])
def test_shares_without_rows_or_without_probes(rows, probes):
    assert_same_sums(chain_there_and_back, rows, probes)


def _on_one_core():
    """Two threads and one core: a call waits for whoever is not running."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    end = time.monotonic() + 40
    while not native.kernels.team_rests():
        chain_there_and_back(2, rows=3000, width=150)
        assert time.monotonic() < end


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no cores to be kept to here")
def test_a_team_without_cores_of_its_own_is_left_asleep():
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_in_child, args=(_on_one_core,), daemon=True)
    child.start()
    child.join(60)
    exitcode = child.exitcode
    child.kill()
    assert exitcode == 0


def _send(pipe, threads):
    pipe.send(chain_there_and_back(threads))
    pipe.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # JAX's, where it was imported
def test_a_forked_process_starts_threads_of_its_own():
    wanted = chain_there_and_back(2)  # the parent has a team now, the child would wait for it
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_send, args=(theirs, 2), daemon=True)
    child.start()
    assert ours.poll(60), "the child hangs"
    assert_equal(ours.recv(), wanted)
    child.join(60)
    assert child.exitcode == 0
