"""Put a study of data efficiency into docs/data_efficiency.md, its rows and its figure beside it.

Run with: python docs/figures/data_efficiency.py FOLDER, where FOLDER is the study's --out
"""

import sys
from pathlib import Path

from ehf_num.reproduce.efficiency.report import Findings, as_markdown, figure

DOCS = Path(__file__).parents[1]
PAGE = DOCS / "data_efficiency.md"
ROWS = DOCS / "_static" / "data_efficiency.json"
MARK = "<!-- study: data_efficiency -->\n"


def section() -> str:
    """What the page should say after the mark: of the rows in docs/_static, if there are any."""
    return as_markdown(Findings.read(ROWS) if ROWS.exists() else None) + "\n"


def main() -> None:
    if sys.argv[1:]:
        findings = Findings.read(Path(sys.argv[1]) / ROWS.name)
        findings.write(ROWS)
        figure(findings).savefig(ROWS.with_suffix(".png"), dpi=110)
    prose, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(prose + MARK + section(), encoding="utf-8")


if __name__ == "__main__":
    main()
