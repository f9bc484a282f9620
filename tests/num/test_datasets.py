from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy import integrate, stats

from ehf_num.targets.datasets import CircleModes, Shells, Target, modes_on_circle, rings, shells
from ehf_num.targets.phase_orbits import phase_orbits
from ehf_sym.errors import ArgumentError

TARGETS: dict[str, Target] = {
    "rings": rings(),
    "overlapping rings": rings(radii=(0.2, 0.6, 0.9), weights=(0.2, 0.5, 0.3), noise=0.3),
    "line": shells(1),
    "shells": shells(),
    "truncated shell": shells(3, radii=(0.1,), weights=(1,), noise=0.3),
    "d = 6": shells(6),
    "one mode": modes_on_circle(1, noise=0.7),
    "five modes": modes_on_circle(5),
    "phase orbits": phase_orbits(),
    "overlapping orbits": phase_orbits(((0.3, 0.2j), (-0.5, 0.4)), (0.7, 0.3), noise=0.4),
    "overlapping modes": modes_on_circle(3, radius=0.5, noise=0.3),
}
SPHERES = {1: 2.0, 2: 2 * math.pi, 3: 4 * math.pi, 6: math.pi**3}
# A right law fails a test with probability 1e-4; with the seeds fixed it fails always or never.
# A wrong one must be beyond all doubt.
ACCEPTED, REJECTED = 1e-4, 1e-9
every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
radial = pytest.mark.parametrize(
    "target", [t for t in TARGETS.values() if isinstance(t, Shells)], ids=lambda t: t.name
)


def plane_grid(step: float = 0.02, reach: float = 7.0) -> np.ndarray:
    axis = np.arange(-reach + step / 2, reach, step)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


@radial
def test_shells_integrate_to_one(target: Shells) -> None:
    direction = np.linspace(1, 2, target.dim)
    direction /= np.linalg.norm(direction)

    def density_on_sphere(r: float) -> float:
        area = SPHERES[target.dim] * r ** (target.dim - 1)
        return float(area * np.exp(target.log_prob([r * direction])[0]))

    mass, _ = integrate.quad(density_on_sphere, 0, 10, points=target.radii, limit=200)
    assert mass == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize("name", ["rings", "one mode", "five modes", "overlapping modes"])
def test_plane_targets_integrate_to_one_and_to_their_entropy(name: str) -> None:
    log_prob = TARGETS[name].log_prob(plane_grid())
    cells = 0.02**2 * np.exp(log_prob)
    assert cells.sum() == pytest.approx(1, abs=1e-7)
    assert (cells * log_prob).sum() == pytest.approx(TARGETS[name].expected_log_prob(), abs=1e-6)


@pytest.mark.parametrize(
    ("target", "value"), [(rings(), -2.5975), (shells(), -4.0099)], ids=["rings", "shells"]
)
def test_expectation_of_shells_apart(target: Shells, value: float) -> None:
    # Shells ten deviations apart: the entropies of choice, radius and direction add up.
    weights, radii = np.array(target.weights), np.array(target.radii)
    choice = -(weights * np.log(weights)).sum()
    radius = 0.5 * math.log(2 * math.pi * math.e * target.noise**2)
    # E ln r for r ~ N(R, σ) from the moments of the normal.
    t = (target.noise / radii) ** 2
    mean_log = np.log(radii) - t / 2 - 3 * t**2 / 4 - 15 * t**3 / 6
    direction = math.log(SPHERES[target.dim]) + (target.dim - 1) * (weights @ mean_log)
    assert target.expected_log_prob() == pytest.approx(-(choice + radius + direction), abs=1e-5)
    assert target.expected_log_prob() == pytest.approx(value, abs=5e-5)


@pytest.mark.parametrize("modes", [1, 2, 8])
def test_expectation_of_modes_apart(modes: int) -> None:
    target = modes_on_circle(modes, radius=20, noise=0.3)
    exact = -1 - math.log(2 * math.pi * 0.3**2) - math.log(modes)
    assert target.expected_log_prob() == pytest.approx(exact, abs=1e-12)


