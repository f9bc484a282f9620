"""All rows, by number."""

from __future__ import annotations

from tests.battery import (
    bad_input,
    bridge,
    calibration,
    densities,
    determinism,
    equivariance,
    faults,
    fuzzing,
    gradients,
    interruption,
    laws,
    long_run,
    maps,
    saved_files,
    symbolic,
    updates,
)
from tests.battery.frame import Row

_MODULES = (
    bad_input,
    bridge,
    calibration,
    densities,
    determinism,
    equivariance,
    faults,
    fuzzing,
    gradients,
    interruption,
    laws,
    long_run,
    maps,
    saved_files,
    symbolic,
    updates,
)
ROWS: list[Row] = sorted((row for m in _MODULES for row in m.ROWS), key=lambda row: row.number)
