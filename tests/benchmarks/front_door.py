"""What `SymmetricDensity` makes of measured data, by its defaults, and how long it takes.

    python -m tests.benchmarks.front_door [--seeds 3]

One row a target and contender, on stdout: KL(truth || model) in nats on 10,000 fresh points, mean
and standard deviation over seeds, and seconds of processor time of a fit. Beside it stands
scikit-learn's `GaussianMixture` with up to 20 components, chosen by BIC.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np
from scipy.stats import gamma, norm
from sklearn.mixture import GaussianMixture

import ehf_num as en
from ehf_num.engine.workspace import Array

TEST_POINTS, COMPONENTS = 10_000, 20


@dataclass(frozen=True)
class Gas:
    """Velocities of a rotating gas in km/s, symmetric about z: a ring, faster where it rises.

    With ρ² = x² + y²: ρ²/(2·80²) has the gamma law of shape 3, and z given ρ is normal about
    50 + 0.3 (ρ − 190) with standard deviation 50.
    """

    width: float = 80.0

    def sample(self, n: int, rng: int) -> Array:
        """Draw points, (n, 3)."""
        generator = np.random.default_rng(rng)
        radius = self.width * np.sqrt(2 * generator.gamma(3, size=n))
        angle = generator.uniform(0, 2 * np.pi, n)
        z = generator.normal(self._rise(radius), 50)
        return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)

    def log_prob(self, x: Array) -> Array:
        """Evaluate ln p: with t = ρ²/(2·80²), dx dy = 80² dt dφ."""
        square = (x[:, :2] ** 2).sum(axis=1)
        of_square = gamma(3).logpdf(square / (2 * self.width**2))
        along = norm(self._rise(np.sqrt(square)), 50).logpdf(x[:, 2])
        return np.asarray(of_square - np.log(2 * np.pi * self.width**2) + along)

    @staticmethod
    def _rise(radius: Array) -> Array:
        return 50 + 0.3 * (radius - 190)


TARGETS: dict[str, tuple[Any, str, int]] = {
    "rings": (en.rings(), "so(2)", 1000),
    "gas in km/s": (Gas(), "q1*p2 - q2*p1", 3000),
}


def by_bic(x: Array, seed: int) -> GaussianMixture:
    """Fit mixtures of 1 to 20 normal densities and keep that of the lowest BIC."""
    fits = (GaussianMixture(k, random_state=seed).fit(x) for k in range(1, COMPONENTS + 1))
    return min(fits, key=lambda fit: fit.bic(x))


def rows(seeds: int) -> Iterator[str]:
    """Fit and score."""
    for name, (target, symmetry, n) in TARGETS.items():
        test = target.sample(TEST_POINTS, rng=10**6)
        truth = target.log_prob(test).mean()

        def ours(x: Array, seed: int, symmetry: str = symmetry) -> en.SymmetricDensity:
            return en.SymmetricDensity(symmetry, progress=False, rng=seed).fit(x)

        contenders: dict[str, Callable[[Array, int], Any]] = {
            "SymmetricDensity": ours,
            "Gaussian mixture, BIC": by_bic,
        }
        for contender, learn in contenders.items():
            losses, seconds, lengths = [], [], []
            for seed in range(seeds):
                x, start = target.sample(n, rng=seed), process_time()
                model = learn(x, seed)
                seconds.append(process_time() - start)
                losses.append(truth - model.score(test))
                lengths.append(model.n_iter_)
            figures = f"{np.mean(losses):6.3f} ± {np.std(losses):.3f}   {np.mean(seconds):6.1f} s"
            yield f"{name:12} {n:6} {contender:22} {figures}   {lengths} iterations"


def main() -> None:
    """Print one row at a time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=3)
    en.set_threads(1)
    for row in rows(parser.parse_args().seeds):
        print(row, flush=True)


if __name__ == "__main__":
    main()
