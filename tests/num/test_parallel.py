"""Shares of a batch: the same numbers whatever their number, and a BLAS of one thread."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from ehf_num.engine import parallel
from ehf_num.engine.engine import energy_gradient
from ehf_num.engine.networks import energy_gradient_reference, init_energy
from ehf_num.engine.tape import make_vjp
from ehf_num.engine.workspace import Workspace
from ehf_sym import ArgumentError


@pytest.fixture(autouse=True)
def _two_threads_whatever_the_size(monkeypatch):
    monkeypatch.setattr(parallel, "LEAST_KERNEL_WORK", 1.0)
    monkeypatch.setattr(parallel, "LEAST_ROWS", 1)
    parallel.set_threads(2)
    yield
    parallel.set_threads(None)


@pytest.mark.parametrize("rows", [1, 2, 127, 1000])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_shares_cover_every_row_once(rows, count):
    pieces = [np.arange(rows)[part] for part in parallel.shares(rows, count)]
    assert len(pieces) == count
    np.testing.assert_array_equal(np.concatenate(pieces), np.arange(rows))


def test_number_of_shares_follows_rows_and_work(monkeypatch):
    monkeypatch.setattr(parallel, "LEAST_KERNEL_WORK", 1000)
    count = parallel.share_count
    assert [count(100, work, 8) for work in (0, 19, 20, 45, 1e9)] == [1, 1, 2, 3, 7]
    assert [count(100, work, 4) for work in (39, 40)] == [1, 2]
    monkeypatch.setattr(parallel, "LEAST_ROWS", 32)
    assert [count(rows, 1e9, 8) for rows in (0, 1, 63, 64, 256, 1024, 10**6)] == [
        1,
        1,
        1,
        2,
        2,
        4,
        16,
    ]


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "2"])
def test_a_bad_number_of_threads_is_named(bad):
    with pytest.raises(ArgumentError, match="count"):
        parallel.set_threads(bad)


def gradients(function, rows):
    rng = np.random.default_rng(0)
    weights = init_energy((2, 9, 8, 1), rng, "float64")
    x = rng.standard_normal((rows, 2))
    vjp, value = make_vjp(lambda arrays: function(x, *arrays), weights)
    return [value, *vjp(np.cos(value))]


def test_all_shares_reach_the_gradient():
    for ours, plain in zip(
        gradients(energy_gradient, 301), gradients(energy_gradient_reference, 301), strict=True
    ):
        np.testing.assert_allclose(ours, plain, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_do_not_depend_on_threads_to_the_last_bit(count):
    one = gradients(energy_gradient, 401)
    parallel.set_threads(count)
    first, second = gradients(energy_gradient, 401), gradients(energy_gradient, 401)
    for left, right, single in zip(first, second, one, strict=True):
        np.testing.assert_array_equal(left, right)
        np.testing.assert_array_equal(left, single)


def test_blas_is_limited_inside_the_block_only():
    def blas_threads():
        return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]

    parallel._controller.cache_clear()  # it knows those that were loaded before it
    before = blas_threads()
    with parallel.one_blas_thread():
        with parallel.one_blas_thread():
            pass
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_work_arrays_are_reused_only_after_their_owner_is_gone():
    owner = Workspace()
    first = owner.empty((3, 5), np.dtype("float64"))
    assert Workspace().empty((3, 5), np.dtype("float64")) is not first
    address = first.ctypes.data
    del owner, first
    again = {Workspace().empty((3, 5), np.dtype("float64")).ctypes.data for _ in range(3)}
    assert address in again
