"""Point transformations over windows: gradients of convex functions, canonical, equivariant."""

import pathlib
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
import sympy as sp
from autograd import grad, jacobian
from scipy.stats import norm

import ehf_num as en
import ehf_sym as es
from ehf_num.symmetry.lift import Lifted
from ehf_num.training.bounds import Bound
from ehf_num.training.minibatches import Minibatch
from ehf_sym.errors import ArgumentError

FRAME = es.Particles(4, 2).relative()
PAIRS = en.OrbitSum.pairs(FRAME, "AABB", hidden=(3,), many_body=False, reach=3.0)


class Still:
    """No motion: what is left of an integrator is what comes after it."""

    order, symplectic = 1, True

    def forward(self, hamiltonian: Any, q: Any, p: Any) -> tuple[Any, Any]:
        return q, p

    inverse = forward


def drawn(lifted: Lifted, dtype: str = "float64") -> list[Any]:
    rng = np.random.default_rng(1)
    start = lifted.init(rng, dtype)
    return [each + rng.standard_normal(each.shape).astype(dtype) for each in start]


def points(n: int) -> Any:
    return 1.5 * np.random.default_rng(0).standard_normal((2, n, 6))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_draws_undo_densities(dtype: str) -> None:
    lifted = Lifted(Still(), PAIRS, maps=3, units=5)
    at, (q, p) = lifted.at(drawn(lifted, dtype)), points(50).astype(dtype)
    there = at.inverse(None, q, p)
    assert max(abs(there[0] - q).max(), abs(there[1] - p).max()) > 1
    back = at.forward(None, *there)
    assert back[0].dtype == back[1].dtype == dtype
    assert np.allclose(back, (q, p), atol=1e-9 if dtype == "float64" else 2e-3)


def test_one_map_is_the_slope_of_the_convex_function_that_is_documented() -> None:
    """Φ written out for each pair by log-cosh, ∂Φ and ∂²Φ by the tape."""
    lifted = Lifted(Still(), PAIRS, maps=1, units=4)
    a, b, s, c, t = weights = drawn(lifted)
    forms, kinds = PAIRS.layout.forms, PAIRS.layout.row_kinds
    largest = np.linalg.eigvalsh(np.einsum("rmi,rmj->ij", forms, forms))[-1]

    def phi(q: Any) -> Any:
        total = 0.5 * anp.dot(q, q)
        for form, kind in zip(forms, kinds, strict=True):
            w = anp.dot(form, q)
            r, scale = anp.sqrt(anp.dot(w, w) + 1e-4), np.exp(s[kind])
            up, down = (r - b[kind]) / scale, (r + b[kind]) / scale
            height = np.log1p(np.exp(a[kind]))
            total = total + anp.sum(
                height * scale * (anp.logaddexp(0, up) + anp.logaddexp(0, down) - r / scale)
            )
            total = total - 0.98 / largest / (1 + np.exp(-c[kind, 0])) * r * r / 2
        return np.exp(t[0]) * total

    q, p = points(5)
    there = lifted.at(weights).inverse(None, q, p)
    for k in range(5):
        hessian = jacobian(grad(phi))(q[k])
        assert np.linalg.eigvalsh(hessian)[0] > 0.02 * np.exp(t[0]) - 1e-9  # convex
        assert np.allclose(there[0][k], grad(phi)(q[k]))
        assert np.allclose(hessian @ there[1][k], p[k])


