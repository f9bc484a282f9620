"""Constants that are not algebraic numbers: π, e, erf(1), exp(a), |a| as coefficients."""

from itertools import combinations

import mpmath
import pytest
import sympy as sp
from sympy import E, Matrix, Rational, Symbol, cos, erf, exp, gamma, log, pi, sin, sqrt

import ehf_sym as es

A, B = Symbol("a", real=True), Symbol("b", positive=True)
CONSTANTS = {
    "pi": pi,
    "root of pi": sqrt(pi),
    "e": E,
    "erf": erf(1),
    "logarithm": log(2),
    "cosine": cos(1),
    "sum": pi + E,
    "product": sqrt(2) * pi / E,
    "exponential of a parameter": exp(A),
    "erf of a parameter": erf(A),
    "cosine of a parameter": cos(A),
    "root of a parameter": sqrt(B),
}


def rotations(constant):
    """so(3) with one generator scaled, with its angular momenta."""
    space = es.PhaseSpace(3, parameters=[A, B])
    (q1, q2, q3), (p1, p2, p3) = space.q, space.p
    L = [q2 * p3 - q3 * p2, q3 * p1 - q1 * p3, q1 * p2 - q2 * p1]
    return es.LieAlgebra(space, [constant * L[0], *L[1:]])


def difference(left, right):
    """How far two constants are apart, at fixed values of the parameters."""
    at = {A: Rational(3, 7), B: Rational(5, 4)}
    with mpmath.workdps(40):
        return abs(sp.N((sp.sympify(left) - right).xreplace(at), 40))


@pytest.mark.parametrize("name", CONSTANTS)
def test_structure_constants_are_those_of_the_matrices(name):
    c = CONSTANTS[name]
    table = rotations(c).structure_constants
    basis = [
        c * Matrix([[0, 0, 0], [0, 0, -1], [0, 1, 0]]),
        Matrix([[0, 0, 1], [0, 0, 0], [-1, 0, 0]]),
        Matrix([[0, -1, 0], [1, 0, 0], [0, 0, 0]]),
    ]
    for i, j in combinations(range(3), 2):
        commutator = basis[i] * basis[j] - basis[j] * basis[i]
        found = sum((table[i, j, k] * basis[k] for k in range(3)), sp.zeros(3))
        assert all(difference(x, y) < 1e-30 for x, y in zip(found, commutator, strict=True))
    assert table.free_symbols <= {A, B}


@pytest.mark.parametrize("name", CONSTANTS)
def test_every_question_is_answered_in_the_constants_that_were_given(name):
    c = CONSTANTS[name]
    algebra = rotations(c)
    killing = algebra.killing_form
    assert difference(killing[0, 0], -2 * c**2) < 1e-30
    assert killing[1, 1] == killing[2, 2] == -2
    assert algebra.levi() == algebra
    assert len(algebra.ideals()) == 1
    (casimir,) = algebra.casimirs(2)
    assert all(es.is_zero(algebra.space.bracket(casimir, g)).proved for g in algebra.generators)
    assert casimir.free_symbols <= {*algebra.space.coordinates, A, B}
    assert algebra.disentangle().status == "proved"
    report = algebra.describe()
    assert "_" not in report.to_text().replace("_pi", "_")
    if c.is_number or c.is_positive:
        assert algebra.name == "so(3)"
        assert algebra.is_compact


def test_numbers_that_may_be_related_are_told_apart_by_their_values():
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    scaled = es.LieAlgebra(space, [pi * q1 * p1 + E * q2 * p2, q1 * p1 + q2 * p2])
    assert len(scaled.close().generators) == 2
    assert scaled.name == "R^2"
    assert scaled.invariants(2).generators == (p1 * q1, p2 * q2)


def test_a_generator_whose_constant_may_be_zero_is_not_decided():
    space = es.PhaseSpace(1)
    (q,), (p,) = space.q, space.p
    zero = gamma(Rational(1, 3)) * gamma(Rational(2, 3)) - 2 * pi / sqrt(3)  # a hidden 0
    assert abs(sp.N(zero, 30)) < 1e-25
    with pytest.raises(es.UndecidedError):
        es.LieAlgebra(space, [q * p + zero * q, q * p]).close()


@pytest.mark.parametrize(
    "constant", [sp.Abs(A), sp.sign(A), sp.Max(A, 1), sp.Piecewise((1, A > 0), (2, True))]
)
def test_constants_that_switch_are_refused_with_the_way_on(constant):
    algebra = rotations(constant)
    for ask in (algebra.close, algebra.describe, algebra.disentangle):
        with pytest.raises(es.FormulaError, match=r"switches with a; assume a sign .*with_values"):
            ask()
    with pytest.raises(es.FormulaError, match="switches with a"):
        es.symmetries_of(algebra.generators[0] + algebra.generators[1] ** 2, 2, space=algebra.space)
    assert algebra.with_values({A: 2}).name == "so(3)"


def test_more_roots_than_a_field_of_numbers_takes_are_refused():
    space = es.PhaseSpace(1)
    (q,), (p,) = space.q, space.p
    roots = [sqrt(n) for n in (2, 3, 5, 7, 11, 13)]
    generators = [sum(roots[i::3]) * g for i, g in enumerate((q, p, sp.sin(q)))]
    with pytest.raises(es.FormulaError, match=r"of degree up to 64; .*introduce parameters"):
        es.LieAlgebra(space, generators).close()


def test_the_error_function_closes_no_algebra_with_translations():
    space = es.PhaseSpace(1)
    algebra = es.LieAlgebra(space, [erf(space.q[0]), space.p[0]])
    with pytest.raises(es.ClosureError, match=r"exp\(-q1\*\*2\)/sqrt\(pi\)"):
        algebra.close(max_dim=6)


def test_constants_outside_an_exponent_and_a_sine_are_found():
    x = Symbol("x", real=True)
    relation = es.relations([sin(x + 1), sin(x), cos(x)])
    assert relation[0][2] == 1
    value = relation[0][0] * sin(x + 1) + relation[0][1] * sin(x) + cos(x)
    assert es.is_zero(value).proved


@pytest.mark.parametrize("scale", [2 * sp.pi, sp.E, sp.erf(1), sp.log(2), sp.pi + sp.sqrt(2)])
def test_scaled_rotations_have_structure_constants_in_numbers(scale):
    """[c L1, L2] = c L3, [L2, L3] = L1 = (c L1)/c."""
    space = es.PhaseSpace(3)
    (q1, q2, q3), (p1, p2, p3) = space.q, space.p
    turns = [q2 * p3 - q3 * p2, q3 * p1 - q1 * p3, q1 * p2 - q2 * p1]
    algebra = es.LieAlgebra(space, [scale * turns[0], *turns[1:]])
    killing = algebra.killing_form
    assert not killing.free_symbols
    expected = sp.diag(-2 * scale**2, -2, -2)
    assert all(es.is_zero(a - b).proved for a, b in zip(killing, expected, strict=True))
    assert "so(3)" in str(algebra.describe())
