"""Decide whether a formula is a function on the circle: 2π-periodic in each angle of its space."""

from __future__ import annotations

from typing import Any

from sympy import Expr, Piecewise, Symbol, pi

from ehf_sym.errors import FormulaError, UndecidedError
from ehf_sym.formulas.domains import requirements
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted
from ehf_sym.formulas.verdict import Certificate, ZeroVerdict
from ehf_sym.zero.zero_test import is_zero


def is_periodic(formula: Expr, angle: Symbol) -> ZeroVerdict:
    """Decide whether f(q + 2π) − f(q) vanishes for an angle q, and f is defined at both or neither.

    Parameters
    ----------
    formula : sympy.Expr
        f.
    angle : sympy.Symbol
        Its coordinate q.

    Returns
    -------
    ZeroVerdict
        If refuted, ``witness`` is a point at which one turn changes the value.

    Examples
    --------
    >>> from sympy import cos, exp
    >>> q = Symbol("q1", real=True)
    >>> is_periodic(cos(q / 2) ** 2, q).status, is_periodic(exp(-(q**2)), q).status
    ('proved', 'refuted')
    """
    turned = formula.xreplace({angle: angle + 2 * pi})
    if turned == formula:
        return ZeroVerdict("proved", "equal formulas", certificate=Certificate("normal form"))
    verdict = is_zero(turned - formula)
    # Where one side has no value the zero test says nothing.
    partial = formula.has(Piecewise) or next(requirements(formula), None) is not None
    if verdict.proved and partial:
        reason = "whether one turn keeps where it is defined"
        return ZeroVerdict("undecided", reason, residual=turned - formula)
    return verdict


def function_on(space: PhaseSpace, expr: Any, name: str) -> Expr:
    """Admit a function on a space: a formula of it that is 2π-periodic in every angle.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates.
    expr : sympy.Expr or int or fractions.Fraction
        The candidate.
    name : str
        What messages call it.

    Returns
    -------
    sympy.Expr
        See `PhaseSpace.validate`.

    Raises
    ------
    FormulaError
        If it is no formula of the space, or one turn of an angle changes its value.
    UndecidedError
        If it is not known whether one does.

    Examples
    --------
    >>> space = PhaseSpace(1, angles=True)
    >>> function_on(space, -(space.q[0] ** 2), "f")
    Traceback (most recent call last):
    ...
    ehf_sym.errors.FormulaError: f is -q1**2, which is no function of the angle q1: one turn,
    q1 ↦ q1 + 2π, changes its value at q1 = 1; it should be 2π-periodic, as cos(q1) and sin(q1) are
    """
    formula = space.validate(expr, name)
    for angle in space.angular:
        if angle not in formula.free_symbols:
            continue
        verdict = is_periodic(formula, angle)
        if verdict.proved:
            continue
        told = f"{name} is {quoted(formula)}, which"
        wanted = f"it should be 2π-periodic, as cos({angle}) and sin({angle}) are"
        turn = f"one turn, {angle} ↦ {angle} + 2π, changes its value"
        if verdict.undecided:
            raise UndecidedError(
                f"{told} is not known to be a function of the angle {angle}: whether {turn} is "
                f"undecided ({verdict.method}); {wanted}"
            )
        place = ", ".join(f"{x} = {value}" for x, value in (verdict.witness or {}).items())
        raise FormulaError(
            f"{told} is no function of the angle {angle}: {turn} at {place or 'every point'}; "
            f"{wanted}"
        )
    return formula
