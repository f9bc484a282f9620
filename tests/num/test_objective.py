"""The loss: values against direct evaluation, gradients against differences."""

import math

import autograd.numpy as anp
import numpy as np
import pytest
import sympy as sp
from autograd.test_util import check_grads
from models import CASES, draw, make, terms_of
from scipy import stats

from ehf_num.densities.encoder import GaussianEncoder
from ehf_num.engine.tape import make_vjp
from ehf_num.engine.workspace import Workspace
from ehf_num.hamiltonian.parameters import ParameterVector
from ehf_num.training.constraint import mean_squared_brackets


def pieces(case, dtype="float64", hamiltonians=2, n=8):
    flow = make(case, hamiltonians=hamiltonians, dtype=dtype)
    rng = np.random.default_rng(5)
    x = rng.standard_normal((n, flow.dim)).astype(dtype)
    noise = rng.standard_normal((n, flow.dim)).astype(dtype)
    base_states = flow.bound.base.sample(n if flow.symmetry else 1, rng, dtype)
    if flow.symmetry is None:
        base_states = base_states[:0]
    return flow, x, noise, base_states


@pytest.mark.parametrize("case", CASES)
def test_gradient_of_the_lagrangian_against_central_differences(case):
    flow, x, noise, base_states = pieces(case)
    multipliers = np.array(
        [-1.0, *([2.5, 0.7, 1.3][: len(flow.report.verdicts)] if flow.report else [])]
    )

    def loss(flat):
        vector = ParameterVector(flow.weights)
        vector.flat[:] = flat
        return multipliers @ terms_of(flow.objective.at(vector.arrays), x, noise, base_states)

    _, pull_back = flow.bound.differentiated(x, noise, base_states)
    gradient = np.concatenate([part.ravel() for part in pull_back(multipliers)])
    start = ParameterVector(flow.weights).flat
    rng = np.random.default_rng(1)
    for _ in range(5):
        direction = rng.standard_normal(start.size)
        direction /= np.linalg.norm(direction)
        step = 1e-5
        difference = (loss(start + step * direction) - loss(start - step * direction)) / (2 * step)
        assert gradient @ direction == pytest.approx(difference, rel=1e-6)


@pytest.mark.parametrize("case", [case for case in CASES if case != "soft-uniform"])
def test_bracket_is_that_of_the_formula(case):
    """{g, H} on the tape against space.bracket of g with linear K and U, by SymPy."""
    flow, *_ = pieces(case)
    q, p = draw(flow, n=4)
    hamiltonian = flow.flow.hamiltonians[0]
    velocity, slope = hamiltonian.grad_kinetic(p), hamiltonian.grad_potential(q)
    space = flow.symmetry.space
    ours = flow.bound.brackets(q, p)[0]
    for row in range(4):
        linear = sum(float(v) * s for v, s in zip(velocity[row], space.p, strict=True))
        linear += sum(float(v) * s for v, s in zip(slope[row], space.q, strict=True))
        linear = sp.nsimplify(linear, rational=True)
        at = dict(zip(space.coordinates, [*q[row], *p[row]], strict=True))
        for k, g in enumerate(flow.symmetry.generators):
            assert ours[row, k] == pytest.approx(float(space.bracket(g, linear).subs(at)), rel=1e-9)


def test_elbo_keeps_both_halves_of_the_base_density():
    """ln π has a q part and a p part: compare with scipy.stats on the pulled-back state."""
    flow, x, noise, _ = pieces("so2")
    log_weights = flow.bound.log_weights(x, noise)
    p, log_h = flow.bound.draw(x, noise)
    q0, p0 = flow.inverse(x, p)
    log_base = stats.norm.logpdf(q0).sum(axis=1) + stats.norm.logpdf(p0).sum(axis=1)
    np.testing.assert_allclose(log_weights, log_base - log_h, rtol=1e-12)


def test_encoder_density_is_normal(each_engine):
    """ln h(p|q) against scipy.stats.norm with the μ and σ that the networks give."""
    flow, x, noise, _ = pieces("so3")
    encoder = flow.objective.encoder
    weights = flow.bound.encoder_weights
    mean, _ = encoder.draw(weights, x, np.zeros_like(x))
    shifted, _ = encoder.draw(weights, x, np.ones_like(x))
    p, log_h = encoder.draw(weights, x, noise)
    expected = stats.norm.logpdf(p, mean, shifted - mean).sum(axis=1)
    np.testing.assert_allclose(log_h, expected, rtol=1e-12)
    assert (shifted > mean).all()


