"""The relative frame against SciPy's Helmert matrix, centred positions and the group's theory."""

import numpy as np
import pytest
import sympy as sp
from scipy.linalg import helmert

import ehf_sym as es
from ehf_sym.errors import ArgumentError


def test_the_basis_is_helmerts_up_to_the_sign_of_a_row() -> None:
    basis = np.array(es.Particles(5, 2).relative().basis.tolist(), dtype=float)
    assert np.allclose(basis, helmert(5) * np.sign(helmert(5)[:, :1]))


@pytest.mark.parametrize("masses", [(1, 1, 1, 1), (3, 1, 1, sp.Rational(1, 2))])
def test_rows_are_orthonormal_and_normal_to_the_masses_exactly(masses: tuple[sp.Expr, ...]) -> None:
    frame = es.Particles(4, 2, masses).relative()
    assert (frame.basis * frame.basis.T).applyfunc(sp.simplify) == sp.eye(3)
    assert (frame.basis * sp.Matrix(masses)).applyfunc(sp.simplify) == sp.zeros(3, 1)


@pytest.mark.parametrize("masses", [(), (3, 1, 1, 2)])
def test_there_and_back_takes_the_centre_of_mass_out(masses: tuple[int, ...]) -> None:
    frame = es.Particles(4, 3, masses).relative()
    x = np.random.default_rng(0).standard_normal((5, 4, 3))
    weights = np.array(masses or (1, 1, 1, 1)) / sum(masses or (1, 1, 1, 1))
    centred = x - np.einsum("a,nad->nd", weights, x)[:, None]
    q = frame.to_relative(x)
    assert np.allclose(frame.from_relative(q), centred)
    assert np.allclose(q, frame.to_relative(x.reshape(5, 12) + np.tile([1.0, 2.0, 3.0], 4)))
    assert np.allclose(np.sum(q**2, axis=1), np.sum(centred**2, axis=(1, 2)))
    assert frame.to_relative(x.astype("float32")).dtype == np.float32


def test_separations_and_positions_are_those_of_the_particles() -> None:
    frame = es.Particles(3, 2, (1, 2, 3)).relative()
    x = np.random.default_rng(0).standard_normal((4, 3, 2))
    q = frame.to_relative(x)
    separation = np.array(frame.separation(0, 2).tolist(), dtype=float)
    position = np.array(frame.position(1).tolist(), dtype=float)
    assert np.allclose(q @ separation.T, x[:, 2] - x[:, 0])
    assert np.allclose(q @ position.T, x[:, 1] - np.average(x, axis=1, weights=[1, 2, 3]))
    distance = sp.lambdify(frame.space.q, frame.distance(2, 0))
    assert np.allclose(distance(*q.T), np.linalg.norm(x[:, 2] - x[:, 0], axis=1))


def test_exchanges_of_particles_act_on_q_as_the_matrices_say() -> None:
    frame = es.Particles(4, 2).relative()
    x = np.random.default_rng(0).standard_normal((3, 4, 2))
    for a, matrix in enumerate(frame.permutations().generators):
        exchanged = x.copy()
        exchanged[:, [a, a + 1]] = x[:, [a + 1, a]]
        moved = frame.to_relative(x) @ np.array(matrix.tolist(), dtype=float).T
        assert np.allclose(frame.to_relative(exchanged), moved)


def test_orders_and_algebras() -> None:
    frame = es.Particles(5, 3).relative()
    assert frame.rotations().name == "so(3)"
    assert frame.permutations().order == 120
    assert frame.permutations("AABBB").order == 12
    assert frame.permutations(["C", "H", "H", "H", "O"]).order == 6
    assert frame.reflections().order == 2
    assert es.Particles(3, 2, (1, 1, 2)).relative().permutations().order == 2


def test_the_normal_base_is_invariant_under_each_exchange_and_rotation() -> None:
    frame = es.Particles(3, 2).relative()
    assert frame.rotations().check(es.StandardNormal(frame.space)).proved
    for matrix in (*frame.permutations().generators, *frame.reflections().generators):
        assert sp.simplify(matrix * matrix.T) == sp.eye(4)


def test_all_of_it_together() -> None:
    symmetry = es.Particles(3, 2).relative().symmetry()
    assert (symmetry.lie.labels, symmetry.finite.order, symmetry.added) == (("L_12",), 12, ())
    assert symmetry.check(es.StandardNormal(symmetry.space)).proved
    assert es.Particles(2, 2).relative().symmetry("AB", reflections=False).finite is None


@pytest.mark.parametrize(
    ("count", "kinds", "order"),
    [
        (38, None, 2 * sp.factorial(38)),
        (14, "A" * 13 + "B", 2 * sp.factorial(13)),
        (12, "AB" * 6, 2 * sp.factorial(6) ** 2),
    ],
)
def test_many_particles_have_groups_of_the_known_order(
    count: int, kinds: str | None, order: int
) -> None:
    assert es.Particles(count, 3).relative().symmetry(kinds).finite.order == order


@pytest.mark.parametrize(
    "ask",
    [
        lambda frame, seconds: frame.permutations(time_limit=seconds),
        lambda frame, seconds: frame.symmetry("AABB", time_limit=seconds),
        lambda frame, seconds: (
            es.Symmetry(frame.rotations(), frame.permutations(), time_limit=seconds).added
        ),
    ],
)
def test_limits_on_time_reach_each_question(ask: object) -> None:
    frame = es.Particles(4, 3).relative()
    with pytest.raises(es.UndecidedError, match="1e-09 s"):
        ask(frame, 1e-9)  # type: ignore[operator]
    with pytest.raises(ArgumentError, match="time_limit is 0"):
        ask(frame, 0)  # type: ignore[operator]
    ask(frame, 60)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: es.Particles(1, 2).relative(), "at least 2"),
        (lambda: es.Particles(2, 2, (sp.Symbol("m", positive=True), 1)).relative(), "a number"),
        (lambda: es.Particles(2, 2).relative().permutations("ABC"), "2 names"),
        (lambda: es.Particles(2, 2).relative().permutations("AB"), "of a kind"),
        (lambda: es.Particles(2, 2, (1, 2)).relative().permutations("AA"), "different masses"),
        (lambda: es.Particles(2, 1).relative().rotations(), "at least 2 for rotations"),
        (lambda: es.Particles(2, 2).relative().separation(0, 2), "less than 2"),
        (lambda: es.Particles(2, 2).relative().separation(1, 1), "another particle"),
        (lambda: es.Particles(2, 2).relative().to_relative(np.zeros((3, 3))), "shape"),
        (lambda: es.Particles(2, 2).relative().from_relative(np.zeros((3, 4))), "shape"),
    ],
)
def test_what_does_not_fit_is_refused(call: object, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        call()  # type: ignore[operator]
