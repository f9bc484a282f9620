"""Points in and out of a user's files: csv, tsv, txt, npy and npz.

A file that is not a table of finite real numbers is refused with the place and the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ehf_num import checks
from ehf_num.archive import check_claim, open_archive, open_file
from ehf_num.atomic import atomic_write
from ehf_sym.arrays import real_array
from ehf_sym.errors import ArgumentError, EHFError

Floats = npt.NDArray[np.float64]

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": " "}
_SUFFIXES = (*_SEPARATORS, ".npy", ".npz")
_ROOM, _RATIO = 2**26, 200  # bytes that arrays may unpack to, and as a multiple of the file
_REAL_KINDS = "fiu"
_ENCODING = "utf-8-sig"  # spreadsheets put a byte order mark in front


class DataFileError(EHFError, ValueError):
    """A file cannot be read as points, or written: says which file, where in it, and why."""


def read_points(path: str | os.PathLike[str], dim: int | None = None) -> Floats:
    """Read a table of points.

    Text (.csv, .tsv, .txt): one point a line, numbers separated by comma, tab or whitespace,
    whichever the first line has. Blank lines and what follows a ``#`` are skipped, and so is one
    header line, if none of its fields begins like a number. A .npy file holds one array; a .npz
    file one array, or the one named ``x``. Nothing is ever unpickled.

    Parameters
    ----------
    path : str or path-like
    dim : int, optional
        The number of coordinates d that the points must have. With ``dim=1`` a .npy array of
        shape (n,) is taken as n points on the line.

    Returns
    -------
    ndarray of float64, shape (n, d)

    Raises
    ------
    DataFileError
        If the file is missing, empty, damaged, of another suffix, ragged, of another width than
        `dim`, or holds anything but finite real numbers. Lines are counted from 1, and the
        elements of an array from 0, as NumPy prints them.
    ArgumentError
        If `dim` is not a positive integer.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_points(f"{folder}/points.csv", [[1.5, 2], [0, -1]])
    ...     read_points(f"{folder}/points.csv", dim=2)
    array([[ 1.5,  2. ], [ 0. , -1. ]])
    """
    if dim is not None:
        dim = checks.positive_integer(dim, "dim")
    file = _with_known_suffix(path)
    if not file.is_file():
        found = "is a folder or a device" if file.exists() else "does not exist"
        raise DataFileError(f"{file} {found}; it should be a file of points")
    try:
        if file.suffix.lower() in _SEPARATORS:
            return _read_text(file, dim)
        return _read_array(file, dim)
    except OSError as error:
        raise DataFileError(f"{file} cannot be read: {error.strerror or error}") from error


def write_points(path: str | os.PathLike[str], x: npt.ArrayLike) -> None:
    """Write a table of points so that `read_points` gives back the same bits.

    Parameters
    ----------
    path : str or path-like
        The suffix chooses the format. Text gets the header q1, ..., qd; .npz the name ``x``. A
        file that exists is replaced only when the new one is complete.
    x : array_like, shape (n, d)

    Raises
    ------
    ArgumentError
        If `x` is not a finite real array of that shape, n ≥ 1.
    DataFileError
        If the suffix is unknown.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_points(f"{folder}/points.csv", [[0.1, 2]])
    ...     print(Path(folder, "points.csv").read_text())
    q1,q2
    0.1,2.0
    """
    file = _with_known_suffix(path)
    array = real_array(x, "x", "an array of real numbers of shape (n, d)")
    table = _table(array, None, lambda fault: ArgumentError(f"x {fault}"))
    with atomic_write(file) as handle:
        if file.suffix.lower() == ".npy":
            np.save(handle, table, allow_pickle=False)
        elif file.suffix.lower() == ".npz":
            np.savez(handle, allow_pickle=False, x=table)
        else:
            _write_text(handle, table, _SEPARATORS[file.suffix.lower()])


def _with_known_suffix(path: str | os.PathLike[str]) -> Path:
    """Return the path, if its suffix names a format."""
    file = Path(path)
    if file.suffix.lower() not in _SUFFIXES:
        raise DataFileError(
            f"{file} has the suffix {file.suffix!r}; it should be one of {', '.join(_SUFFIXES)}"
        )
    return file


@dataclass(frozen=True)
class _Layout:
    """What the first lines of a text file say about the rest."""

    separator: str | None  # None: any run of whitespace
    first_line: int  # the first line of numbers, counted from 1
    width: int


def _read_text(file: Path, dim: int | None) -> Floats:
    """Read at NumPy's speed; only if that fails, line by line, to find out where and why."""
    layout = _layout(file)
    if dim not in (None, layout.width):
        raise DataFileError(
            f"{file}, line {layout.first_line}: has width {layout.width}; it should be {dim}"
        )
    try:
        table = np.loadtxt(
            str(file),
            delimiter=layout.separator,
            skiprows=layout.first_line - 1,
            ndmin=2,
            encoding=_ENCODING,
        )
    except ValueError:
        return _read_lines(file, layout)
    return table if np.isfinite(table).all() else _read_lines(file, layout)


