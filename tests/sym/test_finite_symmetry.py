"""Finite groups of exact matrices: orders, orbits and elements against books and brute force."""

import random

import numpy as np
import pytest
import sympy as sp
from sympy import Rational, cos, diag, eye, pi, sin, sqrt

import ehf_sym as es
from ehf_sym.exact.number_field import NumberField

PHI = (1 + sqrt(5)) / 2


def permutation(images):
    return sp.Matrix(len(images), len(images), lambda i, j: int(images[i] == j))


def rotation(n):
    c, s = cos(2 * pi / n), sin(2 * pi / n)
    return sp.Matrix([[c, -s], [s, c]])


def helmert(n):
    """Orthonormal rows, each normal to (1, ..., 1)."""
    return sp.Matrix(
        n - 1,
        n,
        lambda k, j: (1 if j <= k else -(k + 1) if j == k + 1 else 0) / sqrt((k + 1) * (k + 2)),
    )


def relative(n, dim, images):
    """A permutation of n particles on orthonormal relative coordinates."""
    h = helmert(n)
    return sp.kronecker_product((h * permutation(images) * h.T).applyfunc(sp.expand), eye(dim))


def reflection(root):
    column = sp.Matrix(root)
    return (eye(len(root)) - 2 * column * column.T / column.dot(column)).applyfunc(sp.radsimp)


SHEAR = sp.Matrix([[1, 1], [0, 1]])
KNOWN = {
    "one sign": ([[[-1]]], 2),
    "identity": ([eye(3)], 1),
    "S_4": ([permutation([1, 0, 2, 3]), permutation([1, 2, 3, 0])], 24),
    "A_4": ([permutation([1, 2, 0, 3]), permutation([0, 2, 3, 1])], 12),
    "B_4": ([diag(-1, 1, 1, 1), permutation([1, 0, 2, 3]), permutation([1, 2, 3, 0])], 384),
    "D_5": ([rotation(5), diag(1, -1)], 10),
    "C_7": ([rotation(7)], 7),
    "D_16": ([rotation(16), diag(1, -1)], 32),
    "icosahedron": ([reflection(r) for r in ([1, 0, 0], [-PHI, PHI - 1, 1], [0, 0, 1])], 120),
    "F_4": (
        [reflection(r) for r in ([0, 1, -1, 0], [0, 0, 1, -1], [0, 0, 0, 1], [1, -1, -1, -1])],
        1152,
    ),
    "cube root": ([[[0, 2 ** Rational(1, 3)], [2 ** Rational(-1, 3), 0]]], 2),
    "sheared mirror": ([SHEAR * diag(1, -1) * SHEAR.inv()], 2),
    "sheared D_4": ([SHEAR * a * SHEAR.inv() for a in (rotation(4), diag(1, -1))], 8),
    "5 particles in space": (
        [relative(5, 3, [1, 0, 2, 3, 4]), relative(5, 3, [1, 2, 3, 4, 0])],
        120,
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_order_is_the_known_one(name):
    matrices, order = KNOWN[name]
    dim = sp.Matrix(matrices[0]).rows
    assert es.FiniteSymmetry(es.PhaseSpace(dim), matrices).order == order


@pytest.mark.parametrize("name", [name for name, (_, order) in KNOWN.items() if order <= 120])
def test_elements_are_a_group_and_orbits_what_they_make_of_a_window(name):
    matrices, order = KNOWN[name]
    group = es.FiniteSymmetry(es.PhaseSpace(sp.Matrix(matrices[0]).rows), matrices)
    elements = group.elements()
    d = group.space.dim
    numbers = np.array([np.array(a.evalf(30).tolist(), dtype=float) for a in elements])
    assert len(elements) == order
    assert elements[0] == eye(d)
    products = numbers @ numbers[random.Random(0).randrange(order)]
    gaps = np.abs(products[:, None] - numbers[None]).max(axis=(2, 3))
    assert gaps.min(axis=1).max() < 1e-12  # closed
    assert (np.sort(gaps, axis=1)[:, 1:2] > 1e-6).all()  # and different
    window = sp.Matrix(min(d, 2), d, lambda i, j: (i + 2 * j * j) % 5 - 2)
    images = {np.round(w, 8).tobytes() for w in np.array(window.tolist(), float) @ numbers + 0.0}
    assert len(group.orbit(window)) == len(images)
    momenta = np.linalg.inv(numbers).transpose(0, 2, 1)
    images = {np.round(w, 8).tobytes() for w in np.array(window.tolist(), float) @ momenta + 0.0}
    assert len(group.orbit(window, of="p")) == len(images)


@pytest.mark.parametrize("name", KNOWN)
def test_momenta_move_so_that_the_pairing_stays(name):
    matrices, _ = KNOWN[name]
    group = es.FiniteSymmetry(es.PhaseSpace(sp.Matrix(matrices[0]).rows), matrices)
    for a, b in zip(group.generators, group.momentum_generators, strict=True):
        pairing = np.array((b.T * a).evalf(20).tolist(), dtype=float)
        np.testing.assert_allclose(pairing, np.eye(group.space.dim), atol=1e-12)


def test_thirteen_particles_in_space_are_not_enumerated():
    swap, shift = [1, 0, *range(2, 13)], [*range(1, 13), 0]
    group = es.FiniteSymmetry(
        es.PhaseSpace(36), [relative(13, 3, images) for images in (swap, shift)]
    )
    assert group.order == sp.factorial(13)
    pair = sp.kronecker_product(sp.Matrix([[1, -1] + [0] * 11]) * helmert(13).T, eye(3))
    assert len(group.orbit(pair)) == 13 * 12
    with pytest.raises(es.ArgumentError, match="6227020800 elements"):
        group.elements()


@pytest.mark.parametrize(
    "matrices",
    [
        [[[Rational(3, 5), Rational(-4, 5)], [Rational(4, 5), Rational(3, 5)]]],
        [SHEAR],
        [diag(2, 1)],
        [diag(1, -1), [[Rational(3, 5), Rational(4, 5)], [Rational(4, 5), Rational(-3, 5)]]],
        [diag(1, -1), SHEAR * diag(1, -1) * SHEAR.inv()],
        [diag(1, sqrt(2))],
    ],
)
def test_an_infinite_group_is_refused(matrices):
    with pytest.raises(es.ArgumentError, match="infinite group"):
        es.FiniteSymmetry(es.PhaseSpace(2), matrices)


@pytest.mark.parametrize(
    ("matrices", "error", "words"),
    [
        ([], es.ArgumentError, "generators is empty"),
        (eye(2), es.ArgumentError, "generators is one matrix"),
        ("swap", es.ArgumentError, "generators is 'swap'.*named_symmetry"),
        ([eye(4)], es.ArgumentError, "momenta move with them"),
        ([eye(3)], es.ArgumentError, r"generators\[0\] is of shape \(3, 3\)"),
        ([eye(2), 3], es.ArgumentError, r"generators\[1\] is 3"),
        ([diag(1, 0)], es.ArgumentError, r"generators\[0\] is not invertible"),
        ([[[1, 1], [0, 0]]], es.ArgumentError, r"generators\[0\] is not invertible"),
        ([[[0, 1], [0.5, 0]]], es.FormulaError, "float 0.5"),
        ([diag(1, pi)], es.FormulaError, "generators .*pi is not a real algebraic number"),
        ([diag(1, sp.I)], es.FormulaError, "I is not a real algebraic number"),
        ([diag(1, sp.Symbol("a"))], es.FormulaError, "a is not a real algebraic number"),
    ],
)
def test_what_is_no_finite_symmetry_is_refused(matrices, error, words):
    with pytest.raises(error, match=words):
        es.FiniteSymmetry(es.PhaseSpace(2), matrices)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([[1, 0, 0]],), es.ArgumentError, "window is of shape"),
        (([[1, 0]], "s"), es.ArgumentError, "of is 's'"),
        (([[1, 0.5]],), es.FormulaError, "window contains the float"),
        ((3,), es.ArgumentError, "window is 3"),
    ],
)
def test_windows_are_checked(arguments, error, words):
    group = es.FiniteSymmetry(es.PhaseSpace(2), [diag(1, -1)])
    with pytest.raises(error, match=words):
        group.orbit(*arguments)


