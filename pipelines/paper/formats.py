"""A paper's table as Markdown, LaTeX (booktabs) and CSV; the first two have one table per column group."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from equipose.pipelines.paper.published import CERTAINTIES, UNKNOWN, Published, PublishedRange, TableRow
from equipose.pipelines.paper.table import (
    ColumnGroup,
    Metric,
    PaperCell,
    PaperTable,
    difference,
    published_number,
)
from equipose.pipelines.tables.formats import to_latex, to_markdown
from equipose.pipelines.tables.table import Cell, Table, ranked

NOT_RUN = "not run"
UNKNOWN_TEXT = "unknown"
CERTAINTY_MARKS: dict[str, str] = {"inferred": "¶", "single source": "§", "conflict": "‡"}
"""Marks behind published numbers that are not certain."""
OURS_NOTE = (
    "Ours: mean ± standard deviation (seeds). Δ: ours minus the paper's, for errors negative is better."
)
SIMULATED_NOTE = "The data are not all real recordings, so Δ says nothing about the published result."


def is_real(provenance: str) -> bool:
    """Whether a label such as `real data (MM-Fi)` promises that nothing was simulated."""
    label = provenance.strip().lower()
    return label.split(" ")[0] == "real" and "simulated" not in label


def our_cell(cell: PaperCell, metric: Metric) -> Cell:
    """Our number, linked to its run, or `not run`."""
    if cell.ours is None:
        return Cell(text=NOT_RUN)
    ours = cell.ours
    return Cell(value=ours.mean, std=ours.std, n=ours.n, decimals=metric.decimals, link=cell.link or "")


def published_cell(cell: PaperCell, metric: Metric) -> Cell:
    """The paper's number with a mark for its certainty, `unknown`, or nothing where it has no such place."""
    printed = cell.published
    if printed is None or not metric.reads:
        return Cell()
    mark = CERTAINTY_MARKS.get(printed.certainty, "")
    if isinstance(printed, PublishedRange):
        if metric.reads != "range":
            return Cell()
        return Cell(text=f"{printed.low:g}–{printed.high:g}", mark=mark)
    number = published_number(cell, metric)
    if number is None:
        return Cell(text=UNKNOWN_TEXT)
    return Cell(value=number, decimals=metric.decimals, mark=mark)


def difference_cell(cell: PaperCell, metric: Metric) -> Cell:
    """Ours minus published, with its sign."""
    return Cell(value=difference(cell, metric), decimals=metric.decimals, signed=True)


def our_column(table: PaperTable, group: ColumnGroup, metric: Metric) -> dict[str, Cell]:
    """Row -> our number, with the best and the second best marked."""
    cells = {row: our_cell(table.cell(row, group, metric), metric) for row in table.rows}
    return ranked(cells, metric.higher_is_better)


def group_table(table: PaperTable, group: ColumnGroup) -> Table:
    """One column group as a plain table: per metric ours, published and difference."""
    columns: dict[str, dict[str, Cell]] = {}
    for metric in group.metrics:
        columns[metric.headed] = our_column(table, group, metric)
        if metric.reads:
            places = {row: table.cell(row, group, metric) for row in table.rows}
            columns[f"{metric.label}, paper"] = {
                row: published_cell(cell, metric) for row, cell in places.items()
            }
            columns[f"{metric.label}, Δ"] = {
                row: difference_cell(cell, metric) for row, cell in places.items()
            }
    rows = tuple(
        (Cell(text=names.full), *(column[row] for column in columns.values()))
        for row, names in table.rows.items()
    )
    return Table(
        caption=replace(group.caption, title=f"{table.caption}. {group.caption.title}"),
        header=("configuration", *columns),
        rows=rows,
        notes=(*group_notes(table, group), *table.notes),
    )


