"""Row 21: a checkpoint is of one run; with any argument changed it is refused, by its name.

Every argument of the model and of `fit` is changed on top of several runs, one at a time; the run
itself goes on from its file before and after.
"""

from __future__ import annotations

import functools
import inspect
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import autograd.numpy as anp
import numpy as np
import sympy as sp

import ehf_num as en
import ehf_sym as es
from tests.battery.frame import Case, Row, require
from tests.num.models import so2

X = en.rings().sample(40, rng=0)
MODEL = en.EquivariantHamiltonianFlow
LOOKS_ON = {"progress", "checkpoint", "checkpoint_every", "on_record"}
_W = sp.Symbol("w", positive=True)


def _gaussian(precision: Any, space: es.PhaseSpace | None = None) -> es.BaseDensity:
    space = space or es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    return es.BaseDensity(space, log_density=-(precision * (q1**2 + q2**2) + p1**2 + p2**2) / 2)


def _rotation(factor: int) -> es.LieAlgebra:
    (base, _), space = so2(), es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    return es.LieAlgebra(base.space, [factor * (q1 * p2 - q2 * p1)])


def _normal(scale: float, n: int, rng: np.random.Generator) -> Any:
    return scale * rng.standard_normal((n, 4))


def _decay(rate: float) -> Any:
    return lambda done: rate**done


def _scaled(scale: float) -> Any:
    return lambda n, rng: scale * rng.standard_normal((n, 2))


class _Own(en.GaussianEncoder):
    """An encoder of a user's own."""


@dataclass(frozen=True)
class _Spring:
    """a |x|²/2 with a weight beside it."""

    a: float

    def init(self, rng: np.random.Generator, dtype: str) -> list[Any]:
        return [np.ones(1, dtype)]

    def value(self, weights: Any, x: Any) -> Any:
        return weights[0] * self.a * anp.sum(x**2, axis=1) / 2

    def gradient(self, weights: Any, x: Any) -> Any:
        return weights[0] * self.a * x


class _Speed:
    """The mean square of the first velocity."""

    names = ("speed",)

    def terms(self, flow: Any, states: Any) -> Any:
        return anp.mean(flow.fields(states)[:, :, :1] ** 2, axis=(0, 1))


LEARNED = _gaussian(_W, es.PhaseSpace(2, parameters=[_W]))

# Several values for each; those that a run cannot take are passed over.
MODELS: dict[str, list[Any]] = {
    "base": [so2()[0], _gaussian(2), _gaussian(sp.Rational(1, 3)), LEARNED],
    "symmetry": [_rotation(1), _rotation(2), None],
    "enforce": ["penalty", "exact", "none"],
    "invariants": ["generating", "independent"],
    "kappa": [1e-3, 1e-2, 1.5],
    "constraint_on": ["base", "data", "both"],
    "split_bracket": [False, True],
    "normalized_bracket": [False, True],
    "encoder": ["gaussian", "coupling", _Own(2, (4,)), _Own(2, (5,))],
    "hamiltonians": [1, 2],
    "steps": [2, 1, 6],
    "start": ["random", "identity"],
    "step_size": [0.5, 0.1, 0.5000001],
    "hidden": [(4,), (5,), (4, 4)],
    "dtype": ["float64", "float32"],
    "reversible": ["auto", True, False],
    "integrator": [None, en.Leapfrog(2, 0.4), en.Yoshida4(1, 0.3)],
    "kinetic": [None, _Spring(1.0), _Spring(2.0)],
    "potential": [None, _Spring(1.0)],
    "hamiltonian": [None],  # one of a user's own goes with other integrators than the other values
    "penalty": [None, _Speed()],
    "base_sampler": [None, partial(_normal, 1.0), partial(_normal, 2.0)],
    "base_parameters": [None, {_W: 1.5}, {_W: 2.5}],
    "rng": [0, 1],
}
FITS: dict[str, list[Any]] = {
    "x": [X, X + 1e-5, X[::-1], en.rings().sample, en.shells(dim=2).sample, _scaled(1.0),
          _scaled(2.0)],
    "iterations": [4, 5],
    "batch_size": [8, 9, 400],
    "learning_rate": [3e-4, 3.0000001e-4],
    "epsilon": [1e-8, 1e-2],
    "schedule": ["constant", "cosine", en.LearningRateSchedule(warmup=2), _decay(0.9), _decay(0.8)],
    "objective": ["elbo", "importance"],
    "draws": [1, 2],
    "augment": ["auto", True],
    "validation": [None, 0.25, 0.5, X[:7], X[:8]],
    "patience": [None, 2, 3],
    "record_every": [None, 2],
}  # fmt: skip
RUNS: dict[str, dict[str, Any]] = {
    "penalty": {},
    "penalty on data, float32": {"constraint_on": "data", "dtype": "float32", "hamiltonians": 2},
    "exact, coupling": {"enforce": "exact", "encoder": "coupling"},
    "free, learned base": {"enforce": "none", "symmetry": None, "base": LEARNED},
    "own encoder, held out": {"encoder": MODELS["encoder"][2], "validation": 0.25, "patience": 2},
    "endless, importance": {"x": FITS["x"][5], "objective": "importance", "draws": 2},
    "own sampler, schedule": {
        "base_sampler": MODELS["base_sampler"][1],
        "schedule": FITS["schedule"][3],
    },
}


def _fit(path: Path, run: dict[str, Any]) -> en.TrainingResult:
    chosen = {name: values[0] for name, values in (MODELS | FITS).items()} | run
    flow = MODEL(**{name: chosen[name] for name in MODELS})
    training = {name: chosen[name] for name in FITS}
    x = training.pop("x")
    return flow.fit(x, progress=False, checkpoint=path, checkpoint_every=2, **training).result_


def _change(run: dict[str, Any], name: str) -> str | None:
    """Try all other values of one argument; say how many a run took."""
    given = run.get(name, (MODELS | FITS)[name][0])
    others = [value for value in (MODELS | FITS)[name] if value is not given]
    tried = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        _fit(path, run)
        before = path.read_bytes()
        for value in others:
            try:
                _fit(Path(folder) / "other.npz", run | {name: value})
            except es.ArgumentError:
                continue  # this run does not take it
            finally:
                (Path(folder) / "other.npz").unlink(missing_ok=True)
            tried += 1
            try:
                _fit(path, run | {name: value})
            except es.ArgumentError as error:
                told = str(error)
            else:
                raise AssertionError(f"{name} = {value!r} was taken")
            require(f" {name} was " in told or f" {name}." in told, f"{name} is not told: {told}")
        require(path.read_bytes() == before, "the file was changed")
        require(_fit(path, run).resumed_at == 4, "the run itself did not go on")
    return None if tried else f"no other {name} is taken"


def _whole() -> None:
    """No argument of the model or of `fit` is left out of the tables."""
    model = set(inspect.signature(MODEL).parameters)
    fit = set(inspect.signature(MODEL.fit).parameters) - {"self"}
    require(set(MODELS) == model, f"{set(MODELS) ^ model}")
    require(set(FITS) | LOOKS_ON == fit, f"{(set(FITS) | LOOKS_ON) ^ fit}")


def cases(quick: bool) -> Iterator[Case]:
    yield Case("every argument", _whole)
    for label, run in list(RUNS.items())[: 1 if quick else None]:
        for name in list(MODELS | FITS)[:: 7 if quick else 1]:
            yield Case(f"{label}: another {name}", functools.partial(_change, run, name))


ROWS = [Row(21, "checkpoints of another run, any argument changed: refused", cases, 120)]
