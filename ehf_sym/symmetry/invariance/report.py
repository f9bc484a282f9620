"""Verdicts on generators and maps, and the report that prints them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sympy import (
    Expr,
    ImmutableMatrix,
    Matrix,
    Symbol,
)

from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.errors import EHFError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import formula_text, quoted, record_text
from ehf_sym.formulas.report import Document, Line, Reported, formula_data, space_data
from ehf_sym.formulas.verdict import Status, ZeroVerdict, verdict_data
from ehf_sym.symmetry.invariance.promises import LEAPFROG_MAP
from ehf_sym.symmetry.jumps.orbits import Crossing

_MOST_IMAGES = 6


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
    leapfrog: str = LEAPFROG_MAP

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
        return Document(tuple(_lines(self)), partial(_data, self))


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