def test_a_long_orbit_is_not_followed_to_its_end():
    group = es.FiniteSymmetry(es.PhaseSpace(4), [permutation([1, 2, 3, 0])])
    with pytest.raises(es.UndecidedError, match="more than 3"):
        group.orbit([[1, 0, 0, 0]], most=3)


@pytest.mark.parametrize(
    "numbers",
    [
        [Rational(2, 3), Rational(-5, 7)],
        [sqrt(2), sqrt(6) / 3, 1 + sqrt(3), 1 / (1 + sqrt(2) + sqrt(3))],
        [sqrt(n * (n + 1)) for n in range(1, 13)],
        [cos(2 * pi / 7), sin(2 * pi / 7)],
        [cos(2 * pi / 5), sin(2 * pi / 5)],
        [cos(2 * pi / 15), sin(2 * pi / 15)],
        [sqrt(2), 3 ** Rational(1, 3)],
        [1 / (2 ** Rational(1, 3) + 1)],
        [cos(2 * pi / 7), sqrt(3)],
    ],
)
def test_a_field_computes_as_numbers_do(numbers):
    field = NumberField(numbers)
    rng = random.Random(1)
    for _ in range(20):
        a, b, c = (rng.choice(numbers) for _ in range(3))
        element = field.multiply(*map(field.from_sympy, (a, b))) - field.from_sympy(c)
        difference = (a * b - c).evalf(40)
        assert abs(field.to_sympy(element).evalf(40) - difference) < 1e-30
        assert bool(element) == (abs(difference) > 1e-30)
        if element:
            inverse = field.inverse(element)
            assert field.multiply(inverse, element) == field.one


def test_equal_generators_and_the_identity_are_taken():
    """Each has its own matrix for momenta; SymPy's groups leave repeated permutations out."""
    space = es.PhaseSpace(2)
    swap, one = [[0, 1], [1, 0]], [[1, 0], [0, 1]]
    group = es.FiniteSymmetry(space, [swap, one, swap])
    assert group.order == 2
    assert group.momentum_generators == group.generators
    assert group.check(es.StandardNormal(space)).proved
    assert len(group.check(es.StandardNormal(space)).verdicts) == 3