def _layout(file: Path) -> _Layout:
    """Find the separator, the header and the width."""
    header: str | None = None
    for number, line in _lines(file):
        separator = next((mark for mark in ",\t" if mark in line), None)
        width = len(line.split(separator))
        if header is None and _is_header(line.split(separator)):
            header = line
            continue
        if header and separator and separator in header and '"' not in header:
            names = len(header.split(separator))
            if names != width:
                raise DataFileError(
                    f"{file}, line {number}: has width {width}; the header has {names} names"
                )
        return _Layout(separator, number, width)
    raise DataFileError(f"{file} holds no numbers; it should hold one point a line")


def _is_header(fields: list[str]) -> bool:
    """Tell names from numbers: a misprinted number must not pass for a header and vanish."""
    names = [field.strip("\"' ") for field in fields]
    return any(names) and not any(
        name.startswith(tuple("0123456789+-.")) or _is_number(name) for name in names
    )


def _read_lines(file: Path, layout: _Layout) -> Floats:
    """Read line by line and refuse the first bad one with its number."""
    rows: list[list[float]] = []
    for number, line in _lines(file):
        if number < layout.first_line:
            continue
        where = f"{file}, line {number}"
        fields = line.split(layout.separator)
        row = [_number(field.strip(), where, column) for column, field in enumerate(fields, 1)]
        if len(row) != layout.width:
            raise DataFileError(
                f"{where}: has width {len(row)}; "
                f"it should be {layout.width} as in line {layout.first_line}"
            )
        rows.append(row)
    return np.array(rows)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines that hold something besides a comment."""
    # Bytes that are not UTF-8 do no harm in a comment, and show up in the message elsewhere.
    with file.open(encoding=_ENCODING, errors="backslashreplace") as handle:
        for number, line in enumerate(handle, 1):
            text = line.split("#", 1)[0].rstrip("\n")
            if text.strip():
                yield number, text


def _number(field: str, where: str, column: int) -> float:
    """Parse one field of a text file."""
    good = _is_number(field)
    value = float(field) if good else np.nan
    if not np.isfinite(value):
        shown = repr(field if len(field) <= 40 else field[:37] + "...")
        kind = "a finite number" if good else "a number"
        raise DataFileError(f"{where}, column {column}: {shown} is not {kind}")
    return value


def _is_number(field: str) -> bool:
    """Accept what `float` does, but no underscores and no foreign digits: np.loadtxt's rule."""
    try:
        float(field)
    except ValueError:
        return False
    return field.isascii() and "_" not in field


def _read_array(file: Path, dim: int | None) -> Floats:
    """Read a .npy or .npz file."""
    array = _load(file)
    if array.ndim == 1 and array.dtype.kind in _REAL_KINDS:
        if dim != 1:
            raise DataFileError(
                f"{file} has shape {array.shape}; it should be (n, d): "
                "a single axis is taken as points on the line only if dim=1 is given"
            )
        array = array[:, None]
    return _table(array, dim, lambda fault: DataFileError(f"{file} {fault}"))


def _load(file: Path) -> npt.NDArray[Any]:
    """Load the one array of a file, without unpickling."""
    try:
        with open_file(file, "table of points") as handle:
            if file.suffix.lower() == ".npy":
                check_claim(handle, file.stat().st_size)
                handle.seek(0)
                return np.lib.format.read_array(handle, allow_pickle=False)
            with open_archive(handle, _ROOM, _RATIO) as archive:
                names = archive.names
                if "x" in names or len(names) == 1:
                    return archive.read("x" if "x" in names else names[0])
    except OSError:
        raise
    except Exception as error:  # a damaged header fails in tokenize, ast, zipfile, zlib, ...
        raise DataFileError(f"{file} cannot be read: {error}") from error
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    raise DataFileError(
        f"{file} holds {len(names)} arrays ({shown}); it should hold one, or one named x"
    )


def _table(array: npt.NDArray[Any], dim: int | None, failure: Callable[[str], EHFError]) -> Floats:
    """Return a finite real array of shape (n, dim) as float64, or raise the failure made."""
    wanted = f"(n, {'d' if dim is None else dim}), n >= 1"
    if array.dtype.kind not in _REAL_KINDS:
        raise failure(f"has dtype {array.dtype}; it should hold real numbers")
    if array.ndim != 2 or 0 in array.shape or dim not in (None, array.shape[1]):
        raise failure(f"has shape {array.shape}; it should be {wanted}")
    with np.errstate(over="ignore"):
        table = np.array(array, dtype=np.float64, order="C")
    bad = ~np.isfinite(table)
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise failure(
            f"has {array[row, column]} in row {row}, column {column}, counted from 0; "
            "it should be finite in float64"
        )
    return table


def _write_text(handle: BinaryIO, table: Floats, separator: str) -> None:
    """Write a header and the shortest digits that read back to the same bits."""
    names = [f"q{k}" for k in range(1, table.shape[1] + 1)]
    handle.write((separator.join(names) + "\n").encode())
    for row in table.tolist():
        handle.write((separator.join(map(repr, row)) + "\n").encode())
