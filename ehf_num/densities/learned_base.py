"""A base density whose parameters are learned with the weights.

Everything is a function of one vector u of real numbers, which the optimizer moves: coordinates
of one sign are ±exp(u), the parameters θ formulas in the coordinates (`charts`), and ln π
and ln Z follow from θ. For a Gaussian, ln Z is that of the precision matrix P(θ) and slope b(θ):

    ln π(s) = −½ sᵀPs + b·s − ½ bᵀP⁻¹b + ½ ln det P − d ln 2π
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import autograd.numpy as anp
import numpy as np
import sympy as sp

from ehf_num.densities.base import (
    NumericBase,
    beside_uniform_angles,
    compare_constants,
    draw_from_tables,
)
from ehf_num.densities.factors import Factor, tabulate
from ehf_num.engine.log_space import LOG_2PI
from ehf_num.engine.tape import on_tape
from ehf_num.engine.workspace import Array
from ehf_sym import BaseDensity, NumpyFormula, to_numpy
from ehf_sym.densities.charts import is_quadratic, sign_of
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.learnable_bases import LearnableBase

_OTHER_PLACE = 0.3  # in units of u: where a given ln Z is compared once more


@dataclass(frozen=True, eq=False)
class LearnedBase:
    """A family of base densities in numbers.

    Attributes
    ----------
    dim : int
        d, half the width of a state.
    route : str
        "gaussian" or "factorized": how draws are made.
    """

    dim: int
    route: str
    _start: Array
    _free: Callable[[Any], Any]
    _all: Mapping[sp.Symbol, Callable[[Array], Array]]
    _bind: Callable[[Any], NumericBase]

    def init(self, dtype: Any) -> list[Array]:
        """Return the vector u to start from, in a list."""
        return [self._start.astype(dtype)]

    def at(self, arrays: Sequence[Any]) -> NumericBase:
        """Return the density for a vector u, on the tape or off it."""
        (u,) = arrays
        return self._bind(self._free(u))

    def parameters(self, arrays: Sequence[Array]) -> dict[sp.Symbol, float]:
        """Evaluate all parameters, those that invariance determines included."""
        (u,) = arrays
        return {x: float(value(u)) + 0.0 for x, value in self._all.items()}  # no -0.0


def learned_base(
    family: LearnableBase, given: BaseDensity, start: Mapping[Any, Any]
) -> LearnedBase:
    """Bridge a family of densities.

    Parameters
    ----------
    family : LearnableBase
        What is learned.
    given : BaseDensity
        The density that it was restricted from.
    start : mapping from sympy.Symbol to float
        Values of free parameters to start from; those of others are chosen, 1 for what is
        positive and 0 for what has no sign.

    Raises
    ------
    ehf_sym.ArgumentError
        If a start cannot be used, or the density's ln Z is not known as a formula, is wrong, or
        draws cannot be made.
    """
    density, chart = family.density, family.chart
    names = [sp.Symbol(f"u{k:04d}", real=True) for k in range(len(chart.coordinates))]
    ranges = {
        x: sign_of(x) * sp.exp(u) if sign_of(x) else u
        for x, u in zip(chart.coordinates, names, strict=True)
    }
    free = {x: v.xreplace(ranges) for x, v in zip(chart.parameters, chart.values, strict=True)}
    every = {x: family.determined.get(x, x).xreplace(free) for x in given.space.parameters}
    formula = on_tape(to_numpy(list(free.values()), names))
    u = _coordinates_of(family, start)
    numeric = _GaussianFamily(density) if is_quadratic(density) else _FactorizedFamily(density)
    if isinstance(numeric, _FactorizedFamily):
        for place in (u, u + _OTHER_PLACE):
            numeric.check(formula(place[np.newaxis])[0])
    return LearnedBase(
        dim=density.space.dim,
        route=numeric.route,
        _start=u,
        _free=lambda u: formula(u[np.newaxis])[0],
        _all={x: to_numpy(value, names) for x, value in every.items()},
        _bind=numeric.bind,
    )


def _coordinates_of(family: LearnableBase, start: Mapping[Any, Any]) -> Array:
    """Turn the user's values of free parameters into u."""
    if not isinstance(start, Mapping):
        raise ArgumentError(f"base_parameters was {start!r}; it should map parameters to numbers")
    chart, given = family.chart, {x: _finite(x, value, family) for x, value in start.items()}
    solved = dict(chart.solved)
    own = dict(zip(chart.coordinates, chart.parameters, strict=True))
    values: dict[sp.Symbol, float] = {}
    plain = [c for c in chart.coordinates if c not in solved]
    for c in (*plain, *solved):
        x, sign = own[c], sign_of(c)
        values[c] = float(sign)
        if x in given:
            values[c] = float(solved.get(c, c).subs(values | {x: given[x]}))
            if sign and values[c] * sign <= 0:
                raise ArgumentError(
                    f"base_parameters[{x}] was {start[x]!r}, where {solved.get(c, c)} = "
                    f"{values[c]:.6g}; it should be {'positive' if sign > 0 else 'negative'}"
                )
    return np.array([math.log(abs(values[c])) if sign_of(c) else values[c] for c in own])


