"""A million samples and densities of a trained 2-D model: time and memory.

    python -m tests.benchmarks.inference [--write]

The model is trained for a moment, each call is made in a process of its own, once before it is
timed, and reports its time and by how much resident memory rose at the most (Linux only). Peers
push the same base states through the same weights, in blocks; their positions are compared with
ours first, and base draws are part of no one's time but ours. The floor is the matrix products of
`sample` in NumPy, on two threads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ehf_num.engine.parallel import one_blas_thread
from tests.benchmarks import common
from tests.benchmarks.floor import Floor, sampling_products
from tests.benchmarks.problem import HIDDEN, STEP_SIZE, STEPS, Array

BLOCK = 8192
TOLERANCES = {"float64": 1e-6, "float32": 1e-3}


def _model(dtype: str, seed: int) -> Any:
    import ehf_num as en
    import ehf_sym as es

    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(space),
        es.LieAlgebra(space, [q1 * p2 - q2 * p1]),
        steps=STEPS,
        step_size=STEP_SIZE,
        hidden=HIDDEN,
        dtype=dtype,
        rng=seed,
    )
    return flow.fit(en.rings().sample, iterations=200, progress=False)


def _ours(call: str) -> Callable[[Any, Array], object]:
    return {
        "sample": lambda flow, x: flow.sample(len(x), rng=1),
        "joint_log_prob": lambda flow, x: flow.joint_log_prob(x[:, :2], x[:, 2:]),
        "elbo, one draw": lambda flow, x: flow.elbo(x[:, :2], n_samples=1),
    }[call]


def _jax(flow: Any) -> Callable[[Array], Array]:
    import jax

    from tests.benchmarks.loss import forward
    from tests.benchmarks.peers_jax import OPERATIONS

    weights = [jax.numpy.asarray(w) for w in flow.weights]
    compiled = jax.jit(lambda states: forward(OPERATIONS, weights, states))
    return lambda states: np.concatenate([compiled(block) for block in _blocks(states)])


def _torch(flow: Any) -> Callable[[Array], Array]:
    import torch

    from tests.benchmarks.loss import forward
    from tests.benchmarks.peers_torch import OPERATIONS

    weights = [torch.from_numpy(w.copy()) for w in flow.weights]

    def push(states: Array) -> Array:
        with torch.inference_mode():
            blocks = [
                forward(OPERATIONS, weights, torch.from_numpy(block)) for block in _blocks(states)
            ]
        return np.concatenate(blocks)

    return push


def _blocks(states: Array) -> list[Array]:
    return [states[start : start + BLOCK] for start in range(0, len(states), BLOCK)]


OURS = ("sample", "joint_log_prob", "elbo, one draw")
PEERS = {"jax": ("JAX, jit", _jax), "torch": ("PyTorch, eager", _torch)}
FLOOR = "products"
LABELS = {
    **{name: f"ehf_num, `{name}`" for name in OURS},
    **{name: f"{label}, flow alone" for name, (label, _) in PEERS.items()},
    FLOOR: "matrix products of `sample` alone",
}


def _child(name: str, dtype: str, points: int, seed: int) -> None:
    call = _floor(dtype, points, seed) if name == FLOOR else _call(name, dtype, points, seed)
    start = time.perf_counter()
    grown = common.peak_growth(call)
    print(json.dumps([time.perf_counter() - start, grown]))


def _floor(dtype: str, points: int, seed: int) -> Callable[[], object]:
    floor = Floor(sampling_products(2, BLOCK // 2), dtype, seed, 2, one_blas_thread)
    floor.advance(1)
    return lambda: floor.advance(-(-points // BLOCK))


def _call(name: str, dtype: str, points: int, seed: int) -> Callable[[], object]:
    flow = _model(dtype, seed)
    states = np.random.default_rng(1).standard_normal((points, 4)).astype(dtype)
    if name in PEERS:
        push = PEERS[name][1](flow)
        some = states[:BLOCK]
        ours, _ = flow.forward(some[:, :2], some[:, 2:])
        np.testing.assert_allclose(push(some), ours, atol=TOLERANCES[dtype])
        return lambda: push(states)
    ours_call = _ours(name)
    ours_call(flow, states[:BLOCK])
    return lambda: ours_call(flow, states)


def main() -> None:
    parser = common.parser(__doc__ or "")
    parser.add_argument("--points", type=int, default=1_000_000, help="default: a million")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--run", nargs=2, metavar=("NAME", "DTYPE"), help="one, in this process")
    options = parser.parse_args()
    if options.run:
        _child(*options.run, options.points, options.seed)
        return

    peers, notes = common.peers()
    rest = ["--points", str(options.points), "--seed", str(options.seed)]
    rows = []
    for dtype in ("float64", "float32"):
        results: dict[str, list[list[float]]] = {name: [] for name in [*OURS, *peers, FLOOR]}
        for _ in range(options.rounds):
            for name, found in results.items():
                found.append(common.run_apart("inference", "--run", name, dtype, *rest))
        for name, found in results.items():
            seconds, grown = zip(*found, strict=True)
            figures = str(common.Quartiles.of(seconds)), common.number(max(grown))
            rows.append([LABELS[name], dtype, *figures])
    header = ["call", "dtype", "seconds, median (quartiles)", "growth at the peak, MB"]
    text = "\n\n".join(
        [
            "`python -m tests.benchmarks.inference`",
            f"{common.machine(*notes)}; {options.points:,} points, {options.rounds} rounds.",
            common.table(header, rows),
        ]
    )
    common.show("inference", text, write=options.write)


if __name__ == "__main__":
    main()
