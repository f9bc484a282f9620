"""Lemma 1's premise {g, π} = 0 decided, and what follows for the marginal and for leapfrog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations_with_replacement as pairs

from sympy import Add, Expr, Matrix, S, Symbol, factor_terms

from ehf_sym.densities import BaseDensity
from ehf_sym.errors import ArgumentError
from ehf_sym.invariance_report import GeneratorVerdict, InvarianceReport
from ehf_sym.lie.algebra import Algebra
from ehf_sym.verdict import ZeroVerdict
from ehf_sym.zero_test import is_zero

_NO_PROMISE = "nothing is promised: {g, π} = 0 is not proved."
_NOT_LINEAR = (
    "nothing is promised: g is not linear in p, so its flow moves q by amounts that depend on p."
)
_LINEARITY_OPEN = "nothing is promised: whether g is linear in p is undecided."
_STILL = "nothing to keep: the flow of g leaves every q in place."
_AS_MEASURE = (
    "if {g, H} = 0 for the learned H, invariant as a measure under q̇ = ∂g/∂p; its density "
    "changes along that flow, by the Jacobian of its volume change."
)
_AS_FUNCTION = "if {g, H} = 0 for the learned H, invariant under q̇ = ∂g/∂p, which keeps volume."
_VOLUME_OPEN = (
    "if {g, H} = 0 for the learned H, invariant as a measure under q̇ = ∂g/∂p; whether that flow "
    "keeps volume is undecided."
)
_LEAPFROG_EXACT = (
    "{g, H} = 0 implies {g, K} = {g, U} = 0, so each step commutes exactly with the flow of g."
)
_LEAPFROG_APPROXIMATE = (
    "exact only where {g, K} = 0 and {g, U} = 0 separately; {g, K + U} = 0 alone leaves O(dt²)."
)


def check_invariance(symmetry: Algebra, base: BaseDensity) -> InvarianceReport:
    """Decide {g, π} = 0 for each generator; the work of `LieAlgebra.check`.

    Parameters
    ----------
    symmetry : Algebra
        The generators.
    base : BaseDensity
        The density, on the same space.

    Returns
    -------
    InvarianceReport
        One verdict for each generator.

    Raises
    ------
    ArgumentError
        If ``base`` is not a `BaseDensity` on the symmetry's space.

    Examples
    --------
    >>> from ehf_sym.standard_densities import StandardNormal
    >>> from ehf_sym.phase_space import PhaseSpace
    >>> space = PhaseSpace(1)
    >>> translation = Algebra(space, [space.p[0]])
    >>> check_invariance(translation, StandardNormal(space)).verdicts[0].bracket
    q1
    """
    if not isinstance(base, BaseDensity):
        raise ArgumentError(f"base is {base!r}; it should be a BaseDensity")
    if base.space != symmetry.space:
        raise ArgumentError(f"base lives on {base.space}; it should live on {symmetry.space}")
    space = base.space
    slopes = {x: base.log_density.diff(x) for x in space.q + space.p}
    verdicts = tuple(_check_generator(g, base, slopes) for g in symmetry.generators)
    return InvarianceReport(symmetry, base, verdicts)


def _check_generator(g: Expr, base: BaseDensity, slopes: Mapping[Symbol, Expr]) -> GeneratorVerdict:
    """Verdict on one generator, given the derivatives of ln π."""
    space = base.space
    moved = g.free_symbols
    pairs_moved = [pair for pair in zip(space.q, space.p, strict=True) if moved.intersection(pair)]
    bracket = Add(*(g.diff(q) * slopes[p] - g.diff(p) * slopes[q] for q, p in pairs_moved))
    verdict = is_zero(bracket)
    linear = _all_zero(g.diff(a, b) for a, b in pairs(_occurring(space.p, g), 2))
    volume = None
    if linear:
        volume = is_zero(Add(*(g.diff(q, p) for q, p in pairs_moved)))
    exact = _leapfrog_exact(g, base)
    still = _all_zero(g.diff(p) for p in _occurring(space.p, g))
    return GeneratorVerdict(
        generator=g,
        bracket=S.Zero if verdict.proved else min(bracket, factor_terms(bracket), key=_length),
        verdict=verdict,
        linear_in_p=linear,
        volume_preserving=volume,
        marginal=_marginal_promise(verdict, linear, volume, still),
        leapfrog_exact=exact,
        leapfrog=_LEAPFROG_EXACT if exact else _LEAPFROG_APPROXIMATE,
    )


def _length(expr: Expr) -> int:
    """Length of a formula as a reader sees it."""
    return len(str(expr))


def _occurring(coordinates: tuple[Symbol, ...], g: Expr) -> tuple[Symbol, ...]:
    """Coordinates that occur in g: derivatives by the others need no test."""
    return tuple(x for x in coordinates if x in g.free_symbols)


def _all_zero(expressions: Iterable[Expr]) -> bool | None:
    """Whether all are identically zero; None if that is undecided."""
    answer: bool | None = True
    for expression in expressions:
        verdict = is_zero(expression)
        if verdict.refuted:
            return False
        if not verdict.proved:
            answer = None
    return answer


def _marginal_promise(
    verdict: ZeroVerdict, linear: bool | None, volume: ZeroVerdict | None, still: bool | None
) -> str:
    """Say what holds for p(q); design: only generators linear in p act on q by themselves."""
    if not verdict.proved:
        return _NO_PROMISE
    if still:
        return _STILL
    if linear is None:
        return _LINEARITY_OPEN
    if volume is None:
        return _NOT_LINEAR
    if volume.proved:
        return _AS_FUNCTION
    return _AS_MEASURE if volume.refuted else _VOLUME_OPEN


def _leapfrog_exact(g: Expr, base: BaseDensity) -> bool:
    """Whether {g, K(p) + U(q)} = 0 is proved to imply {g, K} = {g, U} = 0 for all K and U.

    If g depends on q alone then {g, U} = 0 always, and likewise for p and K. Otherwise let
    g = pᵀAq + a·q + b·p + const: then {g, K} = (Aᵀp + a)·∇K depends on p alone and
    {g, U} = −(Aq + b)·∇U on q alone, so both are constant, and that constant is 0 if Aᵀp + a or
    Aq + b vanishes somewhere.
    """
    q, p = _occurring(base.space.q, g), _occurring(base.space.p, g)
    if _all_zero(g.diff(x) for x in q) or _all_zero(g.diff(x) for x in p):
        return True
    quadratic = [g.diff(x, y) for xs in (q, p) for x, y in pairs(xs, 2)]
    if not _all_zero(quadratic):
        return False
    origin = dict.fromkeys(q + p, S.Zero)
    A = Matrix([[g.diff(pi, qj).xreplace(origin) for qj in q] for pi in p])
    a = Matrix([g.diff(x).xreplace(origin) for x in q])
    b = Matrix([g.diff(x).xreplace(origin) for x in p])
    if not all(entry.is_finite for entry in (*A, *a, *b)):
        return False
    return _is_solvable(A.T, a) or _is_solvable(A, b)


def _is_solvable(matrix: Matrix, vector: Matrix) -> bool:
    """Whether matrix·x + vector = 0 is proved to have a solution x."""
    if _all_zero(vector):
        return True
    entries = matrix.row_join(vector)
    # Ranks over other fields would hang on SymPy's own zero test.
    return all(e.is_Rational for e in entries) and bool(entries.rank() == matrix.rank())
