"""What an experiment leaves behind: tables, pictures and what they rest on, in one JSON file.

Text for a terminal and the sections of the report both come from it, so they say the same.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from ehf_num import atomic_write, versions
from ehf_sym import EHFError, ResultTable

_ENDING = ".chapter.json"
_DOTS_PER_INCH = 110


class ChapterError(EHFError, ValueError):
    """A file of results is damaged, or is none."""


@dataclass(frozen=True)
class Table:
    """Cells under a head.

    Attributes
    ----------
    caption : str
        What they are, with units; empty where the title says it.
    rows : tuple of tuple of str
        The head first.
    """

    caption: str
    rows: tuple[tuple[str, ...], ...]

    @property
    def shown(self) -> ResultTable:
        """The table as it is written out."""
        head, *body = self.rows
        return ResultTable(self.caption, body, head)

    def as_text(self) -> str:
        """Lay the cells out in columns."""
        return self.shown.to_text()


@dataclass(frozen=True)
class Picture:
    """A file beside the chapter.

    Attributes
    ----------
    file : str
        Its name, PNG or GIF.
    caption : str
        What is to be seen.
    """

    file: str
    caption: str


@dataclass(frozen=True)
class Chapter:
    """Results of one experiment.

    Attributes
    ----------
    name, title : str
        As it is asked for, and in words.
    command : str
        What makes it.
    seeds : str
        What random numbers were drawn with.
    tables, pictures, remarks
        The results, and what they rest on.
    versions : dict
        Of everything that computes.

    Examples
    --------
    >>> table = Table("", (("modes", "KL"), ("5", "0.1")))
    >>> print(Chapter("fig", "A figure", "ehf reproduce fig", "0", (table,)).as_text())
    modes  KL
    5      0.1
    """

    name: str
    title: str
    command: str
    seeds: str
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    remarks: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=versions)

    def as_text(self) -> str:
        """Write tables and remarks for a terminal."""
        parts = [table.as_text() for table in self.tables]
        if self.remarks:
            parts.append("\n".join(self.remarks))
        return "\n\n".join(parts)

    def write(self, folder: Path) -> str:
        """Write it as JSON and as text; return the text."""
        text = self.as_text()
        for ending, content in (
            (_ENDING, json.dumps(asdict(self), indent=1, ensure_ascii=False)),
            (".txt", text),
        ):
            with atomic_write(folder / f"{self.name}{ending}") as handle:
                handle.write(f"{content}\n".encode())
        return text

    @classmethod
    def read(cls, path: Path) -> Chapter:
        """Read what `write` wrote as JSON.

        Raises
        ------
        ChapterError
            If it is anything else.
        """
        try:
            data = json.loads(path.read_text("utf-8"))
            tables = (
                Table(t["caption"], tuple(tuple(map(str, row)) for row in t["rows"]))
                for t in data.pop("tables")
            )
            pictures = (Picture(**picture) for picture in data.pop("pictures"))
            remarks = tuple(map(str, data.pop("remarks")))
            return cls(tables=tuple(tables), pictures=tuple(pictures), remarks=remarks, **data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ChapterError(
                f"{path} is damaged: {error!r}; run its experiment again, or remove it"
            ) from error


def chapters_in(folder: Path) -> dict[str, Chapter]:
    """Read all chapters of a folder, by name."""
    found = (Chapter.read(path) for path in sorted(folder.glob(f"*{_ENDING}")))
    return {chapter.name: chapter for chapter in found}


def save(canvas: Figure, folder: Path, file: str, caption: str) -> Picture:
    """Write a figure and return what a chapter says of it."""
    path = folder / file
    with atomic_write(path) as handle:
        canvas.savefig(handle, format=path.suffix[1:], dpi=_DOTS_PER_INCH)
    return Picture(file, caption)
