"""The command `ehf reproduce`: experiments of the paper, and studies beyond it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any


def add_experiments(parser: argparse.ArgumentParser) -> None:
    """Add a command for each experiment, with the options that it has."""
    commands = parser.add_subparsers(required=True, metavar="experiment", parser_class=type(parser))
    for name, help_ in (
        ("so2", "Figure 2A: two rings from few points, with and without the constraint"),
        ("multimodal", "Figure 2B: modes on a circle, and the flow that makes them"),
    ):
        command = _experiment(commands.add_parser(name, help=help_))
        command.add_argument("--iterations", type=int)
        command.set_defaults(command=_reproduce, experiment=name)
    study = _experiment(
        commands.add_parser("data-efficiency", help="ours and zuko's flows, N points, KL to truth")
    )
    study.add_argument("--targets", nargs="+", help="rings, shells, phase-orbits (default: all)")
    study.add_argument("--contenders", nargs="+", help="such as exact, spline (default: all)")
    study.add_argument("--sizes", type=int, nargs="+", help="N (default: 100 1000 10000)")
    study.add_argument("--seeds", type=int, help="how many (default: 3; with --full 5)")
    study.add_argument("--budget", choices=("quick", "default", "full"))
    study.add_argument("--dask", metavar="ADDRESS", help="scheduler that runs go to: tcp://…")
    study.set_defaults(command=_study)


def _experiment(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--full", action="store_true", help="the full study, not the quick one")
    parser.add_argument("--out", type=Path, default=Path("ehf-output"), help="folder for figures")
    parser.add_argument("--no-progress", action="store_true")
    return parser


def _reproduce(options: argparse.Namespace) -> int:
    from ehf_num import checks
    from ehf_num.experiments import multimodal, so2

    if options.iterations is not None:
        checks.positive_integer(options.iterations, "--iterations")
    experiment: Any = {"so2": so2, "multimodal": multimodal}[options.experiment]
    return _run(experiment, options, {"iterations": options.iterations})


def _study(options: argparse.Namespace) -> int:
    from ehf_num.executors import executor_at
    from ehf_num.studies import data_efficiency

    names = ("targets", "contenders", "sizes")
    chosen = {n: tuple(v) for n in names if (v := getattr(options, n)) is not None}
    chosen |= {"seeds": options.seeds, "budget": options.budget}
    with executor_at(options.dask) as executor:
        return _run(data_efficiency, options, chosen, executor=executor)


def _run(experiment: Any, options: argparse.Namespace, chosen: dict[str, Any], **more: Any) -> int:
    """Run a module's experiment with what was chosen over its settings."""
    settings = experiment.FULL if options.full else experiment.Settings()
    chosen = {name: value for name, value in chosen.items() if value is not None}
    # None shows the bar on a terminal only.
    settings = replace(settings, progress=False if options.no_progress else None, **chosen)
    print(experiment.run(settings, options.out, **more))
    print(f"\nfigures and table in {options.out}")
    return 0
