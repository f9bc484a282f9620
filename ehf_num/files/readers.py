"""Points in and out of a user's files: csv, tsv, txt, npy and npz.

A file that is not a table of finite real numbers is refused with the place and the reason.
"""

from __future__ import annotations

import codecs
import csv
import itertools
import os
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ehf_num.engine import arguments
from ehf_num.files.archive import check_claim, open_archive, open_file
from ehf_num.files.atomic import atomic_write
from ehf_sym.errors import ArgumentError, DataWarning, EHFError
from ehf_sym.formulas.arrays import real_array

Floats = npt.NDArray[np.float64]

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": " "}
_SUFFIXES = (*_SEPARATORS, ".npy", ".npz")
_ROOM, _RATIO = 2**26, 200  # bytes that arrays may unpack to, and as a multiple of the file
_REAL_KINDS = "fiu"
_ENCODING = "utf-8-sig"  # spreadsheets put a byte order mark in front
_MANY = 10  # rows that are counted by chance as good as never

_QUOTED = re.compile(r'"[^"]*"')
_WORD = re.compile(r'"[^"]*"|\S+')
_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?", re.ASCII)  # a decimal comma, perhaps
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_UNIT = re.compile(r"\(.*\)|\[.*\]")
_DECIMAL = re.compile(r"\d[.,]\d")
_MISSING = {"na", "n/a", "null", "none", "nil", "missing", "n.a.", "nd", "n.d.", "nat"}


class DataFileError(EHFError, ValueError):
    """A file cannot be read as points, or written: says which file, where in it, and why."""


def read_points(
    path: str | os.PathLike[str],
    dim: int | None = None,
    *,
    usecols: Sequence[int | str] | None = None,
) -> Floats:
    """Read a table of points.

    Text (.csv, .tsv, .txt; UTF-8, or UTF-16 and UTF-32 with their mark): one point a line, numbers
    separated by semicolon, tab, comma or whitespace, whichever the first line has, in quotes or
    not, with decimal commas where they cannot be anything else. Blank lines and what follows a
    ``#`` are skipped, and so is one header line of names, one for each column. A .npy file holds
    one array; a .npz file one array, or the one named ``x``. Nothing is ever unpickled.

    Parameters
    ----------
    path : str or path-like
    dim : int, optional
        The number of coordinates d that the points must have. With ``dim=1`` a .npy array of
        shape (n,) is taken as n points on the line.
    usecols : sequence of int or str, optional
        The columns that are coordinates, in this order, by place, counted from 0, or by name.
        What the others hold does not matter.

    Returns
    -------
    ndarray of float64, shape (n, d)

    Raises
    ------
    DataFileError
        If the file is missing, empty, damaged, of another suffix, ragged, of another width than
        `dim`, or holds anything but finite real numbers. Lines are counted from 1, and the
        elements of an array from 0, as NumPy prints them. So are a header with fewer names than
        there are columns, or with a column that has none: names of rows, or an index.
    ArgumentError
        If `dim` is not a positive integer, or `usecols` no sequence of places or names.

    Warns
    -----
    DataWarning
        If the first line, or the first column, counts 0, 1, 2, … and was read as numbers.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_points(f"{folder}/points.csv", [[1.5, 2], [0, -1]])
    ...     read_points(f"{folder}/points.csv", dim=2)
    array([[ 1.5,  2. ], [ 0. , -1. ]])
    """
    if dim is not None:
        dim = arguments.positive_integer(dim, "dim")
    if usecols is not None:
        usecols = _checked_columns(usecols)
    file = _with_known_suffix(path)
    if not file.is_file():
        found = "is a folder or a device" if file.exists() else "does not exist"
        raise DataFileError(f"{file} {found}; it should be a file of points")
    try:
        if file.suffix.lower() in _SEPARATORS:
            return _read_text(file, dim, usecols)
        return _read_array(file, dim, usecols)
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

    encoding: str
    separator: str | None  # None: any run of whitespace
    first_line: int  # the first line of numbers, counted from 1
    names: tuple[str, ...] | None  # of the header
    numeric_header: str | None = None  # a line of numbers that may be names


