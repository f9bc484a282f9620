"""Halves of a batch: the same numbers, errors that surface, forks that do not hang."""

import multiprocessing
import warnings

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from ehf_num import parallel
from ehf_num.energy_gradient import energy_gradient
from ehf_num.networks import energy_gradient_reference, init_energy
from ehf_num.tape import make_vjp
from ehf_num.workspace import Workspace


@pytest.mark.parametrize("rows", [1, 127, 128, 129, 1000])
def test_halves_cover_every_row_once(rows):
    pieces = parallel.in_halves(lambda part: np.arange(rows)[part], rows)
    np.testing.assert_array_equal(np.concatenate(pieces), np.arange(rows))
    assert len(pieces) == (1 if rows < 128 else 2)


def gradients(function, rows):
    rng = np.random.default_rng(0)
    weights = init_energy((2, 9, 8, 1), rng, "float64")
    x = rng.standard_normal((rows, 2))
    vjp, value = make_vjp(lambda arrays: function(x, *arrays), weights)
    return [value, *vjp(np.cos(value))]


def test_both_halves_reach_the_gradient():
    for ours, plain in zip(
        gradients(energy_gradient, 301), gradients(energy_gradient_reference, 301), strict=True
    ):
        np.testing.assert_allclose(ours, plain, rtol=1e-10, atol=1e-12)


def test_results_repeat_bit_for_bit():
    for first, second in zip(
        gradients(energy_gradient, 400), gradients(energy_gradient, 400), strict=True
    ):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("bad", [0, 1])
def test_an_error_in_either_half_surfaces(bad):
    def work(rows):
        if (rows.start > 0) == bool(bad):
            raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        parallel.in_halves(work, 400)


def test_numpys_error_state_reaches_the_other_half():
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("error")
        parallel.in_halves(lambda rows: np.exp(np.full(3, 1e4)), 400)


def test_blas_is_limited_inside_the_block_only():
    def blas_threads():
        return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]

    before = blas_threads()
    with parallel.one_blas_thread():
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def _child(queue):
    queue.put(parallel.in_halves(lambda rows: rows.start, 400))


def test_a_forked_process_gets_a_thread_of_its_own():
    parallel.in_halves(lambda rows: None, 400)  # the parent's thread exists
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork with threads
        child = context.Process(target=_child, args=(queue,))
        child.start()
    child.join(timeout=30)
    try:
        assert child.exitcode == 0
        assert queue.get() == [0, 200]
    finally:
        child.kill()


def test_work_arrays_are_reused_only_after_their_owner_is_gone():
    owner = Workspace()
    first = owner.empty((3, 5), np.dtype("float64"))
    assert Workspace().empty((3, 5), np.dtype("float64")) is not first
    address = first.ctypes.data
    del owner, first
    again = {Workspace().empty((3, 5), np.dtype("float64")).ctypes.data for _ in range(3)}
    assert address in again
