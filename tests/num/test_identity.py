"""A checkpoint is of one run: any option or argument that changes is told, by its name."""

import functools
import inspect
import json
import math
import os
import subprocess
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import autograd.numpy as anp
import numpy as np
import pytest
import sympy as sp
from models import so2

import ehf_num as en
import ehf_sym as es
from ehf_num.files.identity import describe, differences
from ehf_num.hamiltonian.hamiltonian import vector_field

X = en.rings().sample(40, rng=0)
MODEL = en.EquivariantHamiltonianFlow
LOOKS_ON = {"progress", "checkpoint", "checkpoint_every", "on_record"}


def other_base():
    space = es.PhaseSpace(2)
    return es.BaseDensity(space, log_density=-sum(s**2 for s in (*space.q, *space.p)))


def other_symmetry():
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    return es.LieAlgebra(space, [2 * (q1 * p2 - q2 * p1)])


class OwnEncoder(en.GaussianEncoder):
    """An encoder of a user's own."""


def normal_states(n, rng):
    return rng.standard_normal((n, 4))


def scaled_base(**parameters):
    """A base with a parameter to learn."""
    width = sp.Symbol("w", positive=True)
    space = es.PhaseSpace(2, parameters=[width])
    (q1, q2), (p1, p2) = space.q, space.p
    base = es.BaseDensity(space, log_density=-(width * (q1**2 + q2**2) + p1**2 + p2**2) / 2)
    return {"base": base, "base_parameters": {width: parameters["w"]}}


@dataclass(frozen=True)
class OwnEnergy:
    """a |x|²/2 with a weight beside it."""

    a: float

    def init(self, rng, dtype):
        return [np.ones(1, dtype)]

    def value(self, weights, x):
        return weights[0] * self.a * anp.sum(x**2, axis=1) / 2

    def gradient(self, weights, x):
        return weights[0] * self.a * x


class OwnHamiltonian:
    """An oscillator, by its motion."""

    def init(self, rng, dtype):
        return [np.ones(1, dtype)]

    def vector_field(self, weights, q, p):
        return weights[0] * p, -weights[0] * q


class OwnMap:
    """A kick."""

    order, symplectic = 1, True

    def forward(self, hamiltonian, q, p, dt=0.1):
        return q, p + dt * vector_field(hamiltonian, anp.concatenate([q, p], axis=1))[:, 2:]

    def inverse(self, hamiltonian, q, p):
        return self.forward(hamiltonian, q, p, -0.1)


class OwnPenalty:
    """The mean square of the first velocity."""

    names = ("speed",)

    def terms(self, flow, states):
        return anp.mean(flow.fields(states)[:, :, :1] ** 2, axis=(0, 1))


# For each argument: what else the run is made with, and another value.
OF_MODEL = {
    "base": ({}, other_base()),
    "symmetry": ({}, other_symmetry()),
    "enforce": ({}, "exact"),
    "invariants": ({"enforce": "exact"}, "independent"),
    "kappa": ({}, 2e-3),
    "constraint_on": ({}, "both"),
    "split_bracket": ({}, True),
    "normalized_bracket": ({}, True),
    "encoder": ({}, OwnEncoder(2, (6,))),
    "hamiltonians": ({}, 2),
    "steps": ({}, 3),
    "step_size": ({}, 0.1),
    "hidden": ({}, (7,)),
    "start": ({}, "identity"),
    "dtype": ({}, "float32"),
    "reversible": ({}, True),
    "integrator": ({}, en.Leapfrog(2, 0.4)),
    "kinetic": ({"kinetic": OwnEnergy(1.0)}, OwnEnergy(2.0)),
    "potential": ({}, OwnEnergy(1.0)),
    "hamiltonian": ({"integrator": OwnMap()}, OwnHamiltonian()),
    "penalty": ({}, OwnPenalty()),
    "base_sampler": ({}, normal_states),
    "base_parameters": (scaled_base(w=1.0), scaled_base(w=2.0)["base_parameters"]),
    "rng": ({}, 1),
}
OF_FIT = {
    "x": ({}, X + 1e-9),
    "iterations": ({}, 5),
    "batch_size": ({}, 9),
    "learning_rate": ({}, 1e-3),
    "epsilon": ({}, 1e-7),
    "schedule": ({}, "cosine"),
    "objective": ({}, "importance"),
    "draws": ({}, 2),
    "augment": ({}, True),
    "validation": ({}, 0.25),
    "patience": ({"validation": 0.25}, 7),
    "record_every": ({}, 2),
}


def fit(path, model=None, **options):
    base, symmetry = so2()
    arguments = {"base": base, "symmetry": symmetry, "hidden": (6,), "rng": 0} | (model or {})
    options = {"x": X, "iterations": 4, "batch_size": 8} | options
    flow = MODEL(**arguments)
    return flow.fit(
        options.pop("x"), progress=False, checkpoint=path, checkpoint_every=2, **options
    )


