"""Figure 2B, small: two targets from the soft-uniform base; the runs are those of `fig2b`."""

from __future__ import annotations

from functools import partial

from ehf_num.reproduce.paper import fig2b

Settings = partial(fig2b.Settings, name="multimodal", modes=(5, 8), bases=("soft-uniform",))
FULL = Settings(modes=(2, 3, 5, 8, 9))
run = fig2b.run
