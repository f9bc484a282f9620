"""Whatever ends a run: what was learned is kept, and said."""

import errno
import os
import signal
import threading

import numpy as np
import pytest
from models import make

import ehf_num as en
import ehf_sym as es

X = en.rings().sample(60, rng=0)
QUIET = {"batch_size": 16, "progress": False, "learning_rate": 1e-2}


def weights_after(iterations, **options):
    """The weights of a run that ended there by itself."""
    flow = make("so2", hidden=(6,), rng=0)
    flow.fit(options.pop("x", X), iterations=iterations, **QUIET | options)
    return flow.flat_weights.copy()


def stopping(at, raised):
    """A schedule that raises at an iteration."""

    def schedule(done):
        if done == at:
            raise raised
        return 1.0

    return schedule


class Source:
    """Endless data that raises, or gives what is no data, at a call."""

    def __init__(self, at=None, act=None):
        self.at, self.act, self.calls = at, act, 0

    def __call__(self, n, rng):
        x = en.rings().sample(n, rng)
        self.calls += 1
        return self.act(x) if self.calls - 1 == self.at else x


def throw(raised):
    def act(_x):
        raise raised

    return act


class BrokenError(Exception):
    """Of a user's own."""


CAUSES = {
    "source raises": (BrokenError, lambda: {"x": Source(7, throw(BrokenError("wire cut")))}),
    "source gives NaN": (es.ArgumentError, lambda: {"x": Source(7, lambda x: x * np.nan)}),
    "source gives other shapes": (es.ArgumentError, lambda: {"x": Source(7, lambda x: x[:, :1])}),
    "iterator ends": (
        es.ArgumentError,
        lambda: {"x": iter([en.rings().sample(16, rng=k) for k in range(7)])},
    ),
    "schedule raises": (BrokenError, lambda: {"schedule": stopping(7, BrokenError("no rate"))}),
    "schedule gives no number": (
        es.ArgumentError,
        lambda: {"schedule": lambda done: "fast" if done == 7 else 1.0},
    ),
    "observer raises": (
        BrokenError,
        lambda: {"on_record": seventh(throw(BrokenError("no picture")))},
    ),
    "SystemExit": (SystemExit, lambda: {"x": Source(7, throw(SystemExit(3)))}),
    "memory": (MemoryError, lambda: {"x": Source(7, throw(MemoryError()))}),
}


def seventh(act):
    return lambda record: act(record) if record.iteration == 7 else None


@pytest.mark.parametrize("cause", CAUSES)
def test_an_error_in_mid_run_keeps_what_was_learned(cause):
    raised, options = CAUSES[cause][0], CAUSES[cause][1]()
    flow = make("so2", hidden=(6,), rng=0)
    with pytest.raises(raised) as caught:
        flow.fit(options.pop("x", X), iterations=50, **QUIET | options)
    result = flow.result_
    assert result.stop_reason.startswith(f"error: {raised.__name__}: ")
    assert str(caught.value) in result.stop_reason
    assert (result.iterations, len(result.history)) == (7, 7)
    assert any("7 iterations" in note for note in caught.value.__notes__)
    if "x" not in CAUSES[cause][1]():
        np.testing.assert_array_equal(flow.flat_weights, weights_after(7))
    assert np.isfinite(flow.elbo(X)).all()


def test_an_error_before_the_first_update_leaves_the_model_as_it_was():
    flow = make("so2", hidden=(6,), rng=0).fit(X, iterations=3, **QUIET)
    state, weights, result = (
        flow._rng.bit_generator.state,
        flow.flat_weights.copy(),
        flow.result_,
    )
    with pytest.raises(BrokenError) as caught:
        flow.fit(Source(0, throw(BrokenError())), iterations=5, **QUIET)
    assert flow._rng.bit_generator.state == state
    assert flow.result_ is result
    assert not hasattr(caught.value, "__notes__")
    np.testing.assert_array_equal(flow.flat_weights, weights)


def full(path, after):
    """No room for the file from so many writings on, as a full disk says it: at the flush."""
    written = []

    def fsync(descriptor):
        written.append(descriptor)
        if len(written) > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return fsync


