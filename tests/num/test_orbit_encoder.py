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
