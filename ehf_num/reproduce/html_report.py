"""One HTML file of all that experiments left behind: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from ehf_num import atomic_write
from ehf_num.reproduce.chapter import Chapter, ChapterError, Picture, Table

_TYPES = {".png": ("image/png", b"\x89PNG"), ".gif": ("image/gif", b"GIF8")}
_VERDICTS = {"holds": "holds", "does not hold": "fails", "not decided": "open"}

_LONG = 40  # characters of a cell that is not to be squeezed

_STYLE = """
:root { color-scheme: light dark; --line: #c8c8c8; --soft: #f3f3f1; --mark: #0b5c94; }
@media (prefers-color-scheme: dark) {
  :root { --line: #4a4a4a; --soft: #242424; --mark: #8cc4ee; }
}
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 75rem; margin: 0 auto; padding: 1rem; }
h1, h2 { line-height: 1.2; }
h2 { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: 1rem; }
a { color: var(--mark); }
code { background: var(--soft); padding: 0.1em 0.3em; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
.caption { font-size: 0.9rem; font-weight: 600; margin: 1.2rem 0 -0.6rem; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.7rem;
  border-bottom: 1px solid var(--line); }
th { background: var(--soft); }
td.long { min-width: 12rem; }
td.holds, td.fails, td.open { white-space: nowrap; }
td.holds::before { content: "✓ "; }
td.fails::before { content: "✗ "; }
td.open::before { content: "? "; }
td.fails { font-weight: 700; }
figure { margin: 1.5rem 0; }
img { max-width: 100%; height: auto; background: white; }
@media (max-width: 45rem) { img { max-width: 250vw; } }
figcaption, footer { font-size: 0.9rem; }
dt { font-weight: 600; }
dd { margin: 0 0 0.4rem 0; }
"""


def write_report(chapters: Sequence[Chapter], folder: Path, path: Path) -> None:
    """Write the report of chapters whose pictures lie in a folder.

    Raises
    ------
    ChapterError
        If a picture is missing, or is neither PNG nor GIF.
    """
    with atomic_write(path) as handle:
        handle.write(report(chapters, folder).encode())


def report(chapters: Sequence[Chapter], folder: Path) -> str:
    """Return the HTML document."""
    title = "Equivariant Hamiltonian flows: what was reproduced"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style>",
        "</head>",
        "<body>",
        f"<header><h1>{title}</h1>",
        "<p>Experiments of the paper “Equivariant Hamiltonian Flows” (arXiv:1909.13739), and "
        "studies beyond it. Each part says by which command it was made, from which seeds, and "
        "with which versions.</p></header>",
        _contents(chapters),
        "<main>",
        *(_chapter(chapter, folder) for chapter in chapters),
        "</main>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _contents(chapters: Iterable[Chapter]) -> str:
    links = (f'<li><a href="#{escape(c.name)}">{escape(c.title)}</a></li>' for c in chapters)
    return f'<nav aria-label="Contents"><ul>{"".join(links)}</ul></nav>'


def _chapter(chapter: Chapter, folder: Path) -> str:
    """Write a section: how it was made, tables, pictures, remarks, versions."""
    name = escape(chapter.name)
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in chapter.remarks)
    return "\n".join(
        [
            f'<section id="{name}" aria-labelledby="{name}-title">',
            f'<h2 id="{name}-title">{escape(chapter.title)}</h2>',
            f"<p>Made by <code>{escape(chapter.command)}</code>; "
            f"seeds: {escape(chapter.seeds)}.</p>",
            *map(_table, chapter.tables),
            *(_picture(picture, folder) for picture in chapter.pictures),
            f"<h3>What this rests on</h3><ul>{remarks}</ul>" if remarks else "",
            _versions(chapter.versions),
            "</section>",
        ]
    )


def _table(table: Table) -> str:
    # Not in the table, which may be wider than the page and scrolls.
    caption = f'<p class="caption">{escape(table.caption)}</p>' if table.caption else ""
    cells = table.shown.html_cells(_cell)
    return f'{caption}<div class="wide" tabindex="0" role="region" aria-label="table">{cells}</div>'


def _cell(text: str) -> tuple[str, str]:
    kind = _VERDICTS.get(text) or ("long" if len(text) > _LONG else "")
    return f' class="{kind}"' if kind else "", escape(text)


def _picture(picture: Picture, folder: Path) -> str:
    """Inline a picture: the report is one file."""
    path = folder / picture.file
    kind, beginning = _TYPES.get(path.suffix, ("", b""))
    # A chapter is a file that anybody may have written: it names pictures beside it, no others.
    if not kind or path.name != picture.file:
        raise ChapterError(f"picture was {picture.file!r}; it should be the name of a PNG or GIF")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ChapterError(f"{path} cannot be read: run its experiment again ({error})") from error
    if not content.startswith(beginning):
        raise ChapterError(f"{path} is no {kind}; run its experiment again")
    data = b64encode(content).decode("ascii")
    caption = escape(picture.caption)
    return (
        f'<figure><div class="wide" tabindex="0" role="region" aria-label="picture">'
        f'<img alt="{caption}" src="data:{kind};base64,{data}"></div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _versions(versions: Mapping[str, str]) -> str:
    words = ", ".join(f"{escape(name)} {escape(number)}" for name, number in versions.items())
    return f"<p><small>Versions: {words}.</small></p>"
