"""Fields that move with a symmetry: against the infinitesimal law and known commutants."""

import itertools

import pytest
import sympy as sp

import ehf_sym as es
from ehf_sym.symmetry.frames import commutant, equivariant_fields, rotation_matrices


def symmetry(name: str) -> es.LieAlgebra:
    dims = {"so2": (2, 1), "so3": (3, 1), "so3 on two": (6, 2), "so2 on two": (4, 2)}
    if name in dims:
        dim, particles = dims[name]
        space, n = es.PhaseSpace(dim), dim // particles
        q, p = (sp.Matrix(particles, n, xs) for xs in (space.q, space.p))
        pairs = itertools.combinations(range(n), 2)
        generators = [
            sum(q[a, i] * p[a, j] - q[a, j] * p[a, i] for a in range(particles)) for i, j in pairs
        ]
    elif name == "about an axis":
        space = es.PhaseSpace(3)
        generators = [space.q[0] * space.p[1] - space.q[1] * space.p[0]]
    else:
        space = es.PhaseSpace(4)  # two planes, turned at speeds 1 and 2
        q, p = space.q, space.p
        generators = [q[0] * p[1] - q[1] * p[0] + 2 * (q[2] * p[3] - q[3] * p[2])]
    return es.LieAlgebra(space, generators)


# How many independent equivariant fields there are, from the commutant of the representation.
COUNTS = {
    "so2": 2,
    "so3": 1,
    "so3 on two": 4,
    "so2 on two": 4,
    "about an axis": 3,
    "two speeds": 4,
}


@pytest.mark.parametrize("name", COUNTS)
def test_fields_move_with_the_symmetry(name):
    algebra = symmetry(name)
    fields = equivariant_fields(algebra)
    assert len(fields) == COUNTS[name]
    q = sp.Matrix(algebra.space.q)
    for M, E in itertools.product(rotation_matrices(algebra), fields):
        # The law E(Rq) = R E(q) at first order: DE·Mq = M E.
        rate = sp.Matrix(E).jacobian(q) * sp.Matrix(M) * q - sp.Matrix(M) * E
        assert rate.expand() == sp.zeros(len(q), 1)


@pytest.mark.parametrize("name", COUNTS)
def test_fields_are_independent_at_a_point_of_their_own(name):
    algebra = symmetry(name)
    point = {x: sp.Rational(3 * k**2 - 7, k + 4) for k, x in enumerate(algebra.space.q)}
    columns = sp.Matrix.hstack(*(sp.Matrix(E.xreplace(point)) for E in equivariant_fields(algebra)))
    assert columns.rank() == COUNTS[name]


def test_commutant_of_a_sum_of_equal_representations():
    M = sp.diag(*[sp.Matrix([[0, -1], [1, 0]])] * 2)
    found = commutant([sp.ImmutableMatrix(M)])
    assert len(found) == 8  # 2 x 2 complex matrices
    assert all(A * M == M * A for A in found)


@pytest.mark.parametrize(
    "generators",
    [
        lambda q, p: [q[0] * p[0]],
        lambda q, p: [q[0] * p[1] + q[1] * p[0]],
        lambda q, p: [p[0]],
        lambda q, p: [q[0] * p[1] - q[1] * p[0], q[0]],
        lambda q, p: [(q[0] ** 2 + p[0] ** 2) / 2],
        lambda q, p: [(q[0] * p[1] - q[1] * p[0]) ** 2],
        lambda q, p: [sp.log(q[0] ** 2) * p[1]],
    ],
)
def test_what_does_not_rotate_both_is_left_alone(generators):
    space = es.PhaseSpace(2)
    algebra = es.LieAlgebra(space, generators(space.q, space.p))
    assert rotation_matrices(algebra) is None
    assert equivariant_fields(algebra) is None
