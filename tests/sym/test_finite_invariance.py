"""What finite symmetries keep: densities, invariants, both kinds together, the search for them."""

import random

import pytest
import sympy as sp
from sympy import Rational, cos, diag, eye, pi, sin, sqrt

import ehf_sym as es

SPACE = es.PhaseSpace(2)
(Q1, Q2), (P1, P2) = SPACE.q, SPACE.p
SWAP, MIRROR = sp.Matrix([[0, 1], [1, 0]]), diag(-1, 1)


def group(*matrices, dim=2):
    return es.FiniteSymmetry(es.PhaseSpace(dim), matrices)


@pytest.mark.parametrize(
    ("matrix", "formula", "status"),
    [
        (SWAP, Q1 * Q2 - P1**2 - P2**2, "proved"),
        (SWAP, Q1 * P1, "refuted"),
        (SWAP, sp.log(Q1) + sp.log(Q2), "proved"),
        (SWAP, sp.log(Q1), "refuted"),
        (SWAP, sp.Max(Q1, Q2), "proved"),
        (SWAP, sp.Piecewise((1, Q1 > Q2), (0, True)), "refuted"),
        (MIRROR, sp.Abs(Q1) ** 3 + sp.cos(Q1), "proved"),
        (MIRROR, sp.sign(Q1), "refuted"),
        (MIRROR, sp.log(Q1) - Q1**2, "refuted"),  # half of the points have no mirror image
        (MIRROR, sp.sqrt(Q1), "refuted"),
        (MIRROR, sp.Piecewise((-(Q1**2), sp.Abs(Q1) < 1)), "proved"),
        (MIRROR, sp.Piecewise((-(Q1**2), (Q1 < 1) & (Q1 > -2))), "refuted"),
        (MIRROR, sp.floor(Q1), "undecided"),
        (sp.Matrix([[0, 2], [Rational(1, 2), 0]]), Q1 * P1 + Q2 * P2, "proved"),
        (sp.Matrix([[0, 2], [Rational(1, 2), 0]]), Q1**2 + 4 * Q2**2, "proved"),
        (sp.Matrix([[0, 2], [Rational(1, 2), 0]]), 4 * P1**2 + P2**2, "proved"),
        (sp.Matrix([[0, 2], [Rational(1, 2), 0]]), P1**2 + 4 * P2**2, "refuted"),
    ],
)
def test_a_density_is_kept_or_a_point_says_that_it_is_not(matrix, formula, status):
    symmetry = group(matrix)
    report = symmetry.check(formula)
    (verdict,) = report.verdicts
    assert report.status == verdict.verdict.status == status
    assert report.proved == (status == "proved")
    if status == "refuted":
        place = verdict.verdict.witness
        images = [*(matrix * sp.Matrix(SPACE.q)), *(matrix.inv().T * sp.Matrix(SPACE.p))]
        moved = formula.subs(dict(zip(SPACE.coordinates, images, strict=True)), simultaneous=True)
        at_rest = dict.fromkeys(SPACE.coordinates, sp.S.One) | dict(place)
        gap = (moved.subs(at_rest) - formula.subs(at_rest)).evalf()
        if verdict.verdict.value is None:
            assert not gap.is_real
        else:
            assert abs(gap) > 1e-12
    for text in (report.to_text(), report.to_latex(), report.to_html(), report.to_json()):
        assert status in text


def test_a_base_density_is_checked_like_its_formula():
    assert group(SWAP).check(es.StandardNormal(SPACE)).proved
    narrow = es.BaseDensity(SPACE, log_density=-(Q1**2) - 2 * Q2**2 - P1**2 - P2**2)
    assert group(SWAP).check(narrow).status == "refuted"
    with pytest.raises(es.ArgumentError, match="base lives on"):
        group(SWAP).check(es.StandardNormal(es.PhaseSpace(3)))
    with pytest.raises(es.FormulaError, match="q3"):
        group(SWAP).check(es.PhaseSpace(3).q[2])


def molien(matrices, degree):
    """Dimensions of the invariants by Molien's series, from all elements."""
    t = sp.Symbol("t")
    total = sum(1 / sp.expand((eye(a.rows) - t * a).det()) for a in matrices)
    series = sp.series(sp.nsimplify(total) / len(matrices), t, 0, degree + 1).removeO()
    return [sp.simplify(series.coeff(t, k)) for k in range(1, degree + 1)]


