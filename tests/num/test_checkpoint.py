"""A run that goes on from its checkpoint ends with the bits of one that was never broken."""

import numpy as np
import pytest
from models import make
from saved_faults import rewrite

import ehf_num as en
import ehf_sym as es
from ehf_num.training.training import Run

X = en.rings().sample(90, rng=0)
ITERATIONS = 40


def fitted(path=None, broken_at=None, monkeypatch=None, flow=None, **options):
    """Train; break off in the middle of an iteration where that is asked for."""
    model = {k: options.pop(k) for k in ("enforce", "dtype", "encoder") if k in options}
    flow = flow or make("so2", **model)
    options = {"iterations": ITERATIONS, "batch_size": 16, "progress": False} | options
    if path is not None:
        options |= {"checkpoint": path, "checkpoint_every": 7}
    if broken_at is None:
        return flow.fit(options.pop("x", X), **options)
    step = Run.step

    def breaking(run):
        if run.iteration == broken_at:
            run.rng.random()  # some of the iteration was done
            raise KeyboardInterrupt
        return step(run)

    x = options.pop("x", X)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "step", breaking)
        with pytest.warns(en.TrainingWarning, match="interrupted"):
            flow.fit(x, **options)
    return flow


CASES = {
    "penalty": {},
    "float32": {"dtype": "float32", "learning_rate": 1e-2},
    "exact": {"enforce": "exact", "encoder": "coupling"},
    "held out": {"validation": 0.2, "patience": 50, "learning_rate": 1e-2},
    "importance": {"objective": "importance", "draws": 3, "schedule": "cosine"},
    "moved": {"augment": True},
    "whole set": {"batch_size": 200},
    "endless": {"x": en.rings().sample},
    "few records": {"iterations": 700},
}


@pytest.mark.parametrize("broken_at", [6, 7, 23])
@pytest.mark.parametrize("case", CASES)
def test_a_broken_run_ends_as_an_unbroken_one(case, broken_at, tmp_path, monkeypatch):
    whole, path = fitted(**CASES[case]), tmp_path / "run.npz"
    fitted(path, broken_at, monkeypatch, **CASES[case])
    assert path.exists() == (broken_at >= 7)
    again = fitted(path, **CASES[case])
    for ours, theirs in zip(again.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name in ("iteration", "elbo", "squared_brackets", "multipliers", "validation_elbo"):
        ours, theirs = (getattr(flow.result_.history, name) for flow in (again, whole))
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(again._rng.random(3), whole._rng.random(3))


def test_a_checkpoint_spares_what_was_done(tmp_path, monkeypatch):
    path, steps = tmp_path / "run.npz", []
    fitted(path, 23, monkeypatch)
    step = Run.step
    monkeypatch.setattr(Run, "step", lambda run: steps.append(run.iteration) or step(run))
    fitted(path)
    assert steps == list(range(21, ITERATIONS))


def halved(iteration):
    return 0.5 if iteration > 10 else 1.0


def test_a_schedule_of_ones_own_is_known_by_what_it_does(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    fitted(path, 23, monkeypatch, schedule=halved)
    with pytest.raises(es.ArgumentError, match="belongs to a run with other data"):
        fitted(path, schedule=lambda iteration: 1.0)
    again = fitted(path, schedule=halved)
    for ours, theirs in zip(again.weights, fitted(schedule=halved).weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


OTHERS = {
    "data": {"x": X + 1},
    "options": {"learning_rate": 1e-2},
    "length": {"iterations": ITERATIONS + 1},
    "split": {"validation": 0.5},
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_checkpoint_of_another_run_is_refused(name, tmp_path):
    path = tmp_path / "run.npz"
    fitted(path)
    with pytest.raises(es.ArgumentError, match="belongs to a run with other data"):
        fitted(path, **OTHERS[name])


def array_fault(name, change):
    def spoil(arrays):
        arrays[name] = change(arrays[name])

    return lambda path: rewrite(path, spoil, header=False)


FAULTS = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:900]),
    "no weights": lambda path: rewrite(path, lambda a: a.pop("weights"), header=False),
    "few weights": lambda path: rewrite(
        path, lambda a: a.update(weights=a["weights"][:3]), header=False
    ),
    "newer": lambda path: rewrite(path, lambda h: h.update(schema=2)),
    "bad state": lambda path: rewrite(path, lambda h: h["plain"].update(random_state={})),
    "no state": lambda path: rewrite(path, lambda h: h["plain"].pop("random_state")),
    "too many iterations": lambda path: rewrite(path, lambda h: h["plain"].update(iteration=41)),
    "iterations before the first": lambda path: rewrite(
        path, lambda h: h["plain"].update(iteration=-1)
    ),
    "iterations that are none": lambda path: rewrite(
        path, lambda h: h["plain"].update(iteration=[1])
    ),
    "best of no record": lambda path: rewrite(path, lambda h: h["plain"].update(best=[1.0, 99])),
    "half of a best": lambda path: rewrite(path, lambda h: h["plain"].update(best=[1.0])),
    "run of numbers": lambda path: rewrite(path, lambda h: h.update(run=[1, 2])),
    "weights not finite": array_fault("weights", lambda a: a * np.nan),
    "weights of whole numbers": array_fault("weights", lambda a: a.astype(np.int64)),
    "weights of another dtype": array_fault("weights", lambda a: a.astype(np.float32)),
    "weights in a square": array_fault("weights", lambda a: a[:, np.newaxis]),
    "weights before, too few": array_fault("previous", lambda a: a[1:]),
    "moments not finite": array_fault("adam_second", lambda a: a + np.inf),
    "moments too many": array_fault("adam_first", lambda a: np.append(a, 1.0)),
    "multipliers too many": array_fault("multipliers", lambda a: np.append(a, 1.0)),
    "average of text": array_fault("average", lambda a: a.astype(str)),
    "window too wide": array_fault("window", lambda a: np.ones((2, 5))),
    "history of two lengths": array_fault("history_elbo", lambda a: a[1:]),
    "queue out of range": array_fault("queue", lambda a: a + 90),
    "queue of floats": array_fault("queue", lambda a: a + 0.5),
    "best too long": array_fault("best", lambda a: np.append(a, 1.0)),
    "no header": lambda path: rewrite(path, lambda a: a.pop("header"), header=False),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_checkpoint_is_refused(fault, tmp_path):
    path = tmp_path / "run.npz"
    fitted(path)
    FAULTS[fault](path)
    flow = make("so2")
    state, weights = flow._rng.bit_generator.state, flow.flat_weights.copy()
    with pytest.raises(en.ModelFileError, match=r"run\.npz"):
        fitted(path, flow=flow)
    assert flow._rng.bit_generator.state == state
    np.testing.assert_array_equal(flow.flat_weights, weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkpoint": 3}, "checkpoint was 3"),
        ({"checkpoint": "run.npz", "checkpoint_every": 0}, "checkpoint_every"),
        ({"checkpoint": "run.npz", "x": iter([X])}, "wound on"),
    ],
)
def test_bad_arguments_are_refused(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(es.ArgumentError, match=message):
        fitted(**options)
    with pytest.raises(FileNotFoundError):
        fitted(tmp_path / "absent" / "run.npz")
