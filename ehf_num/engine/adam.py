"""Adam, by hand: Algorithm 1 of Kingma & Ba, arXiv:1412.6980."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

from ehf_num.engine.arguments import as_float, positive_number
from ehf_num.engine.native import kernels, takes
from ehf_num.engine.workspace import Array
from ehf_sym.errors import ArgumentError

_BLOCK = 8192  # parameters that go through all operations while they are in cache


@dataclass(frozen=True)
class AdamSettings:
    """Step size and decay rates.

    Parameters
    ----------
    learning_rate : float
        α; 3e-4 is the paper's.
    beta1, beta2 : float
        Decay rates of the moments, in [0, 1).
    epsilon : float
        ε, added to the root of the corrected second moment.

    Raises
    ------
    ehf_sym.ArgumentError
        If a setting is out of range.

    Examples
    --------
    >>> AdamSettings(learning_rate=1e-3).beta2
    0.999
    """

    learning_rate: float = 3e-4
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        positive_number(self.learning_rate, "learning_rate")
        positive_number(self.epsilon, "epsilon")
        for name in ("beta1", "beta2"):
            value: object = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, Real)
                or not 0 <= as_float(value) < 1
            ):
                raise ArgumentError(f"{name} was {value!r}; it should be in [0, 1)")


class Adam:
    """The moments of one run over a flat parameter vector.

    Parameters
    ----------
    size : int
        Number of parameters.
    settings : AdamSettings
        α, β1, β2, ε.
    dtype : dtype
        Of parameters and moments.

    Raises
    ------
    ehf_sym.ArgumentError
        If size or settings are not as described.

    Examples
    --------
    >>> import numpy as np
    >>> theta = np.array([1.0])
    >>> optimizer = Adam(1, AdamSettings(learning_rate=0.1))
    >>> optimizer.step(theta, gradient=np.array([3.0]))
    >>> theta.round(6)
    array([0.9])
    """

    def __init__(self, size: int, settings: AdamSettings, dtype: object = np.float64) -> None:
        checked: object = settings
        if not isinstance(checked, AdamSettings):
            raise ArgumentError(f"settings was {checked!r}; it should be AdamSettings")
        count: object = size
        if (
            isinstance(count, bool)
            or not isinstance(count, Integral)
            or not 0 <= int(count) <= sys.maxsize
        ):
            raise ArgumentError(
                f"size was {size!r}; it should be a number of parameters, 0 or more"
            )
        self.settings = settings
        self.iteration = 0
        # The moments over 1 − β1 and 1 − β2: two passes less.
        self._first = np.zeros(size, dtype)  # type: ignore[call-overload]
        self._second = np.zeros_like(self._first)
        self._change = np.empty_like(self._first)

    @property
    def moments(self) -> dict[str, Array]:
        """The moments, live, as the next step takes them."""
        return {"first": self._first, "second": self._second}

    def step(self, theta: Array, gradient: Array, factor: float = 1.0) -> None:
        """Move theta one step down the gradient, in place; the factor multiplies α.

        θ is written by one operation at the end: an interrupt leaves either the old or the new.
        """
        settings = self.settings
        self.iteration += 1
        second_scale = math.sqrt((1 - settings.beta2) / (1 - settings.beta2**self.iteration))
        first_scale = (1 - settings.beta1) / (1 - settings.beta1**self.iteration)
        epsilon = settings.epsilon / second_scale
        rate = factor * settings.learning_rate * first_scale / second_scale
        arrays = theta, gradient, self._first, self._second
        if takes(arrays) and all(array.flags.c_contiguous for array in arrays):
            kernels.adam_step(  # type: ignore[union-attr]
                theta.dtype == np.float64, *arrays, settings.beta1, settings.beta2, epsilon, rate
            )
            return
        for start in range(0, len(theta), _BLOCK):
            part = slice(start, start + _BLOCK)
            first, second, change = self._first[part], self._second[part], self._change[part]
            first *= settings.beta1
            first += gradient[part]
            np.multiply(gradient[part], gradient[part], out=change)
            second *= settings.beta2
            second += change
            np.sqrt(second, out=change)
            change += epsilon
            np.divide(first, change, out=change)
            change *= rate
        np.subtract(theta, self._change, out=theta)
