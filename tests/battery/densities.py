"""Rows 9 and 10: densities integrate to 1; evidence that is known in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import ehf_num as en
import ehf_sym as es
from tests.battery.frame import SEED, Case, Row, require, require_close
from tests.num.linear_model import linear
from tests.num.models import make


def _models() -> dict[str, Any]:
    """d = 1 and d = 2, over every kind of base, chain and construction."""
    line = es.PhaseSpace(1)
    q, p = line.q[0], line.p[0]
    tilted = es.BaseDensity(line, log_density=-(2 * q**2 + q * p + p**2) / 2 + q)

    def plain(base: es.BaseDensity, **options: Any) -> en.EquivariantHamiltonianFlow:
        return en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(8,), rng=1, **options)

    return {
        "oscillator": lambda: make("oscillator", step_size=0.7),
        "oscillator, chain of 3": lambda: make("oscillator", hamiltonians=3),
        "oscillator, exact": lambda: make("oscillator", enforce="none", encoder="coupling"),
        "oscillator, 9 steps": lambda: make("oscillator", steps=9, step_size=0.2),
        "tilted": lambda: plain(tilted),
        "tilted, chain of 2": lambda: plain(tilted, hamiltonians=2, steps=4),
        "soft-uniform": lambda: plain(es.SoftUniform(line)),
        "soft-uniform, 5 steps": lambda: plain(es.SoftUniform(line), steps=5, step_size=0.3),
        "so2": lambda: make("so2"),
        "so2, chain of 2": lambda: make("so2", hamiltonians=2, step_size=0.8),
        "so2, exact": lambda: make("so2", enforce="exact", encoder="coupling"),
        "squeezed": lambda: make("squeezed"),
    }


def _stirred(name: str) -> en.EquivariantHamiltonianFlow:
    flow = _models()[name]()
    rng = np.random.default_rng(SEED)
    own = len(flow.bound.encoder_weights)
    for array in flow.weights[: len(flow.weights) - own]:
        array *= 1.3
        array += 0.1 * rng.standard_normal(array.shape)
    return flow


def _lattice(samples: np.ndarray, nodes: int) -> tuple[np.ndarray, float]:
    """Points of a box around samples, and the volume of a cell."""
    middle, width = samples.mean(axis=0), np.ptp(samples, axis=0)
    axes = [
        np.linspace(m - 0.85 * w, m + 0.85 * w, nodes) for m, w in zip(middle, width, strict=True)
    ]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    return grid, float(np.prod([axis[1] - axis[0] for axis in axes]))


def _joint(name: str) -> float:
    flow = _stirred(name)
    base = flow.bound.base.sample(4000, np.random.default_rng(SEED))
    states = np.hstack(flow.forward(*np.split(base, 2, axis=1)))
    grid, cell = _lattice(states, 500)
    return float(np.exp(flow.joint_log_prob(grid[:, :1], grid[:, 1:])).sum() * cell)


def _marginal(name: str, nodes: int) -> float:
    flow = _stirred(name)
    grid, cell = _lattice(flow.sample(4000, rng=SEED), nodes)
    estimate = flow.likelihood(grid, method="quadrature", standard_error=1e-4)
    return float(np.exp(estimate.values).sum() * cell)


def _check_joint(name: str) -> None:
    require_close(_joint(name), 1, 1e-3, "mass minus 1")


def _check_marginal(name: str, nodes: int) -> None:
    require_close(_marginal(name, nodes), 1, 1e-3, "mass minus 1")


def _caught() -> None:
    """A map that does not preserve volume, taken as one that does."""
    flow = _stirred("oscillator")
    base = flow.bound.base.sample(4000, np.random.default_rng(SEED))
    grid, cell = _lattice(1.5 * base, 500)
    inverse = en.Euler(2, 0.5).inverse(flow.flow.hamiltonians[0], grid[:, :1], grid[:, 1:])
    density = flow.bound.base.log_prob(np.hstack(inverse))
    mass = float(np.exp(density).sum() * cell)
    require(abs(mass - 1) > 3e-3, f"Euler's map has mass {mass}")


def mass_cases(quick: bool) -> Iterator[Case]:
    names = list(_models())
    lines, planes = names[:8], names[8:]
    for name in lines[:1] if quick else lines:
        yield Case(f"joint, {name}", partial(_check_joint, name))
    for name in lines[1:2] if quick else lines:
        yield Case(f"marginal, {name}", partial(_check_marginal, name, 500))
    for name in planes[:0] if quick else planes:
        yield Case(f"marginal, {name}", partial(_check_marginal, name, 64))
    yield Case("Euler's map is caught", _caught)


def _points(law: Any, n: int) -> np.ndarray:
    return np.asarray(law.rvs(n, random_state=SEED)).reshape(n, -1)


def _bound(dim: int, seed: int) -> None:
    """E[ELBO] = ln p(x) − KL, with the KL of two normals for these proposals: below ln p(x)."""
    width = 1.5
    flow, law = linear(dim, width, seed)
    x = _points(law, 50)
    values = np.array([flow.elbo(x, n_samples=64, rng=k) for k in range(20)])
    error = values.mean(axis=1).std(ddof=1) / np.sqrt(len(values))
    gap = float(np.mean(law.logpdf(x) - values.mean(axis=0)))
    kl = dim * (width**2 / 2 - 0.5 - np.log(width))
    require(gap > 0, f"the ELBO is above ln p by {-gap}")
    require(abs(gap - kl) < 5 * error, f"the gap is {gap}, KL {kl}, error {error}")


def _importance(dim: int, seed: int) -> None:
    flow, law = linear(dim, 1.5, seed)
    x = _points(law, 100)
    estimate = flow.likelihood(x, n_samples=2000)
    deviations = (estimate.values - law.logpdf(x)) / estimate.standard_errors
    require(np.abs(deviations).max() < 5, f"{np.abs(deviations).max():.1f} standard errors")
    require(0.5 < np.mean(deviations**2) < 1.7, f"mean square {np.mean(deviations**2):.2f}")


def _quadrature(dim: int, seed: int) -> None:
    flow, law = linear(dim, 1.5, seed)
    x = _points(law, 30)
    estimate = flow.likelihood(x, method="quadrature", standard_error=1e-6)
    require_close(estimate.values, law.logpdf(x), 5 * float(estimate.standard_errors.max()))


def evidence_cases(quick: bool) -> Iterator[Case]:
    checks = {"ELBO": (_bound, (1, 2, 3)), "importance": (_importance, (1, 2, 3))}
    checks["quadrature"] = (_quadrature, (1, 2))
    for name, (check, dims) in checks.items():
        for dim in dims[:1] if quick else dims:
            for seed in range(1 if quick else 6 if dim == 2 else 3):
                yield Case(f"{name}, d = {dim}, seed {seed}", partial(check, dim, seed))


ROWS = [
    Row(9, "densities integrate to 1 (1e-3): joint, d = 1; marginal, d ≤ 2", mass_cases, 120),
    Row(10, "evidence known in closed form: ELBO, importance, quadrature", evidence_cases, 120),
]
