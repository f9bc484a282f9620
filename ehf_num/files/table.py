"""What a table of points is asked for, and what comes of it: columns, rows that are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ehf_num.engine import arguments
from ehf_sym.errors import ArgumentError, EHFError

Floats = npt.NDArray[np.float64]

REAL_KINDS = "fiu"
_SHOWN = 3  # rows left out whose places are told
_NOT_DELIMITERS = '\r\n"#.+-eE_0123456789'


class DataFileError(EHFError, ValueError):
    """A file cannot be read as points, or written: says which file, where in it, and why."""


@dataclass(frozen=True, eq=False)
class Table:
    """Points with the names of their columns; NumPy reads it as the points.

    Attributes
    ----------
    values : ndarray of float64, shape (n, d)
        The points.
    columns : tuple of str or None
        Their names, if the file has any.
    remarks : tuple of str
        What should be known of how they were read.
    """

    values: Floats
    columns: tuple[str, ...] | None = None
    remarks: tuple[str, ...] = ()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.values, dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Request:
    """What is asked of a file; each is checked here.

    Attributes
    ----------
    dim, usecols, delimiter, decimal, skip_bad_rows
        Of `read_points`.
    names : sequence of str or None
        Columns that are taken where a table has all of them and `usecols` says nothing.
    """

    dim: int | None = None
    usecols: Sequence[int | str] | None = None
    delimiter: str | None = None
    decimal: str | None = None
    skip_bad_rows: bool = False
    names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.dim is not None:
            arguments.positive_integer(self.dim, "dim")
        if self.usecols is not None:
            _check_columns(self.usecols)
        mark: object = self.delimiter
        if mark is not None and not (
            isinstance(mark, str) and len(mark) == 1 and mark not in _NOT_DELIMITERS
        ):
            raise ArgumentError(
                f"delimiter was {mark!r}; it should be one character that is no part of a number, "
                "such as ';', with ' ' for any whitespace, or None: whichever the file has"
            )
        arguments.one_of(self.decimal, "decimal", (None, ".", ","))
        if self.decimal is not None and self.decimal == self.delimiter:
            raise ArgumentError(f"decimal was {self.decimal!r}, and so was delimiter")
        arguments.one_of(self.skip_bad_rows, "skip_bad_rows", (True, False))

    def wanted(self, names: Sequence[str] | None) -> Sequence[int | str] | None:
        """Return the columns to take of a table whose columns have these names; None: all."""
        if self.usecols is not None or self.names is None or names is None:
            return self.usecols
        return list(self.names) if set(self.names) <= set(names) else None


def _check_columns(usecols: Any) -> None:
    """Refuse all but places and names, none twice."""
    columns = list(usecols) if isinstance(usecols, Sequence | np.ndarray) else []
    known = all(
        isinstance(c, str | Integral) and not isinstance(c, bool) for c in columns
    ) and not isinstance(usecols, str | bytes)
    if not known or not columns or len(set(columns)) < len(columns):
        raise ArgumentError(
            f"usecols was {usecols!r}; it should be a sequence of columns, each once, by place "
            'from 0 or by name, such as [1, 2] or ["x", "y"]'
        )


def places_of(
    file: Path, usecols: Sequence[int | str], names: Sequence[str] | None, width: int
) -> list[int]:
    """Turn names and places of columns into places."""
    places, known = [], list(names or ())
    for column in usecols:
        if isinstance(column, str):
            if column not in known:
                found = "no header" if names is None else f"the names {', '.join(known)}"
                raise DataFileError(f"{file} has {found}, and no column {column!r}")
            column = known.index(column)
        if not 0 <= column < width:
            raise DataFileError(f"{file} has {width} columns, and none at {column} from 0")
        places.append(int(column))
    return places


@dataclass
class BadRows:
    """Rows that cannot be points: counted where they may be left out, else the first is refused."""

    file: Path
    allowed: bool
    kinds: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def add(self, where: str, fault: str, kind: str) -> None:
        """Note a row.

        Raises
        ------
        DataFileError
            If none may be left out.
        """
        if not self.allowed:
            way_on = "skip_bad_rows=True (--skip-bad-rows) leaves such rows out"
            raise DataFileError(f"{self.file}, {where} {fault}; {way_on}")
        self.kinds[kind] += 1
        if len(self.told) < _SHOWN:
            self.told.append(f"{where} {fault}")

    def remarks(self, kept: int) -> tuple[str, ...]:
        """Say how many were left out, and why.

        Raises
        ------
        DataFileError
            If none is left.
        """
        left_out = self.kinds.total()
        if not left_out:
            return ()
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds.most_common())
        more = "; …" if left_out > len(self.told) else ""
        text = (
            f"{self.file}: {left_out} of {left_out + kept} rows were left out ({kinds}): "
            f"{'; '.join(self.told)}{more}"
        )
        if not kept:
            raise DataFileError(f"{text}; there is none left")
        return (text,)


def points_table(
    array: npt.NDArray[Any], dim: int | None, failure: Callable[[str], EHFError]
) -> Floats:
    """Return a finite real array of shape (n, dim) as float64, or raise the failure made."""
    table = real_table(array, dim, failure)
    bad = ~np.isfinite(table)
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise failure(
            f"has {array[row, column]} in row {row}, column {column}, counted from 0; "
            "it should be finite in float64"
        )
    return table


def real_table(
    array: npt.NDArray[Any], dim: int | None, failure: Callable[[str], EHFError]
) -> Floats:
    """Return a real array of shape (n, dim) as float64, or raise the failure made."""
    wanted = f"(n, {'d' if dim is None else dim}), n >= 1"
    if array.dtype.kind not in REAL_KINDS:
        raise failure(f"has dtype {array.dtype}; it should hold real numbers")
    if array.ndim != 2 or 0 in array.shape or dim not in (None, array.shape[1]):
        raise failure(f"has shape {array.shape}; it should be {wanted}")
    with np.errstate(over="ignore"):
        return np.array(array, dtype=np.float64, order="C")
