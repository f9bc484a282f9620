"""Invariants against Molien's and Weyl's formulas, Weyl's first theorem, and changes of basis."""

from itertools import combinations, pairwise
from math import comb

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import special_ortho_group
from sympy import Matrix, Rational, S, sqrt

import ehf_sym as es

SPACE = es.PhaseSpace(3)
Q, P = SPACE.q, SPACE.p


def linear(space, matrix):
    """The generator pᵀ A q, which moves q by A."""
    return (Matrix([space.p]) * matrix * Matrix(space.q))[0]


def rotations(n, copies=1):
    """so(n) on that many vectors."""
    space = es.PhaseSpace(n * copies)
    generators = []
    for i, j in combinations(range(n), 2):
        A = sp.zeros(n)
        A[j, i], A[i, j] = 1, -1
        generators.append(linear(space, sp.diag(*[A] * copies)))
    return es.LieAlgebra(space, generators)


def unitary(n, special=True):
    """u(n) or su(n) on C^n = R^2n, z_k = q_k + i q_(n+k)."""
    space = es.PhaseSpace(2 * n)
    generators = []
    for i, j in combinations(range(n), 2):
        A, B = sp.zeros(n), sp.zeros(n)
        A[i, j], A[j, i] = 1, -1
        B[i, j] = B[j, i] = 1
        generators += [linear(space, sp.diag(A, A)), linear(space, imaginary(B))]
    phases = [sp.diag(*[int(k == i) for k in range(n)]) for i in range(n)]
    if special:
        phases = [a - b for a, b in pairwise(phases)]
    return es.LieAlgebra(space, [*generators, *(linear(space, imaginary(B)) for B in phases)])


def imaginary(B):
    """The real matrix of i B for a symmetric B."""
    return Matrix(sp.BlockMatrix([[sp.zeros(*B.shape), -B], [B, sp.zeros(*B.shape)]]))


def vectors(symmetry, n):
    q = symmetry.space.q
    return [Matrix(q[i : i + n]) for i in range(0, len(q), n)]


def spans(formulas, others):
    """Whether two sets of polynomials span the same space: ranks of coefficient matrices."""
    symbols = sorted({s for f in [*formulas, *others] for s in f.free_symbols}, key=str)
    polys = [sp.Poly(f, *symbols) for f in [*formulas, *others]]
    monomials = sorted({m for p in polys for m in p.monoms()})
    rows = Matrix([[p.coeff_monomial(m) for m in monomials] for p in polys])
    ranks = rows[: len(formulas), :].rank(), rows[len(formulas) :, :].rank()
    return ranks[0] == ranks[1] == rows.rank()


# Weyl's integration formula: multiplicity of the trivial representation in each symmetric power.


def multiply(a, b, limit):
    """Product of series in t (to a limit) and Laurent polynomials in z: {(power of t, of z): c}."""
    product = {}
    for (i, k), x in a.items():
        for (j, m), y in b.items():
            if i + j <= limit:
                product[i + j, k + m] = product.get((i + j, k + m), 0) + x * y
    return product


def molien(weights, density, limit):
    """Coefficients of t^n in the z-constant term of density(z) Π 1/(1 − t z^w)."""
    series = {(0, power): c for power, c in density.items()}
    for w in weights:
        series = multiply(series, {(n, n * w): 1 for n in range(limit + 1)}, limit)
    return [series.get((n, 0), 0) for n in range(1, limit + 1)]


