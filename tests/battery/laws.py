"""Row 11: samples against the laws that they should have, and against wrong ones.

A right law fails once in 10⁵ runs of a case; a wrong one has to be refused at 10⁻⁶. The energy
distance is held against that of permuted samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist

import ehf_num as en
import ehf_sym as es
from ehf_num.densities.base import numeric_base
from tests.battery.frame import SEED, Case, Row, require
from tests.num.linear_model import linear

DRAWS = 60_000
RIGHT, WRONG = 1e-5, 1e-6


@dataclass(frozen=True)
class Law:
    """Samples of one number, the distribution function that they should have, and a near one."""

    draw: Callable[[int, np.random.Generator], Any]
    cdf: Callable[[Any], Any]
    wrong: Callable[[Any], Any]


def _normal(draw: Any, mean: float = 0.0, scale: float = 1.0) -> Law:
    law, wrong = stats.norm(mean, scale), stats.norm(mean + 0.06 * scale, scale)
    return Law(draw, law.cdf, wrong.cdf)


def _scaled(draw: Any, mean: float = 0.0, scale: float = 1.0) -> Law:
    """A normal law whose wrong neighbour has another width."""
    return Law(draw, stats.norm(mean, scale).cdf, stats.norm(mean, 1.07 * scale).cdf)


def _radius(target: Any, wrong: Any) -> Law:
    """The mixture of truncated normals that the shells are made of."""

    def cdf(of: Any, r: Any) -> Any:
        parts = [
            w * stats.truncnorm(-R / of.noise, np.inf, R, of.noise).cdf(r)
            for R, w in zip(of.radii, of.weights, strict=True)
        ]
        return np.sum(parts, axis=0)

    def draw(n: int, rng: np.random.Generator) -> Any:
        return np.linalg.norm(target.sample(n, rng), axis=1)

    return Law(draw, partial(cdf, target), partial(cdf, wrong))


def _angle(draw: Any) -> Law:
    """Uniform; wrong: a little more of it on one side."""
    uniform = stats.uniform(-np.pi, 2 * np.pi).cdf
    return Law(draw, uniform, lambda a: uniform(a) - 0.05 * np.sin(a) / np.pi * 1.5)


def _modes(count: int, column: int) -> Law:
    target = en.modes_on_circle(count)

    def cdf(x: Any, radius: float) -> Any:
        angles = 2 * np.pi * np.arange(count) / count
        centers = radius * (np.cos(angles), np.sin(angles))[column]
        return stats.norm(centers, target.noise).cdf(np.asarray(x)[:, None]).mean(axis=1)

    return Law(
        lambda n, rng: target.sample(n, rng)[:, column],
        lambda x: cdf(x, target.radius),
        lambda x: cdf(x, 1.1 * target.radius),
    )


def _soft_uniform(column: int) -> Law:
    """Against the formula, integrated on a lattice."""
    space = es.PhaseSpace(2)
    base = es.SoftUniform(space)
    numeric = numeric_base(base)
    t = np.linspace(-30, 30, 60_001)
    states = np.zeros((len(t), 4))
    states[:, column] = t
    density = np.exp(numeric.log_prob(states))
    cdf = np.cumsum(density) / density.sum()

    def draw(n: int, rng: np.random.Generator) -> Any:
        return numeric.sample(n, rng)[:, column]

    return Law(draw, lambda x: np.interp(x, t, cdf), lambda x: np.interp(1.05 * x, t, cdf))


def _gaussian_base(column: int) -> Law:
    space = es.PhaseSpace(1)
    q, p = space.q[0], space.p[0]
    numeric = numeric_base(
        es.BaseDensity(space, log_density=-(2 * q**2 + 2 * q * p + 3 * p**2) / 2 + q)
    )
    precision = np.array([[2.0, 1.0], [1.0, 3.0]])
    covariance = np.linalg.inv(precision)
    mean = covariance @ [1.0, 0.0]
    return _scaled(
        lambda n, rng: numeric.sample(n, rng)[:, column],
        float(mean[column]),
        float(np.sqrt(covariance[column, column])),
    )


def _marginal(dim: int, column: int) -> Law:
    flow, law = linear(dim)
    mean, scale = np.atleast_1d(law.mean)[column], np.sqrt(np.atleast_2d(law.cov)[column, column])
    return _normal(lambda n, rng: flow.sample(n, rng)[:, column], float(mean), float(scale))


def _along(dim: int) -> Law:
    """A direction that mixes all coordinates: correlations count."""
    flow, law = linear(dim)
    direction = np.arange(1, dim + 1) * (-1.0) ** np.arange(dim)
    mean = float(np.atleast_1d(law.mean) @ direction)
    scale = float(np.sqrt(direction @ np.atleast_2d(law.cov) @ direction))
    return _scaled(lambda n, rng: flow.sample(n, rng) @ direction, mean, scale)


def _turned(component: int) -> Law:
    """A fixed point under uniformly random rotations of space: each coordinate is uniform."""
    sampler = en.orbit_sampler(es.groups.so(3))

    def draw(n: int, rng: np.random.Generator) -> Any:
        return sampler(np.tile([[0.0, 0.0, 1.0]], (n, 1)), rng)[:, component]

    return Law(draw, stats.uniform(-1, 2).cdf, lambda x: stats.uniform(-1, 2).cdf(1.05 * x))


def _angle_of_rings(n: int, rng: np.random.Generator) -> Any:
    x = en.rings().sample(n, rng)
    return np.arctan2(x[:, 1], x[:, 0])


def _turned_angle(n: int, rng: np.random.Generator) -> Any:
    x = en.orbit_sampler(es.groups.so(2))(np.tile([[0.3, 0.4]], (n, 1)), rng)
    return np.arctan2(x[:, 1], x[:, 0])


LAWS: dict[str, Callable[[], Law]] = {
    "radius of rings": lambda: _radius(en.rings(), en.rings(weights=(0.38, 0.62))),
    "radius of shells": lambda: _radius(en.shells(), en.shells(noise=0.165)),
    "radius near the origin": lambda: _radius(
        en.shells(2, (0.2,), (1.0,), 0.15), en.shells(2, (0.2,), (1.0,), 0.165)
    ),
    "angle of rings": lambda: _angle(_angle_of_rings),
    "modes, first column": lambda: _modes(3, 0),
    "modes, second column": lambda: _modes(4, 1),
    "soft-uniform, q": lambda: _soft_uniform(0),
    "soft-uniform, p": lambda: _soft_uniform(3),
    "Gaussian base, q": lambda: _gaussian_base(0),
    "Gaussian base, p": lambda: _gaussian_base(1),
    "marginal, d = 1": lambda: _marginal(1, 0),
    "marginal, d = 2, q1": lambda: _marginal(2, 0),
    "marginal, d = 2, q2": lambda: _marginal(2, 1),
    "marginal, d = 3, q3": lambda: _marginal(3, 2),
    "direction, d = 2": lambda: _along(2),
    "direction, d = 3": lambda: _along(3),
    "turned in space, x": lambda: _turned(0),
    "turned in space, z": lambda: _turned(2),
    "turned in the plane": lambda: _angle(_turned_angle),
}


def _right(name: str, seed: int) -> None:
    law = LAWS[name]()
    p = stats.kstest(law.draw(DRAWS, np.random.default_rng(seed)), law.cdf).pvalue
    require(p > RIGHT, f"p = {p:.1e}")


def _wrong(name: str, seed: int) -> None:
    law = LAWS[name]()
    p = stats.kstest(law.draw(DRAWS, np.random.default_rng(seed)), law.wrong).pvalue
    require(p < WRONG, f"a wrong law has p = {p:.1e}")


def _energy_distance(scale: float) -> float:
    """Of samples of a flow and of its law, against 200 permutations: the p-value."""
    flow, law = linear(2)
    rng = np.random.default_rng(SEED)
    ours = flow.sample(400, rng) * scale
    both = np.concatenate([ours, law.rvs(400, random_state=rng)])
    distances = cdist(both, both)

    def energy(order: np.ndarray) -> float:
        a, b = order[:400], order[400:]
        cross = distances[np.ix_(a, b)].mean()
        return float(2 * cross - distances[np.ix_(a, a)].mean() - distances[np.ix_(b, b)].mean())

    found = energy(np.arange(800))
    others = [energy(rng.permutation(800)) for _ in range(200)]
    return float(np.mean([other >= found for other in others]))


def _energy_right() -> None:
    p = _energy_distance(1.0)
    require(p > 0.005, f"p = {p}")


def _energy_wrong() -> None:
    p = _energy_distance(1.3)
    require(p < 0.005, f"a wrong law has p = {p}")


def cases(quick: bool) -> Iterator[Case]:
    for name in list(LAWS)[:: 6 if quick else 1]:
        yield Case(f"{name}, right", partial(_right, name, SEED))
        yield Case(f"{name}, wrong", partial(_wrong, name, SEED))
    yield Case("energy distance, right", _energy_right)
    yield Case("energy distance, wrong", _energy_wrong)


ROWS = [Row(11, "samples against their law (KS, energy distance); wrong laws caught", cases, 60)]
