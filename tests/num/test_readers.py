from __future__ import annotations

import io
import os
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ehf_num.files import text_table
from ehf_num.files.readers import read_points, read_table, write_points
from ehf_num.files.table import DataFileError, Request
from ehf_sym.errors import ArgumentError, DataWarning, EHFError

SUFFIXES = [".csv", ".tsv", ".txt", ".npy", ".npz"]
POINTS = np.array([[1.5, 2.0], [0.0, -1e-3]])


def text_file(folder: Path, text: str | bytes, name: str = "points.csv") -> Path:
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


finite_tables = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, max_side=4),
    elements=st.floats(allow_nan=False, allow_infinity=False),
)


@given(finite_tables, st.sampled_from(SUFFIXES))
def test_round_trip_keeps_every_bit(tmp_path_factory, table, suffix) -> None:
    file = tmp_path_factory.mktemp("round_trip") / f"points{suffix}"
    write_points(file, table)
    back = read_points(file, dim=table.shape[1])
    assert back.tobytes() == table.tobytes()
    assert back.dtype == np.float64
    assert back.flags.c_contiguous
    assert back.flags.writeable


@pytest.mark.parametrize(
    "text",
    [
        "1.5,2\n0,-1e-3\n",
        "1.5,2\n0,-1e-3",
        "\ufeffq1,q2\r\n1.5,2\r\n0,-1e-3\r\n",
        "\ufeff1.5,2\n0,-1e-3\n",
        "1.5,2\r0,-1e-3\r",
        "# by hand\n\nx (mm),y (mm)\n 1.5 , 2 # first\n\n  \n0,-0.001\n\n",
        '"x, mm","y, mm"\n1.5,2\n0,-1e-3\n',
        "x,y\n1.5\t2\n0\t-1e-3\n",
        "1.5\t2\n0\t-1e-3\n",
        "q1 q2\n  1.5   2\n\t0 -1e-3 \n".replace("\t", " "),
        b"# Gr\xf6\xdfe in latin-1\n1.5,2\n0,-1e-3\n",
        "largeur,hauteur à vide\n1.5,2\n0,-1e-3\n",
    ],
)
@pytest.mark.parametrize("name", ["points.csv", "POINTS.TXT", "points.tsv"])
def test_text_that_is_read(tmp_path: Path, text: str | bytes, name: str) -> None:
    np.testing.assert_array_equal(read_points(text_file(tmp_path, text, name)), POINTS)


def test_good_file_needs_no_slow_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "_read_lines", lambda *_: pytest.fail("slow pass"))
    read_points(text_file(tmp_path, "# note\nq1,q2\n1,2\n\n3,4 # end\n"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1,2\n3,4,5\n", r"line 2: has width 3; it should be 2 as in line 1"),
        ("# a\nx,y\n\n1,2\n3\n", r"line 5: has width 1; it should be 2 as in line 4"),
        ("x,y,z\n1,2\n", r"line 2: has width 2; the header has 3 names"),
        ("x,y\n1,2\n3,abc\n", r"line 3, column 2: 'abc' is not a number"),
        ("x,y\nu,v\n1,2\n", r"line 2, column 1: 'u' is not a number"),
        ("1,2\n\n3,\n", r"line 3, column 2: '' is not a number"),
        ("1,2\n1_0,3\n", r"line 2, column 1: '1_0' is not a number"),
        ("1,2\n1+2j,3\n", r"line 2, column 1: '1\+2j' is not a number"),
        ("1,2\n٣,3\n", r"line 2, column 1: '٣' is not a number"),
        ("1.O,2\n3,4\n", r"line 1, column 1: '1.O' is not a number"),
        ("1,2\nnan,3\n", r"line 2, column 1: 'nan' is not a finite number"),
        ("nan,nan\n1,2\n", r"line 1, column 1: 'nan' is not a finite number"),
        ("1,2\n3,-Infinity\n", r"line 2, column 2: '-Infinity' is not a finite number"),
        ("1,2\n3,1e999\n", r"line 2, column 2: '1e999' is not a finite number"),
        ("1,2\n3," + "z" * 999, r"line 2, column 2: 'z{37}\.\.\.' is not a number"),
        (b"1,2\n3,\xff\n", r"line 2, column 2: '\\\\xff' is not a number"),
        ("", "holds no numbers"),
        ("# only\n\nx,y\n", "holds no numbers"),
    ],
)
def test_text_that_is_refused(tmp_path: Path, text: str | bytes, reason: str) -> None:
    with pytest.raises(DataFileError, match=r"points\.csv.*" + reason):
        read_points(text_file(tmp_path, text))


