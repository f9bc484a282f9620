"""Kepler's problem and the isotropic oscillator against the textbooks' brackets."""

from itertools import product

import pytest
import sympy as sp
from brackets import assert_table, assert_zero, delta, f_table, indices, rotations_bracket

import ehf_sym as es


def as_so(label: str, dimension: int) -> tuple[int, int]:
    """Indices (i, j) of the generator of so(D + 1) that the label stands for: A_i is J_{i,D+1}."""
    numbers = indices(label)
    if label.startswith("A"):
        return numbers[0], dimension + 1
    return {1: (2, 3), 2: (3, 1), 3: (1, 2)}[numbers[0]] if dimension == 3 else numbers


def from_so(combination, dimension):
    """Labels of so(D + 1) turned into L and A."""
    result = {}
    for label, coefficient in combination.items():
        i, j = indices(label)
        if j == dimension + 1:
            result[f"A_{i}"] = coefficient
        elif dimension == 3:
            result[f"L_{6 - i - j}"] = coefficient * sp.LeviCivita(i, j, 6 - i - j)
        else:
            result[f"L_{i}{j}"] = coefficient
    return result


@pytest.mark.parametrize(
    ("dimension", "energy"), [(2, "negative"), (2, "positive"), (3, "negative")]
)
def test_kepler(dimension, energy):
    kepler = es.Kepler(dimension)
    metric = [1] * dimension + [1 if energy == "negative" else -1]

    def expected(a, b):
        pairs = (*as_so(a, dimension), *as_so(b, dimension))
        bracket = rotations_bracket(*pairs, dimension + 1, metric, "J")
        return from_so(bracket, dimension)

    algebra = kepler.symmetry(energy)
    assert_table(algebra, expected)
    for generator in algebra.generators:
        assert es.is_zero(kepler.space.bracket(generator, kepler.hamiltonian)).proved


@pytest.mark.parametrize("dimension", [2, 3])
def test_runge_lenz(dimension):
    kepler = es.Kepler(dimension)
    H, A = kepler.hamiltonian, kepler.runge_lenz
    (m, k), (q, p) = (kepler.mass, kepler.strength), (kepler.space.q, kepler.space.p)
    J = [[q[i] * p[j] - q[j] * p[i] for j in range(dimension)] for i in range(dimension)]
    for i in range(dimension):
        assert es.is_zero(kepler.space.bracket(A[i], H)).proved
        for j in range(i):
            assert es.is_zero(kepler.space.bracket(A[i], A[j]) + 2 * m * H * J[i][j]).proved
    L2 = sum(J[i][j] ** 2 for i in range(dimension) for j in range(i))
    assert es.is_zero(sum(x**2 for x in A) - (m * k) ** 2 - 2 * m * H * L2).proved


def test_runge_lenz_in_space_is_p_cross_l():
    kepler = es.Kepler(3)
    q, p, L = (sp.Matrix(x) for x in (kepler.space.q, kepler.space.p, kepler.angular_momentum))
    expected = p.cross(L) - kepler.mass * kepler.strength * q / sp.sqrt(q.dot(q))
    for a, b in zip(kepler.runge_lenz, expected, strict=True):
        assert_zero(a - b)
    assert es.is_zero(L.dot(sp.Matrix(kepler.runge_lenz))).proved


def test_runge_lenz_points_to_the_perihelion():
    # m = k = 1, perihelion at distance 1 with speed v: eccentricity v² − 1.
    kepler = es.Kepler(2, mass=1, strength=1)
    v = sp.sqrt(sp.Rational(3, 2))
    state = dict(zip(kepler.space.coordinates, (1, 0, 0, v), strict=True))
    assert [x.subs(state) for x in kepler.runge_lenz] == [sp.Rational(1, 2), 0]
    circle = state | {kepler.space.p[1]: 1}
    assert [x.subs(circle) for x in kepler.runge_lenz] == [0, 0]


@pytest.mark.parametrize("dimension", [2, 3])
def test_fradkin_tensor(dimension):
    oscillator = es.IsotropicOscillator(dimension)
    F, w, bracket = oscillator.fradkin_tensor, oscillator.frequency, oscillator.space.bracket
    q, p = oscillator.space.q, oscillator.space.p

    def rotation(i, j):
        return q[i] * p[j] - q[j] * p[i]

    assert F.is_symmetric()
    assert F.trace() == oscillator.hamiltonian
    for i, j, k, m in product(range(dimension), repeat=4):
        expected = (
            delta(i, k) * rotation(j, m)
            + delta(i, m) * rotation(j, k)
            + delta(j, k) * rotation(i, m)
            + delta(j, m) * rotation(i, k)
        )
        assert_zero(bracket(F[i, j], F[k, m]) - w**2 * expected / 4)
    for entry in F:
        assert_zero(bracket(entry, oscillator.hamiltonian))
    L2 = sum(x**2 for x in oscillator.angular_momentum)
    assert_zero((F * F).trace() - oscillator.hamiltonian**2 + w**2 * L2 / 2)


def test_oscillator_has_su3_with_any_mass_and_frequency():
    oscillator = es.IsotropicOscillator(3)
    algebra = oscillator.symmetry()
    assert algebra.space == oscillator.space
    assert_table(algebra, f_table)
    for generator in algebra.generators:
        assert_zero(oscillator.space.bracket(generator, oscillator.hamiltonian))
    T = dict(zip(algebra.labels, algebra.generators, strict=True))
    L = oscillator.angular_momentum
    assert [2 * T["T_2"], -2 * T["T_5"], 2 * T["T_7"]] == [L[2], L[1], L[0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: es.Kepler(1), "dimension is 1; it should be an integer from 2 on"),
        (lambda: es.Kepler(3, mass=-1), "mass is -1"),
        (lambda: es.Kepler(3, strength=0), "strength is 0"),
        (lambda: es.Kepler(3).symmetry("zero"), "energy is 'zero'"),
        (lambda: es.IsotropicOscillator(1), "dimension is 1"),
        (lambda: es.IsotropicOscillator(2, frequency=-2), "frequency is -2"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(es.ArgumentError, match=message):
        call()
