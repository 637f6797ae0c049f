"""Tables of sensor subsets: errors, per action, environment and joint, steps that hurt, collapse, reference.

Inputs are those of `subset_errors` and `subset_steps` in `equipose.pipelines.statistics`; every result is a
`equipose.pipelines.tables.table.Table`, which `equipose.pipelines.tables.formats` prints.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from equipose.models.sensors.registry import letter_of
from equipose.models.skeleton import JOINTS
from equipose.pipelines.statistics.subset_errors import (
    full_subset,
    in_size_order,
    labelled,
    members,
    over_seeds,
    recording_sums,
    seed_errors,
    subset_scores,
)
from equipose.pipelines.tables.results_table import difference_cell, results_table
from equipose.pipelines.tables.table import WEAK, Caption, Cell, Table, columns_named

GROUPS: tuple[str, ...] = ("action", "environment", "subject")
ALIGNMENTS: dict[str, str] = {
    "mpjpe_mm": "MPJPE, no root alignment, mm",
    "pa_mpjpe_mm": "PA-MPJPE after a similarity transform per frame, mm",
}
TRUTH = "true poses"
ALONE = "trained alone"


def subset_table(frames: pl.DataFrame, caption: Caption, *, metric: str = "mpjpe_mm") -> Table:
    """Error of every subset: methods in rows, subsets by size in columns, mean and std over seeds."""
    scores = subset_scores(frames, metric)
    return _scores_table(scores, "subset", in_size_order(scores["subset"]), _aligned(caption, metric))


def group_table(
    frames: pl.DataFrame, caption: Caption, *, by: str, subset: str | None = None, metric: str = "mpjpe_mm"
) -> Table:
    """Error per action, environment or subject of one subset (None: the full model), methods in rows."""
    if by not in GROUPS:
        raise ValueError(f"by={by!r} is unknown; use one of {list(GROUPS)}")
    caption = _aligned(caption, metric)
    sums = _of_subset(recording_sums(frames), subset)
    scores = over_seeds(seed_errors(sums, by, metric), by)
    return _scores_table(scores, by, sorted(scores[by].unique()), caption)


def joint_table(joints: pl.DataFrame, caption: Caption, *, subset: str | None = None) -> Table:
    """Error of every joint of one subset (None: the full model): methods in rows, joints in columns."""
    scores = over_seeds(seed_errors(_of_subset(joints, subset), "joint", "error_sum_mm"), "joint")
    names = [name for name in JOINTS if name in set(scores["joint"])]
    named = scores.with_columns(pl.col("joint").str.replace_all("_", " "))
    columns = [name.replace("_", " ") for name in names]
    return _scores_table(named, "joint", columns, _aligned(caption, "mpjpe_mm"))


def spread_table(spreads: pl.DataFrame, caption: Caption) -> Table:
    """Spread of the predictions of every single sensor, and of the full model: methods in rows, mm.

    spreads: `method`, `seed`, `subset`, `spread_mm`, and optionally `share` of the spread of the true poses,
    which adds a row for them. Nothing is ranked: the target is the spread of the true poses, not the largest.
    """
    spreads = labelled(spreads)
    single = [name for name in in_size_order(spreads["subset"]) if len(members(name)) == 1]
    columns = list(dict.fromkeys([*single, full_subset(spreads)]))
    cells = _cells(over_seeds(spreads, "subset", "spread_mm"), "subset")
    rows = [
        _row(method, [cells.get((method, name), Cell()) for name in columns]) for method in _names(spreads)
    ]
    if "share" in spreads.columns:
        truth = float(np.mean((spreads["spread_mm"] / spreads["share"]).to_numpy()))
        rows.append(_row(TRUTH, [Cell(value=truth)] * len(columns)))
    note = (
        "Spread: standard deviation over frames, averaged over coordinates. A sensor whose predictions "
        "hardly move while the true poses do has collapsed to a mean pose."
    )
    caption = replace(caption, alignment="spread of predictions, mm")
    return Table(
        caption=caption, columns=columns_named(("method", *columns)), rows=tuple(rows), notes=(note,)
    )


def step_table(
    effects: pl.DataFrame, caption: Caption, *, units: str = "subjects", metric: str = "mpjpe_mm"
) -> Table:
    """What each further sensor changes: a row per step such as `RL + W`; per method the change and its sign.

    effects: from `subset_steps.step_effects`. units: what its clusters are, for the notes.
    """
    methods = _names(effects)
    steps: dict[str, dict[str, dict[str, Any]]] = {}
    for row in effects.iter_rows(named=True):
        step = f"{row['without']} + {letter_of(row['added']) or row['added']}"
        steps.setdefault(step, {})[row["method"]] = row
    header = ("sensors + added", *(name for method in methods for name in (method, f"{method}: verdict")))
    rows = tuple(
        _row(step, [cell for method in methods for cell in _change_and_sign(found.get(method))])
        for step, found in steps.items()
    )
    notes = _difference_note("Error with the sensor minus without it", units, "the method's steps")
    return Table(
        caption=_aligned(caption, metric),
        columns=columns_named(header),
        rows=rows,
        notes=(*notes, *_harm_notes(effects)),
    )


def _harm_notes(effects: pl.DataFrame) -> list[str]:
    counts = effects.group_by("method", maintain_order=True).agg(
        pl.col("worse").sum(), pl.col("hurts").sum(), steps=pl.len()
    )
    return [
        f"{row['method']}: {row['worse']} of {row['steps']} steps raise the error, "
        f"{row['hurts']} beyond chance."
        for row in counts.iter_rows(named=True)
    ]


def _change_and_sign(row: dict[str, Any] | None) -> tuple[Cell, Cell]:
    if row is None:
        return Cell(), Cell()
    sign = "hurts" if row["hurts"] else "helps" if row["helps"] else "unclear"
    return difference_cell(row), Cell(text=sign)


def alone_table(
    effects: pl.DataFrame, caption: Caption, *, units: str = "subjects", metric: str = "mpjpe_mm"
) -> Table:
    """Every sensor in the joint model beside one trained on it alone: methods in rows, mm.

    effects: from `subset_steps.alone_effects`. The first row holds the models trained alone; then per method
    the joint model's error with that sensor only, and its difference to the model trained alone.
    """
    subsets = in_size_order(effects["subset"])
    header = ["method", *(name for subset in subsets for name in (subset, f"Δ {subset}"))]
    by_subset = {(row["method"], row["subset"]): row for row in effects.iter_rows(named=True)}
    first = {row["subset"]: row["alone_mm"] for row in reversed(list(by_subset.values()))}
    rows = [_row(ALONE, [cell for subset in subsets for cell in (Cell(value=first[subset]), Cell())])]
    for method in _names(effects):
        cells: list[Cell] = []
        for subset in subsets:
            row = by_subset.get((method, subset))
            cells += [Cell(), Cell()] if row is None else _joint_and_difference(row)
        rows.append(_row(method, cells))
    notes = _difference_note("Δ, the joint model with this sensor only minus trained alone", units, "sensors")
    return Table(
        caption=_aligned(caption, metric), columns=columns_named(header), rows=tuple(rows), notes=notes
    )


def _joint_and_difference(row: dict[str, Any]) -> list[Cell]:
    return [Cell(value=row["mean_mm"]), difference_cell(row)]


def _difference_note(what: str, units: str, family: str) -> tuple[str, ...]:
    return (
        f"{what}: same seeds and frames, with the 95 % interval over seeds and {units} (with one seed over "
        f"{units}, and then about that one model only); * p < 0.05, ** p < 0.01, *** p < 0.001, t test, "
        f"Holm-corrected over {family}.",
        f"{WEAK} too few seeds or {units} to rely on.",
    )


def _aligned(caption: Caption, metric: str) -> Caption:
    if metric not in ALIGNMENTS:
        raise ValueError(f"metric={metric!r} is unknown; use one of {list(ALIGNMENTS)}")
    return replace(caption, alignment=ALIGNMENTS[metric])


def _of_subset(table: pl.DataFrame, subset: str | None) -> pl.DataFrame:
    chosen = table.filter(pl.col("subset") == (subset or full_subset(table)))
    if chosen.is_empty():
        raise ValueError(f"subset={subset!r} is not in the table; it has {in_size_order(table['subset'])}")
    return chosen


def _scores_table(scores: pl.DataFrame, by: str, columns: Iterable[str], caption: Caption) -> Table:
    """`results_table` of `method`, `by`, `mean`, `std`, `n`, with its columns in this order."""
    columns = {name: index for index, name in enumerate(columns)}
    methods = {name: index for index, name in enumerate(_names(scores))}
    ordered = scores.sort(pl.col(by).replace_strict(columns), pl.col("method").replace_strict(methods))
    return results_table(
        ordered.with_columns(column=pl.col(by), fingerprint=pl.lit(caption.fingerprint)), caption
    )


def _cells(scores: pl.DataFrame, by: str) -> dict[tuple[str, str], Cell]:
    return {
        (row["method"], row[by]): Cell(value=row["mean"], std=row["std"], n=row["n"])
        for row in scores.iter_rows(named=True)
    }


def _names(table: pl.DataFrame) -> list[str]:
    return table["method"].unique(maintain_order=True).to_list()


def _row(name: str, cells: list[Cell]) -> tuple[Cell, ...]:
    return (Cell(text=name), *cells)
