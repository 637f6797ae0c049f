"""The table of a comparison: methods in rows; errors, the difference to plain, and costs in columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import polars as pl

from equipose.pipelines.tables.table import MARKS, WEAK, Caption, Cell, Table, columns_named, mark_of, ranked

SCORE_COLUMNS: tuple[str, ...] = ("method", "column", "mean", "std", "n", "fingerprint")


def score_rows(errors: pl.DataFrame, column: str, fingerprint: str) -> pl.DataFrame:
    """Rows for `results_table` from `statistics.comparison.method_errors`, as the column of this name."""
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
    others: Mapping[str, pl.DataFrame] | None = None,
    costs: pl.DataFrame | None = None,
    reference: str = "plain",
    higher_is_better: Collection[str] = (),
    units: str = "subjects",
) -> Table:
    """The table of a comparison; methods and columns in their order of appearance.

    scores: `SCORE_COLUMNS`, one row per (method, column). comparison: from `statistics.comparison.compare`,
    gives the difference and the verdict, or what `statistics.judgement.judged` concludes from it. others:
    further comparisons by name, such as `one missing`. costs: `method` and number columns, by their names.
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
    for name, other in (others or {}).items():
        found = _differences(other, reference)
        parts.append({f"{column}, {name}": cells for column, cells in found.items()})
    if costs is not None:
        parts.append(_costs(costs))
    columns = columns_named(name for part in parts for name in part)
    contents = [column for part in parts for column in part.values()]
    rows = tuple(tuple(column.get(name, Cell()) for column in contents) for name in names)
    notes = () if comparison is None else _notes(reference, units)
    return Table(caption=caption, columns=columns, rows=rows, notes=notes)


Columns = dict[str, dict[str, Cell]]
"""Header -> method -> cell."""


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
            f"two scores for one cell: {double.row(0, named=True)}; give one per method and column"
        )


def _scores(scores: pl.DataFrame, higher_is_better: Collection[str]) -> Columns:
    columns: Columns = {}
    for row in scores.iter_rows(named=True):
        cell = Cell(value=row["mean"], std=row["std"], n=row["n"])
        columns.setdefault(row["column"], {})[row["method"]] = cell
    return {name: ranked(cells, name in higher_is_better) for name, cells in columns.items()}


def _differences(comparison: pl.DataFrame, reference: str) -> Columns:
    deltas, verdicts = {}, {}
    for row in comparison.iter_rows(named=True):
        deltas[row["method"]] = difference_cell(row)
        verdicts[row["method"]] = Cell(text=row.get("judgement", row["verdict"]), hint=row.get("because", ""))
    return {f"Δ {reference}": deltas, "verdict": verdicts}


def difference_cell(row: dict[str, Any]) -> Cell:
    """A row of `statistics.comparison.compare` as a signed difference with its interval and marks."""
    low, high = row["low_mm"], row["high_mm"]
    return Cell(
        value=row["difference_mm"],
        interval=(low, high) if np.isfinite(low) else None,
        mark=mark_of(row["p_holm"], row["underpowered"]),
        signed=True,
    )


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
