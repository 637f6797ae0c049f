"""The `sweep` job: trials, the best of them on the test part, figures and tables on the parent run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl
import ray.train

from equipose.orchestrator.cluster.leaked_groups import LOOK_SECONDS, remove_leaked_groups
from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.evaluation.coalition_pool import PoolConfig, evaluate_coalitions
from equipose.orchestrator.evaluation.contributions import contributions
from equipose.orchestrator.evaluation.report_formats import report_markdown, report_metrics
from equipose.orchestrator.jobs.location import JobFolder, JobLocation
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.jobs.session import JobSession, job_session
from equipose.orchestrator.logged_model.log import LOGGED, ModelLogging, log_best_model
from equipose.orchestrator.ray_train.run import best_checkpoint
from equipose.orchestrator.ray_train.sizing import concurrent_runs_of
from equipose.orchestrator.sweep.config import OBJECTIVE, SweepConfig
from equipose.orchestrator.sweep.figures import sweep_figures
from equipose.orchestrator.sweep.periodic import periodically
from equipose.orchestrator.sweep.results import SweepOutcome, SweepTable, parameter_importance, sweep_table
from equipose.orchestrator.sweep.run import run_sweep
from equipose.orchestrator.sweep.trial import SweepLocation
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.origin import NOTE
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import end_run, find_run, flatten_config, tag_extent
from equipose.orchestrator.training.config import to_json
from equipose.orchestrator.training.data import RunData
from equipose.orchestrator.training.run_tags import experiment_name, run_tags

REPLAY_SECONDS = 2.0
"""Pause between two deliveries of what trials have handed over, and the most that each takes."""
PATIENCE = 30.0
"""Seconds that the end of a sweep waits for a trial's process to release its outbox."""

SEARCHED = ("strength", "ratio_s", "ratio_i", "alpha_s", "alpha_i", "window")
"""Fields of AWC that every trial sets, from what the sweep searches."""
OMITTED = (
    "base.data.store", "base.method", "resources", "concurrency", "trials",
    *(f"awc.{name}" for name in SEARCHED),
)  # fmt: skip
"""What is no parameter of the parent run: it says nothing about the science, or is the trials' own."""


def run_sweep_job(
    config: SweepConfig,
    location: JobLocation,
    progress: JobProgress,
    session: SessionConfig | None = None,
    models: ModelLogging = LOGGED,
) -> SweepOutcome:
    """Run a sweep, or resume an interrupted one of the same name, and record it in MLflow.

    models: what becomes of the best trial's checkpoint there.
    """
    folder = JobFolder(out=location.out, kind="sweeps", name=config.name)
    folder.root.mkdir(parents=True, exist_ok=True)
    data = RunData.open(config.base.data)
    tags = {**run_tags(config.base, data), "sweep": config.name, "method": "awc"}
    with job_session(
        folder,
        experiment_name(location.dataset, config.base.data),
        key=f"sweep/{config.name}",
        tags=tags,
        params=flatten_config(config, omit=OMITTED),
        child_tags=tags,
        progress=progress,
        session=session,
    ) as job:
        tag_extent(job.tracking, trials=config.trials)
        if job.joined:
            config = _sized(config)
        with periodically("leaked-groups", remove_leaked_groups, LOOK_SECONDS):
            return _sweep_and_record(config, data, job, progress, models)


def _sized(config: SweepConfig) -> SweepConfig:
    """The same sweep, as wide as the cluster that was joined; it was planned on the driver's machine."""
    planned = config.resources
    concurrency, resources = concurrent_runs_of(
        config.base, planned.workers, gpu=planned.gpu, limit=config.trials
    )
    return replace(config, concurrency=concurrency, resources=resources)


def _sweep_and_record(
    config: SweepConfig, data: RunData, job: JobSession, progress: JobProgress, models: ModelLogging
) -> SweepOutcome:
    location = SweepLocation(folder=job.folder, tracking=job.tracking)
    progress.stage(f"training {config.trials} trials, {config.concurrency} at a time")
    with periodically("mlflow-replay", partial(job.deliver, REPLAY_SECONDS), REPLAY_SECONDS):
        study = run_sweep(config, location, progress)
    job.deliver(patience=PATIENCE)
    table = sweep_table(study)
    runs = note_reasons(table.frame, table.failures, location)
    end_all = partial(end_runs, table.frame, runs, job.tracking.uri)
    end_all()
    progress.stage("evaluating AWC and plain training on the test part")
    outcome = _evaluate(config, data, location, table)
    progress.stage("drawing figures")
    _record(config, location, outcome, runs, parameter_importance(study, config.seed))
    best, tracking = next(iter(outcome.trials)), job.tracking
    log_best_model(
        outcome.checkpoints[best],
        tracking.uri,
        runs.get(outcome.trials[best], tracking.parent_run),
        models,
        also=(tracking.parent_run,),
    )
    job.endings.append(end_all)  # what is delivered late sets a run back to RUNNING
    return outcome


