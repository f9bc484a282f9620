"""The command `ehf reproduce`: experiments of the paper, and studies beyond it."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from ehf_num.reproduce.chapter import chapters_in
from ehf_num.reproduce.html_report import write_report
from ehf_num.reproduce.sweep import executor_at
from ehf_sym import ArgumentError

_OUT = Path("ehf-output")


@dataclass(frozen=True)
class Experiment:
    """A command and where its experiment is.

    Attributes
    ----------
    name, help, time : str
        As users see it; how long it takes on two cores.
    module : str
        Has `Settings`, `FULL` and ``run(settings, folder, command=)``. Imported when it runs:
        figures need matplotlib.
    options : dict of str to dict
        Fields of its settings that the command line can change, with argparse's arguments.
    sweeps : bool
        Whether its ``run`` takes an ``executor=``.
    from_energy : Experiment or None
        What is run in its place with ``--energy``.
    """

    name: str
    help: str
    time: str
    module: str
    options: dict[str, dict[str, Any]]
    sweeps: bool = False
    from_energy: Experiment | None = None

    @property
    def parts(self) -> Any:
        """The module."""
        return import_module(self.module)


_PAPER = "ehf_num.reproduce.paper"
_ITERATIONS = {"iterations": {"type": int, "help": "updates of each model"}}
_SEEDS = {"seeds": {"type": int, "help": "how many repetitions"}}
_MOLECULES = "ehf_num.reproduce.molecules"
_LATTICES = "ehf_num.reproduce.lattices"
_CELLS: dict[str, dict[str, Any]] = {
    "contenders": {
        "nargs": "+",
        "help": "prior, prior-windows, windows, windows-fine, lifted, spline-moved, graph-flow",
    },
    "sizes": {"type": int, "nargs": "+", "help": "N (default: 100 1000 10000)"},
    **_SEEDS,
    "budget": {"choices": ("quick", "short", "default", "full"), "help": "length of training"},
}
_WEIGHED: dict[str, dict[str, Any]] = {
    **_ITERATIONS,
    "draws": {"type": int, "help": "draws that are weighed"},
    "momenta": {"type": int, "help": "momenta of each draw"},
    **_SEEDS,
}
EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "fig1",
            "Figure 1: the commuting square, its error against ε and dt",
            "seconds",
            f"{_PAPER}.fig1",
            {"states": {"type": int, "help": "that the error is averaged over"}},
        ),
        Experiment(
            "fig2a",
            "Figure 2A: two rings from few points, every κ, each claim judged",
            "minutes; --full: an hour or so",
            f"{_PAPER}.fig2a",
            {
                "kappas": {"nargs": "+", "help": "none, or numbers such as 1e-3"},
                "points": {"nargs": "+", "help": "numbers, or endless"},
                **_SEEDS,
                **_ITERATIONS,
            },
            sweeps=True,
        ),
        Experiment(
            "fig2b",
            "Figure 2B: modes on a circle, the wells of U, the flow that makes them",
            "minutes; --full: an hour",
            f"{_PAPER}.fig2b",
            {
                "modes": {"type": int, "nargs": "+", "help": "targets, by number of modes"},
                "bases": {"nargs": "+", "help": "soft-uniform, normal"},
                "widths": {"type": float, "nargs": "+", "help": "of the soft-uniform base"},
                "step_sizes": {"type": float, "nargs": "+", "help": "of the leapfrog steps"},
                **_SEEDS,
                **_ITERATIONS,
                "epsilon": {"type": float, "help": "Adam's ε (default: 1e-2)"},
            },
            sweeps=True,
        ),
        Experiment(
            "so2",
            "Figure 2A, small: two rings from few points, no constraint, penalty and exact",
            "one or two minutes; --full: about ten",
            f"{_PAPER}.so2",
            _ITERATIONS,
        ),
        Experiment(
            "multimodal",
            "Figure 2B, small: modes on a circle, and the flow that makes them",
            "minutes",
            f"{_PAPER}.multimodal",
            _ITERATIONS,
            sweeps=True,
        ),
        Experiment(
            "data-efficiency",
            "ours and zuko's flows, N points, KL to truth",
            "an hour; --budget quick: minutes",
            "ehf_num.reproduce.efficiency.study",
            {
                "targets": {"nargs": "+", "help": "rings, shells, phase-orbits (default: all)"},
                "contenders": {"nargs": "+", "help": "such as exact, spline (default: all)"},
                "sizes": {"type": int, "nargs": "+", "help": "N (default: 100 1000 10000)"},
                "seeds": {"type": int, "help": "how many (default: 3; with --full 5)"},
                "budget": {
                    "choices": ("quick", "default", "full"),
                    "help": "length of training",
                },
            },
            sweeps=True,
        ),
        Experiment(
            "phi4",
            "φ⁴ on a lattice from its action: weights against closed forms or Monte Carlo",
            "ten minutes",
            f"{_LATTICES}.phi4",
            {
                "field": {"choices": ("real", "complex"), "help": "φ (default: real)"},
                "size": {"type": int, "help": "L of L × L sites (default: 8)"},
                "mass_squared": {"help": "m² (default: 1)"},
                "coupling": {"help": "λ; 0, the default, is the free field"},
                "contenders": {"nargs": "+", "help": "windows, couplings (default: windows)"},
                "hamiltonians": {"type": int, "help": "length of the chain (default: 6)"},
                "hidden": {"type": int, "help": "width of the networks (default: 32)"},
                "draws": {"type": int, "help": "that are weighed (default: 20000)"},
                "momenta": {"type": int, "help": "of each draw, the second time (default: 8)"},
                **_SEEDS,
                **_ITERATIONS,
            },
        ),
        Experiment(
            "u1",
            "U(1) gauge field in two dimensions from its action, with and without gauge symmetry",
            "ten minutes; --full: hours",
            f"{_LATTICES}.u1",
            {
                "sizes": {"type": int, "nargs": "+", "help": "L of L × L sites (default: 4)"},
                "betas": {"nargs": "+", "help": "β (default: 1 2 4)"},
                "contenders": {"nargs": "+", "help": "gauge, links (default: both)"},
                "hamiltonians": {"type": int, "help": "length of the chain (default: 8)"},
                "hidden": {"type": int, "help": "width of the networks of U (default: 16)"},
                "draws": {"type": int, "help": "that are weighed (default: 20000)"},
                "momenta": {"type": int, "help": "of each draw, the second time (default: 8)"},
                **_SEEDS,
                **_ITERATIONS,
            },
        ),
        Experiment(
            "dw4",
            "four particles in double wells, N points, NLL against the floor",
            "hours",
            f"{_MOLECULES}.study",
            _CELLS,
            sweeps=True,
            from_energy=Experiment(
                "dw4",
                "from the energy alone: weights, ln Z, wells",
                "ten minutes",
                f"{_MOLECULES}.from_energy",
                _WEIGHED,
            ),
        ),
        Experiment(
            "lj13",
            "thirteen Lennard-Jones particles, the same",
            "many hours",
            f"{_MOLECULES}.lj13",
            {
                "targets": {"nargs": "+", "help": "lj13, lj13-2: ε = 1 and 2 (default: both)"},
                **_CELLS,
            },
            sweeps=True,
            from_energy=Experiment(
                "lj13",
                "from the energy alone: weights, ln Z",
                "ten minutes",
                f"{_MOLECULES}.lj13_from_energy",
                _WEIGHED,
            ),
        ),
    )
}


FIGURES = ("fig1", "fig2a", "fig2b")
_SHOWN = {int: "N", float: "X", str: "WORD"}
REPORT = "report.html"


def add_experiments(parser: argparse.ArgumentParser) -> None:
    """Add a command for each experiment, with the options that it has."""
    commands = parser.add_subparsers(required=True, metavar="experiment", parser_class=type(parser))
    for experiment in EXPERIMENTS.values():
        text = f"{experiment.help} ({experiment.time})"
        command = commands.add_parser(experiment.name, help=text, description=f"{text}.")
        add_common_options(command)
        other = experiment.from_energy
        if other is not None:
            text = f"{other.help} ({other.time}); with {', '.join(map(_flag, other.options))} alone"
            command.add_argument("--energy", action="store_true", help=text)
        for name, option in _all_options(experiment).items():
            shown = {} if "choices" in option else {"metavar": _SHOWN[option.get("type", str)]}
            command.add_argument(_flag(name), **shown | option)
        if experiment.sweeps:
            add_dask(command)
        command.set_defaults(command=_reproduce, experiment=experiment)

    everything = commands.add_parser(
        "all", help="one HTML file of all results; runs the paper's figures that have none"
    )
    add_common_options(everything)
    add_dask(everything)
    everything.add_argument(
        "--run",
        nargs="*",
        choices=list(EXPERIMENTS),
        metavar="EXPERIMENT",
        help=f"what to run first, nothing if empty (default: of {', '.join(FIGURES)} those without "
        "results)",
    )
    everything.set_defaults(command=_everything)


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add what every experiment has."""
    parser.add_argument("--full", action="store_true", help="the full study, not the quick one")
    parser.add_argument("--out", type=Path, default=_OUT, help="folder for results")
    parser.add_argument("--no-progress", action="store_true", help="no bars")