def _read_text(file: Path, dim: int | None, usecols: Sequence[int | str] | None) -> Floats:
    """Read at NumPy's speed; only if that fails, line by line, to find out where and why."""
    layout = _layout(file)
    try:
        table = np.loadtxt(
            str(file),
            delimiter=layout.separator,
            skiprows=layout.first_line - 1,
            ndmin=2,
            encoding=layout.encoding,
        )
        regular = bool(np.isfinite(table).all())
    except ValueError:  # a decoding error among others
        regular = False
    if regular:
        columns = _columns(file, layout, table.shape[1], dim, usecols)
        table = np.ascontiguousarray(table[:, columns])
    else:
        table = _read_lines(file, layout, dim, usecols)
    if layout.numeric_header is not None:
        _warn(
            f"{file}, line {layout.first_line}: {layout.numeric_header} was read as a point; if it "
            "holds the names of columns, remove it, else write 0.0 for 0"
        )
    counter = np.arange(len(table)) + table[0, 0]
    counts = len(table) >= _MANY and table.shape[1] > 1 and table[0, 0] in (0, 1)
    if usecols is None and counts and np.array_equal(table[:, 0], counter):
        _warn(
            f"{file}: column 1 counts the rows and was read as a coordinate; if it is an index, "
            f"leave it out with usecols={list(range(1, table.shape[1]))}"
        )
    return table


def _warn(message: str) -> None:
    """Warn the caller of `read_points`."""
    warnings.warn(message, DataWarning, stacklevel=4)


def _layout(file: Path) -> _Layout:
    """Find the encoding, the separator and the header."""
    encoding = _encoding(file)
    lines = list(itertools.islice(_lines(file, encoding), 2))
    if not lines:
        raise DataFileError(f"{file} holds no numbers; it should hold one point a line")
    number, line = lines[0]
    fields = _split(line, _separator(line))
    if not _is_header(fields):
        return _Layout(encoding, _separator(line), number, None, _numeric_header(lines))
    if len(lines) == 1:
        raise DataFileError(f"{file} holds no numbers; it should hold one point a line")
    first, line = lines[1]
    separator = _separator(line)
    if _separator(lines[0][1]) is None:  # units that stand apart from their names
        fields = [field for field in fields if not _UNIT.fullmatch(field)] or fields
    if len(_split(line, separator)) == 1 and _separator(lines[0][1]) is None:
        fields = [" ".join(fields)]  # one column, whose name has several words
    return _Layout(encoding, separator, first, tuple(fields))


def _encoding(file: Path) -> str:
    """Tell UTF-8, UTF-16 and UTF-32 by the mark in front, or by where the first byte is zero."""
    with file.open("rb") as handle:
        head = handle.read(4)
    if head in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        return "utf-32"
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if len(head) > 1 and head[:2] != b"\0\0" and b"\0" in head[:2]:
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return _ENCODING


def _separator(line: str) -> str | None:
    """Choose what makes numbers of all fields; else the first mark that stands outside quotes."""
    outside = _QUOTED.sub("", line)
    marks = [*(mark for mark in ";\t," if mark in outside), None]
    for mark in marks:
        fields = _split(line, mark)
        if all(_is_number(field) or _COMMA.fullmatch(field) for field in fields):
            return mark
    return marks[0]


def _split(line: str, separator: str | None) -> list[str]:
    """Return the fields of a line, without quotes and spaces around them."""
    if '"' not in line:
        return [field.strip() for field in line.split(separator)]
    if separator is None:
        return [field.strip('"').strip() for field in _WORD.findall(line)]
    try:
        fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
    except csv.Error:
        fields = line.split(separator)
    return [field.strip() for field in fields]


