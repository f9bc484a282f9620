"""The kernels in C against the reference, against mpmath, and against wrong calls."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import autograd.numpy as anp
import mpmath
import numpy as np
import pytest
from autograd import make_vjp

from ehf_num.densities.encoder import GaussianEncoder
from ehf_num.engine import native, parallel, workspace
from ehf_num.engine.adam import Adam, AdamSettings
from ehf_num.engine.engine import energy_gradient, relu_network
from ehf_num.engine.networks import init_energy, init_relu, relu_network_reference
from ehf_num.hamiltonian.splitting import Chain, schedule

kernels = pytest.importorskip("ehf_num._native", reason="no C compiler at installation")
WAYS = ("forward", "pull_back")
TOLERANCE = {"float64": 1e-13, "float32": 2e-5}
WIDTHS = [
    (1, 1),
    (2, 128, 128),
    (3, 20, 17, 9),
    (9, 33),
    (32, 40, 130),
    (2, 5, 4, 3, 2, 6, 7, 8, 4),
    (2, 50, 33),  # inputs few enough for sums over a row, rows beyond whole panels of any width
    (8, 67),
]


@pytest.fixture(autouse=True)
def _restored():
    native.set_native(True)
    yield
    native.set_native(None)
    parallel.set_threads(None)


def drawn(shapes, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def disturbed(weights):
    noise = drawn([w.shape for w in weights], weights[0].dtype)
    return [w + 0.1 * n for w, n in zip(weights, noise, strict=True)]


def value_and_pullbacks(function, arguments, in_c):
    """The value and two pullbacks of one node: the second must not see the first."""
    native.set_native(in_c)
    vjp, value = make_vjp(lambda arrays: function(*arrays))(tuple(arguments))
    cotangents = drawn([value.shape] * 2, value.dtype, seed=9)
    return [value] + [bar for cotangent in cotangents for bar in vjp(cotangent)]


def assert_same(function, arguments):
    dtype = arguments[0].dtype.name
    for ours, theirs in zip(
        *(value_and_pullbacks(function, arguments, in_c) for in_c in (True, False)), strict=True
    ):
        assert ours.dtype == theirs.dtype == dtype
        assert ours.shape == theirs.shape
        scale = np.max(np.abs(theirs), initial=1e-3)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("rows", [0, 1, 47, 200])
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_energy_gradient(dtype, widths, rows):
    weights = init_energy((*widths, 1), np.random.default_rng(1), dtype)
    assert native.takes(weights)
    weights = disturbed(weights)
    assert_same(energy_gradient, drawn([(rows, widths[0])], dtype) + weights)


def pulled_back(function, arguments, cotangent):
    vjp, value = make_vjp(lambda arrays: function(*arrays))(tuple(arguments))
    return [value, *vjp(cotangent)]


@pytest.mark.parametrize("rows", [0, 1, 47, 200])
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_relu_network(dtype, widths, rows):
    """Within n u times the same with absolute values, n the operations on the longest way.

    Where a unit is so near to 0 that rounding decides whether it is on, the row does not count.
    """
    for outputs in (3, 64):  # 64: whole vectors on every machine
        weights = disturbed(init_relu((*widths, outputs), np.random.default_rng(1), dtype))
        x, cotangent = drawn([(rows, widths[0]), (rows, outputs)], dtype)
        operations = 2 * (sum(widths) + outputs + 2 * len(weights)) + rows
        loose = operations * np.finfo(dtype).eps / 2 * (1 if dtype == "float32" else 2)
        wide = [array.astype("float64") for array in (x, *weights)]
        units, sizes = wide[0], np.abs(wide[0])
        for matrix, bias in zip(wide[1:-2:2], wide[2:-2:2], strict=True):
            z, sizes = units @ matrix + bias, sizes @ np.abs(matrix) + np.abs(bias)
            cotangent[(np.abs(z) <= loose * sizes).any(axis=1)] = 0
            units = np.maximum(z, 0)
        ours = pulled_back(relu_network, [x, *weights], cotangent)
        exact = pulled_back(relu_network_reference, wide, cotangent.astype("float64"))
        absolute = pulled_back(
            relu_network_reference, map(np.abs, wide), np.abs(cotangent).astype("float64")
        )
        for one, other, size in zip(ours, exact, absolute, strict=True):
            assert one.dtype == dtype
            assert (np.abs(one - other) <= loose * size).all()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("dim", "rows"), [(1, 1), (2, 0), (3, 200), (10, 49)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_draw(dtype, dim, rows, threads, monkeypatch):
    monkeypatch.setattr(parallel, "LEAST_KERNEL_WORK", 1.0)
    monkeypatch.setattr(parallel, "LEAST_ROWS", 1)
    parallel.set_threads(threads)
    encoder = GaussianEncoder(dim, (24, 19))
    weights = disturbed(encoder.init(np.random.default_rng(2), dtype))
    q, noise = drawn([(rows, dim)] * 2, dtype)

    def joined(*weights):
        p, log_h = encoder.draw(weights, q, noise)
        return anp.concatenate([p, anp.reshape(log_h, (-1, 1))], axis=1)

    assert_same(joined, weights)


def test_a_draw_of_a_narrow_gaussian():
    """σ = soft-plus(−60): e^-60 to the last digits, and ln h with it."""
    encoder = GaussianEncoder(1, (2,))
    weights = [np.zeros_like(w) for w in encoder.init(np.random.default_rng(0), "float64")]
    weights[-1][:] = -60
    p, log_h = encoder.draw(weights, np.zeros((1, 1)), np.ones((1, 1)))
    with mpmath.workdps(30):
        scale = mpmath.log1p(mpmath.exp(-60) * (mpmath.e - 1))
        wanted = -mpmath.log(scale) - mpmath.mpf(1) / 2 - mpmath.log(2 * mpmath.pi) / 2
    np.testing.assert_allclose(p[0, 0], float(scale), rtol=1e-13)
    np.testing.assert_allclose(log_h[0], float(wanted), rtol=1e-14)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rebuild", [False, True])
@pytest.mark.parametrize(("dim", "rows", "probes"), [(1, 1, 0), (2, 200, 151), (10, 30, 77)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_chain(dtype, dim, rows, probes, rebuild, threads, monkeypatch):
    monkeypatch.setattr(parallel, "LEAST_KERNEL_WORK", 1.0)
    monkeypatch.setattr(parallel, "LEAST_ROWS", 1)
    parallel.set_threads(threads)
    rng = np.random.default_rng(2)
    weights = [w for _ in range(4) for w in init_energy((dim, 24, 19, 1), rng, dtype)]
    states = drawn([(rows, dim), (rows, dim), (probes, 2 * dim)], dtype)
    chain = Chain(schedule(3, -0.2), hamiltonians=2, rebuild=rebuild)

    def joined(*arguments):
        moved, fields = chain(*arguments)
        return anp.concatenate([anp.ravel(moved), anp.ravel(fields)])

    assert_same(joined, states + weights)


@pytest.mark.parametrize(("dtype", "far", "rtol"), [("float32", 90, 4e-7), ("float64", 800, 1e-15)])
def test_soft_plus_and_sigmoid_to_the_last_digits(dtype, far, rtol):
    """One unit a layer: ∂energy/∂x = s(x) s(softplus(x)), from where exp(x) is no number."""
    rng = np.random.default_rng(3)
    x = [*rng.uniform(-far, far, 400), *rng.uniform(-3, 3, 400), 0.0, -0.0, 1e-30]
    x = np.array(x, dtype)
    one, zero = np.ones((1, 1), dtype), np.zeros(1, dtype)
    values = energy_gradient(x[:, np.newaxis], one, zero, one, zero, one)[:, 0]

    def exact(x):
        t = mpmath.exp(-mpmath.mpf(x))
        return 1 / ((1 + t) * (1 + mpmath.exp(-mpmath.log1p(1 / t))))

    with mpmath.workdps(40):
        wanted = np.array([float(exact(float(value))) for value in x])
    normal = wanted > 1e3 * np.finfo(dtype).tiny  # below, the sigmoid is 0
    np.testing.assert_allclose(values[normal], wanted[normal], rtol=rtol)
    assert np.all(np.abs(values[~normal]) < 1e3 * np.finfo(dtype).tiny)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite_stays_so(dtype):
    weights = init_energy((2, 16, 16, 1), np.random.default_rng(4), dtype)
    x = np.zeros((4, 2), dtype)
    x[1, 0], x[2, 1] = np.nan, np.inf
    gradient = energy_gradient(x, *weights)
    np.testing.assert_array_equal(gradient[[0, 3]], energy_gradient(np.zeros_like(x[:2]), *weights))
    assert np.isnan(gradient[1]).all()
    relu = relu_network(x, *init_relu((2, 8, 1), np.random.default_rng(4), dtype))
    assert np.isnan(relu[1]).all()


def test_a_nan_that_carries_bits_stays_nan():
    """The exponential shifts the low bits of what it is given into the exponent."""
    x = np.array([[0x7FF8000000000008]], np.uint64).view(np.float64)
    assert np.isnan(energy_gradient(x, np.ones((1, 1)), np.zeros(1), np.ones((1, 1)))).all()


def test_a_row_does_not_depend_on_its_neighbours():
    weights = init_energy((2, 40, 40, 1), np.random.default_rng(5), "float64")
    (x,) = drawn([(131, 2)], "float64")
    together = energy_gradient(x, *weights)
    alone = np.concatenate([energy_gradient(row[np.newaxis], *weights) for row in x])
    np.testing.assert_array_equal(together, alone)


def test_many_layers_or_networks_are_left_to_the_reference():
    rng = np.random.default_rng(6)
    deep = init_energy((2, *[3] * (kernels.MAX_LAYERS + 1), 1), rng, "float64")
    assert not native.takes(deep)
    assert energy_gradient(np.zeros((5, 2)), *deep).shape == (5, 2)
    assert not native.takes(init_energy((2, 3, 1), rng, "float64"), kernels.MAX_NETWORKS + 2)
    assert not native.takes(init_energy((2, 3, 1), rng, "float16"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_adam(dtype):
    gradients = drawn([(1001,)] * 50, dtype)
    ends = []
    for in_c in (True, False):
        native.set_native(in_c)
        theta = np.linspace(-1, 1, 1001, dtype=dtype)
        optimizer = Adam(1001, AdamSettings(learning_rate=0.1), dtype)
        for gradient in gradients:
            optimizer.step(theta, gradient)
        ends.append(theta)
    np.testing.assert_allclose(*ends, rtol=0, atol=10 * TOLERANCE[dtype])


def test_calls_with_wrong_sizes_are_refused():
    widths = (0, 2, 8)
    packed_size, kept, work, _, _ = kernels.energy_sizes(True, widths)
    weights = tuple(init_energy((2, 8, 1), np.random.default_rng(7), "float64"))
    packed, x = np.empty(packed_size), np.zeros((5, 2))
    kernels.energy_fill(True, widths, weights, packed)
    right = [1, 1, True, widths, False, packed, x, np.empty((5, 2)), np.empty(kept), np.empty(work)]
    kernels.energy_forward(*right)
    for place in (5, 6, 7, 8, 9):
        wrong = list(right)
        wrong[place] = np.empty(1)
        with pytest.raises(ValueError, match="bytes given"):
            kernels.energy_forward(*wrong)
    with pytest.raises(ValueError, match="widths"):
        kernels.energy_forward(1, 1, True, widths[:2], *right[4:])
    for wrong in (0, -1, kernels.MAX_THREADS + 1):
        for sharing in ((wrong, 1), (1, wrong)):
            with pytest.raises(ValueError, match="threads"):
                kernels.energy_forward(*sharing, *right[2:])
    with pytest.raises(
        ValueError, match="bytes given"
    ):  # work for one thread is not enough for two
        kernels.energy_forward(1, 2, *right[2:])
    for wrong_widths in ((0, 2, 0), (-1, 2, 8), (kernels.MAX_FEATURED + 1, 2, 8)):
        with pytest.raises(ValueError, match="widths"):
            kernels.energy_sizes(True, wrong_widths)
    with pytest.raises(ValueError, match="widths"):
        kernels.relu_sizes(True, (2, 2, 8))  # a relu network has no features
    with pytest.raises(ValueError, match="weights"):
        kernels.energy_fill(True, widths, weights[:2], packed)
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        kernels.energy_forward(*right[:6], np.zeros((2, 5)).T, *right[7:])
    read_only = np.empty((5, 2))
    read_only.flags.writeable = False
    with pytest.raises((BufferError, ValueError)):
        kernels.energy_forward(*right[:7], read_only, *right[8:])
    with pytest.raises(ValueError, match="networks"):
        kernels.chain_forward(
            1, 1, True, widths, widths, 1, np.ones(3), False, packed, *[np.empty((0, 4))] * 5
        )
    for count in (0, 1, 4):
        with pytest.raises(ValueError, match=f"factors: {count} given"):
            kernels.chain_forward(
                *(1, 1, True, widths, widths, 2, np.ones(count), False, packed),
                *[np.empty((0, 4))] * 5,
            )
    widths = (0, 2, 8, 2)
    packed_size, kept, work, _, _ = kernels.relu_sizes(True, widths)
    pairs = [np.empty((5, 2)) for _ in range(2)]
    right = [1, 1, True, widths, False, np.empty(2 * packed_size), x, x, np.empty((5, 3)), *pairs]
    right += [np.empty(kept), np.empty(work)]
    kernels.draw_forward(*right)
    for place in range(5, 13):
        wrong = list(right)
        wrong[place] = np.empty(1)
        with pytest.raises(ValueError, match="bytes given"):
            kernels.draw_forward(*wrong)
    with pytest.raises(ValueError, match="2 coordinates, 3 outputs"):
        kernels.draw_forward(1, 1, True, (0, 2, 8, 3), *right[4:])


def test_the_environment_turns_them_off():
    code = "from ehf_num.engine.engine import present_engine; print(present_engine())"
    run = partial(subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True)
    off = run(env={**os.environ, "EHF_NATIVE": "0"}, check=True).stdout
    assert off.startswith("reference, float64, 1 thread (kernels in C: they are turned off")
    on = run(env={**os.environ, "EHF_NATIVE": "1"}, check=True).stdout
    assert on.startswith("C, float64, ")
    assert kernels.instructions in on


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("is_double", [True, False])
def test_every_number_of_packed_weights_is_written(is_double, widths):
    """Arrays come uninitialized: rows have to be filled up with zeros, not with what was there."""
    dtype, rng = np.dtype("f8" if is_double else "f4"), np.random.default_rng(9)
    for kind, weights in (
        ("energy", init_energy((*widths, 1), rng, dtype)),
        ("relu", init_relu(widths, rng, dtype)),
    ):
        size = getattr(kernels, f"{kind}_sizes")(is_double, (0, *widths))[0]
        packed = np.full(size, np.nan, dtype)
        getattr(kernels, f"{kind}_fill")(is_double, (0, *widths), tuple(weights), packed)
        assert not np.isnan(packed).any()
        filled_up = packed[~np.isin(packed, np.concatenate([w.ravel() for w in weights]))]
        if kind == "relu":  # an energy's are multiplied by one another too
            assert not filled_up.any()


def test_no_array_is_lent_twice(monkeypatch):
    """What a kernel works in is not free for another thread while it runs."""
    seen = []

    def watched(name):
        def call(*arguments):
            workspace._pool.idle_bytes  # noqa: B018  # sorts in what came back
            free = workspace._pool._idle
            arrays = [a for a in arguments if isinstance(a, np.ndarray) and a.size]
            seen.append(name)
            assert not any(np.shares_memory(a, other) for a in arrays for other in free)
            return getattr(kernels, name)(*arguments)

        return call

    names = [f"{kind}_{way}" for kind in ("energy", "relu", "chain", "draw") for way in WAYS]
    proxy = SimpleNamespace(**vars(kernels) | {name: watched(name) for name in names})
    monkeypatch.setattr(native, "kernels", proxy)
    rng = np.random.default_rng(8)
    energy, relu = init_energy((2, 9, 1), rng, "float64"), init_relu((2, 9, 1), rng, "float64")
    states = drawn([(70, 2), (70, 2), (50, 4)], "float64")
    chain = Chain(schedule(2, 0.1), hamiltonians=1, rebuild=False)
    encoder = GaussianEncoder(2, (9,))
    encoder_weights = encoder.init(rng, "float64")
    for _ in range(2):  # the second time the pool has arrays to lend
        value_and_pullbacks(energy_gradient, [states[0], *energy], in_c=True)
        value_and_pullbacks(relu_network, [states[0], *relu], in_c=True)
        value_and_pullbacks(lambda *a: chain(*a)[0], [*states, *energy, *energy], in_c=True)
        vjp, drawn_ = make_vjp(lambda w: encoder.draw(w, *states[:2])[0])(encoder_weights)
        vjp(drawn_)
    assert set(seen) == set(names)
