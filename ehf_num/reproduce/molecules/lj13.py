"""The study LJ13, with ε = 1 and with ε = 2; the runs are those of `study`.

Ours sees distances through Gaussians three times as narrow as for DW4: the wall at 0.9 of the
well's distance is steep, and with wide ones hardly anything is learned.
"""

from __future__ import annotations

from functools import partial

from ehf_num.reproduce.molecules import study

Settings = partial(
    study.Settings,
    name="lj13",
    targets=("lj13", "lj13-2"),
    contenders=("prior", "prior-windows", "windows-fine", "spline-moved", "graph-flow"),
    seeds=3,
)
FULL = Settings(budget="full")
run = study.run
