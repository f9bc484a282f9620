"""All rows, by number."""

from __future__ import annotations

from tests.battery import bridge, equivariance, gradients, maps, symbolic
from tests.battery.frame import Row

_MODULES = (symbolic, bridge, maps, equivariance, gradients)
ROWS: list[Row] = sorted((row for m in _MODULES for row in m.ROWS), key=lambda row: row.number)
