"""The evaluation of one trained model as tables, CSV and pictures in a folder, and back from that folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from equipose.orchestrator.checkpoints.trained_model import TrainedModel
from equipose.orchestrator.evaluation.chosen_frames import ChosenFrames
from equipose.orchestrator.evaluation.evaluation import (
    REPORT,
    Evaluation,
    evaluate,
    load_evaluation,
    save_evaluation,
)
from equipose.orchestrator.training.build import own_device
from equipose.pipelines.figures import interval_panels, joint_heatmap, subset_lattice
from equipose.pipelines.files.atomic import atomic, write_json
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.statistics.comparison import resampled_unit
from equipose.pipelines.statistics.intervals import ALL, JOINT, model_errors
from equipose.pipelines.statistics.subset_errors import joint_values, lattice_values
from equipose.pipelines.store import Store
from equipose.pipelines.tables.formats import to_csv, to_markdown
from equipose.pipelines.tables.model_tables import (
    ModelCaption,
    group_interval_table,
    shown_subsets,
    subset_interval_table,
)
from equipose.pipelines.tables.table import ALIGNMENT, ALIGNMENTS, Table

EVALUATION, ABOUT, ERRORS = "evaluation", "about.json", "errors.csv"
GROUP_FILES: dict[str, str] = {JOINT: "joints", "action": "actions", "environment": "rooms"}
"""Kind of group -> name of its table's file."""
ABOUT_FIELDS: tuple[str, ...] = ("checkpoint", "store", "protocol", "split", "fingerprint", "provenance")


@dataclass(frozen=True, kw_only=True)
class ModelReport:
    """An evaluation, and what it was measured on."""

    evaluation: Evaluation
    about: Mapping[str, str]
    """`ABOUT_FIELDS`."""

    @property
    def cluster(self) -> str:
        """What intervals resample: `subject`, or `recording` where there are too few subjects."""
        return resampled_unit(self.evaluation.frames["subject"].n_unique())

    @property
    def units(self) -> str:
        """The plural of `cluster`, for captions."""
        return f"{self.cluster}s"

    def caption(self, title: str) -> ModelCaption:
        """The caption of a table of these errors."""
        return ModelCaption(
            title=title,
            provenance=self.evaluation.provenance,
            protocol=self.about["protocol"],
            split=self.about["split"],
            frames=self.evaluation.frames["row"].n_unique(),
            fingerprint=self.about["fingerprint"],
            alignment=ALIGNMENTS.get(self.about.get("origin", "sensor"), ALIGNMENT),
        )

    def errors(self) -> pl.DataFrame:
        """Every error with its interval, see `equipose.pipelines.statistics.intervals.model_errors`."""
        return model_errors(self.evaluation.frames, self.evaluation.joints, cluster=self.cluster)

    def tables(self, errors: pl.DataFrame) -> dict[str, Table]:
        """Name of the file -> table: subsets, joints, actions, rooms."""
        subsets = self.caption("Every subset of sensors")
        tables = {"subsets": subset_interval_table(errors, subsets, units=self.units)}
        for by, name in GROUP_FILES.items():
            caption = self.caption(f"Errors of {name}")
            tables[name] = group_interval_table(errors, caption, by=by, units=self.units)
        return tables

    def figures(self, errors: pl.DataFrame) -> dict[str, Figure]:
        """Name of the file -> picture: intervals, joints, and, of several sensors, what one more does."""
        label, frames = self.evaluation.provenance, self.evaluation.frames
        subsets = shown_subsets(frames["subset"].unique(maintain_order=True).to_list())
        joints = {name: joint_values(self.evaluation.joints, name)["model"] for name in subsets}
        figures = {
            "errors": interval_panels(self._panels(errors), label, title="Error of the model"),
            "joints": joint_heatmap(joints, label, title="Error per joint"),
        }
        if self.evaluation.report.coalitions.exact and len(self.evaluation.report.modalities) > 1:
            values, modalities = lattice_values(frames)
            figures["lattice"] = subset_lattice(values, modalities, label)
        return figures

    def _panels(self, errors: pl.DataFrame) -> dict[str, dict[str, tuple[float, float, float]]]:
        """Subsets, then rooms and actions of the full model."""
        mine = errors.filter(pl.col("metric") == "mpjpe_mm")
        full = mine.filter(pl.col("subset") == shown_subsets(mine["subset"].unique().to_list())[0])
        parts = {
            "sensors": ("subset", mine.filter(pl.col("by") == ALL)),
            "room": ("group", full.filter(pl.col("by") == "environment")),
            "action": ("group", full.filter(pl.col("by") == "action")),
        }
        return {
            title: {name: (e, low, high) for name, e, low, high in part.select(
                key, "error_mm", "low_mm", "high_mm").iter_rows()}
            for title, (key, part) in parts.items()
        }  # fmt: skip