SO2, SO3, SU2 = {0: 1}, {0: 1, 1: -1}, {0: 1, 2: -1}
HILBERT = {
    "so(2) on 1 vector": (rotations(2), "q", [1, -1], SO2, 8),
    "so(2) on 2 vectors": (rotations(2, 2), "q", [1, -1] * 2, SO2, 6),
    "so(2) on q and p": (rotations(2), "s", [1, -1] * 2, SO2, 6),
    "so(2) on 3 vectors": (rotations(2, 3), "p", [1, -1] * 3, SO2, 4),
    "so(3) on 1 vector": (rotations(3), "q", [1, 0, -1], SO3, 6),
    "so(3) on 2 vectors": (rotations(3, 2), "q", [1, 0, -1] * 2, SO3, 6),
    "so(3) on 3 vectors": (rotations(3, 3), "p", [1, 0, -1] * 3, SO3, 6),
    "so(3) on 4 vectors": (rotations(3, 2), "s", [1, 0, -1] * 4, SO3, 4),
    "su(2) on C^2": (unitary(2), "q", [1, -1] * 2, SU2, 6),
    "su(2) on two C^2": (unitary(2), "s", [1, -1] * 4, SU2, 4),
}


@pytest.mark.parametrize("case", HILBERT)
def test_dimensions_are_those_of_molien_and_weyl(case):
    symmetry, of, weights, density, limit = HILBERT[case]
    found = symmetry.invariants(limit, of=of)
    expected = molien(weights, density, limit)
    assert [found.dimension(k) for k in range(1, limit + 1)] == expected


