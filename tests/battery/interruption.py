"""Rows 16 and 22: training that is killed, interrupted, that meets a full disk or a closed folder.

Whatever happened, the last checkpoint is whole, and a run that goes on from it ends with the
bits of one that was never broken. Storms of signals leave weights that an unbroken run had after as
many iterations, and a process in which later runs come out as ever.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import ehf_num as en
from ehf_num.files.archive import read_arrays
from tests.battery.frame import ROOT, SEED, Case, Row, Skipped, require
from tests.num.models import make

X = en.rings().sample(200, rng=0)
ITERATIONS, EVERY = 200, 3


def _fit(
    path: Path | None, flow: en.EquivariantHamiltonianFlow | None = None, **options: Any
) -> en.EquivariantHamiltonianFlow:
    if path is not None:
        options |= {"checkpoint": path, "checkpoint_every": EVERY}
    flow = flow or make("so2", hidden=(8,))
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
    """A file system of its own, in memory, that has room for little."""
    with tempfile.TemporaryDirectory() as name:
        code = f"from tests.battery.interruption import on_a_small_disk as f; f({name!r})"
        command = ["unshare", "--map-root-user", "--mount", sys.executable, "-c", code]
        if shutil.which("unshare") is None:
            raise Skipped("there is no unshare to mount a small disk with")
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if _NO_DISK in done.stderr or done.stderr.startswith("unshare:"):
        raise Skipped(f"no small disk can be mounted: {done.stderr.strip()[-200:]}")
    require(done.returncode == 0, done.stderr[-500:])


_NO_DISK = "no small disk"


def on_a_small_disk(name: str) -> None:
    """Fill the disk with the checkpoint of a run on it, and let the run go on."""
    small = Path(name)
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", name]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        sys.exit(_NO_DISK)
    path, ballast = small / "run.npz", small / "ballast"
    _broken_off(path)
    before, flow = path.read_bytes(), make("so2", hidden=(8,))
    with open(ballast, "wb", buffering=0) as handle, contextlib.suppress(OSError):
        while True:
            handle.write(bytes(512))
    stopped: OSError | None = None
    try:
        _fit(path, flow)
    except OSError as error:
        stopped = error
    require(stopped is not None and stopped.errno == errno.ENOSPC, f"raised {stopped!r}")
    require(path.read_bytes() == before, "the checkpoint before is lost")
    require(sorted(os.listdir(small)) == ["ballast", "run.npz"], "half a file is left")
    result = flow.result_
    require(result.stop_reason.startswith("error: OSError"), result.stop_reason)
    require(_bits(flow) == _weights()[result.iterations], "other weights than were learned")
    ballast.unlink()
    require(_bits(_fit(path)) == _unbroken()[0], "other weights")


@cache
def _weights() -> list[bytes]:
    """Return the bits of the weights after 0, 1, 2, … iterations."""
    flow = make("so2", hidden=(8,))
    seen = [_bits(flow)]
    _fit(None, flow, record_every=1, on_record=lambda record: seen.append(_bits(record.model)))
    return seen


def _storm(seed: int) -> None:
    """Send up to 20 signals, from some moment of training on; then train in peace."""
    wanted, seconds = _unbroken()
    weights, rng = _weights(), random.Random(seed)
    start = rng.uniform(0, 1.2) * seconds
    gaps = [rng.expovariate(1 / rng.choice((1e-5, 1e-3, 1e-2))) for _ in range(rng.randint(1, 20))]
    main, flow = threading.get_ident(), make("so2", hidden=(8,))

    def send() -> None:
        for gap in (start, *gaps):
            time.sleep(gap)
            signal.pthread_kill(main, signal.SIGINT)
        over.append(True)

    over: list[bool] = []
    sender = threading.Thread(target=send, daemon=True)
    with contextlib.suppress(KeyboardInterrupt):  # one that came before or after training
        sender.start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", en.TrainingWarning)
            _fit(None, flow)
    while not over:  # a join that a signal breaks off takes the thread for ended
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(0.01)
    sender.join()
    result = getattr(flow, "result_", None)
    done = 0 if result is None else result.iterations
    require(_bits(flow) == weights[done], f"other weights after {done} iterations")
    records = done if result is None else len(result.history)
    require(done - 1 <= records <= done, f"{records} records after {done} iterations")
    require(_bits(_fit(None)) == wanted, "later runs come out otherwise")


def _broken_off(path: Path) -> None:
    """Leave the checkpoint of a run that was interrupted."""
    from ehf_num.training.training import Run

    step = Run.step

    def breaking(run: Any) -> bool:
        if run.iteration == ITERATIONS // 2:
            raise KeyboardInterrupt
        return bool(step(run))

    Run.step = breaking  # type: ignore[method-assign]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", en.TrainingWarning)
            _fit(path)
    finally:
        Run.step = step  # type: ignore[method-assign]


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


def storm_cases(quick: bool) -> Iterator[Case]:
    for k in range(4 if quick else 200):
        yield Case(f"storm {k}", partial(_storm, SEED + k))


ROWS = [
    Row(16, "kill -9 in training, full disk, closed folder: goes on bit-equal", cases, 120),
    Row(22, "storms of signals: weights of an unbroken run, calm afterwards", storm_cases, 120),
]
