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
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from ehf_num.cli.checks import add_audit, add_check
from ehf_num.cli.saved import add_diagnose, add_sample, add_score, add_weigh
from ehf_num.cli.training import add_density, add_fit
from ehf_num.engine.engine import present_engine
from ehf_num.files.result import DISTRIBUTION, versions
from ehf_num.reproduce.command import add_experiments
from ehf_sym.errors import EHFError

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
_DENSITY = "learn a density from measured data, in their units, by settings that suit most"
_FIT = "learn a density from points, or from its energy, every option yours"
_WEIGH = "weigh draws of a saved model so that they stand for e^-S: ln Z, means, effective share"
_DENSITY_TIME = (
    "Some thousand points in two or three dimensions take ten seconds to a minute of processor "
    "time. A bar counts up to the iterations at the most; training ends where points held out gain "
    "no more, mostly long before."
)
_FIT_NOTES = (
    "By the defaults it takes about a minute in the plane; the bar says how long is left. Exit "
    "status: 0 training came to its end; 3 bad input, nothing written; 4 training was "
    "interrupted (Ctrl-C, SIGTERM), met an error or numbers that are not finite, and the model "
    "was written with what was learned."
)


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
    options = command_parser().parse_args(arguments)
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


def command_parser() -> argparse.ArgumentParser:
    """Put the parsers of all commands together."""
    parser = _Parser(prog="ehf", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--version", action=_Version, nargs=0, help="print it and what computes")
    commands = parser.add_subparsers(required=True, metavar="command", parser_class=_Parser)
    for name, add, text, more in (
        ("check", add_check, "prove or refute {g, π} = 0", None),
        ("density", add_density, _DENSITY, _DENSITY_TIME),
        ("fit", add_fit, _FIT, _FIT_NOTES),
        ("sample", add_sample, "draw points from a saved model", None),
        ("weigh", add_weigh, _WEIGH, None),
        ("score", add_score, "estimate ln p(x) of points, with errors", None),
        ("diagnose", add_diagnose, "measure what a saved model keeps", None),
        ("audit", add_audit, "look for points at which a function breaks a symmetry", None),
        ("reproduce", add_experiments, "run an experiment", None),
    ):
        described = f"{text[0].upper()}{text[1:]}."
        add(commands.add_parser(name, help=text, description=described, epilog=more))
    return parser


def _takes_formula(word: str) -> bool:
    """Tell whether a word is an option, perhaps shortened, that a formula follows."""
    return len(word) > 2 and any(option.startswith(word) for option in _FORMULA_OPTIONS)


class _Parser(argparse.ArgumentParser):
    """argparse, but for formulas that begin with a minus, and for its exit status.

    It ends with status 2, which here means undecided, and would take "-q1" for an option.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"formatter_class": CommandHelp} | options)

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


class CommandHelp(argparse.HelpFormatter):
    """Help that tells defaults, where there are any and the text does not."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", action.default
        told = "default" in text or not action.option_strings
        if told or default is None or default is False or default in ([], argparse.SUPPRESS):
            return text
        shown = " ".join(map(str, default)) if isinstance(default, list) else default
        return f"{text} (default: {shown})"


class _Version(argparse.Action):
    """Print the version and the engine, which are looked up on demand."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"{DISTRIBUTION} {versions()[DISTRIBUTION]}; engine: {present_engine()}")
        parser.exit()
