"""The numbers of one table of a paper: ours paired with the published ones. Pure assembly, no layout.

The numbers are grouped by protocol and split. Each column group has its own caption with provenance and
fingerprint, because another protocol means other data; within a group all fingerprints must be equal.

`equipose.pipelines.paper.formats` lays a `PaperTable` out as `equipose.pipelines.tables.table.Table`s, one
per group, and every format but CSV is written from those. `PaperTable` stays beside `Table` because a pair
keeps what a cell of a table cannot: the certainty and source of the printed number, the fingerprint behind
ours, and one link for both. CSV is written from the pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from equipose.pipelines.paper.published import Published, PublishedRange, PublishedTable, TableRow
from equipose.pipelines.tables.table import Caption

RESULT_COLUMNS: tuple[str, ...] = (
    "row", "column", "metric", "mean", "std", "n", "link", "fingerprint",
)  # fmt: skip
"""Columns of the frame that `paper_table` takes: one line per measured number."""
LINK_SCHEMES = ("http", "https")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One measured quantity of a column group."""

    key: str
    label: str
    unit: str = ""
    decimals: int = 2
    """Two by default, as the paper prints."""
    reads: str = ""
    """Number of `Published` to compare with, `range` for a `PublishedRange`, or nothing."""
    higher_is_better: bool = False

    @property
    def headed(self) -> str:
        """The label with its unit: `MPJPE (mm)`."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


MPJPE = Metric(key="mpjpe", label="MPJPE", unit="mm", reads="value_mm")
PA_MPJPE = Metric(key="pa_mpjpe", label="PA-MPJPE", unit="mm", reads="pa_mm")
SHAPLEY_SHARE = Metric(key="shapley_share", label="Shapley share", unit="%", reads="range")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Our number over seeds."""

    mean: float
    std: float | None
    """Sample standard deviation over seeds; None for a single seed."""
    n: int
    """Seeds."""

    def __post_init__(self) -> None:
        if not isfinite(self.mean):
            raise ValueError(f"mean={self.mean}: leave a run without a number out; it shows as not run")
        if self.n < 1:
            raise ValueError(f"n={self.n}: give the number of seeds behind the mean")


@dataclass(frozen=True, kw_only=True)
class ColumnGroup:
    """Columns that share one data set, protocol and split."""

    name: str
    """Such as `P1`: the column of the published table."""
    caption: Caption
    """Of the data behind this group; its title names the group, such as `P1, daily activities`."""
    metrics: tuple[Metric, ...] = (MPJPE, PA_MPJPE)


@dataclass(frozen=True, kw_only=True)
class PaperCell:
    """One pair of numbers: ours and the paper's."""

    row: str
    column: str
    """Name of the column group."""
    metric: str
    """Key of the metric in that group."""
    ours: Measured | None = None
    """None: not run."""
    published: Published | PublishedRange | None = None
    """None: the paper has no such cell."""
    link: str | None = None
    """Page of the run behind our number."""
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        if self.ours is not None and not self.fingerprint:
            raise ValueError(
                f"fingerprint is missing for the measured cell {self.position}; take it from its run"
            )
        if self.link is not None:
            check_link(self.link, str(self.position))

    @property
    def position(self) -> tuple[str, str, str]:
        """(row, column group, metric)."""
        return self.row, self.column, self.metric


def check_link(link: str, owner: str) -> None:
    """Raise unless a link is the address of a web page, so that a click can only open it."""
    if urlsplit(link).scheme.lower() not in LINK_SCHEMES:
        raise ValueError(f"link={link!r} of {owner}: give the run's page, http:// or https://")


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A finished table; positions without a cell were not run and are not in the paper."""

    name: str
    caption: str
    """What the table compares; the groups' own captions say on which data."""
    rows: Mapping[str, TableRow]
    columns: tuple[ColumnGroup, ...]
    cells: Mapping[tuple[str, str, str], PaperCell]
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        names = [group.name for group in self.columns]
        if len(set(names)) != len(names) or not names:
            raise ValueError(f"columns={names}: give one group or more, each with a name of its own")
        groups = {(row, g.name, m.key): g for row in self.rows for g in self.columns for m in g.metrics}
        for position, cell in self.cells.items():
            if position != cell.position or position not in groups:
                raise ValueError(f"a cell for {cell.position} has no place in table {self.name!r}")
            _check_fingerprint(cell, groups[position])

    def cell(self, row: str, group: ColumnGroup, metric: Metric) -> PaperCell:
        """The cell at a position, an empty one where there is none."""
        position = (row, group.name, metric.key)
        return self.cells.get(position, PaperCell(row=row, column=group.name, metric=metric.key))


