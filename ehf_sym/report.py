"""Invariance reports as text, LaTeX and HTML: one list of lines, rendered three ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from sympy import Expr, Symbol, latex

if TYPE_CHECKING:
    from ehf_sym.invariance import GeneratorVerdict, InvarianceReport

# A formula longer than this is cut in text and HTML: nobody checks it by hand.
_LONGEST = 400
# What LaTeX's text mode lacks or reads as a command; the backslash and the dollar come first.
_LATEX_SIGNS = {
    "\\": r"\textbackslash ",
    "$": r"\$",
    "^": r"\textasciicircum ",
    "~": r"\textasciitilde ",
    "q̇ = ∂g/∂p": r"$\dot q = \partial g/\partial p$",
    "O(dt²)": "$O(dt^2)$",
    "π": r"$\pi$",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "#": r"\#",
    "%": r"\%",
    "&": r"\&",
}


@dataclass(frozen=True)
class _Line:
    """A line of the report: prose, which may end in a formula, indented by its level."""

    level: int
    prose: str
    formula: Expr | None = None


def to_text(report: InvarianceReport) -> str:
    """Render as plain text.

    Parameters
    ----------
    report : InvarianceReport
        What to render.

    Returns
    -------
    str
        Lines without a final newline.

    Examples
    --------
    >>> from ehf_sym import LieAlgebra, PhaseSpace, StandardNormal
    >>> space = PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> print(to_text(LieAlgebra(space, [q1 * p2 - q2 * p1]).check(StandardNormal(space))))
    {g, π} = 0 for π = standard normal: proved
      g1 = -p1*q2 + p2*q1
      Marginal over q: if {g, H} = 0 for the learned H, invariant under q̇ = ∂g/∂p, ...
      Leapfrog: {g, H} = 0 implies {g, K} = {g, U} = 0, so each step commutes exactly ...
    """
    return "\n".join(
        "  " * line.level + line.prose + ("" if line.formula is None else _cut(line.formula))
        for line in _lines(report)
    )


def to_latex(report: InvarianceReport) -> str:
    r"""Render as LaTeX display mathematics, which needs amsmath and works in notebooks.

    Parameters
    ----------
    report : InvarianceReport
        What to render.

    Returns
    -------
    str
        A ``\[ ... \]`` block.

    Examples
    --------
    >>> from ehf_sym import LieAlgebra, PhaseSpace, StandardNormal
    >>> space = PhaseSpace(1)
    >>> print(to_latex(LieAlgebra(space, [space.p[0]]).check(StandardNormal(space))))
    \[\begin{array}{l}
    \text{\{g, $\pi$\} = 0 for $\pi$ = standard normal: refuted} \\
    \quad \text{g1 = } p_{1} \\
    ...
    \end{array}\]
    """
    rows = [
        r"\quad " * line.level
        + rf"\text{{{_latex_prose(line.prose)}}}"
        + ("" if line.formula is None else f" {latex(line.formula)}")
        for line in _lines(report)
    ]
    return "\\[\\begin{array}{l}\n" + " \\\\\n".join(rows) + "\n\\end{array}\\]"


def to_html(report: InvarianceReport) -> str:
    """Render as an HTML fragment, every text escaped.

    Parameters
    ----------
    report : InvarianceReport
        What to render.

    Returns
    -------
    str
        A ``<div>``.

    Examples
    --------
    >>> from ehf_sym import LieAlgebra, PhaseSpace, StandardNormal
    >>> space = PhaseSpace(1)
    >>> print(to_html(LieAlgebra(space, [space.p[0]]).check(StandardNormal(space))))
    <div class="ehf-report">
    <div style="margin-left:0em">{g, π} = 0 for π = standard normal: refuted</div>
    <div style="margin-left:2em">g1 = <code>p1</code></div>
    ...
    </div>
    """
    rows = [
        f'<div style="margin-left:{2 * line.level}em">{escape(line.prose)}'
        + ("" if line.formula is None else f"<code>{escape(_cut(line.formula))}</code>")
        + "</div>"
        for line in _lines(report)
    ]
    return "\n".join(['<div class="ehf-report">', *rows, "</div>"])


def _lines(report: InvarianceReport) -> Iterator[_Line]:
    """Lines of the report: each generator, then each promise once."""
    yield _Line(0, f"{{g, π}} = 0 for π = {report.base.name}: {report.status}")
    promises: dict[tuple[str, str], list[str]] = {}
    for k, verdict in enumerate(report.verdicts, start=1):
        yield _Line(1, f"g{k} = ", verdict.generator)
        if verdict.verdict.proved:
            promises.setdefault((verdict.marginal, verdict.leapfrog), []).append(f"g{k}")
        else:
            yield from _evidence(f"g{k}", verdict, report.symmetry.space.coordinates)
    for (marginal, leapfrog), names in promises.items():
        whose = "" if len(names) == len(report.verdicts) else f" ({', '.join(names)})"
        yield _Line(1, f"Marginal over q{whose}: {marginal}")
        yield _Line(1, f"Leapfrog{whose}: {leapfrog}")


def _evidence(
    name: str, verdict: GeneratorVerdict, coordinates: tuple[Symbol, ...]
) -> Iterator[_Line]:
    """Counterexample to check by hand, or what could not be decided."""
    bracket = f"{{{name}, ln π}}"
    yield _Line(2, f"{bracket} = ", verdict.bracket)
    zero = verdict.verdict
    if not zero.refuted:
        yield _Line(2, f"undecided ({zero.method}) whether this is identically 0: ", zero.residual)
        return
    witness = zero.witness or {}
    point = ", ".join(f"{x} = {witness[x]}" for x in coordinates if x in witness)
    value = str(zero.value)
    if isinstance(zero.value, tuple):
        value = "between {} and {}".format(*zero.value)
    yield _Line(2, f"at {point or 'every point'} its value is {value}, not 0: refuted")


def _cut(formula: Expr) -> str:
    """Text of a formula, cut where it is too long."""
    text = str(formula)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def _latex_prose(prose: str) -> str:
    """Prose for LaTeX's text mode."""
    for sign, command in _LATEX_SIGNS.items():
        prose = prose.replace(sign, command)
    return prose
