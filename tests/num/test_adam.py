"""Adam against Kingma & Ba's algorithm in exact arithmetic, and against its known properties."""

from fractions import Fraction

import numpy as np
import pytest
from mpmath import mp, mpf, sqrt

from ehf_num.engine.adam import Adam, AdamSettings
from ehf_sym.errors import ArgumentError


def kingma_ba(theta, gradients, alpha, beta1, beta2, epsilon):
    """Algorithm 1 line by line, at 50 digits, one scalar parameter."""
    m = v = mpf(0)
    path = []
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        theta = theta - alpha * m_hat / (sqrt(v_hat) + epsilon)
        path.append(theta)
    return path


def test_trajectory_is_that_of_the_published_algorithm():
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((500, 3)) * [1e-3, 1.0, 1e3]
    theta = np.array([1.0, -2.0, 0.5])
    start = theta.copy()
    settings = AdamSettings(learning_rate=3e-4, beta1=0.9, beta2=0.999, epsilon=1e-8)
    optimizer = Adam(3, settings)
    ours = []
    for gradient in gradients:
        optimizer.step(theta, gradient)
        ours.append(theta.copy())
    with mp.workdps(50):
        for k in range(3):
            column = [mpf(float(g)) for g in gradients[:, k]]
            path = kingma_ba(
                mpf(float(start[k])), column, mpf("3e-4"), mpf("0.9"), mpf("0.999"), mpf("1e-8")
            )
            np.testing.assert_allclose(
                [row[k] for row in ours], np.array(path, float), rtol=1e-12, atol=0
            )


def test_first_step_is_the_learning_rate_whatever_the_gradient():
    theta = np.zeros(3)
    Adam(3, AdamSettings(learning_rate=0.1)).step(theta, np.array([1e-3, -5.0, 1e6]))
    np.testing.assert_allclose(theta, [-0.1, 0.1, -0.1], rtol=2e-5)


def test_constant_gradient_moves_at_the_learning_rate():
    """With g constant both corrected moments are exact at every t: θ_t = −α t g/(|g| + ε)."""
    theta = np.zeros(1)
    optimizer = Adam(1, AdamSettings(learning_rate=0.01))
    for _ in range(100):
        optimizer.step(theta, np.array([2.0]))
    expected = -Fraction(1, 100) * 100 * 2 / (2 + Fraction(1, 10**8))
    assert theta[0] == pytest.approx(float(expected), rel=1e-12)


def test_float32_stays_float32():
    theta = np.ones(4, np.float32)
    optimizer = Adam(4, AdamSettings(), np.float32)
    optimizer.step(theta, np.ones(4, np.float32))
    assert theta.dtype == optimizer._first.dtype == optimizer._second.dtype == np.float32


def test_paper_learning_rate_is_the_default():
    assert AdamSettings().learning_rate == 3e-4


@pytest.mark.parametrize(
    ("name", "value"),
    [("learning_rate", 0.0), ("learning_rate", -1e-3), ("learning_rate", float("inf")),
     ("learning_rate", "fast"), ("beta1", 1.0), ("beta2", -0.1), ("epsilon", 0)],
)  # fmt: skip
def test_bad_settings_are_named(name, value):
    with pytest.raises(ArgumentError, match=name):
        AdamSettings(**{name: value})
