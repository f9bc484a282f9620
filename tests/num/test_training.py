"""Training: data of every kind, every way to stop, and what is kept."""

import numpy as np
import pytest
from models import CASES, make

import ehf_num as en
import ehf_sym as es
from ehf_num.training.bounds import Bound
from ehf_num.training.minibatches import Epochs, training_data
from ehf_num.training.training import Run

X = en.rings().sample(60, rng=0)


def test_learning_raises_the_elbo_and_meets_the_constraint():
    flow = make("so2", hidden=(24, 24))
    target = en.rings()
    before = flow.elbo(X).mean()
    flow.fit(target.sample, iterations=600, batch_size=64, learning_rate=3e-3, progress=False)
    history = flow.result_.history
    assert flow.elbo(X).mean() > before + 0.3
    assert history.squared_brackets[-100:].mean() < 4 * flow.settings.kappa
    assert (history.multipliers > 0).all()
    free = make("so2", hidden=(24, 24), enforce="none")
    free.fit(target.sample, iterations=600, batch_size=64, learning_rate=3e-3, progress=False)
    q, p = np.split(
        free.objective.base_at(free.weights).sample(500, np.random.default_rng(0)), 2, axis=1
    )
    assert np.mean(free.brackets(q, p) ** 2) > 4 * np.mean(flow.brackets(q, p) ** 2)


def test_result_says_what_was_done():
    flow = make("so2", rng=7).fit(X, iterations=40, validation=0.25, progress=False)
    result, history = flow.result_, flow.result_.history
    assert (result.stop_reason, result.iterations, result.seed) == ("iterations", 40, 7)
    assert {"python", "numpy", "autograd", "sympy"} <= set(result.versions)
    assert history.iteration.tolist() == list(range(1, 41))
    assert history.squared_brackets.shape == history.multipliers.shape == (40, 1)
    assert np.isfinite(history.validation_elbo).all()
    assert "40 iterations" in str(result)
    with pytest.raises(AttributeError):
        result.seed = 8


def test_history_does_not_grow_with_iterations():
    flow = make("so2", hidden=(4,), enforce="none").fit(X, iterations=1200, progress=False)
    assert len(flow.result_.history) == 300
    assert flow.result_.history.multipliers.shape == (300, 0)
    assert np.isnan(flow.result_.history.validation_elbo).all()


def numbered(n):
    return np.stack([np.arange(n), np.zeros(n)], axis=1)


def test_an_epoch_visits_every_point_once(monkeypatch):
    seen = []
    original = Run.step

    def watch(run):
        draw = run.data.next_batch
        object.__setattr__(run.data, "next_batch", lambda rng: seen.append(draw(rng)) or seen[-1])
        done = original(run)
        object.__setattr__(run.data, "next_batch", draw)
        return done

    monkeypatch.setattr(Run, "step", watch)
    make("so2").fit(numbered(12) / 10, iterations=6, batch_size=4, progress=False)
    for epoch in (seen[:3], seen[3:]):
        assert sorted((np.concatenate(epoch)[:, 0] * 10).round()) == list(range(12))


def endless_generator():
    rng = np.random.default_rng(0)
    while True:
        yield rng.standard_normal((5, 2))


@pytest.mark.parametrize(
    "source",
    [en.rings().sample, lambda n, rng: rng.standard_normal((n, 2)), endless_generator,
     endless_generator()],
    ids=["target", "function", "generator function", "iterator"],
)  # fmt: skip
def test_endless_data_in_each_of_its_forms(source):
    flow = make("so2").fit(source, iterations=4, validation=X, progress=False)
    assert flow.result_.iterations == 4
    assert np.isfinite(flow.result_.history.validation_elbo).all()


