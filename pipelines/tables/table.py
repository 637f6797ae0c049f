"""The results table of a comparison: methods in rows, errors, the difference to plain, and costs in columns.

Built from Polars frames, written by `equipose.pipelines.tables.formats`. A number means nothing without its
context, so the caption always holds provenance, alignment, protocol, split, frames and fingerprint.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import polars as pl

SCORE_COLUMNS: tuple[str, ...] = ("method", "column", "mean", "std", "n", "fingerprint")
ALIGNMENT = "no root alignment, mm"
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
    """One entry: a number with what belongs to it, or a text."""

    value: float | None = None
    text: str = ""
    """Shown as it is where there is no value."""
    std: float | None = None
    n: int | None = None
    interval: tuple[float, float] | None = None
    mark: str = ""
    place: str = ""
    """`best`, `second` or nothing."""
    decimals: int = 1
    signed: bool = False
    link: str = ""
    """Address of the run or page that the number comes from."""

    @property
    def shown(self) -> str:
        """The entry as plain text, without its mark: `81.2 ± 0.9 (5)`, `−3.1 [−4.0, −2.2]`."""
        if self.value is None:
            return self.text or MISSING
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
class Table:
    """A finished table; `rows` are as long as `header`, the first cell names the method."""

    caption: Caption
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        taken = [*self.header, *(item.name for item in fields(Caption))]
        double = sorted({name for name in taken if taken.count(name) > 1})
        if double:
            raise ValueError(
                f"columns {double} are there twice or named like a part of the caption; rename them"
            )
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"a row has {len(row)} cells, the header {len(self.header)}: {row[0].shown}")


def score_rows(errors: pl.DataFrame, column: str, fingerprint: str) -> pl.DataFrame:
    """Rows for `results_table` from `comparison_statistics.method_errors`, as the column of this name."""
    return errors.select(
        "method",
        pl.lit(column).alias("column"),
        pl.col("mean_mm").alias("mean"),
        pl.col("std_mm").alias("std"),
        pl.col("seeds").cast(pl.Int64).alias("n"),
        pl.lit(fingerprint).alias("fingerprint"),
    )


def results_table(
    scores: pl.DataFrame,
    caption: Caption,
    *,
    comparison: pl.DataFrame | None = None,
    costs: pl.DataFrame | None = None,
    reference: str = "plain",
    higher_is_better: Collection[str] = (),
    units: str = "subjects",
) -> Table:
    """The table of a comparison; methods and columns in their order of appearance.

    scores: `SCORE_COLUMNS`, one row per (method, column). comparison: from `comparison_statistics.compare`,
    gives the difference and the verdict. costs: `method` and any number columns, headed by their names.
    In every score column the lowest mean (`higher_is_better`: the highest) is best and the next is second,
    as printed, so what looks equal is ranked equal. units: what the clusters of the comparison are, for
    the notes. Raises ValueError where fingerprints differ, or two columns have one name.
    """
    _check(scores, caption)
    names = scores["method"].unique(maintain_order=True).to_list()
    parts: list[Columns] = [{"method": {name: Cell(text=name) for name in names}}]
    parts.append(_scores(scores, higher_is_better))
    if comparison is not None:
        parts.append(_differences(comparison, reference))
    if costs is not None:
        parts.append(_costs(costs))
    header = tuple(name for part in parts for name in part)
    columns = [column for part in parts for column in part.values()]
    rows = tuple(tuple(column.get(name, Cell()) for column in columns) for name in names)
    notes = () if comparison is None else _notes(reference, units)
    return Table(caption=caption, header=header, rows=rows, notes=notes)


Columns = dict[str, dict[str, Cell]]  # header -> method -> cell


def _check(scores: pl.DataFrame, caption: Caption) -> None:
    missing = [name for name in SCORE_COLUMNS if name not in scores.columns]
    if missing or scores.is_empty():
        raise ValueError(
            f"scores lack the columns {missing} or are empty; give one row per method and column"
        )
    prints = sorted({caption.fingerprint, *scores["fingerprint"].to_list()}, key=str)
    if len(prints) > 1:
        raise ValueError(
            f"two fingerprints in one table: {prints}; these numbers come from different data, protocols, "
            "frames or units, so make one table of each"
        )
    double = scores.filter(scores.select("method", "column").is_duplicated())
    if not double.is_empty():
        raise ValueError(
            f"two scores for one place: {double.row(0, named=True)}; give one per method and column"
        )


def _scores(scores: pl.DataFrame, higher_is_better: Collection[str]) -> Columns:
    columns: Columns = {}
    for row in scores.iter_rows(named=True):
        cell = Cell(value=row["mean"], std=row["std"], n=row["n"])
        columns.setdefault(row["column"], {})[row["method"]] = cell
    return {name: ranked(cells, name in higher_is_better) for name, cells in columns.items()}


def ranked(cells: dict[str, Cell], higher: bool = False) -> dict[str, Cell]:
    """The cells with `best` and `second` set by their printed values; nothing where there is one value."""
    values = {
        name: round(cell.value, cell.decimals)
        for name, cell in cells.items()
        if cell.value is not None and np.isfinite(cell.value)
    }
    order = sorted(set(values.values()), reverse=higher)
    places = dict(zip(order, ("best", "second"), strict=False)) if len(order) > 1 else {}
    return {
        name: replace(cell, place=places.get(values[name], "") if name in values else "")
        for name, cell in cells.items()
    }


def mark_of(p: float, underpowered: bool) -> str:
    """Stars for the adjusted p, and a dagger where the comparison is underpowered."""
    stars = next((mark for level, mark in MARKS if p < level), "")
    return stars + (WEAK if underpowered else "")


def _differences(comparison: pl.DataFrame, reference: str) -> Columns:
    deltas, verdicts = {}, {}
    for row in comparison.iter_rows(named=True):
        deltas[row["method"]] = Cell(
            value=row["difference_mm"],
            interval=(row["low_mm"], row["high_mm"]) if np.isfinite(row["low_mm"]) else None,
            mark=mark_of(row["p_holm"], row["underpowered"]),
            signed=True,
        )
        verdicts[row["method"]] = Cell(text=row["verdict"])
    return {f"Δ {reference}": deltas, "verdict": verdicts}


def _notes(reference: str, units: str) -> tuple[str, ...]:
    stars = ", ".join(f"{mark} p < {level:g}" for level, mark in reversed(MARKS))
    return (
        f"Δ {reference}: paired difference, same seeds and frames, with the 95 % interval of a bootstrap "
        f"over seeds and {units}; {stars}, t test over both, Holm-corrected over methods.",
        f"{WEAK} underpowered: too few seeds or {units}, or differences worth having could have been missed.",
    )


def _costs(costs: pl.DataFrame) -> Columns:
    names = [name for name in costs.columns if name != "method"]
    return {
        name: {row["method"]: _cost(row[name], costs.schema[name]) for row in costs.iter_rows(named=True)}
        for name in names
    }


def _cost(value: Any, kind: pl.DataType) -> Cell:
    return Cell() if value is None else Cell(value=float(value), decimals=0 if kind.is_integer() else 1)