PEOPLES = {
    "semicolons": "x;y\n1.5;2\n0;-0.001\n",
    "decimal commas": "x;y\n1,5;2\n0;-0,001\n",
    "decimal commas, tabs": "1,5\t2\n0\t-1,0e-3\n",
    "decimal commas, spaces": "1,5 2,\n0 -,001\n",
    "decimal commas in quotes": '"x","y"\n"1,5","2,0"\n"0","-0,001"\n',
    "decimal commas later": "x;y\n1,500;2\n0;-0,0010\n",
    "quotes": '"1.5","2"\n"0","-1e-3"\n',
    "quotes, spaces": '"x of it" "y"\n"1.5" 2\n0 "-1e-3"\n',
    "quotes in a line": '1.5,2\n"0",-1e-3\n',
    "padded tabs": "1.5,\t2\n0,\t-1e-3\n",
    "one name of several words": "1.5,2\n0,-1e-3\n",
    "names with units": "x (mm);y [mm]\n1.5;2\n0;-1e-3\n",
    "names with units, spaces": "x (mm)  y (mm)\n1.5  2\n0  -1e-3\n",
    "names with signs": "$x$,|y|\n1.5,2\n0,-1e-3\n",
    "names with digits": "x_1,2nd\n1.5,2\n0,-1e-3\n".replace("2nd", "y2"),
    "Greek names": "ξ,η\n1.5,2\n0,-1e-3\n",
}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("case", PEOPLES)
def test_tables_as_people_have_them(tmp_path: Path, case: str, encoding: str) -> None:
    if encoding.endswith("e") and not PEOPLES[case].isascii():
        return  # without a mark, the first letter has to tell
    file = text_file(tmp_path, PEOPLES[case].encode(encoding))
    np.testing.assert_array_equal(read_points(file, dim=2), POINTS)


@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=4),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    ),
    st.sampled_from([";", "\t"]),
    st.booleans(),
)
def test_decimal_commas_are_read_or_refused_never_misread(
    tmp_path_factory, table, separator: str, header: bool
) -> None:
    lines = [separator.join(repr(v).replace(".", ",") for v in row) for row in table.tolist()]
    names = [separator.join(f"q{k}" for k in range(table.shape[1]))] if header else []
    text = "\n".join(names + lines)
    file = text_file(tmp_path_factory.mktemp("commas"), text)
    try:
        x = read_points(file)
    except DataFileError as error:
        assert "write decimal points" in str(error)  # noqa: PT017 - or it is read
        return
    np.testing.assert_array_equal(x, table)