def test_a_full_disk_keeps_the_weights_and_the_checkpoint_before(tmp_path, monkeypatch):
    path, flow = tmp_path / "run.npz", make("so2", hidden=(6,), rng=0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full(path, after=2))
        with pytest.raises(OSError, match="No space left"):
            flow.fit(X, iterations=50, checkpoint=path, checkpoint_every=5, **QUIET)
    assert (flow.result_.iterations, len(flow.result_.history)) == (15, 15)
    assert "OSError" in flow.result_.stop_reason
    np.testing.assert_array_equal(flow.flat_weights, weights_after(15))
    again = make("so2", hidden=(6,), rng=0)
    again.fit(X, iterations=50, checkpoint=path, checkpoint_every=5, **QUIET)
    assert again.result_.resumed_at == 10
    np.testing.assert_array_equal(again.flat_weights, weights_after(50))


@pytest.mark.parametrize("raised", [BrokenError(), KeyboardInterrupt(), None])
def test_patience_goes_back_to_the_best_whatever_ends_the_run(raised):
    """The held-out points are far from those that are learned: the best record comes early."""
    flow, seen = make("so2", enforce="none", hidden=(32,), rng=0), []

    def observe(record):
        seen.append((record.history.validation_elbo[-1], record.model.flat_weights.copy()))
        if record.iteration == 150 and raised is not None:
            raise raised

    options = {"validation": X[8:], "patience": 1000, "on_record": observe}
    schedule = "constant" if raised is not None else lambda done: 1.0 if done < 150 else 1e30
    try:
        flow.fit(X[:8], iterations=300, schedule=schedule, **QUIET | options)
    except BrokenError:
        pass
    except en.TrainingWarning:
        assert not isinstance(raised, BrokenError)
    value, weights = max(seen, key=lambda each: -np.inf if np.isnan(each[0]) else each[0])
    assert value > seen[-1][0] or np.isnan(seen[-1][0])
    assert flow.result_.ended_early
    np.testing.assert_array_equal(flow.flat_weights, weights)


def test_the_result_is_there_where_warnings_are_errors():
    flow = make("so2", hidden=(6,), rng=0)
    with pytest.raises(en.TrainingWarning, match="interrupted"):
        flow.fit(Source(7, throw(KeyboardInterrupt())), iterations=50, **QUIET)
    assert (flow.result_.stop_reason, flow.result_.iterations) == ("interrupted", 7)


def leap(at):
    return lambda done: 1e12 if done == at else 1.0


@pytest.mark.parametrize("at", [19, 20])
def test_a_resumed_run_that_turns_non_finite_ends_as_an_unbroken_one(at, tmp_path):
    """Its first step may be the one: then there is no update before it to go back to."""
    whole = make("so2", hidden=(6,), rng=0)
    options = {"iterations": 40, "schedule": leap(at)} | QUIET
    with pytest.warns(en.TrainingWarning, match="non_finite"):
        whole.fit(X, checkpoint=tmp_path / "run.npz", checkpoint_every=20, **options)
    again = make("so2", hidden=(6,), rng=0)
    with pytest.warns(en.TrainingWarning, match="non_finite"):
        again.fit(X, checkpoint=tmp_path / "run.npz", checkpoint_every=20, **options)
    assert again.result_.resumed_at == 20
    np.testing.assert_array_equal(again.flat_weights, whole.flat_weights)
    np.testing.assert_array_equal(again.flat_weights, weights_after(at))
    assert np.isfinite(again.elbo(X)).all()


def test_a_last_update_that_ruins_the_weights_is_taken_back():
    flow = make("so2", hidden=(6,), rng=0)
    with pytest.warns(en.TrainingWarning, match="non_finite"):
        flow.fit(X, iterations=10, schedule=leap(9), **QUIET)
    np.testing.assert_array_equal(flow.flat_weights, weights_after(9))


def test_a_last_update_that_ruins_the_weights_is_taken_back_on_resuming_too(tmp_path):
    """The last checkpoint has no step after it that would show what is wrong with its weights."""
    options = {"iterations": 10, "schedule": leap(9)} | QUIET
    for resumed_at in (0, 5):
        flow = make("so2", hidden=(6,), rng=0)
        with pytest.warns(en.TrainingWarning, match="non_finite"):
            flow.fit(X, checkpoint=tmp_path / "run.npz", checkpoint_every=5, **options)
        assert flow.result_.resumed_at == resumed_at
        np.testing.assert_array_equal(flow.flat_weights, weights_after(9))


