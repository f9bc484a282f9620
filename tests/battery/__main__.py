"""The battery: rows of checks, one table.

    python -m tests.battery [--rows 1 2 5] [--quick] [--write]

A row's cases run one by one: a failure is told below the table and stops nothing. Seeds are fixed.
``--write`` puts the lines of the rows that ran into docs/trust.md; the others stay as they were.
The exit code is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import sys

from tests.battery import frame
from tests.battery.rows import ROWS
from tests.benchmarks.common import machine, replace_section

SECTION = "battery"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.battery",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    numbers = [row.number for row in ROWS]
    parser.add_argument(
        "--rows", type=int, nargs="+", choices=numbers, default=numbers, metavar="N"
    )
    parser.add_argument("--quick", action="store_true", help="a few cases of each row")
    parser.add_argument("--write", action="store_true", help="put the lines into docs/trust.md")
    options = parser.parse_args(arguments)
    if options.write and options.quick:
        parser.error("--write takes rows in their ordinary size: leave out --quick")
    print(f"seed {frame.SEED}; {machine()}\n")
    outcomes = []
    for row in ROWS:
        if row.number in options.rows:
            outcomes.append(frame.run(row, quick=options.quick))
            print(outcomes[-1].line(), flush=True)
            for kind in ("failures", "skipped", "notes"):
                for line in getattr(outcomes[-1], kind):
                    print(f"    {kind}: {line}", flush=True)
            if options.write:
                write(outcomes[-1:])
    failed = sum(len(outcome.failures) for outcome in outcomes)
    print(f"\n{frame.table([outcome.line() for outcome in outcomes])}\n\n{failed} failed")
    return int(failed > 0)


def write(outcomes: list[frame.Outcome]) -> None:
    """Put the lines of rows into the page as they end."""
    page = frame.PAGE.read_text(encoding="utf-8")
    text = f"seed {frame.SEED}; {machine()}\n\n" + frame.table(frame.merged(page, outcomes))
    frame.PAGE.write_text(replace_section(page, SECTION, text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
