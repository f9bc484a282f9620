"""How tight encoders of sums over windows are on DW4: ELBO, and estimates with 1,024 draws.

    python -m tests.benchmarks.window_encoders --iterations 3000

trains one flow (8 Hamiltonians, sums over pairs and particles, float32) on 1,000 points with each
encoder and bound, and prints negative log-likelihoods of 500 test points in nats, with the gap.
"""

from __future__ import annotations

import argparse
import time
from itertools import product

import numpy as np

import ehf_num as en
import ehf_sym as es


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--test", type=int, default=500)
    options = parser.parse_args()
    en.set_threads(1)
    points = en.parallel_tempering(en.DoubleWell(), 1000 + options.test, rng=7, width=2.0).x
    scale = float(points[:1000].std())
    data, test = points[:1000] / scale, points[1000:] / scale
    log_volume = data.shape[1] * np.log(scale)
    print("precision bound        ELBO  1,024 draws    gap  laplace  seconds")
    for precision, bound in product(("windows", "scalar"), ("importance", "elbo")):
        draws = 4 if bound == "importance" else 1
        flow = model(precision, options.seed)
        start = time.process_time()
        flow.fit(
            data,
            iterations=options.iterations,
            batch_size=options.batch,
            learning_rate=5e-3,
            schedule=en.LearningRateSchedule("cosine", warmup=200),
            objective=bound,
            draws=draws,
            augment=False,
            progress=False,
        )
        seconds = time.process_time() - start
        elbo = log_volume - float(np.mean(flow.elbo(test, n_samples=1024)))
        tight = log_volume - float(np.mean(flow.log_prob(test, n_samples=1024)))
        around = log_volume - flow.likelihood(test, method="laplace", n_samples=1024).mean
        print(
            f"{precision:9} {bound:10} {elbo:6.3f} {tight:12.3f} {elbo - tight:6.3f} "
            f"{around:8.3f} {seconds:8.0f}",
            flush=True,
        )


def model(precision: str, seed: int) -> en.EquivariantHamiltonianFlow:
    """Make the flow of DW4, of public words."""
    frame = es.Particles(4, 2).relative()
    form = {"hidden": (32,), "site_hidden": (32, 32), "gaussians": 8, "reach": 4.5}
    potential = en.OrbitSum.pairs(frame, **form)
    return en.EquivariantHamiltonianFlow(
        es.StandardNormal(frame.space),
        frame.symmetry(),
        enforce="exact",
        potential=potential,
        kinetic=en.OrbitSum.pairs(frame, of="p", **form),
        encoder=en.OrbitEncoder(potential, precision),
        integrator=en.LearnedStep(en.Dilated(en.Leapfrog(1, 0.3))),
        hamiltonians=8,
        dtype="float32",
        rng=seed,
    )


if __name__ == "__main__":
    main()