def _is_header(fields: list[str]) -> bool:
    """Tell names from numbers: a misprinted number must not pass for a header and vanish."""
    named = [field for field in fields if field]
    if fields and not fields[0] and named == [str(k) for k in range(len(fields) - 1)]:
        return bool(named)  # a data frame with its index, whose columns are counted
    missing = all(name.lower() in _MISSING for name in named)
    return not missing and all(map(_is_name, named))


def _is_name(field: str) -> bool:
    """Whether a field is a name beyond doubt: letters, and nothing that may be a number."""
    name = field.strip("\"' ")
    letters = [c for c in name if c.isalpha() and not c.isnumeric()]
    if not letters or _is_number(name) or _DECIMAL.search(name):
        return False
    if name[0] in letters or name[0] == "_":
        return True
    return name[0] not in "<>=~+-" and not any(c.isnumeric() for c in name)


def _numeric_header(lines: list[tuple[int, str]]) -> str | None:
    """Return a first line of numbers that may be the names of an array's columns."""
    if len(lines) < 2:
        return None
    first, second = (_split(line, _separator(line)) for _, line in lines)
    width = len(first)
    counted = first == [str(k) for k in range(width)] or (
        width > 1 and first == [str(k) for k in range(1, width + 1)]
    )
    counted = counted and not all(field.isdecimal() for field in second)
    quoted = [line.count('"') for _, line in lines] == [2 * width, 0]
    return ", ".join(first) if counted or quoted else None


def _columns(
    file: Path,
    layout: _Layout,
    width: int,
    dim: int | None,
    usecols: Sequence[int | str] | None,
) -> list[int]:
    """Return the places of the columns that are wanted; refuse those that are not what they seem.

    Columns without a name, or without names for all of them, hold an index or names of rows.
    """
    where, names = f"{file}, line {layout.first_line}", layout.names
    if names is not None and usecols is None:
        _refuse_unnamed(where, layout, names, width)
    columns = list(range(width)) if usecols is None else _chosen(file, usecols, names, width)
    if dim not in (None, len(columns)):
        raise DataFileError(f"{where}: has width {len(columns)}; it should be {dim}")
    return columns


def _refuse_unnamed(where: str, layout: _Layout, names: tuple[str, ...], width: int) -> None:
    if len(names) != width:
        told = (
            f"{where}: has width {width}; the header has {len(names)} name{'s' * (len(names) > 1)}"
        )
        if len(names) > width:
            raise DataFileError(f"{told}: put names with spaces into quotes, or # before a title")
        if layout.separator == "," and width == 2 * len(names):
            told += ": are these decimal commas? write points, or separate fields by semicolons"
        rest = list(range(width - len(names), width))
        raise DataFileError(f"{told}; if rows have names of their own, give usecols={rest}")
    for column, name in enumerate(names):
        if not name or name.startswith("Unnamed: "):  # as pandas reads an index that was saved
            rest = [k for k in range(width) if k != column]
            raise DataFileError(
                f"{where}: column {column + 1} has no name in the header, as the index of a data "
                f"frame has none; leave it out with usecols={rest}"
            )


def _chosen(
    file: Path, usecols: Sequence[int | str], names: tuple[str, ...] | None, width: int
) -> list[int]:
    """Turn names and places of columns into places."""
    places = []
    for column in usecols:
        if isinstance(column, str):
            if column not in (names or ()):
                found = "no header" if names is None else f"the names {', '.join(names)}"
                raise DataFileError(f"{file} has {found}, and no column {column!r}")
            column = (names or ()).index(column)
        if not 0 <= column < width:
            raise DataFileError(f"{file} has {width} columns, and none at {column} from 0")
        places.append(int(column))
    return places


def _read_lines(
    file: Path, layout: _Layout, dim: int | None, usecols: Sequence[int | str] | None
) -> Floats:
    """Read line by line and refuse the first bad one with its number."""
    width = _common_width(file, layout, dim if usecols is None else None)
    columns = _columns(file, layout, width, dim, usecols)
    rows: list[list[float]] = []
    points, commas = "", []
    for number, fields in _rows(file, layout):
        row = []
        for column in columns:
            field, where = fields[column], f"{file}, line {number}, column {column + 1}"
            if _COMMA.fullmatch(field):
                commas.append((where, field))
                field = field.replace(",", ".")
            elif "." in field:
                points = points or where
            row.append(_number(field, where))
        rows.append(row)
    _refuse_mixed(points, commas)
    return np.array(rows)


