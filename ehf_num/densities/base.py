"""A base density in numbers: ln π(s) with its constant, and exact draws from it.

Four routes to draws and to ln Z, the first that applies: a mixture of tubes around orbits; a
Gaussian, read off the formula; a density that factorizes over coordinates, by inverting each
distribution function; a sampler that the user gives, with a constant that is given too or, for
d = 1, integrated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import autograd.numpy as anp
import numpy as np
import scipy
import sympy as sp
from autograd import make_vjp
from autograd.extend import defvjp, primitive
from autograd.tracer import isbox

from ehf_num.densities.factors import Factor, tabulate
from ehf_num.densities.orbit_mixture import numeric_mixture
from ehf_num.engine.tape import on_tape
from ehf_num.engine.workspace import Array
from ehf_num.targets.linear_forms import with_gradient
from ehf_sym import BaseDensity, Gaussian, PhaseSpace, to_numpy
from ehf_sym.densities.gaussian import find_gaussian
from ehf_sym.densities.orbit_mixture import OrbitMixture
from ehf_sym.errors import ArgumentError, EHFError
from ehf_sym.formulas.arrays import real_array

Sampler = Callable[[int, np.random.Generator], Array]
"""Draws base states: (n, rng) to an array (n, 2d), positions before momenta."""

_TOLERANCE = 1e-6
_PROBES = 256


@dataclass(frozen=True, eq=False)
class NumericBase:
    """ln π and draws from π, in numbers.

    Attributes
    ----------
    dim : int
        d, half the width of a state.
    log_normalizer : float
        ln Z, nats: subtracted from the user's formula.
    route : str
        "mixture", "gaussian", "factorized" or "sampler": how draws are made.
    """

    dim: int
    log_normalizer: float
    route: str
    _formula: Callable[[Any], Any] = field(repr=False)
    _sampler: Sampler = field(repr=False)
    _with_gradient: Callable[[Array], Array] | None = field(default=None, repr=False)

    def log_prob(self, state: Any) -> Any:
        """Evaluate ln π(s): (n, 2d) to (n,), nats. Differentiable on the tape."""
        if isbox(state) and self._with_gradient is not None:
            return _log_density(state, of=self, kept=[])
        return self._formula(state) - self.log_normalizer

    def formula(self, state: Any) -> Any:
        """Evaluate ln π(s) + ln Z by its formula, differentiable to any order."""
        return self._formula(state)

    def value_and_gradient(self, states: Array) -> Array:
        """Evaluate ln π(s) and ∂ln π/∂s at once, off the tape: (n, 2d) to (n, 1 + 2d), nats.

        Raises
        ------
        ehf_sym.EHFError
            For a density with learned parameters, of which the tape alone knows the gradient.
        """
        if self._with_gradient is None:
            raise EHFError("base has learned parameters: its gradient is on the tape alone")
        result = self._with_gradient(states)
        result[:, 0] -= self.log_normalizer
        return result

    def at(self, arrays: Sequence[Array]) -> NumericBase:
        """Return this density, which has no parameters."""
        return self

    def init(self, dtype: Any) -> list[Array]:
        """Return no arrays: there is nothing to learn."""
        return []

    def parameters(self, arrays: Sequence[Array]) -> dict[sp.Symbol, float]:
        """Return no parameters."""
        return {}

    def sample(self, n: int, rng: np.random.Generator, dtype: Any = np.float64) -> Array:
        """Draw n states: (n, 2d).

        Raises
        ------
        ehf_sym.ArgumentError
            If a user's sampler returns something else than n finite states.
        """
        return self._sampler(n, rng).astype(dtype, copy=False)


@primitive  # type: ignore[untyped-decorator]
def _log_density(states: Array, of: NumericBase, kept: list[Array]) -> Array:
    """Evaluate ln π, and keep its gradient, which is found with it."""
    values = of.value_and_gradient(states)
    kept.append(values[:, 1:])
    return values[:, 0]


def _log_density_vjp(_answer: Any, states: Any, of: NumericBase, kept: list[Array]) -> Any:
    def vjp(cotangent: Any) -> Any:
        if isbox(states):
            return make_vjp(of.formula)(states)[0](cotangent)
        return anp.expand_dims(cotangent, 1) * kept[0]

    return vjp


defvjp(_log_density, _log_density_vjp, argnums=(0,))


def numeric_base(base: BaseDensity, sampler: Sampler | None = None) -> NumericBase:
    """Find how to draw from a base density and how to normalize it.

    Raises
    ------
    ehf_sym.ArgumentError
        If no route applies, a factor has no finite mass, or a given constant is wrong.

    Examples
    --------
    >>> import ehf_sym as es
    >>> base = numeric_base(es.StandardNormal(es.PhaseSpace(2)))
    >>> base.route, round(base.log_normalizer, 6)
    ('gaussian', 3.675754)
    >>> circle = numeric_base(es.StandardNormal(es.PhaseSpace(1, angles=True)))
    >>> circle.route, round(float(circle.log_normalizer - np.log(2 * np.pi)), 6)
    ('gaussian', 0.918939)
    """
    space = base.space
    bridged = to_numpy(base.log_density, space.coordinates)
    formula = on_tape(bridged)
    if isinstance(base, OrbitMixture) and sampler is None:
        return _mixture(base, formula)
    given = None if base.log_normalizer is None else float(base.log_normalizer)
    if sampler is None and base.log_density.free_symbols.isdisjoint(space.angular):
        gaussian = find_gaussian(space.linear, base.log_density)
        if gaussian is not None:
            if given is None:
                raise ArgumentError("base is Gaussian but has no log_normalizer")
            return _gaussian(base, gaussian, formula, given)
    both = with_gradient(bridged)
    if sampler is not None:
        constant = _constant(base, given)
        return NumericBase(space.dim, constant, "sampler", formula, _checked(sampler, space), both)
    factors = base.factors()
    if factors is None:
        raise ArgumentError(
            f"base ({base.name}) cannot be sampled: its formula is not Gaussian (a negative "
            "definite quadratic, uniform on angles) and does not factorize over coordinates; give "
            "base_sampler=, a "
            "function (n, rng) that returns states of shape "
            f"(n, {2 * space.dim}), positions before momenta; ehf_num.energy_base makes one for an "
            "energy of positions"
        )
    computed, draw = _factorized(factors, space)
    compare_constants(given, computed)
    constant = computed if given is None else given
    return NumericBase(space.dim, constant, "factorized", formula, draw, both)


def _mixture(base: OrbitMixture, formula: Callable[[Any], Any]) -> NumericBase:
    """Evaluate and draw by its tubes; derivatives of higher order go by the formula."""
    tubes = numeric_mixture(base)

    def evaluate(state: Any) -> Any:
        return formula(state) if isbox(state) else tubes.value_and_gradient(state)[:, 0]

    return NumericBase(
        base.space.dim,
        float(sp.N(base.log_normalizer)),
        "mixture",
        evaluate,
        tubes.sample,
        tubes.value_and_gradient,
    )


def _gaussian(
    base: BaseDensity, gaussian: Gaussian, formula: Callable[[Any], Any], log_normalizer: float
) -> NumericBase:
    """Evaluate and draw a Gaussian, uniform on angles, by its matrix.

    Of angles and many terms, which take long to compile, the formula serves derivatives alone.
    """
    space = base.space
    draws, quadratic = _gaussian_sampler(gaussian), _quadratic(base, gaussian)

    def evaluate(state: Any) -> Any:
        return formula(state) if isbox(state) else quadratic(state)[:, 0]

    if space.angles:
        draws, formula = beside_uniform_angles(draws, space), evaluate
    return NumericBase(space.dim, log_normalizer, "gaussian", formula, draws, quadratic)


def _gaussian_sampler(gaussian: Gaussian) -> Sampler:
    """Draw mean + L z with L Lᵀ the covariance, exactly inverted before it becomes floats."""
    mean = np.array(gaussian.mean, dtype=float).ravel()
    precision = np.array(gaussian.precision, dtype=float)
    covariance = np.array(gaussian.precision.inv(), dtype=float)
    with np.errstate(all="ignore"):
        try:
            factor = np.linalg.cholesky(covariance)
            error = np.abs(factor.T @ precision @ factor - np.eye(len(mean))).max()
            error += (np.spacing(np.abs(mean)) / np.sqrt(np.diag(covariance))).max()
        except np.linalg.LinAlgError:
            error = np.inf
    if not error < _TOLERANCE:
        ends = np.linalg.eigvalsh(precision)[[0, -1]] if np.isfinite(precision).all() else np.inf
        raise ArgumentError(
            "base is a Gaussian that floating point does not hold: there the eigenvalues of its "
            f"precision matrix go from {np.min(ends):.3g} to {np.max(ends):.3g}, its mean to "
            f"{np.abs(mean).max():.3g}; choose units, or coordinates, in which its widths are "
            "near 1 and its mean is near 0"
        )
    standard = not mean.any() and np.array_equal(covariance, np.eye(len(mean)))

    def draw(n: int, rng: np.random.Generator) -> Array:
        normal = rng.standard_normal((n, len(mean)))
        return normal if standard else mean + normal @ factor.T

    return draw


def beside_uniform_angles(sampler: Sampler, space: PhaseSpace) -> Sampler:
    """Put angles, uniform on (−π, π], among draws of all other coordinates."""
    rest = [k for k in range(2 * space.dim) if k not in space.angles]

    def draw(n: int, rng: np.random.Generator) -> Array:
        states = np.empty((n, 2 * space.dim))
        states[:, rest] = sampler(n, rng)
        states[:, list(space.angles)] = np.pi - 2 * np.pi * rng.random((n, len(space.angles)))
        return states

    return draw


def _quadratic(base: BaseDensity, gaussian: Gaussian) -> Callable[[Array], Array]:
    """Evaluate a Gaussian's formula and gradient by its matrix: few operations, on all states."""
    linear, width = base.space.linear, 2 * base.space.dim
    at = [k for k, x in enumerate(base.space.coordinates) if x in linear]
    mean, precision = np.zeros((1, width)), np.zeros((width, width))
    mean[:, at] = np.array(gaussian.mean.T, dtype=float)
    precision[np.ix_(at, at)] = np.array(gaussian.precision, dtype=float)
    at_mean = dict(zip(linear, gaussian.mean, strict=True))
    top, diagonal = float(sp.N(base.log_density.xreplace(at_mean))), np.diag(precision)
    apart = np.array_equal(precision, np.diag(diagonal))

    def evaluate(states: Array) -> Array:
        dtype = states.dtype
        result = np.empty((len(states), 1 + states.shape[1]), dtype)
        away, slopes = mean.astype(dtype) - states, result[:, 1:]
        if apart:
            np.multiply(away, diagonal.astype(dtype), out=slopes)
        else:
            np.matmul(away, precision.astype(dtype), out=slopes)
        np.einsum("ni,ni->n", away, slopes, out=result[:, 0])
        result[:, 0] *= dtype.type(-0.5)
        result[:, 0] += dtype.type(top)
        return result

    return evaluate


