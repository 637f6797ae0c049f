"""A continual job's results as files in its folder and on its parent run in MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from equipose.orchestrator.comparison.files import log_files, write_figures, write_tables
from equipose.orchestrator.continual.config import FINETUNE, ContinualConfig
from equipose.orchestrator.continual.detection import detections
from equipose.orchestrator.continual.figures import continual_figures, motion_before_and_after
from equipose.orchestrator.continual.results import ContinualOutcome
from equipose.orchestrator.continual.tables import continual_tables
from equipose.orchestrator.tracking.origin import MAX_NOTE, NOTE
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import Tracking, create_run, git_tags
from equipose.orchestrator.training.config import to_json
from equipose.pipelines.files.path_safety import file_name
from equipose.pipelines.player import motion_panel
from equipose.pipelines.report.grid import Grid
from equipose.pipelines.report.html import ReportFigure, Section, html_report, png_bytes
from equipose.pipelines.tables.table import Table

REPORT = "report.html"
ABOUT = (
    "A strategy learns the tasks one after the other; its error on every task is measured after every task. "
    "Only the abstract of the paper on balanced continual learning (arXiv 2501.05264) is public, so the "
    "re-learning, the noise separation and the adaptive EWC within its words are our own design."
)
CAPTIONS: Mapping[str, str] = {
    "matrices": "Error on every task (columns) after every task (rows), mean over seeds, first order.",
    "plasticity-stability": "Error as tasks are learnt against what is forgotten; lower left is best.",
    "contributions": "Shapley contribution of every sensor on every task (columns) after every task (rows).",
    "skeletons": "Test frames of the first task: as fine-tuning had learnt them, and after the last task.",
}

MOTION = "A test sequence of the first task: as fine-tuning had learnt it, and after the last task."


def record(outcome: ContinualOutcome, tracking: Tracking, root: Path, command: str) -> Path:
    """Write tables, figures and the report below `root`, and log them; the path of the report.

    Every strategy also gets a child run with its means, so that MLflow's compare view shows strategies
    rather than tasks.
    """
    found = detections(outcome)
    tables, figures = continual_tables(outcome, found), continual_figures(outcome, found)
    write_tables(tables, root / "tables")
    outcome.metrics.write_csv(root / "tables" / "streams.csv")
    write_figures(figures, root / "figures")
    report = root / REPORT
    report.write_text(_report(outcome, tables, figures, command))
    with RunLogger(tracking.uri, tracking.parent_run, Path(tracking.outbox)) as logger:
        logger.log_artifact(json.dumps(to_json(outcome.config.base), indent=2), "config.json")
        log_files(logger, [report, *root.glob("tables/*"), *root.glob("figures/*.png")], root)
        numbers = strategy_numbers(outcome)
        finals = {
            f"stream/{file_name(name)}/final_mm": row["stream/final_mm"] for name, row in numbers.items()
        }
        logger.log_metrics(finals, step=len(outcome.learnt))
        logger.set_tags({NOTE: _note(outcome, numbers)})
    for name, row in numbers.items():
        _summary_run(outcome, name, row, tracking)
    return report


def _note(outcome: ContinualOutcome, numbers: Mapping[str, Mapping[str, float]]) -> str:
    """Every strategy's final error and verdict, as Markdown for the head of the job's page."""
    verdicts = {row["method"]: row["verdict"] for row in outcome.against_finetuning.iter_rows(named=True)}
    lines = [f"**Against fine-tuning**, {outcome.learnt[0].results[0].provenance}", ""]
    for name, row in numbers.items():
        verdict = verdicts.get(name, "what all are compared to")
        lines.append(f"- {name}: {verdict}; final error {row['stream/final_mm']:.1f} mm")
    return "\n".join(lines)[:MAX_NOTE]


def strategy_numbers(outcome: ContinualOutcome) -> dict[str, dict[str, float]]:
    """Strategy -> means over its streams under the tracking names.

    The final error comes first, which MLflow's compare view draws by default; `stream/minus_finetune_mm` is
    the difference to fine-tuning, with `/low` and `/high`.
    """
    numbers = {}
    for row in outcome.means.iter_rows(named=True):
        name = row.pop("strategy")
        numbers[name] = {
            f"stream/{metric}": float(value)
            for metric, value in row.items()
            if value is not None and np.isfinite(value)
        }
    for row in outcome.against_finetuning.iter_rows(named=True):
        numbers[row["method"]] |= {
            f"stream/minus_{FINETUNE}_mm": row["difference_mm"],
            f"stream/minus_{FINETUNE}_mm/low": row["low_mm"],
            f"stream/minus_{FINETUNE}_mm/high": row["high_mm"],
        }
    return numbers


def _summary_run(
    outcome: ContinualOutcome, strategy: str, numbers: dict[str, float], tracking: Tracking
) -> None:
    """A child run that stands for a strategy, over its seeds and orders."""
    learnt = outcome.of(strategy)
    seeds = ",".join(str(one.stream.seed) for one in learnt)
    verdicts = {row["method"]: row["verdict"] for row in outcome.against_finetuning.iter_rows(named=True)}
    run_id = create_run(
        tracking.uri,
        tracking.experiment,
        f"{strategy} ({len(learnt)} streams)",
        key=f"{tracking.parent_run}/strategy/{strategy}",
        parent=tracking.parent_run,
        tags={
            **tracking.tags,
            "stage": "summary",
            "strategy": strategy,
            "seeds": seeds,
            "verdict": verdicts.get(strategy, "what all are compared to"),
            "fingerprint": outcome.fingerprint,
            "provenance": learnt[0].results[0].provenance,
        },
        params={"strategy": strategy, "shape": learnt[0].stream.strategy.shape},
    )
    with RunLogger(tracking.uri, run_id, Path(tracking.outbox)) as logger:
        finite = {name: value for name, value in numbers.items() if np.isfinite(value)}
        logger.log_metrics(finite, step=len(learnt))


def _report(
    outcome: ContinualOutcome, tables: Mapping[str, Table], figures: Mapping[str, Figure], command: str
) -> str:
    """The report as one HTML file."""
    provenance = outcome.learnt[0].results[0].provenance
    pictures = [
        ReportFigure(
            title=name,
            data=png_bytes(figure),
            alt=CAPTIONS.get(name, f"Validation error of every task over the stream, {name}"),
            caption=CAPTIONS.get(name, ""),
            provenance=provenance,
        )
        for name, figure in figures.items()
    ]
    matrices = [Grid.of(table) for name, table in tables.items() if name.startswith("matrix-")]
    others = [Grid.of(table) for name, table in tables.items() if not name.startswith("matrix-")]
    return html_report(
        "Learning task after task: strategies compared",
        [
            Section(title="Strategies", text=(ABOUT,), grids=others),
            Section(
                title="Figures",
                figures=pictures,
                motions=[motion_panel(motion_before_and_after(outcome), MOTION)],
            ),
            Section(title="Error matrices", grids=matrices),
        ],
        provenance,
        facts=facts(outcome.config, command),
    )


def facts(config: ContinualConfig, command: str) -> dict[str, str]:
    """What a reader needs to judge or repeat the numbers."""
    base, code = config.base, git_tags()
    dirty = " with uncommitted changes" if code["dirty"] == "true" else ""
    about: dict[str, Any] = {
        "tasks": ", ".join(task.name for task in config.tasks),
        "seeds": ", ".join(map(str, config.seeds)),
        "orders": len(config.orders),
        "training": f"{base.epochs} epochs a task, batches of {base.data.batch.batch_size}, "
        f"{base.model.preset} widths, {base.model.norm} normalisation",
        "code": code["git_sha"][:12] + dirty,
        "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "rebuild": command,
    }
    return {name: str(value) for name, value in about.items()}
