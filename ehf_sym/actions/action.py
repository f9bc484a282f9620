"""The finite transformation exp(ε{·, g}) of a generator: formula, proof, enclosure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.functions.elementary.trigonometric import TrigonometricFunction

from ehf_sym.actions.closed_flow import Chart, ClosedFlow
from ehf_sym.actions.enclosed_action import enclosed_action, occurring_parameters, parameter_values
from ehf_sym.actions.flow_proof import Checks
from ehf_sym.actions.numpy_flow import NumpyFlow
from ehf_sym.errors import ActionError, ArgumentError, FormulaError
from ehf_sym.formulas.numpy_forms import to_numpy
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted
from ehf_sym.formulas.report import Document, Line, Reported, formula_data, space_data
from ehf_sym.formulas.verdict import verdict_data

_MOST_TURNS = 1000
_NUMERICAL = "no closed form found: numerical, by `enclose` (a bound) or ehf_num (an estimate)"


@dataclass(frozen=True, eq=False, repr=False)
class FiniteAction(Reported):
    """The one-parameter group Φ_ε = exp(ε{·, g}): ṡ = {s, g}, run for the time ε.

    Made by ``LieAlgebra.action``. Prints as text, LaTeX, HTML and JSON.

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
        The smallest T > 0 with Φ_T = id, angles modulo 2π, if that is proved.

    Examples
    --------
    >>> from ehf_sym import LieAlgebra
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
        """Φ_ε(s) at one ε: for the states at which `domain` stays positive from 0 to there.

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
        ActionError
            If it is seen that no state moves so far.

        Examples
        --------
        >>> from ehf_sym import LieAlgebra
        >>> space = PhaseSpace(1)
        >>> (q1,), (p1,) = space.q, space.p
        >>> oscillator = LieAlgebra(space, [(q1**2 + p1**2) / 2]).action(0)
        >>> oscillator.at(sp.pi / 2).T
        Matrix([[p1, -q1]])
        """
        value = self.space.validate(eps, "eps")
        moving = value.free_symbols & set(self.space.coordinates)
        if moving:
            raise FormulaError(f"eps is {quoted(value)}; it should not depend on the coordinates")
        formula = self._closed()
        self._refuse_beyond(value)
        return formula.subs(self.parameter, value)

    def _refuse_beyond(self, eps: sp.Expr) -> None:
        """Refuse an ε that is seen to be beyond the domain of every state."""
        for condition in self.domain:
            for time in _telling_times(condition, self.parameter, eps):
                if condition.subs(self.parameter, time).is_nonpositive:
                    raise ActionError(
                        f"eps is {quoted(eps)}, and no state moves so far: {quoted(condition)} > 0 "
                        f"fails for all of them at ε = {quoted(time)}"
                    )

    def apply(self, f: Any) -> sp.Expr:
        """Pull a function back: f∘Φ_ε, a formula in the coordinates and ε, where `domain` lasts.

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
        >>> from ehf_sym import LieAlgebra
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
        >>> from ehf_sym import LieAlgebra
        >>> import numpy as np
        >>> space = PhaseSpace(1)
        >>> (q1,), (p1,) = space.q, space.p
        >>> boost = LieAlgebra(space, [p1**2 / 2]).action(0).to_numpy()
        >>> boost(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 0.5]))
        array([[1., 2.], [5., 4.]])
        """
        values = parameter_values(self.space, self.generator, parameters or {})
        names = (*self.space.coordinates, self.parameter)
        formula = list(self._closed().subs(values))
        domain = tuple(condition.subs(values) for condition in self.domain)
        return NumpyFlow(to_numpy(formula, names), domain)

    def enclose(
        self,
        point: Sequence[Any],
        eps: Any,
        parameters: Mapping[sp.Symbol, Any] | None = None,
        *,
        digits: int = 15,
    ) -> tuple[tuple[sp.Float, sp.Float], ...]:
        """Enclose Φ_ε(s) at one point, rigorously: with or without a closed form.

        A proved closed form is evaluated in interval arithmetic, after its domain was shown to
        last from 0 to ε. Otherwise ṡ = {s, g} is integrated with a remainder that is bounded.

        Parameters
        ----------
        point : sequence of int, Fraction, float or sympy.Rational
            The 2d coordinates. A float counts as the binary fraction that it is.
        eps : int, Fraction, float or sympy.Rational
            ε.
        parameters : mapping of sympy.Symbol to number, optional
            Values of the parameters that occur, likewise.
        digits : int, optional
            The intervals are at most 10^−digits times max(1, |s|) wide.

        Returns
        -------
        tuple of (sympy.Float, sympy.Float)
            A lower and an upper bound for each coordinate: the true value lies between them.

        Raises
        ------
        ArgumentError
            If an argument is no finite number, or their count is not 2d.
        ActionError
            If the flow is not shown to exist up to ε, or not to that many digits.

        Examples
        --------
        >>> from ehf_sym import LieAlgebra
        >>> space = PhaseSpace(1)
        >>> (q1,), (p1,) = space.q, space.p
        >>> pendulum = LieAlgebra(space, [p1**2 / 2 - sp.cos(q1)]).action(0)
        >>> pendulum.status
        'numerical'
        >>> [low.n(8) for low, high in pendulum.enclose([1, 0], 1)]
        [0.60008537, -0.75496371]
        """
        given = parameters or {}
        occurring_parameters(self.space, self.generator, given)
        chart = Chart(self.space.q, self.space.p, self.parameter)
        closed = None
        if self.proved:
            closed = ClosedFlow(
                dict(zip(self.space.coordinates, self._closed(), strict=True)), self.domain
            )
        try:
            return enclosed_action(self.generator, chart, closed, point, eps, given, digits)
        except RecursionError as error:
            raise ActionError(
                "the flow is not integrated: its generator is nested too deeply"
            ) from error

    def _closed(self) -> sp.ImmutableMatrix:
        if self.formula is None:
            raise ArgumentError(
                f"exp(ε{{·, g}}) of g = {quoted(self.generator)} has no closed form here; "
                "use `enclose`, "
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


def _telling_times(condition: sp.Expr, parameter: sp.Symbol, eps: sp.Expr) -> Iterator[sp.Expr]:
    """ε itself, and the quarter turns on the way there, at which coordinates may drop out."""
    yield eps
    for part in sorted(condition.atoms(TrigonometricFunction), key=sp.default_sort_key):
        quarter = sp.pi / (2 * part.args[0].diff(parameter))
        turns = eps / quarter
        if quarter.is_comparable and turns.is_comparable and abs(turns) < _MOST_TURNS:
            last = int(sp.floor(turns)) if turns > 0 else int(sp.ceiling(turns))
            yield from (k * quarter for k in range(min(last, 0), max(last, 0) + 1) if k)
