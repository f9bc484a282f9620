"""A diagnosis: figures, the thresholds that they are held to, verdicts, remarks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ehf_num.files.html import html_table

_HEAD = ("check", "value", "threshold", "unit", "verdict")


@dataclass(frozen=True)
class Check:
    """One figure and its verdict.

    Attributes
    ----------
    name : str
        What was measured.
    value : float
        The figure.
    threshold : float
        It should be at most this.
    unit : str
        Of value and threshold.
    """

    name: str
    value: float
    threshold: float
    unit: str = "dimensionless"

    @property
    def passed(self) -> bool:
        """Whether the value is finite and within its threshold."""
        return bool(np.isfinite(self.value) and self.value <= self.threshold)


@dataclass(frozen=True)
class Diagnosis:
    """All checks of one model on one set of points; prints as a table.

    Attributes
    ----------
    checks : tuple of Check
        In the order that they were made.
    remarks : tuple of str
        What could not be measured, or was measured otherwise, and why.
    """

    checks: tuple[Check, ...]
    remarks: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def verdict(self) -> str:
        """All of it in a few words."""
        failed = sum(not check.passed for check in self.checks)
        return f"{failed} of {len(self.checks)} need a look" if failed else "every check passed"

    def __getitem__(self, name: str) -> Check:
        """Return the check of that name."""
        for check in self.checks:
            if check.name == name:
                return check
        known = ", ".join(repr(check.name) for check in self.checks)
        raise KeyError(f"no check {name!r}; there are {known}")

    def _rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        for check in self.checks:
            verdict = "ok" if check.passed else "LOOK"
            yield check.name, f"{check.value:.3g}", f"{check.threshold:.3g}", check.unit, verdict

    def __str__(self) -> str:
        rows = [_HEAD, *self._rows()]
        widths = [max(len(row[k]) for row in rows) for k in range(5)]
        table = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )
        return "\n".join([*table, *self.remarks])

    def _repr_html_(self) -> str:
        return html_table(
            f"Diagnosis: {self.verdict}", self._rows(), head=_HEAD, remarks=self.remarks
        )
