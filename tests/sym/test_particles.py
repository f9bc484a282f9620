"""Particles: the layout, what pair forces conserve, Jacobi's coordinates."""

from itertools import combinations

import pytest
import sympy as sp
from brackets import assert_table, assert_zero, delta, euclidean, galilei_bracket, indices
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational, Symbol, exp, sqrt

import ehf_sym as es

MASSES = [Symbol(f"m{a}", positive=True) for a in (1, 2, 3)]


def distance(particles, a, b):
    return sqrt(sum(x**2 for x in particles.separation(a, b)))


def test_layout():
    particles = es.Particles(2, 3)
    q, p = particles.space.q, particles.space.p
    assert particles.positions == (q[:3], q[3:])
    assert particles.momenta == (p[:3], p[3:])
    assert particles.separation(0, 1) == (q[3] - q[0], q[4] - q[1], q[5] - q[2])
    assert particles.masses == (1, 1)


@pytest.mark.parametrize(("n", "d"), [(2, 2), (3, 3)])
def test_tables(n, d):
    particles = es.Particles(n, d, MASSES[:n])
    assert_table(particles.euclidean(), lambda a, b: euclidean(a, b, d))
    assert_table(particles.galilei(), lambda a, b: galilei_bracket(a, b, d))


def test_rotations_of_each_are_a_direct_sum():
    def expected(a, b):
        if a[0] != b[0]:
            return {}
        return {f"{a[0]}_{c}": x for c, x in euclidean(a[2:], b[2:], 3).items()}

    particles = es.Particles(3, 3)
    assert_table(particles.rotations_of_each(), expected)
    each = particles.rotations_of_each().generators
    for k, generator in enumerate(particles.rotations().generators):
        assert_zero(generator - each[k] - each[k + 3] - each[k + 6])


def test_pair_forces_keep_momentum_and_angular_momentum():
    particles = es.Particles(3, 2, MASSES)
    pairs = combinations(range(3), 2)
    energy = particles.kinetic_energy + sum(
        exp(-distance(particles, a, b)) / distance(particles, a, b) for a, b in pairs
    )
    for generator in particles.euclidean().generators:
        assert es.is_zero(particles.space.bracket(generator, energy)).proved
    for generator in particles.rotations_of_each().generators:
        assert es.is_zero(particles.space.bracket(generator, energy)).refuted
    # Boosts move the centre of mass as a free particle moves.
    for R, P in zip(particles.centre_of_mass, particles.translations().generators, strict=True):
        motion = particles.space.bracket(R, energy)
        assert es.is_zero(motion - P / particles.total_mass).proved


@pytest.mark.parametrize(("n", "d"), [(1, 2), (2, 1), (2, 3), (3, 2)])
def test_jacobi_coordinates_are_canonical(n, d):
    particles = es.Particles(n, d, MASSES[:n])
    jacobi = particles.jacobi_coordinates()
    bracket = particles.space.bracket
    for i in range(n * d):
        for j in range(n * d):
            assert bracket(jacobi.positions[i], jacobi.positions[j]) == 0
            assert bracket(jacobi.momenta[i], jacobi.momenta[j]) == 0
            assert sp.cancel(bracket(jacobi.positions[i], jacobi.momenta[j])) == delta(i, j)
    assert jacobi.positions[-d:] == tuple(x.expand() for x in particles.centre_of_mass)
    total = particles.translations().generators
    for P, expected in zip(jacobi.momenta[-d:], total, strict=True):
        assert sp.cancel(P - expected) == 0


def test_kinetic_energy_in_jacobi_coordinates():
    particles = es.Particles(3, 1, MASSES)
    m1, m2, m3 = MASSES
    p1, p2, p3 = particles.space.p
    reduced = (1 / m1 + 1 / m2) * p1**2 / 2 + (1 / m3 + 1 / (m1 + m2)) * p2**2 / 2
    expected = reduced + p3**2 / (2 * (m1 + m2 + m3))
    assert (
        sp.cancel(particles.jacobi_coordinates().rewrite(particles.kinetic_energy) - expected) == 0
    )


def test_two_bodies_separate():
    m, k = sp.symbols("m k", positive=True)
    pair = es.Particles(2, 3, [m, k])
    energy = pair.kinetic_energy - m * k / distance(pair, 0, 1)
    q, p = pair.space.q, pair.space.p
    radius = sqrt(sum(x**2 for x in q[:3]))
    expected = (
        sum(x**2 for x in p[:3]) * (1 / m + 1 / k) / 2
        + sum(x**2 for x in p[3:]) / (2 * (m + k))
        - m * k / radius
    )
    assert es.is_zero(pair.jacobi_coordinates().rewrite(energy) - expected).proved


def test_total_angular_momentum_keeps_its_form():
    particles = es.Particles(3, 2, MASSES)
    jacobi = particles.jacobi_coordinates()
    for generator in particles.rotations().generators:
        assert_zero(jacobi.rewrite(generator) - generator)


entries = st.integers(-3, 3)


@given(st.data())
@settings(max_examples=5)
def test_point_transformations_undo_and_keep_brackets(data):
    space = es.PhaseSpace(2)
    matrix = sp.Matrix(2, 2, lambda i, j: data.draw(entries))
    if matrix.det() == 0:
        with pytest.raises(es.ArgumentError, match="invertible"):
            es.PointTransformation(space, matrix)
        return
    change = es.PointTransformation(space, matrix)
    (q1, q2), (p1, p2) = space.q, space.p
    f, g = sqrt(q1**2 + 1) * p2 + q2, sp.sin(q1 + 2 * q2) - p1 * q1**2
    for h in (f, g):
        assert es.is_zero(change.restore(change.rewrite(h)) - h).proved
    lhs = change.restore(space.bracket(change.rewrite(f), change.rewrite(g)))
    assert es.is_zero(lhs - space.bracket(f, g)).proved
    assert [change.restore(x) for x in space.coordinates] == [
        x.expand() for x in (*change.positions, *change.momenta)
    ]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1, 2]], r"shape \(1, 2\)"),
        ([[1, 1], [1, 1]], "invertible"),
        ([[Symbol("q1", real=True), 0], [0, 1]], "should not depend on q and p"),
    ],
)
def test_bad_matrices_are_refused(matrix, message):
    with pytest.raises(es.ArgumentError, match=message):
        es.PointTransformation(es.PhaseSpace(2), sp.Matrix(matrix))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: es.Particles(0, 3), "count is 0"),
        (lambda: es.Particles(2, 0), "dimension is 0"),
        (lambda: es.Particles(2, 2, [1]), "masses holds 1 values; it should hold 2"),
        (lambda: es.Particles(2, 2, "mm"), "masses is 'mm'"),
        (lambda: es.Particles(2, 2, 3), "masses is 3"),
        (lambda: es.Particles(2, 2, [1, -1]), r"masses\[1\] is -1; it should be positive"),
        (lambda: es.Particles(2, 2).separation(0, 2), "b is 2; it should be less than 2"),
        (lambda: es.Particles(2, 2).separation(-1, 0), "a is -1"),
        (lambda: es.Particles(2, 1).rotations(), "dimension is 1; it should be at least 2"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(es.ArgumentError, match=message):
        call()


def test_floats_are_refused_as_masses():
    with pytest.raises(es.FormulaError, match="float"):
        es.Particles(1, 1, [0.5])
    assert es.Particles(1, 1, [Rational(1, 2)]).kinetic_energy == es.PhaseSpace(1).p[0] ** 2


def test_indices_of_the_tables():
    assert indices("1_L_23") == (2, 3)