@pytest.mark.parametrize(
    ("symmetry", "degree"),
    [
        (es.groups.symmetric(3), 5),
        (es.groups.cyclic(3), 6),
        (es.groups.cyclic(4), 6),
        (es.groups.dihedral(6), 7),
        (es.groups.hyperoctahedral(3), 7),
        (es.groups.lattice_translations([2, 2]), 4),
        (group(sp.Matrix([[0, 2], [Rational(1, 2), 0]])), 4),
    ],
)
def test_there_are_as_many_invariants_as_moliens_series_says(symmetry, degree):
    expected = molien(symmetry.elements(), degree)
    found = symmetry.invariants(degree, of="q")
    assert [found.dimension(k) for k in range(1, degree + 1)] == expected
    rng = random.Random(1)
    for a in symmetry.elements()[:4]:
        place = [Rational(rng.randint(-9, 9), 7) for _ in symmetry.space.q]
        image = a * sp.Matrix(place)
        for f in found.generators:
            here = f.subs(dict(zip(symmetry.space.q, place, strict=True)))
            there = f.subs(dict(zip(symmetry.space.q, image, strict=True)))
            assert sp.expand(here - there) == 0


def test_what_is_generated_together_is_closed_under_both():
    about_z = es.groups.axial(3)
    together = es.Symmetry(about_z, es.groups.symmetric(3))
    assert len(together.algebra.generators) == 3
    assert together.algebra.close().structure.dim == 3
    report = together.check(es.StandardNormal(about_z.space))
    assert report.proved
    assert len(report.verdicts) == 3 + 2
    assert "were added" in str(report)
    assert es.Symmetry(es.groups.so(3), es.groups.symmetric(3)).added == ()
    assert es.Symmetry(about_z, group(diag(1, -1, -1), dim=3)).added == ()  # takes g to -g
    flat = es.BaseDensity(
        about_z.space,
        log_density=-sum(x**2 for x in about_z.space.coordinates) - about_z.space.q[2] ** 2,
    )
    assert about_z.check(flat).proved
    assert together.check(flat).status == "refuted"


def test_mirrors_leave_no_handedness():
    frame = es.Particles(3, 3)
    rotations = frame.rotations()
    mirror = group(diag(*[diag(1, 1, -1)] * 3), dim=9)
    degrees = {3: 1, 2: 6}
    alone = rotations.invariants(3, of="q").degrees
    both = es.Symmetry(rotations, mirror).invariants(3, of="q").degrees
    assert {k: alone.count(k) for k in (2, 3)} == {2: degrees[2], 3: degrees[3]}
    assert both == (2,) * degrees[2]
    assert es.invariant_hamiltonian(es.Symmetry(rotations, mirror)).is_generating


def test_the_larger_group_is_named():
    """Dot products of three vectors do not see a mirror, and the determinant does."""
    rotations = es.Particles(3, 3).rotations()
    short = es.invariant_hamiltonian(rotations, generating=False)
    assert short.larger
    for mirror in short.larger:
        assert es.FiniteSymmetry(rotations.space, [mirror]).check(sum(short.of_q.generators)).proved
        assert mirror[:3, :3].det() == -1
    assert "H keeps a larger group, with q" in str(short)
    assert es.invariant_hamiltonian(rotations).larger == ()
    assert es.invariant_hamiltonian(es.groups.so(3), generating=False).larger == ()


@pytest.mark.parametrize(
    ("symmetry", "generating"),
    [
        (es.groups.dihedral(4), True),
        (es.groups.cyclic(9), True),  # |q|² and Re, Im of (q1 + iq2)⁹: to degree 6 it is O(2)
        (es.groups.dihedral(12), True),
        (es.groups.hyperoctahedral(3), True),
        (es.groups.o(3), True),
        (es.groups.hyperoctahedral(5), False),  # needs degree 10
    ],
)
def test_invariants_are_known_to_generate_all_or_not(symmetry, generating):
    found = es.invariant_hamiltonian(symmetry)
    assert found.proved
    assert found.is_generating is generating


def test_polynomials_are_compared_in_the_field_of_the_matrices():
    """Re (q1 + iq2)¹³ with numbers of its own before it; every turn by less changes it."""
    group = es.groups.cyclic(13)
    (x, y), a = group.space.q, sp.Symbol("a", positive=True)
    wave = sp.expand((x + sp.I * y) ** 13).as_real_imag()[0]
    assert group.check(-sqrt(2) * wave - pi * (x**2 + y**2)).proved
    assert group.check(-sqrt(2) * wave + x / 10**6).status == "refuted"
    space = es.PhaseSpace(2, parameters=[a])
    assert es.FiniteSymmetry(space, group.generators).check(-sqrt(a) * wave).proved


def test_conditions_of_a_finite_symmetry_alone():
    space = es.PhaseSpace(2)
    swap = group(sp.Matrix([[0, 1], [1, 0]]), dim=2)
    family = es.GaussianFamily(space)
    found = swap.conditions(family)
    assert found.equations == es.Symmetry(finite=swap).conditions(family).equations
    assert found.families[0].report.proved
    with pytest.raises(es.ArgumentError, match="base is 3"):
        swap.conditions(3)


