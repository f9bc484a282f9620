"""Base densities that are energies: π ∝ e^{−S(q) − |p|²/2}, with what S leaves open from data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import scipy
import sympy as sp

from ehf_num.engine import arguments
from ehf_num.hamiltonian.formula_energy import FormulaEnergy
from ehf_num.targets.annealing import Normalizer, annealed_importance
from ehf_num.targets.datasets import Floats
from ehf_num.targets.hmc import hmc_step
from ehf_num.targets.linear_forms import with_gradient
from ehf_num.targets.tempering import largest_step, parallel_tempering, resampled
from ehf_sym import BaseDensity, PhaseSpace, to_numpy
from ehf_sym.errors import ArgumentError

_DIGITS = 6  # of a value in the formula
_WALKERS, _MOST_ROUNDS = 500, 200
_MOVES, _LEAPFROG_STEPS, _ACCEPTANCE = 6, 8, 0.8
_NOISE = 4.0  # of Newton's decrement, times what draws at the greatest likelihood have by chance
_WANTED = 2  # rounds one after the other with draws that owe nothing to earlier ones
_SAME = 1e-12  # of what tells draws apart most: what tells them apart less stays as it is
_FEWER = (
    "Take fewer terms, or wider ones, and one that holds points together, such as |q|²/2: S has "
    "to rise where no points are, too"
)


@dataclass(frozen=True, eq=False)
class EnergyBase:
    """A base density e^{−S(q) − |p|²/2}/Z with its draws, made by `ehf_num.energy_base`.

    Attributes
    ----------
    density : ehf_sym.BaseDensity
        With the numbers in place of the symbols of S, and ln Z.
    normalizer : Normalizer
        ln ∫ e^{−S} dq, nats, and how well it is known: what models on this base call ln p is known
        no better.
    values, errors : mapping of sympy.Symbol to float
        What was fitted, and its standard errors; empty where S has no symbols.
    width : float
        Of the normal that draws are annealed from.

    Examples
    --------
    Given to a model as ``base=prior.density, base_sampler=prior.sample``: see `energy_base`.
    """

    density: BaseDensity
    normalizer: Normalizer
    values: Mapping[sp.Symbol, float]
    errors: Mapping[sp.Symbol, float]
    width: float
    _energy: _WithNumbers = field(repr=False)

    def log_prob(self, q: npt.ArrayLike) -> Floats:
        """Evaluate −S(q) − ln ∫ e^{−S}: (n, d) to (n,), nats."""
        points = arguments.points(q, "q", self._energy.dim, np.float64)
        return -self._energy.value(points) - self.normalizer.log_z

    def sample(self, n: int, rng: np.random.Generator) -> Floats:
        """Draw n states, (n, 2d): positions by `parallel_tempering`, momenta standard normal."""
        q = parallel_tempering(self._energy, n, rng, width=self.width).x
        return np.concatenate([q, rng.standard_normal(q.shape)], axis=1)


def energy_base(
    S: sp.Expr,
    space: PhaseSpace,
    x: npt.ArrayLike | None = None,
    *,
    start: Mapping[sp.Symbol, float] | None = None,
    n: int = 2_000,
    width: float = 1.0,
    rng: int | np.random.Generator | None = None,
) -> EnergyBase:
    r"""Make a base density of an energy, and fit what it leaves open to points.

    With S = S_0 + Σ_k θ_k h_k, θ the symbols of S that are no coordinates, the likelihood of points
    is a concave function of θ, and greatest where E[h_k] is the same under e^{−S}/Z as in the
    points. It is climbed by Newton's method on walkers, reweighted and moved after every step by
    Hamiltonian Monte Carlo, and at last on draws by `parallel_tempering`.

    Parameters
    ----------
    S : sympy.Expr
        A formula of the positions, in units of k_B T, linear in its other symbols.
    space : ehf_sym.PhaseSpace
        Without angles.
    x : array_like, shape (N, d), optional
        Points, needed where S has symbols.
    start : mapping of sympy.Symbol to float, optional
        Where the fit starts: an energy with a finite integral of e^{−S}. 0 for what is not named.
    n : int
        Draws at the end of the fit, and walkers in each direction of `annealed_importance`.
    width : float
        Standard deviation of the normal that draws are annealed from: the scale of q.
    rng : int or numpy.random.Generator, optional

    Returns
    -------
    EnergyBase

    Raises
    ------
    ehf_sym.ArgumentError
        If an argument is not as described, S is not linear in a symbol or two of its terms say the
        same of the points, or the fit comes to no end.
    ehf_sym.FormulaError
        If S is no exact formula of positions.

    References
    ----------
    C. Geyer, E. Thompson, *Constrained Monte Carlo maximum likelihood for dependent data* (1992).

    Examples
    --------
    Three particles that do not overlap, with the core's height and the trap from data:

    >>> import ehf_num as en, ehf_sym as es
    >>> frame = es.Particles(3, 2).relative()
    >>> A, t = sp.symbols("A t", real=True)
    >>> r2 = [frame.distance(a, b) ** 2 for a, b in [(0, 1), (0, 2), (1, 2)]]
    >>> core, trap = sum(sp.exp(-2 * square) for square in r2), sum(q**2 for q in frame.space.q)
    >>> known = energy_base(5 * core + trap / 2, frame.space, n=400, rng=0)
    >>> x = known.sample(400, np.random.default_rng(1))[:, :4]
    >>> S = A * core + t / 2 * trap
    >>> prior = energy_base(S, frame.space, x, start={t: 1}, n=400, rng=0)
    >>> abs(prior.values[A] - 5) < 4 * prior.errors[A] < 4
    True
    >>> flow = en.EquivariantHamiltonianFlow(
    ...     prior.density, frame.symmetry(), base_sampler=prior.sample, enforce="none", rng=0
    ... )
    >>> flow.report.proved
    True
    """
    width = arguments.positive_number(width, "width")
    count = arguments.positive_integer(n, "n")
    start = start or {}
    terms = _Terms.of(FormulaEnergy(S, space, start=start))
    stream = arguments.generator(rng)
    theta = np.array([float(start.get(symbol, 0)) for symbol in terms.symbols])
    errors = np.zeros(0)
    if terms.symbols:
        if x is None:
            named = ", ".join(map(str, terms.symbols))
            raise ArgumentError(
                f"x was None, and S has the symbols {named}; it should be points to fit them to"
            )
        points = arguments.points(x, "x", space.dim, np.float64)
        theta, errors = _fitted(terms, points, theta, count, width, stream)
        theta = np.array([float(f"{value:.{_DIGITS}g}") for value in theta])
    elif x is not None:
        raise ArgumentError("x was given, and S has no symbols that it could fit; leave it out")
    energy = terms.at(theta)
    found = annealed_importance(energy, count, stream, width=width)
    exact = {s: sp.Rational(repr(float(v))) for s, v in zip(terms.symbols, theta, strict=True)}
    kinetic = sp.Add(*(p**2 for p in space.p)) / 2
    density = BaseDensity(space, log_density=-S.xreplace(exact) - kinetic, name="energy")
    if density.log_normalizer is None:
        of_momenta = sp.Rational(space.dim, 2) * sp.log(2 * sp.pi)
        density = replace(density, log_normalizer=sp.Rational(f"{found.log_z:.9f}") + of_momenta)
    return EnergyBase(
        density,
        found,
        MappingProxyType(dict(zip(terms.symbols, theta.tolist(), strict=True))),
        MappingProxyType(dict(zip(terms.symbols, errors.tolist(), strict=True))),
        width,
        energy,
    )


@dataclass(frozen=True, eq=False)
class _Terms:
    """S = S_0 + Σ θ_k h_k in numbers: with its slopes, by θ among them, which are the h_k.

    Attributes
    ----------
    symbols : tuple of sympy.Symbol
        θ.
    dim : int
        Number of positions.
    evaluated : callable
        (n, d + K), positions and θ, to (n, 1 + d + K).
    """

    symbols: tuple[sp.Symbol, ...]
    dim: int
    evaluated: Callable[[Floats], Floats]

    @classmethod
    def of(cls, S: FormulaEnergy) -> _Terms:
        """Take a formula apart, or refuse it."""
        space, symbols = S.space, S.parameters
        if space.angles:
            raise ArgumentError(f"space was {space}; it should have no angles")
        for symbol in symbols:
            if sp.diff(S.formula, symbol).free_symbols & set(symbols):
                raise ArgumentError(
                    f"S is not linear in {symbol}; give numbers to symbols inside functions, such "
                    "as widths"
                )
            if symbol.is_positive or symbol.is_negative:
                raise ArgumentError(
                    f"{symbol} has a sign; the fit knows no bounds: declare it real alone"
                )
        numeric = to_numpy(S.formula, (*space.q, *symbols))
        return cls(symbols, space.dim, with_gradient(numeric))

    def values(self, q: Floats) -> Floats:
        """Evaluate the h_k: (n, d) to (n, K)."""
        return self.at(np.zeros(len(self.symbols))).evaluated(q)[:, 1 + self.dim :]

    def at(self, theta: Floats) -> _WithNumbers:
        """Put numbers in place of the symbols."""
        return _WithNumbers(self, theta)


@dataclass(frozen=True, eq=False)
class _WithNumbers:
    """S at one θ, as chains want it."""

    terms: _Terms
    theta: Floats

    @property
    def dim(self) -> int:
        return self.terms.dim

    def evaluated(self, q: Floats) -> Floats:
        beside = np.broadcast_to(self.theta, (len(q), len(self.theta)))
        return self.terms.evaluated(np.concatenate([q, beside], axis=1))

    def value(self, q: Floats) -> Floats:
        return self.evaluated(q)[:, 0]

    def gradient(self, q: Floats) -> Floats:
        return self.evaluated(q)[:, 1 : 1 + self.dim]


def _fitted(
    terms: _Terms,
    x: Floats,
    theta: Floats,
    n: int,
    width: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Climb the likelihood; return θ and its standard errors."""
    observed = terms.values(x)
    if not np.isfinite(observed).all():
        raise ArgumentError("x has points at which S is not finite")
    wanted = observed.mean(axis=0)
    q, fresh = _draws(terms, theta, _WALKERS, width, rng), 1
    size = width / 4
    for _ in range(_MOST_ROUNDS):
        values = terms.values(q)
        step, decrement, inverse = _newton(values, wanted, terms)
        rise = values @ step
        share = largest_step(rise, 1.0)
        theta = theta + share * step
        if share == 1 and decrement < _NOISE * len(theta) / len(q):
            if fresh == _WANTED:
                break
            q, fresh = _draws(terms, theta, n, width, rng), fresh + 1
            continue
        fresh = 0  # what moved along may have missed something
        weights = np.exp(-share * (rise - rise.min()))
        q = q[resampled(weights / weights.sum(), rng)][:_WALKERS]
        for _ in range(_MOVES):
            q, accepted = hmc_step(terms.at(theta), q, size, _LEAPFROG_STEPS, rng)
            size *= float(np.exp(accepted.mean() - _ACCEPTANCE))
    else:
        named = ", ".join(f"{s} = {v:.4g}" for s, v in zip(terms.symbols, theta, strict=True))
        raise ArgumentError(
            f"S has found no greatest likelihood within {_MOST_ROUNDS} steps: it stands at "
            f"{named}. {_FEWER}"
        )
    spread = np.cov(observed, rowvar=False).reshape(len(theta), -1) / len(x)
    return theta, np.sqrt(np.diag(inverse @ spread @ inverse))


