"""What is asked of formulas and functions: ehf check, ehf audit."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from operator import attrgetter
from typing import Any, get_args

import numpy as np

import ehf_num as en
import ehf_sym as es
from ehf_num.cli.formulas import ASSUMPTIONS, add_formulas, base_of, parameter_of, symmetry_of
from ehf_num.cli.options import FORMATS, add_points, add_seed, choice, numbers, read
from ehf_num.symmetry.audit import Kind
from ehf_sym.errors import ArgumentError

_STATUS = {"proved": 0, "refuted": 1, "undecided": 2}
_AUDIT_STATUS = {"consistent": 0, "broken": 1, "undecided": 2}


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the options of ehf check."""
    formulas = add_formulas(parser)
    formulas.add_argument(
        "--dim", type=int, metavar="N", help="d, the number of positions; --group knows it"
    )
    formulas.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME[:ASSUMPTION,...]",
        help="a constant of unknown value that formulas may contain, such as m:positive; real "
        f"unless said otherwise; {', '.join(ASSUMPTIONS)}; may be repeated",
    )
    out = parser.add_argument_group("output")
    choice(out, "--format", FORMATS, "of the report", "text")
    parser.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    symmetry = symmetry_of(options, options.dim, [parameter_of(t) for t in options.parameter])
    if symmetry is None:
        raise es.ArgumentError("there is nothing to check; give --generator, --group or --finite")
    report = symmetry.check(base_of(options.base, symmetry.space))
    print(getattr(report, f"to_{options.format}")())
    return _STATUS[report.status]


def add_audit(parser: argparse.ArgumentParser) -> None:
    """Add the options of ehf audit."""
    parser.add_argument(
        "function", metavar="MODULE:FUNCTION", help="of points (n, d), imported from this directory"
    )
    add_points(parser)
    promise = parser.add_argument_group("promise")
    promise.add_argument(
        "--group",
        required=True,
        metavar="FORMULAS|NAME",
        help='such as "so(3)", or "q1*p2 - q2*p1", several separated by commas',
    )
    choice(promise, "--kind", get_args(Kind), "what f should be", "invariant")
    promise.add_argument(
        "--output",
        default="vectors",
        metavar="vectors|points|FORMULAS|NAME",
        help="how values of an equivariant map move",
    )
    numbers(
        promise,
        ("--elements", 16, "tried of each generator, at every point"),
        ("--tolerance", 0.0, "allowed besides rounding, in units of f"),
    )
    add_seed(promise)
    choice(parser.add_argument_group("output"), "--format", FORMATS, "of the report", "text")
    parser.set_defaults(command=_audit)


def _audit(options: argparse.Namespace) -> int:
    report = en.audit(
        _function(options.function),
        options.group,
        np.asarray(read(options)),
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
