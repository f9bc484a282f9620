"""The catalogue's groups have the brackets of the textbooks, written out here once more."""

from itertools import combinations

import numpy as np
import pytest
import sympy as sp
from brackets import (
    assert_table,
    assert_zero,
    delta,
    euclidean,
    f_table,
    galilei_bracket,
    indices,
    rotation,
    rotations_bracket,
    total,
    vector,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import ehf_sym as es
from ehf_sym.catalogue import groups
from ehf_sym.catalogue.generators import cotangent_lift, gell_mann, hermitian_form, realification


def test_so3_is_the_cross_product():
    algebra = groups.so(3)
    q, p = (sp.Matrix(x) for x in (algebra.space.q, algebra.space.p))
    assert sp.Matrix(algebra.generators) == q.cross(p)
    assert_table(
        algebra,
        lambda a, b: total(
            *(vector("L", k, sp.LeviCivita(*indices(a), *indices(b), k)) for k in (1, 2, 3))
        ),
    )


@pytest.mark.parametrize("n", [2, 4, 5, 6])
def test_so(n):
    assert_table(groups.so(n), lambda a, b: rotations_bracket(*indices(a), *indices(b), n))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 3), (3, 1), (2, 2), (1, 4)])
def test_so_of_a_metric(n, m):
    metric = [1] * n + [-1] * m
    algebra = groups.so(n, m)
    assert_table(
        algebra,
        lambda a, b: rotations_bracket(*indices(a), *indices(b), n + m, metric, "J"),
    )
    square = sum(s * x**2 for s, x in zip(metric, algebra.space.q, strict=True))
    for generator in algebra.generators:
        assert_zero(algebra.space.bracket(generator, square))


def test_rotations_turn_counterclockwise():
    space = groups.so(2).space
    (q1, q2), (rotation_,) = space.q, groups.so(2).generators
    assert space.bracket([q1, q2], rotation_) == sp.Matrix([-q2, q1])


@given(st.integers(1, 4), st.data())
def test_gl_has_the_brackets_of_matrix_units(n, data):
    i, j, k, m = (data.draw(st.integers(1, n)) for _ in range(4))
    algebra = groups.gl(n)
    E = dict(zip(algebra.labels, algebra.generators, strict=True))
    bracket = algebra.space.bracket(E[f"E_{i}{j}"], E[f"E_{k}{m}"])
    assert_zero(bracket - delta(j, k) * E[f"E_{i}{m}"] + delta(i, m) * E[f"E_{k}{j}"])


@pytest.mark.parametrize("n", [2, 3, 4])
def test_sl(n):
    def expected(a, b):
        if a.startswith("H"):
            if b.startswith("H"):
                return {}
            (i,), (j, k) = indices(a), indices(b)
            return {b: delta(i, j) - delta(i + 1, j) - delta(i, k) + delta(i + 1, k)}
        (i, j), (k, m) = indices(a), indices(b)
        if (j, i) == (k, m):
            return {f"H_{r}": 1 if i < j else -1 for r in range(min(i, j), max(i, j))}
        return total(
            {f"E_{i}{m}": 1} if j == k else {},
            {f"E_{k}{j}": -1} if i == m else {},
        )

    assert_table(groups.sl(n), expected)
    space = groups.sl(n).space
    for generator in groups.sl(n).generators:
        divergence = sum(generator.diff(q, p) for q, p in zip(space.q, space.p, strict=True))
        assert divergence == 0


@pytest.mark.parametrize("n", [2, 4, 6])
def test_sp(n):
    def symmetric(letter, i, j, coefficient):
        return {f"{letter}_{min(i, j)}{max(i, j)}": coefficient}

    def expected(a, b):
        (i, j), (k, m) = indices(a), indices(b)
        kinds = a[0] + b[0]
        if kinds == "QP":
            pairs = [(i, k, j, m), (i, m, j, k), (j, k, i, m), (j, m, i, k)]
            return total(*({f"C_{r}{s}": delta(x, y)} for x, y, r, s in pairs))
        if kinds == "QC":
            return total(symmetric("Q", j, k, delta(i, m)), symmetric("Q", i, k, delta(j, m)))
        if kinds == "CP":
            return total(symmetric("P", j, m, delta(i, k)), symmetric("P", j, k, delta(i, m)))
        if kinds == "CC":
            return total({f"C_{k}{j}": delta(i, m)}, {f"C_{i}{m}": -delta(j, k)})
        return {}

    assert_table(groups.sp(n), expected)


