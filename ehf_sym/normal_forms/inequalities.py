"""Linear inequalities with rational coefficients, by Fourier and Motzkin's elimination.

Monomials count as unknowns of their own: what contradicts itself so contradicts itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from ehf_sym.clock import check_time

_MAX_ROWS = 150

Form = Mapping[Hashable, Any]  # coefficients of unknowns, and the constant at the key of 1
Inequality = tuple[Form, bool]  # the form is not negative, and not 0 either where strict


def contradict(rows: Sequence[Inequality], one: Hashable) -> bool:
    """Tell whether inequalities are seen to have no common solution.

    Parameters
    ----------
    rows : sequence of (Mapping, bool)
        Each says sum c_k x_k >= 0, or > 0 where the second entry is true.
    one : Hashable
        The key of the constant.

    Examples
    --------
    >>> rows = [({"x": 1, "y": -1, 1: -1}, False), ({"y": 1}, True), ({"x": -1, 1: 1}, False)]
    >>> contradict(rows, one=1), contradict(rows[:2], one=1)
    (True, False)
    """
    left = list(rows)
    while True:
        check_time()
        if any(_is_false(form, strict, one) for form, strict in left):
            return True
        unknowns = {key for form, _ in left for key, c in form.items() if c and key != one}
        if not unknowns:
            return False
        left = _without(min(unknowns, key=lambda key: _growth(left, key)), left)
        if len(left) > _MAX_ROWS:
            return False


def _is_false(form: Form, strict: bool, one: Hashable) -> bool:
    """Tell whether an inequality between numbers does not hold."""
    if any(c for key, c in form.items() if key != one):
        return False
    constant = form.get(one, 0)
    return bool(constant < 0 or (strict and constant == 0))


def _growth(rows: Sequence[Inequality], key: Hashable) -> tuple[int, str]:
    """How many rows elimination adds."""
    above = sum(form.get(key, 0) > 0 for form, _ in rows)
    below = sum(form.get(key, 0) < 0 for form, _ in rows)
    return above * below - above - below, str(key)


def _without(key: Hashable, rows: Sequence[Inequality]) -> list[Inequality]:
    """Eliminate an unknown: every lower bound is below every upper one."""
    kept = [row for row in rows if not row[0].get(key, 0)]
    above = [row for row in rows if row[0].get(key, 0) > 0]
    below = [row for row in rows if row[0].get(key, 0) < 0]
    for low, low_strict in above:
        for high, high_strict in below:
            weights = (-high[key], low[key])
            total = {
                k: weights[0] * low.get(k, 0) + weights[1] * high.get(k, 0)
                for k in {*low, *high}
                if k != key
            }
            kept.append((total, low_strict or high_strict))
    return kept