def test_the_series_themselves_agree_with_closed_forms():
    assert molien([1, -1] * 3, SO2, 6) == [comb(n // 2 + 2, 2) ** 2 * (n % 2 == 0)
                                           for n in range(1, 7)]  # fmt: skip
    assert molien([1, 0, -1] * 2, SO3, 6) == [0, 3, 0, 6, 0, 10]


# Weyl's first fundamental theorem.


def test_two_particles_in_space_have_three_quadratic_invariants():
    symmetry = rotations(3, 2)
    found = symmetry.invariants(2, of="q")
    x, y = vectors(symmetry, 3)
    assert found.generators == (x.dot(x), x.dot(y), y.dot(y))
    assert found.independent == found.generators
    assert found.max_independent == 3
    assert found.relations == ()


@pytest.mark.parametrize(("n", "copies"), [(2, 1), (2, 2), (3, 3), (3, 4), (4, 2), (5, 1)])
def test_dot_products_and_determinants_generate_all_invariants_of_rotations(n, copies):
    symmetry = rotations(n, copies)
    found = symmetry.invariants(max(n, 2), of="q")
    xs = vectors(symmetry, n)
    dots = [x.dot(y) for i, x in enumerate(xs) for y in xs[i:]]
    dets = [sp.expand(Matrix.hstack(*chosen).det()) for chosen in combinations(xs, n)]
    assert spans([f for f, k in zip(found.generators, found.degrees, strict=True) if k == 2],
                 [*dots, *(dets if n == 2 else [])])  # fmt: skip
    assert len(found.generators) == len(dots) + len(dets)
    if dets and n > 2:
        own = [f for f, k in zip(found.generators, found.degrees, strict=True) if k == n]
        assert spans(own, dets)
    # The orbit's dimension: so(n) less the stabilizer so(n - copies).
    fixed = max(n - copies, 0)
    orbit = comb(n, 2) - comb(fixed, 2)
    assert found.max_independent == n * copies - orbit
    assert found.is_attained


def test_the_square_of_a_determinant_is_grams():
    found = rotations(3, 3).invariants(6, of="q")
    (relation,) = found.relations
    values = dict(zip(found.names, found.generators, strict=True))
    assert sp.expand(relation.subs(values, simultaneous=True)) == 0
    assert sp.degree(relation, found.names[-1]) == 2


@pytest.mark.parametrize("n", [2, 3])
def test_unitary_groups_leave_the_norm(n):
    q = es.PhaseSpace(2 * n).q
    norm = sum(x**2 for x in q)
    for special in (True, False):
        found = unitary(n, special).invariants(3 if n == 3 else 4, of="q")
        assert found.generators == (norm,)
        assert found.is_attained


@pytest.mark.parametrize("n", [2, 3])
def test_the_catalogues_unitary_groups_leave_hermitian_products(n):
    # Of w and its momentum π: |w|², |π|², and w̄·π, real and imaginary part.
    symmetry = es.groups.su(n)
    q, p = symmetry.space.q, symmetry.space.p
    found = symmetry.invariants(2)
    expected = [sum(x**2 for x in q), sum(x**2 for x in p), Matrix(q).dot(Matrix(p))]
    expected.append(sum(q[2 * k] * p[2 * k + 1] - q[2 * k + 1] * p[2 * k] for k in range(n)))
    own = found.generators
    # su(2) also leaves ε_ab w_a π̄_b alone: two more.
    assert len(own) == (6 if n == 2 else 4)
    assert spans(own, [*own, *expected])


def test_sl_n_leaves_determinants_only():
    space = es.PhaseSpace(4)
    units = [sp.Matrix(2, 2, lambda i, j, a=a, b=b: int((i, j) == (a, b)))
             for a, b in ((0, 1), (1, 0))]  # fmt: skip
    generators = [linear(space, sp.diag(A, A)) for A in (*units, sp.diag(1, -1))]
    q1, q2, q3, q4 = space.q
    found = es.LieAlgebra(space, generators).invariants(4, of="q")
    assert found.generators == (q1 * q4 - q2 * q3,)
    assert found.is_attained


# None at all, parameters, functions that are no polynomials.


def test_translations_of_particles_leave_separations_and_momenta():
    particles = es.Particles(4, 1)
    q, p = particles.space.q, particles.space.p
    found = particles.translations().invariants(1).generators
    columns = sp.Matrix([[g.coeff(x) for x in (*q, *p)] for g in found])
    assert columns.rank() == len(found) == 7
    assert columns[:, :4] * sp.ones(4, 1) == sp.zeros(7, 1)


def test_translations_of_one_particle_leave_nothing():
    found = es.LieAlgebra(SPACE, P).invariants(3, of="q")
    assert found.generators == ()
    assert found.max_independent == 0
    assert "none to degree 3" in str(found)
    assert "There are none at all" in str(found)
    assert es.LieAlgebra(SPACE, P).invariants(1, of="p").generators == P


def test_brackets_of_the_generators_count():
    # Lx and Ly alone: Lz = {Lx, Ly} lowers the bound from 4 to 3 on q and p.
    Lx, Ly = Q[1] * P[2] - Q[2] * P[1], Q[2] * P[0] - Q[0] * P[2]
    found = es.LieAlgebra(SPACE, [Lx, Ly]).invariants(2)
    assert found.max_independent == 3
    assert found.generators == rotations(3).invariants(2).generators


def test_dilations_have_invariants_that_are_no_polynomials():
    found = es.LieAlgebra(SPACE, [sum(q * p for q, p in zip(Q, P, strict=True))])
    nothing = found.invariants(4, of="q")
    assert nothing.generators == ()
    assert nothing.max_independent == 2
    assert not nothing.is_attained
    assert "At most 2 functions of q can be independent" in str(nothing)
    both = found.invariants(2, of="s")
    assert set(both.generators) == {q * p for q in Q for p in P}
    assert len(both.independent) == both.max_independent == 5
    assert all(sp.Poly(r.subs(dict(zip(both.names, both.generators, strict=True)),
                              simultaneous=True), *Q, *P).is_zero
               for r in found.invariants(4).relations)  # fmt: skip


def test_a_generator_that_is_not_linear_in_p_acts_on_functions_of_q_too():
    # {q1, (q1² + p1²)/2} = p1, which must vanish for all p: q1 is out.
    symmetry = es.LieAlgebra(SPACE, [(Q[0] ** 2 + P[0] ** 2) / 2])
    assert symmetry.invariants(2, of="q").generators == (Q[1], Q[2])
    assert symmetry.invariants(2).generators == (Q[1], Q[2], P[1], P[2], P[0] ** 2 + Q[0] ** 2)


def test_parameters_and_roots_are_coefficients():
    a, b = sp.symbols("a b", positive=True)
    space = es.PhaseSpace(2, parameters=(a, b))
    (q1, q2), (p1, p2) = space.q, space.p
    ellipse = es.LieAlgebra(space, [a * q1 * p2 - b * q2 * p1])
    assert ellipse.invariants(2, of="q").generators == (a * q1**2 + b * q2**2,)
    shear = es.LieAlgebra(SPACE, [P[0] + sqrt(2) * P[1], P[2]])
    (f,) = shear.invariants(2, of="q").generators
    assert sp.expand(f * sqrt(2) - sqrt(2) * Q[0] + Q[1]) == 0
    rooted = es.LieAlgebra(space, [p1 * sqrt(a) + a * p2])
    (f,) = rooted.invariants(1, of="q").generators
    assert sp.simplify(f / (sqrt(a) * q1 - q2)).free_symbols <= {a}


def test_kepler_leaves_angular_momentum_and_no_polynomial_energy():
    r = sqrt(sum(x**2 for x in Q))
    H = sum(x**2 for x in P) / 2 - 1 / r
    found = es.LieAlgebra(SPACE, [H]).invariants(2)
    L = [Q[i] * P[j] - Q[j] * P[i] for i, j in combinations(range(3), 2)]
    assert spans(list(found.generators), L)
    assert not found.for_all_functions
    nothing = es.LieAlgebra(SPACE, [H]).invariants(2, of="q")
    assert nothing.max_independent == 0


def test_transcendental_generators_are_split_by_their_kernels():
    # q1 moves by exp(q1) + exp(q2) and q2 by exp(q1): neither is left over, and q3 is.
    g = P[0] * (sp.exp(Q[0]) + sp.exp(Q[1])) + P[1] * sp.exp(Q[0])
    assert es.LieAlgebra(SPACE, [g]).invariants(2, of="q").generators == (Q[2],)


def test_inhomogeneous_fields_are_filtered_by_degree():
    # q̇ = (1, 2 q1): q2 − q1² is invariant, of mixed degree; then its square of degree 4.
    found = es.LieAlgebra(SPACE, [P[0] + 2 * Q[0] * P[1]]).invariants(4, of="q")
    assert found.generators == (Q[2], Q[0] ** 2 - Q[1])
    assert [found.dimension(k) for k in range(1, 5)] == [1, 2, 2, 3]


# Changes of basis, products, planted faults.

ENTRIES = st.lists(st.integers(-2, 2), min_size=9, max_size=9)


@settings(max_examples=12)
@given(ENTRIES)
def test_a_linear_change_of_coordinates_changes_nothing_else(entries):
    T = Matrix(3, 3, entries)
    assume(T.det() != 0)
    A = Matrix([[0, -1, 0], [1, 0, 0], [0, 0, 0]])
    B = Matrix([[0, 0, 0], [0, 0, -1], [0, 1, 0]])
    generators = [linear(SPACE, T * X * T.inv()) for X in (A, B)]
    found = es.LieAlgebra(SPACE, generators).invariants(4, of="q")
    moved = T.inv() * Matrix(Q)
    (f,) = found.generators
    assert spans([f], [sp.expand(moved.dot(moved))])
    assert all(c.is_Integer for c in sp.Poly(f, *Q).coeffs())
    assert sp.Poly(f, *Q).content() == 1


@settings(max_examples=15)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=3), st.integers(-3, 3))
def test_products_and_sums_of_invariants_are_invariant(numbers, factor):
    symmetry = rotations(2, 2)
    found = symmetry.invariants(2, of="q")
    product = sp.prod(found.generators[i % len(found.generators)] for i in numbers)
    f = product + factor * found.generators[0]
    assert all(sp.expand(symmetry.space.bracket(f, g)) == 0 for g in symmetry.generators)