@pytest.mark.parametrize(
    "algebra",
    [groups.su(3), groups.oscillator_su(3), groups.oscillator_su(3, scale=sp.Rational(7, 3))],
    ids=["su(3)", "oscillator", "scaled oscillator"],
)
def test_su3_has_gell_manns_structure_constants(algebra):
    assert_table(algebra, f_table)


@pytest.mark.parametrize("algebra", [groups.su(2), groups.oscillator_su(2)], ids=["su", "osc"])
def test_su2_has_the_brackets_of_so3(algebra):
    assert_table(
        algebra,
        lambda a, b: total(
            *(vector("T", c, sp.LeviCivita(*indices(a), *indices(b), c)) for c in (1, 2, 3))
        ),
    )


@pytest.mark.parametrize("make", [groups.u, groups.oscillator_u], ids=["u", "oscillator_u"])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_u_has_the_commutators_of_hermitian_matrices(make, n):
    matrices = [sp.eye(n), *(x / 2 for x in gell_mann(n))]

    def expected(a, b):
        A, B = (matrices[int(label[2:])] for label in (a, b))
        # [A, B] = i f_c T_c, and tr T_c T_d = δ_cd/2 except for T_0.
        commutator = -sp.I * (A * B - B * A)
        return {f"T_{c}": 2 * (commutator * matrices[c]).trace() for c in range(1, n * n)}

    assert_table(make(n), expected)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_gell_mann_matrices_are_hermitian_traceless_and_orthogonal(n):
    matrices = list(gell_mann(n))
    assert len(matrices) == n * n - 1
    for a, A in enumerate(matrices):
        assert A.H == A
        assert A.trace() == 0
        for b, B in enumerate(matrices):
            assert sp.expand((A * B).trace()) == 2 * delta(a, b)


def test_gell_manns_eighth_matrix():
    assert list(gell_mann(3))[7] == sp.diag(1, 1, -2) / sp.sqrt(3)


@given(st.integers(1, 3), st.data())
def test_forms_are_what_they_are_in_complex_numbers(n, data):
    numbers = st.integers(-3, 3)
    raw = sp.Matrix(n, n, lambda i, j: data.draw(numbers) + sp.I * data.draw(numbers))
    X = raw + raw.H
    c = data.draw(st.integers(1, 3))
    q, p = ([data.draw(numbers) for _ in range(n)] for _ in range(2))
    z = sp.Matrix(q) * sp.sqrt(c) / sp.sqrt(2) + sp.I * sp.Matrix(p) / sp.sqrt(2 * c)
    assert sp.expand((z.H * X * z)[0] - hermitian_form(X, q, p, sp.Integer(c))) == 0
    w = sp.Matrix([a + sp.I * b for a, b in zip(q, p, strict=True)])
    flat = sp.Matrix([x for pair in zip(q, p, strict=True) for x in pair])
    image, expected = realification(X) * flat, X * w
    for k in range(n):
        assert sp.expand(image[2 * k] + sp.I * image[2 * k + 1] - expected[k]) == 0


@pytest.mark.parametrize("n", [2, 3, 4])
def test_e(n):
    assert_table(groups.e(n), lambda a, b: euclidean(a, b, n))


@pytest.mark.parametrize("mass", [1, sp.Symbol("m", positive=True), sp.Rational(5, 3)])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_galilei(n, mass):
    assert_table(groups.galilei(n, mass=mass), lambda a, b: galilei_bracket(a, b, n))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_conformal(n):
    def expected(a, b):
        if (a[0], b[0]) == ("P", "K"):
            (j,), (i,) = indices(a), indices(b)
            return total({"D": -2 * delta(i, j)}, rotation(i, j, n, -2))
        if (a[0], b) == ("P", "D"):
            return {a: -1}
        if (a, b[0]) == ("D", "K"):
            return {b: -1}
        return euclidean(a, b, n)

    assert_table(groups.conformal(n), expected)


@pytest.mark.parametrize("n", [2, 3])
def test_special_conformal_maps_are_inverted_translations(n):
    # Under q ↦ q/|q|² the field of a translation becomes that of a special conformal map.
    algebra = groups.conformal(n)
    q, p = algebra.space.q, algebra.space.p
    square = sum(x**2 for x in q)
    K = dict(zip(algebra.labels, algebra.generators, strict=True))
    inversion = sp.Matrix([x / square for x in q])
    for i in range(n):
        field = sp.Matrix([K[f"K_{i + 1}"].diff(x) for x in p])
        # Minus sign: d/dε of I(I(q) − ε e_i) is 2q_i q − |q|² e_i.
        pushed = inversion.jacobian(q).inv() * sp.Matrix([-delta(i, j) for j in range(n)])
        for x in field - pushed:
            assert_zero(sp.together(x))


