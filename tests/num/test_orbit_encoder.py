"""Encoders of sums over windows: equivariant in law under the whole group, densities, files."""

import pathlib
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import ehf_num as en
import ehf_sym as es
from ehf_num.densities.check_encoder import check_encoder
from ehf_num.densities.orbit_encoder import OrbitEncoder
from ehf_sym.errors import ArgumentError

FRAME = es.Particles(4, 2).relative()
SMALL = {"hidden": (6,), "site_hidden": (5,), "gaussians": 3}


def drawn(encoder: OrbitEncoder) -> list[Any]:
    rng = np.random.default_rng(1)
    return [w + 0.3 * rng.standard_normal(w.shape) for w in encoder.init(rng, "float64")]


@pytest.mark.parametrize("precision", ["windows", "scalar"])
@pytest.mark.parametrize(("kinds", "many_body"), [(None, True), ("AABC", True), (None, False)])
def test_the_checker_finds_no_fault(precision: str, kinds: str | None, many_body: bool) -> None:
    energy = en.OrbitSum.pairs(FRAME, kinds, many_body=many_body, **SMALL)
    report = check_encoder(OrbitEncoder(energy, precision, width=5), 6, symmetry=FRAME.rotations())
    assert report.passed, report


@pytest.mark.parametrize("precision", ["windows", "scalar"])
def test_momenta_are_exchanged_turned_and_mirrored_along_with_q(precision: str) -> None:
    encoder = OrbitEncoder(en.OrbitSum.pairs(FRAME, **SMALL), precision, width=5)
    weights, rng = drawn(encoder), np.random.default_rng(0)
    q, p = 2 * rng.standard_normal((2, 5, 6))
    log_h = encoder.log_prob(weights, q, p)
    turn = np.linalg.qr(rng.standard_normal((2, 2)))[0]
    groups = FRAME.permutations().generators + FRAME.reflections().generators
    for matrix in [*(np.array(a.tolist(), float) for a in groups), np.kron(np.eye(3), turn)]:
        moved = encoder.log_prob(weights, q @ matrix.T, p @ matrix.T)
        assert np.allclose(moved, log_h, rtol=1e-11)


def test_conserved_momenta_have_a_width_of_their_own() -> None:
    """Along rotations h is as narrow as N(0, γ⁻¹), however wide it is across: in space too."""
    frame = es.Particles(3, 3).relative()
    encoder = OrbitEncoder(en.OrbitSum.pairs(frame, hidden=(4,), many_body=False), width=4)
    weights = encoder.init(np.random.default_rng(0), "float64")
    cut = len(encoder.energy.init(np.random.default_rng(0), "float64"))
    weights[cut] = np.log(np.array([3.0]))  # s = 1/3
    weights[-2], weights[-1] = 0 * weights[-2], np.array([-50.0, -50.0, np.log(2.0)])  # γ = 2
    q = 3 * np.random.default_rng(1).standard_normal((4, 6))
    sizes, directions = np.linalg.eigh(encoder.precision_matrix(weights[cut:], q))
    assert np.allclose(sizes[:, :3], 1 / 9, rtol=1e-2)
    assert np.allclose(sizes[:, 3:], 2, rtol=5e-2)
    x = frame.from_relative(q)
    for point, found in zip(x, directions, strict=True):
        turned = [frame.to_relative(np.cross(axis, point)[None])[0] for axis in np.eye(3)]
        assert np.allclose(found[:, :3].T @ np.transpose(turned), 0, atol=1e-10)