NOT_HEADERS = [
    "−1.5", "١", "٣.٥", "１", "Ⅷ", "一", "NA", "n/a", "NULL", "<0.5", ">1", "≤2", "€1", "£2.5",
    "(1.5)", "[2]", "~1", "±3", "1.5 mm", "EUR 1.50", "$5", "½", "'1.5'", "-", "?", "nan", "inf",
    "REF!1,5", "<LOD", "1e5x",
]  # fmt: skip


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("field", NOT_HEADERS)
def test_no_first_row_of_data_vanishes(tmp_path: Path, field: str, width: int) -> None:
    row = ";".join([field] * width)
    file = text_file(tmp_path, f"{row}\n" + ";".join(["1.5"] * width) + "\n")
    with pytest.raises(DataFileError, match=r"points\.csv, line [12]"):
        read_points(file)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (",x,y\n0,1.5,2.5\n1,2,3\n", r"column 1 has no name.*usecols=\[1, 2\]"),
        (";x;y\n0;1,5;2,5\n", r"column 1 has no name.*usecols=\[1, 2\]"),
        ("\tx\n0\t1.5\n", r"column 1 has no name.*usecols=\[1\]"),
        (",0,1\n0,1.5,2.5\n", r"column 1 has no name.*usecols=\[1, 2\]"),
        ("Unnamed: 0,x,y\n0,1.5,2.5\n", r"column 1 has no name.*usecols=\[1, 2\]"),
        ("x,,y\n0,1.5,2.5\n", r"column 2 has no name.*usecols=\[0, 2\]"),
        ("x y\n1 1.5 2.5\n2 3 4\n", r"line 2: has width 3; the header has 2 names.*\[1, 2\]"),
        ("x,y\n1,1.5,2.5\n2,3,4\n", r"line 2: has width 3; the header has 2 names.*\[1, 2\]"),
        ('"x" "y"\n"1" 1.5 2.5\n', r"line 2: has width 3; the header has 2 names.*\[1, 2\]"),
        ("x\n1,5\n2,5\n", r"line 2: has width 2; the header has 1 name:.*decimal commas\?"),
        ("x,y\n1,5,2,5\n", r"line 2: has width 4; the header has 2 names.*decimal commas\?"),
        ("1,234;2,345\n", r"line 1, column 1: '1,234' may be 1234 or 1\.234"),
        ("1.5;2,5\n", r"'2,5' has a comma, .*column 1 a decimal point"),
        ("1,2\n3,4,5\n6,7,8\n", r"line 1: has width 2; it should be 3 as in line 2"),
        ("# a\n\n1,2,3\n# b\n1,2\n\n3,4\n", r"line 3: has width 3; it should be 2 as in line 5"),
        ("x,y\n1,2,3\n1,2\n1,2,3\n", r"line 2: has width 3; it should be 2 as in line 3"),
        ("1;2\n3\n4;5\n", r"line 2: has width 1; it should be 2 as in line 1"),
        ("1,2\n−1,3\n", r"line 2, column 1: '−1' is not a number: it holds MINUS SIGN"),
        ("a title of data\n1,2\n", r"the header has 4 names.*# before a title"),
    ],
)  # fmt: skip
def test_tables_that_are_not_what_they_seem(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DataFileError, match=r"points\.csv.*" + reason):
        read_points(text_file(tmp_path, text))


@given(st.integers(2, 30), st.integers(0, 29), st.integers(1, 3), st.booleans(), st.data())
def test_a_ragged_file_blames_the_odd_line(
    tmp_path_factory, count: int, odd: int, more: int, header: bool, data
) -> None:
    odd = min(odd, count)
    lines = ["1.5,2.5"] * count
    lines.insert(odd, "1.5,2.5" + ",3.5" * more)
    lines = ["x,y"] * header + lines
    place = odd + header
    for _ in range(data.draw(st.integers(0, 3))):
        where = data.draw(st.integers(0, len(lines)))
        lines.insert(where, data.draw(st.sampled_from(["", "# 1,2,3", "  "])))
        place += where <= place
    file = text_file(tmp_path_factory.mktemp("ragged"), "\n".join(lines))
    with pytest.raises(DataFileError, match=f"line {place + 1}: has width {2 + more};"):
        read_points(file)


@pytest.mark.parametrize(
    "text", ["0,1\n0.5,1.5\n", "1,2\n0.5,1.5\n", "0\n0.5\n", '"2010","2020"\n1,2\n']
)
def test_a_numeric_header_is_told(tmp_path: Path, text: str) -> None:
    with pytest.warns(DataWarning, match=r"points\.csv, line 1: .* was read as a point"):
        x = read_points(text_file(tmp_path, text))
    assert len(x) == 2


