"""Time from the start of Python to the 100th training step: ours, JAX and PyTorch.

    python -m tests.benchmarks.startup [--write]

d = 2, batch 256, each run a process of its own, in turn. Ours proves the symmetry, builds the model
and calls `fit`; the peers import, compile where they do, and take 100 steps on one minibatch that
is there before. No cache of compiled code is used; bytecode is cached for all, by a first run that
is not counted. The import of each package alone is timed in the same way.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable

from tests.benchmarks import common
from tests.benchmarks.problem import Problem

STEPS = 100


def _ours(problem: Problem) -> None:
    import ehf_num as en
    import ehf_sym as es

    space = es.PhaseSpace(problem.dim)
    (q1, q2), (p1, p2) = space.q, space.p
    symmetry = es.LieAlgebra(space, [q1 * p2 - q2 * p1])
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(space), symmetry, dtype=problem.dtype, rng=problem.seed
    )
    flow.fit(problem.inputs[0], iterations=STEPS, batch_size=problem.batch, progress=False)


def _jax(problem: Problem) -> None:
    from tests.benchmarks.peers_jax import JaxStep

    JaxStep(problem).advance(STEPS)


def _torch(problem: Problem, mode: str | None = None) -> None:
    from tests.benchmarks.peers_torch import TorchStep

    TorchStep(problem, threads=1, mode=mode).advance(STEPS)


RUNS: dict[str, tuple[str, Callable[[Problem], None]]] = {
    "ehf_num": ("ehf_num", _ours),
    "JAX, jit": ("jax", _jax),
    "PyTorch, eager": ("torch", _torch),
    "torch.compile": ("torch", lambda problem: _torch(problem, "default")),
}
IMPORTS = {
    f"import {package}": package
    for package in ("numpy", "sympy", "ehf_sym", "ehf_num", "jax", "torch")
}
NO_CACHES = {
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1",
    "PYTHONDONTWRITEBYTECODE": "",
}


def _child(name: str, problem: Problem) -> None:
    """Take the steps, or import, and print the clock, which all processes share."""
    if name in RUNS:
        RUNS[name][1](problem)
    else:
        importlib.import_module(IMPORTS[name])
    print(json.dumps(time.clock_gettime(time.CLOCK_MONOTONIC)))


def _seconds(name: str, arguments: list[str], environment: dict[str, str]) -> float:
    start = time.clock_gettime(time.CLOCK_MONOTONIC)
    end: float = common.run_apart("startup", "--run", name, *arguments, environment=environment)
    return end - start


def main() -> None:
    parser = common.parser(__doc__ or "")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--run", metavar="NAME", help="one run, in this process")
    options = parser.parse_args()
    if options.run:
        _child(options.run, Problem(2, 256, options.dtype, options.seed))
        return

    names = [name for name, (package, _) in RUNS.items() if _installed(package)]
    if options.no_compile and "torch.compile" in names:
        names.remove("torch.compile")
    names += [name for name, package in IMPORTS.items() if _installed(package)]
    arguments = ["--dtype", options.dtype, "--seed", str(options.seed)]
    times: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        environment = NO_CACHES | {"TORCHINDUCTOR_CACHE_DIR": os.path.join(folder, "inductor")}
        for round_ in range(options.rounds + 1):
            for name in names:
                seconds = _seconds(name, arguments, environment)
                if round_:
                    times[name].append(seconds)
                print(f"{name}: {seconds:.2f} s", file=sys.stderr, flush=True)
    common.show("startup", _report(times, options.rounds), write=options.write)


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _report(times: dict[str, list[float]], rounds: int) -> str:
    quartiles = {name: common.Quartiles.of(values) for name, values in times.items()}
    ours = quartiles["ehf_num"].median
    rows = [
        [name, str(q), f"{q.median / ours:.2f}"] for name, q in quartiles.items() if name in RUNS
    ]
    imports = [[f"`{name}`", str(quartiles[name])] for name in IMPORTS if name in quartiles]
    _, notes = common.peers()
    return "\n\n".join(
        [
            "`python -m tests.benchmarks.startup`",
            f"{common.machine(*notes)}; {rounds} rounds.",
            common.table(["to the 100th step", "seconds, median (quartiles)", "ratio"], rows),
            common.table(["import alone", "seconds, median (quartiles)"], imports),
        ]
    )


if __name__ == "__main__":
    main()
