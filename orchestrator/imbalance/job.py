"""The controlled experiment as a job: train, test, then write and record claims, tables and figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.comparison.figures import curve_figures
from equipose.orchestrator.comparison.files import log_files, write_tables
from equipose.orchestrator.comparison.methods_table import evidence
from equipose.orchestrator.comparison.tables import comparison_tables
from equipose.orchestrator.grid.job import grid_job
from equipose.orchestrator.grid.run_one import RunsFolder
from equipose.orchestrator.grid.run_spec import RunResult
from equipose.orchestrator.imbalance.config import ImbalanceConfig
from equipose.orchestrator.imbalance.results import (
    LevelOutcome,
    alone_errors,
    claims_of,
    level_outcomes,
    overview,
)
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import Tracking
from equipose.orchestrator.training.config import to_json
from equipose.orchestrator.training.run_tags import experiment_name
from equipose.pipelines.figures.style import save_png
from equipose.pipelines.statistics.claims import Claim
from equipose.pipelines.tables.claim_tables import claims_frame, claims_table
from equipose.pipelines.tables.table import Table


@dataclass(frozen=True, kw_only=True)
class ImbalanceOutcome:
    """The results of the experiment, and the folder of its files."""

    claims: tuple[Claim, ...]
    tables: tuple[Table, ...]
    """Claims level by level."""
    alone: pl.DataFrame
    """Test errors of the sensors trained alone, see `results.alone_errors`."""
    folder: Path


def run_imbalance_job(
    config: ImbalanceConfig,
    location: JobLocation,
    progress: JobProgress,
    *,
    gpu: bool = False,
    session: SessionConfig | None = None,
) -> ImbalanceOutcome:
    """Run the experiment or resume an interrupted one; finished runs are not repeated.

    Raises `failures.FailedRunsError` when runs fail; the results of the others are kept.
    """
    experiment = experiment_name(location.dataset, config.base.data)
    with grid_job(
        "imbalance", config, location, progress, experiment=experiment, gpu=gpu, session=session
    ) as job:
        specs = config.runs()
        job.progress.trials = len(specs)
        results = job.run(specs, "training and testing")
        progress.stage("claims, tables and figures")
        outcome = write_outcome(config, results, job.runs, job.root)
        _record(config, job.tracking, job.root)
    return outcome


def write_outcome(
    config: ImbalanceConfig, results: dict[str, RunResult], runs_folder: RunsFolder, root: Path
) -> ImbalanceOutcome:
    """Claims, tables and figures from finished runs, written to `root`."""
    levels = level_outcomes(config, results, runs_folder)
    claims = claims_of(levels)
    tables = {level.level.slug: _table(claims, level) for level in levels}
    write_tables(tables, root)
    alone = alone_errors(config, results, runs_folder)
    (root / "claims.csv").write_text(claims_frame(claims).write_csv())
    (root / "alone.csv").write_text(alone.write_csv())
    save_png(overview(levels), root / "imbalance.png")
    for level in levels:
        _write_level(level, root / level.level.slug)
    return ImbalanceOutcome(claims=tuple(claims), tables=tuple(tables.values()), alone=alone, folder=root)


def _table(claims: Sequence[Claim], level: LevelOutcome) -> Table:
    caption = level.outcome.caption(f"Claims about {level.weak} at {level.level.name}")
    table = claims_table(claims, level.level.name, caption, units=f"{level.outcome.cluster}s")
    return table.with_notes(*evidence(level.judgements))


def _write_level(level: LevelOutcome, folder: Path) -> None:
    """The tables of every comparison for one level, and the curves that the claims are about."""
    write_tables(comparison_tables(level.judgements), folder / "tables")
    provenance = level.outcome.runs[0].result.provenance
    for method in level.outcome.methods:
        figures = curve_figures(method, level.outcome.of(method), provenance)
        for name in (f"contributions-{method}", f"spread-{method}"):
            save_png(figures[name], folder / "figures" / f"{name}.png")


def _record(config: ImbalanceConfig, tracking: Tracking, root: Path) -> None:
    """Everything that was written, on the parent run."""
    with RunLogger(tracking.uri, tracking.parent_run, Path(tracking.outbox)) as logger:
        logger.log_artifact(json.dumps(to_json(config.base), indent=2), "config.json")
        paths = [*root.glob("*.*"), *root.glob("*/tables/*"), *root.glob("*/figures/*.png")]
        log_files(logger, paths, root)