def test_invariants_are_functions_through_the_bridge():
    symmetry = rotations(3, 2)
    found = symmetry.invariants(2, of="q")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 6))
    turn = special_ortho_group(3, seed=1).rvs()
    turned = (x.reshape(20, 2, 3) @ turn.T).reshape(20, 6)
    for f in found.generators:
        values = es.to_numpy(f, symmetry.space.q)
        np.testing.assert_allclose(values(x), values(turned), atol=1e-12)
    assert not np.allclose(x, turned)


def test_bases_are_products_of_generators_and_independent():
    found = rotations(3, 2).invariants(4, of="q")
    basis = found.basis(4)
    assert len(basis) == found.dimension(4) == 6
    f1, f2, f3 = found.generators
    assert set(basis) == {f1**2, f1 * f2, f1 * f3, f2**2, f2 * f3, f3**2}


@pytest.mark.parametrize("fault", [Rational(1, 10**12), Rational(-1, 10**40)])
def test_a_tiny_fault_in_a_generator_costs_invariants(fault):
    exact = es.LieAlgebra(SPACE, [Q[0] * P[1] - Q[1] * P[0]])
    faulty = es.LieAlgebra(SPACE, [Q[0] * P[1] - (1 + fault) * Q[1] * P[0]])
    circle = Q[0] ** 2 + Q[1] ** 2
    assert circle in exact.invariants(2, of="q").generators
    found = faulty.invariants(2, of="q").generators
    assert circle not in found
    assert any(sp.expand(f.coeff(Q[0] ** 2) * (1 + fault) - f.coeff(Q[1] ** 2)) == 0
               and f.has(Q[0]) for f in found)  # fmt: skip


