"""Models of symmetries whose space has parameters that no generator holds, and of translations."""

import numpy as np
import pytest
import sympy as sp

import ehf_num as en
import ehf_sym as es

M = sp.Symbol("m", positive=True)
W = sp.Symbol("w", positive=True)
LATTICE = es.ComplexScalarLattice([2, 2])


def model(base, symmetry, **options):
    return en.EquivariantHamiltonianFlow(base, symmetry, hidden=(4,), rng=0, **options)


@pytest.mark.parametrize("space", [LATTICE.space, es.PhaseSpace(8), es.PhaseSpace(8, [M])])
@pytest.mark.parametrize("enforce", ["penalty", "exact"])
def test_parameters_that_nothing_holds_do_not_stand_in_the_way(space, enforce, tmp_path):
    flow = model(es.StandardNormal(space), LATTICE.global_phase(), enforce=enforce)
    assert flow.report.proved
    assert flow.base.space == flow.symmetry.space == es.PhaseSpace(8)
    flow.fit(np.random.default_rng(0).normal(size=(20, 8)), iterations=2, progress=False)
    flow.save(tmp_path / "model.npz")
    np.testing.assert_array_equal(
        en.load(tmp_path / "model.npz").sample(3, rng=0), flow.sample(3, rng=0)
    )


def test_parameters_of_the_base_are_learned_beside_those_that_nothing_holds():
    space = es.PhaseSpace(8, [W])
    squares = [sum(x**2 for x in xs) for xs in (space.q, space.p)]
    base = es.BaseDensity(space, log_density=-(W * squares[0] + squares[1]) / 2)
    flow = model(base, LATTICE.global_phase(), enforce="exact")
    assert set(flow.base_parameters) == {W}


def test_a_parameter_in_a_generator_is_refused():
    space = es.PhaseSpace(1, [M])
    oscillator = es.LieAlgebra(space, [space.p[0] ** 2 / M + M * space.q[0] ** 2])
    with pytest.raises(es.ArgumentError, match="with the parameter m"):
        model(es.StandardNormal(es.PhaseSpace(1)), oscillator)


def test_spaces_of_other_dimensions_are_refused():
    with pytest.raises(es.ArgumentError, match=r"base lives on PhaseSpace\(dim=3\); it should"):
        model(es.StandardNormal(es.PhaseSpace(3)), LATTICE.global_phase())


@pytest.mark.parametrize("enforce", ["penalty", "exact"])
@pytest.mark.parametrize(
    "symmetry", [es.Particles(4, 2).euclidean(), es.groups.translations(2), es.groups.e(3)]
)
def test_translations_are_refused_with_the_way_on(symmetry, enforce):
    with pytest.raises(es.InvarianceError, match=r"relative coordinates.*\.relative\(\)"):
        model(es.StandardNormal(symmetry.space), symmetry, enforce=enforce)


def test_other_refusals_do_not_speak_of_translations():
    symmetry = es.groups.sl(2)
    with pytest.raises(es.InvarianceError) as caught:
        model(es.StandardNormal(symmetry.space), symmetry)
    assert "relative" not in str(caught.value)
