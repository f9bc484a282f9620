"""Conditions on parameters against linear algebra, textbook families and planted faults."""

from itertools import combinations, pairwise

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Abs, Matrix, Rational, Symbol, exp, log, pi, sqrt, symbols

import ehf_sym as es
from ehf_sym.exact.parameter_equations import reduced, solve_parameters

A, B, C, D = symbols("a b c d", real=True)
M, N = symbols("m n", positive=True)
LINE, PLANE, SPACE = es.PhaseSpace(1), es.PhaseSpace(2), es.PhaseSpace(3)
ROTATION = es.LieAlgebra(PLANE, [PLANE.q[0] * PLANE.p[1] - PLANE.q[1] * PLANE.p[0]])
SO3 = es.LieAlgebra(SPACE, [SPACE.q[i] * SPACE.p[j] - SPACE.q[j] * SPACE.p[i]
                            for i, j in combinations(range(3), 2)])  # fmt: skip


def on_plane(formula, *parameters):
    """A base on the plane with these parameters; formula takes q and p."""
    space = es.PhaseSpace(2, parameters=parameters)
    return es.BaseDensity(space, log_density=formula(space.q, space.p))


def solutions(*equations, of=(A, B, C, D)):
    return [dict(case.values) for case in solve_parameters(equations, of)]


# Equations between parameters.


def test_products_are_cases():
    assert solutions(A * (B - C)) == [{C: B}, {A: 0}]
    assert solutions(A * B * C, A * B) == [{B: 0}, {A: 0}]
    assert {frozenset(c.items()) for c in solutions(A * B - C * D)} == {
        frozenset({(D, A * B / C)}),
        frozenset({(C, 0), (B, 0)}),
        frozenset({(C, 0), (A, 0)}),
    }


def test_assumptions_exclude_cases():
    assert solutions(M * A, of=(M, A)) == [{A: 0}]
    assert solutions(M + N, of=(M, N)) == []
    assert solutions(M**2 - N**2, of=(M, N)) == [{N: M}]
    assert solutions(M + 1, of=(M,)) == []
    assert solutions(M**2 + M - 1, of=(M,)) == [{M: -Rational(1, 2) + sqrt(5) / 2}]
    k = sp.Symbol("k", integer=True)
    assert solutions(2 * k - 1, of=(k,)) == []
    (case,) = solve_parameters([M - A * B], [A, B, M])
    assert case.positive == (A * B,)


def test_real_solutions_only():
    assert solutions(A**2 + B**2) == [{A: 0, B: 0}]
    assert solutions(A**2 + 1) == []
    assert solutions(A**2 - 2) == [{A: -sqrt(2)}, {A: sqrt(2)}]
    assert solutions(A**4 + B**2 + 1) == []
    (case,) = solve_parameters([A**3 + A + 1], [A])
    assert case.equations == (A**3 + A + 1,)


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(-2, 2), min_size=4, max_size=4), min_size=1, max_size=4))
def test_linear_equations_have_sympys_solutions(rows):
    unknowns = (A, B, C, D)
    equations = [f for row in rows if (f := sum(c * x for c, x in zip(row, unknowns, strict=True)))]
    (case,) = solve_parameters(equations, unknowns)
    assert len(case.values) == Matrix(rows).rank()
    assert all(sp.expand(f.subs(case.values)) == 0 for f in equations)
    assert len(reduced(equations, unknowns)) == Matrix(rows).rank()


@settings(max_examples=25)
@given(st.lists(st.sampled_from([A, B, A - B, A + 2 * B - 1, A * B - 1]), min_size=1, max_size=4),
       st.sampled_from([-2, -1, 0, Rational(1, 2), 1, 2]))  # fmt: skip
def test_cases_are_solutions_and_all_of_them(factors, value):
    f = sp.prod(factors)
    cases = solve_parameters([f], [A, B])
    for case in cases:
        assert sp.cancel(f.subs(case.values)) == 0
    # Every point of the solution set with this coordinate lies in a case.
    for b in sp.roots(f.subs(A, value), B) if f.subs(A, value).has(B) else ():
        assert any(
            all(sp.cancel((x - v).subs({A: value, B: b})) == 0 for x, v in case.values.items())
            for case in cases
        )


# Gaussians with an unknown precision matrix.


def generator_matrix(g, space):
    """S with X_g(s) = J S s for quadratic g = sᵀ S s / 2."""
    return sp.hessian(g, space.coordinates)


