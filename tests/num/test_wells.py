"""Minima of U against closed forms and brute force, and their matching against all others."""

from itertools import permutations

import numpy as np
import pytest
import sympy as sp

import ehf_num as en
import ehf_sym as es
from ehf_num.plotting.arguments import grid
from ehf_num.reproduce.paper.circle_runs import in_double
from ehf_num.reproduce.paper.commuting_square import FormulaHamiltonian
from ehf_num.reproduce.paper.wells import match, minima

SPACE = es.PhaseSpace(2)
(Q1, Q2), (P1, P2) = SPACE.q, SPACE.p
BOX = (-3.0, 3.0, -3.0, 3.0)


def wells_of(potential):
    return minima(FormulaHamiltonian(SPACE, P1**2 + P2**2, potential), BOX)


# Minima


def test_minima_are_all_found_and_nothing_else():
    """Cosines have maxima and saddles between their wells, which lie at 0 and ±2."""
    found = wells_of(-sp.cos(sp.pi * Q1) - sp.cos(sp.pi * Q2) + (Q1**2 + Q2**2) / 1_000)
    expected = np.array([(x, y) for x in (-2, 0, 2) for y in (-2, 0, 2)])
    assert len(found) == 9
    assert match(found, expected).distances.max() < 0.01
    np.testing.assert_allclose(found[0], 0, atol=1e-6)


@pytest.mark.parametrize(
    "potential",
    [Q1**2 - Q2**2, -(Q1**2) - Q2**2, Q1 + Q2, Q1**2, (Q1 - 3) ** 2 + Q2**2],
    ids=["saddle", "maximum", "slope", "valley", "on the edge"],
)
def test_saddles_slopes_edges_and_valleys_are_no_minima(potential):
    assert wells_of(potential).shape == (0, 2)


def test_one_minimum_is_found_once():
    """In a long trough starts stay far apart until L-BFGS-B, and end almost alike."""
    found = wells_of(10_000 * Q1**2 + Q2**2 / 1_000)
    assert found.shape == (1, 2)
    np.testing.assert_allclose(found, 0, atol=0.01)


def test_minima_of_a_network_are_those_of_a_fine_grid():
    """A pixel lower than its eight neighbours: the same wells without any gradient."""
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(SPACE), enforce="none", hidden=(16, 16), rng=3
    )
    for array in flow.weights:
        array *= 3  # rougher than at the start
    hamiltonian = in_double(flow.flow.hamiltonians[0])
    found = minima(hamiltonian, BOX)
    size = 151
    values = hamiltonian.potential(grid(BOX, size)).reshape(size, size)
    inner = values[1:-1, 1:-1]
    shifts = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    low = np.all([inner < values[i : i + size - 2, j : j + size - 2] for i, j in shifts], axis=0)
    pixels = grid(BOX, size).reshape(size, size, 2)[1:-1, 1:-1][low]
    assert len(found) == len(pixels) > 0
    assert match(found, pixels).distances.max() < 0.05


# Matching


def test_matching_is_the_best_of_all():
    rng = np.random.default_rng(0)
    found, centers = rng.standard_normal((2, 5, 2))
    distances = np.linalg.norm(found[:, None] - centers, axis=2)
    least = min(distances[range(5), order].sum() for order in permutations(range(5)))
    assert match(found, centers).distances.sum() == pytest.approx(least)


def test_one_to_one_needs_as_many_and_near():
    centers = en.modes_on_circle(4).centers
    near = centers + 0.2
    assert match(near, centers).one_to_one
    assert not match(centers + 0.22, centers).one_to_one  # 0.31 away
    assert not match(near[:3], centers).one_to_one
    assert match(near[:3], centers).near == 3
    assert not match(np.concatenate([near, [[0.0, 0.0]]]), centers).one_to_one
    # Two minima at one mode leave another without.
    assert not match(near[[0, 0, 1, 2]], centers).one_to_one
    nothing = match(np.empty((0, 2)), centers)
    assert (nothing.one_to_one, nothing.near) == (False, 0)