def group_notes(table: PaperTable, group: ColumnGroup) -> tuple[str, ...]:
    """How to read a group: ours, the marks that occur in it, and what is doubtful about a printed number."""
    printed = {
        row: cell.published
        for (row, column, _), cell in table.cells.items()
        if column == group.name and cell.published is not None
    }
    notes = [OURS_NOTE]
    if not is_real(group.caption.provenance):
        notes.append(SIMULATED_NOTE)
    found = {item.certainty for item in printed.values()}
    notes += [
        f"{mark} {certainty}: {CERTAINTIES[certainty]}."
        for certainty, mark in CERTAINTY_MARKS.items()
        if certainty in found
    ]
    if any(item == UNKNOWN or _partly(item) for item in printed.values()):
        notes.append(f"{UNKNOWN_TEXT}: the paper's number was not recovered.")
    return (*notes, *_remarks(table, printed))


def _partly(item: Published | PublishedRange) -> bool:
    return isinstance(item, Published) and None in (item.value_mm, item.pa_mm)


def _remarks(table: PaperTable, printed: Mapping[str, Published | PublishedRange]) -> list[str]:
    """The notes of single numbers, each after the rows that it is about."""
    rows: dict[str, list[str]] = {}
    for row, item in printed.items():
        if item.note:
            rows.setdefault(item.note, []).append(_about(table.rows[row]))
    return [f"{'; '.join(names)}: {note}" for note, names in rows.items()]


def _about(row: TableRow) -> str:
    return f"{row.label} ({row.section})" if row.section else row.label


def paper_markdown(table: PaperTable) -> str:
    """One Markdown table per column group, captions above, notes below; our numbers link to their runs."""
    return "\n".join(to_markdown(group_table(table, group)) for group in table.columns)


def paper_latex(table: PaperTable) -> str:
    """One booktabs table per column group, labelled such as `tab:main-p1`."""
    return "\n".join(to_latex(group_table(table, g), _label(table.name, g.name)) for g in table.columns)


def _label(table: str, group: str) -> str:
    return "tab:" + re.sub(r"[^a-z0-9]+", "-", f"{table}-{group}".lower()).strip("-")


def paper_frame(table: PaperTable) -> pl.DataFrame:
    """One line per place with unrounded numbers and everything that belongs to them (`FRAME_SCHEMA`)."""
    lines = [
        _line(table, group, metric, table.cell(row, group, metric))
        for group in table.columns
        for row in table.rows
        for metric in group.metrics
    ]
    return pl.DataFrame(lines, schema=FRAME_SCHEMA)


FRAME_SCHEMA: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("table", "section", "row", "column", "metric"), pl.String),
    **dict.fromkeys(("ours", "ours_std"), pl.Float64),
    "seeds": pl.Int64,
    **dict.fromkeys(("published", "published_low", "published_high", "difference"), pl.Float64),
    **dict.fromkeys(("certainty", "source", "note", "link", "provenance", "protocol", "split"), pl.String),
    "frames": pl.Int64,
    **dict.fromkeys(("alignment", "fingerprint"), pl.String),
}
"""Columns of `paper_frame`; `ours` is null where nothing was run, `published` where it is unknown."""


def _line(table: PaperTable, group: ColumnGroup, metric: Metric, cell: PaperCell) -> dict[str, object]:
    names, printed = table.rows[cell.row], cell.published
    line: dict[str, object] = {
        "table": table.name,
        "section": names.section,
        "row": names.label,
        "column": group.name,
        "metric": metric.headed,
        "published": published_number(cell, metric),
        "difference": difference(cell, metric),
        "link": cell.link,
        **{key: value for key, value in vars(group.caption).items() if key != "title"},
    }
    if cell.ours is not None:
        line |= {"ours": cell.ours.mean, "ours_std": cell.ours.std, "seeds": cell.ours.n}
    if printed is not None and metric.reads:
        known = published_cell(cell, metric).shown != UNKNOWN_TEXT
        certainty = printed.certainty if known else UNKNOWN_TEXT
        line |= {"certainty": certainty, "source": printed.source, "note": printed.note}
    if isinstance(printed, PublishedRange):
        line |= {"published_low": printed.low, "published_high": printed.high}
    return {name: line.get(name) for name in FRAME_SCHEMA}


def paper_csv(table: PaperTable) -> str:
    """`paper_frame` as comma-separated text."""
    return paper_frame(table).write_csv()
