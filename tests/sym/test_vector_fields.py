"""Fields on polynomials: gradings against minors, commutators against the Poisson bracket."""

from itertools import combinations
from math import gcd

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from sympy import Matrix

import ehf_sym as es
from ehf_sym.exact.vector_fields import Grading, enough, integer_echelon, restricted_fields

SPACE = es.PhaseSpace(3)
Q, P = SPACE.q, SPACE.p
L = [Q[i] * P[j] - Q[j] * P[i] for i, j in combinations(range(3), 2)]
VECTORS = st.lists(st.integers(-3, 3), min_size=3, max_size=3).map(tuple)


def in_lattice(vector, rows):
    """Whether an integer vector is an integer combination: rank and gcd of minors stay."""

    def invariant(matrix):
        rank = matrix.rank()
        minors = (
            matrix.extract(list(r), list(c)).det()
            for r in combinations(range(matrix.rows), rank)
            for c in combinations(range(matrix.cols), rank)
        )
        return rank, gcd(*map(int, minors)) if rank else 1

    if not rows:
        return not any(vector)
    return invariant(Matrix(rows)) == invariant(Matrix([*rows, vector]))


@given(st.lists(VECTORS, max_size=3), VECTORS, VECTORS)
def test_monomials_share_a_class_exactly_if_they_differ_by_the_lattice(rows, a, b):
    grading = Grading(3, tuple(integer_echelon(rows)))
    difference = tuple(x - y for x, y in zip(a, b, strict=True))
    assert (grading.class_of(a) == grading.class_of(b)) == in_lattice(difference, rows)


def test_rotations_keep_the_degree_of_each_vector_and_parities():
    fields = restricted_fields(SPACE, L, Q)
    assert fields.grading.by_degree
    x, y, z = ((2, 0, 0), (0, 2, 0), (0, 0, 2))
    classes = {fields.grading.class_of(m) for m in (x, y, z)}
    assert len(classes) == 1
    assert fields.grading.class_of((1, 1, 0)) not in classes
    assert fields.grading.class_of((1, 0, 0)) != fields.grading.class_of((0, 1, 0))


def test_commutators_are_those_of_the_brackets():
    # [X_f, X_g] with X_f = {·, f} is −X_{f,g}.
    f, g = Q[0] ** 2 * P[1] + P[2] ** 3, Q[1] * P[0] * P[2] - Q[2] ** 2
    fields = restricted_fields(SPACE, [f, g], SPACE.coordinates)
    ours = [a.as_expr() for a in fields.commutator(*fields.fields)]
    expected = SPACE.vector_field(SPACE.bracket(f, g))
    assert [sp.expand(a + b) for a, b in zip(ours, expected, strict=True)] == [0] * 6


def test_a_common_factor_does_not_leave_the_rationals():
    fields = restricted_fields(SPACE, [sp.sqrt(3) * L[0], sp.pi * L[1]], Q)
    assert fields.ring.domain.is_QQ
    assert restricted_fields(SPACE, [P[0] + sp.sqrt(3) * P[1]], Q).ring.domain.is_Algebraic


def test_brackets_of_others_are_left_out():
    assert len(enough(restricted_fields(SPACE, L, Q)).fields) == 2
    two = restricted_fields(SPACE, L[:2], Q)
    assert len(two.fields) == len(enough(two).fields) == 2
    assert len(two.independent_at_random()) == 2
    assert len(restricted_fields(SPACE, L[:2], SPACE.coordinates).independent_at_random()) == 3


@pytest.mark.parametrize("generators", [L, [*L, *P], [Q[0] * P[1] + P[2] ** 2, P[0] * Q[2]]])
def test_what_is_annihilated_is_annihilated_by_all(generators):
    fields = restricted_fields(SPACE, generators, SPACE.coordinates)
    fewer = enough(fields)
    found = fewer.annihilated(3)
    assert {k: len(v) for k, v in found.items()} == {
        k: len(v) for k, v in fields.annihilated(3).items()
    } or fewer.grading != fields.grading
    for poly in (poly for polys in found.values() for poly in polys):
        assert all(not fields.apply(field, poly) for field in fields.fields)


def test_a_condition_on_monomials_is_kept():
    fields = restricted_fields(SPACE, [sum(x**2 for x in P)], SPACE.coordinates)
    found = fields.annihilated(3, lambda m: sum(m[3:]) <= 1)
    formulas = [poly.as_expr() for polys in found.values() for poly in polys]
    assert len(formulas) == 6
    assert all(sp.Poly(f, *P).total_degree() <= 1 for f in formulas)
