"""Tables that share their rows as one grid of HTML: what `report.html` draws of them.

Markdown, LaTeX and the terminal print a `Table` after the other; in HTML they stand side by side. Up to
`SPLIT_UP_TO` quantities, every number has a column of its own; wider grids keep the paper's number and the
difference below ours, so that a laptop shows all protocols side by side. Cells are those of the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from equipose.pipelines.tables.table import MISSING, Cell, Column, Table

SPLIT_UP_TO = 3
STACKED_LEGEND = (
    "In each place: ours, mean ± std (seeds), best of the column bold; below, the paper's number and Δ."
)
SPLIT_LEGEND = "The best of ours in each column is bold."
PARTS: dict[str, str] = {"ours": "ours", "paper": "paper", "difference": "Δ"}
"""Part of a quantity -> the header of its column."""

Entry = tuple[tuple[Cell, str], ...]
"""What one cell of the grid holds, from top to bottom: cells of a table, each with the part that it is."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """A header cell over `span` columns."""

    text: str
    span: int = 1
    first: bool = False
    """Whether a group of columns begins here."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Tables side by side."""

    title: str
    tables: Mapping[str, Table]
    """Header above the table's columns -> table; all have the same rows and sections."""
    shared_notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: Table) -> Grid:
        """One table by itself."""
        return cls(title=table.caption.title, tables={"": table})

    def __post_init__(self) -> None:
        names = {(tuple(row[0].text for row in t.rows), t.sections) for t in self.tables.values()}
        if len(names) != 1:
            raise ValueError(f"tables {list(self.tables)} do not have the same rows; draw each by itself")

    @property
    def contexts(self) -> list[tuple[str, str]]:
        """(table, where its numbers come from)."""
        return [(table.caption.title, table.caption.context) for table in self.tables.values()]

    @property
    def quantities(self) -> list[list[Column]]:
        """Neighbouring columns that show one quantity, for all tables from left to right."""
        return [columns for table in self.tables.values() for columns in quantities_of(table)]

    @property
    def split(self) -> bool:
        """Whether every column of a table is a column of the grid; otherwise every quantity is one."""
        return len(self.quantities) <= SPLIT_UP_TO

    @property
    def widths(self) -> list[int]:
        """Columns of the grid per quantity."""
        return [self._width(columns) for columns in self.quantities]

    def _width(self, columns: list[Column]) -> int:
        return len(columns) if self.split else 1

    @property
    def width(self) -> int:
        """Columns beside the row's name."""
        return sum(self.widths)

    @property
    def starts(self) -> list[bool]:
        """Whether a quantity begins at a column, for a rule before it."""
        return [i == 0 for width in self.widths for i in range(width)]

    @property
    def heads(self) -> list[list[Head]]:
        """Header rows: tables where there are several, quantities, and their parts where they are columns."""
        quantities = [
            Head(text=_quantity(columns[0]), span=self._width(columns), first=True)
            for columns in self.quantities
        ]
        rows = [quantities]
        if len(self.tables) > 1:
            rows.insert(0, self._table_heads())
        if self.split and any(column.part for columns in self.quantities for column in columns):
            rows.append(
                [
                    Head(text=PARTS.get(column.part, ""), first=i == 0)
                    for columns in self.quantities
                    for i, column in enumerate(columns)
                ]
            )
        return rows

    def _table_heads(self) -> list[Head]:
        return [
            Head(text=name, span=sum(map(self._width, quantities_of(table))), first=True)
            for name, table in self.tables.items()
        ]

    @property
    def rows(self) -> list[tuple[str, str, list[Entry]]]:
        """(section where a new one begins, name, entries) of every row."""
        first = next(iter(self.tables.values()))
        rows, last = [], ""
        for index, (name, *_) in enumerate(first.rows):
            section = first.sections[index] if first.sections else ""
            rows.append((section if section != last else "", name.text, self._entries(index)))
            last = section
        return rows

    def _entries(self, index: int) -> list[Entry]:
        """One row's cells: each alone, or those of a quantity together without the dashes."""
        cells = iter([cell for table in self.tables.values() for cell in table.rows[index][1:]])
        entries: list[Entry] = []
        for columns in self.quantities:
            parts = [(next(cells), column.part) for column in columns]
            if self.split:
                entries += [(part,) for part in parts]
            else:
                entries.append((parts[0], *(part for part in parts[1:] if part[0].shown != MISSING)))
        return entries

    @property
    def legend(self) -> str:
        """How to read an entry."""
        return SPLIT_LEGEND if self.split else STACKED_LEGEND

    @property
    def notes(self) -> list[str]:
        """The notes of all tables, each once, and those that they share."""
        own = [note for table in self.tables.values() for note in table.notes]
        return list(dict.fromkeys([*own, *self.shared_notes]))


def quantities_of(table: Table) -> list[list[Column]]:
    """The columns beside the row's name, neighbours that show one quantity together."""
    return [list(columns) for _, columns in groupby(table.columns[1:], _quantity)]


def _quantity(column: Column) -> str:
    return column.quantity or column.name


def css_class(cell: Cell, part: str) -> str:
    """The CSS classes of a cell."""
    if part and cell.blank:
        return "none" if part == "ours" else f"{part} none"
    return f"{part} best" if cell.rank == "best" else part
