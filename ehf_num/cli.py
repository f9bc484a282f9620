"""The command ehf: check | density | fit | sample | weigh | score | diagnose | audit | reproduce.

Exit status of ``ehf check``: 0 proved, 1 refuted, 2 undecided; of ``ehf diagnose``: 0 if every
check passed, else 1; of ``ehf audit``: 0 consistent, 1 broken, 2 undecided; of ``ehf fit``: 0 if
training came to its end, 4 if something ended it early (Ctrl-C, SIGTERM, an error, numbers that
are not finite) and the model was written all the same. Of every command: 3 bad input.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any, NoReturn, get_args

import matplotlib.pyplot as plt
import numpy as np
from sympy import S, Symbol
from sympy.core.facts import InconsistentAssumptions

import ehf_num as en
import ehf_sym as es
from ehf_num.engine.engine import present_engine
from ehf_num.files.atomic import atomic_write, check_target
from ehf_num.files.readers import SUFFIXES, read_table
from ehf_num.files.result import DISTRIBUTION, versions
from ehf_num.files.table import Request, Table
from ehf_num.inference.estimate import LikelihoodEstimate
from ehf_num.model.diagnosis import Diagnosis
from ehf_num.plotting.diagnosis import plot_diagnosis
from ehf_num.reproduce.command import add_experiments
from ehf_num.symmetry.audit import Kind
from ehf_num.training.interrupts import Interrupts, interrupts
from ehf_sym.errors import ArgumentError, EHFError
from ehf_sym.symmetry.symmetry import AnySymmetry, as_symmetry

_PICTURES = (".png", ".pdf", ".svg")


def _add_score(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_points(parser, "; held out")
    how = parser.add_argument_group("estimate")
    _choice(how, "--method", ("importance", "quadrature"), "for ln p(x)", "importance")
    how.add_argument("--n-samples", type=int, metavar="N", help="draws a point (default: 1024)")
    how.add_argument("--standard-error", type=float, metavar="X", help="wanted of each point, nats")
    how.add_argument(
        "--max-samples", type=int, default=65_536, metavar="N", help="draws a point at most"
    )
    _add_seed(how)
    out = parser.add_argument_group("output")
    out.add_argument(
        "--out", type=Path, help="a .csv file: ln p, its error, k̂, draws of each row that was read"
    )
    parser.set_defaults(command=_score)


def _add_diagnose(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_points(parser, "; held out")
    how = parser.add_argument_group("measurement")
    how.add_argument(
        "--epsilon", type=float, metavar="X", help="group parameter of finite transformations"
    )
    how.add_argument("--n-samples", type=int, default=1024, metavar="N", help="draws for each ln p")
    _add_seed(how)
    out = parser.add_argument_group("output")
    out.add_argument("--plot", type=Path, help="a picture: .png, .pdf or .svg")
    parser.set_defaults(command=_diagnose)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="a model that was saved, .npz")


def _choice(
    group: argparse._ArgumentGroup,
    name: str,
    choices: Sequence[str],
    text: str,
    default: str | None = None,
) -> None:
    group.add_argument(name, choices=choices, default=default, help=text)


def _numbers(group: argparse._ArgumentGroup, *options: tuple[str, float, str]) -> None:
    """Add options by name, default and text; a default that is whole takes whole numbers."""
    for name, default, text in options:
        kind, shown = (int, "N") if isinstance(default, int) else (float, "X")
        group.add_argument(name, type=kind, default=default, metavar=shown, help=text)


def _add_seed(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of all random numbers")


def _add_points(
    parser: argparse.ArgumentParser, remark: str = "", *, optional: bool = False
) -> None:
    """Add a file of points and how it is read."""
    parser.add_argument(
        "points",
        type=Path,
        nargs="?" if optional else None,
        help=f"{', '.join(SUFFIXES)}; one point a row{remark}",
    )
    table = parser.add_argument_group("table")
    table.add_argument(
        "--columns",
        metavar="NAME,...",
        help="which columns are coordinates, by name, or by place counted from 0 (default: all, or "
        "those that the model has learned)",
    )
    table.add_argument(
        "--delimiter",
        metavar="MARK",
        help="what separates fields: one character, tab or space (default: what the file has)",
    )
    table.add_argument(
        "--decimal",
        choices=(".", ","),
        metavar="MARK",
        help="what decimals follow, point or comma (default: what the file has)",
    )
    table.add_argument(
        "--skip-bad-rows",
        action="store_true",
        help="leave out rows that are no points, and say how many and why",
    )


_DELIMITERS = {"tab": "\t", "\\t": "\t", "space": " "}


def _read(options: argparse.Namespace, model: Any = None) -> Table:
    """Read the points that a command was given; of a model, the columns that it has learned."""
    words = None if options.columns is None else options.columns.split(",")
    usecols = words and [int(w) if w.isdecimal() else w for w in map(str.strip, words)]
    request = Request(
        usecols=usecols,
        delimiter=_DELIMITERS.get(options.delimiter, options.delimiter),
        decimal=options.decimal,
        skip_bad_rows=options.skip_bad_rows,
        names=getattr(model, "feature_names_in_", None),
    )
    return read_table(options.points, request)


def _score(options: argparse.Namespace) -> int:
    if options.out is not None:
        if options.out.suffix != ".csv":
            raise en.DataFileError(f"--out was {options.out}; it should end in .csv")
        check_target(options.out)
    model = en.load(options.model)
    x = _read(options, model)
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
    model = en.load(options.model)
    x = _read(options, model)
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


_STATUS = {"proved": 0, "refuted": 1, "undecided": 2}
_AUDIT_STATUS = {"consistent": 0, "broken": 1, "undecided": 2}
_FORMATS = ("text", "latex", "html", "json")
_BAD_INPUT = 3
_CLOSED_PIPE = 141  # 128 + SIGPIPE, as shells have it
_FORMULA_OPTIONS = (
    "--generator",
    "--base",
    "--symmetry",
    "--energy",
    "--observable",
    "--finite",
)
_MINUS = re.compile(r"-(?!-|h$)")
_ENDED_EARLY = 4
_WEIGHED = 10_000  # draws
# Options of `ehf fit` with their defaults, and whether an energy has them, or points alone.
_OF_ONE_KIND = (
    ("objective", "elbo", False),
    ("draws", 1, False),
    ("annealing", 0, True),
    ("data_weight", 0.5, True),
)
_FIT_NOTES = (
    "By the defaults it takes about a minute in the plane; the bar says how long is left. Exit "
    "status: 0 training came to its end; 3 bad input, nothing written; 4 training was "
    "interrupted (Ctrl-C, SIGTERM), met an error or numbers that are not finite, and the model "
    "was written with what was learned."
)
_AUGMENT: dict[str, bool | str] = {"auto": "auto", "yes": True, "no": False}
_ASSUMPTIONS = ("positive", "negative", "nonnegative", "nonpositive", "nonzero", "integer")


def _takes_formula(word: str) -> bool:
    """Tell whether a word is an option, perhaps shortened, that a formula follows."""
    return len(word) > 2 and any(option.startswith(word) for option in _FORMULA_OPTIONS)


class _Parser(argparse.ArgumentParser):
    """argparse, but for formulas that begin with a minus, and for its exit status.

    It ends with status 2, which here means undecided, and would take "-q1" for an option.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"formatter_class": _Help} | options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        joined: list[str] = []
        for word in sys.argv[1:] if args is None else args:
            if joined and _takes_formula(joined[-1]) and _MINUS.match(word):
                joined[-1] += f"={word}"
            else:
                joined.append(word)
        return super().parse_known_args(joined, namespace)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(_BAD_INPUT, f"{self.prog}: {message}\n")