def test_a_record_s_held_out_bound_is_the_elbo_of_those_points():
    points = en.rings().sample(400, rng=1) / 2
    flow = make("so2").fit(X, iterations=1, validation=points, schedule=still, progress=False)
    draws = np.array([flow.elbo(points, n_samples=1, rng=seed).mean() for seed in range(50)])
    (recorded,) = flow.result_.history.validation_elbo
    assert abs(recorded - draws.mean()) < 5 * draws.std()
    assert abs(flow.elbo(X).mean() - draws.mean()) > 20 * draws.std()  # others are not taken for it


def test_the_forms_of_endless_data_are_one():
    """Batches of a function, of a generator function and of an iterator: the same weights."""

    def learned(source):
        options = {"iterations": 4, "batch_size": 5, "progress": False}
        return make("so2").fit(source, **options).flat_weights

    batches = endless_generator()
    first = learned(lambda n, rng: next(batches))
    np.testing.assert_array_equal(learned(endless_generator), first)
    np.testing.assert_array_equal(learned(endless_generator()), first)
    later = endless_generator()
    next(later)
    assert (learned(later) != first).any()


def test_a_model_can_teach_another():
    student = make("so2", rng=1).fit(make("so2").sample, iterations=3, progress=False)
    assert student.result_.stop_reason == "iterations"


@pytest.mark.parametrize(
    ("source", "message"),
    [(lambda n, rng: np.zeros((n, 3)), r"x\(n, rng\)"), (iter([np.zeros((4, 2))]), "ended"),
     (iter([np.full((4, 2), np.nan)]), r"next\(x\)")],
)  # fmt: skip
def test_a_source_is_held_to_its_contract(source, message):
    with pytest.raises(es.ArgumentError, match=message):
        make("so2").fit(source, iterations=3, progress=False)


def test_endless_data_has_no_share_to_hold_out():
    with pytest.raises(es.ArgumentError, match="validation"):
        make("so2").fit(en.rings().sample, iterations=3, validation=0.2)


def test_early_stopping_goes_back_to_the_best():
    few = X[:8]
    flow = make("so2", enforce="none", hidden=(32, 32))
    flow.fit(
        few, iterations=3000, learning_rate=1e-2, validation=X[8:], patience=200, progress=False
    )
    history = flow.result_.history
    assert flow.result_.stop_reason == "early_stopping"
    assert flow.result_.iterations < 3000
    best = history.validation_elbo.argmax()
    assert history.iteration[-1] - history.iteration[best] == 200
    again = flow.elbo(X[8:], n_samples=200).mean()
    assert again == pytest.approx(history.validation_elbo[best], abs=0.5)
    assert history.validation_elbo[-1] < history.validation_elbo[best]


def test_an_interrupt_goes_back_to_the_best_where_there_is_patience():
    """As scikit-learn's early stopping does: the curve's best record, not the last weights."""
    flow, few = make("so2", enforce="none", hidden=(32, 32)), X[:8]

    def source(n, rng):
        source.calls += 1
        if source.calls == 900:
            raise KeyboardInterrupt
        return few

    source.calls = 0
    options = {"learning_rate": 1e-2, "validation": X[8:], "progress": False}
    with pytest.warns(en.TrainingWarning, match="interrupted"):
        flow.fit(source, iterations=900, patience=10_000, **options)
    held_out = flow.result_.history.validation_elbo
    again = flow.elbo(X[8:], n_samples=200).mean()
    assert held_out[-1] < held_out.max() - 1
    assert again == pytest.approx(held_out.max(), abs=0.5)


def test_training_that_turns_non_finite_keeps_the_last_good_weights(monkeypatch):
    flow = make("so2")
    original = Run.step
    path = []

    def poisoned(run):
        path.append(run.parameters.flat.copy())
        if run.iteration == 5:
            run.parameters.flat[3] = np.nan
        return original(run)

    monkeypatch.setattr(Run, "step", poisoned)
    with pytest.warns(en.TrainingWarning, match="non_finite"):
        flow.fit(X, iterations=50, progress=False)
    assert flow.result_.stop_reason == "non_finite"
    assert flow.result_.iterations == 5
    np.testing.assert_array_equal(flow.flat_weights, path[4])
    assert np.isfinite(flow.elbo(X)).all()


