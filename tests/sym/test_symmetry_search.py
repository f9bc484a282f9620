"""Symmetries found from a formula alone, against textbook systems."""

from itertools import combinations

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Integer, Matrix, Rational, exp, sqrt, symbols

import ehf_sym as es

PLANE, SPACE = es.PhaseSpace(2), es.PhaseSpace(3)
Q, P = SPACE.q, SPACE.p
R = sqrt(sum(x**2 for x in Q))
KEPLER = sum(x**2 for x in P) / 2 - 1 / R
ANGULAR = [Q[i] * P[j] - Q[j] * P[i] for i, j in combinations(range(3), 2)]


def same_span(found, expected):
    """Whether each function is a combination of the found ones, and as many are independent."""
    constants = [es.coordinates(found, f) for f in expected]
    return None not in constants and len(found) == len(expected) == Matrix(constants).rank()


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_the_oscillator_and_the_normal_have_u_d(d):
    space = es.PhaseSpace(d)
    q, p = space.q, space.p
    H = sum(x**2 for x in space.coordinates) / 2
    expected = [q[i] * q[j] + p[i] * p[j] for i in range(d) for j in range(i, d)]
    expected += [q[i] * p[j] - q[j] * p[i] for i, j in combinations(range(d), 2)]
    for f in (H, es.StandardNormal(space)):
        found = es.symmetries_of(f, 2)
        assert found.space == space
        assert set(found.generators) == {sp.expand(g) for g in expected}
        assert len(found.generators) == d**2
        assert found.name == {1: "R", 2: "so(3) + R", 3: "su(3) + R", 4: "su(4) + R"}[d]


def test_oscillators_in_resonance_have_more_symmetries_of_higher_degree():
    (q1, q2), (p1, p2) = PLANE.q, PLANE.p
    # Frequencies 1 and 2: Re and Im of (q1 − i p1)² (2 q2 + i p2) are conserved.
    H = (p1**2 + q1**2 + p2**2 + 4 * q2**2) / 2
    energies = [p1**2 + q1**2, p2**2 + 4 * q2**2]
    assert same_span(es.symmetries_of(H, 2).generators, energies)
    cubic = sp.expand((q1 - sp.I * p1) ** 2 * (2 * q2 + sp.I * p2))
    parts = cubic.as_real_imag()
    found = es.symmetries_of(H, 3).generators
    assert same_span(found, [*energies, *(sp.expand(f) for f in parts)])
    assert len(es.symmetries_of((p1**2 + q1**2 + p2**2 + 2 * q2**2) / 2, 3).generators) == 2


