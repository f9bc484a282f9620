"""λ's update: Taming VAEs (Rezende & Viola, arXiv:1810.00597), one multiplier a generator.

C_k is an exponential moving average of E[{g_k, H}²] − κ, started at its first value, and

    λ_k ← λ_k · exp(clip(rate · C_k / κ, −limit, limit)).

{g, H}² grows as H², so C is measured in units of κ and the exponent of one step is clipped:
otherwise λ would leap by orders of magnitude while the constraint is still far from met.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ehf_num.engine.workspace import Array


@dataclass(frozen=True)
class MultiplierSettings:
    """How fast the multipliers follow the constraint.

    Parameters
    ----------
    kappa : float
        κ, the mean squared bracket that is allowed, dimensionless.
    decay : float
        Of the moving average.
    rate : float
        Growth of ln λ per iteration and per κ of violation.
    limit : float
        Largest change of ln λ in one iteration.
    initial, lowest, highest : float
        λ's start and its range.
    """

    kappa: float
    decay: float = 0.99
    rate: float = 1e-3
    limit: float = 5e-3
    initial: float = 1.0
    lowest: float = 1e-6
    highest: float = 1e8


class Multipliers:
    """λ of one run.

    Attributes
    ----------
    values : ndarray, shape (K,)
        λ_k.
    average : ndarray, shape (K,), or None
        C_k; None before the first update.

    Examples
    --------
    >>> import numpy as np
    >>> multipliers = Multipliers(1, MultiplierSettings(kappa=0.1))
    >>> multipliers.update(np.array([0.1]))  # the constraint holds exactly: λ stays
    >>> multipliers.values
    array([1.])
    """

    def __init__(self, count: int, settings: MultiplierSettings) -> None:
        self.settings = settings
        self.values: Array = np.full(count, settings.initial)
        self.average: Array | None = None

    def update(self, mean_squares: Array) -> None:
        """Take in E[{g_k, H}²] of one iteration, shape (K,)."""
        settings = self.settings
        violation = np.asarray(mean_squares, np.float64) - settings.kappa
        if self.average is None:
            self.average = violation
        else:
            self.average = settings.decay * self.average + (1 - settings.decay) * violation
        exponent = np.clip(
            settings.rate * self.average / settings.kappa, -settings.limit, settings.limit
        )
        self.values = np.clip(self.values * np.exp(exponent), settings.lowest, settings.highest)
