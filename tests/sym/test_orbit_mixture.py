"""Mixtures of tubes around orbits: their integral, and that they are proved invariant."""

import numpy as np
import pytest
import scipy
import sympy as sp

import ehf_sym as es
from ehf_sym.densities.orbit_mixture import OrbitMixture, orbit_blocks
from ehf_sym.symmetry.frames import rotation_matrices

R = sp.Rational


def phase():
    """Turn the overall phase of ℂ²."""
    unitary = es.groups.u(2)
    return es.LieAlgebra(unitary.space, unitary.generators[:1])


def about_z():
    space = es.PhaseSpace(3)
    q, p = space.q, space.p
    return es.LieAlgebra(space, [q[0] * p[1] - q[1] * p[0]])


def about_an_oblique_axis():
    """Rotate about (1, 1, 1): no axis of the plane has a rational length."""
    space = es.PhaseSpace(3)
    (x, y, z), (px, py, pz) = space.q, space.p
    return es.LieAlgebra(space, [y * pz - z * py + z * px - x * pz + x * py - y * px])


def of_two_planes():
    space = es.PhaseSpace(4)
    q, p = space.q, space.p
    return es.LieAlgebra(space, [q[0] * p[1] - q[1] * p[0], q[2] * p[3] - q[3] * p[2]])


SYMMETRIES = {
    "plane": (lambda: es.groups.so(2), [("sphere", 2)]),
    "space": (lambda: es.groups.so(3), [("sphere", 3)]),
    "about z": (about_z, [("sphere", 2), ("rest", 1)]),
    "oblique": (about_an_oblique_axis, [("sphere", 2), ("rest", 1)]),
    "phase": (phase, [("circle", 4)]),
    "u(2)": (lambda: es.groups.u(2), [("sphere", 4)]),
    "two planes": (of_two_planes, [("sphere", 2), ("sphere", 2)]),
}


def mixture(symmetry, tubes=2):
    blocks = orbit_blocks(rotation_matrices(symmetry))
    numbers = iter(R(k * k % 17 + 3, 7) for k in range(100))
    sizes = [len(block.axes) if block.kind == "circle" else 1 for block in blocks]
    centers = [[[next(numbers) for _ in range(n)] for n in sizes] for _ in range(tubes)]
    widths = [[R(k + 2, 5)] * len(blocks) for k in range(tubes)]
    return OrbitMixture(
        symmetry.space, blocks, [R(k + 1, 3) for k in range(tubes)], centers, widths
    )


@pytest.mark.parametrize("name", SYMMETRIES)
def test_blocks_are_found_and_mixtures_proved(name):
    make, expected = SYMMETRIES[name]
    symmetry = make()
    base = mixture(symmetry)
    assert [(block.kind, len(block.axes)) for block in base.blocks] == expected
    report = symmetry.check(base)
    assert report.proved
    assert any("chain rule" in why for why in report.verdicts[0].verdict.certificate.rests_on)


def test_tubes_of_a_smaller_group_are_refuted_for_a_larger_one():
    """The phase alone leaves relative phases that u(2) mixes."""
    assert es.groups.u(2).check(mixture(phase(), tubes=1)).status == "refuted"


@pytest.mark.parametrize("name", ["about z", "phase"])
def test_the_constant_is_the_integral(name):
    """By importance sampling from a wide normal density: the error is its standard error."""
    base = mixture(SYMMETRIES[name][0]())
    dim = base.space.dim
    draws = 3 * scipy.stats.qmc.MultivariateNormalQMC(np.zeros(dim), seed=0).random(2**15)
    value = es.to_numpy(base.log_density, base.space.coordinates)
    states = np.concatenate([draws, np.zeros_like(draws)], axis=1)
    proposal = scipy.stats.multivariate_normal(np.zeros(dim), 9 * np.eye(dim)).logpdf(draws)
    weights = np.exp(value(states) - proposal)
    log_z = float(base.log_normalizer) - dim / 2 * np.log(2 * np.pi)
    assert np.log(weights.mean()) == pytest.approx(log_z, abs=0.02)


def test_what_a_tube_weighs_is_closed_form():
    """∫ r exp(−(r − ρ)²/2s²) dr over a ring, by quadrature."""
    (block,) = orbit_blocks([sp.ImmutableMatrix([[0, -1], [1, 0]])])
    integral, _ = scipy.integrate.quad(lambda r: r * np.exp(-((r - 2) ** 2) / 0.5), 0, 20)
    assert float(block.mass([R(2)], R(1, 2))) == pytest.approx(2 * np.pi * integral, rel=1e-10)


def test_orbits_that_have_no_formula_are_not_guessed():
    assert orbit_blocks(rotation_matrices(es.Particles(2, 3).rotations())) is None
    space = es.PhaseSpace(4)
    q, p = space.q, space.p
    two_rates = q[0] * p[1] - q[1] * p[0] + 2 * (q[2] * p[3] - q[3] * p[2])
    assert orbit_blocks(rotation_matrices(es.LieAlgebra(space, [two_rates]))) is None
