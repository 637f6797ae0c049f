"""Tables and the figure of what noise separation finds, and on whom its false flags fall."""

from __future__ import annotations

import polars as pl
from matplotlib.figure import Figure

from equipose.orchestrator.continual.detection import Detection
from equipose.pipelines.figures import roc_curves
from equipose.pipelines.statistics.streams.detection import ANY
from equipose.pipelines.tables.table import Caption, Cell, Table, columns_named


def detection_table(found: Detection, caption: Caption) -> Table:
    """AUROC by kind (rows) and sensor, then precision and recall of the flags over all sensors."""
    measures = found.measures
    sensors = measures["sensor"].unique(maintain_order=True).to_list()
    kinds = sorted(set(measures["kind"]) - {ANY})
    rows = []
    for kind in (*kinds, ANY):
        mine = measures.filter(pl.col("kind") == kind)
        by_sensor = {row["sensor"]: row for row in mine.iter_rows(named=True)}
        together = by_sensor[ANY]
        rows.append(
            (
                Cell(text=kind),
                *(_cell(by_sensor.get(sensor), "auroc") for sensor in sensors),
                *(_cell(together, name) for name in ("average_precision", "precision", "recall")),
                Cell(value=together["contaminated"], decimals=0),
            )
        )
    return Table(
        caption=caption,
        columns=columns_named(
            ["kind", *(f"AUROC {name}" for name in sensors), "AP", "precision", "recall", "readings"]
        ),
        rows=tuple(rows),
        notes=(
            "Scores of single readings as each task judged its own last, means over the streams; `any`: all "
            "kinds, or all sensors. precision, recall: of the flags. The truth is the simulator's, and no "
            "training reads it.",
        ),
    )


def flagged_table(found: Detection, by: str, caption: Caption) -> Table:
    """Share of clean readings that are flagged, per subject or action and sensor, in percent."""
    shares = found.shares(by)
    sensors = shares["sensor"].unique(maintain_order=True).to_list()
    rows = []
    for (group,), mine in shares.group_by(by, maintain_order=True):
        cells = {row["sensor"]: row["false_flags"] for row in mine.iter_rows(named=True)}
        values = [cells[sensor] for sensor in sensors]
        rows.append((Cell(text=str(group)), *(_percent(value) for value in values)))
    return Table(
        caption=caption,
        columns=columns_named([by, *sensors]),
        rows=tuple(rows),
        notes=("Percent of the clean readings; a group far above the others loses unusual poses or people.",),
    )


def detection_figure(found: Detection, provenance: str) -> Figure:
    """ROC curves per sensor, over all kinds."""
    curves = {
        sensor: (curve["false_positive_rate"].to_numpy(), curve["true_positive_rate"].to_numpy())
        for sensor, curve in found.curves().items()
    }
    return roc_curves(curves, provenance, title=f"Contaminated readings found ({found.strategy})")


def _cell(row: dict[str, float] | None, name: str) -> Cell:
    value = None if row is None else row[name]
    return Cell() if value is None else Cell(value=value, decimals=2)


def _percent(value: float | None) -> Cell:
    return Cell() if value is None else Cell(value=100 * value)
