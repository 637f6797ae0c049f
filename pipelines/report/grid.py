"""A paper's table as rows of small labelled parts, ready for the report's template.

Up to `SPLIT_UP_TO` measured columns, every number has a column of its own; wider tables keep the paper's
number and the difference below ours, so that a laptop shows all protocols side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

from equipose.pipelines.paper.formats import (
    NOT_RUN,
    UNKNOWN_TEXT,
    difference_cell,
    group_notes,
    our_column,
    published_cell,
)
from equipose.pipelines.paper.table import ColumnGroup, Metric, PaperTable
from equipose.pipelines.tables.table import MISSING, Cell

SPLIT_UP_TO = 3
STACKED_LEGEND = (
    "In each place: ours, mean ± std (seeds), best of the column bold; below, the paper's number and Δ."
)
SPLIT_LEGEND = "The best of ours in each column is bold."


@dataclass(frozen=True, kw_only=True)
class Part:
    """A piece of text inside a cell."""

    text: str
    kind: str
    """CSS class."""
    link: str = ""
    hint: str = ""
    """Shown on hovering; never the only place where something is said."""
    mark: str | None = None
    """Behind a number; empty keeps its room free, so that numbers stay below one another."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """A header cell over `span` columns."""

    text: str
    span: int = 1
    first: bool = False
    """Whether a column group begins here."""


GridCell = tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class GridRow:
    """One row; `section` is set where a new heading begins."""

    label: str
    section: str
    cells: tuple[GridCell, ...]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table as the template draws it."""

    caption: str
    contexts: tuple[tuple[str, str], ...]
    """(column group, where its numbers come from)."""
    heads: tuple[tuple[Head, ...], ...]
    rows: tuple[GridRow, ...]
    width: int
    """Columns beside the row's name."""
    starts: tuple[bool, ...]
    """Whether a metric begins at a column, for a rule before it."""
    legend: str
    """How to read a place."""
    notes: tuple[str, ...]


def grid_of(table: PaperTable) -> Grid:
    """The table's cells in the layout that suits its width."""
    columns = [(group, metric) for group in table.columns for metric in group.metrics]
    split = len(columns) <= SPLIT_UP_TO
    blocks = [_block(table, group, metric, split) for group, metric in columns]
    widths = [len(next(iter(block.values()))) for block in blocks]
    return Grid(
        caption=table.caption,
        contexts=tuple((g.caption.title, g.caption.context) for g in table.columns),
        heads=_heads(table, widths, split),
        rows=_rows(table, blocks),
        width=sum(widths),
        starts=tuple(i == 0 for width in widths for i in range(width)),
        legend=SPLIT_LEGEND if split else STACKED_LEGEND,
        notes=_notes(table),
    )


def _block(table: PaperTable, group: ColumnGroup, metric: Metric, split: bool) -> dict[str, list[GridCell]]:
    """Row -> its cells for one metric: one (stacked) or up to three (split)."""
    ours = our_column(table, group, metric)
    block: dict[str, list[GridCell]] = {}
    for row in table.rows:
        cell = table.cell(row, group, metric)
        parts = [_ours(ours[row])]
        if metric.reads:
            hint = "" if cell.published is None else _hint(cell.published.certainty, cell.published.source)
            printed = _printed(published_cell(cell, metric), hint)
            parts += [printed, _difference(difference_cell(cell, metric))]
        block[row] = parts if split else [_stacked(parts)]
    return block


def _stacked(parts: list[GridCell]) -> GridCell:
    """All parts in one cell, without the dashes for what there is not."""
    ours, *rest = (part for cell in parts for part in cell)
    return (ours, *(part for part in rest if part.text != MISSING))


def _ours(cell: Cell) -> GridCell:
    if cell.value is None:
        return (Part(text=NOT_RUN, kind="none"),)
    kind = "ours best" if cell.place == "best" else "ours"
    return (Part(text=cell.shown, kind=kind, link=cell.link),)


def _printed(cell: Cell, hint: str) -> GridCell:
    if cell.shown == UNKNOWN_TEXT:
        return (Part(text=UNKNOWN_TEXT, kind="paper none"),)
    if cell.shown == MISSING:
        return (Part(text=MISSING, kind="paper none"),)
    return (Part(text=cell.shown, kind="paper", hint=hint, mark=cell.mark),)


def _difference(cell: Cell) -> GridCell:
    return (Part(text=cell.shown, kind="difference none" if cell.value is None else "difference"),)


def _hint(certainty: str, source: str) -> str:
    return f"{certainty}; {source}" if source else certainty


def _heads(table: PaperTable, widths: list[int], split: bool) -> tuple[tuple[Head, ...], ...]:
    """Header rows: groups where there are several, metrics, and ours / paper / Δ where they are columns."""
    spans = iter(widths)
    metrics, groups, names = [], [], []
    for group in table.columns:
        own = [next(spans) for _ in group.metrics]
        groups.append(Head(text=group.name, span=sum(own), first=True))
        metrics += [Head(text=m.headed, span=w, first=True) for m, w in zip(group.metrics, own, strict=True)]
        names += [Head(text=t, first=i == 0) for w in own for i, t in enumerate(("ours", "paper", "Δ")[:w])]
    rows = [groups] if len(groups) > 1 else []
    return tuple(tuple(row) for row in (*rows, metrics, *([names] if split else [])))


def _rows(table: PaperTable, blocks: list[dict[str, list[GridCell]]]) -> tuple[GridRow, ...]:
    rows, last = [], ""
    for row, names in table.rows.items():
        cells = tuple(cell for block in blocks for cell in block[row])
        section = names.section if names.section != last else ""
        rows.append(GridRow(label=names.label, section=section, cells=cells))
        last = names.section
    return tuple(rows)


def _notes(table: PaperTable) -> tuple[str, ...]:
    """Every group's notes, what several groups share once, and the table's own."""
    found = [note for group in table.columns for note in group_notes(table, group)]
    return tuple(dict.fromkeys((*found, *table.notes)))
