"""Which sensors of a model are worth having, from its evaluation, their costs, and measured latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from equipose.orchestrator.checkpoints.trained_model import load_model
from equipose.orchestrator.evaluation.chosen_frames import held_sensors
from equipose.orchestrator.evaluation.latency import Latencies, measure_latencies
from equipose.orchestrator.evaluation.model_report import ModelReport, write_pictures, write_tables
from equipose.orchestrator.training.build import own_device
from equipose.pipelines.figures import choice_figure
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.statistics.sensor_choice import (
    Costs,
    check_costs,
    choices,
    cost_column,
    front_effects,
)
from equipose.pipelines.statistics.subset_errors import CLUSTERS, in_size_order, members
from equipose.pipelines.statistics.subset_steps import step_effects
from equipose.pipelines.tables.choice_tables import choice_table, priced_step_table
from equipose.pipelines.tables.table import Table

NUMBER_OF_SENSORS = "sensors"
"""The cost where none is given: 1 for each."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Tables and pictures that say which sensors are worth having."""

    subsets: Table
    """Every subset: error, costs, latency, whether it is on the Pareto front."""
    front: Table
    """Those on the front, from the worst to the best, each against the one before."""
    steps: Table | None
    """What one sensor more buys, where it leads to or from the front; None for a model of one sensor."""
    all_steps: Table | None
    """The same for every subset."""
    figures: Mapping[str, Figure]
    latency_text: str
    """Where latency was measured, or why it was not."""


def advice_of(report: ModelReport, costs: Costs, *, store: str | None = None, latency: bool = True) -> Advice:
    """The advice from an evaluation. Raises ValueError for costs that do not fit the model's sensors.

    costs: name -> sensor -> cost; empty: every sensor costs 1. store: where the frames are now, for the
    latency; None is where they were.
    """
    costs = _checked(costs, report)
    frames = report.evaluation.frames
    found = choices(frames, costs, cluster=report.cluster)
    front = front_effects(frames, found, cluster=report.cluster)
    times, text = _latency(report, store) if latency else ({}, "Latency: not measured (--no-latency).")
    about: dict[str, Any] = {
        "latency": times,
        "units": report.units,
        "clusters": frames.select(pl.struct(CLUSTERS[report.cluster]).n_unique()).item(),
    }
    near, every = _steps(report, costs, front["subset"].to_list())
    return Advice(
        subsets=choice_table(found, report.caption("Every subset of sensors"), **about),
        front=choice_table(front, report.caption("Sensors worth having"), **about),
        steps=near,
        all_steps=every,
        figures=_figures(found, costs, report.evaluation.provenance),
        latency_text=text,
    )


def _checked(costs: Costs, report: ModelReport) -> Costs:
    """The costs, or 1 for each sensor. Raises ValueError where they, or the subsets, do not fit."""
    sensors = report.evaluation.modalities
    if not report.evaluation.report.coalitions.exact:
        raise ValueError(
            f"{len(sensors)} sensors have too many subsets to evaluate all, which advice needs; train a "
            "model with 8 sensors at most"
        )
    costs = costs or {NUMBER_OF_SENSORS: dict.fromkeys(sensors, 1.0)}
    check_costs(costs, sensors)
    return costs


def _steps(report: ModelReport, costs: Costs, best: Sequence[str]) -> tuple[Table, Table] | tuple[None, None]:
    """What each further sensor buys: (next to the subsets of the front, everywhere)."""
    if len(report.evaluation.modalities) == 1:
        return None, None
    effects = step_effects(report.evaluation.frames, cluster=report.cluster)
    near = effects.filter(pl.col("subset").is_in(best) | pl.col("without").is_in(best))
    caption = report.caption("What each further sensor buys")
    near_table, every = (
        priced_step_table(steps, costs, caption, units=report.units) for steps in (near, effects)
    )
    return near_table, every


def _latency(report: ModelReport, store: str | None) -> tuple[Mapping[int, Mapping[str, float]], str]:
    """(batch size -> subset -> ms, where or why not)."""
    try:
        measured = _measured(report, store)
    except DataError as error:
        return {}, f"Latency: not measured ({error})."
    return measured.milliseconds, measured.text


def _measured(report: ModelReport, store: str | None) -> Latencies:
    if not report.about["checkpoint"]:
        raise DataError("this evaluation does not say of which checkpoint it is: give the checkpoint itself")
    trained = load_model(report.about["checkpoint"])
    opened = trained.open_store(store or report.about["store"])
    if trained.sensors != report.evaluation.modalities:
        raise DataError(f"{trained.checkpoint} is no longer the model that was evaluated; evaluate it again")
    held_sensors(trained, opened)
    whole = opened.index.filter(
        pl.all_horizontal(*(f"valid_{name}" for name in trained.sensors), "valid_pose")
    )
    usable = whole if len(whole) else opened.index.filter(pl.col("valid_pose"))
    if not len(usable):
        raise DataError.about(
            opened.path, field="number of posed frames", value=0, remedy="give another store"
        )
    subsets = in_size_order(report.evaluation.frames["subset"].unique(maintain_order=True))
    named = {name: members(name) for name in subsets}
    return measure_latencies(trained, opened, int(usable["row"][0]), named, device=own_device())


def _figures(found: pl.DataFrame, costs: Costs, provenance: str) -> dict[str, Figure]:
    """A picture per cost, the files numbered, since a cost's name need not be one of a file."""
    figures = {}
    for number, name in enumerate(costs, start=1):
        columns = found.select("subset", cost_column(name), "error_mm", "low_mm", "high_mm", "front")
        points = {row[0]: row[1:] for row in columns.iter_rows()}
        figures[f"cost-{number}"] = choice_figure(points, provenance, cost=name)
    return figures


def write_advice(advice: Advice, folder: Path) -> None:
    """Write every table as Markdown and CSV, and the pictures."""
    tables = {"choices": advice.subsets, "front": advice.front, "steps": advice.all_steps}
    noted = {
        name: table.with_notes(advice.latency_text) for name, table in tables.items() if table is not None
    }
    write_tables(noted, folder)
    write_pictures(advice.figures, folder)
