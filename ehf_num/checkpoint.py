"""What a training run needs to go on after its process died, in one file that is written whole.

It holds everything that the next iteration depends on: weights, Adam's moments, λ and its moving
average, the state of the random generator, which points are still to come in this epoch, the
history so far. A run that continues from it ends with the same bits as one that was never broken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ehf_num.archive import ModelFileError, read_arrays
from ehf_num.atomic import atomic_write, check_target
from ehf_num.checks import positive_integer
from ehf_num.workspace import Array
from ehf_sym.errors import ArgumentError

_SCHEMA = 1


@dataclass(frozen=True)
class Checkpoint:
    """Where a run writes its state, and how often.

    Attributes
    ----------
    path : path-like
        The file, replaced atomically.
    every : int
        Iterations between two writings.

    Raises
    ------
    ehf_sym.ArgumentError
        If one of them is of the wrong kind.
    OSError
        If no file can be put there.
    """

    path: str | PathLike[str]
    every: int = 1000

    def __post_init__(self) -> None:
        path: object = self.path
        if not isinstance(path, str | PathLike):
            raise ArgumentError(f"checkpoint was {path!r}; it should be the path of a file")
        positive_integer(self.every, "checkpoint_every")
        check_target(self.path)


def fingerprint(*parts: Any) -> str:
    """Digest what a run starts from: arrays by their bytes, the rest by its text.

    Examples
    --------
    >>> fingerprint(np.zeros(2), "a") == fingerprint(np.zeros(2), "a")
    True
    """
    digest = hashlib.sha256()
    for part in parts:
        content = part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def write_checkpoint(
    checkpoint: Checkpoint, run: str, plain: Mapping[str, Any], arrays: Mapping[str, Array]
) -> None:
    """Write the state of a run, named by its fingerprint.

    Raises
    ------
    OSError
        If the file cannot be written; the one before stays.
    """
    header = json.dumps({"schema": _SCHEMA, "run": run, "plain": dict(plain)})
    content = {**arrays, "header": np.frombuffer(header.encode(), dtype=np.uint8)}
    with atomic_write(checkpoint.path) as handle:
        np.savez(handle, allow_pickle=False, **content)


def read_checkpoint(
    checkpoint: Checkpoint, run: str
) -> tuple[dict[str, Any], dict[str, Array]] | None:
    """Read what `write_checkpoint` wrote; None where there is no file yet.

    Raises
    ------
    ModelFileError
        If the file is damaged or no checkpoint.
    ehf_sym.ArgumentError
        If it belongs to another run.
    """
    if not Path(checkpoint.path).exists():
        return None
    arrays = read_arrays(checkpoint.path, "checkpoint")
    try:
        header = json.loads(arrays.pop("header").tobytes().decode())
        schema, found, plain = header["schema"], header["run"], dict(header["plain"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{checkpoint.path} is not a checkpoint: {error}") from error
    if schema != _SCHEMA:
        raise ModelFileError(
            f"{checkpoint.path} has schema {schema!r}; this version reads schema {_SCHEMA}"
        )
    if found != run:
        raise ArgumentError(
            f"checkpoint was {str(checkpoint.path)!r}, which belongs to a run with other data, "
            "options, seed or start; it should be that of this run: remove it, or give another path"
        )
    return plain, arrays
