"""Structure of abstract Lie algebras: textbook values, and answers that no basis changes."""

from itertools import combinations, combinations_with_replacement, pairwise

import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import QQ

import ehf_sym as es
from ehf_sym.exact.linear import Subspace
from ehf_sym.lie import ideals, simple
from ehf_sym.lie.casimirs import CasimirCount, casimir_count, casimirs
from ehf_sym.lie.classification import identify
from ehf_sym.lie.ideals import centroid, decompose, levi_complement
from ehf_sym.lie.simple import real_forms, signature
from ehf_sym.lie.structure import LieStructure


def from_matrices(matrices):
    """Structure of a span of matrices that is closed under the commutator."""
    columns = sp.Matrix([list(m) for m in matrices]).T
    n = len(matrices)
    constants = [[[0] * n for _ in range(n)] for _ in range(n)]
    for i, j in combinations(range(n), 2):
        commutator = matrices[i] * matrices[j] - matrices[j] * matrices[i]
        solution = columns.gauss_jordan_solve(sp.Matrix(list(commutator)))[0]
        for k in range(n):
            constants[i][j][k], constants[j][i][k] = solution[k], -solution[k]
    return LieStructure.from_constants(constants)


def unit(n, i, j):
    return sp.SparseMatrix(n, n, {(i, j): 1})


def gl(n):
    return from_matrices([unit(n, i, j) for i in range(n) for j in range(n)])


def sl(n):
    off = [unit(n, i, j) for i in range(n) for j in range(n) if i != j]
    return from_matrices([*off, *(unit(n, i, i) - unit(n, n - 1, n - 1) for i in range(n - 1))])


def so(p, q=0):
    n = p + q
    metric = [1] * p + [-1] * q
    pairs = combinations(range(n), 2)
    return from_matrices([metric[i] * unit(n, i, j) - metric[j] * unit(n, j, i) for i, j in pairs])


def euclidean(n):
    """Rotations and translations as affine matrices."""
    turns = [unit(n + 1, i, j) - unit(n + 1, j, i) for i, j in combinations(range(n), 2)]
    return from_matrices([*turns, *(unit(n + 1, i, n) for i in range(n))])


def heisenberg(n):
    table = {(i, n + i): {2 * n: QQ(1)} for i in range(n)}
    return LieStructure(QQ, 2 * n + 1, table)


def direct_sum(*parts):
    table, shift = {}, 0
    for part in parts:
        for (i, j), row in part.table.items():
            table[i + shift, j + shift] = {k + shift: c for k, c in row.items()}
        shift += part.dim
    return LieStructure(QQ, shift, table)


def changed(g, matrix):
    """The same algebra with the rows of an invertible matrix as basis."""
    basis = Subspace.whole(QQ, g.dim).basis
    rows = [{j: QQ(int(x)) for j, x in enumerate(matrix.row(i)) if x} for i in range(g.dim)]
    inverse = matrix.inv()
    table = {}
    for i, j in combinations(range(g.dim), 2):
        old = g.bracket(rows[i], rows[j])
        vector = sp.Matrix([[old.get(k, 0) for k in range(len(basis))]]) * inverse
        table[i, j] = {k: QQ.from_sympy(x) for k, x in enumerate(vector) if x}
    return LieStructure(QQ, g.dim, table)


ALGEBRAS = {
    "so(3)": so(3),
    "sl(2,R)": sl(2),
    "gl(2)": gl(2),
    "e(3)": euclidean(3),
    "heisenberg(2)": heisenberg(2),
    "so(4)": so(4),
    "so(3,1)": so(3, 1),
    "so(2,2)": so(2, 2),
    "so(3) + heisenberg + R^2": direct_sum(so(3), heisenberg(1), LieStructure(QQ, 2, {})),
    "sl(2,R) + e(2)": direct_sum(sl(2), euclidean(2)),
}