@pytest.mark.parametrize("text", ["0,1\n2,3\n", "0.0,1.0\n0.5,1.5\n", "1\n2.5\n", "0,1\n"])
def test_a_point_of_integers_is_none(tmp_path: Path, text: str) -> None:
    rows = [[float(cell) for cell in line.split(",")] for line in text.split()]
    np.testing.assert_array_equal(read_points(text_file(tmp_path, text)), rows)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("header", ["", "id,x,y\n"])
def test_an_index_with_a_name_is_told(tmp_path: Path, first: int, header: str) -> None:
    x = np.random.default_rng(0).standard_normal((20, 2))
    rows = [f"{first + k},{a!r},{b!r}" for k, (a, b) in enumerate(x.tolist())]
    file = text_file(tmp_path, header + "\n".join(rows))
    with pytest.warns(DataWarning, match=r"column 1 counts the rows.*usecols=\[1, 2\]") as caught:
        assert read_points(file).shape == (20, 3)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(read_points(file, 2, usecols=[1, 2]), x)


def test_columns_are_chosen_by_name_and_by_place(tmp_path: Path) -> None:
    file = text_file(tmp_path, "star,x,y,note\nA 1,1.5,2,?\nB 2,0,-1e-3,\n")
    np.testing.assert_array_equal(read_points(file, usecols=["x", "y"]), POINTS)
    np.testing.assert_array_equal(read_points(file, 2, usecols=(2, 1)), POINTS[:, ::-1])
    np.testing.assert_array_equal(read_points(file, 1, usecols=["y"]), POINTS[:, 1:])
    index = text_file(tmp_path, ",x,y\n7,1.5,2\n9,0,-1e-3\n", "index.csv")
    np.testing.assert_array_equal(read_points(index, usecols=[1, 2]), POINTS)
    np.save(tmp_path / "a.npy", np.hstack([POINTS, POINTS]))
    np.testing.assert_array_equal(
        read_points(tmp_path / "a.npy", usecols=[2, 1]), POINTS[:, [0, 1]]
    )
    for bad in ("xy", [], [1, 1], [1.5], [True], 1, None if False else [None]):
        with pytest.raises(ArgumentError, match="usecols"):
            read_points(file, usecols=bad)  # type: ignore[arg-type]
    for bad, reason in (([4], "none at 4"), (["z"], "no column 'z'"), ([-1], "none at -1")):
        with pytest.raises(DataFileError, match=reason):
            read_points(file, usecols=bad)  # type: ignore[arg-type]
    with pytest.raises(DataFileError, match=r"line 2: has width 1; it should be 2"):
        read_points(file, 2, usecols=[1])
    with pytest.raises(DataFileError, match=r"no header, and no column 'x'"):
        read_points(text_file(tmp_path, "1,2\n"), usecols=["x"])


def test_bad_line_of_a_long_file_is_found(tmp_path: Path) -> None:
    lines = ["1.0,2.0\n"] * 20_000
    lines[17_541] = "1.0,oops\n"
    with pytest.raises(DataFileError, match="line 17542, column 2: 'oops'"):
        read_points(text_file(tmp_path, "".join(lines)))


@given(st.text(alphabet='0123456789.,;-+e#"\t\n\r _naif\x00x', max_size=40))
@pytest.mark.filterwarnings("ignore::ehf_sym.errors.DataWarning")
def test_any_text_is_read_or_refused(tmp_path_factory, text: str) -> None:
    file = text_file(tmp_path_factory.mktemp("any"), text)
    try:
        x = read_points(file)
    except DataFileError:
        return
    assert np.isfinite(x).all()
    # The slow pass has its own parser: both must agree on what the file says.
    request = Request()
    lines, *_ = text_table._read_lines(file, text_table._layout(file, request), request)
    np.testing.assert_array_equal(lines, x)


def test_width(tmp_path: Path) -> None:
    file = text_file(tmp_path, "x,y\n1,2\n")
    assert read_points(file, dim=2).shape == (1, 2)
    with pytest.raises(DataFileError, match="line 2: has width 2; it should be 3"):
        read_points(file, dim=3)
    np.save(tmp_path / "x.npy", POINTS)
    with pytest.raises(DataFileError, match=r"shape \(2, 2\); it should be \(n, 3\)"):
        read_points(tmp_path / "x.npy", dim=3)
    for dim in (0, 2.0, True):
        with pytest.raises(ArgumentError, match="dim"):
            read_points(file, dim=dim)  # type: ignore[arg-type]


