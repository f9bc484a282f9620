"""Memory of training: against iterations, and against leapfrog steps.

    python -m tests.benchmarks.memory [--write]

Each run is a process of its own, which builds a 2-D model, forgets its peak so far, trains, and
reports by how much its resident memory rose at the most. Linux only.
"""

from __future__ import annotations

import json

from tests.benchmarks import common
from tests.benchmarks.problem import Problem

ITERATIONS = (50, 500, 5000)
LEAPFROG_STEPS = (2, 10, 100, 1000)
TIME = 1.0  # of a whole flow: the step size is TIME over the number of steps


def _child(problem: Problem, iterations: int) -> None:
    import ehf_num as en
    import ehf_sym as es

    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(space),
        es.LieAlgebra(space, [q1 * p2 - q2 * p1]),
        steps=problem.steps,
        step_size=TIME / problem.steps,
        dtype=problem.dtype,
        rng=problem.seed,
    )
    x = problem.inputs[0]
    grown = common.peak_growth(
        lambda: flow.fit(x, iterations=iterations, batch_size=problem.batch, progress=False)
    )
    print(json.dumps([grown, 1e3 * flow.result_.seconds / iterations]))


def main() -> None:
    parser = common.parser(__doc__ or "")
    parser.add_argument("--batch", type=int, default=256, help="default: 256")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--run", type=int, nargs=2, metavar=("STEPS", "ITERATIONS"))
    options = parser.parse_args()
    if options.run:
        steps, iterations = options.run
        problem = Problem(2, options.batch, options.dtype, options.seed, steps)
        _child(problem, iterations)
        return

    arguments = ["--batch", options.batch, "--dtype", options.dtype, "--seed", options.seed]

    def row(steps: int, iterations: int) -> list[str]:
        run = ["--run", steps, iterations]
        grown, milliseconds = common.run_apart("memory", *map(str, arguments + run))
        return [str(steps), str(iterations), common.number(grown), common.number(milliseconds)]

    header = ["leapfrog steps", "iterations", "growth at the peak, MB", "ms an iteration"]
    rows = [row(2, iterations) for iterations in ITERATIONS]
    rows += [row(steps, 3) for steps in LEAPFROG_STEPS]
    text = "\n\n".join(
        [
            "`python -m tests.benchmarks.memory`",
            f"{common.machine()}; batch {options.batch}, {options.dtype}.",
            common.table(header, rows),
        ]
    )
    common.show("memory", text, write=options.write)


if __name__ == "__main__":
    main()
