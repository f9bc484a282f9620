"""The file of a saved model: one .npz of plain numbers and text, no pickle, nothing is executed.

It holds arrays only: ``weights`` (the flat parameter vector), the history's curves, and
``header``, the UTF-8 bytes of a JSON object with formulas, options, seed and versions.
`persistence` turns formulas into text and back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any

import numpy as np

from ehf_num.atomic import atomic_write
from ehf_num.result import HISTORY_FIELDS, History, TrainingResult
from ehf_num.workspace import Array
from ehf_sym.errors import EHFError

SCHEMA = 1
_HEADER_LIMIT = 16 * 2**20
_LARGEST_PART, _LARGEST_RATIO = 2**26, 200  # bytes unpacked, and unpacked over packed
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
    header = {"schema": SCHEMA, **model.header}
    arrays = {"weights": model.weights}
    if model.result is not None:
        header["result"] = {name: getattr(model.result, name) for name in _RESULT_FIELDS}
        arrays |= {f"history_{n}": getattr(model.result.history, n) for n in HISTORY_FIELDS}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with atomic_write(path) as handle:
        np.savez(handle, allow_pickle=False, **arrays)


def read_model(path: str | PathLike[str]) -> SavedModel:
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


def read_arrays(path: str | PathLike[str], what: str) -> dict[str, Array]:
    """Read all arrays of an .npz file, unpickling nothing.

    Raises
    ------
    OSError
        If there is no such file or it cannot be opened.
    ModelFileError
        If it is none, or damaged: it is not a `what`.
    """
    with open(path, "rb") as handle:  # np.load leaves a file open that it cannot read
        try:
            archive = np.load(handle, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is one array, not an archive of them (.npz)")
            with archive:
                refuse_bombs(archive)
                return {name: archive[name] for name in archive.files}
        # What is wrong with a file shows in lzma, struct, tokenize, zipfile, zlib, ..., each of
        # which has errors of its own.
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:_LONGEST_REASON]  # it may quote the file
            raise ModelFileError(f"{path} is damaged, or not a {what} ({reason})") from error


def refuse_bombs(archive: np.lib.npyio.NpzFile) -> None:
    """Raise ValueError for a part that unpacks to far more than it takes in the file.

    `numpy.savez` packs nothing, and numbers that were measured pack badly: such a part is made to
    fill the memory of who reads it.
    """
    for part in archive.zip.infolist() if archive.zip is not None else ():
        if part.file_size > max(_LARGEST_PART, _LARGEST_RATIO * part.compress_size):
            raise ValueError(
                f"{part.filename} unpacks to {part.file_size} bytes from {part.compress_size}"
            )


def _header(path: str | PathLike[str], arrays: Mapping[str, Array]) -> dict[str, Any]:
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


def _weights(path: str | PathLike[str], arrays: Mapping[str, Array]) -> Array:
    weights = arrays.get("weights")
    if weights is None or weights.ndim != 1 or weights.dtype.kind != "f":
        raise ModelFileError(f"{path} is not a saved model: it has no vector of weights")
    if not np.isfinite(weights).all():
        raise ModelFileError(f"{path} is damaged: its weights are not all finite")
    return weights


def _result(
    path: str | PathLike[str], header: Mapping[str, Any], arrays: Mapping[str, Array]
) -> TrainingResult | None:
    if "result" not in header:
        return None
    try:
        history = History(**{name: arrays[f"history_{name}"] for name in HISTORY_FIELDS})
        return TrainingResult(history=history, **header["result"])
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"{path} is damaged: its history is not whole ({error})") from error
