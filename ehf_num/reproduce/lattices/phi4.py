"""The lattice field φ⁴ learned from its action: weights against closed forms, or against chains.

Every model is exactly invariant under translations, point group, and φ → −φ or the phase of a
complex field with its conjugation: its energies are sums
over the lattice of networks of a site and its neighbours, its encoder is a convolution. The free
field, λ = 0, has everything in closed form; else the judge is long Hamiltonian Monte Carlo.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp
from matplotlib.figure import Figure

import ehf_num as en
import ehf_sym as es
from ehf_num.reproduce.chapter import Chapter, Picture, Table, save
from ehf_num.reproduce.common import Floats, check_counts, check_words, seed_range
from ehf_num.reproduce.lattices.couplings import CouplingContender, torch_version
from ehf_num.reproduce.lattices.judged import (
    Value,
    bounds,
    farthest_off,
    measured,
    pooled,
)

CONTENDERS = ("windows", "couplings")
_CHAINS, _WARM, _KEPT, _LEAPS = 256, 300, 2_000, 10
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
    draws, momenta : int
        That are weighed, and steps of the independence chain; and momenta of each draw the second
        time, where weights have less of what the encoder misses.
    seeds : int
        Repetitions.
    contenders : tuple of str
        "windows", ours; "couplings", affine couplings on a checkerboard, trained as long.
    progress : bool or None
        Progress bars; None: only on a terminal.

    Raises
    ------
    ehf_sym.ArgumentError
        If a number cannot be used, the free field has no density, or a contender is unknown,
        cannot have the lattice or needs what is not installed.
    """

    field: str = "real"
    size: int = 8
    mass_squared: str = "1"
    coupling: str = "0"
    hamiltonians: int = 6
    hidden: int = 32
    iterations: int = 5_000
    draws: int = 20_000
    momenta: int = 8
    seeds: int = 1
    contenders: tuple[str, ...] = ("windows",)
    progress: bool | None = None

    def __post_init__(self) -> None:
        check_counts(
            self, "size", "hamiltonians", "hidden", "iterations", "draws", "momenta", "seeds"
        )
        if self.field not in ("real", "complex"):
            raise es.ArgumentError(f"field was {self.field!r}; it should be 'real' or 'complex'")
        m2, coupling = self.constants
        if coupling < 0 or (coupling == 0 and m2 <= 0):
            raise es.ArgumentError(
                f"coupling was {self.coupling} with mass_squared {self.mass_squared}; e^−S should "
                "have a finite integral: λ > 0, or λ = 0 with m² > 0"
            )
        check_words(contenders=(self.contenders, CONTENDERS))
        if "windows" not in self.contenders:
            raise es.ArgumentError(
                f"contenders was {self.contenders}; it should have 'windows', whose time of the "
                "processor 'couplings' is given"
            )
        if "couplings" in self.contenders and (self.field == "complex" or self.size % 2):
            raise es.ArgumentError(
                f"contenders had 'couplings' with a {self.field} field of size {self.size}; they "
                "are of a checkerboard of a real field, whose size is even"
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
    """One trained model by its weights and its chain, and the bound of ln Z against time.

    ``marginal`` are ESS and acceptance with several momenta a draw, which a model without momenta
    has with none.
    """

    contender: str
    seed: int
    model: Any
    weights: en.WeightedDraws
    chain: en.IndependenceChain
    marginal: tuple[float, float]
    seconds: float
    curve: tuple[Floats, Floats]


def build(settings: Settings, seed: int) -> en.EquivariantHamiltonianFlow:
    """Make a model that keeps every symmetry of the lattice by construction."""
    lattice = settings.lattice
    group, windows = lattice.symmetry(), [lattice.window()]
    U, K, width = (
        en.OrbitSum(
            lattice.space, windows, group, of=of, hidden=(hidden,), even=settings.field == "real"
        )
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
    seconds, history = time.process_time() - start, model.result_.history
    curve = (history.iteration * (seconds / settings.iterations), history.elbo)
    weights, several = (
        model.weigh(settings.action, settings.draws, rng=seed, momenta=momenta)
        for momenta in (1, settings.momenta)
    )
    chain, of_several = (w.metropolis(settings.draws, rng=seed) for w in (weights, several))
    marginal = (several.ess, of_several.acceptance)
    return Outcome("windows", seed, model, weights, chain, marginal, seconds, curve)


def train_couplings(settings: Settings, seed: int, seconds: float) -> Outcome:
    """Train the peer for so much time of the processor, and weigh its draws."""
    m2, coupling = map(float, settings.constants)
    learned = CouplingContender().learn(
        settings.size, (m2, coupling), _action_of(settings), seconds=seconds, seed=seed
    )
    weights = learned.weigh(settings.draws)
    chain = weights.metropolis(settings.draws, rng=seed)
    marginal = (weights.ess, chain.acceptance)
    return Outcome(
        "couplings", seed, learned.draws, weights, chain, marginal, seconds, learned.curve
    )


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


def _action_of(settings: Settings) -> _Action:
    return _Action(es.to_numpy([settings.action], settings.lattice.space.q))


def _by_chains(settings: Settings) -> tuple[dict[str, tuple[float, float]], float]:
    """Average observables over long chains; the error is the spread of the chains' means.

    Besides, the autocorrelation time of χ in steps.
    """
    from arviz_stats.base import array_stats  # here: it is slow to import

    space, rng = settings.lattice.space, np.random.default_rng(2024)
    energy = _action_of(settings)
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
    """Lay the outcomes out, a row each, the seeds of a model together, and below what judges."""
    judge, known = reference(settings)
    names = ("ln Z", *settings.observables)
    ess, acceptance = (
        (name, f"{name}, {settings.momenta} momenta") for name in ("ESS", "acceptance")
    )
    head = ("model", "seed", *ess, "k̂", *acceptance, "τ of S", *names, "farthest off")
    rows: list[tuple[str, ...]] = [(*head, "processor s")]
    for contender in settings.contenders:
        here = [outcome for outcome in outcomes if outcome.contender == contender]
        found = [measured(outcome.weights, settings.observables) for outcome in here]
        shares = [
            (each.weights.ess, each.marginal[0], each.chain.acceptance, each.marginal[1])
            for each in here
        ]
        for outcome, values, share in zip(here, found, shares, strict=True):
            shown = [f"{100 * part:.1f} %" for part in share]
            rows.append((
                contender,
                str(outcome.seed),
                *shown[:2],
                f"{outcome.weights.pareto_k:.2f}",
                *shown[2:],
                f"{outcome.chain.autocorrelation_time():.2f}",
                *_told(values, names),
                f"{farthest_off(values, known):+.1f} σ",
                f"{outcome.seconds:.0f}",
            ))  # fmt: skip
        if len(here) > 1:
            together = pooled(found)
            shown = [_spread(part) for part in zip(*shares, strict=True)]
            told = _told(together, names)
            off = f"{farthest_off(together, known):+.1f} σ"
            rows.append((contender, "all", *shown[:2], "", *shown[2:], "", *told, off, ""))
    rows.append((judge, "", "", "", "", "", "", "", *_told(known, names), "", ""))
    m2, coupling = settings.mass_squared, settings.coupling
    peer = CouplingContender()
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
            f"{settings.draws} weighed draws, acceptance and τ of as many Metropolis steps, "
            f"by one momentum a draw, and by {settings.momenta}; "
            "⟨|φ|²⟩ per site, χ = ⟨|Σφ|²⟩/V; all: median (least to largest), means over seeds",
            f"windows: {settings.hamiltonians} Hamiltonians, {settings.hidden} wide, and a "
            f"convolution as encoder; {settings.iterations} iterations of batch {_BATCH}, rate "
            f"{_RATE}",
            *(
                f"couplings: {peer.layers} of a checkerboard, {peer.channels} channels, averaged "
                f"over 16 images, batch {peer.batch_size}, rate {peer.learning_rate}, as much time "
                "of the processor as windows of the same seed"
                for _ in settings.contenders[1:]
            ),
        ),
        versions=en.versions() | (torch_version() if len(settings.contenders) > 1 else {}),
    )