@pytest.mark.parametrize("precision", ["windows", "scalar"])
def test_what_moves_with_q_is_said_where_it_is_proved(precision: str) -> None:
    encoder = OrbitEncoder(en.OrbitSum.pairs(FRAME, "ABBB", **SMALL), precision, width=5)
    assert encoder.moves_with(FRAME.symmetry("ABBB"))
    assert encoder.moves_with(es.Symmetry(FRAME.rotations()))
    assert not encoder.moves_with(FRAME.symmetry())  # A and B are not identical
    inverted = es.FiniteSymmetry(FRAME.space, [(-np.eye(6, dtype=int)).tolist()])
    assert encoder.moves_with(es.Symmetry(finite=inverted))  # q ↦ −q keeps every distance
    U, K = encoder.energy, en.OrbitSum.pairs(FRAME, "ABBB", of="p", **SMALL)
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(FRAME.space),
        FRAME.symmetry("ABBB"),
        enforce="exact",
        potential=U,
        kinetic=K,
        encoder=encoder,
        hamiltonians=1,
        rng=0,
    )
    assert flow.encoder_is_equivariant
    x = np.random.default_rng(0).standard_normal((10, 6))
    gaps = [c.value for c in flow.diagnose(x, n_samples=25).checks if c.name.startswith("ELBO gap")]
    assert len(gaps) == 4
    assert max(gaps) < 1e-9


def test_squeezed_matrices_and_rotations_of_one_axis_are_not_proved() -> None:
    """A matrix that is not orthogonal; an algebra that is not the one P is made of."""
    space = es.PhaseSpace(2)
    swap = es.FiniteSymmetry(space, [[[0, 2], ["1/2", 0]]])
    encoder = OrbitEncoder(en.OrbitSum(space, [(space.q[0],)], swap, hidden=(4,)), width=4)
    assert not encoder.moves_with(es.Symmetry(finite=swap))
    frame = es.Particles(3, 3).relative()
    about = es.LieAlgebra(frame.space, frame.rotations().generators[:1])
    windows = [frame.separation(0, 1), frame.separation(0, 2), frame.separation(1, 2)]
    one = OrbitEncoder(en.OrbitSum(frame.space, windows, about, hidden=(4,)), width=4)
    assert one.moves_with(es.Symmetry(about))
    assert not one.moves_with(es.Symmetry(frame.rotations()))


def test_ln_h_is_that_of_the_normal_law_with_this_precision() -> None:
    encoder = OrbitEncoder(en.OrbitSum.pairs(FRAME, **SMALL), width=5)
    weights, rng = drawn(encoder), np.random.default_rng(0)
    q, noise = rng.standard_normal((2, 3, 6))
    p, log_h = encoder.draw(weights, q, noise)
    mean = encoder.draw(weights, q, 0 * noise)[0]
    cut = len(encoder.energy.init(rng, "float64"))
    matrices = encoder.precision_matrix(weights[cut:], q)
    expected = [
        multivariate_normal(m, np.linalg.inv(matrix)).logpdf(x)
        for m, matrix, x in zip(mean, matrices, p, strict=True)
    ]
    assert np.allclose(log_h, expected)
    assert np.allclose(encoder.log_prob(weights, q, p), expected)


def test_a_model_with_one_is_restored_by_itself(tmp_path: pathlib.Path) -> None:
    encoder = OrbitEncoder(en.OrbitSum.pairs(FRAME, **SMALL), width=5)
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(FRAME.space), enforce="none", encoder=encoder, hidden=(8,), rng=0
    )
    x = np.random.default_rng(0).standard_normal((20, 6))
    flow.fit(x, iterations=2, batch_size=8, draws=2, objective="importance", progress=False)
    flow.save(tmp_path / "model.npz")
    assert (en.load(tmp_path / "model.npz").elbo(x, rng=1) == flow.elbo(x, rng=1)).all()


def test_what_does_not_fit_is_refused() -> None:
    kinetic = en.OrbitSum.pairs(FRAME, of="p", **SMALL)
    for call, says in (
        (lambda: OrbitEncoder(kinetic), "OrbitSum of q"),
        (lambda: OrbitEncoder(None), "OrbitSum of q"),  # type: ignore[arg-type]
        (lambda: OrbitEncoder(en.OrbitSum.pairs(FRAME), "full"), "windows"),
        (lambda: OrbitEncoder(en.OrbitSum.pairs(FRAME), width=0), "width"),
    ):
        with pytest.raises(ArgumentError, match=says):
            call()
