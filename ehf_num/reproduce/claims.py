"""Claims, what was measured of them over seeds, and whether they hold by one rule.

A claim says in which interval an effect lies. Each seed gives one value of the effect; their mean
has Student's 95 % interval, mean ± t · s/√n with t at n − 1 degrees of freedom. The claim holds
where that interval lies inside the claimed one, does not hold where they do not meet, and is not
decided else, or with fewer than three seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from ehf_num.reproduce.chapter import Table

LEAST_SEEDS = 3
_CONFIDENCE = 0.95

RULE = (
    f"a claim holds where Student's {_CONFIDENCE:.0%} interval of the effect over seeds lies "
    "inside the interval that is claimed, does not hold where the two do not meet, and is not "
    f"decided else or with fewer than {LEAST_SEEDS} seeds"
)


@dataclass(frozen=True)
class Claim:
    """A sentence, and where the effect lies if it is true.

    Attributes
    ----------
    text : str
        What is claimed.
    effect : str
        What is measured, with its unit.
    low, high : float
        The interval that is claimed, open.
    """

    text: str
    effect: str
    low: float = 0.0
    high: float = math.inf


@dataclass(frozen=True)
class Judgement:
    """What was measured of a claim.

    Attributes
    ----------
    claim : Claim
        What it is about.
    mean, error : float
        Of the effect over seeds, and the standard error of that; NaN where there are too few.
    seeds : int
        How many gave a value.
    verdict : str
        "holds", "does not hold" or "not decided".
    """

    claim: Claim
    mean: float
    error: float
    seeds: int
    verdict: str


def decide(claim: Claim, values: Sequence[float]) -> Judgement:
    """Judge a claim by the effect's values, one a seed.

    Examples
    --------
    >>> decide(Claim("higher", "difference [nats]"), [0.9, 1.0, 1.1]).verdict
    'holds'
    >>> decide(Claim("higher", "difference [nats]"), [-0.9, 1.0, 1.1]).verdict
    'not decided'
    """
    count = len(values)
    mean = float(np.mean(values)) if count else math.nan
    if count < 2:
        return Judgement(claim, mean, math.nan, count, "not decided")
    error = float(np.std(values, ddof=1) / math.sqrt(count))
    low, high = interval(mean, error, count)
    if count < LEAST_SEEDS:
        verdict = "not decided"
    elif claim.low < low and high < claim.high:
        verdict = "holds"
    elif high < claim.low or low > claim.high:
        verdict = "does not hold"
    else:
        verdict = "not decided"
    return Judgement(claim, mean, error, count, verdict)


def interval(mean: float, error: float, count: int) -> tuple[float, float]:
    """Return Student's 95 % interval of a mean of so many values with this standard error.

    Examples
    --------
    >>> [round(end, 2) for end in interval(1.0, 0.1, 5)]
    [0.72, 1.28]
    """
    reach = float(scipy.stats.t.ppf((1 + _CONFIDENCE) / 2, count - 1)) * error
    return mean - reach, mean + reach


def as_table(judgements: Sequence[Judgement]) -> Table:
    """Lay judgements out, a line a claim."""
    rows = [("claim", "effect measured", "claimed", "mean ± s.e.", "seeds", "verdict")]
    rows += [
        (
            j.claim.text,
            j.claim.effect,
            _claimed(j.claim),
            _measured(j),
            str(j.seeds),
            j.verdict,
        )
        for j in judgements
    ]
    return Table("claims, one by one", tuple(rows))


def _measured(judgement: Judgement) -> str:
    if not judgement.seeds:
        return "-"
    error = f" ± {judgement.error:.3f}" if judgement.seeds > 1 else ""
    return f"{judgement.mean:+.3f}{error}"


def _claimed(claim: Claim) -> str:
    if claim.high == math.inf:
        return f"> {claim.low:g}"
    if claim.low == -math.inf:
        return f"< {claim.high:g}"
    return f"{claim.low:g} to {claim.high:g}"
