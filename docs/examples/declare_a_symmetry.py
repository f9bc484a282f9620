"""
Declare a symmetry and have it proved
=====================================

Two base densities in the plane and one symmetry, the rotations. One density has the symmetry, which
is proved; the other has not, which is proved too, by a state where the bracket is not zero.
"""

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp

import ehf_num as en
import ehf_sym as es
from ehf_num.plotting import OKABE_ITO, plot_density

space = es.PhaseSpace(2)
(q1, q2), (p1, p2) = space.q, space.p
rotations = es.LieAlgebra(space, [q1 * p2 - q2 * p1])

# %%
# A density is the formula of its logarithm, up to a constant.

round_base = es.StandardNormal(space)
oval_base = es.BaseDensity(
    space, log_density=-(q1**2 + sp.Rational(5, 2) * q2**2 + p1**2 + p2**2) / 2
)

# %%
# The report of the first says that :math:`\{g, \pi\} = 0`, and what follows for what will be
# learned.

rotations.check(round_base)

# %%
# The second is refuted. The point in the last line can be checked by hand.

rotations.check(oval_base)

# %%
# What the symmetry does to states is known in closed form, and proved as well.

rotations.action(0)

# %%
# In numbers: the orbit of a state under rotations stays on a level line of the first density, and
# crosses those of the second.

start = np.array([[1.5, 0.0, 0.0, 0.0]])
angles = np.linspace(0, 2 * np.pi, 200)
orbit = np.concatenate(
    [en.finite_action(space, rotations.generators[0], angle)(start) for angle in angles]
)


def on_positions(base):
    """The log density at p = 0, up to a constant."""
    log_density = es.to_numpy(base.log_density, space.coordinates)
    return lambda q: log_density(np.concatenate([q, np.zeros_like(q)], axis=1))


figure, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
for ax, base, title in zip(
    axes, (round_base, oval_base), ("invariant: proved", "not invariant: refuted"), strict=True
):
    plot_density(on_positions(base), ax, title=title)
    ax.plot(*orbit[:, :2].T, color=OKABE_ITO[4], label="an orbit of the symmetry")
    ax.legend(loc="lower left")
figure.suptitle("Base densities at p = 0")
plt.show()
