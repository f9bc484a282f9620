"""
Read a diagnosis
================

The penalty is an average over states of the base density. Where the data lies elsewhere, it may
say little: here is how that shows, and what helps. The data are a Gaussian off the center of the
rotations, the hardest case, as they have nothing of the symmetry.
"""

import matplotlib.pyplot as plt
import numpy as np

import ehf_num as en
import ehf_sym as es
from ehf_num.plotting import plot_constraint, plot_diagnosis

rng = np.random.default_rng(0)
points, held_out = rng.normal([2.0, 0.0], 0.4, (2, 200, 2))

rotations = es.groups.so(2)
base = es.StandardNormal(rotations.space)
options = {"kappa": 0.01, "hidden": (32, 32), "rng": 0}
schedule = {"iterations": 1200, "learning_rate": 2e-3, "progress": False}

# %%
# The paper's penalty, on base states.

flow = en.EquivariantHamiltonianFlow(base, rotations, **options).fit(points, **schedule)
flow.result_

# %%
# Training says that all is well: the bracket is below κ. The diagnosis looks at the states of the
# data, too.

diagnosis = flow.diagnose(held_out)
diagnosis

# %%
# The bracket on data states is above its threshold, and ln p changes when points are moved.
# ``constraint_on="both"`` penalizes there as well, with multipliers of its own.

both = en.EquivariantHamiltonianFlow(base, rotations, constraint_on="both", **options)
both.fit(points, **schedule)
print(f"base states only: {diagnosis['mean {g1,H}², data states'].value:.3g} on data states")
print(f"both: {both.diagnose(held_out)['mean {g1,H}², data states'].value:.3g}")

# %%
# As pictures: the constraint during training, and the diagnosis in units of its thresholds.

figure, axes = plt.subplots(2, 2, figsize=(11, 7), width_ratios=(2, 3), layout="constrained")
for row, (name, model) in zip(axes, (("base", flow), ("both", both)), strict=True):
    plot_constraint(model.result_, row[0], title=f'constraint_on="{name}"')
    plot_diagnosis(model.diagnose(held_out), row[1], title=f'constraint_on="{name}"')
plt.show()
