"""Row 13: faults planted in a copy of the package, one at a time; a test has to fail for each.

    python -m tests.battery.faults [--only WORD]

runs the table of `planted` by itself and prints which test caught each.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

from ehf_num.engine import native
from tests.battery.frame import ROOT, Case, Row, Skipped, require, run
from tests.battery.planted import FAULTS, Fault

_PATIENCE = 900.0  # seconds, several times what the slowest of the test files takes
_COPIED = ("ehf_sym", "ehf_num", "tests", "pyproject.toml", "README.md", "LICENSE")


@cache
def copy() -> Path:
    """Copy what tests need, once: each fault is put in and taken out again."""
    keeper = tempfile.TemporaryDirectory(prefix="faults-")
    _KEPT.append(keeper)
    folder = Path(keeper.name)
    ignored = shutil.ignore_patterns("__pycache__", ".venv", "build")
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    return folder


_KEPT: list[tempfile.TemporaryDirectory[str]] = []  # until the process ends


def _run(
    arguments: list[str], folder: Path, patience: float | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            told, errors = process.communicate(timeout=patience)
        except BaseException:  # a limit on time or Ctrl-C: what the tests started ends, too
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, told, errors)


def _compile(folder: Path) -> None:
    """Compile the kernels of the copy over those that came with it."""
    (library,) = (folder / "ehf_num").glob("_native*.so")
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    options = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-pthread"]
    options += ["-shared", "-fPIC"]
    source = folder / "ehf_num" / "engine" / "kernels" / "module.c"
    include = f"-I{sysconfig.get_path('include')}"
    done = subprocess.run(
        [*compiler, *options, include, str(source), "-o", str(library)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    require(done.returncode == 0, f"the copy was not compiled: {done.stderr[-300:]}")


def plant(fault: Fault, patience: float | None = None) -> subprocess.CompletedProcess[str]:
    """Plant a fault, run its tests until the first fails, take it out.

    Raises TimeoutExpired where they take longer than `patience`, in seconds.
    """
    folder = copy()
    path = folder / fault.file
    before = path.read_text(encoding="utf-8")
    require(
        before.count(fault.text) == 1, f"{fault.file} has {before.count(fault.text)} such texts"
    )
    in_c = path.suffix == ".h"
    libraries = {p: p.read_bytes() for p in (folder / "ehf_num").glob("_native*")} if in_c else {}
    path.write_text(before.replace(fault.text, fault.replacement), encoding="utf-8")
    try:
        if in_c:
            _compile(folder)
        options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "--tb=no"]
        return _run(["-m", "pytest", *options, *fault.tests], folder, patience)
    finally:
        path.write_text(before, encoding="utf-8")
        for library, content in libraries.items():
            library.write_bytes(content)


def _check(fault: Fault) -> str:
    if fault.of_kernels and native.why_not():
        raise Skipped(f"no kernels: {native.why_not()}")
    try:
        done = plant(fault, _PATIENCE)
    except subprocess.TimeoutExpired:
        return f"caught by {fault.tests[0]}, which does not end within {_PATIENCE:g} s"
    require(done.returncode != 0, f"survived {', '.join(fault.tests)}")
    if done.returncode < 0:
        return f"caught by {fault.tests[0]}: the interpreter ended with signal {-done.returncode}"
    found = re.search(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    require(found, f"no test failed, but pytest ended with {done.returncode}: {done.stdout[-300:]}")
    return f"caught by {found[1]}"


def _texts() -> None:
    """Each fault can still be planted: its text stands in the package once."""
    for fault in FAULTS:
        count = (ROOT / fault.file).read_text(encoding="utf-8").count(fault.text)
        require(count == 1, f"{fault.name}: {fault.file} has {count} such texts")


def _sound() -> None:
    """Without a fault the same tests pass in the copy, which is what they run on."""
    folder = copy()
    code = "import ehf_num, ehf_sym; print(ehf_num.__file__, ehf_sym.__file__)"
    where = _run(["-c", code], folder).stdout
    require(where.count(str(folder)) == 2, f"tests would run on {where}")
    done = _run(
        ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "tests/num/test_adam.py"], folder
    )
    require(done.returncode == 0, done.stdout[-300:])


def cases(quick: bool) -> Iterator[Case]:
    yield Case("no fault", _sound)
    yield Case("texts of all faults", _texts)
    for fault in FAULTS[4:30:12] if quick else FAULTS:
        yield Case(f"{fault.name} ({fault.file})", partial(_check, fault))


ROWS = [Row(13, "faults planted in a copy: every one caught", cases, 600)]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="faults whose name contains this")
    options = parser.parse_args()
    chosen = [c for c in cases(False) if options.only in c.name]
    failed = 0
    for case in chosen:  # each is told as it ends: the whole table takes long
        outcome = run(Row(13, case.name, lambda quick, case=case: [case], 600), quick=False)
        failed += len(outcome.failures)
        lines = [*outcome.notes, *(f"FAILED {line}" for line in outcome.failures)]
        print("\n".join(lines or [f"{case.name}: as it should be"]), flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
