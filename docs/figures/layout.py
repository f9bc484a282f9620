"""Draw how the code is laid out: the rooms of docs/layout.md, and who imports whom.

Run with: python docs/figures/layout.py FILE. Sphinx runs it too: the picture is that of the code.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from dataclasses import dataclass
from html import escape
from math import log
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Each block begins at a module of the table and ends where the next begins.
PACKAGES = ("ehf_sym", "ehf_num")
WIDTH, HEIGHT, GAP, TOP, MARGIN, BETWEEN = 250, 44, 16, 44, 110, 130


@dataclass(frozen=True)
class Block:
    """Modules that belong together, and where they are drawn."""

    package: str
    title: str
    modules: tuple[str, ...]
    x: float
    y: float


def rooms(package: str) -> dict[str, str]:
    """Rooms of a package and what they hold, in the order of docs/layout.md."""
    text = (ROOT / "docs" / "layout.md").read_text(encoding="utf-8")
    section = text.split(f"## {package}:")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE))


def files(package: str, room: str) -> tuple[str, ...]:
    """Modules of a room, as paths below it; of a room that is one file, its own name."""
    folder = ROOT / package / room
    found = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    return tuple(
        "/".join(path.relative_to(ROOT / package).with_suffix("").parts)
        for path in found
        if path.stem != "__init__"
    )


def blocks() -> list[Block]:
    """Place a block for each room."""
    return [
        Block(
            package,
            room,
            files(package, room),
            MARGIN + column * (WIDTH + BETWEEN),
            TOP + row * (HEIGHT + GAP),
        )
        for column, package in enumerate(PACKAGES)
        for row, room in enumerate(rooms(package))
    ]


def imports(drawn: list[Block]) -> Counter[tuple[Block, Block]]:
    """Count the imports of each block from each other, wherever they stand."""
    home = {(block.package, block.title): block for block in drawn}
    counted: Counter[tuple[Block, Block]] = Counter()
    for importer in drawn:
        for module in importer.modules:
            path = (ROOT / importer.package / module).with_suffix(".py")
            for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(statement, ast.ImportFrom):
                    continue
                source = (statement.module or "").split(".")
                names = source[1:2] or [alias.name for alias in statement.names]
                imported = {home.get((source[0], name)) for name in names} - {None, importer}
                counted.update((importer, block) for block in imported)
    return counted


def arrow(importer: Block, imported: Block, count: int) -> str:
    """Draw a curve from who imports to what is imported; the thicker, the more often."""
    if importer.package == imported.package:
        left = importer.package == "ehf_sym"
        x = importer.x if left else importer.x + WIDTH
        begin, end = importer.y + HEIGHT * 0.35, imported.y + HEIGHT * 0.65
        bend = (-1 if left else 1) * (16 + 84 * abs(begin - end) / (14 * (HEIGHT + GAP)))
        path = (
            f"M{x} {begin:.1f} C{x + bend:.1f} {begin:.1f} {x + bend:.1f} {end:.1f} {x} {end:.1f}"
        )
    else:
        x1, x2 = importer.x, imported.x + WIDTH
        begin, end, middle = importer.y + HEIGHT / 2, imported.y + HEIGHT / 2, (x1 + x2) / 2
        path = f"M{x1} {begin:.1f} C{middle} {begin:.1f} {middle} {end:.1f} {x2} {end:.1f}"
    title = f"{importer.title} imports {imported.title}: {count}"
    return (
        f'<path class="{importer.package}" d="{path}" stroke-width="{0.8 + log(count):.2f}" '
        f'marker-end="url(#tip)"><title>{escape(title)}</title></path>'
    )


def box(block: Block) -> str:
    """Draw a block: its title, and as many of its modules as have room."""
    names = [module.split("/")[-1] for module in block.modules]
    shown = names[0]
    for name in names[1:]:
        if len(shown) + len(name) > 32:
            shown += ", …"
            break
        shown += f", {name}"
    return (
        f'<g class="{block.package}"><title>{escape(", ".join(names))}</title>'
        f'<rect x="{block.x}" y="{block.y}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>'
        f'<text x="{block.x + 10}" y="{block.y + 18}">{escape(block.title)}</text>'
        f'<text class="small" x="{block.x + 10}" y="{block.y + 35}">{escape(shown)}</text></g>'
    )


def picture() -> str:
    """The picture as SVG for a page, from which it takes its colors."""
    drawn = blocks()
    rows = max(len(rooms(package)) for package in PACKAGES)
    width = 2 * MARGIN + 2 * WIDTH + BETWEEN
    height = TOP + rows * (HEIGHT + GAP)
    heads = [
        f'<text class="head" x="{MARGIN + k * (WIDTH + BETWEEN) + WIDTH / 2}" y="28">{text}</text>'
        for k, text in enumerate(("ehf_sym: formulas, exact", "ehf_num: arrays, learned"))
    ]
    arrows = [
        arrow(*pair, n) for pair, n in sorted(imports(drawn).items(), key=lambda item: item[1])
    ]
    return "\n".join(
        [
            '<div class="ehf-scroll">'
            f'<svg class="ehf-layout" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} '
            f'{height}" role="img" aria-label="Blocks of modules, and which imports which">',
            '<defs><marker id="tip" viewBox="0 0 6 6" refX="5.5" refY="3" markerWidth="6" '
            'markerHeight="6" markerUnits="userSpaceOnUse" orient="auto">'
            '<path d="M0 0 L6 3 L0 6 z" fill="context-stroke" stroke="none"/></marker></defs>',
            *heads,
            *arrows,
            *map(box, drawn),
            "</svg></div>",
        ]
    )


def main(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(picture() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
