"""The commands `ehf score` and `ehf diagnose`: how likely points are, and what a model keeps."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt

import ehf_num as en
from ehf_num.atomic import atomic_write, check_target
from ehf_num.diagnosis import Diagnosis
from ehf_num.estimate import LikelihoodEstimate
from ehf_num.plot_checks import plot_diagnosis
from ehf_num.workspace import Array

_PICTURES = (".png", ".pdf", ".svg")


def add_score(parser: argparse.ArgumentParser) -> None:
    """Add what `ehf score` takes."""
    _add_model_and_points(parser)
    parser.add_argument(
        "--method", choices=("importance", "quadrature"), default="importance", help="for ln p(x)"
    )
    parser.add_argument("--n-samples", type=int, help="draws a point (default: 1024)")
    parser.add_argument("--standard-error", type=float, help="wanted of each point, nats")
    parser.add_argument("--max-samples", type=int, default=65_536, help="draws a point at most")
    parser.add_argument("--out", type=Path, help="a .csv file: ln p, its error, k̂, draws")
    parser.set_defaults(command=_score)


def add_diagnose(parser: argparse.ArgumentParser) -> None:
    """Add what `ehf diagnose` takes."""
    _add_model_and_points(parser)
    parser.add_argument("--epsilon", type=float, help="group parameter of finite transformations")
    parser.add_argument("--n-samples", type=int, default=1024, help="draws for each ln p")
    parser.add_argument("--plot", type=Path, help="a picture: .png, .pdf or .svg")
    parser.set_defaults(command=_diagnose)


def _add_model_and_points(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path)
    add_points(parser, "; held out")
    parser.add_argument("--seed", type=int, default=0)


def add_points(parser: argparse.ArgumentParser, remark: str = "") -> None:
    """Add a file of points and which of its columns are coordinates."""
    parser.add_argument(
        "points", type=Path, help=f".csv, .tsv, .txt, .npy or .npz, one point a row{remark}"
    )
    parser.add_argument(
        "--columns",
        metavar="NAME,...",
        help="which columns are coordinates, by name, or by place counted from 0",
    )


def read(options: argparse.Namespace) -> Array:
    """Read the points that a command was given."""
    if options.columns is None:
        return en.read_points(options.points)
    words = [word.strip() for word in options.columns.split(",")]
    return en.read_points(
        options.points, usecols=[int(word) if word.isdecimal() else word for word in words]
    )


def _score(options: argparse.Namespace) -> int:
    if options.out is not None:
        if options.out.suffix != ".csv":
            raise en.DataFileError(f"--out was {options.out}; it should end in .csv")
        check_target(options.out)
    model, x = en.load(options.model), read(options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", en.LikelihoodWarning)
        estimate = model.likelihood(
            x,
            method=options.method,
            n_samples=options.n_samples,
            standard_error=options.standard_error,
            max_samples=options.max_samples,
            rng=options.seed,
        )
    for warning in caught:
        print(f"ehf: {warning.message}", file=sys.stderr)
    print(estimate)
    if options.out is not None:
        _write(options.out, estimate)
    return 0


def _write(path: Path, estimate: LikelihoodEstimate) -> None:
    """Write one line a point, numbers so that they read back as they were."""
    columns = (estimate.values, estimate.standard_errors, estimate.pareto_k)
    lines = ["log_prob,standard_error,pareto_k,draws"]
    for *numbers, draws in zip(*columns, estimate.draws, strict=True):
        lines.append(",".join([*(repr(float(number)) for number in numbers), str(draws)]))
    with atomic_write(path) as handle:
        handle.write(("\n".join(lines) + "\n").encode())


def _diagnose(options: argparse.Namespace) -> int:
    if options.plot is not None:
        if options.plot.suffix not in _PICTURES:
            raise en.DataFileError(
                f"--plot was {options.plot}; it should end in .png, .pdf or .svg"
            )
        check_target(options.plot)
    model, x = en.load(options.model), read(options)
    diagnosis = model.diagnose(
        x, epsilon=options.epsilon, n_samples=options.n_samples, rng=options.seed
    )
    print(diagnosis)
    if options.plot is not None:
        _draw(diagnosis, options.plot)
    return 0 if diagnosis.passed else 1


def _draw(diagnosis: Diagnosis, path: Path) -> None:
    figure, ax = plt.subplots(figsize=(9, 1.5 + 0.28 * len(diagnosis.checks)))
    plot_diagnosis(diagnosis, ax)
    with atomic_write(path) as handle:
        figure.savefig(handle, format=path.suffix[1:], bbox_inches="tight")
    plt.close(figure)
