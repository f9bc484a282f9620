"""The study LJ13 from its energy alone, with ε = 1; the runs are those of `from_energy`."""

from __future__ import annotations

from functools import partial

from ehf_num.reproduce.molecules import from_energy
from ehf_num.reproduce.molecules.window_flows import WindowContender

_SMALL = WindowContender(
    hamiltonians=4,
    hidden=(16,),
    site_hidden=(16, 16),
    gaussians=32,
    reach=6.0,
    learning_rate=2e-3,
)

Settings = partial(
    from_energy.Settings,
    target="lj13",
    iterations=2_500,
    draws=20_000,
    momenta=16,
    batch_size=64,
    model=_SMALL,
)
FULL = Settings(
    iterations=20_000,
    seeds=3,
    model=WindowContender(gaussians=32, reach=6.0, learning_rate=2e-3),
)
run = from_energy.run
