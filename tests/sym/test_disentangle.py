"""Direct products: built, recovered after linear changes of coordinates, and refuted."""

import json
from itertools import combinations

import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import QQ

import ehf_sym as es
from ehf_sym.lie.disentangle import split_space


def rotations(dim):
    space = es.PhaseSpace(dim)
    pairs = combinations(zip(space.q, space.p, strict=True), 2)
    return es.LieAlgebra(space, [a * d - b * c for (a, c), (b, d) in pairs])


def moved_by_a_linear_map(symmetry, matrix):
    """Substitute q = M q', p = M^-T p', a canonical transformation."""
    space = symmetry.space
    new_q = matrix * sp.Matrix(space.q)
    new_p = matrix.inv().T * sp.Matrix(space.p)
    names = dict(zip(space.coordinates, [*new_q, *new_p], strict=True))
    return es.LieAlgebra(space, [sp.expand(g.xreplace(names)) for g in symmetry.generators])


def really_independent(report):
    """Put the velocities into the claimed coordinates, by SymPy's own calculus."""
    space = report.symmetry.space
    forms = [form for factor in report.factors for form in factor.own] + list(report.at_rest)
    coordinates = space.q if report.of == "q" else space.coordinates
    jacobian = sp.Matrix([[form.diff(x) for x in coordinates] for form in forms])
    assert jacobian.det() != 0
    y = sp.symbols(f"y1:{len(forms) + 1}")
    back = dict(zip(coordinates, jacobian.inv() * sp.Matrix(y), strict=True))
    start = 0
    for factor in report.factors:
        own = set(y[start : start + len(factor.own)])
        for generator in factor.algebra.generators:
            for k, form in enumerate(forms):
                velocity = sp.expand(space.bracket(form, generator).xreplace(back))
                if y[k] in own:
                    assert velocity.free_symbols <= own
                else:
                    assert velocity == 0
        start += len(factor.own)
    return True


def test_a_product_is_disentangled_by_its_coordinates():
    product = rotations(3) * rotations(2)
    report = product.disentangle()
    assert report.proved
    assert report.of == "q"
    assert {(f.name, f.own) for f in report.factors} == {
        ("so(3)", product.space.q[:3]),
        ("R", product.space.q[3:]),
    }
    assert really_independent(report)


@settings(max_examples=3, deadline=None)
@given(st.lists(st.integers(-1, 1), min_size=25, max_size=25))
def test_a_product_is_recovered_after_a_linear_change(entries):
    matrix = sp.Matrix(5, 5, entries) + 2 * sp.eye(5)
    assume(matrix.det() != 0)
    report = moved_by_a_linear_map(rotations(3) * rotations(2), matrix).disentangle()
    assert report.status == "proved"
    assert sorted((f.name, len(f.own)) for f in report.factors) == [("R", 2), ("so(3)", 3)]
    assert really_independent(report)


def test_so4_on_four_positions_is_a_product_that_is_entangled():
    report = rotations(4).disentangle()
    assert [f.name for f in report.factors] == ["so(3)", "so(3)"]
    assert report.status == "refuted"
    assert all(f.own == () and len(f.moves) == 8 for f in report.factors)
    assert "refuted" in str(report)


def test_one_factor_has_nothing_to_be_told_from():
    report = rotations(3).disentangle()
    assert report.proved
    assert len(report.factors) == 1
    assert str(report).startswith("One factor: so(3)")


def test_oscillators_are_independent_on_phase_space():
    space = es.PhaseSpace(2)
    q, p = space.q, space.p
    report = es.LieAlgebra(
        space, [(a**2 + b**2) / 2 for a, b in zip(q, p, strict=True)]
    ).disentangle()
    assert report.of == "s"
    assert {f.own for f in report.factors} == {(q[0], p[0]), (q[1], p[1])}


def test_what_is_moved_by_nothing_is_at_rest():
    space = es.PhaseSpace(4)
    q, p = space.q, space.p
    report = es.LieAlgebra(space, [q[0] * p[1] - q[1] * p[0], p[3]]).disentangle()
    assert report.at_rest == (q[2],)
    assert really_independent(report)


def test_velocities_that_are_not_affine_are_looked_at_coordinate_by_coordinate():
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    apart = es.LieAlgebra(space, [sp.exp(q1) * p1, p2 / (1 + q2**2)]).disentangle()
    assert apart.proved
    mixed = es.LieAlgebra(space, [sp.exp(q1 + q2) * (p1 + p2), sp.exp(q1 - q2) * (p1 - p2)])
    assert mixed.disentangle().status == "undecided"


