"""What a table is: a caption, columns, and rows of cells. Every table that is printed or written is one.

`equipose.pipelines.tables.formats` writes it as Markdown, LaTeX, CSV and for the terminal, and
`equipose.pipelines.report.grid` lays several side by side in HTML. A number means nothing without its
context, so the caption always holds provenance, alignment, protocol, split, frames and fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace

import numpy as np

ALIGNMENT = "no root alignment, mm"
ALIGNMENTS = {"sensor": ALIGNMENT, "pelvis": "relative to the pelvis, mm"}
"""What poses are relative to -> how captions say it."""
MARKS: tuple[tuple[float, str], ...] = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
"""Significance marks: the first whose level lies above the adjusted p."""
WEAK = "†"
"""Mark of an underpowered comparison."""
MISSING = "–"
MINUS = "−"


@dataclass(frozen=True, kw_only=True)
class Caption:
    """What every reader must know before a number means something."""

    title: str
    provenance: str
    """Such as `simulated data (simulated:1)`."""
    protocol: str
    split: str
    frames: int
    """Frames that every number is a mean over."""
    fingerprint: str
    alignment: str = ALIGNMENT

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, str) and not value.strip():
                raise ValueError(
                    f"{item.name} is empty; a table without it cannot be judged, take it from the run"
                )
        if self.frames < 1:
            raise ValueError(f"frames={self.frames}: give the number of frames that were evaluated")

    @property
    def text(self) -> str:
        """The caption as one sentence list."""
        return f"{self.title}. {self.context}"

    @property
    def context(self) -> str:
        """What the numbers come from: the caption without its title."""
        return (
            f"{self.provenance}; protocol {self.protocol}, split {self.split}; "
            f"{self.frames} frames; {self.alignment}; mean ± std (seeds); fingerprint {self.fingerprint}."
        )


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number with its spread, count and marks; a printed range; or a text."""

    value: float | None = None
    text: str = ""
    """Shown where there is no number."""
    std: float | None = None
    n: int | None = None
    interval: tuple[float, float] | None = None
    """Around the value; without a value, a range."""
    mark: str = ""
    rank: str = ""
    """`best`, `second` or nothing."""
    decimals: int = 1
    signed: bool = False
    link: str = ""
    """Address of the run or page that the number comes from."""
    hint: str = ""
    """What HTML shows on hovering; never the only mention of a fact."""

    @property
    def blank(self) -> bool:
        """Whether there is no number."""
        return self.value is None and self.interval is None

    @property
    def shown(self) -> str:
        """The cell as plain text, without its mark: `81.2 ± 0.9 (5)`, `−3.1 [−4.0, −2.2]`, `0.4–0.9`."""
        if self.value is None:
            return self.text or (MISSING if self.interval is None else "{:g}–{:g}".format(*self.interval))
        shown = self._number(self.value)
        if self.std is not None:
            shown += f" ± {self.std:.{self.decimals}f}"
        if self.interval is not None:
            shown += f" [{self._number(self.interval[0])}, {self._number(self.interval[1])}]"
        return shown if self.n is None else f"{shown} ({self.n})"

    def _number(self, value: float) -> str:
        if not np.isfinite(value):
            return MISSING
        rounded = round(value, self.decimals) + 0.0  # + 0.0 turns -0.0 into 0.0
        text = f"{rounded:{'+' if self.signed and rounded else ''}.{self.decimals}f}"
        return text.replace("-", MINUS)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column, by its header and by what it shares with its neighbours."""

    name: str
    """Header in formats with one row of headers; unique within the table."""
    quantity: str = ""
    """Header above neighbouring columns in formats with several rows of headers, such as `MPJPE (mm)`."""
    part: str = ""
    """What it holds of the quantity: `ours`, `paper` or `difference`."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A finished table; rows are as long as `columns`, and their first cell names them."""

    caption: Caption
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sections: tuple[str, ...] = ()
    """The heading that each row stands under; empty for a table without headings."""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        taken = [*self.header, *(item.name for item in fields(Caption))]
        double = sorted({name for name in taken if taken.count(name) > 1})
        if double:
            raise ValueError(
                f"columns {double} are there twice or named like a part of the caption; rename them"
            )
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"a row has {len(row)} cells, the header {len(self.columns)}: {row[0].shown}"
                )
        if self.sections and len(self.sections) != len(self.rows):
            raise ValueError(f"{len(self.sections)} sections for {len(self.rows)} rows; give one per row")

    def with_notes(self, *notes: str) -> Table:
        """The table with further notes after its own."""
        return replace(self, notes=(*self.notes, *notes))

    def only(self, *names: str) -> Table:
        """The table with these columns alone, in this order; ValueError for a name that it lacks."""
        missing = sorted(set(names) - set(self.header))
        if missing:
            raise ValueError(f"no columns {missing}; there are {list(self.header)}")
        places = [self.header.index(name) for name in names]
        return replace(
            self,
            columns=tuple(self.columns[place] for place in places),
            rows=tuple(tuple(row[place] for place in places) for row in self.rows),
        )

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def named_rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows for formats without headings: `section: name` in the first cell."""
        if not self.sections:
            return self.rows
        return tuple(
            (replace(name, text=f"{section}: {name.text}") if section else name, *cells)
            for section, (name, *cells) in zip(self.sections, self.rows, strict=True)
        )


def columns_named(names: Iterable[str]) -> tuple[Column, ...]:
    """Columns with one row of headers."""
    return tuple(Column(name=name) for name in names)


def ranked(cells: dict[str, Cell], higher: bool = False) -> dict[str, Cell]:
    """The cells with `best` and `second` set by their printed values; nothing where there is one value."""
    values = {
        name: round(cell.value, cell.decimals)
        for name, cell in cells.items()
        if cell.value is not None and np.isfinite(cell.value)
    }
    order = sorted(set(values.values()), reverse=higher)
    ranks = dict(zip(order, ("best", "second"), strict=False)) if len(order) > 1 else {}
    return {
        name: replace(cell, rank=ranks.get(values[name], "") if name in values else "")
        for name, cell in cells.items()
    }


def mark_of(p: float, underpowered: bool) -> str:
    """Stars for the adjusted p, and a dagger where the comparison is underpowered."""
    stars = next((mark for level, mark in MARKS if p < level), "")
    return stars + (WEAK if underpowered else "")
