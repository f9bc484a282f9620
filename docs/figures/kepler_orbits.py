"""Draw docs/_static/kepler.png: a circular orbit moved by the flow of the Runge–Lenz vector.

Run with: python docs/figures/kepler_orbits.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

import ehf_sym as es

TARGET = Path(__file__).parents[1] / "_static" / "kepler.png"
ANGLES = np.linspace(0, 1.2, 7)


def main() -> None:
    kepler = es.Kepler(2, mass=1, strength=1)
    symmetry = kepler.symmetry()
    runge_lenz = symmetry.generators[symmetry.labels.index("A_1")]
    field = es.to_numpy(kepler.space.vector_field(runge_lenz), kepler.space.coordinates)
    energy = es.to_numpy(kepler.hamiltonian, kepler.space.coordinates)

    t = np.linspace(0, 2 * np.pi, 400)
    circle = np.stack([np.cos(t), np.sin(t), -np.sin(t), np.cos(t)], axis=1)
    moved = solve_ivp(
        lambda _, s: field(s.reshape(circle.shape)).ravel(),
        (ANGLES[0], ANGLES[-1]),
        circle.ravel(),
        t_eval=ANGLES,
        rtol=1e-9,
        atol=1e-9,
    )
    orbits = moved.y.T.reshape(len(ANGLES), *circle.shape)

    figure, axes = plt.subplots(figsize=(5, 4.4), layout="constrained")
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(ANGLES)))
    for angle, orbit, colour in zip(ANGLES, orbits, colours, strict=True):
        drift = np.abs(energy(orbit) + 0.5).max()
        print(f"ε = {angle:.1f}: energy -1/2 to {drift:.0e}")
        axes.plot(*orbit[:, :2].T, color=colour, label=f"ε = {angle:.1f}")
    axes.plot(0, 0, "o", color="black", markersize=5)
    axes.set(aspect="equal", xlabel="$q_1$", ylabel="$q_2$")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    figure.savefig(TARGET, dpi=120)


if __name__ == "__main__":
    main()