def test_parameters_may_hide_the_subspaces():
    m = sp.Symbol("m", positive=True)
    space = es.PhaseSpace(2, [m])
    (q1, q2), (p1, p2) = space.q, space.p
    report = es.LieAlgebra(space, [p1 + m * p2, p1 - m * p2]).disentangle()
    assert report.proved
    assert {f.own for f in report.factors} == {
        (q1 / 2 + q2 / (2 * m),),
        (q1 / 2 - q2 / (2 * m),),
    }
    assert really_independent(report)


def test_factors_that_could_be_chosen_otherwise_are_not_refuted():
    space = es.PhaseSpace(2)
    q, p = space.q, space.p
    first, second = ((a**2 + b**2) / 2 for a, b in zip(q, p, strict=True))
    report = es.LieAlgebra(space, [first + second, first - second]).disentangle()
    assert report.status == "undecided"
    assert "chosen otherwise" in report.reason


def test_each_condition_is_needed():
    """One space of velocities; a shared coordinate that both factors read; a chain."""
    one = QQ(1)
    same = [[{None: {0: one}}], [{None: {0: one}}]]
    assert split_space(QQ, 2, same) is None
    shared = [[{2: {0: one}}], [{2: {1: one}}]]
    assert split_space(QQ, 3, shared) is None
    chain = [[{1: {0: one}}], [{2: {1: one}}]]
    assert split_space(QQ, 3, chain) is None
    apart = [[{1: {0: one}}], [{3: {2: one}}]]
    assert [part.dim for part in split_space(QQ, 4, apart).parts] == [2, 2]


def test_products_of_spaces_share_parameters():
    m, k = sp.symbols("m k", positive=True)
    product = es.PhaseSpace(1, [m]) * es.PhaseSpace(2, [k, m])
    assert product == es.PhaseSpace(3, [m, k])
    with pytest.raises(es.ArgumentError, match="m, which is already named"):
        _ = es.PhaseSpace(1, [m]) * es.PhaseSpace(1, [sp.Symbol("m", real=True)])
    for factor in (es.PhaseSpace(1), rotations(2), es.StandardNormal(es.PhaseSpace(1))):
        with pytest.raises(TypeError):
            _ = factor * 2


def test_products_keep_labels_apart():
    space = es.PhaseSpace(1)
    a = es.LieAlgebra(space, space.p, labels=["P"])
    assert (a * a).labels == ("P", "g2")
    assert (a * rotations(2)).labels == ("P", "g1")


def test_products_of_densities():
    normal, uniform = es.StandardNormal(es.PhaseSpace(1)), es.SoftUniform(es.PhaseSpace(2))
    assert (normal * normal).name == "standard normal"
    assert normal * normal == es.StandardNormal(es.PhaseSpace(2))
    product = normal * uniform
    (q1, q2, q3), (p1, p2, p3) = product.space.q, product.space.p
    assert es.is_zero(
        product.log_normalizer - normal.log_normalizer - uniform.log_normalizer
    ).proved
    shifted = uniform.log_density.xreplace(
        dict(zip(uniform.space.coordinates, (q2, q3, p2, p3), strict=True))
    )
    assert es.is_zero(product.log_density + (q1**2 + p1**2) / 2 - shifted).proved
    unknown = es.BaseDensity(
        es.PhaseSpace(1), log_density=-(normal.space.q[0] ** 4) - normal.space.p[0] ** 2
    )
    assert unknown.log_normalizer is None
    assert (unknown * normal).log_normalizer is None


def test_a_product_of_invariant_densities_is_invariant_under_the_product():
    symmetry = rotations(2) * rotations(3)
    plane, room = es.StandardNormal(es.PhaseSpace(2)), es.StandardNormal(es.PhaseSpace(3))
    assert symmetry.check(plane * room).proved
    q1 = plane.space.q[0]
    stretched = es.BaseDensity(plane.space, log_density=plane.log_density - q1**2)
    report = symmetry.check(stretched * room)
    assert [verdict.verdict.status for verdict in report.verdicts] == ["refuted"] + ["proved"] * 3


def test_report_as_data():
    data = json.loads((rotations(2) * rotations(3)).disentangle().to_json())
    assert data["status"] == "proved"
    assert {"so(3)", "R"} == {factor["name"] for factor in data["factors"]}
