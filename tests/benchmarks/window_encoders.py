"""How tight encoders of sums over windows are on DW4: ELBO, and estimates with 1,024 draws.

    python -m tests.benchmarks.window_encoders --iterations 3000

trains flows of sums over pairs and particles (float32) on 1,000 points with each encoder and bound,
the last one of maps of q with momenta carried along, and prints negative log-likelihoods of test
points in nats, with the gap. Beside it, what p(p|q) is like: the gap that the best normal law at
each of 8 points leaves, and the share of what that misses which polynomials of p to the fourth
degree explain.
"""

from __future__ import annotations

import argparse
import time
from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np
import scipy

import ehf_num as en
import ehf_sym as es
from ehf_num.reproduce.molecules.runs import CONTENDERS
from ehf_num.reproduce.molecules.window_flows import WindowContender

_POINTS, _MOMENTA, _DEGREE = 8, 8_000, 4


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--test", type=int, default=500)
    options = parser.parse_args()
    en.set_threads(1)
    points = en.parallel_tempering(en.DoubleWell(), 1000 + options.test, rng=7, width=2.0).x
    scale = float(points[:1000].std())
    data, test = points[:1000] / scale, points[1000:] / scale
    log_volume = data.shape[1] * np.log(scale)
    print("encoder  bound          ELBO  1,024 draws    gap  laplace   best N   poly  seconds")
    cases: list[tuple[str, str, int, WindowContender]] = [
        (precision, bound, draws, WindowContender(precision=precision, batch_size=256 // draws))
        for precision, (bound, draws) in product(
            ("windows", "scalar"), (("importance", 8), ("elbo", 1))
        )
    ]
    lifted: Any = CONTENDERS["lifted"]
    for name, bound, draws, recipe in [*cases, ("carried", "elbo", 1, lifted)]:
        flow = recipe.build(es.Particles(4, 2).relative(), options.seed)
        start = time.process_time()
        flow.fit(
            data,
            iterations=options.iterations,
            batch_size=recipe.batch_size,
            learning_rate=recipe.learning_rate,
            schedule="cosine",
            objective=bound,
            draws=draws,
            augment=False,
            progress=False,
        )
        seconds = time.process_time() - start
        elbo = log_volume - float(np.mean(flow.elbo(test, n_samples=256)))
        tight = log_volume - float(np.mean(flow.log_prob(test, n_samples=1024)))
        around = log_volume - flow.likelihood(test, method="laplace", n_samples=256).mean
        best, explained = of_momenta(flow, test[:_POINTS])
        print(
            f"{name:8} {bound:10} {elbo:8.3f} {tight:12.3f} {elbo - tight:6.3f} "
            f"{around:8.3f} {best:8.3f} {explained:6.2f} {seconds:8.0f}",
            flush=True,
        )


def of_momenta(flow: en.EquivariantHamiltonianFlow, x: Any) -> tuple[float, float]:
    """Compare p(p|q) with the normal law of its moments: gap, and what polynomials explain."""
    rng, found = np.random.default_rng(0), []
    dtype, dim = flow.weights[0].dtype, flow.dim
    for point in x.astype(dtype):
        q = np.tile(point, (_MOMENTA, 1))
        p, log_h = flow.bound.draw(q, rng.standard_normal(q.shape).astype(dtype))
        weights = scipy.special.softmax((flow.bound.joint_log_prob(q, p) - log_h).astype(float))
        mean, whitened = weights @ p, rng.standard_normal(q.shape)
        factor = np.linalg.cholesky((p - mean).T @ (weights[:, np.newaxis] * (p - mean)))
        p = (mean + whitened @ factor.T).astype(dtype)
        misfit = flow.bound.joint_log_prob(q, p) + (whitened**2).sum(axis=1) / 2
        gap = scipy.special.logsumexp(misfit) - np.log(_MOMENTA) - misfit.mean()
        few = misfit > np.quantile(misfit, 0.02)  # where h has mass and p(p|q) none, ln goes deep
        powers = [
            np.prod(whitened[:, list(each)], axis=1)
            for degree in range(_DEGREE + 1)
            for each in combinations_with_replacement(range(dim), degree)
        ]
        columns, misfit = np.stack(powers, axis=1)[few], misfit[few]
        half = len(misfit) // 2
        fitted = np.linalg.lstsq(columns[:half], misfit[:half])[0]
        left = np.var(misfit[half:] - columns[half:] @ fitted) / np.var(misfit[half:])
        found.append((gap, 1 - left))
    best, explained = np.mean(found, axis=0)
    return float(best), float(explained)


if __name__ == "__main__":
    main()