@settings(max_examples=10)
@given(st.lists(st.integers(-2, 2), min_size=10, max_size=10))
def test_a_gaussian_has_the_centralizer_of_its_matrix(entries):
    root = Matrix(4, 4, lambda i, j: entries[i * (i + 1) // 2 + j] if j <= i else 0)
    precision = root * root.T + Matrix.eye(4)
    s = Matrix(PLANE.coordinates)
    base = es.BaseDensity(PLANE, log_density=-(s.T * precision * s)[0] / 2)
    found = es.symmetries_of(base, 2)
    # g = sᵀGs/2 commutes with sᵀPs/2 exactly if the matrices J G and J P do.
    J = Matrix(sp.BlockMatrix([[sp.zeros(2), sp.eye(2)], [-sp.eye(2), sp.zeros(2)]]))
    M = J * precision
    unknowns = symbols("x:10")
    G = Matrix(4, 4, lambda i, j: unknowns[max(i, j) * (max(i, j) + 1) // 2 + min(i, j)])
    conditions = list(J * G * M - M * J * G)
    rank = Matrix([[c.coeff(x) for x in unknowns] for c in map(sp.expand, conditions)]).rank()
    assert len(found.generators) == 10 - rank
    assert found.check(base).proved


def test_kepler_has_angular_momentum_and_with_r_runge_lenz():
    for degree in (2, 3):
        found = es.symmetries_of(KEPLER, degree)
        assert set(found.generators) == {sp.expand(f) for f in ANGULAR}
    found = es.symmetries_of(KEPLER, 3, basis=[x / R for x in Q])
    L = [Q[1] * P[2] - Q[2] * P[1], Q[2] * P[0] - Q[0] * P[2], Q[0] * P[1] - Q[1] * P[0]]
    lenz = list(Matrix(P).cross(Matrix(L)) - Matrix(Q) / R)
    ours = [f for f in found.generators if f.has(R)]
    assert len(found.generators) == 6
    for f in ours:
        (i,) = [i for i in range(3) if f.has(Q[i] / R)]
        assert any(sp.expand(f + sign * lenz[i]) == 0 for sign in (1, -1))
    energy = es.symmetries_of(KEPLER, 2, basis=[1 / R])
    assert len(energy.generators) == 4
    assert any(sp.expand(f + KEPLER) == 0 or sp.expand(f - KEPLER) == 0 for f in energy.generators)


def test_other_functions_do_not_disturb_the_polynomials():
    (q1, q2), (p1, p2) = PLANE.q, PLANE.p
    dilation = q1 * p1 + q2 * p2
    found = es.symmetries_of(dilation, 2, basis=[exp(q1), q1 / q2])
    assert same_span(found.generators, [q1 * p1, q1 * p2, q2 * p1, q2 * p2, q1 / q2])


def test_the_toda_chain_has_its_third_integral():
    a, b = exp(Q[0] - Q[1]), exp(Q[1] - Q[2])
    H = sum(x**2 for x in P) / 2 + a + b
    third = P[0] * P[1] * P[2] - P[0] * b - P[2] * a
    found = es.symmetries_of(H, 3, basis=[a, b, *(x * y for x in P for y in (a, b))])
    total = sum(P)
    assert same_span(found.generators, [total, total**2, total**3, H, total * H, third])


def test_kinks_are_kernels_too():
    (q1, q2), (p1, p2) = PLANE.q, PLANE.p
    wedge = p1**2 / 2 + p2**2 / 2 + sp.Max(q1, q2)
    # max(q1, q2) − (q1 + q2)/2 depends on q1 − q2 alone: the centre falls freely.
    found = es.symmetries_of(wedge, 2)
    assert same_span(found.generators, [(p1 + p2) ** 2 + 2 * (q1 + q2)])
    line = p1**2 / 2 + sp.Abs(q1)
    assert es.symmetries_of(line, 3, basis=[sp.Abs(q1)]).generators == (line,)


def test_soft_uniform_has_no_symmetry_of_degree_two():
    assert es.symmetries_of(es.SoftUniform(PLANE), 2) is None


def test_free_motion_keeps_euclid():
    free = es.symmetries_of(sum(x**2 for x in P), 2, linear_in_p=True, space=SPACE)
    assert set(free.generators) == {*P, *(sp.expand(f) for f in ANGULAR)}
    # Without that restriction also the products of two momenta.
    assert len(es.symmetries_of(sum(x**2 for x in P), 2, space=SPACE).generators) == 12


def test_parameters_are_constants():
    m, k = symbols("m k", positive=True)
    (q1, q2), (p1, p2) = PLANE.q, PLANE.p
    H = (p1**2 + p2**2) / (2 * m) + k * (q1**2 + q2**2) / 2
    found = es.symmetries_of(H, 2)
    assert found.space == es.PhaseSpace(2, parameters=(k, m))
    assert set(found.generators) == {
        p1**2 + k * m * q1**2, p2**2 + k * m * q2**2, p1 * p2 + k * m * q1 * q2, q1 * p2 - q2 * p1,
    }  # fmt: skip


def test_a_tiny_anisotropy_costs_the_rotations():
    (q1, q2), (p1, p2) = PLANE.q, PLANE.p
    rotation = q1 * p2 - q2 * p1
    H = (p1**2 + p2**2 + q1**2 + q2**2) / 2
    assert rotation in es.symmetries_of(H, 2).generators
    found = es.symmetries_of(H + Rational(1, 10**30) * q1**2, 2)
    assert len(found.generators) == 2
    assert not any(es.is_zero(f - rotation).proved for f in found.generators)


def test_constants_are_generators_only_when_asked_for():
    (q1, q2), (p1, p2) = PLANE.q, PLANE.p
    found = es.symmetries_of(q2**2 + p2**2, 1)
    assert found.generators == (q1, p1)
    assert es.symmetries_of(q2**2 + p2**2, 1, constants=True).generators == (q1, p1, Integer(1))


def test_every_symmetry_found_is_proved_of_the_density():
    base = es.BaseDensity(SPACE, log_density=-(R**4) - sum(x**2 for x in P) ** 2)
    found = es.symmetries_of(base, 2)
    assert set(found.generators) == {sp.expand(f) for f in ANGULAR}
    assert found.check(base).proved


def test_arguments_are_checked():
    q1, p1 = PLANE.q[0], PLANE.p[0]
    with pytest.raises(es.FormulaError, match="f is 3, a constant"):
        es.symmetries_of(Integer(3), 2)
    with pytest.raises(es.ArgumentError, match="degree is 0"):
        es.symmetries_of(q1, 0)
    with pytest.raises(es.ArgumentError, match=r"basis\[1\] is p1 \+ q1\*\*2, which is a combin"):
        es.symmetries_of(q1**2 + p1**2, 2, basis=[exp(q1), p1 + q1**2])
    with pytest.raises(es.ArgumentError, match="basis is q1; it should be a sequence"):
        es.symmetries_of(q1**2 + p1**2, 2, basis=q1)
    with pytest.raises(es.ArgumentError, match=r"the density is on PhaseSpace\(dim=2\)"):
        es.symmetries_of(es.StandardNormal(PLANE), 2, space=SPACE)
    with pytest.raises(es.FormulaError, match="float"):
        es.symmetries_of(0.5 * q1, 2)
