"""One file a finished run: figures and arrays under the key of what was run, no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ehf_num.files.archive import ModelFileError, read_arrays
from ehf_num.files.atomic import atomic_write
from ehf_sym.errors import ArgumentError, EHFError

_PLAIN = (str, int, float, bool, type(None))
_ADVICE = "remove it to run the spec again"


class RecordError(EHFError, ValueError):
    """A record is damaged, or belongs to another run than its name says."""


def describe(spec: Any) -> str:
    """Write a spec as canonical text: its class and its fields, JSON.

    Parameters
    ----------
    spec : frozen dataclass
        Fields are strings, numbers, booleans, None, and tuples or dataclasses of these.

    Raises
    ------
    ehf_sym.ArgumentError
        If it is no dataclass instance or holds anything else.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Square:
    ...     side: float
    >>> describe(Square(2.0))
    '{"side": 2.0, "spec": "...Square"}'
    """
    if not is_dataclass(spec) or isinstance(spec, type):
        raise ArgumentError(f"spec was {spec!r}; it should be an instance of a frozen dataclass")
    return json.dumps(_plain(spec), sort_keys=True, allow_nan=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        return {"spec": kind, **{f.name: _plain(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if not isinstance(value, _PLAIN):
        raise ArgumentError(
            f"spec holds {value!r} of type {type(value).__name__}; it should hold strings, "
            "numbers, booleans, None, and tuples or dataclasses of these"
        )
    return value


def record_path(folder: Path, spec: Any) -> Path:
    """Return where the record of a spec is kept."""
    digest = hashlib.sha256(describe(spec).encode()).hexdigest()
    return folder / f"{type(spec).__name__}-{digest[:20]}.npz"


def write_record(folder: Path, spec: Any, values: Mapping[str, Any], seconds: float) -> None:
    """Write what a run returned, atomically.

    Raises
    ------
    ehf_sym.ArgumentError
        If a value is neither plain nor an array of numbers or booleans.
    OSError
        If the file cannot be written.
    """
    plain = {name: value for name, value in values.items() if isinstance(value, _PLAIN)}
    arrays = {f"array_{n}": np.asarray(v) for n, v in values.items() if n not in plain}
    for name, array in arrays.items():
        if np.ma.is_masked(values[name.removeprefix("array_")]):
            raise ArgumentError(
                f"{name.removeprefix('array_')} had masked entries; a run should return arrays "
                "without a mask"
            )
        if array.dtype.kind not in "biufc":
            raise ArgumentError(
                f"{name.removeprefix('array_')} was an array of dtype {array.dtype}; a run should "
                "return plain values and arrays of numbers"
            )
    header = {"spec": describe(spec), "seconds": seconds, "plain": plain}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with atomic_write(record_path(folder, spec)) as handle:
        np.savez(handle, allow_pickle=False, **arrays)


def read_record(folder: Path, spec: Any) -> tuple[dict[str, Any], float] | None:
    """Read what a run returned and its seconds; None where it has no record.

    Raises
    ------
    RecordError
        If there is a file that is damaged or holds another spec's record.
    """
    path = record_path(folder, spec)
    if not path.exists():
        return None
    try:
        arrays = read_arrays(path, "record")
        header = json.loads(arrays.pop("header").tobytes().decode())
        values = {name.removeprefix("array_"): array for name, array in arrays.items()}
        found, seconds, plain = header["spec"], float(header["seconds"]), dict(header["plain"])
    except ModelFileError as error:
        raise RecordError(f"{error}; {_ADVICE}") from error
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise RecordError(f"{path} is damaged: {error}; {_ADVICE}") from error
    if found != describe(spec):
        raise RecordError(f"{path} is the record of {found}, not of {describe(spec)}")
    return {**plain, **values}, seconds
