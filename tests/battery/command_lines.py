"""Row 14: the commands, with input that they refuse: status 3, one line, no traceback."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ehf_num.cli import main
from tests.battery.frame import Case, require
from tests.battery.public_arguments import GOOD, flow

ROTATION = "q1*p2 - q2*p1"
_FIT = ("fit", "good.csv", "--out", "new.npz", "--iterations", "1", "--hidden", "3")
_CHECK = ("check", "--dim", "2", "--generator", ROTATION)
_SCORE = ("score", "model.npz", "good.csv")
_DIAGNOSE = ("diagnose", "model.npz", "good.csv")
_WEIGH = ("weigh", "model.npz")
_ENERGY = ("fit", "--dim", "2", "--out", "new.npz", "--iterations", "1", "--hidden", "3")
_SAMPLE = ("sample", "model.npz", "--out", "new.csv")

BAD_FILES = {
    "empty.csv": b"",
    "header.csv": b"q1,q2\n",
    "words.csv": b"q1,q2\none,two\n",
    "ragged.csv": b"1,2\n3\n",
    "nan.csv": b"1,nan\n",
    "inf.csv": b"1,2\n1e999,0\n",
    "binary.csv": bytes(range(256)) * 4,
    "wide.csv": b"1,2,3\n",
    "complex.csv": b"1+2j,3\n",
    "short.npy": b"\x93NUMPY",
    "text.npy": b"1,2\n",
    "text.npz": b"1,2\n",
    "points.xlsx": b"PK",
}
LINES: list[tuple[str, ...]] = [
    _ENERGY,
    (*_ENERGY, "--energy", "q1*"),
    (*_ENERGY, "--energy", "q1*p1"),
    (*_ENERGY, "--energy", "m*q1"),
    (*_ENERGY, "--energy", "3"),
    (*_ENERGY, "--energy", "q1**2", "--generator", ROTATION),
    (*_ENERGY, "--energy", "q1**2", "--draws", "3"),
    (*_ENERGY, "--energy", "q1**2", "--annealing", "-2"),
    (*_ENERGY, "--energy", "q1**2", "--patience", "3"),
    (*_ENERGY, "--energy", "q1**2", "--validation", "0.5"),
    ("fit", "--energy", "q1**2", "--out", "new.npz"),
    (*_FIT, "--annealing", "3"),
    (*_FIT, "--dim", "3"),
    _WEIGH,
    (*_WEIGH, "--energy", "q3"),
    (*_WEIGH, "--energy", "q1**2", "-n", "0"),
    (*_WEIGH, "--energy", "q1**2", "--observable", "p1"),
    (*_WEIGH, "--energy", "q1**2", "--resample", "3"),
    (*_WEIGH, "--energy", "q1**2", "--out", "new.xlsx"),
    (),
    ("unknown",),
    ("check",),
    ("check", "--dim", "-1", "--generator", ROTATION),
    ("check", "--dim", "nan", "--generator", ROTATION),
    ("check", "--dim", "2", "--generator", "q1*"),
    ("check", "--dim", "2", "--generator", ""),
    ("check", "--dim", "2", "--generator", "q3"),
    ("check", "--dim", "2", "--generator", "0"),
    ("check", "--dim", "2", "--generator", "I*q1"),
    ("check", "--dim", "2", "--generator", "__import__('os').system('true')"),
    ("check", "--group", "so"),
    ("check", "--group", "so(1000000)"),
    ("check", "--group", "so(-3)"),
    ("check", "--group", "__init__(2)"),
    ("check", "--dim", "3", "--group", "so(2)"),
    (*_CHECK, "--base", ""),
    (*_CHECK, "--base", "-1"),
    (*_CHECK, "--base", "q1.real"),
    (*_CHECK, "--base", "9**9**9**9"),
    (*_CHECK, "--parameter", "1"),
    (*_CHECK, "--parameter", "m:odd"),
    (*_CHECK, "--parameter", "q1"),
    (*_CHECK, "--format", "pdf"),
    (*_FIT, "--iterations", "0"),
    (*_FIT, "--iterations", "-5"),
    (*_FIT, "--iterations", "1.5"),
    (*_FIT, "--batch-size", "0"),
    (*_FIT, "--learning-rate", "nan"),
    (*_FIT, "--learning-rate", "-1"),
    (*_FIT, "--kappa", "inf"),
    (*_FIT, "--step-size", "0"),
    (*_FIT, "--steps", "0"),
    (*_FIT, "--hamiltonians", "0"),
    (*_FIT, "--hidden", "0"),
    (*_FIT, "--draws", "0"),
    (*_FIT, "--warmup", "-1"),
    (*_FIT, "--validation", "2"),
    (*_FIT, "--validation", "nan"),
    (*_FIT, "--patience", "5"),
    (*_FIT, "--seed", "-1"),
    (*_FIT, "--dtype", "float16"),
    (*_FIT, "--enforce", "penalty"),
    (*_FIT, "--enforce", "exact"),
    (*_FIT, "--augment", "yes"),
    (*_FIT, "--generator", "q1*p1"),
    (*_FIT, "--group", "so(3)"),
    (*_FIT, "--base", "exp(q1**2)"),
    (*_FIT, "--out", "absent/new.npz"),
    (*_FIT, "--out", "."),
    (*_SAMPLE, "-n", "0"),
    (*_SAMPLE, "-n", "many"),
    (*_SAMPLE, "--seed", "-1"),
    (*_SAMPLE, "--out", "new.xlsx"),
    (*_SAMPLE, "--out", "absent/new.csv"),
    ("sample", "absent.npz", "--out", "new.csv"),
    ("sample", "good.csv", "--out", "new.csv"),
    ("sample", ".", "--out", "new.csv"),
    (*_SCORE, "--n-samples", "0"),
    (*_SCORE, "--standard-error", "-1"),
    (*_SCORE, "--standard-error", "nan"),
    (*_SCORE, "--max-samples", "0"),
    (*_SCORE, "--method", "guess"),
    (*_SCORE, "--method", "quadrature", "--n-samples", "5"),
    (*_SCORE, "--out", "new.txt"),
    (*_SCORE, "--seed", "-1"),
    (*_DIAGNOSE, "--epsilon", "nan"),
    (*_DIAGNOSE, "--n-samples", "0"),
    (*_DIAGNOSE, "--plot", "absent/new.png"),
    (*_DIAGNOSE, "--plot", "new.unknown"),
    (*_DIAGNOSE, "--seed", "-1"),
    ("reproduce",),
    ("reproduce", "fig9"),
    ("reproduce", "so2", "--iterations", "0"),
    ("reproduce", "so2", "--seed", "-1"),
    ("reproduce", "multimodal", "--iterations", "-3"),
    ("reproduce", "data-efficiency", "--points", "0"),
]


def _refused(line: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in BAD_FILES.items():
            (folder / file).write_bytes(content)
        np.savetxt(folder / "good.csv", GOOD, delimiter=",")
        flow().save(folder / "model.npz")
        before = _contents(folder)
        out, error = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(error),
        ):
            try:
                status = main(line)
            except SystemExit as end:
                status = end.code
        after = _contents(folder)
    require(status == 3, f"status {status}: {error.getvalue()[-300:]}")
    require(error.getvalue().strip(), "nothing was said")
    require("Traceback" not in error.getvalue(), "a traceback")
    require(after == before, f"files changed: {set(after) ^ set(before)}")


def _contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() if p.is_file() else b"folder" for p in folder.iterdir()}


def cases() -> Iterator[Case]:
    for line in LINES:
        yield Case(" ".join(["ehf", *line]), partial(_refused, line))
    for file in BAD_FILES:
        if file == "wide.csv":
            continue  # good points, of another width
        points = ("fit", file, "--out", "new.npz", "--iterations", "1", "--generator", ROTATION)
        yield Case(f"ehf fit {file}", partial(_refused, points))
        yield Case(f"ehf score {file}", partial(_refused, ("score", "model.npz", file)))
        yield Case(f"ehf sample {file}", partial(_refused, ("sample", file, "--out", "x.csv")))
