"""What an invariance report says: its lines, the counterexamples in it, its data, its error.

Lemma 1's premise {g, π} = 0 decided, and what follows for the marginal and for leapfrog.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement as pairs
from typing import Any, Literal

from sympy import Add, Expr, Matrix, S, Symbol, factor_terms

from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.errors import ArgumentError, EHFError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.report import Document, Line, Reported, formula_data, space_data
from ehf_sym.formulas.verdict import ZeroVerdict, verdict_data
from ehf_sym.lie.algebra import Algebra
from ehf_sym.zero.zero_test import is_zero

Status = Literal["proved", "refuted", "undecided"]


@dataclass(frozen=True)
class GeneratorVerdict:
    """What is known about one generator g and a base density π.

    Attributes
    ----------
    generator : sympy.Expr
        g(q, p).
    bracket : sympy.Expr
        {g, ln π}. It vanishes exactly where {g, π} = π {g, ln π} does, since π > 0.
    verdict : ZeroVerdict
        Is the bracket identically zero?
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
    """

    generator: Expr
    bracket: Expr
    verdict: ZeroVerdict
    linear_in_p: bool | None
    volume_preserving: ZeroVerdict | None
    marginal: str
    leapfrog_exact: bool
    leapfrog: str


@dataclass(frozen=True)
class InvarianceReport(Reported):
    """Verdicts on every generator of a symmetry; prints as text, LaTeX, HTML and JSON.

    Attributes
    ----------
    symmetry : Algebra
        What was checked.
    base : BaseDensity
        Against which density.
    verdicts : tuple of GeneratorVerdict
        One for each generator, in order.
    """

    symmetry: Algebra
    base: BaseDensity
    verdicts: tuple[GeneratorVerdict, ...]

    @property
    def proved(self) -> bool:
        """Whether {g, π} = 0 is proved for every generator."""
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
    yield Line(0, f"{{g, π}} = 0 for π = {report.base.name}: {report.status}")
    promises: dict[tuple[str, str], list[str]] = {}
    for label, verdict in zip(report.symmetry.labels, report.verdicts, strict=True):
        yield Line(1, f"{label} = ", verdict.generator)
        if verdict.verdict.proved:
            promises.setdefault((verdict.marginal, verdict.leapfrog), []).append(label)
        else:
            yield from _evidence(label, verdict, report.symmetry.space)
    for (marginal, leapfrog), names in promises.items():
        whose = "" if len(names) == len(report.verdicts) else f" ({', '.join(names)})"
        yield Line(1, f"Marginal over q{whose}: {marginal}")
        yield Line(1, f"Leapfrog{whose}: {leapfrog}")


def _evidence(name: str, verdict: GeneratorVerdict, space: PhaseSpace) -> Iterator[Line]:
    """Counterexample to check by hand, or what could not be decided."""
    bracket = f"{{{name}, ln π}}"
    yield Line(2, f"{bracket} = ", verdict.bracket)
    zero = verdict.verdict
    if not zero.refuted:
        yield Line(2, f"undecided ({zero.method}) whether this is identically 0: ", zero.residual)
        return
    witness = zero.witness or {}
    symbols = (*space.coordinates, *space.parameters)
    point = ", ".join(f"{x} = {witness[x]}" for x in symbols if x in witness)
    value = str(zero.value)
    if isinstance(zero.value, tuple):
        value = "between {} and {}".format(*zero.value)
    yield Line(2, f"at {point or 'every point'} its value is {value}, not 0: refuted")


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
            {"label": label} | _generator_data(verdict)
            for label, verdict in zip(report.symmetry.labels, report.verdicts, strict=True)
        ],
    }


def _generator_data(verdict: GeneratorVerdict) -> dict[str, Any]:
    """Write out what is known of one generator."""
    volume = verdict.volume_preserving
    return {
        "generator": formula_data(verdict.generator),
        "bracket": formula_data(verdict.bracket),
        "verdict": verdict_data(verdict.verdict),
        "linear_in_p": verdict.linear_in_p,
        "volume_preserving": None if volume is None else verdict_data(volume),
        "marginal": verdict.marginal,
        "leapfrog_exact": verdict.leapfrog_exact,
        "leapfrog": verdict.leapfrog,
    }


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
    >>> from ehf_sym.densities.base_density.families import StandardNormal
    >>> from ehf_sym.formulas.phase_space import PhaseSpace
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
