"""Sums over windows: exact on values for every group tried, slopes, proofs, files."""

import pathlib
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
import sympy as sp
from autograd import elementwise_grad, grad

import ehf_num as en
import ehf_sym as es
from ehf_num.engine.tape import make_vjp
from ehf_sym.errors import ArgumentError

RNG = np.random.default_rng(0)
FRAME = es.Particles(4, 2).relative()


def drawn(energy: en.OrbitSum) -> list[Any]:
    """Weights that are nowhere zero."""
    rng = np.random.default_rng(1)
    return [w + 0.3 * rng.standard_normal(w.shape) for w in energy.init(rng, "float64")]


def numeric(matrix: sp.MatrixBase) -> Any:
    return np.array(matrix.tolist(), dtype=float)


def rotated(q: Any, size: int) -> Any:
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((size, size)))[0]
    return (q.reshape(len(q), -1, size) @ turn.T).reshape(q.shape), turn


def test_particles_on_a_line_keep_mirrors_with_even_invariants():
    """Without, a pair sees which particle is on the left, and the refusal says what to do."""
    frame, x = es.Particles(3, 1).relative(), RNG.standard_normal((5, 2))
    handed, even = (en.OrbitSum.pairs(frame, hidden=(8,), even=even) for even in (False, True))
    assert "but its opposite is: even=True" in str(handed.invariance(frame.symmetry(), "q"))
    assert even.invariance(frame.symmetry(), "q").proved
    weights = drawn(even)
    assert np.allclose(even.value(weights, x), even.value(weights, -x), rtol=1e-12)
    assert not np.allclose(handed.value(drawn(handed), x), handed.value(drawn(handed), -x))


@pytest.mark.parametrize("of", ["q", "p"])
@pytest.mark.parametrize(
    ("count", "size", "kinds", "options"),
    [
        (2, 3, None, {}),
        (4, 2, None, {"gaussians": 4}),
        (4, 2, "ABAB", {"hidden": (8, 6), "site_hidden": (5, 7)}),
        (4, 3, "AABC", {"gaussians": 3}),
        (3, 1, None, {}),
        (4, 3, None, {"many_body": False}),
    ],
)
def test_pairs_keep_permutations_rotations_and_mirrors(
    count: int, size: int, kinds: str | None, options: dict[str, Any], of: str
) -> None:
    frame = es.Particles(count, size).relative()
    energy = en.OrbitSum.pairs(frame, kinds, of=of, **options)
    weights, q = drawn(energy), 2 * RNG.standard_normal((6, frame.space.dim))
    value, slope = energy.value(weights, q), energy.gradient(weights, q)
    groups = [frame.permutations(kinds)]
    if size > 1:
        groups.append(frame.reflections())
        turned, turn = rotated(q, size)
        assert np.allclose(energy.value(weights, turned), value, rtol=1e-12)
        back = (slope.reshape(len(q), -1, size) @ turn.T).reshape(q.shape)
        assert np.allclose(energy.gradient(weights, turned), back, rtol=1e-11, atol=1e-12)
        assert energy.invariance(frame.rotations(), of).proved
    for group in groups:
        assert energy.invariance(group, of).proved
        for matrix in map(numeric, group.generators):
            assert np.allclose(energy.value(weights, q @ matrix.T), value, rtol=1e-12)
    assert np.ptp(value) > 1e-2


def test_no_translation_is_seen_from_the_frame() -> None:
    energy = en.OrbitSum.pairs(FRAME)
    weights, x = drawn(energy), RNG.standard_normal((5, 4, 2))
    moved = FRAME.to_relative(x + np.array([3.0, -7.0]))
    assert np.allclose(
        energy.value(weights, moved), energy.value(weights, FRAME.to_relative(x)), rtol=1e-12
    )