def test_it_keeps_to_an_integrator_and_moves_with_the_symmetry() -> None:
    lifted = en.LearnedStep(Lifted(en.Dilated(en.Leapfrog(1, 0.3)), PAIRS, maps=1, units=3))
    report = en.check_integrator(lifted, 6)
    assert report.passed, report
    at = Lifted(Still(), PAIRS).at(drawn(Lifted(Still(), PAIRS)))
    (q, p), turn = points(4), np.linalg.qr(np.random.default_rng(2).standard_normal((2, 2)))[0]
    ends = at.inverse(None, q, p)
    group = [*FRAME.permutations("AABB").generators, *FRAME.reflections().generators]
    for matrix in [*(np.array(a.tolist(), float) for a in group), np.kron(np.eye(3), turn)]:
        moved = at.inverse(None, q @ matrix.T, p @ matrix.T)
        assert np.allclose(moved, [end @ matrix.T for end in ends], atol=1e-9)
    assert lifted.equivariance(FRAME.rotations()).proved
    assert lifted.commutes_with(FRAME.permutations("AABB"))
    assert not lifted.commutes_with(FRAME.permutations())  # A and B are not identical
    squeeze = es.LieAlgebra(FRAME.space, [FRAME.space.q[0] * FRAME.space.p[0]])
    assert not lifted.equivariance(squeeze).proved
    one = es.LieAlgebra(FRAME.space, [FRAME.space.q[0] * FRAME.space.p[1]
                                      - FRAME.space.q[1] * FRAME.space.p[0]])  # fmt: skip
    assert not lifted.equivariance(one).proved
    with pytest.raises(ArgumentError, match="finite"):
        model(lifted, FRAME.symmetry(), en.OrbitSum.pairs(FRAME, hidden=(3,), many_body=False))


def model(integrator: Any, symmetry: Any, potential: en.OrbitSum, encoder: Any = None) -> Any:
    kinds = "AABB" if potential is PAIRS else None
    return en.EquivariantHamiltonianFlow(
        es.StandardNormal(FRAME.space),
        symmetry,
        enforce="none" if symmetry is None else "exact",
        potential=potential,
        kinetic=en.OrbitSum.pairs(FRAME, kinds, of="p", hidden=(3,), many_body=False),
        encoder=encoder or en.OrbitEncoder(potential, width=4),
        integrator=integrator,
        hamiltonians=2,
        rng=0,
    )


def test_models_learn_by_points_and_by_energies_and_are_restored(tmp_path: pathlib.Path) -> None:
    flow = model(Lifted(en.Leapfrog(1, 0.3), PAIRS, units=3), FRAME.symmetry("AABB"), PAIRS)
    x = points(20)[0]
    options = {"iterations": 2, "batch_size": 8, "progress": False}
    flow.fit(x, objective="importance", draws=2, augment=False, **options)
    flow.fit_energy(sum(v**2 for v in FRAME.space.q), **options)
    flow.save(tmp_path / "model.npz")
    again: Any = en.load(tmp_path / "model.npz")
    assert (again.elbo(x, rng=1) == flow.elbo(x, rng=1)).all()
    assert np.allclose(again.forward(*again.inverse(x, x)), (x, x), atol=1e-8)


def test_without_energies_one_draw_gives_the_density_of_a_change_of_variables() -> None:
    """ln p(q) = ln N(q') + ln |det ∂q'/∂q|, by differences; h is exact, in weights as well."""
    lifted = Lifted(en.LearnedStep(en.Dilated(en.Leapfrog(1, 0.3))), PAIRS, units=4)
    flow = model(lifted, None, PAIRS, "gaussian")
    rng = np.random.default_rng(5)
    for name in ("kinetic", "potential"):
        for weights in flow.weights_of(name):
            for each in weights:
                each[...] = 0
    for weights in flow.weights_of("integrator"):
        for each in weights:
            each += 0.7 * rng.standard_normal(each.shape)
    q, p = points(4)
    log_prob = flow.elbo(q, n_samples=1)
    assert np.allclose(log_prob, flow.elbo(q, n_samples=3, rng=1))
    laplace = flow.likelihood(q, method="laplace", n_samples=512)  # half of the draws are wider
    assert np.allclose(laplace.values, log_prob, atol=0.05)
    step = 1e-5 * np.eye(6)
    for k in range(4):
        ends = [flow.inverse(q[k] + s * step, 0 * step)[0] for s in (1, -1)]
        log_det = np.linalg.slogdet((ends[0] - ends[1]) / 2e-5)[1]
        there = flow.inverse(q[k : k + 1], 0 * q[:1])[0]
        assert np.isclose(log_prob[k], norm.logpdf(there).sum() + log_det)
    assert np.allclose(flow.joint_log_prob(q, p) - flow.log_encoder(p, q), log_prob)
    noise = rng.standard_normal((4, 6))
    momenta, log_h = flow.bound.draw(q, noise)
    assert np.allclose(log_h, flow.log_encoder(momenta, q))
    score = flow.bound.encoder.score(flow.bound.encoder_weights, q, noise)
    slope = grad(lambda p: anp.sum(flow.bound.log_encoder(q, p)))(momenta)
    assert np.allclose(score, slope)


