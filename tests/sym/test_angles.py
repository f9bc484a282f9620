"""Angles: functions on the circle, their densities, and the invariants of what turns them."""

from itertools import product
from math import gcd

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from sympy import (
    Abs,
    Add,
    Matrix,
    Piecewise,
    Rational,
    Symbol,
    atan,
    atan2,
    cos,
    exp,
    floor,
    lambdify,
    log,
    pi,
    sign,
    sin,
    sqrt,
    tan,
)

import ehf_sym as es
from ehf_sym.exact.linear import integer_kernel
from ehf_sym.symmetry.construction import invariant_hamiltonian
from ehf_sym.zero.periodicity import is_periodic

CIRCLE = es.PhaseSpace(1, angles=True)
(Q,), (P,) = CIRCLE.q, CIRCLE.p


def gauss_law(size, dimension=2):
    """Incidence of the links of a periodic square lattice, all but one site: its generators."""
    sites = list(product(range(size), repeat=dimension))
    place = {site: k for k, site in enumerate(sites)}
    rows = [[0] * (len(sites) * dimension) for _ in sites]
    for site, mu in product(sites, range(dimension)):
        ahead = tuple((x + (k == mu)) % size for k, x in enumerate(site))
        rows[place[site]][place[site] * dimension + mu] += 1
        rows[place[ahead]][place[site] * dimension + mu] -= 1
    return rows[:-1]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([2, 0], (0, 2)),
        (["q2"], (1,)),
        ([Symbol("q1", real=True), "q3"], (0, 2)),
        (True, (0, 1, 2)),
        (False, ()),
        ((), ()),
    ],
)
def test_angles_are_named_by_index_name_or_symbol(given, kept):
    space = es.PhaseSpace(3, angles=given)
    assert space.angles == kept
    assert space == es.PhaseSpace(3, angles=kept)
    assert hash(space) == hash(es.PhaseSpace(3, angles=kept))
    assert (space == es.PhaseSpace(3)) == (not kept)
    assert eval(repr(space), {"PhaseSpace": es.PhaseSpace}) == space
    assert (r"\bmod 2\pi" in space._repr_latex_()) == bool(kept)


@pytest.mark.parametrize(
    "given", [[3], [-1], ["p1"], ["q4"], [0, "q1"], "q1", 1, [True], [0.5], [None]]
)
def test_what_is_no_angle_is_refused(given):
    with pytest.raises(es.ArgumentError, match="angles"):
        es.PhaseSpace(3, angles=given)


def test_products_keep_angles():
    assert (es.PhaseSpace(2, angles=["q2"]) * CIRCLE).angles == (1, 2)


PERIODIC = [
    cos(Q),
    sin(3 * Q) ** 2,
    cos(Q / 2) ** 2,
    Abs(sin(Q / 2)),
    tan(Q / 2),
    log(2 + cos(Q)),
    sqrt(1 + cos(Q)),
    Piecewise((1, sin(Q) > 0), (0, True)),
    2 * cos(Q / 2) * sin(Q / 2),
]
BROKEN = [
    Q,
    exp(-(Q**2)),
    cos(Q / 2),
    cos(sqrt(2) * Q),
    cos(2 * Q) + Q / 10**9,
    Piecewise((1, Q > 0), (0, True)),
    atan(Q),
    log(Q),
    1 / (1 + Q**2),
]
# Defined on one turn alone, or not decided: refused, and not called refuted.
OPEN = [log(1 - Q**2), floor(Q / (2 * pi)), Piecewise((1, Q > 0))]


@pytest.mark.parametrize("f", PERIODIC)
def test_periodic_functions_are_admitted(f):
    assert is_periodic(f, Q).proved
    assert es.BaseDensity(CIRCLE, log_density=f - P**2).space.angles == (0,)
    assert es.LieAlgebra(CIRCLE, [P * f]).generators


@pytest.mark.parametrize("f", BROKEN)
def test_what_jumps_at_the_cut_is_refused_with_a_witness(f):
    verdict = is_periodic(f, Q)
    assert verdict.refuted
    values = [f.subs(verdict.witness).subs(Q, 1), f.subs({Q: Q + 2 * pi}).subs(verdict.witness)]
    assert values[0] != values[1]
    with pytest.raises(es.FormulaError, match="no function of the angle q1"):
        es.BaseDensity(CIRCLE, log_density=f - P**2)
    with pytest.raises(es.FormulaError, match="no function of the angle q1"):
        es.LieAlgebra(CIRCLE, [P * f])


@pytest.mark.parametrize("f", OPEN)
def test_what_is_not_decided_is_not_proved(f):
    assert is_periodic(f, Q).undecided
    with pytest.raises(es.UndecidedError, match="q1 ↦ q1 \\+ 2π"):
        es.BaseDensity(CIRCLE, log_density=f - P**2)


