"""What learns a density: ehf density, ehf fit."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ehf_num as en
import ehf_sym as es
from ehf_num.cli.formulas import add_formulas, base_of, space_of, symmetry_of
from ehf_num.cli.options import (
    WEIGHED,
    add_points,
    add_run_options,
    choice,
    numbers,
    progress,
    read,
)
from ehf_num.files.atomic import check_target
from ehf_num.files.table import Table
from ehf_num.training.interrupts import Interrupts, interrupts
from ehf_sym.errors import ArgumentError

_ENDED_EARLY = 4
# Options of `ehf fit` with their defaults, and whether an energy has them, or points alone.
_OF_ONE_KIND = (
    ("objective", "elbo", False),
    ("draws", 1, False),
    ("annealing", 0, True),
    ("data_weight", 0.5, True),
)
_AUGMENT: dict[str, bool | str] = {"auto": "auto", "yes": True, "no": False}


def add_density(parser: argparse.ArgumentParser) -> None:
    """Add the options of ehf density."""
    add_points(parser)
    model = parser.add_argument_group("model")
    model.add_argument(
        "--symmetry",
        metavar="FORMULAS|NAME",
        help='such as "q1*p2 - q2*p1", several separated by commas, or "SO(2) about z"; q1, q2, … '
        "are the columns",
    )
    model.add_argument("--max-iter", type=int, metavar="N", help="iterations at the most")
    model.add_argument("--no-standardize", action="store_true", help="leave the units as they are")
    add_run_options(parser)
    parser.set_defaults(command=_density)


def _density(options: argparse.Namespace) -> int:
    check_target(options.out)
    x = read(options)
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


def add_fit(parser: argparse.ArgumentParser) -> None:
    """Add the options of ehf fit."""
    add_points(parser, "; may be left out with --energy", optional=True)
    symmetry = add_formulas(parser)
    symmetry.add_argument(
        "--dim", type=int, metavar="N", help="d, the number of positions; points and --group know"
    )
    choice(
        symmetry,
        "--enforce",
        ("penalty", "exact", "none"),
        "how {g, H} = 0 is kept (default: penalty where there are generators)",
    )
    symmetry.add_argument(
        "--kappa", type=float, default=1e-3, metavar="X", help="mean {g, H}² that is allowed"
    )
    choice(
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
    numbers(
        energy,
        ("--annealing", 0, "iterations from the base to e^-S"),
        ("--data-weight", 0.5, "share of the points beside the energy"),
    )
    add_run_options(parser)
    parser.set_defaults(command=_fit)


def _add_model_options(model: argparse._ArgumentGroup) -> None:
    choice(model, "--encoder", ("gaussian", "coupling"), "family of h(p|q)", "gaussian")
    numbers(
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
    choice(
        model,
        "--start",
        ("random", "identity"),
        "weights of K and U: all at random, or the flow is the identity",
        "random",
    )
    choice(model, "--dtype", ("float64", "float32"), "of all that is computed", "float64")


def _add_training_options(training: argparse._ArgumentGroup) -> None:
    numbers(
        training,
        ("--iterations", 15_000, "updates at the most"),
        ("--batch-size", 128, "points of a minibatch"),
        ("--learning-rate", 3e-4, "Adam's α"),
        ("--epsilon", 1e-8, "Adam's ε"),
        ("--warmup", 0, "iterations to the full rate"),
        ("--draws", 1, "momenta drawn for each point"),
    )
    choice(training, "--schedule", ("constant", "cosine"), "of the learning rate", "constant")
    choice(training, "--objective", ("elbo", "importance"), "what is maximized", "elbo")
    choice(
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


def _fit(options: argparse.Namespace) -> int:
    check_target(options.out)
    x = None if options.points is None else read(options)
    symmetry = symmetry_of(options, _positions(options, x))
    space = space_of(options, _positions(options, x)) if symmetry is None else symmetry.space
    learner = _learner(options, x, space)
    model = en.EquivariantHamiltonianFlow(
        base_of(options.base, space),
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
    """Return d, of the points or of --dim; None where a group may know it."""
    if x is not None:
        dim = x.values.shape[1]
        if options.dim not in (None, dim):
            raise ArgumentError(f"--dim was {options.dim}; the points have {dim} coordinates")
        return dim
    if options.energy is None:
        raise ArgumentError("points are missing; it should be a file, or --energy and --dim")
    if options.dim is None and options.group is None and not options.finite:
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
        "progress": progress(options),
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
        lambda model: str(model.weigh(S, WEIGHED, rng=options.seed)),
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
