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

from ehf_num import readers
from ehf_num.readers import DataFileError, read_points, write_points
from ehf_sym.errors import ArgumentError, EHFError

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
    monkeypatch.setattr(readers, "_read_lines", lambda *_: pytest.fail("slow pass"))
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
        ("1.5;2.5\n3;4\n", r"line 1, column 1: '1.5;2.5' is not a number"),
        ('1,2\n"3",4\n', r"line 2, column 1: '\"3\"' is not a number"),
        ("1,2\nnan,3\n", r"line 2, column 1: 'nan' is not a finite number"),
        ("nan,nan\n1,2\n", r"line 1, column 1: 'nan' is not a finite number"),
        ("1,2\n3,-Infinity\n", r"line 2, column 2: '-Infinity' is not a finite number"),
        ("1,2\n3,1e999\n", r"line 2, column 2: '1e999' is not a finite number"),
        ("1,2\n3," + "z" * 999, r"line 2, column 2: 'z{37}\.\.\.' is not a number"),
        (b"1,2\n3,\xff\n", r"line 2, column 2: '\\\\xff' is not a number"),
        ("1,2\n3,4\n".encode("utf-16"), r"line 2, column 1: .* is not a number"),
        ("", "holds no numbers"),
        ("# only\n\nx,y\n", "holds no numbers"),
    ],
)
def test_text_that_is_refused(tmp_path: Path, text: str | bytes, reason: str) -> None:
    with pytest.raises(DataFileError, match=r"points\.csv.*" + reason):
        read_points(text_file(tmp_path, text))


def test_bad_line_of_a_long_file_is_found(tmp_path: Path) -> None:
    lines = ["1.0,2.0\n"] * 20_000
    lines[17_541] = "1.0,oops\n"
    with pytest.raises(DataFileError, match="line 17542, column 2: 'oops'"):
        read_points(text_file(tmp_path, "".join(lines)))


@given(st.text(alphabet='0123456789.,-+e#"\t\n\r _naif\x00x', max_size=40))
def test_any_text_is_read_or_refused(tmp_path_factory, text: str) -> None:
    file = text_file(tmp_path_factory.mktemp("any"), text)
    try:
        x = read_points(file)
    except DataFileError:
        return
    assert np.isfinite(x).all()
    # The slow pass has its own parser: both must agree on what the file says.
    np.testing.assert_array_equal(readers._read_lines(file, readers._layout(file)), x)


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
        assert loaded.files == ["x"]