def test_no_verdict_on_what_is_no_function():
    turn = es.LieAlgebra(CIRCLE, [P])
    on_the_line = es.BaseDensity(es.PhaseSpace(1), log_density=-(P**2))
    with pytest.raises(es.ArgumentError, match="angles"):
        turn.check(on_the_line)
    mirror = es.FiniteSymmetry(CIRCLE, [[[-1]]])
    assert mirror.check(cos(Q)).proved
    assert mirror.check(sin(Q)).status == "refuted"
    with pytest.raises(es.FormulaError, match="angle"):
        mirror.check(-(Q**2))
    with pytest.raises(es.ArgumentError, match="angles"):
        mirror.check(on_the_line)
    with pytest.raises(es.FormulaError, match="angle"):
        es.symmetries_of(exp(-(Q**2)), 1, space=CIRCLE)


@pytest.mark.parametrize("family", [es.StandardNormal, es.SoftUniform, es.GaussianFamily])
def test_families_are_uniform_on_angles(family):
    space = es.PhaseSpace(2, angles=[1])
    base = family(space)
    assert space.q[1] not in base.log_density.free_symbols
    assert es.LieAlgebra(space, [space.p[1]]).conditions(base).families


def test_the_normalizer_is_over_one_turn():
    space = es.PhaseSpace(2, angles=[0])
    _, q2, p1, p2 = space.coordinates
    base = es.BaseDensity(space, log_density=1 - q2**2 - (p1 + p2) ** 2 / 3 - p2**2)
    density = lambdify((q2, p1, p2), exp(base.log_density), "numpy")
    grid = np.linspace(-9, 9, 81)
    values = density(*np.meshgrid(grid, grid, grid, indexing="ij"))
    total = np.log(2 * np.pi * values.sum() * (grid[1] - grid[0]) ** 3)
    np.testing.assert_allclose(float(base.log_normalizer), total, rtol=1e-9)
    soft = es.SoftUniform(CIRCLE)
    inner = integrate.quad(lambdify(P, exp(soft.log_density)), -8, 8, points=[-2.5, 2.5])[0]
    np.testing.assert_allclose(float(soft.log_normalizer), np.log(2 * np.pi * inner), rtol=1e-9)


def test_rotations_of_the_circle_are_decided():
    turn = es.LieAlgebra(CIRCLE, [P])
    assert turn.check(es.StandardNormal(CIRCLE)).proved
    assert turn.check(es.BaseDensity(CIRCLE, log_density=2 * cos(Q) - P**2 / 2)).status == "refuted"
    torus = es.PhaseSpace(2, angles=True)
    (q1, q2), (p1, p2) = torus.q, torus.p
    relative = es.BaseDensity(torus, log_density=cos(q1 - q2) - p1**2 - p2**2)
    assert es.LieAlgebra(torus, [p1 + p2]).check(relative).proved
    assert es.LieAlgebra(torus, [p1 - p2]).check(relative).status == "refuted"


@pytest.mark.parametrize(
    ("f", "status"),
    [
        (sign(sin(Q)), "refuted"),
        (atan2(sin(Q), cos(Q)), "refuted"),
        (Piecewise((0, cos(Q) > 0)), "refuted"),
        (sin(Q / 2) ** 2 + cos(Q) / 2, "proved"),
    ],
)
def test_jumps_on_the_circle_are_seen(f, status):
    base = es.BaseDensity(CIRCLE, log_density=f - P**2)
    assert es.LieAlgebra(CIRCLE, [P]).check(base).status == status


def test_factors_on_a_torus_are_not_told_apart_by_linear_changes():
    torus, plane = es.PhaseSpace(2, angles=True), es.PhaseSpace(2)
    (p1, p2) = torus.p
    assert es.LieAlgebra(torus, [p1, p2]).disentangle().proved
    # The diagonals of a torus meet at two points: (q1 + q2)/2 is no function on it.
    assert es.LieAlgebra(plane, [p1 + p2, p1 - p2]).disentangle().proved
    assert es.LieAlgebra(torus, [p1 + p2, p1 - p2]).disentangle().status == "undecided"


def test_finite_symmetries_map_angles_to_angles():
    mixed = es.PhaseSpace(2, angles=[0])
    torus = es.PhaseSpace(2, angles=True)
    assert es.FiniteSymmetry(torus, [[[0, -1], [1, -1]]]).order == 3
    half = [[0, Rational(1, 2)], [2, 0]]
    assert es.FiniteSymmetry(es.PhaseSpace(2), [half]).order == 2
    with pytest.raises(es.ArgumentError, match="an integer between angles"):
        es.FiniteSymmetry(torus, [half])
    for matrix in ([[0, 1], [1, 0]], [[-1, 1], [0, 1]], [[1, 0], [1, -1]]):
        with pytest.raises(es.ArgumentError, match="position that is none"):
            es.FiniteSymmetry(mixed, [matrix])