def test_an_interrupt_within_an_update_leaves_the_weights_before_it(monkeypatch):
    flow = make("so2", hidden=(6,), rng=0)
    step = en.Adam.step

    def half(adam, theta, gradient, factor=1.0):
        step(adam, theta, gradient, factor)
        if adam.iteration == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(en.Adam, "step", half)
    with pytest.warns(en.TrainingWarning, match="7 iterations"):
        flow.fit(X, iterations=50, **QUIET)
    monkeypatch.undo()
    np.testing.assert_array_equal(flow.flat_weights, weights_after(7))


def test_one_signal_ends_the_run_after_its_iteration():
    before = signal.getsignal(signal.SIGINT)
    flow = make("so2", hidden=(6,), rng=0)
    source = Source(7, lambda x: (signal.raise_signal(signal.SIGINT), x)[1])
    with pytest.warns(en.TrainingWarning, match="interrupted"):
        flow.fit(source, iterations=50, **QUIET)
    assert flow.result_.iterations == 8
    np.testing.assert_array_equal(flow.flat_weights, weights_after(8, x=Source()))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_signal_ends_a_source_that_hangs():
    flow = make("so2", hidden=(6,), rng=0)

    def hang(_x):
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

    with pytest.warns(en.TrainingWarning, match="interrupted"):
        flow.fit(Source(7, hang), iterations=50, **QUIET)
    assert flow.result_.iterations == 7


def test_signals_while_a_run_is_put_away_change_nothing(monkeypatch):
    from ehf_num.training import training

    flow, release = make("so2", hidden=(6,), rng=0), training.release

    def storm():
        for _ in range(5):
            signal.raise_signal(signal.SIGINT)
        release()

    monkeypatch.setattr(training, "release", storm)
    flow.fit(X, iterations=10, **QUIET)
    assert flow.result_.stop_reason == "iterations"
    np.testing.assert_array_equal(flow.flat_weights, weights_after(10))


def test_an_observer_may_train_another_model():
    """Its run ends with ours, and a signal is for both."""
    flow, other = make("so2", hidden=(6,), rng=0), make("so2", hidden=(4,), rng=1)

    def observe(record):
        if record.iteration == 3:
            source = Source(2, lambda x: (signal.raise_signal(signal.SIGINT), x)[1])
            with pytest.warns(en.TrainingWarning, match="interrupted"):
                other.fit(source, iterations=50, **QUIET)

    with pytest.warns(en.TrainingWarning, match="interrupted"):
        flow.fit(X, iterations=50, on_record=observe, **QUIET)
    assert (flow.result_.iterations, other.result_.iterations) == (3, 3)


def test_threads_train_without_signals():
    flow = make("so2", hidden=(6,), rng=0)
    thread = threading.Thread(target=lambda: flow.fit(X, iterations=5, **QUIET))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(flow.flat_weights, weights_after(5))


def test_an_observer_sees_each_record_and_changes_nothing():
    flow, seen = make("so2", hidden=(6,), rng=0), []

    def observe(record):
        seen.append(record)
        record.model.sample(3, rng=1)
        assert record.model is flow

    flow.fit(X, iterations=10, record_every=4, validation=X[:9], on_record=observe, **QUIET)
    assert [record.iteration for record in seen] == [4, 8, 10]
    assert [len(record.history) for record in seen] == [1, 2, 3]
    history = flow.result_.history
    np.testing.assert_array_equal(seen[-1].history.elbo, history.elbo)
    np.testing.assert_array_equal(seen[0].history.validation_elbo, history.validation_elbo[:1])
    np.testing.assert_array_equal(flow.flat_weights, weights_after(10, validation=X[:9]))


@pytest.mark.parametrize("value", [3, "print", int, [print]])
def test_an_observer_is_a_function(value):
    flow = make("so2", hidden=(6,), rng=0)
    with pytest.raises(es.ArgumentError, match="on_record was"):
        flow.fit(X, iterations=5, on_record=value)
    assert not hasattr(flow, "result_")
