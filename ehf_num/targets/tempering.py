"""Draws from e^{−U} by parallel tempering, with what has to hold of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from ehf_num.engine import arguments
from ehf_num.targets.datasets import Floats
from ehf_num.targets.hmc import AnnealedEnergy, EnergyFunction, hmc_step
from ehf_num.targets.target_energy import state_text
from ehf_sym.errors import ArgumentError

_OVERLAP = 0.5  # effective share of the walkers at one level that stand for the next
_FEWEST_WALKERS, _MOST_WALKERS = 128, 1_000  # in each of two independent groups
_PILOT_MOVES, _ACCEPTANCE = 12, 0.8
_LEAPFROG_STEPS = 10
_MOST_LEVELS = 500  # thirteen particles from a normal sixteen times as wide take 30
_BOTTOM = -1e30  # no energy that is known up to a constant comes to
_BURN_IN, _THIN = 40, 5


@dataclass(frozen=True, eq=False)
class Ladder:
    """Levels from a normal to the target, found by a run down them.

    Attributes
    ----------
    beta, step_size : ndarray, shape (levels,)
        0 to 1, and leapfrog's step at each.
    """

    beta: Floats
    step_size: Floats

    def refined(self, parts: int) -> Ladder:
        """Divide every interval into so many."""
        places = np.linspace(0, len(self.beta) - 1, parts * (len(self.beta) - 1) + 1)
        known = np.arange(len(self.beta))
        return Ladder(np.interp(places, known, self.beta), np.interp(places, known, self.step_size))


@dataclass(frozen=True, eq=False)
class TemperedDraws:
    """Draws from e^{−U}, made by `ehf_num.parallel_tempering`.

    Attributes
    ----------
    x : ndarray, shape (n, d)
        Those of both groups of walkers by turns.
    ladder : ndarray, shape (levels,)
        β of each level.
    acceptance, swaps : ndarray, shape (levels − 1,)
        Share of accepted moves at each level above the normal, and of swaps with the level below.
    energy, energy_error : float
        Mean of U and its standard error, by the spread of independent walkers.
    virial, virial_error : float
        Mean of q·∂U/∂q and its standard error: d in the mean, for every U that holds its
        particles together.
    agreement : float
        Difference of the mean energies of two groups that know nothing of each other, in standard
        errors.
    """

    x: Floats
    ladder: Floats
    acceptance: Floats
    swaps: Floats
    energy: float
    energy_error: float
    virial: float
    virial_error: float
    agreement: float

    @property
    def passed(self) -> bool:
        """Whether virial and groups are within four standard errors."""
        return (
            abs(self.virial - self.x.shape[1]) < 4 * self.virial_error and abs(self.agreement) < 4
        )

    def __str__(self) -> str:
        return (
            f"{len(self.x)} draws, mean energy {self.energy:.4f} ± {self.energy_error:.4f}, "
            f"virial {self.virial:.3f} ± {self.virial_error:.3f} (exact: {self.x.shape[1]}), "
            f"groups differ by {self.agreement:+.1f} standard errors; {len(self.ladder)} levels, "
            f"acceptance {self.acceptance.min():.2f} or more, swaps {self.swaps.min():.2f} or more"
        )


def parallel_tempering(
    energy: EnergyFunction,
    n: int,
    rng: int | np.random.Generator | None = None,
    *,
    width: float = 1.0,
) -> TemperedDraws:
    """Draw from e^{−U} by Hamiltonian Monte Carlo at many temperatures with swaps.

    Levels U_β = (1 − β) |q|²/2w² + β U lead from a normal, which is drawn from anew at every
    sweep, to U. A first run down the levels places them so that half of the walkers at one stand
    for the next, and sets the step sizes, which do not change afterwards. Walkers come in two
    groups that share nothing, levels and step sizes included.

    Parameters
    ----------
    energy : object with dim, value(q) and gradient(q)
        Such as `ehf_num.DoubleWell`.
    n : int
        Draws. Up to 2,000 of them come from walkers of their own.
    rng : int or numpy.random.Generator, optional
    width : float
        w of the normal: the scale of q.

    Returns
    -------
    TemperedDraws

    Raises
    ------
    ArgumentError
        If an argument is not as described.

    Examples
    --------
    >>> from ehf_num import LennardJones
    >>> draws = parallel_tempering(LennardJones(2, 3), 200, rng=0)
    >>> draws.x.shape, draws.passed
    ((200, 3), True)
    """
    count = arguments.positive_integer(n, "n")
    width = arguments.positive_number(width, "width")
    walkers = min(max((count + 1) // 2, _FEWEST_WALKERS), _MOST_WALKERS)
    keep = -(-count // (2 * walkers))
    groups = [
        _group(energy, walkers, keep, stream, width) for stream in arguments.generator(rng).spawn(2)
    ]
    x = np.concatenate([g.draws for g in groups], axis=1)  # (keep, 2 walkers, d)
    flat = x.reshape(-1, energy.dim)
    means, errors = zip(*(_by_walkers(energy.value, g.draws) for g in groups), strict=True)
    mean_energy, energy_error = _by_walkers(energy.value, x)
    virial, virial_error = _by_walkers(lambda q: (q * energy.gradient(q)).sum(axis=1), x)
    mixed = np.stack([g.draws for g in groups], axis=2).reshape(flat.shape)
    with np.errstate(all="ignore"):  # walkers that all sit in one place have no spread
        agreement = float(np.divide(means[0] - means[1], np.hypot(*errors)))
    shorter = min(groups, key=lambda g: len(g.ladder.beta))
    return TemperedDraws(
        x=mixed[:count],
        ladder=shorter.ladder.beta,
        acceptance=shorter.acceptance,
        swaps=shorter.swaps,
        energy=mean_energy,
        energy_error=energy_error,
        virial=virial,
        virial_error=virial_error,
        agreement=agreement,
    )


@dataclass(frozen=True, eq=False)
class _Group:
    """What walkers at one ladder leave behind: draws (keep, walkers, d) and shares."""

    draws: Floats
    ladder: Ladder
    acceptance: Floats
    swaps: Floats


def _group(
    energy: EnergyFunction, walkers: int, keep: int, rng: np.random.Generator, width: float
) -> _Group:
    ladder, q = descend(energy, walkers, rng, width)
    levels = len(ladder.beta)
    accepted, swapped, kept = np.zeros(levels - 1), np.zeros(levels - 1), []
    sweeps = _BURN_IN + _THIN * (keep - 1)
    every = AnnealedEnergy(energy, width, np.repeat(ladder.beta[1:], walkers))
    sizes = np.repeat(ladder.step_size[1:], walkers)
    for sweep in range(sweeps):
        q[0] = width * rng.standard_normal(q[0].shape)
        moved, ok = hmc_step(every, q[1:].reshape(-1, energy.dim), sizes, _LEAPFROG_STEPS, rng)
        q[1:] = moved.reshape(q[1:].shape)
        accepted += ok.reshape(levels - 1, walkers).mean(axis=1)
        _swap(energy, q, ladder.beta, width, sweep % 2, swapped, rng)
        if sweep + 1 >= _BURN_IN and (sweep + 1 - _BURN_IN) % _THIN == 0:
            kept.append(q[-1].copy())
    half = np.where(np.arange(levels - 1) % 2, sweeps // 2, sweeps - sweeps // 2)
    return _Group(np.stack(kept), ladder, accepted / sweeps, swapped / half)


def _swap(
    energy: EnergyFunction,
    q: Floats,
    beta: Floats,
    width: float,
    first: int,
    swapped: Floats,
    rng: np.random.Generator,
) -> None:
    """Exchange walkers of neighbouring levels, every second pair of them, in place."""
    levels, walkers, dim = q.shape
    path = AnnealedEnergy(energy, width, beta)
    rise = path.difference(q.reshape(-1, dim)).reshape(levels, walkers)
    for k in range(first, levels - 1, 2):
        log_ratio = (beta[k + 1] - beta[k]) * (rise[k + 1] - rise[k])
        chosen = np.log(rng.random(walkers)) < log_ratio
        q[k, chosen], q[k + 1, chosen] = q[k + 1, chosen], q[k, chosen].copy()
        swapped[k] += chosen.mean()


def descend(
    energy: EnergyFunction, walkers: int, rng: np.random.Generator, width: float
) -> tuple[Ladder, Floats]:
    """Take walkers from the normal to the target; return levels and the walkers at each.

    From one level to the next they are weighted, resampled and moved, with steps that follow the
    acceptance: sequential Monte Carlo. What is found here is a starting point, and no draw.

    Returns
    -------
    Ladder
    ndarray, shape (levels, walkers, d)

    Raises
    ------
    ArgumentError
        If walkers only fall: e^−U has no finite integral.
    """
    q = width * rng.standard_normal((walkers, energy.dim))
    beta, size = 0.0, width / 2
    betas, sizes, levels = [beta], [size], [q]
    while beta < 1:
        rise = AnnealedEnergy(energy, width, np.full(walkers, beta)).difference(q)
        if len(betas) > _MOST_LEVELS or not rise.min() > _BOTTOM:
            lowest = int(np.argmin(rise))
            raise ArgumentError(
                f"energy falls without an end: at a share of {beta:.3g} of it walkers have come to "
                f"{float(energy.value(q[[lowest]])[0]):.6g} at q = {state_text(q[lowest])}; it "
                "should rise far away, so that e^−energy has a finite integral: is its sign right?"
            )
        step = largest_step(rise, 1 - beta)
        beta = 1.0 if step >= 1 - beta else beta + step
        weights = np.exp(-step * (rise - rise.min()))
        q = q[resampled(weights / weights.sum(), rng)]
        path = AnnealedEnergy(energy, width, np.full(walkers, beta))
        for _ in range(_PILOT_MOVES):
            q, accepted = hmc_step(path, q, size, _LEAPFROG_STEPS, rng)
            size *= float(np.exp(accepted.mean() - _ACCEPTANCE))
        betas.append(beta)
        sizes.append(size)
        levels.append(q)
    return Ladder(np.array(betas), np.array(sizes)), np.stack(levels)


def largest_step(rise: Floats, most: float) -> float:
    """Return the step in β at which weights e^{−step·rise} have the wanted effective share."""

    def excess(log_step: float) -> float:
        log_weights = -np.exp(log_step) * (rise - rise.min())
        log_sum = scipy.special.logsumexp
        return float(
            2 * log_sum(log_weights) - log_sum(2 * log_weights) - np.log(_OVERLAP * len(rise))
        )

    if excess(np.log(most)) >= 0:
        return most
    return float(np.exp(scipy.optimize.brentq(excess, np.log(1e-300), np.log(most))))


def resampled(weights: Floats, rng: np.random.Generator) -> np.ndarray:
    """Draw indices by weight, systematically."""
    places = (rng.random() + np.arange(len(weights))) / len(weights)
    return np.minimum(np.searchsorted(np.cumsum(weights), places), len(weights) - 1)


def _by_walkers(value: Callable[[Floats], Floats], draws: Floats) -> tuple[float, float]:
    """Return the mean over draws (keep, walkers, d), and its standard error by walkers."""
    keep, walkers, dim = draws.shape
    means = value(draws.reshape(-1, dim)).reshape(keep, walkers).mean(axis=0)
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(walkers))
