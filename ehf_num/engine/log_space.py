"""Sums and normal densities by their logarithms, nats."""

from __future__ import annotations

import math
from typing import Any

import autograd.numpy as anp
import numpy as np

from ehf_num.engine.tape import constant

LOG_2PI = math.log(2 * math.pi)
HALF_LOG_2PI = 0.5 * LOG_2PI


def log_mean_exp(log_values: Any) -> Any:
    """Evaluate ln mean exp over the last axis, (..., K) to (...), on the tape too.

    Nothing overflows. Several times faster than `scipy.special.logsumexp` on the few values a
    point that training has.

    Examples
    --------
    >>> log_mean_exp(np.array([[1e3, 1e3], [-np.inf, -np.inf]]))
    array([1000.,  -inf])
    """
    top = constant(log_values).max(axis=-1, keepdims=True)
    top = np.where(np.isneginf(top), 0, top)
    with np.errstate(divide="ignore"):
        logs = anp.log(anp.sum(anp.exp(log_values - top), axis=-1))
    return top[..., 0] + logs - math.log(log_values.shape[-1])


def standard_normal_log_prob(z: Any) -> Any:
    """Evaluate ln N(z; 0, 1): (n, d) to (n,), on the tape too.

    Examples
    --------
    >>> standard_normal_log_prob(np.zeros((1, 2))) + math.log(2 * math.pi)
    array([0.])
    """
    return -0.5 * (z * z).sum(axis=1) - z.shape[1] * HALF_LOG_2PI
