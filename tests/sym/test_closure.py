"""Closing generators under the bracket: exact constants, and a clear answer where it fails."""

import json
import time
from itertools import combinations, product

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import ehf_sym as es
from ehf_sym.lie.closure import infinite_pair

SPACE = es.PhaseSpace(3)
Q, P = SPACE.q, SPACE.p
L = [Q[1] * P[2] - Q[2] * P[1], Q[2] * P[0] - Q[0] * P[2], Q[0] * P[1] - Q[1] * P[0]]


def brackets_agree(algebra):
    """The constants, put together again by SymPy's own arithmetic, give the brackets."""
    constants, g = algebra.structure_constants, algebra.generators
    return all(
        es.is_zero(
            algebra.space.bracket(g[i], g[j])
            - sum(constants[i, j, k] * g[k] for k in range(len(g)))
        ).proved
        for i, j in combinations(range(len(g)), 2)
    )


def test_rotations_have_the_constants_of_the_cross_product():
    constants = es.LieAlgebra(SPACE, L).structure_constants
    for i, j, k in product(range(3), repeat=3):
        assert constants[i, j, k] == sp.LeviCivita(i, j, k)


def test_two_rotations_close_to_three_and_a_dependent_one_is_left_out():
    symmetry = es.LieAlgebra(SPACE, [L[0], 2 * L[0], L[1]], labels=["a", "b", "c"])
    closed = symmetry.close()
    assert closed.generators[:2] == (L[0], L[1])
    assert es.coordinates([closed.generators[2]], L[2]) == (1,)
    assert closed.labels == ("a", "c", "g3")
    assert brackets_agree(closed)
    with pytest.raises(es.FormulaError, match=r"generators\[1\] depends linearly"):
        _ = es.LieAlgebra(SPACE, [L[0], 2 * L[0]]).structure
    text = str(symmetry.describe())
    assert "b is left out, a combination: 2*a" in text
    assert "added by closing: g3 = " in text


def test_constants_are_generators_like_any_other():
    space = es.PhaseSpace(2)
    closed = es.LieAlgebra(space, [*space.q, *space.p]).close()
    assert closed.generators[4] == 1
    assert closed.name == "heisenberg(2)"
    assert closed.centre().generators == (1,)


def test_a_chain_of_rotations_closes_to_all_of_them():
    space = es.PhaseSpace(6)
    chain = [space.q[i] * space.p[i + 1] - space.q[i + 1] * space.p[i] for i in range(5)]
    closed = es.LieAlgebra(space, chain).close()
    assert len(closed.generators) == 15
    assert brackets_agree(closed)
    assert closed.name == "su(4)"


def test_what_is_not_closed_names_the_bracket_and_the_remedy():
    symmetry = es.LieAlgebra(SPACE, L[:2], labels=["L_x", "L_y"])
    with pytest.raises(es.ClosureError, match=r"\{L_x, L_y\} = .*close\(\) adds") as caught:
        _ = symmetry.structure_constants
    assert caught.value.bracket == "{L_x, L_y}"
    assert es.is_zero(caught.value.formula - L[2]).proved
    assert (caught.value.dim, caught.value.depth) == (2, 0)


def test_the_bound_on_the_dimension_is_kept():
    space = es.PhaseSpace(6)
    chain = [space.q[i] * space.p[i + 1] - space.q[i + 1] * space.p[i] for i in range(5)]
    symmetry = es.LieAlgebra(space, chain)
    assert len(symmetry.close(max_dim=15).generators) == 15
    with pytest.raises(es.ClosureError, match="exceed max_dim = 14") as caught:
        symmetry.close(max_dim=14)
    assert caught.value.dim <= 14
    assert "larger bound would do is not known" in str(caught.value)
    with pytest.raises(es.ArgumentError, match="max_dim is 0"):
        symmetry.close(max_dim=0)


def test_infinite_growth_is_proved_where_it_can_be():
    space = es.PhaseSpace(1)
    (q,), (p,) = space.q, space.p
    with pytest.raises(es.ClosureError, match="no bound would do: brackets of"):
        es.LieAlgebra(space, [q**3, p**2]).close(max_dim=10)
    report = es.LieAlgebra(space, [q**3, p**2]).describe(max_dim=10)
    assert report.closed is None
    assert "no bound would do" in str(report)
    assert json.loads(report.to_json())["closed"] is False


