"""Schedules against their closed forms, and what training makes of them."""

import math

import numpy as np
import pytest
from models import make

import ehf_num as en
import ehf_sym as es
from ehf_num.training.learning_rate import factors_of

X = en.rings().sample(30, rng=0)


def test_cosine_is_half_a_wave():
    factors = en.LearningRateSchedule("cosine", final=0.1).factors(1000)
    for done in (0, 137, 500, 999):
        expected = 0.1 + 0.9 * math.cos(math.pi * done / 2000) ** 2
        assert factors(done) == pytest.approx(expected, rel=1e-12)
    assert factors(5000) == pytest.approx(0.1)


@pytest.mark.parametrize("decay", ["constant", "cosine"])
def test_warm_up_is_linear_and_meets_what_follows(decay):
    factors = en.LearningRateSchedule(decay, warmup=9).factors(100)
    np.testing.assert_allclose([factors(k) for k in range(10)], np.arange(1, 11) / 10)
    assert factors(11) <= 1


def test_warm_up_may_outlast_the_run():
    assert en.LearningRateSchedule("cosine", warmup=50).factors(10)(9) == pytest.approx(10 / 51)


def test_words_stand_for_schedules():
    for word in ("constant", "cosine"):
        schedule = en.LearningRateSchedule(word)
        for done in (0, 30, 99):
            assert factors_of(word, 100)(done) == schedule.factors(100)(done)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"decay": "linear"}, "decay"), ({"warmup": -1}, "warmup"), ({"warmup": 2.0}, "warmup"),
     ({"final": 1.5}, "final"), ({"final": True}, "final"), ({"final": float("nan")}, "final")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(options, name):
    with pytest.raises(es.ArgumentError, match=name):
        en.LearningRateSchedule(**options)


def test_adam_takes_the_factor_times_the_rate():
    rng = np.random.default_rng(0)
    thetas = np.ones(5), np.ones(5)
    optimizers = en.Adam(5, en.AdamSettings(1e-2)), en.Adam(5, en.AdamSettings(1e-3))
    for _ in range(4):
        gradient = rng.standard_normal(5)
        optimizers[0].step(thetas[0], gradient, 0.1)
        optimizers[1].step(thetas[1], gradient)
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=1e-13)


def test_a_users_schedule_sees_every_iteration_and_moves_nothing_at_zero():
    seen = []

    def schedule(done):
        seen.append(done)
        return 0.0 if done >= 3 else 1.0

    flow = make("so2").fit(X, iterations=3, progress=False)
    other = make("so2").fit(X, iterations=8, schedule=schedule, progress=False)
    assert seen == list(range(8))
    for ours, theirs in zip(other.weights, flow.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "fast", None, 1j])
def test_a_users_schedule_is_held_to_its_contract(value):
    with pytest.raises(es.ArgumentError, match=r"schedule\(0\)"):
        make("so2").fit(X, iterations=3, schedule=lambda done: value, progress=False)
