"""Functions that are constant along a flow off their walls: across them too, or not.

Let {f, g} = 0 hold off the walls of f. Almost every orbit meets a wall b = 0 only where the wall
is a smooth hypersurface, or stays in it. So f is constant along almost every orbit if each wall
is kept by the flow ({b, g} = h b with continuous h: the sign of b cannot change), or f has equal
limits on both sides of it wherever the flow is not tangent to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice, product

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.verdict import Status
from ehf_sym.symmetry.jumps.orbits import Crossing, find_crossing
from ehf_sym.symmetry.jumps.sides import Solution, jump_formulas, restricted
from ehf_sym.symmetry.jumps.walls import Walls, difference, differentiable, walls_of
from ehf_sym.zero.witness import Point, points, thin_points
from ehf_sym.zero.zero_test import is_zero

_SAMPLES = 40
_SHIFTS = tuple(sp.Rational(sign, n) for n in (4, 64) for sign in (1, -1))
_BESIDE = (sp.S.Zero, sp.Rational(1, 37), -sp.Rational(2, 53))  # off other walls
_KINKS = (sp.Abs, sp.sign, sp.Max, sp.Min, sp.Piecewise)


@dataclass(frozen=True)
class Transport:
    """Whether a flow carries a function across all its walls without a jump.

    Attributes
    ----------
    status : {"proved", "refuted", "undecided"}
        The answer; "proved" presumes that the function is constant off its walls.
    reasons : tuple of str
        If proved: why each wall is no obstacle.
    open : tuple of sympy.Expr
        If undecided: walls, or parts of the function, for which it is not.
    crossing : Crossing or None
        If refuted: two points of an orbit with different values.
    """

    status: Status
    reasons: tuple[str, ...] = ()
    open: tuple[sp.Expr, ...] = ()
    crossing: Crossing | None = None


def transport(f: sp.Expr, g: sp.Expr, space: PhaseSpace) -> Transport:
    """Decide whether a flow carries a function across all its walls without a jump.

    Parameters
    ----------
    f : sympy.Expr
        The function, constant along the flow off its walls.
    g : sympy.Expr
        The generator of the flow.
    space : PhaseSpace
        Their coordinates.

    Examples
    --------
    >>> space = PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> disc = sp.Piecewise((0, q1**2 + q2**2 < 1), (1, True))
    >>> transport(disc, q1 * p2 - q2 * p1, space).reasons
    ('the flow keeps the sign of q1**2 + q2**2 - 1',)
    >>> transport(disc, p1, space).status
    'refuted'
    """
    walls = walls_of(f)
    if not walls:
        return Transport("proved")
    reasons: list[str] = []
    open_: list[sp.Expr] = []
    open_ += [
        part
        for part in walls.opaque
        if not all(_is_kept(argument, g, space) for argument in part.args)
    ]
    for b in walls.surfaces:
        if flow_keeps(b, g, space):
            reasons.append(f"the flow keeps the sign of {b}")
        elif _is_continuous(walls, b, g, space):
            reasons.append(f"no jump across {b} = 0 where the flow crosses it")
        else:
            open_.append(b)
    if not open_:
        return Transport("proved", tuple(reasons))
    near = (point for b in walls.surfaces if b in open_ for point in _next_to(walls, b, g, space))
    crossing = find_crossing(walls, g, space, near)
    if crossing is not None:
        jumping = tuple(b for b in crossing.surfaces if b in open_) or tuple(open_)
        crossing = replace(crossing, surfaces=jumping)
        return Transport("refuted", crossing=crossing)
    return Transport("undecided", open=tuple(open_))


def jumps_across(
    walls: Walls, b: sp.Expr, space: PhaseSpace
) -> list[tuple[sp.Expr, Solution]] | None:
    """Jumps of a function across a wall, each on a sheet; empty if it is continuous there.

    None if they are not found.
    """
    found = _jumps(walls, b, space)
    return None if found is None else [(jump, sheet) for jump, sheet in found if jump != 0]


def jump_equations(
    f: sp.Expr, generators: Sequence[sp.Expr], space: PhaseSpace
) -> tuple[list[sp.Expr], bool]:
    """Find what has to vanish for a function not to jump along flows, whatever its parameters.

    Parameters
    ----------
    f : sympy.Expr
        The function, with parameters.
    generators : sequence of sympy.Expr
        Of the flows.
    space : PhaseSpace
        Their coordinates and parameters.

    Returns
    -------
    list of sympy.Expr, bool
        Formulas that vanish for all values of the coordinates (and of symbols of our own) where f
        does not jump, and whether these are all: then f does not jump where they vanish.

    Examples
    --------
    >>> a = sp.Symbol("a", real=True)
    >>> space = PhaseSpace(1, parameters=[a])
    >>> jump_equations(a * sp.sign(space.q[0]), space.p, space)
    ([2*a], True)
    """
    walls = walls_of(f)
    found: list[sp.Expr] = []
    complete = all(
        _is_kept(u, g, space) for part in walls.opaque for u in part.args for g in generators
    )
    for b, g in product(walls.surfaces, generators):
        if flow_keeps(b, g, space):
            continue
        jumps = jumps_across(walls, b, space)
        complete = complete and jumps is not None
        for jump, sheet in jumps or ():
            rate = rate_across(sheet, g, space)
            branches = _branches(jump, space)
            if branches is None or rate is None or _may_be_empty(sheet, space):
                complete = False
            else:
                found += [branch * rate for branch in branches]
    return found, complete


def jump_is_seen(b: sp.Expr, jump: sp.Expr, sheet: Solution) -> bool:
    """Whether a point is found at which a jump across a wall is not 0."""
    if sheet:
        (place,) = sheet.values()
        return is_zero(jump * (1 + place**2)).refuted  # where the place is real
    return is_zero(jump).refuted and all(is_zero(sp.Abs(b) + s * b).refuted for s in (1, -1))


def _may_be_empty(sheet: Solution, space: PhaseSpace) -> bool:
    """Whether a sheet may be real nowhere, for some values of parameters."""
    (place,) = sheet.values()
    return not is_zero(1 + place**2).refuted or any(
        part.free_symbols.intersection(space.parameters)
        for part in place.atoms(sp.Pow, sp.Function)
        if not (isinstance(part, sp.Pow) and part.exp.is_integer)
    )


def _branches(jump: sp.Expr, space: PhaseSpace) -> list[sp.Expr] | None:
    """Formulas that a jump is in open parts of a wall, as far as points in such parts are found.

    None where it depends on parameters which parts there are.
    """
    conditions = jump.atoms(Relational)
    if any(condition.free_symbols.intersection(space.parameters) for condition in conditions):
        return None
    symbols = sorted(set().union(*(c.free_symbols for c in conditions)), key=sp.default_sort_key)
    starts = list(islice(points(symbols), _SAMPLES))
    found = dict[sp.Expr, None]()
    for point in chain(starts, islice(thin_points(jump, symbols, starts[:4]), _SAMPLES)):
        sides = {c: c.xreplace(dict(point)) for c in conditions}
        strict = all(difference(c).xreplace(dict(point)).is_zero is False for c in conditions)
        if strict and all(isinstance(side, BooleanAtom) for side in sides.values()):
            found[jump.xreplace(sides)] = None
    return [branch for branch in found if branch != 0]


def rate_across(sheet: Solution, g: sp.Expr, space: PhaseSpace) -> sp.Expr | None:
    """How fast a flow moves away from a sheet, at its points; None where that is infinite."""
    if not sheet:
        return None
    ((x, value),) = sheet.items()
    return restricted(
        space.bracket(x, differentiable(g)) - bracket_off_walls(value, g, space), sheet
    )


def flow_keeps(b: sp.Expr, g: sp.Expr, space: PhaseSpace) -> bool:
    """Whether {b, g} = h b with continuous h: then the flow keeps the sign of b.

    Examples
    --------
    >>> space = PhaseSpace(1)
    >>> (q1,), (p1,) = space.q, space.p
    >>> flow_keeps(q1, q1 * p1, space), flow_keeps(q1, p1, space)
    (True, False)
    """
    rate = bracket_off_walls(b, g, space)
    if rate == 0 or is_zero(rate).proved:
        return True
    try:
        quotient = sp.cancel(sp.together(rate / b))
    except BasePolynomialError:
        return False
    return not walls_of(quotient)


def _is_kept(u: sp.Basic, g: sp.Expr, space: PhaseSpace) -> bool:
    """Whether a flow leaves an argument as it is."""
    symbols = u.free_symbols
    moved = [x for x, y in _conjugates(space) if x in symbols and y in g.free_symbols]
    if not moved:
        return True
    return (
        isinstance(u, sp.Expr)
        and not walls_of(u)
        and is_zero(bracket_off_walls(u, g, space)).proved
    )


def _conjugates(space: PhaseSpace) -> Iterator[tuple[sp.Symbol, sp.Symbol]]:
    yield from zip(space.q + space.p, space.p + space.q, strict=True)


def bracket_off_walls(f: sp.Expr, g: sp.Expr, space: PhaseSpace) -> sp.Expr:
    """Take {f, g} where both are differentiable; they may contain symbols of our own.

    Examples
    --------
    >>> space = PhaseSpace(1)
    >>> bracket_off_walls(sp.Piecewise((0, space.q[0] < 0), (1, True)), space.p[0], space)
    0
    """
    f, g = differentiable(f), differentiable(g)
    pairs = [
        (q, p)
        for q, p in zip(space.q, space.p, strict=True)
        if {q, p} & f.free_symbols and {q, p} & g.free_symbols
    ]
    return sp.Add(*(f.diff(q) * g.diff(p) - f.diff(p) * g.diff(q) for q, p in pairs))


def _is_continuous(walls: Walls, b: sp.Expr, g: sp.Expr, space: PhaseSpace) -> bool:
    """Whether limits on both sides of a wall agree where the flow is not tangent to it."""
    jumps = _jumps(walls, b, space)
    if jumps is None:
        return False
    for jump, sheet in jumps:
        if jump == 0:
            continue
        rate = rate_across(sheet, g, space) if _is_smooth(g) else None
        if rate is None or not is_zero(jump * rate).proved:
            return False
    return True


def _next_to(walls: Walls, b: sp.Expr, g: sp.Expr, space: PhaseSpace) -> Iterator[Point]:
    """Points on both sides of a wall, next to one where the flow is seen to cross a jump."""
    for jump, sheet in _jumps(walls, b, space) or ():
        rate = rate_across(sheet, g, space)
        witness = is_zero(jump if rate is None else jump * rate).witness
        if witness is None or not sheet:
            continue
        ((x, value),) = sheet.items()
        place = dict.fromkeys(value.free_symbols, sp.S.One) | dict(witness)
        at = value.xreplace(place)
        if at.is_comparable:
            for shift, beside in product(_SHIFTS, _BESIDE):
                moved = {y: u + k * beside for k, (y, u) in enumerate(place.items(), start=1)}
                yield moved | {x: _rounded(at + shift)}


def _rounded(place: sp.Expr) -> sp.Rational:
    return sp.Rational(sp.N(place, 25)).limit_denominator(1000)


def _is_smooth(g: sp.Expr) -> bool:
    """Whether a generator's flow is unique, so that what is tangent to it is not crossed."""
    roots = (part for part in g.atoms(sp.Pow) if not part.exp.is_integer and part.free_symbols)
    return (
        not g.has(*_KINKS)
        and not walls_of(g)
        and not any(not root.base.is_positive for root in roots)
    )


@lru_cache(maxsize=256)
def _jumps(
    walls: Walls, b: sp.Expr, space: PhaseSpace
) -> tuple[tuple[sp.Expr, Solution], ...] | None:
    """Jumps on each sheet, 0 where they are proved to vanish."""
    found = jump_formulas(walls, b, space.coordinates)
    if found is None:
        return None
    return tuple((sp.S.Zero if is_zero(jump).proved else jump, sheet) for jump, sheet in found)
