"""Points in a text file: its encoding, separator and header are found out from what it holds."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ehf_num.files.table import BadRows, DataFileError, Floats, Request, Table, places_of

_ENCODING = "utf-8-sig"  # spreadsheets put a byte order mark in front
_MANY = 10  # rows that are counted by chance as good as never
_LOOKED_AT = 100  # lines that say which separator there is, where some may be bad

_QUOTED = re.compile(r'"[^"]*"')
_WORD = re.compile(r'"(?:[^"]|"")*"|\S+')
_COMMENT = re.compile(r'^((?:[^"#]|"[^"]*")*)#.*', re.DOTALL)
_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?", re.ASCII)  # a decimal comma, perhaps
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_UNIT = re.compile(r"\(.*\)|\[.*\]")
_DECIMAL = re.compile(r"\d[.,]\d")
_MISSING = {"na", "n/a", "null", "none", "nil", "missing", "n.a.", "nd", "n.d.", "nat"}


@dataclass(frozen=True)
class _Layout:
    """What the first lines of a text file say about the rest."""

    encoding: str
    separator: str | None  # None: any run of whitespace
    first_line: int  # the first line of numbers, counted from 1
    names: tuple[str, ...] | None  # of the header
    numeric_header: str | None = None  # a line of numbers that may be names


def read_text(file: Path, request: Request) -> Table:
    """Read at NumPy's speed; only if that fails, line by line, to find out where and why."""
    layout = _layout(file, request)
    whole = _read_regular(file, layout, request)
    if whole is None:
        table, columns, remarks = _read_lines(file, layout, request)
    else:
        columns = _columns(file, layout, whole.shape[1], request)
        table, remarks = np.ascontiguousarray(whole[:, columns]), ()
    names = None if layout.names is None else tuple(layout.names[k] for k in columns)
    doubts = _doubts(file, layout, table, request.wanted(layout.names) is None)
    return Table(table, names, (*remarks, *doubts))


def _read_regular(file: Path, layout: _Layout, request: Request) -> Floats | None:
    """Read all columns, if NumPy takes each line for finite numbers with decimal points."""
    if request.decimal == ",":
        return None
    try:
        table = np.loadtxt(
            str(file),
            delimiter=layout.separator,
            skiprows=layout.first_line - 1,
            ndmin=2,
            encoding=layout.encoding,
        )
    except ValueError:  # a decoding error among others
        return None
    return table if np.isfinite(table).all() else None


def _doubts(file: Path, layout: _Layout, table: Floats, all_columns: bool) -> Iterator[str]:
    """Say what was read as numbers and may be none."""
    if layout.numeric_header is not None:
        yield (
            f"{file}, line {layout.first_line}: {layout.numeric_header} was read as a point; if it "
            "holds the names of columns, remove it, else write 0.0 for 0"
        )
    counter = np.arange(len(table)) + table[0, 0]
    counts = len(table) >= _MANY and table.shape[1] > 1 and table[0, 0] in (0, 1)
    if all_columns and counts and np.array_equal(table[:, 0], counter):
        yield (
            f"{file}: column 1 counts the rows and was read as a coordinate; if it is an index, "
            f"leave it out with usecols={list(range(1, table.shape[1]))}"
        )


def _layout(file: Path, request: Request) -> _Layout:
    """Find the encoding, the separator and the header."""
    encoding = _encoding(file)
    lines = list(itertools.islice(_lines(file, encoding), _LOOKED_AT))
    if not lines:
        raise DataFileError(f"{file} holds no numbers; it should hold one point a line")
    number, line = lines[0]
    mark = _separator(line, request)
    fields = _split(line, mark)
    if not _is_header(fields):
        separator = _common_separator(lines, request)
        return _Layout(encoding, separator, number, None, _numeric_header(lines, request))
    if len(lines) == 1:
        raise DataFileError(f"{file} holds no numbers; it should hold one point a line")
    separator = _common_separator(lines[1:], request)
    if separator is None and not all(map(_is_number, _split(lines[1][1], None))):
        separator = mark
    if mark is None:  # units that stand apart from their names
        fields = [field for field in fields if not _UNIT.fullmatch(field)] or fields
    if len(_split(lines[1][1], separator)) == 1 and mark is None:
        fields = [" ".join(fields)]  # one column, whose name has several words
    return _Layout(encoding, separator, lines[1][0], tuple(fields))


def _common_separator(lines: Sequence[tuple[int, str]], request: Request) -> str | None:
    """Return the separator of the first line, or of most where lines may be bad."""
    lines = lines if request.skip_bad_rows else lines[:1]
    return Counter(_separator(line, request) for _, line in lines).most_common(1)[0][0]


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


def _separator(line: str, request: Request) -> str | None:
    """Choose what makes numbers of all fields; else the first mark that stands outside quotes."""
    if request.delimiter is not None:
        return None if request.delimiter == " " else request.delimiter
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
        return [_unquoted(field).strip() for field in _WORD.findall(line)]
    try:
        fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
    except csv.Error:
        fields = line.split(separator)
    return [field.strip() for field in fields]


def _unquoted(word: str) -> str:
    quoted = len(word) > 1 and word[0] == word[-1] == '"'
    return word[1:-1].replace('""', '"') if quoted else word.strip('"')


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


def _numeric_header(lines: Sequence[tuple[int, str]], request: Request) -> str | None:
    """Return a first line of numbers that may be the names of an array's columns."""
    if len(lines) < 2:
        return None
    first, second = (_split(line, _separator(line, request)) for _, line in lines[:2])
    width = len(first)
    counted = first == [str(k) for k in range(width)] or (
        width > 1 and first == [str(k) for k in range(1, width + 1)]
    )
    counted = counted and not all(field.isdecimal() for field in second)
    quoted = [line.count('"') for _, line in lines[:2]] == [2 * width, 0]
    return ", ".join(first) if counted or quoted else None


