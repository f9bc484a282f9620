"""Signs of exact constants, and the signature of a quadratic form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympy import QQ, factor

from ehf_sym.errors import UndecidedError
from ehf_sym.exact.subspaces import combine
from ehf_sym.zero.enclosure import enclose
from ehf_sym.zero.intervals import UnresolvedError, sign

_PRECISIONS = (53, 200, 1000, 5000)


def sign_of(field: Any, number: Any) -> int:
    """Sign of a constant: -1, 0 or 1; with parameters, for generic values of them.

    Raises
    ------
    UndecidedError
        If it depends on the values of parameters.

    Examples
    --------
    >>> from sympy import sqrt
    >>> field = QQ.algebraic_field(sqrt(2))
    >>> sign_of(field, field.from_sympy(sqrt(2) - 2))
    -1
    """
    if not number:
        return 0
    if field == QQ:
        return 1 if number > 0 else -1
    formula = field.to_sympy(number)
    if formula.free_symbols:
        # It is not 0 for generic values, so that a square is positive.
        factored = factor(formula)
        if factored.is_nonnegative:
            return 1
        if factored.is_nonpositive:
            return -1
        raise UndecidedError(f"the sign of {factored} depends on the parameters")
    for precision in _PRECISIONS:
        try:
            return sign(enclose(formula, {}, precision))
        except UnresolvedError:
            continue
    raise UndecidedError(f"the sign of {formula} is undecided")


def signature(field: Any, form: Mapping[int, Mapping[int, Any]], dim: int) -> tuple[int, int, int]:
    """Numbers of positive, negative and zero squares of a symmetric form (Sylvester's law).

    Parameters
    ----------
    field : sympy.polys.domains.Domain
        Where the entries are.
    form : Mapping
        Nonzero entries of the symmetric matrix, by row and column.
    dim : int
        Its size.

    Raises
    ------
    UndecidedError
        If a sign depends on the values of parameters.

    Examples
    --------
    >>> signature(QQ, {0: {1: QQ(1)}, 1: {0: QQ(1)}}, 3)
    (1, 1, 1)
    """
    rows = {i: dict(row) for i, row in form.items() if row}
    counts = {1: 0, -1: 0}
    while rows:
        pivot = next((i for i, row in rows.items() if row.get(i)), None)
        if pivot is None:
            pivot = _made_diagonal(field, rows)
        row = rows.pop(pivot)
        square = row[pivot]
        counts[sign_of(field, square)] += 1
        for i in [i for i in row if i != pivot]:
            reduced = combine([(field.one, rows[i]), (-row[i] / square, row)])
            reduced.pop(pivot, None)
            rows[i] = reduced
        rows = {i: entries for i, entries in rows.items() if entries}
    return counts[1], counts[-1], dim - counts[1] - counts[-1]


def _made_diagonal(field: Any, rows: dict[int, dict[int, Any]]) -> int:
    """Put e_i + e_j for e_i where all squares are zero, so that its square is not."""
    i, row = next(iter(rows.items()))
    j = next(iter(row))
    changed = combine([(field.one, row), (field.one, rows[j])])
    changed[i] = changed.get(i, field.zero) + changed[j]
    for k in set(row) | set(changed) | set(rows[j]):
        if k != i:
            rows.setdefault(k, {})
            rows[k][i] = changed.get(k, field.zero)
            if not rows[k][i]:
                del rows[k][i]
    rows[i] = {k: entry for k, entry in changed.items() if entry}
    return i
