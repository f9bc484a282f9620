"""What a limit on time costs: the thread that watches, against a process for each call.

python -m tests.benchmarks.limits
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np
import sympy as sp

import ehf_sym as es
from ehf_sym import clock
from tests.benchmarks import common

_X = sp.Symbol("x", real=True)


def main() -> None:
    """Print the table."""
    symmetry = es.groups.so(3)
    base = es.StandardNormal(symmetry.space)
    print(f"Median milliseconds on {common.machine()}\n")
    rows = [
        ["SymPy's derivative of a square under the thread's watch", _milliseconds(_watched)],
        *(
            [f"the same in a process of its own ({method})", _in_process(method)]
            for method in ("fork", "spawn")
            if method in multiprocessing.get_all_start_methods()
        ),
        ["`check` of SO(3), three calls under watch", _milliseconds(lambda: symmetry.check(base))],
    ]
    print(common.table(["work", "ms"], rows))


def _milliseconds(work: Callable[[], object], times: int = 7) -> str:
    return (
        f"{1e3 * float(np.median([common.seconds(lambda _: work(), 1) for _ in range(times)])):.2g}"
    )


def _watched() -> None:
    with clock.time_limit(60):
        clock.interrupted(lambda: (_X**2 + 1).diff(_X))


def _in_process(method: str) -> str:
    context = multiprocessing.get_context(method)

    def once() -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=_answer, args=(theirs, _X**2 + 1))
        process.start()
        ours.recv()
        process.join()

    return _milliseconds(once)


def _answer(pipe: Connection, formula: sp.Expr) -> None:
    pipe.send(formula.diff(_X))


if __name__ == "__main__":
    main()
