"""From what size on a second thread pays: the flow's forward and backward pass, one share or two.

    python -m tests.benchmarks.threads [--repeats 200]

Times are the least of many repeats, interleaved; the work is in multiply-adds of the forward pass,
as `parallel.LEAST_KERNEL_WORK` counts them: those in float32
half. Where two shares take less than one, the threshold should be half of the work or less.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from ehf_num.engine import parallel
from ehf_num.engine.engine import present_engine
from ehf_num.engine.networks import init_energy
from ehf_num.engine.tape import make_vjp
from ehf_num.hamiltonian.splitting import Chain, schedule


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    options = parser.parse_args()
    parallel.LEAST_KERNEL_WORK = 1.0
    print(f"engine: {present_engine()}")
    rng = np.random.default_rng(0)
    print(f"{'dtype':>8}{'width':>7}{'rows':>6}{'work':>10}{'one ms':>9}{'two ms':>9}{'gain':>7}")
    for dtype in ("float64", "float32"):
        for width in (32, 64, 128, 256):
            weights = [
                array for _ in range(2) for array in init_energy((2, width, width, 1), rng, dtype)
            ]
            chain = Chain(schedule(2, 0.5), hamiltonians=1, rebuild=False)
            work_a_row = chain.kernel(tuple(weights)).products
            work_a_row *= weights[0].itemsize / 8
            for rows in (8, 16, 32, 64, 128, 256):
                q, p = rng.standard_normal((2, rows, 2)).astype(dtype)
                best = {1: np.inf, 2: np.inf}
                with parallel.one_blas_thread():
                    for _ in range(options.repeats):
                        for count in best:
                            parallel.set_threads(count)
                            start = time.perf_counter()
                            _step(chain, q, p, weights)
                            best[count] = min(best[count], 1e3 * (time.perf_counter() - start))
                print(
                    f"{dtype:>8}{width:>7}{rows:>6}{work_a_row * rows:>10.1e}{best[1]:>9.2f}"
                    f"{best[2]:>9.2f}{best[1] / best[2]:>7.2f}"
                )


def _step(flow, q, p, weights) -> None:
    nowhere = np.empty((0, 2 * q.shape[1]), q.dtype)
    vjp, states = make_vjp(lambda arrays: flow(q, p, nowhere, *arrays)[0], weights)
    vjp(states)


if __name__ == "__main__":
    main()
