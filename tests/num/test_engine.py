"""A step in C against the reference: terms and gradient, for every kind of model."""

from __future__ import annotations

import itertools
from importlib import import_module
from pathlib import Path

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.special
import sympy as sp
from autograd import elementwise_grad
from models import CASES, make, terms_of

import ehf_num as en
import ehf_sym as es
from ehf_num import cli
from ehf_num.engine import engine, native, parallel
from ehf_num.engine.log_space import log_mean_exp
from ehf_num.training.bounds import Bound
from ehf_num.training.minibatches import Minibatch

pytest.importorskip("ehf_num._native", reason="no C compiler at installation")
TOLERANCE = {"float64": 1e-11, "float32": 2e-4}
POINTS = 13


@pytest.fixture(autouse=True)
def _restored():
    yield
    native.set_native(None)
    parallel.set_threads(None)


def inputs(flow, bound, points=POINTS, base_states=9):
    """A minibatch and λ: what training hands to a bound."""
    dtype, rng = flow.weights[0].dtype, np.random.default_rng(3)
    x = bound.repeat(rng.standard_normal((points, flow.dim)).astype(dtype))
    noise = rng.standard_normal(x.shape).astype(dtype)
    constraint = flow.objective.constraint
    if constraint is None:
        return Minibatch(x, noise), np.empty(0, dtype)
    count = base_states if constraint.on_base else 0
    states = rng.standard_normal((count, 2 * flow.dim)).astype(dtype)
    rates = rng.uniform(0.1, 2, len(constraint.names)).astype(dtype)
    return Minibatch(x, noise, states), rates


def stepped(flow, bound, arguments, in_c=True):
    """Terms and gradient by one engine."""
    native.set_native(in_c)
    gradient = np.full_like(flow.flat_weights, np.nan)
    return bound.step(flow.bound, *arguments, gradient), gradient


def assert_same_as_the_reference(flow, bound, **sizes):
    arguments = inputs(flow, bound, **sizes)
    terms, gradient = stepped(flow, bound, arguments)
    wanted, bars = stepped(flow, bound, arguments, in_c=False)
    dtype = flow.weights[0].dtype
    assert terms.dtype == gradient.dtype == dtype
    tolerance = TOLERANCE[dtype.name]
    np.testing.assert_allclose(terms, wanted, rtol=tolerance, atol=tolerance)
    start = 0
    for array in flow.weights:
        ours, theirs = (g[start : start + array.size] for g in (gradient, bars))
        scale = np.max(np.abs(theirs), initial=1e-2)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * scale)
        start += array.size
    assert start == len(gradient)


BOUNDS = [
    Bound(),
    Bound("elbo", draws=3),
    Bound("importance", draws=1),
    Bound("importance", draws=4),
]
PENALTIES = [
    {"constraint_on": on, "split_bracket": split, "normalized_bracket": normalized}
    for on, split, normalized in itertools.product(
        ("base", "data", "both"), (False, True), (False, True)
    )
]


