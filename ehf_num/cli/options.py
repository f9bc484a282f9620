"""Options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ehf_num.files.readers import SUFFIXES, read_table
from ehf_num.files.table import Request, Table

WEIGHED = 10_000  # draws, to judge what was learned from an energy
FORMATS = ("text", "latex", "html", "json")
_DELIMITERS = {"tab": "\t", "\\t": "\t", "space": " "}


def choice(
    group: argparse._ArgumentGroup,
    name: str,
    choices: Sequence[str],
    text: str,
    default: str | None = None,
) -> None:
    """Add an option that takes one of some words."""
    group.add_argument(name, choices=choices, default=default, help=text)


def numbers(group: argparse._ArgumentGroup, *options: tuple[str, float, str]) -> None:
    """Add options by name, default and text; a default that is whole takes whole numbers."""
    for name, default, text in options:
        kind, shown = (int, "N") if isinstance(default, int) else (float, "X")
        group.add_argument(name, type=kind, default=default, metavar=shown, help=text)


def add_seed(group: argparse._ArgumentGroup) -> None:
    """Add what all random numbers come from."""
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of all random numbers")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add a file with a model."""
    parser.add_argument("model", type=Path, help="a model that was saved, .npz")


def add_points(
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


def read(options: argparse.Namespace, model: Any = None) -> Table:
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


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add where a model goes, the seed and the bar."""
    run = parser.add_argument_group("run")
    run.add_argument("--out", type=Path, required=True, help="the model, .npz")
    add_seed(run)
    run.add_argument("--no-progress", action="store_true", help="no bar")


def progress(options: argparse.Namespace) -> bool | None:
    """Return None, which shows the bar on a terminal only, unless it is switched off."""
    return False if options.no_progress else None