CATALOGUE = {
    "S_5": (es.groups.symmetric(5), 2),
    "C_7": (es.groups.cyclic(7), 1),
    "D_5": (es.groups.dihedral(5), 1),
    "B_4": (es.groups.hyperoctahedral(4), 2),
    "translations of 3 x 4": (es.groups.lattice_translations([3, 4]), 2),
    "translations of pairs": (es.groups.lattice_translations([3], components=2), 2),
    "point group of 3 x 3": (es.groups.lattice_point_group([3, 3]), 2),
    "O(2)": (es.groups.o(2), 2),
    "O(3)": (es.groups.o(3), 3),
    "O(4)": (es.groups.o(4), 4),
    "a scalar lattice": (es.ScalarLattice([4, 4]).symmetry(), 2),
}


@pytest.mark.parametrize("of", ["q", "p"])
@pytest.mark.parametrize("name", CATALOGUE)
def test_whatever_the_catalogue_names_is_kept_to_rounding(name: str, of: str) -> None:
    """Under random products of generators, and random rotations of the connected part."""
    group, forms = CATALOGUE[name]
    whole = group if isinstance(group, es.Symmetry) else es.Symmetry(finite=group)
    space = whole.space
    coordinates = space.q if of == "q" else space.p
    energy = en.OrbitSum(space, [coordinates[:forms]], group, of, hidden=(6,))
    assert energy.invariance(group, of).proved
    weights, rng = drawn(energy), np.random.default_rng(4)
    x = rng.standard_normal((5, space.dim))
    value = energy.value(weights, x)
    assert np.ptp(value) > 1e-3
    pairs = [(numeric(a), numeric(b)) for a, b in whole.maps]
    for _ in range(4):
        moved = x
        for k in rng.integers(len(pairs), size=6):
            moved = moved @ pairs[k][of == "p"].T
        if whole.lie is not None:
            moved = moved @ np.linalg.qr(rng.standard_normal((space.dim,) * 2))[0].T
        assert np.allclose(energy.value(weights, moved), value, rtol=1e-12, atol=1e-12)


def test_kinds_are_told_apart() -> None:
    energy = en.OrbitSum.pairs(FRAME, "AABB")
    assert not energy.invariance(FRAME.permutations(), "q").proved
    q = RNG.standard_normal((6, 6))
    matrix = numeric(FRAME.permutations().generators[1])  # exchanges an A and a B
    weights = drawn(energy)
    assert np.abs(energy.value(weights, q @ matrix.T) - energy.value(weights, q)).max() > 1e-3


def test_absolute_coordinates_with_translations_have_separations_as_windows() -> None:
    particles = es.Particles(3, 2)
    separation = particles.separation(0, 1)
    swaps = [sp.kronecker_product(sp.Matrix(s), sp.eye(2)) for s in (SWAP, CYCLE)]
    symmetric = es.FiniteSymmetry(particles.space, swaps)
    energy = en.OrbitSum(particles.space, [separation], symmetric)
    assert len(energy.orbits.rows) == 6  # there and back: without rotations they differ
    assert energy.invariance(particles.translations(), "q").proved
    assert not energy.invariance(particles.rotations(), "q").proved
    assert en.OrbitSum(particles.space, [separation], particles.euclidean()).features.count == 1