def _finite(x: Any, value: Any, family: LearnableBase) -> float:
    """Admit the value of one free parameter."""
    if x not in family.chart.parameters:
        known = "the base does not have it"
        if x in family.determined:
            known = f"invariance makes it {family.determined[x]}"
        free = ", ".join(map(str, family.chart.parameters))
        raise ArgumentError(f"base_parameters has the key {x!r}, but {known}; free are {free}")
    try:
        number = math.nan if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentError(f"base_parameters[{x}] was {value!r}; it should be a finite number")
    return number


class _GaussianFamily:
    """P and b of a quadratic formula."""

    route = "gaussian"

    def __init__(self, density: BaseDensity) -> None:
        self._space, s = density.space, density.space.linear
        at_origin = dict.fromkeys(s, sp.S.Zero)
        slope = [density.log_density.diff(x).subs(at_origin) for x in s]
        rows = (-sp.hessian(density.log_density, s)).tolist()
        self._entries = on_tape(to_numpy([*rows, slope], density.space.parameters))

    def bind(self, theta: Any) -> NumericBase:
        """Return the density for parameters (m,)."""
        table = self._entries(theta[np.newaxis])[0]
        precision, slope = table[:-1], table[-1]
        mean = anp.linalg.solve(precision, slope)
        log_det = anp.linalg.slogdet(precision)[1]
        space = self._space
        constant = (len(space.angles) + 0.5 * len(space.linear)) * LOG_2PI
        log_normalizer = constant + 0.5 * (anp.dot(slope, mean) - log_det)
        chosen = np.delete(np.eye(2 * space.dim), list(space.angles), axis=1)

        def formula(state: Any) -> Any:
            if space.angles:
                state = anp.dot(state, chosen.astype(state.dtype))
            return anp.sum(state * (slope - 0.5 * anp.dot(state, precision)), axis=1)

        def draw(n: int, rng: np.random.Generator) -> Array:
            factor = np.linalg.inv(np.linalg.cholesky(precision))
            states: Array = mean + rng.standard_normal((n, len(slope))) @ factor
            return states

        sampler = beside_uniform_angles(draw, space) if space.angles else draw
        return NumericBase(space.dim, log_normalizer, self.route, formula, sampler)


class _FactorizedFamily:
    """A density of independent coordinates, with ln Z as a formula."""

    route = "factorized"

    def __init__(self, density: BaseDensity) -> None:
        space, factors = density.space, density.factors()
        if density.log_normalizer is None:
            raise ArgumentError(
                f"base ({density.name}) has parameters to learn but no log_normalizer, and is not "
                "Gaussian: its ln Z depends on them, so give BaseDensity(..., log_normalizer=) as "
                "a formula in them"
            )
        if factors is None:
            raise ArgumentError(
                f"base ({density.name}) has parameters to learn but cannot be sampled for all of "
                "their values: it is not Gaussian and does not factorize over coordinates"
            )
        symbols = tuple(space.parameters)
        self._dim = space.dim
        self._log_density = on_tape(to_numpy(density.log_density, space.coordinates + symbols))
        self._normalizer = on_tape(to_numpy(density.log_normalizer, symbols))
        x = sp.Dummy("x", real=True)
        self._factors = [
            (f.subs(c, x), c in space.angular)
            for f, c in zip(factors, space.coordinates, strict=True)
        ]
        self._compiled = {
            each: to_numpy(each[0], (x, *symbols)) for each in dict.fromkeys(self._factors)
        }
        self._tables = lru_cache(maxsize=1)(self._tabulated)  # blocks ask for the same again

    def bind(self, theta: Any) -> NumericBase:
        """Return the density for parameters (m,)."""
        return NumericBase(
            self._dim,
            self._normalizer(theta[np.newaxis])[0],
            self.route,
            lambda state: self._log_density(_beside(state, theta)),
            lambda n, rng: draw_from_tables(self._tables(*theta.tolist()), n, rng),
        )

    def check(self, theta: Array) -> None:
        """Compare ln Z with the integral."""
        computed = math.fsum(table.log_mass for table in self._tables(*theta.tolist()))
        compare_constants(float(self._normalizer(theta[np.newaxis])[0]), computed)

    def _tabulated(self, *theta: float) -> list[Factor]:
        values = np.array(theta)
        made = {
            (factor, angle): tabulate(
                _with(formula, values), str(factor).replace("_x", "x"), angle=angle
            )
            for (factor, angle), formula in self._compiled.items()
        }
        return [made[factor] for factor in self._factors]


def _with(formula: NumpyFormula, theta: Array) -> Callable[[Array], Array]:
    """Fix the parameters of a factor: a function of points (..., 1)."""

    def evaluate(points: Array) -> Array:
        flat = points.reshape(-1, 1)
        return formula(_beside(flat, theta)).reshape(points.shape[:-1])

    return evaluate


def _beside(points: Any, theta: Any) -> Any:
    """Put the parameters beside every point: (n, m) and (k,) to (n, m + k)."""
    rows = anp.ones((len(points), 1), points.dtype) * theta[np.newaxis]
    return anp.concatenate([points, rows], axis=1)
