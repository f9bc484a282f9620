"""Proofs that go through the signs of parts of an expression, one by one."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from ehf_sym.normal_form import NormalForm, normal_form

_MAX_DEPTH = 4
_MAX_CONVERSIONS = 24


def vanishes_by_signs(formula: sp.Expr, form: NormalForm) -> bool:
    """Prove an expression to be zero where f >= 0 and where f <= 0, for parts f as needed.

    Where the signs of more parts are known, more roots denest, and arcs have smaller ranges.

    Parameters
    ----------
    formula : sympy.Expr
        The expression.
    form : NormalForm
        Its normal form, which is not zero.

    Examples
    --------
    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> formula = sp.acosh(2 * x**2 - 1) - 2 * sp.acosh(sp.Abs(x))
    >>> form = normal_form(formula)
    >>> form.vanishes, vanishes_by_signs(formula, form)
    (False, True)
    """
    return _Splitting(formula).vanishes(form, {})


class _Splitting:
    """One search, with a bound on the number of conversions."""

    def __init__(self, formula: sp.Expr) -> None:
        self._formula = formula
        self._left = _MAX_CONVERSIONS

    def vanishes(self, form: NormalForm, signs: Mapping[sp.Expr, int]) -> bool:
        """Split by the first sign that is unknown, as long as that is needed."""
        if form.vanishes:
            return True
        if not form.unknown_signs or len(signs) >= _MAX_DEPTH:
            return False
        part = form.unknown_signs[0]
        return all(self._vanishes_with({**signs, part: sign}) for sign in (1, -1))

    def _vanishes_with(self, signs: Mapping[sp.Expr, int]) -> bool:
        self._left -= 1
        form = normal_form(self._formula, signs) if self._left >= 0 else None
        return form is not None and self.vanishes(form, signs)