def answers(g):
    """Everything that must not depend on the basis."""
    return {
        "centre": ideals.centre(g).dim,
        "derived": [term.dim for term in ideals.derived_series(g)],
        "lower": [term.dim for term in ideals.lower_central_series(g)],
        "radical": ideals.radical(g).dim,
        "nilradical": ideals.nilradical(g).dim,
        "levi": levi_complement(g).dim,
        "killing": signature(QQ, g.killing.rep.to_sdm(), g.dim),
        "summands": sorted(summand.ideal.dim for summand in decompose(g)),
        "identity": identify(g).names,
        "casimirs": casimir_count(g),
        "quadratic": len(casimirs(g, 2)),
    }


@pytest.mark.parametrize("name", ALGEBRAS)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_answers_do_not_depend_on_the_basis(name, data):
    g = ALGEBRAS[name]
    entries = data.draw(
        st.lists(st.integers(-2, 2), min_size=g.dim**2, max_size=g.dim**2), label="matrix"
    )
    matrix = sp.Matrix(g.dim, g.dim, entries) + 3 * sp.eye(g.dim)
    assume(matrix.det() != 0)
    assert answers(changed(g, matrix)) == answers(g)


@pytest.mark.parametrize(
    ("g", "radical", "nilradical", "levi", "centre"),
    [
        (so(3), 0, 0, 3, 0),
        (gl(2), 1, 1, 3, 1),
        (euclidean(2), 3, 2, 0, 0),
        (euclidean(3), 3, 3, 3, 0),
        (heisenberg(2), 5, 5, 0, 1),
        (direct_sum(sl(2), euclidean(2)), 3, 2, 3, 0),
        (from_matrices([unit(2, 0, 0), unit(2, 0, 1)]), 2, 1, 0, 0),
    ],
)
def test_dimensions_of_the_usual_ideals(g, radical, nilradical, levi, centre):
    assert ideals.radical(g).dim == radical
    assert ideals.nilradical(g).dim == nilradical
    assert levi_complement(g).dim == levi
    assert ideals.centre(g).dim == centre


def test_killing_forms_of_textbooks():
    assert so(3).killing_form == -2 * sp.eye(3)
    # sl(2) with h, e, f: K(h, h) = 8, K(e, f) = 4.
    e, f, h = unit(2, 0, 1), unit(2, 1, 0), unit(2, 0, 0) - unit(2, 1, 1)
    assert from_matrices([h, e, f]).killing_form == sp.Matrix([[8, 0, 0], [0, 0, 4], [0, 4, 0]])
    # sl(n): K(x, y) = 2 n tr(x y), and so(n): (n - 2) tr(x y).
    x, y = unit(3, 0, 1), unit(3, 1, 0)
    off = [unit(3, i, j) for i in range(3) for j in range(3) if i != j]
    form = sl(3).killing_form
    assert form[off.index(x), off.index(y)] == 6
    assert so(5).killing_form == -6 * sp.eye(10)
    assert heisenberg(3).killing_form == sp.zeros(7)


def test_heisenberg_series_and_centre():
    g = heisenberg(2)
    assert [term.dim for term in ideals.lower_central_series(g)] == [5, 1, 0]
    assert ideals.centre(g).basis == ({4: 1},)
    assert ideals.is_nilpotent(g)
    assert not ideals.is_abelian(g)


def test_triangular_matrices_have_their_strict_part_as_nilradical():
    g = from_matrices([unit(3, i, j) for i in range(3) for j in range(i, 3)])
    assert ideals.is_solvable(g)
    assert not ideals.is_nilpotent(g)
    # The multiples of the identity are central, hence nilpotent too.
    assert ideals.nilradical(g).dim == 4
    assert [term.dim for term in ideals.derived_series(g)] == [6, 3, 1, 0]