def evaluate_model(trained: TrainedModel, store: Store, chosen: ChosenFrames) -> ModelReport:
    """Evaluate every subset of a model's sensors on chosen frames, on the accelerator if there is one.

    Raises ValueError for a model without a pose.
    """
    trained.check_pose()
    config = trained.config
    evaluation = evaluate(
        trained.model,
        trained.batches(chosen.rows, store),
        value_function=config.value_function,
        seed=config.seed,
        device=own_device(),
    )
    about = {
        "checkpoint": str(trained.checkpoint.absolute()),
        "store": store.path,
        "protocol": chosen.protocol,
        "split": chosen.split,
        "fingerprint": chosen.fingerprint,
        "provenance": evaluation.provenance,
        "origin": config.data.batch.origin,
    }
    return ModelReport(evaluation=evaluation, about=about)


def write_report(report: ModelReport, folder: Path) -> dict[str, Table]:
    """Write the evaluation, `errors.csv` with every number, tables and pictures; the tables are returned."""
    errors = report.errors()
    (folder / ABOUT).unlink(missing_ok=True)  # until all files are new, this is no report
    save_evaluation(report.evaluation, folder / EVALUATION)
    with atomic(folder / ERRORS) as stream:
        errors.with_columns(**{name: pl.lit(report.about[name]) for name in ABOUT_FIELDS[2:]}).write_csv(
            stream
        )
    tables = report.tables(errors)
    write_tables(tables, folder)
    write_pictures(report.figures(errors), folder)
    write_json(folder / ABOUT, dict(report.about))
    return tables


def write_tables(tables: Mapping[str, Table], folder: Path) -> None:
    """Every table as Markdown and CSV."""
    for name, table in tables.items():
        for ending, text in (("md", to_markdown(table)), ("csv", to_csv(table))):
            with atomic(folder / f"{name}.{ending}") as stream:
                stream.write(text.encode())


def write_pictures(figures: Mapping[str, Figure], folder: Path) -> None:
    """Every figure as PNG."""
    for name, figure in figures.items():
        with atomic(folder / f"{name}.png") as stream:
            figure.savefig(stream, format="png")


def is_report(folder: Path) -> bool:
    """Whether a folder is one that `write_report` has written, or an evaluation alone."""
    return (folder / ABOUT).is_file() or (folder / REPORT).is_file()


def read_report(folder: Path) -> ModelReport:
    """Inverse of `write_report`. Raises DataError where a file is absent or damaged.

    An evaluation that a comparison has kept says nothing of its checkpoint and store; both are empty then.
    """
    if not (folder / ABOUT).is_file():
        evaluation = load_evaluation(folder)
        about = dict.fromkeys(ABOUT_FIELDS, "–") | {"checkpoint": "", "store": ""}
        return ModelReport(evaluation=evaluation, about=about | {"provenance": evaluation.provenance})
    evaluation = load_evaluation(folder / EVALUATION)
    return ModelReport(evaluation=evaluation, about=_about(folder / ABOUT))


def _about(path: Path) -> dict[str, str]:
    try:
        content: Any = json.loads(path.read_bytes())
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(content, dict) or not all(
        isinstance(content.get(name), str) and content[name] for name in ABOUT_FIELDS
    ):
        raise _damaged(path, f"it needs a text for each of {', '.join(ABOUT_FIELDS)}")
    return {name: content[name] for name in (*ABOUT_FIELDS, *(("origin",) if "origin" in content else ()))}


def _damaged(path: Path, why: str) -> DataError:
    return DataError.about(path, field="content", value=f"damaged ({why})", remedy="evaluate the model again")