def add_dask(parser: argparse.ArgumentParser) -> None:
    """Add where the runs of a sweep go."""
    parser.add_argument("--dask", metavar="ADDRESS", help="scheduler that runs go to: tcp://…")


def _flag(name: str) -> str:
    """Write a field of settings as an option."""
    return f"--{name.replace('_', '-')}"


def _all_options(experiment: Experiment) -> dict[str, dict[str, Any]]:
    """List the options of an experiment, and those that it has with --energy."""
    other = experiment.from_energy
    return experiment.options if other is None else other.options | experiment.options


def _reproduce(options: argparse.Namespace) -> int:
    experiment: Experiment = options.experiment
    chosen = {
        name: tuple(value) if isinstance(value, list) else value
        for name in _all_options(experiment)
        if (value := getattr(options, name)) is not None
    }
    if experiment.from_energy is not None:
        if options.energy:
            experiment = experiment.from_energy
        given = [*chosen, *(["dask"] if options.dask and not experiment.sweeps else [])]
        for name in given:
            if name not in experiment.options:
                raise ArgumentError(
                    f"{_flag(name)} was given, which {experiment.name} "
                    f"{'with' if options.energy else 'without'} --energy does not have; it has "
                    f"{', '.join(map(_flag, experiment.options))}"
                )
    iterations: int | None = getattr(options, "iterations", None)
    if iterations is not None and iterations < 1:
        raise ArgumentError(f"--iterations was {iterations}; it should be a positive integer")
    print(run(experiment, options, chosen))
    print(f"\nfigures and table in {options.out}")
    return 0


