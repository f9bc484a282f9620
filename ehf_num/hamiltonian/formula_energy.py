"""Energies that are formulas: U(q) or K(p) whose free symbols are learned, with their names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import autograd.numpy as anp
import numpy as np
import sympy as sp

from ehf_num.engine.arguments import one_of
from ehf_num.engine.networks import Weights
from ehf_num.engine.tape import on_tape
from ehf_num.engine.workspace import Array
from ehf_sym import (
    BaseDensity,
    Conditions,
    FiniteSymmetry,
    InvarianceReport,
    LieAlgebra,
    PhaseSpace,
    Symmetry,
    format_formula,
    parse,
    to_numpy,
)
from ehf_sym.densities.charts import parameter, range_of, sign_of
from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.formulas.numpy_forms import NumpyFormula
from ehf_sym.symmetry.symmetry import AnySymmetry, moved_to
from ehf_sym.zero.periodicity import function_on


@dataclass(frozen=True, eq=False)
class FormulaEnergy:
    """U(q) or K(p) as a formula; its free symbols are learned.

    A symbol that is declared positive or negative stays so: its logarithm is the weight. That
    {g, U} = 0 is proved for all values of the symbols at once, or the conditions on them are shown.

    Parameters
    ----------
    formula : sympy.Expr
        The energy, dimensionless: exact numbers, the coordinates of one half, and real symbols.
    space : ehf_sym.PhaseSpace
        The coordinates.
    of : {"q", "p"}
        Whether it is U(q) or K(p).
    start : mapping of sympy.Symbol to float, optional
        Where learning starts; 1 for symbols that are not named, −1 for negative ones.

    Raises
    ------
    ehf_sym.ArgumentError
        If an argument is of the wrong kind, a symbol is not real, or a start is not in its range.
    ehf_sym.FormulaError
        If the formula is not exact, depends on the other half or on no coordinate, is not
        2π-periodic in an angle, or has no counterpart in NumPy.

    Examples
    --------
    >>> import ehf_sym as es
    >>> symmetry = es.groups.so(2)
    >>> a, b = sp.Symbol("a", real=True), sp.Symbol("b", positive=True)
    >>> r2 = sum(q**2 for q in symmetry.space.q)
    >>> U = FormulaEnergy(a * r2 + b * r2**2, symmetry.space, start={b: 0.5})
    >>> U.invariance(symmetry, "q").proved
    True
    >>> weights = U.init(np.random.default_rng(0), "float64")
    >>> U.coefficients(weights)
    {'a': 1.0, 'b': 0.5}
    >>> U.gradient(weights, np.array([[1.0, 0.0]]))
    array([[4., 0.]])
    """

    formula: sp.Expr
    space: PhaseSpace
    of: str = "q"
    start: Mapping[sp.Symbol, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.space, PhaseSpace):
            raise ArgumentError(f"space was {self.space!r}; it should be an ehf_sym.PhaseSpace")
        one_of(self.of, "of", ("q", "p"))
        named = set(getattr(self.formula, "free_symbols", ())) - set(self.space.coordinates)
        learned = tuple(sorted(named, key=lambda symbol: str(symbol.name)))
        widened = replace(self.space, parameters=learned)
        formula = function_on(widened, self.formula, "formula")
        object.__setattr__(self, "formula", formula)
        object.__setattr__(self, "_widened", widened)
        other = formula.free_symbols & set(self.space.p if self.of == "q" else self.space.q)
        if other:
            raise FormulaError(
                f"formula was {formula}, which depends on {min(map(str, other))}; with "
                f"of={self.of!r} it should be one of {self.of} alone"
            )
        if not formula.free_symbols & set(self._variables):
            raise FormulaError(f"formula was {formula}; it should depend on {self.of}")
        for symbol in learned:
            if symbol.is_integer:
                raise ArgumentError(f"{symbol} is an integer, which is not learned; put in a value")
        self._check_start()
        object.__setattr__(self, "_numpy", to_numpy(formula, (*self._variables, *learned)))

    _widened: PhaseSpace = field(init=False, repr=False)
    _numpy: NumpyFormula = field(init=False, repr=False)

    def _check_start(self) -> None:
        if not isinstance(self.start, Mapping):
            raise ArgumentError(f"start was {self.start!r}; it should map symbols to numbers")
        for symbol, value in self.start.items():
            if symbol not in self.parameters:
                raise ArgumentError(
                    f"start had {symbol!r}, which is no free symbol of the formula; those are "
                    f"{', '.join(map(str, self.parameters)) or 'none'}"
                )
            sign = sign_of(symbol)
            if not math.isfinite(float(value)) or (sign and sign * float(value) <= 0):
                kind = {1: "positive", -1: "negative", 0: "finite"}[sign]
                raise ArgumentError(f"start[{symbol}] was {value!r}; it should be {kind}")

    def __reduce__(self) -> tuple[Any, ...]:
        return FormulaEnergy, (self.formula, self.space, self.of, dict(self.start))

    @property
    def letter(self) -> str:
        """What formulas call it: U or K."""
        return "U" if self.of == "q" else "K"

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:
        """The free symbols, which are learned, by name."""
        return tuple(self._widened.parameters)

    @property
    def _variables(self) -> tuple[sp.Symbol, ...]:
        return self.space.q if self.of == "q" else self.space.p

    @cached_property
    def _signs(self) -> Array:
        return np.array([sign_of(symbol) for symbol in self.parameters], dtype=float)

    @cached_property
    def _gradient(self) -> NumpyFormula:
        gradient, dim = self._numpy.gradient, self.space.dim
        return NumpyFormula(gradient.expressions[:dim], gradient.variables, (dim,), stable=True)

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Return the start: values of real symbols, logarithms of |values| of others."""
        values = np.array([float(self.start.get(s, sign_of(s) or 1)) for s in self.parameters])
        bounded = self._signs != 0
        values[bounded] = np.log(np.abs(values[bounded]))
        return [values.astype(dtype)] if len(values) else []

    def value(self, weights: Weights, x: Any) -> Any:
        """Evaluate it: (n, d) to (n,)."""
        return on_tape(self._numpy)(self._with_values(weights, x))

    def gradient(self, weights: Weights, x: Any) -> Any:
        """Evaluate its derivative: (n, d) to (n, d)."""
        return on_tape(self._gradient)(self._with_values(weights, x))

    def _with_values(self, weights: Weights, x: Any) -> Any:
        """Put the symbols' values beside every row."""
        if not self.parameters:
            return x
        return anp.concatenate([x, anp.ones((len(x), 1), x.dtype) * self._values(weights)], axis=1)

    def _values(self, weights: Weights) -> Any:
        raw, signs = weights[0], self._signs.astype(weights[0].dtype)
        bounded = signs != 0
        return anp.where(bounded, signs * anp.exp(anp.where(bounded, raw, 0)), raw)

    def coefficients(self, weights: Weights) -> dict[str, float]:
        """Return the symbols' values by name."""
        values = self._values(weights) if self.parameters else ()
        return {s.name: float(v) for s, v in zip(self.parameters, values, strict=True)}

    def saved(self) -> dict[str, Any]:
        """Return the options of `restored`, as JSON has them."""
        return {
            "formula": format_formula(self.formula),
            "dim": self.space.dim,
            **({"angles": list(self.space.angles)} if self.space.angles else {}),
            "of": self.of,
            "symbols": {s.name: range_of(s) for s in self.parameters},
            "start": {s.name: float(value) for s, value in self.start.items()},
        }

    @classmethod
    def restored(
        cls,
        formula: str,
        dim: int,
        of: str,
        symbols: Mapping[str, str],
        start: Mapping[str, float],
        angles: Sequence[int] = (),
    ) -> FormulaEnergy:
        """Make an energy again of what `saved` returned."""
        known = [parameter(name, assumed) for name, assumed in symbols.items()]
        space = PhaseSpace(dim, angles=angles)
        read = parse(formula, replace(space, parameters=known))
        values = {symbol: start[symbol.name] for symbol in known if symbol.name in start}
        return cls(read, space, of, values)

    def invariance(self, symmetry: AnySymmetry, of: str) -> FormulaInvariance:
        """Decide whether {g, U} = 0 for every generator g and all values of the symbols.

        Of a finite symmetry, whether U∘σ = U.

        A formula that jumps across the orbits is not invariant, though its bracket vanishes
        wherever it is defined: e^−U is asked as a density would be.

        Raises
        ------
        ehf_sym.ArgumentError
            If the symmetry is not on this space, or the energy is one of the other half.
        """
        if of != self.of:
            raise ArgumentError(
                f"of was {of!r}; {self.formula} is {self.letter}({self.of}): give it as "
                f"{'potential' if self.of == 'q' else 'kinetic'}="
            )
        known = isinstance(symmetry, LieAlgebra | FiniteSymmetry | Symmetry)
        if not known or (symmetry.space.dim, symmetry.space.angles) != (
            self.space.dim,
            self.space.angles,
        ):
            raise ArgumentError(f"symmetry was {symmetry!r}; it should be on {self.space}")
        if isinstance(symmetry, FiniteSymmetry):
            symmetry = Symmetry(finite=symmetry)
        density = BaseDensity(self._widened, log_density=-self.formula, name=f"exp(-{self.letter})")
        report = moved_to(symmetry, self._widened).check(density)
        if report.proved or not self.parameters:
            return FormulaInvariance(self, report, None)
        bare = moved_to(symmetry, replace(self.space, parameters=()))
        return FormulaInvariance(self, report, bare.conditions(density))


