"""Row 15: damaged and hostile files are refused with the reason, and nothing in them is run."""

from __future__ import annotations

import json
import os
import pickle
import tempfile
import time
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

import ehf_num as en
from ehf_num.files.archive import read_arrays
from ehf_num.reproduce.records import read_record, record_path, write_record
from ehf_sym.errors import EHFError
from tests.battery.frame import SEED, Case, Row, require
from tests.num.hostile_files import ARCHIVES, DEMANDS, NO_FILES, zeros
from tests.num.models import make
from tests.num.saved_faults import ARRAY_FAULTS, HEADER_FAULTS, rewrite

X = en.rings().sample(30, rng=0)
CANARY = "run_by_a_file"


@dataclass(frozen=True)
class Square:
    """A spec whose record is damaged."""

    side: float


@cache
def saved(hidden: int = 6) -> bytes:
    """Bytes of a model with a history."""
    return _bytes(
        "model.npz",
        lambda path: (
            make("so2", hidden=(hidden, hidden)).fit(X, iterations=3, progress=False).save(path)
        ),
    )


def _bytes(name: str, write: Callable[[Path], Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return next(Path(folder).iterdir()).read_bytes()


def _try(
    content: bytes, change: Callable[[Path], Any] | None = None
) -> en.EquivariantHamiltonianFlow:
    """Load a model; fail if the file made anything appear beside it."""
    with tempfile.TemporaryDirectory() as folder:
        path, here = Path(folder) / "model.npz", Path.cwd()
        path.write_bytes(content)
        if change is not None:
            change(path)
        os.chdir(folder)
        try:
            return en.load(path)
        finally:
            os.chdir(here)
            require(os.listdir(folder) == ["model.npz"], f"{os.listdir(folder)}")


def _refused(content: bytes, change: Callable[[Path], Any] | None = None) -> None:
    try:
        _try(content, change)
    except EHFError as error:
        require("model.npz" in str(error) or not isinstance(error, en.ModelFileError), str(error))
        return
    raise AssertionError("was read")


def _refused_or_same(content: bytes) -> str | None:
    """Bits that nothing depends on may be flipped: then the model is the one that was saved."""
    try:
        flow = _try(content)
    except EHFError:
        return
    original = _try(saved())
    require(np.array_equal(flow.sample(5, rng=0), original.sample(5, rng=0)), "another model")
    require(np.array_equal(flow.elbo(X), original.elbo(X)), "another model")


def _refused_or_works(change: Callable[[Path], Any]) -> None:
    """A header that says something else: refused, or a model that can be used."""
    try:
        flow = _try(saved(), change)
    except (EHFError, OSError):
        return
    require(np.isfinite(flow.sample(2, rng=0)).all(), "a model that cannot be used")


class _Runs:
    """Unpickled, it makes a file."""

    def __reduce__(self) -> Any:
        return os.mkdir, (CANARY,)


def _with_pickles(path: Path) -> None:
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["weights"] = np.array([_Runs()], dtype=object)
    np.savez(path, allow_pickle=True, **arrays)


def _bare_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(_Runs()))


def _huge_claim(path: Path) -> None:
    """An array of a terabyte, of which a few bytes are there."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (137438953472,), }"
    header += b" " * (118 - 1 - len(header)) + b"\n"
    member = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)
    with zipfile.ZipFile(path) as archive:
        others = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (others | {"weights.npy": member}).items():
            archive.writestr(name, content)


def _bomb(path: Path) -> None:
    """A gigabyte of zeros in a megabyte."""
    with zipfile.ZipFile(path) as archive:
        others = {name: archive.read(name) for name in archive.namelist()}
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (134217728,), }"
    header += b" " * (118 - 1 - len(header)) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in others.items():
            if name != "weights.npy":
                archive.writestr(name, content)
        with archive.open("weights.npy", "w") as member:
            member.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
            for _ in range(1024):
                member.write(bytes(2**20))


HOSTILE = [
    f"__import__('os').mkdir('{CANARY}')", f"open('{CANARY}', 'w')", "exec('1')", "eval('q1')",
    "q1.__class__.__mro__", "(lambda: 0)()", "q1; import os", "9**9**9**9", "1e999999999",
    "[q1 for q1 in (1,)]", "f'{q1}'", "q1 if q1 else p1", "q1\0", "sympy.S(1)", "Symbol('z')",
    "print(q1)", "__builtins__", "q1[0]", "'q1'", "*", "", "q1" * 100_000, "(" * 100_000,
    "q1 := 2", "lambda: q1", "q1.subs(q1, 1)", "I*q1", "oo", "nan", "zoo*q1",
]  # fmt: skip
PLACES: dict[str, Callable[[dict[str, Any], str], Any]] = {
    "generators": lambda h, text: h["formulas"].update(generators=[text]),
    "log_density": lambda h, text: h["formulas"].update(log_density=text),
    "log_normalizer": lambda h, text: h["formulas"].update(log_normalizer=text),
    "parameters": lambda h, text: h["formulas"].update(parameters={text: {"positive": True}}),
}
REPLACEMENTS: list[Any] = [
    None,
    -1,
    10**400,
    1.5,
    float("nan"),
    "x",
    [],
    {},
    [[]],
    True,
    "9" * 5000,
]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Name every place in a header."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list) and value:
        yield from _paths(value[0], (*path, 0))


def _put(path: tuple[Any, ...], replacement: Any, header: dict[str, Any]) -> None:
    place: Any = header
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = replacement


def _header() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        path.write_bytes(saved())
        with np.load(path) as archive:
            return dict(json.loads(archive["header"].tobytes()))


def model_cases(quick: bool) -> Iterator[Case]:
    whole = saved(24)
    for size in range(0, len(whole), 1024 * (16 if quick else 1)):
        yield Case(f"model cut at {size}", partial(_refused, whole[:size]))
    content, rng = saved(), np.random.default_rng(SEED)
    for k in range(6 if quick else 200):
        damaged = bytearray(content)
        damaged[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
        yield Case(f"model, bit flip {k}", partial(_refused_or_same, bytes(damaged)))
    for faults, in_header in ((HEADER_FAULTS, True), (ARRAY_FAULTS, False)):
        for name, fault in list(faults.items())[:: 5 if quick else 1]:
            change = partial(rewrite, change=fault, header=in_header)
            yield Case(f"model, {name}", partial(_refused, content, change))
    for change in (_with_pickles, _bare_pickle, _huge_claim, _bomb):
        if not (quick and change is _bomb):
            yield Case(f"model, {change.__name__[1:]}", partial(_refused, content, change))
    for place, put in PLACES.items():
        for k, text in enumerate(HOSTILE[:: 10 if quick else 1]):
            change = partial(rewrite, change=partial(_apply, put, text))
            yield Case(f"model, {place}, hostile {k}", partial(_refused, content, change))
    paths = list(_paths(_header()))
    for path in paths[:: 12 if quick else 1]:
        for k, replacement in enumerate(REPLACEMENTS):
            change = partial(rewrite, change=partial(_put, path, replacement))
            title = f"header {'.'.join(map(str, path))}, replacement {k}"
            yield Case(title, partial(_refused_or_works, change))


def _apply(put: Callable[[dict[str, Any], str], Any], text: str, header: dict[str, Any]) -> None:
    put(header, text)


def _points(suffix: str, content: bytes, whole: bytes) -> None:
    """A file of points has no checksum everywhere: refused, or a table of finite numbers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"points{suffix}"
        path.write_bytes(content)
        try:
            x = en.read_points(path)
        except en.DataFileError as error:
            require(str(path) in str(error), f"the file is not named: {error}")
            return
        require(np.isfinite(x).all() and x.ndim == 2, "not a table of finite numbers")
        require(suffix == ".csv" or len(content) == len(whole), "a part was taken for the whole")


def _record(content: bytes) -> None:
    spec = Square(2.0)
    with tempfile.TemporaryDirectory() as folder:
        write_record(Path(folder), spec, {"area": 4.0, "x": X}, 0.5)
        path = record_path(Path(folder), spec)
        original, _ = read_record(Path(folder), spec) or ({}, 0)
        path.write_bytes(content)
        try:
            values, _ = read_record(Path(folder), spec) or ({}, 0)
        except en.RecordError as error:
            require(path.name in str(error), f"the file is not named: {error}")
            return
        require(values.keys() == original.keys(), "another record")
        require(all(np.array_equal(values[k], original[k]) for k in values), "another record")


def other_cases(quick: bool) -> Iterator[Case]:
    rng, count = np.random.default_rng(SEED), 3 if quick else 40
    big = np.random.default_rng(0).standard_normal((400, 2))
    for suffix in (".csv", ".npy", ".npz"):
        whole = _bytes(f"points{suffix}", lambda path: en.write_points(path, big))
        for size in range(0, len(whole) - 1, 1024 * (4 if quick else 1)):
            yield Case(
                f"points{suffix} cut at {size}", partial(_points, suffix, whole[:size], whole)
            )
        for k in range(count):
            damaged = bytearray(whole)
            damaged[int(rng.integers(300))] ^= 1 << int(rng.integers(8))
            yield Case(
                f"points{suffix}, bit flip {k}", partial(_points, suffix, bytes(damaged), whole)
            )
    spec = Square(2.0)
    whole = _bytes("", lambda folder: write_record(folder, spec, {"area": 4.0, "x": X}, 0.5))
    for size in range(0, len(whole), 256 * (4 if quick else 1)):
        yield Case(f"record cut at {size}", partial(_record, whole[:size]))
    for k in range(count):
        damaged = bytearray(whole)
        damaged[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        yield Case(f"record, bit flip {k}", partial(_record, bytes(damaged)))


def cases(quick: bool) -> Iterator[Case]:
    yield from model_cases(quick)
    yield from other_cases(quick)


_SECONDS, _BYTES = 1.0, 100e6


def _model_at(path: Path) -> Callable[[], Any]:
    path.write_bytes(saved())
    return partial(en.load, path)


def _record_at(path: Path) -> Callable[[], Any]:
    write_record(path.parent, Square(2.0), {"area": 4.0, "x": X}, 0.5)
    record_path(path.parent, Square(2.0)).rename(path)
    return partial(read_arrays, path, "record")


def _points_at(path: Path) -> Callable[[], Any]:
    en.write_points(path, X)
    return partial(en.read_points, path)


def _refused_at_once(
    write: Callable[[Path], Callable[[], Any]], spoil: Callable[[Path], Any]
) -> None:
    """Read what was spoilt, for its processor time, and once more, for its memory."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zipfile, on two parts of one name
        path = Path(folder) / "file.npz"
        read = write(path)
        spoil(path)
        start = time.process_time()
        _refuses(read)
        seconds = time.process_time() - start
        require(seconds < _SECONDS, f"took {seconds:.1f} s")
        tracemalloc.start()
        try:
            _refuses(read)
            require(tracemalloc.get_traced_memory()[1] < _BYTES, "took more memory")
        finally:
            tracemalloc.stop()


def _refuses(read: Callable[[], Any]) -> None:
    try:
        read()
    except EHFError as error:
        require("file.npz" in str(error), f"the file is not named: {error}")
        return
    raise AssertionError("was read")


def hostile_cases(quick: bool) -> Iterator[Case]:
    spoilt: dict[str, Callable[[Path], Any]] = {**ARCHIVES, **NO_FILES}
    if not quick:
        spoilt["a hundred parts of zeros"] = partial(zeros, parts=100, mebibytes=64)
    for kind, write in (("model", _model_at), ("record", _record_at), ("points", _points_at)):
        for name, spoil in list(spoilt.items())[:: 4 if quick else 1]:
            yield Case(f"{kind}, {name}", partial(_refused_at_once, write, spoil))
    for name, demand in DEMANDS.items():
        change = partial(rewrite, change=demand)
        yield Case(f"model, {name}", partial(_refused_at_once, _model_at, change))


ROWS = [
    Row(15, "saved files: cut, bits flipped, hostile; refused, nothing run", cases, 60),
    Row(25, "hostile sizes: refused in under a second and 100 MB", hostile_cases, 120),
]