@pytest.mark.parametrize("n", [1, 3])
def test_heisenberg(n):
    assert_table(
        groups.heisenberg(n),
        lambda a, b: {"1": delta(indices(a), indices(b))} if a[0] + b[0] == "QP" else {},
    )


def test_translations_and_dilation():
    assert_table(groups.translations(4), lambda a, b: {})
    space = groups.dilation(3).space
    (D,) = groups.dilation(3).generators
    assert space.vector_field(D) == sp.Matrix([*space.q, *(-x for x in space.p)])


entries = st.integers(-4, 4)


@given(st.integers(1, 3), st.data())
@settings(max_examples=20)
def test_the_lift_is_a_homomorphism(n, data):
    A, B = (sp.Matrix(n, n, lambda i, j: data.draw(entries)) for _ in range(2))
    space = es.PhaseSpace(n)
    bracket = space.bracket(cotangent_lift(A, space), cotangent_lift(B, space))
    assert_zero(bracket - cotangent_lift(A * B - B * A, space))
    assert space.bracket(list(space.q), cotangent_lift(A, space)) == A * sp.Matrix(space.q)


def test_linear_takes_matrices_of_all_kinds():
    shear = [[0, 1], [0, 0]]
    given_ = [shear, sp.Matrix(shear), tuple(map(tuple, shear))]
    for matrix in given_:
        (generator,) = groups.linear([matrix]).generators
        assert str(generator) == "p1*q2"
    m = sp.Symbol("m", positive=True)
    space = es.PhaseSpace(1, [m])
    assert groups.linear([[[m]]], space=space).generators == (m * space.p[0] * space.q[0],)


@pytest.mark.parametrize(
    ("matrices", "error", "message"),
    [
        ([], es.ArgumentError, "matrices is empty"),
        ("so", es.ArgumentError, "matrices is 'so'"),
        (3, es.ArgumentError, "matrices is 3"),
        ([3], es.ArgumentError, r"matrices\[0\] is 3"),
        ([[[1, 2]]], es.ArgumentError, r"shape \(1, 2\)"),
        ([[[1, 2], [3]]], es.ArgumentError, "should be a matrix"),
        ([[[1]], [[1, 0], [0, 1]]], es.ArgumentError, r"shape \(2, 2\)"),
        ([[[0.5]]], es.FormulaError, "float"),
        ([[[sp.I]]], es.FormulaError, "contains I"),
        ([[[0]]], es.FormulaError, "identically zero"),
        ([[["q1"]]], es.FormulaError, "text|foreign|scalar|differ"),
    ],
)
def test_linear_refuses(matrices, error, message):
    with pytest.raises(error, match=message):
        groups.linear(matrices)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: groups.so(1), r"n is 1; it should be at least 2"),
        (lambda: groups.so(0, 2), "n is 0"),
        (lambda: groups.so(2, -1), "m is -1; it should be a non-negative integer"),
        (lambda: groups.so(2.0), "n is 2.0"),
        (lambda: groups.so(True), "n is True"),
        (lambda: groups.sl(1), "n is 1; it should be an integer from 2 on"),
        (lambda: groups.sp(3), "n is 3; it should be even"),
        (lambda: groups.su(1), "n is 1"),
        (lambda: groups.oscillator_su(2, scale=-1), "scale is -1; it should be positive"),
        (lambda: groups.oscillator_u(2, scale=sp.Symbol("c", real=True)), "scale is c"),
        (lambda: groups.galilei(2, mass=0), "mass is 0"),
        (lambda: groups.so(3, space=3), "space is 3; it should be a PhaseSpace"),
        (lambda: groups.so(3, space=es.PhaseSpace(2)), "space has 2 positions; it should have 3"),
        (lambda: groups.su(2, space=es.PhaseSpace(2)), "it should have 4"),
        (lambda: groups.galilei(2, space=es.PhaseSpace(2)), "they should include m"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(es.ArgumentError, match=message):
        call()


def test_groups_live_on_a_given_space():
    m = sp.Symbol("m", positive=True)
    space = es.PhaseSpace(3, [m])
    for algebra in (
        groups.so(3, space=space),
        groups.galilei(3, space=space),
        groups.e(3, space=space),
    ):
        assert algebra.space == space
    assert groups.so(np.int64(3)) == groups.so(3)


def test_labels_of_ten_and_more():
    labels = groups.gl(10).labels
    assert labels[0] == "E_11"
    assert "E_1,10" in labels
    assert len(set(labels)) == 100
    assert all(a != b for a, b in combinations(groups.so(12).labels, 2))
