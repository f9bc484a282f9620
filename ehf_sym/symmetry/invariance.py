"""{g, π} = 0 and π∘σ = π decided, and what follows for the marginal and for leapfrog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement as pairs
from typing import Any

from sympy import (
    QQ,
    Add,
    And,
    Derivative,
    Expr,
    ImmutableMatrix,
    Matrix,
    Mul,
    Ne,
    Piecewise,
    Poly,
    Pow,
    S,
    Symbol,
    exp,
    factor_terms,
    log,
)
from sympy.functions.elementary.trigonometric import TrigonometricFunction
from sympy.polys.orderings import grlex
from sympy.polys.polyerrors import BasePolynomialError
from sympy.polys.rings import PolyRing

from ehf_sym import clock
from ehf_sym.clock import DEFAULT_SECONDS, OutOfTimeError, check_time, interrupted
from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.densities.gaussian import first_derivatives
from ehf_sym.errors import ArgumentError, EHFError
from ehf_sym.exact.vector_fields import VectorFields, affine_velocity
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import formula_text, quoted, record_text
from ehf_sym.formulas.report import Document, Line, Reported, formula_data, space_data
from ehf_sym.formulas.verdict import Certificate, Status, Witness, ZeroVerdict, verdict_data
from ehf_sym.lie.algebra import Algebra
from ehf_sym.symmetry.jumps.crossings import bracket_off_walls, flow_keeps, transport
from ehf_sym.symmetry.jumps.orbits import Crossing
from ehf_sym.symmetry.jumps.walls import UNDEFINED, differentiable, kinks_of, walls_of
from ehf_sym.zero.zero_test import is_zero

Slopes = dict[Expr, dict[Symbol, Expr]]

_MOST_IMAGES = 6
_CHAIN_RULE = "the chain rule, for functions of polynomials whose brackets with g expand to 0"
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
_UNDER_MAP = "if H∘σ = H for the learned H, invariant under q ↦ Aq, which keeps volume."
_NO_MAP = "nothing is promised: π∘σ = π is not proved."
_LEAPFROG_MAP = "H∘σ = H implies K∘σ = K and U∘σ = U, so each step commutes exactly with σ."
_LEAPFROG_EXACT = (
    "{g, H} = 0 implies {g, K} = {g, U} = 0, so each step commutes exactly with the flow of g."
)
_LEAPFROG_APPROXIMATE = (
    "exact only where {g, K} = 0 and {g, U} = 0 separately; {g, K + U} = 0 alone leaves O(dt²)."
)


@dataclass(frozen=True)
class GeneratorVerdict:
    """What is known about one generator g and a base density π.

    Attributes
    ----------
    generator : sympy.Expr
        g(q, p).
    bracket : sympy.Expr
        {g, ln π} off jumps. It vanishes exactly where {g, π} = π {g, ln π} does, since π > 0. If
        the time has passed, its derivatives are not taken.
    verdict : ZeroVerdict
        Is the bracket identically zero, and does π not jump where the flow crosses? If a jump
        refutes it, `witness` is the point before and `value` the jump of ln π (None where ln π is
        not defined on one side); if one is not decided, `residual` is what vanishes on it.
    linear_in_p : bool or None
        Whether g = p·X(q) + f(q) (the second condition of the paper's footnote 4); None if
        undecided.
    volume_preserving : ZeroVerdict or None
        Is div X identically zero, so that q̇ = X(q) keeps volume? None unless g is linear in p.
    marginal : str
        What is promised for the learned marginal p(q).
    leapfrog_exact : bool
        Whether {g, K(p) + U(q)} = 0 is proved to imply {g, K} = {g, U} = 0 for all K and U.
    leapfrog : str
        What is promised for leapfrog steps.
    crossing : Crossing or None
        If a jump refutes invariance: two points of an orbit on either side of it.
    """

    generator: Expr
    bracket: Expr
    verdict: ZeroVerdict
    linear_in_p: bool | None
    volume_preserving: ZeroVerdict | None
    marginal: str
    leapfrog_exact: bool
    leapfrog: str
    crossing: Crossing | None = None

    __repr__ = record_text

    def _evidence(self, name: str, space: PhaseSpace) -> Iterator[Line]:
        """Counterexample to check by hand, or what could not be decided."""
        bracket = f"{{{name}, ln π}}"
        yield Line(2, f"{bracket} = ", self.bracket)
        zero = self.verdict
        if self.crossing is not None:
            yield from _jump(name, self.crossing, space)
            return
        if not zero.refuted and self.bracket == 0:
            yield Line(2, f"undecided {zero.method}: ", zero.residual)
            return
        if not zero.refuted:
            words = f"undecided ({zero.method}) whether this is identically 0: "
            yield Line(2, words, zero.residual)
            return
        point = _point(zero.witness or {}, space) or "every point"
        yield Line(2, f"at {point} its value is {_number(zero.value)}, not 0: refuted")


@dataclass(frozen=True)
class ElementVerdict:
    """What is known about one map σ: q ↦ Aq, p ↦ A⁻ᵀp and a base density π.

    Attributes
    ----------
    matrix, on_momenta : sympy.ImmutableMatrix
        A and A⁻ᵀ.
    difference : sympy.Expr
        ln π(σ s) − ln π(s); 0 where it is proved to vanish.
    verdict : ZeroVerdict
        Is π∘σ = π off a null set, jumps and the domain of ln π included? If refuted, `witness` is
        a point and `value` the difference there, None where ln π is not defined at one of s, σ s.
    marginal : str
        What is promised for the learned marginal p(q).
    leapfrog_exact : bool
        Whether H∘σ = H implies that each leapfrog step commutes with σ: True, since K∘σ − K is a
        constant, which vanishes for a map of finite order.
    leapfrog : str
        What is promised for leapfrog steps.
    """

    matrix: ImmutableMatrix
    on_momenta: ImmutableMatrix
    difference: Expr
    verdict: ZeroVerdict
    marginal: str
    leapfrog_exact: bool = True
    leapfrog: str = _LEAPFROG_MAP

    __repr__ = record_text

    def _evidence(self, name: str, space: PhaseSpace) -> Iterator[Line]:
        """Counterexample to check by hand, or what could not be decided."""
        yield Line(2, f"ln π({name} s) - ln π(s) = ", self.difference)
        zero = self.verdict
        if not zero.refuted:
            words = f"undecided ({zero.method}) whether this is identically 0: "
            yield Line(2, words, zero.residual)
            return
        point = _point(zero.witness or {}, space) or "every point"
        value = "is not defined" if zero.value is None else f"is {_number(zero.value)}, not 0"
        yield Line(2, f"at {point} its value {value}: refuted")


@dataclass(frozen=True, repr=False)
class InvarianceReport(Reported):
    """Verdicts on every generator of a symmetry; prints as text, LaTeX, HTML and JSON.

    Attributes
    ----------
    symmetry : LieAlgebra, FiniteSymmetry or Symmetry
        What was checked.
    base : BaseDensity
        Against which density.
    verdicts : tuple of GeneratorVerdict and ElementVerdict
        One for each generator, in order: functions g first, then maps σ of a finite symmetry.
    remarks : tuple of str
        What else has to be said of the symmetry.
    """

    symmetry: Any
    base: BaseDensity
    verdicts: tuple[GeneratorVerdict | ElementVerdict, ...]
    remarks: tuple[str, ...] = ()

    @property
    def of_functions(self) -> tuple[GeneratorVerdict, ...]:
        """The verdicts on {g, π} = 0."""
        return tuple(v for v in self.verdicts if isinstance(v, GeneratorVerdict))

    @property
    def of_maps(self) -> tuple[ElementVerdict, ...]:
        """The verdicts on π∘σ = π."""
        return tuple(v for v in self.verdicts if isinstance(v, ElementVerdict))

    @property
    def claim(self) -> str:
        """What is decided."""
        claims = ["{g, π} = 0"] if self.of_functions else []
        return " and ".join([*claims, *(["π∘σ = π"] if self.of_maps else [])])

    @property
    def proved(self) -> bool:
        """Whether invariance is proved for every generator."""
        return self.status == "proved"

    @property
    def status(self) -> Status:
        """Overall verdict: refuted if any generator is, proved if all are, else undecided."""
        if any(v.verdict.refuted for v in self.verdicts):
            return "refuted"
        return "proved" if all(v.verdict.proved for v in self.verdicts) else "undecided"

    def document(self) -> Document:
        """Lines for a reader and data for a program."""
        return Document(tuple(_lines(self)), _data(self))


class InvarianceError(EHFError, ValueError):
    """A base density is not proved invariant under the declared symmetry.

    Attributes
    ----------
    report : InvarianceReport
        The report whose verdict was not "proved".
    """

    def __init__(self, message: str, report: InvarianceReport) -> None:
        super().__init__(message)
        self.report = report


def _lines(report: InvarianceReport) -> Iterator[Line]:
    """Lines of the report: each generator, then each promise once."""
    yield Line(0, f"{report.claim} for π = {report.base.name}: {report.status}")
    yield from (Line(1, remark) for remark in report.remarks)
    promises: dict[tuple[str, str], list[str]] = {}
    for label, verdict in zip(report.symmetry.labels, report.verdicts, strict=True):
        if isinstance(verdict, GeneratorVerdict):
            yield Line(1, f"{label} = ", verdict.generator)
        else:
            yield from _map_lines(label, verdict, report.symmetry.space)
        if verdict.verdict.proved:
            promises.setdefault((verdict.marginal, verdict.leapfrog), []).append(label)
        else:
            yield from verdict._evidence(label, report.base.space)
    for (marginal, leapfrog), names in promises.items():
        whose = "" if len(names) == len(report.verdicts) else f" ({', '.join(names)})"
        yield Line(1, f"Marginal over q{whose}: {marginal}")
        yield Line(1, f"Leapfrog{whose}: {leapfrog}")


def _map_lines(label: str, verdict: ElementVerdict, space: PhaseSpace) -> Iterator[Line]:
    """Write out the coordinates that a map moves, as many as a reader bears."""
    images = zip(space.q, verdict.matrix * Matrix(space.q), strict=True)
    moved = [f"{x} ↦ {quoted(image)}" for x, image in images if image != x]
    shown = ", ".join(moved[:_MOST_IMAGES]) + (", ..." if len(moved) > _MOST_IMAGES else "")
    along = "p alike" if verdict.on_momenta == verdict.matrix else "p by the inverse transpose"
    yield Line(1, f"{label}: {shown or 'q ↦ q'}; {along}")


def _jump(name: str, crossing: Crossing, space: PhaseSpace) -> Iterator[Line]:
    """Two points of an orbit with different values, and what lies between."""
    for surface in crossing.surfaces:
        yield Line(2, f"but the flow of {name} crosses a jump of π where 0 = ", surface)
    places = (
        ("at", crossing.start),
        (f"which moves in the time {quoted(crossing.eps)} to", crossing.end),
    )
    for (words, place), value in zip(places, crossing.values, strict=True):
        shown = "is not defined" if value is None else f"is {_number(value)} up to its constant"
        yield Line(3, f"{words} {_point(place, space)}, where ln π {shown}")
    yield Line(2, "refuted by these two points")


def _point(place: Mapping[Symbol, Any], space: PhaseSpace) -> str:
    symbols = (*space.coordinates, *space.parameters)
    return ", ".join(f"{x} = {_number(place[x])}" for x in symbols if x in place)


def _number(value: Any) -> str:
    """Write an exact number, or what encloses one."""
    if not isinstance(value, tuple):
        return quoted(value)
    return (
        f"about {value[0].n(6)}"
        if value[0].n(6) == value[1].n(6)
        else "between {} and {}".format(*value)
    )


def _data(report: InvarianceReport) -> dict[str, Any]:
    """Everything that the report knows."""
    return {
        "report": "invariance",
        "status": report.status,
        "space": space_data(report.symmetry.space),
        "base": {
            "name": report.base.name,
            "log_density": formula_data(report.base.log_density),
        },
        "generators": [
            {"label": label}
            | (
                _generator_data(verdict)
                if isinstance(verdict, GeneratorVerdict)
                else _element_data(verdict)
            )
            for label, verdict in zip(report.symmetry.labels, report.verdicts, strict=True)
        ],
    } | ({"remarks": list(report.remarks)} if report.remarks else {})


def _element_data(verdict: ElementVerdict) -> dict[str, Any]:
    """Write out what is known of one map."""
    return {
        "matrix": [[formula_text(entry) for entry in row] for row in verdict.matrix.tolist()],
        "difference": formula_data(verdict.difference),
        "verdict": verdict_data(verdict.verdict),
        "marginal": verdict.marginal,
        "leapfrog_exact": verdict.leapfrog_exact,
        "leapfrog": verdict.leapfrog,
    }


def _generator_data(verdict: GeneratorVerdict) -> dict[str, Any]:
    """Write out what is known of one generator."""
    volume = verdict.volume_preserving
    return {
        "generator": formula_data(verdict.generator),
        "bracket": formula_data(verdict.bracket),
        "verdict": verdict_data(verdict.verdict),
        "crossing": None if verdict.crossing is None else _crossing_data(verdict.crossing),
        "linear_in_p": verdict.linear_in_p,
        "volume_preserving": None if volume is None else verdict_data(volume),
        "marginal": verdict.marginal,
        "leapfrog_exact": verdict.leapfrog_exact,
        "leapfrog": verdict.leapfrog,
    }


def _crossing_data(crossing: Crossing) -> dict[str, Any]:
    """Write out two points on either side of a jump, numbers as text."""

    def number(value: Any) -> Any:
        if value is None:
            return None
        return [*map(formula_text, value)] if isinstance(value, tuple) else formula_text(value)

    return {
        "surfaces": [formula_data(b) for b in crossing.surfaces],
        "start": {x.name: formula_text(u) for x, u in crossing.start.items()},
        "eps": formula_text(crossing.eps),
        "end": {x.name: number(u) for x, u in crossing.end.items()},
        "log_density": [number(value) for value in crossing.values],
    }


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


def check_maps(
    matrices: Sequence[ImmutableMatrix],
    on_momenta: Sequence[ImmutableMatrix],
    base: BaseDensity,
    seconds: float,
) -> tuple[ElementVerdict, ...]:
    """Decide π∘σ = π for maps q ↦ Aq, p ↦ Bp; the work of `FiniteSymmetry.check`."""
    with clock.time_limit(seconds):
        return tuple(
            _map_in_time(A, B, base, seconds) for A, B in zip(matrices, on_momenta, strict=True)
        )


def _map_in_time(
    matrix: ImmutableMatrix, on_momenta: ImmutableMatrix, base: BaseDensity, seconds: float
) -> ElementVerdict:
    """Verdict on one map; undecided beyond the time or the depth."""
    f = base.log_density
    images = moved_coordinates(base.space, matrix, on_momenta)
    try:
        verdict = interrupted(lambda: same_after(f, images))
        if verdict.undecided:
            check_time()
    except OutOfTimeError:
        verdict = ZeroVerdict("undecided", f"the time limit of {seconds:g} s has passed")
    except RecursionError:
        verdict = ZeroVerdict("undecided", "it is nested too deeply")
    if verdict.proved:
        return ElementVerdict(matrix, on_momenta, S.Zero, verdict, _UNDER_MAP)
    difference = f.xreplace(images) - f
    if verdict.undecided and verdict.residual is None:
        verdict = replace(verdict, residual=difference)
    forms = [difference, factor_terms(difference)]
    if verdict.refuted and difference.is_polynomial(*base.space.coordinates):
        forms.append(difference.expand())
    return ElementVerdict(matrix, on_momenta, min(forms, key=_length), verdict, _NO_MAP)


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


def same_after(f: Expr, images: Mapping[Symbol, Expr]) -> ZeroVerdict:
    """Decide whether a function and its domain are the same after coordinates are moved.

    σ is given exactly, so that values say all: no derivative is taken, and jumps are seen. Where
    one side is not defined, an unknown stands for its value.
    """
    if f.is_polynomial(*images):
        difference = change_of(f, images).expand()
        if any(a.is_number for a in difference.atoms(Pow, TrigonometricFunction)):
            with suppress(BasePolynomialError, NotImplementedError):
                difference = S.Zero if _same_over_numbers(f, images) else difference
        return is_zero(difference)
    walls = walls_of(f)
    formula = walls.formula if walls.formula.has(UNDEFINED) else f
    difference = formula.xreplace(images) - formula
    if difference.expand() == 0:
        difference = S.Zero
    zero = is_zero(difference)
    if zero.proved and walls.opaque and difference != 0:
        method = "whether both sides are defined at the same points"
        return ZeroVerdict("undecided", method, residual=f.xreplace(images) - f)
    if UNDEFINED not in (zero.witness or {}):
        return zero
    place = {x: u for x, u in (zero.witness or {}).items() if x != UNDEFINED}
    defined = not difference.xreplace(place).has(UNDEFINED)
    return replace(zero, witness=Witness(place), value=zero.value if defined else None)


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
        marginal=_NO_PROMISE,
        leapfrog_exact=False,
        leapfrog=_LEAPFROG_APPROXIMATE,
    )


def _check_generator(g: Expr, base: BaseDensity, slopes: Slopes) -> GeneratorVerdict:
    """Verdict on one generator; derivatives of ln π are kept for the next."""
    space = base.space
    off, affine = differentiable(g), _flat_velocity(g, space)
    kept = _kept_terms(base.log_density, off, space)
    formula = base.log_density - kept
    if formula not in slopes:
        first = first_derivatives(space.coordinates, differentiable(formula))
        slopes[formula] = dict(zip(space.coordinates, first, strict=True))
    of_pi = slopes[formula]
    moved = g.free_symbols
    pairs_moved = [pair for pair in zip(space.q, space.p, strict=True) if moved.intersection(pair)]
    if affine is None:
        bracket = Add(*(off.diff(q) * of_pi[p] - off.diff(p) * of_pi[q] for q, p in pairs_moved))
    else:
        bracket = _along_affine(*affine, of_pi, space)
    zero = _zero_off_kinks(bracket, formula, off)
    if kept != 0 and zero.certificate is not None:
        reasons = (*zero.certificate.rests_on, _CHAIN_RULE)
        zero = replace(zero, certificate=replace(zero.certificate, rests_on=reasons))
    verdict = zero
    crossing = None
    walls = walls_of(base.log_density)
    if walls and not zero.refuted:
        if zero.undecided:
            by_cases = is_zero(bracket_off_walls(walls.formula, g, space))
            zero = zero if by_cases.undecided else by_cases
        verdict, crossing = _across_jumps(g, base, zero)
    linear: bool | None = True
    if affine is None:
        linear = _all_zero(off.diff(a, b) for a, b in pairs(_occurring(space.p, g), 2))
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
    exact = affine is not None or _leapfrog_exact(g, base)
    still = _all_zero(off.diff(p) for p in _occurring(space.p, g))
    return GeneratorVerdict(
        generator=g,
        bracket=S.Zero if zero.proved else min(bracket, factor_terms(bracket), key=_length),
        verdict=verdict,
        linear_in_p=linear,
        volume_preserving=volume,
        marginal=_marginal_promise(verdict, linear, volume, still),
        leapfrog_exact=exact,
        leapfrog=_LEAPFROG_EXACT if exact else _LEAPFROG_APPROXIMATE,
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


def _kept_terms(f: Expr, g: Expr, space: PhaseSpace) -> Expr:
    """Sum the terms of f, other than polynomials, that g keeps by the chain rule."""
    known = set(space.coordinates)
    own = ((term, term.free_symbols & known) for term in Add.make_args(f))
    terms = [term for term, occurring in own if occurring and not term.is_polynomial(*occurring)]
    return Add(*(term for term in terms if _is_kept_by_parts(term, g, space)))


def _is_kept_by_parts(f: Expr, g: Expr, space: PhaseSpace) -> bool:
    """Whether f is a smooth function of polynomials u with {u, g} = 0, defined everywhere."""
    if f.is_polynomial(*space.coordinates):
        occurring = f.free_symbols
        moved = [x for x in zip(space.q, space.p, strict=True) if occurring.intersection(x)]
        return bool(
            Add(*(f.diff(q) * g.diff(p) - f.diff(p) * g.diff(q) for q, p in moved)).expand() == 0
        )
    if isinstance(f, Add):
        terms: tuple[list[Expr], list[Expr]] = ([], [])
        for term in f.args:
            terms[bool(term.is_polynomial(*space.coordinates))].append(term)
        return all(_is_kept_by_parts(part, g, space) for part in (*terms[0], Add(*terms[1])))
    smooth = (
        isinstance(f, (Mul, exp))
        or (isinstance(f, log) and f.args[0].is_positive)
        or (isinstance(f, Pow) and f.exp.is_positive and f.base.is_nonnegative)
        or (isinstance(f, Pow) and f.base.is_positive)
    )
    return bool(smooth) and all(_is_kept_by_parts(part, g, space) for part in f.args)


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
    g: Expr, base: BaseDensity, zero: ZeroVerdict
) -> tuple[ZeroVerdict, Crossing | None]:
    """Verdict on a density that may jump, given that on the bracket off its jumps."""
    found = transport(base.log_density, g, base.space)
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


def _length(expr: Expr) -> int:
    """Length of a formula as a reader sees it."""
    return len(formula_text(expr))


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
    if walls_of(g):  # derivatives do not see its jumps
        return not (q and p)
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