def _everything(options: argparse.Namespace) -> int:
    options.out.mkdir(parents=True, exist_ok=True)
    wanted = options.run
    if wanted is None:
        wanted = [name for name in FIGURES if name not in chapters_in(options.out)]
    for name in dict.fromkeys(wanted):
        print(f"{name}\n\n{run(EXPERIMENTS[name], options, {})}\n")
    chapters = chapters_in(options.out)
    if not chapters:
        raise ArgumentError(f"out was {options.out}, which has no results; it should have some")
    order = [name.replace("-", "_") for name in EXPERIMENTS]
    known = [chapters.pop(name) for name in order if name in chapters]
    found = [*known, *chapters.values()]
    write_report(found, options.out, options.out / REPORT)
    print(f"report of {', '.join(c.name for c in found)} in {options.out / REPORT}")
    return 0


def run(experiment: Experiment, options: argparse.Namespace, chosen: dict[str, Any]) -> str:
    """Run an experiment with what was chosen over its settings; return its text."""
    print(f"{experiment.name}: {experiment.time}, on two cores", file=sys.stderr)
    parts = experiment.parts
    settings = parts.FULL if options.full else parts.Settings()
    # None shows the bar on a terminal only.
    settings = replace(settings, progress=False if options.no_progress else None, **chosen)
    command = command_line(experiment.name, options, chosen)
    if not experiment.sweeps:
        text: str = parts.run(settings, options.out, command=command)
        return text
    with executor_at(options.dask) as executor:
        text = parts.run(settings, options.out, executor=executor, command=command)
    return text


def command_line(name: str, options: argparse.Namespace, chosen: dict[str, Any]) -> str:
    """Write the command that does the same again."""
    flags = [f"--{flag}" for flag in ("energy", "full") if getattr(options, flag, False)]
    words = ["ehf", "reproduce", name, *flags]
    for option, value in chosen.items():
        values = value if isinstance(value, tuple) else (value,)
        words += [_flag(option), *map(str, values)]
    if options.out != _OUT:
        words += ["--out", str(options.out)]
    return shlex.join(words)