class _Version(argparse.Action):
    """Print the version and the engine, which are looked up on demand."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"{DISTRIBUTION} {versions()[DISTRIBUTION]}; engine: {present_engine()}")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # who reads has enough; at its end the interpreter would complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CLOSED_PIPE


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    with _plain_warnings():
        try:
            status: int = options.command(options)
        except BrokenPipeError:
            raise
        except (EHFError, OSError) as error:
            print(f"ehf: {error}", file=sys.stderr)
            return _BAD_INPUT
    return status


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print warnings as errors are: where in the code they were raised helps nobody here."""
    before = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"ehf: {message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = before


class _Help(argparse.HelpFormatter):
    """Help that tells defaults, where there are any and the text does not."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", action.default
        told = "default" in text or not action.option_strings
        if told or default is None or default is False or default in ([], argparse.SUPPRESS):
            return text
        shown = " ".join(map(str, default)) if isinstance(default, list) else default
        return f"{text} (default: {shown})"


_DENSITY = "learn a density from measured data, in their units, by settings that suit most"
_FIT = "learn a density from points, or from its energy, every option yours"
_WEIGH = "weigh draws of a saved model so that they stand for e^-S: ln Z, means, effective share"
_DENSITY_TIME = (
    "Some thousand points in two or three dimensions take ten seconds to a minute of processor "
    "time; a bar shows each round of training, twice as long as the one before."
)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="ehf", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--version", action=_Version, nargs=0, help="print it and what computes")
    commands = parser.add_subparsers(required=True, metavar="command", parser_class=_Parser)
    for name, add, text, more in (
        ("check", _add_check, "prove or refute {g, π} = 0", None),
        ("density", _add_density, _DENSITY, _DENSITY_TIME),
        ("fit", _add_fit, _FIT, _FIT_NOTES),
        ("sample", _add_sample, "draw points from a saved model", None),
        ("weigh", _add_weigh, _WEIGH, None),
        ("score", _add_score, "estimate ln p(x) of points, with errors", None),
        ("diagnose", _add_diagnose, "measure what a saved model keeps", None),
        ("audit", _add_audit, "look for points at which a function breaks a symmetry", None),
        ("reproduce", add_experiments, "run an experiment", None),
    ):
        described = f"{text[0].upper()}{text[1:]}."
        add(commands.add_parser(name, help=text, description=described, epilog=more))
    return parser


def _add_formulas(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("formulas")
    group.add_argument(
        "--generator",
        action="append",
        default=[],
        metavar="FORMULA",
        help='g(q, p), such as "q1*p2 - q2*p1"; may be repeated',
    )
    group.add_argument(
        "--group",
        metavar="NAME",
        help='a symmetry of the catalogue, such as "so(3)", "SO(2) about z", "O(3)" or '
        '"particle_rotations(2, 3)"',
    )
    group.add_argument(
        "--finite",
        action="append",
        default=[],
        metavar="MAP",
        help='what a finite symmetry makes of q1, q2, ..., such as "q2, q1" or "-q1, q2"; or one '
        'of the catalogue, such as "S_3" or "D_4"; may be repeated',
    )
    group.add_argument(
        "--base",
        default="normal",
        metavar="FORMULA",
        help='π(q, p) up to a constant, or "normal" (the default) or "soft-uniform"',
    )
    return group


def _add_check(parser: argparse.ArgumentParser) -> None:
    formulas = _add_formulas(parser)
    formulas.add_argument(
        "--dim", type=int, metavar="N", help="d, the number of positions; --group knows it"
    )
    formulas.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME[:ASSUMPTION,...]",
        help="a constant of unknown value that formulas may contain, such as m:positive; real "
        f"unless said otherwise; {', '.join(_ASSUMPTIONS)}; may be repeated",
    )
    out = parser.add_argument_group("output")
    _choice(out, "--format", _FORMATS, "of the report", "text")
    parser.set_defaults(command=_check)


def _add_fit(parser: argparse.ArgumentParser) -> None:
    _add_points(parser, "; may be left out with --energy", optional=True)
    symmetry = _add_formulas(parser)
    symmetry.add_argument(
        "--dim", type=int, metavar="N", help="d, the number of positions; points and --group know"
    )
    _choice(
        symmetry,
        "--enforce",
        ("penalty", "exact", "none"),
        "how {g, H} = 0 is kept (default: penalty where there are generators)",
    )
    symmetry.add_argument(
        "--kappa", type=float, default=1e-3, metavar="X", help="mean {g, H}² that is allowed"
    )
    _choice(
        symmetry,
        "--constraint-on",
        ("base", "data", "both"),
        "states that brackets are penalized on",
        "base",
    )
    symmetry.add_argument(
        "--split-bracket", action="store_true", help="penalize {g, K} and {g, U} one by one"
    )
    symmetry.add_argument(
        "--normalized-bracket",
        action="store_true",
        help="divide {g, H}² by what a weaker H lowers too",
    )
    _add_model_options(parser.add_argument_group("model"))
    _add_training_options(parser.add_argument_group("training"))
    energy = parser.add_argument_group("energy")
    energy.add_argument(
        "--energy", metavar="FORMULA", help="S(q): learn e^-S, from it alone or with points"
    )
    _numbers(
        energy,
        ("--annealing", 0, "iterations from the base to e^-S"),
        ("--data-weight", 0.5, "share of the points beside the energy"),
    )
    _add_run_options(parser)
    parser.set_defaults(command=_fit)


def _add_model_options(model: argparse._ArgumentGroup) -> None:
    _choice(model, "--encoder", ("gaussian", "coupling"), "family of h(p|q)", "gaussian")
    _numbers(
        model,
        ("--hamiltonians", 1, "length of the chain"),
        ("--steps", 2, "leapfrog steps of each Hamiltonian"),
        ("--step-size", 0.5, "of a leapfrog step, dimensionless"),
    )
    model.add_argument(
        "--hidden",
        type=int,
        nargs="+",
        default=[128, 128],
        metavar="N",
        help="widths of the hidden layers of every network",
    )
    _choice(
        model,
        "--start",
        ("random", "identity"),
        "weights of K and U: all at random, or the flow is the identity",
        "random",
    )
    _choice(model, "--dtype", ("float64", "float32"), "of all that is computed", "float64")


def _add_training_options(training: argparse._ArgumentGroup) -> None:
    _numbers(
        training,
        ("--iterations", 15_000, "updates at the most"),
        ("--batch-size", 128, "points of a minibatch"),
        ("--learning-rate", 3e-4, "Adam's α"),
        ("--epsilon", 1e-8, "Adam's ε"),
        ("--warmup", 0, "iterations to the full rate"),
        ("--draws", 1, "momenta drawn for each point"),
    )
    _choice(training, "--schedule", ("constant", "cosine"), "of the learning rate", "constant")
    _choice(training, "--objective", ("elbo", "importance"), "what is maximized", "elbo")
    _choice(
        training, "--augment", tuple(_AUGMENT), "move minibatches by random group elements", "auto"
    )
    training.add_argument(
        "--validation",
        type=float,
        metavar="X",
        help="share of the points to hold out; with --energy, a number of base states",
    )
    training.add_argument(
        "--patience", type=int, metavar="N", help="iterations without improvement before stopping"
    )
    training.add_argument(
        "--checkpoint", type=Path, help="a file to go on from after a break, .npz"
    )
    training.add_argument(
        "--checkpoint-every",
        type=int,
        default=1000,
        metavar="N",
        help="iterations between two writings",
    )


def _add_density(parser: argparse.ArgumentParser) -> None:
    _add_points(parser)
    model = parser.add_argument_group("model")
    model.add_argument(
        "--symmetry",
        metavar="FORMULAS|NAME",
        help='such as "q1*p2 - q2*p1", several separated by commas, or "SO(2) about z"; q1, q2, … '
        "are the columns",
    )
    model.add_argument("--max-iter", type=int, metavar="N", help="iterations at the most")
    model.add_argument("--no-standardize", action="store_true", help="leave the units as they are")
    _add_run_options(parser)
    parser.set_defaults(command=_density)


def _density(options: argparse.Namespace) -> int:
    check_target(options.out)
    x = _read(options)
    model = en.SymmetricDensity(
        options.symmetry,
        standardize=False if options.no_standardize else "auto",
        progress=False if options.no_progress else None,
        rng=options.seed,
    )
    if options.max_iter is not None:
        model.set_params(max_iter=options.max_iter)
    model.fit(x)
    for proof in (model.flow_.report, model.flow_.construction):
        if proof is not None:
            print(proof)
    print(
        f"{model.n_iter_} iterations, ended by {model.stop_reason_}; "
        f"mean ln p(x) of these points {model.score(x):.3f} nats"
    )
    model.save(options.out)
    return 0


def _add_audit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "function", metavar="MODULE:FUNCTION", help="of points (n, d), imported from this directory"
    )
    _add_points(parser)
    promise = parser.add_argument_group("promise")
    promise.add_argument(
        "--group",
        required=True,
        metavar="FORMULAS|NAME",
        help='such as "so(3)", or "q1*p2 - q2*p1", several separated by commas',
    )
    _choice(promise, "--kind", get_args(Kind), "what f should be", "invariant")
    promise.add_argument(
        "--output",
        default="vectors",
        metavar="vectors|points|FORMULAS|NAME",
        help="how values of an equivariant map move",
    )
    _numbers(
        promise,
        ("--elements", 16, "tried of each generator, at every point"),
        ("--tolerance", 0.0, "allowed besides rounding, in units of f"),
    )
    _add_seed(promise)
    _choice(parser.add_argument_group("output"), "--format", _FORMATS, "of the report", "text")
    parser.set_defaults(command=_audit)


def _audit(options: argparse.Namespace) -> int:
    report = en.audit(
        _function(options.function),
        options.group,
        np.asarray(_read(options)),
        options.kind,
        output=options.output,
        elements=options.elements,
        tolerance=options.tolerance,
        rng=options.seed,
    )
    print(getattr(report, f"to_{options.format}")())
    return _AUDIT_STATUS[report.status]


def _function(text: str) -> Any:
    """Import a function by its name; the directory that the command runs in is looked at first."""
    module, _, name = text.partition(":")
    if not module or not name:
        raise ArgumentError(f"function was {text!r}; it should be module:function")
    sys.path.insert(0, os.getcwd())
    try:
        return attrgetter(name)(import_module(module))
    except (ImportError, AttributeError) as error:
        raise ArgumentError(f"function was {text!r}; it cannot be imported: {error}") from error
    finally:
        sys.path.pop(0)


def _add_sample(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    out = parser.add_argument_group("output")
    out.add_argument("-n", type=int, default=1000, metavar="N", help="number of points")
    out.add_argument("--out", type=Path, required=True, help=", ".join(SUFFIXES))
    _add_seed(out)
    parser.set_defaults(command=_sample)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    run = parser.add_argument_group("run")
    run.add_argument("--out", type=Path, required=True, help="the model, .npz")
    _add_seed(run)
    run.add_argument("--no-progress", action="store_true", help="no bar")


def _base(text: str, space: es.PhaseSpace) -> es.BaseDensity:
    if text == "normal":
        return es.StandardNormal(space)
    if text == "soft-uniform":
        return es.SoftUniform(space)
    return es.BaseDensity.from_density(space, es.parse(text, space))


def _symmetry(
    options: argparse.Namespace, dim: int | None, parameters: Sequence[Symbol] = ()
) -> AnySymmetry | None:
    """Join the catalogue's generators and the user's own; None if there are none."""
    named = as_symmetry(None if options.group is None else es.named_symmetry(options.group))
    if named is None and not options.generator and not options.finite:
        return None
    finite = _finite(options.finite, dim if named is None else named.space.dim)
    known: list[Any] = [part for part in (named, finite) if part is not None]
    size = known[0].space.dim if known else dim
    if size is None:
        raise es.ArgumentError("--dim is missing; it should be the number of positions")
    if dim not in (None, size):
        given = options.group or f"--finite {options.finite[0]}"
        raise es.ArgumentError(f"{given} acts on {size} positions; there are {dim}")
    lie = None if named is None else named.lie
    held = () if lie is None else tuple(lie.space.parameters)
    space = es.PhaseSpace(size, parameters=[*held, *parameters])
    own = [es.parse(text, space) for text in options.generator]
    generators = [*(() if lie is None else lie.generators), *own]
    labels = [*(() if lie is None else lie.labels), *(f"g{k + 1}" for k in range(len(own)))]
    algebra = es.LieAlgebra(space, generators, labels) if generators else None
    groups = [part for part in (named.finite if named is not None else None, finite) if part]
    matrices = [pair for part in groups for pair in zip(part.labels, part.generators, strict=True)]
    if not matrices:
        return algebra
    names = [label for label, _ in matrices]
    group = es.FiniteSymmetry(
        space, [a for _, a in matrices], names if len(set(names)) == len(names) else ()
    )
    return es.Symmetry(algebra, group)


def _finite(texts: Sequence[str], dim: int | None) -> es.FiniteSymmetry | None:
    """Read names of the catalogue, or what maps make of the positions."""
    matrices: list[Any] = []
    labels: list[str] = []
    for text in texts:
        if "," not in text and (dim != 1 or "q1" not in text):
            part = as_symmetry(es.named_symmetry(text))
            finite = None if part is None else part.finite
            if finite is None or (part is not None and part.lie is not None):
                raise es.ArgumentError(f"--finite is {text!r}; it should be a finite symmetry")
            matrices += finite.generators
            labels += finite.labels
            continue
        images = text.split(",")
        space = es.PhaseSpace(len(images))
        forms = [es.parse(image, space) for image in images]
        rows = [[form.diff(x) for x in space.q] for form in forms]
        linear = all(entry.is_number for row in rows for entry in row) and not any(
            form.xreplace(dict.fromkeys(space.coordinates, S.Zero)) for form in forms
        )
        if not linear:
            raise es.ArgumentError(
                f"--finite is {text!r}; it should be linear forms of q1, q2, ..., one for each"
            )
        matrices.append(rows)
        labels.append(f"A{len(labels) + 1}")
    if not matrices:
        return None
    size = len(matrices[0]) if isinstance(matrices[0], list) else matrices[0].rows
    names = labels if len(set(labels)) == len(labels) else ()
    return es.FiniteSymmetry(es.PhaseSpace(size), matrices, names)


def _parameter(text: str) -> Symbol:
    """Read m, m:positive or n:positive,integer."""
    name, _, words = text.partition(":")
    assumptions = [word.strip() for word in words.split(",")] if words else []
    for word in assumptions:
        if word not in _ASSUMPTIONS:
            raise ArgumentError(
                f"--parameter {text} assumes {word!r}; it should be {', '.join(_ASSUMPTIONS)}"
            )
    try:
        return Symbol(name.strip(), real=True, **dict.fromkeys(assumptions, True))
    except InconsistentAssumptions:
        raise ArgumentError(
            f"--parameter {text} assumes what no number is: {' and '.join(assumptions)}"
        ) from None


def _check(options: argparse.Namespace) -> int:
    symmetry = _symmetry(options, options.dim, [_parameter(t) for t in options.parameter])
    if symmetry is None:
        raise es.ArgumentError("there is nothing to check; give --generator, --group or --finite")
    report = symmetry.check(_base(options.base, symmetry.space))
    print(getattr(report, f"to_{options.format}")())
    return _STATUS[report.status]


def _fit(options: argparse.Namespace) -> int:
    check_target(options.out)
    x = None if options.points is None else _read(options)
    symmetry = _symmetry(options, _positions(options, x))
    space = es.PhaseSpace(_positions(options, x)) if symmetry is None else symmetry.space
    learner = _learner(options, x, space)
    model = en.EquivariantHamiltonianFlow(
        _base(options.base, space),
        symmetry,
        enforce=options.enforce or ("penalty" if symmetry else "none"),
        kappa=options.kappa,
        constraint_on=options.constraint_on,
        split_bracket=options.split_bracket,
        normalized_bracket=options.normalized_bracket,
        encoder=options.encoder,
        hamiltonians=options.hamiltonians,
        steps=options.steps,
        step_size=options.step_size,
        hidden=options.hidden,
        start=options.start,
        dtype=options.dtype,
        rng=options.seed,
    )
    if model.report is not None:
        print(model.report)
    if model.construction is not None:
        print(model.construction)
    with interrupts(signal.SIGINT, signal.SIGTERM) as stop:
        return _learn(model, learner, options, stop)


def _positions(options: argparse.Namespace, x: Table | None) -> Any:
    """Return d, of the points or of --dim; None where --group may know it."""
    if x is not None:
        dim = x.values.shape[1]
        if options.dim not in (None, dim):
            raise ArgumentError(f"--dim was {options.dim}; the points have {dim} coordinates")
        return dim
    if options.energy is None:
        raise ArgumentError("points are missing; it should be a file, or --energy and --dim")
    if options.dim is None and options.group is None:
        raise ArgumentError("--dim is missing; it should be the number of positions")
    return options.dim


def _learner(
    options: argparse.Namespace, x: Table | None, space: es.PhaseSpace
) -> tuple[Callable[[Any], object], Callable[[Any], str]]:
    """Return what trains a model, and what scores it afterwards; options that clash are refused."""
    common = {
        "iterations": options.iterations,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "epsilon": options.epsilon,
        "schedule": en.LearningRateSchedule(options.schedule, options.warmup),
        "augment": _AUGMENT[options.augment],
        "validation": options.validation,
        "patience": options.patience,
        "progress": _progress(options),
        "checkpoint": options.checkpoint,
        "checkpoint_every": options.checkpoint_every,
    }
    with_energy = options.energy is not None
    for name, default, goes_with_energy in _OF_ONE_KIND:
        value = getattr(options, name)
        if value != default and goes_with_energy != with_energy:
            goes = "with --energy" if goes_with_energy else "with points alone"
            raise ArgumentError(f"--{name.replace('_', '-')} was {value}; it goes {goes}")
    own = {name: getattr(options, name) for name, _, of in _OF_ONE_KIND if of == with_energy}
    chosen = common | own
    if not with_energy:
        return (
            lambda model: model.fit(x, **chosen),
            lambda model: f"train log-likelihood (importance weighted) {model.score(x):.3f} nats",
        )
    if options.validation is not None and options.validation == int(options.validation):
        chosen["validation"] = int(options.validation)
    S = es.parse(options.energy, space)
    return (
        lambda model: model.fit_energy(S, x, **chosen),
        lambda model: str(model.weigh(S, _WEIGHED, rng=options.seed)),
    )


def _learn(
    model: Any,
    learner: tuple[Callable[[Any], object], Callable[[Any], str]],
    options: argparse.Namespace,
    stop: Interrupts,
) -> int:
    """Train, write the model whatever ended that, and score it."""
    train, judge = learner
    try:
        train(model)
    except Exception as error:
        if not hasattr(model, "result_"):  # nothing was learned
            raise
        print(f"ehf: {type(error).__name__}: {error}", file=sys.stderr)
    stop.hold()
    model.save(options.out)
    print(model.result_)
    if model.result_.ended_early:
        told = model.result_.stop_reason
        print(f"ehf: training ended early ({told}); the model is in {options.out}", file=sys.stderr)
        return _ENDED_EARLY
    stop.release()
    try:
        score = judge(model)
    except KeyboardInterrupt:
        print(f"ehf: interrupted after training; the model is in {options.out}", file=sys.stderr)
        return _ENDED_EARLY
    print(f"{score}; {options.out}")
    return 0


def _sample(options: argparse.Namespace) -> int:
    model = en.load(options.model)
    points = model.sample(options.n, rng=options.seed)
    names = getattr(model, "feature_names_in_", None)
    en.write_points(options.out, points, columns=names)
    print(f"{options.n} points in {options.out}")
    return 0


def _add_weigh(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
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
    out.add_argument("-n", type=int, default=_WEIGHED, metavar="N", help="number of draws")
    out.add_argument("--out", type=Path, help="a file for points that are drawn by their weights")
    out.add_argument(
        "--resample", type=int, metavar="N", help="how many (default: 1000); with --out"
    )
    _add_seed(out)
    parser.set_defaults(command=_weigh)


def _weigh(options: argparse.Namespace) -> int:
    if options.out is not None:
        check_target(options.out)
    elif options.resample is not None:
        raise ArgumentError(f"--resample was {options.resample} without --out, a file to write to")
    model = en.load(options.model)
    if not isinstance(model, en.EquivariantHamiltonianFlow):
        raise ArgumentError(
            f"{options.model} is a model in units of its data, and an energy knows none; fit one "
            "with `ehf fit`"
        )
    space = es.PhaseSpace(model.dim)
    observables = {text: es.parse(text, space) for text in options.observable}
    weights = model.weigh(es.parse(options.energy, space), options.n, rng=options.seed)
    print(weights)
    for text, formula in observables.items():
        value, error = weights.mean(formula)
        print(f"  mean of {text} = {value:.6g} ± {error:.2g}")
    if options.out is not None:
        points = weights.resample(options.resample or 1000, rng=options.seed)
        en.write_points(options.out, points)
        print(f"{len(points)} points in {options.out}")
    return 0


def _progress(options: argparse.Namespace) -> bool | None:
    """Return None, which shows the bar on a terminal only, unless it is switched off."""
    return False if options.no_progress else None


if __name__ == "__main__":
    sys.exit(main())
