"""Draw how the code is laid out: blocks of modules of docs/layout.md, and who imports whom.

Run with: python docs/figures/layout.py FILE. Sphinx runs it too: the picture is that of the code.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import log
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Each block begins at a module of the table and ends where the next begins.
BLOCKS = {
    "ehf_sym": {
        "errors": "formula text",
        "zero/polynomials": "is it zero?",
        "flows/budget": "formulas in, verdicts",
        "exact/independence": "exact linear algebra",
        "gaussian": "base densities",
        "exact/subspaces": "Lie algebras",
        "invariance_report": "invariance, invariants",
        "stable": "formulas to NumPy",
        "flows/matrix_field": "finite transformations",
        "gaussian_families": "families of densities",
        "lie_algebra": "symmetries and questions",
        "symmetries/generators": "catalogue of symmetries",
        "construction": "symmetries kept and found",
    },
    "ehf_num": {
        "workspace": "arrays, threads, tape",
        "factors": "base density",
        "tape": "networks",
        "hamiltonian": "Hamiltonians, integrators",
        "encoder": "encoders",
        "constraint": "objective",
        "multipliers": "training",
        "inference": "likelihoods",
        "action": "diagnostics",
        "assembly": "the model",
        "datasets": "data, sweeps",
        "plot_arguments": "plots",
        "experiments/common": "experiments, studies",
        "judge": "command line",
    },
}
WIDTH, HEIGHT, GAP, TOP, MARGIN, BETWEEN = 250, 44, 16, 44, 110, 130


@dataclass(frozen=True)
class Block:
    """Modules that belong together, and where they are drawn."""

    package: str
    title: str
    modules: tuple[str, ...]
    x: float
    y: float


def tables() -> dict[str, list[str]]:
    """Modules of each package, as paths below it, in the order of docs/layout.md."""
    text = (ROOT / "docs" / "layout.md").read_text(encoding="utf-8")
    found = {}
    for package in BLOCKS:
        section = re.search(rf"^## {package}:(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
        names = re.findall(r"^\| `([\w/]+)` \|", section[1], re.MULTILINE)
        found[package] = names
    return found


def blocks() -> list[Block]:
    """Cut the tables into blocks."""
    found = []
    for column, (package, names) in enumerate(tables().items()):
        starts = [names.index(start) for start in BLOCKS[package]]
        assert starts == sorted(starts), f"blocks of {package} are not in the order of its table"
        x = MARGIN + column * (WIDTH + BETWEEN)
        cuts = pairwise([*starts, len(names)])
        for row, ((first, last), title) in enumerate(
            zip(cuts, BLOCKS[package].values(), strict=True)
        ):
            y = TOP + row * (HEIGHT + GAP)
            found.append(Block(package, title, tuple(names[first:last]), x, y))
    return found


def imports(drawn: list[Block]) -> Counter[tuple[Block, Block]]:
    """Count the imports of each block from each other."""
    home = {f"{b.package}/{module}".replace("/", "."): b for b in drawn for module in b.modules}
    counted: Counter[tuple[Block, Block]] = Counter()
    for package in BLOCKS:
        for path in (ROOT / package).rglob("*.py"):
            importer = home.get(".".join(path.relative_to(ROOT).with_suffix("").parts))
            for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if importer is None or not isinstance(statement, ast.ImportFrom):
                    continue
                source = statement.module or ""
                names = [source, *(f"{source}.{alias.name}" for alias in statement.names)]
                imported = {home.get(name) for name in names} - {None, importer}
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
    rows = max(len(titles) for titles in BLOCKS.values())
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
