"""What a Lie algebra is called: named where isomorphism is proved, else described.

Small solvable algebras have a name only where invariants determine the algebra.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

from sympy import QQ, Poly, sqrt

from ehf_sym.errors import UndecidedError
from ehf_sym.exact.linear import Subspace, Vector, combine, nullspace
from ehf_sym.lie import ideals
from ehf_sym.lie.ideals import Summand, centre, decompose, derived_algebra, levi_complement
from ehf_sym.lie.simple import identify_simple, sign_of, signature
from ehf_sym.lie.structure import LieStructure

Named = tuple[tuple[str, ...], str]  # names, what determines them
Square = tuple[Any, Any, Any, Any]  # 2 × 2 matrix by rows
_SUMS = {
    ("so(3)", "so(3)"): "so(4)",
    ("sl(2,R)", "sl(2,R)"): "so(2,2)",
    ("sl(2,R)", "so(3)"): "so*(4)",
}


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


@dataclass(frozen=True)
class Identity:
    """What an algebra is called over the reals.

    Attributes
    ----------
    names : tuple of str
        Names of the one isomorphism class that it is proved to belong to; empty if it has none
        here.
    description : str
        In words; the first name where there is one.
    reasons : tuple of str
        What determines each indecomposable part.
    """

    names: tuple[str, ...]
    description: str
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " = ".join(self.names) or self.description


def identify(g: LieStructure) -> Identity:
    """Name an algebra by its indecomposable ideals, or describe it.

    Parameters
    ----------
    g : LieStructure
        The algebra; with parameters, for generic values.

    Returns
    -------
    Identity
        The names.

    Raises
    ------
    UndecidedError
        If a direct sum could not be decided.

    Examples
    --------
    >>> one = QQ(1)
    >>> so3 = LieStructure(QQ, 3, {(0, 1): {2: one}, (1, 2): {0: one}, (0, 2): {1: -one}})
    >>> print(identify(so3))
    so(3) = su(2)
    """
    if not g.table:
        name = _lines(g.dim)
        return Identity((name,), name, ("abelian",))
    parts = [identify_summand(g, summand) for summand in decompose(g)]
    return parts[0] if len(parts) == 1 else _summed(parts)


def identify_summand(g: LieStructure, summand: Summand) -> Identity:
    """Name an ideal that is no direct sum over the field of the constants."""
    part = g.restricted(summand.ideal)
    if part.dim == 1:
        return Identity(("R",), "R", ("a central line",))
    try:
        return _identify_indecomposable(part, summand)
    except UndecidedError as error:
        return Identity((), f"{_kind(part)}, dimension {part.dim}; {error}")


def _identify_indecomposable(part: LieStructure, summand: Summand) -> Identity:
    """Name an algebra that is no direct sum over the field of the constants."""
    degree = summand.centroid.degree()
    semisimple = ideals.is_semisimple(part)
    if degree > 1:
        real = _real_roots(part.field, summand.centroid)
        if real == 2 and not part.field.is_FractionField:
            return _split_over_roots(part, summand)
        if not (real == 0 and semisimple):
            return Identity(
                (),
                f"{_kind(part)}, dimension {part.dim}, indecomposable over {part.field} but not "
                f"over the roots of {summand.centroid.as_expr()}",
            )
    if semisimple:
        form = identify_simple(part, summand.centroid)
        description = " or ".join(form.names[:1] or form.candidates)
        return Identity(form.names, description, (form.reason,))
    if ideals.is_solvable(part):
        named = name_solvable(part)
        if named is not None:
            return Identity(named[0], named[0][0], (named[1],))
        return Identity((), _described_solvable(part))
    return _identify_mixed(part)


def _real_roots(field: Any, poly: Poly) -> int | None:
    """Count the real roots of a quadratic polynomial; None for others, or where they depend."""
    if poly.degree() != 2:
        return None
    a, b, c = (field.from_sympy(x) for x in poly.all_coeffs())
    try:
        return 1 + sign_of(field, b**2 - 4 * a * c)
    except UndecidedError:
        return None


def _split_over_roots(part: LieStructure, summand: Summand) -> Identity:
    """Name an algebra that is a sum of two ideals over a real quadratic extension of Q."""
    root = sqrt(summand.centroid.discriminant())
    numbers = [part.field.to_sympy(part.field.unit)] if part.field.is_Algebraic else []
    extended = part.over(QQ.algebraic_field(*numbers, root))
    pieces = [identify_summand(extended, piece) for piece in decompose(extended)]
    total = _summed(pieces)
    note = f"the sum is direct over Q({root}), not over Q"
    return Identity(total.names, total.description, (*total.reasons, note))


def _summed(parts: Sequence[Identity]) -> Identity:
    """Direct sum, with the names that sums have of their own."""
    lines = sum(part.names == ("R",) for part in parts)
    others = sorted((p for p in parts if p.names != ("R",)), key=lambda p: p.description)
    named = all(p.names for p in others)
    texts = [p.description if p.names else f"({p.description})" for p in others]
    text = " + ".join([*texts, *([_lines(lines)] if lines else [])])
    reasons = tuple(dict.fromkeys(reason for part in others for reason in part.reasons))
    if not named:
        return Identity((), text, reasons)
    firsts = tuple(sorted([p.names[0] for p in others] + ["R"] * lines))
    return Identity((text, *_sum_names(firsts, others)), text, reasons)


def _sum_names(firsts: tuple[str, ...], others: Sequence[Identity]) -> tuple[str, ...]:
    """Other names of a direct sum: so(4), u(n), gl(n)."""
    names = [_SUMS[firsts]] if firsts in _SUMS else []
    if len(firsts) == 2 and "R" in firsts:
        for name in others[0].names:
            if name.startswith("su("):
                names.append(name[1:])
            elif name.startswith("sl(") and name.endswith(",R)"):
                names.append("g" + name[1:])
    return tuple(names)


def _identify_mixed(g: LieStructure) -> Identity:
    """Levi factor and radical, neither zero."""
    ideal = ideals.radical(g)
    levi = levi_complement(g)
    factor = identify(g.restricted(levi))
    rest = identify(g.restricted(ideal))
    text = f"{_bracketed(factor)} ⋉ {_bracketed(rest)}"
    named = _vector_action(g, levi, ideal) or _symplectic_action(g, levi, ideal)
    if named is None:
        return Identity((), f"{text}, dimension {g.dim}", factor.reasons)
    names, reason = named
    return Identity(names, names[0], (*factor.reasons, f"{text}: {reason}"))


def _vector_action(
    g: LieStructure, levi: Subspace, ideal: Subspace
) -> tuple[tuple[str, ...], str] | None:
    """Inhomogeneous rotations: faithful on R^n, keeping one metric, and as many as there are."""
    n = ideal.dim
    if g.restricted(ideal).table or levi.dim != n * (n - 1) // 2 or not _faithful(g, levi, ideal):
        return None
    forms = _invariant_forms(g, levi, ideal)
    if len(forms) != 1:
        return None
    positive, negative, zero = signature(g.field, forms[0], n)
    if zero:
        return None
    p, q = max(positive, negative), min(positive, negative)
    reason = f"the Levi factor keeps a metric of signature ({p}, {q}) on the abelian radical"
    if not q:
        return (f"e({n})", f"iso({n})"), reason
    return (f"iso({p},{q})", *(("poincare",) if (p, q) == (3, 1) else ())), reason


def _symplectic_action(
    g: LieStructure, levi: Subspace, ideal: Subspace
) -> tuple[tuple[str, ...], str] | None:
    """Quadratic, linear and constant functions: all of sp(2n,R) acts on heisenberg(n)."""
    inner = g.restricted(ideal)
    n = ideal.dim // 2
    if not is_heisenberg(inner) or levi.dim != n * (2 * n + 1) or not _faithful(g, levi, ideal):
        return None
    reason = f"the Levi factor acts on heisenberg({n}) by all symplectic maps"
    return (f"jacobi({n})",), reason


def _faithful(g: LieStructure, levi: Subspace, ideal: Subspace) -> bool:
    """Whether only 0 in the Levi factor commutes with the radical."""
    return ideals.centralizer(g, ideal).meet(levi).dim == 0


def _invariant_forms(
    g: LieStructure, levi: Subspace, ideal: Subspace
) -> list[dict[int, dict[int, Any]]]:
    """Symmetric forms B with B([x, a], b) + B(a, [x, b]) = 0 for x in the Levi factor."""
    n = ideal.dim
    pairs = list(combinations_with_replacement(range(n), 2))
    place = {pair: k for k, pair in enumerate(pairs)}
    equations = []
    for x in levi.basis:
        images = [ideal.coordinates(g.bracket(x, a)) for a in ideal.basis]
        for i, j in pairs:
            terms = [(c, {place[min(k, j), max(k, j)]: g.field.one}) for k, c in images[i].items()]
            terms += [(c, {place[min(k, i), max(k, i)]: g.field.one}) for k, c in images[j].items()]
            equations.append(combine(terms))
    forms = []
    for solution in nullspace(equations, len(pairs), g.field):
        rows: dict[int, dict[int, Any]] = {}
        for k, entry in solution.items():
            i, j = pairs[k]
            rows.setdefault(i, {})[j] = entry
            rows.setdefault(j, {})[i] = entry
        forms.append(rows)
    return forms


def _bracketed(identity: Identity) -> str:
    """Text that stands beside an operator."""
    text = identity.description
    return f"({text})" if " " in text else text


def _lines(count: int) -> str:
    return "R" if count == 1 else f"R^{count}"


def _kind(g: LieStructure) -> str:
    """Coarsest class."""
    if ideals.is_nilpotent(g):
        return "nilpotent"
    if ideals.is_solvable(g):
        return "solvable"
    return "semisimple" if ideals.is_semisimple(g) else "neither solvable nor semisimple"


def _described_solvable(g: LieStructure) -> str:
    """Dimensions of the series and of the nilradical."""
    derived = ", ".join(str(term.dim) for term in ideals.derived_series(g))
    text = f"{_kind(g)}, dimension {g.dim}, derived series {derived}"
    if ideals.is_nilpotent(g):
        lower = ", ".join(str(term.dim) for term in ideals.lower_central_series(g))
        return f"{text}, lower central series {lower}"
    return f"{text}, nilradical of dimension {ideals.nilradical(g).dim}"
