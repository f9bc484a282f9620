"""Growth of the time of a step with batch, leapfrog steps, Hamiltonians and d.

    python -m tests.benchmarks.scaling [--write]

One quantity varies at a time, from d = 2, batch 256, 2 steps and one Hamiltonian. Two fits are
reported: the slope of log time over log quantity for the larger half of the values, and t = a + b x
for all of them, with the largest deviation from it. For d, x is the number of multiplications in
the step's matrix products.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np

from tests.benchmarks import common
from tests.benchmarks.floor import multiply_adds, products
from tests.benchmarks.ours import Ours
from tests.benchmarks.problem import Problem

VALUES = {
    "batch": (128, 256, 512, 1024, 2048, 4096),
    "steps": (1, 2, 4, 8, 16, 32),
    "hamiltonians": (1, 2, 4, 8, 16),
    "dim": (2, 4, 8, 16, 32, 64, 128),
}
NAMES = {"steps": "leapfrog steps", "hamiltonians": "Hamiltonians", "dim": "d"}


def fits(x: list[float], times: list[float]) -> tuple[float, float, float, float]:
    """Return the log-log slope of the larger half, then a, b and the largest relative deviation."""
    half = len(x) // 2
    slope = np.polyfit(np.log(x[half:]), np.log(times[half:]), 1)[0]
    weights = 1 / np.asarray(times)  # relative deviations count
    b, a = np.polyfit(x, times, 1, w=weights)
    deviation = np.abs((a + b * np.asarray(x)) / times - 1).max()
    return float(slope), float(a), float(b), float(deviation)


def main() -> None:
    parser = common.parser(__doc__ or "")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    options = parser.parse_args()
    start = Problem(2, 256, options.dtype, options.seed)
    rows = []
    for quantity, values in VALUES.items():
        problems = [replace(start, **{quantity: value}) for value in values]
        runs = {str(getattr(p, quantity)): Ours(p).advance for p in problems}
        timings = common.interleaved(runs, options.rounds, samples_a_round=5)
        times = [timing.median for timing in timings.values()]
        x = [float(value) for value in values]
        if quantity == "dim":
            x = [float(multiply_adds(products(p.dim, p.batch))) for p in problems]
        slope, _, _, deviation = fits(x, times)
        measured = ", ".join(
            f"{value}: {common.number(time)}" for value, time in zip(values, times, strict=True)
        )
        name = NAMES.get(quantity, quantity)
        rows.append([name, measured, f"{slope:.2f}", f"{100 * deviation:.0f} %"])
        print(rows[-1], file=sys.stderr, flush=True)
    header = ["quantity", "ms a step", "log-log slope", "largest deviation from a + b x"]
    text = "\n\n".join(
        [
            "`python -m tests.benchmarks.scaling`",
            f"{common.machine()}; {options.dtype}, {options.rounds} rounds of 5 samples, medians.",
            common.table(header, rows),
        ]
    )
    common.show("scaling", text, write=options.write)


if __name__ == "__main__":
    main()