FINITE = [
    (1, lambda q, p: [1, q[0], p[0], q[0] ** 2, q[0] * p[0], p[0] ** 2]),
    (1, lambda q, p: [p[0], q[0] * p[0], q[0] ** 2 * p[0]]),
    (1, lambda q, p: [p[0], 1, *(q[0] ** k for k in range(1, 6))]),
    (2, lambda q, p: [1, *q, *p, *(a * b for a in q + p for b in q + p)]),
    (2, lambda q, p: [p[1], *(q[0] ** k * p[1] for k in range(1, 4)), p[0], q[0] * p[0]]),
]


@pytest.mark.parametrize(("dim", "generators"), FINITE)
def test_finite_algebras_are_never_called_infinite(dim, generators):
    space = es.PhaseSpace(dim)
    ring = sp.QQ[space.coordinates].ring
    polynomials = [ring.from_expr(sp.sympify(g)) for g in generators(space.q, space.p)]
    assert infinite_pair(polynomials, dim) is None


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=2, max_size=4))
def test_combinations_of_rotations_close_to_a_subalgebra(rows):
    mixed = [sum(c * g for c, g in zip(row, L, strict=True)) for row in rows if any(row)]
    if not mixed:
        return
    closed = es.LieAlgebra(SPACE, mixed).close()
    rank = sp.Matrix(rows).rank()
    assert len(closed.generators) == (1 if rank == 1 else 3)
    assert closed.is_compact
    assert brackets_agree(closed)


def test_su4_with_irrational_generators():
    """Generalized Gell-Mann matrices on C^4: constants in Q(sqrt 3, sqrt 6)."""
    space = es.PhaseSpace(4)
    q, p = space.q, space.p
    pairs = list(combinations(range(4), 2))
    squares = [(a**2 + b**2) / 2 for a, b in zip(q, p, strict=True)]
    diagonal = [
        (sum(squares[:k]) - k * squares[k]) / sp.sqrt(sp.Rational(k * (k + 1), 2))
        for k in range(1, 4)
    ]
    generators = [
        *(q[i] * q[j] + p[i] * p[j] for i, j in pairs),
        *(q[i] * p[j] - q[j] * p[i] for i, j in pairs),
        *diagonal,
    ]
    su4 = es.LieAlgebra(space, generators)
    # All of one length: K = -2 n tr in the defining representation.
    form = su4.killing_form
    assert form == form[0, 0] * sp.eye(15)
    assert form[0, 0].is_negative
    assert su4.name == "su(4)"
    assert su4.is_compact
    assert len(su4.casimirs(2)) == 1


def kepler(mass=1, coupling=1, parameters=()):
    space = es.PhaseSpace(3, parameters)
    q, p = sp.Matrix(space.q), sp.Matrix(space.p)
    r = sp.sqrt(q.dot(q))
    energy = p.dot(p) / (2 * mass) - coupling / r
    momentum = q.cross(p)
    runge_lenz = p.cross(momentum) / mass - coupling * q / r
    return space, list(momentum), list(runge_lenz), energy


def test_kepler_on_negative_energy_is_so4():
    space, momentum, runge_lenz, energy = kepler()
    scaled = [a / sp.sqrt(-2 * energy) for a in runge_lenz]
    labels = ["L_1", "L_2", "L_3", "A_1", "A_2", "A_3"]
    kepler_algebra = es.LieAlgebra(space, [*momentum, *scaled], labels)
    assert kepler_algebra.identity.names == ("so(3) + so(3)", "so(4)")
    assert kepler_algebra.killing_form == -4 * sp.eye(6)
    constants = kepler_algebra.structure_constants
    for i, j, k in product(range(3), repeat=3):
        epsilon = sp.LeviCivita(i, j, k)
        assert constants[i, j, k] == epsilon
        assert constants[i, 3 + j, 3 + k] == epsilon
        assert constants[3 + i, 3 + j, k] == epsilon
    # The ideals are spanned by L + A and L - A.
    found = {frozenset(ideal.generators) for ideal in kepler_algebra.ideals()}
    assert found == {
        frozenset(x + sign * a for x, a in zip(momentum, scaled, strict=True)) for sign in (1, -1)
    }
    assert "L_1 + A_1" in str(kepler_algebra.describe()).replace("A_1 + L_1", "L_1 + A_1")


def test_kepler_with_the_plain_runge_lenz_vector_does_not_close():
    space, momentum, runge_lenz, energy = kepler()
    symmetry = es.LieAlgebra(space, [*momentum, *runge_lenz, energy])
    with pytest.raises(es.ClosureError, match=r"\{g4, g5\} = .* is no combination"):
        _ = symmetry.structure
    with pytest.raises(es.ClosureError, match="larger bound would do is not known"):
        symmetry.close(max_dim=8)


