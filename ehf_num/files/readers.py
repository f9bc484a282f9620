"""Points in and out of a user's files: csv, tsv, txt, npy, npz and parquet.

A file that is not a table of finite real numbers is refused with the place and the reason.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ehf_num.files.archive import check_claim, open_archive, open_file
from ehf_num.files.atomic import atomic_write
from ehf_num.files.frames import column_names
from ehf_num.files.table import (
    REAL_KINDS,
    BadRows,
    DataFileError,
    Floats,
    Request,
    Table,
    places_of,
    points_table,
    real_table,
)
from ehf_num.files.text_table import read_text, write_text
from ehf_sym.errors import ArgumentError, DataWarning
from ehf_sym.formulas.arrays import real_array

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": " "}
SUFFIXES = (*_SEPARATORS, ".npy", ".npz", ".parquet")
_ROOM, _RATIO = 2**26, 200  # bytes that arrays may unpack to, and as a multiple of the file
_NAMES = "columns"  # the array of an .npz file that holds names


def read_points(
    path: str | os.PathLike[str],
    dim: int | None = None,
    *,
    usecols: Sequence[int | str] | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    skip_bad_rows: bool = False,
) -> Floats:
    """Read a table of points.

    Text (.csv, .tsv, .txt; UTF-8, or UTF-16 and UTF-32 with their mark): one point a line, numbers
    separated by semicolon, tab, comma or whitespace, whichever the first line has, in quotes or
    not, with decimal commas where they cannot be anything else. Blank lines and what follows a
    ``#`` are skipped, and so is one header line of names, one for each column. A .npy file holds
    one array; a .npz file one array, or the one named ``x``. Nothing is ever unpickled. Columns
    of a .parquet file are read with pyarrow, or pandas, whichever is installed.

    Parameters
    ----------
    path : str or path-like
    dim : int, optional
        The number of coordinates d that the points must have. With ``dim=1`` a .npy array of
        shape (n,) is taken as n points on the line.
    usecols : sequence of int or str, optional
        The columns that are coordinates, in this order, by place, counted from 0, or by name.
        What the others hold does not matter.
    delimiter : str, optional
        What separates the fields of a text file, one character; " " is any whitespace.
    decimal : {".", ","}, optional
        What numbers of a text file have before their decimals.
    skip_bad_rows : bool
        Whether rows are left out, and counted, that have another width than the others, or
        something else than finite numbers in the columns that are wanted.

    Returns
    -------
    ndarray of float64, shape (n, d)

    Raises
    ------
    DataFileError
        If the file is missing, empty, damaged, of another suffix, ragged, of another width than
        `dim`, or holds anything but finite real numbers. Lines are counted from 1, and the
        elements of an array from 0, as NumPy prints them. So are a header with fewer names than
        there are columns, or with a column that has none: names of rows, or an index. For
        .parquet, if neither pyarrow nor pandas is installed.
    ArgumentError
        If an option is out of range.

    Warns
    -----
    DataWarning
        If rows were left out: how many, and why. If the first line, or the first column, counts
        0, 1, 2, … and was read as numbers.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_points(f"{folder}/points.csv", [[1.5, 2], [0, -1]])
    ...     read_points(f"{folder}/points.csv", dim=2)
    array([[ 1.5,  2. ], [ 0. , -1. ]])
    """
    table = _read(path, Request(dim, usecols, delimiter, decimal, skip_bad_rows))
    _warn(table)
    return table.values


def read_table(path: str | os.PathLike[str], request: Request) -> Table:
    """Read what `read_points` does, with the names of the columns; it raises and warns as that."""
    table = _read(path, request)
    _warn(table)
    return table


def _warn(table: Table) -> None:
    """Warn the caller of who reads."""
    for remark in table.remarks:
        warnings.warn(remark, DataWarning, stacklevel=3)


def _read(path: str | os.PathLike[str], request: Request) -> Table:
    file = _with_known_suffix(path)
    if not file.is_file():
        found = "is a folder or a device" if file.exists() else "does not exist"
        raise DataFileError(f"{file} {found}; it should be a file of points")
    suffix = file.suffix.lower()
    try:
        if suffix in _SEPARATORS:
            return read_text(file, request)
        if suffix == ".parquet":
            return _read_parquet(file, request)
        return _read_array(file, request)
    except OSError as error:
        raise DataFileError(f"{file} cannot be read: {error.strerror or error}") from error


def write_points(
    path: str | os.PathLike[str], x: npt.ArrayLike, *, columns: Sequence[str] | None = None
) -> None:
    """Write a table of points so that `read_points` gives back the same bits.

    Parameters
    ----------
    path : str or path-like
        The suffix chooses the format. In .npz, points are named ``x``. A file that exists is
        replaced only when the new one is complete.
    x : array_like or data frame, shape (n, d)
    columns : sequence of str, optional
        Names of the columns, which all formats but .npy keep; those of a data frame, or else
        q1, ..., qd.

    Raises
    ------
    ArgumentError
        If `x` is not a finite real array of that shape, n ≥ 1, or `columns` are no d names.
    DataFileError
        If the suffix is unknown, or what writes such files is not installed.
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
    table = points_table(array, None, lambda fault: ArgumentError(f"x {fault}"))
    names = _names(column_names(x) if columns is None else columns, table.shape[1])
    suffix = file.suffix.lower()
    with atomic_write(file) as handle:
        if suffix == ".npy":
            np.save(handle, table, allow_pickle=False)
        elif suffix == ".npz":
            np.savez(handle, allow_pickle=False, x=table, **{_NAMES: np.array(names)})
        elif suffix == ".parquet":
            _write_parquet(handle, file, table, names)
        else:
            write_text(handle, table, names, _SEPARATORS[suffix])


