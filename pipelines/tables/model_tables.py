"""Tables of one trained model: errors of its subsets of sensors with their intervals, whole and by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from equipose.pipelines.statistics.intervals import ALL, JOINT, LEVEL
from equipose.pipelines.statistics.subset_errors import in_size_order, members
from equipose.pipelines.tables.table import Caption, Cell, Table, columns_named

METRIC_NAMES: dict[str, str] = {"mpjpe_mm": "MPJPE", "pa_mpjpe_mm": "PA-MPJPE"}
MAIN_METRIC: dict[str, str] = {JOINT: "joint_error_mm"}
"""Kind of group -> the metric of its table, if not MPJPE."""
TITLES: dict[str, str] = {"environment": "room", "action": "action", "subject": "subject", JOINT: "joint"}


@dataclass(frozen=True, kw_only=True)
class ModelCaption(Caption):
    """The caption of numbers of a single model, which have intervals and no spread over seeds."""

    @property
    def context(self) -> str:
        """As that of `Caption`."""
        return (
            f"{self.provenance}; protocol {self.protocol}, split {self.split}; {self.frames} frames; "
            f"{self.alignment}; one trained model; fingerprint {self.fingerprint}."
        )


def error_cell(row: dict[str, Any]) -> Cell:
    """A row with `error_mm`, `low_mm` and `high_mm` as a number with its interval."""
    known = np.isfinite(row["low_mm"])
    return Cell(value=row["error_mm"], interval=(row["low_mm"], row["high_mm"]) if known else None)


def interval_note(units: str, clusters: int) -> str:
    """What the brackets of one model's errors mean."""
    return (
        f"[ ]: {LEVEL:.0%} interval from resampling {clusters} {units}: how the error varies with the "
        f"{units} it is measured on, not with another training run."
    )


def subset_interval_table(errors: pl.DataFrame, caption: Caption, *, units: str = "subjects") -> Table:
    """Every subset in a row: MPJPE and PA-MPJPE with their intervals. errors: of `model_errors`."""
    whole = errors.filter(pl.col("by") == ALL)
    cells = {(row["subset"], row["metric"]): error_cell(row) for row in whole.iter_rows(named=True)}
    rows = [
        (Cell(text=subset), *(cells[subset, metric] for metric in METRIC_NAMES))
        for subset in in_size_order(whole["subset"])
    ]
    return Table(
        caption=replace(caption, alignment="MPJPE without root alignment, PA-MPJPE after a similarity, mm"),
        columns=columns_named(("sensors", *METRIC_NAMES.values())),
        rows=tuple(rows),
        notes=(interval_note(units, _most(whole)),),
    )


def group_interval_table(
    errors: pl.DataFrame, caption: Caption, *, by: str, units: str = "subjects"
) -> Table:
    """Every joint, action, room or subject in a row; the full model and each sensor alone in columns.

    by: `environment`, `action`, `subject` or `joint`. errors: of `model_errors`.
    """
    if by not in TITLES:
        raise ValueError(f"by={by!r} is unknown; use one of {list(TITLES)}")
    metric = MAIN_METRIC.get(by, "mpjpe_mm")
    mine = errors.filter(pl.col("by") == by, pl.col("metric") == metric)
    subsets = shown_subsets(mine["subset"].unique(maintain_order=True).to_list())
    cells = {(row["group"], row["subset"]): error_cell(row) for row in mine.iter_rows(named=True)}
    groups = mine["group"].unique(maintain_order=True)
    rows = [
        (Cell(text=group.replace("_", " ")), *(cells[group, subset] for subset in subsets))
        for group in groups
    ]
    return Table(
        caption=caption,
        columns=columns_named((TITLES[by], *subsets)),
        rows=tuple(rows),
        notes=(interval_note(units, _most(mine)), f"A group with one of the {units} has no interval."),
    )


def _most(errors: pl.DataFrame) -> int:
    """Clusters of the largest group."""
    return max(errors["clusters"].to_list())


def shown_subsets(subsets: Sequence[str]) -> list[str]:
    """The full model, then each sensor alone: what fits beside each other."""
    ordered = in_size_order(subsets)
    return list(dict.fromkeys([ordered[-1], *(name for name in ordered if len(members(name)) == 1)]))