def test_arguments_are_checked():
    symmetry = rotations(2)
    with pytest.raises(es.ArgumentError, match=r"degree is 0; it should be a positive integer"):
        symmetry.invariants(0)
    with pytest.raises(es.ArgumentError, match=r"of is 'x'; it should be"):
        symmetry.invariants(2, of="x")
    with pytest.raises(es.ArgumentError, match="degree is 200; in 4 variables that makes"):
        symmetry.invariants(200)
    found = symmetry.invariants(2)
    with pytest.raises(es.ArgumentError, match="degree is 3; it should be at most 2"):
        found.dimension(3)
    a = sp.Symbol("a", positive=True)
    space = es.PhaseSpace(1, parameters=(a,))
    rooted = es.LieAlgebra(space, [sqrt(a + 1) * space.q[0] * space.p[0]])
    with pytest.raises(es.FormulaError, match="root of a sum of parameters"):
        rooted.invariants(2)


def test_reports_print_in_all_forms():
    found = rotations(3, 3).invariants(6, of="q")
    assert "Relation: 0 = " in str(found)
    assert r"\begin{array}" in found.to_latex()
    assert "<code>q1**2 + q2**2 + q3**2</code>" in found.to_html()
    assert '"max_independent": 6' in found.to_json()
    assert S(found.dimension(6)) == 56


def test_steps_that_the_flow_does_not_cross_have_no_slope():
    space = es.PhaseSpace(2)
    (_, q2), (p1, p2) = space.q, space.p
    found = es.LieAlgebra(space, [p1 * sp.sign(q2)]).invariants(1)
    assert {*found.generators} == {q2, p1, p2}
    assert found.max_independent == 3


@pytest.mark.parametrize("step", [sp.sign, sp.Heaviside, lambda u: sp.Abs(u) / u])
def test_generators_that_jump_where_their_flow_crosses_are_undecided(step):
    space = es.PhaseSpace(2)
    (q1, _), (p1, p2) = space.q, space.p
    with pytest.raises(es.UndecidedError, match="jump"):
        es.LieAlgebra(space, [p1 + p2 * step(q1)]).invariants(1)


def test_kinks_are_no_jumps():
    space = es.PhaseSpace(2)
    q1, q2 = space.q
    r2 = q1**2 + q2**2
    hamiltonian = sp.Piecewise((r2 / 2, r2 <= 4), (2 * sp.sqrt(r2) - 2, True))
    assert es.LieAlgebra(space, [hamiltonian]).invariants(1).generators == (q1, q2)
