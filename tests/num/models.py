"""One table of symmetries and bases that models are built from; every property runs on each."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np

import ehf_num as en
import ehf_sym as es
from ehf_num.training.minibatches import Minibatch

HIDDEN = (12, 10)


def so2():
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    return es.StandardNormal(space), es.LieAlgebra(space, [q1 * p2 - q2 * p1])


def so3():
    space = es.PhaseSpace(3)
    q, p = space.q, space.p
    pairs = [(0, 1), (1, 2), (2, 0)]
    return es.StandardNormal(space), es.LieAlgebra(
        space, [q[i] * p[j] - q[j] * p[i] for i, j in pairs]
    )


def oscillator():
    """A generator that is not linear in p."""
    space = es.PhaseSpace(1)
    return es.StandardNormal(space), es.LieAlgebra(space, [(space.q[0] ** 2 + space.p[0] ** 2) / 2])


def squeezed():
    """A Gaussian with another covariance, and the generator that it allows."""
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    base = es.BaseDensity(space, log_density=-(4 * q1**2 + q2**2 + p1**2 + p2**2) / 2 + q1)
    return base, es.LieAlgebra(space, [(q2**2 + p2**2) / 2])


def soft_uniform():
    return es.SoftUniform(es.PhaseSpace(2)), None


CASES = {
    "so2": so2,
    "so3": so3,
    "oscillator": oscillator,
    "squeezed": squeezed,
    "soft-uniform": soft_uniform,
}


def make(case, **options):
    base, symmetry = CASES[case]()
    options = {"hidden": HIDDEN, "rng": 0} | options
    if symmetry is None:
        options["enforce"] = "none"
    flow = en.EquivariantHamiltonianFlow(base, symmetry, **options)
    for last in flow.bound.encoder_weights[::2]:
        if not last.any():  # last layers start at zero: h = N(0, 1)
            last[:] = np.random.default_rng(1).standard_normal(last.shape) / np.sqrt(len(last))
    return flow


def draw(flow, n=16, seed=3):
    return np.random.default_rng(seed).standard_normal((2, n, flow.dim))


def step(flow, bound, x, noise, base_states=None, multipliers=()):
    """Terms and flat gradient of one step of training."""
    gradient = np.full_like(flow.flat_weights, np.nan)
    batch, rates = Minibatch(x, noise, base_states), np.array(multipliers)
    terms = bound.step(flow.bound, batch, rates, gradient)
    return terms, gradient


def terms_of(model, x, noise, base_states=None):
    """Mean ELBO and penalized squares by their definitions, on whatever tape the weights are."""
    elbo = anp.reshape(anp.mean(model.log_weights(x, noise)), (1,))
    return anp.concatenate([elbo, model.penalty_terms(x, noise, base_states)])


def check_gradient_of_the_elbo(flow, n=16):
    """Hold the gradient of the mean ELBO against central differences in three directions."""
    x, noise = draw(flow, n)
    _, pull_back = flow.bound.differentiated(x, noise)
    gradient = np.concatenate([part.ravel() for part in pull_back(np.ones(1))])
    flat, rng = flow.flat_weights, np.random.default_rng(5)
    for _ in range(3):
        direction = rng.standard_normal(flat.size)
        start, values = flat.copy(), []
        for sign in (1, -1):
            flat[:] = start + sign * 1e-6 * direction
            values.append(terms_of(flow.bound, x, noise)[0])
        flat[:] = start
        slope = (values[0] - values[1]) / 2e-6
        assert abs(slope - gradient @ direction) < 1e-5 * max(1, abs(slope))
