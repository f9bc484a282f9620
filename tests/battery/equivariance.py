"""Row 7: maps of exact mode commute with finite group elements."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial

import numpy as np
import sympy as sp
from scipy.linalg import expm

import ehf_num as en
import ehf_sym as es
from tests.battery.frame import SEED, Case, Row, require, require_close

# Everything in the catalogue that leaves the standard normal alone and has invariants of q alone.
GROUPS = (
    "so(2)", "so(3)", "so(4)", "u(1)", "u(2)", "su(2)", "su(3)", "particle_rotations(2, 2)",
    "particle_rotations(2, 3)", "particle_rotations_of_each(2, 2)", "lattice_global_phase(2)",
    "lattice_local_phases(2)",
)  # fmt: skip
# Refused, each with its reason: the normal is not invariant, or there is nothing to build from.
REFUSED = (
    "gl(2)", "sl(2)", "sp(2)", "translations(2)", "e(2)", "heisenberg(1)", "dilation(2)",
    "conformal(2)", "galilei(2)", "oscillator_u(2)", "oscillator_su(2)",
    "particle_translations(2, 1)", "particle_euclidean(2, 2)", "particle_galilei(2, 2)",
)  # fmt: skip


@cache
def model(name: str) -> en.EquivariantHamiltonianFlow:
    """Build a chain of two in exact mode with weights that are not those of the start."""
    named = es.named_symmetry(name)
    space = es.PhaseSpace(named.space.dim)  # a lattice's own space has a mass, which is not used
    symmetry = es.LieAlgebra(space, named.generators)
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(space), symmetry, enforce="exact", hamiltonians=2,
        hidden=(10, 8), step_size=0.4, rng=0,
    )  # fmt: skip
    rng = np.random.default_rng(SEED)
    for array in flow.weights:
        array += 0.3 * rng.standard_normal(array.shape)
    return flow


@cache
def _matrices(name: str) -> tuple[np.ndarray, ...]:
    """Matrices of the vector fields, by SymPy's Jacobian: every generator here is quadratic."""
    symmetry = es.named_symmetry(name)
    states = sp.Matrix(symmetry.space.coordinates)
    found = []
    for generator in symmetry.generators:
        derivative = [generator.diff(s) for s in states]
        half = len(derivative) // 2
        field = sp.Matrix(derivative[half:] + [-value for value in derivative[:half]])
        matrix = field.jacobian(states)
        require(not matrix.free_symbols, f"{generator} is not quadratic")
        found.append(np.array(matrix, float))
    return tuple(found)


def _check(name: str, seed: int) -> None:
    """A random element on a random state: first the group, then the map, and the other way."""
    flow, rng = model(name), np.random.default_rng(seed)
    element = expm(sum(rng.uniform(-3, 3) * matrix for matrix in _matrices(name))).T
    states = rng.standard_normal((1, 2 * flow.dim))
    moved = np.hstack(flow.forward(*np.split(states @ element, 2, axis=1)))
    there = np.hstack(flow.forward(*np.split(states, 2, axis=1)))
    require_close(moved, there @ element, 1e-10, "defect")
    require(np.abs(there - states).max() > 1e-3, "the map moves nothing")


def _refused(name: str) -> None:
    symmetry = es.named_symmetry(name)
    try:
        en.EquivariantHamiltonianFlow(
            es.StandardNormal(symmetry.space), symmetry, enforce="exact", hidden=(4,), rng=0
        )
    except (es.InvarianceError, es.ArgumentError):
        return None
    raise AssertionError("was built")


def _caught(seed: int) -> None:
    """Without the construction the defect is seen."""
    symmetry = es.named_symmetry("so(2)")
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(symmetry.space), symmetry, hidden=(10, 8), rng=seed
    )
    turn = expm(_matrices("so(2)")[0]).T
    states = np.random.default_rng(seed).standard_normal((20, 4))
    moved = np.hstack(flow.forward(*np.split(states @ turn, 2, axis=1)))
    there = np.hstack(flow.forward(*np.split(states, 2, axis=1)))
    require(np.abs(moved - there @ turn).max() > 1e-4, "a map without symmetry passes")


def cases(quick: bool) -> Iterator[Case]:
    for name in GROUPS[1:2] if quick else GROUPS:
        for k in range(3 if quick else 50):
            yield Case(f"{name}, element {k}", partial(_check, name, SEED + k))
    for name in REFUSED[:2] if quick else REFUSED:
        yield Case(f"{name} is refused", partial(_refused, name))
    yield Case("a map without symmetry is caught", partial(_caught, SEED))


ROWS = [Row(7, "equivariance in exact mode (1e-10), groups of the catalogue", cases, 120)]
