"""The study LJ13, with ε = 1 and with ε = 2; the runs are those of `study`."""

from __future__ import annotations

from functools import partial

from ehf_num.reproduce.molecules import study

Settings = partial(study.Settings, name="lj13", targets=("lj13", "lj13-2"), seeds=3)
FULL = Settings(budget="full")
run = study.run