def test_levi_complement_of_the_euclidean_algebra_closes():
    shift = sp.eye(6)
    shift[0, 3], shift[1, 5], shift[2, 4] = 2, -1, 3
    for g in (euclidean(3), changed(euclidean(3), shift)):
        levi = levi_complement(g)
        assert levi.dim == 3
        assert g.brackets(levi, levi) <= levi
        assert (levi + ideals.radical(g)).dim == 6
        assert identify(g.restricted(levi)).names == ("so(3)", "su(2)")


def test_levi_complement_is_lifted_through_a_radical_that_is_not_abelian():
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    turned = [q1**2 + q2, p1**2 + q1, q1 * p1 + p2 - 7, q1, p1, q2, p2, 1]
    g = es.LieAlgebra(space, turned).close().structure
    levi = levi_complement(g)
    assert g.dim == 8
    assert levi.dim == 3
    assert g.brackets(levi, levi) <= levi
    assert levi.meet(ideals.radical(g)).dim == 0


def test_direct_sums_are_indecomposable_ideals():
    g = changed(
        direct_sum(so(3), so(3), euclidean(2)),
        sp.Matrix(9, 9, lambda i, j: (i * j + i) % 5 - 2) + 4 * sp.eye(9),
    )
    parts = [summand.ideal for summand in decompose(g)]
    assert sorted(part.dim for part in parts) == [3, 3, 3]
    for a, b in combinations(parts, 2):
        assert g.brackets(a, b).dim == 0
        assert a.meet(b).dim == 0
    assert all(g.brackets(g.everything, part) <= part for part in parts)
    assert identify(g).description == "e(2) + so(3) + so(3)"


def test_an_unlucky_draw_does_not_hide_a_splitting(monkeypatch):
    """Of two maps in the centroid, zero weights tell nothing; equal ones may not either."""

    class Unlucky:
        def __init__(self, seed):
            self.drawn = iter([0, 0, 1, 2])

        def randint(self, low, high):
            return next(self.drawn)

    monkeypatch.setattr("ehf_sym.lie.ideals.Random", Unlucky)
    assert [summand.ideal.dim for summand in decompose(so(4))] == [3, 3]


def test_centroid_commutes_with_the_adjoint_action():
    for g in (so(3, 1), heisenberg(1), direct_sum(so(3), so(3))):
        for phi in centroid(g):
            for x in g.everything.basis:
                assert phi * g.adjoint(x) == g.adjoint(x) * phi
    assert len(centroid(so(3, 1))) == 2
    assert len(centroid(so(5))) == 1


def test_lines_that_no_bracket_reaches_are_split_off():
    g = direct_sum(heisenberg(1), LieStructure(QQ, 2, {}))
    assert sorted(summand.ideal.dim for summand in decompose(g)) == [1, 1, 3]
    assert identify(g).names == ("heisenberg(1) + R^2",)


@pytest.mark.parametrize(
    ("g", "count"),
    [
        (so(3), 1),
        (so(4), 2),
        (so(5), 2),
        (sl(3), 2),
        (euclidean(2), 1),
        (euclidean(3), 2),
        (heisenberg(2), 1),
        (gl(3), 3),
        (euclidean(4), 2),
    ],
)
def test_number_of_casimirs(g, count):
    """The rank for reductive algebras; floor((n + 1)/2) for e(n); 1 for Heisenberg's."""
    assert casimir_count(g) == CasimirCount(count, exact=True)


def test_a_centralizer_that_does_not_commute_is_no_cartan_subalgebra(monkeypatch):
    """In so(4) = so(3) + so(3), L_12 + L_34 lies in one part and commutes with all of the other."""
    g = es.groups.so(4).structure
    special, drawn = {0: QQ(1), 5: QQ(1)}, simple._random_element
    assert ideals.centralizer(g, Subspace.spanned(QQ, 6, [special])).dim == 4
    draws = iter([special])
    monkeypatch.setattr(
        simple, "_random_element", lambda g, random: next(draws, None) or drawn(g, random)
    )
    assert simple.cartan_subalgebra(g).dim == 2


