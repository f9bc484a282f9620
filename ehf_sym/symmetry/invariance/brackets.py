"""{g, π} = 0 decided for generators g."""

from __future__ import annotations

from dataclasses import replace

from sympy import (
    Add,
    And,
    Derivative,
    Expr,
    Ne,
    Piecewise,
    S,
    factor_terms,
)

from ehf_sym import clock
from ehf_sym.clock import DEFAULT_SECONDS, OutOfTimeError, check_time, interrupted
from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.errors import ArgumentError
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
    second,
    slopes_of,
)
from ehf_sym.symmetry.invariance.report import GeneratorVerdict, InvarianceReport
from ehf_sym.symmetry.jumps.crossings import bracket_off_walls, flow_keeps, transport
from ehf_sym.symmetry.jumps.orbits import Crossing
from ehf_sym.symmetry.jumps.walls import differentiable, kinks_of, walls_of
from ehf_sym.zero.zero_test import is_zero

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
    with clock.time_limit(seconds):
        verdicts = tuple(_in_time(g, base, seconds) for g in symmetry.generators)
    return InvarianceReport(symmetry, base, verdicts)


def _in_time(g: Expr, base: BaseDensity, seconds: float) -> GeneratorVerdict:
    """Verdict on one generator; undecided beyond the time or the depth."""
    try:
        verdict = interrupted(lambda: _check_generator(g, base))
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


def _check_generator(g: Expr, base: BaseDensity) -> GeneratorVerdict:
    """Verdict on one generator."""
    space, f, of_g = base.space, base.log_density, slopes_of(g, base.space)
    conjugates = list(zip(space.q, space.p, strict=True))

    def bracket_with(formula: Expr) -> Expr:
        of_f = slopes_of(formula, space)
        return Add(*(of_g[q] * of_f[p] - of_g[p] * of_f[q] for q, p in conjugates))

    kept, rest = parts_of(f, space.coordinates).kept(of_g, space)
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
    linear = all_zero(second(of_g, space.p))
    walls = walls_of(g)
    if linear and any(
        b.free_symbols.intersection(space.p) for b in (*walls.surfaces, *walls.opaque)
    ):
        linear = None
    volume = None
    if linear:
        volume = is_zero(Add(*(of_g[p].diff(q) for q, p in conjugates)))
        if volume.proved and not all(flow_keeps(b, g, space) for b in walls.surfaces):
            volume = ZeroVerdict("undecided", "whether the flow of g crosses a jump of its own")
    exact = leapfrog_exact(g, base)
    return GeneratorVerdict(
        generator=g,
        bracket=S.Zero if zero.proved else shortest(bracket, factor_terms),
        verdict=verdict,
        linear_in_p=linear,
        volume_preserving=volume,
        marginal=marginal_promise(verdict, linear, volume, all_zero(of_g[p] for p in space.p)),
        leapfrog_exact=exact,
        leapfrog=LEAPFROG_EXACT if exact else LEAPFROG_APPROXIMATE,
        crossing=crossing,
    )


def _along_orbits(
    g: Expr, bracket: Expr, f: Expr, space: PhaseSpace
) -> tuple[ZeroVerdict, ZeroVerdict, Crossing | None]:
    """Verdicts on a bracket {g, f} off jumps, and on f, which may jump."""
    zero = _zero_off_kinks(bracket, f, differentiable(g))
    if zero.refuted or not (walls := walls_of(f)):
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
