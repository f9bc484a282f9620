"""What an invariance report says: its lines, the counterexamples in it, its data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ehf_sym.phase_space import PhaseSpace
from ehf_sym.report import Document, Line, formula_data, space_data
from ehf_sym.verdict import verdict_data

if TYPE_CHECKING:
    from ehf_sym.invariance import GeneratorVerdict, InvarianceReport


def invariance_document(report: InvarianceReport) -> Document:
    """Write out a report: short when all is well, else with a counterexample.

    Parameters
    ----------
    report : InvarianceReport
        What to write out.

    Returns
    -------
    Document
        Each generator with its evidence, then each promise once.

    Examples
    --------
    >>> from ehf_sym import LieAlgebra, PhaseSpace, StandardNormal
    >>> space = PhaseSpace(1)
    >>> report = LieAlgebra(space, [space.p[0]]).check(StandardNormal(space))
    >>> print(invariance_document(report).to_text())
    {g, π} = 0 for π = standard normal: refuted
      g1 = p1
        {g1, ln π} = q1
        at q1 = 1 its value is 1, not 0: refuted
    """
    return Document(tuple(_lines(report)), _data(report))


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
