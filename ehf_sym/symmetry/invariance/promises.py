"""What invariance of the base promises for the marginal and for leapfrog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from sympy import (
    Expr,
    Matrix,
    S,
    Symbol,
)

from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.densities.gaussian import first_derivatives
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.verdict import ZeroVerdict
from ehf_sym.symmetry.jumps.walls import differentiable, walls_of
from ehf_sym.zero.zero_test import is_zero

NO_PROMISE = "nothing is promised: {g, π} = 0 is not proved."
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
UNDER_MAP = "if H∘σ = H for the learned H, invariant under q ↦ Aq, which keeps volume."
NO_MAP = "nothing is promised: π∘σ = π is not proved."
LEAPFROG_MAP = "H∘σ = H implies K∘σ = K and U∘σ = U, so each step commutes exactly with σ."
LEAPFROG_EXACT = (
    "{g, H} = 0 implies {g, K} = {g, U} = 0, so each step commutes exactly with the flow of g."
)
LEAPFROG_APPROXIMATE = (
    "exact only where {g, K} = 0 and {g, U} = 0 separately; {g, K + U} = 0 alone leaves O(dt²)."
)


@lru_cache(16)
def slopes_of(f: Expr, space: PhaseSpace) -> dict[Symbol, Expr]:
    """Take ∂f/∂x for each coordinate x, off kinks and jumps."""
    first = first_derivatives(space.coordinates, differentiable(f))
    return dict(zip(space.coordinates, first, strict=True))


def second(of_f: Mapping[Symbol, Expr], along: Sequence[Symbol]) -> Iterator[Expr]:
    """Take second derivatives along some coordinates, but those that are 0 as they stand."""
    return (of_f[x].diff(y) for x in along for y in along if y in of_f[x].free_symbols)


def all_zero(expressions: Iterable[Expr]) -> bool | None:
    """Whether all are identically zero; None if that is undecided."""
    answer: bool | None = True
    for expression in expressions:
        verdict = is_zero(expression)
        if verdict.refuted:
            return False
        if not verdict.proved:
            answer = None
    return answer


def marginal_promise(
    verdict: ZeroVerdict, linear: bool | None, volume: ZeroVerdict | None, still: bool | None
) -> str:
    """Say what holds for p(q); design: only generators linear in p act on q by themselves."""
    if not verdict.proved:
        return NO_PROMISE
    if still:
        return _STILL
    if linear is None:
        return _LINEARITY_OPEN
    if volume is None:
        return _NOT_LINEAR
    if volume.proved:
        return _AS_FUNCTION
    return _AS_MEASURE if volume.refuted else _VOLUME_OPEN


def leapfrog_exact(g: Expr, base: BaseDensity) -> bool:
    """Whether {g, K(p) + U(q)} = 0 is proved to imply {g, K} = {g, U} = 0 for all K and U.

    If g depends on q alone then {g, U} = 0 always, and likewise for p and K. Otherwise let
    g = pᵀAq + a·q + b·p + const: then {g, K} = (Aᵀp + a)·∇K depends on p alone and
    {g, U} = −(Aq + b)·∇U on q alone, so both are constant, and that constant is 0 if Aᵀp + a or
    Aq + b vanishes somewhere.
    """
    space, of_g, symbols = base.space, slopes_of(g, base.space), g.free_symbols
    q, p = ([x for x in xs if x in symbols] for xs in (space.q, space.p))
    if walls_of(g):  # derivatives do not see its jumps
        return not (q and p)
    if all_zero(of_g[x] for x in q) or all_zero(of_g[x] for x in p):
        return True
    if not all_zero([*second(of_g, q), *second(of_g, p)]):
        return False
    origin = dict.fromkeys(q + p, S.Zero)
    A = Matrix([[of_g[x].diff(y).xreplace(origin) for y in q] for x in p])
    a, b = (Matrix([of_g[x].xreplace(origin) for x in xs]) for xs in (q, p))
    if not all(entry.is_finite for entry in (*A, *a, *b)):
        return False
    return _is_solvable(A.T, a) or _is_solvable(A, b)


def _is_solvable(matrix: Matrix, vector: Matrix) -> bool:
    """Whether matrix·x + vector = 0 is proved to have a solution x."""
    if all_zero(vector):
        return True
    entries = matrix.row_join(vector)
    # Ranks over other fields would hang on SymPy's own zero test.
    return all(e.is_Rational for e in entries) and bool(entries.rank() == matrix.rank())
