"""A paper's table as one `Table` per column group, and as Markdown, LaTeX (booktabs) and CSV text."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
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
from equipose.pipelines.tables.table import Cell, Column, Table, ranked

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
    """The paper's number with a mark for its certainty, `unknown`, or blank where the paper has none."""
    printed = cell.published
    if printed is None or not metric.reads:
        return Cell()
    mark = CERTAINTY_MARKS.get(printed.certainty, "")
    hint = f"{printed.certainty}; {printed.source}" if printed.source else printed.certainty
    if isinstance(printed, PublishedRange):
        if metric.reads != "range":
            return Cell()
        return Cell(interval=(printed.low, printed.high), mark=mark, hint=hint)
    number = published_number(cell, metric)
    if number is None:
        return Cell(text=UNKNOWN_TEXT)
    return Cell(value=number, decimals=metric.decimals, mark=mark, hint=hint)


def difference_cell(cell: PaperCell, metric: Metric) -> Cell:
    """Ours minus published, with its sign."""
    return Cell(value=difference(cell, metric), decimals=metric.decimals, signed=True)


def group_tables(table: PaperTable) -> dict[str, Table]:
    """Column group -> its table: a row per row of the paper; per metric ours, published and difference.

    Captions and notes are those of the group; `sections` are the paper's headings.
    """
    return {group.name: _group_table(table, group) for group in table.columns}


def _group_table(table: PaperTable, group: ColumnGroup) -> Table:
    columns = [Column(name="configuration")]
    contents = [[Cell(text=names.label) for names in table.rows.values()]]
    for metric in group.metrics:
        pairs = {row: table.cell(row, group, metric) for row in table.rows}
        ours = {row: our_cell(pair, metric) for row, pair in pairs.items()}
        columns.append(Column(name=metric.headed, quantity=metric.headed, part="ours"))
        contents.append([*ranked(ours, metric.higher_is_better).values()])
        if metric.reads:
            for part, name, cell_of in (
                ("paper", "paper", published_cell),
                ("difference", "Δ", difference_cell),
            ):
                columns.append(Column(name=f"{metric.label}, {name}", quantity=metric.headed, part=part))
                contents.append([cell_of(pair, metric) for pair in pairs.values()])
    return Table(
        caption=group.caption,
        columns=tuple(columns),
        rows=tuple(zip(*contents, strict=True)),
        sections=tuple(names.section for names in table.rows.values()),
        notes=group_notes(table, group),
    )


def _by_itself(table: PaperTable, group: Table) -> Table:
    """A group's table with what it shares with the others: the paper's title and notes."""
    title = f"{table.caption}. {group.caption.title}"
    return replace(group, caption=replace(group.caption, title=title), notes=(*group.notes, *table.notes))


def group_notes(table: PaperTable, group: ColumnGroup) -> tuple[str, ...]:
    """How to read a group: ours, the marks that occur in it, and remarks about single printed numbers."""
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
    reads = {metric.reads for metric in group.metrics}
    if any(item == UNKNOWN or _partly(item, reads) for item in printed.values()):
        notes.append(f"{UNKNOWN_TEXT}: the paper's number was not recovered.")
    return (*notes, *_remarks(table, printed))


def _partly(item: Published | PublishedRange, reads: Collection[str]) -> bool:
    """Whether a number that a column reads was not recovered."""
    return isinstance(item, Published) and None in map(item.number, reads)


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
    return "\n".join(to_markdown(_by_itself(table, group)) for group in group_tables(table).values())


def paper_latex(table: PaperTable) -> str:
    """One booktabs table per column group, labelled such as `tab:main-p1`."""
    return "\n".join(
        to_latex(_by_itself(table, group), _label(table.name, name))
        for name, group in group_tables(table).items()
    )


def _label(table: str, group: str) -> str:
    return "tab:" + re.sub(r"[^a-z0-9]+", "-", f"{table}-{group}".lower()).strip("-")


def paper_frame(table: PaperTable) -> pl.DataFrame:
    """One line per number, unrounded, with everything that belongs to it (`FRAME_SCHEMA`)."""
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