def note_reasons(
    trials: pl.DataFrame, failures: Mapping[str, str], location: SweepLocation
) -> dict[str, str]:
    """Tag every trial's run with why it ended; trial -> run id.

    trials: columns `trial`, `state` and `epochs`. failures: trial -> why it failed.
    """
    tracking = location.tracking
    runs: dict[str, str] = {}
    for row in trials.iter_rows(named=True):
        run_id = find_run(tracking.uri, tracking.experiment, location.key(row["trial"]))
        if run_id is None:
            continue
        runs[row["trial"]] = run_id
        reason = failures.get(row["trial"]) or _reason(row)
        client(tracking.uri).set_tag(run_id, "status_reason", reason)
    return runs


def end_runs(trials: pl.DataFrame, runs: Mapping[str, str], uri: str) -> None:
    """End the runs of trials that were stopped, or that died, before they could do it themselves."""
    mlflow = client(uri)
    for trial, state in trials.select("trial", "state").iter_rows():
        if trial in runs and mlflow.get_run(runs[trial]).info.status == "RUNNING":
            end_run(uri, runs[trial], "FAILED" if state == "failed" else "FINISHED")


def _reason(row: dict[str, Any]) -> str:
    reasons = {"done": "all epochs", "stopped": f"stopped by ASHA after epoch {row['epochs']}"}
    return reasons.get(row["state"], row["state"])


def _evaluate(config: SweepConfig, data: RunData, location: SweepLocation, table: SweepTable) -> SweepOutcome:
    """Read the test part once: with AWC and with plain training, in the fusion that did best."""
    trials = {role: row["trial"] for role, row in table.compared.items()}
    checkpoints = {
        role: best_checkpoint(ray.train.Result.from_path(str(location.train_path / trial)))
        for role, trial in trials.items()
    }
    # Half of what a trial took: the cores of the last trial may not be free yet.
    pool = PoolConfig(actors=config.concurrency, cpus_per_actor=config.resources.cpus_per_worker / 2)
    modalities, rows = config.base.model.modalities, data.rows["test"]
    test = {
        role: contributions(
            evaluate_coalitions(checkpoint, rows, len(modalities), pool),
            modalities,
            value=config.base.value_function,
            seed=config.seed,
        )
        for role, checkpoint in checkpoints.items()
    }
    return SweepOutcome(
        table=table,
        trials=trials,
        checkpoints=checkpoints,
        test=test,
        test_rows=rows,
        modalities=modalities,
        provenance=data.provenance,
    )


def _record(
    config: SweepConfig,
    location: SweepLocation,
    outcome: SweepOutcome,
    runs: dict[str, str],
    importance: dict[str, float],
) -> None:
    """Numbers, tables and figures of the whole sweep, on the parent run."""
    tracking = location.tracking
    with RunLogger(tracking.uri, tracking.parent_run, location.folder.outbox / "parent") as logger:
        metrics = {OBJECTIVE: float(outcome.table.best[OBJECTIVE])}
        for role, report in outcome.test.items():
            metrics |= report_metrics(report, f"test/{role}")
            title = f"Test part, {role} ({outcome.trials[role]})"
            logger.log_artifact(report_markdown(report, title, outcome.provenance), f"tables/test-{role}.md")
        # A point is logged once; the numbers of a sweep with more trials need a step of their own.
        logger.log_metrics(metrics, step=len(outcome.table.finished))
        logger.set_tags({"best_trial": outcome.table.best["trial"], NOTE: outcome.note})
        logger.log_artifact(outcome.table.frame.write_csv(), "tables/trials.csv")
        logger.log_artifact(json.dumps(to_json(config.base), indent=2), "config.json")
        figures = sweep_figures(outcome, tracking.uri, runs, importance)
        for name, figure in figures.items():
            logger.log_figure(figure, f"figures/{name}.png")