def test_symmetries_of_finds_no_polynomials_of_angles():
    space = es.PhaseSpace(2, angles=[0])
    _, q2, p1, p2 = space.coordinates
    found = es.symmetries_of(es.StandardNormal(space), 2, finite=True)
    assert set(found.lie.generators) == {p1, p1**2, p2**2 + q2**2}
    assert all(matrix.is_diagonal() for matrix in found.finite.generators)
    # On the line this is a polynomial symmetry as well; on the circle it is none.
    flat = es.PhaseSpace(2)
    assert len(es.symmetries_of(-(q2**2), 2, space=flat).generators) > len(
        es.symmetries_of(-(q2**2), 2, space=space).generators
    )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(-4, 4), min_size=n, max_size=n), min_size=1, max_size=3
        )
    )
)
def test_an_integer_kernel_is_all_of_it(rows):
    width, matrix = len(rows[0]), Matrix(rows)
    found = integer_kernel(rows, width)
    assert len(found) == width - matrix.rank()
    assert all(not any(matrix * Matrix(n)) for n in found)
    if found:
        basis = Matrix(found)
        minors = [
            abs(basis.extract(range(len(found)), list(columns)).det())
            for columns in product(range(width), repeat=len(found))
            if len(set(columns)) == len(columns)
        ]
        assert gcd(*map(int, minors)) == 1  # saturated


@pytest.mark.parametrize("size", [3, 4])
def test_plaquettes_and_polyakov_loops_are_found(size):
    rows = gauss_law(size)
    space = es.PhaseSpace(2 * size**2, angles=True)
    law = [Add(*(c * p for c, p in zip(row, space.p, strict=True))) for row in rows]
    algebra = es.LieAlgebra(space, law)
    found = algebra.invariants(1, of="q")
    assert found.max_independent == size**2 + 1
    assert found.is_attained
    forms = [f.args[0] for f in found.generators[::2]]
    assert [f.args[0] for f in found.generators[1::2]] == forms
    lengths = sorted(len(form.free_symbols) for form in forms)
    assert lengths == sorted([4] * (size**2 - 1) + [size] * 2) if size == 4 else lengths[-1] <= 4
    # The plaquette at the origin, by hand, is an integer combination of what was found.
    plaquette = [0] * space.dim
    plaquette[0], plaquette[1], plaquette[2], plaquette[2 * size + 1] = 1, -1, -1, 1
    basis = Matrix([[form.coeff(q) for q in space.q] for form in forms])
    solution = basis.T.gauss_jordan_solve(Matrix(plaquette))[0]
    assert all(x.is_Integer for x in solution)


def test_invariants_of_angles_and_of_the_rest():
    space = es.PhaseSpace(4, angles=["q1", "q2"])
    (a, b, x, y), (pa, pb, px, py) = space.q, space.p
    algebra = es.LieAlgebra(space, [2 * pa + 3 * pb, x * py - y * px])
    assert algebra.invariants(2, of="q").generators == (
        x**2 + y**2,
        cos(3 * a - 2 * b),
        sin(3 * a - 2 * b),
    )
    found = algebra.invariants(2, of="s")
    assert all(space.bracket(f, g).expand() == 0 for f in found.generators for g in
               algebra.generators)  # fmt: skip
    assert found.is_attained
    assert found.max_independent == 6
    names = dict(zip(found.names, found.generators, strict=True))
    assert any(relation.subs(names).simplify() == 0 for relation in found.relations)
    construction = invariant_hamiltonian(algebra)
    assert construction.proved
    assert construction.is_generating


@pytest.mark.parametrize("make", [lambda p, q: p[0] * cos(q[0]), lambda p, q: sqrt(2) * p[0] + p[1],
                                  lambda p, q: p[0] + q[1] * p[2] - q[2] * p[1]])  # fmt: skip
def test_other_generators_of_angles_have_no_invariants_here(make):
    space = es.PhaseSpace(3, angles=["q1"])
    with pytest.raises(es.ArgumentError, match="penalty"):
        es.LieAlgebra(space, [make(space.p, space.q)]).invariants(2, of="q")
    mirror = es.FiniteSymmetry(CIRCLE, [[[-1]]])
    with pytest.raises(es.ArgumentError, match="OrbitSum"):
        mirror.invariants(2, of="q")
    assert mirror.invariants(2, of="p").generators == (P**2,)
