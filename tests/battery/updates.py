"""Row 12: Adam against an implementation of its own, λ against its closed form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ehf_num.engine import native
from ehf_num.engine.adam import Adam, AdamSettings
from ehf_num.training.multipliers import Multipliers, MultiplierSettings
from tests.battery.frame import SEED, Case, Row, require_close

STEPS = 1000
SETTINGS = [
    AdamSettings(),
    AdamSettings(learning_rate=1e-2),
    AdamSettings(beta1=0.0),
    AdamSettings(beta1=0.5, beta2=0.9),
    AdamSettings(beta2=0.9999, epsilon=1e-4),
    AdamSettings(learning_rate=0.1, epsilon=1e-12),
]


def _published(theta: Any, gradients: Any, rates: Any, settings: AdamSettings) -> Any:
    """Algorithm 1 of arXiv:1412.6980 line by line, in extended precision."""
    wide = np.longdouble
    theta, m, v = theta.astype(wide), wide(0), wide(0)
    beta1, beta2 = wide(settings.beta1), wide(settings.beta2)
    for t, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        g = gradient.astype(wide)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        theta = theta - wide(rate) * m_hat / (np.sqrt(v_hat) + wide(settings.epsilon))
    return theta


def _adam(settings: AdamSettings, in_c: bool) -> None:
    rng = np.random.default_rng(SEED)
    gradients = rng.standard_normal((STEPS, 9000)) * np.geomspace(1e-3, 1e3, 9000)
    factors = rng.random(STEPS)
    theta = rng.standard_normal(9000)
    wanted = _published(theta, gradients, factors * settings.learning_rate, settings)
    optimizer = Adam(9000, settings)
    native.set_native(in_c)
    try:
        for gradient, factor in zip(gradients, factors, strict=True):
            optimizer.step(theta, gradient, float(factor))
    finally:
        native.set_native(None)
    scale = np.abs(wanted).max()
    require_close(theta.astype(np.longdouble), wanted, 1e-12 * float(scale))


def _constant() -> None:
    """For a constant violation v: λ = λ₀ exp(steps · rate · v/κ)."""
    settings = MultiplierSettings(kappa=0.2, rate=1e-3, limit=1.0)
    multipliers, violation = Multipliers(3, settings), np.array([0.1, 0.0, -0.15])
    for _ in range(STEPS):
        multipliers.update(settings.kappa + violation)
    wanted = np.exp(STEPS * 1e-3 * violation / 0.2)
    require_close(multipliers.values / wanted, 1, 1e-12)


def _averaged() -> None:
    """C_t = d^t c_0 + (1 − d) Σ_s d^(t−s) c_s, summed up anew in each step."""
    settings = MultiplierSettings(kappa=0.5, decay=0.97, rate=2e-3, limit=1.0)
    observed = 0.5 * np.random.default_rng(SEED).exponential(size=STEPS)
    multipliers = Multipliers(1, settings)
    for value in observed:
        multipliers.update(np.array([value]))
    violations, log_multiplier = observed - 0.5, 0.0
    for t in range(STEPS):
        powers = 0.97 ** np.arange(t, 0, -1)
        later = 0.03 * (0.97 ** np.arange(t - 1, -1, -1)) @ violations[1 : t + 1] if t else 0.0
        first = powers[0] * violations[0] if t else violations[0]
        log_multiplier += 2e-3 * (first + later) / 0.5
    require_close(np.log(multipliers.values), log_multiplier, 1e-12 * max(1, abs(log_multiplier)))


def _clipped() -> None:
    """Far from κ, ln λ moves by the limit in each step, and stops at the ends."""
    settings = MultiplierSettings(kappa=1e-3, limit=5e-3, highest=2.0, lowest=0.5, decay=0.0)
    multipliers = Multipliers(2, settings)
    for step in range(1, 101):
        multipliers.update(np.array([1e3, 1e3]))
        require_close(np.log(multipliers.values), 5e-3 * step, 1e-12)
    for _ in range(STEPS):
        multipliers.update(np.array([1e3, 1e3]))
    require_close(multipliers.values, 2.0, 0.0)


def cases(quick: bool) -> Iterator[Case]:
    for k, settings in enumerate(SETTINGS[:1] if quick else SETTINGS):
        yield Case(f"Adam, settings {k}", partial(_adam, settings, native.kernels is not None))
    yield Case("Adam, in NumPy", partial(_adam, SETTINGS[0], False))
    yield Case("λ, constant violation", _constant)
    yield Case("λ, moving average", _averaged)
    yield Case("λ, clipped", _clipped)


ROWS = [Row(12, "Adam over 1,000 steps and λ's update (1e-12)", cases, 60)]
