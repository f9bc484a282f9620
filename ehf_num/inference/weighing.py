"""Draws of a model, weighed so that they stand for a density that is known up to its constant.

With (q, p) = flow(s0), s0 ~ π, and the target e^−S(q),

    w = e^−S(q) h(p|q) / π(s0),      E[w] = Z,      E[w f(q)] / E[w] = ∫ f e^−S dq / Z

exactly, on (q, p): no marginal of the model is needed. With K momenta for each q, exactly as well,

    w = e^−S(q) K / Σ_k p(q, p_k)/h(p_k|q),      p_1 of the flow, p_2, … p_K ~ h(p|q),

which with K becomes e^−S(q)/p(q), without the encoder's misfit. Sums are taken over blocks of
draws; where all draws are too many to keep, they are made again from the same random numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import sympy as sp

from ehf_num.engine import arguments
from ehf_num.engine.networks import wrapped
from ehf_num.engine.parallel import one_blas_thread
from ehf_num.engine.workspace import Array
from ehf_num.inference import inference
from ehf_num.inference.chains import (
    IndependenceChain,
    MissingModes,
    Polished,
    hmc,
    independence_chain,
    look_for_missing_modes,
)
from ehf_num.inference.estimate import pareto_threshold
from ehf_num.inference.importance import pareto_shape
from ehf_num.targets.target_energy import KnownEnergy, state_text
from ehf_num.training.energy_bound import weigh_states
from ehf_num.training.objective import BoundModel
from ehf_num.training.progress import watched
from ehf_sym import PhaseSpace, to_numpy
from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.formulas.printing import quoted
from ehf_sym.formulas.report import ResultTable
from ehf_sym.zero.periodicity import function_on

MOST_KEPT = 2**28  # bytes of draws
_LEAST = float(np.finfo(np.float64).min)
_MOST_FOR_K = 2**20  # draws that k̂ is taken from: more do not change what it says


def observable(f: sp.Basic, space: PhaseSpace, name: str) -> sp.Expr:
    """Admit a formula to average: of positions alone, 2π-periodic in angles."""
    formula = function_on(space, f, name)
    momenta = sorted(formula.free_symbols.intersection(space.p), key=str)
    if momenta:
        raise FormulaError(
            f"{name} is {quoted(formula)}, which depends on {momenta[0]}; it should be of "
            "positions alone: momenta are the model's own"
        )
    return formula


class WeightedMean(NamedTuple):
    """Mean of a function under e^−S, with its standard error.

    Attributes
    ----------
    value : float or ndarray
        Σ w f / Σ w.
    error : float or ndarray
        Its standard error, by the delta method: √(Σ w² (f − value)²) / Σ w.
    """

    value: Any
    error: Any


class DrawnUnits(Protocol):
    """Units x = scale z + shift that users have, where a model has z."""

    @property
    def shift(self) -> Array:
        """Where z = 0 is, (d,)."""

    @property
    def scale(self) -> Array:
        """Symmetric and positive definite, (d, d)."""

    @property
    def log_jacobian(self) -> float:
        """The number ln det scale."""

    def restored(self, z: Array, /) -> Array:
        """Return x of z, (n, d)."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Where weighed draws come from: a model as it was, and the random numbers.

    Attributes
    ----------
    model : BoundModel
        With weights of its own.
    energy : KnownEnergy
        S, in the units of the user.
    secret : int
        What the random numbers of all blocks follow from.
    units : DrawnUnits or None
        Those of the user; None: the model's own.
    momenta : int
        K, for each q.
    """

    model: BoundModel
    energy: KnownEnergy
    secret: int
    units: DrawnUnits | None = None
    momenta: int = 1

    @cached_property
    def target(self) -> KnownEnergy:
        """S of the model's coordinates, with the same Z."""
        if self.units is None:
            return self.energy
        return self.energy.in_units(self.units.shift, self.units.scale)

    def restored(self, q: Array) -> Array:
        """Return points (n, d) in the units of the user."""
        return q if self.units is None else self.units.restored(q)

    def energies(self, q: Array) -> Array:
        """Evaluate S at points of the model: (n, d) to (n,)."""
        shift = 0.0 if self.units is None else self.units.log_jacobian
        return np.asarray(self.target.value(q)) + shift

    def blocks(self, n: int, stream: int = 0) -> Iterator[tuple[Array, Array]]:
        """Draw block by block: q (m, d) and ln w (m,) as float64; a stream repeats itself."""
        dim, dtype = self.model.base.dim, self.model.weights[0].dtype
        rows = max(1, inference.ROWS_PER_BLOCK // self.momenta)
        places = range(0, n, rows)
        for number, start in enumerate(watched(places, len(places), "block")):
            rng = np.random.default_rng([self.secret, stream, number])
            count = min(rows, n - start)
            with one_blas_thread(), np.errstate(all="ignore"):
                starts = self.model.base.sample(count, rng, dtype)
                noise = rng.standard_normal((count, self.momenta - 1, dim)).astype(dtype)
                states, log_weights = weigh_states(self.model, self.target, starts, noise)
            q = states[:, :dim].copy()  # without the momenta, which a view would keep
            self._refuse(q, log_weights)
            yield q, log_weights.astype(np.float64)

    def _refuse(self, q: Array, log_weights: Array) -> None:
        """Refuse weights that are no numbers, or infinite; none at all where S = ∞ is one."""
        bad = np.flatnonzero(np.isnan(log_weights) | np.isposinf(log_weights))
        if len(bad):
            at = self.restored(q[bad[:1]])[0]
            with np.errstate(all="ignore"):
                energy = self.energies(q[bad[:1]])[0]
            raise ArgumentError(
                f"S was {energy} and the weight e^{log_weights[bad[0]]} at q = {state_text(at)}; "
                "S should be a number, or infinite where there is no density"
            )


@dataclass(frozen=True, eq=False)
class WeightedDraws:
    """Draws of a model with weights that make them stand for e^−S. Made by `flow.weigh`.

    Attributes
    ----------
    n : int
        Draws.
    log_z : float
        ln Z = ln ∫ e^−S dq: the log of the mean weight, nats.
    log_z_error : float
        Its standard error, by the delta method: sd(w) / (√n mean w), nats.
    bound : float
        The mean of ln w, nats: in expectation ln Z less the divergence of the draws' law from the
        one that weights make of it. −∞ where a draw has no weight.
    ess : float
        Effective share of the draws, (Σ w)² / (n Σ w²), in (0, 1].
    pareto_k : float
        k̂, the shape of the weights' upper tail, from a million draws at the most: errors can be
        believed below `pareto_threshold`.
    kept : list of (ndarray, ndarray), or None
        The draws, q in the model's coordinates and ln w, block by block; None where they are made
        again.

    Examples
    --------
    >>> import math, ehf_sym as es, ehf_num as en
    >>> space = es.PhaseSpace(1)
    >>> flow = en.EquivariantHamiltonianFlow(
    ...     es.StandardNormal(space), enforce="none", hidden=(8,), rng=0
    ... )
    >>> weights = flow.weigh(space.q[0] ** 2 / 2, 20_000)  # Z = √(2π)
    >>> abs(weights.log_z - math.log(2 * math.pi) / 2) < 4 * weights.log_z_error
    True
    >>> square = weights.mean(lambda q: q[:, 0] ** 2)
    >>> bool(abs(square.value - 1) < 4 * square.error)
    True
    """

    n: int
    log_z: float
    log_z_error: float
    bound: float
    ess: float
    pareto_k: float
    draws: Draws = field(repr=False)
    kept: list[tuple[Array, Array]] | None = field(repr=False)

    @classmethod
    def of(cls, draws: Draws, n: int) -> WeightedDraws:
        """Weigh n draws in blocks, in memory that does not grow with n."""
        kept: list[tuple[Array, Array]] | None = []
        top, total, squares, logs, size = -math.inf, 0.0, 0.0, 0.0, 0
        of_tail: list[Array] = []
        wanted = _MOST_FOR_K
        for q, log_weights in draws.blocks(n):
            largest = max(top, float(log_weights.max()))
            if math.isfinite(largest):
                fade = math.exp(top - largest)
                w = np.exp(log_weights - largest)
                total = total * fade + float(w.sum())
                squares = squares * fade**2 + float((w**2).sum())
                top = largest
            if wanted > 0:
                of_tail.append(log_weights)
                wanted -= len(log_weights)
            logs += float(log_weights.sum())
            size += q.nbytes + log_weights.nbytes
            if kept is not None:
                kept.append((q, log_weights))
                kept = None if size > MOST_KEPT else kept
        if not total:
            return cls(n, -math.inf, math.inf, -math.inf, 0.0, math.nan, draws, kept)
        ess = min(total**2 / (n * squares), 1.0)
        error = math.sqrt(max(1 / ess - 1, 0.0) / max(n - 1, 1)) if n > 1 else math.inf
        k = pareto_shape(np.concatenate(of_tail))
        log_z = top + math.log(total / n)
        return cls(n, log_z, error, logs / n, ess, k, draws, kept)

    def _blocks(self) -> Iterator[tuple[Array, Array]]:
        """Yield q, in the model's coordinates, and w/Z, block by block."""
        for q, log_weights in self.kept or self.draws.blocks(self.n):
            yield q, np.exp(log_weights - self._scale)

    @property
    def _scale(self) -> float:
        """Ln Z, or 0 where no draw has weight."""
        return self.log_z if math.isfinite(self.log_z) else 0.0

    @property
    def reliable(self) -> bool:
        """Whether k̂ is below its threshold; NaN, of fewer than 25 draws, is not."""
        return bool(self.pareto_k <= pareto_threshold(np.array(self.n)))

    def mean(self, f: Callable[[Array], Array] | sp.Expr) -> WeightedMean:
        """Average a function of q under e^−S/Z, with the error of the average.

        Parameters
        ----------
        f : callable or sympy.Expr
            (m, d) to (m,) or (m, …); or a formula of q.

        Returns
        -------
        WeightedMean
            ``.value`` and ``.error``, which it unpacks into.

        Raises
        ------
        ehf_sym.ArgumentError
            If f is neither, returns something else than one value a row, or no draw has weight.
        """
        self._refuse_no_weight()
        evaluate = self._evaluated(f)
        near: Any = None
        total, sums = 0.0, [0.0, 0.0, 0.0, 0.0]
        for q, weights in self._blocks():
            values = evaluate(self.draws.restored(q))
            if near is None:  # sums of differences from it do not cancel
                near = values[int(np.argmax(weights))]
            away, w = values - near, weights
            square = w**2
            total += float(w.sum())
            parts = (w @ away, square.sum(), square @ away, square @ away**2)
            sums = [a + b for a, b in zip(sums, parts, strict=True)]
        first, squares, mixed, second = sums
        shift = first / total
        variance = np.maximum(second - 2 * shift * mixed + shift**2 * squares, 0)
        value, error = near + shift, np.sqrt(variance) / total
        return WeightedMean(*(x if np.ndim(x) else float(x) for x in (value, error)))

    def _evaluated(self, f: Any) -> Callable[[Array], Array]:
        """Turn an observable into a function of blocks, held to its shape."""
        if isinstance(f, sp.Basic):
            model = self.draws.model
            space = PhaseSpace(model.base.dim, angles=model.objective.layout.angles)
            f = to_numpy(observable(f, space, "f"), space.q)
        if not callable(f) or isinstance(f, type):
            raise ArgumentError(f"f was {f!r}; it should be a function of q (m, d), or a formula")

        def evaluate(q: Array) -> Array:
            values = np.asarray(f(q), dtype=np.float64)
            if values.shape[:1] != (len(q),):
                raise ArgumentError(
                    f"f returned shape {values.shape} for {len(q)} points; it should be one value, "
                    "or one row, for each"
                )
            return values

        return evaluate

    def resample(self, m: int, rng: int | np.random.Generator = 0) -> Array:
        """Draw m points from the draws by their weights: (m, d), in random order.

        Systematic resampling: each draw comes m w/Σw times, rounded up or down. Points repeat
        where weights are uneven; their law is e^−S/Z up to O(1/n), and `polish` moves them on.
        """
        return self.draws.restored(self._resampled(m, arguments.generator(rng)))

    def _resampled(self, m: int, rng: np.random.Generator) -> Array:
        """Draw m points by their weights, in the model's coordinates."""
        m = arguments.positive_integer(m, "m")
        self._refuse_no_weight()
        places = (np.arange(m) + rng.random()) * (self.n / m)  # Σ w/Z = n
        found: list[Array] = []
        before, last = 0.0, None
        for q, weights in self._blocks():
            ends = before + np.cumsum(weights)
            inside = places[(places >= before) & (places < ends[-1])]
            found.append(q[np.searchsorted(ends, inside, side="right")])
            if weights.any():
                last = q[np.flatnonzero(weights)[-1]]
            before = float(ends[-1])
        missing = m - sum(map(len, found))  # rounding of the sum
        found.append(np.repeat(np.asarray(last)[np.newaxis], missing, axis=0))
        points: Array = rng.permutation(np.concatenate(found))
        return points

    def metropolis(self, m: int, rng: int | np.random.Generator = 0) -> IndependenceChain:
        """Run a Metropolis chain of m steps whose proposals are further draws of the model.

        A step from w to w′ is accepted with probability min(1, w′/w): the chain's law is e^−S/Z
        whatever the weights, but it waits long where they have a tail. It starts at a draw that was
        resampled.

        Returns
        -------
        IndependenceChain
            ``.points`` (m, d), ``.acceptance`` and ``.autocorrelation_time(f)``.
        """
        m, rng = arguments.positive_integer(m, "m"), arguments.generator(rng)
        self._refuse_no_weight()
        stream = int(rng.integers(1, 2**62))

        def proposals() -> Iterator[tuple[Array, Array, Array]]:
            for q, log_weights in self.draws.blocks(m, stream):
                yield self.draws.restored(q), self.draws.energies(q), log_weights

        return independence_chain(proposals(), self._one(rng), rng)

    def _one(self, rng: np.random.Generator) -> tuple[Array, float, float]:
        """Draw one state of the first block by its weight: q (d,), S and ln w."""
        q, log_weights = next(iter(self.kept or self.draws.blocks(self.n)))
        weights = np.exp(log_weights - max(float(log_weights.max()), _LEAST))
        total = float(weights.sum())
        k = int(rng.choice(len(q), p=weights / total)) if total else 0
        one = q[k : k + 1]
        energy = float(self.draws.energies(one)[0])
        return self.draws.restored(one)[0], energy, float(log_weights[k])

    def polish(
        self,
        m: int,
        *,
        transitions: int = 20,
        leaps: int = 10,
        step_size: float | None = None,
        rng: int | np.random.Generator = 0,
    ) -> Polished:
        """Resample m points and move each by Hamiltonian Monte Carlo with S's own gradient.

        Every transition leaves e^−S invariant: points that were repeated part, and what the
        weights left of the model's errors shrinks.

        Parameters
        ----------
        m : int
            Points.
        transitions : int
            For each; half of them adapt the step where none is given.
        leaps : int
            Leapfrog steps of a transition.
        step_size : float, optional
            Of a leapfrog step, in the model's coordinates; None: one that is accepted four times
            of five.
        rng : int or numpy.random.Generator
            Draws all that is random.

        Returns
        -------
        Polished
            ``.points`` (m, d), ``.acceptance`` and ``.step_size``.
        """
        rng = arguments.generator(rng)
        transitions = arguments.positive_integer(transitions, "transitions")
        leaps = arguments.positive_integer(leaps, "leaps")
        if step_size is not None:
            step_size = arguments.positive_number(step_size, "step_size")
        q = self._resampled(m, rng)
        found = hmc(
            self.draws.target, q, rng, transitions=transitions, leaps=leaps, step_size=step_size
        )
        points = wrapped(found.points, self.draws.model.objective.layout.angles)
        return replace(found, points=self.draws.restored(points))

    def missing_modes(self, rng: int | np.random.Generator = 0) -> MissingModes:
        """Look with chains that start from the base for mass of e^−S that the model misses."""
        generator = arguments.generator(rng)
        found = look_for_missing_modes(self.draws.model, self.draws.target, generator)
        if found.example is None:
            return found
        return replace(found, example=self.draws.restored(found.example[np.newaxis])[0])

    def _refuse_no_weight(self) -> None:
        if not math.isfinite(self.log_z):
            raise ArgumentError(
                f"no one of {self.n} draws has a weight: S is infinite at all of them"
            )

    def __repr__(self) -> str:
        return (
            f"WeightedDraws(n={self.n}, ess={self.ess:.4g}, log_z={self.log_z:.6g} ± "
            f"{self.log_z_error:.2g}, pareto_k={self.pareto_k:.2f})"
        )

    def __str__(self) -> str:
        limit = float(pareto_threshold(np.array(self.n)))
        judged = "errors can be believed" if self.reliable else "errors cannot be believed"
        return (
            f"{self.n} draws weighed by e^−S: ESS {100 * self.ess:.3g} %\n"
            f"  ln Z = {self.log_z:.6g} ± {self.log_z_error:.2g} nats\n"
            f"  k̂ of the weights {self.pareto_k:.2f}, threshold {limit:.2f}: {judged}"
        )

    def _repr_html_(self) -> str:
        first, *others = str(self).splitlines()
        return ResultTable(first, (), remarks=[line.strip() for line in others]).to_html()
