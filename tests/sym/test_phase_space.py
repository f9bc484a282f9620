"""Canonical coordinates, the bracket's identities, and the door that refuses bad formulas."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import (
    Function,
    I,
    ImmutableMatrix,
    Integer,
    Matrix,
    MatrixSymbol,
    Rational,
    Symbol,
    asin,
    expand,
    factor,
    log,
    nan,
    oo,
    pi,
    simplify,
    sin,
    sqrt,
    srepr,
    true,
    zoo,
)

from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.formulas.phase_space import PhaseSpace

SPACE = PhaseSpace(2)
(Q1, Q2), (P1, P2) = SPACE.q, SPACE.p


@st.composite
def polynomials(draw):
    """Polynomials of degree at most 4 with small rational coefficients."""
    terms = draw(
        st.lists(
            st.tuples(
                st.fractions(-3, 3, max_denominator=5), st.lists(st.integers(0, 3), max_size=4)
            ),
            max_size=4,
        )
    )
    total = Integer(0)
    for coefficient, places in terms:
        monomial = Rational(coefficient.numerator, coefficient.denominator)
        for place in places:
            monomial *= SPACE.coordinates[place]
        total += monomial
    return total


def test_coordinates_are_real_symbols_named_from_one():
    assert PhaseSpace(3).q == tuple(Symbol(f"q{i}", real=True) for i in (1, 2, 3))
    assert PhaseSpace(3).p == tuple(Symbol(f"p{i}", real=True) for i in (1, 2, 3))
    assert SPACE.coordinates == (Q1, Q2, P1, P2)


def test_spaces_are_equal_by_dimension():
    assert PhaseSpace(2) == SPACE
    assert hash(PhaseSpace(2)) == hash(SPACE)
    assert PhaseSpace(3) != SPACE


@pytest.mark.parametrize("dim", [0, -1, True, 2.0, "2", None])
def test_dimension_must_be_a_positive_integer(dim):
    with pytest.raises(ArgumentError, match=r"dim is .* positive integer"):
        PhaseSpace(dim)


def test_canonical_brackets():
    for i, q in enumerate(SPACE.q):
        for j, p in enumerate(SPACE.p):
            assert SPACE.bracket(q, p) == int(i == j)
            assert SPACE.bracket(p, q) == -int(i == j)
            assert SPACE.bracket(q, SPACE.q[j]) == 0


@settings(deadline=None, max_examples=30)
@given(polynomials(), polynomials(), polynomials())
def test_bracket_is_a_lie_bracket_and_a_derivation(f, g, h):
    bracket = SPACE.bracket
    assert expand(bracket(f, g) + bracket(g, f)) == 0
    jacobi = bracket(f, bracket(g, h)) + bracket(g, bracket(h, f)) + bracket(h, bracket(f, g))
    assert expand(jacobi) == 0
    assert expand(bracket(f, g * h) - bracket(f, g) * h - g * bracket(f, h)) == 0


def test_vectors_go_componentwise():
    q, p = list(SPACE.q), Matrix(SPACE.p)
    assert SPACE.bracket(q, p) == ImmutableMatrix([1, 1])
    assert SPACE.bracket(q, P1) == ImmutableMatrix([1, 0])
    assert SPACE.bracket(P1, q) == ImmutableMatrix([-1, 0])
    assert SPACE.bracket(Matrix([[Q1, Q2]]), P2) == ImmutableMatrix([0, 1])
    with pytest.raises(ArgumentError, match="2 components and g has 3"):
        SPACE.bracket(q, [P1, P2, P1])
    with pytest.raises(ArgumentError, match=r"shape \(2, 2\)"):
        SPACE.bracket(Matrix([[Q1, Q2], [P1, P2]]), Q1)
    with pytest.raises(FormulaError, match=r"f\[1\] contains the float"):
        SPACE.bracket([Q1, 0.5], Q1)


@settings(deadline=None, max_examples=40)
@given(polynomials())
def test_vector_field_is_the_bracket_of_the_coordinates(f):
    expected = SPACE.bracket(list(SPACE.coordinates), f)
    assert (SPACE.vector_field(f) - expected).expand().is_zero_matrix


def test_vector_field_of_an_oscillator_is_hamiltons_equations():
    assert SPACE.vector_field((Q1**2 + P1**2) / 2) == ImmutableMatrix([P1, 0, -Q1, 0])


def test_infinitesimal_transformation():
    eps = Symbol("eps", real=True)
    rotation = SPACE.infinitesimal(Q1 * P2 - Q2 * P1, eps)
    assert rotation == ImmutableMatrix([Q1 - eps * Q2, Q2 + eps * Q1, P1 - eps * P2, P2 + eps * P1])
    assert SPACE.infinitesimal(P1, Rational(1, 3))[0] == Q1 + Rational(1, 3)
    assert SPACE.infinitesimal(P1, 2)[0] == Q1 + 2


@pytest.mark.parametrize("eps", [0.1, Q1, Symbol("q1"), Symbol("z"), I])
def test_infinitesimal_refuses_a_step_that_is_not_exact_real_and_foreign(eps):
    with pytest.raises(FormulaError, match="eps"):
        SPACE.infinitesimal(P1, eps)


def test_exact_numbers_come_in():
    assert SPACE.validate(3) == Integer(3)
    assert SPACE.validate(Fraction(1, 3)) == Rational(1, 3)
    assert SPACE.validate(pi * Q1) == pi * Q1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Symbol("x") * Q1, r"g contains the foreign symbol x; .* q1, q2, p1, p2"),
        (Symbol("q1") + Q2, r"symbol named q1 whose assumptions differ .* use space.q\[0\]"),
        (Symbol("p2", positive=True), r"use space.p\[1\]"),
        (PhaseSpace(3).q[2], "foreign symbol q3"),
        (0.1, r"float 0.1, .* Rational\(1, 10\), or pass nsimplify\(g, rational=True\)"),
        (0.25 * Q1**2, r"float 0.25, .* Rational\(1, 4\)"),
        (I * Q1, "contains I; it should be real"),
        (1 + 2j, "should be a scalar SymPy expression"),
        (zoo, "contains zoo"),
        (nan, "contains nan"),
        (oo, "contains oo"),
        (Q1 - oo, "contains -oo"),
        (sqrt(-1 - Q1**2), "not real"),
        (Q1 * (-1) ** Rational(1, 3), "not real"),
        (Q2 + asin(2), "not real"),
        (Q1 * log(-3, evaluate=False), "not real"),
        ("q1*p2", r"text 'q1\*p2'; read it with ehf_sym.parse\(text, space\)"),
        (Q1 > 0, "should be a scalar SymPy expression"),
        (true, "should be a scalar SymPy expression"),
        (True, "should be a scalar SymPy expression"),
        (Matrix([Q1]), "should be a scalar SymPy expression"),
        (MatrixSymbol("A", 2, 2), "should be a scalar SymPy expression"),
        (None, "should be a scalar SymPy expression"),
        (Function("f")(Q1), r"undefined function f\(q1\)"),
    ],
)
def test_the_door_refuses_and_says_why(bad, message):
    with pytest.raises(FormulaError, match=message):
        SPACE.validate(bad, "g")


def test_the_door_returns_the_evaluated_form():
    held = factor(2 * Q1 + 2)
    admitted = SPACE.validate(held)
    assert srepr(admitted) != srepr(held)
    assert admitted == 2 * Q1 + 2


def test_bracket_agrees_with_differentiation_along_the_flow():
    # {g, H} is the rate of g along Hamilton's equations: second route by the chain rule.
    g, H = sin(Q1) * P2**2, sqrt(1 + P1**2) + Q2 * Q1
    velocity = {Q1: H.diff(P1), Q2: H.diff(P2), P1: -H.diff(Q1), P2: -H.diff(Q2)}
    rate = sum(g.diff(x) * v for x, v in velocity.items())
    assert simplify(SPACE.bracket(g, H) - rate) == 0


def test_parameters_are_constants_of_the_bracket():
    mass, coupling = Symbol("m", positive=True), Symbol("k", real=True)
    space = PhaseSpace(1, parameters=[mass, coupling])
    (q,), (p,) = space.q, space.p
    assert space.parameters == (mass, coupling)
    assert space.bracket(p, p**2 / (2 * mass) + coupling * q) == -coupling
    assert space != PhaseSpace(1)
    assert space == PhaseSpace(1, (mass, coupling))
    assert hash(space) == hash(PhaseSpace(1, (mass, coupling)))
    with pytest.raises(FormulaError, match=r"use space.parameters\[0\]"):
        space.validate(Symbol("m", real=True))
    with pytest.raises(FormulaError, match=r"foreign symbol z; .* its parameters m, k"):
        space.validate(Symbol("z", real=True))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("m", "should be a sequence of symbols"),
        (Symbol("m", real=True), "should be a sequence of symbols"),
        (3, "should be a sequence of symbols"),
        (["m"], r"parameters\[0\] is 'm'; it should be a real symbol"),
        ([Symbol("m")], r"parameters\[0\] is m; it should be a real symbol"),
        ([Symbol("m", imaginary=True)], "should be a real symbol"),
        ([Symbol("a", real=True), Symbol("a", positive=True)], r"parameters\[1\] is a, .* already"),
        ([Symbol("q7", real=True)], "named 'q7'"),
        ([Symbol("exp", real=True)], "named 'exp'"),
        ([Symbol("E", real=True)], "named 'E'"),
        ([Symbol("a b", real=True)], "named 'a b'"),
        ([Symbol("__class__", real=True)], "named '__class__'"),
    ],
)
def test_parameters_are_checked(bad, message):
    with pytest.raises(ArgumentError, match=message):
        PhaseSpace(1, parameters=bad)


def test_more_positions_than_can_be_handled_are_refused():
    with pytest.raises(ArgumentError, match="dim is 100000; it should be at most 2048"):
        PhaseSpace(100_000)
