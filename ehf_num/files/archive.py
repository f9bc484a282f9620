"""The file of a saved model: one .npz of plain numbers and text, no pickle, nothing is executed.

It holds arrays only: ``weights`` (the flat parameter vector), the history's curves, and
``header``, the UTF-8 bytes of a JSON object with formulas, options, seed and versions.
`persistence` turns formulas into text and back.
"""

from __future__ import annotations

import json
import math
import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from ehf_num.engine.workspace import Array
from ehf_num.files.atomic import atomic_write
from ehf_num.files.result import HISTORY_FIELDS, History, TrainingResult
from ehf_sym.errors import EHFError

SCHEMA = 1
_HEADER_LIMIT = 16 * 2**20
_SUFFIX = ".npy"
_OUR_ROOM, _OUR_RATIO = 2**20, 8  # we pack nothing, and weights hardly can be
_LONGEST_DIRECTORY = 2**18  # bytes: some thousand parts
_LONGEST_REASON = 500  # characters of an error of others that ours quotes
_RESULT_FIELDS = tuple(f.name for f in fields(TrainingResult) if f.name != "history")
_REQUIRED = ("schema", "formulas", "settings", "seed", "random_state")


class ModelFileError(EHFError, ValueError):
    """A file is not a saved model, is damaged, or is of a newer kind."""


@dataclass(frozen=True, eq=False)
class SavedModel:
    """What a file holds, in plain data.

    Attributes
    ----------
    header : mapping
        Formulas as text, options, seed, versions, state of the random generator.
    weights : ndarray, shape (n_parameters,)
        All weights.
    result : TrainingResult or None
        Of the last `fit`.
    """

    header: Mapping[str, Any]
    weights: Array
    result: TrainingResult | None


def write_model(path: str | PathLike[str], model: SavedModel) -> None:
    """Write atomically: the file is whole or as it was before.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    arrays = _arrays_of(model)
    with atomic_write(path) as handle:
        np.savez(handle, allow_pickle=False, **arrays)


def model_bytes(model: SavedModel) -> bytes:
    """Return what `write_model` would write."""
    handle = BytesIO()
    np.savez(handle, allow_pickle=False, **_arrays_of(model))
    return handle.getvalue()


def _arrays_of(model: SavedModel) -> dict[str, Array]:
    header = {"schema": SCHEMA, **model.header}
    arrays = {"weights": model.weights}
    if model.result is not None:
        header["result"] = {name: getattr(model.result, name) for name in _RESULT_FIELDS}
        arrays |= {f"history_{n}": getattr(model.result.history, n) for n in HISTORY_FIELDS}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    return arrays


Source = str | PathLike[str] | BytesIO
"""A file by its path, or its bytes."""


def read_model(path: Source) -> SavedModel:
    """Read a file that `write_model` wrote.

    Raises
    ------
    OSError
        If there is no such file or it cannot be opened.
    ModelFileError
        If it is not a saved model; the message says what is wrong with it.
    """
    arrays = read_arrays(path, "saved model")
    header = _header(path, arrays)
    return SavedModel(header, _weights(path, arrays), _result(path, header, arrays))


def read_arrays(path: Source, what: str) -> dict[str, Array]:
    """Read all arrays of an .npz file of ours, unpickling nothing.

    Raises
    ------
    OSError
        If there is no such file or it cannot be opened.
    ModelFileError
        If it is none, or damaged, or made to fill memory: it is not a `what`.
    """
    with open_file(path, what) as handle:
        # What is wrong with a file shows in lzma, struct, tokenize, zipfile, zlib, ..., each of
        # which has errors of its own.
        try:
            with open_archive(handle, _OUR_ROOM, _OUR_RATIO) as archive:
                return {name: archive.read(name) for name in archive.names}
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:_LONGEST_REASON]  # it may quote the file
            raise ModelFileError(f"{path} is damaged, or not a {what} ({reason})") from error


def open_file(path: Source, what: str) -> BinaryIO:
    """Open a file for reading; what is none, and may never end or never begin, is refused.

    Raises
    ------
    OSError
        If there is no such file or it cannot be opened.
    ModelFileError
        If it is a folder, a pipe, a socket or a device.
    """
    if isinstance(path, BytesIO):
        return path
    file = Path(path)
    mode = file.stat().st_mode
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise ModelFileError(f"{path} is {found}; it should be the file of a {what}")
    return file.open("rb")


class Shelf:
    """The arrays of a file, each held to what it has to be before it is used."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def size(self, name: str) -> int:
        """Return how many numbers an array has; 0 where there is none."""
        return self._arrays[name].size if name in self._arrays else 0

    def take(
        self, name: str, shape: tuple[int | None, ...], kind: str = "f", dtype: Any = None
    ) -> Array:
        """Return an array.

        Raises
        ------
        ValueError
            If it is missing, or of another shape (None: any length), kind or dtype.
        """
        if name not in self._arrays:
            raise ValueError(f"it has no {name}")
        array = self._arrays[name]
        fits = len(array.shape) == len(shape) and all(
            wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype.kind != kind or (dtype is not None and array.dtype != dtype):
            raise ValueError(
                f"{name} has shape {array.shape} and dtype {array.dtype}; {shape} and "
                f"{dtype or kind} were to be there"
            )
        return array

    def finite(self, name: str, shape: tuple[int | None, ...], dtype: Any = None) -> Array:
        """Return an array of finite numbers; raises as `take` does."""
        array = self.take(name, shape, dtype=dtype)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} is not finite everywhere")
        return array


