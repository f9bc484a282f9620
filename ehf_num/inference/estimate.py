"""What is known of ln p(x) at points: values, how far they can be off, and what says so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ehf_num.engine.workspace import Array
from ehf_sym.formulas.report import ResultTable

_LARGEST_K = 0.7


class LikelihoodWarning(UserWarning):
    """Estimates of ln p(x) are not what was asked for, or not to be relied on."""


def pareto_threshold(draws: Array) -> Array:
    """Return the k̂ up to which importance sampling is reliable: min(1 − 1/log₁₀ S, 0.7).

    S is the number of draws (n,); Vehtari et al., arXiv:1507.02646, section 3.2.4.

    Examples
    --------
    >>> pareto_threshold(np.array([100, 1_000, 10_000])).round(3).tolist()
    [0.5, 0.667, 0.7]
    """
    threshold: Array = np.minimum(1 - 1 / np.log10(np.maximum(draws, 2)), _LARGEST_K)
    return threshold


@dataclass(frozen=True, eq=False)
class LikelihoodEstimate:
    """Estimates of ln p(x) at n points, with their errors. Made by `flow.likelihood`.

    Attributes
    ----------
    values : ndarray, shape (n,)
        Estimates of ln p(x), nats.
    standard_errors : ndarray, shape (n,)
        Importance: the standard error of each value, by the delta method on its weights, nats.
        Quadrature: the difference that the last refinement made, with what the truncation of the
        domain and rounding can have added, nats.
    pareto_k : ndarray, shape (n,)
        k̂, the shape of the weights' upper tail; −∞ for equal weights, NaN for quadrature and for
        fewer than 25 draws. Weights have finite variance below 1/2, and a mean below 1.
    draws : ndarray of int, shape (n,)
        Momenta that ln p(x, p) was evaluated at, for each point.
    method : str
        "importance", "laplace" or "quadrature".

    Examples
    --------
    >>> estimate = LikelihoodEstimate(
    ...     values=np.array([-1.0, -3.0]), standard_errors=np.array([0.03, 0.04]),
    ...     pareto_k=np.array([0.1, 0.9]), draws=np.array([1000, 1000]), method="importance"
    ... )
    >>> estimate.unreliable.tolist(), estimate.error_of_mean
    ([False, True], 0.025)
    >>> print(estimate)
    mean ln p(x) = -2.000 ± 1.000 nats over 2 points, ± 0.025 of which from the estimates
      importance weighting, 1000 draws a point; largest standard error of a point 0.04 nats
      k̂ above 0.67 on 50 % of the points, largest 0.90
    """

    values: Array
    standard_errors: Array
    pareto_k: Array
    draws: Array
    method: str

    def __repr__(self) -> str:
        return f"LikelihoodEstimate({self.method}, {len(self.values)} points, mean {self.mean:.4g})"

    @property
    def mean(self) -> float:
        """Mean of the values over points, nats."""
        return float(np.mean(self.values))

    @property
    def error_of_mean(self) -> float:
        """What the estimates' errors contribute to the error of `mean`, nats.

        Importance: independent errors, added in squares. Quadrature: the mean error, a bound if
        each one is.
        """
        if self.method == "quadrature":
            return float(np.mean(self.standard_errors))
        return float(np.sqrt(np.sum(self.standard_errors**2)) / len(self.values))

    @property
    def standard_error(self) -> float:
        """Standard error of `mean` as an estimate of E[ln p(x)] over the points' law, nats.

        From the scatter between points, which the scatter of the estimates is part of. NaN for a
        single point.
        """
        n = len(self.values)
        return float(np.std(self.values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")

    @property
    def unreliable(self) -> Array:
        """Where k̂ is above its threshold `pareto_threshold(draws)`, shape (n,): bool."""
        above: Array = self.pareto_k > pareto_threshold(self.draws)
        return above

    def __str__(self) -> str:
        n, fewest, most = len(self.values), self.draws.min(), self.draws.max()
        count = f"{most}" if fewest == most else f"{fewest} to {most}"
        importance = self.method != "quadrature"
        by = "importance weighting" + " around modes" * (self.method == "laplace")
        how = f"{by}, {count} draws" if importance else f"quadrature, {count} nodes"
        kind = "standard error" if importance else "error"
        lines = [
            f"mean ln p(x) = {self.mean:.3f} ± {self.standard_error:.3f} nats over {n} points, "
            f"± {self.error_of_mean:.2g} of which from the estimates",
            f"  {how} a point; largest {kind} of a point {self.standard_errors.max():.2g} nats",
        ]
        if importance and not np.isnan(self.pareto_k).all():
            share, largest = 100 * self.unreliable.mean(), np.nanmax(self.pareto_k)
            threshold = pareto_threshold(most)
            lines.append(
                f"  k̂ above {threshold:.2f} on {share:.3g} % of the points, largest {largest:.2f}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        first, *others = str(self).splitlines()
        return ResultTable(first, (), remarks=[line.strip() for line in others]).to_html()