def test_casimirs_of_textbooks():
    e = sp.symbols("e1:7", real=True)
    found = [poly.as_expr() for poly in casimirs(euclidean(3), 2)]
    p = e[3:]
    turns = {(0, 1): e[0], (0, 2): e[1], (1, 2): e[2]}
    dual = turns[0, 1] * p[2] - turns[0, 2] * p[1] + turns[1, 2] * p[0]
    for wanted in (p[0] ** 2 + p[1] ** 2 + p[2] ** 2, dual):
        combination = sum(c * f for c, f in zip(es.coordinates(found, wanted), found, strict=True))
        assert sp.expand(combination - wanted) == 0
    assert len(found) == 2
    # su(3)-like: sl(3) has one of degree 2, one of degree 3.
    assert [len(casimirs(sl(3), k)) for k in (1, 2, 3)] == [0, 1, 1]


def test_signature_with_zero_squares_on_the_diagonal():
    form = sp.Matrix([[0, 1, 2, 0], [1, 0, 3, 0], [2, 3, 0, 0], [0, 0, 0, 0]])
    rows = {i: {j: QQ.from_sympy(form[i, j]) for j in range(4) if form[i, j]} for i in range(4)}
    values = [complex(x) for x in form.charpoly().nroots()]
    expected = sum(v.real > 1e-9 for v in values), sum(v.real < -1e-9 for v in values)
    assert signature(QQ, rows, 4) == (*expected, 1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-2, 2), min_size=10, max_size=10))
def test_signatures_are_those_of_the_eigenvalues(entries):
    form = sp.zeros(4)
    pairs = combinations_with_replacement(range(4), 2)
    for (i, j), x in zip(pairs, entries, strict=True):
        form[i, j] = form[j, i] = x
    rows = {i: {j: QQ.from_sympy(form[i, j]) for j in range(4) if form[i, j]} for i in range(4)}
    coefficients = form.charpoly().all_coeffs()

    # Descartes' rule is exact where all roots are real.
    def changes(c):
        signs = [x > 0 for x in c if x]
        return sum(a != b for a, b in pairwise(signs))

    positive = changes(coefficients)
    negative = changes([c * (-1) ** k for k, c in enumerate(coefficients)])
    assert signature(QQ, rows, 4) == (positive, negative, 4 - positive - negative)


def test_real_forms_have_the_dimensions_of_helgasons_table():
    assert dict(real_forms(("A", 3))) == {
        "su(4)": 15,
        "su(3,1)": 9,
        "su(2,2)": 7,
        "sl(4,R)": 6,
        "su*(4)": 10,
    }
    assert dict(real_forms(("B", 2))) == {"so(5)": 10, "so(4,1)": 6, "so(3,2)": 4}
    assert dict(real_forms(("C", 3))) == {"sp(6,R)": 9, "sp(3)": 21, "sp(2,1)": 13}
    assert dict(real_forms(("D", 5)))["so*(10)"] == 25


def test_what_is_no_lie_algebra_is_refused():
    with pytest.raises(es.ArgumentError, match="Jacobi identity for e1, e2, e3"):
        LieStructure(QQ, 3, {(0, 1): {0: QQ(1)}, (0, 2): {1: QQ(1)}})
    constants = [[[0, 0], [1, 0]], [[1, 0], [0, 0]]]
    with pytest.raises(es.ArgumentError, match="antisymmetric"):
        LieStructure.from_constants(constants)
    with pytest.raises(es.ArgumentError, match=r"constants\[0\]\[1\] is not in the field"):
        LieStructure.from_constants([[[0, 0], [sp.sqrt(2), 0]], [[-sp.sqrt(2), 0], [0, 0]]])
    with pytest.raises(es.ArgumentError, match=r"constants\[0\]\[0\] holds 1 numbers"):
        LieStructure.from_constants([[[0], [1, 0]], [[1, 0], [0, 0]]])
