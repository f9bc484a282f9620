"""Log densities split into one formula a coordinate, proved."""

from __future__ import annotations

from sympy import Add, Expr, I, Rational, nan, oo, zoo

from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.zero.zero_test import is_zero

_CENTERS = (Rational(0), Rational(1), Rational(1, 2))


def find_factors(space: PhaseSpace, log_density: Expr) -> tuple[Expr, ...] | None:
    """Split a log density into formulas of one coordinate each.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates.
    log_density : sympy.Expr
        A formula in them.

    Returns
    -------
    tuple of sympy.Expr or None
        2d formulas in the order of ``space.coordinates`` whose sum is proved to be
        ``log_density``; None unless that is proved.

    Examples
    --------
    >>> space = PhaseSpace(1)
    >>> (q,), (p,) = space.q, space.p
    >>> find_factors(space, (q + p) ** 2 - 2 * q * p)
    (q1**2, p1**2)
    """
    coordinates = space.coordinates
    terms = Add.make_args(log_density)
    if any(len(term.free_symbols.intersection(coordinates)) > 1 for term in terms):
        return _by_substitution(space, log_density)
    constant = Add(*(term for term in terms if term.free_symbols.isdisjoint(coordinates)))
    parts = [Add(*(t for t in terms if x in t.free_symbols)) for x in coordinates]
    return (parts[0] + constant, *parts[1:])


def _by_substitution(space: PhaseSpace, f: Expr) -> tuple[Expr, ...] | None:
    """Factors f(x_k, c) − f(c), with the other coordinates at a constant c where all is finite."""
    coordinates = space.coordinates
    for c in _CENTERS:
        parts = [f.subs({y: c for y in coordinates if y != x}) for x in coordinates]
        constant = f.subs(dict.fromkeys(coordinates, c))
        if any(part.has(zoo, nan, oo, -oo, I) for part in (constant, *parts)):
            continue
        factors = (parts[0], *(part - constant for part in parts[1:]))
        return factors if is_zero(f - Add(*factors)).proved else None
    return None
