"""π∘σ = π decided for maps σ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sympy import (
    QQ,
    Add,
    Expr,
    ImmutableMatrix,
    Poly,
    Pow,
    S,
    Symbol,
    expand,
    factor_terms,
)
from sympy.functions.elementary.trigonometric import TrigonometricFunction
from sympy.polys.orderings import grlex
from sympy.polys.polyerrors import BasePolynomialError
from sympy.polys.rings import PolyRing

from ehf_sym import clock
from ehf_sym.clock import OutOfTimeError, check_time, interrupted
from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.exact.vector_fields import VectorFields
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import shortest
from ehf_sym.formulas.verdict import Witness, ZeroVerdict
from ehf_sym.symmetry.invariance.parts import parts_of, where_defined
from ehf_sym.symmetry.invariance.promises import NO_MAP, UNDER_MAP
from ehf_sym.symmetry.invariance.report import ElementVerdict
from ehf_sym.symmetry.jumps.walls import UNDEFINED, continuous_at, walls_of
from ehf_sym.zero.zero_test import is_zero


def check_maps(
    matrices: Sequence[ImmutableMatrix],
    on_momenta: Sequence[ImmutableMatrix],
    base: BaseDensity,
    seconds: float,
) -> tuple[ElementVerdict, ...]:
    """Decide π∘σ = π for maps q ↦ Aq, p ↦ Bp; the work of `FiniteSymmetry.check`."""
    f, maps = base.log_density, list(zip(matrices, on_momenta, strict=True))
    with clock.time_limit(seconds):
        # Terms are compared first for all: what is hard for one map takes no time from the others.
        try:
            parts = interrupted(lambda: parts_of(f, base.space.coordinates))
            images = [moved_coordinates(base.space, *pair) for pair in maps]
            sides = interrupted(lambda: [parts.unmatched(moved) for moved in images])
        except (OutOfTimeError, RecursionError):
            sides = [(f, f, S.Zero)] * len(maps)
        pairs = zip(maps, sides, strict=True)
        return tuple(_map_in_time(*pair, of_f, base, seconds) for pair, of_f in pairs)


def _map_in_time(
    matrix: ImmutableMatrix,
    on_momenta: ImmutableMatrix,
    sides: tuple[Expr, Expr, Expr],
    base: BaseDensity,
    seconds: float,
) -> ElementVerdict:
    """Verdict on one map; undecided beyond the time or the depth."""
    f, space, (before, after, _) = base.log_density, base.space, sides
    images = moved_coordinates(space, matrix, on_momenta)
    if before == after == 0:
        return ElementVerdict(matrix, on_momenta, S.Zero, is_zero(S.Zero), UNDER_MAP)
    try:
        verdict = interrupted(lambda: _decided(f, sides, images))
        if verdict.undecided:
            check_time()
    except OutOfTimeError:
        verdict = ZeroVerdict("undecided", f"the time limit of {seconds:g} s has passed")
    except RecursionError:
        verdict = ZeroVerdict("undecided", "it is nested too deeply")
    if verdict.proved:
        return ElementVerdict(matrix, on_momenta, S.Zero, verdict, UNDER_MAP)
    difference = after.xreplace(images) - before
    if verdict.undecided and verdict.residual is None:
        verdict = replace(verdict, residual=difference)
    forms = [factor_terms]
    if verdict.refuted and difference.is_polynomial(*space.coordinates):
        forms.append(expand)
    return ElementVerdict(matrix, on_momenta, shortest(difference, *forms), verdict, NO_MAP)


def moved_coordinates(
    space: PhaseSpace, matrix: ImmutableMatrix, on_momenta: ImmutableMatrix
) -> dict[Symbol, Expr]:
    """Coordinates to the linear forms that a map q ↦ Aq, p ↦ Bp takes them to."""
    images: dict[Symbol, Expr] = {}
    for of, a in ((space.q, matrix), (space.p, on_momenta)):
        rows: dict[int, list[Expr]] = {}
        for (i, j), entry in a.todok().items():
            rows.setdefault(i, []).append(entry * of[j])
        images |= {x: Add(*rows.get(i, ())) for i, x in enumerate(of)}
    return {x: image for x, image in images.items() if image != x}


def change_of(f: Expr, images: Mapping[Symbol, Expr]) -> Expr:
    """Return f∘σ − f, without the terms of f that hold no coordinate that is moved."""
    terms = (t for t in Add.make_args(f) if not images.keys().isdisjoint(t.free_symbols))
    moved = Add(*terms)
    return moved.xreplace(images) - moved


def _same_over_numbers(f: Expr, images: Mapping[Symbol, Expr]) -> bool:
    """Whether a polynomial is the same after σ, in the field that the numbers of σ span.

    False says nothing where numbers of its own are related to each other or to those.
    """
    moved = {x for image in images.values() for x in image.free_symbols}
    x = sorted(moved.union(images), key=str)
    moving = VectorFields(PolyRing(x, QQ, grlex), ()).with_maps(
        [[[images.get(a, a).coeff(b) for b in x] for a in x]]
    )
    parts: dict[Expr, Any] = {}
    for monomial, c in Poly(f, *x).terms():
        for number in Add.make_args(c.expand()):
            rational, rest = number.as_coeff_Mul(rational=True)
            part = moving.ring.from_dict({monomial: moving.ring.domain.from_sympy(rational)})
            parts[rest] = parts.get(rest, moving.ring.zero) + part
    return all(moving.moved(part, moving.maps[0]) == part for part in parts.values())


def same_after(f: Expr, images: Mapping[Symbol, Expr], space: PhaseSpace) -> ZeroVerdict:
    """Decide whether a function and its domain are the same after coordinates are moved.

    σ is given exactly, so that values say all: no derivative is taken, and jumps are seen. Where
    one side is not defined, an unknown stands for its value.
    """
    return _decided(f, parts_of(f, space.coordinates).unmatched(images), images)


def _decided(f: Expr, sides: tuple[Expr, Expr, Expr], images: Mapping[Symbol, Expr]) -> ZeroVerdict:
    """Decide f∘σ = f by the terms that differ; refute it only where the others are defined."""
    before, after, others = sides
    found = _is_same(before, after, images)
    whole = where_defined(found, others) if found.refuted else found
    return _is_same(f, f, images) if whole is None else whole


def _is_same(before: Expr, after: Expr, images: Mapping[Symbol, Expr]) -> ZeroVerdict:
    """Decide whether one function after coordinates are moved is another."""
    if before.is_polynomial(*images) and after.is_polynomial(*images):
        difference = (after.xreplace(images) - before).expand()
        if any(a.is_number for a in difference.atoms(Pow, TrigonometricFunction)):
            with suppress(BasePolynomialError, NotImplementedError):
                same = after == before and _same_over_numbers(after, images)
                difference = S.Zero if same else difference
        return is_zero(difference)
    moved = after.xreplace(images)
    difference = moved - before
    zero = is_zero(difference)
    if zero.refuted and all(continuous_at(u, zero.witness or {}) for u in (before, moved)):
        return zero
    walls = [walls_of(u) for u in (before, after)]
    if any(found.formula.has(UNDEFINED) for found in walls):
        one, other = (
            found.formula if found.formula.has(UNDEFINED) else u
            for found, u in zip(walls, (before, after), strict=True)
        )
        difference = other.xreplace(images) - one
        zero = is_zero(difference)
    if zero.proved and any(found.opaque for found in walls) and difference != 0:
        method = "whether both sides are defined at the same points"
        return ZeroVerdict("undecided", method, residual=moved - before)
    if UNDEFINED not in (zero.witness or {}):
        return zero
    place = {x: u for x, u in (zero.witness or {}).items() if x != UNDEFINED}
    defined = not difference.xreplace(place).has(UNDEFINED)
    return replace(zero, witness=Witness(place), value=zero.value if defined else None)
