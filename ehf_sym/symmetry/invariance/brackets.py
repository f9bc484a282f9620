"""{g, π} = 0 decided for generators g."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations_with_replacement as pairs

from sympy import (
    Add,
    And,
    Derivative,
    Expr,
    Matrix,
    Mul,
    Ne,
    Piecewise,
    S,
    Symbol,
    factor_terms,
)

from ehf_sym import clock
from ehf_sym.clock import DEFAULT_SECONDS, OutOfTimeError, check_time, interrupted
from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.densities.gaussian import first_derivatives
from ehf_sym.errors import ArgumentError
from ehf_sym.exact.vector_fields import affine_velocity
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted, shortest
from ehf_sym.formulas.verdict import Certificate, Witness, ZeroVerdict
from ehf_sym.lie.algebra import Algebra
from ehf_sym.symmetry.invariance.parts import parts_of, where_defined
from ehf_sym.symmetry.invariance.promises import (
    LEAPFROG_APPROXIMATE,
    LEAPFROG_EXACT,
    NO_PROMISE,
    all_zero,
    leapfrog_exact,
    marginal_promise,
    occurring,
)
from ehf_sym.symmetry.invariance.report import GeneratorVerdict, InvarianceReport
from ehf_sym.symmetry.jumps.crossings import bracket_off_walls, flow_keeps, transport
from ehf_sym.symmetry.jumps.orbits import Crossing
from ehf_sym.symmetry.jumps.walls import differentiable, kinks_of, walls_of
from ehf_sym.zero.zero_test import is_zero

Slopes = dict[Expr, dict[Symbol, Expr]]
_KEPT = (
    "the chain rule, for functions of polynomials whose brackets with g expand to 0; their "
    "jumps and poles too are those of their values"
)


def check_invariance(
    symmetry: Algebra, base: BaseDensity, time_limit: float = DEFAULT_SECONDS
) -> InvarianceReport:
    """Decide {g, π} = 0 for each generator; the work of `LieAlgebra.check`.

    Parameters
    ----------
    symmetry : Algebra
        The generators.
    base : BaseDensity
        The density, on the same space.
    time_limit : float, optional
        Seconds after which what is left is undecided.

    Returns
    -------
    InvarianceReport
        One verdict for each generator.

    Raises
    ------
    ArgumentError
        If ``base`` is not a `BaseDensity` on the symmetry's space, or ``time_limit`` is not
        positive.

    Examples
    --------
    >>> from ehf_sym import StandardNormal
    >>> from ehf_sym.formulas.phase_space import PhaseSpace
    >>> space = PhaseSpace(1)
    >>> translation = Algebra(space, [space.p[0]])
    >>> check_invariance(translation, StandardNormal(space)).verdicts[0].bracket
    q1
    """
    if not isinstance(base, BaseDensity):
        raise ArgumentError(f"base is {quoted(base)}; it should be a BaseDensity")
    if base.space != symmetry.space:
        raise ArgumentError(f"base lives on {base.space}; it should live on {symmetry.space}")
    seconds = clock.positive_seconds(time_limit)
    slopes: Slopes = {}
    with clock.time_limit(seconds):
        verdicts = tuple(_in_time(g, base, slopes, seconds) for g in symmetry.generators)
    return InvarianceReport(symmetry, base, verdicts)


def _in_time(g: Expr, base: BaseDensity, slopes: Slopes, seconds: float) -> GeneratorVerdict:
    """Verdict on one generator; undecided beyond the time or the depth."""
    try:
        verdict = interrupted(lambda: _check_generator(g, base, slopes))
        if verdict.verdict.undecided:
            check_time()
    except OutOfTimeError:
        return _given_up(g, base, f"the time limit of {seconds:g} s has passed")
    except RecursionError:
        return _given_up(g, base, "it is nested too deeply")
    return verdict


def _given_up(g: Expr, base: BaseDensity, reason: str) -> GeneratorVerdict:
    """Say why nothing is known; derivatives are not taken."""
    f, space = base.log_density, base.space
    moved = [pair for pair in zip(space.q, space.p, strict=True) if g.free_symbols & {*pair}]
    bracket = Add(
        *(
            Derivative(g, q) * Derivative(f, p) - Derivative(g, p) * Derivative(f, q)
            for q, p in moved
        )
    )
    verdict = ZeroVerdict("undecided", reason, residual=bracket)
    return GeneratorVerdict(
        generator=g,
        bracket=bracket,
        verdict=verdict,
        linear_in_p=None,
        volume_preserving=None,
        marginal=NO_PROMISE,
        leapfrog_exact=False,
        leapfrog=LEAPFROG_APPROXIMATE,
    )


def _check_generator(g: Expr, base: BaseDensity, slopes: Slopes) -> GeneratorVerdict:
    """Verdict on one generator; derivatives of ln π are kept for the next."""
    space, f = base.space, base.log_density
    off, affine = differentiable(g), _flat_velocity(g, space)
    moved = g.free_symbols
    pairs_moved = [pair for pair in zip(space.q, space.p, strict=True) if moved.intersection(pair)]

    def bracket_with(formula: Expr) -> Expr:
        if formula not in slopes:
            first = first_derivatives(space.coordinates, differentiable(formula))
            slopes[formula] = dict(zip(space.coordinates, first, strict=True))
        of_pi = slopes[formula]
        if affine is not None:
            return _along_affine(*affine, of_pi, space)
        return Add(*(off.diff(q) * of_pi[p] - off.diff(p) * of_pi[q] for q, p in pairs_moved))

    kept, rest = parts_of(f, space.coordinates).kept(off, space)
    bracket = bracket_with(rest)
    zero, verdict, crossing = _along_orbits(g, bracket, rest, space)
    if verdict.refuted and kept != 0:  # it is not refuted where a term that is kept has no value
        found = where_defined(verdict, kept) if crossing is None else None
        if found is None:
            bracket = bracket_with(f) if crossing is None else bracket
            zero, verdict, crossing = _along_orbits(g, bracket, f, space)
        else:
            verdict = found
    elif verdict.certificate is not None and not kept.is_polynomial(*space.coordinates):
        reasons = (*verdict.certificate.rests_on, _KEPT)
        verdict = replace(verdict, certificate=replace(verdict.certificate, rests_on=reasons))
    linear: bool | None = True
    if affine is None:
        linear = all_zero(off.diff(a, b) for a, b in pairs(occurring(space.p, g), 2))
    walls = walls_of(g)
    if linear and any(
        b.free_symbols.intersection(space.p) for b in (*walls.surfaces, *walls.opaque)
    ):
        linear = None
    volume = None
    if linear:
        divergence = (
            Add(*(off.diff(q, p) for q, p in pairs_moved)) if affine is None else affine[0].trace()
        )
        volume = is_zero(divergence)
        if volume.proved and not all(flow_keeps(b, g, space) for b in walls.surfaces):
            volume = ZeroVerdict("undecided", "whether the flow of g crosses a jump of its own")
    exact = affine is not None or leapfrog_exact(g, base)
    still = all_zero(off.diff(p) for p in occurring(space.p, g))
    return GeneratorVerdict(
        generator=g,
        bracket=S.Zero if zero.proved else shortest(bracket, factor_terms),
        verdict=verdict,
        linear_in_p=linear,
        volume_preserving=volume,
        marginal=marginal_promise(verdict, linear, volume, still),
        leapfrog_exact=exact,
        leapfrog=LEAPFROG_EXACT if exact else LEAPFROG_APPROXIMATE,
        crossing=crossing,
    )


def _flat_velocity(g: Expr, space: PhaseSpace) -> tuple[Matrix, Matrix] | None:
    """Read A and b off a sum of terms c p_i q_j and c p_i as it stands, of however many terms."""
    factors = (f for term in Add.make_args(g) for f in Mul.make_args(term))
    return affine_velocity(g, space) if all(f.is_Atom for f in factors) else None


def _along_affine(A: Matrix, b: Matrix, slopes: Mapping[Symbol, Expr], space: PhaseSpace) -> Expr:
    """Return {g, f} of g = pᵀ(Aq + b), given the derivatives of f, without any of g."""
    q, p, terms = space.q, space.p, []
    for (i, j), entry in A.todok().items():
        terms += [entry * p[i] * slopes[p[j]], -entry * q[j] * slopes[q[i]]]
    terms += [-entry * slopes[q[i]] for (i, _), entry in b.todok().items()]
    return Add(*terms)


def _along_orbits(
    g: Expr, bracket: Expr, f: Expr, space: PhaseSpace
) -> tuple[ZeroVerdict, ZeroVerdict, Crossing | None]:
    """Verdicts on a bracket {g, f} off jumps, and on f, which may jump."""
    zero = _zero_off_kinks(bracket, f, differentiable(g))
    walls = walls_of(f)
    if not walls or zero.refuted:
        return zero, zero, None
    if zero.undecided:
        by_cases = is_zero(bracket_off_walls(walls.formula, g, space))
        zero = zero if by_cases.undecided else by_cases
    return zero, *_across_jumps(g, f, space, zero)


def _zero_off_kinks(bracket: Expr, f: Expr, g: Expr) -> ZeroVerdict:
    """Decide whether a bracket vanishes where f and g are differentiable."""
    verdict = is_zero(bracket)
    if not verdict.witness:
        return verdict
    kinks = kinks_of(f) | kinks_of(g)
    place = dict(verdict.witness)
    if not any(kink.xreplace(place) == 0 for kink in kinks):
        return verdict
    smooth = And(*(Ne(kink, 0) for kink in kinks))
    return is_zero(Piecewise((bracket, smooth), (0, True)))


def _across_jumps(
    g: Expr, f: Expr, space: PhaseSpace, zero: ZeroVerdict
) -> tuple[ZeroVerdict, Crossing | None]:
    """Verdict on a density that may jump, given that on the bracket off its jumps."""
    found = transport(f, g, space)
    crossing = found.crossing
    if crossing is not None:
        method = "different values on one orbit, on either side of a jump"
        witness, value = Witness(crossing.start), crossing.difference
        enclosure = value if isinstance(value, tuple) else (value, value) if value else None
        certificate = Certificate(method, witness=tuple(witness.items()), enclosure=enclosure)
        return ZeroVerdict("refuted", method, witness, value, None, certificate), crossing
    if not zero.proved:
        return zero, None
    if found.status == "undecided":
        method = "whether π jumps where this vanishes, and the flow crosses it"
        return ZeroVerdict("undecided", method, residual=found.open[0]), None
    if zero.certificate is None:
        return zero, None
    certificate = replace(zero.certificate, rests_on=(*zero.certificate.rests_on, *found.reasons))
    return replace(zero, certificate=certificate), None