def _names(columns: Any, width: int) -> list[str]:
    """Return names for so many columns."""
    if columns is None:
        return [f"q{k}" for k in range(1, width + 1)]
    names = [] if isinstance(columns, str) else list(columns)
    good = all(isinstance(name, str) and name.strip() for name in names)
    if not good or len(names) != width or len(set(names)) < width:
        raise ArgumentError(f"columns was {columns!r}; it should be {width} different names")
    return names


def _with_known_suffix(path: str | os.PathLike[str]) -> Path:
    """Return the path, if its suffix names a format."""
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise DataFileError(
            f"{file} has the suffix {file.suffix!r}; it should be one of {', '.join(SUFFIXES)}"
        )
    return file


def _read_array(file: Path, request: Request) -> Table:
    """Read a .npy or .npz file."""
    array, names = _load(file)
    usecols = request.wanted(names)
    if usecols is not None and array.ndim == 2:
        columns = places_of(file, usecols, names, array.shape[1])
        array, names = array[:, columns], None if names is None else [names[k] for k in columns]
    if array.ndim == 1 and array.dtype.kind in REAL_KINDS:
        if request.dim != 1:
            raise DataFileError(
                f"{file} has shape {array.shape}; it should be (n, d): "
                "a single axis is taken as points on the line only if dim=1 is given"
            )
        array = array[:, None]
    return _finite(file, array, names, request)


def _finite(
    file: Path, array: npt.NDArray[Any], names: Sequence[str] | None, request: Request
) -> Table:
    """Return the rows of finite numbers; others are refused, or left out."""

    def failure(fault: str) -> DataFileError:
        return DataFileError(f"{file} {fault}")

    columns = None if names is None else tuple(names)
    if not request.skip_bad_rows:
        return Table(points_table(array, request.dim, failure), columns)
    table = real_table(array, request.dim, failure)
    good, bad = np.isfinite(table), BadRows(file, allowed=True)
    for row in np.flatnonzero(~good.all(axis=1)):
        column = int(np.argmin(good[row]))
        bad.add(f"row {row}, column {column}:", f"{table[row, column]}", "not finite")
    table = np.ascontiguousarray(table[good.all(axis=1)])
    return Table(table, columns, bad.remarks(len(table)))


def _load(file: Path) -> tuple[npt.NDArray[Any], list[str] | None]:
    """Load the array of a file, without unpickling, and the names of its columns."""
    try:
        with open_file(file, "table of points") as handle:
            if file.suffix.lower() == ".npy":
                check_claim(handle, file.stat().st_size)
                handle.seek(0)
                return np.lib.format.read_array(handle, allow_pickle=False), None
            with open_archive(handle, _ROOM, _RATIO) as archive:
                names = archive.names
                if "x" in names or len(names) == 1:
                    array = archive.read("x" if "x" in names else names[0])
                    columns = archive.read(_NAMES) if {"x", _NAMES} <= set(names) else None
                    return array, _as_names(columns, array)
    except OSError:
        raise
    except Exception as error:  # a damaged header fails in tokenize, ast, zipfile, zlib, ...
        raise DataFileError(f"{file} cannot be read: {error}") from error
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    raise DataFileError(
        f"{file} holds {len(names)} arrays ({shown}); it should hold one, or one named x"
    )


def _as_names(columns: npt.NDArray[Any] | None, array: npt.NDArray[Any]) -> list[str] | None:
    """Return what an array beside the points holds, if that is a name for each column."""
    if columns is None or columns.dtype.kind != "U" or columns.shape != array.shape[1:]:
        return None
    return [str(name) for name in columns]


def _read_parquet(file: Path, request: Request) -> Table:
    """Read columns by their names; an index that pandas wrote is no column."""
    try:
        found = _parquet_columns(file)
    except (OSError, DataFileError):
        raise
    except Exception as error:  # each library has errors of its own
        raise DataFileError(f"{file} cannot be read: {str(error)[:500]}") from error
    names = list(found)
    usecols = request.wanted(names)
    if usecols is not None:
        names = [names[k] for k in places_of(file, usecols, names, len(names))]
    for name in names:
        if found[name].dtype.kind not in REAL_KINDS:
            raise DataFileError(
                f"{file}: column {name!r} holds no real numbers; usecols= says which columns are "
                "coordinates"
            )
    if not names:
        raise DataFileError(f"{file} has no columns; it should hold one point a row")
    array = np.column_stack([found[name].astype(np.float64) for name in names])
    return _finite(file, array, names, request)


def _parquet_columns(file: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of a .parquet file; what is missing in a column of numbers is NaN."""
    try:
        from pyarrow import parquet
    except ImportError:
        try:
            import pandas

            frame = pandas.read_parquet(file)
        except ImportError as error:
            raise _no_parquet(file) from error
        return {str(name): np.asarray(frame[name]) for name in frame.columns}
    with file.open("rb") as handle:
        table = parquet.read_table(handle)
    told = (table.schema.pandas_metadata or {}).get("index_columns", [])
    index = {name for name in told if isinstance(name, str)}
    return {
        name: column.to_numpy()
        for name, column in zip(table.column_names, table.columns, strict=True)
        if name not in index
    }


def _write_parquet(handle: BinaryIO, file: Path, table: Floats, names: Sequence[str]) -> None:
    columns = dict(zip(names, table.T, strict=True))
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        try:
            import pandas

            pandas.DataFrame(columns).to_parquet(handle)
        except ImportError as error:
            raise _no_parquet(file) from error
        return
    parquet.write_table(pyarrow.table(columns), handle)


def _no_parquet(file: Path) -> DataFileError:
    return DataFileError(
        f"{file} needs pyarrow, or pandas with an engine of its own, and neither is installed: "
        "pip install 'equivariant-hamiltonian-flows[parquet]'"
    )