def _refuse_mixed(points: str, commas: list[tuple[str, str]]) -> None:
    """Refuse commas that may not be decimal ones."""
    if not commas:
        return
    where, field = commas[0]
    if points:
        raise DataFileError(
            f"{where}: {field!r} has a comma, {points} a decimal point: which is it?"
        )
    if all(_THOUSANDS.fullmatch(field) for _, field in commas):
        raise DataFileError(
            f"{where}: {field!r} may be {field.replace(',', '')} or {field.replace(',', '.')}; "
            "write decimal points"
        )


def _rows(file: Path, layout: _Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield number and fields of each line of numbers."""
    for number, line in _lines(file, layout.encoding):
        if number >= layout.first_line:
            yield number, _split(line, layout.separator)


def _common_width(file: Path, layout: _Layout, dim: int | None) -> int:
    """Return the width that lines have; refuse the first that has another.

    It is that of the header, or `dim`, if any line has it, else the commonest.
    """
    first: dict[int, int] = {}
    counts: Counter[int] = Counter()
    for number, fields in _rows(file, layout):
        first.setdefault(len(fields), number)
        counts[len(fields)] += 1
    width = max(counts, key=lambda width: (counts[width], -first[width]))
    width = next((w for w in (len(layout.names or ()), dim or 0) if w in counts), width)
    others = [number for other, number in first.items() if other != width]
    if others:
        number = min(others)
        found = next(w for w, line in first.items() if line == number)
        raise DataFileError(
            f"{file}, line {number}: has width {found}; "
            f"it should be {width} as in line {first[width]}"
        )
    return width


def _lines(file: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines that hold something besides a comment."""
    # Bytes that cannot be decoded do no harm in a comment, and show up in the message elsewhere.
    with file.open(encoding=encoding, errors="backslashreplace") as handle:
        for number, line in enumerate(handle, 1):
            text = line.split("#", 1)[0].rstrip("\n")
            if text.strip():
                yield number, text


def _number(field: str, where: str) -> float:
    """Parse one field of a text file."""
    good = _is_number(field)
    value = float(field) if good else np.nan
    if not np.isfinite(value):
        shown = repr(field if len(field) <= 40 else field[:37] + "...")
        kind = "a finite number" if good else "a number"
        foreign = next((c for c in field if not c.isascii()), None)
        hint = "" if foreign is None else f": it holds {unicodedata.name(foreign, 'no character')}"
        raise DataFileError(f"{where}: {shown} is not {kind}{hint}")
    return value


def _is_number(field: str) -> bool:
    """Accept what `float` does, but no underscores and no foreign digits: np.loadtxt's rule."""
    try:
        float(field)
    except ValueError:
        return False
    return field.isascii() and "_" not in field


def _checked_columns(usecols: Any) -> list[int | str]:
    """Return places and names, none twice."""
    columns = list(usecols) if isinstance(usecols, Sequence | np.ndarray) else []
    known = all(
        isinstance(c, str | Integral) and not isinstance(c, bool) for c in columns
    ) and not isinstance(usecols, str | bytes)
    if not known or not columns or len(set(columns)) < len(columns):
        raise ArgumentError(
            f"usecols was {usecols!r}; it should be a sequence of columns, each once, by place "
            'from 0 or by name, such as [1, 2] or ["x", "y"]'
        )
    return columns


def _read_array(file: Path, dim: int | None, usecols: Sequence[int | str] | None) -> Floats:
    """Read a .npy or .npz file."""
    array = _load(file)
    if usecols is not None and array.ndim == 2:
        array = array[:, _chosen(file, usecols, array.dtype.names, array.shape[1])]
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
