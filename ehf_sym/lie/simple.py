"""Simple Lie algebras over the reals: complex type and real form.

The real form is read off the signature of a quadratic form, which takes signs of exact constants.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from sympy import QQ, Poly, Symbol, factor

from ehf_sym.enclosures.enclosure import enclose
from ehf_sym.enclosures.intervals import UnresolvedError, sign
from ehf_sym.errors import UndecidedError
from ehf_sym.exact.linear import Subspace, Vector, combine
from ehf_sym.formulas.printing import quoted
from ehf_sym.lie.ideals import centralizer, factor_polynomial, is_abelian
from ehf_sym.lie.structure import LieStructure

_PRECISIONS = (53, 200, 1000, 5000)
_ATTEMPTS = 10
_EXCEPTIONAL_TYPES = {(14, 2): ("G", 2), (52, 4): ("F", 4), (133, 7): ("E", 7), (248, 8): ("E", 8)}
# Name and dimension of a maximal compact subalgebra.
_EXCEPTIONAL_FORMS = {
    ("G", 2): (("g2", 14), ("g2(2)", 6)),
    ("F", 4): (("f4", 52), ("f4(4)", 24), ("f4(-20)", 36)),
    ("E", 6): (("e6", 78), ("e6(6)", 36), ("e6(2)", 38), ("e6(-14)", 46), ("e6(-26)", 52)),
    ("E", 7): (("e7", 133), ("e7(7)", 63), ("e7(-5)", 69), ("e7(-25)", 79)),
    ("E", 8): (("e8", 248), ("e8(8)", 120), ("e8(-24)", 136)),
}
_ALIASES = {
    "so(3)": ("so(3)", "su(2)"),
    "sl(2,R)": ("sl(2,R)", "so(2,1)", "su(1,1)", "sp(2,R)"),
    "sl(2,C)": ("so(3,1)", "sl(2,C)"),
    "so(5)": ("so(5)", "sp(2)"),
    "so(4,1)": ("so(4,1)", "sp(1,1)"),
    "so(3,2)": ("sp(4,R)", "so(3,2)"),
    "su(4)": ("su(4)", "so(6)"),
    "su(2,2)": ("su(2,2)", "so(4,2)"),
    "sl(4,R)": ("sl(4,R)", "so(3,3)"),
    "su(3,1)": ("su(3,1)", "so*(6)"),
    "su*(4)": ("so(5,1)", "su*(4)"),
    "so(6,2)": ("so(6,2)", "so*(8)"),
    "so(5,C)": ("so(5,C)", "sp(4,C)"),
    "sl(4,C)": ("sl(4,C)", "so(6,C)"),
}
Type = tuple[str, int]


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
        raise UndecidedError(f"the sign of {quoted(factored)} depends on the parameters")
    for precision in _PRECISIONS:
        try:
            return sign(enclose(formula, {}, precision))
        except UnresolvedError:
            continue
    raise UndecidedError(f"the sign of {quoted(formula)} is undecided")


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


@dataclass(frozen=True)
class SimpleForm:
    """What a simple real Lie algebra is called.

    Attributes
    ----------
    names : tuple of str
        Isomorphic ones; the usual name first. Several of ``candidates`` may remain instead.
    candidates : tuple of str
        Names that the invariants do not tell apart; empty if there is one.
    reason : str
        What determines it.
    """

    names: tuple[str, ...]
    candidates: tuple[str, ...]
    reason: str


def identify_simple(g: LieStructure, centroid: Poly) -> SimpleForm:
    """Name a simple Lie algebra over the reals.

    The complex type follows from dimension and rank; for B_n against C_n (n ≥ 3) from the traces
    of the two orbits of roots. The real form follows from the type and the signature of the
    Killing form, whose negative part is as large as the maximal compact subalgebra (Helgason,
    "Differential Geometry, Lie Groups, and Symmetric Spaces", chapter X, table V).

    Parameters
    ----------
    g : LieStructure
        A simple algebra.
    centroid : sympy.Poly
        Minimal polynomial of its centroid: linear, or quadratic without real roots.

    Raises
    ------
    UndecidedError
        If a sign depends on parameters, or no Cartan subalgebra was found.

    Examples
    --------
    >>> from sympy import QQ
    >>> one = QQ(1)
    >>> so3 = LieStructure(QQ, 3, {(0, 1): {2: one}, (1, 2): {0: one}, (0, 2): {1: -one}})
    >>> identify_simple(so3, Poly(Symbol("x"))).names
    ('so(3)', 'su(2)')
    """
    rank = cartan_subalgebra(g).dim
    if centroid.degree() == 2:
        return _complex_form(g, rank)
    positive, negative, _ = signature(g.field, g.killing.rep.to_sdm(), g.dim)
    reason = f"simple, rank {rank}, Killing form with {positive} positive, {negative} negative"
    types = _types(g, rank)
    found = [name for kind in types for name, compact in real_forms(kind) if compact == negative]
    names = tuple(dict.fromkeys(_ALIASES.get(name, (name,)) for name in found))
    if len(names) == 1:
        return SimpleForm(names[0], (), reason)
    return SimpleForm((), tuple(name[0] for name in names), reason)


def cartan_subalgebra(g: LieStructure) -> Subspace:
    """Cartan subalgebra of a semisimple algebra: what commutes with a generic element x.

    It is one if ker ad x = ker (ad x)² and its elements commute: the Fitting null component of
    ad x is its own normalizer, and a Cartan subalgebra where it is nilpotent.

    Examples
    --------
    >>> from sympy import QQ
    >>> one = QQ(1)
    >>> so3 = LieStructure(QQ, 3, {(0, 1): {2: one}, (1, 2): {0: one}, (0, 2): {1: -one}})
    >>> cartan_subalgebra(so3).dim
    1
    """
    random = Random(0)
    for _ in range(_ATTEMPTS):
        x = _random_element(g, random)
        commuting = centralizer(g, Subspace.spanned(g.field, g.dim, [x]))
        matrix = g.adjoint(x)
        stable = (matrix * matrix).rank() == g.dim - commuting.dim
        if stable and is_abelian(g.restricted(commuting)):
            return commuting
    raise UndecidedError("no Cartan subalgebra was found among the centralizers that were tried")


def real_forms(kind: Type) -> Iterator[tuple[str, int]]:
    """Name and dimension of a maximal compact subalgebra for each real form of a complex type.

    Examples
    --------
    >>> list(real_forms(("A", 2)))
    [('su(3)', 8), ('su(2,1)', 4), ('sl(3,R)', 3)]
    """
    letter, n = kind
    if letter == "A":
        for q in range((n + 1) // 2 + 1):
            p = n + 1 - q
            compact = p * p + q * q - 1 if n > 1 or not q else None
            if compact is not None:
                yield (f"su({p},{q})" if q else f"su({p})" if n > 1 else "so(3)"), compact
        yield f"sl({n + 1},R)", n * (n + 1) // 2
        if n % 2 and n > 1:
            m = (n + 1) // 2
            yield f"su*({n + 1})", m * (2 * m + 1)
    elif letter == "C":
        yield f"sp({2 * n},R)", n * n
        for q in range(n // 2 + 1):
            p = n - q
            name = f"sp({p},{q})" if q else f"sp({p})"
            yield name, p * (2 * p + 1) + q * (2 * q + 1)
    elif letter in "BD":
        size = 2 * n + (letter == "B")
        for q in range(size // 2 + 1):
            p = size - q
            name = f"so({p},{q})" if q else f"so({p})"
            yield name, (p * (p - 1) + q * (q - 1)) // 2
        if letter == "D" and n > 4:  # so*(8) is so(6,2)
            yield f"so*({2 * n})", n * n
    else:
        yield from _EXCEPTIONAL_FORMS[kind]


def _complex_form(g: LieStructure, rank: int) -> SimpleForm:
    """Name a complex simple algebra that is seen as a real one."""
    dim, half = g.dim // 2, rank // 2
    reason = f"simple, complex multiplication commutes with it, complex rank {half}"
    names = [_complex_name(kind) for kind in _types_of(dim, half)]
    if len(names) == 1:
        return SimpleForm(_ALIASES.get(names[0], (names[0],)), (), reason)
    return SimpleForm((), tuple(names), reason)


def _complex_name(kind: Type) -> str:
    """Matrices over C."""
    letter, n = kind
    names = {
        "A": f"sl({n + 1},C)",
        "B": f"so({2 * n + 1},C)",
        "C": f"sp({2 * n},C)",
        "D": f"so({2 * n},C)",
    }
    return names.get(letter, f"{letter.lower()}{n}(C)")


def _types_of(dim: int, rank: int) -> list[Type]:
    """Complex types with this dimension and rank; B1 = C1 = A1, C2 = B2 and D3 = A3."""
    types: list[Type] = []
    if dim == rank * (rank + 2):
        types.append(("A", rank))
    if rank >= 2 and dim == rank * (2 * rank + 1):
        types += [("B", rank), ("C", rank)] if rank > 2 else [("B", 2)]
    if rank >= 4 and dim == rank * (2 * rank - 1):
        types.append(("D", rank))
    if (dim, rank) == (78, 6):
        types.append(("E", 6))
    if (dim, rank) in _EXCEPTIONAL_TYPES:
        types.append(_EXCEPTIONAL_TYPES[dim, rank])
    return types


def _types(g: LieStructure, rank: int) -> list[Type]:
    """Complex types that are left after a look at the roots, where that is needed."""
    types = _types_of(g.dim, rank)
    if len(types) == 1:
        return types
    random = Random(0)
    for _ in range(_ATTEMPTS):
        orbits = _root_orbits(g, rank, random)
        if len(orbits) == 1:  # roots of one length
            return [kind for kind in types if kind[0] == "E"]
        if len(orbits) == 2 and len(types) == 2:
            # B_n: ±e_i, ±e_i±e_j; C_n: ±2e_i, ±e_i±e_j. Sums of squares of the roots.
            first, second = (_sum_of_squares(orbit) for orbit in orbits)
            return [("B" if second == 2 * (rank - 1) * first else "C", rank)]
    return types


def _root_orbits(g: LieStructure, rank: int, random: Random) -> list[Poly]:
    """Irreducible factors, other than x, of the characteristic polynomial of a random ad x."""
    matrix = g.adjoint(_random_element(g, random))
    coefficients = matrix.charpoly()
    poly = Poly.from_list(coefficients[: g.dim - rank + 1], Symbol("x"), domain=g.field)
    factors = factor_polynomial(poly)
    return sorted((factor.monic() for factor, _ in factors), key=lambda factor: factor.degree())


def _sum_of_squares(poly: Poly) -> Any:
    """Sum of the squares of the roots of a monic polynomial (Newton's identity)."""
    _, first, second = [*poly.all_coeffs(), 0, 0][:3]
    return first**2 - 2 * second


def _random_element(g: LieStructure, random: Random) -> Vector:
    """Element with small integer coordinates."""
    drawn = ((i, random.randint(-5, 5)) for i in range(g.dim))
    return {i: g.field(number) for i, number in drawn if number}