@pytest.mark.parametrize(
    "symmetry",
    [
        ROTATION,
        SO3,
        es.LieAlgebra(PLANE, [PLANE.q[0] ** 2 + PLANE.p[0] ** 2]),
        es.LieAlgebra(PLANE, [PLANE.q[0] * PLANE.p[0] - PLANE.q[1] * PLANE.p[1]]),
        es.LieAlgebra(PLANE, [sum(x**2 for x in PLANE.coordinates)]),
        es.LieAlgebra(PLANE, [PLANE.q[0] * PLANE.q[1] + PLANE.p[0] * PLANE.p[1]]),
    ],
)
def test_gaussians_are_those_whose_matrices_commute(symmetry):
    base = es.GaussianFamily(symmetry.space)
    found = symmetry.conditions(base)
    n = 2 * symmetry.space.dim
    # {g, ln π} = 0 for ln π = −sᵀPs/2 exactly if S J P = P J S.
    J = Matrix(sp.BlockMatrix([[sp.zeros(n // 2), sp.eye(n // 2)],
                               [-sp.eye(n // 2), sp.zeros(n // 2)]]))  # fmt: skip
    P = -sp.hessian(base.log_density, base.space.coordinates)
    own = [entry for g in symmetry.generators
           for entry in (generator_matrix(g, symmetry.space) * J * P
                         - P * J * generator_matrix(g, symmetry.space))]  # fmt: skip
    parameters = base.space.parameters
    rows = Matrix([[sp.expand(entry).coeff(x) for x in parameters] for entry in own])
    ours = Matrix([[f.coeff(x) for x in parameters] for f in found.equations])
    assert ours.rank() == rows.rank() == rows.col_join(ours).rank()
    assert found.complete
    for family in found.families:
        assert family.proved
        assert len(family.values) == rows.rank()


def test_a_dilating_pair_leaves_no_gaussian():
    g = es.LieAlgebra(PLANE, [PLANE.q[0] * PLANE.p[0] - PLANE.q[1] * PLANE.p[1]])
    found = g.conditions(es.GaussianFamily(PLANE))
    assert found.status == "never"


def test_a_rotated_plane_keeps_two_scales_and_two_couplings():
    found = ROTATION.conditions(es.GaussianFamily(PLANE, mean=True))
    assert found.status == "conditional"
    (family,) = found.families
    assert [x.name for x in family.base.space.parameters] == ["P1_1", "P1_3", "P1_4", "P3_3"]
    a, b, c, d = family.base.space.parameters
    (positive,) = family.positive
    assert sp.cancel(positive - (a * d - b**2 - c**2) / a) == 0
    assert family.report.proved
    numbers = family.base.with_values({a: 2, b: 1, c: Rational(1, 2), d: 1})
    precision = numbers.gaussian().precision
    assert precision == -sp.hessian(numbers.log_density, PLANE.coordinates)
    assert precision.is_positive_definite
    assert family.base.with_values({a: 1, b: 2, c: 0, d: 1}).gaussian() is None


def test_no_gaussian_is_invariant_under_translations():
    found = es.LieAlgebra(PLANE, [PLANE.p[0]]).conditions(es.GaussianFamily(PLANE))
    assert found.status == "never"
    assert found.families == ()
    assert "for no values" in str(found)


def test_improper_families_are_told_apart():
    base = on_plane(lambda q, p: -(A * q[0] ** 2 + q[1] ** 2 + p[0] ** 2 + p[1] ** 2), A)
    found = es.LieAlgebra(PLANE, [PLANE.p[0]]).conditions(base)
    assert found.improper == ({A: 0},)
    assert found.status == "never"
    assert "cannot be normalized: a = 0" in str(found)
    negative = on_plane(lambda q, p: M * sum(x**2 for x in q + p), M)
    assert ROTATION.conditions(negative).improper == ({},)


# Other densities.


def test_conditions_that_branch():
    base = on_plane(
        lambda q, p: -(q[0] ** 4 + q[1] ** 4 + 2 * A * q[0] ** 2 * q[1] ** 2)
        - (A - 1) * (A - 2) * q[0] * q[1] - (2 + B * (C - 1) * (A - 3)) * p[0] ** 2 - 2 * p[1] ** 2,
        A, B, C,
    )  # fmt: skip
    found = ROTATION.conditions(base)
    assert {frozenset(f.values.items()) for f in found.families} == {
        frozenset({(A, 1), (B, 0)}),
        frozenset({(A, 1), (C, 1)}),
    }
    assert all(family.proved for family in found.families)


def test_invariant_for_all_parameters():
    base = on_plane(lambda q, p: -M * sum(x**2 for x in q) - N * sum(x**2 for x in p) ** 2, M, N)
    found = ROTATION.conditions(base)
    assert found.status == "always"
    assert found.equations == ()
    (family,) = found.families
    assert family.values == {}
    assert family.base == base


def test_no_parameters_at_all():
    assert ROTATION.conditions(es.StandardNormal(PLANE)).status == "always"
    assert ROTATION.conditions(es.SoftUniform(PLANE)).status == "never"


def test_soft_uniform_is_never_invariant_under_rotations():
    space = es.PhaseSpace(2, parameters=(M, N))
    base = es.SoftUniform(space, width=M, sharpness=N)
    assert base.log_normalizer.free_symbols == {M, N}
    found = ROTATION.conditions(base)
    assert found.status == "never"
    assert found.families == ()


def test_soft_uniform_of_symbolic_width_has_its_number_put_in():
    space = es.PhaseSpace(1, parameters=(M,))
    base = es.SoftUniform(space, width=M, sharpness=4)
    numbers = base.with_values({M: 2})
    assert numbers == es.SoftUniform(LINE, width=2, sharpness=4)
    assert numbers.name == "soft-uniform(width=m, sharpness=4) at m = 2"


def test_functions_of_a_form_with_parameters():
    def wells(q, p):
        return -log(1 + exp(M * q[0] ** 2 + N * q[1] ** 2)) - p[0] ** 2 - p[1] ** 2

    def cone(q, p):
        return -sqrt(1 + M * q[0] ** 2 + N * q[1] ** 2) - sqrt(1 + p[0] ** 2 + p[1] ** 2)

    for formula in (wells, cone):
        found = ROTATION.conditions(on_plane(formula, M, N))
        assert found.status == "conditional"
        assert [dict(f.values) for f in found.families] == [{N: M}]
        assert found.families[0].proved


def test_unknown_exponents_are_tried_and_called_undecided():
    base = on_plane(lambda q, p: -(Abs(q[0]) ** M) - Abs(q[1]) ** N - p[0] ** 2 - p[1] ** 2, M, N)
    found = ROTATION.conditions(base)
    assert found.status == "undecided"
    assert [dict(f.values) for f in found.families] == [{M: 2, N: 2}]
    assert found.families[0].proved
    assert "undecided where else" in str(found)


def test_transcendental_numbers_and_functions_of_parameters():
    base = on_plane(lambda q, p: -exp(A) * q[0] ** 2 - pi * q[1] ** 2 - p[0] ** 2 - p[1] ** 2, A)
    (family,) = ROTATION.conditions(base).families
    assert family.values == {A: log(pi)}
    assert family.proved
    linear = on_plane(lambda q, p: -A * q[0] ** 2 - pi * q[1] ** 2 - p[0] ** 2 - p[1] ** 2, A)
    (family,) = ROTATION.conditions(linear).families
    assert dict(family.values) == {A: pi}
    assert family.proved


def test_generators_may_hold_parameters_too():
    space = es.PhaseSpace(2, parameters=(M, N))
    (q1, q2), (p1, p2) = space.q, space.p
    shear = es.LieAlgebra(space, [M * q1 * p2 - N * q2 * p1])
    base = es.BaseDensity(space, log_density=-(q1**2 + 4 * q2**2 + p1**2 + p2**2 / 4) / 2)
    (family,) = shear.conditions(base).families
    assert dict(family.values) == {N: 4 * M} or dict(family.values) == {M: N / 4}
    assert family.proved


@pytest.mark.parametrize("fault", [Rational(1, 10**12), Rational(-1, 10**30)])
def test_a_tiny_fault_shifts_the_condition(fault):
    def formula(q, p):
        return -(A * q[0] ** 2 + (1 + fault) * q[1] ** 2 + p[0] ** 2 + p[1] ** 2)

    (family,) = ROTATION.conditions(on_plane(formula, A)).families
    assert dict(family.values) == {A: 1 + fault}


def test_arguments_are_checked():
    with pytest.raises(es.ArgumentError, match="base is 'normal'"):
        ROTATION.conditions("normal")
    with pytest.raises(es.ArgumentError, match=r"it should be on PhaseSpace\(dim=2\)"):
        ROTATION.conditions(es.StandardNormal(SPACE))
    with pytest.raises(es.ArgumentError, match="space is 2"):
        es.GaussianFamily(2)


def test_reports_print_in_all_forms():
    found = ROTATION.conditions(es.GaussianFamily(PLANE))
    assert "Family 1 (proved): P1_2 = 0" in str(found)
    assert r"\begin{array}" in found.to_latex()
    assert "<code>" in found.to_html()
    assert '"status": "conditional"' in found.to_json()


# Values for parameters.


def test_values_are_put_in_exactly_and_checked():
    space = es.PhaseSpace(1, parameters=(M, A))
    (q,), (p,) = space.q, space.p
    base = es.BaseDensity(space, log_density=-M * (q**2 + p**2) / 2 + A * q)
    half = base.with_values({M: Rational(1, 2)})
    assert half.space == es.PhaseSpace(1, parameters=(A,))
    assert half.log_density == -(q**2) / 4 - p**2 / 4 + A * q
    both = base.with_values({M: 2, A: 4})
    assert both.space == LINE
    assert both.gaussian().mean == sp.ImmutableMatrix([2, 0])
    assert both.log_normalizer == es.BaseDensity(LINE, log_density=both.log_density).log_normalizer
    assert base.with_values({}) == base
    assert base.with_values({A: M**2}).log_density == base.log_density.subs(A, M**2)
    symmetry = es.LieAlgebra(space, [p**2 + M * q], labels=["E"])
    assert symmetry.with_values({M: 3, A: 0}).generators == (p**2 + 3 * q,)
    assert symmetry.with_values({M: 3, A: 0}).labels == ("E",)
    with pytest.raises(es.ArgumentError, match=r"values\[m\] is -1; m is assumed positive"):
        base.with_values({M: -1})
    with pytest.raises(es.ArgumentError, match="has the key b; it should hold parameters"):
        base.with_values({B: 1})
    with pytest.raises(es.ArgumentError, match=r"values\[a\] is q1; it should not hold coord"):
        base.with_values({A: q})
    with pytest.raises(es.FormulaError, match="float"):
        base.with_values({A: 0.5})
    with pytest.raises(es.ArgumentError, match="should map parameters"):
        base.with_values([1])
    with pytest.raises(es.FormulaError, match="identically zero"):
        es.LieAlgebra(space, [A * q]).with_values({A: 0})


def test_a_ridge_is_no_density_whatever_its_parameters():
    space = es.PhaseSpace(1, parameters=(A,))
    (q,), (p,) = space.q, space.p
    along = es.LieAlgebra(es.PhaseSpace(1), [q - p])
    found = along.conditions(es.BaseDensity(space, log_density=-(A**2) * (q - p) ** 2))
    assert found.status == "never"
    assert found.improper


def test_gaussians_with_parameters_are_found_where_they_are_certain():
    space = es.PhaseSpace(1, parameters=(M, N, A))
    (q,), (p,) = space.q, space.p
    certain = es.BaseDensity(space, log_density=-M * q**2 / 2 - N * p**2 / 2 + A * q)
    assert certain.gaussian().mean == sp.ImmutableMatrix([A / M, 0])
    values = {M: 2, N: 3, A: 1}
    exact = certain.with_values(values).log_normalizer
    assert es.is_zero(certain.log_normalizer.subs(values) - exact).proved
    # M N > A² is not known.
    open_one = es.BaseDensity(space, log_density=-M * q**2 / 2 - N * p**2 / 2 - A * q * p)
    assert open_one.gaussian() is None
    assert open_one.log_normalizer is None
    known = open_one.with_values({A: 1, M: 2, N: 1}).gaussian()
    assert known.precision == sp.ImmutableMatrix([[2, 1], [1, 1]])
    given = es.BaseDensity(space, log_density=-(q**4) - p**2, log_normalizer=log(M))
    assert given.with_values({M: 3}).log_normalizer == log(3)
    with pytest.raises(es.FormulaError, match="for this Gaussian it should be"):
        es.BaseDensity(space, log_density=certain.log_density, log_normalizer=log(M))
    with pytest.raises(es.ArgumentError, match="width is m; it should be a finite number"):
        es.SoftUniform(LINE, width=M)


def solved(extra, parameters):
    """Conditions of a normal density with a term added, under rotations of the plane."""
    space = es.PhaseSpace(2, parameters=parameters)
    (q1, q2), (p1, p2) = space.q, space.p
    normal = -(q1**2 + q2**2 + p1**2 + p2**2) / 2
    base = es.BaseDensity(space, log_density=normal + extra(q1, q2))
    return es.LieAlgebra(space, [q1 * p2 - q2 * p1]).conditions(base)


X, Y, POS = Symbol("x", real=True), Symbol("y", real=True), Symbol("z", positive=True)


@pytest.mark.parametrize(
    ("term", "status", "values"),
    [
        ((exp(X) - 1, X - 1), "never", []),
        ((exp(X) - 1, X), "conditional", [{X: 0}]),
        ((exp(POS) - 1, 0), "never", []),
        ((exp(X) + POS, 0), "never", []),
        ((exp(X) - POS, 0), "conditional", [{POS: exp(X)}]),
        ((exp(2 * X + 1) - 3, 0), "conditional", [{X: sp.log(3) / 2 - sp.Rational(1, 2)}]),
        ((sp.erf(X) - 2, 0), "never", []),
        ((sp.erf(X), 0), "conditional", [{X: 0}]),
        ((sp.tanh(X) + 1, 0), "never", []),
        ((sp.log(POS) - 1, POS - 3), "never", []),
        ((sp.log(POS) - 1, POS - sp.E), "conditional", [{POS: sp.E}]),
        ((sp.cos(X) - 2, 0), "never", []),
        ((sp.cos(X) + 1, 0), "conditional", [{}]),
        ((sp.sin(X), sp.cos(X)), "never", []),
        ((sp.sqrt(POS) - 2, 0), "conditional", [{POS: 4}]),
        ((sp.sqrt(POS) + 1, 0), "never", []),
        ((exp(X) + X, 0), "conditional", [{}]),  # at x = -0.567...
        ((exp(X) - X, 0), "undecided", [{}]),  # never: exp(x) > x, which is not seen
        ((X**4 + X * Y + Y**4 + 7, 0), "undecided", [{}]),
        ((X - sp.pi, Y - sp.E), "conditional", [{X: sp.pi, Y: sp.E}]),
        ((X - sp.pi, X**2 - sp.E), "never", []),
        ((sp.Abs(X), 0), "conditional", [{X: 0}]),
        ((sp.Abs(X) - X, 0), "conditional", [{}, {X: 0}]),
        ((sp.sign(X) + 1, 0), "conditional", [{}]),
        ((sp.Max(X, 1) - 3, 0), "conditional", [{X: 3}]),
        ((sp.Max(X, 1), 0), "never", []),
        ((sp.Piecewise((X - 1, X > 2), (X - 5, True)), 0), "never", []),
        ((sp.Piecewise((X - 3, X > 2), (X - 1, True)), 0), "conditional", [{X: 3}, {X: 1}]),
    ],
)
def test_functions_of_parameters_are_solved_or_undecided(term, status, values):
    first, second = map(sp.sympify, term)
    parameters = sorted(first.free_symbols | second.free_symbols, key=str)
    found = solved(lambda q1, q2: first * q1 + second * q2, parameters)
    assert found.status == status, found
    assert {frozenset(f.values.items()) for f in found.families} == {
        frozenset(v.items()) for v in values
    }
    for family in found.families:
        if not family.equations:
            assert family.proved


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([exp, sp.erf, sp.tanh, sp.sinh, sp.atan, sp.cos, sp.sin, sp.Abs, sp.sign]),
    st.integers(-2, 2),
    st.integers(-2, 2),
    st.integers(-2, 2),
)
def test_what_is_said_of_one_function_holds_at_numbers(function, slope, shift, value):
    """Sign changes and zeros of f(slope x + shift) − value on a fine grid against the answer."""
    f = function(slope * X + shift) - value
    if f == 0:
        return
    found = solved(lambda q1, q2: f * q1, [X])
    grid = [sp.Rational(k, 4) for k in range(-40, 41)]
    numbers = [float(f.xreplace({X: x})) for x in grid]
    crosses = any(a * b < 0 for a, b in pairwise(numbers)) and function is not sp.sign
    vanishes = any(es.is_zero(f.xreplace({X: x})).proved for x in grid)
    if crosses or vanishes:
        assert found.status in {"conditional", "always", "undecided"}
    if found.status == "conditional" and function in {exp, sp.erf, sp.tanh, sp.sinh, sp.atan}:
        for family in found.families:
            for x, v in family.values.items():
                assert abs(float(f.xreplace({x: v}))) < 1e-12