def _draws(terms: _Terms, theta: Floats, n: int, width: float, rng: np.random.Generator) -> Floats:
    """Draw anew from e^{−S} at θ."""
    try:
        return parallel_tempering(terms.at(theta), n, rng, width=width).x
    except ArgumentError as error:
        named = ", ".join(f"{s} = {v:.4g}" for s, v in zip(terms.symbols, theta, strict=True))
        raise ArgumentError(f"S has come to {named} ({error}). {_FEWER}") from error


def _newton(values: Floats, wanted: Floats, terms: _Terms) -> tuple[Floats, float, Floats]:
    """Return Newton's step of θ, its decrement (twice the gain, nats), and the inverse of Cov h."""
    excess = values.mean(axis=0) - wanted
    covariance = np.cov(values, rowvar=False).reshape(len(wanted), -1)
    spread = np.sqrt(np.diag(covariance))
    if not (spread > 0).all():
        at = int(np.argmin(spread))
        raise ArgumentError(
            f"S has {terms.symbols[at]} before a term that is the same at all draws; it should "
            "be one that tells points apart"
        )
    scale = np.outer(spread, spread)
    inverse = scipy.linalg.pinvh(covariance / scale, rtol=_SAME) / scale
    step = inverse @ excess
    return step, float(excess @ step), inverse
