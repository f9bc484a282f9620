"""Results in words and in tables: one description, rendered as text, LaTeX and HTML."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from textwrap import shorten
from typing import Any

from sympy import Expr

from ehf_sym.errors import FormulaError
from ehf_sym.formulas.formula import format_formula
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import formula_latex, formula_text, quoted

_SHOWN = 200  # characters of a representation

# What LaTeX's text mode lacks or reads as a command; the backslash and the dollar come first.
_LATEX_SIGNS = {
    "\\": r"\textbackslash ",
    "$": r"\$",
    "^": r"\textasciicircum ",
    "~": r"\textasciitilde ",
    "q̇ = ∂g/∂p": r"$\dot q = \partial g/\partial p$",
    "O(dt²)": "$O(dt^2)$",
    "π": r"$\pi$",
    "σ": r"$\sigma$",
    "∘": r"$\circ$",
    "↦": r"$\mapsto$",
    "⁻ᵀ": r"$^{-T}$",
    "⋉": r"$\ltimes$",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "#": r"\#",
    "%": r"\%",
    "&": r"\&",
}


@dataclass(frozen=True)
class Line:
    """A line of a report: prose, which may end in a formula, indented by its level."""

    level: int
    prose: str
    formula: Expr | None = None


@dataclass(frozen=True)
class Document:
    """What a result has to say.

    Attributes
    ----------
    lines : tuple of Line
        For a reader.
    known : mapping, or what makes it
        For a program, as `data`: strings, numbers, booleans, None, and lists and dicts of them.
        Formulas are text that `ehf_sym.parse` reads.

    Examples
    --------
    >>> from sympy import Symbol
    >>> x = Symbol("x", real=True)
    >>> document = Document((Line(0, "The square"), Line(1, "of x is ", x**2)), {"square": "x**2"})
    >>> print(document.to_text())
    The square
      of x is x**2
    """

    lines: tuple[Line, ...]
    known: Mapping[str, Any] | Callable[[], Mapping[str, Any]]

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """What is known, once somebody asks: long formulas take seconds to write."""
        return self.known() if callable(self.known) else self.known

    def to_text(self) -> str:
        """Render as plain text, without a final newline."""
        return "\n".join(
            "  " * line.level + line.prose + ("" if line.formula is None else quoted(line.formula))
            for line in self.lines
        )

    def to_latex(self) -> str:
        r"""Render as one ``\[ ... \]`` block, which needs amsmath and works in notebooks."""
        rows = [
            r"\quad " * line.level
            + rf"\text{{{_latex_prose(line.prose)}}}"
            + ("" if line.formula is None else f" {formula_latex(line.formula)}")
            for line in self.lines
        ]
        return "\\[\\begin{array}{l}\n" + " \\\\\n".join(rows) + "\n\\end{array}\\]"

    def to_html(self) -> str:
        """Render as an HTML ``<div>`` that needs no script, every text escaped."""
        rows = [
            f'<div style="margin-left:{2 * line.level}em">{escape(line.prose)}'
            + ("" if line.formula is None else f"<code>{escape(quoted(line.formula))}</code>")
            + "</div>"
            for line in self.lines
        ]
        return "\n".join(['<div class="ehf-report">', *rows, "</div>"])

    def to_json(self) -> str:
        """Render the data as JSON."""
        return json.dumps(self.data, ensure_ascii=False, indent=2)


def _in_bold(cell: str) -> str:
    return "<strong>LOOK</strong>" if cell == "LOOK" else escape(cell)


@dataclass(frozen=True)
class ResultTable:
    """Rows of texts under a title, with remarks below.

    Attributes
    ----------
    title : str
        What they are; may be empty.
    rows : sequence of sequence of str
        The cells.
    head : sequence of str
        What the columns are called; without one, the first cell of each row names it.
    remarks : sequence of str
        In words.

    Examples
    --------
    >>> table = ResultTable("Half & half", [("1/2", "0.50")], ("exact", "rounded"))
    >>> print(table)
    Half & half
    <BLANKLINE>
    exact  rounded
    1/2    0.50
    >>> print(table.to_markdown())
    | exact | rounded |
    | --- | --- |
    | 1/2 | 0.50 |
    """

    title: str
    rows: Sequence[Sequence[str]]
    head: Sequence[str] = ()
    remarks: Sequence[str] = ()

    def __str__(self) -> str:
        return self.to_text()

    @property
    def _lines(self) -> list[Sequence[str]]:
        return [self.head, *self.rows] if self.head else [*self.rows]

    def to_text(self) -> str:
        """Render as columns of plain text, without a final newline."""
        widths = [max(map(len, column)) for column in zip(*self._lines, strict=True)]
        columns = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in self._lines
        ]
        return "\n".join([*([self.title, ""] if self.title else []), *columns, *self.remarks])

    def to_markdown(self) -> str:
        """Render the cells as a table in Markdown."""
        first, *others = self._lines
        lines = [first, ["---"] * len(first), *others]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def to_latex(self) -> str:
        """Render the cells as a ``tabular`` for the body of a document."""
        lines = [" & ".join(map(_latex_prose, line)) + r" \\" for line in self._lines]
        if self.head:
            lines.insert(1, r"\hline")
        columns = "l" * max(map(len, self._lines), default=0)
        return "\n".join([rf"\begin{{tabular}}{{{columns}}}", *lines, r"\end{tabular}"])

    def to_html(self) -> str:
        """Render as an HTML ``<div>`` without script or colors, a cell that says LOOK in bold."""
        remarks = (f"<div>{escape(remark)}</div>" for remark in self.remarks)
        title = f"<div><strong>{escape(self.title)}</strong></div>"
        style = ' style="text-align:left"'
        cells = [self.html_cells(lambda cell: (style, _in_bold(cell)))] if self._lines else []
        return "\n".join(['<div class="ehf-report">', title, *cells, *remarks, "</div>"])

    def html_cells(self, written: Callable[[str], tuple[str, str]]) -> str:
        """Render the cells as a ``<table>``; of each, its attributes and its content in HTML."""
        rows = [(self.head, 'th scope="col"', 'th scope="col"')] if self.head else []
        rows += [(row, "td" if self.head else "th", "td") for row in self.rows]
        lines = []
        for row, first, other in rows:
            tags = (first, *[other] * (len(row) - 1))
            cells = zip(tags, map(written, row), strict=True)
            shown = [f"<{tag}{given}>{content}</{tag[:2]}>" for tag, (given, content) in cells]
            lines.append(f"<tr>{''.join(shown)}</tr>")
        return "\n".join(["<table>", *lines, "</table>"])


class Reported(ABC):
    """What prints as text, LaTeX, HTML and JSON, here and in notebooks."""

    @abstractmethod
    def document(self) -> Document:
        """Lines for a reader and data for a program."""

    def to_text(self) -> str:
        """Report as plain text."""
        return self.document().to_text()

    def to_latex(self) -> str:
        """Report as LaTeX, for the body of a document that loads amsmath."""
        return self.document().to_latex()

    def to_html(self) -> str:
        """Report as an HTML fragment that needs no script."""
        return self.document().to_html()

    def to_json(self) -> str:
        """Report as JSON; its formulas are text that `ehf_sym.parse` reads."""
        return self.document().to_json()

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        first = self.to_text().splitlines()[0]
        return f"<{type(self).__name__}: {shorten(first, _SHOWN, placeholder=' …')}>"

    def _repr_latex_(self) -> str:
        return self.to_latex()

    def _repr_html_(self) -> str:
        return self.to_html()


def formula_data(formula: Expr) -> str:
    """Text of a formula for a program; SymPy's own where the grammar has none.

    Examples
    --------
    >>> from sympy import Symbol
    >>> formula_data(Symbol("q1", real=True) ** 2 / 2)
    'q1**2/2'
    """
    try:
        return format_formula(formula)
    except (FormulaError, ValueError):
        return formula_text(formula)


def space_data(space: PhaseSpace) -> dict[str, Any]:
    """Phase space for a program.

    Examples
    --------
    >>> space_data(PhaseSpace(2))
    {'dim': 2, 'parameters': []}
    """
    data = {"dim": space.dim, "parameters": [symbol.name for symbol in space.parameters]}
    return data | ({"angles": list(space.angles)} if space.angles else {})


def _latex_prose(prose: str) -> str:
    """Prose for LaTeX's text mode."""
    for sign, command in _LATEX_SIGNS.items():
        prose = prose.replace(sign, command)
    return prose
