"""All rows, by number."""

from __future__ import annotations

from importlib import import_module

from tests.battery.frame import Row

_MODULES = (
    "bad_input",
    "bridge",
    "calibration",
    "checkpoints",
    "densities",
    "determinism",
    "energies",
    "equivariance",
    "faults",
    "fuzzing",
    "gradients",
    "interruption",
    "laws",
    "lifetimes",
    "long_run",
    "machine_made",
    "maps",
    "questions",
    "saved_files",
    "symbolic",
    "updates",
)
ROWS: list[Row] = sorted(
    (row for name in _MODULES for row in import_module(f"tests.battery.{name}").ROWS),
    key=lambda row: row.number,
)