def test_a_divergent_run_ends_by_itself():
    flow = make("so2", dtype="float32")
    with pytest.warns(en.TrainingWarning, match="non_finite"):
        flow.fit(X, iterations=500, learning_rate=1e30, progress=False)
    assert flow.result_.stop_reason == "non_finite"
    assert flow.result_.iterations < 500
    assert all(np.isfinite(weight).all() for weight in flow.weights)


def test_ctrl_c_keeps_what_was_learned():
    flow = make("so2")
    start = flow.weights[0].copy()

    def source(n, rng):
        source.calls += 1
        if source.calls == 30:
            raise KeyboardInterrupt
        return en.rings().sample(n, rng)

    source.calls = 0
    with pytest.warns(en.TrainingWarning, match="interrupted"):
        flow.fit(source, iterations=1000, progress=False)
    assert flow.result_.stop_reason == "interrupted"
    assert flow.result_.iterations == 29
    assert not np.array_equal(flow.weights[0], start)


def test_progress_shows_elbo_bracket_and_multiplier(capsys):
    make("so2").fit(X, iterations=5, validation=0.2, progress=True)
    shown = capsys.readouterr().err
    assert all(word in shown for word in ("ELBO=", "{g,H}²=", "λ=", "held out="))
    make("so2").fit(X, iterations=5, progress=False)
    assert capsys.readouterr().err == ""


def test_fit_goes_on_from_where_it_was():
    flow = make("so2").fit(X, iterations=5, progress=False)
    middle = flow.weights[0].copy()
    flow.fit(X, iterations=1, learning_rate=1e-6, progress=False)
    assert 0 < np.abs(flow.weights[0] - middle).max() < 2e-6


def test_epsilon_is_adams():
    """The first step is α g / (|g| + ε): α for small ε, α g / ε for large."""
    steps = []
    for epsilon in (1e-8, 1e3, 1e6):
        flow = make("so2")
        before = flow.weights[0].copy()
        flow.fit(X, iterations=1, learning_rate=1e-3, epsilon=epsilon, progress=False)
        steps.append(flow.weights[0] - before)
    assert np.abs(steps[0]).max() == pytest.approx(1e-3, rel=1e-3)
    np.testing.assert_allclose(steps[1], 1e3 * steps[2], rtol=0.02, atol=1e-12)


def test_points_held_out_are_not_trained_on():
    x = np.arange(80.0).reshape(40, 2)
    rng = np.random.default_rng(0)
    data = training_data(x, dim=2, dtype="float64", batch_size=10, validation=0.25, rng=rng)
    seen = {tuple(point) for _ in range(6) for point in data.next_batch(rng)}
    held_out = {tuple(point) for point in data.validation}
    assert len(held_out) == 10
    assert len(seen) == 30
    assert not seen & held_out


def still(_done):
    """A schedule that moves nothing."""
    return 0.0


def test_held_out_bounds_of_two_records_differ_by_the_weights_alone():
    """One draw of noise for all records: weights that stand still give one number."""
    flow = make("so2").fit(X, iterations=8, validation=0.25, schedule=still, progress=False)
    held_out = flow.result_.history.validation_elbo
    np.testing.assert_array_equal(held_out, held_out[0])
    assert len(set(flow.result_.history.elbo)) == 8  # minibatches have noise of their own


def test_a_tie_is_no_better_record():
    """Patience counts from the first of equal records."""
    flow = make("so2")
    flow.fit(X, iterations=50, validation=0.25, patience=5, schedule=still, progress=False)
    assert flow.result_.stop_reason == "early_stopping"
    assert flow.result_.iterations == 6