def test_encoder_starts_as_the_standard_normal():
    encoder = GaussianEncoder(dim=2, hidden=(8, 8))
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((5, 2))
    p, log_h = encoder.draw(encoder.init(rng, "float64"), rng.standard_normal((5, 2)), noise)
    np.testing.assert_allclose(p, noise, rtol=1e-14)
    np.testing.assert_allclose(log_h, stats.norm.logpdf(noise).sum(axis=1), rtol=1e-13)


@pytest.mark.parametrize("case", CASES)
def test_terms_are_means_of_their_parts(case):
    flow, x, noise, base_states = pieces(case)
    terms, _ = flow.bound.differentiated(x, noise, base_states)
    elbo = np.mean(flow.bound.log_weights(x, noise))
    assert terms[0] == pytest.approx(elbo, rel=1e-13)
    if flow.symmetry is not None:
        brackets = flow.bound.brackets(*np.split(base_states, 2, axis=1))
        np.testing.assert_allclose(terms[1:], np.mean(np.square(brackets), axis=(0, 1)), rtol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_upcast_from_float32(case, monkeypatch):
    """Walk the tape, forward and backward: every array on it is float32."""
    from autograd.core import VJPNode

    found = []
    original = VJPNode.__init__

    def watch(self, value, fun, args, kwargs, argnums, parents):
        original(self, value, fun, args, kwargs, argnums, parents)
        vjp = self.vjp

        def checked(cotangent):
            bars = list(vjp(cotangent))
            # A slice's cotangent is a sparse object; its dtype shows where it is added up.
            found.extend((fun.__name__, bar.dtype) for bar in bars if hasattr(bar, "dtype"))
            return bars

        self.vjp = checked
        found.append((fun.__name__, value.dtype))

    flow, x, noise, base_states = pieces(case, dtype="float32")
    empty = Workspace.empty

    def watched_empty(self, shape, dtype):
        found.append(("work array", dtype))
        return empty(self, shape, dtype)

    monkeypatch.setattr(Workspace, "empty", watched_empty)
    monkeypatch.setattr(VJPNode, "__init__", watch)

    def parts(arrays):
        log_joint, squares = flow.objective.at(arrays[1:]).joint_and_squares(
            x, arrays[0], base_states
        )
        log_weights = flow.objective.at(arrays[1:]).log_weights(x, noise)
        return anp.concatenate([log_joint, *squares, log_weights])

    vjp, terms = make_vjp(parts, [noise, *flow.weights])
    vjp(np.ones(len(terms), np.float32))
    terms, pull_back = flow.bound.differentiated(x, noise, base_states)
    bars = pull_back(np.ones(len(terms), np.float32))
    found.extend(("a stage", array.dtype) for array in (terms, *bars))
    assert len(found) > 20
    assert ("work array" in dict(found)) == (flow.engine.name == "C")
    assert [entry for entry in found if entry[1] != np.float32] == []


def test_bound_is_below_the_evidence_which_quadrature_knows():
    """d = 1: ln p(x) by integrating the joint over p; ELBO below, importance weighting close."""
    flow = make("oscillator", enforce="none")
    x = np.array([[-1.3], [0.2], [2.0]])
    grid = np.linspace(-12, 12, 4001)
    exact = [
        math.log(
            np.trapezoid(
                np.exp(flow.joint_log_prob(np.full((grid.size, 1), point[0]), grid[:, None])), grid
            )
        )
        for point in x
    ]
    elbo = flow.elbo(x, n_samples=4000)
    estimate = flow.log_prob(x, n_samples=4000)
    assert (elbo < exact).all()
    np.testing.assert_allclose(estimate, exact, atol=0.05)
    assert (np.abs(elbo - exact) > np.abs(estimate - exact)).all()


def test_mean_squared_brackets_and_their_derivatives():
    rng = np.random.default_rng(0)
    fields, gradients = rng.standard_normal((7, 3, 4)), rng.standard_normal((7, 2, 4))
    brackets = [[[g @ f for g in gs] for f in fs] for fs, gs in zip(fields, gradients, strict=True)]
    expected = np.mean(np.square(brackets), axis=(0, 1))
    np.testing.assert_allclose(mean_squared_brackets(fields, gradients), expected, rtol=1e-13)
    check_grads(lambda f: mean_squared_brackets(f, gradients), modes=["rev"], order=2)(fields)