def test_every_argument_is_tried():
    """A new one has to be told as well, or to be named among those that only look on."""
    assert set(OF_MODEL) == set(inspect.signature(MODEL).parameters)
    assert set(OF_FIT) | LOOKS_ON == set(inspect.signature(MODEL.fit).parameters) - {"self"}


@pytest.mark.parametrize("name", OF_MODEL)
def test_a_model_with_one_argument_changed_is_refused(name, tmp_path):
    with_it, other = OF_MODEL[name]
    fit(tmp_path / "run.npz", with_it)
    before = (tmp_path / "run.npz").read_bytes()
    with pytest.raises(es.ArgumentError, match=rf"\b{name}(\.[\w.]+)? was .*, is "):
        fit(tmp_path / "run.npz", with_it | {name: other})
    assert (tmp_path / "run.npz").read_bytes() == before
    assert fit(tmp_path / "run.npz", with_it).result_.resumed_at == 4


@pytest.mark.parametrize("name", OF_FIT)
def test_a_run_with_one_argument_changed_is_refused(name, tmp_path):
    with_it, other = OF_FIT[name]
    fit(tmp_path / "run.npz", **with_it)
    with pytest.raises(es.ArgumentError, match=rf"\b{name}(\.[\w.]+)? was .*, is "):
        fit(tmp_path / "run.npz", **{**with_it, name: other})
    assert fit(tmp_path / "run.npz", **with_it).result_.resumed_at == 4


@pytest.mark.parametrize("option", [{"on_record": print}, {"record_every": None}])
def test_what_looks_on_may_change(option, tmp_path, capsys):
    fit(tmp_path / "run.npz")
    assert fit(tmp_path / "run.npz", **option).result_.resumed_at == 4


def test_a_difference_is_told_alone_with_both_values(tmp_path):
    fit(tmp_path / "run.npz", {"step_size": 0.1})
    with pytest.raises(es.ArgumentError, match=r"start: step_size was 0.1, is 0.5; it should"):
        fit(tmp_path / "run.npz")


def test_a_refusal_leaves_the_model_as_it_was(tmp_path):
    fit(tmp_path / "run.npz", {"step_size": 0.1})
    flow = MODEL(*so2(), hidden=(6,), rng=0)
    state, weights = flow._rng.bit_generator.state, flow.flat_weights.copy()
    options = {"iterations": 4, "batch_size": 8, "validation": 0.2, "progress": False}
    with pytest.raises(es.ArgumentError, match="step_size"):
        flow.fit(X, checkpoint=tmp_path / "run.npz", **options)
    assert flow._rng.bit_generator.state == state
    np.testing.assert_array_equal(flow.flat_weights, weights)
    assert not hasattr(flow, "result_")


def test_other_weights_at_the_start_are_refused(tmp_path):
    fit(tmp_path / "run.npz")
    base, symmetry = so2()
    flow = MODEL(base, symmetry, hidden=(6,), rng=0)
    flow.flat_weights[0] += 1e-12
    with pytest.raises(es.ArgumentError, match=r"start\.weights"):
        flow.fit(
            X, iterations=4, batch_size=8, progress=False, checkpoint=tmp_path / "run.npz"
        )  # fmt: skip


# Code that values come from: each pair does other things, whatever it is called.
SCALE = 2.0


def powers(base):
    return lambda k: base**k


def scaled(factor):
    def source(n, rng):
        return factor * rng.standard_normal((n, 2))

    return source


def helped(k):
    return helper(k)


def helper(k):
    return 0.5


@dataclass(frozen=True)
class Frozen:
    scale: float

    def __call__(self, n, rng):
        return self.scale * rng.standard_normal((n, 2))

    def draw(self, n, rng):
        return self(n, rng)


class Plain:
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, n, rng):
        return self.scale * rng.standard_normal((n, 2))

    def draw(self, n, rng):
        return self(n, rng)


class Slotted:
    __slots__ = ("scale",)

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, n, rng):
        return self.scale * rng.standard_normal((n, 2))


