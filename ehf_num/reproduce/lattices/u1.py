"""The U(1) gauge field in two dimensions, learned from Wilson's action, against closed forms.

The model that keeps the gauge group exactly sees plaquettes alone: its energies are sums over them,
its base has momenta that are independent of plaquette to plaquette, and its encoder is a normal
along gauge directions, where momenta never change. Beside it stands one without any symmetry, whose
networks see cosines and sines of links.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

import ehf_num as en
import ehf_sym as es
from ehf_num.reproduce.chapter import Chapter, Picture, Table, save
from ehf_num.reproduce.common import Floats, check_counts, check_words, seed_range
from ehf_num.reproduce.lattices.judged import (
    Observables,
    Value,
    bounds_in_training,
    farthest_off,
    measured,
)

CONTENDERS = ("gauge", "links")
_STEP, _BATCH, _RATE = 0.5, 128, 5e-3
_ANNEALED = 0.3  # of the iterations, in which the target goes from the base to e^−S
_OF_SITES, _OF_MOMENTA, _OF_WIDTHS = 8, 8, 16  # units of hidden layers
_SENSE = (2, 1), (-1, 2)


@dataclass(frozen=True)
class Settings:
    """Size of the study.

    Attributes
    ----------
    sizes : tuple of int
        L, of L × L sites.
    betas : tuple of str
        β, exact numbers.
    contenders : tuple of str
        "gauge", which keeps all that the action keeps exactly; "links", which
        keeps nothing.
    hamiltonians, hidden : int
        Length of the chain, and width of the networks of U.
    iterations : int
        Updates of each model.
    draws, momenta : int
        That are weighed, and of each draw for the last of the ESS.
    seeds : int
        Repetitions.
    progress : bool or None
        Progress bars; None: only on a terminal.

    Raises
    ------
    ehf_sym.ArgumentError
        If a number cannot be used, or a contender is unknown.
    """

    sizes: tuple[int, ...] = (4,)
    betas: tuple[str, ...] = ("1", "2", "4")
    contenders: tuple[str, ...] = CONTENDERS
    hamiltonians: int = 8
    hidden: int = 16
    iterations: int = 1_500
    draws: int = 20_000
    momenta: int = 8
    seeds: int = 1
    progress: bool | None = None

    def __post_init__(self) -> None:
        check_words(contenders=(self.contenders, CONTENDERS))
        if not self.sizes or not all(isinstance(n, int) and n > 1 for n in self.sizes):
            raise es.ArgumentError(f"sizes was {self.sizes}; it should hold integers above 1")
        check_counts(self, "hamiltonians", "hidden", "iterations", "draws", "momenta", "seeds")
        for beta in self.betas:
            try:
                number = sp.Rational(beta)
            except (TypeError, ValueError, ZeroDivisionError):
                number = sp.S.NaN
            if not number.is_nonnegative:
                raise es.ArgumentError(f"betas had {beta!r}; it should have numbers from 0 up")

    @property
    def cells(self) -> list[Cell]:
        """All lattices and couplings."""
        return [Cell(size, sp.Rational(beta)) for size in self.sizes for beta in self.betas]


FULL = Settings(sizes=(4, 8), iterations=4_000, seeds=3)


@dataclass(frozen=True)
class Cell:
    """A lattice and its coupling.

    Attributes
    ----------
    size : int
        L, of L × L sites.
    beta : sympy.Rational
        β.
    """

    size: int
    beta: Any

    @cached_property
    def lattice(self) -> es.U1Lattice:
        """The lattice."""
        return es.U1Lattice([self.size, self.size])

    @property
    def action(self) -> sp.Expr:
        """S."""
        return self.lattice.action(self.beta)

    @property
    def known(self) -> dict[str, Value]:
        """What the closed forms say."""
        lattice, beta = self.lattice, self.beta
        values = (
            lattice.log_z(beta),
            lattice.mean_plaquette(beta),
            lattice.topological_susceptibility(beta),
        )
        names = ("ln Z", *self.observables)
        return {name: (value, 0.0) for name, value in zip(names, values, strict=True)}

    @property
    def observables(self) -> Observables:
        """Mean plaquette and Q²/V."""
        forms = np.array(self.lattice.plaquettes, dtype=float)

        def plaquette(q: Floats) -> Floats:
            return np.asarray(np.cos(q @ forms.T).mean(axis=1))

        def susceptibility(q: Floats) -> Floats:
            turns = q @ forms.T / (2 * np.pi)
            charge = (turns - np.round(turns)).sum(axis=1)
            return np.asarray(charge**2 / len(forms))

        return {"⟨cos θ⟩": plaquette, "⟨Q²⟩/V": susceptibility}


@dataclass(frozen=True, eq=False)
class Outcome:
    """One trained model and its weights, by one momentum a draw and by several."""

    cell: Cell
    contender: str
    seed: int
    model: en.EquivariantHamiltonianFlow
    weights: en.WeightedDraws
    marginal: en.WeightedDraws
    seconds: float

    @property
    def gauge_error(self) -> float:
        """The most that ln p(q, p) changes, nats, when links are gauge-transformed at random."""
        rng, lattice = np.random.default_rng(0), self.cell.lattice
        q, p = self.model.sample(100, rng, return_momenta=True)
        moves = np.array(
            [[law.diff(E) for E in lattice.space.p] for law in lattice.gauge().generators], float
        )
        moved = q + rng.uniform(-np.pi, np.pi, (len(q), len(moves))) @ moves
        change = self.model.joint_log_prob(moved, p) - self.model.joint_log_prob(q, p)
        return float(np.abs(change).max())


def independent_momenta(lattice: es.U1Lattice) -> es.BaseDensity:
    """Return the base: links uniform, π of `U1Lattice.momenta` and the rest of p normal of width 1.

    −½ |Πp|² − ½ |p − DᵀΠp|², D the plaquettes: momenta of different plaquettes are independent.
    """
    space, momenta = lattice.space, lattice.momenta
    rest = sp.eye(space.dim) - lattice.plaquettes.T * momenta
    precision, p = momenta.T * momenta + rest, space.p
    terms = (c * p[i] * p[j] for (i, j), c in precision.todok().items())
    return es.BaseDensity(space, log_density=-sp.Add(*terms) / 2)


def build(cell: Cell, settings: Settings, contender: str, seed: int) -> Any:
    """Make a model of plaquettes, which keeps the gauge group, or one of links, which does not."""
    lattice, space = cell.lattice, cell.lattice.space
    if contender == "links":
        return en.EquivariantHamiltonianFlow(
            es.StandardNormal(space),
            enforce="none",
            hamiltonians=settings.hamiltonians,
            integrator=en.Leapfrog(1, _STEP),
            rng=seed,
        )
    parts = (lattice.translations(), lattice.point_group())
    group = es.FiniteSymmetry(space, [a for part in parts for a in part.generators])
    symmetry = es.Symmetry(lattice.gauge(), group)
    # Rotations keep it up to signs and order, mirrors do not: one site for either sense of turning.
    sense = sp.Matrix(2, space.dim, lambda row, link: _SENSE[row][link % 2])
    options: Any = {
        "sites": [sense], "hidden": (settings.hidden,), "site_hidden": (_OF_SITES,)
    }  # fmt: skip
    U, even = (
        en.OrbitSum(space, [lattice.window()], symmetry, even=even, **options)
        for even in (False, True)
    )
    momentum = lattice.momenta.row(0)
    K = en.OrbitSum(space, [momentum], symmetry, of="p", hidden=(_OF_MOMENTA,), even=True)
    return en.EquivariantHamiltonianFlow(
        independent_momenta(lattice),
        symmetry,
        enforce="exact",
        potential=U,
        kinetic=K,
        hamiltonians=settings.hamiltonians,
        integrator=en.Leapfrog(1, _STEP),
        encoder=en.OrbitEncoder(even, precision="conjugate", width=_OF_WIDTHS),
        rng=seed,
    )


def train_one(cell: Cell, settings: Settings, contender: str, seed: int) -> Outcome:
    """Train one model on the action, and weigh its draws."""
    start, model = time.process_time(), build(cell, settings, contender, seed)
    model.fit_energy(
        cell.action,
        iterations=settings.iterations,
        batch_size=_BATCH,
        learning_rate=_RATE,
        schedule="cosine",
        annealing=int(_ANNEALED * settings.iterations),
        progress=settings.progress,
    )
    seconds = time.process_time() - start
    once, several = (
        model.weigh(cell.action, settings.draws, rng=seed, momenta=momenta)
        for momenta in (1, settings.momenta)
    )
    return Outcome(cell, contender, seed, model, once, several, seconds)


def chapter(
    outcomes: Sequence[Outcome],
    settings: Settings,
    *,
    pictures: Sequence[Picture] = (),
    command: str = "ehf reproduce u1",
) -> Chapter:
    """Lay the outcomes out, one row a model, and below those of a lattice the closed forms."""
    names = ("ln Z", *settings.cells[0].observables)
    several = f"ESS, {settings.momenta} momenta"
    head = ("L", "β", "model", "seed", "ESS", several, "k̂", *names)
    rows: list[tuple[str, ...]] = [(*head, "farthest off", "gauge [nats]", "processor s")]
    for cell in settings.cells:
        known = cell.known
        at = (str(cell.size), str(cell.beta))
        for outcome in outcomes:
            if outcome.cell != cell:
                continue
            found = measured(outcome.weights, cell.observables)
            rows.append((
                *at,
                outcome.contender,
                str(outcome.seed),
                f"{100 * outcome.weights.ess:.1f} %",
                f"{100 * outcome.marginal.ess:.1f} %",
                f"{outcome.weights.pareto_k:.2f}",
                *(f"{value:.4f} ± {error:.4f}" for value, error in found.values()),
                f"{farthest_off(found, known):+.1f} σ",
                f"{outcome.gauge_error:.0e}",
                f"{outcome.seconds:.0f}",
            ))  # fmt: skip
        exact = (f"{value:.4f}" for value, _ in known.values())
        rows.append((*at, "closed form", "", "", "", "", *exact, "", "", ""))
    return Chapter(
        name="u1",
        title="The U(1) gauge field in two dimensions",
        command=command,
        seeds=f"{seed_range(settings.seeds)}: weights and noise",
        tables=(Table("", tuple(rows)),),
        pictures=tuple(pictures),
        remarks=(
            f"S = −β Σ cos θ; ESS, k̂, ln Z (nats) and means of {settings.draws} weighed draws with "
            "one momentum each; gauge: the most that ln p(q, p) changes under gauge "
            "transformations of 100 draws",
            f"{settings.hamiltonians} Hamiltonians, {settings.iterations} iterations of batch "
            f"{_BATCH}, rate {_RATE}, β annealed from 0 over the first {_ANNEALED:.0%}; "
            "gauge: sums over plaquettes, "
            f"{settings.hidden} wide; links: networks of cosines and sines of links",
        ),
    )


def run(settings: Settings, folder: Path, *, command: str = "ehf reproduce u1") -> str:
    """Train every model, write `u1-L-β.png`, return the table."""
    folder.mkdir(parents=True, exist_ok=True)
    outcomes, pictures = [], []
    for cell in settings.cells:
        here = [
            train_one(cell, settings, contender, seed)
            for contender in settings.contenders
            for seed in range(settings.seeds)
        ]
        models = {f"{each.contender}, seed {each.seed}": each.model for each in here}
        canvas = bounds_in_training(models, cell.known["ln Z"][0])
        caption = f"The bound of ln Z in training, L = {cell.size}, β = {cell.beta}; dotted: ln Z."
        name = f"u1-{cell.size}-{str(cell.beta).replace('/', '_')}.png"
        pictures.append(save(canvas, folder, name, caption))
        outcomes += here
    return chapter(outcomes, settings, pictures=pictures, command=command).write(folder)
