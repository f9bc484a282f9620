"""Names of small solvable Lie algebras, each given only where invariants determine the algebra."""

from __future__ import annotations

from typing import Any

from ehf_sym.exact.subspaces import Subspace, Vector
from ehf_sym.lie.ideals import centre, derived_algebra
from ehf_sym.lie.quadratic import sign_of
from ehf_sym.lie.structure import LieStructure

Named = tuple[tuple[str, ...], str]  # names, what determines them
Square = tuple[Any, Any, Any, Any]  # 2 × 2 matrix by rows


def name_solvable(g: LieStructure) -> Named | None:
    """Name an indecomposable solvable algebra; None if it is not in the table.

    Parameters
    ----------
    g : LieStructure
        Solvable, not abelian, and no direct sum.

    Returns
    -------
    tuple or None
        Isomorphic names, the usual one first, and the reason in words.

    Examples
    --------
    >>> from sympy import QQ
    >>> one = QQ(1)
    >>> name_solvable(LieStructure(QQ, 3, {(0, 1): {2: one}, (0, 2): {1: -one}}))[0]
    ('e(2)', 'iso(2)', 'Bianchi VII_0')
    """
    derived = derived_algebra(g)
    if g.dim == 2:
        return ("aff(1)", "aff(1,R)"), "the one algebra of dimension 2 that is not abelian"
    if is_heisenberg(g):
        n = (g.dim - 1) // 2
        also = ("Bianchi II",) if n == 1 else ()
        return (f"heisenberg({n})", *also), "its derived algebra is its centre, of dimension 1"
    if g.dim == 3:
        return _bianchi(g, derived)
    if g.dim == 4 and derived.dim == 3:
        return _oscillator(g, derived)
    return None


def is_heisenberg(g: LieStructure) -> bool:
    """Whether [g, g] is the centre and a line: the brackets are then a symplectic form.

    Examples
    --------
    >>> from sympy import QQ
    >>> is_heisenberg(LieStructure(QQ, 3, {(0, 1): {2: QQ(1)}}))
    True
    """
    derived = derived_algebra(g)
    return derived.dim == 1 and centre(g).dim == 1 and derived <= centre(g)


def _bianchi(g: LieStructure, derived: Subspace) -> Named:
    """Dimension 3, derived algebra abelian of dimension 2: the action on it up to a factor."""
    a, b, c, d = _action(g, {derived.free[0]: g.field.one}, derived)
    trace, discriminant = a + d, (a - d) ** 2 + 4 * b * c
    sign = sign_of(g.field, discriminant)
    reason = "dimension 3, by trace and determinant of the action on the derived algebra"
    if not trace:
        if sign < 0:
            return ("e(2)", "iso(2)", "Bianchi VII_0"), reason
        return ("e(1,1)", "iso(1,1)", "Bianchi VI_0"), reason
    if not sign:
        return (("Bianchi V",) if not (b or c) else ("Bianchi IV",)), reason
    h = g.field.to_sympy(-(trace**2) / discriminant)
    return (f"Bianchi {'VI' if sign > 0 else 'VII'}_h, h = {h}",), reason


def _oscillator(g: LieStructure, derived: Subspace) -> Named | None:
    """Dimension 4, derived algebra heisenberg(1) whose centre is that of the whole."""
    inner = g.restricted(derived)
    central = centre(g)
    if not is_heisenberg(inner) or central.dim != 1 or not central <= derived:
        return None
    plane = Subspace.spanned(g.field, g.dim, map(central.residue, derived.basis))
    outside = {derived.free[0]: g.field.one}
    a, b, c, d = _action(g, outside, plane, central)
    sign = sign_of(g.field, a * d - b * c)
    reason = (
        "dimension 4, derived algebra heisenberg(1) with the same centre, and by the determinant "
        "of the action on their quotient"
    )
    if sign > 0:
        return ("oscillator", "diamond"), reason
    return (("split oscillator",), reason) if sign < 0 else None


def _action(g: LieStructure, x: Vector, plane: Subspace, modulo: Subspace | None = None) -> Square:
    """Matrix of ad x on a plane, or on a plane modulo an ideal."""
    columns = []
    for y in plane.basis:
        image = g.bracket(x, y)
        columns.append(plane.coordinates(modulo.residue(image) if modulo else image))
    zero = g.field.zero
    first, second = columns
    return first.get(0, zero), second.get(0, zero), first.get(1, zero), second.get(1, zero)