def test_place_that_holds_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"absent\.csv does not exist"):
        read_points(tmp_path / "absent.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataFileError, match="folder"):
        read_points(tmp_path / "folder.csv")
    for name in ("points.xlsx", "points"):
        with pytest.raises(DataFileError, match=r"suffix.*should be one of \.csv, \.tsv"):
            read_points(text_file(tmp_path, "1,2\n", name))
        with pytest.raises(DataFileError, match="suffix"):
            write_points(tmp_path / name, POINTS)
    assert issubclass(DataFileError, EHFError)
    assert issubclass(DataFileError, ValueError)


@pytest.mark.parametrize("name", ["points.csv", "points.npy"])
def test_file_that_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    file = text_file(tmp_path, "1,2\n", name)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataFileError, match="cannot be read: Permission denied"):
        read_points(file)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array([["a", "b"]]), "dtype <U1"),
        (np.ones((2, 2), complex), "dtype complex128"),
        (np.ones((2, 2), bool), "dtype bool"),
        (np.zeros(3, [("x", float)]), "dtype"),
        (np.float64(1), r"shape \(\)"),
        (np.ones(4), r"shape \(4,\).*dim=1"),
        (np.ones((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.ones((0, 2)), r"shape \(0, 2\)"),
        (np.ones((2, 0)), r"shape \(2, 0\)"),
        (np.array([[0, 1], [2, np.nan]]), "nan in row 1, column 1"),
        (np.array([[0, 1], [-np.inf, 1]], np.float32), "-inf in row 1, column 0"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_array_that_is_refused(tmp_path: Path, array, reason: str, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    np.save(file, array) if suffix == ".npy" else np.savez(file, array)
    with pytest.raises(DataFileError, match=rf"a\{suffix} .*{reason}"):
        read_points(file)


@pytest.mark.parametrize("dtype", ["i1", "u8", "f2", "f4", ">f8", "longdouble"])
def test_real_arrays_become_float64(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(np.arange(6).reshape(3, 2).astype(dtype)))
    x = read_points(tmp_path / "a.npy")
    assert x.dtype == np.float64
    assert x.dtype.isnative
    assert x.flags.c_contiguous
    np.testing.assert_array_equal(x, [[0, 1], [2, 3], [4, 5]])


def test_single_axis_is_a_line_of_points(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3.0))
    assert read_points(tmp_path / "a.npy", dim=1).shape == (3, 1)
    assert read_points(text_file(tmp_path, "1\n2\n")).shape == (2, 1)


def test_npz_names(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    np.savez(file, alone=POINTS)
    np.testing.assert_array_equal(read_points(file), POINTS)
    np.savez(file, x=POINTS, y=POINTS + 1)
    np.testing.assert_array_equal(read_points(file), POINTS)
    np.savez(file, u=POINTS, v=POINTS)
    with pytest.raises(DataFileError, match=r"holds 2 arrays \(u, v\).*named x"):
        read_points(file)
    np.savez(file)
    with pytest.raises(DataFileError, match="holds 0 arrays"):
        read_points(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x", b"no array")
    with pytest.raises(DataFileError, match=r"its part 'x' is no array"):
        read_points(file)


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("the file was unpickled",))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_nothing_is_unpickled(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    objects = np.array([[Bomb()]], dtype=object)
    np.save(file, objects) if suffix == ".npy" else np.savez(file, objects)
    with pytest.raises(DataFileError, match="allow_pickle"):
        read_points(file)
    file.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataFileError, match="cannot be read"):
        read_points(file)


def archive(suffix: str) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, POINTS) if suffix == ".npy" else np.savez_compressed(buffer, x=POINTS)
    return buffer.getvalue()


@given(st.data(), st.sampled_from([".npy", ".npz"]))
def test_damaged_array_files_are_read_or_refused(tmp_path_factory, data, suffix: str) -> None:
    content = bytearray(archive(suffix))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(content)))
    file = text_file(tmp_path_factory.mktemp("damaged"), bytes(content[:end]), f"a{suffix}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy comments on old headers
        try:
            x = read_points(file)
        except DataFileError:
            return
    assert x.ndim == 2
    assert np.isfinite(x).all()


@pytest.mark.parametrize("x", [[1.0, 2.0], [[1.0], [2.0, 3.0]], [["a"]], [[np.nan]], [[]], None])
def test_write_refuses_what_read_would(tmp_path: Path, x) -> None:
    with pytest.raises(ArgumentError, match=r"^x "):
        write_points(tmp_path / "a.csv", x)
    assert os.listdir(tmp_path) == []


def test_text_format(tmp_path: Path) -> None:
    write_points(tmp_path / "a.csv", [[0.1, -0.0, 1e-320]])
    assert (tmp_path / "a.csv").read_text() == "q1,q2,q3\n0.1,-0.0,1e-320\n"
    write_points(tmp_path / "a.npz", POINTS)
    with np.load(tmp_path / "a.npz") as loaded:
        assert loaded.files == ["x", "columns"]


BAD = {
    "missing": ("a,x,y\nA,1.5,2\nB,n/a,3\nC,,4\nD,0,-1e-3\n", r"2 of 4 .*\(2 missing\).*line 3"),
    "no number": ("a,x,y\nA,1.5,2\nB,1.O,3\nD,0,-1e-3\n", r"1 of 3 rows .*\(1 not a number\)"),
    "not finite": ("a,x,y\nA,1.5,2\nB,inf,3\nD,0,-1e-3\n", r"1 of 3 rows .*\(1 not finite\)"),
    "ragged": ("a,x,y\nA,1.5,2\nB,3\nC,1,2,3\nD,0,-1e-3\n", r"2 of 4 .*\(2 of another width\)"),
    "units below": ("a,x,y\n-;km/s;km/s\nA,1.5,2\nD,0,-1e-3\n", r"1 of 3 rows .*of another width"),
    "first": ("a;x;y\nbroken\nA;1,5;2\nD;0;-0,001\n", r"1 of 3 rows .*line 2: has width 1, not 3"),
    "many": (
        "a,x,y\nA,1.5,2\n" + "B,?,3\n" * 5 + "C,1\nD,0,-1e-3\n",
        r"6 of 8 rows .*\(5 not a number, 1 of another width\): line 3.*line 4.*line 5.*; …",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_rows_are_left_out_and_counted(tmp_path: Path, case: str) -> None:
    text, told = BAD[case]
    file = text_file(tmp_path, text)
    with pytest.raises(DataFileError, match="skip_bad_rows=True"):
        read_points(file, usecols=["x", "y"])
    with pytest.warns(DataWarning, match=rf"points\.csv: {told}") as caught:
        x = read_points(file, 2, usecols=["x", "y"], skip_bad_rows=True)
    np.testing.assert_array_equal(x, POINTS)
    assert [warning.filename for warning in caught] == [__file__]


@given(st.data())
def test_whatever_rows_are_bad_the_others_are_read(tmp_path_factory, data) -> None:
    rows = data.draw(st.lists(st.tuples(*[st.floats(-9, 9)] * 2), min_size=2, max_size=12))
    lines = [f"s;{x!r};{y!r}" for x, y in rows]
    bad = data.draw(st.lists(st.sampled_from(["s;1", "s;x;2", "s;nan;1", "?"]), max_size=3))
    for line in bad:
        lines.insert(data.draw(st.integers(1, len(lines))), line)
    file = text_file(tmp_path_factory.mktemp("bad"), "\n".join(["star;x;y", *lines]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x = read_points(file, usecols=[1, 2], skip_bad_rows=True)
    np.testing.assert_array_equal(x, rows)
    assert [f"{len(bad)} of {len(lines)} rows" in str(each.message) for each in caught] == (
        [True] if bad else []
    )


def test_a_file_of_bad_rows_alone_is_refused(tmp_path: Path) -> None:
    file = text_file(tmp_path, "x,y\na,1\n2,b\n")
    with pytest.raises(DataFileError, match=r"2 of 2 rows were left out.*there is none left"):
        read_points(file, skip_bad_rows=True)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_bad_rows_of_arrays_are_left_out(tmp_path: Path, suffix: str) -> None:
    file, array = tmp_path / f"a{suffix}", np.insert(POINTS, 1, [np.nan, 1.0], axis=0)
    np.save(file, array) if suffix == ".npy" else np.savez(file, array)
    with pytest.warns(DataWarning, match=r"1 of 3 rows .*\(1 not finite\): row 1, column 0: nan"):
        x = read_points(file, skip_bad_rows=True)
    np.testing.assert_array_equal(x, POINTS)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("x|y\n1.5|2\n0|-1e-3\n", {"delimiter": "|"}),
        ("x:y\n1.5:2\n0:-1e-3\n", {"delimiter": ":", "skip_bad_rows": True}),
        ("x  y\n1.5   2\n0 -1e-3\n", {"delimiter": " "}),
        ("x\ty\n1.5\t2\n0\t-1e-3\n", {"delimiter": "\t"}),
        ("x;y\n1,500;2,000\n0,000;-0,001\n", {"decimal": ","}),
        ("x,y\n1.5,2\n0,-1e-3\n", {"decimal": "."}),
    ],
)
def test_separators_and_decimals_may_be_said(tmp_path: Path, text: str, options) -> None:
    np.testing.assert_array_equal(read_points(text_file(tmp_path, text), **options), POINTS)


def test_decimals_decide_between_thousands_and_fractions(tmp_path: Path) -> None:
    file = text_file(tmp_path, "x;y\n1,234;2,345\n3,456;4,567\n")
    with pytest.raises(DataFileError, match=r"may be 1234 or 1\.234"):
        read_points(file)
    np.testing.assert_array_equal(read_points(file, decimal=","), [[1.234, 2.345], [3.456, 4.567]])
    with pytest.raises(DataFileError, match="'1,234' is not a number"):
        read_points(file, decimal=".")
    with pytest.raises(DataFileError, match=r"'1\.5' is not a number"):
        read_points(text_file(tmp_path, "x;y\n1.5;2\n"), decimal=",")


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": ""},
        {"delimiter": ";;"},
        {"delimiter": "1"},
        {"delimiter": '"'},
        {"delimiter": 7},
        {"decimal": ";"},
        {"decimal": ",", "delimiter": ","},
        {"skip_bad_rows": "yes"},
    ],
)
def test_options_that_cannot_be_used(tmp_path: Path, options) -> None:
    with pytest.raises(ArgumentError, match=f"{next(iter(options))} was"):
        read_points(text_file(tmp_path, "1,2\n"), **options)


HARD_NAMES = ["vx (km/s)", 'speed "of" it', "a;b", "n, k", "x#1"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".npz", ".parquet"])
def test_names_come_back(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    file, x = tmp_path / f"a{suffix}", np.arange(10.0).reshape(2, 5) / 3
    write_points(file, x, columns=HARD_NAMES)
    found = read_table(file, Request(usecols=["x#1", "vx (km/s)"]))
    assert found.columns == ("x#1", "vx (km/s)")
    np.testing.assert_array_equal(found, x[:, [4, 0]])
    assert read_table(file, Request()).columns == tuple(HARD_NAMES)
    assert read_table(file, Request(names=["n, k", "a;b"])).columns == ("n, k", "a;b")
    assert read_table(file, Request(names=["other", "a;b"])).columns == tuple(HARD_NAMES)
    for bad in (["x"], "abcde", ["a"] * 5, [1, 2, 3, 4, 5], [" ", "b", "c", "d", "e"]):
        with pytest.raises(ArgumentError, match="columns was"):
            write_points(file, x, columns=bad)
