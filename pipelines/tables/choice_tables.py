"""Tables that say which sensors are worth having: subsets with error, costs and latency, and their steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from equipose.pipelines.statistics.intervals import LEVEL
from equipose.pipelines.statistics.sensor_choice import Costs, cost_column
from equipose.pipelines.tables.model_tables import error_cell, interval_note
from equipose.pipelines.tables.subset_tables import step_table
from equipose.pipelines.tables.table import Caption, Cell, Column, Table, columns_named

Latency = Mapping[int, Mapping[str, float]]
"""Batch size -> subset -> ms of a whole batch."""


def choice_table(
    found: pl.DataFrame, caption: Caption, *, latency: Latency, units: str, clusters: int
) -> Table:
    """Every subset in a row: error, costs, latency, whether it is on the Pareto front and how surely.

    found: of `sensor_choice.choices`, or of `front_effects`, which adds what each subset of the front gains
    over the row before. units: what intervals resample, such as `subjects`; clusters: how many there are.
    """
    costs = [name for name in found.columns if name.startswith(cost_column(""))]
    steps = "difference_mm" in found.columns
    header = [
        "sensors",
        "MPJPE",
        *(["against the row above"] if steps else []),
        *costs,
        *(f"ms, batch {size}" for size in latency),
        *([] if steps else ["Pareto front"]),
        "on the front",
    ]
    rows = []
    for row in found.iter_rows(named=True):
        rows.append(
            (
                Cell(text=row["subset"]),
                error_cell(row),
                *([_difference(row)] if steps else []),
                *(_cost(row[name]) for name in costs),
                *(Cell(value=times[row["subset"]], decimals=2) for times in latency.values()),
                *([] if steps else [Cell(text="yes" if row["front"] else "no")]),
                _share(row["front_share"]),
            )
        )
    return Table(
        caption=replace(caption, alignment="MPJPE, no root alignment, mm"),
        columns=columns_named(header),
        rows=tuple(rows),
        notes=_notes(units, clusters, steps),
    )


def _notes(units: str, clusters: int, steps: bool) -> tuple[str, ...]:
    paired = (f"Against the row above: paired on the same {units}, {LEVEL:.0%} interval.",) if steps else ()
    return (
        interval_note(units, clusters),
        *paired,
        "Errors are those of one model that lost the other sensors; one trained on the subset may do better.",
        "Pareto front: no other subset is as good in error and every cost and better in one. On the front: "
        f"in what share of the resamples of the {units}. Costs add up over sensors.",
    )


def priced_step_table(effects: pl.DataFrame, costs: Costs, caption: Caption, *, units: str) -> Table:
    """`step_table` of one model, with what the added sensor costs and the error it saves per unit of that.

    effects: of `subset_steps.step_effects`, or some of its rows.
    """
    table = step_table(effects, caption, units=units)
    more: list[Column] = []
    cells: list[list[Cell]] = [[] for _ in table.rows]
    for name, each in costs.items():
        more += columns_named((cost_column(name), f"mm saved per unit of {name}"))
        for row, step in zip(cells, effects.iter_rows(named=True), strict=True):
            row += _price(each[step["added"]], step)
    columns = (*columns_named(("sensors + added", "change", "verdict")), *more)
    rows = tuple((*row, *extra) for row, extra in zip(table.rows, cells, strict=True))
    return replace(table, columns=columns, rows=rows)


def _price(cost: float, step: dict[str, Any]) -> list[Cell]:
    """The cost of a sensor, and mm saved per unit; what is free has no price per mm."""
    saved = Cell(value=-step["difference_mm"] / cost, decimals=3, signed=True) if cost else Cell()
    return [_cost(cost), saved]


def _difference(row: dict[str, Any]) -> Cell:
    if row["difference_mm"] is None:
        return Cell()
    low, high = row["low_mm_difference"], row["high_mm_difference"]
    known = low is not None and np.isfinite(low)
    return Cell(value=row["difference_mm"], interval=(low, high) if known else None, signed=True)


def _cost(value: float) -> Cell:
    return Cell(value=value, decimals=0 if float(value).is_integer() else 2)


def _share(value: float) -> Cell:
    return Cell(text=f"{value:.0%}") if np.isfinite(value) else Cell()
