"""All rows, by number."""

from __future__ import annotations

from tests.battery import (
    bad_input,
    bridge,
    calibration,
    densities,
    equivariance,
    gradients,
    laws,
    maps,
    saved_files,
    symbolic,
    updates,
)
from tests.battery.frame import Row

_MODULES = (
    bad_input,
    saved_files,
    symbolic,
    bridge,
    maps,
    equivariance,
    gradients,
    densities,
    laws,
    updates,
    calibration,
)
ROWS: list[Row] = sorted((row for m in _MODULES for row in m.ROWS), key=lambda row: row.number)
