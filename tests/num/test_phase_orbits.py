"""The target on ℂ² against averages over the phase, and against the rotations it should feel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

import ehf_num as en
import ehf_sym as es
from ehf_num.targets.phase_orbits import PhaseOrbits, phase_orbits
from ehf_sym.errors import ArgumentError

TARGETS = {
    "apart": phase_orbits(),
    "overlapping": phase_orbits(((0.3, 0.2j), (-0.5, 0.4)), (0.7, 0.3), noise=0.4),
}
every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def turned(x: np.ndarray, first: float, second: float) -> np.ndarray:
    """Turn z_1 and z_2 by a phase each."""
    z = np.ascontiguousarray(x).view(np.complex128) * np.exp(1j * np.array([first, second]))
    return z.view(np.float64)


@every_target
def test_density_is_the_average_of_normals_over_the_phase(target: PhaseOrbits) -> None:
    x = np.concatenate([target.sample(40, rng=0), np.random.default_rng(1).normal(0, 3, (40, 4))])
    phases = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    terms = []
    for center, weight in zip(target.centers, target.weights, strict=True):
        c = np.array([[center[0].real, center[0].imag, center[1].real, center[1].imag]])
        for phase in phases:
            normal = stats.multivariate_normal(turned(c, phase, phase)[0], target.noise**2)
            terms.append(normal.logpdf(x) + math.log(weight / len(phases)))
    np.testing.assert_allclose(target.log_prob(x), special.logsumexp(terms, axis=0), rtol=1e-10)


@every_target
def test_density_integrates_to_one(target: PhaseOrbits) -> None:
    """By importance sampling from a normal that is wider than the target."""
    proposal = stats.multivariate_normal(np.zeros(4), 1.5**2)
    x = proposal.rvs(400_000, random_state=np.random.default_rng(3))
    ratio = np.exp(target.log_prob(x) - proposal.logpdf(x))
    error = ratio.std() / math.sqrt(len(ratio))
    assert error < 0.02
    assert abs(ratio.mean() - 1) < 4 * error


@every_target
def test_only_the_overall_phase_is_a_symmetry(target: PhaseOrbits) -> None:
    x = target.sample(200, rng=5)
    np.testing.assert_allclose(target.log_prob(turned(x, 0.7, 0.7)), target.log_prob(x), rtol=1e-9)
    assert np.abs(target.log_prob(turned(x, 0.7, 0.0)) - target.log_prob(x)).mean() > 0.05


def test_the_overall_phase_is_the_catalogue_s() -> None:
    """T_0 of u(2) moves the first coordinates as the phase does, and the density keeps still."""
    unitary = es.groups.u(2)
    turn = en.finite_action(unitary.space, unitary.generators[0], 0.7)
    x = phase_orbits().sample(5, rng=0)
    moved = turn(np.concatenate([x, np.zeros_like(x)], axis=1))[:, :4]
    np.testing.assert_allclose(moved, turned(x, 0.7, 0.7), rtol=1e-12)


@every_target
def test_samples_keep_to_their_moments(target: PhaseOrbits) -> None:
    """E z_a z̄_b = Σ_k w_k c_a c̄_b + 2σ² δ_ab, and E z_a z_b = 0: the phase is uniform."""
    z = target.sample(200_000, rng=7).view(np.complex128)
    centers, weights = np.asarray(target.centers), np.asarray(target.weights)
    expected = np.einsum("k,ka,kb->ab", weights, centers, centers.conj())
    expected += 2 * target.noise**2 * np.eye(2)
    np.testing.assert_allclose(z.T @ z.conj() / len(z), expected, atol=0.03)
    np.testing.assert_allclose(z.T @ z / len(z), np.zeros((2, 2)), atol=0.03)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"centers": ()}, "centers"),
        ({"centers": ((1.0,),)}, "centers"),
        ({"centers": "ab"}, "centers"),
        ({"centers": ((math.nan, 1.0),)}, "centers"),
        ({"weights": (0.5, 0.5)}, "weights"),
        ({"weights": (0.5, 0.5, 0.5)}, "weights"),
        ({"weights": 1.0}, "weights"),
        ({"noise": 0.0}, "noise"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], name: str) -> None:
    with pytest.raises(ArgumentError, match="^" + name):
        phase_orbits(**arguments)  # type: ignore[arg-type]