@dataclass(frozen=True, eq=False)
class ArrayArchive:
    """An open .npz file whose parts are arrays of known sizes; made by `open_archive`.

    Attributes
    ----------
    names : tuple of str
        Of its arrays.
    """

    names: tuple[str, ...]
    _zip: zipfile.ZipFile

    def read(self, name: str) -> Array:
        """Unpack one array."""
        with self._zip.open(name + _SUFFIX) as part:
            array: Array = np.lib.format.read_array(part, allow_pickle=False)
            return array


@contextmanager
def open_archive(handle: BinaryIO, room: int, ratio: int) -> Iterator[ArrayArchive]:
    """Look at all parts of an .npz file before any is unpacked.

    `numpy.savez` packs nothing, and numbers that were measured pack badly: parts that unpack to
    far more than the file takes, together, are made to fill the memory of who reads them.

    Parameters
    ----------
    handle : binary file
    room, ratio : int
        Bytes that parts may unpack to in any case, and as a multiple of the file's size.

    Raises
    ------
    ValueError
        If a part is no array, claims more than it holds, or all of them are too large; and what
        `zipfile` and NumPy raise for files that are damaged.
    """
    size = handle.seek(0, os.SEEK_END)
    if not zipfile.is_zipfile(handle):
        raise ValueError("it is no archive of arrays (.npz)")
    _refuse_many_parts(handle, size)
    with zipfile.ZipFile(handle) as archive:
        parts = archive.infolist()
        total = sum(part.file_size for part in parts)
        if total > max(room, ratio * size):
            raise ValueError(f"its parts unpack to {total} bytes from {size}")
        names = []
        for part in parts:
            if not part.filename.endswith(_SUFFIX):
                raise ValueError(f"its part {part.filename[:100]!r} is no array (.npy)")
            with archive.open(part) as member:
                check_claim(member, part.file_size)
            names.append(part.filename.removesuffix(_SUFFIX))
        yield ArrayArchive(tuple(names), archive)


def _refuse_many_parts(handle: BinaryIO, size: int) -> None:
    """Refuse a directory that takes long to read: arrays of ours are few."""
    handle.seek(size - min(size, 2**16 + 22))  # where the end of a .zip file may begin
    tail = handle.read()
    handle.seek(0)
    end = tail.rfind(b"PK\x05\x06")
    length = int.from_bytes(tail[end + 12 : end + 16], "little")
    elsewhere = size < 2**32 and tail[max(end - 20, 0) : end].startswith(b"PK\x06\x07")
    if length > _LONGEST_DIRECTORY or elsewhere:
        raise ValueError("its directory of parts is too long for a file of arrays")


def check_claim(handle: IO[bytes], size: int) -> None:
    """Raise ValueError where the header of a .npy file calls for more than so many bytes.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> np.save(file, np.zeros(3))
    >>> _ = file.seek(0)
    >>> check_claim(file, len(file.getvalue()) - 1)
    Traceback (most recent call last):
    ...
    ValueError: it is said to have shape (3,) of float64, and has not the bytes
    """
    version = np.lib.format.read_magic(handle)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(handle)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(handle)
    else:
        raise ValueError(f"its version of the .npy format is {version}")
    bytes_of_data = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or (not dtype.hasobject and handle.tell() + bytes_of_data > size):
        raise ValueError(f"it is said to have shape {shape} of {dtype}, and has not the bytes")


def _header(path: Source, arrays: Mapping[str, Array]) -> dict[str, Any]:
    raw = arrays.get("header")
    if raw is None or raw.dtype != np.uint8 or raw.size > _HEADER_LIMIT:
        raise ModelFileError(f"{path} is not a saved model: it has no readable header")
    try:
        header = json.loads(raw.tobytes().decode())
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is damaged: its header is not JSON ({error})") from error
    if not isinstance(header, dict) or any(name not in header for name in _REQUIRED):
        raise ModelFileError(f"{path} is not a saved model: its header lacks {_REQUIRED}")
    if header["schema"] != SCHEMA:
        raise ModelFileError(
            f"{path} has schema {header['schema']!r}; this version reads schema {SCHEMA}"
        )
    return header


def _weights(path: Source, arrays: Mapping[str, Array]) -> Array:
    if "weights" not in arrays:
        raise ModelFileError(f"{path} is not a saved model: it has no vector of weights")
    try:
        return Shelf(arrays).finite("weights", (None,))
    except ValueError as error:
        raise ModelFileError(f"{path} is damaged: {error}") from error


def _result(
    path: Source, header: Mapping[str, Any], arrays: Mapping[str, Array]
) -> TrainingResult | None:
    if "result" not in header:
        return None
    try:
        result = TrainingResult(history=read_history(arrays), **header["result"])
        str(result)  # which formats what the header says of it
        return result
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged: its history is not whole ({error})") from error


def read_history(arrays: Mapping[str, Array]) -> History:
    """Read the curves of a run from the arrays of its file.

    Raises
    ------
    ValueError
        If one is missing, or their shapes do not fit each other. Where a run went wrong, their
        entries need not be finite.
    """
    shelf = Shelf(arrays)
    iteration = shelf.take("history_iteration", (None,), kind="i")
    elbo, held_out = (
        shelf.take(f"history_{name}", iteration.shape) for name in ("elbo", "validation_elbo")
    )
    brackets = shelf.take("history_squared_brackets", (*iteration.shape, None))
    multipliers = shelf.take("history_multipliers", brackets.shape)
    return History(iteration, elbo, brackets, multipliers, held_out)