def _check_fingerprint(cell: PaperCell, group: ColumnGroup) -> None:
    """Raise where a measured number comes from other data than its group."""
    if cell.ours is None:
        return
    if cell.fingerprint != group.caption.fingerprint:
        prints = sorted({str(cell.fingerprint), group.caption.fingerprint})
        raise ValueError(
            f"two fingerprints in column group {group.name!r}: {prints}; these numbers come from different "
            "data, protocols, frames or units, so make one group of each"
        )


def published_number(cell: PaperCell, metric: Metric) -> float | None:
    """The paper's number for a metric; None where it is unknown, a range, or not in the paper."""
    return cell.published.number(metric.reads) if isinstance(cell.published, Published) else None


def difference(cell: PaperCell, metric: Metric) -> float | None:
    """Ours minus published; None where either is missing."""
    printed = published_number(cell, metric)
    return None if cell.ours is None or printed is None else cell.ours.mean - printed


def paper_table(
    published: PublishedTable,
    groups: Sequence[ColumnGroup],
    results: pl.DataFrame,
    *,
    notes: Sequence[str] = (),
) -> PaperTable:
    """The paper's table with our results in it.

    results: `RESULT_COLUMNS`, one line per (row, column, metric). groups: columns, of the paper or new.
    Raises ValueError for results without a cell, double results, or the fingerprint of other data.
    """
    ours = _by_position(results)
    cells = {}
    for group in groups:
        for row in published.rows:
            for metric in group.metrics:
                position = (row, group.name, metric.key)
                printed = _printed(published, row, group.name, metric)
                cells[position] = _cell(position, ours.pop(position, None), printed)
    if ours:
        raise ValueError(f"results {sorted(ours)} have no place in table {published.name!r}")
    return PaperTable(
        name=published.name,
        caption=published.title,
        rows=published.rows,
        columns=tuple(groups),
        cells=cells,
        notes=(*published.notes, *notes),
    )


def _by_position(results: pl.DataFrame) -> dict[tuple[str, str, str], dict[str, Any]]:
    missing = [name for name in RESULT_COLUMNS if name not in results.columns]
    if missing:
        raise ValueError(f"results lack the columns {missing}; give {list(RESULT_COLUMNS)}")
    double = results.filter(results.select("row", "column", "metric").is_duplicated())
    if not double.is_empty():
        raise ValueError(
            f"two results for one cell: {double.row(0, named=True)}; give one per row, column and metric"
        )
    return {(r["row"], r["column"], r["metric"]): r for r in results.iter_rows(named=True)}


def _printed(
    published: PublishedTable, row: str, column: str, metric: Metric
) -> Published | PublishedRange | None:
    """What the paper prints there; None for columns and metrics that it lacks."""
    if not metric.reads or column not in published.columns or not published.rows[row].printed:
        return None
    return published.cell(row, column)


def _cell(
    position: tuple[str, str, str], found: dict[str, Any] | None, printed: Published | PublishedRange | None
) -> PaperCell:
    row, column, metric = position
    if found is None:
        return PaperCell(row=row, column=column, metric=metric, published=printed)
    return PaperCell(
        row=row,
        column=column,
        metric=metric,
        ours=Measured(mean=found["mean"], std=found["std"], n=found["n"]),
        published=printed,
        link=found["link"],
        fingerprint=found["fingerprint"],
    )