def z_score(samples_of: Target, judged_by: Target) -> float:
    scores = judged_by.log_prob(samples_of.sample(50_000, rng=4))
    error = scores.std() / math.sqrt(len(scores))
    return float(abs(scores.mean() - judged_by.expected_log_prob()) / error)


@every_target
def test_samples_score_what_the_quadrature_says(target: Target) -> None:
    assert z_score(target, target) < 4


def test_samples_of_another_law_do_not() -> None:
    assert z_score(rings(noise=0.16), rings()) > 6
    assert z_score(shells(radii=(1.2, 2.7)), shells()) > 6
    assert z_score(modes_on_circle(5, noise=0.26), modes_on_circle(5)) > 6
    assert z_score(phase_orbits(noise=0.26), phase_orbits()) > 6


def radius_p_value(r: np.ndarray, law: Shells) -> float:
    def cdf(at: np.ndarray) -> np.ndarray:
        shells_ = zip(law.radii, law.weights, strict=True)
        parts = [
            weight * stats.truncnorm.cdf(at, -radius / law.noise, np.inf, radius, law.noise)
            for radius, weight in shells_
        ]
        return np.sum(parts, axis=0)

    return float(stats.kstest(r, cdf).pvalue)


@radial
def test_radius_follows_its_law(target: Shells) -> None:
    r = np.linalg.norm(target.sample(20_000, rng=1), axis=1)
    assert radius_p_value(r, target) > ACCEPTED


@pytest.mark.parametrize(
    "wrong",
    [rings(weights=(0.4, 0.6)), rings(noise=0.18), rings(radii=(1.0, 2.55))],
    ids=["weights", "noise", "radii"],
)
def test_wrong_radius_is_caught(wrong: Shells) -> None:
    r = np.linalg.norm(wrong.sample(20_000, rng=1), axis=1)
    assert radius_p_value(r, rings()) < REJECTED


def test_folding_is_not_truncating() -> None:
    target = TARGETS["truncated shell"]
    assert isinstance(target, Shells)
    folded = np.abs(np.random.default_rng(1).normal(0.1, 0.3, 20_000))
    assert radius_p_value(folded, target) < REJECTED


def direction_p_value(x: np.ndarray) -> float:
    """Uniform angle in the plane; in space each coordinate is uniform (Archimedes)."""
    if x.shape[1] == 2:
        angle = np.arctan2(x[:, 1], x[:, 0]) / (2 * np.pi) + 0.5
        return float(stats.kstest(angle, "uniform").pvalue)
    heights = x[:, 2] / np.linalg.norm(x, axis=1)
    return float(stats.kstest((heights + 1) / 2, "uniform").pvalue)


@pytest.mark.parametrize("dim", [2, 3])
def test_direction_is_uniform(dim: int) -> None:
    x = shells(dim).sample(20_000, rng=2)
    assert direction_p_value(x) > ACCEPTED
    squeezed = x * np.linspace(1, 0.8, dim)
    assert direction_p_value(squeezed) < REJECTED


def test_direction_does_not_depend_on_radius() -> None:
    x = rings().sample(20_000, rng=3)
    inner = np.linalg.norm(x, axis=1) < 1.75
    assert direction_p_value(x[inner]) > ACCEPTED
    assert direction_p_value(x[~inner]) > ACCEPTED


def rice_p_value(x: np.ndarray, law: CircleModes) -> float:
    """Each mode is as far from the origin as the others: the radius follows Rice's law."""
    rice = stats.rice(law.radius / law.noise, scale=law.noise)
    return float(stats.kstest(np.linalg.norm(x, axis=1), rice.cdf).pvalue)


def sectors_p_value(x: np.ndarray, modes: int) -> float:
    """By symmetry the sectors around the modes hold equal shares."""
    sector = np.rint(np.arctan2(x[:, 1], x[:, 0]) * modes / (2 * np.pi)).astype(int) % modes
    return float(stats.chisquare(np.bincount(sector, minlength=modes)).pvalue)


