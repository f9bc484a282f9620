"""What an invariance report says: its lines, the counterexamples in it, its data, its error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sympy import Expr

from ehf_sym.densities import BaseDensity
from ehf_sym.errors import EHFError
from ehf_sym.lie.algebra import Algebra
from ehf_sym.phase_space import PhaseSpace
from ehf_sym.report import Document, Line, Reported, formula_data, space_data
from ehf_sym.verdict import ZeroVerdict, verdict_data

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
