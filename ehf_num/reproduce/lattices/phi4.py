"""The lattice field φ⁴ learned from its action: weights against closed forms, or against chains.

Every model is exactly invariant under translations, point group, and φ → −φ or the phase of a
complex field with its conjugation: its energies are sums
over the lattice of networks of a site and its neighbours, its encoder is a convolution. The free
field, λ = 0, has everything in closed form; else the judge is long Hamiltonian Monte Carlo.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sympy as sp
from matplotlib.figure import Figure

import ehf_num as en
import ehf_sym as es
from ehf_num.reproduce.chapter import Chapter, Picture, Table, save
from ehf_num.reproduce.common import Floats, check_counts, seed_range
from ehf_num.reproduce.lattices.judged import bounds_in_training, farthest_off, measured

_CHAINS, _WARM, _KEPT, _LEAPS = 256, 300, 700, 10
_BATCH, _RATE, _WARMUP = 64, 0.05, 100
_WIDTH = 16  # units of the network of the encoder's widths
_STEPS = 0.3  # dt of leapfrog where learning starts; every Hamiltonian's dilation is learned


def _number(text: str, name: str) -> sp.Rational:
    try:
        return sp.Rational(text)
    except (TypeError, ValueError, ZeroDivisionError):
        raise es.ArgumentError(f"{name} was {text!r}; it should be a number") from None


@dataclass(frozen=True)
class Settings:
    """Size of the study.

    Attributes
    ----------
    field : {"real", "complex"}
        φ, in the second case with exact U(1).
    size : int
        L: the lattice has L × L sites.
    mass_squared, coupling : str
        m² and λ, exact numbers such as 6.975; λ = 0 is the free field, of m² > 0.
    hamiltonians, hidden : int
        Length of the chain, and width of each network.
    iterations : int
        Updates of each model.
    draws : int
        That are weighed, and steps of the independence chain.
    seeds : int
        Repetitions.
    progress : bool or None
        Progress bars; None: only on a terminal.

    Raises
    ------
    ehf_sym.ArgumentError
        If a number cannot be used, or the free field has no density.
    """

    field: str = "real"
    size: int = 8
    mass_squared: str = "1"
    coupling: str = "0"
    hamiltonians: int = 6
    hidden: int = 32
    iterations: int = 6_000
    draws: int = 20_000
    seeds: int = 1
    progress: bool | None = None

    def __post_init__(self) -> None:
        check_counts(self, "size", "hamiltonians", "hidden", "iterations", "draws", "seeds")
        if self.field not in ("real", "complex"):
            raise es.ArgumentError(f"field was {self.field!r}; it should be 'real' or 'complex'")
        m2, coupling = self.constants
        if coupling < 0 or (coupling == 0 and m2 <= 0):
            raise es.ArgumentError(
                f"coupling was {self.coupling} with mass_squared {self.mass_squared}; e^−S should "
                "have a finite integral: λ > 0, or λ = 0 with m² > 0"
            )

    @property
    def constants(self) -> tuple[sp.Rational, sp.Rational]:
        """m² and λ."""
        return _number(self.mass_squared, "mass_squared"), _number(self.coupling, "coupling")

    @property
    def free(self) -> bool:
        """Whether there is no interaction."""
        return bool(self.constants[1] == 0)

    @property
    def lattice(self) -> es.ScalarLattice | es.ComplexScalarLattice:
        """The lattice."""
        kind = es.ScalarLattice if self.field == "real" else es.ComplexScalarLattice
        return kind([self.size, self.size])

    @property
    def observables(self) -> dict[str, Callable[[Floats], Floats]]:
        """⟨|φ|²⟩ per site and χ = ⟨|Σφ|²⟩/V, as functions (n, d) to (n,)."""
        sites = self.size**2
        return {
            "⟨|φ|²⟩": lambda q: (q**2).sum(axis=1) / sites,
            "χ": lambda q: (q.reshape(len(q), sites, -1).sum(axis=1) ** 2).sum(axis=1) / sites,
        }

    @property
    def action(self) -> sp.Expr:
        """S."""
        return self.lattice.action(*self.constants)


FULL = Settings(iterations=12_000, seeds=3)


@dataclass(frozen=True, eq=False)
class Outcome:
    """One trained model, its weights and its chain."""

    model: en.EquivariantHamiltonianFlow
    weights: en.WeightedDraws
    chain: en.IndependenceChain
    seconds: float


def build(settings: Settings, seed: int) -> en.EquivariantHamiltonianFlow:
    """Make a model that keeps every symmetry of the lattice by construction."""
    lattice = settings.lattice
    group, windows = lattice.symmetry(), [lattice.window()]
    U, K, width = (
        en.OrbitSum(lattice.space, windows, group, of=of, hidden=(hidden,))
        for of, hidden in (("q", settings.hidden), ("p", settings.hidden), ("q", _WIDTH))
    )
    return en.EquivariantHamiltonianFlow(
        es.StandardNormal(lattice.space),
        group,
        enforce="exact",
        potential=U,
        kinetic=K,
        hamiltonians=settings.hamiltonians,
        integrator=en.Dilated(en.Leapfrog(1, _STEPS)),
        encoder=en.CommutantEncoder(group, width=width),
        dtype="float32",
        rng=seed,
    )


def train_one(settings: Settings, seed: int) -> Outcome:
    """Train one model on the action, and weigh its draws."""
    start, model = time.process_time(), build(settings, seed)
    model.fit_energy(
        settings.action,
        iterations=settings.iterations,
        batch_size=_BATCH,
        learning_rate=_RATE,
        schedule=en.LearningRateSchedule("cosine", warmup=_WARMUP),
        gradient="path",
        progress=settings.progress,
    )
    seconds = time.process_time() - start
    weights = model.weigh(settings.action, settings.draws, rng=seed)
    return Outcome(model, weights, weights.metropolis(settings.draws, rng=seed), seconds)


def reference(settings: Settings) -> tuple[str, dict[str, tuple[float, float]]]:
    """Return what judges, and value and error of ln Z, where it is known, and of observables."""
    if settings.free:
        m2, _ = settings.constants
        hessian = np.array(sp.hessian(settings.action, settings.lattice.space.q), dtype=float)
        covariance = np.linalg.inv(hessian)
        return "closed form", {
            "ln Z": (float(settings.lattice.free_log_z(m2)), 0.0),
            "⟨|φ|²⟩": (float(np.trace(covariance)) / settings.size**2, 0.0),
            "χ": (float(covariance.sum()) / settings.size**2, 0.0),
        }
    known, time_of_chi = _by_chains(settings)
    return f"HMC, {_CHAINS} chains of {_KEPT}, τ of χ {time_of_chi:.1f}", known


@dataclass(frozen=True)
class _Action:
    """S(φ), with its gradient."""

    formula: es.NumpyFormula

    def value(self, q: Floats) -> Floats:
        return np.asarray(self.formula(q)[:, 0])

    def gradient(self, q: Floats) -> Floats:
        return np.asarray(self.formula.gradient(q)[:, 0])


def _by_chains(settings: Settings) -> tuple[dict[str, tuple[float, float]], float]:
    """Average observables over long chains; the error is the spread of the chains' means.

    Besides, the autocorrelation time of χ in steps.
    """
    from arviz_stats.base import array_stats  # here: it is slow to import

    space, rng = settings.lattice.space, np.random.default_rng(2024)
    energy = _Action(es.to_numpy([settings.action], space.q))
    q, step, kept = 0.3 * rng.standard_normal((_CHAINS, space.dim)), 0.1, []
    for turn in range(_WARM + _KEPT):
        q, accepted = en.hmc_step(energy, q, step * rng.uniform(0.8, 1.2), _LEAPS, rng)
        q = q * rng.choice([-1.0, 1.0], (_CHAINS, 1))  # φ → −φ, which keeps S
        if turn < _WARM:
            step *= math.exp(0.3 * (accepted.mean() - 0.8))
        else:
            kept.append([observe(q) for observe in settings.observables.values()])
    means, of_chi = np.mean(kept, axis=0), np.array(kept)[:, -1].T
    independent = array_stats.ess(of_chi, chain_axis=0, draw_axis=1, method="mean")
    return {
        name: (float(mean.mean()), float(mean.std(ddof=1)) / math.sqrt(_CHAINS))
        for name, mean in zip(settings.observables, means, strict=True)
    }, of_chi.size / float(independent)


def chapter(
    outcomes: Sequence[Outcome],
    settings: Settings,
    *,
    pictures: Sequence[Picture] = (),
    command: str = "ehf reproduce phi4",
) -> Chapter:
    """Lay the outcomes out, one row a seed, and below them what judges."""
    judge, known = reference(settings)
    head = (
        "seed",
        "ESS",
        "k̂",
        "acceptance",
        "τ of S",
        "ln Z",
        *settings.observables,
        "farthest off",
        "processor s",
    )
    rows: list[tuple[str, ...]] = [head]
    for seed, outcome in enumerate(outcomes):
        found = measured(outcome.weights, settings.observables)
        rows.append((
            str(seed),
            f"{100 * outcome.weights.ess:.1f} %",
            f"{outcome.weights.pareto_k:.2f}",
            f"{100 * outcome.chain.acceptance:.1f} %",
            f"{outcome.chain.autocorrelation_time():.2f}",
            *(f"{value:.4f} ± {error:.4f}" for value, error in found.values()),
            f"{farthest_off(found, known):+.1f} σ",
            f"{outcome.seconds:.0f}",
        ))  # fmt: skip
    told = [
        "unknown" if name not in known else f"{known[name][0]:.4f} ± {known[name][1]:.4f}"
        for name in ("ln Z", *settings.observables)
    ]
    rows.append((judge, "", "", "", "", *told, "", ""))
    m2, coupling = settings.mass_squared, settings.coupling
    return Chapter(
        name="phi4",
        title=f"φ⁴, {settings.field}, on {settings.size} × {settings.size} sites, m² = {m2}, λ = "
        f"{coupling}",
        command=command,
        seeds=f"{seed_range(settings.seeds)}: weights and noise",
        tables=(Table("", tuple(rows)),),
        pictures=tuple(pictures),
        remarks=(
            "S = Σ [Σ_μ |φ₊ − φ|² + m²|φ|² + λ|φ|⁴]; ESS, ln Z (nats) and means of "
            f"{settings.draws} weighed draws, acceptance and τ of as many Metropolis steps; "
            "⟨|φ|²⟩ per site, χ = ⟨|Σφ|²⟩/V",
            f"{settings.hamiltonians} Hamiltonians of windows, {settings.hidden} wide, and a "
            f"convolution as encoder; {settings.iterations} iterations of batch {_BATCH}, rate "
            f"{_RATE}",
        ),
    )


def figure(outcomes: Sequence[Outcome], settings: Settings) -> Figure:
    """Draw the bound of ln Z over the iterations, and ln Z where it is known, else estimated."""
    known = reference(settings)[1] if settings.free else {}
    level = known.get("ln Z", (outcomes[0].weights.log_z, 0.0))[0]
    models = {f"seed {seed}": outcome.model for seed, outcome in enumerate(outcomes)}
    return bounds_in_training(models, level)


def run(settings: Settings, folder: Path, *, command: str = "ehf reproduce phi4") -> str:
    """Train every model, write `phi4.png`, return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = [train_one(settings, seed) for seed in range(settings.seeds)]
    caption = "The bound of ln Z in training; dotted: ln Z in closed form, or by weights."
    picture = save(figure(outcomes, settings), folder, "phi4.png", caption)
    return chapter(outcomes, settings, pictures=[picture], command=command).write(folder)