@pytest.mark.parametrize("modes", [2, 5, 8])
def test_modes_follow_their_law(modes: int) -> None:
    law = modes_on_circle(modes)
    x = law.sample(20_000, rng=5)
    assert rice_p_value(x, law) > ACCEPTED
    assert sectors_p_value(x, modes) > ACCEPTED
    for wrong in (modes_on_circle(modes, noise=0.28), modes_on_circle(modes, radius=2.05)):
        assert rice_p_value(wrong.sample(20_000, rng=5), law) < REJECTED
    assert sectors_p_value(modes_on_circle(modes + 1).sample(20_000, rng=5), modes) < REJECTED


def test_centers() -> None:
    target = modes_on_circle(5, radius=3)
    np.testing.assert_allclose(np.linalg.norm(target.centers, axis=1), 3)
    np.testing.assert_allclose(target.centers[0], [3, 0])
    gaps = np.linalg.norm(target.centers - np.roll(target.centers, 1, axis=0), axis=1)
    np.testing.assert_allclose(gaps, 2 * 3 * math.sin(math.pi / 5))


@every_target
def test_shapes_and_reproducibility(target: Target) -> None:
    x = target.sample(7, 11)
    assert x.shape == (7, target.dim)
    assert x.dtype == np.float64
    assert target.log_prob(x).shape == (7,)
    np.testing.assert_array_equal(target.sample(7, np.random.default_rng(11)), x)
    rng = np.random.default_rng(11)
    assert not np.array_equal(target.sample(7, rng), target.sample(7, rng))
    assert not np.array_equal(target.sample(7), target.sample(7))
    with pytest.raises(FrozenInstanceError):
        target.noise = 1.0  # type: ignore[attr-defined]


def test_rings_are_shells_in_the_plane() -> None:
    assert rings() == shells(2, (1.0, 2.5), (0.35, 0.65))
    assert hash(rings()) == hash(rings(radii=[1.0, 2.5], weights=[0.35, 0.65]))
    assert [t.name for t in (rings(), shells(), modes_on_circle(8))] == [
        "rings",
        "shells (d = 3)",
        "8 modes on a circle",
    ]


def test_edges_of_the_density() -> None:
    assert rings().log_prob([[0.0, 0.0]])[0] == np.inf
    line = shells(1)
    least = -np.array(line.radii) / line.noise  # where the radius is cut off, in units of σ
    at_zero = stats.truncnorm.pdf(0, least, np.inf, line.radii, line.noise) @ line.weights
    assert line.log_prob([[0.0]])[0] == pytest.approx(math.log(at_zero / 2), rel=1e-9)
    for target in (rings(), modes_on_circle(3)):
        assert target.log_prob([[1e200, 0.0]])[0] == -np.inf


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: shells(0), "dim"),
        (lambda: shells(2.0), "dim"),
        (lambda: rings(radii=()), "radii"),
        (lambda: rings(radii=1.0), "radii"),
        (lambda: rings(radii=(1.0, -2.5)), r"radii\[1\]"),
        (lambda: rings(radii=("a", "b")), r"radii\[0\]"),
        (lambda: rings(weights=(1.0,)), "weights"),
        (lambda: rings(weights=(0.5, 0.6)), "weights"),
        (lambda: rings(weights=(0.0, 1.0)), r"weights\[0\]"),
        (lambda: rings(noise=0), "noise"),
        (lambda: rings(noise=math.nan), "noise"),
        (lambda: modes_on_circle(0), "modes"),
        (lambda: modes_on_circle(3, radius=math.inf), "radius"),
        (lambda: modes_on_circle(3, noise=-1), "noise"),
        (lambda: rings().sample(-1), "n "),
        (lambda: rings().sample(2.5), "n "),
        (lambda: rings().sample(2, rng="seed"), "rng"),
        (lambda: rings().log_prob(np.ones((4, 3))), "x "),
        (lambda: rings().log_prob(np.ones(2)), "x "),
        (lambda: rings().log_prob([[np.nan, 0]]), "x "),
        (lambda: rings().log_prob([[1j, 0]]), "x "),
    ],
)
def test_bad_arguments_are_named(make, name: str) -> None:
    with pytest.raises(ArgumentError, match="^" + name):
        make()
