"""The whole job around a sweep: Ray and MLflow up, trials, the best on test, figures, everything down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import ray.train

from equipose.balancing.shapley.report import contribution_report
from equipose.orchestrator.cluster.session import SessionConfig, address_to_join, ray_session, tracking_host
from equipose.orchestrator.evaluation.coalition_pool import PoolConfig, evaluate_coalitions
from equipose.orchestrator.evaluation.report_formats import report_markdown, report_metrics
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.jobs.progress import SweepProgress
from equipose.orchestrator.ray_train.run import best_checkpoint
from equipose.orchestrator.ray_train.sizing import concurrent_runs_of
from equipose.orchestrator.sweep.config import OBJECTIVE, SweepConfig
from equipose.orchestrator.sweep.figures import sweep_figures
from equipose.orchestrator.sweep.leaked_groups import LOOK_SECONDS, remove_orphaned_groups
from equipose.orchestrator.sweep.periodic import periodically
from equipose.orchestrator.sweep.results import SweepOutcome, SweepTable, parameter_importance, sweep_table
from equipose.orchestrator.sweep.run import SweepLocation, run_sweep
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.delivery import replay
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import end_run, find_run, flatten_config, parent_run
from equipose.orchestrator.tracking.server import tracking_server
from equipose.orchestrator.training.config import to_json
from equipose.orchestrator.training.data import RunData
from equipose.orchestrator.training.run_tags import experiment_name, run_tags

REPLAY_SECONDS = 2.0
"""Between two looks for what trials have handed over, and at most for each."""
PATIENCE = 30.0
"""Seconds that the end of a sweep waits for a trial's process to let go of its outbox."""


def run_sweep_job(
    config: SweepConfig, place: JobLocation, progress: SweepProgress, session: SessionConfig | None = None
) -> SweepOutcome:
    """Run a sweep, or go on with an interrupted one of the same name, and record it in MLflow."""
    root = (place.out / "sweeps" / config.name).resolve()
    root.mkdir(parents=True, exist_ok=True)
    data = RunData.open(config.base.data)
    tags = {**run_tags(config.base, data), "sweep": config.name, "method": "awc"}
    experiment = experiment_name(place.dataset, config.base.data)
    progress.stage("starting Ray and MLflow")
    with (
        tracking_server(place.out, host=tracking_host(session)) as server,
        ray_session(session),
        parent_run(
            server.uri,
            experiment,
            config.name,
            key=f"sweep/{config.name}",
            tags=tags,
            params=flatten_config(config, omit=("base.data.store", "resources", "concurrency")),
        ) as parent,
    ):
        sweep_place = SweepLocation(
            root=root, uri=server.uri, experiment=experiment, parent_run=parent, tags=tags
        )
        if address_to_join(session):
            config = _sized(config)
        with periodically("orphaned-groups", remove_orphaned_groups, LOOK_SECONDS):
            return _sweep_and_record(config, data, sweep_place, progress)


def _sized(config: SweepConfig) -> SweepConfig:
    """The same sweep, as wide as the cluster that has been joined; it was planned on the driver's machine."""
    taken = config.resources
    concurrency, resources = concurrent_runs_of(
        config.base, taken.workers, gpu=taken.gpu, limit=config.trials
    )
    return replace(config, concurrency=concurrency, resources=resources)


def _sweep_and_record(
    config: SweepConfig, data: RunData, place: SweepLocation, progress: SweepProgress
) -> SweepOutcome:
    outbox = place.root / "spool"
    replay(outbox, place.uri)
    progress.stage(f"training {config.trials} trials, {config.concurrency} at a time")
    with periodically("mlflow-replay", partial(replay, outbox, place.uri, REPLAY_SECONDS), REPLAY_SECONDS):
        study = run_sweep(config, place, progress)
    table = sweep_table(study)
    runs = _close_children(table, place)
    progress.stage("evaluating AWC and plain training on the test part")
    outcome = _evaluate(config, data, place, table)
    progress.stage("drawing figures")
    _record(config, place, outcome, runs, parameter_importance(study, config.seed))
    replay(outbox, place.uri)  # what a slow server has not taken in time
    _end_runs(outcome.table, runs, place)  # an outbox begins with the status RUNNING
    return outcome


def _close_children(table: SweepTable, place: SweepLocation) -> dict[str, str]:
    """Deliver what workers could not, end the runs of stopped trials; trial -> run id."""
    replay(place.root / "spool", place.uri, patience=PATIENCE)
    mlflow = client(place.uri)
    runs: dict[str, str] = {}
    for row in table.frame.iter_rows(named=True):
        run_id = find_run(place.uri, place.experiment, place.key(row["trial"]))
        if run_id is None:
            continue
        runs[row["trial"]] = run_id
        mlflow.set_tag(run_id, "status_reason", table.failures.get(row["trial"]) or _reason(row))
    _end_runs(table, runs, place)
    return runs


def _end_runs(table: SweepTable, runs: Mapping[str, str], place: SweepLocation) -> None:
    """End the runs of trials that were stopped, or that died, before they could do it themselves."""
    mlflow = client(place.uri)
    for trial, state in table.frame.select("trial", "state").iter_rows():
        if trial in runs and mlflow.get_run(runs[trial]).info.status == "RUNNING":
            end_run(place.uri, runs[trial], "FAILED" if state == "failed" else "FINISHED")


def _reason(row: dict[str, Any]) -> str:
    reasons = {"done": "all epochs", "stopped": f"stopped by ASHA after epoch {row['epochs']}"}
    return reasons.get(row["state"], row["state"])


def _evaluate(config: SweepConfig, data: RunData, place: SweepLocation, table: SweepTable) -> SweepOutcome:
    """Read the test part once: with AWC and with plain training, in the fusion that did best."""
    trials = {role: row["trial"] for role, row in table.compared.items()}
    train = place.train_path / config.name
    checkpoints = {
        role: best_checkpoint(ray.train.Result.from_path(str(train / trial)))
        for role, trial in trials.items()
    }
    # Half of what a trial took: the last trial's place may not be free again yet.
    pool = PoolConfig(actors=config.concurrency, cpus_per_actor=config.resources.cpus_per_worker / 2)
    modalities, rows = config.base.model.modalities, data.rows["test"]
    test = {
        role: contribution_report(
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
    place: SweepLocation,
    outcome: SweepOutcome,
    runs: dict[str, str],
    importance: dict[str, float],
) -> None:
    """Numbers, tables and figures of the whole sweep, on the parent run."""
    with RunLogger(place.uri, place.parent_run, place.root / "spool" / "parent") as logger:
        metrics = {OBJECTIVE: float(outcome.table.best[OBJECTIVE])}
        for role, report in outcome.test.items():
            metrics |= report_metrics(report, f"test/{role}")
            title = f"Test part, {role} ({outcome.trials[role]})"
            logger.log_artifact(report_markdown(report, title, outcome.provenance), f"tables/test-{role}.md")
        logger.log_metrics(metrics, step=0)
        logger.set_tags({"best_trial": outcome.table.best["trial"]})
        logger.log_artifact(outcome.table.frame.write_csv(), "tables/trials.csv")
        logger.log_artifact(json.dumps(to_json(config.base), indent=2), "config.json")
        figures = sweep_figures(outcome, place.uri, runs, importance)
        for name, figure in figures.items():
            logger.log_figure(figure, f"figures/{name}.png")
