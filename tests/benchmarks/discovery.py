"""What is found in trajectories and samples, and how often something is claimed that is not there.

    python -m tests.benchmarks.discovery trajectories
    python -m tests.benchmarks.discovery false [--sets 2000]
    python -m tests.benchmarks.discovery samples [--seeds 10]

Trajectories: what `conserved_quantities` finds of known systems, over noise. False: data sets of
oscillators whose frequencies differ by 5 to 50 %, and densities without symmetry or with one that
is broken by more than the resolution: the share of them that is given a symmetry they lack, and
beside it the share of data sets with the symmetry that is given it. Samples: the same for
densities with a symmetry, over sizes. On stdout; seconds are of processor time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np
import scipy
import sympy as sp

import ehf_num as en
import ehf_sym as es
from ehf_num.engine.workspace import Array

NOISES = (0.0, 1e-4, 1e-3, 1e-2)
SIZES = (200, 1_000, 5_000, 10_000)


def oscillator(rng: np.random.Generator, frequencies: Any, runs: int, times: int) -> list[Array]:
    """Closed-form trajectories of Σ (p² + ω² q²)/2."""
    w = np.asarray(frequencies, float)
    t = np.linspace(0, 6, times)[:, np.newaxis]
    start, push = rng.standard_normal((2, runs, 1, len(w)))
    return [
        start * np.cos(w * t) + push / w * np.sin(w * t),
        push * np.cos(w * t) - w * start * np.sin(w * t),
    ]


def integrated(energy: sp.Expr, space: es.PhaseSpace, starts: Any, dt: float) -> list[Array]:
    """Hamilton's equations to high accuracy, at 80 times."""
    velocity = es.to_numpy(
        [*(energy.diff(p) for p in space.p), *(-energy.diff(q) for q in space.q)],
        space.coordinates,
    )
    times = dt * np.arange(80)
    runs = [
        scipy.integrate.solve_ivp(
            lambda _, s: velocity(s[np.newaxis])[0],
            (0, times[-1]),
            start,
            t_eval=times,
            method="DOP853",
            rtol=1e-11,
            atol=1e-12,
        ).y.T
        for start in starts
    ]
    return np.split(np.array(runs), 2, axis=2)


@dataclass(frozen=True)
class System:
    """Trajectories, what is looked for, and what is true."""

    name: str
    runs: Callable[[np.random.Generator], list[Array]]
    degree: int
    truth: str
    functions: tuple[sp.Expr, ...] = ()


def systems() -> Iterator[System]:
    """The systems of the page, in the order of their table."""
    for n in range(1, 5):
        name = f"oscillator, n = {n}"
        yield System(name, lambda rng, n=n: oscillator(rng, np.ones(n), 40, 200), 2, f"u({n})")
    space = es.PhaseSpace(3)
    radius = sp.sqrt(sum(x**2 for x in space.q))
    kepler = sum(x**2 for x in space.p) / 2 - 1 / radius
    pulls = (1 / radius, *(x / radius for x in space.q))
    yield System(
        "Kepler", lambda rng: integrated(kepler, space, bound(rng, 40), 0.1), 3, "so(4)", pulls
    )
    four = es.PhaseSpace(4)
    square = (four.q[0] - four.q[2]) ** 2 + (four.q[1] - four.q[3]) ** 2
    pair = sum(x**2 for x in four.p) / 2 + square + square**2 / 4
    yield System(
        "two bodies",
        lambda rng: integrated(pair, four, rng.standard_normal((40, 8)), 0.05),
        2,
        "momentum, L, L of the centre",
    )
    two = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = two.q, two.p
    henon = (p1**2 + p2**2 + q1**2 + q2**2) / 2 + q1**2 * q2 - q2**3 / 3
    yield System(
        "Hénon–Heiles",
        lambda rng: integrated(henon, two, 0.2 * rng.standard_normal((40, 4)), 0.2),
        3,
        "H",
    )
    bonds = [sp.exp(space.q[i] - space.q[(i + 1) % 3]) for i in range(3)]
    toda = sum(x**2 for x in space.p) / 2 + sum(bonds)
    functions = (*bonds, *(x * bond for x in space.p for bond in bonds))
    yield System(
        "Toda, 3 particles",
        lambda rng: integrated(toda, space, 0.5 * rng.standard_normal((40, 6)), 0.1),
        3,
        "momentum, H, third integral",
        functions,
    )


