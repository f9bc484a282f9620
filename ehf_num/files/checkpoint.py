"""What a training run needs to go on after its process died, in one file that is written whole.

It holds everything that the next iteration depends on: weights, Adam's moments, λ and its moving
average, the state of the random generator, which points are still to come in this epoch, the
history so far. A run that continues from it ends with the same bits as one that was never broken.
Beside it stands what the run started from, field by field: another run is told what differs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ehf_num.engine.arguments import positive_integer
from ehf_num.engine.workspace import Array
from ehf_num.files.archive import ModelFileError, read_arrays
from ehf_num.files.atomic import atomic_write, check_target
from ehf_num.files.identity import RunIdentity, differences
from ehf_num.files.result import versions
from ehf_sym.errors import ArgumentError

_SCHEMA = 1
_MOST = 12  # differences that a message tells


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
    """Digest what a run starts from, as the first release did: the rest of it is not told there.

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
    checkpoint: Checkpoint, run: RunIdentity, plain: Mapping[str, Any], arrays: Mapping[str, Array]
) -> None:
    """Write the state of a run, and what it started from.

    Raises
    ------
    OSError
        If the file cannot be written; the one before stays.
    """
    header = {"schema": _SCHEMA, "run": run.told, "moved": run.moved(), "versions": versions()}
    text = json.dumps({**header, "plain": dict(plain)})
    content = {**arrays, "header": np.frombuffer(text.encode(), dtype=np.uint8)}
    with atomic_write(checkpoint.path) as handle:
        np.savez(handle, allow_pickle=False, **content)


def read_checkpoint(
    checkpoint: Checkpoint, run: RunIdentity, fingerprinted: Callable[[], str]
) -> tuple[dict[str, Any], dict[str, Array]] | None:
    """Read what `write_checkpoint` wrote; None where there is no file yet.

    Parameters
    ----------
    checkpoint, run
        Where, and whose.
    fingerprinted : callable
        Returns the run's digest, all that files of the first release tell of theirs.

    Raises
    ------
    ModelFileError
        If the file is damaged or no checkpoint.
    ehf_sym.ArgumentError
        If it belongs to another run; the message says what differs.
    """
    if not Path(checkpoint.path).exists():
        return None
    arrays = read_arrays(checkpoint.path, "checkpoint")
    try:
        header = json.loads(arrays.pop("header").tobytes().decode())
        schema, found, plain = header["schema"], header["run"], dict(header["plain"])
        moved = [str(name) for name in header.get("moved", ())]
        if not isinstance(found, str | dict):
            raise TypeError(f"of its run it tells {type(found).__name__}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError(f"{checkpoint.path} is not a checkpoint: {error}") from error
    if schema != _SCHEMA:
        raise ModelFileError(
            f"{checkpoint.path} has schema {schema!r}; this version reads schema {_SCHEMA}"
        )
    if isinstance(found, str):  # as the first release told of its runs
        differ = _NOT_TOLD if found != fingerprinted() else ""
    else:
        differ = _told(differences(found, run.told, moved))
    if differ:
        raise ArgumentError(
            f"checkpoint was {str(checkpoint.path)!r}, which belongs to a run with other data, "
            f"options, seed or start: {differ}; it should be that of this run: remove it, or give "
            "another path"
        )
    return plain, arrays


_NOT_TOLD = "it is of an earlier release, which does not tell what differs"


def _told(differ: list[str]) -> str:
    """Join what differs; where arguments do, weights and random numbers follow."""
    arguments = [text for text in differ if not text.startswith("start.")]
    return "; ".join((arguments or differ)[:_MOST]) + ("; …" if len(arguments) > _MOST else "")
