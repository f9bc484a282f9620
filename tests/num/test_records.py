"""Records of finished runs that are not what they say: refused, whatever is wrong with them."""

import io
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest
from models import make

import ehf_num as en
from ehf_num.reproduce.records import RecordError, read_record, record_path, write_record
from ehf_sym.errors import ArgumentError


@dataclass(frozen=True)
class Walk:
    seed: int = 3


def say_encrypted(path):
    """Set the bit that says so in each part's own header and in the directory."""
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(mark)
        while start >= 0:
            content[start + offset] |= 1
            start = content.find(mark, start + 1)
    path.write_bytes(content)


def hold(part, packing=zipfile.ZIP_STORED):
    def write(path):
        with zipfile.ZipFile(path, "w", packing) as archive:
            archive.writestr("header.npy", part)

    return write


def announce(shape):
    """A part that announces an array of that shape and holds none of it."""
    part = io.BytesIO()
    content = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(part, content)
    return hold(part.getvalue())


def packed_with_an_error(packing):
    def write(path):
        hold(bytes(1000), packing)(path)
        content = bytearray(path.read_bytes())
        start = 30 + len("header.npy")  # of what is packed, behind its own header
        content[start : start + 4] = b"\xff\xff\xff\xff"
        path.write_bytes(content)

    return write


def header(text):
    return lambda path: np.savez(path, header=np.frombuffer(text.encode(), np.uint8))


FAULTS = {
    "parts that say that they are encrypted": say_encrypted,
    "no archive": lambda path: path.write_bytes(b"PK"),
    "one array": lambda path: path.write_bytes(_npy(np.zeros(3))),
    "a part that unpacks to far more": hold(bytes(2**27), zipfile.ZIP_DEFLATED),
    "an array of exabytes": announce((2**57,)),
    "an array beyond all integers": announce((2**70,)),
    "an array whose header does not end": hold(b"\x93NUMPY\x01\x00\x12\x00{'descr': (((       \n"),
    "a damaged bzip2 part": packed_with_an_error(zipfile.ZIP_BZIP2),
    "a damaged lzma part": packed_with_an_error(zipfile.ZIP_LZMA),
    "no header": lambda path: np.savez(path, array_x=np.zeros(3)),
    "a header without end": header("[" * 10**5),
    "a header that is no object": header("[]"),
    "seconds beyond a float": header('{"spec": "", "plain": {}, "seconds": 1' + 400 * "0" + "}"),
    "values that are no object": header('{"spec": "", "seconds": 1, "plain": 3}'),
}


def _npy(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


@pytest.fixture
def folder(tmp_path):
    write_record(tmp_path, Walk(), {"x": np.arange(3.0), "n": 2}, 1.5)
    return tmp_path


def test_a_record_comes_back(folder):
    values, seconds = read_record(folder, Walk())
    np.testing.assert_array_equal(values.pop("x"), np.arange(3.0))
    assert (values, seconds) == ({"n": 2}, 1.5)
    assert read_record(folder, Walk(4)) is None


@pytest.mark.parametrize("spoil", FAULTS.values(), ids=FAULTS)
def test_a_record_that_is_none_is_refused(spoil, folder):
    spoil(record_path(folder, Walk()))
    with pytest.raises(RecordError, match=r"Walk-.*; remove it to run the spec again"):
        read_record(folder, Walk())


@pytest.mark.parametrize("spoil", FAULTS.values(), ids=FAULTS)
def test_no_more_is_it_a_saved_model(spoil, tmp_path):
    path = tmp_path / "model.npz"
    make("so2", hidden=(4,)).save(path)
    spoil(path)
    with pytest.raises(en.ModelFileError, match=r"model\.npz is (damaged|not)"):
        en.load(path)


def test_a_record_of_another_run_is_refused(folder):
    record_path(folder, Walk()).rename(record_path(folder, Walk(4)))
    with pytest.raises(RecordError, match="is the record of"):
        read_record(folder, Walk(4))


def test_values_that_no_record_holds_are_refused_by_name(tmp_path):
    with pytest.raises(ArgumentError, match="words was an array of dtype"):
        write_record(tmp_path, Walk(), {"words": ["a", "b"]}, 1.0)
    with pytest.raises(ArgumentError, match="holes had masked entries"):
        write_record(tmp_path, Walk(), {"holes": np.ma.masked_equal([1.0, -9.0], -9.0)}, 1.0)
    assert not list(tmp_path.iterdir())