def _told(found: Mapping[str, Value], names: Sequence[str]) -> list[str]:
    """Write values with their errors."""
    return [
        f"{found[name][0]:.4f} ± {found[name][1]:.4f}" if name in found else "unknown"
        for name in names
    ]


def _spread(shares: Sequence[float]) -> str:
    """Write the median, and from where to where they go."""
    middle, low, high = (100 * f(shares) for f in (np.median, np.min, np.max))
    return f"{middle:.1f} % ({low:.1f} to {high:.1f})"


def figure(outcomes: Sequence[Outcome], settings: Settings) -> Figure:
    """Draw the bounds of ln Z against time, and ln Z where it is known, else estimated."""
    known = reference(settings)[1] if settings.free else {}
    level = known.get("ln Z", (outcomes[0].weights.log_z, 0.0))[0]
    curves = {f"{each.contender}, seed {each.seed}": each.curve for each in outcomes}
    canvas = bounds(curves, level, "processor seconds")
    canvas.axes[0].set_ylim(level - 2, level + 0.3)  # what the acceptance depends on
    return canvas


def run(settings: Settings, folder: Path, *, command: str = "ehf reproduce phi4") -> str:
    """Train every model, write `phi4.png`, return the table.

    Raises
    ------
    ehf_sym.ArgumentError
        If couplings are asked for and PyTorch is not installed: before any work.
    """
    if "couplings" in settings.contenders and not torch_version():
        raise es.ArgumentError(
            "contenders had couplings, which need PyTorch, and it is not installed: "
            "pip install '.[bench]', or leave them out: --contenders windows"
        )
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for seed in range(settings.seeds):
        ours = train_one(settings, seed)
        outcomes.append(ours)
        if "couplings" in settings.contenders:
            outcomes.append(train_couplings(settings, seed, ours.seconds))
    caption = "The bound of ln Z in training; dotted: ln Z in closed form, or by weights."
    picture = save(figure(outcomes, settings), folder, "phi4.png", caption)
    return chapter(outcomes, settings, pictures=[picture], command=command).write(folder)