PAIRS = {
    "constants": (lambda k: 0.5**k, lambda k: 0.7**k),
    "operators": (lambda k: 1 + k, lambda k: 1 - k),
    "names": (lambda k: np.exp(-k), lambda k: np.cos(k)),
    "inner functions": (lambda k: (lambda: 1)(), lambda k: (lambda: 2)()),
    "closures": (powers(0.5), powers(0.7)),
    "arrays in closures": (scaled(np.ones(2)), scaled(np.array([1.0, 2.0]))),
    "dicts in closures": (scaled({"a": 1}), scaled({"a": 2})),
    "functions in closures": (scaled(np.sin), scaled(np.cos)),
    "formulas": (scaled(sp.Symbol("x") ** 2), scaled(sp.Symbol("x") ** 3)),
    "floats of formulas": (scaled(sp.Float(0.1)), scaled(sp.Float(np.nextafter(0.1, 1)))),
    "assumptions": (scaled(sp.Symbol("x", real=True)), scaled(sp.Symbol("x", positive=True))),
    "defaults": (lambda k, a=1: a, lambda k, a=2: a),
    "keyword defaults": (lambda k, *, a=1: a, lambda k, *, a=2: a),
    "partial": (functools.partial(pow, 2), functools.partial(pow, 3)),
    "partial keywords": (functools.partial(pow, exp=2), functools.partial(pow, exp=3)),
    "frozen objects": (Frozen(1.0), Frozen(2.0)),
    "methods": (Frozen(1.0).draw, Frozen(2.0).draw),
    "plain objects": (Plain(1.0), Plain(2.0)),
    "methods of plain objects": (Plain(1.0).draw, Plain(2.0).draw),
    "slots": (Slotted(1.0), Slotted(2.0)),
    "targets": (en.modes_on_circle(3).sample, en.modes_on_circle(4).sample),
    "generators": (
        np.random.default_rng(0).standard_normal, np.random.default_rng(1).standard_normal
    ),
    "methods in C": ("a".join, "b".join),
    "functions in C": (math.sin, math.cos),
    "classes": (Frozen(1.0), Plain(1.0)),
    "dtypes": (np.zeros(3), np.zeros(3, dtype=np.float32)),
    "shapes": (np.zeros((2, 3)), np.zeros((3, 2))),
    "long lists": (list(range(100)), [*range(99), 0]),
    "truth and numbers": (scaled(True), scaled(1)),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_code_is_told_apart_by_what_it_does(name):
    one, other = PAIRS[name]
    assert differences({"x": describe(one)}, {"x": describe(other)})
    assert not differences({"x": describe(one)}, {"x": describe(one)})


def test_code_that_is_written_twice_is_the_same():
    assert describe(powers(0.5)) == describe(powers(0.5))
    assert describe(Plain(1.0).draw) == describe(Plain(1.0).draw)
    first = {"f": lambda k: SCALE * k}["f"]
    second = {"f": lambda k: SCALE * k}["f"]
    assert describe(first) == describe(second)


def test_our_own_code_is_told_by_its_package():
    """Files of the package may move: a checkpoint is no other run's for that."""
    told = json.dumps(describe(en.rings().sample))
    assert "ehf_num.Shells" in told
    assert "datasets" not in told


def test_what_a_function_looks_up_counts(monkeypatch):
    def schedule(k):
        return SCALE * helped(k)

    before = describe(schedule)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    told = differences({"schedule": before}, {"schedule": describe(schedule)})
    assert told == ["schedule.values.SCALE was 2.0, is 3.0"]
    monkeypatch.undo()
    monkeypatch.setitem(globals(), "helper", lambda k: 0.25)
    (told,) = differences({"schedule": before}, {"schedule": describe(schedule)})
    assert told.startswith("schedule.values.helped.values.helper was ")


def test_a_teacher_is_told_by_what_it_learned():
    teacher = MODEL(*so2(), hidden=(4,), rng=0)
    before = describe(teacher.sample)
    assert describe(MODEL(*so2(), hidden=(4,), rng=0).sample) == before
    teacher.flat_weights[0] += 1
    assert describe(teacher.sample) != before


def test_what_runs_in_a_circle_is_told():
    loop = [1]
    loop.append(loop)

    def again(k):
        return again(k - 1)

    assert describe(loop) == [1, {"again": 0}]
    assert describe(again)["values"] == {"again": {"again": 0}}


def test_state_that_the_run_moves_is_no_part_of_its_start(tmp_path):
    """A source that counts its calls, or keeps what it gave, is the same source afterwards."""
    calls, seen = Counter(), []

    def source(n, rng):
        calls["source"] += 1
        seen.append(rng.standard_normal((n, 2)))
        if calls["source"] == 4:
            raise KeyboardInterrupt
        return seen[-1]

    with pytest.warns(en.TrainingWarning, match="interrupted"):
        fit(tmp_path / "run.npz", x=source)
    assert fit(tmp_path / "run.npz", x=source).result_.resumed_at == 2
    with pytest.raises(es.ArgumentError, match="x was"):
        fit(tmp_path / "run.npz", x=en.rings().sample)


@pytest.mark.parametrize("seed", ["0", "1"])
def test_another_process_tells_the_same(seed, tmp_path):
    """Neither addresses nor the order of sets get into a description."""
    script = tmp_path / "tell.py"
    script.write_text(
        textwrap.dedent("""
        import json
        import numpy as np
        import ehf_num as en, ehf_sym as es
        from ehf_num.files.identity import describe

        class Source:
            kinds = {"a", "b", "c"}
            def __init__(self): self.rng = np.random.default_rng(0); self.other = object()
            def __call__(self, n, rng): return rng.normal(size=(n, 2)) if n in {1, "x"} else n

        values = [Source(), lambda k: k in {"a", "b", "c"}, en.rings().sample, es.groups.so(3)]
        print(json.dumps(describe(values)))
    """)
    )
    told = [
        subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": each}, cwd=Path(en.__file__).parents[1],
        ).stdout
        for each in (seed, "7")
    ]  # fmt: skip
    assert told[0] == told[1]
    assert "0x" not in told[0]
