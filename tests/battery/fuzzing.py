"""Row 17: random text, random edits of formulas and random bytes to every reader, by hypothesis.

Runs in a process of its own with a limit on its memory. What a reader may do is answer, or raise
its own error, each within a few seconds.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.battery.frame import ROOT, SEED, Case, Row, require

MEMORY = 2**30  # bytes beyond those of the start
SLOWEST = 10.0  # seconds for one text or file
READERS = ("formula", "edited formula", "points", "model", "catalogue")


def _strategies() -> dict[str, Any]:
    from hypothesis import strategies as st

    from tests.battery.saved_files import saved

    words = st.sampled_from(
        ["q1", "q2", "p1", "p2", "+", "-", "*", "/", "**", "(", ")", ",", " ", "exp", "log", "sqrt",
         "Max", "Abs", "sin", "pi", "E", "1", "2", "0.1", "1e9", "1/3", "Piecewise", "True", "<",
         ">=", "softplus", "9999999999", "_", "__", "[", "]", "'", "lambda", ".", ";", "\n", "\0",
         "Min", "sign", "atan2", "tanh", "q3", "x"]
    )  # fmt: skip
    whole = "exp(-(q1**2 + q2**2)/2 - softplus(p1*p2)) + Max(q1, Abs(p2))/sqrt(1 + q2**2)"
    content = saved()
    header = b"\x93NUMPY\x01\x00"
    return {
        "formula": st.one_of(st.lists(words, max_size=60).map("".join), st.text(max_size=200)),
        "edited formula": st.tuples(
            st.integers(0, len(whole)), st.integers(0, 10), st.lists(words, max_size=4).map("".join)
        ).map(lambda e: whole[: e[0]] + e[2] + whole[e[0] + e[1] :]),
        "points": st.tuples(
            st.sampled_from([".csv", ".tsv", ".txt", ".npy", ".npz"]),
            st.one_of(
                st.binary(max_size=400),
                st.text("0123456789.,-+eE#\t\n q\"'nainf", max_size=300).map(str.encode),
                st.binary(max_size=200).map(lambda b: header + b),
            ),
        ),
        "model": st.lists(
            st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1, max_size=8
        ),
        "catalogue": st.one_of(
            st.text(max_size=60), st.from_regex(r"[a-z_]{1,9}\([0-9, -]{0,9}\)")
        ),
    }


def _readers() -> dict[str, Callable[[Any], Any]]:
    import ehf_num as en
    import ehf_sym as es
    from tests.battery.saved_files import saved

    space = es.PhaseSpace(2)

    def formula(text: str) -> None:
        parsed = es.parse(text, space)
        again = es.parse(es.format_formula(parsed), space)
        require(again == parsed, f"{parsed} is read back as {again}")

    def points(file: tuple[str, bytes]) -> None:
        _in_a_file(f"x{file[0]}", file[1], en.read_points)

    def model(edits: list[tuple[int, int]]) -> None:
        content = bytearray(saved())
        for place, byte in edits:
            content[place] = byte
        _in_a_file("model.npz", bytes(content), en.load)

    return {
        "formula": formula, "edited formula": formula, "points": points, "model": model,
        "catalogue": es.named_symmetry,
    }  # fmt: skip


def _in_a_file(name: str, content: bytes, read: Callable[[Path], Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        read(path)


def fuzz(reader: str, seconds: float) -> int:
    """Try examples for so long; return how many. Any error but those of ours ends it."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    from ehf_sym.errors import EHFError

    read, end, tried = _readers()[reader], time.monotonic() + seconds, 0

    def one(example: Any) -> None:
        nonlocal tried
        if time.monotonic() > end:
            return
        tried += 1
        start = time.process_time()
        try:
            read(example)
        except EHFError as error:
            require(len(str(error)) < 5000, f"a message of {len(str(error))} characters")
        took = time.process_time() - start
        require(took < SLOWEST, f"{took:.1f} s for {example!r:.300}")

    number = 0
    while time.monotonic() < end:
        checked = settings(
            max_examples=200, database=None, deadline=None, derandomize=False,
            phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
        )(given(_strategies()[reader])(one))  # fmt: skip
        seed(SEED + number)(checked)()
        number += 1
    return tried


def _check(reader: str, seconds: float) -> str:
    command = [sys.executable, "-m", "tests.battery.fuzzing", reader, str(seconds)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=4 * seconds + 120,
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": tempfile.gettempdir()},
    )  # fmt: skip
    require(done.returncode == 0, f"status {done.returncode}: {done.stderr[-800:]}")
    return f"{int(done.stdout):,} examples in {seconds:g} s"


def cases(quick: bool) -> Iterator[Case]:
    seconds = 0.5 if quick else 120.0
    for reader in READERS[1:2] if quick else READERS:
        yield Case(reader, partial(_check, reader, seconds))


ROWS = [Row(17, "fuzzing of all readers, 10 minutes: no crash, hang, or 1 GB", cases, 900)]


if __name__ == "__main__":
    _readers(), _strategies()  # what they import is not counted
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    print(fuzz(sys.argv[1], float(sys.argv[2])))