@pytest.mark.parametrize("bound", BOUNDS, ids=str)
@pytest.mark.parametrize("encoder", ["gaussian", "coupling"])
@pytest.mark.parametrize("hamiltonians", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_all_cases_and_bounds(case, hamiltonians, encoder, bound):
    assert_same_as_the_reference(make(case, hamiltonians=hamiltonians, encoder=encoder), bound)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", PENALTIES, ids=lambda o: "-".join(map(str, o.values())))
@pytest.mark.parametrize("case", ["so3", "oscillator"])
def test_all_kinds_of_constraints(case, options, dtype):
    flow = make(case, hamiltonians=2, dtype=dtype, **options)
    assert_same_as_the_reference(flow, Bound())
    assert_same_as_the_reference(flow, Bound("importance", draws=2))


@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("enforce", ["penalty", "exact", "none"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_ways_to_enforce_and_to_remember(dtype, enforce, reversible):
    flow = make("so3", enforce=enforce, dtype=dtype, reversible=reversible, steps=3)
    for bound in BOUNDS:
        assert_same_as_the_reference(flow, bound)


@pytest.mark.parametrize("points", [1, 2, 29])
@pytest.mark.parametrize("base_states", [1, 50])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_cut_into_shares(points, base_states, threads, monkeypatch):
    monkeypatch.setattr(parallel, "LEAST_KERNEL_WORK", 1.0)
    monkeypatch.setattr(parallel, "LEAST_ROWS", 1)
    parallel.set_threads(threads)
    for bound in (Bound(), Bound("importance", draws=3)):
        flow = make("so2", constraint_on="both", hamiltonians=2)
        assert_same_as_the_reference(flow, bound, points=points, base_states=base_states)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_repeat_bit_for_bit(threads, monkeypatch):
    monkeypatch.setattr(parallel, "LEAST_KERNEL_WORK", 1.0)
    monkeypatch.setattr(parallel, "LEAST_ROWS", 1)
    parallel.set_threads(threads)
    flow, bound = make("so2", dtype="float32"), Bound()
    arguments = inputs(flow, bound, points=60)
    first, again = (stepped(flow, bound, arguments) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


class Own:
    """A user's own encoder: N(w q, 1)."""

    def init(self, rng, dtype):
        return [np.full(1, 0.2, dtype)]

    def draw(self, weights, q, noise):
        log_h = -anp.sum(0.5 * noise**2, axis=1) - np.log(2 * np.pi)
        return weights[0] * q + noise, log_h


def learned():
    space = es.PhaseSpace(2, parameters=sp.symbols("a b", positive=True))
    (a, b), (q1, q2), (p1, p2) = space.parameters, space.q, space.p
    return es.BaseDensity(space, log_density=-(a * (q1**2 + q2**2) + b * (p1**2 + p2**2)) / 2)


@pytest.mark.parametrize(
    "base", [es.StandardNormal(es.PhaseSpace(2)), learned()], ids=["own", "learned"]
)
def test_an_encoder_of_ones_own_and_a_learned_base(base):
    encoder = "gaussian" if base.space.parameters else Own()
    flow = en.EquivariantHamiltonianFlow(base, es.groups.so(2), encoder=encoder, hidden=(6,), rng=0)
    for bound in (Bound(), Bound("importance", draws=2)):
        assert_same_as_the_reference(flow, bound)


def test_the_gradient_against_central_differences(each_engine):
    flow, bound = make("so2", constraint_on="base"), Bound()
    batch, rates = inputs(flow, bound)
    x, noise, states = batch.x, batch.noise, batch.base_states
    _, gradient = stepped(flow, bound, (batch, rates), in_c=each_engine == "C")
    flat, rng = flow.flat_weights, np.random.default_rng(4)
    start = flat.copy()
    for _ in range(3):
        direction, values = rng.standard_normal(flat.size), []
        for sign in (1, -1):
            flat[:] = start + sign * 1e-6 * direction
            terms = terms_of(flow.bound, x, noise, states)
            values.append(terms @ np.concatenate([[-1], rates]))
        flat[:] = start
        slope = (values[0] - values[1]) / 2e-6
        assert gradient @ direction == pytest.approx(slope, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_base_densities_against_differences(case):
    base = make(case).objective.base
    states, step = np.random.default_rng(5).standard_normal((6, 2 * base.dim)), 1e-6
    both = base.value_and_gradient(states)
    np.testing.assert_allclose(both[:, 0], base.log_prob(states), rtol=1e-14)
    for i in range(2 * base.dim):
        moved = step * np.eye(2 * base.dim)[i]
        slope = (base.log_prob(states + moved) - base.log_prob(states - moved)) / (2 * step)
        np.testing.assert_allclose(both[:, 1 + i], slope, rtol=1e-7, atol=1e-8)


def test_a_learned_base_says_that_it_has_no_such_gradient():
    flow = en.EquivariantHamiltonianFlow(learned(), es.groups.so(2), hidden=(6,), rng=0)
    base = flow.bound.base
    with pytest.raises(es.EHFError, match="on the tape alone"):
        base.value_and_gradient(np.zeros((1, 4)))


def test_training_by_either_engine_ends_alike():
    x, ends = en.rings().sample(200, rng=0), []
    for in_c in (True, False):
        native.set_native(in_c)
        flow = make("so2")
        flow.fit(x, iterations=40, batch_size=32, learning_rate=1e-3, progress=False)
        ends.append(flow.flat_weights.copy())
    np.testing.assert_allclose(*ends, rtol=0, atol=1e-9)


def test_the_reversal_error_is_reported(each_engine):
    flow = make("so2", reversible=True)
    flow.fit(en.rings().sample(50, rng=0), iterations=3, progress=False)
    assert 0 < flow.result_.reversal_error < 1e-12


def test_log_mean_exp_does_not_overflow():
    table = np.array([[1000.0, 1000.0], [-1000.0, -1000.0]])
    np.testing.assert_allclose(log_mean_exp(table), [1000, -1000], rtol=1e-15)


def test_the_slope_of_log_mean_exp_is_the_softmax():
    table = np.random.default_rng(0).standard_normal((3, 5)) + 1000
    slope = elementwise_grad(log_mean_exp)(table)
    np.testing.assert_allclose(slope, scipy.special.softmax(table, axis=1), rtol=1e-12)


def test_a_model_says_what_computes():
    flow = make("so2", dtype="float32")
    native.set_native(True)
    parallel.set_threads(3)
    assert flow.engine == en.Engine("C", "float32", 3, flow.engine.why)
    assert native.kernels.instructions in flow.engine.why
    assert str(flow.engine).startswith("C, float32, 3 threads (kernels compiled for ")
    native.set_native(False)
    assert (flow.engine.name, flow.engine.threads) == ("reference", 1)
    assert "turned off" in flow.engine.why


def test_networks_that_the_kernels_do_not_take_are_told():
    native.set_native(True)
    flow = make("so2", hidden=(3,) * (native.kernels.MAX_LAYERS + 1))
    assert flow.engine.name == "reference"
    assert "layers" in flow.engine.why


def test_the_command_says_what_computes(capsys):
    native.set_native(True)
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "equivariant-hamiltonian-flows" in printed
    assert "engine: C, float64" in printed


def test_missing_kernels_are_told_once_and_not_where_they_are_turned_off(monkeypatch):
    flow, x = make("so2"), en.rings().sample(40, rng=0)
    monkeypatch.setattr(native, "kernels", None)
    monkeypatch.setattr(native, "_MISSING", "not compiled", raising=False)
    monkeypatch.setattr(engine._Told, "once", False)
    native.set_native(False)  # as EHF_NATIVE=0 does
    flow.fit(x, iterations=2, progress=False)
    native.set_native(True)
    with pytest.warns(en.EngineWarning, match="reference engine.*not compiled") as told:
        flow.fit(x, iterations=2, progress=False)
    assert told[0].filename == __file__
    assert flow.engine.name == "reference"
    flow.fit(x, iterations=2, progress=False)


def test_kernels_of_an_earlier_build_go_where_these_cannot_be_compiled(tmp_path, monkeypatch):
    setuptools = pytest.importorskip("setuptools")
    build = import_module("ehf_num.engine.kernels.build_kernels")

    def broken(_self, _extension):
        raise OSError("no compiler")

    monkeypatch.setattr(build.build_ext, "build_extension", broken)
    extension = setuptools.Extension("ehf_num._native", ["module.c"])
    command = build.BuildKernels(setuptools.Distribution({"ext_modules": [extension]}))
    command.build_lib = str(tmp_path)
    command.ensure_finalized()
    told = []
    monkeypatch.setattr(command, "warn", told.append)
    old = Path(command.get_ext_fullpath(extension.name))
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of other sources")
    command.build_extension(extension)
    assert not old.exists()
    command.build_extension(extension)  # nor is it an error where there was none
    assert len(told) == 2
    assert all("ehf_num._native was not compiled (no compiler)" in line for line in told)
