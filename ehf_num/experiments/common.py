"""What the experiments share: tables as text, energies as they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ehf_num.atomic import atomic_write
from ehf_num.workspace import Array


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Lay rows of cells out in columns.

    Examples
    --------
    >>> print(aligned([("a", "value"), ("long", "1")]))
    a     value
    long  1
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def mean_and_spread(values: Sequence[float]) -> str:
    """Write mean ± standard deviation, or the one value.

    Examples
    --------
    >>> mean_and_spread([1.0, 2.0]), mean_and_spread([1.0])
    ('1.500 ± 0.707', '1.000')
    """
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def centered(energy: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Subtract an energy's least value on what is drawn: H is defined up to a constant."""

    def shifted(points: Array) -> Array:
        values = energy(points.astype(np.float32))
        lowest: Array = values - values.min()
        return lowest

    return shifted


def save_figure(figure: Figure, path: Path) -> None:
    """Write a picture, whole or not at all; the suffix chooses the format."""
    with atomic_write(path) as handle:
        figure.savefig(handle, format=path.suffix[1:], dpi=110)


def save_text(text: str, path: Path) -> None:
    """Write text, whole or not at all."""
    with atomic_write(path) as handle:
        handle.write(text.encode())
