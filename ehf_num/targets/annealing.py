"""ln Z and entropy of e^{−U} by annealed importance sampling from both ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from ehf_num.engine import arguments
from ehf_num.engine.log_space import HALF_LOG_2PI, log_mean_exp
from ehf_num.targets.datasets import Floats
from ehf_num.targets.hmc import AnnealedEnergy, EnergyFunction, hmc_step
from ehf_num.targets.tempering import Ladder, descend, parallel_tempering

_PILOT_WALKERS = 500
_PARTS = 20  # of each interval between two levels
_LEAPFROG_STEPS = 5


@dataclass(frozen=True, eq=False)
class Normalizer:
    """ln Z = ln ∫ e^{−U(q)} dq and the entropy, made by `ehf_num.annealed_importance`.

    Attributes
    ----------
    log_z, log_z_error : float
        Bennett's estimate from both ends together, and its standard error, nats.
    forward, forward_error : float
        From the normal's end alone; low in the mean.
    backward, backward_error : float
        From the target's end alone; high in the mean.
    energy, energy_error : float
        Mean of U over the draws at the target's end.

    Examples
    --------
    >>> found = Normalizer(29.67, 0.01, 29.65, 0.02, 29.69, 0.02, -22.52, 0.01)
    >>> print(found)
    ln Z = 29.670 ± 0.010 (forward 29.650 ± 0.020, backward 29.690 ± 0.020)
    mean energy -22.520 ± 0.010, entropy 7.150 ± 0.014 nats
    """

    log_z: float
    log_z_error: float
    forward: float
    forward_error: float
    backward: float
    backward_error: float
    energy: float
    energy_error: float

    @property
    def entropy(self) -> float:
        """Return −E[ln p] = ln Z + E[U], nats: no model has a lesser mean of −ln p."""
        return self.log_z + self.energy

    @property
    def entropy_error(self) -> float:
        """Standard error of the entropy, the two parts as independent."""
        return float(np.hypot(self.log_z_error, self.energy_error))

    def __str__(self) -> str:
        return (
            f"ln Z = {self.log_z:.3f} ± {self.log_z_error:.3f} (forward {self.forward:.3f} ± "
            f"{self.forward_error:.3f}, backward {self.backward:.3f} ± {self.backward_error:.3f})\n"
            f"mean energy {self.energy:.3f} ± {self.energy_error:.3f}, entropy {self.entropy:.3f} "
            f"± {self.entropy_error:.3f} nats"
        )


def annealed_importance(
    energy: EnergyFunction,
    n: int = 2_000,
    rng: int | np.random.Generator | None = None,
    *,
    width: float = 1.0,
) -> Normalizer:
    """Estimate ln Z of e^{−U} along a path from a normal, walked in both directions.

    On the way from β = 0 to 1 a walker has the weight w = exp(−Σ_k (β_{k+1} − β_k) ∂U_β/∂β(q_k)),
    with one step of Hamiltonian Monte Carlo at each β_k, and E[w] = Z/Z_0; on the way back
    E[1/w] = Z_0/Z (Neal, *Annealed importance sampling*, 2001). Both ways together have the
    estimate of Bennett (1976).

    Parameters
    ----------
    energy : object with dim, value(q) and gradient(q)
    n : int
        Walkers in each direction. Those on the way back start from `parallel_tempering`.
    rng : int or numpy.random.Generator, optional
    width : float
        Standard deviation of the normal: the scale of q.

    Returns
    -------
    Normalizer

    Raises
    ------
    ArgumentError
        If an argument is not as described.

    Examples
    --------
    In the plane, |q| = r/√2, and e^{−U} of a pair has the integral 2π ∫ e^{−φ(√2 ρ)} ρ dρ.

    >>> from ehf_num import DoubleWell
    >>> pair = DoubleWell(2, 2)
    >>> weight = lambda rho: 2 * np.pi * rho * np.exp(-pair.pair(np.sqrt(2) * rho))
    >>> exact = np.log(scipy.integrate.quad(weight, 0, 10)[0])
    >>> found = annealed_importance(pair, 500, rng=0, width=2.0)
    >>> abs(found.log_z - exact) < 4 * found.log_z_error < 0.2
    True
    """
    count = arguments.positive_integer(n, "n")
    width = arguments.positive_number(width, "width")
    pilot, there, back, chains = arguments.generator(rng).spawn(4)
    ladder = descend(energy, _PILOT_WALKERS, pilot, width)[0].refined(_PARTS)
    start = width * there.standard_normal((count, energy.dim))
    draws = parallel_tempering(energy, count, chains, width=width)
    forward = _work(energy, start, ladder, width, there)
    down = Ladder(ladder.beta[::-1], ladder.step_size[::-1])
    backward = _work(energy, draws.x, down, width, back)
    log_z0 = energy.dim * (HALF_LOG_2PI + np.log(width))
    log_ratio, error = bennett(forward, backward)
    return Normalizer(
        log_z=log_z0 + log_ratio,
        log_z_error=error,
        forward=log_z0 + float(log_mean_exp(-forward[None])[0]),
        forward_error=_relative_error(-forward),
        backward=log_z0 - float(log_mean_exp(-backward[None])[0]),
        backward_error=_relative_error(-backward),
        energy=draws.energy,
        energy_error=draws.energy_error,
    )


def _work(
    energy: EnergyFunction, q: Floats, ladder: Ladder, width: float, rng: np.random.Generator
) -> Floats:
    """Take walkers along a ladder and add up what the changes of β cost them, (n,)."""
    work = np.zeros(len(q))
    last = len(ladder.beta) - 2
    for k, change in enumerate(np.diff(ladder.beta)):
        path = AnnealedEnergy(energy, width, np.full(len(q), ladder.beta[k + 1]))
        work += change * path.difference(q)
        if k < last:
            q, _ = hmc_step(path, q, ladder.step_size[k + 1], _LEAPFROG_STEPS, rng)
    return work


def bennett(forward: Floats, backward: Floats) -> tuple[float, float]:
    """Estimate ln(Z_1/Z_0) from the work of both ways, and its standard error.

    Solves Σ_i f(W_i + c) = Σ_j f(W'_j − c), f(x) = 1/(1 + e^x), for c = ln(Z_1/Z_0) with as many
    walkers on both ways.

    Parameters
    ----------
    forward, backward : ndarray, shape (n,)
        W of walkers from 0 to 1, and W' of others from 1 to 0.

    Examples
    --------
    Normal work with variance s² has ln(Z_1/Z_0) = −E[W] + s²/2:

    >>> rng = np.random.default_rng(0)
    >>> there, back = rng.normal(3.0, 1.0, 10_000), rng.normal(-2.0, 1.0, 10_000)
    >>> ratio, error = bennett(there, back)
    >>> abs(ratio + 2.5) < 3 * error < 0.05
    True
    """
    expit = scipy.special.expit

    def excess(c: float) -> float:
        return float(expit(-(forward + c)).mean() - expit(-(backward - c)).mean())

    edges = np.concatenate([-forward[np.isfinite(forward)], backward[np.isfinite(backward)]])
    c = float(scipy.optimize.brentq(excess, edges.min() - 50, edges.max() + 50))
    shares = expit(-(forward + c)), expit(-(backward - c))
    variance = sum(np.var(f, ddof=1) / np.mean(f) ** 2 / len(f) for f in shares)
    return c, float(np.sqrt(variance))


def _relative_error(log_weights: Floats) -> float:
    """Return the standard error of ln mean e^{log_weights}, by the delta method."""
    weights = np.exp(log_weights - log_weights.max())
    return float(weights.std(ddof=1) / weights.mean() / np.sqrt(len(weights)))
