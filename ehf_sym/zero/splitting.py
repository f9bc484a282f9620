"""Proofs that go through the parts of a domain, one by one."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import product
from math import lcm, prod

import sympy as sp

from ehf_sym.zero.enclosure import ANGULAR, is_integer_valued
from ehf_sym.zero.normal_form import NormalForm, normal_form
from ehf_sym.zero.piecewise import cells, has_cases
from ehf_sym.zero.signs import Facts, Sign
from ehf_sym.zero.zero_sets import NotParametrizedError, Place, restricted

_MAX_DEPTH = 4
_MAX_CONVERSIONS = 60
_MAX_CELLS = 80
_MAX_CLASSES = 48


def vanishes_by_parts(formula: sp.Expr, form: NormalForm | None) -> bool:
    """Prove an expression to be zero on every part of its domain.

    Conditions of ``Piecewise`` split the domain. Then it is split where f >= 0 and where
    f <= 0, for parts f of the expression as needed: where more signs are known, more roots
    denest, and arcs have smaller ranges.

    Parameters
    ----------
    formula : sympy.Expr
        The expression.
    form : NormalForm, optional
        Its normal form, which is not zero.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> formula = sp.acosh(2 * x**2 - 1) - 2 * sp.acosh(sp.Abs(x))
    >>> form = normal_form(formula)
    >>> form.vanishes, vanishes_by_parts(formula, form)
    (False, True)
    """
    splitting = _Splitting()
    if not has_cases(formula):
        return form is not None and splitting.vanishes(formula, form, Facts())
    parts = cells(formula, _MAX_CELLS)
    return parts is not None and all(splitting.vanishes_with(*part) for part in parts)


def residue_classes(formula: sp.Expr) -> list[tuple[sp.Expr, Place]]:
    """Put n = q k + r for integers n in angles n pi p/q, for every r; none if that is not needed.

    Examples
    --------
    >>> import sympy as sp
    >>> n = sp.Symbol("n", integer=True)
    >>> [part for part, _ in residue_classes(sp.cos(sp.pi * n / 2) ** 2)]
    [1, 0, 1, 0]
    """
    periods = _periods(formula)
    if not periods or prod(periods.values()) > _MAX_CLASSES:
        return []
    classes: list[tuple[sp.Expr, Place]] = []
    try:
        for rests in product(*map(range, periods.values())):
            place = {}
            for (n, period), rest in zip(periods.items(), rests, strict=True):
                if (n.is_even and rest % 2) or (n.is_odd and rest % 2 == 0):
                    break
                place[n] = period * sp.Dummy(n.name, integer=True) + rest
            else:
                part = restricted(formula.xreplace(_expanded_angles(formula, place)), place)
                if part is not None:
                    classes.append((part, place))
    except NotParametrizedError:
        return []
    return classes


def _periods(formula: sp.Expr) -> dict[sp.Symbol, int]:
    """Periods of integer symbols in fractions of pi."""
    periods: dict[sp.Symbol, int] = {}
    for function in formula.atoms(*ANGULAR):
        for term in sp.Add.make_args(sp.expand(function.args[0] / sp.pi)):
            number, rest = term.as_coeff_Mul()
            if number.is_Rational and number.q > 1 and is_integer_valued(rest):
                for n in rest.free_symbols:
                    periods[n] = lcm(periods.get(n, 1), 2 * int(number.q))
    return dict(sorted(periods.items(), key=lambda item: sp.default_sort_key(item[0])))


def _expanded_angles(formula: sp.Expr, place: Place) -> dict[sp.Basic, sp.Expr]:
    """Write angles out, so that SymPy sees multiples of pi."""
    return {
        function: function.func(sp.expand(function.args[0].xreplace(dict(place))))
        for function in formula.atoms(*ANGULAR)
    }


class _Splitting:
    """One proof, with a bound on the number of conversions."""

    def __init__(self) -> None:
        self._left = _MAX_CONVERSIONS
        self._shown: set[tuple[sp.Expr, Hashable]] = set()

    def vanishes(self, formula: sp.Expr, form: NormalForm, facts: Facts, depth: int = 0) -> bool:
        """Look at the parts left, or split by the first sign that is unknown, as long as needed."""
        if form.uncovered is not None:
            return all(self.vanishes_with(*part, depth) for part in form.uncovered)
        classes = residue_classes(formula)
        if len(classes) > 1:
            return all(
                self.vanishes_with(part, facts.restricted(place), depth) for part, place in classes
            )
        if not form.unknown_signs or depth >= _MAX_DEPTH:
            return False
        part = form.unknown_signs[0]
        return all(
            self.vanishes_with(formula, facts.with_sign(part, Sign(value, False)), depth + 1)
            for value in (1, -1)
        )

    def vanishes_with(self, formula: sp.Expr, facts: Facts, depth: int = 0) -> bool:
        """Prove an expression to be zero where the facts hold, once."""
        question = formula, facts.key
        if question not in self._shown:
            self._left -= 1
            form = normal_form(formula, facts) if self._left >= 0 else None
            if form is None or not self.vanishes(formula, form, facts, depth):
                return False
            self._shown.add(question)
        return True
