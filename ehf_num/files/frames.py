"""Data frames of others: names of columns in, a frame of the same kind out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from ehf_num.engine.workspace import Array
from ehf_sym.errors import DataWarning

KINDS = ("pandas", "polars")


def column_names(x: Any) -> list[str] | None:
    """Return the names of a data frame's columns, if it has any and all are texts.

    Examples
    --------
    >>> column_names([[0.0, 1.0]]) is None
    True
    """
    columns = getattr(x, "columns", None)
    if columns is None or callable(columns):
        return None
    names = list(columns)
    return names if names and all(isinstance(name, str) for name in names) else None


def frame_kind(x: Any) -> str | None:
    """Return the package that a data frame is of, one of `KINDS`, or None."""
    if getattr(x, "columns", None) is None:
        return None
    packages = {each.__module__.partition(".")[0] for each in type(x).__mro__}
    return next((kind for kind in KINDS if kind in packages), None)


def as_frame(values: Array, names: Sequence[str] | None, kind: str | None) -> Any:
    """Return points (n, d) as a frame of a kind, with names; as they are where that is None.

    Warns
    -----
    DataWarning
        If its package is not installed here: they come back as they are.
    """
    names = None if names is None else list(names)
    try:
        if kind == "pandas":
            import pandas

            return pandas.DataFrame(values, columns=names)
        if kind == "polars":
            import polars

            return polars.DataFrame(values, schema=names)
    except ImportError:
        text = f"{kind}, whose frames this was learned from, is not installed: here is an array"
        warnings.warn(text, DataWarning, stacklevel=3)
    return values
