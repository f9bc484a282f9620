"""Results as HTML for notebooks: tables that need no script and no colors, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def html_table(
    title: str,
    rows: Iterable[Sequence[str]],
    *,
    head: Sequence[str] = (),
    remarks: Iterable[str] = (),
) -> str:
    """Render rows of texts as a table in a ``<div>``, the title above and remarks below.

    Without a head, the first cell of each row names it. A cell that says LOOK is set in bold.

    Examples
    --------
    >>> print(html_table("Half & half", [("x", "1/2")]))
    <div class="ehf-report">
    <div><strong>Half &amp; half</strong></div>
    <table>
    <tr><th style="text-align:left">x</th><td style="text-align:left">1/2</td></tr>
    </table>
    </div>
    """
    table = [f"<tr>{''.join(_cell('th', cell) for cell in head)}</tr>"] if head else []
    for first, *others in rows:
        cells = [_cell("td" if head else "th", first), *(_cell("td", cell) for cell in others)]
        table.append(f"<tr>{''.join(cells)}</tr>")
    lines = [
        '<div class="ehf-report">',
        f"<div><strong>{escape(title)}</strong></div>",
        *(["<table>", *table, "</table>"] if table else []),
        *(f"<div>{escape(remark)}</div>" for remark in remarks),
        "</div>",
    ]
    return "\n".join(lines)


def _cell(tag: str, text: str) -> str:
    shown = "<strong>LOOK</strong>" if text == "LOOK" else escape(text)
    return f'<{tag} style="text-align:left">{shown}</{tag}>'
