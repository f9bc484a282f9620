"""Row 14: every public argument, how to hand something to it, and what it does take."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import ehf_num as en
import ehf_sym as es
from tests.num.models import make

GOOD = np.random.default_rng(0).standard_normal((5, 2))


@dataclass(frozen=True)
class Argument:
    """An argument: `call` hands a value to it; values whose names are `taken` are answered."""

    of: str
    name: str
    kind: str
    call: Callable[[Any], Any]
    taken: tuple[str, ...] = ()
    words: tuple[str, ...] = ()  # one of these stands in the message, where not the name


@cache
def flow() -> en.EquivariantHamiltonianFlow:
    return make("so2", hidden=(4,))


def _fit(**options: Any) -> Any:
    flow = make("so2", hidden=(4,))
    x = options.pop("x", GOOD)
    return flow.fit(x, **{"iterations": 1, "progress": False} | options)


def _model(**options: Any) -> Any:
    symmetry = options.pop("symmetry", es.groups.so(2))
    base = options.pop("base", es.StandardNormal(es.PhaseSpace(2)))
    return en.EquivariantHamiltonianFlow(base, symmetry, **{"hidden": (3,), "rng": 0} | options)


def model_arguments() -> Iterator[Argument]:
    of = "EquivariantHamiltonianFlow"

    def argument(name: str, kind: str, *taken: str) -> Argument:
        return Argument(of, name, kind, lambda value: _model(**{name: value}), taken)

    yield argument("base", "base")
    yield argument("symmetry", "algebra")
    for name in ("hamiltonians", "steps"):
        yield argument(name, "integer")
    for name in ("kappa", "step_size"):
        yield argument(name, "number")
    yield argument("hidden", "numbers")
    for name in ("enforce", "invariants", "constraint_on", "encoder", "start", "dtype"):
        yield argument(name, "word")
    yield argument("reversible", "word", "True")
    yield argument("split_bracket", "word", "True")
    yield argument("normalized_bracket", "word", "True")
    yield argument("base_sampler", "object", "None")
    yield argument("base_parameters", "object", "None")
    yield argument("rng", "rng")


def fit_arguments() -> Iterator[Argument]:
    def argument(name: str, kind: str, *taken: str) -> Argument:
        return Argument("fit", name, kind, lambda value: _fit(**{name: value}), taken)

    yield argument("x", "points")
    yield argument("validation", "points", "None")
    for name in ("iterations", "batch_size", "draws"):
        yield argument(name, "integer")
    for name in ("patience", "record_every"):
        yield argument(name, "integer", "None")
    yield argument("on_record", "object", "None")
    yield argument("learning_rate", "number")
    yield argument("schedule", "word", "class")
    yield argument("objective", "word")
    yield argument("augment", "word", "True")
    yield argument("progress", "word", "None", "True")


def _fit_energy(**options: Any) -> Any:
    flow = make("so2", hidden=(4,))
    S = options.pop("S", sum(x**2 for x in flow.base.space.q))
    return flow.fit_energy(S, **{"iterations": 1, "progress": False} | options)


def energy_arguments() -> Iterator[Argument]:
    def argument(name: str, kind: str, *taken: str) -> Argument:
        of = "fit_energy"
        return Argument(of, name, kind, lambda value: _fit_energy(**{name: value}), taken)

    yield argument("S", "object")
    yield argument("x", "points", "None")
    for name in ("iterations", "batch_size"):
        yield argument(name, "integer")
    yield argument("annealing", "integer", "0")
    yield argument("learning_rate", "number")
    S = sum(x**2 for x in flow().base.space.q)
    yield Argument("weigh", "S", "object", lambda S: flow().weigh(S, 5))
    yield Argument("weigh", "n", "integer", lambda n: flow().weigh(S, n))
    yield Argument("weigh", "rng", "rng", lambda rng: flow().weigh(S, 5, rng=rng))
    weights = flow().weigh(S, 50)
    yield Argument("mean", "f", "object", weights.mean)
    for name in ("resample", "metropolis", "polish"):
        method = getattr(weights, name)
        yield Argument(name, "m", "integer", method)
        yield Argument(name, "rng", "rng", lambda rng, f=method: f(5, rng=rng))


def density_arguments() -> Iterator[Argument]:
    yield Argument("sample", "n", "integer", lambda n: flow().sample(n))
    yield Argument("sample", "rng", "rng", lambda rng: flow().sample(2, rng))
    for name in ("forward", "inverse", "joint_log_prob", "brackets"):
        method = getattr(flow(), name)
        yield Argument(name, "q", "points", lambda q, m=method: m(q, GOOD))
        yield Argument(name, "p", "points", lambda p, m=method: m(GOOD, p))
    for name in ("elbo", "log_prob", "score_samples", "score", "likelihood", "diagnose"):
        method = getattr(flow(), name)
        yield Argument(name, "x", "points", method)
    for name in ("elbo", "log_prob", "likelihood", "diagnose"):
        method = getattr(flow(), name)
        optional = ("None",) if name == "likelihood" else ()
        yield Argument(
            name, "n_samples", "integer", lambda n, m=method: m(GOOD, n_samples=n), optional
        )
        yield Argument(name, "rng", "rng", lambda rng, m=method: m(GOOD, rng=rng))
    like = flow().likelihood
    yield Argument("likelihood", "method", "word", lambda m: like(GOOD, method=m))
    yield Argument(
        "likelihood",
        "standard_error",
        "number",
        lambda e: like(GOOD, standard_error=e, max_samples=2000),
        ("None",),
    )
    yield Argument("likelihood", "max_samples", "integer", lambda n: like(GOOD, max_samples=n))
    yield Argument(
        "diagnose",
        "epsilon",
        "number",
        lambda e: flow().diagnose(GOOD, epsilon=e, n_samples=30),
        ("None",),
    )
    yield Argument("diagnose", "flow", "object", lambda f: en.diagnose(f, GOOD))


def _in_folder(name: str, call: Callable[[Path], Any]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return call(Path(folder) / name)


def numeric_arguments() -> Iterator[Argument]:
    for name, target in {"rings": en.rings(), "modes": en.modes_on_circle(3)}.items():
        yield Argument(f"{name}.sample", "n", "integer", target.sample)
        yield Argument(f"{name}.sample", "rng", "rng", lambda r, t=target: t.sample(2, r))
        yield Argument(f"{name}.log_prob", "x", "points", target.log_prob)
    for name in ("radii", "weights"):
        taken = ("array",) if name == "radii" else ()
        for of, made in (("rings", en.rings), ("shells", en.shells)):
            yield Argument(of, name, "numbers", lambda v, n=name, m=made: m(**{n: v}), taken)
    for make_target, of in ((en.rings, "rings"), (en.shells, "shells")):
        yield Argument(of, "noise", "number", lambda v, m=make_target: m(noise=v))
    yield Argument("shells", "dim", "integer", en.shells)
    yield Argument("modes_on_circle", "modes", "integer", en.modes_on_circle)
    for name in ("radius", "noise"):
        yield Argument(
            "modes_on_circle", name, "number", lambda v, n=name: en.modes_on_circle(3, **{n: v})
        )
    yield Argument("phase_orbits", "noise", "number", lambda v: en.phase_orbits(noise=v))
    yield Argument("phase_orbits", "weights", "numbers", lambda v: en.phase_orbits(weights=v))
    yield Argument("phase_orbits", "centers", "numbers", en.phase_orbits)
    for integrator in (en.Leapfrog, en.Euler):
        of = integrator.__name__
        yield Argument(of, "steps", "integer", integrator)
        yield Argument(of, "step_size", "number", lambda v, i=integrator: i(2, v))
    yield Argument("Leapfrog", "reversible", "word", lambda v: en.Leapfrog(reversible=v), ("True",))
    for name, taken in {
        "learning_rate": (),
        "epsilon": (),
        "beta1": ("0",),
        "beta2": ("0",),
    }.items():
        yield Argument(
            "AdamSettings", name, "number", lambda v, n=name: en.AdamSettings(**{n: v}), taken
        )
    yield Argument("Adam", "size", "integer", lambda n: en.Adam(n, en.AdamSettings()), ("0",))
    yield Argument("Adam", "settings", "object", lambda s: en.Adam(2, s))
    yield Argument("LearningRateSchedule", "decay", "word", en.LearningRateSchedule)
    yield Argument(
        "LearningRateSchedule",
        "warmup",
        "integer",
        lambda v: en.LearningRateSchedule(warmup=v),
        ("0", "too large"),
    )
    yield Argument(
        "LearningRateSchedule",
        "final",
        "number",
        lambda v: en.LearningRateSchedule(final=v),
        ("0",),
    )
    yield Argument("GaussianEncoder", "dim", "integer", lambda v: en.GaussianEncoder(v, (4,)))
    yield Argument("GaussianEncoder", "hidden", "numbers", lambda v: en.GaussianEncoder(2, v))
    encoder = en.GaussianEncoder(2, (4,))
    yield Argument("check_encoder", "dim", "integer", lambda v: en.check_encoder(encoder, v))
    yield Argument(
        "check_encoder",
        "symmetry",
        "algebra",
        lambda v: en.check_encoder(encoder, 2, symmetry=v),
        ("None",),
    )
    yield Argument("check_encoder", "rng", "rng", lambda v: en.check_encoder(encoder, 2, rng=v))
    yield Argument("sweep", "specs", "object", en.sweep, ("list",), ("spec",))
    yield Argument("sweep", "executor", "object", lambda e: en.sweep([], e), ("None",))
    yield Argument("sweep", "folder", "object", lambda f: _sweep(folder=f), ("None", "text"))
    yield Argument("sweep", "progress", "word", lambda p: _sweep(progress=p), ("None", "True"))
    yield Argument("orbit_sampler", "symmetry", "algebra", en.orbit_sampler)
    sampler = en.orbit_sampler(es.groups.so(2))
    yield Argument("OrbitSampler", "x", "points", lambda x: sampler(x, 0))
    yield Argument("OrbitSampler", "rng", "rng", lambda r: sampler(GOOD, r))
    yield Argument("set_threads", "count", "integer", _set_threads, ("None",))
    space = es.PhaseSpace(2)
    g = space.q[0] * space.p[1] - space.q[1] * space.p[0]
    yield Argument("finite_action", "space", "space", lambda v: en.finite_action(v, g, 1.0))
    yield Argument("finite_action", "generator", "formula", lambda v: en.finite_action(space, v, 1))
    yield Argument(
        "finite_action",
        "epsilon",
        "number",
        lambda v: en.finite_action(space, g, v),
        ("0", "-1", "array", "list"),
    )
    turn = en.finite_action(space, g, 0.5)
    yield Argument("NumericalAction", "states", "points4", turn)
    yield Argument("read_points", "dim", "integer", lambda v: _read(v), ("None",))
    for suffix in (".csv", ".npy", ".npz"):
        yield Argument(
            f"write_points {suffix}",
            "x",
            "points",
            lambda x, s=suffix: _in_folder(f"x{s}", lambda path: en.write_points(path, x)),
            ("too wide", "a million columns"),
        )
    for of, call in {
        "read_points": en.read_points,
        "load": en.load,
        "save": flow().save,
        "write_points": lambda path: en.write_points(path, GOOD),
    }.items():
        yield Argument(of, "path", "path", call)


def _sweep(**options: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return en.sweep([], **options)


def _set_threads(count: Any) -> None:
    try:
        en.set_threads(count)
    finally:
        en.set_threads(None)


def _read(dim: Any) -> Any:
    def call(path: Path) -> Any:
        en.write_points(path, GOOD)
        return en.read_points(path, dim)

    return _in_folder("x.csv", call)