def test_parameters_are_constants():
    m, w = sp.symbols("m w", positive=True)
    space = es.PhaseSpace(1, [m, w])
    (q,), (p,) = space.q, space.p
    energy = p**2 / (2 * m) + m * w**2 * q**2 / 2
    closed = es.LieAlgebra(space, [q, p, energy]).close()
    assert closed.name == "oscillator"
    constants = closed.structure_constants
    assert (constants[0, 2, 1], constants[1, 2, 0]) == (1 / m, -m * w**2)
    assert "For generic values of m, w" in str(closed.describe())


def test_constants_lie_in_the_smallest_field():
    """Parameters and roots that cancel in the brackets are gone from the structure."""
    m, w = sp.symbols("m w", positive=True)
    space = es.PhaseSpace(1, [m, w])
    (q,), (p,) = space.q, space.p
    scaled = es.LieAlgebra(space, [m * w * q**2 / 2, p**2 / (2 * m * w), q * p])
    assert scaled.structure.field == sp.QQ
    assert scaled.name == "sl(2,R)"
    irrational = es.LieAlgebra(space, [sp.sqrt(3) * m * q, p / m])
    assert irrational.close().structure.field == sp.QQ
    kept = es.LieAlgebra(space, [q, p, p**2 / (2 * m)]).close()
    assert kept.structure.field.is_FractionField
    assert brackets_agree(kept)


def test_properties_and_parts_of_the_euclidean_algebra():
    e3 = es.LieAlgebra(SPACE, [*L, *P])
    for name in ("semisimple", "solvable", "nilpotent", "reductive", "compact", "abelian"):
        assert getattr(e3, f"is_{name}") is False
    assert e3.radical().generators == P
    assert e3.nilradical().generators == P
    assert e3.levi().name == "so(3)"
    assert e3.centre() is None
    assert [len(part.generators) for part in e3.derived_series()] == [6]
    assert e3.ideals() == (e3,)
    momentum_squared = sum(x**2 for x in P)
    casimirs = [sp.expand(c) for c in e3.casimirs(2)]
    assert sp.expand(momentum_squared) in casimirs
    assert 0 in casimirs  # L·p vanishes for one particle


def test_report_in_every_form():
    report = es.LieAlgebra(SPACE, L).describe()
    assert report.to_text().splitlines()[0] == "Lie algebra of dimension 3: so(3) = su(2)"
    assert "semisimple, compact" in str(report)
    data = json.loads(report.to_json())
    assert data["names"] == ["so(3)", "su(2)"]
    assert [0, 1, 2, "1"] in data["structure_constants"]
    assert report.to_html().startswith("<div")
    assert r"\text{Lie algebra of dimension 3" in report.to_latex()


def test_semidirect_products_are_written_in_latex():
    space = es.PhaseSpace(3)
    energy = sum(x**2 for x in space.p)
    report = es.LieAlgebra(space, [*L, *P, *Q, energy]).describe()
    assert "so(3) ⋉ (" in report.to_text()
    assert r"so(3) $\ltimes$ (" in report.to_latex()
    assert "Parts named by: " in report.to_text()


@pytest.mark.parametrize("which", ["gaussian", "tanh", "pendulum", "erf"])
def test_what_does_not_close_in_time_ends_with_the_dimension_that_was_reached(which):
    space = es.PhaseSpace(1)
    (q,), (p,) = space.q, space.p
    generators = {
        "gaussian": [p**2, sp.exp(-(q**2))],
        "tanh": [q * p, sp.tanh(q)],
        "pendulum": [p**2 / 2 - sp.cos(q), p],
        "erf": [sp.erf(q), p],
    }[which]
    algebra = es.LieAlgebra(space, generators)
    start = time.monotonic()
    with pytest.raises(es.UndecidedError, match=r"closing stopped at dimension \d+, depth \d+"):
        algebra.close(time_limit=1)
    report = algebra.describe(time_limit=1)
    assert report.closed is None
    assert "not known whether it closes" in report.to_text()
    assert "failure" in report.to_json()
    with pytest.raises(es.UndecidedError):
        algebra.disentangle(time_limit=1)
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("limit", [0, -1, "1", True, None, float("nan")])
def test_limits_on_time_are_checked(limit):
    space = es.PhaseSpace(1)
    algebra = es.LieAlgebra(space, [space.p[0]])
    normal = es.StandardNormal(space)
    for ask in (
        algebra.close,
        algebra.describe,
        algebra.disentangle,
        lambda **limits: algebra.invariants(1, **limits),
        lambda **limits: algebra.conditions(normal, **limits),
        lambda **limits: es.symmetries_of(normal, 1, **limits),
    ):
        with pytest.raises(es.ArgumentError, match=r"time_limit is .*; it should be a positive"):
            ask(time_limit=limit)
