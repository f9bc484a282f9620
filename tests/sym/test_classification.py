"""Names: the Bianchi types from any basis, the usual series, and what stays without a name."""

from dataclasses import replace
from itertools import combinations

import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import QQ

import ehf_sym as es
from ehf_sym.lie.classification import identify
from ehf_sym.lie.structure import LieStructure

# [e_i, e_j] as {(i, j): {k: c}}, after Bianchi (1898) in the form of MacCallum.
BIANCHI = {
    "R^3": {},
    "heisenberg(1)": {(1, 2): {0: 1}},
    "aff(1) + R": {(0, 1): {1: 1}},
    "Bianchi IV": {(0, 2): {0: 1}, (1, 2): {0: 1, 1: 1}},
    "Bianchi V": {(0, 2): {0: 1}, (1, 2): {1: 1}},
    "e(1,1)": {(0, 2): {0: 1}, (1, 2): {1: -1}},
    # Eigenvalues a + 1, a - 1 and a + i, a - i: h = -a**2 and a**2.
    "Bianchi VI_h, h = -4": {(0, 2): {0: 3}, (1, 2): {1: 1}},
    "e(2)": {(0, 2): {1: 1}, (1, 2): {0: -1}},
    "Bianchi VII_h, h = 9": {(0, 2): {0: 3, 1: 1}, (1, 2): {0: -1, 1: 3}},
    "sl(2,R)": {(0, 1): {1: 2}, (0, 2): {2: -2}, (1, 2): {0: 1}},
    "so(3)": {(0, 1): {2: 1}, (1, 2): {0: 1}, (0, 2): {1: -1}},
}


def structure(table, dim):
    numbers = {
        pair: {k: QQ.from_sympy(sp.sympify(c)) for k, c in row.items()}
        for pair, row in table.items()
    }
    return LieStructure(QQ, dim, numbers)


def scrambled(g, matrix):
    """The same algebra in the basis of a matrix's rows, through dense tensors."""
    n, inverse = g.dim, matrix.inv()
    old = g.constants()
    new = [[[0] * n for _ in range(n)] for _ in range(n)]
    for i, j in combinations(range(n), 2):
        bracket = sp.zeros(1, n)
        for a in range(n):
            for b in range(n):
                bracket += matrix[i, a] * matrix[j, b] * sp.Matrix([old[a][b]])
        row = list(bracket * inverse)
        new[i][j], new[j][i] = row, [-x for x in row]
    return LieStructure.from_constants(new)


@pytest.mark.parametrize("name", BIANCHI)
@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=9, max_size=9))
def test_bianchi_types_are_recognized_from_any_basis(name, entries):
    matrix = sp.Matrix(3, 3, entries)
    assume(matrix.det() != 0)
    assert identify(scrambled(structure(BIANCHI[name], 3), matrix)).names[0] == name


def algebra(dim, generators, parameters=()):
    space = es.PhaseSpace(dim, parameters)
    return es.LieAlgebra(space, generators(*space.q, *space.p)).close()


def rotations(x, y):
    return [a * d - b * c for (a, c), (b, d) in combinations(zip(x, y, strict=True), 2)]


def unitary(n):
    """Quadratic constants of the motion of the isotropic oscillator: u(n)."""
    space = es.PhaseSpace(n)
    q, p = space.q, space.p
    pairs = [(i, j) for i in range(n) for j in range(i, n)]
    return es.LieAlgebra(space, [*rotations(q, p), *(q[i] * q[j] + p[i] * p[j] for i, j in pairs)])


def symplectic(n):
    x = es.PhaseSpace(n).coordinates
    return es.LieAlgebra(es.PhaseSpace(n), [a * b for i, a in enumerate(x) for b in x[i:]])


def orthogonal(n):
    space = es.PhaseSpace(n)
    return es.LieAlgebra(space, rotations(space.q, space.p))


def pseudo_orthogonal(p_count, q_count):
    space = es.PhaseSpace(p_count + q_count)
    signs = [1] * p_count + [-1] * q_count
    q, p = space.q, space.p
    pairs = combinations(range(space.dim), 2)
    return es.LieAlgebra(space, [q[i] * p[j] - signs[i] * signs[j] * q[j] * p[i] for i, j in pairs])


def linear(n):
    space = es.PhaseSpace(n)
    return es.LieAlgebra(space, [a * b for a in space.q for b in space.p])


def with_translations(symmetry):
    return es.LieAlgebra(symmetry.space, [*symmetry.generators, *symmetry.space.p])