def _columns(file: Path, layout: _Layout, width: int, request: Request) -> list[int]:
    """Return the places of the columns that are wanted; refuse those that are not what they seem.

    Columns without a name, or without names for all of them, hold an index or names of rows.
    """
    where, names = f"{file}, line {layout.first_line}", layout.names
    usecols = request.wanted(names)
    if names is not None and usecols is None:
        _refuse_unnamed(where, layout, names, width)
    columns = list(range(width)) if usecols is None else places_of(file, usecols, names, width)
    if request.dim not in (None, len(columns)):
        raise DataFileError(f"{where}: has width {len(columns)}; it should be {request.dim}")
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


def _read_lines(
    file: Path, layout: _Layout, request: Request
) -> tuple[Floats, list[int], tuple[str, ...]]:
    """Read line by line: points, their columns, and which rows were left out.

    Unless bad rows may be left out, the first one is refused with its number.
    """
    bad = BadRows(file, request.skip_bad_rows)
    dim = None if request.wanted(layout.names) is not None else request.dim
    width = _common_width(file, layout, dim, bad)
    columns = _columns(file, layout, width, request)
    rows: list[list[float]] = []
    points, commas = "", []
    for number, fields in _rows(file, layout):
        if len(fields) != width:
            bad.add(f"line {number}:", f"has width {len(fields)}, not {width}", "of another width")
            continue
        row = []
        for column in columns:
            field, where = fields[column], f"line {number}, column {column + 1}"
            text = field.replace(",", ".") if _may_be_decimal(field, request) else field
            if fault := _fault(text, field, request):
                bad.add(f"{where}:", *fault)
                break
            row.append(float(text))
        if len(row) < len(columns):
            continue
        rows.append(row)
        marked = [(k, fields[k]) for k in columns if "," in fields[k] or "." in fields[k]]
        for column, field in marked:
            where = f"{file}, line {number}, column {column + 1}"
            if "," in field:
                commas.append((where, field))
            else:
                points = points or where
    if request.decimal is None:
        _refuse_mixed(points, commas)
    remarks = bad.remarks(len(rows))
    return np.array(rows), columns, remarks


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
            "write decimal points, or give decimal="
        )


def _rows(file: Path, layout: _Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield number and fields of each line of numbers."""
    for number, line in _lines(file, layout.encoding):
        if number >= layout.first_line:
            yield number, _split(line, layout.separator)


def _common_width(file: Path, layout: _Layout, dim: int | None, bad: BadRows) -> int:
    """Return the width that lines have; refuse the first that has another, unless it may be bad.

    It is that of the header, or `dim`, if any line has it, else the commonest.
    """
    first: dict[int, int] = {}
    counts: Counter[int] = Counter()
    for number, fields in _rows(file, layout):
        first.setdefault(len(fields), number)
        counts[len(fields)] += 1
    width = max(counts, key=lambda width: (counts[width], -first[width]))
    width = next((w for w in (len(layout.names or ()), dim or 0) if w in counts), width)
    others = {number: other for other, number in first.items() if other != width}
    if others and not bad.allowed:
        number = min(others)
        like = f"has width {others[number]}; it should be {width} as in line {first[width]}"
        bad.add(f"line {number}:", like, "of another width")
    return width


def _lines(file: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines that hold something besides a comment."""
    # Bytes that cannot be decoded do no harm in a comment, and show up in the message elsewhere.
    with file.open(encoding=encoding, errors="backslashreplace") as handle:
        for number, line in enumerate(handle, 1):
            text = (line if "#" not in line else _COMMENT.sub(r"\1", line)).rstrip("\n")
            if text.strip():
                yield number, text


def _may_be_decimal(field: str, request: Request) -> bool:
    """Whether the comma of a field may be a decimal one."""
    return request.decimal != "." and _COMMA.fullmatch(field) is not None


def _fault(text: str, field: str, request: Request) -> tuple[str, str] | None:
    """Say what is wrong with a field, and of what kind that is; `text` has its decimal point."""
    good = _is_number(text) and not (request.decimal == "," and "." in field)
    if good and np.isfinite(float(text)):
        return None
    shown = repr(field if len(field) <= 40 else field[:37] + "...")
    if good:
        return f"{shown} is not a finite number", "not finite"
    foreign = next((c for c in field if not c.isascii()), None)
    hint = "" if foreign is None else f": it holds {unicodedata.name(foreign, 'no character')}"
    missing = not field or field.lower() in _MISSING
    return f"{shown} is not a number{hint}", "missing" if missing else "not a number"


def _is_number(field: str) -> bool:
    """Accept what `float` does, but no underscores and no foreign digits: np.loadtxt's rule."""
    try:
        float(field)
    except ValueError:
        return False
    return field.isascii() and "_" not in field


def write_text(handle: BinaryIO, table: Floats, names: Sequence[str], separator: str) -> None:
    """Write a header and the shortest digits that read back to the same bits."""
    header = io.StringIO()
    special = any("#" in name for name in names)
    writer = csv.writer(
        header,
        delimiter=separator,
        lineterminator="\n",
        quoting=csv.QUOTE_ALL if special else csv.QUOTE_MINIMAL,
    )
    writer.writerow([" ".join(name.split()) for name in names])
    handle.write(header.getvalue().encode())
    for row in table.tolist():
        handle.write((separator.join(map(repr, row)) + "\n").encode())
