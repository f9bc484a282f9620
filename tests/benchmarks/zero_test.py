"""The zero test against SymPy's `simplify` and `equals` and against poissongeometry.

    python -m tests.benchmarks.zero_test [--limit 10] [--methods is_zero] [--cases cases.csv]

Every entry of `tests/sym/identities` is asked of each method in a process of its own, which ends
when one answer takes more processor time than the limit. What each answer counts as is on the page
docs/zero_test.md, whose table ``--write`` replaces. poissongeometry is asked about brackets
{f, g} = h, the only statements that it can express, and left out where it is not installed.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields, replace
from importlib.metadata import version
from math import ceil
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import sympy as sp

from tests.sym.identities import HARD, PLANTED, TRUE, Identity

PAGE = Path(__file__).parents[2] / "docs" / "zero_test.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
GROUPS = {"true": TRUE, "planted": PLANTED, "hard": HARD}
OUTCOMES = ("right", "wrong", "undecided", "timed out")
PAIRS = 3
BIVECTOR = {(k, k + PAIRS): "1" for k in range(1, PAIRS + 1)}


def by_is_zero(entry: Identity) -> bool | None:
    from ehf_sym import is_zero

    return {"proved": True, "refuted": False}.get(is_zero(entry.formula).status)


def by_simplify(entry: Identity) -> bool | None:
    return bool(sp.simplify(entry.formula) == 0)


def by_equals(entry: Identity) -> bool | None:
    answer: bool | None = entry.formula.equals(0)
    return answer


def by_poissongeometry(entry: Identity) -> bool | None:
    """Its own test for zero on {f, g} - h: is that times dx1 in the kernel of the bivector?"""
    from poisson.poisson import PoissonGeometry

    geometry = PoissonGeometry(2 * PAIRS)
    names = [f"{letter}{k}" for letter in "qp" for k in range(1, PAIRS + 1)]
    renaming = {name: f"x{k}" for k, name in enumerate(names, start=1)}
    assert entry.bracket is not None
    f, g, h = (_text(part, renaming) for part in entry.bracket)
    difference = f"({geometry.poisson_bracket(BIVECTOR, f, g)}) - ({h})"
    return bool(geometry.is_in_kernel(BIVECTOR, {(1,): difference}))


def _text(formula: sp.Expr, renaming: dict[str, str]) -> str:
    symbols = {s: sp.Symbol(renaming.get(s.name, s.name)) for s in formula.free_symbols}
    return str(formula.xreplace(symbols))


@dataclass(frozen=True)
class Method:
    """A name, its question, and whether "not zero" is more than "not shown to be zero"."""

    name: str
    ask: Callable[[Identity], bool | None]
    refutes: bool = True
    brackets_only: bool = False


METHODS = [
    Method("is_zero", by_is_zero),
    Method("simplify", by_simplify, refutes=False),
    Method("equals", by_equals),
    Method("poissongeometry", by_poissongeometry, refutes=False, brackets_only=True),
]


@dataclass(frozen=True)
class Result:
    """What one method said of one entry, and how long it took."""

    method: str
    group: str
    kind: str
    name: str
    outcome: str
    seconds: float
    note: str = ""


class Record:
    """Results, kept in a CSV file as they come if there is one."""

    def __init__(self, path: Path | None) -> None:
        self.results: list[Result] = []
        self._path = path
        if path is not None and path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                for line in csv.DictReader(file):
                    self.results.append(Result(**(line | {"seconds": float(line["seconds"])})))
        elif path is not None:
            self._write(field.name for field in fields(Result))
        self.known = {(r.method, r.group, r.name) for r in self.results}

    def add(self, result: Result) -> None:
        self.results.append(result)
        self._write(astuple(replace(result, seconds=round(result.seconds, 4))))

    def _write(self, line: Iterable[Any]) -> None:
        if self._path is not None:
            with self._path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(line)


def judge(method: Method, entry: Identity, answer: bool | None) -> str:
    """Say what an answer counts as.

    A method that only simplifies does not claim that what is left is not zero: for a true
    identity that counts as undecided.
    """
    if answer is None or (answer is False and entry.true and not method.refutes):
        return "undecided"
    return "right" if answer == entry.true else "wrong"


def serve(ask: Callable[[Identity], bool | None], questions: Any, limit: float) -> None:
    """Answer questions, each without what SymPy remembers of others.

    The system ends the process when an answer has taken the limit of processor time.
    """
    # A warm start for everybody: the imports and the first call are not timed.
    ask(TRUE_BRACKET)
    questions.send("ready")
    while (question := questions.recv()) is not None:
        sp.core.cache.clear_cache()
        start = time.process_time()
        resource.setrlimit(resource.RLIMIT_CPU, (ceil(start + limit), resource.RLIM_INFINITY))
        try:
            answer, note = ask(question), ""
        except Exception as error:
            answer, note = None, f"{type(error).__name__}: {error}"[:100]
        questions.send((answer, time.process_time() - start, note))


TRUE_BRACKET = next(entry for entry in TRUE if entry.bracket is not None)


class Worker:
    """A process that answers, and is replaced when it takes too long."""

    def __init__(self, method: Method, limit: float) -> None:
        self._method, self._limit = method, limit
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(self._method.ask, theirs, self._limit), daemon=True
        )
        self._process.start()
        theirs.close()
        assert self._pipe.recv() == "ready"

    def ask(self, group: str, entry: Identity) -> Result:
        case = (self._method.name, group, entry.kind, entry.name)
        self._pipe.send(entry)
        try:
            answer, seconds, note = self._pipe.recv()
        except EOFError:
            self._process.join()
            self._start()
            return Result(*case, "timed out", self._limit)
        return Result(*case, judge(self._method, entry, answer), seconds, note)

    def close(self) -> None:
        self._pipe.send(None)
        self._process.join()


def questions(method: Method, every: int) -> list[tuple[str, Identity]]:
    """All that a method can express, or every so-manieth of each group."""
    return [
        (group, entry)
        for group, entries in GROUPS.items()
        for entry in entries[::every]
        if entry.bracket is not None or not method.brackets_only
    ]


def run(method: Method, options: argparse.Namespace, record: Record) -> None:
    """Ask one method about everything that is not in the record yet."""
    worker = Worker(method, options.limit)
    for group, entry in questions(method, options.every):
        if (method.name, group, entry.name) not in record.known:
            record.add(worker.ask(group, entry))
    worker.close()


def row(label: Sequence[str], results: Sequence[Result]) -> str:
    """One line of the table."""
    seconds = [result.seconds for result in results]
    counts = [sum(r.outcome == outcome for r in results) for outcome in OUTCOMES]
    ninth = quantiles(seconds, n=10)[-1] if len(seconds) > 1 else seconds[0]
    cells = [
        *label,
        *(str(count) for count in counts),
        f"{1000 * median(seconds):.0f}",
        f"{1000 * ninth:.0f}",
        f"{sum(seconds):.1f}",
    ]
    return "| " + " | ".join(cells) + " |\n"


def table(first: str, rows: dict[str, list[Result]]) -> str:
    """Rows by label, and in each the methods."""
    heads = (first, "method", *OUTCOMES, "median ms", "90 % below, ms", "total s")
    text = "| " + " | ".join(heads) + " |\n" + "| --- " * len(heads) + "|\n"
    for label, results in rows.items():
        for method in METHODS:
            mine = [r for r in results if r.method == method.name]
            if mine:
                text += row((f"{label} ({len(mine)})", method.name), mine)
    return text


def report(results: list[Result], limit: float, command: str) -> str:
    """Everything between the marks of the page."""
    groups = {group: [r for r in results if r.group == group] for group in GROUPS}
    kinds = dict.fromkeys(r.kind for r in results if r.group != "hard")
    classes = {kind: [r for r in results if r.kind == kind and r.group != "hard"] for kind in kinds}
    packages = ["sympy", "mpmath", *(["poissongeometry"] if _has_poissongeometry() else [])]
    if importlib.util.find_spec("flint"):
        packages.append("python-flint")
    names = ", ".join(f"{name} {version(name)}" for name in packages)
    wrong = [r for r in results if r.outcome == "wrong"]
    lines = "".join(f"| {r.method} | {r.kind} | {r.name} |\n" for r in wrong) or "| none | | |\n"
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"{names}; at most {limit:g} s of processor time a case; `{command}`.\n\n"
        + table("group", groups)
        + "\nThe true and the planted ones by class:\n\n"
        + table("class", classes)
        + "\nDecided wrongly:\n\n| method | class | case |\n| --- | --- | --- |\n"
        + lines
    )


def _has_poissongeometry() -> bool:
    return importlib.util.find_spec("poisson") is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=10, help="seconds for one answer")
    parser.add_argument("--every", type=int, default=1, help="3: only each third case")
    parser.add_argument("--methods", nargs="+", choices=[m.name for m in METHODS])
    parser.add_argument(
        "--cases",
        type=Path,
        help="CSV with a line for each case and method; what it holds is not asked again",
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/zero_test.md")
    options = parser.parse_args()
    methods = [
        m
        for m in METHODS
        if (_has_poissongeometry() or not m.brackets_only)
        and m.name in (options.methods or [m.name])
    ]
    record = Record(options.cases)
    # Each thread waits for a process of its own: as many at a time as there are cores.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda method: run(method, options, record), methods))
    command = " ".join(["python -m tests.benchmarks.zero_test", *sys.argv[1:]])
    text = report(record.results, options.limit, command)
    print(text)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        page = before + BEGIN + "\n" + text + "\n" + END + rest.split(END)[1]
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