def _factorized(factors: tuple[sp.Expr, ...], space: PhaseSpace) -> tuple[float, Sampler]:
    """Tabulate each distinct factor once: coordinates often share one formula."""
    variable = sp.Dummy("x", real=True)
    formulas = [
        factor.subs(symbol, variable)
        for factor, symbol in zip(factors, space.coordinates, strict=True)
    ]
    kinds = [(formula, k in space.angles) for k, formula in enumerate(formulas)]
    tables = {
        (formula, angle): tabulate(
            to_numpy(formula, (variable,)), str(formula).replace("_x", "x"), angle=angle
        )
        for formula, angle in dict.fromkeys(kinds)
    }
    each = [tables[kind] for kind in kinds]
    log_mass = math.fsum(table.log_mass for table in each)
    return log_mass, lambda n, rng: draw_from_tables(each, n, rng)


def draw_from_tables(tables: Sequence[Factor], n: int, rng: np.random.Generator) -> Array:
    """Draw n points of independent coordinates, one table each."""
    uniform = rng.random((n, len(tables)))
    return np.stack([table.draw(uniform[:, k]) for k, table in enumerate(tables)], axis=1)


def refuse_extreme(base: NumericBase, dtype: Any) -> None:
    """Draw from a base, and refuse it where draws or their ln π leave what floats hold.

    Raises
    ------
    ehf_sym.ArgumentError
        Naming what is not finite.
    """
    with np.errstate(all="ignore"):
        states = base.sample(_PROBES, np.random.default_rng(0), dtype)
        for what, values in (("draws", states), ("values of ln π", base.log_prob(states))):
            count = np.count_nonzero(~np.isfinite(values))
            if count:
                raise ArgumentError(
                    f"base has {what} that are not finite in {np.dtype(dtype)}, {count} of "
                    f"{np.size(values)}; choose units in which its widths are near 1"
                )


