"""A model whose map is affine: every law that it implies is a normal law in closed form."""

import dataclasses

import numpy as np
from scipy import stats

import ehf_num as en
import ehf_sym as es
from ehf_num.training.objective import Objective


@dataclasses.dataclass(frozen=True)
class Quadratic:
    """H = pᵀAp/2 + qᵀBq/2 + b·q, whose leapfrog map is affine."""

    A: np.ndarray
    B: np.ndarray
    b: np.ndarray

    def grad_kinetic(self, p):
        return p @ self.A

    def grad_potential(self, q):
        return q @ self.B + self.b


@dataclasses.dataclass(frozen=True, eq=False)
class LinearObjective(Objective):
    """An objective whose flow is that of a quadratic H, whatever the weights."""

    quadratic: Quadratic = None

    def flow(self, arrays):
        return en.HamiltonianFlow((self.quadratic,), self.layout.integrator)


@dataclasses.dataclass(frozen=True)
class ScaledPosterior:
    """h(p|q): the posterior of an affine model, its standard deviations times a factor."""

    offset: np.ndarray
    slope: np.ndarray
    factor: np.ndarray

    def draw(self, weights, q, noise):
        p = self.offset + q @ self.slope.T + noise @ self.factor.T
        log_h = -0.5 * np.sum(noise**2 + np.log(2 * np.pi), axis=1)
        return p, log_h - np.log(np.abs(np.linalg.det(self.factor)))

    def log_prob(self, weights, q, p):
        noise = np.linalg.solve(self.factor, (p - self.offset - q @ self.slope.T).T).T
        return self.draw(weights, q, noise)[1]


def linear(dim, width=1.5, seed=0, **options):
    """A model with an affine map of a standard normal base; its marginal in closed form."""
    base = es.StandardNormal(es.PhaseSpace(dim))
    flow = en.EquivariantHamiltonianFlow(
        base, enforce="none", hidden=(6,), step_size=0.4, rng=seed, **options
    )
    rng = np.random.default_rng(seed)
    A, B = (np.eye(dim) + 0.3 * (g + g.T) for g in rng.standard_normal((2, dim, dim)) / 2)
    parts = {f.name: getattr(flow.objective, f.name) for f in dataclasses.fields(Objective)}
    quadratic = Quadratic(A, B, rng.standard_normal(dim))
    flow._objective = LinearObjective(**parts, quadratic=quadratic)
    states = np.vstack([np.zeros(2 * dim), np.eye(2 * dim)])
    images = np.hstack(flow.flow.forward(*np.split(states, 2, axis=1)))
    mean, J = images[0], (images[1:] - images[0]).T
    covariance = J @ J.T
    qq, pq, pp = covariance[:dim, :dim], covariance[dim:, :dim], covariance[dim:, dim:]
    slope = pq @ np.linalg.inv(qq)
    encoder = ScaledPosterior(
        mean[dim:] - slope @ mean[:dim], slope, width * np.linalg.cholesky(pp - slope @ pq.T)
    )
    flow._objective = dataclasses.replace(flow.objective, encoder=encoder)
    return flow, stats.multivariate_normal(mean[:dim], qq)