def bound(rng: np.random.Generator, n: int) -> Iterator[Array]:
    """Starts of bound Kepler orbits that stay away from the centre."""
    for _ in range(n):
        q, p = rng.standard_normal((2, 3))
        q *= rng.uniform(0.8, 1.2) / np.linalg.norm(q)
        p -= 0.8 * q * (p @ q) / (q @ q)
        yield np.concatenate([q, p * rng.uniform(0.8, 1.1) / np.linalg.norm(p)])


def trajectories() -> None:
    """Print what is found of each system, over noise."""
    print("| system | truth | noise | status | quantities | algebra | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for system in systems():
        clean = system.runs(np.random.default_rng(0))
        for noise in NOISES:
            rng = np.random.default_rng(1)
            q, p = (x + noise * rng.standard_normal(x.shape) for x in clean)
            began = process_time()
            found = en.conserved_quantities(q, p, system.degree, functions=system.functions)
            name = "none" if found.algebra is None else found.algebra.describe().identity
            exact = sum(candidate.exact for candidate in found.quantities)
            print(
                f"| {system.name} | {system.truth} | {noise:g} | {found.status} | {exact} exact of "
                f"{len(found.quantities)} | {name} | {process_time() - began:.1f} |",
                flush=True,
            )


def mixes(found: en.ConservedQuantities) -> bool:
    """Whether an exact candidate couples the two oscillators."""
    q1, q2 = es.PhaseSpace(2).q
    return any(c.exact and c.formula.has(q1) and c.formula.has(q2) for c in found.quantities)


def skewed(rng: np.random.Generator, n: int) -> Array:
    """A density in the plane without any symmetry."""
    x = rng.standard_normal((n, 2))
    return np.stack([x[:, 0] + x[:, 1] ** 2 / 2, x[:, 1] + np.exp(x[:, 0] / 2) / 2], axis=1)


def rotates(x: Array) -> bool:
    """Whether rotations of the plane are claimed."""
    algebra = en.discover_symmetries(x).algebra
    if algebra is None:
        return False
    both = es.LieAlgebra(algebra.space, [*algebra.generators, *es.groups.so(2).generators])
    return len(both.close().generators) == len(algebra.generators)


def false(sets: int) -> None:
    """Print how often what is not there is claimed, and what is there is found."""
    print("| data | breaking | sets | claimed |")
    print("| --- | --- | --- | --- |")
    breakings = (0.05, 0.1, 0.2, 0.5)
    share = sets // (len(breakings) + 4)
    for breaking in (0.0, *breakings):
        claims = 0
        for k in range(share):
            rng = np.random.default_rng([k, int(1000 * breaking)])
            noise, runs = NOISES[k % len(NOISES)], (8, 12, 20, 40)[k // len(NOISES) % 4]
            clean = oscillator(rng, [1.0, 1.0 + breaking], runs, 60)
            claims += mixes(
                en.conserved_quantities(*(x + noise * rng.standard_normal(x.shape) for x in clean))
            )
        print(f"| two oscillators | {breaking:g} | {share} | {claims / share:.2%} |", flush=True)
    for name, draw in (
        ("samples, no symmetry", skewed),
        ("samples, 8 modes", lambda rng, n: en.modes_on_circle(8).sample(n, rng=rng)),
        ("samples, ellipse 1 : 1.15", lambda rng, n: en.rings().sample(n, rng=rng) * [1, 1.15]),
        ("samples, rings", lambda rng, n: en.rings().sample(n, rng=rng)),
    ):
        claims = 0
        for k in range(share):
            claims += rotates(draw(np.random.default_rng(k), SIZES[k % 3]))
        print(f"| {name} | | {share} | {claims / share:.2%} |", flush=True)


def sphere(rng: np.random.Generator, n: int) -> Array:
    """A shell in space."""
    x = rng.standard_normal((n, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True) * (1 + 0.1 * rng.standard_normal((n, 1)))


def circle(rng: np.random.Generator, n: int, charges: tuple[int, int]) -> Array:
    """Two complex numbers that turn together, by t and by a multiple of it."""
    t = rng.uniform(0, 2 * np.pi, n)
    noise = 0.1 * (rng.standard_normal((2, n)) + 1j * rng.standard_normal((2, n)))
    z = (1 + noise) * np.exp(1j * np.multiply.outer(charges, t))
    return np.stack([z[0].real, z[0].imag, z[1].real, z[1].imag], axis=1)


def unordered(rng: np.random.Generator, n: int) -> Array:
    """Three coordinates whose order does not matter."""
    x = 2 * np.eye(3)[rng.integers(0, 3, n)] + 0.4 * rng.standard_normal((n, 3))
    return x + np.exp(0.3 * rng.standard_normal((n, 1)))


def mirrored(rng: np.random.Generator, n: int) -> Array:
    """A density that is kept by x -> -x alone."""
    x = skewed(rng, n)
    return np.stack([np.abs(x[:, 0]) * rng.choice([-1, 1], n), x[:, 1]], axis=1)


DENSITIES: dict[str, tuple[Callable[[np.random.Generator, int], Array], int, int]] = {
    "SO(2), rings": (lambda rng, n: en.rings().sample(n, rng=rng), 1, 8),
    "SO(3), shell": (sphere, 3, 48),
    "U(1) in C²": (lambda rng, n: circle(rng, n, (1, 1)), 1, 0),
    "U(1), charges 1 and 2": (lambda rng, n: circle(rng, n, (1, 2)), 1, 0),
    "SO(2) × SO(2)": (
        lambda rng, n: np.concatenate(
            [en.rings().sample(n, rng=rng), np.sqrt(3) * en.rings().sample(n, rng=rng)[::-1]], 1
        ),
        2,
        0,
    ),
    "SO(2), sheared": (
        lambda rng, n: en.rings().sample(n, rng=rng) @ np.array([[1, 0], [1, 1]]),
        1,
        0,
    ),
    "S_3": (unordered, 0, 6),
    "a reflection": (mirrored, 0, 2),
    "none": (skewed, 0, 1),
}


def samples(seeds: int) -> None:
    """Print how often the right dimension is claimed, or seen, and the right finite group found."""
    print("| density | points | algebra claimed | dimension seen | finite group | seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, (draw, dimension, order) in DENSITIES.items():
        for n in SIZES:
            began, right, seen, group = process_time(), 0, 0, 0
            for seed in range(seeds):
                found = en.discover_symmetries(draw(np.random.default_rng(seed), n))
                generators = () if found.algebra is None else found.algebra.generators
                right += len(generators) == dimension and (dimension > 0 or found.status == "none")
                seen += found.directions == dimension
                group += (1 if found.finite is None else found.finite.order) == order
            took = (process_time() - began) / seeds
            shown = f"{group}/{seeds}" if order else "-"
            print(
                f"| {name} | {n:,} | {right}/{seeds} | {seen}/{seeds} | {shown} | {took:.1f} |",
                flush=True,
            )


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("trajectories", "false", "samples"))
    parser.add_argument("--sets", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    if options.part == "trajectories":
        trajectories()
    elif options.part == "false":
        false(options.sets)
    else:
        samples(options.seeds)


if __name__ == "__main__":
    main()
