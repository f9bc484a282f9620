"""What a symmetry costs or gains in likelihood: nested models on points that none has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from ehf_num.engine import arguments
from ehf_num.engine.workspace import Array
from ehf_num.model.estimator import SymmetricDensity
from ehf_num.symmetry.reading import read_symmetry
from ehf_sym import StandardNormal
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.arrays import real_array
from ehf_sym.formulas.report import Document, Line, Reported

_FEWEST = 40
_MODES = ("none", "penalty", "exact")


@dataclass(frozen=True, eq=False)
class ModeScore:
    """One way of keeping a symmetry, scored.

    Attributes
    ----------
    enforce : {"none", "penalty", "exact"}
        How the model keeps it.
    scores : ndarray, shape (m,)
        ln p of each point held out, nats.
    cost : float
        Mean of ln p without the symmetry, less that of this model, nats a point: what the
        symmetry costs; negative where it gains.
    error : float
        Standard error of that.
    p_value : float
        One-sided, of a cost that is 0 or less (Student's t on the differences).
    """

    enforce: str
    scores: Array
    cost: float
    error: float
    p_value: float

    @property
    def mean(self) -> float:
        """Mean of the scores, nats."""
        return float(np.mean(self.scores))


@dataclass(frozen=True, eq=False, repr=False)
class SymmetryCost(Reported):
    """What `symmetry_cost` measured: prints as text, HTML, LaTeX and JSON.

    `ehf_num.plotting.plot_symmetry_cost` draws it.

    Attributes
    ----------
    modes : tuple of ModeScore
        Without the symmetry, by penalty, and exactly where that is possible.
    level : float
        Of the test.
    """

    modes: tuple[ModeScore, ...]
    level: float

    def __getitem__(self, enforce: str) -> ModeScore:
        """Return the mode of that name."""
        for mode in self.modes:
            if mode.enforce == enforce:
                return mode
        raise KeyError(f"no mode {enforce!r}; there are {[mode.enforce for mode in self.modes]}")

    @property
    def broken(self) -> bool:
        """Whether the strictest mode is shown to cost likelihood, at the level."""
        return self.modes[-1].p_value < self.level

    @property
    def advice(self) -> str:
        """What follows, in a sentence."""
        strict = self.modes[-1]
        cost = f"{strict.cost:.3g} ± {strict.error:.2g} nats a point"
        if self.broken:
            softer = [m for m in self.modes if m.enforce == "penalty" and m.p_value >= self.level]
            way = "keep it by a penalty" if softer and strict.enforce == "exact" else "do without"
            return f"the symmetry is broken: it costs {cost}; {way}"
        if strict.cost + scipy.stats.norm.isf(self.level) * strict.error < 0:
            return (
                f"the symmetry pays: it gains {-strict.cost:.3g} ± {strict.error:.2g} nats a point"
            )
        return f"no cost is seen ({cost}): keep the symmetry, it has less to learn"

    def document(self) -> Document:
        """Return the advice and a line a mode."""
        lines = [Line(0, self.advice)]
        lines += [
            Line(
                1,
                f"{mode.enforce}: ln p {mode.mean:.4f}, cost {mode.cost:.3g} ± {mode.error:.2g} "
                f"nats a point, p = {mode.p_value:.2g}",
            )
            for mode in self.modes
        ]
        data = {
            "report": "symmetry cost",
            "broken": self.broken,
            "level": self.level,
            "advice": self.advice,
            "modes": [
                {
                    "enforce": mode.enforce,
                    "mean": mode.mean,
                    "cost": mode.cost,
                    "error": mode.error,
                    "p_value": mode.p_value,
                }
                for mode in self.modes
            ],
        }
        return Document(tuple(lines), data)


def symmetry_cost(
    x: Any,
    symmetry: Any,
    *,
    held_out: float = 0.5,
    level: float = 0.01,
    rng: int | np.random.Generator | None = 0,
    **options: Any,
) -> SymmetryCost:
    """Measure how much likelihood a symmetry costs, for data that may break it.

    The points are split. On one part a `SymmetricDensity` learns without the symmetry, with a
    penalty, and exactly; on the other ln p is compared point by point. Points that no model has
    seen make the test valid whatever was learned, for these models: a model that learns badly
    without the symmetry hides what the symmetry costs.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Independent points, n ≥ 40.
    symmetry
        As `SymmetricDensity` takes it.
    held_out : float
        Share of the points that is compared on.
    level : float
        Of the test.
    rng : int or numpy.random.Generator
        Draws the split and all training.
    **options
        Further options of `SymmetricDensity`.

    Returns
    -------
    SymmetryCost

    Raises
    ------
    ehf_sym.ArgumentError
        If an argument cannot be used.

    Examples
    --------
    >>> import ehf_num as en
    >>> x = en.rings().sample(200, rng=0)
    >>> cost = symmetry_cost(x, "so(2)", max_iter=20, progress=False)
    >>> [mode.enforce for mode in cost.modes]
    ['none', 'penalty', 'exact']
    """
    if symmetry is None:
        raise ArgumentError("symmetry was None; it should be one, whose cost is measured")
    points = real_array(x, "x", f"a real, finite array of shape (n, d), n ≥ {_FEWEST}")
    if points.ndim != 2 or len(points) < _FEWEST:
        raise ArgumentError(f"x had shape {points.shape}; it should be (n, d), n ≥ {_FEWEST}")
    read_symmetry(symmetry, points.shape[1])
    share = arguments.positive_number(held_out, "held_out")
    if share >= 1:
        raise ArgumentError(f"held_out was {held_out!r}; it should be less than 1")
    arguments.number_from_zero(level, "level", 1.0)
    for name in ("symmetry", "enforce", "random_state"):
        if name in options:
            raise ArgumentError(f"{name} was given as an option; it is what is varied here")
    random = arguments.generator(rng)
    order = random.permutation(len(points))
    count = max(2, round(share * len(points)))
    test, train = points[order[:count]], points[order[count:]]
    seed = int(random.integers(2**31))
    scores = {}
    for mode in _MODES:
        try:
            scores[mode] = _scores(mode, symmetry, train, test, seed, options)
        except ArgumentError:
            if mode != "exact" or len(scores) < 2:  # there may be no invariants for an exact one
                raise
    free = scores["none"]
    return SymmetryCost(
        tuple(_compared(mode, values, free) for mode, values in scores.items()), level
    )


def _scores(
    mode: str, symmetry: Any, train: Array, test: Array, seed: int, options: dict[str, Any]
) -> Array:
    given = {**options, "rng": seed}
    space = getattr(symmetry, "space", None)
    if space is not None and space.angles:  # without the symmetry they are angles, too
        given = {"base": StandardNormal(space), **given}
    if mode == "none":
        model = SymmetricDensity(None, **given)
    else:
        model = SymmetricDensity(symmetry, enforce=mode, **given)
    return model.fit(train).score_samples(test)


def _compared(mode: str, scores: Array, free: Array) -> ModeScore:
    lost = free - scores
    error = float(lost.std(ddof=1) / np.sqrt(len(lost)))
    cost = float(lost.mean())
    p_value = float(scipy.stats.t.sf(cost / error, len(lost) - 1)) if error > 0 else 1.0
    return ModeScore(mode, scores, cost, error, p_value)