@pytest.mark.parametrize("objective", ["elbo", "importance"])
def test_bounds_are_as_defined_and_their_gradients_those_of_differences(objective: str) -> None:
    """h has weights of the flow's: what they do to it counts."""
    flow = model(Lifted(en.Leapfrog(1, 0.3), PAIRS, maps=1, units=2), None, PAIRS)
    rng = np.random.default_rng(6)
    start = [w + 0.3 * rng.standard_normal(w.shape) for w in flow.weights]
    x, noise = np.repeat(points(3)[0], 2, axis=0), rng.standard_normal((6, 6))
    bound, of, empty = Bound(objective, draws=2), flow.bound.objective, np.zeros(0)
    out = np.empty(sum(w.size for w in start))
    (value,) = bound.step(of.at(start), Minibatch(x, noise), empty, out)
    assert np.isclose(value, bound.mean(of.at(start), x, noise), rtol=1e-12)
    way = rng.standard_normal(out.shape)
    cuts = np.split(way, np.cumsum([w.size for w in start])[:-1])
    ends = [
        bound.mean(of.at([w + step * c.reshape(w.shape) for w, c in zip(start, cuts, strict=True)]),
                   x, noise)
        for step in (1e-6, -1e-6)
    ]  # fmt: skip
    assert np.isclose(-(out @ way), (ends[0] - ends[1]) / 2e-6, rtol=1e-5)


def test_gradients_of_draws_are_those_of_differences() -> None:
    """Through the root of Newton's method, by weights and states."""
    lifted = Lifted(Still(), PAIRS, maps=2, units=2)
    weights, (q, p) = drawn(lifted), points(3)
    probe = np.random.default_rng(3).standard_normal((2, 3, 6))

    def value(*arrays: Any) -> Any:
        ends = lifted.at(list(arrays[2:])).forward(None, *arrays[:2])
        return sum(anp.sum(end * each) for end, each in zip(ends, probe, strict=True))

    arrays, rng = [q, p, *weights], np.random.default_rng(4)
    for k in range(len(arrays)):
        way = rng.standard_normal(arrays[k].shape)
        ends = [
            value(*arrays[:k], arrays[k] + step * way, *arrays[k + 1 :]) for step in (1e-5, -1e-5)
        ]
        slope = np.sum(grad(value, k)(*arrays) * way)
        assert np.isclose(slope, (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-7), k


def test_what_does_not_fit_is_refused() -> None:
    angles = es.PhaseSpace(2, angles=[0])
    triple = sp.Matrix.vstack(FRAME.separation(0, 1), FRAME.separation(0, 2))
    cases: tuple[tuple[Callable[[], Any], str], ...] = (
        (lambda: Lifted(en.Leapfrog(), None), "OrbitSum of q"),  # type: ignore[arg-type]
        (lambda: Lifted(en.Leapfrog(), en.OrbitSum.pairs(FRAME, of="p")), "OrbitSum of q"),
        (lambda: Lifted(None, PAIRS), "forward, inverse"),
        (lambda: Lifted(en.Leapfrog(), PAIRS, maps=0), "maps"),
        (lambda: Lifted(en.Leapfrog(), en.OrbitSum(angles, [(angles.q[1],)])), "no angles"),
        (
            lambda: Lifted(
                en.Leapfrog(), en.OrbitSum(FRAME.space, [triple], FRAME.rotations(), hidden=(3,))
            ),
            "function of",
        ),
    )
    for call, says in cases:
        with pytest.raises(ArgumentError, match=says):
            call()