def _checked(sampler: Sampler, space: PhaseSpace) -> Sampler:
    """Hold a user's sampler to its contract."""

    def draw(n: int, rng: np.random.Generator) -> Array:
        wanted = f"floats of shape {(n, 2 * space.dim)}"
        states = real_array(sampler(n, rng), "what base_sampler returned", wanted)
        if states.shape != (n, 2 * space.dim) or states.dtype.kind != "f":
            raise ArgumentError(
                f"base_sampler returned shape {states.shape}, dtype {states.dtype}; it should "
                f"return {wanted}"
            )
        if not np.isfinite(states).all():
            raise ArgumentError("base_sampler returned states that are not finite")
        return states

    return draw


def _constant(base: BaseDensity, given: float | None) -> float:
    """Return ln Z for a density that a user's sampler draws from."""
    if base.space.dim > 1:
        if given is None:
            raise ArgumentError(
                f"base ({base.name}) has no normalizing constant: give BaseDensity(..., "
                "log_normalizer=) as an exact formula; it is integrated numerically for d = 1 only"
            )
        return given  # an integral over four dimensions or more: taken on trust, docs/limits
    formula = to_numpy(base.log_density, base.space.coordinates)
    ends = (-np.pi, np.pi) if base.space.angles else (-np.inf, np.inf)
    mass, _ = scipy.integrate.dblquad(
        lambda p, q: float(np.exp(formula(np.array([q, p])))), *ends, -np.inf, np.inf
    )
    if not 0 < mass < math.inf:
        raise ArgumentError(
            f"base ({base.name}) integrates numerically to {mass}: it is too narrow, too wide or "
            "too far from 0; give BaseDensity(..., log_normalizer=) as an exact formula"
        )
    computed = math.log(mass)
    compare_constants(given, computed)
    return computed if given is None else given


def compare_constants(given: float | None, computed: float) -> None:
    """Refuse a given ln Z that is not the computed one.

    Raises
    ------
    ehf_sym.ArgumentError
        Naming both.
    """
    if given is not None and abs(given - computed) > _TOLERANCE * max(1.0, abs(computed)):
        raise ArgumentError(
            f"base has log_normalizer {given:.9g}, but its formula integrates to ln Z = "
            f"{computed:.9g}"
        )
