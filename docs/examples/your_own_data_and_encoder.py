"""
Your own data and your own encoder
==================================

Data that never end, from a function; and an encoder that turns with the plane, written in ten
lines, looked at by ``check_encoder`` before anything is trained.
"""

import math

import autograd.numpy as anp
import matplotlib.pyplot as plt
import numpy as np

import ehf_num as en
import ehf_sym as es
from ehf_num.plotting import plot_density, plot_learning_curves


def halo(n, rng):
    """Uniform angle, ln-normal radius: points (n, 2)."""
    angle = 2 * np.pi * rng.random(n)
    radius = 1.8 * np.exp(0.2 * rng.standard_normal(n))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


# %%
# The encoder proposes momenta :math:`p \sim N(a\,q + b\,Jq, s^2)`, where a, b and ln s are affine
# in :math:`\ln(1 + |q|^2)`: they do not change when q is turned, and p turns with it.


class Swirl:
    def init(self, rng, dtype):
        return [np.zeros((1, 3), dtype), np.zeros(3, dtype)]

    def draw(self, weights, q, noise):
        slope, offset = weights
        radius = anp.log(1 + anp.sum(q**2, axis=1, keepdims=True))
        coefficients = anp.dot(radius, slope) + offset
        a, b, log_s = coefficients[:, :1], coefficients[:, 1:2], coefficients[:, 2:]
        turned = anp.concatenate([-q[:, 1:], q[:, :1]], axis=1)
        p = a * q + b * turned + anp.exp(log_s) * noise
        log_h = -anp.sum(log_s + 0.5 * noise**2, axis=1) - math.log(2 * math.pi)
        return p, log_h


rotations = es.groups.so(2)
en.check_encoder(Swirl(), dim=2, symmetry=rotations)

# %%
# Train on fresh points in every minibatch; a fixed set is held out.

held_out = halo(500, np.random.default_rng(1))
base = es.StandardNormal(rotations.space)
flow = en.EquivariantHamiltonianFlow(
    base, rotations, enforce="exact", encoder=Swirl(), hidden=(32, 32), rng=0
)
flow.fit(halo, iterations=800, learning_rate=4e-3, validation=held_out, progress=False)
flow.result_

# %%
# How good a density it is: ln p of the points held out, with what the estimate can be off.

flow.likelihood(held_out)

# %%
# The curves, and the densities: of the data, and of the model.

history = flow.result_.history
figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
curves = {
    "minibatches": (history.iteration, history.elbo),
    "held out": (history.iteration, history.validation_elbo),
}
plot_learning_curves(curves, axes[0], ylabel="ELBO [nats]")
box = (-4.0, 4.0, -4.0, 4.0)
data = halo(4000, np.random.default_rng(2))
plot_density(data, axes[1], extent=box, title="Data")
plot_density(flow.sample(4000, rng=3), axes[2], extent=box, title="Learned")
plt.show()