SWAP = [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
CYCLE = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_triples_have_dot_products_and_handedness() -> None:
    space = es.PhaseSpace(4)
    so2 = es.Particles(2, 2).rotations()
    energy = en.OrbitSum(space, [space.q], so2)
    assert {str(f) for f, _ in energy.orbits.invariants} == {
        "q1**2 + q2**2", "q1*q3 + q2*q4", "q3**2 + q4**2", "q1*q4 - q2*q3",
    }  # fmt: skip
    mirror = es.FiniteSymmetry(space, [sp.diag(-1, 1, -1, 1)])
    assert not energy.invariance(mirror, "q").proved
    weights, q = drawn(energy), RNG.standard_normal((5, 4))
    turned, _ = rotated(q, 2)
    turned = turned if np.linalg.det(rotated(q, 2)[1]) > 0 else turned * [-1, 1, -1, 1]
    assert energy.invariance(so2, "q").proved
    flipped = q * [-1, 1, -1, 1]
    assert np.abs(energy.value(weights, flipped) - energy.value(weights, q)).max() > 1e-3


def test_what_keeps_a_window_and_not_its_image_is_not_proved() -> None:
    space = es.PhaseSpace(4)
    q, p = space.q, space.p
    both = es.LieAlgebra(space, [q[0] * p[1] - q[1] * p[0] + q[2] * p[3] - q[3] * p[2]])
    swap = es.FiniteSymmetry(space, [sp.kronecker_product(sp.Matrix([[0, 1], [1, 0]]), sp.eye(2))])
    energy = en.OrbitSum(space, [q[:2]], es.Symmetry(both, swap))
    assert len(energy.orbits.rows) == 2
    shear = es.LieAlgebra(space, [q[2] * p[3]])  # moves the second pair alone
    turn = es.LieAlgebra(space, [q[2] * p[3] - q[3] * p[2]])
    assert not energy.invariance(shear, "q").proved
    assert not energy.invariance(es.Symmetry(shear, swap), "q").proved
    assert energy.invariance(turn, "q").proved
    assert energy.invariance(es.Symmetry(turn, swap), "q").proved


def test_a_limit_on_time_reaches_the_symmetry_of_pairs() -> None:
    with pytest.raises(es.UndecidedError, match="1e-09 s"):
        en.OrbitSum.pairs(FRAME, time_limit=1e-9)


def test_a_lattice_of_sites_and_neighbours() -> None:
    space = es.PhaseSpace(4)
    shift = sp.Matrix(4, 4, lambda i, j: int((i + 1) % 4 == j))
    group = es.FiniteSymmetry(space, [shift, -sp.eye(4)])  # translations, and φ → −φ
    q = space.q
    energy = en.OrbitSum(space, [(q[0], q[1] + q[3])], group, sites=[(q[0],)], site_hidden=(6,))
    assert (len(energy.orbits.rows), len(energy.orbits.site_kinds)) == (8, 4)
    weights, x = drawn(energy), RNG.standard_normal((5, 4))
    for matrix in map(numeric, group.generators):
        assert np.allclose(
            energy.value(weights, x @ matrix.T), energy.value(weights, x), rtol=1e-12
        )
    assert energy.invariance(group, "q").proved
    assert en.check_energy(energy, 4).passed


def test_momenta_move_with_the_inverse_transpose() -> None:
    space = es.PhaseSpace(2)
    shear = es.FiniteSymmetry(space, [[[1, 1], [0, -1]]])
    kinetic = en.OrbitSum(space, [(space.p[0],)], shear, of="p")
    matrix = numeric(shear.momentum_generators[0])
    weights, p = drawn(kinetic), RNG.standard_normal((5, 2))
    assert np.allclose(kinetic.value(weights, p @ matrix.T), kinetic.value(weights, p), rtol=1e-12)
    assert kinetic.invariance(shear, "p").proved
    wrong = en.OrbitSum(space, [(space.q[0],)], shear)
    assert np.abs(wrong.value(weights, p @ matrix.T) - wrong.value(weights, p)).max() > 1e-3


@pytest.mark.parametrize("kinds", [None, "AABC"])
def test_slopes_are_those_of_autograd_to_the_second_order(kinds: str | None) -> None:
    energy = en.OrbitSum.pairs(FRAME, kinds, hidden=(7, 5), site_hidden=(4, 6), gaussians=3)
    weights, q = drawn(energy), RNG.standard_normal((4, 6))
    slope = elementwise_grad(lambda x: energy.value(weights, x))(q)
    assert np.allclose(energy.gradient(weights, q), slope, rtol=1e-10, atol=1e-12)
    bar = RNG.standard_normal(q.shape)

    def by_hand(arrays: list[Any]) -> Any:
        return anp.sum(bar * energy.gradient(arrays[:-1], arrays[-1]))

    def by_tape(arrays: list[Any]) -> Any:
        return anp.sum(bar * grad(lambda x: anp.sum(energy.value(arrays[:-1], x)))(arrays[-1]))

    one = np.array(1.0)
    for mine, other in zip(
        make_vjp(by_hand, [*weights, q])[0](one),
        make_vjp(by_tape, [*weights, q])[0](one),
        strict=True,
    ):
        assert np.allclose(mine, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kinds", [None, "AABC"])
def test_the_checker_finds_no_fault(kinds: str | None) -> None:
    energy = en.OrbitSum.pairs(FRAME, kinds, hidden=(7,), site_hidden=(4,), gaussians=3)
    assert en.check_energy(energy, 6).passed


def test_a_model_is_exact_saved_and_restored_by_itself(tmp_path: pathlib.Path) -> None:
    potential = en.OrbitSum.pairs(FRAME, hidden=(8,), site_hidden=(8,), gaussians=4, reach=3.0)
    kinetic = en.OrbitSum.pairs(FRAME, of="p", hidden=(8,), many_body=False)
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(FRAME.space),
        FRAME.symmetry(),
        enforce="exact",
        potential=potential,
        kinetic=kinetic,
        hamiltonians=2,
        steps=1,
        step_size=0.1,
        hidden=(8,),
        rng=0,
    )
    x = RNG.standard_normal((20, 6))
    flow.fit(x, iterations=3, batch_size=8, progress=False)
    flow.save(tmp_path / "model.npz")
    again = en.load(tmp_path / "model.npz")
    assert (again.elbo(x, rng=1) == flow.elbo(x, rng=1)).all()
    matrix = numeric(FRAME.permutations().generators[0])
    p = RNG.standard_normal((20, 6))
    moved = flow.joint_log_prob(x @ matrix.T, p @ matrix.T)
    assert np.allclose(moved, flow.joint_log_prob(x, p), rtol=1e-11)


def test_what_is_not_kept_is_refused_by_exact_models() -> None:
    with pytest.raises(ArgumentError, match="not proved"):
        en.EquivariantHamiltonianFlow(
            es.StandardNormal(FRAME.space),
            FRAME.rotations(),
            enforce="exact",
            potential=en.OrbitSum(FRAME.space, [FRAME.space.q[:2]], hidden=(4,)),
        )


SPACE = es.PhaseSpace(2)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: en.OrbitSum(SPACE, []), "sequence of windows"),
        (lambda: en.OrbitSum(SPACE, [(SPACE.q[0] ** 2,)]), "linear forms"),
        (lambda: en.OrbitSum(SPACE, [(SPACE.p[0],)]), "linear forms"),
        (lambda: en.OrbitSum(SPACE, [(SPACE.q[0] + 1,)]), "linear forms"),
        (lambda: en.OrbitSum(SPACE, [(SPACE.q[0],), SPACE.q]), "different numbers"),
        (
            lambda: en.OrbitSum(SPACE, [(SPACE.q[0], 2 * SPACE.q[0])], es.groups.so(2)),
            "independent",
        ),
        (lambda: en.OrbitSum(SPACE, [(SPACE.q[0],)], es.groups.so(2)), "whole vectors"),
        (lambda: en.OrbitSum(SPACE, [SPACE.q], es.groups.so(3)), "on that of U"),
        (lambda: en.OrbitSum(SPACE, [SPACE.q], "so(2)"), "FiniteSymmetry"),
        (lambda: en.OrbitSum(SPACE, [SPACE.q], sites=[SPACE.q, SPACE.q]), "one for each"),
        (lambda: en.OrbitSum(SPACE, [SPACE.q], gaussians=1), "2 or more"),
        (lambda: en.OrbitSum.pairs(SPACE), "relative"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_fit_is_refused(call: Any, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        call()
