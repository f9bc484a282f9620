"""
Rings from 100 points
=====================

A hundred points of two rings, and two models that differ in one word: one knows nothing of
symmetry, the other is a network of invariants, so that rotations are kept whatever is learned.
"""

import matplotlib.pyplot as plt

import ehf_num as en
import ehf_sym as es
from ehf_num.plotting import plot_density, plot_field, plot_samples

target = en.rings()
points, fresh = target.sample(100, rng=0), target.sample(1000, rng=1)

rotations = es.groups.so(2)
base = es.StandardNormal(rotations.space)

# %%
# Few iterations of small networks, so that this page is built in seconds.

options = {"encoder": "coupling", "hidden": (32, 32), "rng": 0}
schedule = {"iterations": 1000, "learning_rate": 4e-3, "schedule": "cosine", "progress": False}

free = en.EquivariantHamiltonianFlow(base, enforce="none", **options).fit(points, **schedule)
exact = en.EquivariantHamiltonianFlow(base, rotations, enforce="exact", **options).fit(
    points, **schedule
)

# %%
# How far each is from the truth: the mean over fresh points of ln p of the target less that of the
# model, in nats. The model's is importance weighted, so the figure is rather too large.

truth = target.log_prob(fresh).mean()
for name, flow in (("no symmetry", free), ("exact", exact)):
    print(f"{name}: {truth - flow.score(fresh):.2f} nats from the truth")

# %%
# What the exact model rests on, and what it is.

exact.construction

# %%

exact

# %%
# Samples of both, and the potential that the exact one has learned: it depends on the distance from
# the center alone.

figure, axes = plt.subplots(2, 2, figsize=(9, 7.2), layout="constrained")
box = (-3.6, 3.6, -3.6, 3.6)
plot_samples(points, axes[0, 0], extent=box, title="100 points")
for ax, model, title in ((axes[0, 1], free, "no symmetry"), (axes[1, 0], exact, "exact")):
    plot_density(model.sample(4000, rng=2), ax, extent=box, title=title, colorbar=True)
potential = exact.flow.hamiltonians[0].potential
label = "U [dimensionless]"
plot_field(potential, axes[1, 1], extent=box, title="exact: U(q)", colorbar_label=label)
plt.show()
