"""Row 16: training that is killed, that meets a full disk or a folder that takes nothing.

Whatever happened, the last checkpoint is whole, and a run that goes on from it ends with the
bits of one that was never broken.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import ehf_num as en
from ehf_num.archive import read_arrays
from tests.battery.frame import SEED, Case, Row, Skipped, require
from tests.num.models import make

X = en.rings().sample(200, rng=0)
ITERATIONS, EVERY = 200, 3


def _fit(path: Path | None) -> en.EquivariantHamiltonianFlow:
    options: dict[str, Any] = (
        {} if path is None else {"checkpoint": path, "checkpoint_every": EVERY}
    )
    flow = make("so2", hidden=(8,))
    return flow.fit(
        X, iterations=ITERATIONS, batch_size=32, validation=0.2, progress=False, **options
    )


def _bits(flow: en.EquivariantHamiltonianFlow) -> bytes:
    return b"".join(array.tobytes() for array in flow.weights)


@cache
def _unbroken() -> tuple[bytes, float]:
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        _fit(Path(folder) / "run.npz")
        seconds = time.monotonic() - start
    return _bits(_fit(None)), seconds


def _in_child(work: Any) -> int:
    """Start a process that does the work and ends; return its number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork with threads that sleep
        child = os.fork()
    if child:
        return child
    status = 1
    with contextlib.suppress(BaseException):
        signal.setitimer(signal.ITIMER_REAL, 0)
        en.set_threads(1)
        work()
        status = 0
    os._exit(status)


def _whole(folder: Path) -> None:
    """What is there is a checkpoint; beside it, at most what a killed writer left."""
    path = folder / "run.npz"
    if path.exists():
        require("weights" in read_arrays(path, "checkpoint"), "no weights")


def _killed(seed: int) -> str | None:
    """Kill at a random moment; let what is left go on to its end."""
    wanted, seconds = _unbroken()
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "run.npz"
        child = _in_child(lambda: _fit(path))
        time.sleep(rng.uniform(0.05, 0.9) * seconds)
        os.kill(child, signal.SIGKILL)
        kills = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        _whole(Path(name))
        there = path.exists()
        require(_bits(_fit(path)) == wanted, "other weights")
    return None if kills and there else f"killed: {kills}, checkpoint: {there}"


def _full_disk() -> None:
    """A limit on the size of files stands for a disk that has no more room."""
    wanted, _ = _unbroken()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "run.npz"

        def fill() -> None:
            stopped = False
            _broken_off(path)
            before = path.read_bytes()
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, len(before) // 2))
            try:
                _fit(path)
            except OSError:
                stopped = True
            require(stopped and path.read_bytes() == before, "the checkpoint before is lost")
            require(os.listdir(name) == ["run.npz"], "half a file is left")

        _, status = os.waitpid(_in_child(fill), 0)
        require(os.waitstatus_to_exitcode(status) == 0, "no error, or the file before is lost")
        require(_bits(_fit(path)) == wanted, "other weights")


def _broken_off(path: Path) -> None:
    """Leave the checkpoint of a run that was interrupted."""
    from ehf_num.training import _Run

    step = _Run.step

    def breaking(run: Any) -> bool:
        if run.iteration == ITERATIONS // 2:
            raise KeyboardInterrupt
        return bool(step(run))

    _Run.step = breaking  # type: ignore[method-assign]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", en.TrainingWarning)
            _fit(path)
    finally:
        _Run.step = step  # type: ignore[method-assign]


def _read_only_folder() -> None:
    """Refused before any work, and nothing is left behind. Root needs the file system's help."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "closed"
        folder.mkdir()
        as_root = os.geteuid() == 0
        if as_root:
            command = ["chattr", "+i", folder]
            known = shutil.which("chattr") is not None
            if not known or subprocess.run(command, capture_output=True, check=False).returncode:
                raise Skipped("root may write anywhere, and chattr +i does not work here")
        else:
            folder.chmod(0o500)
        try:
            start = time.process_time()
            try:
                _fit(folder / "run.npz")
            except OSError as error:
                require(str(folder) in str(error), f"the folder is not named: {error}")
            else:
                raise AssertionError("was written")
            if not as_root:
                require(time.process_time() - start < 0.5, "work was done before")
            require(not os.listdir(folder), "something was written")
        finally:
            if as_root:
                subprocess.run(["chattr", "-i", folder], check=False)
            folder.chmod(0o700)


def cases(quick: bool) -> Iterator[Case]:
    for k in range(2 if quick else 50):
        yield Case(f"killed, {k}", partial(_killed, SEED + k))
    yield Case("full disk", _full_disk)
    yield Case("read-only folder", _read_only_folder)


ROWS = [Row(16, "kill -9 in training, full disk, closed folder: goes on bit-equal", cases, 120)]
