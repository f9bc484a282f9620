"""What is asked of a saved model: ehf sample, weigh, score, diagnose."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt

import ehf_num as en
import ehf_sym as es
from ehf_num.cli.options import WEIGHED, add_model, add_points, add_seed, choice, read
from ehf_num.files.atomic import atomic_write, check_target
from ehf_num.files.readers import SUFFIXES
from ehf_num.inference.estimate import LikelihoodEstimate
from ehf_num.inference.weighing import observable
from ehf_num.model.diagnosis import Diagnosis
from ehf_num.plotting.diagnosis import plot_diagnosis
from ehf_sym.errors import ArgumentError

_PICTURES = (".png", ".pdf", ".svg")


def add_sample(parser: argparse.ArgumentParser) -> None:
    """Add the options of ehf sample."""
    add_model(parser)
    out = parser.add_argument_group("output")
    out.add_argument("-n", type=int, default=1000, metavar="N", help="number of points")
    out.add_argument("--out", type=Path, required=True, help=", ".join(SUFFIXES))
    add_seed(out)
    parser.set_defaults(command=_sample)


def _sample(options: argparse.Namespace) -> int:
    model = en.load(options.model)
    points = model.sample(options.n, rng=options.seed)
    names = getattr(model, "feature_names_in_", None)
    en.write_points(options.out, points, columns=names)
    print(f"{options.n} points in {options.out}")
    return 0


def add_weigh(parser: argparse.ArgumentParser) -> None:
    """Add the options of ehf weigh."""
    add_model(parser)
    energy = parser.add_argument_group("energy")
    energy.add_argument("--energy", metavar="FORMULA", required=True, help="S(q)")
    energy.add_argument(
        "--observable",
        metavar="FORMULA",
        action="append",
        default=[],
        help="a function of q to average under e^-S; may be repeated",
    )
    out = parser.add_argument_group("output")
    out.add_argument("-n", type=int, default=WEIGHED, metavar="N", help="number of draws")
    out.add_argument(
        "--momenta", type=int, default=1, metavar="N", help="for each draw: more even weights"
    )
    out.add_argument("--out", type=Path, help="a file for points that are drawn by their weights")
    out.add_argument(
        "--resample", type=int, metavar="N", help="how many (default: 1000); with --out"
    )
    add_seed(out)
    parser.set_defaults(command=_weigh)


def _weigh(options: argparse.Namespace) -> int:
    if options.out is not None:
        check_target(options.out)
    elif options.resample is not None:
        raise ArgumentError(f"--resample was {options.resample} without --out, a file to write to")
    model = en.load(options.model)
    flow = model.flow_ if isinstance(model, en.SymmetricDensity) else model
    space = es.PhaseSpace(flow.dim, angles=flow.base.space.angles)
    observables = {
        text: observable(es.parse(text, space), space, "--observable")
        for text in options.observable
    }
    weights = model.weigh(
        es.parse(options.energy, space), options.n, momenta=options.momenta, rng=options.seed
    )
    print(weights)
    for text, formula in observables.items():
        value, error = weights.mean(formula)
        print(f"  mean of {text} = {value:.6g} ± {error:.2g}")
    if options.out is not None:
        points = weights.resample(options.resample or 1000, rng=options.seed)
        en.write_points(options.out, points)
        print(f"{len(points)} points in {options.out}")
    return 0


def add_score(parser: argparse.ArgumentParser) -> None:
    """Add the options of ehf score."""
    add_model(parser)
    add_points(parser, "; held out")
    how = parser.add_argument_group("estimate")
    choice(how, "--method", ("importance", "quadrature"), "for ln p(x)", "importance")
    how.add_argument("--n-samples", type=int, metavar="N", help="draws a point (default: 1024)")
    how.add_argument("--standard-error", type=float, metavar="X", help="wanted of each point, nats")
    how.add_argument(
        "--max-samples", type=int, default=65_536, metavar="N", help="draws a point at most"
    )
    add_seed(how)
    out = parser.add_argument_group("output")
    out.add_argument(
        "--out", type=Path, help="a .csv file: ln p, its error, k̂, draws of each row that was read"
    )
    parser.set_defaults(command=_score)


def _score(options: argparse.Namespace) -> int:
    if options.out is not None:
        if options.out.suffix != ".csv":
            raise en.DataFileError(f"--out was {options.out}; it should end in .csv")
        check_target(options.out)
    model = en.load(options.model)
    x = read(options, model)
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


def add_diagnose(parser: argparse.ArgumentParser) -> None:
    """Add the options of ehf diagnose."""
    add_model(parser)
    add_points(parser, "; held out")
    how = parser.add_argument_group("measurement")
    how.add_argument(
        "--epsilon", type=float, metavar="X", help="group parameter of finite transformations"
    )
    how.add_argument("--n-samples", type=int, default=1024, metavar="N", help="draws for each ln p")
    add_seed(how)
    out = parser.add_argument_group("output")
    out.add_argument("--plot", type=Path, help="a picture: .png, .pdf or .svg")
    parser.set_defaults(command=_diagnose)


def _diagnose(options: argparse.Namespace) -> int:
    if options.plot is not None:
        if options.plot.suffix not in _PICTURES:
            raise en.DataFileError(
                f"--plot was {options.plot}; it should end in .png, .pdf or .svg"
            )
        check_target(options.plot)
    model = en.load(options.model)
    x = read(options, model)
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
