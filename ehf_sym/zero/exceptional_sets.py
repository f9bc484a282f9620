"""Where a normal form does not speak for its formula, and what is to be shown there.

A normal form equals its formula off the poles of half tangents and off the zeros of what denesting
has brought into denominators. A formula that vanishes there vanishes on the exceptional set too

* by continuity, where every point of the set is a limit of points of the domain off the set; or
* because it does so with the set's own equations put into it: these are the parts left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy as sp
from sympy.core.function import AppliedUndef

from ehf_sym.zero.elementary import Tower
from ehf_sym.zero.enclosure import ANGULAR, enclose, excludes_zero
from ehf_sym.zero.intervals import EvaluationError
from ehf_sym.zero.kernels import Kernel
from ehf_sym.zero.nested_roots import norm
from ehf_sym.zero.polynomials import Poly, used_generators
from ehf_sym.zero.signs import Facts
from ehf_sym.zero.zero_sets import NotParametrizedError, restricted, zero_set

Part = tuple[sp.Expr, Facts]

_JUMPING = (sp.sign, sp.Heaviside, sp.Piecewise, AppliedUndef, sp.floor, sp.ceiling)
# Real on a closed set: near its boundary there may be no other points.
_CLOSED = (sp.asin, sp.acos, sp.asec, sp.acsc, sp.acosh, sp.asech)


def parts_left(
    formula: sp.Expr, facts: Facts, tower: Tower, zeros: Sequence[Sequence[Poly]]
) -> tuple[Part, ...] | None:
    """Name the parts of the domain on which a formula is not yet seen to vanish.

    Parameters
    ----------
    formula : sympy.Expr
        The formula.
    facts : Facts
        What was taken for granted.
    tower : Tower
        The kernels of its normal form, which vanishes.
    zeros : sequence of sequences of Poly
        Sets of common zeros on which it does not.

    Returns
    -------
    tuple of (sympy.Expr, Facts), or None
        What the formula is on these parts; None where they cannot be described.
    """
    parts: list[Part] = []
    try:
        for common in (*zeros, *_denominators(formula, facts, tower)):
            equations = [_equation(tower, f) for f in common]
            for place in zero_set(equations):
                rest = restricted(formula, place)
                if rest is not None and not rest.is_zero:
                    parts.append((rest, facts.restricted(place)))
    except NotParametrizedError:
        return None
    if any(True for _ in _places_of_risk(formula)):
        parts.extend(
            (formula, facts.with_pole(tower.field.meaning(kernel.argument or {}), kernel.order))
            for kernel in tower.field.kernels
            if kernel.kind == "tan" and not _is_finite(kernel)
        )
    return tuple(parts)


def _denominators(formula: sp.Expr, facts: Facts, tower: Tower) -> Iterator[list[Poly]]:
    """Factors of denominators that matter, each on its own."""
    dense = (
        tower.requirements.open
        and all(sign.strict for sign in facts.signs.values())
        and not formula.has(*_JUMPING)
    )
    for f in tower.exceptional:
        proved = tower.proved.of(f)
        if f.is_ground or (proved is not None and proved.strict) or f in tower.nonzero:
            continue
        if not (dense and _is_nowhere_dense(tower, f)):
            yield [f]


def _is_nowhere_dense(tower: Tower, f: Poly) -> bool:
    """Prove that f is 0 on no open set: its conjugates multiply to a polynomial in variables."""
    whole = norm(tower.field, f)
    kernels = [tower.field.kernels[index] for index in used_generators(whole)] if whole else []
    return bool(whole) and all(k.kind == "variable" and not k.meaning.is_integer for k in kernels)


def _equation(tower: Tower, f: Poly) -> sp.Expr:
    """Return a polynomial in symbols that is 0 wherever f is."""
    part = tower.proved.part_of_same_sign(f)
    poly = tower.field.single(part)[0] if part is not None else norm(tower.field, f)
    kernels = [tower.field.kernels[index] for index in used_generators(poly)] if poly else []
    if not poly or any(kernel.kind != "variable" for kernel in kernels):
        raise NotParametrizedError
    return tower.field.expression(poly)


def _places_of_risk(formula: sp.Expr) -> Iterator[sp.Expr]:
    """Parts through which an angle can bring the formula to a jump or to the edge of its domain.

    Elsewhere a formula is continuous in each angle as a variable of its own, on an open set, so
    that what holds off the poles of half tangents holds at the poles.
    """
    for node in sp.preorder_traversal(formula):
        closed = isinstance(node, sp.Pow) and node.exp.is_Rational and node.exp.q > 1
        if isinstance(node, (*_JUMPING, *_CLOSED)) or (closed and node.exp > 0):
            angles = (angle for argument in node.args for angle in argument.atoms(*ANGULAR))
            yield from (angle for angle in angles if angle.free_symbols)


def _is_finite(kernel: Kernel) -> bool:
    """Tell whether a half tangent is a number that is seen to be finite."""
    angle = kernel.meaning.args[0]
    if angle.free_symbols:
        return False
    try:
        return excludes_zero(enclose(sp.cos(angle, evaluate=False), {}, 53))
    except EvaluationError:
        return False