def test_conditions_for_both():
    a, b, c = sp.symbols("a b c", positive=True)
    space = es.PhaseSpace(3, parameters=[a, b, c])
    square = a * space.q[0] ** 2 + b * space.q[1] ** 2 + c * space.q[2] ** 2
    base = es.BaseDensity(space, log_density=-square - sum(x**2 for x in space.p))
    swap = group(sp.Matrix([[1, 0, 0], [0, 0, 1], [0, 1, 0]]), dim=3)
    found = es.Symmetry(finite=swap).conditions(base)
    assert found.equations == (b - c,)
    assert found.families[0].proved
    both = es.Symmetry(es.groups.axial(3), swap).conditions(base)
    assert len(both.families[0].base.log_density.free_symbols & {a, b, c}) == 1
    assert "π∘σ = π" in both.to_text()


@pytest.mark.parametrize(
    ("name", "order", "dim"),
    [
        ("S_3", 6, 3),
        ("s4", 24, 4),
        ("C_6", 6, 2),
        ("D_4", 8, 2),
        ("B_3", 48, 3),
        ("lattice translations(3, 4)", 12, 12),
        ("symmetric(3)", 6, 3),
        ("Dihedral(5)", 10, 2),
    ],
)
def test_finite_groups_have_names(name, order, dim):
    found = es.named_symmetry(name)
    assert (found.order, found.space.dim) == (order, dim)


def test_the_orthogonal_group_has_a_name():
    found = es.named_symmetry("O(3)")
    assert isinstance(found, es.Symmetry)
    assert found.lie == es.groups.so(3)
    assert found.finite.generators[0].det() == -1


def test_a_lattice_has_translations_and_a_point_group():
    both = [*es.groups.lattice_translations([4, 4]).generators]
    both += es.groups.lattice_point_group([4, 4]).generators
    whole = group(*both, dim=16)
    assert whole.order == 16 * 8
    q = whole.space.q
    near = sum(q[4 * i + j] * (q[4 * ((i + 1) % 4) + j] + q[4 * i + (j + 1) % 4])
               for i in range(4) for j in range(4))  # fmt: skip
    assert whole.check(near).proved
    assert whole.check(near + q[0]).status == "refuted"


@pytest.mark.parametrize(
    ("formula", "order"),
    [
        ((Q1**2 - 1) ** 2 + (Q2**2 - 1) ** 2, 8),
        (Q1**4 + 2 * Q2**4, 4),
        (Q1 * Q2, 4),
        (Q1**2 + 3 * Q2 + P1**2, 2),
        (Q1 + 2 * Q2, None),
        (sp.exp(-(Q1**2) - Q2**2) + P1**2 + P2**2, 8),
        (sp.Piecewise((1, Q1 > Q2), (0, True)), 2),
        (sp.Max(Q1, 0), 2),  # q2 does not occur
    ],
)
def test_permutations_and_signs_that_leave_a_formula_alone(formula, order):
    found = es.symmetries_of(formula, 0, finite=True, space=SPACE)
    assert (None if found is None else found.finite.order) == order


def test_the_search_does_not_try_all_of_them():
    """A ring of 30, of which 2³⁰ 30! would be to be tried: D_30 and one sign."""
    space = es.PhaseSpace(30)
    q = space.q
    ring = sum(q[k] ** 4 + q[k] * q[(k + 1) % 30] for k in range(30))
    assert es.symmetries_of(ring, 0, finite=True, space=space).finite.order == 2 * 60


def test_a_molecule_has_its_permutations_and_those_of_the_axes():
    particles = es.Particles(3, 3)
    x = particles.positions
    energy = sum(
        (sp.sqrt(sum((a - b) ** 2 for a, b in zip(x[i], x[j], strict=True))) - 4) ** 4
        for i in range(3)
        for j in range(i)
    )
    found = es.symmetries_of(energy, 0, finite=True, space=es.PhaseSpace(9))
    assert found.lie is None
    assert found.finite.order == 6 * 48


def test_both_kinds_are_found_together():
    found = es.symmetries_of((Q1**2 + Q2**2) ** 2 + P1**2 + P2**2, 2, finite=True)
    assert found.lie.generators == (-P1 * Q2 + P2 * Q1,)
    assert found.finite.order == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "lie and finite are None"),
        ((es.groups.so(2), es.groups.symmetric(3)), "finite lives on"),
        ((es.groups.symmetric(2),), "lie is"),
        ((None, es.groups.so(2)), "finite is"),
    ],
)
def test_what_is_no_symmetry_is_refused(arguments, words):
    with pytest.raises(es.ArgumentError, match=words):
        es.Symmetry(*arguments)


def test_turns_are_exact():
    c, s = cos(2 * pi / 7), sin(2 * pi / 7)
    turn = es.groups.cyclic(7)
    assert turn.generators[0] == sp.ImmutableMatrix([[c, -s], [s, c]])
    assert turn.check(Q1**2 + Q2**2).proved
    seventh = sp.re(sp.expand((Q1 + sp.I * Q2) ** 7))
    assert turn.check(sp.expand(seventh)).proved
    assert turn.check(Q1**2).status == "refuted"
