"""The finite transformation exp(ε{·, g}) of a generator: formula, proof, enclosure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sympy as sp

from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.flows.closed_flow import Chart
from ehf_sym.flows.flow_cases import Case, flow_cases
from ehf_sym.flows.flow_proof import Checks
from ehf_sym.flows.flow_search import is_period
from ehf_sym.lie_algebra import LieAlgebra
from ehf_sym.phase_space import PhaseSpace
from ehf_sym.report import Document, Line, Reported, formula_data, space_data, verdict_data
from ehf_sym.zero_test import ZeroVerdict

if TYPE_CHECKING:
    from ehf_sym.bridge import NumpyFlow

_NUMERICAL = "no closed form found: numerical, by `enclose` (a bound) or ehf_num (an estimate)"


@dataclass(frozen=True, eq=False)
class FiniteAction(Reported):
    """The one-parameter group Φ_ε = exp(ε{·, g}): ṡ = {s, g}, run for the time ε.

    Made by `LieAlgebra.action`. Prints as text, LaTeX, HTML and JSON.

    Attributes
    ----------
    space : PhaseSpace
        The coordinates.
    generator : sympy.Expr
        g(q, p).
    label : str
        What reports call it.
    parameter : sympy.Symbol
        ε, real.
    formula : sympy.ImmutableMatrix or None
        Column of 2d formulas in the coordinates and ε: Φ_ε(s), positions first. Piecewise where
        the sign of a parameter decides. None if no closed form was found.
    domain : tuple of sympy.Expr
        The formula holds as long as each of these, positive at ε = 0, has stayed positive up to ε.
        Empty if it holds for every ε.
    checks : mapping of str to ZeroVerdict
        What was decided about the formula: it is the identity at ε = 0; its derivative there is
        the vector field; it solves the differential equation for all ε; it composes; it is
        symplectic. Where an expression is not real or not defined, nothing is said.
    methods : tuple of str
        How the closed form was found.
    period : sympy.Expr or None
        The smallest T > 0 with Φ_T = id, if that is proved.

    Examples
    --------
    >>> space = PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> rotation = LieAlgebra(space, [q1 * p2 - q2 * p1]).action(0)
    >>> rotation.formula[0]
    q1*cos(epsilon) - q2*sin(epsilon)
    >>> rotation.proved, rotation.period
    (True, 2*pi)
    """

    space: PhaseSpace
    generator: sp.Expr
    label: str
    parameter: sp.Symbol
    formula: sp.ImmutableMatrix | None
    domain: tuple[sp.Expr, ...]
    checks: Checks
    methods: tuple[str, ...]
    period: sp.Expr | None

    @property
    def status(self) -> str:
        """Say "proved", "undecided" if a check is, or "numerical" if there is no closed form."""
        if self.formula is None:
            return "numerical"
        return "proved" if all(v.proved for v in self.checks.values()) else "undecided"

    @property
    def proved(self) -> bool:
        """Whether there is a closed form with every check proved."""
        return self.status == "proved"

    @property
    def is_periodic(self) -> bool:
        """Whether the group is proved to be compact: Φ_T = id for some T > 0."""
        return self.period is not None

    def at(self, eps: Any) -> sp.ImmutableMatrix:
        """Φ_ε(s) at one ε.

        Parameters
        ----------
        eps : sympy.Expr or int or fractions.Fraction
            An exact number, or a formula in parameters of the space.

        Returns
        -------
        sympy.ImmutableMatrix
            Column of 2d formulas.

        Raises
        ------
        ArgumentError
            If there is no closed form.
        FormulaError
            If ``eps`` is not exact, or depends on coordinates.

        Examples
        --------
        >>> space = PhaseSpace(1)
        >>> (q1,), (p1,) = space.q, space.p
        >>> oscillator = LieAlgebra(space, [(q1**2 + p1**2) / 2]).action(0)
        >>> oscillator.at(sp.pi / 2).T
        Matrix([[p1, -q1]])
        """
        value = self.space.validate(eps, "eps")
        moving = value.free_symbols & set(self.space.coordinates)
        if moving:
            raise FormulaError(f"eps is {value}; it should not depend on the coordinates")
        return self._closed().subs(self.parameter, value)

    def apply(self, f: Any) -> sp.Expr:
        """Pull a function back: f∘Φ_ε, a formula in the coordinates and ε.

        Parameters
        ----------
        f : sympy.Expr or int
            A formula in this space.

        Raises
        ------
        ArgumentError
            If there is no closed form.
        FormulaError
            If ``f`` is no formula of this space.

        Examples
        --------
        >>> space = PhaseSpace(1)
        >>> (q1,), (p1,) = space.q, space.p
        >>> LieAlgebra(space, [q1 * p1]).action(0).apply(q1 * p1)
        p1*q1
        """
        image = dict(zip(self.space.coordinates, self._closed(), strict=True))
        return self.space.validate(f).xreplace(image)

    def to_numpy(self, parameters: Mapping[sp.Symbol, Any] | None = None) -> NumpyFlow:
        """Compile the closed form into a batched function (states, ε) ↦ states.

        Parameters
        ----------
        parameters : mapping of sympy.Symbol to number, optional
            Values of the parameters that occur.

        Returns
        -------
        NumpyFlow
            Takes states (n, 2d) and ε, a number or (n,); returns (n, 2d), dtype kept.

        Raises
        ------
        ArgumentError
            If there is no closed form, or a parameter has no value.

        Examples
        --------
        >>> import numpy as np
        >>> space = PhaseSpace(1)
        >>> (q1,), (p1,) = space.q, space.p
        >>> boost = LieAlgebra(space, [p1**2 / 2]).action(0).to_numpy()
        >>> boost(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 0.5]))
        array([[1., 2.], [5., 4.]])
        """
        # NumPy is loaded only when arrays are asked for.
        from ehf_sym.bridge import NumpyFlow, to_numpy

        values = self._values(parameters)
        names = (*self.space.coordinates, self.parameter)
        formula = list(self._closed().subs(values))
        domain = [condition.subs(values) for condition in self.domain]
        return NumpyFlow(to_numpy(formula, names), to_numpy(domain, names) if domain else None)

    def _values(self, parameters: Mapping[sp.Symbol, Any] | None) -> dict[sp.Symbol, sp.Expr]:
        """Values of the parameters that occur in the generator."""
        values = {symbol: sp.sympify(value) for symbol, value in (parameters or {}).items()}
        missing = self.generator.free_symbols - set(self.space.coordinates) - values.keys()
        if missing:
            names = ", ".join(sorted(map(str, missing)))
            raise ArgumentError(f"parameters has no value for {names}")
        return values

    def _closed(self) -> sp.ImmutableMatrix:
        if self.formula is None:
            raise ArgumentError(
                f"exp(ε{{·, g}}) of g = {self.generator} has no closed form here; use `enclose`, "
                "or ehf_num.finite_action"
            )
        return self.formula

    def document(self) -> Document:
        """Lines for a reader and data for a program."""
        lines = [
            Line(0, f"exp(ε{{·, {self.label}}}): {self.status}"),
            Line(1, f"{self.label} = ", self.generator),
        ]
        if self.formula is None:
            lines.append(Line(1, _NUMERICAL))
        for x, u in zip(self.space.coordinates, self.formula or (), strict=False):
            lines.append(Line(1, f"{x} ↦ ", u))
        if self.methods:
            lines.append(Line(1, f"found as: {'; '.join(self.methods)}"))
        lines += [Line(1, "while this stays positive: ", condition) for condition in self.domain]
        if self.period is not None:
            lines.append(Line(1, "period ", self.period))
        for name, verdict in self.checks.items():
            lines.append(Line(1, f"{name}: {verdict}"))
        return Document(tuple(lines), self._data())

    def _data(self) -> dict[str, Any]:
        closed = self.formula is not None
        return {
            "space": space_data(self.space),
            "label": self.label,
            "generator": formula_data(self.generator),
            "status": self.status,
            "parameter": self.parameter.name,
            "formula": [formula_data(u) for u in self.formula or ()] if closed else None,
            "domain": [formula_data(condition) for condition in self.domain],
            "period": None if self.period is None else formula_data(self.period),
            "methods": list(self.methods),
            "checks": {name: verdict_data(v) for name, v in self.checks.items()},
        }


def finite_action(symmetry: LieAlgebra, k: Any) -> FiniteAction:
    """Find exp(ε{·, g_k}); the work of `LieAlgebra.action`.

    Parameters
    ----------
    symmetry : LieAlgebra
        The generators.
    k : int
        Which one, from 0.

    Raises
    ------
    ArgumentError
        If ``k`` is not the index of a generator.

    Examples
    --------
    >>> space = PhaseSpace(1)
    >>> action = finite_action(LieAlgebra(space, [space.p[0] * space.q[0] ** 2]), 0)
    >>> action.formula[0], action.domain
    (-q1/(epsilon*q1 - 1), (-epsilon*q1 + 1,))
    """
    generators = symmetry.generators
    if isinstance(k, bool) or not hasattr(k, "__index__") or not 0 <= k < len(generators):
        raise ArgumentError(
            f"k is {k!r}; it should be an index from 0 to {len(generators) - 1}, of a generator"
        )
    return replace(_found_action(symmetry.space, generators[k]), label=symmetry.labels[k])


@lru_cache(maxsize=64)
def _found_action(space: PhaseSpace, generator: sp.Expr) -> FiniteAction:
    """Find, prove and assemble; kept, since diagnostics ask again and again."""
    chart = Chart(space.q, space.p, _group_parameter(space))
    cases = flow_cases(generator, chart)
    found = [case.found for case in cases if case.found is not None]
    if len(found) < len(cases) or not found:
        return FiniteAction(space, generator, "g", chart.eps, None, (), {}, (), None)
    domain = dict.fromkeys(c for case in found for c in case.flow.positive)
    methods = dict.fromkeys(method for case in found for method in case.methods)
    return FiniteAction(
        space=space,
        generator=generator,
        label="g",
        parameter=chart.eps,
        formula=sp.ImmutableMatrix([_by_cases(cases, x) for x in space.coordinates]),
        domain=tuple(domain),
        checks=_merged([case.checks for case in found]),
        methods=tuple(methods),
        period=_period(cases, chart.eps),
    )


def _group_parameter(space: PhaseSpace) -> sp.Symbol:
    """ε, under a name that no parameter has."""
    name = "epsilon"
    while name in {symbol.name for symbol in space.parameters}:
        name += "_"
    return sp.Symbol(name, real=True)


def _by_cases(cases: Sequence[Case], x: sp.Symbol) -> sp.Expr:
    """Value of one coordinate, Piecewise if the cases differ."""
    values = [(case.found.flow.of(x), case.condition) for case in cases if case.found is not None]
    if len({value for value, _ in values}) == 1:
        return values[0][0]
    return sp.Piecewise(*values)


def _merged(checks: Sequence[Checks]) -> Checks:
    """Verdicts that hold in every case."""
    merged: dict[str, ZeroVerdict] = {}
    for name in checks[0]:
        verdicts = [case[name] for case in checks]
        merged[name] = next((v for v in verdicts if not v.proved), verdicts[0])
    return merged


def _period(cases: Sequence[Case], eps: sp.Symbol) -> sp.Expr | None:
    """Smallest common period of the rotations, if they are commensurable; proved."""
    found = cases[0].found
    if len(cases) > 1 or found is None or not found.flow.frequencies:
        return None
    first, *others = found.flow.frequencies
    ratios = [sp.cancel(other / first) for other in others]
    if not all(ratio.is_Rational for ratio in ratios):
        return None
    turns = sp.S.One
    for ratio in ratios:
        turns = sp.ilcm(turns, ratio.q)
    # The frequencies are multiples of first/turns; the greatest such divisor counts.
    multiples = [turns, *(ratio * turns for ratio in ratios)]
    common = sp.igcd(*multiples) if len(multiples) > 1 else turns
    period = sp.Abs(2 * sp.pi * turns / (first * common))
    return period if is_period(found.flow, period, eps).proved else None