@pytest.mark.parametrize(
    ("symmetry", "names"),
    [
        (orthogonal(3), ("so(3)", "su(2)")),
        (orthogonal(4), ("so(3) + so(3)", "so(4)")),
        (orthogonal(5), ("so(5)", "sp(2)")),
        (orthogonal(6), ("su(4)", "so(6)")),
        (orthogonal(7), ("so(7)",)),
        (orthogonal(8), ("so(8)",)),
        (pseudo_orthogonal(2, 1), ("sl(2,R)", "so(2,1)", "su(1,1)", "sp(2,R)")),
        (pseudo_orthogonal(3, 1), ("so(3,1)", "sl(2,C)")),
        (pseudo_orthogonal(2, 2), ("sl(2,R) + sl(2,R)", "so(2,2)")),
        (pseudo_orthogonal(4, 1), ("so(4,1)", "sp(1,1)")),
        (pseudo_orthogonal(3, 2), ("sp(4,R)", "so(3,2)")),
        (pseudo_orthogonal(5, 1), ("so(5,1)", "su*(4)")),
        (pseudo_orthogonal(4, 2), ("su(2,2)", "so(4,2)")),
        (pseudo_orthogonal(3, 3), ("sl(4,R)", "so(3,3)")),
        (pseudo_orthogonal(4, 3), ("so(4,3)",)),
        (pseudo_orthogonal(6, 2), ("so(6,2)", "so*(8)")),
        (symplectic(2), ("sp(4,R)", "so(3,2)")),
        (symplectic(3), ("sp(6,R)",)),
        (unitary(2), ("so(3) + R", "u(2)")),
        (unitary(3), ("su(3) + R", "u(3)")),
        (unitary(4), ("su(4) + R", "u(4)")),
        (linear(2), ("sl(2,R) + R", "gl(2,R)", "u(1,1)")),
        (linear(3), ("sl(3,R) + R", "gl(3,R)")),
        (with_translations(orthogonal(2)), ("e(2)", "iso(2)", "Bianchi VII_0")),
        (with_translations(orthogonal(3)), ("e(3)", "iso(3)")),
        (with_translations(orthogonal(4)), ("e(4)", "iso(4)")),
        (with_translations(pseudo_orthogonal(3, 1)), ("iso(3,1)", "poincare")),
        (with_translations(pseudo_orthogonal(2, 1)), ("iso(2,1)",)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_names_of_functions_on_phase_space(symmetry, names):
    found = symmetry.close()
    assert found.identity.names == names
    assert found.identity.reasons


@pytest.mark.parametrize(
    ("generators", "name"),
    [
        (lambda q, p: [q, p, (q**2 + p**2) / 2], "oscillator"),
        (lambda q, p: [q, p, q * p], "split oscillator"),
        (lambda q, p: [q**2, p**2, q, p], "jacobi(1)"),
        (lambda q, p: [p, q * p], "aff(1)"),
        (lambda q, p: [p, q * p, q**2 * p], "sl(2,R)"),
        (lambda q, p: [sp.exp(q), p], "aff(1)"),
        (lambda q, p: [sp.sin(q), sp.cos(q), p], "e(2)"),
        (
            lambda q, p: [p, q**3],
            "nilpotent, dimension 5, derived series 5, 3, 0, lower central series 5, 3, 2, 1, 0",
        ),
    ],
)
def test_names_in_one_degree_of_freedom(generators, name):
    assert algebra(1, generators).name == name


def test_a_sum_that_is_direct_over_an_extension_only():
    """so(3) over Q(sqrt 2), its real and irrational parts as one algebra over Q."""
    table = {}
    for (i, j), row in BIANCHI["so(3)"].items():
        for a in (0, 1):
            for b in (0, 1):
                (k, c), factor = next(iter(row.items())), 2 if a and b else 1
                first, second = i + 3 * a, j + 3 * b
                sign = 1 if first < second else -1
                pair = tuple(sorted((first, second)))
                table[pair] = {k + 3 * ((a + b) % 2): sign * c * factor}
    identity = identify(structure(table, 6))
    assert identity.names == ("so(3) + so(3)", "so(4)")
    assert "not over Q" in identity.reasons[-1]


def test_with_parameters_a_name_needs_a_sign():
    m = sp.Symbol("m", positive=True)
    b = sp.Symbol("b", real=True)

    def twisted(c):
        return lambda q1, q2, p1, p2: [q1 * p2 - c * q2 * p1, p1, p2]

    assert algebra(2, twisted(m), [m]).name == "e(2)"
    assert "depends on the parameters" in algebra(2, twisted(b), [b]).name
    assert algebra(2, twisted(b), [b]).identity.names == ()


def test_semidirect_products_without_a_name_are_described():
    def galilei(*x):
        q, p = x[:3], x[3:]
        return [*rotations(q, p), *p, *q, sum(y**2 for y in p)]

    found = algebra(3, galilei)
    assert found.identity.names == ()
    assert found.name.startswith("so(3) ⋉ (nilpotent, dimension 8")
    assert found.levi().name == "so(3)"
    assert len(found.radical().generators) == 8


@pytest.mark.parametrize("scale", ["sqrt(2)", "pi", "c", "a", "1 + a**2"])
@pytest.mark.parametrize(
    ("group", "name"),
    [("so(1, 3)", "so(3,1)"), ("sl(3)", "sl(3,R)"), ("so(2, 2)", "so(2,2)"), ("e(3)", "e(3)")],
)
def test_a_name_does_not_change_with_the_scale_of_a_generator(group, name, scale):
    symmetry = es.named_symmetry(group)
    c, a = sp.Symbol("c", positive=True), sp.Symbol("a", real=True)
    space = replace(symmetry.space, parameters=(c, a))
    factor = sp.sympify(scale, locals={"c": c, "a": a})
    first, *rest = symmetry.generators
    assert name in es.LieAlgebra(space, [factor * first, *rest]).identity.names


def test_a_sign_that_depends_on_parameters_is_told_in_a_report():
    a = sp.Symbol("a", real=True)
    space = es.PhaseSpace(3, parameters=[a])
    (q1, q2, q3), (p1, p2, p3) = space.q, space.p
    metric = [q1 * p2 - a * q2 * p1, q2 * p3 - q3 * p2, q1 * p3 - a * q3 * p1]
    report = es.LieAlgebra(space, metric).describe()
    assert "semisimple, whether compact is undecided: the sign of" in report.to_text()
    assert "depends on the parameters" in report.to_json()
