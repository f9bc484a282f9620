"""Declaring a symmetry: what is admitted and what is refused."""

import pytest
import sympy as sp
from sympy import Float, Matrix, Symbol, cos, sin

import ehf_sym as es

SPACE = es.PhaseSpace(2)
(Q1, Q2), (P1, P2) = SPACE.q, SPACE.p
ROTATION = Q1 * P2 - Q2 * P1


def test_generators_are_kept_in_order_as_a_tuple():
    for generators in (
        [ROTATION, P1],
        (ROTATION, P1),
        Matrix([ROTATION, P1]),
        iter([ROTATION, P1]),
    ):
        assert es.LieAlgebra(SPACE, generators).generators == (ROTATION, P1)


def test_equality_and_hash_follow_the_generators():
    assert es.LieAlgebra(SPACE, [ROTATION]) == es.LieAlgebra(es.PhaseSpace(2), (ROTATION,))
    assert hash(es.LieAlgebra(SPACE, [ROTATION])) == hash(es.LieAlgebra(SPACE, [ROTATION]))
    assert es.LieAlgebra(SPACE, [ROTATION]) != es.LieAlgebra(SPACE, [P1])


@pytest.mark.parametrize(
    ("generators", "error", "message"),
    [
        ([], es.ArgumentError, "generators is empty"),
        (ROTATION, es.ArgumentError, "should be a sequence of formulas"),
        ("q1*p2", es.ArgumentError, "should be a sequence of formulas"),
        (["q1*p2"], es.FormulaError, r"generators\[0\] is the text 'q1\*p2'"),
        ([P1, Symbol("x")], es.FormulaError, r"generators\[1\] contains the foreign symbol x"),
        ([Float("0.5") * P1], es.FormulaError, r"generators\[0\] contains the float 0.5"),
        ([P1, 0], es.FormulaError, r"generators\[1\] is 0, which is identically zero"),
        (
            [sin(Q1) ** 2 + cos(Q1) ** 2 - 1],
            es.FormulaError,
            r"generators\[0\] is .*, which is identically zero",
        ),
    ],
)
def test_bad_generators_are_refused(generators, error, message):
    with pytest.raises(error, match=message):
        es.LieAlgebra(SPACE, generators)


def test_labels_name_generators_and_do_not_count_for_equality():
    named = es.LieAlgebra(SPACE, [ROTATION, P1], labels=["L_12", "P_1"])
    assert named.labels == ("L_12", "P_1")
    plain = es.LieAlgebra(SPACE, [ROTATION, P1])
    assert plain.labels == ("g1", "g2")
    assert named == plain
    assert hash(named) == hash(plain)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("L", "labels is 'L'"),
        (3, "labels is 3"),
        (["L"], "labels holds 1 texts for 2 generators"),
        (["L", "P", "Q"], "labels holds 3 texts for 2 generators"),
        (["L", "L"], r"labels\[1\] is 'L', which is already used"),
        (["L", 1], r"labels\[1\] is 1"),
        (["L", "a b"], r"labels\[1\] is 'a b'"),
        (["L", ""], r"labels\[1\] is ''"),
        (["L", "x" * 21], r"labels\[1\] is 'x+'"),
    ],
)
def test_bad_labels_are_refused(labels, message):
    with pytest.raises(es.ArgumentError, match=message):
        es.LieAlgebra(SPACE, [ROTATION, P1], labels=labels)


def test_space_is_checked():
    with pytest.raises(es.ArgumentError, match="space is 2"):
        es.LieAlgebra(2, [ROTATION])


def test_base_is_checked():
    symmetry = es.LieAlgebra(SPACE, [ROTATION])
    with pytest.raises(es.ArgumentError, match="base is 'normal'"):
        symmetry.check("normal")
    with pytest.raises(es.ArgumentError, match=r"PhaseSpace\(dim=3\).*PhaseSpace\(dim=2\)"):
        symmetry.check(es.StandardNormal(es.PhaseSpace(3)))


def test_notebooks_show_the_generators():
    assert es.LieAlgebra(SPACE, [ROTATION, P1])._repr_latex_() == (
        r"$\left\langle - p_{1} q_{2} + p_{2} q_{1}, p_{1} \right\rangle$"
    )


def test_the_adjoint_matrices_have_the_algebras_own_commutators():
    algebra = es.groups.so(3)
    constants = algebra.structure_constants
    for i, first in enumerate(algebra.adjoint):
        assert [list(first[:, j]) for j in range(3)] == constants[i].tolist()
        for j, second in enumerate(algebra.adjoint):
            parts = (constants[i, j, k] * algebra.adjoint[k] for k in range(3))
            expected = sum(parts, sp.zeros(3, 3))
            assert first * second - second * first == expected


def test_central_series_of_nilpotent_and_other_algebras():
    assert [len(g.generators) for g in es.groups.heisenberg(2).lower_central_series()] == [5, 1]
    assert [len(g.generators) for g in es.groups.e(2).lower_central_series()] == [3, 2]
    assert [len(g.generators) for g in es.groups.so(3).lower_central_series()] == [3]


def test_combinations_take_a_coefficient_for_each_generator():
    algebra = es.groups.so(3)
    with pytest.raises(es.ArgumentError, match="coefficients holds 2; it should hold one for each"):
        algebra.combination([1, 2])


def test_reports_say_what_is_abelian_and_cut_long_lists():
    text = str(es.groups.translations(3).describe())
    assert "abelian" in text
    long = str(es.groups.translations(30).describe())
    assert "and 6 more" in long
    assert "P_24" in long
    assert "P_25 =" not in long
    assert "period 2*pi" in str(es.groups.so(2).action(0))