def test_patience_counts_iterations_whatever_the_records():
    flow, options = make("so2"), {"schedule": still, "progress": False, "record_every": 4}
    flow.fit(X, iterations=50, validation=0.25, patience=10, **options)
    assert flow.result_.history.iteration.tolist() == [4, 8, 12, 16]  # 16 ≥ 4 + 10


def test_an_observer_ends_a_run_without_a_fault():
    def observe(record):
        if record.iteration == 6:
            raise en.StopTraining

    flow, twin = make("so2"), make("so2")
    flow.fit(X, iterations=50, record_every=2, on_record=observe, progress=False)
    assert (flow.result_.stop_reason, flow.result_.iterations) == ("observer", 6)
    assert not flow.result_.ended_early
    twin.fit(X, iterations=6, record_every=2, progress=False)
    np.testing.assert_array_equal(flow.flat_weights, twin.flat_weights)


@pytest.mark.parametrize("options", [{}, {"enforce": "exact"}, {"dtype": "float32"}])
def test_a_flow_starts_as_the_identity_if_it_is_asked_to(options):
    flow = make("so2", start="identity", hamiltonians=2, **options)
    q, p = np.random.default_rng(0).normal(size=(2, 20, 2)).astype(flow.settings.dtype)
    for ours, given in zip(flow.forward(q, p), (q, p), strict=True):
        np.testing.assert_array_equal(ours, given)
    flow.fit(X, iterations=2, learning_rate=1e-2, progress=False)  # and moves off
    assert np.abs(flow.forward(q, p)[0] - q).max() > 1e-4


def test_a_row_of_history_is_the_mean_since_the_row_before(monkeypatch):
    """Also the last row, of fewer iterations."""
    seen, step = [], Bound.step
    monkeypatch.setattr(Bound, "step", lambda *a: seen.append(step(*a)) or seen[-1])
    flow = make("so2").fit(X, iterations=11, batch_size=8, record_every=4, progress=False)
    history = flow.result_.history
    assert history.iteration.tolist() == [4, 8, 11]
    parts = np.split(np.array(seen), [4, 8])
    np.testing.assert_allclose(history.elbo, [part[:, 0].mean() for part in parts])
    np.testing.assert_allclose(
        history.squared_brackets, [part[:, 1:].mean(axis=0) for part in parts]
    )
    assert len({float(part[-1, 0]) for part in parts} - set(history.elbo)) == 3


def test_each_multiplier_follows_its_own_generator():
    """λ by Taming VAEs' rule, written again here, from the squares that the history tells."""
    base, symmetry = CASES["so3"]()
    flow = en.EquivariantHamiltonianFlow(base, symmetry, hidden=(6,), kappa=1.0, rng=0)
    x = np.random.default_rng(0).standard_normal((40, 3)) * [1, 2, 3]
    flow.fit(x, iterations=30, batch_size=16, learning_rate=3e-2, progress=False)
    history, kappa = flow.result_.history, flow.settings.kappa
    average, rate = None, np.ones(3)
    for squares, told in zip(history.squared_brackets, history.multipliers, strict=True):
        excess = squares - kappa
        average = excess if average is None else 0.99 * average + 0.01 * excess
        rate = rate * np.exp(np.clip(1e-3 * average / kappa, -5e-3, 5e-3))
        np.testing.assert_allclose(told, rate, rtol=1e-12)
    assert len({round(value, 9) for value in history.multipliers[-1]}) == 3


def test_an_epoch_is_shuffled_when_it_is_used_up_and_not_before():
    """The last batch of an epoch draws nothing: what else is drawn does not move."""
    epochs, rng = Epochs(numbered(12), 4), np.random.default_rng(0)
    order = np.random.default_rng(0)
    for _ in range(3):
        shuffled = order.permutation(12)
        for k in range(3):
            np.testing.assert_array_equal(epochs(rng)[:, 0], shuffled[4 * k : 4 * k + 4])
            assert rng.bit_generator.state == order.bit_generator.state
