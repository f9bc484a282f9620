"""One suite for all entries: dimension, independence, closure, text, the standard normal."""

import itertools

import numpy as np
import pytest
import sympy as sp

import ehf_sym as es
from ehf_sym.catalogue.names import CATALOGUE

# Entry: dimension in closed form, and whether the standard normal keeps it.
ENTRIES = {
    "so(2)": (1, True),
    "so(3)": (3, True),
    "so(5)": (10, True),
    "so(1, 3)": (6, False),
    "axial(2)": (1, True),
    "gl(3)": (9, False),
    "sl(3)": (8, False),
    "sp(4)": (10, False),
    "u(1)": (1, True),
    "u(2)": (4, True),
    "su(2)": (3, True),
    "su(3)": (8, True),
    "oscillator_u(3)": (9, True),
    "oscillator_su(3)": (8, True),
    "translations(3)": (3, False),
    "e(3)": (6, False),
    "heisenberg(2)": (5, False),
    "dilation(2)": (1, False),
    "conformal(2)": (6, False),
    "conformal(3)": (10, False),
    "galilei(3)": (11, False),
    "particle_translations(3, 2)": (2, False),
    "particle_rotations(3, 3)": (3, True),
    "particle_rotations_of_each(2, 3)": (6, True),
    "particle_euclidean(2, 3)": (6, False),
    "particle_galilei(2, 2)": (7, False),
    "lattice_global_phase(2, 2)": (1, True),
    "lattice_local_phases(2, 2)": (4, True),
    "lattice_gauge(3)": (3, False),
    "kepler(2)": (3, False),
    "kepler(3)": (6, False),
    "kepler_unbound(2)": (3, False),
    "oscillator(3)": (8, False),
}
POINTS = 80


def values(algebra: es.LieAlgebra, formulas: list[sp.Expr]) -> np.ndarray:
    """Values at random states where all are real, one formula a column; parameters get numbers."""
    space = algebra.space
    numbers = {x: sp.Rational(k + 2, 3) for k, x in enumerate(space.parameters)}
    columns = es.to_numpy([f.xreplace(numbers) for f in formulas], space.coordinates)
    states = np.random.default_rng(0).normal(size=(8 * POINTS, 2 * space.dim))
    with np.errstate(invalid="ignore"):
        table = columns(states)
    table = table[np.isfinite(table).all(axis=1)][:POINTS]
    assert len(table) == POINTS
    return table


@pytest.mark.parametrize("text", ENTRIES)
def test_entry(text):
    algebra = es.named_symmetry(text)
    dimension, _ = ENTRIES[text]
    assert len(algebra.generators) == len(algebra.labels) == dimension
    generators = list(algebra.generators)
    pairs = list(itertools.combinations(range(dimension), 2))
    brackets = [algebra.space.bracket(generators[a], generators[b]) for a, b in pairs]
    table = values(algebra, generators + brackets)
    basis, images = table[:, :dimension], table[:, dimension:]
    assert np.linalg.matrix_rank(basis) == dimension
    coefficients = np.linalg.lstsq(basis, images, rcond=None)[0]
    assert np.allclose(basis @ coefficients, images, atol=1e-8)


@pytest.mark.parametrize("text", ENTRIES)
def test_text_reads_back(text):
    algebra = es.named_symmetry(text)
    for generator in algebra.generators:
        assert es.parse(es.format_formula(generator), algebra.space) == generator


@pytest.mark.parametrize("text", ENTRIES)
def test_standard_normal(text):
    algebra = es.named_symmetry(text)
    _, kept = ENTRIES[text]
    report = algebra.check(es.StandardNormal(algebra.space))
    assert report.status == ("proved" if kept else "refuted")


def test_every_entry_is_tested():
    assert {text.split("(")[0] for text in ENTRIES} == set(CATALOGUE)


def test_unitary_lifts_move_q_alone_and_the_oscillators_mix():
    for name, linear in {"u(2)": True, "su(3)": True, "oscillator_su(3)": False}.items():
        algebra = es.named_symmetry(name)
        report = algebra.check(es.StandardNormal(algebra.space))
        assert all(v.linear_in_p for v in report.verdicts) is linear


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SO(3)", "so(3)"),
        ("so3", "so(3)"),
        (" So ( 3 ) ", "so(3)"),
        ("SU 2", "su(2)"),
        ("so1,3", "so(1, 3)"),
        ("Particle rotations(2, 3)", "particle_rotations(2, 3)"),
        ("SO(2) about x", "axial(1)"),
        ("so2 about the y-axis", "axial(2)"),
        ("so(2) about Z", "axial(3)"),
    ],
)
def test_names_are_read_leniently(text, name):
    assert es.named_symmetry(text) == es.named_symmetry(name)


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_an_axial_rotation_leaves_its_axis(axis):
    symmetry = es.groups.axial(axis)
    q, p = symmetry.space.q, symmetry.space.p
    assert symmetry.generators == (es.groups.so(3).generators[axis - 1],)
    assert symmetry.space.bracket(q[axis - 1], symmetry.generators[0]) == 0
    assert symmetry.space.bracket(sum(x**2 for x in q), symmetry.generators[0]).expand() == 0
    assert symmetry.check(es.StandardNormal(symmetry.space)).proved
    assert p[axis - 1] not in symmetry.generators[0].free_symbols


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("so", "should be like so.*the catalogue has axial, "),
        ("so(2) about w", "should be like so"),
        ("so(3) about z", "should be like so"),
        ("axial(4)", "axis is 4"),
        ("so()", "should be like so"),
        ("so(x)", "should be like so"),
        ("so(3", "should be like so"),
        ("so(3).generators", "should be like so"),
        ("so(-3)", "should be like so"),
        ("so(3.0)", "should be like so"),
        ("so(٣)", "should be like so"),
        ("__import__('os')", "should be like so"),
        ("__class__(3)", "the catalogue has axial, conformal, "),
        ("so(1)", r"n is 1; it should be at least 2"),
        ("so(1, 2, 3)", "so takes fewer or more numbers"),
        ("kepler(2, 3)", "kepler takes fewer or more numbers"),
        ("particle_rotations(2)", "takes fewer or more numbers"),
        ("so(99999999)", "multiply to 100 at most"),
        ("lattice_gauge(11, 11)", "multiply to 100 at most"),
        ("so(" + "9" * 100_000 + ")", "should be like so"),
        (3, "text is 3"),
    ],
)
def test_bad_names_are_refused(text, message):
    with pytest.raises(es.ArgumentError, match=message):
        es.named_symmetry(text)