@dataclass(frozen=True, eq=False)
class FormulaInvariance:
    """Whether {g, U} = 0 for every g, whatever the symbols' values, or on which condition.

    Attributes
    ----------
    energy : FormulaEnergy
        Of which energy.
    report : InvarianceReport
        On e^−U for all values of the symbols.
    conditions : Conditions or None
        If that is not proved and there are symbols: the values for which it holds.
    """

    energy: FormulaEnergy
    report: InvarianceReport
    conditions: Conditions | None

    @property
    def proved(self) -> bool:
        """Whether it holds for all values of the symbols."""
        return self.report.proved

    def __str__(self) -> str:
        letter = self.energy.letter
        of = ", ".join(s.name for s in self.energy.parameters)
        values = f", whatever the values of {of}" if of else ""
        claim = self.report.claim.replace("π", letter)
        lines = [f"{claim} for {letter} = {self.energy.formula}{values}: "]
        lines[0] += self.report.status
        if self.conditions is not None:
            lines += self._where(self.conditions)
        elif not self.proved:
            lines += [f"  {line}" for line in str(self.report).splitlines()]
        return "\n".join(lines)

    @staticmethod
    def _where(conditions: Conditions) -> Iterator[str]:
        """Write the conditions out; an energy need not make a density, unlike what they are of."""
        cases = [*(family.values for family in conditions.families), *conditions.improper]
        if conditions.complete and not cases:
            yield "  it holds for no values of them"
        elif conditions.equations:
            yield "  it holds exactly where" if conditions.complete else "  it is certain where"
            yield from (f"    0 = {equation}" for equation in conditions.equations)
        for values in cases:
            if values:
                yield "    " + ", ".join(f"{s} = {value}" for s, value in values.items())
        yield from (f"  undecided where 0 = {bracket}" for bracket in conditions.residual)
