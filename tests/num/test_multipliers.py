"""λ's update against its closed form and against a constraint that can be solved by hand."""

import numpy as np
import pytest

from ehf_num.training.multipliers import Multipliers, MultiplierSettings


def test_closed_form_for_a_constant_violation():
    settings = MultiplierSettings(kappa=0.1, rate=1e-3, limit=1.0)
    multipliers = Multipliers(1, settings)
    for _ in range(50):
        multipliers.update(np.array([0.3]))  # the average of a constant is the constant
    assert multipliers.values[0] == pytest.approx(np.exp(50 * 1e-3 * (0.3 - 0.1) / 0.1), rel=1e-12)


def test_moving_average_starts_at_its_first_value_and_forgets():
    settings = MultiplierSettings(kappa=1.0, decay=0.9, rate=1e-2, limit=1.0)
    multipliers = Multipliers(1, settings)
    observed = [3.0, 0.5, 2.0]
    average, log_multiplier = observed[0] - 1.0, 0.0
    for k, value in enumerate(observed):
        if k:
            average = 0.9 * average + 0.1 * (value - 1.0)
        log_multiplier += 1e-2 * average
        multipliers.update(np.array([value]))
    assert np.log(multipliers.values[0]) == pytest.approx(log_multiplier, rel=1e-12)


def test_one_step_is_clipped_both_ways():
    settings = MultiplierSettings(kappa=1e-3, limit=0.02)
    multipliers = Multipliers(2, settings)
    multipliers.update(np.array([1e9, 0.0]))
    assert np.log(multipliers.values[0]) == pytest.approx(0.02)
    assert -0.02 <= np.log(multipliers.values[1]) < 0


def test_direction_follows_the_sign_of_the_violation():
    multipliers = Multipliers(3, MultiplierSettings(kappa=0.5))
    multipliers.update(np.array([0.4, 0.5, 0.6]))
    assert multipliers.values[0] < 1.0 == multipliers.values[1] < multipliers.values[2]


def test_saddle_point_of_a_problem_with_a_known_answer():
    """min_x (x − 3)² with x² ≤ κ = 1: x = 1 and λ = 2 by Lagrange."""
    multipliers = Multipliers(1, MultiplierSettings(kappa=1.0, rate=1e-2, limit=1e-2))
    x = 3.0
    for _ in range(4000):
        x -= 0.01 * (2 * (x - 3) + multipliers.values[0] * 2 * x)
        multipliers.update(np.array([x**2]))
    assert x == pytest.approx(1.0, abs=1e-3)
    assert multipliers.values[0] == pytest.approx(2.0, abs=1e-2)
